//! Limits on ICMP errors (`net.ipv4.icmp_ratelimit` and the routing error limit), per destination.

use std::net::IpAddr;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::time::SimTime;

/// Errors that may be sent in a burst (`XRLIM_BURST_FACTOR`).
const BURST: u64 = 6;
/// "No route" errors cost this much of the peer's tokens, and at most this much is saved up, in nanoseconds
/// (`ip_rt_error_cost`, `ip_rt_error_burst`).
const ROUTE_COST: u64 = 1_000_000_000;
const ROUTE_BURST: u64 = 5_000_000_000;

/// What each peer may still be sent. Both limits draw on the same tokens, as in the kernel (`struct inet_peer`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    peers: IndexMap<IpAddr, Peer, FxBuildHasher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Peer {
    tokens: u64,
    last: SimTime,
}

impl Limits {
    /// Whether an error may be sent to `peer` now, with `interval_ms` between errors after a burst (`inet_peer_xrlim_allow`).
    pub fn allow(&mut self, peer: IpAddr, interval_ms: u32, now: SimTime) -> bool {
        let interval = u64::from(interval_ms) * 1_000_000;
        interval == 0 || self.take(peer, now, interval, BURST * interval)
    }

    /// Whether a "no route" error may be sent to `peer` now (`ip_error`).
    pub fn allow_route_error(&mut self, peer: IpAddr, now: SimTime) -> bool {
        self.take(peer, now, ROUTE_COST, ROUTE_BURST)
    }

    fn take(&mut self, peer: IpAddr, now: SimTime, cost: u64, burst: u64) -> bool {
        // A peer that was never sent an error has everything saved up.
        let p = self.peers.entry(peer).or_insert(Peer { tokens: burst, last: now });
        p.tokens = (p.tokens + (now.0 - p.last.0)).min(burst);
        p.last = now;
        let enough = p.tokens >= cost;
        if enough {
            p.tokens -= cost;
        }
        enough
    }
}
