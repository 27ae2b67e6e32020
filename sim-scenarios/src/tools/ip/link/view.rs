//! An interface as netlink reports it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use sim_core::linux::link::IfKind;
use sim_core::linux::{Iface, Netns, World};
use sim_core::trace::NsId;

/// An interface (`struct ifinfomsg` and its attributes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkView {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Index of the other end of a veth pair (`IFLA_LINK`).
    pub(crate) link: Option<u32>,
    /// The other end's namespace, and the number it has here; none if it is this namespace.
    pub(crate) link_netns: Option<(usize, NsId)>,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) mtu: u32,
    pub(crate) qdisc: &'static str,
    pub(crate) master: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) qlen: Option<u32>,
    pub(crate) loopback: bool,
    pub(crate) mac: String,
    pub(crate) alias: Option<String>,
    pub(crate) carrier: bool,
    /// Of a tunnel of packets: what it has instead of hardware addresses.
    pub(crate) tunnel: Option<Ends>,
}

/// The ends of a tunnel of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    /// The interface that it is bound to.
    pub(crate) under: Option<String>,
}

/// The word for a kind of interface; empty for those that have none.
pub(crate) fn kind_name(kind: &IfKind) -> &'static str {
    match kind {
        IfKind::Loopback | IfKind::Wire => "",
        IfKind::Veth => "veth",
        IfKind::Bridge(_) => "bridge",
        IfKind::Vxlan(_) => "vxlan",
        IfKind::Ipip(_) => "ipip",
        IfKind::Dummy => "dummy",
    }
}

/// All interfaces of a namespace.
pub(crate) fn views(world: &World, ns: NsId) -> Vec<LinkView> {
    let ns = world.ns(ns);
    let others = netns_ids(ns);
    ns.ifaces().map(|iface| LinkView::new(world, ns, iface, &others)).collect()
}

/// The namespaces that this one has numbers for: those in which the other ends of its veth pairs lie.
pub(crate) fn netns_ids(ns: &Netns) -> Vec<NsId> {
    let veths = ns.ifaces().filter(|i| i.kind == IfKind::Veth);
    let others: BTreeSet<NsId> = veths.filter_map(|i| i.peer).map(|(ns, _)| ns).collect();
    others.into_iter().filter(|other| *other != ns.id).collect()
}

impl LinkView {
    fn new(world: &World, ns: &Netns, iface: &Iface, others: &[NsId]) -> Self {
        let carrier = iface.up && has_carrier(world, ns, iface);
        let veth_peer = iface.peer.filter(|_| iface.kind == IfKind::Veth);
        let notes = &iface.notes;
        Self {
            index: iface.id.0 + 1,
            name: iface.name.to_string(),
            kind: kind_name(&iface.kind),
            link: veth_peer.map(|(_, peer)| peer.0 + 1),
            link_netns: veth_peer
                .and_then(|(other, _)| others.iter().position(|o| *o == other).map(|id| (id, other))),
            flags: flags(iface, carrier),
            mtu: iface.mtu,
            qdisc: match iface.kind {
                _ if !notes.activated => "noop",
                // systemd's `net.core.default_qdisc`.
                IfKind::Wire => "fq_codel",
                _ => "noqueue",
            },
            master: iface.master.and_then(|m| ns.iface(m)).map(|m| m.name.to_string()),
            state: state(world, ns, iface, carrier),
            // flannel makes its device without a queue.
            qlen: notes
                .txqlen
                .or((!matches!(iface.kind, IfKind::Vxlan(_))).then_some(1000))
                .filter(|n| *n != 0),
            loopback: iface.is_loopback(),
            mac: iface.mac.to_string(),
            alias: notes.alias.clone(),
            carrier,
            tunnel: match &iface.kind {
                IfKind::Ipip(t) => Some(Ends {
                    local: t.local,
                    remote: t.remote,
                    under: t.underlay.and_then(|u| ns.iface(u)).map(|u| u.name.to_string()),
                }),
                _ => None,
            },
        }
    }
}

/// `operstate` (`default_operstate` of the kernel).
fn state(world: &World, ns: &Netns, iface: &Iface, carrier: bool) -> &'static str {
    let plain = !matches!(iface.kind, IfKind::Loopback | IfKind::Vxlan(_) | IfKind::Ipip(_) | IfKind::Dummy);
    let no_ports = matches!(iface.kind, IfKind::Bridge(_)) && ports(ns, iface).next().is_none();
    match (iface.up, carrier) {
        (true, true) if plain && !no_ports => "UP",
        (true, true) => "UNKNOWN",
        (true, false) if iface.kind == IfKind::Veth => {
            // The kernel takes whatever has the other end's index here for what lies below.
            let below = iface.peer.and_then(|(_, peer)| ns.iface(peer));
            let off = below.is_some_and(|b| !(b.up && has_carrier(world, ns, b)));
            if off { "LOWERLAYERDOWN" } else { "DOWN" }
        }
        _ => "DOWN",
    }
}

/// Whether the other side is there: a peer that is up, a bridge port that has carrier.
fn has_carrier(world: &World, ns: &Netns, iface: &Iface) -> bool {
    match (&iface.kind, iface.peer) {
        (IfKind::Veth | IfKind::Wire, Some((other, peer))) => {
            world.exists(other) && world.ns(other).iface(peer).is_some_and(|p| p.up)
        }
        (IfKind::Veth | IfKind::Wire, None) => false,
        (IfKind::Bridge(_), _) => {
            let mut ports = ports(ns, iface).peekable();
            ports.peek().is_none() && !iface.notes.had_ports
                || ports.any(|p| p.up && has_carrier(world, ns, p))
        }
        _ => true,
    }
}

fn ports<'n>(ns: &'n Netns, bridge: &Iface) -> impl Iterator<Item = &'n Iface> {
    let id = bridge.id;
    ns.ifaces().filter(move |p| p.master == Some(id))
}

/// Flags in the order of iproute2's `print_link_flags`.
fn flags(iface: &Iface, carrier: bool) -> Vec<&'static str> {
    let notes = &iface.notes;
    let dummy = matches!(iface.kind, IfKind::Dummy);
    let ipip = if let IfKind::Ipip(t) = &iface.kind { Some(t) } else { None };
    let table = [
        ("NO-CARRIER", iface.up && !carrier),
        ("LOOPBACK", iface.is_loopback()),
        ("BROADCAST", !iface.is_loopback() && ipip.is_none()),
        ("POINTOPOINT", ipip.is_some_and(|t| !t.remote.is_unspecified())),
        ("MULTICAST", !iface.is_loopback() && !dummy && ipip.is_none() && !notes.no_multicast),
        ("NOARP", dummy || ipip.is_some() || !iface.arp),
        ("ALLMULTI", notes.allmulti),
        ("PROMISC", notes.promisc),
        ("UP", iface.up),
        ("LOWER_UP", iface.up && carrier),
    ];
    table.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
}
