//! flannel: the VXLAN device between nodes, and the rules that flanneld keeps.

use indexmap::IndexMap;
use ipnet::IpNet;

use super::{Node, mac_of};
use crate::linux::route::Route;
use crate::linux::tunnel::{OuterTtl, Vxlan};
use crate::linux::{NetError, Netns};
use crate::packet::MacAddr;

/// Name of the VXLAN device.
pub const DEVICE: &str = "flannel.1";
/// Name of the VXLAN device between IPv6 addresses.
pub const DEVICE_V6: &str = "flannel-v6.1";
/// UDP port of Linux' VXLAN before IANA gave it 4789.
const PORT: u16 = 8472;

/// The address of a node's VXLAN device, which flanneld publishes in an annotation of the node.
#[must_use]
pub fn vtep_mac(node: &str) -> MacAddr {
    vtep_mac_of(DEVICE, node)
}

fn vtep_mac_of(device: &str, node: &str) -> MacAddr {
    mac_of(&format!("{device} of {node}"))
}

const fn device(node: &Node<'_>) -> &'static str {
    if node.ip.is_ipv4() { DEVICE } else { DEVICE_V6 }
}

/// `flannel.1`: its address is the first of the pod range, so that packets of the node itself to remote pods have a source that
/// the other side can route back.
pub(super) fn add_device(ns: &mut Netns, node: Node<'_>, mtu: u32) -> Result<(), NetError> {
    let underlay = Some(ns.by_name("eth0")?.id);
    let vxlan = Vxlan {
        vni: 1,
        local: node.ip,
        underlay,
        port: PORT,
        fdb: IndexMap::default(),
        learned: None,
        ttl: OuterTtl::Auto,
        tos: 0,
    };
    let (device, overhead) = (device(&node), vxlan.overhead());
    ns.add_vxlan(device, vtep_mac_of(device, node.name), vxlan)?;
    ns.set_mtu(device, mtu - overhead)?;
    ns.addr_add(device, IpNet::from(node.pod_cidr.network()))?;
    ns.link_set(device, true)
}

/// A route, a neighbour and a forwarding entry for another node's pods.
pub(super) fn add_peer(ns: &mut Netns, peer: Node<'_>) -> Result<(), NetError> {
    let device = device(&peer);
    let dev = ns.by_name(device)?.id;
    let vtep = peer.pod_cidr.network();
    let mac = vtep_mac_of(device, peer.name);
    ns.route_add(Route { onlink: true, ..Route::via(peer.pod_cidr, vtep, dev) })?;
    ns.neigh_add(device, vtep, mac)?;
    ns.fdb_set(device, mac, peer.ip)
}

/// flanneld's chains: pods talk to pods unmasqueraded, to others with the node's address.
#[must_use]
pub fn rules(cluster: IpNet, node: IpNet) -> String {
    const MASQ: &str = "-m comment --comment \"flanneld masq\"";
    const FORWARD: &str = "-m comment --comment \"flanneld forward\"";
    let multicast = if cluster.addr().is_ipv4() { "224.0.0.0/4" } else { "ff00::/8" };
    format!(
        "*filter\n:FLANNEL-FWD - [0:0]\n\
         -A FORWARD {FORWARD} -j FLANNEL-FWD\n\
         -A FLANNEL-FWD -s {cluster} {FORWARD} -j ACCEPT\n\
         -A FLANNEL-FWD -d {cluster} {FORWARD} -j ACCEPT\n\
         COMMIT\n*nat\n:FLANNEL-POSTRTG - [0:0]\n\
         -A POSTROUTING {MASQ} -j FLANNEL-POSTRTG\n\
         -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {MASQ} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {node} -d {cluster} {MASQ} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {cluster} -d {node} {MASQ} -j RETURN\n\
         -A FLANNEL-POSTRTG ! -s {cluster} -d {node} {MASQ} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {cluster} ! -d {multicast} {MASQ} -j MASQUERADE --random-fully\n\
         -A FLANNEL-POSTRTG ! -s {cluster} -d {cluster} {MASQ} -j MASQUERADE --random-fully\n\
         COMMIT\n"
    )
}
