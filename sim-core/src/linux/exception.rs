//! Route exceptions: what ICMP has said about single destinations (`struct fib_nh_exception`, and in IPv6 a cached `struct rt6_info`).
//! A path MTU or a better gateway is believed for a while; `ip route get` shows it.
//!
//! In IPv6 a path MTU has a lifetime and a redirect has none: a collector comes by every [`GC_INTERVAL`] and takes what has grown older
//! than that, whether it is in use or not.

use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use ipnet::IpNet;
use rustc_hash::FxBuildHasher;

use crate::time::SimTime;
use crate::trace::IfId;

/// How long a reported path MTU is believed (`net.ipv4.route.mtu_expires`).
pub const MTU_EXPIRES: Duration = Duration::from_secs(600);
/// The least path MTU that is believed, in bytes (`net.ipv4.route.min_pmtu`).
pub const MIN_PMTU: u32 = 552;
/// The same for IPv6, whose every link carries that much (RFC 8200, 5).
pub const MIN_PMTU_V6: u32 = 1280;
/// How long a redirect of IPv4 is followed (`net.ipv4.route.gc_timeout`).
pub const REDIRECT_EXPIRES: Duration = Duration::from_secs(300);
/// Time between two rounds of IPv6's collector, and the age of what it takes (`net.ipv6.route.gc_interval`).
pub const GC_INTERVAL: Duration = Duration::from_secs(30);

/// What is known of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// Gateway that a redirect has named; in IPv6 the destination itself, if that is on the link.
    pub gateway: Option<IpAddr>,
    /// When it is forgotten; none if only the collector ends it.
    pub expires: Option<SimTime>,
    /// When it was made.
    pub made: SimTime,
    /// In IPv6, interface and gateway of the way; none if that has no gateway. The collector wants it to be a router.
    hop: Option<(IfId, IpAddr)>,
}

/// A destination, and the prefix of the route that what is known belongs to.
type Key = (IpAddr, IpNet);

/// The exceptions of one namespace. Those of IPv6 each stand under a route, and are for the packets that this one leads; those of IPv4
/// are for all to a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    entries: IndexMap<Key, Exception, FxBuildHasher>,
    /// How many of them name a gateway: nearly always none, and then no packet pays for the question.
    redirects: usize,
    /// When IPv6's collector comes by; none while there is nothing for it.
    gc: Option<SimTime>,
}

impl Exceptions {
    /// What is known now of a destination to which the route to `under` leads.
    #[must_use]
    pub fn get(&self, dst: IpAddr, under: IpNet, now: SimTime) -> Option<&Exception> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&key(dst, under)).filter(|e| !e.has_expired(now))
    }

    /// What is known of all destinations now, each with the prefix of its route, in order of appearance.
    pub fn iter(&self, now: SimTime) -> impl Iterator<Item = (IpAddr, IpNet, &Exception)> {
        self.entries.iter().filter(move |(_, e)| !e.has_expired(now)).map(|((dst, net), e)| (*dst, *net, e))
    }

    /// The gateway that a redirect has named for a destination to which the route to `under` leads. Redirects that have expired are
    /// taken away by a timer.
    #[inline]
    pub(super) fn gateway(&self, dst: IpAddr, under: IpNet) -> Option<IpAddr> {
        if self.redirects == 0 {
            return None;
        }
        self.entries.get(&key(dst, under))?.gateway
    }

    /// Takes note of a path MTU in bytes. `hop` are interface and gateway of the way.
    pub(super) fn set_mtu(
        &mut self,
        (dst, under): (IpAddr, IpNet),
        mtu: u32,
        hop: Option<(IfId, IpAddr)>,
        now: SimTime,
    ) {
        let e = self.entry(key(dst, under), now);
        e.mtu = Some(mtu.max(if dst.is_ipv4() { MIN_PMTU } else { MIN_PMTU_V6 }));
        e.expires = Some(now + MTU_EXPIRES);
        if dst.is_ipv6() {
            if e.gateway.is_none() {
                e.hop = hop;
            }
            self.await_collector(now);
        }
    }

    /// Takes note of a better gateway.
    pub(super) fn set_gateway(&mut self, dst: IpAddr, gateway: IpAddr, now: SimTime) {
        let e = self.entry((dst, dst.into()), now);
        e.gateway = Some(gateway);
        e.expires = Some(now + REDIRECT_EXPIRES);
        self.count();
    }

    /// The same in IPv6, for packets that the route to `under` leads to `dev`. What else was known of the destination is forgotten
    /// (`rt6_insert_exception`).
    pub(super) fn redirect_v6(
        &mut self,
        dst: IpAddr,
        (dev, target): (IfId, IpAddr),
        under: IpNet,
        now: SimTime,
    ) {
        let hop = Some((dev, target)).filter(|_| target != dst);
        let gateway = Some(target);
        let e = Exception { mtu: None, gateway, expires: None, made: now, hop };
        self.entries.insert((dst, under), e);
        self.count();
        self.await_collector(now);
    }

    fn entry(&mut self, key: Key, now: SimTime) -> &mut Exception {
        let new = Exception { mtu: None, gateway: None, expires: None, made: now, hop: None };
        let e = self.entries.entry(key).or_insert(new);
        if e.has_expired(now) {
            *e = new;
        }
        e
    }

    /// Forgets what is known of some destinations, as a change of their route does.
    pub(super) fn forget(&mut self, gone: impl Fn(IpAddr, IpNet, &Exception) -> bool) {
        self.entries.retain(|(dst, under), e| !gone(*dst, *under, e));
        self.count();
    }

    /// When a redirect expires or the collector comes by next.
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        if self.redirects == 0 {
            return self.gc;
        }
        let redirects = self.entries.values().filter(|e| e.gateway.is_some());
        redirects.filter_map(|e| e.expires).chain(self.gc).min()
    }

    /// Forgets what has expired, and lets the collector do its round when it is time (`fib6_run_gc`). `is_router` knows the neighbours
    /// that forward packets.
    pub(super) fn on_timer(&mut self, now: SimTime, is_router: impl Fn(IfId, IpAddr) -> bool) {
        let collects = self.gc.is_some_and(|at| at <= now);
        self.entries.retain(|(dst, _), e| {
            let old = e.expires.is_none() && now.since(e.made) >= GC_INTERVAL;
            let collected =
                dst.is_ipv6() && collects && (old || e.hop.is_some_and(|(dev, via)| !is_router(dev, via)));
            !e.has_expired(now) && !collected
        });
        self.count();
        if collects {
            let more = self.entries.keys().any(|(dst, _)| dst.is_ipv6());
            self.gc = more.then(|| now + GC_INTERVAL);
        }
    }

    fn await_collector(&mut self, now: SimTime) {
        self.gc.get_or_insert(now.tick() + GC_INTERVAL);
    }

    fn count(&mut self) {
        self.redirects = self.entries.values().filter(|e| e.gateway.is_some()).count();
    }
}

impl Exception {
    fn has_expired(&self, now: SimTime) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Whether it is of a way of IPv6 by a gateway.
    pub(super) fn leads_to(&self, gateway: IpAddr) -> bool {
        self.hop.is_some_and(|(_, via)| via == gateway)
    }
}

fn key(dst: IpAddr, under: IpNet) -> Key {
    (dst, if dst.is_ipv4() { dst.into() } else { under })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: fn(IfId, IpAddr) -> bool = |_, _| false;

    #[test]
    fn mtu_and_gateway_stand_together_and_are_forgotten() {
        let (dst, gw) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let net = IpNet::from(dst);
        let mut e = Exceptions::default();
        e.set_mtu((dst, net), 1400, None, SimTime::ZERO);
        assert_eq!((e.gateway(dst, net), e.next_timer()), (None, None));
        e.set_gateway(dst, gw, SimTime::from_secs(1));
        let known = e.get(dst, net, SimTime::from_secs(300)).map(|e| (e.mtu, e.gateway, e.expires));
        assert_eq!(known, Some((Some(1400), Some(gw), Some(SimTime::from_secs(301)))));
        assert_eq!(e.next_timer(), Some(SimTime::from_secs(301)));
        e.on_timer(SimTime::from_secs(301), NOBODY);
        assert_eq!(e, Exceptions::default());
    }

    #[test]
    fn a_tiny_mtu_is_not_believed() {
        let dst = IpAddr::from([10, 0, 0, 1]);
        let mut e = Exceptions::default();
        e.set_mtu((dst, dst.into()), 68, None, SimTime::ZERO);
        let at = |secs| e.get(dst, dst.into(), SimTime::from_secs(secs)).and_then(|e| e.mtu);
        assert_eq!((at(1), at(600)), (Some(MIN_PMTU), None));
    }

    /// Seen on Linux 6.18: of two redirects, five seconds apart, the collector takes the first after 30 s and the second after 60 s.
    #[test]
    fn the_collector_comes_by_every_thirty_seconds() {
        let at = |s: &str| s.parse::<IpAddr>().unwrap();
        let (dev, net) = (IfId(1), "fd00::/64".parse::<IpNet>().unwrap());
        let mut e = Exceptions::default();
        e.redirect_v6(at("fd00::1"), (dev, at("fd00::1")), net, SimTime::ZERO);
        e.redirect_v6(at("fd00::2"), (dev, at("fd00::2")), net, SimTime::from_secs(5));
        let mut left = Vec::new();
        while let Some(now) = e.next_timer() {
            e.on_timer(now, NOBODY);
            left.push((now, e.iter(now).count()));
        }
        assert_eq!(left, [(SimTime::from_secs(30), 1), (SimTime::from_secs(60), 0)]);
    }

    #[test]
    fn the_collector_takes_a_way_by_a_neighbour_that_is_no_router() {
        let at = |s: &str| s.parse::<IpAddr>().unwrap();
        let dev = IfId(1);
        let mut e = Exceptions::default();
        for (dst, via) in [("fd00::1", "fe80::1"), ("fd00::2", "fe80::2")] {
            e.set_mtu((at(dst), at(dst).into()), 1400, Some((dev, at(via))), SimTime::ZERO);
        }
        e.on_timer(SimTime::from_secs(30), |_, via| via == at("fe80::2"));
        let left: Vec<IpAddr> = e.iter(SimTime::from_secs(30)).map(|(dst, ..)| dst).collect();
        assert_eq!(left, [at("fd00::2")]);
    }

    #[test]
    fn a_redirect_is_for_packets_of_its_route_only() {
        let at = |s: &str| s.parse::<IpAddr>().unwrap();
        let net = |s: &str| s.parse::<IpNet>().unwrap();
        let mut e = Exceptions::default();
        e.redirect_v6(at("fd00::1"), (IfId(1), at("fe80::9")), net("fd00::/64"), SimTime::ZERO);
        assert_eq!(e.gateway(at("fd00::1"), net("fd00::/64")), Some(at("fe80::9")));
        assert_eq!(e.gateway(at("fd00::1"), net("fd00::1/128")), None);
    }
}
