//! Routing tables: longest prefix first, then the lowest metric.
//!
//! Every namespace has two: `local` (addresses of this host, kept by the stack itself) and `main`. [`super::policy`] has the others, and
//! the rules that choose between them.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::trace::IfId;

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

/// A routing table: sorted so that the first match is the best.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<A> {
    net: A,
    mask: A,
    route: Route,
}

impl Table {
    /// The best route to `dst`.
    #[must_use]
    pub fn lookup(&self, dst: IpAddr) -> Option<&Route> {
        match dst {
            IpAddr::V4(a) => {
                let a = a.to_bits();
                self.v4.iter().find(|e| a & e.mask == e.net).map(|e| &e.route)
            }
            IpAddr::V6(a) => {
                let a = a.to_bits();
                self.v6.iter().find(|e| a & e.mask == e.net).map(|e| &e.route)
            }
        }
    }

    /// Adds a route behind those that are as good. A route with the same destination and metric already there is an error, as
    /// `ip route add` has it (`File exists`).
    ///
    /// # Errors
    /// The route exists.
    pub fn add(&mut self, route: Route) -> Result<(), RouteExists> {
        if self.iter().any(|r| r.dst == route.dst && r.metric == route.metric) {
            return Err(RouteExists);
        }
        self.insert(route);
        Ok(())
    }

    /// Adds a route that the kernel itself makes. Several interfaces may have the same IPv6 destination.
    pub(super) fn append(&mut self, route: Route) {
        let twin = |r: &Route| {
            (r.dst, r.metric, r.kind) == (route.dst, route.metric, route.kind)
                && (r.dev == route.dev || route.dst.addr().is_ipv4())
        };
        if !self.iter().any(twin) {
            self.insert(route);
        }
    }

    /// The best route to `dst` by one interface.
    #[must_use]
    pub fn lookup_by(&self, dst: IpAddr, dev: IfId) -> Option<&Route> {
        match dst {
            IpAddr::V4(_) => self.iter().find(|r| r.dev == Some(dev) && r.dst.contains(&dst)),
            IpAddr::V6(a) => {
                let a = a.to_bits();
                self.v6.iter().find(|e| a & e.mask == e.net && e.route.dev == Some(dev)).map(|e| &e.route)
            }
        }
    }

    /// Adds a route, in place of one with the same destination and metric.
    pub fn replace(&mut self, route: Route) {
        self.remove(|r| r.dst == route.dst && r.metric == route.metric);
        self.insert(route);
    }

    fn insert(&mut self, route: Route) {
        fn place<A>(list: &mut Vec<Entry<A>>, e: Entry<A>) {
            let key = |r: &Route| (std::cmp::Reverse(r.dst.prefix_len()), r.metric);
            let at = list.partition_point(|x| key(&x.route) <= key(&e.route));
            list.insert(at, e);
        }
        match route.dst {
            IpNet::V4(n) => {
                place(&mut self.v4, Entry { net: n.network().to_bits(), mask: n.netmask().to_bits(), route })
            }
            IpNet::V6(n) => {
                place(&mut self.v6, Entry { net: n.network().to_bits(), mask: n.netmask().to_bits(), route })
            }
        }
    }

    /// Removes the routes for which `gone` holds and says how many there were.
    pub fn remove(&mut self, gone: impl Fn(&Route) -> bool) -> usize {
        let before = self.v4.len() + self.v6.len();
        self.v4.retain(|e| !gone(&e.route));
        self.v6.retain(|e| !gone(&e.route));
        before - self.v4.len() - self.v6.len()
    }

    /// All routes, IPv4 first, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.v4.iter().map(|e| &e.route).chain(self.v6.iter().map(|e| &e.route))
    }
}

/// A route with that destination and metric is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("File exists")]
pub struct RouteExists;

#[cfg(test)]
mod tests {
    use super::*;

    fn net(s: &str) -> IpNet {
        s.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let mut t = Table::default();
        t.add(Route::link(net("0.0.0.0/0"), IfId(1))).unwrap();
        t.add(Route::link(net("10.244.0.0/16"), IfId(2))).unwrap();
        t.add(Route::refuse(net("10.244.2.10/32"), RouteKind::Blackhole)).unwrap();
        t.add(Route::link(net("10.244.2.0/24"), IfId(3))).unwrap();
        let dev = |a: &str| t.lookup(a.parse().unwrap()).and_then(|r| r.dev);
        assert_eq!(dev("10.244.2.9"), Some(IfId(3)));
        assert_eq!(dev("10.244.3.9"), Some(IfId(2)));
        assert_eq!(dev("8.8.8.8"), Some(IfId(1)));
        assert_eq!(t.lookup("10.244.2.10".parse().unwrap()).map(|r| r.kind), Some(RouteKind::Blackhole));
    }

    #[test]
    fn the_lower_metric_wins_and_a_twin_is_refused() {
        let mut t = Table::default();
        t.add(Route { metric: 100, ..Route::link(net("10.0.0.0/8"), IfId(1)) }).unwrap();
        t.add(Route { metric: 50, ..Route::link(net("10.0.0.0/8"), IfId(2)) }).unwrap();
        assert_eq!(t.lookup("10.1.1.1".parse().unwrap()).and_then(|r| r.dev), Some(IfId(2)));
        assert_eq!(t.add(Route { metric: 50, ..Route::link(net("10.0.0.0/8"), IfId(3)) }), Err(RouteExists));
    }
}
