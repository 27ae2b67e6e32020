//! calico: every pod has an address of its own and is one hop away from its node; nodes learn of each other's address blocks by BGP.
//!
//! - a pod's only neighbour is 169.254.1.1, which nobody has: the node's end of the veth pair answers ARP for it and for everything else
//! - the node has a route to each of its pods, and a blackhole route for the rest of each of its blocks
//! - BIRD's routes lead to the blocks of other nodes: through `tunl0` (`ipipMode: Always`), or plainly (`calico-bgp`, `ipipMode: Never`)
//!
//! The calico of manifests up to Kubernetes 1.19 had a fixed MTU of 1440 bytes; later ones take what the underlay leaves room for.
//! Felix' rules are in [`felix`], blocks in [`blocks`]. Left out: VXLAN, IPv6, host endpoints, BIRD itself.

pub mod blocks;
pub mod felix;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use sha1::{Digest, Sha1};

use super::{Node, mac_of};
use crate::kube::config::{Cni, Networking};
use crate::linux::ipip::{IPIP_OVERHEAD, Ipip};
use crate::linux::route::{Route, RouteKind, RouteProto};
use crate::linux::{NetError, Netns, World};
use crate::packet::MacAddr;
use crate::trace::NsId;

/// The IPIP device.
pub const TUNNEL: &str = "tunl0";
/// Beginning of the names of the node's ends of veth pairs.
pub const PREFIX: &str = "cali";
/// What a pod takes for its router.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// Hardware address of every node's end of a veth pair.
const HOST_MAC: MacAddr = MacAddr([0xee; 6]);
/// MTU in the manifests of old, in bytes.
const OLD_MTU: u32 = 1440;

/// Whether the cluster is of the time of the old manifests.
const fn is_old(networking: &Networking) -> bool {
    networking.proxy_dialect.minor < 20
}

/// Whether nodes send each other packets through a tunnel.
#[must_use]
pub const fn tunnels(networking: &Networking) -> bool {
    matches!(networking.cni, Cni::Calico)
}

/// MTU of pods and of the tunnel in bytes.
#[must_use]
pub const fn mtu(networking: &Networking) -> u32 {
    let room = if tunnels(networking) { networking.mtu - IPIP_OVERHEAD } else { networking.mtu };
    if is_old(networking) && room > OLD_MTU { OLD_MTU } else { room }
}

/// Name of the node's end of a pod's veth pair: a hash of namespace and name.
#[must_use]
pub fn interface_name(namespace: &str, pod: &str) -> String {
    let hash = Sha1::digest(format!("{namespace}.{pod}"));
    let digits = data_encoding::HEXLOWER.encode(&hash);
    format!("{PREFIX}{}", &digits[..11])
}

/// The tunnel device with the first address of the node's first block, and a blackhole for each block.
pub(super) fn set_up_node(ns: &mut Netns, blocks: &[IpNet], networking: &Networking) -> Result<(), NetError> {
    if tunnels(networking) {
        ns.add_ipip(TUNNEL, Ipip::FALLBACK)?;
        ns.set_mtu(TUNNEL, mtu(networking))?;
        if let Some(first) = blocks.first() {
            ns.addr_add(TUNNEL, IpNet::from(first.network()))?;
        }
        ns.link_set(TUNNEL, true)?;
    }
    blocks.iter().try_for_each(|block| add_own_block(ns, *block))
}

/// A block that the node has: what of it no pod has leads nowhere.
///
/// # Errors
/// There is such a route already.
pub fn add_own_block(ns: &mut Netns, block: IpNet) -> Result<(), NetError> {
    ns.route_add(Route { proto: RouteProto::Bird, ..Route::refuse(block, RouteKind::Blackhole) })
}

/// A block that a peer has.
///
/// # Errors
/// There is such a route already, or the peer is not on the node's network.
pub fn add_peer_block(
    ns: &mut Netns,
    peer: IpAddr,
    block: IpNet,
    networking: &Networking,
) -> Result<(), NetError> {
    let (dev, onlink) = if tunnels(networking) { (TUNNEL, true) } else { ("eth0", false) };
    let dev = ns.by_name(dev)?.id;
    ns.route_add(Route { proto: RouteProto::Bird, onlink, ..Route::via(block, peer, dev) })
}

/// Routes to the blocks that a peer has from the start.
pub(super) fn add_peer(ns: &mut Netns, peer: Node<'_>, networking: &Networking) -> Result<(), NetError> {
    peer.blocks.iter().try_for_each(|block| add_peer_block(ns, peer.ip, *block, networking))
}

/// What a pod gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// The pod's namespace.
    pub pod: NsId,
    /// The node's end of the veth pair.
    pub name: &'a str,
    /// The pod's address.
    pub ip: IpAddr,
}

/// Connects a pod to its node. The plugin makes both ends of the pair inside the pod and moves one out.
///
/// # Errors
/// An interface of that name is there already.
pub fn attach(
    world: &mut World,
    node: NsId,
    to: Attachment<'_>,
    networking: &Networking,
) -> Result<(), NetError> {
    let mtu = mtu(networking);
    if tunnels(networking) {
        // The kernel's module is loaded: its device is in every namespace.
        world.ns_mut(to.pod).add_ipip(TUNNEL, Ipip::FALLBACK)?;
    }
    world.add_veth((to.pod, to.name), (to.pod, "eth0"))?;
    world.move_link(to.pod, to.name, node)?;
    if is_old(networking) {
        // The plugin of old asked for no queue.
        world.ns_mut(node).notes_mut(to.name)?.txqlen = Some(0);
        world.ns_mut(to.pod).notes_mut("eth0")?.txqlen = Some(0);
    }
    let host = world.ns_mut(node);
    host.set_mac(to.name, HOST_MAC)?;
    host.set_mtu(to.name, mtu)?;
    for (key, value) in [
        ("conf.{}.rp_filter", "1"),
        ("conf.{}.route_localnet", "1"),
        ("conf.{}.proxy_arp", "1"),
        ("conf.{}.forwarding", "1"),
        ("neigh.{}.proxy_delay", "0"),
    ] {
        let key = format!("net.ipv4.{}", key.replace("{}", to.name));
        host.sysctl_set(&key, value).map_err(|_| NetError::Invalid)?;
    }
    host.link_set(to.name, true)?;
    let pod = world.ns_mut(to.pod);
    pod.set_mac("eth0", mac_of(&format!("eth0 of {}", to.name)))?;
    pod.set_mtu("eth0", mtu)?;
    pod.addr_add("eth0", IpNet::from(to.ip))?;
    pod.link_set("eth0", true)?;
    let eth0 = pod.by_name("eth0")?.id;
    pod.route_add(Route::link(IpNet::from(IpAddr::V4(GATEWAY)), eth0))?;
    pod.route_add(Route::default_via(GATEWAY.into(), eth0))?;
    let host = world.ns_mut(node);
    let dev = host.by_name(to.name)?.id;
    host.route_add(Route::link(IpNet::from(to.ip), dev))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_named_after_their_pod() {
        assert_eq!(interface_name("default", "nginx"), "calic440f455693");
    }

    #[test]
    fn the_mtu_follows_the_underlay_or_the_old_manifest() {
        let mut networking = Networking { cni: Cni::Calico, ..Networking::default() };
        assert_eq!(mtu(&networking), 1480);
        networking.proxy_dialect.minor = 16;
        assert_eq!(mtu(&networking), 1440);
        networking.mtu = 1400;
        assert_eq!(mtu(&networking), 1380);
        assert_eq!(mtu(&Networking { cni: Cni::CalicoBgp, ..Networking::default() }), 1500);
    }
}
