//! Changing a packet as its flow is translated.

use std::net::IpAddr;
use std::sync::Arc;

use crate::linux::conntrack::{Conn, Direction, Tuple};
use crate::packet::{Icmp, IpPacket, Transport};
use crate::trace::NatKind;

/// What one side of a packet becomes, and in an ICMP error the other side of the quoted packet.
pub(super) struct Change {
    outer: Side,
    quote: Option<Side>,
}

/// One side of a packet.
#[derive(Clone, Copy)]
struct Side {
    kind: NatKind,
    addr: IpAddr,
    /// Port, or ICMP identifier; none for an error, whose own header has neither.
    port: Option<u16>,
}

impl Change {
    /// What is to be changed in a packet of a flow; none if it is so already (it comes back by the loopback device).
    pub(super) fn of(conn: &Conn, dir: Direction, kind: NatKind, packet: &IpPacket) -> Option<Self> {
        // A packet leaves looking like what the other direction answers.
        let target = conn.tuple(dir.flip()).inverted()?;
        let mut outer = Side::of(&target, kind);
        let quote = quote_of(packet).map(|quote| {
            outer.port = None;
            // The quoted packet ran the other way: its destination is the error's source side.
            let side = Side::of(conn.tuple(dir.flip()), other(kind));
            (side, side.is_so_in(quote))
        });
        let quote_is_so = quote.is_none_or(|(_, is_so)| is_so);
        if outer.is_so_in(packet) && quote_is_so {
            return None;
        }
        Some(Self { outer, quote: quote.map(|(side, _)| side) })
    }

    pub(super) fn apply(&self, packet: &mut IpPacket) {
        self.outer.apply(packet);
        if let (Some(side), Transport::Icmp(Icmp::Error { quote, .. })) = (self.quote, &mut packet.body) {
            side.apply(quote);
        }
    }
}

impl Side {
    const fn of(tuple: &Tuple, kind: NatKind) -> Self {
        let (addr, port) = match kind {
            NatKind::Source => (tuple.src, tuple.sport),
            // The identifier of an echo is in its source half, whichever side changes.
            NatKind::Destination if tuple.is_icmp() => (tuple.dst, tuple.sport),
            NatKind::Destination => (tuple.dst, tuple.dport),
        };
        Self { kind, addr, port: Some(port) }
    }

    fn is_so_in(&self, packet: &IpPacket) -> bool {
        let addr = match self.kind {
            NatKind::Source => packet.src,
            NatKind::Destination => packet.dst,
        };
        addr == self.addr && self.port.is_none_or(|p| port(&packet.body, self.kind).is_none_or(|is| is == p))
    }

    fn apply(&self, packet: &mut IpPacket) {
        match self.kind {
            NatKind::Source => packet.src = self.addr,
            NatKind::Destination => packet.dst = self.addr,
        }
        if let Some(port) = self.port {
            set_port(&mut packet.body, self.kind, port);
        }
    }
}

/// Whether the packet is an ICMP redirect.
pub(super) const fn is_redirect(packet: &IpPacket) -> bool {
    matches!(packet.body, Transport::Icmp(Icmp::Redirect { .. }))
}

const fn quote_of(packet: &IpPacket) -> Option<&IpPacket> {
    match &packet.body {
        Transport::Icmp(Icmp::Error { quote, .. }) => Some(quote),
        _ => None,
    }
}

const fn other(kind: NatKind) -> NatKind {
    match kind {
        NatKind::Source => NatKind::Destination,
        NatKind::Destination => NatKind::Source,
    }
}

fn port(body: &Transport, kind: NatKind) -> Option<u16> {
    match (body, kind) {
        (Transport::Udp(u), NatKind::Source) => Some(u.sport),
        (Transport::Udp(u), NatKind::Destination) => Some(u.dport),
        (Transport::Tcp(t), NatKind::Source) => Some(t.sport),
        (Transport::Tcp(t), NatKind::Destination) => Some(t.dport),
        (Transport::Sctp(s), NatKind::Source) => Some(s.sport),
        (Transport::Sctp(s), NatKind::Destination) => Some(s.dport),
        (Transport::Icmp(Icmp::EchoRequest { id, .. } | Icmp::EchoReply { id, .. }), _) => Some(*id),
        (Transport::Piece { whole, .. }, _) => port(whole, kind),
        (Transport::Icmp(_) | Transport::Other { .. }, _) => None,
    }
}

fn set_port(body: &mut Transport, kind: NatKind, port: u16) {
    match (body, kind) {
        (Transport::Udp(u), NatKind::Source) => u.sport = port,
        (Transport::Udp(u), NatKind::Destination) => u.dport = port,
        (Transport::Tcp(t), NatKind::Source) => t.sport = port,
        (Transport::Tcp(t), NatKind::Destination) => t.dport = port,
        (Transport::Sctp(s), NatKind::Source) => s.sport = port,
        (Transport::Sctp(s), NatKind::Destination) => s.dport = port,
        (Transport::Icmp(Icmp::EchoRequest { id, .. } | Icmp::EchoReply { id, .. }), _) => *id = port,
        (Transport::Piece { whole, .. }, _) => {
            // Shared with the other pieces and with earlier snapshots: change a copy.
            let mut copy = whole.as_ref().clone();
            set_port(&mut copy, kind, port);
            *whole = Arc::new(copy);
        }
        (Transport::Icmp(_) | Transport::Other { .. }, _) => {}
    }
}
