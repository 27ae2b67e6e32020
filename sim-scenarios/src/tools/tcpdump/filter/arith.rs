//! Arithmetic on bytes of packets: `tcp[13] & 2`, `ip[2:2]`, `len`.

use super::Subject;
use crate::tools::tcpdump::view;

/// An expression with a number as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools::tcpdump) enum Arith {
    Number(u32),
    /// `len`
    Length,
    /// Bytes of a header: from which, at, and how many.
    Bytes(Base, Box<Self>, u8),
    Both(Box<Self>, Operator, Box<Self>),
}

/// Where an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::tcpdump) enum Base {
    Ether,
    Ip,
    Ip6,
    Arp,
    /// The header behind an IPv4 header that names this protocol.
    Transport(u8),
    /// The same behind an IPv6 header.
    Icmp6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::tcpdump) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Left,
    Right,
}

impl Arith {
    /// The value for a packet; none if the packet has no such bytes.
    pub(super) fn value(&self, p: &Subject<'_>) -> Option<u32> {
        Some(match self {
            Self::Number(n) => *n,
            Self::Length => p.length as u32,
            Self::Bytes(base, at, size) => {
                let bytes = base.bytes(p)?;
                let at = at.value(p)? as usize;
                let part = bytes.get(at..at.checked_add(usize::from(*size))?)?;
                part.iter().fold(0, |n, b| n << 8 | u32::from(*b))
            }
            Self::Both(a, operator, b) => {
                let (a, b) = (a.value(p)?, b.value(p)?);
                match operator {
                    Operator::Add => a.wrapping_add(b),
                    Operator::Sub => a.wrapping_sub(b),
                    Operator::Mul => a.wrapping_mul(b),
                    Operator::Div => a.checked_div(b)?,
                    Operator::Mod => a.checked_rem(b)?,
                    Operator::And => a & b,
                    Operator::Or => a | b,
                    Operator::Xor => a ^ b,
                    Operator::Left => a.checked_shl(b).unwrap_or(0),
                    Operator::Right => a.checked_shr(b).unwrap_or(0),
                }
            }
        })
    }
}

impl Base {
    fn bytes<'a>(self, p: &Subject<'a>) -> Option<&'a [u8]> {
        let (kind, payload) = view::payload(p.link, p.bytes)?;
        match self {
            Self::Ether => Some(p.bytes),
            Self::Ip => (kind == 0x0800).then_some(payload),
            Self::Ip6 => (kind == 0x86dd).then_some(payload),
            Self::Arp => (kind == 0x0806).then_some(payload),
            Self::Transport(protocol) => {
                let ip = view::ip(payload).filter(|ip| kind == 0x0800 && ip.protocol == protocol)?;
                (ip.offset == 0).then_some(ip.body)
            }
            Self::Icmp6 => {
                let ip = view::ip(payload).filter(|ip| kind == 0x86dd && ip.protocol == 58)?;
                Some(ip.body)
            }
        }
    }
}
