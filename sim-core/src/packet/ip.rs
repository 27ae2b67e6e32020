//! IP packets and what they carry.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Frame, Icmp, Tcp};

/// IANA protocol numbers.
pub mod proto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// An IPv4 or IPv6 packet; both addresses are of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPacket {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Type of service, traffic class.
    pub tos: u8,
    /// IPv4 identification.
    pub id: u16,
    /// IPv4 don't-fragment bit.
    pub df: bool,
    /// Set if this is a fragment.
    pub frag: Option<Fragment>,
    /// The transport checksum is wrong.
    pub bad_checksum: bool,
    /// What it carries.
    pub body: Transport,
}

/// Position of a fragment in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of the first byte in bytes, a multiple of 8.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

/// The payload of an IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP datagram.
    Udp(Udp),
    /// TCP segment.
    Tcp(Tcp),
    /// ICMP or ICMPv6 message.
    Icmp(Icmp),
    /// Any other protocol, or a fragment that is not the first.
    Other {
        /// IANA protocol number.
        protocol: u8,
        /// Data.
        payload: Payload,
    },
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Data.
    pub payload: Payload,
}

/// Application data, shared and never copied.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Payload {
    /// No data.
    #[default]
    Empty,
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// VXLAN (RFC 7348): a header with the network identifier and a frame.
    Vxlan {
        /// VXLAN network identifier, 24 bits.
        vni: u32,
        /// The inner frame.
        frame: Box<Frame>,
    },
}

impl Payload {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Bytes(b) => b.len(),
            Self::Vxlan { frame, .. } => 8 + frame.len(),
        }
    }

    /// Whether there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes; none for an encapsulated frame.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(b) => b,
            Self::Empty | Self::Vxlan { .. } => &[],
        }
    }
}

impl From<&[u8]> for Payload {
    fn from(b: &[u8]) -> Self {
        if b.is_empty() { Self::Empty } else { Self::Bytes(b.into()) }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(b: Vec<u8>) -> Self {
        if b.is_empty() { Self::Empty } else { Self::Bytes(b.into()) }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(b) => write!(f, "{} bytes", b.len()),
            Self::Vxlan { vni, frame } => write!(f, "vxlan {vni} {frame:?}"),
        }
    }
}

impl IpPacket {
    /// A packet with a TTL of 64 and everything else plain.
    #[must_use]
    pub const fn new(src: IpAddr, dst: IpAddr, body: Transport) -> Self {
        Self { src, dst, ttl: 64, tos: 0, id: 0, df: false, frag: None, bad_checksum: false, body }
    }

    /// IP header length in bytes: 20 for IPv4, 40 for IPv6.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        if self.dst.is_ipv4() { 20 } else { 40 }
    }

    /// Total length in bytes, IP header included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header_len() + self.body.len()
    }

    /// Never: a packet has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// IANA protocol number.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        match &self.body {
            Transport::Udp(_) => proto::UDP,
            Transport::Tcp(_) => proto::TCP,
            Transport::Icmp(_) if self.dst.is_ipv4() => proto::ICMP,
            Transport::Icmp(_) => proto::ICMPV6,
            Transport::Other { protocol, .. } => *protocol,
        }
    }

    /// Source and destination port, for protocols that have them.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match &self.body {
            Transport::Udp(u) => Some((u.sport, u.dport)),
            Transport::Tcp(t) => Some((t.sport, t.dport)),
            Transport::Icmp(_) | Transport::Other { .. } => None,
        }
    }

    /// Source address and port; port 0 for protocols without ports.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        SocketAddr::new(
            self.src,
            match self.ports() {
                Some((s, _)) => s,
                None => 0,
            },
        )
    }

    /// Destination address and port; port 0 for protocols without ports.
    #[must_use]
    pub const fn destination(&self) -> SocketAddr {
        SocketAddr::new(
            self.dst,
            match self.ports() {
                Some((_, d)) => d,
                None => 0,
            },
        )
    }
}

impl Transport {
    /// Length in bytes, transport header included.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Udp(u) => 8 + u.payload.len(),
            Self::Tcp(t) => t.header_len() + t.payload.len(),
            Self::Icmp(i) => i.len(),
            Self::Other { payload, .. } => payload.len(),
        }
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for IpPacket {
    /// One line: `10.244.1.5:41001 > 10.244.2.9:80 tcp S ttl 64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_head(f)?;
        write!(f, " ttl {}", self.ttl)
    }
}

impl IpPacket {
    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Transport::Udp(u) => {
                write!(f, "{} > {} udp", self.source(), self.destination())?;
                if let Payload::Vxlan { frame, .. } = &u.payload
                    && let super::FrameBody::Ip(inner) = &frame.body
                {
                    write!(f, " vxlan[{inner}]")?;
                }
            }
            Transport::Tcp(t) => {
                write!(f, "{} > {} tcp", self.source(), self.destination())?;
                let letters: String = [(2, 'S'), (16, 'A'), (1, 'F'), (4, 'R'), (8, 'P')]
                    .iter()
                    .filter(|(bit, _)| t.flags.0 & bit != 0)
                    .map(|(_, c)| *c)
                    .collect();
                write!(f, " {letters}")?;
            }
            Transport::Icmp(m) => {
                let (ty, code) = m.type_code();
                let name = match m {
                    Icmp::EchoRequest { .. } => "echo-request",
                    Icmp::EchoReply { .. } => "echo-reply",
                    Icmp::Redirect { .. } => "redirect-host",
                    Icmp::Error { error, .. } => error.name(),
                };
                write!(f, "{} > {} icmp {name}({ty}/{code})", self.src, self.dst)?;
                if let Icmp::Error { error: super::IcmpError::FragmentationNeeded { mtu }, .. } = m {
                    write!(f, " mtu {mtu}")?;
                }
                if let Icmp::Redirect { gateway, .. } = m {
                    write!(f, " gw {gateway}")?;
                }
                if let Some(q) = m.quote() {
                    f.write_str(" about [")?;
                    q.fmt_head(f)?;
                    f.write_str("]")?;
                }
            }
            Transport::Other { protocol, .. } => match *protocol {
                proto::ICMP => write!(f, "{} > {} icmp", self.src, self.dst)?,
                proto::TCP => write!(f, "{} > {} tcp", self.src, self.dst)?,
                proto::UDP => write!(f, "{} > {} udp", self.src, self.dst)?,
                other => write!(f, "{} > {} {other}", self.src, self.dst)?,
            },
        }
        if let Some(frag) = self.frag {
            write!(f, " frag(off {} mf {})", frag.offset, u8::from(frag.more))?;
        }
        Ok(())
    }
}
