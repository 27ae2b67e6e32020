//! Routing tables: longest prefix first, then the lowest metric.
//!
//! Every namespace has two: `local` (addresses of this host, kept by the stack itself) and `main`. [`super::policy`] has the others, and
//! the rules that choose between them.

mod table;

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::trace::IfId;

pub use table::{RouteExists, Table};

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination prefix, host bits zero; the default route is /0.
    pub dst: IpNet,
    /// What becomes of the packet.
    pub kind: RouteKind,
    /// Gateway; none if the destination is on the link.
    pub via: Option<IpAddr>,
    /// Outgoing interface; none for routes that refuse.
    pub dev: Option<IfId>,
    /// Preferred source address.
    pub src: Option<IpAddr>,
    /// Priority, lower first.
    pub metric: u32,
    /// Who added it.
    pub proto: RouteProto,
    /// Pretend that the gateway is on the link.
    pub onlink: bool,
    /// `mtu`: the longest packet in bytes, where that is less than the interface's (`RTAX_MTU`).
    pub mtu: Option<u32>,
}

/// Route types of `ip route`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// To an interface.
    Unicast,
    /// To this host.
    Local,
    /// A broadcast address of this host.
    Broadcast,
    /// An address that every router of a subnet answers to (IPv6).
    Anycast,
    /// Groups that are reached by an interface (IPv6).
    Multicast,
    /// Silently dropped.
    Blackhole,
    /// Refused with host-unreachable.
    Unreachable,
    /// Refused with admin-prohibited.
    Prohibit,
    /// As if this table had no route: the next rule is asked.
    Throw,
}

impl RouteKind {
    /// Name as `ip route` writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Anycast => "anycast",
            Self::Multicast => "multicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

/// Who added a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteProto {
    /// The kernel, for an address.
    Kernel,
    /// `ip route add` without a protocol.
    Boot,
    /// `proto static`.
    Static,
    /// `proto dhcp`.
    Dhcp,
    /// `proto bird`.
    Bird,
    /// Any other of `rtm_protocol`.
    Other(u8),
}

/// Names of `/etc/iproute2/rt_protos`.
const PROTOS: &[(u8, &str)] = &[
    (0, "unspec"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (8, "gated"),
    (9, "ra"),
    (10, "mrt"),
    (11, "zebra"),
    (12, "bird"),
    (13, "dnrouted"),
    (14, "xorp"),
    (15, "ntk"),
    (16, "dhcp"),
    (18, "keepalived"),
    (42, "babel"),
    (99, "openr"),
    (186, "bgp"),
    (187, "isis"),
    (188, "ospf"),
    (189, "rip"),
    (192, "eigrp"),
];

impl RouteProto {
    /// The protocol of a number (`rtm_protocol`).
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number {
            2 => Self::Kernel,
            3 => Self::Boot,
            4 => Self::Static,
            12 => Self::Bird,
            16 => Self::Dhcp,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Kernel => 2,
            Self::Boot => 3,
            Self::Static => 4,
            Self::Bird => 12,
            Self::Dhcp => 16,
            Self::Other(number) => number,
        }
    }

    /// The protocol of a name or number; none if there is no such.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let known = PROTOS.iter().find(|(_, name)| *name == word).map(|(number, _)| *number);
        known.or_else(|| word.parse().ok()).map(Self::of)
    }

    /// Name as `ip route` writes it after `proto`; `boot` is not written.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        let number = self.number();
        let known = PROTOS.iter().find(|(n, _)| *n == number);
        known.map_or_else(|| number.to_string().into(), |(_, name)| (*name).into())
    }
}

impl Route {
    /// A route to a prefix on the link of `dev`.
    #[must_use]
    pub fn link(dst: IpNet, dev: IfId) -> Self {
        Self {
            dst: dst.trunc(),
            kind: RouteKind::Unicast,
            via: None,
            dev: Some(dev),
            src: None,
            metric: 0,
            proto: RouteProto::Boot,
            onlink: false,
            mtu: None,
        }
    }

    /// A route to a prefix through a gateway.
    #[must_use]
    pub fn via(dst: IpNet, gateway: IpAddr, dev: IfId) -> Self {
        Self { via: Some(gateway), ..Self::link(dst, dev) }
    }

    /// The default route of the gateway's family through a gateway.
    #[must_use]
    pub fn default_via(gateway: IpAddr, dev: IfId) -> Self {
        Self::via(any(gateway), gateway, dev)
    }

    /// A route that refuses.
    #[must_use]
    pub fn refuse(dst: IpNet, kind: RouteKind) -> Self {
        Self {
            dst: dst.trunc(),
            kind,
            via: None,
            dev: None,
            src: None,
            metric: 0,
            proto: RouteProto::Boot,
            onlink: false,
            mtu: None,
        }
    }
}

/// The prefix of length 0 of an address' family.
#[must_use]
pub fn any(of: IpAddr) -> IpNet {
    match of {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
