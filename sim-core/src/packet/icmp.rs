//! ICMP messages (RFC 792, RFC 1812, RFC 4443).

use std::net::IpAddr;

use super::{IpPacket, Payload};

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
        /// The packet that was sent the long way.
        quote: Box<IpPacket>,
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
}

impl Icmp {
    /// IPv4 type and code.
    #[must_use]
    pub const fn type_code(&self) -> (u8, u8) {
        match self {
            Self::EchoReply { .. } => (0, 0),
            Self::EchoRequest { .. } => (8, 0),
            Self::Error { error, .. } => error.type_code(),
            Self::Redirect { .. } => (5, 1),
        }
    }

    /// Name of type and code.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EchoRequest { .. } => "echo-request",
            Self::EchoReply { .. } => "echo-reply",
            Self::Redirect { .. } => "redirect-host",
            Self::Error { error, .. } => error.name(),
        }
    }

    /// Length in bytes, header included. An error quotes at most what fits into 576 bytes of IPv4 packet (RFC 1812, 4.3.2.3).
    #[must_use]
    pub fn len(&self) -> usize {
        8 + match self {
            Self::EchoRequest { payload, .. } | Self::EchoReply { payload, .. } => payload.len(),
            Self::Error { quote, .. } | Self::Redirect { quote, .. } => quote.len().min(576 - 28),
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
            Self::EchoRequest { .. } | Self::EchoReply { .. } => None,
        }
    }
}

impl IcmpError {
    /// IPv4 type and code.
    #[must_use]
    pub const fn type_code(self) -> (u8, u8) {
        match self {
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
        }
    }
}
