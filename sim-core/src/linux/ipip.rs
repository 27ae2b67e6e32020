//! IPIP tunnels (RFC 2003): IPv4 packets in IPv4 packets, without anything between the two headers.
//!
//! After `net/ipv4/ipip.c` and `net/ipv4/ip_tunnel.c`. Left out: metadata mode (`external`), MPLS and encapsulation in UDP.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::packet::{IpPacket, Payload, Transport, proto};
use crate::time::SimTime;
use crate::trace::IfId;

/// Bytes that the tunnel adds to a packet: the outer header.
pub const IPIP_OVERHEAD: u32 = 20;
/// MTU of a tunnel whose way is not known.
pub const IPIP_MTU: u32 = 1500 - IPIP_OVERHEAD;
/// How long a tunnel remembers that its other end could not be reached (`IPTUNNEL_ERR_TIMEO`).
const ERROR_TIME: Duration = Duration::from_secs(30);

/// An IPIP device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipip {
    /// Outer source address; unspecified (`local any`): that of the way out.
    pub local: Ipv4Addr,
    /// Outer destination address; unspecified (`remote any`): the next hop of the inner packet's route.
    pub remote: Ipv4Addr,
    /// Underlay interface, if bound to one (`dev eth0`).
    pub underlay: Option<IfId>,
    /// Outer TTL; 0 (`ttl inherit`): the inner packet's.
    pub ttl: u8,
    /// Outer type of service; 1 (`tos inherit`): the inner packet's.
    pub tos: u8,
    /// The outer packet may not be fragmented (`pmtudisc`).
    pub pmtudisc: bool,
    /// `tunl0`, which the kernel's module brings with it: takes what no other tunnel takes.
    pub fallback: bool,
    /// Recent ICMP errors about outer packets, and when the last one came.
    pub errors: Option<(u32, SimTime)>,
}

impl Ipip {
    /// `ip link add type ipip` without anything: both ends open, the path's MTU is minded.
    pub const ANY: Self = Self {
        local: Ipv4Addr::UNSPECIFIED,
        remote: Ipv4Addr::UNSPECIFIED,
        underlay: None,
        ttl: 0,
        tos: 0,
        pmtudisc: true,
        fallback: false,
        errors: None,
    };

    /// `tunl0`.
    pub const FALLBACK: Self = Self { pmtudisc: false, fallback: true, ..Self::ANY };

    /// How well a packet between these outer addresses fits (`ip_tunnel_lookup`): the higher, the better; none if it is not this
    /// tunnel's.
    #[must_use]
    pub fn fits(&self, from: Ipv4Addr, to: Ipv4Addr) -> Option<u8> {
        let open = |end: Ipv4Addr| end.is_unspecified();
        match (self.remote == from, self.local == to) {
            _ if self.fallback => Some(0),
            (true, true) => Some(3),
            (true, false) if open(self.local) => Some(2),
            (false, true) if open(self.remote) => Some(1),
            _ => None,
        }
    }

    /// The outer packet around an inner one; `local` and the identification are for the stack to fill in.
    #[must_use]
    pub fn encapsulate(&self, inner: IpPacket, remote: Ipv4Addr) -> IpPacket {
        let tos = if self.tos & 1 == 1 { inner.tos } else { self.tos };
        let ttl = if self.ttl == 0 { inner.ttl } else { self.ttl };
        let df = self.pmtudisc || inner.df;
        let tos = outer_tos(tos, inner.tos);
        let body = Transport::Other { protocol: proto::IPIP, payload: Payload::Ip(Box::new(inner)) };
        IpPacket { ttl, tos, df, ..IpPacket::new(self.local.into(), remote.into(), body) }
    }

    /// Notes an ICMP error about an outer packet (`ipip_err`).
    pub fn note_error(&mut self, now: SimTime) {
        let count = match self.errors {
            Some((count, last)) if now.since(last) < ERROR_TIME => count + 1,
            _ => 1,
        };
        self.errors = Some((count, now));
    }

    /// Whether the sender of the next packet is to be told that the other end was out of reach; once for each error.
    pub fn take_error(&mut self, now: SimTime) -> bool {
        let Some((count, last)) = self.errors else { return false };
        let fresh = count > 0 && now.since(last) < ERROR_TIME;
        self.errors = fresh.then_some((count - u32::from(fresh), last));
        fresh
    }
}

/// The bits of explicit congestion notification (RFC 3168).
const ECN: u8 = 3;
/// Congestion was experienced.
const CE: u8 = 3;

/// The outer packet's type of service (`ip_tunnel_ecn_encap`): the bits of congestion notification are the inner packet's, but congestion
/// that was met before is not repeated.
pub(super) const fn outer_tos(tos: u8, inner: u8) -> u8 {
    (tos & !ECN) | if inner & ECN == CE { 2 } else { inner & ECN }
}

/// The inner packet with what the outer one met on its way; none if the inner packet cannot tell it.
#[must_use]
pub fn decapsulate(outer_tos: u8, mut inner: IpPacket) -> Option<IpPacket> {
    note_congestion(outer_tos, &mut inner).then_some(inner)
}

/// Notes on an inner packet what the outer one met on its way (RFC 6040); false if congestion was met that the inner packet cannot tell.
pub(super) const fn note_congestion(outer_tos: u8, inner: &mut IpPacket) -> bool {
    match (outer_tos & ECN, inner.tos & ECN) {
        (CE, 0) => return false,
        (CE, _) => inner.tos |= CE,
        _ => {}
    }
    true
}

/// An IPv4 address.
pub(super) const fn v4(addr: IpAddr) -> Option<Ipv4Addr> {
    match addr {
        IpAddr::V4(addr) => Some(addr),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn the_tunnel_that_names_both_ends_comes_first() {
        let (here, there) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let both = Ipip { local: here, remote: there, ..Ipip::ANY };
        let remote = Ipip { remote: there, ..Ipip::ANY };
        let local = Ipip { local: here, ..Ipip::ANY };
        let ranks = [both, remote, local, Ipip::FALLBACK].map(|t| t.fits(there, here));
        assert_eq!(ranks, [Some(3), Some(2), Some(1), Some(0)]);
        let other = ip("10.0.0.3");
        let ranks = [both, remote, local, Ipip::FALLBACK].map(|t| t.fits(other, other));
        assert_eq!(ranks, [None, None, None, Some(0)]);
    }

    #[test]
    fn an_outer_packet_inherits_what_its_tunnel_leaves_open() {
        let inner = IpPacket {
            ttl: 63,
            tos: 0xb9,
            df: true,
            ..IpPacket::new(
                ip("10.1.0.1").into(),
                ip("10.2.0.1").into(),
                Transport::Other { protocol: 99, payload: Payload::Empty },
            )
        };
        let outer = Ipip::FALLBACK.encapsulate(inner.clone(), ip("10.0.0.2"));
        assert_eq!((outer.ttl, outer.tos, outer.df, outer.len()), (63, 1, true, 40));
        let tunnel = Ipip { ttl: 5, tos: 1, ..Ipip::ANY };
        let outer = tunnel.encapsulate(IpPacket { df: false, ..inner }, ip("10.0.0.2"));
        assert_eq!((outer.ttl, outer.tos, outer.df), (5, 0xb9, true));
    }

    #[test]
    fn each_error_is_told_once_and_soon() {
        let mut tunnel = Ipip::ANY;
        assert!(!tunnel.take_error(SimTime::ZERO));
        tunnel.note_error(SimTime::ZERO);
        assert!(tunnel.take_error(SimTime::ZERO + Duration::from_secs(1)));
        assert!(!tunnel.take_error(SimTime::ZERO + Duration::from_secs(1)));
        tunnel.note_error(SimTime::ZERO + Duration::from_secs(2));
        assert!(!tunnel.take_error(SimTime::ZERO + Duration::from_secs(40)));
    }
}
