//! The addresses of one direction of a flow.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::packet::{Icmp, IpPacket, Transport, proto};

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source port; the identifier of an ICMP echo.
    pub sport: u16,
    /// Destination port; type (high byte) and code of an ICMP message.
    pub dport: u16,
}

// Written by hand for speed: a tuple is looked up for every packet at every hook, and the standard address types hash
// byte by byte.
impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.src, self.dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                state.write_u64(u64::from(s.to_bits()) << 32 | u64::from(d.to_bits()));
            }
            (s, d) => {
                state.write_u128(wide(s));
                state.write_u128(wide(d));
            }
        }
        state.write_u64(u64::from(self.protocol) << 32 | u64::from(self.sport) << 16 | u64::from(self.dport));
    }
}

const fn wide(a: IpAddr) -> u128 {
    match a {
        IpAddr::V4(a) => a.to_bits() as u128,
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// With or against the first packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// As the first packet.
    Original,
    /// Against the first packet.
    Reply,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub const fn flip(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

impl Tuple {
    /// The tuple of a packet; none for a fragment without its transport header and for ICMP messages other than echo, which
    /// belong to no flow of their own.
    #[must_use]
    pub fn of(packet: &IpPacket) -> Option<Self> {
        if packet.frag.is_some_and(|f| f.offset > 0) {
            return None;
        }
        let protocol = packet.protocol();
        let mut body = &packet.body;
        while let Transport::Piece { whole, .. } = body {
            body = whole;
        }
        let (sport, dport) = match body {
            Transport::Udp(u) => (u.sport, u.dport),
            Transport::Tcp(t) => (t.sport, t.dport),
            Transport::Sctp(s) => (s.sport, s.dport),
            Transport::Icmp(Icmp::EchoRequest { id, .. }) => (*id, echo(protocol, true)),
            Transport::Icmp(Icmp::EchoReply { id, .. }) => (*id, echo(protocol, false)),
            Transport::Icmp(_) => return None,
            Transport::Piece { .. } | Transport::Other { .. } => (0, 0),
        };
        Some(Self { src: packet.src, dst: packet.dst, protocol, sport, dport })
    }

    /// What an answer to this tuple looks like; none for ICMP types that are never answered.
    #[must_use]
    pub const fn inverted(&self) -> Option<Self> {
        let (sport, dport) = match self.protocol {
            proto::ICMP | proto::ICMPV6 => match self.icmp_inverse() {
                Some(ty) => (self.sport, (ty as u16) << 8 | self.dport & 0xff),
                None => return None,
            },
            _ => (self.dport, self.sport),
        };
        Some(Self { src: self.dst, dst: self.src, protocol: self.protocol, sport, dport })
    }

    /// Type of an ICMP tuple.
    #[must_use]
    pub const fn icmp_type(&self) -> u8 {
        (self.dport >> 8) as u8
    }

    /// Code of an ICMP tuple.
    #[must_use]
    pub const fn icmp_code(&self) -> u8 {
        self.dport as u8
    }

    /// Whether it is one of ICMP or `ICMPv6`.
    #[must_use]
    pub const fn is_icmp(&self) -> bool {
        matches!(self.protocol, proto::ICMP | proto::ICMPV6)
    }

    const fn icmp_inverse(&self) -> Option<u8> {
        match (self.protocol, self.icmp_type()) {
            (proto::ICMP, 0) => Some(8),
            (proto::ICMP, 8) => Some(0),
            (proto::ICMPV6, 128) => Some(129),
            (proto::ICMPV6, 129) => Some(128),
            _ => None,
        }
    }

    /// Whether the ICMP type asks for an answer, so that it may start a flow.
    pub(super) const fn is_icmp_request(&self) -> bool {
        matches!((self.protocol, self.icmp_type()), (proto::ICMP, 8) | (proto::ICMPV6, 128))
    }
}

/// Type and code of an echo message.
const fn echo(protocol: u8, request: bool) -> u16 {
    let ty: u16 = match (protocol, request) {
        (proto::ICMP, true) => 8,
        (proto::ICMP, false) => 0,
        (_, true) => 128,
        (_, false) => 129,
    };
    ty << 8
}
