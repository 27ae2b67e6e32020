//! Domain names as text: absolute, with a final dot, letters as they were typed, `\.` for a dot inside a label.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name in text form without the final dot (RFC 1035 allows 255 octets on the wire).
pub const MAX_LEN: usize = 253;

/// `name` with a final dot.
#[must_use]
pub fn absolute(name: &str) -> String {
    if is_absolute(name) { name.to_owned() } else { format!("{name}.") }
}

/// Whether the name ends in a dot that is not escaped.
#[must_use]
pub fn is_absolute(name: &str) -> bool {
    let Some(rest) = name.strip_suffix('.') else { return false };
    rest.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
}

/// `name` without its final dot, as most tools print it.
#[must_use]
pub fn relative(name: &str) -> &str {
    if is_absolute(name) { &name[..name.len() - 1] } else { name }
}

/// The labels from left to right; none for the root.
#[must_use]
pub fn labels(name: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, b) in name.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'.' => {
                labels.push(&name[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if start < name.len() {
        labels.push(&name[start..]);
    }
    labels.retain(|l| !l.is_empty());
    labels
}

/// Where `zone` starts in `name` if `name` is the zone itself or below it; both absolute, letter case does not matter.
#[must_use]
pub fn zone_start(name: &str, zone: &str) -> Option<usize> {
    if zone == "." {
        return Some(name.len().saturating_sub(1));
    }
    let start = name.len().checked_sub(zone.len())?;
    let tail = name.get(start..)?;
    if !tail.eq_ignore_ascii_case(zone) {
        return None;
    }
    (start == 0 || is_absolute(&name[..start])).then_some(start)
}

/// The reverse name of an address: `4.3.2.1.in-addr.arpa.` or thirty-two nibbles under `ip6.arpa.`.
#[must_use]
pub fn reverse(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(a) => {
            let [a, b, c, d] = a.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(a) => {
            let nibbles = a.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            nibbles.map(|n| format!("{n:x}.")).collect::<String>() + "ip6.arpa."
        }
    }
}

/// The address that a reverse name is about, if it is a complete one.
#[must_use]
pub fn address_of_reverse(name: &str) -> Option<IpAddr> {
    if let Some(start) = zone_start(name, "in-addr.arpa.") {
        let text: Vec<&str> = labels(&name[..start]).into_iter().rev().collect();
        return text.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let start = zone_start(name, "ip6.arpa.")?;
    let nibbles = labels(&name[..start]);
    if nibbles.len() != 32 {
        return None;
    }
    let mut bits = 0u128;
    for n in nibbles.iter().rev() {
        let digit = if n.len() == 1 { n.chars().next()?.to_digit(16)? } else { return None };
        bits = bits << 4 | u128::from(digit);
    }
    Some(IpAddr::V6(Ipv6Addr::from(bits)))
}

/// What is wrong with a name that somebody has typed, in the words of bind (`dns_name_fromtext`): labels of at most 63 bytes, 255 in all
/// (RFC 1035, 2.3.4).
#[must_use]
pub fn fault(name: &str) -> Option<&'static str> {
    const LABEL_MAX: usize = 63;
    const NAME_MAX: usize = 255;
    if matches!(name, "" | ".") {
        return None;
    }
    let mut bytes = name.bytes();
    let (mut label, mut all) = (0, 1);
    while let Some(byte) = bytes.next() {
        if byte == b'.' {
            if label == 0 {
                return Some("empty label");
            }
            label = 0;
            continue;
        }
        if byte == b'\\' {
            match bytes.next() {
                None => return Some("unexpected end of input"),
                Some(first) if first.is_ascii_digit() => {
                    let digits: Vec<u8> = std::iter::once(first).chain(bytes.by_ref().take(2)).collect();
                    let number = std::str::from_utf8(&digits).ok().and_then(|d| d.parse::<u8>().ok());
                    if digits.len() < 3 || number.is_none() {
                        return Some("bad escape");
                    }
                }
                Some(_) => {}
            }
        }
        all += 1 + usize::from(label == 0);
        label += 1;
        if label > LABEL_MAX {
            return Some("label too long");
        }
        if all > NAME_MAX {
            return Some("ran out of space");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_at_label_borders_only() {
        assert_eq!(zone_start("web.Cluster.Local.", "cluster.local."), Some(4));
        assert_eq!(zone_start("cluster.local.", "cluster.local."), Some(0));
        assert_eq!(zone_start("mycluster.local.", "cluster.local."), None);
        assert_eq!(zone_start(r"a\.cluster.local.", "cluster.local."), None);
        assert_eq!(zone_start("é.", "cluster.local."), None);
        assert_eq!(zone_start("www.example.com.", "."), Some(15));
    }

    #[test]
    fn reverse_names_go_both_ways() {
        for text in ["10.96.0.10", "fd00:96::9"] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(address_of_reverse(&reverse(addr)), Some(addr));
        }
        assert_eq!(address_of_reverse("10.in-addr.arpa."), None);
        assert_eq!(address_of_reverse("web.app.svc.cluster.local."), None);
    }

    #[test]
    fn labels_honour_escapes() {
        assert_eq!(labels(r"a\.b.c."), [r"a\.b", "c"]);
        assert!(labels(".").is_empty());
        assert!(!is_absolute(r"a\."));
        assert!(is_absolute(r"a\\."));
    }

    #[test]
    fn what_is_no_name_has_a_fault() {
        let label = "a".repeat(63);
        for good in ["", ".", "a", "a.b.", r"a\.b", r"\046", &label] {
            assert_eq!(fault(good), None, "{good}");
        }
        let faults = [
            (".a", "empty label"),
            ("a..b", "empty label"),
            ("a..", "empty label"),
            (r"a\", "unexpected end of input"),
            (r"\256", "bad escape"),
            (&format!("{label}a"), "label too long"),
            (&[label.as_str(); 4].join("."), "ran out of space"),
        ];
        for (bad, why) in faults {
            assert_eq!(fault(bad), Some(why), "{bad}");
        }
    }
}
