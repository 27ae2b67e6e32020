//! What holds for every flow and every sequence of packets.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::linux::conntrack::{Filter, Status};

/// A few addresses and ports only, so that flows meet.
fn address() -> impl Strategy<Value = IpAddr> {
    (0..4u8).prop_map(|i| Ipv4Addr::new(10, 0, 0, i).into())
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(80), Just(500), Just(700), Just(41_001), Just(41_002)]
}

fn range() -> impl Strategy<Value = Option<NatRange>> {
    let addrs = prop::option::of((address(), address()).prop_map(|(a, b)| (a.min(b), a.max(b))));
    let ports = prop::option::of((port(), port()).prop_map(|(a, b)| (a.min(b), a.max(b))));
    prop::option::of((addrs, ports, any::<(bool, bool, bool)>()).prop_map(
        |(addrs, ports, (random, fully_random, persistent))| NatRange {
            addrs,
            ports,
            random,
            fully_random,
            persistent,
        },
    ))
}

fn segment() -> impl Strategy<Value = Tcp> {
    (port(), port(), 0..64u8, 0..4u32, 0..4u32, 0..3usize, any::<bool>()).prop_map(
        |(sport, dport, flags, seq, ack, data, open)| Tcp {
            sport,
            dport,
            seq: seq * 1_000,
            ack: ack * 1_000,
            flags: TcpFlags(flags),
            window: if open { 64_240 } else { 0 },
            options: TcpOptions::default(),
            payload: Payload::from(vec![0; data * 500]),
        },
    )
}

fn plain() -> impl Strategy<Value = IpPacket> {
    let body = prop_oneof![
        4 => (port(), port()).prop_map(|(sport, dport)| {
            Transport::Udp(Udp { sport, dport, payload: Payload::Empty })
        }),
        4 => segment().prop_map(Transport::Tcp),
        1 => port().prop_map(|id| Transport::Icmp(Icmp::EchoRequest { id, seq: 0, payload: Payload::Empty })),
        1 => port().prop_map(|id| Transport::Icmp(Icmp::EchoReply { id, seq: 0, payload: Payload::Empty })),
        1 => prop_oneof![Just(4u8), Just(47), Just(50)].prop_map(|protocol| Transport::Other {
            protocol,
            payload: Payload::Empty
        }),
    ];
    (address(), address(), body).prop_map(|(src, dst, body)| IpPacket::new(src, dst, body))
}

fn packet() -> impl Strategy<Value = IpPacket> {
    prop_oneof![
        6 => plain(),
        1 => (address(), plain()).prop_map(|(src, q)| {
            let icmp = Icmp::Error { error: IcmpError::TtlExceeded, quote: Box::new(q.clone()) };
            IpPacket::new(src, q.src, Transport::Icmp(icmp))
        }),
    ]
}

/// The packet that answers this one.
fn answer(p: &IpPacket) -> IpPacket {
    let body = match &p.body {
        Transport::Udp(u) => Transport::Udp(Udp { sport: u.dport, dport: u.sport, payload: Payload::Empty }),
        Transport::Tcp(t) => Transport::Tcp(Tcp {
            sport: t.dport,
            dport: t.sport,
            seq: 9_000,
            ack: t.seq.wrapping_add(1),
            flags: TcpFlags::SYN.with(TcpFlags::ACK),
            ..t.clone()
        }),
        Transport::Icmp(Icmp::EchoRequest { id, seq, payload }) => {
            Transport::Icmp(Icmp::EchoReply { id: *id, seq: *seq, payload: payload.clone() })
        }
        other => other.clone(),
    };
    IpPacket::new(p.dst, p.src, body)
}

fn opens(p: &IpPacket) -> bool {
    match &p.body {
        Transport::Tcp(t) => t.flags.0 & 0x3f == TcpFlags::SYN.0,
        Transport::Icmp(i) => matches!(i, Icmp::EchoRequest { .. }),
        _ => true,
    }
}

proptest! {
    /// Whatever was translated on the way there is translated back on the way back: addresses, ports, and the quotes of
    /// ICMP errors.
    #[test]
    fn the_way_back_undoes_the_way_there(
        flows in prop::collection::vec((plain(), range(), range()), 1..30)
    ) {
        let mut r = Router::new();
        for (sent, dnat, snat) in flows {
            if !opens(&sent) {
                continue;
            }
            (r.dnat, r.snat) = (dnat, snat);
            let before = r.ct.len();
            let Ok(arrived) = r.forward(sent.clone()) else { continue };
            if r.ct.len() == before {
                continue; // part of an earlier flow, perhaps against its direction
            }
            let from_router = IpPacket::new(ip("10.9.9.9"), arrived.src, Transport::Icmp(Icmp::Error {
                error: IcmpError::TtlExceeded,
                quote: Box::new(arrived.clone()),
            }));
            let got = r.forward(from_router).unwrap();
            let Transport::Icmp(Icmp::Error { quote, .. }) = &got.body else { panic!("{got}") };
            prop_assert_eq!(quote.as_ref(), &sent);
            prop_assert_eq!(got.dst, sent.src);

            let back = r.forward(answer(&arrived)).unwrap();
            prop_assert_eq!(&back, &answer(&sent), "sent {} arrived {}", sent, arrived);
        }
    }

    /// No two flows share a reply tuple, so every answer finds its flow.
    #[test]
    fn every_reply_tuple_belongs_to_one_flow(
        packets in prop::collection::vec((packet(), range(), range(), 0..3_000u64, 0..12u8), 1..60)
    ) {
        let mut r = Router::new();
        for (packet, dnat, snat, pause, delete) in packets {
            (r.dnat, r.snat) = (dnat, snat);
            r.wait(pause);
            if delete == 0 {
                let dst = Some(packet.dst.into());
                let gone = r.ct.delete(&Filter { orig_dst: dst, ..Filter::default() });
                prop_assert!(gone.iter().all(|c| c.orig.dst == packet.dst));
                prop_assert!(r.ct.iter().all(|(_, c)| c.orig.dst != packet.dst));
            }
            let _ = r.forward(packet);
            r.ct.expire(r.now);
            let mut tuples = BTreeSet::new();
            for (_, c) in r.ct.iter() {
                prop_assert!(tuples.insert(c.reply), "{} twice", c.tuples());
                let answers_itself = c.orig == c.reply;
                if !c.status.has(Status::NAT_CLASH) && !answers_itself {
                    prop_assert!(tuples.insert(c.orig), "{} twice", c.tuples());
                }
            }
        }
    }

    /// No sequence of packets upsets it, and the same sequence has the same effect twice.
    #[test]
    fn any_sequence_of_packets_is_taken_calmly_and_alike(
        packets in prop::collection::vec((packet(), any::<bool>(), 0..200_000u64), 1..80),
        nat in (range(), range()),
        max in 1..8u32,
    ) {
        let run = || {
            let mut r = Router::new();
            r.ct.settings.max = max;
            (r.dnat, r.snat) = nat.clone();
            let mut log = Vec::new();
            for (packet, refuse, pause) in &packets {
                r.wait(*pause);
                let Ok(skb) = r.receive(packet.clone()) else { continue };
                if *refuse {
                    let quote = skb.ip().unwrap().clone();
                    log.push(r.answer(error("10.0.0.9", IcmpError::PortUnreachable, &quote), &skb));
                } else {
                    log.push(r.send(skb));
                }
                assert!(r.ct.len() <= max as usize);
            }
            (log, r.list())
        };
        prop_assert_eq!(run(), run());
    }
}
