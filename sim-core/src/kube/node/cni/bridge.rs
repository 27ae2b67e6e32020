//! The bridge plugin: `cni0` with a veth pair to each pod.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::mac_of_ip;
use crate::linux::route::Route;
use crate::linux::{NetError, World};
use crate::trace::NsId;

/// Name of the bridge.
pub const BRIDGE: &str = "cni0";

/// What a pod gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// The pod's namespace.
    pub pod: NsId,
    /// The node's end of the veth pair.
    pub veth: &'a str,
    /// The pod's addresses, each with the bridge's address and the length of the node's pod range.
    pub ips: &'a [(IpAddr, IpNet)],
    /// MTU in bytes.
    pub mtu: u32,
}

/// Connects a pod to its node's bridge, which is made with the first pod. Hairpin mode is on, so that a pod reaches itself through a
/// Service (`hairpinMode: true`).
///
/// # Errors
/// An interface of that name is there already.
pub fn attach(world: &mut World, node: NsId, to: Attachment<'_>) -> Result<(), NetError> {
    let Some((first, gateway)) = to.ips.first() else { return Err(NetError::Invalid) };
    let host = world.bare_mut(node);
    if host.iface_id(BRIDGE).is_none() {
        host.add_bridge(BRIDGE, mac_of_ip(gateway.addr()))?;
        host.set_mtu(BRIDGE, to.mtu)?;
        for (_, gateway) in to.ips {
            host.addr_add(BRIDGE, *gateway)?;
        }
        host.link_set(BRIDGE, true)?;
    }
    world.add_veth((node, to.veth), (to.pod, "eth0"))?;
    let host = world.bare_mut(node);
    host.set_mac(to.veth, super::mac_of(to.veth))?;
    host.set_mtu(to.veth, to.mtu)?;
    host.set_master(to.veth, BRIDGE)?;
    host.set_hairpin(to.veth, true)?;
    host.link_set(to.veth, true)?;
    let pod = world.bare_mut(to.pod);
    pod.set_mac("eth0", mac_of_ip(*first))?;
    pod.set_mtu("eth0", to.mtu)?;
    for (ip, gateway) in to.ips {
        let net = IpNet::new(*ip, gateway.prefix_len()).map_err(|_| NetError::Invalid)?;
        pod.addr_add("eth0", net)?;
    }
    pod.link_set("eth0", true)?;
    let eth0 = pod.by_name("eth0")?.id;
    to.ips.iter().try_for_each(|(_, gateway)| pod.route_add(Route::default_via(gateway.addr(), eth0)))
}

/// What ip-masq-agent writes beside a plugin that does not masquerade: everything that leaves the cluster does so with the node's address.
#[must_use]
pub fn masquerade_rules(pod_subnet: IpNet) -> String {
    const CHAIN: &str = "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ chain";
    const LOCAL: &str = "ip-masq-agent: local traffic is not subject to MASQUERADE";
    const OUTBOUND: &str = "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)";
    format!(
        "*nat\n:IP-MASQ - [0:0]\n\
         -A POSTROUTING -m comment --comment \"{CHAIN}\" -m addrtype ! --dst-type LOCAL -j IP-MASQ\n\
         -A IP-MASQ -d {pod_subnet} -m comment --comment \"{LOCAL}\" -j RETURN\n\
         -A IP-MASQ -m comment --comment \"{OUTBOUND}\" -j MASQUERADE --random-fully\n\
         COMMIT\n"
    )
}

/// How long a plugin takes to connect a pod.
pub const ATTACH_TIME: Duration = Duration::from_millis(180);
