//! The filter language of pcap-filter(7): reading and evaluating.
//!
//! Primitives that no frame of the model can match (`vlan`, `mpls`, `pppoed` …) are errors that name them.

mod arith;
mod parse;

use std::net::IpAddr;

use ipnet::IpNet;

use super::pcap::Link;
use super::view::{self, mac_at, u16_at, v4_at};
pub(super) use arith::{Arith, Base};
pub(super) use parse::parse;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// libpcap's words.
    Text(String),
    /// Real, and not modelled.
    NotModelled(String),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Either,
    Src,
    Dst,
    Both,
}

impl End {
    fn holds(self, src: bool, dst: bool) -> bool {
        match self {
            Self::Either => src || dst,
            Self::Src => src,
            Self::Dst => dst,
            Self::Both => src && dst,
        }
    }
}

/// Which packets a qualifier admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Ip,
    Ip6,
    Arp,
    Rarp,
    /// An IP protocol, over the families given.
    Over {
        number: u8,
        v4: bool,
        v6: bool,
    },
    EtherType(u16),
}

/// A primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Proto(Proto),
    /// One of the addresses, within a protocol perhaps.
    Hosts(Option<Proto>, End, Vec<IpAddr>),
    Net(Option<Proto>, End, IpNet),
    Ports(Option<u8>, End, u16, u16),
    Mac(End, [u8; 6]),
    /// `broadcast` and `multicast`, of the link.
    Group {
        broadcast: bool,
    },
    Relation(Arith, Relation, Arith),
    /// Seen going out, or coming in.
    Outbound(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

/// A packet to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) link: Link,
    pub(super) bytes: &'a [u8],
    pub(super) length: usize,
}

impl Filter {
    pub(super) fn admits(&self, p: &Subject<'_>) -> bool {
        match self {
            Self::And(a, b) => a.admits(p) && b.admits(p),
            Self::Or(a, b) => a.admits(p) || b.admits(p),
            Self::Not(a) => !a.admits(p),
            // A packet that is too short for the question is not admitted, whatever the question.
            Self::Test(test) => test.holds(p).unwrap_or(false),
        }
    }
}

impl Test {
    fn holds(&self, p: &Subject<'_>) -> Option<bool> {
        let (kind, payload) = view::payload(p.link, p.bytes)?;
        let ip = || if matches!(kind, 0x0800 | 0x86dd) { view::ip(payload) } else { None };
        Some(match self {
            Self::Proto(proto) => proto.admits(kind, payload),
            Self::Hosts(proto, end, hosts) => {
                let (src, dst) = ends(proto.as_ref(), kind, payload)?;
                end.holds(hosts.contains(&src), hosts.contains(&dst))
            }
            Self::Net(proto, end, net) => {
                let (src, dst) = ends(proto.as_ref(), kind, payload)?;
                end.holds(net.contains(&src), net.contains(&dst))
            }
            Self::Ports(protocol, end, low, high) => {
                let ip = ip()?;
                let right = match protocol {
                    Some(n) => ip.protocol == *n,
                    None => matches!(ip.protocol, 6 | 17 | 132),
                };
                // libpcap does not look for ports behind an IPv6 fragment header.
                let hidden = kind == 0x86dd && payload.get(6) == Some(&44);
                if !right || ip.offset > 0 || hidden {
                    return Some(false);
                }
                let within = |at| Some((*low..=*high).contains(&u16_at(ip.body, at)?));
                end.holds(within(0)?, within(2)?)
            }
            Self::Mac(end, mac) => match p.link {
                Link::Ethernet => end.holds(mac_at(p.bytes, 6)? == *mac, mac_at(p.bytes, 0)? == *mac),
                Link::Cooked => end.holds(mac_at(p.bytes, 12)? == *mac, false),
            },
            Self::Group { broadcast } => match p.link {
                Link::Ethernet if *broadcast => mac_at(p.bytes, 0)? == [0xff; 6],
                Link::Ethernet => p.bytes.first()? & 1 == 1,
                Link::Cooked => *p.bytes.get(10)? == if *broadcast { 1 } else { 2 },
            },
            Self::Outbound(out) => match p.link {
                Link::Ethernet => return None,
                Link::Cooked => (*p.bytes.get(10)? == 4) == *out,
            },
            Self::Relation(a, relation, b) => {
                let (a, b) = (a.value(p)?, b.value(p)?);
                match relation {
                    Relation::Less => a < b,
                    Relation::LessEqual => a <= b,
                    Relation::Equal => a == b,
                    Relation::NotEqual => a != b,
                    Relation::Greater => a > b,
                    Relation::GreaterEqual => a >= b,
                }
            }
        })
    }
}

impl Proto {
    fn admits(self, kind: u16, payload: &[u8]) -> bool {
        match self {
            Self::Ip => kind == 0x0800,
            Self::Ip6 => kind == 0x86dd,
            Self::Arp => kind == 0x0806,
            Self::Rarp => kind == 0x8035,
            Self::EtherType(n) => kind == n,
            Self::Over { number, v4, v6 } => {
                let family = (v4 && kind == 0x0800) || (v6 && kind == 0x86dd);
                family && view::ip(payload).is_some_and(|ip| ip.protocol == number)
            }
        }
    }
}

/// Source and destination of an IP packet, sender and target of an ARP message.
fn ends(proto: Option<&Proto>, kind: u16, payload: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if proto.is_some_and(|p| !p.admits(kind, payload)) {
        return None;
    }
    match kind {
        0x0800 | 0x86dd => view::ip(payload).map(|ip| (ip.src, ip.dst)),
        0x0806 => Some((v4_at(payload, 14)?.into(), v4_at(payload, 24)?.into())),
        _ => None,
    }
}
