//! Bytes of a captured packet, taken apart without copying. Everything answers with nothing where a packet is cut short.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::pcap::Link;

pub(super) fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]))
}

pub(super) fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16_at(b, at)?) << 16 | u32::from(u16_at(b, at + 2)?))
}

pub(super) fn v4_at(b: &[u8], at: usize) -> Option<Ipv4Addr> {
    u32_at(b, at).map(Ipv4Addr::from_bits)
}

pub(super) fn v6_at(b: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = b.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

pub(super) fn mac_at(b: &[u8], at: usize) -> Option<[u8; 6]> {
    b.get(at..at + 6)?.try_into().ok()
}

/// The ethertype of a packet and what follows its link-layer header.
pub(super) fn payload(link: Link, bytes: &[u8]) -> Option<(u16, &[u8])> {
    let kind = match link {
        Link::Ethernet => u16_at(bytes, 12)?,
        Link::Cooked => u16_at(bytes, 0)?,
    };
    Some((kind, bytes.get(link.header()..)?))
}

/// An IP header of either family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) protocol: u8,
    /// Offset of a fragment in bytes, and whether more follow.
    pub(super) offset: u16,
    pub(super) more: bool,
    /// Length of the payload as the header says.
    pub(super) length: usize,
    /// The payload, as much of it as was captured.
    pub(super) body: &'a [u8],
}

/// Reads an IP header; IPv6 fragment headers are skipped.
pub(super) fn ip(bytes: &[u8]) -> Option<Ip<'_>> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 15) * 4;
            let total = usize::from(u16_at(bytes, 2)?);
            let length = total.checked_sub(header)?;
            let rest = bytes.get(header..)?;
            let word = u16_at(bytes, 6)?;
            Some(Ip {
                src: v4_at(bytes, 12)?.into(),
                dst: v4_at(bytes, 16)?.into(),
                protocol: bytes[9],
                offset: (word & 0x1fff) * 8,
                more: word & 0x2000 != 0,
                length,
                body: &rest[..length.min(rest.len())],
            })
        }
        6 => {
            let mut length = usize::from(u16_at(bytes, 4)?);
            let rest = bytes.get(40..)?;
            let mut body = &rest[..length.min(rest.len())];
            let mut protocol = bytes[6];
            let (mut offset, mut more) = (0, false);
            if protocol == 44 {
                let word = u16_at(body, 2)?;
                (offset, more) = (word & !7, word & 1 == 1);
                protocol = body[0];
                body = body.get(8..)?;
                length = length.checked_sub(8)?;
            }
            let (src, dst) = (v6_at(bytes, 8)?.into(), v6_at(bytes, 24)?.into());
            Some(Ip { src, dst, protocol, offset, more, length, body })
        }
        _ => None,
    }
}
