//! Properties: a lossy link never corrupts a stream, and no segment upsets the state machine.

use std::time::Duration;

use proptest::prelude::*;

use super::pair::{CLIENT, Faults, Pair, SERVER};
use super::*;
use crate::packet::{Tcp, TcpFlags, TcpOptions};

/// Reads what is there; the error that ended the stream, if one did.
fn drain(sockets: &mut Sockets, id: SockId, into: &mut Vec<u8>, eof: &mut bool) -> Option<Errno> {
    loop {
        match sockets.tcp_recv(id) {
            Ok(TcpRead::Data(data)) => into.extend(data),
            Ok(TcpRead::WouldBlock) => return None,
            Ok(TcpRead::Eof) => {
                *eof = true;
                return None;
            }
            Err(errno) => return Some(errno),
        }
    }
}

/// Sends both texts over a bad link; what each side got, and the first error.
fn exchange(seed: u64, faults: Faults, texts: [&[u8]; 2]) -> ([Vec<u8>; 2], [bool; 2], Option<Errno>) {
    let mut pair = Pair::new(seed);
    pair.faults = faults;
    let listener = pair.hosts[SERVER].listen(B, 80, 8);
    let client = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    let mut ids = [Some(client), None];
    let mut sent = [false; 2];
    let (mut got, mut eof) = ([vec![], vec![]], [false; 2]);
    let end = pair.now + Duration::from_secs(20_000);
    while pair.step(end) {
        if ids[SERVER].is_none() {
            ids[SERVER] = pair.sockets(SERVER).tcp_accept(listener);
        }
        for side in [CLIENT, SERVER] {
            let Some(id) = ids[side] else { continue };
            let now = pair.now;
            let sockets = pair.sockets(side);
            if let Some(errno) = drain(sockets, id, &mut got[side], &mut eof[side]) {
                return (got, eof, Some(errno));
            }
            if !sent[side] && sockets.tcp_state(id).is_some_and(TcpState::may_send) {
                sent[side] = true;
                assert_eq!(sockets.tcp_send(id, texts[side], now), Ok(texts[side].len()));
                sockets.tcp_shutdown(id, now).unwrap();
            }
        }
        if eof == [true; 2] {
            break;
        }
    }
    (got, eof, None)
}

fn text(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_arrives_in_order_or_the_connection_fails(
        seed in 0..1_000_000u64,
        loss in prop_oneof![Just(0u32), 1..40u32, 40..95u32],
        jitter in prop_oneof![Just(0u32), 1..5000u32, 5000..3_000_000u32],
        twice in 0..30u32,
        lengths in (0..100_000usize, 0..5000usize),
    ) {
        let texts = [text(lengths.0, 1), text(lengths.1, 2)];
        let (got, eof, error) = exchange(seed, Faults { loss, jitter, twice }, [&texts[0], &texts[1]]);
        for side in [CLIENT, SERVER] {
            let wanted = &texts[1 - side];
            prop_assert!(wanted.starts_with(&got[side]), "a wrong byte");
            prop_assert!(!eof[side] || got[side].len() == wanted.len(), "the end came too early");
        }
        match error {
            // A peer that has given up answers with a reset.
            Some(errno) => prop_assert!(
                loss > 0 && matches!(errno, Errno::ETIMEDOUT | Errno::ECONNRESET | Errno::ECONNREFUSED)
            ),
            None => prop_assert!(eof == [true; 2] || loss > 0),
        }
    }

    #[test]
    fn no_segment_upsets_the_state_machine(
        seed in 0..1000u64,
        steps in proptest::collection::vec((0..12u8, any::<u8>(), -3..70_000i64, -3..3i64, 0..2000usize, any::<u16>()), 1..60),
    ) {
        let mut pair = Pair::new(seed);
        let listener = pair.hosts[SERVER].listen(B, 80, 2);
        let mut ids = vec![];
        let mut last = (0u32, 0u32);
        for (what, flags, seq_by, ack_by, length, window) in steps {
            let now = pair.now;
            match what {
                0 => ids.push(pair.hosts[CLIENT].connect(at(A, 0), at(B, 80))),
                1 => drop(pair.sockets(SERVER).tcp_accept(listener).map(|id| pair.sockets(SERVER).close(id, now))),
                2 => pair.run_for(Duration::from_millis(u64::from(window) * 20)),
                3 => {
                    for id in &ids {
                        let _ = pair.sockets(CLIENT).tcp_send(*id, &[1; 3000], now);
                    }
                }
                4 => ids.iter().for_each(|id| drop(pair.sockets(CLIENT).tcp_recv(*id))),
                5 => drop(ids.pop().map(|id| pair.sockets(CLIENT).close(id, now))),
                _ => {
                    let flow = pair.sockets(CLIENT).snapshot().last().map_or(4000, |s| s.local.port());
                    if let Some((_, packet)) = pair.sockets(CLIENT).pop_output()
                        && let Transport::Tcp(t) = &packet.body
                    {
                        last = (t.ack, t.seq.wrapping_add(1));
                    }
                    let segment = Tcp {
                        sport: 80,
                        dport: flow,
                        seq: last.0.wrapping_add_signed(seq_by as i32),
                        ack: last.1.wrapping_add_signed(ack_by as i32),
                        flags: TcpFlags(flags),
                        window,
                        options: TcpOptions { mss: (flags & 2 != 0).then_some(window), ..TcpOptions::default() },
                        payload: vec![9; length].into(),
                    };
                    pair.hosts[CLIENT].input(&IpPacket::new(ip(B), ip(A), Transport::Tcp(segment)));
                }
            }
        }
        // Left alone, everything comes to rest.
        for id in ids {
            let now = pair.now;
            pair.sockets(CLIENT).close(id, now);
        }
        let now = pair.now;
        pair.sockets(SERVER).close(listener, now);
        pair.run_for(Duration::from_secs(3000));
        prop_assert!(pair.sockets(CLIENT).is_empty());
        prop_assert_eq!(pair.sockets(CLIENT).next_timer(), None);
    }
}
