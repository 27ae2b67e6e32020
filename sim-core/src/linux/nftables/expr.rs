//! Expressions: what a rule reads from a packet, and what it compares that with.

use std::sync::Arc;

use super::model::Set;
use super::types::Ty;
use crate::linux::conntrack::Direction;

/// Something that a packet is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A field of a header.
    Field(&'static Field),
    /// `meta …`.
    Meta(Meta),
    /// `ct …`.
    Ct(Ct),
    /// `fib …`.
    Fib(Fib),
    /// `numgen random|inc mod N offset M`; the last number that was given out, for `inc`.
    Numgen {
        /// `random`, else `inc`.
        random: bool,
        /// `mod`.
        modulus: u32,
        /// `offset`.
        offset: u32,
        /// The next number of `inc`.
        next: u32,
    },
    /// `jhash EXPR mod N seed S offset M`.
    Jhash {
        /// What is hashed.
        of: Box<Self>,
        /// `mod`.
        modulus: u32,
        /// `seed`; without one it is drawn when the rule is made.
        seed: Option<u32>,
        /// `offset`.
        offset: u32,
    },
    /// `EXPR & | ^ << >> VALUE`.
    Op(Box<Self>, Op, u128),
    /// `EXPR . EXPR`.
    Concat(Vec<Self>),
    /// `EXPR map …`.
    Map(Box<Self>, SetRef),
    /// A value.
    Value(Ty, u128),
}

/// Operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `&`.
    And,
    /// `|`.
    Or,
    /// `^`.
    Xor,
    /// `<<`.
    Left,
    /// `>>`.
    Right,
}

impl Op {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::Left => "<<",
            Self::Right => ">>",
        }
    }

    pub(super) const fn apply(self, a: u128, b: u128) -> u128 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Left => {
                if b < 128 {
                    a << b
                } else {
                    0
                }
            }
            Self::Right => {
                if b < 128 {
                    a >> b
                } else {
                    0
                }
            }
        }
    }
}

/// What an expression's value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// A value; flags are tested for any being set if the comparison is not written out.
    Value(Cmp, u128),
    /// A concatenation.
    Values(Cmp, Vec<u128>),
    /// From, to; whether it is inverted.
    Range(bool, u128, u128),
    /// Mask, value; whether it is inverted: a prefix.
    Prefix(bool, u128, u8),
    /// A set; whether it is inverted.
    Set(bool, SetRef),
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Not written out: equal, or for flags any of them.
    Implicit,
    /// `==`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `!`: none of the flags.
    Not,
}

impl Cmp {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Implicit => "",
            Self::Eq => "== ",
            Self::Ne => "!= ",
            Self::Lt => "< ",
            Self::Le => "<= ",
            Self::Gt => "> ",
            Self::Ge => ">= ",
            Self::Not => "! ",
        }
    }
}

/// A set that a rule looks into.
#[derive(Clone, Debug, PartialEq)]
pub enum SetRef {
    /// `@name`.
    Named(Arc<str>),
    /// `{ … }`.
    Anonymous(Arc<Set>),
}

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
    pub(super) const fn name(self) -> &'static str {
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
    pub(super) const fn number(self) -> Option<u8> {
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
    pub(super) fn of_number(number: u128) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Udplite, Self::Sctp, Self::Dccp, Self::Icmp, Self::Icmp6]
            .into_iter()
            .find(|p| p.number().map(u128::from) == Some(number))
    }

    pub(super) const fn is_network(self) -> bool {
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
    pub(super) fn find(proto: Proto, name: &str) -> Option<&'static Self> {
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

/// `meta …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    Length,
    Protocol,
    Mark,
    Iif,
    Oif,
    Iifname,
    Oifname,
    Nfproto,
    L4proto,
    Pkttype,
}

impl Meta {
    pub(super) const ALL: [Self; 10] = [
        Self::Length,
        Self::Protocol,
        Self::Mark,
        Self::Iif,
        Self::Oif,
        Self::Iifname,
        Self::Oifname,
        Self::Nfproto,
        Self::L4proto,
        Self::Pkttype,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Protocol => "protocol",
            Self::Mark => "mark",
            Self::Iif => "iif",
            Self::Oif => "oif",
            Self::Iifname => "iifname",
            Self::Oifname => "oifname",
            Self::Nfproto => "nfproto",
            Self::L4proto => "l4proto",
            Self::Pkttype => "pkttype",
        }
    }

    pub(super) const fn ty(self) -> Ty {
        match self {
            Self::Length => Ty::Int(32),
            Self::Protocol => Ty::EtherType,
            Self::Mark => Ty::Mark,
            Self::Iif | Self::Oif => Ty::IfIndex,
            Self::Iifname | Self::Oifname => Ty::Ifname,
            Self::Nfproto => Ty::NfProto,
            Self::L4proto => Ty::Proto,
            Self::Pkttype => Ty::PktType,
        }
    }

    /// Written without `meta`.
    pub(super) const fn is_short(self) -> bool {
        matches!(self, Self::Iif | Self::Oif | Self::Iifname | Self::Oifname)
    }
}

/// `ct …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ct {
    /// What.
    pub key: CtKey,
    /// `original`, `reply`.
    pub dir: Option<Direction>,
}

/// What of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtKey {
    State,
    Direction,
    Status,
    Mark,
    Expiration,
    L3proto,
    Protocol,
    Saddr,
    Daddr,
    IpSaddr,
    IpDaddr,
    Ip6Saddr,
    Ip6Daddr,
    ProtoSrc,
    ProtoDst,
    Bytes,
    Packets,
    Avgpkt,
}

impl CtKey {
    pub(super) const ALL: [Self; 18] = [
        Self::State,
        Self::Direction,
        Self::Status,
        Self::Mark,
        Self::Expiration,
        Self::L3proto,
        Self::Protocol,
        Self::Saddr,
        Self::Daddr,
        Self::IpSaddr,
        Self::IpDaddr,
        Self::Ip6Saddr,
        Self::Ip6Daddr,
        Self::ProtoSrc,
        Self::ProtoDst,
        Self::Bytes,
        Self::Packets,
        Self::Avgpkt,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Direction => "direction",
            Self::Status => "status",
            Self::Mark => "mark",
            Self::Expiration => "expiration",
            Self::L3proto => "l3proto",
            Self::Protocol => "protocol",
            Self::Saddr => "saddr",
            Self::Daddr => "daddr",
            Self::IpSaddr => "ip saddr",
            Self::IpDaddr => "ip daddr",
            Self::Ip6Saddr => "ip6 saddr",
            Self::Ip6Daddr => "ip6 daddr",
            Self::ProtoSrc => "proto-src",
            Self::ProtoDst => "proto-dst",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Avgpkt => "avgpkt",
        }
    }

    pub(super) const fn ty(self) -> Ty {
        match self {
            Self::State => Ty::CtState,
            Self::Direction => Ty::CtDir,
            Self::Status => Ty::CtStatus,
            Self::Mark => Ty::Mark,
            Self::Expiration => Ty::Time,
            Self::L3proto => Ty::NfProto,
            Self::Protocol => Ty::Proto,
            Self::IpSaddr | Self::IpDaddr | Self::Saddr | Self::Daddr => Ty::Ipv4,
            Self::Ip6Saddr | Self::Ip6Daddr => Ty::Ipv6,
            Self::ProtoSrc | Self::ProtoDst => Ty::Service,
            Self::Bytes | Self::Packets | Self::Avgpkt => Ty::Int(64),
        }
    }

    /// Makes no sense without a direction.
    pub(super) const fn needs_direction(self) -> bool {
        matches!(
            self,
            Self::Saddr
                | Self::Daddr
                | Self::IpSaddr
                | Self::IpDaddr
                | Self::Ip6Saddr
                | Self::Ip6Daddr
                | Self::ProtoSrc
                | Self::ProtoDst
        )
    }
}

/// `fib …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// `saddr`, else `daddr`.
    pub source: bool,
    /// `mark`, without effect here: there is no policy routing.
    pub mark: bool,
    /// `iif`.
    pub iif: bool,
    /// `oif`.
    pub oif: bool,
    /// What is asked for.
    pub result: FibResult,
}

/// What `fib` yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FibResult {
    /// `type`.
    Type,
    /// `oif`.
    Oif,
    /// `oifname`.
    Oifname,
    /// `oif exists`, `oif missing`.
    Present,
}

impl Expr {
    /// The types of the value, more than one for a concatenation. A map's are those of its data, which only the set knows.
    pub(super) fn types(&self) -> Vec<Ty> {
        match self {
            Self::Concat(parts) => parts.iter().flat_map(Self::types).collect(),
            Self::Map(..) => Vec::new(),
            other => vec![other.ty()],
        }
    }

    /// The type of a plain value.
    pub(super) fn ty(&self) -> Ty {
        match self {
            Self::Field(f) => f.ty,
            Self::Meta(m) => m.ty(),
            Self::Ct(c) => c.key.ty(),
            Self::Fib(f) => match f.result {
                FibResult::Type => Ty::FibType,
                FibResult::Oif => Ty::IfIndex,
                FibResult::Oifname => Ty::Ifname,
                FibResult::Present => Ty::Bool,
            },
            Self::Numgen { .. } | Self::Jhash { .. } => Ty::Int(32),
            Self::Op(left, ..) => left.ty(),
            Self::Value(ty, _) => *ty,
            Self::Concat(parts) => parts.first().map_or(Ty::Int(32), Self::ty),
            Self::Map(..) => Ty::Mark,
        }
    }
}
