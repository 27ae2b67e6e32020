//! Addresses with masks.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::options::number;
use super::problem::Problem;
use crate::trace::Family;

/// An address as a number: IPv4 in the low 32 bits.
pub(super) const fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => a.to_bits() as u128,
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// The address that is this number.
pub(super) const fn from_bits(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// The mask that keeps a whole address.
pub(super) const fn full_mask(family: Family) -> u128 {
    match family {
        Family::V4 => u32::MAX as u128,
        Family::V6 => u128::MAX,
    }
}

/// Length of a mask that is a prefix.
pub(super) fn prefix_length(family: Family, mask: u128) -> Option<u32> {
    let width = if family == Family::V4 { 32 } else { 128 };
    let ones = mask.count_ones();
    (mask == prefix_mask(width, ones)).then_some(ones)
}

const fn prefix_mask(width: u32, ones: u32) -> u128 {
    if ones == 0 { 0 } else { (u128::MAX >> (128 - width)) & (u128::MAX << (width - ones)) }
}

/// An address, a mask, and whether the match is turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddrMatch {
    pub(super) family: Family,
    pub(super) addr: u128,
    pub(super) mask: u128,
    pub(super) inverted: bool,
}

impl AddrMatch {
    /// Whether an address matches.
    #[inline]
    pub(super) const fn matches(&self, addr: u128) -> bool {
        (addr & self.mask == self.addr & self.mask) != self.inverted
    }

    /// `address[/mask]`; the host part is kept.
    pub(super) fn parse(family: Family, text: &str, inverted: bool) -> Result<Self, Problem> {
        let (host, mask_text) = text.rsplit_once('/').map_or((text, None), |(h, m)| (h, Some(m)));
        let mask = match mask_text {
            None => full_mask(family),
            Some(m) => parse_mask(family, m)
                .ok_or_else(|| Problem::usage(format!("invalid mask `{m}' specified")))?,
        };
        let addr = parse_host(family, host)
            .ok_or_else(|| Problem::usage(format!("host/network `{host}' not found")))?;
        Ok(Self { family, addr, mask, inverted })
    }

    /// `address[/mask]` as the option `id` of an extension takes it, whose parser (`XTTYPE_HOSTMASK`) is not that of `-s`: names are looked
    /// up as the resolver does, the host part stays, and a mask that is no prefix stands for the whole address.
    pub(super) fn parse_option(
        family: Family,
        text: &str,
        extension: &str,
        id: &str,
    ) -> Result<Self, Problem> {
        let (host, mask) = text.split_once('/').map_or((text, None), |(h, m)| (h, Some(m)));
        let unknown = || Problem::usage("getaddrinfo: Name or service not known\n");
        let addr = numeric_host(family, host).ok_or_else(unknown)?;
        let width = if family == Family::V4 { 32 } else { 128 };
        let mask = match mask {
            None => full_mask(family),
            Some(text) => match number(text.trim_start().trim_start_matches('+')).filter(|n| *n <= width) {
                Some(ones) => prefix_mask(width, ones),
                None => {
                    let bad = || {
                        Problem::usage(format!(
                            "{extension}: bad value for option \"--{id}\", neither a valid network mask nor valid CIDR (0-{width}).\n"
                        ))
                    };
                    let mask = numeric_host(family, text).ok_or_else(bad)?;
                    prefix_length(family, mask).map_or(full_mask(family), |ones| prefix_mask(width, ones))
                }
            },
        };
        Ok(Self { family, addr, mask, inverted: false })
    }

    /// The same without the host part, as `-s` and `-d` keep it.
    pub(super) const fn network(self) -> Self {
        Self { addr: self.addr & self.mask, ..self }
    }

    /// Whether every address matches.
    pub(super) const fn is_any(&self) -> bool {
        self.mask == 0 && !self.inverted
    }

    /// `10.0.0.0/8`, `1.2.3.4/32`, `10.0.2.0/255.0.255.0`.
    pub(super) fn save(&self, out: &mut String) {
        let _ = write!(out, "{}", from_bits(self.family, self.addr));
        self.write_mask(out);
    }

    fn write_mask(&self, out: &mut String) {
        let _ = match prefix_length(self.family, self.mask) {
            Some(n) => write!(out, "/{n}"),
            None => write!(out, "/{}", from_bits(self.family, self.mask)),
        };
    }

    /// The same without the mask of a single address.
    pub(super) fn save_short(&self, out: &mut String) {
        let _ = write!(out, "{}", from_bits(self.family, self.addr));
        if self.mask != full_mask(self.family) {
            self.write_mask(out);
        }
    }

    /// As the option of an extension shows it: no address is any address, unless `numeric`.
    pub(super) fn list_option(&self, numeric: bool) -> String {
        if !numeric && self.addr == 0 { "anywhere".to_owned() } else { self.list(numeric) }
    }

    /// As `iptables -L` shows it: with names unless `numeric`.
    pub(super) fn list(&self, numeric: bool) -> String {
        let mut out = String::new();
        if numeric {
            self.save_short(&mut out);
        } else if self.mask == 0 {
            out.push_str("anywhere");
        } else {
            match network_name(from_bits(self.family, self.addr)) {
                Some(name) => out.push_str(name),
                None => {
                    let _ = write!(out, "{}", from_bits(self.family, self.addr));
                }
            }
            if self.mask != full_mask(self.family) {
                self.write_mask(&mut out);
            }
        }
        out
    }
}

/// Names that a resolver without DNS finds in `/etc/hosts` and `/etc/networks`.
fn network_name(addr: IpAddr) -> Option<&'static str> {
    match addr {
        IpAddr::V4(a) => match a.octets() {
            [0, 0, 0, 0] => Some("default"),
            [127, 0, 0, 1] => Some("localhost"),
            [127, 0, 0, 0] => Some("loopback"),
            [169, 254, 0, 0] => Some("link-local"),
            _ => None,
        },
        IpAddr::V6(a) => (a == Ipv6Addr::UNSPECIFIED).then_some("anywhere"),
    }
}

/// An address. IPv4 may leave out trailing zero octets, with a mask or without.
fn parse_host(family: Family, text: &str) -> Option<u128> {
    match family {
        Family::V6 => text.parse::<Ipv6Addr>().ok().map(|a| a.to_bits()),
        Family::V4 => {
            let mut octets = [0u8; 4];
            let mut parts = text.split('.');
            for (i, octet) in octets.iter_mut().enumerate() {
                match parts.next() {
                    Some(part) => *octet = decimal(part)?,
                    None if i > 0 => break,
                    None => return None,
                }
            }
            parts.next().is_none().then_some(u128::from(u32::from_be_bytes(octets)))
        }
    }
}

/// An address as the resolver reads numbers: of IPv4 one to four of them, the last of which fills what is left.
fn numeric_host(family: Family, text: &str) -> Option<u128> {
    if family == Family::V6 {
        return text.parse::<Ipv6Addr>().ok().map(|a| a.to_bits());
    }
    if text == "localhost" {
        return Some(u128::from(Ipv4Addr::LOCALHOST.to_bits()));
    }
    let parts: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, octets) = parts.split_last().filter(|(_, octets)| octets.len() < 4)?;
    let left = 32 - 8 * octets.len() as u32;
    if octets.iter().any(|o| *o > 255) || (left < 32 && *last >= 1 << left) {
        return None;
    }
    let first = octets.iter().zip([24, 16, 8]).fold(0, |all, (octet, shift)| all | octet << shift);
    Some(u128::from(first | last))
}

fn decimal(text: &str) -> Option<u8> {
    let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// A prefix length or a mask written as an address.
fn parse_mask(family: Family, text: &str) -> Option<u128> {
    let width = if family == Family::V4 { 32 } else { 128 };
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let ones = text.parse::<u32>().ok().filter(|n| *n <= width)?;
        return Some(prefix_mask(width, ones));
    }
    parse_address(family, text).map(bits)
}

/// A complete address of the family.
pub(super) fn parse_address(family: Family, text: &str) -> Option<IpAddr> {
    match family {
        Family::V4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::V6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(family: Family, text: &str) -> Result<String, String> {
        let mut out = String::new();
        AddrMatch::parse(family, text, false).map_err(|p| p.text)?.network().save(&mut out);
        Ok(out)
    }

    #[test]
    fn addresses_print_as_iptables_save_prints_them() {
        for (text, want) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("1.2.3.4", "1.2.3.4/32"),
            ("10.1.2.3/255.0.255.0", "10.0.2.0/255.0.255.0"),
            ("10.1.2/24", "10.1.2.0/24"),
            ("10/8", "10.0.0.0/8"),
        ] {
            assert_eq!(saved(Family::V4, text).as_deref(), Ok(want), "{text}");
        }
        for (text, want) in [
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::1", "::1/128"),
            ("2001:db8::1/ffff:0:ffff::", "2001::/ffff:0:ffff::"),
        ] {
            assert_eq!(saved(Family::V6, text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn addresses_of_options_are_read_as_the_resolver_reads_them() {
        let read = |family, text| {
            AddrMatch::parse_option(family, text, "conntrack", "ctorigsrc")
                .map(|a| a.list(true))
                .map_err(|p| p.text)
        };
        for (text, want) in [
            ("1.2.3.4/255.0.255.0", "1.2.3.4"),
            ("1.2.3.4/33", "1.2.3.4"),
            ("1.2.3.4/16", "1.2.3.4/16"),
            ("1.2/16", "1.0.0.2/16"),
            ("1", "0.0.0.1"),
            ("1.2.3.4/255.255.0.0", "1.2.3.4/16"),
            ("1.2.3.4/010", "1.2.3.4/8"),
            ("1.2.3.4/0.0", "1.2.3.4/0"),
            ("localhost", "127.0.0.1"),
        ] {
            assert_eq!(read(Family::V4, text).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(read(Family::V6, "fd00::1/ffff::").as_deref(), Ok("fd00::1/16"));
        assert_eq!(read(Family::V6, "fd00::1/ffff:0:ffff::").as_deref(), Ok("fd00::1"));
        let wide = "conntrack: bad value for option \"--ctorigsrc\", neither a valid network mask nor valid CIDR (0-32).\n";
        for bad in ["1.2.3.4/", "1.2.3.4/x", "1.2.3.4/24/5", "1.2.3.4/-1"] {
            assert_eq!(read(Family::V4, bad), Err(wide.to_owned()), "{bad}");
        }
        assert_eq!(read(Family::V4, "foo"), Err("getaddrinfo: Name or service not known\n".to_owned()));
    }

    #[test]
    fn a_bad_address_is_named() {
        assert_eq!(saved(Family::V4, "foo.bar"), Err("host/network `foo.bar' not found".to_owned()));
        assert_eq!(saved(Family::V4, "1.2.3.4/33"), Err("invalid mask `33' specified".to_owned()));
        assert_eq!(saved(Family::V4, "1.2.3.4/"), Err("invalid mask `' specified".to_owned()));
    }
}
