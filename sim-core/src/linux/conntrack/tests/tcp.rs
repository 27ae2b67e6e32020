//! TCP flows.

use super::*;
use crate::linux::conntrack::{ProtoState, TcpState};

const C: &str = "10.244.1.10:40000";
const S: &str = "10.244.2.21:8080";

/// Sends segments (direction, flags, sequence, acknowledgment, bytes) and checks the packet's state, the flow's state and
/// the seconds left after each.
fn play(r: &mut Router, steps: &[(char, &str, u32, u32, usize, CtState, &str)]) {
    for (i, (from, flags, seq, ack, data, state, entry)) in steps.iter().enumerate() {
        let (src, dst) = if *from == '>' { (C, S) } else { (S, C) };
        let got = r.state(tcp(src, dst, flags, *seq, *ack, *data));
        assert_eq!((got, entry_of(r).as_str()), (*state, *entry), "step {i}: {from} {flags} {seq} {ack}");
    }
}

/// `ESTABLISHED 432000 A`: state, seconds left, and whether it is assured.
fn entry_of(r: &Router) -> String {
    let Some((_, conn)) = r.ct.iter().next() else { return "-".into() };
    let ProtoState::Tcp(track) = &conn.proto else { return "?".into() };
    let assured = conn.status.has(crate::linux::conntrack::Status::ASSURED);
    let seconds = conn.expires.since(r.now).as_secs();
    format!("{} {seconds}{}", track.state().name(), if assured { " A" } else { "" })
}

fn established() -> Router {
    let mut r = Router::new();
    for (from, flags, seq, ack) in [('>', "S", 100, 0), ('<', "SA", 500, 101), ('>', "A", 101, 501)] {
        let (src, dst) = if from == '>' { (C, S) } else { (S, C) };
        r.forward(tcp(src, dst, flags, seq, ack, 0)).unwrap();
    }
    r
}

use CtState::{Established as Est, Invalid as Inv, New};

#[test]
fn the_life_of_a_connection() {
    play(
        &mut Router::new(),
        &[
            ('>', "S", 100, 0, 0, New, "SYN_SENT 120"),
            ('<', "SA", 500, 101, 0, Est, "SYN_RECV 60"),
            ('>', "A", 101, 501, 0, Est, "ESTABLISHED 432000 A"),
            ('>', "PA", 101, 501, 10, Est, "ESTABLISHED 300 A"),
            ('<', "A", 501, 111, 0, Est, "ESTABLISHED 432000 A"),
            ('<', "PA", 501, 111, 1000, Est, "ESTABLISHED 300 A"),
            ('>', "A", 111, 1501, 0, Est, "ESTABLISHED 432000 A"),
            ('>', "FA", 111, 1501, 0, Est, "FIN_WAIT 120 A"),
            ('<', "A", 1501, 112, 0, Est, "CLOSE_WAIT 60 A"),
            ('<', "FA", 1501, 112, 0, Est, "LAST_ACK 30 A"),
            ('>', "A", 112, 1502, 0, Est, "TIME_WAIT 120 A"),
        ],
    );
}

#[test]
fn a_refused_connection_leaves_nothing() {
    let mut r = Router::new().dnat("10.244.2.21", 8080);
    let service = "10.96.0.15:80";
    assert_eq!(r.forward(tcp(C, service, "S", 100, 0, 0)).unwrap(), tcp(C, S, "S", 100, 0, 0));
    let refused = r.receive(tcp(S, C, "RA", 0, 101, 0)).unwrap();
    assert_eq!(r.ct.view(&refused).state, Est);
    assert!(r.ct.view(&refused).dnat);
    assert_eq!(r.send(refused).unwrap(), tcp(service, C, "RA", 0, 101, 0), "still translated");
    assert!(r.ct.is_empty());
}

#[test]
fn stray_segments() {
    for (flags, state) in [
        ("S", New),
        ("A", New),
        ("PA", New),
        ("SA", Inv),
        ("R", Inv),
        ("RA", Inv),
        ("FA", Inv),
        ("F", Inv),
        ("", Inv),
        ("FPU", Inv),
        ("SF", Inv),
        ("SR", Inv),
    ] {
        assert_eq!(Router::new().state(tcp(C, S, flags, 100, 100, 0)), state, "{flags}");
    }
    let mut strict = Router::new();
    strict.ct.settings.tcp_loose = false;
    assert_eq!(strict.state(tcp(C, S, "A", 100, 100, 0)), Inv);
}

#[test]
fn a_connection_picked_up_in_the_middle_is_followed_generously() {
    play(
        &mut Router::new(),
        &[
            ('>', "PA", 101, 501, 10, New, "ESTABLISHED 300"),
            ('<', "A", 501, 111, 0, Est, "ESTABLISHED 300"),
            ('<', "PA", 900_501, 111, 10, Est, "ESTABLISHED 432000 A"),
        ],
    );
}

#[test]
fn a_repeated_syn_does_not_keep_the_entry_alive() {
    let mut r = Router::new();
    r.forward(tcp(C, S, "S", 100, 0, 0)).unwrap();
    r.wait(100_000);
    play(&mut r, &[('>', "S", 100, 0, 0, New, "SYN_SENT 20")]);
}

#[test]
fn segments_outside_the_window_are_invalid() {
    let mut r = established();
    play(
        &mut r,
        &[
            ('>', "PA", 900_000, 501, 10, Inv, "ESTABLISHED 432000 A"),
            ('>', "A", 101, 90_000, 0, Inv, "ESTABLISHED 432000 A"),
            ('<', "R", 9_000, 0, 0, Est, "ESTABLISHED 10 A"),
            ('>', "R", 50, 0, 0, Inv, "ESTABLISHED 10 A"),
        ],
    );
    let mut liberal = established();
    liberal.ct.settings.tcp_be_liberal = true;
    play(&mut liberal, &[('>', "PA", 900_000, 501, 10, Est, "ESTABLISHED 432000 A")]);
}

#[test]
fn a_reset_ends_the_connection() {
    play(&mut established(), &[('<', "R", 501, 0, 0, Est, "CLOSE 10 A")]);
    play(&mut established(), &[('>', "RA", 101, 501, 0, Est, "CLOSE 10 A")]);
}

#[test]
fn ports_can_be_used_again_after_time_wait() {
    let mut r = established();
    play(
        &mut r,
        &[
            ('>', "FA", 101, 501, 0, Est, "FIN_WAIT 120 A"),
            ('<', "FA", 501, 102, 0, Est, "LAST_ACK 30 A"),
            ('>', "A", 102, 502, 0, Est, "TIME_WAIT 120 A"),
            ('>', "S", 70_000, 0, 0, New, "SYN_SENT 120"),
        ],
    );
    assert_eq!(r.ct.len(), 1);
    let mut r = established();
    play(
        &mut r,
        &[('>', "RA", 101, 501, 0, Est, "CLOSE 10 A"), ('>', "S", 70_000, 0, 0, New, "SYN_SENT 120")],
    );
}

#[test]
fn the_server_may_call_back_after_time_wait() {
    let mut r = established();
    play(
        &mut r,
        &[
            ('<', "FA", 501, 101, 0, Est, "FIN_WAIT 120 A"),
            ('>', "FA", 101, 502, 0, Est, "LAST_ACK 30 A"),
            ('<', "A", 502, 102, 0, Est, "TIME_WAIT 120 A"),
            ('<', "S", 70_000, 0, 0, New, "SYN_SENT 120"),
        ],
    );
    assert_eq!(r.ct.iter().next().unwrap().1.orig.src, ip("10.244.2.21"));
}

#[test]
fn a_syn_into_a_connection_is_believed_when_the_server_answers_it() {
    let mut r = established();
    play(
        &mut r,
        &[
            ('>', "S", 80_000, 0, 0, Est, "ESTABLISHED 432000 A"),
            ('<', "SA", 90_000, 80_001, 0, Est, "SYN_RECV 60 A"),
            ('>', "A", 80_001, 90_001, 0, Est, "ESTABLISHED 432000 A"),
        ],
    );
}

#[test]
fn a_syn_into_a_connection_is_refused_by_the_server_only() {
    let syn = ('>', "S", 80_000, 0, 0, Est, "ESTABLISHED 432000 A");
    play(&mut established(), &[syn, ('<', "RA", 900_000, 80_001, 0, Est, "CLOSE 10 A")]);
    play(&mut established(), &[syn, ('>', "RA", 900_000, 80_001, 0, Inv, "ESTABLISHED 432000 A")]);
}

#[test]
fn a_challenge_ack_does_not_acknowledge_the_fin() {
    let mut r = established();
    play(
        &mut r,
        &[
            ('>', "FA", 101, 501, 0, Est, "FIN_WAIT 120 A"),
            ('<', "FA", 501, 102, 0, Est, "LAST_ACK 30 A"),
            ('>', "S", 80_000, 0, 0, Est, "LAST_ACK 30 A"),
            ('<', "A", 502, 102, 0, Est, "LAST_ACK 30 A"),
            ('>', "A", 102, 502, 0, Est, "TIME_WAIT 120 A"),
        ],
    );
}

#[test]
fn crossing_syns_open_one_connection() {
    play(
        &mut Router::new(),
        &[
            ('>', "S", 100, 0, 0, New, "SYN_SENT 120"),
            ('<', "S", 500, 0, 0, Est, "SYN_SENT2 120"),
            ('>', "SA", 100, 501, 0, Est, "SYN_RECV 60"),
            ('<', "SA", 500, 101, 0, Est, "SYN_RECV 60"),
            ('<', "A", 501, 101, 0, Est, "ESTABLISHED 432000 A"),
        ],
    );
}

#[test]
fn unanswered_retransmissions_shorten_the_life() {
    let mut r = established();
    for _ in 0..4 {
        r.forward(tcp(C, S, "PA", 101, 501, 10)).unwrap();
    }
    assert_eq!(entry_of(&r), "ESTABLISHED 300 A");
    r.ct.settings.timeouts.tcp.max_retrans = 200;
    r.forward(tcp(C, S, "PA", 101, 501, 10)).unwrap();
    assert_eq!(entry_of(&r), "ESTABLISHED 200 A");
}

#[test]
fn a_long_transfer_is_never_refused() {
    let mut r = established();
    let (mut seq, total) = (501, 400_000);
    while seq < 501 + total {
        for _ in 0..10 {
            assert_eq!(r.state(tcp(S, C, "A", seq, 101, 1_448)), Est);
            seq += 1_448;
        }
        assert_eq!(r.state(tcp(C, S, "A", 101, seq, 0)), Est);
    }
    let ProtoState::Tcp(track) = &r.ct.iter().next().unwrap().1.proto else { panic!() };
    assert_eq!(track.state(), TcpState::Established);
    assert_eq!(r.ct.stats().invalid, 0);
}
