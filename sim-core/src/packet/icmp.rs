//! ICMP messages (RFC 792, RFC 1812, RFC 4443) and neighbour discovery (RFC 4861).

use std::net::{IpAddr, Ipv6Addr};

use super::{IpPacket, MacAddr, Payload};

/// An ICMP message. The same value stands for ICMP and, in an IPv6 packet, for the ICMPv6 message of the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icmp {
    /// Echo request.
    EchoRequest {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// Data.
        payload: Payload,
    },
    /// Echo reply.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// Data.
        payload: Payload,
    },
    /// An error about the quoted packet.
    Error {
        /// What went wrong.
        error: IcmpError,
        /// The offending packet as its reporter saw it.
        quote: Box<IpPacket>,
    },
    /// Redirect for host: a better next hop exists.
    Redirect {
        /// The better next hop.
        gateway: IpAddr,
        /// In IPv6 its hardware address, if the router knows it.
        gateway_mac: Option<MacAddr>,
        /// The packet that was sent the long way.
        quote: Box<IpPacket>,
    },
    /// Neighbour solicitation, ICMPv6 only.
    NeighbourSolicit {
        /// Whose hardware address is asked for.
        target: Ipv6Addr,
        /// Source link-layer address option; none while the asker has no address yet.
        source_mac: Option<MacAddr>,
    },
    /// Neighbour advertisement, ICMPv6 only.
    NeighbourAdvert {
        /// Whose hardware address is told.
        target: Ipv6Addr,
        /// Target link-layer address option.
        target_mac: Option<MacAddr>,
        /// The sender forwards packets (R flag).
        router: bool,
        /// It answers a solicitation (S flag).
        solicited: bool,
        /// It replaces what the receiver has noted (O flag).
        replaces: bool,
    },
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum IcmpError {
    /// 3/0.
    NetUnreachable,
    /// 3/1.
    HostUnreachable,
    /// 3/2.
    ProtocolUnreachable,
    /// 3/3.
    PortUnreachable,
    /// 3/4, with the next hop's MTU in bytes. ICMPv6 packet too big.
    FragmentationNeeded {
        /// MTU of the next hop in bytes.
        mtu: u16,
    },
    /// 3/9.
    NetProhibited,
    /// 3/10.
    HostProhibited,
    /// 3/13.
    AdminProhibited,
    /// 11/0.
    TtlExceeded,
    /// 11/1.
    ReassemblyTimeout,
    /// ICMPv6 1/2: a link-local address beyond its link. Has no counterpart in IPv4.
    BeyondScope,
    /// ICMPv6 1/5: the source address failed a policy. Has no counterpart in IPv4.
    PolicyFail,
    /// ICMPv6 1/6: a route that rejects. Has no counterpart in IPv4.
    RejectRoute,
}

/// ICMPv6 types of neighbour solicitation and advertisement.
const SOLICIT: u8 = 135;
const ADVERT: u8 = 136;

impl Icmp {
    /// IPv4 type and code; for messages that IPv4 does not have, those of ICMPv6.
    #[must_use]
    pub const fn type_code(&self) -> (u8, u8) {
        match self {
            Self::EchoReply { .. } => (0, 0),
            Self::EchoRequest { .. } => (8, 0),
            Self::Error { error, .. } => error.type_code(),
            Self::Redirect { .. } => (5, 1),
            Self::NeighbourSolicit { .. } => (SOLICIT, 0),
            Self::NeighbourAdvert { .. } => (ADVERT, 0),
        }
    }

    /// Type and code of the ICMPv6 message that means the same (RFC 4443, RFC 4861).
    #[must_use]
    pub const fn type_code_v6(&self) -> (u8, u8) {
        match self {
            Self::EchoRequest { .. } => (128, 0),
            Self::EchoReply { .. } => (129, 0),
            Self::Redirect { .. } => (137, 0),
            Self::Error { error, .. } => error.type_code_v6(),
            Self::NeighbourSolicit { .. } => (SOLICIT, 0),
            Self::NeighbourAdvert { .. } => (ADVERT, 0),
        }
    }

    /// Whether it belongs to neighbour discovery, which has no meaning beyond its link.
    #[must_use]
    pub const fn is_discovery(&self) -> bool {
        matches!(self, Self::NeighbourSolicit { .. } | Self::NeighbourAdvert { .. })
    }

    /// Name of type and code.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EchoRequest { .. } => "echo-request",
            Self::EchoReply { .. } => "echo-reply",
            Self::Redirect { .. } => "redirect-host",
            Self::Error { error, .. } => error.name(),
            Self::NeighbourSolicit { .. } => "neighbour-solicitation",
            Self::NeighbourAdvert { .. } => "neighbour-advertisement",
        }
    }

    /// Length in bytes, header included. An error quotes at most what fits into 576 bytes of IPv4 packet (RFC 1812, 4.3.2.3) or
    /// 1280 bytes of IPv6 packet (RFC 4443, 3).
    #[must_use]
    pub fn len(&self) -> usize {
        let quoted = |q: &IpPacket| q.len().min(if q.dst.is_ipv4() { 576 - 28 } else { 1280 - 48 });
        8 + match self {
            Self::EchoRequest { payload, .. } | Self::EchoReply { payload, .. } => payload.len(),
            Self::Error { quote, .. } => quoted(quote),
            Self::Redirect { gateway, quote, .. } if gateway.is_ipv4() => quoted(quote),
            // Target and destination address, then the quote as an option.
            Self::Redirect { gateway_mac, quote, .. } => {
                let before = 32 + if gateway_mac.is_some() { 8 } else { 0 };
                // In units of eight bytes, with a header of as many (`ndisc_send_redirect`).
                before + ((quote.len() + 8).min(1280 - 40 - 8 - before) & !7)
            }
            Self::NeighbourSolicit { source_mac: mac, .. }
            | Self::NeighbourAdvert { target_mac: mac, .. } => 16 + if mac.is_some() { 8 } else { 0 },
        }
    }

    /// Never: a message has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The packet that an error or redirect is about.
    #[must_use]
    pub const fn quote(&self) -> Option<&IpPacket> {
        match self {
            Self::Error { quote, .. } | Self::Redirect { quote, .. } => Some(quote),
            Self::EchoRequest { .. }
            | Self::EchoReply { .. }
            | Self::NeighbourSolicit { .. }
            | Self::NeighbourAdvert { .. } => None,
        }
    }
}

impl IcmpError {
    /// IPv4 type and code; for errors that IPv4 does not have, those of the error that comes nearest.
    #[must_use]
    pub const fn type_code(self) -> (u8, u8) {
        match self {
            Self::BeyondScope => (3, 0),
            Self::PolicyFail | Self::RejectRoute => (3, 13),
            Self::NetUnreachable => (3, 0),
            Self::HostUnreachable => (3, 1),
            Self::ProtocolUnreachable => (3, 2),
            Self::PortUnreachable => (3, 3),
            Self::FragmentationNeeded { .. } => (3, 4),
            Self::NetProhibited => (3, 9),
            Self::HostProhibited => (3, 10),
            Self::AdminProhibited => (3, 13),
            Self::TtlExceeded => (11, 0),
            Self::ReassemblyTimeout => (11, 1),
        }
    }

    /// Type and code of the ICMPv6 error that means the same (RFC 4443).
    #[must_use]
    pub const fn type_code_v6(self) -> (u8, u8) {
        match self {
            Self::NetUnreachable => (1, 0),
            Self::NetProhibited | Self::HostProhibited | Self::AdminProhibited => (1, 1),
            Self::BeyondScope => (1, 2),
            Self::HostUnreachable => (1, 3),
            Self::PortUnreachable => (1, 4),
            Self::PolicyFail => (1, 5),
            Self::RejectRoute => (1, 6),
            Self::FragmentationNeeded { .. } => (2, 0),
            Self::TtlExceeded => (3, 0),
            Self::ReassemblyTimeout => (3, 1),
            Self::ProtocolUnreachable => (4, 1),
        }
    }

    /// Name as iptables writes it after `--reject-with icmp-`, where it has one; else in the same manner.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetUnreachable => "net-unreachable",
            Self::HostUnreachable => "host-unreachable",
            Self::ProtocolUnreachable => "proto-unreachable",
            Self::PortUnreachable => "port-unreachable",
            Self::FragmentationNeeded { .. } => "frag-needed",
            Self::NetProhibited => "net-prohibited",
            Self::HostProhibited => "host-prohibited",
            Self::AdminProhibited => "admin-prohibited",
            Self::TtlExceeded => "ttl-exceeded",
            Self::ReassemblyTimeout => "frag-reassembly-timeout",
            Self::BeyondScope => "beyond-scope",
            Self::PolicyFail => "policy-fail",
            Self::RejectRoute => "reject-route",
        }
    }
}
