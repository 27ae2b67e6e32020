//! Labs are drawn in IPv4. In a cluster of IPv6, every address and every word of a tool becomes that of IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::case::Ground;

impl Ground {
    /// Whether the cluster is one of IPv6.
    pub(crate) fn v6(&self) -> bool {
        self.family == "ipv6"
    }

    /// An address or network of the cluster's family; what is none stays as it is.
    pub(crate) fn own(&self, v4: &str) -> String {
        if self.v6() { sixth(v4).unwrap_or_else(|| v4.to_owned()) } else { v4.to_owned() }
    }

    /// An address of the cluster's family.
    pub(crate) fn ip(&self, v4: &str) -> IpAddr {
        self.own(v4).parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// A command in the cluster's family.
    pub(crate) fn command(&self, text: String) -> String {
        if self.v6() { addresses(&words(&text)) } else { text }
    }
}

/// `10.244.1.5` as `fd00:10:244:1::5`; a network of whole bytes likewise.
fn sixth(v4: &str) -> Option<String> {
    let (addr, len) = v4.split_once('/').map_or((v4, None), |(a, l)| (a, Some(l)));
    let v4: Ipv4Addr = addr.parse().ok()?;
    let v6 = if v4.is_loopback() {
        Ipv6Addr::LOCALHOST
    } else {
        let [a, b, c, d] = v4.octets();
        format!("fd00:{a}:{b}:{c}::{d}").parse().ok()?
    };
    Some(match len {
        None => v6.to_string(),
        Some("32") => format!("{v6}/128"),
        Some("24") => format!("{v6}/64"),
        Some(_) => format!("{v6}/48"),
    })
}

/// Words of IPv4's tools in those of IPv6's.
fn words(text: &str) -> String {
    const WORDS: [(&str, &str); 16] = [
        ("iptables ", "ip6tables "),
        ("ip route ", "ip -6 route "),
        ("ip rule ", "ip -6 rule "),
        ("-p icmp ", "-p ipv6-icmp "),
        ("--icmp-type 3 ", "--icmpv6-type 1 "),
        ("--icmp-type ", "--icmpv6-type "),
        ("-m ttl --ttl-", "-m hl --hl-"),
        ("TTL --ttl-", "HL --hl-"),
        ("icmp-net-unreachable", "icmp6-no-route"),
        ("icmp-host-unreachable", "icmp6-addr-unreachable"),
        ("icmp-proto-unreachable", "icmp6-port-unreachable"),
        ("icmp-admin-prohibited", "icmp6-adm-prohibited"),
        ("icmp-host-prohibited", "icmp6-adm-prohibited"),
        ("-type BROADCAST", "-type MULTICAST"),
        ("--pkt-type broadcast", "--pkt-type multicast"),
        ("10.96.0.0/12", "10.96.0.0/16"),
    ];
    WORDS.iter().fold(format!("{text} "), |text, (v4, v6)| text.replace(v4, v6)).trim_end().to_owned()
}

/// Every address in a text; before a port in brackets.
fn addresses(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| !c.is_ascii_hexdigit() && !".:/".contains(c));
        let word = &rest[at..end.map_or(rest.len(), |n| at + n)];
        rest = &rest[at + word.len()..];
        let glued = out.ends_with(|c: char| c.is_alphanumeric() || c == ':' || c == '.');
        let (addr, port) = word.split_once(':').map_or((word, None), |(a, p)| (a, Some(p)));
        match (sixth(addr).filter(|_| !glued), port) {
            (None, _) => out.push_str(word),
            (Some(v6), None) => out.push_str(&v6),
            (Some(v6), Some(port)) => out.push_str(&format!("[{v6}]:{port}")),
        }
    }
    out + rest
}
