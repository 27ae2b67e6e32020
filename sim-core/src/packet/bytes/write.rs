//! Values to bytes.

use std::net::IpAddr;

use super::{checksum, sum};
use crate::packet::{
    Arp, ArpOp, Frame, FrameBody, Icmp, IcmpError, IpPacket, MacAddr, Payload, Sctp, Tcp, TcpOptions,
    Transport, Udp, proto,
};

/// What stands in the checksum field of a TCP or UDP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// The checksum.
    #[default]
    Full,
    /// The sum of the pseudo header only, which the network card would finish (`CHECKSUM_PARTIAL`): what a capture shows of packets that
    /// have not crossed a wire yet. With 0 it is the packet's own, with 1 that of the packet in its tunnel, and so on.
    Partial(u8),
}

impl Checksums {
    /// Those of a packet that is carried.
    fn inside(self) -> Self {
        match self {
            Self::Partial(depth) => depth.checked_sub(1).map_or(Self::Full, Self::Partial),
            Self::Full => Self::Full,
        }
    }
}

/// The bytes of a frame, from the destination address on, without a frame check sequence.
#[must_use]
pub fn encode(frame: &Frame, checksums: Checksums) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len());
    out.extend(frame.dst.0);
    out.extend(frame.src.0);
    match &frame.body {
        FrameBody::Arp(arp) => {
            out.extend([0x08, 0x06]);
            write_arp(arp, &mut out);
        }
        FrameBody::Ip(packet) => {
            out.extend(if packet.dst.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] });
            out.extend(encode_packet(packet, checksums));
        }
    }
    out
}

fn write_arp(arp: &Arp, out: &mut Vec<u8>) {
    let op = match arp.op {
        ArpOp::Request => 1,
        ArpOp::Reply => 2,
    };
    out.extend([0, 1, 0x08, 0x00, 6, 4, 0, op]);
    out.extend(arp.sender_mac.0);
    out.extend(arp.sender_ip.octets());
    out.extend(arp.target_mac.0);
    out.extend(arp.target_ip.octets());
}

/// The bytes of an IP packet.
#[must_use]
pub fn encode_packet(packet: &IpPacket, checksums: Checksums) -> Vec<u8> {
    let body = piece(packet, checksums);
    let mut out = match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = ipv4_header(packet, body.len());
            header[12..16].copy_from_slice(&src.octets());
            header[16..20].copy_from_slice(&dst.octets());
            let check = checksum(&[&header]);
            header[10..12].copy_from_slice(&check.to_be_bytes());
            header.to_vec()
        }
        _ => ipv6_headers(packet, body.len()),
    };
    out.extend(body);
    out
}

fn ipv4_header(packet: &IpPacket, length: usize) -> [u8; 20] {
    let mut h = [0; 20];
    h[0] = 0x45;
    h[1] = packet.tos;
    // A packet that is longer than its length field can say does not leave the host; its length is shown as zero (RFC 2675).
    h[2..4].copy_from_slice(&u16::try_from(20 + length).unwrap_or(0).to_be_bytes());
    h[4..6].copy_from_slice(&packet.id.to_be_bytes());
    let offset = packet.frag.map_or(0, |f| f.offset / 8);
    let more = packet.frag.is_some_and(|f| f.more);
    let word = offset | u16::from(packet.df) << 14 | u16::from(more) << 13;
    h[6..8].copy_from_slice(&word.to_be_bytes());
    h[8] = packet.ttl;
    h[9] = packet.protocol();
    h
}

/// The fixed header, and a fragment header if the packet is one.
fn ipv6_headers(packet: &IpPacket, length: usize) -> Vec<u8> {
    let fragment = packet.frag.map_or(0, |_| 8);
    let mut h = vec![0x60 | packet.tos >> 4, packet.tos << 4, 0, 0];
    h.extend(u16::try_from(length + fragment).unwrap_or(0).to_be_bytes());
    h.push(if packet.frag.is_some() { proto::FRAGMENT } else { packet.protocol() });
    h.push(packet.ttl);
    for addr in [packet.src, packet.dst] {
        h.extend(octets(addr));
    }
    if let Some(f) = packet.frag {
        h.extend([packet.protocol(), 0]);
        h.extend((f.offset & !7 | u16::from(f.more)).to_be_bytes());
        h.extend(u32::from(packet.id).to_be_bytes());
    }
    h
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The payload of the packet, or the part of the whole payload that this fragment carries.
fn piece(packet: &IpPacket, checksums: Checksums) -> Vec<u8> {
    let Transport::Piece { whole, len } = &packet.body else {
        return transport(packet, &packet.body, checksums);
    };
    let all = transport(packet, whole, Checksums::Full);
    let start = packet.frag.map_or(0, |f| usize::from(f.offset)).min(all.len());
    let end = (start + usize::from(*len)).min(all.len());
    all[start..end].to_vec()
}

fn transport(packet: &IpPacket, body: &Transport, checksums: Checksums) -> Vec<u8> {
    match body {
        Transport::Tcp(tcp) => {
            let mut out = tcp_segment(tcp);
            finish(packet, proto::TCP, &mut out, 16, checksums);
            out
        }
        Transport::Udp(udp) => udp_datagram(packet, udp, checksums),
        Transport::Sctp(sctp) => sctp_packet(packet, sctp),
        Transport::Icmp(message) => icmp_message(packet, message),
        Transport::Piece { whole, .. } => transport(packet, whole, checksums),
        Transport::Other { payload: Payload::Ip(inner), .. } => encode_packet(inner, checksums.inside()),
        Transport::Other { payload, .. } => payload.bytes().to_vec(),
    }
}

fn sctp_packet(packet: &IpPacket, sctp: &Sctp) -> Vec<u8> {
    let mut out = Vec::with_capacity(sctp.len());
    out.extend(sctp.sport.to_be_bytes());
    out.extend(sctp.dport.to_be_bytes());
    out.extend(sctp.tag.to_be_bytes());
    out.extend([0; 4]);
    out.extend([sctp.chunk as u8, 0]);
    out.extend(u16::try_from(4 + sctp.payload.len()).unwrap_or(0).to_be_bytes());
    out.extend(sctp.payload.bytes());
    out.resize(sctp.len(), 0);
    let right = crc32c(&out);
    let sum = if packet.bad_checksum { !right } else { right };
    out[8..12].copy_from_slice(&sum.to_le_bytes());
    out
}

/// The checksum of SCTP (RFC 9260, appendix A).
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

fn tcp_segment(tcp: &Tcp) -> Vec<u8> {
    let mut out = Vec::with_capacity(tcp.header_len() + tcp.payload.len());
    out.extend(tcp.sport.to_be_bytes());
    out.extend(tcp.dport.to_be_bytes());
    out.extend(tcp.seq.to_be_bytes());
    out.extend(tcp.ack.to_be_bytes());
    out.push((tcp.header_len() as u8 / 4) << 4);
    out.push(tcp.flags.0);
    out.extend(tcp.window.to_be_bytes());
    out.extend([0; 4]);
    tcp_options(&tcp.options, &mut out);
    out.extend(tcp.payload.bytes());
    out
}

/// `tcp_options_write`
fn tcp_options(options: &TcpOptions, out: &mut Vec<u8>) {
    if let Some(mss) = options.mss {
        out.extend([2, 4]);
        out.extend(mss.to_be_bytes());
    }
    match (options.sack_permitted, options.timestamps) {
        (true, _) if options.timestamps.is_some() => out.extend([4, 2]),
        (true, _) => out.extend([1, 1, 4, 2]),
        (false, Some(_)) => out.extend([1, 1]),
        (false, None) => {}
    }
    if let Some((value, echo)) = options.timestamps {
        out.extend([8, 10]);
        out.extend(value.to_be_bytes());
        out.extend(echo.to_be_bytes());
    }
    if let Some(scale) = options.window_scale {
        out.extend([1, 3, 3, scale]);
    }
    let blocks: Vec<(u32, u32)> = options.sack.iter().map_while(|b| *b).collect();
    if !blocks.is_empty() {
        out.extend([1, 1, 5, 2 + 8 * blocks.len() as u8]);
        for (first, end) in blocks {
            out.extend(first.to_be_bytes());
            out.extend(end.to_be_bytes());
        }
    }
}

/// A frame behind a VXLAN header (RFC 7348).
#[must_use]
pub fn vxlan_bytes(vni: u32, frame: &Frame, checksums: Checksums) -> Vec<u8> {
    let mut out = vec![0x08, 0, 0, 0];
    out.extend((vni << 8).to_be_bytes());
    out.extend(encode(frame, checksums));
    out
}

fn udp_datagram(packet: &IpPacket, udp: &Udp, checksums: Checksums) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + udp.payload.len());
    out.extend(udp.sport.to_be_bytes());
    out.extend(udp.dport.to_be_bytes());
    out.extend(u16::try_from(8 + udp.payload.len()).unwrap_or(0).to_be_bytes());
    out.extend([0; 2]);
    match &udp.payload {
        Payload::Vxlan { vni, frame } => {
            // The tunnel's checksum is that of what the packet inside will be (`lco_csum`).
            out.extend(vxlan_bytes(*vni, frame, Checksums::Full));
            finish(packet, proto::UDP, &mut out, 6, checksums);
            if let inside @ Checksums::Partial(_) = checksums.inside() {
                out.truncate(8);
                out.extend(vxlan_bytes(*vni, frame, inside));
            }
        }
        Payload::Empty | Payload::Bytes(_) | Payload::Ip(_) => {
            out.extend(udp.payload.bytes());
            finish(packet, proto::UDP, &mut out, 6, checksums);
        }
    }
    out
}

/// Writes the checksum at `at`. A checksum that is to be wrong is off by one.
fn finish(packet: &IpPacket, protocol: u8, segment: &mut [u8], at: usize, checksums: Checksums) {
    let pseudo = pseudo_header(packet.src, packet.dst, protocol, segment.len());
    let value = match checksums {
        Checksums::Partial(0) => sum(&[&pseudo]),
        Checksums::Full | Checksums::Partial(_) => {
            let right = checksum(&[&pseudo, segment]);
            let right = if packet.bad_checksum { right.wrapping_add(1) } else { right };
            // For UDP zero means that there is none (RFC 768).
            if protocol == proto::UDP && right == 0 { 0xffff } else { right }
        }
    };
    segment[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// RFC 9293, 3.1; RFC 8200, 8.1.
pub(super) fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut out = octets(src);
    out.extend(octets(dst));
    out.extend((length as u32).to_be_bytes());
    out.extend([0, 0, 0, protocol]);
    out
}

fn icmp_message(packet: &IpPacket, message: &Icmp) -> Vec<u8> {
    let ipv4 = packet.dst.is_ipv4();
    let (kind, code) = if ipv4 { message.type_code() } else { message.type_code_v6() };
    let mut out = vec![kind, code, 0, 0];
    match message {
        Icmp::EchoRequest { id, seq, payload } | Icmp::EchoReply { id, seq, payload } => {
            out.extend(id.to_be_bytes());
            out.extend(seq.to_be_bytes());
            out.extend(payload.bytes());
        }
        Icmp::Error { error, quote } => {
            let rest = if let IcmpError::FragmentationNeeded { mtu } = error { u32::from(*mtu) } else { 0 };
            out.extend(rest.to_be_bytes());
            quoted(quote, message.len() - 8, &mut out);
        }
        Icmp::Redirect { gateway: IpAddr::V4(gateway), quote, .. } => {
            out.extend(gateway.octets());
            quoted(quote, message.len() - 8, &mut out);
        }
        // RFC 4861, 4.5 and 4.6.3: target, destination, the target's hardware address, and the quote in units of eight bytes.
        Icmp::Redirect { gateway, gateway_mac, quote } => {
            out.extend([0; 4]);
            out.extend(octets(*gateway));
            out.extend(octets(quote.dst));
            link_address(2, *gateway_mac, &mut out);
            let length = message.len() - out.len();
            out.extend([4, (length / 8) as u8, 0, 0, 0, 0, 0, 0]);
            quoted(quote, length - 8, &mut out);
        }
        Icmp::NeighbourSolicit { target, source_mac } => {
            out.extend([0; 4]);
            out.extend(target.octets());
            link_address(1, *source_mac, &mut out);
        }
        Icmp::NeighbourAdvert { target, target_mac, router, solicited, replaces } => {
            let flags = u8::from(*router) << 7 | u8::from(*solicited) << 6 | u8::from(*replaces) << 5;
            out.extend([flags, 0, 0, 0]);
            out.extend(target.octets());
            link_address(2, *target_mac, &mut out);
        }
    }
    let right = if ipv4 {
        checksum(&[&out])
    } else {
        checksum(&[&pseudo_header(packet.src, packet.dst, proto::ICMPV6, out.len()), &out])
    };
    let value = if packet.bad_checksum { right.wrapping_add(1) } else { right };
    out[2..4].copy_from_slice(&value.to_be_bytes());
    out
}

/// RFC 4861, 4.6.1.
fn link_address(kind: u8, mac: Option<MacAddr>, out: &mut Vec<u8>) {
    if let Some(mac) = mac {
        out.extend([kind, 1]);
        out.extend(mac.0);
    }
}

/// The beginning of the offending packet.
fn quoted(quote: &IpPacket, most: usize, out: &mut Vec<u8>) {
    let bytes = encode_packet(quote, Checksums::Full);
    out.extend(&bytes[..most.min(bytes.len())]);
}
