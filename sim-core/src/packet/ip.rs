//! IP packets and what they carry.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Frame, Icmp, Sctp, Tcp};

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
    /// The fragment header of IPv6.
    pub const FRAGMENT: u8 = 44;
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
    /// SCTP packet.
    Sctp(Sctp),
    /// ICMP or ICMPv6 message.
    Icmp(Icmp),
    /// A piece of a packet that was cut up; [`IpPacket::frag`] says which.
    Piece {
        /// The whole payload of the packet.
        whole: Arc<Self>,
        /// Length of this piece in bytes.
        len: u16,
    },
    /// Any other protocol.
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
    /// A whole packet (RFC 2003).
    Ip(Box<IpPacket>),
}

impl Payload {
    /// Length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Bytes(b) => b.len(),
            Self::Vxlan { frame, .. } => encapsulated_len(frame),
            Self::Ip(inner) => inner_len(inner),
        }
    }

    /// Whether there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes; none for what is encapsulated.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(b) => b,
            Self::Empty | Self::Vxlan { .. } | Self::Ip(_) => &[],
        }
    }
}

/// Apart, so that lengths of packets without a tunnel are computed in line.
#[inline(never)]
fn encapsulated_len(frame: &Frame) -> usize {
    8 + frame.len()
}

/// Apart for the same reason.
#[inline(never)]
fn inner_len(inner: &IpPacket) -> usize {
    inner.len()
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
            Self::Ip(inner) => write!(f, "ip {inner:?}"),
        }
    }
}

impl IpPacket {
    /// A packet with a TTL of 64 and everything else plain.
    #[must_use]
    pub const fn new(src: IpAddr, dst: IpAddr, body: Transport) -> Self {
        Self { src, dst, ttl: 64, tos: 0, id: 0, df: false, frag: None, bad_checksum: false, body }
    }

    /// IP header length in bytes: 20 for IPv4, 40 for IPv6, whose fragments have 8 bytes more (RFC 8200, 4.5).
    #[must_use]
    pub const fn header_len(&self) -> usize {
        match (self.dst.is_ipv4(), self.frag.is_some()) {
            (true, _) => 20,
            (false, false) => 40,
            (false, true) => 48,
        }
    }

    /// Total length in bytes, IP header included.
    #[inline]
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
    pub fn protocol(&self) -> u8 {
        self.body.protocol(self.dst.is_ipv4())
    }

    /// Source and destination port, for protocols that have them; none in a fragment that is not the first.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        if self.frag.is_some_and(|f| f.offset > 0) { None } else { self.body.ports() }
    }

    /// Source address and port; port 0 for protocols without ports.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
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
    pub fn destination(&self) -> SocketAddr {
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
    /// IANA protocol number; an ICMP message has one number in IPv4 and another in IPv6.
    #[must_use]
    pub fn protocol(&self, ipv4: bool) -> u8 {
        match self {
            Self::Udp(_) => proto::UDP,
            Self::Tcp(_) => proto::TCP,
            Self::Sctp(_) => proto::SCTP,
            Self::Icmp(_) if ipv4 => proto::ICMP,
            Self::Icmp(_) => proto::ICMPV6,
            Self::Piece { whole, .. } => whole.protocol(ipv4),
            Self::Other { protocol, .. } => *protocol,
        }
    }

    /// Source and destination port, for protocols that have them.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Udp(u) => Some((u.sport, u.dport)),
            Self::Tcp(t) => Some((t.sport, t.dport)),
            Self::Sctp(s) => Some((s.sport, s.dport)),
            Self::Piece { whole, .. } => whole.ports(),
            Self::Icmp(_) | Self::Other { .. } => None,
        }
    }

    /// Length in bytes, transport header included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Udp(u) => 8 + u.payload.len(),
            Self::Tcp(t) => t.header_len() + t.payload.len(),
            Self::Sctp(s) => s.len(),
            Self::Icmp(i) => i.len(),
            Self::Piece { len, .. } => usize::from(*len),
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
        let body = match &self.body {
            Transport::Piece { whole, .. } => whole,
            other => other,
        };
        if self.frag.is_some_and(|frag| frag.offset > 0) {
            write!(f, "{} > {} {}", self.src, self.dst, proto_name(self.protocol()))?;
        } else {
            self.fmt_body(body, f)?;
        }
        if let Some(frag) = self.frag {
            write!(f, " frag(off {} mf {})", frag.offset, u8::from(frag.more))?;
        }
        Ok(())
    }

    fn fmt_body(&self, body: &Transport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match body {
            Transport::Udp(u) => {
                write!(f, "{} > {} udp", self.source(), self.destination())?;
                match &u.payload {
                    Payload::Vxlan { frame, .. } => match &frame.body {
                        super::FrameBody::Ip(inner) => write!(f, " vxlan[{inner}]"),
                        super::FrameBody::Arp(_) => f.write_str(" vxlan[arp]"),
                    },
                    Payload::Empty | Payload::Bytes(_) | Payload::Ip(_) => Ok(()),
                }
            }
            Transport::Tcp(t) => {
                write!(f, "{} > {} tcp {}", self.source(), self.destination(), tcp_letters(t))
            }
            Transport::Sctp(_) => write!(f, "{} > {} sctp", self.source(), self.destination()),
            Transport::Icmp(m) => self.fmt_icmp(m, f),
            Transport::Other { payload: Payload::Ip(inner), .. } => {
                write!(f, "{} > {} ipip[{inner}]", self.src, self.dst)
            }
            Transport::Piece { .. } | Transport::Other { .. } => {
                write!(f, "{} > {} {}", self.src, self.dst, proto_name(self.protocol()))
            }
        }
    }

    fn fmt_icmp(&self, m: &Icmp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dst.is_ipv4() {
            let (ty, code) = m.type_code();
            write!(f, "{} > {} icmp {}({ty}/{code})", self.src, self.dst, m.name())?;
        } else {
            let (ty, code) = m.type_code_v6();
            write!(f, "{} > {} icmp6 {}({ty}/{code})", self.src, self.dst, m.name())?;
        }
        match m {
            Icmp::NeighbourSolicit { target, .. } => write!(f, " who-has {target}")?,
            Icmp::NeighbourAdvert { target, target_mac: Some(mac), .. } => {
                write!(f, " {target} is-at {mac}")?
            }
            _ => {}
        }
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
        Ok(())
    }
}

fn tcp_letters(t: &Tcp) -> String {
    [(2, 'S'), (16, 'A'), (1, 'F'), (4, 'R'), (8, 'P')]
        .iter()
        .filter(|(bit, _)| t.flags.0 & bit != 0)
        .map(|(_, c)| *c)
        .collect()
}

fn proto_name(protocol: u8) -> String {
    match protocol {
        proto::ICMP => "icmp".to_owned(),
        proto::ICMPV6 => "icmp6".to_owned(),
        proto::TCP => "tcp".to_owned(),
        proto::UDP => "udp".to_owned(),
        other => other.to_string(),
    }
}
