use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::packet::{
    Arp, ArpOp, Fragment, Frame, FrameBody, Icmp, IcmpError, IpPacket, MacAddr, Payload, Sctp, SctpChunk,
    Tcp, TcpFlags, TcpOptions, Transport, Udp,
};

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

fn payload() -> impl Strategy<Value = Payload> {
    proptest::collection::vec(any::<u8>(), 0..90).prop_map(Payload::from)
}

fn error(v4: bool) -> impl Strategy<Value = IcmpError> {
    use IcmpError as E;
    let both = vec![
        E::NetUnreachable,
        E::HostUnreachable,
        E::ProtocolUnreachable,
        E::PortUnreachable,
        E::FragmentationNeeded { mtu: 1450 },
        E::AdminProhibited,
        E::TtlExceeded,
        E::ReassemblyTimeout,
    ];
    let four = vec![E::NetProhibited, E::HostProhibited];
    proptest::sample::select(if v4 { [both, four].concat() } else { both })
}

fn options() -> impl Strategy<Value = TcpOptions> {
    type Pair = (u32, u32);
    (any::<Option<u16>>(), any::<bool>(), any::<Option<Pair>>(), any::<Option<u8>>(), any::<Option<Pair>>())
        .prop_map(|(mss, sack_permitted, timestamps, window_scale, block)| {
            // All of them at once would not fit into a header.
            let sack = [block.filter(|_| timestamps.is_none()), None, None, None];
            TcpOptions { mss, sack_permitted, timestamps, window_scale, sack }
        })
}

fn simple_body() -> BoxedStrategy<Transport> {
    let tcp = (any::<[u16; 3]>(), any::<[u32; 2]>(), any::<u8>(), options(), payload()).prop_map(
        |([sport, dport, window], [seq, ack], flags, options, payload)| {
            let flags = TcpFlags(flags);
            Transport::Tcp(Tcp { sport, dport, seq, ack, flags, window, options, payload })
        },
    );
    let udp = (any::<u16>(), any::<u16>(), payload())
        .prop_map(|(sport, dport, payload)| Transport::Udp(Udp { sport, dport, payload }));
    let sctp = (any::<u16>(), any::<u16>(), any::<u32>(), 0..15u8, payload()).prop_map(
        |(sport, dport, tag, chunk, payload)| {
            let chunk = SctpChunk::of_number(chunk).unwrap_or(SctpChunk::Data);
            Transport::Sctp(Sctp { sport, dport, tag, chunk, payload })
        },
    );
    let echo =
        (any::<bool>(), any::<u16>(), any::<u16>(), payload()).prop_map(|(reply, id, seq, payload)| {
            Transport::Icmp(if reply {
                Icmp::EchoReply { id, seq, payload }
            } else {
                Icmp::EchoRequest { id, seq, payload }
            })
        });
    let other =
        (100u8..200, payload()).prop_map(|(protocol, payload)| Transport::Other { protocol, payload });
    prop_oneof![tcp, udp, sctp, echo, other].boxed()
}

fn packet_of(v4: bool, body: BoxedStrategy<Transport>) -> BoxedStrategy<IpPacket> {
    let addr = move || {
        any::<u128>().prop_map(move |n| {
            if v4 { IpAddr::from((n as u32).to_be_bytes()) } else { IpAddr::from(n.to_be_bytes()) }
        })
    };
    (addr(), addr(), any::<(u8, u8, u16, bool, bool)>(), body)
        .prop_map(move |(src, dst, (ttl, tos, id, df, bad), body)| {
            let checked = !matches!(body, Transport::Other { .. });
            // IPv6 has neither an identification nor a bit against fragments.
            let (id, df) = if v4 { (id, df) } else { (0, false) };
            IpPacket { ttl, tos, id, df, bad_checksum: bad && checked, ..IpPacket::new(src, dst, body) }
        })
        .boxed()
}

fn packet() -> BoxedStrategy<IpPacket> {
    any::<bool>()
        .prop_flat_map(|v4| {
            let quote = packet_of(v4, simple_body());
            let errors = (error(v4), quote)
                .prop_map(|(error, quote)| Transport::Icmp(Icmp::Error { error, quote: Box::new(quote) }));
            let messages = if v4 { errors.boxed() } else { prop_oneof![errors, discovery()].boxed() };
            packet_of(v4, prop_oneof![4 => simple_body(), 1 => messages].boxed())
        })
        .boxed()
}

fn discovery() -> impl Strategy<Value = Transport> {
    (any::<u128>(), proptest::option::of(mac()), any::<[bool; 4]>()).prop_map(
        |(target, mac, [ask, router, solicited, replaces])| {
            let target = target.into();
            Transport::Icmp(if ask {
                Icmp::NeighbourSolicit { target, source_mac: mac }
            } else {
                Icmp::NeighbourAdvert { target, target_mac: mac, router, solicited, replaces }
            })
        },
    )
}

fn frame_of(packet: BoxedStrategy<IpPacket>) -> BoxedStrategy<Frame> {
    let arp =
        (any::<bool>(), mac(), mac(), any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(ask, s, t, a, b)| {
            FrameBody::Arp(Arp {
                op: if ask { ArpOp::Request } else { ArpOp::Reply },
                sender_mac: s,
                sender_ip: a.into(),
                target_mac: t,
                target_ip: b.into(),
            })
        });
    let body = prop_oneof![1 => arp, 6 => packet.prop_map(FrameBody::Ip)];
    (mac(), mac(), body).prop_map(|(dst, src, body)| Frame { dst, src, body }).boxed()
}

/// Frames that are not cut up, some of them in a tunnel.
fn frame() -> BoxedStrategy<Frame> {
    let tunnel = (any::<u16>(), 0u32..1 << 24, frame_of(packet())).prop_map(|(sport, vni, frame)| {
        let payload = Payload::Vxlan { vni, frame: Box::new(frame) };
        Transport::Udp(Udp { sport, dport: 8472, payload })
    });
    let outer = packet_of(true, tunnel.boxed());
    frame_of(prop_oneof![3 => packet(), 1 => outer].boxed())
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(frame in frame()) {
        let bytes = encode(&frame, Checksums::Full);
        prop_assert_eq!(bytes.len(), frame.len());
        prop_assert_eq!(decode(&bytes), Some(frame));
    }

    #[test]
    fn pieces_say_the_bytes_of_the_whole(p in packet_of(true, simple_body()), cut in 1usize..12) {
        let whole = encode_packet(&p, Checksums::Full);
        let length = p.body.len();
        let shared = Arc::new(p.body.clone());
        let mut joined = Vec::new();
        for start in (0..length).step_by(cut * 8) {
            let len = (length - start).min(cut * 8);
            let frag = Fragment { offset: start as u16, more: start + len < length };
            let body = Transport::Piece { whole: Arc::clone(&shared), len: len as u16 };
            let piece = IpPacket { frag: Some(frag), body, ..p.clone() };
            let bytes = encode_packet(&piece, Checksums::Full);
            prop_assert_eq!(bytes.len(), piece.len());
            joined.extend_from_slice(&bytes[20..]);
        }
        prop_assert_eq!(joined, &whole[20..]);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..3) {
        let mut bytes = bytes;
        if bytes.len() > 15 {
            let (high, low, first) = [(8, 0, 0x45), (0x86, 0xdd, 0x60), (8, 6, 0)][kind];
            bytes[12..15].copy_from_slice(&[high, low, first]);
        }
        if let Some(frame) = decode(&bytes) {
            // What was understood says the same again.
            let again = encode(&frame, Checksums::Full);
            prop_assert!(decode(&again).is_some());
        }
    }
}

#[test]
fn a_known_packet() {
    // An echo request of ping as Linux sends it; the checksums are its own.
    let body = Transport::Icmp(Icmp::EchoRequest { id: 1, seq: 1, payload: vec![0u8; 8].into() });
    let p =
        IpPacket { id: 0x1234, df: true, ..IpPacket::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), body) };
    let bytes = encode_packet(&p, Checksums::Full);
    assert_eq!(
        data_encoding::HEXLOWER.encode(&bytes),
        "4500002412344000400114a30a0000010a0000020800f7fd000100010000000000000000"
    );
}

#[test]
fn a_partial_checksum_is_the_pseudo_headers_sum() {
    let body = Transport::Udp(Udp { sport: 1, dport: 2, payload: Payload::Empty });
    let p = IpPacket::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), body);
    let bytes = encode_packet(&p, Checksums::Partial(0));
    assert_eq!(bytes[26..28], (0x0a00u16 * 2 + 3 + 8 + 17).to_be_bytes());
}
