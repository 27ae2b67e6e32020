//! A routing table: the first route that holds an address is the best.
//!
//! Routes to one address are found by that address, however many there are (a node in IPVS mode has one for every Service), those to
//! networks by theirs, for one length of prefix after the other (a node has one for every other node).

use std::cmp::Reverse;
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::Route;
use crate::trace::IfId;

/// A routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    v4: Routes<u32>,
    v6: Routes<u128>,
}

/// The routes of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Routes<A: Eq + Hash> {
    /// Those to one address: by metric, of equals the oldest first.
    hosts: Vec<Entry<A>>,
    /// The first of them for each address.
    by_address: FxHashMap<A, u32>,
    /// Those to networks: the longest prefix first, then by address, then as above.
    nets: Vec<Entry<A>>,
    /// The lengths of prefixes that there are, and where those of each begin.
    lengths: Vec<(A, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<A> {
    net: A,
    mask: A,
    route: Route,
}

/// As many routes are asked one after the other faster than one is looked up.
const FEW: usize = 4;

impl<A: Copy + Ord + Hash + std::ops::BitAnd<Output = A>> Routes<A> {
    #[inline]
    fn lookup(&self, a: A) -> Option<&Route> {
        let host = if self.hosts.len() <= FEW {
            self.hosts.iter().find(|e| e.net == a)
        } else {
            self.by_address.get(&a).and_then(|at| self.hosts.get(*at as usize))
        };
        let net = || match self.nets.len() {
            0..=FEW => self.nets.iter().find(|e| a & e.mask == e.net),
            _ => self.nets_holding(a).next(),
        };
        host.or_else(net).map(|e| &e.route)
    }

    /// The routes to networks that hold an address, best first.
    fn nets_holding(&self, a: A) -> impl Iterator<Item = &Entry<A>> {
        self.lengths.iter().enumerate().flat_map(move |(i, &(mask, first))| {
            let end = self.lengths.get(i + 1).map_or(self.nets.len(), |(_, next)| *next as usize);
            let these = &self.nets[first as usize..end];
            let at = these.partition_point(|e| e.net < a & mask);
            these[at..].iter().take_while(move |e| e.net == a & mask)
        })
    }

    /// The routes that hold an address, best first.
    fn holding(&self, a: A) -> impl Iterator<Item = &Route> {
        let first = self.by_address.get(&a).map_or(self.hosts.len(), |at| *at as usize);
        let hosts = self.hosts[first..].iter().filter(move |e| e.net == a);
        hosts.chain(self.nets_holding(a)).map(|e| &e.route)
    }

    /// The routes to exactly one destination.
    fn to(&self, net: A, dst: IpNet) -> impl Iterator<Item = &Route> {
        self.holding(net).filter(move |r| r.dst == dst)
    }

    fn insert(&mut self, e: Entry<A>) {
        if e.route.dst.prefix_len() < e.route.dst.max_prefix_len() {
            let key = |e: &Entry<A>| (Reverse(e.route.dst.prefix_len()), e.net, e.route.metric);
            let at = self.nets.partition_point(|x| key(x) <= key(&e));
            self.nets.insert(at, e);
            return self.find_lengths();
        }
        let at = self.hosts.partition_point(|x| x.route.metric <= e.route.metric);
        let last = at == self.hosts.len();
        let net = e.net;
        self.hosts.insert(at, e);
        if last {
            self.by_address.entry(net).or_insert(at as u32);
        } else {
            self.index();
        }
    }

    fn find_lengths(&mut self) {
        self.lengths.clear();
        let mut at = 0;
        while let Some(first) = self.nets.get(at) {
            let length = first.route.dst.prefix_len();
            self.lengths.push((first.mask, at as u32));
            at += self.nets[at..].partition_point(|e| e.route.dst.prefix_len() == length);
        }
    }

    fn remove(&mut self, gone: &impl Fn(&Route) -> bool) -> usize {
        let before = self.hosts.len();
        self.hosts.retain(|e| !gone(&e.route));
        let mut removed = before - self.hosts.len();
        if removed > 0 {
            self.index();
        }
        removed += self.nets.len();
        self.nets.retain(|e| !gone(&e.route));
        self.find_lengths();
        removed - self.nets.len()
    }

    fn index(&mut self) {
        self.by_address.clear();
        for (at, e) in self.hosts.iter().enumerate() {
            self.by_address.entry(e.net).or_insert(at as u32);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Route> {
        self.hosts.iter().chain(&self.nets).map(|e| &e.route)
    }
}

impl Table {
    /// The best route to `dst`.
    #[must_use]
    #[inline]
    pub fn lookup(&self, dst: IpAddr) -> Option<&Route> {
        match dst {
            IpAddr::V4(a) => self.v4.lookup(a.to_bits()),
            IpAddr::V6(a) => self.v6.lookup(a.to_bits()),
        }
    }

    /// Adds a route behind those that are as good. A route with the same destination and metric already there is an error, as
    /// `ip route add` has it (`File exists`).
    ///
    /// # Errors
    /// The route exists.
    pub fn add(&mut self, route: Route) -> Result<(), RouteExists> {
        if self.any_to(route.dst, |r| r.metric == route.metric) {
            return Err(RouteExists);
        }
        self.insert(route);
        Ok(())
    }

    /// Adds a route that the kernel itself makes. Several interfaces may have the same IPv6 destination.
    pub(in crate::linux) fn append(&mut self, route: Route) {
        let twin = |r: &Route| {
            (r.metric, r.kind) == (route.metric, route.kind)
                && (r.dev == route.dev || route.dst.addr().is_ipv4())
        };
        if !self.any_to(route.dst, twin) {
            self.insert(route);
        }
    }

    /// The best route to `dst` by one interface.
    #[must_use]
    pub fn lookup_by(&self, dst: IpAddr, dev: IfId) -> Option<&Route> {
        match dst {
            IpAddr::V4(a) => self.v4.holding(a.to_bits()).find(|r| r.dev == Some(dev)),
            IpAddr::V6(a) => self.v6.holding(a.to_bits()).find(|r| r.dev == Some(dev)),
        }
    }

    /// The routes that hold `dst`, best first.
    pub(in crate::linux) fn holding(&self, dst: IpAddr) -> impl Iterator<Item = &Route> {
        let (v4, v6) = match dst {
            IpAddr::V4(a) => (Some(self.v4.holding(a.to_bits())), None),
            IpAddr::V6(a) => (None, Some(self.v6.holding(a.to_bits()))),
        };
        v4.into_iter().flatten().chain(v6.into_iter().flatten())
    }

    /// Adds a route, in place of one with the same destination and metric.
    pub fn replace(&mut self, route: Route) {
        self.remove(|r| r.dst == route.dst && r.metric == route.metric);
        self.insert(route);
    }

    fn any_to(&self, dst: IpNet, mut is: impl FnMut(&Route) -> bool) -> bool {
        match dst {
            IpNet::V4(n) => self.v4.to(n.network().to_bits(), dst).any(&mut is),
            IpNet::V6(n) => self.v6.to(n.network().to_bits(), dst).any(&mut is),
        }
    }

    fn insert(&mut self, route: Route) {
        match route.dst {
            IpNet::V4(n) => {
                self.v4.insert(Entry { net: n.network().to_bits(), mask: n.netmask().to_bits(), route });
            }
            IpNet::V6(n) => {
                self.v6.insert(Entry { net: n.network().to_bits(), mask: n.netmask().to_bits(), route });
            }
        }
    }

    /// Removes the routes that `gone` picks; how many they were.
    pub fn remove(&mut self, gone: impl Fn(&Route) -> bool) -> usize {
        self.v4.remove(&gone) + self.v6.remove(&gone)
    }

    /// All routes, IPv4 first, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.v4.iter().chain(self.v6.iter())
    }
}

/// A route with that destination and metric is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("File exists")]
pub struct RouteExists;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RouteKind;
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

    proptest! {
        /// Of all routes that hold the address: the longest prefix, the lowest metric, the oldest.
        #[test]
        fn a_look_up_finds_what_a_scan_finds(
            routes in prop::collection::vec((0u8..3, 0u8..12, prop::sample::select(vec![0u8, 8, 30, 31, 32]), 0u32..3, 0u32..3), 0..60),
            gone in prop::option::of(0u32..3),
        ) {
            let mut table = Table::default();
            let mut all: Vec<Route> = Vec::new();
            for (a, b, len, metric, dev) in routes {
                let dst: IpNet = format!("10.0.{a}.{b}/{len}").parse().unwrap();
                let route = Route { metric, ..Route::link(dst, IfId(dev)) };
                if table.add(route.clone()).is_ok() {
                    all.push(route);
                }
            }
            if let Some(dev) = gone {
                let before = all.len();
                all.retain(|r| r.dev != Some(IfId(dev)));
                prop_assert_eq!(table.remove(|r| r.dev == Some(IfId(dev))), before - all.len());
            }
            let net = |r: &Route| (r.dst.prefix_len() < 32).then(|| r.dst.network());
            all.sort_by_key(|r| (Reverse(r.dst.prefix_len()), net(r), r.metric));
            prop_assert!(table.iter().eq(&all));
            for a in 0..3 {
                for b in 0..12 {
                    let dst = IpAddr::from([10, 0, a, b]);
                    prop_assert_eq!(table.lookup(dst), all.iter().find(|r| r.dst.contains(&dst)));
                    let by = |r: &&Route| r.dst.contains(&dst) && r.dev == Some(IfId(1));
                    prop_assert_eq!(table.lookup_by(dst, IfId(1)), all.iter().find(by));
                }
            }
        }
    }
}
