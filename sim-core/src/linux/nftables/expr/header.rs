//! Fields of headers: where they are, and of which type.

use super::super::types::Ty;

/// Protocols whose headers can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// Ethernet.
    Ether,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    Udplite,
    /// SCTP.
    Sctp,
    /// DCCP.
    Dccp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// Whatever the transport is.
    Th,
}

impl Proto {
    /// Its name.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Ether => "ether",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Udplite => "udplite",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
            Self::Icmp => "icmp",
            Self::Icmp6 => "icmpv6",
            Self::Th => "th",
        }
    }

    /// IANA protocol number of a transport.
    pub(in super::super) const fn number(self) -> Option<u8> {
        Some(match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Udplite => 136,
            Self::Sctp => 132,
            Self::Dccp => 33,
            Self::Icmp => 1,
            Self::Icmp6 => 58,
            Self::Ether | Self::Ip | Self::Ip6 | Self::Th => return None,
        })
    }

    /// The transport of that number.
    pub(in super::super) fn of_number(number: u128) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Udplite, Self::Sctp, Self::Dccp, Self::Icmp, Self::Icmp6]
            .into_iter()
            .find(|p| p.number().map(u128::from) == Some(number))
    }

    pub(in super::super) const fn is_network(self) -> bool {
        matches!(self, Self::Ip | Self::Ip6)
    }
}

/// What a field is, for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Version,
    HeaderLength,
    Dscp,
    Ecn,
    Length,
    Id,
    FragOff,
    Ttl,
    Protocol,
    Checksum,
    Saddr,
    Daddr,
    FlowLabel,
    Sport,
    Dport,
    Sequence,
    AckSeq,
    Doff,
    Flags,
    Window,
    Type,
    Code,
    Sequence16,
    EchoId,
    Mtu,
    EtherType,
}

/// A field of a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The header.
    pub proto: Proto,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Ty,
    /// Its first bit in the header.
    pub offset: u16,
    /// What it is.
    pub what: What,
}

const fn field(proto: Proto, name: &'static str, ty: Ty, offset: u16, what: What) -> Field {
    Field { proto, name, ty, offset, what }
}

/// The fields of TCP that all transports with ports share, for one protocol.
macro_rules! ports {
    ($proto:expr) => {
        [
            field($proto, "sport", Ty::Service, 0, What::Sport),
            field($proto, "dport", Ty::Service, 16, What::Dport),
        ]
    };
}

static IP: &[Field] = &[
    field(Proto::Ip, "version", Ty::Int(4), 0, What::Version),
    field(Proto::Ip, "hdrlength", Ty::Int(4), 4, What::HeaderLength),
    field(Proto::Ip, "dscp", Ty::Dscp, 8, What::Dscp),
    field(Proto::Ip, "ecn", Ty::Ecn, 14, What::Ecn),
    field(Proto::Ip, "length", Ty::Int(16), 16, What::Length),
    field(Proto::Ip, "id", Ty::Int(16), 32, What::Id),
    field(Proto::Ip, "frag-off", Ty::Int(16), 48, What::FragOff),
    field(Proto::Ip, "ttl", Ty::Int(8), 64, What::Ttl),
    field(Proto::Ip, "protocol", Ty::Proto, 72, What::Protocol),
    field(Proto::Ip, "saddr", Ty::Ipv4, 96, What::Saddr),
    field(Proto::Ip, "daddr", Ty::Ipv4, 128, What::Daddr),
];
static IP6: &[Field] = &[
    field(Proto::Ip6, "version", Ty::Int(4), 0, What::Version),
    field(Proto::Ip6, "dscp", Ty::Dscp, 4, What::Dscp),
    field(Proto::Ip6, "ecn", Ty::Ecn, 10, What::Ecn),
    field(Proto::Ip6, "length", Ty::Int(16), 32, What::Length),
    field(Proto::Ip6, "nexthdr", Ty::Proto, 48, What::Protocol),
    field(Proto::Ip6, "hoplimit", Ty::Int(8), 56, What::Ttl),
    field(Proto::Ip6, "saddr", Ty::Ipv6, 64, What::Saddr),
    field(Proto::Ip6, "daddr", Ty::Ipv6, 192, What::Daddr),
];
static TCP: &[Field] = &[
    field(Proto::Tcp, "sport", Ty::Service, 0, What::Sport),
    field(Proto::Tcp, "dport", Ty::Service, 16, What::Dport),
    field(Proto::Tcp, "sequence", Ty::Int(32), 32, What::Sequence),
    field(Proto::Tcp, "ackseq", Ty::Int(32), 64, What::AckSeq),
    field(Proto::Tcp, "doff", Ty::Int(4), 96, What::Doff),
    field(Proto::Tcp, "flags", Ty::TcpFlag, 104, What::Flags),
    field(Proto::Tcp, "window", Ty::Int(16), 112, What::Window),
];
static UDP: &[Field] = &[
    field(Proto::Udp, "sport", Ty::Service, 0, What::Sport),
    field(Proto::Udp, "dport", Ty::Service, 16, What::Dport),
    field(Proto::Udp, "length", Ty::Int(16), 32, What::Length),
];
static UDPLITE: &[Field] = &ports!(Proto::Udplite);
static SCTP: &[Field] = &ports!(Proto::Sctp);
static DCCP: &[Field] = &ports!(Proto::Dccp);
static TH: &[Field] = &ports!(Proto::Th);
static ICMP: &[Field] = &[
    field(Proto::Icmp, "type", Ty::IcmpType, 0, What::Type),
    field(Proto::Icmp, "code", Ty::IcmpCode, 8, What::Code),
];
static ICMP6: &[Field] = &[
    field(Proto::Icmp6, "type", Ty::Icmp6Type, 0, What::Type),
    field(Proto::Icmp6, "code", Ty::Icmp6Code, 8, What::Code),
];
static ETHER: &[Field] = &[
    field(Proto::Ether, "daddr", Ty::Ether, 0, What::Daddr),
    field(Proto::Ether, "saddr", Ty::Ether, 48, What::Saddr),
    field(Proto::Ether, "type", Ty::EtherType, 96, What::EtherType),
];

impl Field {
    /// The field of a header by its name.
    pub(in super::super) fn find(proto: Proto, name: &str) -> Option<&'static Self> {
        let fields = match proto {
            Proto::Ether => ETHER,
            Proto::Ip => IP,
            Proto::Ip6 => IP6,
            Proto::Tcp => TCP,
            Proto::Udp => UDP,
            Proto::Udplite => UDPLITE,
            Proto::Sctp => SCTP,
            Proto::Dccp => DCCP,
            Proto::Icmp => ICMP,
            Proto::Icmp6 => ICMP6,
            Proto::Th => TH,
        };
        fields.iter().find(|f| f.name == name)
    }
}
