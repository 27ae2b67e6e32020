//! Address translation.

use super::*;
use crate::linux::conntrack::Filter;

const POD: &str = "10.244.1.10:41001";
const SERVICE: &str = "10.96.0.15:53";
const BACKEND: &str = "10.244.2.21:5353";

#[test]
fn a_service_is_translated_there_and_back() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap(), udp(POD, BACKEND));
    assert_eq!(r.forward(udp(BACKEND, POD)).unwrap(), udp(SERVICE, POD));
    assert_eq!(
        r.ct.iter().next().unwrap().1.tuples(),
        "udp src=10.244.1.10 dst=10.96.0.15 sport=41001 dport=53 \
         src=10.244.2.21 dst=10.244.1.10 sport=5353 dport=41001"
    );
}

#[test]
fn ports_of_sctp_are_translated_too() {
    let sctp = |from: &str, to: &str, chunk| {
        let ((src, sport), (dst, dport)) = (end(from), end(to));
        IpPacket::new(src, dst, Transport::Sctp(Sctp { chunk, ..Sctp::init(sport, dport) }))
    };
    let mut r = Router::new().dnat("10.244.2.21", 5353).snat("10.0.0.11");
    let sent = r.forward(sctp(POD, SERVICE, SctpChunk::Init)).unwrap();
    assert_eq!((sent.src, sent.destination()), (ip("10.0.0.11"), BACKEND.parse().unwrap()));
    let back = r.forward(sctp(BACKEND, &sent.source().to_string(), SctpChunk::InitAck)).unwrap();
    assert_eq!((back.source(), back.destination()), (SERVICE.parse().unwrap(), POD.parse().unwrap()));
    // Another client with the same port gets another one.
    let other = r.forward(sctp("10.244.1.11:41001", SERVICE, SctpChunk::Init)).unwrap();
    assert_ne!(other.source().port(), sent.source().port());
}

#[test]
fn an_established_flow_keeps_its_backend_until_the_entry_is_deleted() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    r.forward(udp(POD, SERVICE)).unwrap();
    r.forward(udp(BACKEND, POD)).unwrap();
    r.dnat = Some(to("10.244.1.21", Some(5353)));
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap().dst, ip("10.244.2.21"));
    let gone = r.ct.delete(&Filter { orig_dst: "10.96.0.15/32".parse().ok(), ..Filter::default() });
    assert_eq!(gone.len(), 1);
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap().dst, ip("10.244.1.21"));
}

#[test]
fn a_flow_that_was_there_before_the_service_never_gets_to_it() {
    let mut r = Router::new().snat("10.0.0.11");
    r.forward(udp(POD, SERVICE)).unwrap();
    r.dnat = Some(to("10.244.2.21", Some(5353)));
    r.wait(29_000);
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap(), udp("10.0.0.11:41001", SERVICE));
    r.wait(30_000);
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap().dst, ip("10.244.2.21"));
}

#[test]
fn a_flow_from_before_the_nat_table_is_asked_about_but_not_changed() {
    let mut r = Router::new();
    r.nat = false;
    r.forward(udp(POD, SERVICE)).unwrap();
    r.nat = true;
    r.dnat = Some(to("10.244.2.21", Some(5353)));
    let skb = r.receive(udp(POD, SERVICE)).unwrap();
    assert!(r.ct.nat_pending(&skb, NatKind::Destination));
    assert_eq!(skb.ip().unwrap().dst, ip("10.96.0.15"));
}

#[test]
fn two_services_with_one_backend_get_different_source_ports() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    let first = r.forward(udp(POD, "10.96.0.15:53")).unwrap();
    let second = r.forward(udp(POD, "10.96.0.16:53")).unwrap();
    let third = r.forward(udp(POD, "10.96.0.17:53")).unwrap();
    assert_eq!(first.source().port(), 41001);
    assert_eq!((second.src, second.destination()), (ip("10.244.1.10"), BACKEND.parse().unwrap()));
    let ports = [first, second.clone(), third].map(|p| p.source().port());
    assert!(ports[1] >= 1024 && ports[2] >= 1024, "{ports:?}");
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
    let answer = r.forward(udp(BACKEND, &second.source().to_string())).unwrap();
    assert_eq!(answer, udp("10.96.0.16:53", POD));
    assert!(r.ct.stats().found >= 2);
}

#[test]
fn masquerading_keeps_a_free_port_and_changes_a_taken_one_within_its_class() {
    for (port, class) in [(41001, 1024..=65535), (700, 600..=1023), (500, 1..=511)] {
        let mut r = Router::new().snat("10.0.0.11");
        let far = "203.0.113.10:53";
        let one = r.forward(udp(&format!("10.244.1.10:{port}"), far)).unwrap();
        let two = r.forward(udp(&format!("10.244.1.11:{port}"), far)).unwrap();
        assert_eq!(one.source(), format!("10.0.0.11:{port}").parse().unwrap());
        assert_eq!(two.src, ip("10.0.0.11"));
        assert_ne!(two.source().port(), port);
        assert!(class.contains(&two.source().port()), "{port} became {}", two.source().port());
    }
}

#[test]
fn a_socket_keeps_its_changed_port_towards_other_peers() {
    let mut r = Router::new().snat("10.0.0.11");
    r.forward(udp("10.244.1.10:41001", "203.0.113.10:53")).unwrap();
    let changed = r.forward(udp("10.244.1.11:41001", "203.0.113.10:53")).unwrap();
    let elsewhere = r.forward(udp("10.244.1.11:41001", "203.0.113.99:53")).unwrap();
    assert_eq!(elsewhere.source(), changed.source());
}

#[test]
fn random_fully_always_draws_a_port() {
    let mut r = Router::new();
    r.snat = Some(NatRange { fully_random: true, ..to("10.0.0.11", None) });
    let ports: Vec<_> = (1..=4)
        .map(|i| r.forward(udp("10.244.1.10:50000", &format!("203.0.113.{i}:53"))).unwrap().source().port())
        .collect();
    assert!(ports.iter().all(|p| *p >= 1024), "{ports:?}");
    assert!(ports.windows(2).all(|w| w[0] != w[1]), "{ports:?}");
    let low = r.forward(udp("10.244.1.10:500", "203.0.113.1:53")).unwrap().source().port();
    assert!((1..=511).contains(&low), "{low}");
}

#[test]
fn a_port_range_is_kept_to_and_can_run_out() {
    let mut r = Router::new();
    r.snat = Some(NatRange { ports: Some((2000, 2002)), ..to("10.0.0.11", None) });
    let mut ports: Vec<_> = (1..=3)
        .map(|i| r.forward(udp(&format!("10.244.1.{i}:2001"), "203.0.113.1:53")).unwrap().source().port())
        .collect();
    assert_eq!(ports[0], 2001, "already in range");
    ports.sort_unstable();
    assert_eq!(ports, [2000, 2001, 2002]);
    let full = r.forward(udp("10.244.1.4:2001", "203.0.113.1:53"));
    assert_eq!(full, Err(DropReason::NatExhausted));
    assert_eq!(r.ct.len(), 3);
}

#[test]
fn a_dnat_port_range_begins_at_its_first_port() {
    let mut r = Router::new();
    r.dnat = Some(NatRange { ports: Some((8000, 8003)), ..to("10.244.2.21", None) });
    assert_eq!(r.forward(udp(POD, SERVICE)).unwrap().destination().port(), 8000);
}

#[test]
fn an_address_range_gives_a_source_always_the_same_address() {
    let mut r = Router::new();
    let range = (ip("10.0.0.16"), ip("10.0.0.23"));
    r.snat = Some(NatRange { addrs: Some(range), persistent: true, ..NatRange::default() });
    let mut seen = std::collections::BTreeSet::new();
    for i in 1..=40 {
        let pod = format!("10.244.1.{i}:41001");
        let a = r.forward(udp(&pod, "203.0.113.1:53")).unwrap().src;
        let b = r.forward(udp(&pod, "203.0.113.2:53")).unwrap().src;
        assert!(range.0 <= a && a <= range.1);
        assert_eq!(a, b);
        seen.insert(a);
    }
    assert_eq!(seen.len(), 8, "all addresses are used");
    r.snat = Some(NatRange { addrs: Some((ip("fd00::10"), ip("fd00::1f"))), ..NatRange::default() });
    let six = r.forward(udp("[fd01::1]:41001", "[fd02::1]:53")).unwrap().src;
    assert!(ip("fd00::10") <= six && six <= ip("fd00::1f"), "{six}");
}

#[test]
fn both_sides_of_a_hairpin_are_translated() {
    let mut r = Router::new().dnat("10.244.1.10", 8080).snat("10.244.1.1");
    let there = r.forward(tcp("10.244.1.10:40000", "10.96.0.15:80", "S", 1, 0, 0)).unwrap();
    assert_eq!(there, tcp("10.244.1.1:40000", "10.244.1.10:8080", "S", 1, 0, 0));
    let back = r.forward(tcp("10.244.1.10:8080", "10.244.1.1:40000", "SA", 9, 2, 0)).unwrap();
    assert_eq!(back, tcp("10.96.0.15:80", "10.244.1.10:40000", "SA", 9, 2, 0));
    let skb = r.receive(tcp("10.244.1.10:40000", "10.96.0.15:80", "A", 2, 10, 0)).unwrap();
    let view = r.ct.view(&skb);
    assert!(view.snat && view.dnat && !view.reply);
}

#[test]
fn an_echo_identifier_is_translated_like_a_port() {
    let mut r = Router::new().snat("10.0.0.11");
    assert_eq!(
        r.forward(ping("10.244.1.10", "203.0.113.1", 7)).unwrap(),
        ping("10.0.0.11", "203.0.113.1", 7)
    );
    let second = r.forward(ping("10.244.1.11", "203.0.113.1", 7)).unwrap();
    let Transport::Icmp(Icmp::EchoRequest { id, .. }) = second.body else { panic!("{second}") };
    assert_ne!(id, 7);
    let back = r.forward(pong("203.0.113.1", "10.0.0.11", id)).unwrap();
    assert_eq!(back, pong("203.0.113.1", "10.244.1.11", 7));
}

#[test]
fn a_tcp_flow_that_is_over_makes_way_for_a_new_one() {
    let mut r = Router::new();
    r.snat = Some(NatRange { ports: Some((2000, 2000)), ..to("10.0.0.11", None) });
    let far = "203.0.113.1:80";
    let near = "10.0.0.11:2000";
    for (flags, seq, ack) in [("S", 100, 0), ("A", 101, 501), ("FA", 101, 501), ("A", 102, 502)] {
        r.forward(tcp("10.244.1.1:40000", far, flags, seq, ack, 0)).unwrap();
        match flags {
            "S" => drop(r.forward(tcp(far, near, "SA", 500, 101, 0)).unwrap()),
            "FA" => drop(r.forward(tcp(far, near, "FA", 501, 102, 0)).unwrap()),
            _ => {}
        }
    }
    // One port only: the range says so, and the kernel does not even look whether it is free.
    assert!(r.list()[0].contains("TIME_WAIT"), "{:?}", r.list());
    r.snat = Some(NatRange { ports: Some((2000, 2001)), ..to("10.0.0.11", None) });
    let other = r.forward(tcp("10.244.1.2:2000", far, "S", 90, 0, 0)).unwrap();
    assert_eq!(other.source().port(), 2001, "a lower sequence number does not get the port");
    let third = r.forward(tcp("10.244.1.3:2000", far, "S", 5_000, 0, 0)).unwrap();
    assert_eq!(third.source().port(), 2000);
    assert_eq!(r.ct.len(), 2);
}

#[test]
fn an_unchanged_packet_keeps_its_snapshot() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    let tag = Tag { snapshot: Some(crate::trace::SnapshotId(3)), ..Tag::default() };
    let mut skb = Skb::made(udp(POD, BACKEND), tag);
    skb.iif = Some(IfId(1));
    r.ct.track(&mut skb, r.now).unwrap();
    r.nat_hook(&mut skb, Hook::Prerouting).unwrap();
    assert_eq!(skb.tag.snapshot, tag.snapshot, "it went there anyway");
    let mut skb = Skb::made(udp(POD, SERVICE), tag);
    r.ct.track(&mut skb, r.now).unwrap();
    r.nat_hook(&mut skb, Hook::Output).unwrap();
    assert_eq!(skb.tag.snapshot, None);
}

#[test]
fn translating_twice_changes_nothing_more() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    let mut skb = r.receive(udp(POD, SERVICE)).unwrap();
    assert_eq!(r.ct.nat_apply(&mut skb, Hook::Prerouting), Ok(None));
}
