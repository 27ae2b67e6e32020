//! Elements of sets: how they are written.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Kind, Options, Part};
use crate::linux::netfilter::names::{protocol_name, protocol_number, service_port};
use crate::packet::proto;
use crate::trace::Family;

/// One element; the parts that the set's kind does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Element {
    /// Address (as a number) and prefix length.
    pub(super) first: (u128, u8),
    /// Protocol and port; for ICMP its type and code.
    pub(super) port: (u8, u16),
    /// The second address.
    pub(super) second: (u128, u8),
    /// A bridge port (`physdev:`) or not, and the interface's name.
    pub(super) iface: Option<(bool, Box<str>)>,
    /// A set.
    pub(super) set: Option<Arc<str>>,
}

/// Names of ICMP types and codes that ipset prints.
const ICMP: &[(&str, u8, u8)] = &[
    ("echo-reply", 0, 0),
    ("pong", 0, 0),
    ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("protocol-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("fragmentation-needed", 3, 4),
    ("source-route-failed", 3, 5),
    ("network-unknown", 3, 6),
    ("host-unknown", 3, 7),
    ("network-prohibited", 3, 9),
    ("host-prohibited", 3, 10),
    ("TOS-network-unreachable", 3, 11),
    ("TOS-host-unreachable", 3, 12),
    ("communication-prohibited", 3, 13),
    ("host-precedence-violation", 3, 14),
    ("precedence-cutoff", 3, 15),
    ("source-quench", 4, 0),
    ("network-redirect", 5, 0),
    ("host-redirect", 5, 1),
    ("TOS-network-redirect", 5, 2),
    ("TOS-host-redirect", 5, 3),
    ("echo-request", 8, 0),
    ("ping", 8, 0),
    ("router-advertisement", 9, 0),
    ("router-solicitation", 10, 0),
    ("ttl-zero-during-transit", 11, 0),
    ("ttl-zero-during-reassembly", 11, 1),
    ("ip-header-bad", 12, 0),
    ("required-option-missing", 12, 1),
    ("timestamp-request", 13, 0),
    ("timestamp-reply", 14, 0),
    ("address-mask-request", 17, 0),
    ("address-mask-reply", 18, 0),
];

pub(super) const fn width(family: Family) -> u8 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// The bits of an address that a prefix keeps.
pub(super) const fn masked(family: Family, addr: u128, prefix: u8) -> u128 {
    let host = width(family) - prefix;
    if host >= 128 { 0 } else { addr >> host << host }
}

pub(super) const fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => a.to_bits() as u128,
        IpAddr::V6(a) => a.to_bits(),
    }
}

pub(super) const fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

fn syntax<T>(text: String) -> Result<T, String> {
    Err(format!("Syntax error: {text}"))
}

/// A whole number between `min` and `max`, decimal or `0x…`.
pub(super) fn whole(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let negative = text.strip_prefix('-').is_some_and(|t| t.parse::<u64>().is_ok());
    match parsed {
        Some(n) if (min..=max).contains(&n) => Ok(n),
        None if !negative => syntax(format!("'{text}' is invalid as number")),
        _ => syntax(format!("'{text}' is out of range {min}-{max}")),
    }
}

/// An address of the family, by itself.
pub(super) fn parse_address(text: &str, family: Family) -> Result<u128, String> {
    let parsed = match family {
        Family::V4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::V6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    };
    let version = if family == Family::V4 { 4 } else { 6 };
    match parsed {
        Some(addr) => Ok(number(addr)),
        None => syntax(format!("cannot parse {text}: resolving to IPv{version} address failed")),
    }
}

/// `10.0.0.1`, `10.0.0.0/30`, `10.0.0.1-10.0.0.3`: first and last address, and the prefix length if one is given.
pub(super) fn parse_range(text: &str, family: Family) -> Result<(u128, u128, Option<u8>), String> {
    if let Some((addr, prefix)) = text.split_once('/') {
        let prefix = whole(prefix, 0, width(family).into())? as u8;
        let first = masked(family, parse_address(addr, family)?, prefix);
        let host = width(family) - prefix;
        let last = first | if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        return Ok((first, last, Some(prefix)));
    }
    if let Some((first, last)) = text.split_once('-').filter(|_| family == Family::V4) {
        let (a, b) = (parse_address(first, family)?, parse_address(last, family)?);
        return Ok((a.min(b), a.max(b), None));
    }
    let addr = parse_address(text, family)?;
    Ok((addr, addr, None))
}

/// The networks that exactly cover a range, in order.
fn networks(family: Family, (mut first, last): (u128, u128)) -> Vec<(u128, u8)> {
    let mut nets = Vec::new();
    loop {
        let size = |bits: u32| if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
        let aligned = first.trailing_zeros().min(width(family).into());
        let fits = |bits: &u32| last - first >= size(*bits);
        let bits = (0..=aligned).rev().find(fits).unwrap_or(0);
        nets.push((first, width(family) - bits as u8));
        let end = first + size(bits);
        if end >= last {
            return nets;
        }
        first = end + 1;
    }
}

/// Reads an element; a range stands for several.
pub(super) fn parse(text: &str, kind: Kind, options: &Options) -> Result<Vec<Element>, String> {
    let parts = kind.parts();
    let words: Vec<&str> = text.splitn(parts.len() + 1, ',').collect();
    if words.len() > parts.len() {
        let name = kind.name();
        return syntax(match parts.len() {
            1 => format!("Elem separator in {text}, but settype {name} supports none."),
            2 => format!("Two elem separators in {text}, but settype {name} supports one."),
            _ => format!("Three elem separators in {text}, but settype {name} supports two."),
        });
    }
    if words.len() < parts.len() {
        return syntax(format!(
            "{} element is missing from {text}.",
            if words.len() == 1 { "Second" } else { "Third" }
        ));
    }
    let family = options.family.unwrap_or(Family::V4);
    let mut all = vec![Element::default()];
    for (i, (part, word)) in parts.iter().zip(words).enumerate() {
        let choices = choices(*part, word, family, options)?;
        let place = |e: &Element, c: &Choice| {
            let mut e = e.clone();
            match c {
                Choice::Net(net) if i == 0 => e.first = *net,
                Choice::Net(net) => e.second = *net,
                Choice::Port(port) => e.port = *port,
                Choice::Iface(iface) => e.iface = Some(iface.clone()),
                Choice::Set(set) => e.set = Some(set.clone()),
            }
            e
        };
        all = all.iter().flat_map(|e| choices.iter().map(move |c| place(e, c))).collect();
    }
    Ok(all)
}

enum Choice {
    Net((u128, u8)),
    Port((u8, u16)),
    Iface((bool, Box<str>)),
    Set(Arc<str>),
}

/// Most addresses that one range may stand for (`IPSET_MAX_RANGE`, by its order of magnitude).
const MAX_RANGE: u128 = 1 << 20;

fn choices(part: Part, word: &str, family: Family, options: &Options) -> Result<Vec<Choice>, String> {
    let full = width(family);
    Ok(match part {
        Part::Ip => {
            let (first, last, _) = parse_range(word, family)?;
            if last - first >= MAX_RANGE {
                return Err("Kernel error received: the range is too large".to_owned());
            }
            let keep = options.netmask.unwrap_or(full);
            let mut addrs: Vec<u128> = (first..=last).map(|a| masked(family, a, keep)).collect();
            addrs.dedup();
            addrs.into_iter().map(|a| Choice::Net((a, full))).collect()
        }
        Part::Net => match parse_range(word, family)? {
            (first, _, Some(prefix)) => vec![Choice::Net((first, prefix))],
            (first, last, None) => networks(family, (first, last)).into_iter().map(Choice::Net).collect(),
        },
        Part::Port => ports(word, family)?.into_iter().map(Choice::Port).collect(),
        Part::BarePort => {
            let (first, last) = port_range(word, "tcp", proto::TCP)?;
            (first..=last).map(|p| Choice::Port((0, p))).collect()
        }
        Part::Iface => {
            let (physdev, name) = word.strip_prefix("physdev:").map_or((false, word), |name| (true, name));
            if name.len() > 15 {
                return syntax(format!("interface name {name} is longer than 15 characters"));
            }
            vec![Choice::Iface((physdev, name.into()))]
        }
        Part::Set => vec![Choice::Set(word.into())],
    })
}

fn port_range(word: &str, name: &str, protocol: u8) -> Result<(u16, u16), String> {
    let read = |t: &str| {
        let by_name = service_port(t, protocol).map(u64::from);
        by_name.map_or_else(|| whole(t, 0, 65_535), Ok).map(|n| n as u16).map_err(|e| {
            format!("{e}\nSyntax error: '{name}' is invalid as number\ncannot parse '{t}' as a {name} port")
        })
    };
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (a, b) = (read(first)?, read(last)?);
    Ok((a.min(b), a.max(b)))
}

/// `80`, `udp:53`, `tcp:80-82`, `icmp:8/0`, `icmp:echo-request`, `gre:0`.
fn ports(word: &str, family: Family) -> Result<Vec<(u8, u16)>, String> {
    let (name, rest) = word.split_once(':').unwrap_or(("tcp", word));
    let Some(protocol) = protocol_number(name).filter(|p| *p != 0) else {
        return syntax(format!("cannot parse '{name}' as a protocol"));
    };
    match (protocol, family) {
        (proto::TCP | proto::UDP | proto::SCTP | 136, _) => {
            let name = protocol_name(protocol).unwrap_or(name);
            let (first, last) = port_range(rest, name, protocol)?;
            Ok((first..=last).map(|p| (protocol, p)).collect())
        }
        (proto::ICMP, Family::V4) | (proto::ICMPV6, Family::V6) => {
            let named = ICMP.iter().find(|n| n.0 == rest && family == Family::V4);
            let (ty, code) = match (named, rest.split_once('/')) {
                (Some((_, ty, code)), _) => (u64::from(*ty), u64::from(*code)),
                (None, Some((ty, code))) => (whole(ty, 0, 255)?, whole(code, 0, 255)?),
                (None, None) => return syntax(format!("Cannot parse {rest} as an ICMP type/code.")),
            };
            Ok(vec![(protocol, (ty << 8 | code) as u16)])
        }
        _ if rest == "0" => Ok(vec![(protocol, 0)]),
        _ => syntax(format!("Protocol {name} can be used with pseudo port value 0 only.")),
    }
}

impl Element {
    /// As `ipset` prints it.
    pub(super) fn write(&self, out: &mut String, kind: Kind, family: Option<Family>) {
        let family = family.unwrap_or(Family::V4);
        for (i, part) in kind.parts().iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            let (addr, prefix) = if i == 0 { self.first } else { self.second };
            let _ = match part {
                Part::Ip => write!(out, "{}", address(family, addr)),
                Part::Net if prefix == width(family) => write!(out, "{}", address(family, addr)),
                Part::Net => write!(out, "{}/{prefix}", address(family, addr)),
                Part::BarePort => write!(out, "{}", self.port.1),
                Part::Port => self.write_port(out),
                Part::Iface => match &self.iface {
                    Some((true, name)) => write!(out, "physdev:{name}"),
                    Some((false, name)) => write!(out, "{name}"),
                    None => Ok(()),
                },
                Part::Set => write!(out, "{}", self.set.as_deref().unwrap_or("")),
            };
        }
    }

    fn write_port(&self, out: &mut String) -> std::fmt::Result {
        let (protocol, port) = self.port;
        match protocol_name(protocol) {
            Some(name) => write!(out, "{name}:")?,
            None => write!(out, "{protocol}:")?,
        }
        let (ty, code) = ((port >> 8) as u8, port as u8);
        match protocol {
            proto::ICMP => match ICMP.iter().find(|n| (n.1, n.2) == (ty, code)) {
                Some((name, _, _)) => write!(out, "{name}"),
                None => write!(out, "{ty}/{code}"),
            },
            proto::ICMPV6 => write!(out, "{ty}/{code}"),
            _ => write!(out, "{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_covered_by_the_fewest_networks() {
        let v4 = |text: &str| parse_address(text, Family::V4).unwrap();
        let nets = |a, b| -> Vec<String> {
            networks(Family::V4, (v4(a), v4(b)))
                .into_iter()
                .map(|(n, p)| format!("{}/{p}", address(Family::V4, n)))
                .collect()
        };
        assert_eq!(nets("10.0.0.0", "10.0.1.5"), ["10.0.0.0/24", "10.0.1.0/30", "10.0.1.4/31"]);
        assert_eq!(nets("10.0.0.1", "10.0.0.1"), ["10.0.0.1/32"]);
        assert_eq!(nets("10.0.0.3", "10.0.0.8"), ["10.0.0.3/32", "10.0.0.4/30", "10.0.0.8/32"]);
        assert_eq!(nets("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
    }
}
