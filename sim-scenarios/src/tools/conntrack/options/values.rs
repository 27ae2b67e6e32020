//! Values of options, read as the program reads them: leniently where it uses `atoi(3)`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use sim_core::linux::conntrack::{Nat, Status, TcpState};

use super::{Mistake, usage};

/// Which of the three NAT options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NatKindOption {
    Source,
    Destination,
    Any,
}

impl NatKindOption {
    const fn name(self) -> &'static str {
        match self {
            Self::Source => "src-nat",
            Self::Destination => "dst-nat",
            Self::Any => "any-nat",
        }
    }
}

/// The number that a text begins with, 0 if it begins with none (`atoi(3)`).
pub(super) fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = leading(digits, 10) as i64;
    if negative { -value } else { value }
}

fn leading(text: &str, radix: u32) -> u64 {
    text.chars()
        .map_while(|c| c.to_digit(radix))
        .fold(0u64, |n, d| n.wrapping_mul(radix.into()).wrapping_add(d.into()))
}

/// `VALUE[/MASK]` in any base that `strtoul(3)` knows.
pub(super) fn mark(text: &str) -> (u32, u32) {
    let any_base = |s: &str| match s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")) {
        Some(hex) => leading(hex, 16),
        None if s.starts_with('0') => leading(s, 8),
        None => leading(s, 10),
    };
    match text.split_once('/') {
        Some((value, mask)) => (any_base(value) as u32, any_base(mask) as u32),
        None => (any_base(text) as u32, u32::MAX),
    }
}

/// An address with or without a prefix length; all addresses of a command line are of one family.
pub(super) fn address(text: &str, ipv4: &mut Option<bool>) -> Result<IpNet, Mistake> {
    let (addr, prefix) = match text.split_once('/') {
        Some((addr, prefix)) => (addr, Some(prefix)),
        None => (text, None),
    };
    let Ok(addr) = addr.parse::<IpAddr>() else { return usage(format!("Invalid IP address `{addr}'")) };
    if ipv4.replace(addr.is_ipv4()).is_some_and(|v4| v4 != addr.is_ipv4()) {
        return usage("mismatched address family");
    }
    let whole = IpNet::from(addr);
    match prefix {
        None => Ok(whole),
        Some(length) => match length.parse().ok().and_then(|n| IpNet::new(addr, n).ok()) {
            Some(net) => Ok(net),
            None => usage("Invalid netmask"),
        },
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, `:PORT`.
pub(super) fn nat_target(text: &str, kind: NatKindOption) -> Result<Nat, Mistake> {
    let (addr, port) = if let Some((addr, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        (addr, rest.strip_prefix(':'))
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((addr, port)) => (addr, Some(port)),
            None => (text, None),
        }
    };
    if addr.contains('/') {
        return usage(format!("CIDR notation unavailable for `--{}'", kind.name()));
    }
    let addr = match addr {
        "" if port.is_some() => None,
        _ => match addr.parse::<Ipv4Addr>().map(IpAddr::from).or_else(|_| addr.parse()) {
            Ok(addr) => Some(addr),
            Err(_) => return usage(format!("Invalid IP address `{addr}'")),
        },
    };
    let port = match port {
        None => None,
        Some("") => return usage("No port specified after `:'"),
        Some(text) => match text.parse::<u16>() {
            Ok(0) | Err(_) => return usage(format!("Invalid port `{text}'")),
            Ok(port) => Some(port),
        },
    };
    Ok(Nat { addr, port })
}

/// Status bits that must be set, and bits that must not.
pub(super) fn status(text: &str) -> Result<(Status, Status), Mistake> {
    let (mut set, mut looked_at) = (Status::default(), Status::default());
    for word in text.split(',') {
        let (bit, wanted) = match word.to_ascii_uppercase().as_str() {
            "ASSURED" => (Status::ASSURED, true),
            "SEEN_REPLY" => (Status::SEEN_REPLY, true),
            "FIXED_TIMEOUT" => (Status::FIXED_TIMEOUT, true),
            "EXPECTED" => (Status(1), true),
            "OFFLOAD" => (Status(1 << 14), true),
            "HW_OFFLOAD" => (Status(1 << 15), true),
            "UNREPLIED" => (Status::SEEN_REPLY, false),
            "UNSET" => (Status::default(), true),
            _ => return usage(format!("Bad parameter `{word}'")),
        };
        looked_at |= bit;
        if wanted {
            set |= bit;
        }
    }
    Ok((set, Status(looked_at.0 & !set.0)))
}

/// A state of TCP.
pub(super) fn tcp_state(text: &str) -> Result<TcpState, Mistake> {
    match TcpState::ALL.into_iter().find(|s| s.name() == text) {
        Some(state) => Ok(state),
        None => usage(format!("unknown TCP state `{text}'")),
    }
}

/// A protocol by number or by its name in `/etc/protocols`.
pub(super) fn protocol(text: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 20] = [
        ("ip", 0),
        ("icmp", 1),
        ("igmp", 2),
        ("ipencap", 4),
        ("tcp", 6),
        ("egp", 8),
        ("udp", 17),
        ("dccp", 33),
        ("ipv6", 41),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("icmpv6", 58),
        ("ipv6-icmp", 58),
        ("ospf", 89),
        ("ipip", 94),
        ("pim", 103),
        ("vrrp", 112),
        ("sctp", 132),
        ("udplite", 136),
    ];
    let lower = text.to_ascii_lowercase();
    NAMES.iter().find(|(name, _)| *name == lower).map(|(_, n)| *n).or_else(|| text.parse().ok())
}
