//! Captured bytes in the words of the simulator's traces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A frame in one line; none for what is neither IP nor ARP, and for what a kernel that has IPv6 says by itself.
pub(crate) fn text(b: &[u8]) -> Option<String> {
    match be16(b, 12)? {
        0x0800 | 0x86dd => packet(b.get(14..)?, true),
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

/// A packet; `ttl` says whether its TTL is of interest.
pub(crate) fn packet(b: &[u8], ttl: bool) -> Option<String> {
    match b.first()? >> 4 {
        4 => packet4(b, ttl),
        6 => packet6(b, ttl),
        _ => None,
    }
}

fn ip6(b: &[u8], at: usize) -> Option<Ipv6Addr> {
    let bytes: [u8; 16] = b.get(at..at + 16)?.try_into().ok()?;
    Some(bytes.into())
}

fn packet6(b: &[u8], ttl: bool) -> Option<String> {
    let (src, dst) = (ip6(b, 8)?, ip6(b, 24)?);
    let (mut protocol, mut body, mut frag) = (*b.get(6)?, b.get(40..)?, None);
    if protocol == 44 {
        let word = be16(body, 2)?;
        frag = Some((usize::from(word & 0xfff8), word & 1));
        (protocol, body) = (*body.first()?, body.get(8..)?);
    }
    let later = frag.is_some_and(|(offset, _)| offset > 0);
    let mut text = match protocol {
        // Hop-by-hop options: reports of multicast listeners.
        0 => return None,
        58 if !later => icmp6(src, dst, body)?,
        _ => transport(src.into(), dst.into(), protocol, body, later),
    };
    if let Some((offset, more)) = frag {
        text += &format!(" frag(off {offset} mf {more})");
    }
    if ttl {
        text += &format!(" ttl {}", b.get(7)?);
    }
    Some(text)
}

/// What a packet carries; of a piece that is `later` than the first only the protocol is known.
fn transport(src: IpAddr, dst: IpAddr, protocol: u8, body: &[u8], later: bool) -> String {
    let known = match protocol {
        _ if later => None,
        17 => udp(src, dst, body),
        6 => tcp(src, dst, body),
        1 => match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => icmp(src, dst, body),
            _ => None,
        },
        _ => None,
    };
    known.unwrap_or_else(|| {
        let name = match protocol {
            1 => "icmp".to_owned(),
            58 => "icmp6".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        };
        format!("{src} > {dst} {name}")
    })
}

fn packet4(b: &[u8], ttl: bool) -> Option<String> {
    let header = usize::from(b[0] & 15) * 4;
    let (src, dst, protocol) = (ip(b, 12)?, ip(b, 16)?, *b.get(9)?);
    let frag = be16(b, 6)?;
    let (offset, more) = (usize::from(frag & 0x1fff) * 8, frag & 0x2000 != 0);
    let body = b.get(header..).unwrap_or_default();
    let mut text = transport(src.into(), dst.into(), protocol, body, offset > 0);
    if offset > 0 || more {
        text += &format!(" frag(off {offset} mf {})", u8::from(more));
    }
    if ttl {
        text += &format!(" ttl {}", b.get(8)?);
    }
    Some(text)
}

fn udp(src: IpAddr, dst: IpAddr, b: &[u8]) -> Option<String> {
    let (sport, dport) = (be16(b, 0)?, be16(b, 2)?);
    let mut text = format!("{} > {} udp", SocketAddr::new(src, sport), SocketAddr::new(dst, dport));
    if dport == 8472 && b.len() > 16 {
        match be16(b, 16 + 12)? {
            0x0800 | 0x86dd => text += &format!(" vxlan[{}]", packet(b.get(16 + 14..)?, true)?),
            _ => text += " vxlan[arp]",
        }
    }
    Some(text)
}

fn tcp(src: IpAddr, dst: IpAddr, b: &[u8]) -> Option<String> {
    let (sport, dport, flags) = (be16(b, 0)?, be16(b, 2)?, *b.get(13)?);
    let letters: String = [(2, 'S'), (16, 'A'), (1, 'F'), (4, 'R'), (8, 'P')]
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, c)| *c)
        .collect();
    Some(format!("{} > {} tcp {letters}", SocketAddr::new(src, sport), SocketAddr::new(dst, dport)))
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

fn icmp6(src: Ipv6Addr, dst: Ipv6Addr, b: &[u8]) -> Option<String> {
    let (ty, code) = (*b.first()?, *b.get(1)?);
    let name = match (ty, code) {
        (1, 0) => "net-unreachable",
        (1, 1) => "admin-prohibited",
        (1, 2) => "beyond-scope",
        (1, 3) => "host-unreachable",
        (1, 4) => "port-unreachable",
        (1, 5) => "policy-fail",
        (1, 6) => "reject-route",
        (2, 0) => "frag-needed",
        (3, 0) => "ttl-exceeded",
        (3, 1) => "frag-reassembly-timeout",
        (4, 1) => "proto-unreachable",
        (128, 0) => "echo-request",
        (129, 0) => "echo-reply",
        (135, 0) => "neighbour-solicitation",
        (136, 0) => "neighbour-advertisement",
        (137, 0) => "redirect-host",
        // Listeners, routers.
        (130..=134 | 143, _) => return None,
        _ => "?",
    };
    let mut text = format!("{src} > {dst} icmp6 {name}({ty}/{code})");
    match ty {
        // A search for duplicates.
        135 if src.is_unspecified() => return None,
        135 => text += &format!(" who-has {}", ip6(b, 8)?),
        136 if b.get(24) == Some(&2) => text += &format!(" {} is-at {}", ip6(b, 8)?, mac(b, 26)?),
        2 => text += &format!(" mtu {}", u32::from_be_bytes(b.get(4..8)?.try_into().ok()?)),
        137 => text += &format!(" gw {}", ip6(b, 8)?),
        _ => {}
    }
    if matches!(ty, 1..=4) {
        text += &format!(" about [{}]", packet(b.get(8..)?, false)?);
    }
    if ty == 137 {
        text += &format!(" about [{}]", redirected(b.get(40..)?)?);
    }
    Some(text)
}

/// The packet that a redirect quotes, in one of its options.
fn redirected(mut options: &[u8]) -> Option<String> {
    loop {
        let len = usize::from(*options.get(1)?) * 8;
        if *options.first()? == 4 {
            return packet(options.get(8..)?, false);
        }
        options = options.get(len.max(8)..)?;
    }
}
