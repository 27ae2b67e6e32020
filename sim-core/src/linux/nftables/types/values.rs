//! Values as numbers of at most 128 bits and back: addresses, names of interfaces, times.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Ty;

/// The bytes as one number.
pub(in super::super) fn bits_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |all, b| all << 8 | u128::from(*b))
}

/// An address as a number.
pub(in super::super) const fn address_bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => a.to_bits() as u128,
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// A number as an address.
pub(in super::super) fn address(ty: Ty, bits: u128) -> IpAddr {
    if ty == Ty::Ipv4 { Ipv4Addr::from(bits as u32).into() } else { Ipv6Addr::from(bits).into() }
}

/// The sixteen bytes of an interface's name; without its `*` it stands for all names that begin so.
pub(in super::super) fn ifname(name: &str) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    u128::from_be_bytes(bytes)
}

/// The name in sixteen bytes.
pub(in super::super) fn ifname_text(value: u128) -> String {
    let bytes = value.to_be_bytes();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(16);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// `1d2h3m4s5ms` in milliseconds.
pub(in super::super) fn parse_time(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let (unit, len) = if rest.starts_with("ms") {
            (1, 2)
        } else {
            match rest.bytes().next()? {
                b'd' => (86_400_000, 1),
                b'h' => (3_600_000, 1),
                b'm' => (60_000, 1),
                b's' => (1000, 1),
                _ => return None,
            }
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[len..];
        any = true;
    }
    any.then_some(total)
}

/// Milliseconds as `1d2h3m4s5ms`.
#[must_use]
pub(in super::super) fn time_text(ms: u64) -> String {
    let mut out = String::new();
    let parts = [
        (ms / 86_400_000, "d"),
        (ms / 3_600_000 % 24, "h"),
        (ms / 60_000 % 60, "m"),
        (ms / 1000 % 60, "s"),
        (ms % 1000, "ms"),
    ];
    for (n, unit) in parts {
        if n > 0 {
            let _ = write!(out, "{n}{unit}");
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        assert_eq!(parse_time("1m30s"), Some(90_000));
        assert_eq!(parse_time("5"), None);
        assert_eq!(time_text(90_000), "1m30s");
        assert_eq!(time_text(9_944), "9s944ms");
    }
}
