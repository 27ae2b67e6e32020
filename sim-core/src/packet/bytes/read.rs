//! Bytes to values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::write::{crc32c, pseudo_header};
use super::{VXLAN_PORTS, checksum};
use crate::packet::{
    Arp, ArpOp, Fragment, Frame, FrameBody, Icmp, IcmpError, IpPacket, MacAddr, Payload, Sctp, SctpChunk,
    Tcp, TcpFlags, TcpOptions, Transport, Udp, proto,
};

/// Reads a frame. None if it is cut short, is neither ARP nor IP, or has headers that the model has no words for. A fragment's payload is
/// read as [`Transport::Other`]; padding behind an IP packet is ignored.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Frame> {
    nested(bytes, 0)
}

/// Frames within frames, and packets quoted in errors: a few are enough.
const DEPTH_LIMIT: usize = 4;

fn nested(bytes: &[u8], depth: usize) -> Option<Frame> {
    let mut r = Reader(bytes);
    let (dst, src) = (MacAddr(r.array()?), MacAddr(r.array()?));
    let body = match r.u16()? {
        0x0806 => FrameBody::Arp(arp(&mut r)?),
        0x0800 => FrameBody::Ip(ipv4(r.0, depth)?),
        0x86dd => FrameBody::Ip(ipv6(r.0, depth)?),
        _ => return None,
    };
    Some(Frame { dst, src, body })
}

/// Takes bytes from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

fn arp(r: &mut Reader<'_>) -> Option<Arp> {
    if r.array()? != [0, 1, 0x08, 0x00, 6, 4] {
        return None;
    }
    let op = match r.u16()? {
        1 => ArpOp::Request,
        2 => ArpOp::Reply,
        _ => return None,
    };
    Some(Arp {
        op,
        sender_mac: MacAddr(r.array()?),
        sender_ip: Ipv4Addr::from(r.array::<4>()?),
        target_mac: MacAddr(r.array()?),
        target_ip: Ipv4Addr::from(r.array::<4>()?),
    })
}

fn ipv4(bytes: &[u8], depth: usize) -> Option<IpPacket> {
    let mut r = Reader(bytes);
    if r.u8()? != 0x45 {
        return None;
    }
    let (tos, total, id, word) = (r.u8()?, r.u16()?, r.u16()?, r.u16()?);
    let (ttl, protocol, _) = (r.u8()?, r.u8()?, r.u16()?);
    let src = IpAddr::from(r.array::<4>()?);
    let dst = IpAddr::from(r.array::<4>()?);
    let payload = r.0.get(..usize::from(total).checked_sub(20)?)?;
    let (offset, more) = ((word & 0x1fff) * 8, word & 0x2000 != 0);
    let frag = (offset > 0 || more).then_some(Fragment { offset, more });
    let mut packet = IpPacket { ttl, tos, id, df: word & 0x4000 != 0, frag, ..plain(src, dst) };
    fill(&mut packet, protocol, payload, depth)?;
    Some(packet)
}

fn ipv6(bytes: &[u8], depth: usize) -> Option<IpPacket> {
    let mut r = Reader(bytes);
    let first = r.u32()?;
    if first >> 28 != 6 {
        return None;
    }
    let (length, mut protocol, ttl) = (r.u16()?, r.u8()?, r.u8()?);
    let src = IpAddr::from(Ipv6Addr::from(r.array::<16>()?));
    let dst = IpAddr::from(Ipv6Addr::from(r.array::<16>()?));
    let mut packet = IpPacket { ttl, tos: (first >> 20) as u8, ..plain(src, dst) };
    let mut rest = Reader(r.0.get(..usize::from(length))?);
    if protocol == proto::FRAGMENT {
        protocol = rest.u8()?;
        rest.u8()?;
        let word = rest.u16()?;
        packet.frag = Some(Fragment { offset: word & !7, more: word & 1 == 1 });
        packet.id = rest.u32()? as u16;
    }
    fill(&mut packet, protocol, rest.0, depth)?;
    Some(packet)
}

fn plain(src: IpAddr, dst: IpAddr) -> IpPacket {
    IpPacket::new(src, dst, Transport::Other { protocol: 0, payload: Payload::Empty })
}

/// Reads the payload into the packet.
fn fill(packet: &mut IpPacket, protocol: u8, bytes: &[u8], depth: usize) -> Option<()> {
    let ipv4 = packet.dst.is_ipv4();
    let pseudo = pseudo_header(packet.src, packet.dst, protocol, bytes.len());
    let other = || Transport::Other { protocol, payload: bytes.into() };
    if packet.frag.is_some() {
        packet.body = other();
        return Some(());
    }
    packet.body = match protocol {
        proto::TCP => {
            packet.bad_checksum = checksum(&[&pseudo, bytes]) != 0;
            Transport::Tcp(tcp(bytes)?)
        }
        proto::UDP => {
            let zero = bytes.get(6..8)? == [0, 0];
            packet.bad_checksum = !(zero && ipv4) && checksum(&[&pseudo, bytes]) != 0;
            Transport::Udp(udp(bytes, depth)?)
        }
        proto::SCTP => match sctp(bytes) {
            Some((packet_sctp, bad)) => {
                packet.bad_checksum = bad;
                Transport::Sctp(packet_sctp)
            }
            None => other(),
        },
        proto::ICMP if ipv4 => {
            packet.bad_checksum = checksum(&[bytes]) != 0;
            Transport::Icmp(icmp(bytes, depth)?)
        }
        proto::ICMPV6 if !ipv4 => {
            packet.bad_checksum = checksum(&[&pseudo, bytes]) != 0;
            Transport::Icmp(icmpv6(bytes, depth)?)
        }
        proto::IPIP if ipv4 && depth < DEPTH_LIMIT => match self::ipv4(bytes, depth + 1) {
            // What the model's packet does not hold would be lost.
            Some(inner) if inner.len() == bytes.len() => {
                Transport::Other { protocol, payload: Payload::Ip(Box::new(inner)) }
            }
            _ => other(),
        },
        _ => other(),
    };
    Some(())
}

/// A packet of one chunk without flags, and whether its checksum is wrong.
fn sctp(bytes: &[u8]) -> Option<(Sctp, bool)> {
    let mut r = Reader(bytes);
    let (sport, dport, tag, sum) = (r.u16()?, r.u16()?, r.u32()?, r.array::<4>()?);
    let (chunk, flags, length) = (SctpChunk::of_number(r.u8()?)?, r.u8()?, usize::from(r.u16()?));
    let payload = r.0.get(..length.checked_sub(4)?)?;
    let padding = r.0.get(payload.len()..)?;
    if flags != 0 || padding.iter().any(|b| *b != 0) || r.0.len() != payload.len().next_multiple_of(4) {
        return None;
    }
    let blank = [bytes.get(..8)?, &[0; 4], bytes.get(12..)?].concat();
    let bad = crc32c(&blank).to_le_bytes() != sum;
    Some((Sctp { sport, dport, tag, chunk, payload: payload.into() }, bad))
}

fn tcp(bytes: &[u8]) -> Option<Tcp> {
    let mut r = Reader(bytes);
    let (sport, dport, seq, ack) = (r.u16()?, r.u16()?, r.u32()?, r.u32()?);
    let (offset, flags, window) = (usize::from(r.u8()? >> 4) * 4, r.u8()?, r.u16()?);
    let options = bytes.get(20..offset)?;
    Some(Tcp {
        sport,
        dport,
        seq,
        ack,
        flags: TcpFlags(flags),
        window,
        options: tcp_options(options),
        payload: bytes.get(offset..)?.into(),
    })
}

/// RFC 9293, 3.1; options without a place in the model are passed over.
fn tcp_options(mut bytes: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    loop {
        let rest = match bytes {
            [] | [0, ..] => return options,
            [1, rest @ ..] => {
                bytes = rest;
                continue;
            }
            [_, length, ..] => bytes.get(usize::from(*length).max(2)..),
            [_] => return options,
        };
        let Some(rest) = rest else { return options };
        let mut r = Reader(bytes.get(2..bytes.len() - rest.len()).unwrap_or_default());
        match bytes[0] {
            2 => options.mss = r.u16(),
            3 => options.window_scale = r.u8(),
            4 => options.sack_permitted = true,
            5 => {
                for block in &mut options.sack {
                    *block = r.u32().zip(r.u32());
                }
            }
            8 => options.timestamps = r.u32().zip(r.u32()),
            _ => {}
        }
        bytes = rest;
    }
}

fn udp(bytes: &[u8], depth: usize) -> Option<Udp> {
    let mut r = Reader(bytes);
    let (sport, dport, length, _) = (r.u16()?, r.u16()?, r.u16()?, r.u16()?);
    let data = bytes.get(8..usize::from(length))?;
    let payload = match vxlan(dport, data, depth) {
        Some(payload) => payload,
        None => data.into(),
    };
    Some(Udp { sport, dport, payload })
}

fn vxlan(dport: u16, data: &[u8], depth: usize) -> Option<Payload> {
    if depth >= DEPTH_LIMIT || !VXLAN_PORTS.contains(&dport) {
        return None;
    }
    let mut r = Reader(data);
    let (flags, word) = (r.u32()?, r.u32()?);
    if flags != 0x0800_0000 || word & 0xff != 0 {
        return None;
    }
    let frame = nested(r.0, depth + 1)?;
    // What the model's frame does not hold would be lost.
    (frame.len() == r.0.len()).then(|| Payload::Vxlan { vni: word >> 8, frame: Box::new(frame) })
}

fn icmp(bytes: &[u8], depth: usize) -> Option<Icmp> {
    let mut r = Reader(bytes);
    let (kind, code, _, rest) = (r.u8()?, r.u8()?, r.u16()?, r.u32()?);
    let (id, seq) = ((rest >> 16) as u16, rest as u16);
    let error = match (kind, code) {
        (0, _) => return Some(Icmp::EchoReply { id, seq, payload: r.0.into() }),
        (8, _) => return Some(Icmp::EchoRequest { id, seq, payload: r.0.into() }),
        (5, 1) => {
            let quote = Box::new(quote(r.0, true, depth)?);
            let gateway = IpAddr::from(rest.to_be_bytes());
            return Some(Icmp::Redirect { gateway, gateway_mac: None, quote });
        }
        (3, 0) => IcmpError::NetUnreachable,
        (3, 1) => IcmpError::HostUnreachable,
        (3, 2) => IcmpError::ProtocolUnreachable,
        (3, 3) => IcmpError::PortUnreachable,
        (3, 4) => IcmpError::FragmentationNeeded { mtu: seq },
        (3, 9) => IcmpError::NetProhibited,
        (3, 10) => IcmpError::HostProhibited,
        (3, 13) => IcmpError::AdminProhibited,
        (11, 0) => IcmpError::TtlExceeded,
        (11, 1) => IcmpError::ReassemblyTimeout,
        _ => return None,
    };
    Some(Icmp::Error { error, quote: Box::new(quote(r.0, true, depth)?) })
}

fn icmpv6(bytes: &[u8], depth: usize) -> Option<Icmp> {
    let mut r = Reader(bytes);
    let (kind, code, _, rest) = (r.u8()?, r.u8()?, r.u16()?, r.u32()?);
    let (id, seq) = ((rest >> 16) as u16, rest as u16);
    let error = match (kind, code) {
        (135, _) => {
            let target = Ipv6Addr::from(r.array::<16>()?);
            return Some(Icmp::NeighbourSolicit { target, source_mac: link_address(1, r.0) });
        }
        (136, _) => {
            let target = Ipv6Addr::from(r.array::<16>()?);
            let flag = |bit: u32| rest >> bit & 1 == 1;
            return Some(Icmp::NeighbourAdvert {
                target,
                target_mac: link_address(2, r.0),
                router: flag(31),
                solicited: flag(30),
                replaces: flag(29),
            });
        }
        (128, _) => return Some(Icmp::EchoRequest { id, seq, payload: r.0.into() }),
        (129, _) => return Some(Icmp::EchoReply { id, seq, payload: r.0.into() }),
        (1, 0) => IcmpError::NetUnreachable,
        (1, 1) => IcmpError::AdminProhibited,
        (1, 2) => IcmpError::BeyondScope,
        (1, 5) => IcmpError::PolicyFail,
        (1, 6) => IcmpError::RejectRoute,
        (1, 3) => IcmpError::HostUnreachable,
        (1, 4) => IcmpError::PortUnreachable,
        (2, _) => IcmpError::FragmentationNeeded { mtu: seq },
        (3, 0) => IcmpError::TtlExceeded,
        (3, 1) => IcmpError::ReassemblyTimeout,
        (4, 1) => IcmpError::ProtocolUnreachable,
        _ => return None,
    };
    Some(Icmp::Error { error, quote: Box::new(quote(r.0, false, depth)?) })
}

/// A link-layer address among the options of neighbour discovery.
fn link_address(kind: u8, mut bytes: &[u8]) -> Option<MacAddr> {
    while let [found, units, rest @ ..] = bytes {
        if *found == kind && *units == 1 {
            return rest.first_chunk::<6>().map(|m| MacAddr(*m));
        }
        bytes = bytes.get(usize::from(*units).max(1) * 8..)?;
    }
    None
}

fn quote(bytes: &[u8], v4: bool, depth: usize) -> Option<IpPacket> {
    if depth >= DEPTH_LIMIT {
        return None;
    }
    if v4 { ipv4(bytes, depth + 1) } else { ipv6(bytes, depth + 1) }
}
