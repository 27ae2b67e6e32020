//! Ports and local addresses: what clashes, what matches better, which ephemeral port is next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::chance::{Chance, Dice, Purpose};

/// `net.ipv4.ip_local_port_range`.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32768..=60999;

/// An address a socket is bound to, and whether it refuses IPv4 (`IPV6_V6ONLY`).
pub(super) type Bound = (IpAddr, bool);

/// Draws an ephemeral port that is `free`: a random one, or the next free one after it, going round the range in steps of
/// `step` (the kernel gives even ports to `connect(2)` of TCP, `__inet_hash_connect`), then through the ports left out.
pub(super) fn ephemeral(dice: &mut Dice, place: u64, step: u16, free: impl Fn(u16) -> bool) -> Option<u16> {
    let (low, high) = (*EPHEMERAL.start(), *EPHEMERAL.end());
    let slots = (high - low + 1) / step;
    let first = dice.below(Purpose::EphemeralPort, place, u32::from(slots)) as u16;
    (0..step)
        .find_map(|odd| (0..slots).map(|i| low + (first + i) % slots * step + odd).find(|&port| free(port)))
}

/// Whether two sockets may not have the same port.
pub(super) fn overlap(a: Bound, b: Bound) -> bool {
    a.0 == b.0 || address_score(a, b.0).is_some() || address_score(b, a.0).is_some()
}

/// How well a bound address fits the destination of a packet: exactly, as wildcard of the family, as IPv6 wildcard for
/// IPv4; none if not at all.
pub(super) fn address_score((bound, v6only): Bound, dst: IpAddr) -> Option<u32> {
    match (bound, dst) {
        _ if bound == dst => Some(4),
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(_))
        | (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(_)) => Some(2),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(_)) if !v6only => Some(1),
        _ => None,
    }
}
