//! Interfaces: what `ip link` and `ip address` show.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::bridge::Bridge;
use super::ipip::Ipip;
use super::tunnel::Vxlan;
use crate::packet::{Frame, MacAddr};
use crate::time::SimTime;
use crate::trace::{IfId, NsId};

/// A network interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Iface {
    /// Its index in the namespace; the kernel's ifindex is one more.
    pub id: IfId,
    /// Its name, at most 15 bytes.
    pub name: Arc<str>,
    /// What it is.
    pub kind: IfKind,
    /// Hardware address.
    pub mac: MacAddr,
    /// MTU in bytes: the longest IP packet it sends.
    pub mtu: u32,
    /// Administratively up (`ip link set … up`).
    pub up: bool,
    /// The other end of the veth pair or wire is up (`LOWER_UP`); always so for other kinds.
    pub carrier: bool,
    /// Addresses with their prefix lengths, in order of addition.
    pub addrs: Vec<IpNet>,
    /// The bridge it is a port of.
    pub master: Option<IfId>,
    /// `bridge link set … hairpin on`: frames may leave by the port they came in by.
    pub hairpin: bool,
    /// `bridge link set … isolated on`: no frames between two ports that have it.
    pub isolated: bool,
    /// Hardware addresses are asked for and told (`ip link set … arp on`).
    pub arp: bool,
    /// The other end of a veth pair or wire.
    pub peer: Option<(NsId, IfId)>,
    /// How long a frame takes to the other end; zero for veth.
    pub delay: Duration,
    /// Per-interface sysctls of `net.ipv4.conf`.
    pub conf: IfConf,
    /// Counters.
    pub stats: IfStats,
    /// What a person set by hand and `ip` shows.
    pub notes: IfNotes,
}

/// What `ip link` and `ip address` show of an interface beyond what its traffic depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNotes {
    /// It has been up at least once, so that it has a queueing discipline.
    pub activated: bool,
    /// A bridge that has had a port: without ports it has no carrier any more.
    pub had_ports: bool,
    /// `ip link set … alias`.
    pub alias: Option<String>,
    /// `ip link set … promisc on`.
    pub promisc: bool,
    /// `ip link set … allmulticast on`.
    pub allmulti: bool,
    /// `ip link set … multicast off`.
    pub no_multicast: bool,
    /// `ip link set … txqueuelen N`; none: what its kind starts with.
    pub txqlen: Option<u32>,
    /// What was said of an address when it was added.
    pub addrs: BTreeMap<IpNet, AddrNote>,
}

/// What `ip address add` said of an address. Addresses that an agent adds have none: their broadcast address follows from the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddrNote {
    /// `broadcast ADDR`.
    pub broadcast: Option<IpAddr>,
    /// `label NAME`; none is the interface's name.
    pub label: Option<String>,
    /// `scope N`, as a number of `rt_scopes`.
    pub scope: Option<u8>,
    /// `peer ADDR`: the address at the other end.
    pub peer: Option<IpNet>,
    /// `valid_lft`: when the address goes.
    pub valid: Option<SimTime>,
    /// `preferred_lft`: when it is deprecated.
    pub preferred: Option<SimTime>,
    /// `noprefixroute`: no route to its subnet.
    pub noprefixroute: bool,
    /// `metric N` of the route to its subnet.
    pub metric: u32,
    /// `nodad`: no duplicate address detection.
    pub nodad: bool,
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq)]
pub enum IfKind {
    /// `lo`.
    Loopback,
    /// One end of a veth pair: the other end sees a frame in the same instant.
    Veth,
    /// A physical interface on a wire: the other end sees a frame after the wire's delay.
    Wire,
    /// A bridge.
    Bridge(Box<Bridge>),
    /// A VXLAN tunnel.
    Vxlan(Box<Vxlan>),
    /// An IPIP tunnel.
    Ipip(Box<Ipip>),
    /// A dummy interface: holds addresses, drops frames.
    Dummy,
}

/// Sysctls under `net.ipv4.conf.<interface>`, and what belongs to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IfConf {
    /// 0 off, 1 strict, 2 loose (RFC 3704).
    pub rp_filter: u8,
    /// Answer ARP for addresses that are routed elsewhere.
    pub proxy_arp: bool,
    /// `net.ipv4.neigh.<interface>.proxy_delay`: an answer for others waits a random time below this, in hundredths of a second.
    pub proxy_delay: u32,
    /// Route 127/8 as any other address.
    pub route_localnet: bool,
    /// Accept packets whose source is a local address.
    pub accept_local: bool,
    /// Forward packets that came in here.
    pub forwarding: bool,
    /// Send ICMP redirects.
    pub send_redirects: bool,
    /// Follow ICMP redirects.
    pub accept_redirects: bool,
    /// Of redirects on a medium that is not shared, follow only those to default gateways.
    pub secure_redirects: bool,
    /// Several subnets share the wire: redirects may name any neighbour.
    pub shared_media: bool,
    /// 0 answer for any local address, 1 only for addresses of the interface, 2 and of its subnet.
    pub arp_ignore: u8,
    /// Answer only where a packet to the asker would leave.
    pub arp_filter: bool,
    /// Address of a request's sender: 0 that of the packet that waits, 1 only if it is of the target's subnet, 2 one of the interface.
    pub arp_announce: u8,
    /// The next address of a subnet becomes its first when that is deleted.
    pub promote_secondaries: bool,
    /// IPv6 is off on this interface.
    pub disable_ipv6: bool,
    /// Follow redirects of IPv6, unless the host is a router on this link (`net.ipv6.conf.<interface>.accept_redirects`).
    pub accept_redirects6: bool,
    /// `net.ipv6.conf.<interface>.forwarding`: the host is a router on this link. Whether it forwards is said by `all` alone.
    pub forwarding6: bool,
}

/// Counters of an interface, as `ip -s link` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IfStats {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames dropped on receipt.
    pub rx_dropped: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames dropped before they were sent.
    pub tx_dropped: u64,
}

impl Iface {
    /// Whether it is the loopback interface.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        matches!(self.kind, IfKind::Loopback)
    }

    /// Length of a frame in bytes as the counters have it: tunnels of packets know no Ethernet header.
    #[must_use]
    pub fn counted(&self, frame: &Frame) -> u64 {
        let header = if matches!(self.kind, IfKind::Ipip(_)) { Frame::HEADER } else { 0 };
        (frame.len() - header) as u64
    }

    /// Whether neighbours have hardware addresses that must be asked for.
    #[must_use]
    pub const fn uses_arp(&self) -> bool {
        !matches!(self.kind, IfKind::Loopback | IfKind::Dummy | IfKind::Ipip(_))
    }

    /// The subnet of this interface that contains `addr`.
    #[must_use]
    pub fn subnet_of(&self, addr: IpAddr) -> Option<&IpNet> {
        self.addrs.iter().find(|n| n.contains(&addr))
    }

    /// The address that packets to `towards` get as their source (`inet_select_addr`): one of the same subnet, else the first of the
    /// family.
    #[must_use]
    pub fn source_for(&self, towards: IpAddr) -> Option<IpAddr> {
        let same_family = |n: &&IpNet| n.addr().is_ipv4() == towards.is_ipv4();
        self.subnet_of(towards).or_else(|| self.addrs.iter().find(same_family)).map(IpNet::addr)
    }

    /// The link-local address that the kernel derives from the hardware address.
    #[must_use]
    pub fn link_local(&self) -> IpNet {
        IpNet::new_assert(super::ipv6::link_local_of(self.mac).into(), 64)
    }

    /// Whether IPv6 is spoken here: it is not switched off, and the MTU is large enough.
    #[must_use]
    pub const fn speaks_v6(&self) -> bool {
        !self.conf.disable_ipv6 && self.mtu >= super::ipv6::MIN_MTU && !matches!(self.kind, IfKind::Ipip(_))
    }

    /// Its link-local address, if it has one.
    #[must_use]
    pub fn own_link_local(&self) -> Option<IpAddr> {
        self.addrs.iter().map(IpNet::addr).find(|a| super::ipv6::is_link_local(*a))
    }

    /// Whether frames to an IPv6 group are for this host: all nodes, all routers if it is one, and the groups of its addresses.
    #[must_use]
    pub fn in_group(&self, group: std::net::Ipv6Addr, router: bool) -> bool {
        use super::ipv6::{ALL_NODES, ALL_ROUTERS, solicited_node};
        let own = |n: &IpNet| matches!(n.addr(), IpAddr::V6(a) if solicited_node(a) == group);
        group == ALL_NODES || (router && group == ALL_ROUTERS) || self.addrs.iter().any(own)
    }
}
