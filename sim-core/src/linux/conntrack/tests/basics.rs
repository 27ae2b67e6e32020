//! Flows, their states and their lifetimes.

use super::*;
use crate::linux::conntrack::{Direction, Filter};

const A: &str = "10.244.1.10:41001";
const B: &str = "10.244.2.21:5353";

#[test]
fn a_flow_is_new_until_it_is_answered() {
    let mut r = Router::new();
    assert_eq!(r.state(udp(A, B)), CtState::New);
    assert_eq!(r.state(udp(A, B)), CtState::New);
    assert_eq!(r.state(udp(B, A)), CtState::Established);
    assert_eq!(r.state(udp(A, B)), CtState::Established);
    assert_eq!(r.ct.len(), 1);
}

#[test]
fn a_dropped_first_packet_leaves_nothing() {
    let mut r = Router::new();
    drop(r.receive(udp(A, B)).unwrap());
    assert!(r.ct.is_empty());
    assert_eq!(r.state(udp(A, B)), CtState::New);
}

#[test]
fn udp_lives_30_s_and_a_stream_120_s() {
    let mut r = Router::new();
    r.forward(udp(A, B)).unwrap();
    r.forward(udp(B, A)).unwrap();
    r.wait(2_000);
    r.forward(udp(A, B)).unwrap();
    let unassured = "udp      17 30 src=10.244.1.10 dst=10.244.2.21 sport=41001 dport=5353 \
                     src=10.244.2.21 dst=10.244.1.10 sport=5353 dport=41001 mark=0 use=1";
    assert_eq!(r.list(), [unassured], "two seconds are not more than two seconds");
    r.wait(1);
    r.forward(udp(A, B)).unwrap();
    r.wait(1);
    let assured = "udp      17 119 src=10.244.1.10 dst=10.244.2.21 sport=41001 dport=5353 \
                   src=10.244.2.21 dst=10.244.1.10 sport=5353 dport=41001 [ASSURED] mark=0 use=1";
    assert_eq!(r.list(), [assured]);
}

#[test]
fn an_expired_entry_is_as_if_it_were_not_there() {
    let mut r = Router::new();
    r.forward(udp(A, B)).unwrap();
    r.wait(29_999);
    assert_eq!(
        r.ct.table.find(&r.ct.get(first(&r)).unwrap().orig.clone(), r.now).unwrap().1,
        Direction::Original
    );
    r.wait(1);
    assert_eq!(r.state(udp(B, A)), CtState::New, "a late answer starts a flow of its own");
    assert_eq!(r.ct.len(), 1);
}

fn first(r: &Router) -> crate::linux::conntrack::ConnId {
    r.ct.iter().next().unwrap().0
}

#[test]
fn sweeping_takes_the_expired_ones() {
    let mut r = Router::new();
    r.forward(udp(A, B)).unwrap();
    r.wait(20_000);
    r.forward(ping("10.0.0.1", "10.0.0.2", 7)).unwrap();
    r.wait(10_000);
    r.ct.expire(r.now);
    let left = "icmp     1 20 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 [UNREPLIED] \
                src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1";
    assert_eq!(r.list(), [left]);
}

#[test]
fn a_table_of_short_lived_flows_does_not_grow_for_ever() {
    let mut r = Router::new();
    for i in 0..40_000u32 {
        r.wait(100);
        let src = format!("10.0.{}.{}:1000", i >> 8 & 0xff, i & 0xff);
        r.forward(udp(&src, B)).unwrap();
    }
    assert!(r.ct.len() <= 1024, "{}", r.ct.len());
}

#[test]
fn an_echo_reply_without_its_request_is_invalid() {
    let mut r = Router::new();
    assert_eq!(r.state(pong("10.0.0.2", "10.0.0.1", 7)), CtState::Invalid);
    assert_eq!(r.state(ping("10.0.0.1", "10.0.0.2", 7)), CtState::New);
    assert_eq!(r.state(pong("10.0.0.2", "10.0.0.1", 7)), CtState::Established);
    assert_eq!(r.state(pong("10.0.0.2", "10.0.0.1", 8)), CtState::Invalid, "another identifier");
    assert_eq!(r.ct.stats().invalid, 2);
}

#[test]
fn icmpv6_echo_is_a_flow_too() {
    let mut r = Router::new();
    r.forward(ping("fd00::1", "fd00::2", 7)).unwrap();
    assert_eq!(r.state(pong("fd00::2", "fd00::1", 7)), CtState::Established);
    let line = "icmpv6   58 30 src=fd00::1 dst=fd00::2 type=128 code=0 id=7 \
                src=fd00::2 dst=fd00::1 type=129 code=0 id=7 mark=0 use=1";
    assert_eq!(r.list(), [line]);
}

#[test]
fn protocols_without_ports_are_flows_by_address() {
    let mut r = Router::new();
    let packet = |src, dst, protocol| {
        IpPacket::new(ip(src), ip(dst), Transport::Other { protocol, payload: Payload::Empty })
    };
    r.forward(packet("10.0.0.1", "10.0.0.2", 4)).unwrap();
    r.forward(packet("10.0.0.1", "10.0.0.2", 47)).unwrap();
    assert_eq!(r.state(packet("10.0.0.2", "10.0.0.1", 4)), CtState::Established);
    r.wait(1);
    assert_eq!(
        r.list(),
        [
            "unknown  4 599 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.1 mark=0 use=1",
            "gre      47 29 src=10.0.0.1 dst=10.0.0.2 srckey=0x0 dstkey=0x0 [UNREPLIED] \
             src=10.0.0.2 dst=10.0.0.1 srckey=0x0 dstkey=0x0 mark=0 use=1",
        ]
    );
}

#[test]
fn a_wrong_checksum_is_invalid_when_it_comes_in_but_not_when_it_goes_out() {
    let mut r = Router::new();
    let mut packet = udp(A, B);
    packet.bad_checksum = true;
    assert_eq!(r.state(packet.clone()), CtState::Invalid);
    let mut made = Skb::made(packet.clone(), Tag::default());
    r.ct.track(&mut made, r.now).unwrap();
    assert_eq!(r.ct.view(&made).state, CtState::New);
    r.ct.settings.set("nf_conntrack_checksum", "0").unwrap().unwrap();
    assert_eq!(r.state(packet), CtState::New);
}

#[test]
fn a_later_fragment_on_its_own_is_invalid() {
    let mut r = Router::new();
    let mut packet = udp(A, B);
    packet.frag = Some(crate::packet::Fragment { offset: 1480, more: false });
    assert_eq!(r.state(packet), CtState::Invalid);
}

#[test]
fn a_full_table_drops_the_oldest_flow_that_is_not_assured() {
    let mut r = Router::new();
    r.ct.settings.max = 2;
    r.forward(udp("10.0.0.1:1", B)).unwrap();
    r.forward(udp(B, "10.0.0.1:1")).unwrap();
    r.wait(3_000);
    r.forward(udp("10.0.0.1:1", B)).unwrap();
    r.forward(udp("10.0.0.2:1", B)).unwrap();
    r.forward(udp("10.0.0.3:1", B)).unwrap();
    let sources: Vec<_> = r.ct.iter().map(|(_, c)| c.orig.src.to_string()).collect();
    assert_eq!(sources, ["10.0.0.1", "10.0.0.3"]);
    assert_eq!(r.ct.stats().early_drop, 1);
    r.forward(udp(B, "10.0.0.3:1")).unwrap();
    r.wait(3_000);
    r.forward(udp(B, "10.0.0.3:1")).unwrap();
    assert_eq!(r.forward(udp("10.0.0.4:1", B)), Err(DropReason::ConntrackFull));
    assert_eq!(r.ct.stats().drop, 1);
}

#[test]
fn copies_of_a_first_packet_are_one_flow() {
    let mut r = Router::new();
    let one = r.receive(tcp(A, B, "S", 100, 0, 0)).unwrap();
    let two = one.clone();
    r.send(one).unwrap();
    r.send(two).unwrap();
    assert_eq!(r.ct.len(), 1);
    assert_eq!(r.ct.stats().clash_resolve, 1);
}

#[test]
fn flows_with_one_original_tuple_and_different_replies_clash() {
    for (first, again) in [(udp(A, B), udp(A, B)), (tcp(A, B, "S", 1, 0, 0), tcp(A, B, "S", 1, 0, 0))] {
        let is_udp = matches!(first.body, Transport::Udp(_));
        let mut r = Router::new().dnat("10.244.2.21", 80);
        let one = r.receive(first).unwrap();
        r.dnat = Some(to("10.244.2.22", Some(80)));
        let two = r.receive(again).unwrap();
        r.send(one).unwrap();
        let result = r.send(two);
        if is_udp {
            // Both get their answers, but the second not for long.
            assert!(result.is_ok());
            let answer = r.forward(udp("10.244.2.22:80", A)).unwrap();
            assert_eq!(answer.source().to_string(), B);
            r.wait(1_000);
            assert_eq!(r.state(udp("10.244.2.22:80", A)), CtState::New);
        } else {
            assert_eq!(result, Err(DropReason::ConntrackInsertFailed));
            assert_eq!(r.ct.stats().insert_failed, 1);
        }
    }
}

/// As on several processors: the second packet of one instant does not find the flow of the first.
#[test]
fn packets_of_one_instant_can_be_made_to_race() {
    for (second_backend, lost) in [("10.244.2.21", false), ("10.244.2.22", true)] {
        let mut r = Router::new().dnat("10.244.2.21", 80);
        r.ct.set_race(true);
        r.forward(udp(A, B)).unwrap();
        r.dnat = Some(to(second_backend, Some(80)));
        let result = r.forward(udp(A, B));
        assert_eq!(result.err(), lost.then_some(DropReason::ConntrackInsertFailed));
        assert_eq!(r.ct.stats().insert_failed, u64::from(lost));
        // Later packets find the flow that was inserted.
        r.wait(1);
        assert!(r.forward(udp(A, B)).is_ok());
    }
}

#[test]
fn a_packet_that_comes_back_by_the_loopback_device_keeps_its_flow() {
    let mut r = Router::new();
    let skb = r.receive(udp(A, B)).unwrap();
    let mut looped = skb.clone();
    r.ct.confirm(&mut looped, r.now).unwrap();
    let before = looped.ct.clone();
    r.ct.track(&mut looped, r.now).unwrap();
    assert_eq!(looped.ct, before);
    assert_eq!(r.ct.view(&looped).state, CtState::New);
}

#[test]
fn packets_are_counted_when_accounting_is_on() {
    let mut r = Router::new();
    r.ct.settings.acct = true;
    r.forward(udp(A, B)).unwrap();
    r.forward(udp(B, A)).unwrap();
    r.forward(udp(B, A)).unwrap();
    assert_eq!(
        r.list(),
        ["udp      17 30 src=10.244.1.10 dst=10.244.2.21 sport=41001 dport=5353 packets=1 bytes=33 \
          src=10.244.2.21 dst=10.244.1.10 sport=5353 dport=41001 packets=2 bytes=66 mark=0 use=1"]
    );
}

#[test]
fn marks_stay_with_the_flow() {
    let mut r = Router::new();
    let mut skb = r.receive(udp(A, B)).unwrap();
    r.ct.set_mark(&mut skb, 0x4000);
    r.send(skb).unwrap();
    let mut skb = r.receive(udp(B, A)).unwrap();
    assert_eq!(r.ct.view(&skb).mark, 0x4000);
    r.ct.set_mark(&mut skb, 1);
    assert_eq!(r.ct.iter().next().unwrap().1.mark, 1);
}

#[test]
fn entries_are_listed_and_deleted_in_order_of_creation() {
    let mut r = Router::new();
    for i in 1..=5 {
        r.forward(udp(&format!("10.0.0.{i}:1"), B)).unwrap();
    }
    let gone = r.ct.delete(&Filter { orig_src: "10.0.0.2/31".parse().ok(), ..Filter::default() });
    let sources = |conns: Vec<IpAddr>| conns.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(sources(gone.iter().map(|c| c.orig.src).collect()), ["10.0.0.2", "10.0.0.3"]);
    r.forward(udp("10.0.0.2:1", B)).unwrap();
    let left = sources(r.ct.iter().map(|(_, c)| c.orig.src).collect());
    assert_eq!(left, ["10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.2"]);
    r.ct.flush();
    assert!(r.ct.is_empty() && r.ct.iter().next().is_none());
}

#[test]
fn a_flow_deleted_under_a_packet_is_met_with_calm() {
    let mut r = Router::new().dnat("10.244.2.9", 80).snat("10.0.0.1");
    r.forward(udp(A, B)).unwrap();
    let mut skb = r.receive(udp(A, B)).unwrap();
    r.ct.flush();
    assert_eq!(r.ct.view(&skb).tuples, None);
    r.ct.set_mark(&mut skb, 1);
    assert!(r.send(skb).is_ok());
}
