//! CNI plugins: wire pods to their node, and nodes to each other.
//!
//! - `bridge`: the reference plugin, routes to other nodes through their addresses, outbound traffic masqueraded by ip-masq-agent
//! - `flannel`: the same bridge, a VXLAN device to other nodes
//! - `flannel-host-gw`: the same bridge, routes to other nodes through their addresses
//!
//! - `calico`, `calico-bgp`: no bridge, a route to every pod, blocks of addresses told by BGP; see [`calico`]
//!
//! What the first three share is in [`bridge`], what flannel adds in [`flannel`]. After each of them comes [`portmap`].

pub mod bridge;
pub mod calico;
pub mod flannel;
pub mod ipam;
pub mod portmap;

use std::net::IpAddr;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::kube::config::{Cni, IpFamily, Networking};
use crate::linux::route::Route;
use crate::linux::tunnel::{VXLAN_OVERHEAD, VXLAN_OVERHEAD_V6};
use crate::linux::{NetError, Netns};
use crate::packet::MacAddr;

/// A node as its plugin sees it, in one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub ip: IpAddr,
    /// Its pod range.
    pub pod_cidr: IpNet,
    /// All pods of the cluster.
    pub cluster: IpNet,
    /// Its blocks of pod addresses, if the plugin has blocks.
    pub blocks: &'a [IpNet],
}

/// MTU of pods in bytes.
#[must_use]
pub const fn pod_mtu(networking: &Networking) -> u32 {
    match networking.cni {
        // The longer header counts for both families.
        Cni::Flannel if !matches!(networking.ip_family, IpFamily::V4) => networking.mtu - VXLAN_OVERHEAD_V6,
        Cni::Flannel => networking.mtu - VXLAN_OVERHEAD,
        Cni::Calico | Cni::CalicoBgp => calico::mtu(networking),
        _ => networking.mtu,
    }
}

/// Sets up a node that has joined: devices and rules of the plugin. `ns` is the node's.
///
/// # Errors
/// A device of that name is there already.
pub fn set_up_node(ns: &mut Netns, node: Node<'_>, networking: &Networking) -> Result<(), NetError> {
    match networking.cni {
        Cni::Flannel => flannel::add_device(ns, node, networking.mtu),
        Cni::Calico | Cni::CalicoBgp => calico::set_up_node(ns, node.blocks, networking),
        Cni::Bridge | Cni::FlannelHostGw | Cni::None => Ok(()),
    }
}

/// Makes the pods of `peer` reachable from a node.
///
/// # Errors
/// The peer is not on the node's network.
pub fn add_peer(ns: &mut Netns, peer: Node<'_>, networking: &Networking) -> Result<(), NetError> {
    match networking.cni {
        Cni::Flannel => flannel::add_peer(ns, peer),
        Cni::Bridge | Cni::FlannelHostGw => {
            let eth0 = ns.by_name("eth0")?.id;
            ns.route_add(Route::via(peer.pod_cidr, peer.ip, eth0))
        }
        Cni::Calico | Cni::CalicoBgp => calico::add_peer(ns, peer, networking),
        Cni::None => Ok(()),
    }
}

/// The plugin's rules, as lines for `iptables-restore --noflush` that follow kube-proxy's.
#[must_use]
pub fn rules(node: Node<'_>, networking: &Networking) -> String {
    match networking.cni {
        Cni::Flannel | Cni::FlannelHostGw => flannel::rules(node.cluster, node.pod_cidr),
        Cni::Bridge => bridge::masquerade_rules(node.cluster),
        Cni::Calico | Cni::CalicoBgp => calico::felix::node_rules(calico::tunnels(networking)),
        Cni::None => String::new(),
    }
}

/// The plugin's sets of addresses, as lines for `ipset restore`; its rules ask them.
#[must_use]
pub fn sets(nodes: &[Node<'_>], networking: &Networking) -> String {
    match networking.cni {
        // A family without nodes has no sets.
        Cni::Calico | Cni::CalicoBgp if !nodes.is_empty() => {
            calico::felix::sets(networking.pod_subnet, nodes.iter().map(|n| n.ip))
        }
        _ => String::new(),
    }
}

/// A locally administered address that follows from a name.
#[must_use]
pub fn mac_of(name: &str) -> MacAddr {
    let hash = Sha256::digest(name);
    MacAddr([hash[0] & 0xfc | 0x02, hash[1], hash[2], hash[3], hash[4], hash[5]])
}

/// The address that CNI plugins derive from an IPv4 address: `0a:58` and its bytes.
#[must_use]
pub fn mac_of_ip(ip: IpAddr) -> MacAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            MacAddr([0x0a, 0x58, a, b, c, d])
        }
        IpAddr::V6(ip) => {
            let hash = Sha256::digest(ip.octets());
            MacAddr([0x0a, 0x58, hash[0], hash[1], hash[2], hash[3]])
        }
    }
}

/// Name of the host's end of a pod's veth pair: `veth` and eight hexadecimal digits.
#[must_use]
pub fn veth_name(namespace: &str, pod: &str, uid: &str) -> String {
    let hash = Sha256::digest(format!("{namespace}/{pod}/{uid}"));
    format!("veth{}", data_encoding::HEXLOWER.encode(&hash[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_look_like_real_ones() {
        let veth = veth_name("default", "pod-a", "1");
        assert_eq!(veth.len(), 12);
        assert!(veth[4..].bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(mac_of_ip("10.244.1.5".parse().unwrap()).to_string(), "0a:58:0a:f4:01:05");
        let mac = mac_of("node1");
        assert!(!mac.is_group() && mac.0[0] & 2 == 2);
    }
}
