//! Limits on ICMP errors: of one host in all (`net.ipv4.icmp_msgs_per_sec`), to one peer (`net.ipv4.icmp_ratelimit`), and about missing
//! routes (`net.ipv4.route.error_cost`). The kernel counts in ticks of 4 ms, and so does this.

use std::net::IpAddr;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::chance::{Chance, Dice, Purpose};
use crate::time::SimTime;

/// Ticks in a second (`HZ`).
const SECOND: u64 = 250;
/// Errors to one peer that may be sent in a burst (`XRLIM_BURST_FACTOR`).
const BURST: u64 = 6;
/// Redirects to one peer that takes no notice, before it is left alone (`ip_rt_redirect_number`).
const REDIRECT_NUMBER: u32 = 9;
/// Ticks after the first redirect to a peer; each one doubles them (`ip_rt_redirect_load`).
const REDIRECT_LOAD: u64 = SECOND / 50;
/// Ticks of quiet after which a peer counts as new (`ip_rt_redirect_silence`).
const REDIRECT_SILENCE: u64 = REDIRECT_LOAD << (REDIRECT_NUMBER + 1);
/// A peer that was never sent an error is as one that has been left alone for a minute.
const NEWCOMER: u64 = 60 * SECOND;

/// What this host and each of its peers may still be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    peers: IndexMap<IpAddr, Peer, FxBuildHasher>,
    /// Errors that may still be sent to anybody.
    credit: i64,
    /// Tick of the last refill; none before the first error.
    refilled: Option<u64>,
}

/// The limits on errors to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    /// `icmp_msgs_per_sec`.
    pub per_second: u32,
    /// `icmp_msgs_burst`.
    pub burst: u32,
}

/// What "no route" errors to one peer cost, in ticks (`ip_rt_error_cost`, `ip_rt_error_burst`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteErrors {
    /// `net.ipv4.route.error_cost`.
    pub cost: u32,
    /// `net.ipv4.route.error_burst`.
    pub burst: u32,
}

/// Both limits on a peer draw on the same tokens, as in the kernel (`struct inet_peer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Peer {
    tokens: u64,
    last: u64,
    /// Redirects of IPv4 that it took no notice of.
    redirects: u32,
}

/// Ticks since a minute before the beginning of time.
const fn ticks(now: SimTime) -> u64 {
    NEWCOMER + now.0 / (1_000_000_000 / SECOND)
}

impl Limits {
    /// Whether any error may be sent at all (`icmp_global_allow`).
    pub fn allow_any(&mut self, limit: Global, now: SimTime) -> bool {
        if self.credit > 0 {
            return true;
        }
        let now = ticks(now);
        let since = self.refilled.map_or(SECOND, |last| (now - last).min(SECOND));
        if since < SECOND / 50 {
            return false;
        }
        let refill = (u64::from(limit.per_second) * since / SECOND) as i64;
        if refill == 0 {
            return false;
        }
        self.credit = (self.credit + refill).min(limit.burst.into());
        self.refilled = Some(now);
        true
    }

    /// An error was sent. It costs 0 to 2, by chance, so that nobody can count what others are told (`icmp_global_consume`).
    pub fn consume(&mut self, dice: &mut Dice, place: u64) {
        self.credit -= i64::from(dice.below(Purpose::IcmpCredit, place, 3));
    }

    /// Whether an error may be sent to `peer` now, with `interval_ms` between errors after a burst (`inet_peer_xrlim_allow`).
    pub fn allow(&mut self, peer: IpAddr, interval_ms: u32, now: SimTime) -> bool {
        let interval = u64::from(interval_ms).div_ceil(1000 / SECOND);
        let now = ticks(now);
        let peer = self.peer(peer, now);
        // What is saved up is only looked at when time has passed.
        if now > peer.last {
            peer.tokens = (peer.tokens + (now - peer.last)).min(BURST * interval);
            peer.last = now;
        }
        let enough = peer.tokens >= interval;
        if enough {
            peer.tokens -= interval;
        }
        enough
    }

    /// Whether a "no route" error may be sent to `peer` now (`ip_error`).
    pub fn allow_route_error(&mut self, peer: IpAddr, limit: RouteErrors, now: SimTime) -> bool {
        let now = ticks(now);
        let peer = self.peer(peer, now);
        peer.tokens = (peer.tokens + (now - peer.last)).min(limit.burst.into());
        peer.last = now;
        let enough = peer.tokens >= limit.cost.into();
        if enough {
            peer.tokens -= u64::from(limit.cost);
        }
        enough
    }

    /// Whether `peer` may be sent a redirect of IPv4 now (`ip_rt_send_redirect`). An error to it counts as the last redirect.
    pub fn allow_redirect(&mut self, peer: IpAddr, now: SimTime) -> bool {
        let now = ticks(now);
        let peer = self.peer(peer, now);
        if now > peer.last + REDIRECT_SILENCE {
            (peer.tokens, peer.redirects) = (0, 0);
        }
        if peer.redirects >= REDIRECT_NUMBER {
            peer.last = now;
            return false;
        }
        let allowed = peer.redirects == 0 || now > peer.last + (REDIRECT_LOAD << peer.redirects);
        if allowed {
            peer.last = now;
            peer.redirects += 1;
        }
        allowed
    }

    fn peer(&mut self, peer: IpAddr, now: u64) -> &mut Peer {
        self.peers.entry(peer).or_insert(Peer { tokens: 0, last: now - NEWCOMER, redirects: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: RouteErrors = RouteErrors { cost: 250, burst: 1250 };
    const GLOBAL: Global = Global { per_second: 1000, burst: 50 };

    fn peer() -> IpAddr {
        "10.244.1.10".parse().unwrap()
    }

    /// Errors out of `count` that are sent `gap_ms` apart from the hundredth second on.
    fn sent(count: u64, gap_ms: u64, mut allow: impl FnMut(SimTime) -> bool) -> usize {
        (0..count).filter(|i| allow(SimTime((100_000 + i * gap_ms) * 1_000_000))).count()
    }

    #[test]
    fn six_errors_at_once_then_one_a_second() {
        let mut limits = Limits::default();
        assert_eq!(sent(40, 0, |now| limits.allow(peer(), 1000, now)), 6);
        let mut limits = Limits::default();
        assert_eq!(sent(16, 250, |now| limits.allow(peer(), 1000, now)), 9);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut limits = Limits::default();
        assert_eq!(sent(40, 0, |now| limits.allow(peer(), 0, now)), 40);
    }

    /// Counted on Linux 6.18: 40 datagrams at once, and 16 with 250 ms between them.
    #[test]
    fn errors_about_missing_routes_pay_twice() {
        for (interval, at_once, spread) in [(1000, 2, 2), (500, 3, 3), (100, 4, 5), (0, 5, 8)] {
            let both = |limits: &mut Limits, now| {
                limits.allow_route_error(peer(), ROUTE, now) && limits.allow(peer(), interval, now)
            };
            let mut limits = Limits::default();
            assert_eq!(sent(40, 0, |now| both(&mut limits, now)), at_once, "{interval}");
            let mut limits = Limits::default();
            assert_eq!(sent(16, 250, |now| both(&mut limits, now)), spread, "{interval} spread");
        }
    }

    /// A limit of no time leaves nothing saved up, but only looks when a tick has passed.
    #[test]
    fn an_error_without_limit_spoils_those_about_missing_routes() {
        for (later, told) in [(SimTime(0), true), (SimTime(4_000_000), false)] {
            let mut limits = Limits::default();
            assert!(limits.allow_route_error(peer(), ROUTE, SimTime(0)));
            assert!(limits.allow(peer(), 0, later));
            assert_eq!(limits.allow_route_error(peer(), ROUTE, later), told);
        }
    }

    /// Seen on Linux 6.18 where a gateway tells of a neighbour that is not there.
    #[test]
    fn an_error_puts_off_the_next_redirect() {
        let mut limits = Limits::default();
        let at = |ms: u64| SimTime(ms * 1_000_000);
        assert!(limits.allow_redirect(peer(), at(0)));
        assert!(limits.allow(peer(), 1000, at(3000)));
        assert!(!limits.allow_redirect(peer(), at(3000)));
        assert!(limits.allow_redirect(peer(), at(3100)));
    }

    #[test]
    fn fifty_errors_at_once_to_all_peers_together_more_or_less() {
        let (mut limits, mut dice) = (Limits::default(), Dice::seeded(1));
        let allow = |now| {
            let allowed = limits.allow_any(GLOBAL, now);
            if allowed {
                limits.consume(&mut dice, 0);
            }
            allowed
        };
        let count = sent(500, 0, allow);
        assert!((35..75).contains(&count), "{count}");
        // After 20 ms there are 20 more.
        assert!(!limits.allow_any(GLOBAL, SimTime(100_016_000_000)));
        assert!(limits.allow_any(GLOBAL, SimTime(100_020_000_000)));
    }
}
