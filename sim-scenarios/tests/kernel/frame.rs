//! Captured bytes in the words of the simulator's traces.

use std::net::Ipv4Addr;

/// A frame in one line; none for what is neither IPv4 nor ARP.
pub(crate) fn text(b: &[u8]) -> Option<String> {
    match be16(b, 12)? {
        0x0800 => packet(b.get(14..)?, true),
        0x0806 => arp(b.get(14..)?),
        _ => None,
    }
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]))
}

fn ip(b: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::new(*b.get(at)?, *b.get(at + 1)?, *b.get(at + 2)?, *b.get(at + 3)?))
}

fn mac(b: &[u8], at: usize) -> Option<String> {
    let bytes = b.get(at..at + 6)?.iter().map(|x| format!("{x:02x}"));
    Some(bytes.collect::<Vec<_>>().join(":"))
}

fn arp(b: &[u8]) -> Option<String> {
    Some(match be16(b, 6)? {
        1 => format!("arp who-has {} tell {}", ip(b, 24)?, ip(b, 14)?),
        _ => format!("arp reply {} is-at {}", ip(b, 14)?, mac(b, 8)?),
    })
}

/// An IPv4 packet; `ttl` says whether its TTL is of interest.
pub(crate) fn packet(b: &[u8], ttl: bool) -> Option<String> {
    if b.first()? >> 4 != 4 {
        return None;
    }
    let header = usize::from(b[0] & 15) * 4;
    let (src, dst, protocol) = (ip(b, 12)?, ip(b, 16)?, *b.get(9)?);
    let frag = be16(b, 6)?;
    let (offset, more) = (usize::from(frag & 0x1fff) * 8, frag & 0x2000 != 0);
    let body = b.get(header..).unwrap_or_default();
    let plain = || {
        let name = match protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        };
        format!("{src} > {dst} {name}")
    };
    let mut text = match protocol {
        _ if offset > 0 => plain(),
        17 => udp(src, dst, body).unwrap_or_else(plain),
        6 => tcp(src, dst, body).unwrap_or_else(plain),
        1 => icmp(src, dst, body).unwrap_or_else(plain),
        _ => plain(),
    };
    if offset > 0 || more {
        text += &format!(" frag(off {offset} mf {})", u8::from(more));
    }
    if ttl {
        text += &format!(" ttl {}", b.get(8)?);
    }
    Some(text)
}

fn udp(src: Ipv4Addr, dst: Ipv4Addr, b: &[u8]) -> Option<String> {
    let (sport, dport) = (be16(b, 0)?, be16(b, 2)?);
    let mut text = format!("{src}:{sport} > {dst}:{dport} udp");
    if dport == 8472 && b.len() > 16 {
        match be16(b, 16 + 12)? {
            0x0800 => text += &format!(" vxlan[{}]", packet(b.get(16 + 14..)?, true)?),
            _ => text += " vxlan[arp]",
        }
    }
    Some(text)
}

fn tcp(src: Ipv4Addr, dst: Ipv4Addr, b: &[u8]) -> Option<String> {
    let (sport, dport, flags) = (be16(b, 0)?, be16(b, 2)?, *b.get(13)?);
    let letters: String = [(2, 'S'), (16, 'A'), (1, 'F'), (4, 'R'), (8, 'P')]
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, c)| *c)
        .collect();
    Some(format!("{src}:{sport} > {dst}:{dport} tcp {letters}"))
}

fn icmp(src: Ipv4Addr, dst: Ipv4Addr, b: &[u8]) -> Option<String> {
    let (ty, code) = (*b.first()?, *b.get(1)?);
    let name = match (ty, code) {
        (0, 0) => "echo-reply",
        (8, 0) => "echo-request",
        (3, 0) => "net-unreachable",
        (3, 1) => "host-unreachable",
        (3, 2) => "proto-unreachable",
        (3, 3) => "port-unreachable",
        (3, 4) => "frag-needed",
        (3, 9) => "net-prohibited",
        (3, 10) => "host-prohibited",
        (3, 13) => "admin-prohibited",
        (11, 0) => "ttl-exceeded",
        (11, 1) => "frag-reassembly-timeout",
        (5, 0) => "redirect-net",
        (5, 1) => "redirect-host",
        _ => "?",
    };
    let mut text = format!("{src} > {dst} icmp {name}({ty}/{code})");
    if (ty, code) == (3, 4) {
        text += &format!(" mtu {}", be16(b, 6)?);
    }
    if ty == 5 {
        text += &format!(" gw {}", ip(b, 4)?);
    }
    if matches!(ty, 3 | 5 | 11) {
        text += &format!(" about [{}]", packet(b.get(8..)?, false)?);
    }
    Some(text)
}
