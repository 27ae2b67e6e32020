//! What a listener hears (compared with `conntrack -E` of Linux 6.18).

use super::*;
use crate::linux::conntrack::{EventKind, ProtoState};

/// Kind and TCP state of everything that waits.
fn heard(r: &mut Router, listener: crate::linux::conntrack::ListenerId) -> Vec<(EventKind, &'static str)> {
    let state = |p: &ProtoState| match p {
        ProtoState::Tcp(t) => t.state().name(),
        _ => "",
    };
    r.ct.hear(listener).events.iter().map(|e| (e.kind, state(&e.conn.proto))).collect()
}

fn pass(r: &mut Router, packet: IpPacket) {
    let now = r.now;
    let mut skb = Skb::made(packet, Tag::default());
    r.ct.track(&mut skb, now).unwrap();
    r.ct.confirm(&mut skb, now).unwrap();
}

fn datagram(from: (&str, u16), dest: (&str, u16)) -> IpPacket {
    let udp = Udp { sport: from.1, dport: dest.1, payload: Payload::Empty };
    IpPacket::new(from.0.parse().unwrap(), dest.0.parse().unwrap(), Transport::Udp(udp))
}

#[test]
fn nothing_is_kept_while_nobody_listens() {
    let mut r = Router::new();
    pass(&mut r, datagram(("10.0.0.1", 1), ("10.0.0.2", 2)));
    let listener = r.ct.listen();
    assert!(r.ct.hear(listener).events.is_empty());
    r.ct.hang_up(listener);
    assert!(!r.ct.is_heard());
}

#[test]
fn one_packet_makes_one_event() {
    let mut r = Router::new();
    let listener = r.ct.listen();
    let (a, b) = (("10.0.0.1", 1), ("10.0.0.2", 2));
    pass(&mut r, datagram(a, b));
    pass(&mut r, datagram(a, b));
    pass(&mut r, datagram(b, a));
    r.wait(3000);
    pass(&mut r, datagram(a, b)); // a stream now: assured
    pass(&mut r, datagram(a, b));
    assert_eq!(
        heard(&mut r, listener),
        [(EventKind::New, ""), (EventKind::Update, ""), (EventKind::Update, "")]
    );
    r.wait(200_000);
    let now = r.now;
    r.ct.expire(now);
    assert_eq!(heard(&mut r, listener), [(EventKind::Destroy, "")]);
}

#[test]
fn a_listener_that_does_not_read_loses_events() {
    let mut r = Router::new();
    let listener = r.ct.listen();
    for port in 1..=5000 {
        pass(&mut r, datagram(("10.0.0.1", port), ("10.0.0.2", 2)));
    }
    let heard = r.ct.hear(listener);
    assert!(heard.lost);
    assert!(heard.events.len() < 5000);
    assert!(!r.ct.hear(listener).lost);
}

#[test]
fn a_mark_that_is_set_again_is_no_news() {
    let mut r = Router::new();
    let listener = r.ct.listen();
    for mark in [0, 7, 7, 8] {
        let now = r.now;
        let mut skb = Skb::made(datagram(("10.0.0.1", 1), ("10.0.0.2", 2)), Tag::default());
        r.ct.track(&mut skb, now).unwrap();
        r.ct.set_mark(&mut skb, mark);
        r.ct.confirm(&mut skb, now).unwrap();
    }
    let marks: Vec<_> = r.ct.hear(listener).events.iter().map(|e| (e.kind, e.conn.mark)).collect();
    assert_eq!(marks, [(EventKind::New, 0), (EventKind::Update, 7), (EventKind::Update, 8)]);
}
