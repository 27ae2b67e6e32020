//! TCP: handshakes, data, endings, errors.

use std::time::Duration;

use super::pair::{CLIENT, Faults, Pair, SERVER};
use super::*;
use crate::packet::{Payload, Tcp, TcpFlags, TcpOptions};

const SECOND: Duration = Duration::from_secs(1);

fn segment(from: SocketAddr, to: SocketAddr, flags: TcpFlags) -> IpPacket {
    let tcp = Tcp {
        sport: from.port(),
        dport: to.port(),
        seq: 1000,
        ack: 77,
        flags,
        window: 1024,
        options: TcpOptions::default(),
        payload: Payload::Empty,
    };
    IpPacket::new(from.ip(), to.ip(), Transport::Tcp(tcp))
}

/// Seconds at which segments leave a host until nothing more is due.
fn departures(host: &mut Host) -> Vec<u64> {
    let mut times = vec![];
    while let Some(at) = host.sockets.next_timer() {
        host.now = at;
        host.sockets.on_timer(at);
        times.extend(host.output().iter().map(|_| at.0 / 1_000_000_000));
    }
    times
}

#[test]
fn a_connection_opens_carries_data_and_closes() {
    let mut pair = Pair::new(1);
    let listener = pair.hosts[SERVER].listen("0.0.0.0", 80, 8);
    let client = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:S s:SA c:A");
    assert_eq!(pair.sockets(CLIENT).pop_ready(), Some(client));
    assert_eq!(pair.sockets(SERVER).pop_ready(), Some(listener));
    let server = pair.sockets(SERVER).tcp_accept(listener).unwrap();

    let now = pair.now;
    assert_eq!(pair.sockets(CLIENT).tcp_send(client, b"GET / HTTP/1.1\r\n\r\n", now), Ok(18));
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:PA18 s:A");
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::Data(b"GET / HTTP/1.1\r\n\r\n".to_vec())));
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::WouldBlock));

    let now = pair.now;
    pair.sockets(CLIENT).close(client, now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:FA s:A");
    assert_eq!(pair.state(CLIENT, client), Some(TcpState::FinWait2));
    assert_eq!(pair.state(SERVER, server), Some(TcpState::CloseWait));
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::Eof));
    let now = pair.now;
    pair.sockets(SERVER).close(server, now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "s:FA c:A");
    assert_eq!(pair.state(SERVER, server), None);
    assert_eq!(pair.state(CLIENT, client), Some(TcpState::TimeWait));
    pair.run_for(60 * SECOND);
    assert_eq!(pair.state(CLIENT, client), None);
    assert_eq!(pair.sockets(CLIENT).next_timer(), None);
}

#[test]
fn data_is_cut_by_the_smaller_mss_and_only_the_last_segment_pushes() {
    let (mut pair, client, _) = Pair::connected(1);
    pair.sockets(CLIENT).tcp_send(client, &[7; 3000], SimTime::ZERO).unwrap();
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:A1448 c:A1448 c:PA104 s:A s:A s:A");
}

#[test]
fn a_peer_that_names_no_mss_gets_536() {
    let mut host = Host::new(1);
    let listener = host.listen(B, 80, 8);
    host.input(&segment(at(A, 4000), at(B, 80), TcpFlags::SYN));
    let Transport::Tcp(answer) = host.output().remove(0).body else { panic!("no segment") };
    let mut ack = segment(at(A, 4000), at(B, 80), TcpFlags::ACK);
    if let Transport::Tcp(t) = &mut ack.body {
        (t.seq, t.ack, t.window) = (1001, answer.seq.wrapping_add(1), 65535);
    }
    host.input(&ack);
    let server = host.sockets.tcp_accept(listener).unwrap();
    host.sockets.tcp_send(server, &[0; 600], host.now).unwrap();
    assert_eq!(host.sent(), ["A536", "PA64"]);
}

#[test]
fn nobody_on_the_port_answers_with_a_reset() {
    let mut pair = Pair::new(1);
    let client = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:S s:RA");
    assert_eq!(pair.state(CLIENT, client), Some(TcpState::Closed));
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Err(Errno::ECONNREFUSED));
    let now = pair.now;
    pair.sockets(CLIENT).close(client, now);
    assert!(pair.sockets(CLIENT).is_empty());
}

#[test]
fn a_reset_for_nobody_takes_its_numbers_from_the_segment() {
    let mut host = Host::new(1);
    let reset = |host: &mut Host, flags| {
        assert_eq!(host.input(&segment(at(A, 4000), at(B, 80), flags)), Input::Refused);
        let Transport::Tcp(t) = host.output().remove(0).body else { panic!("no segment") };
        (t.seq, t.ack, t.flags)
    };
    assert_eq!(reset(&mut host, TcpFlags::SYN), (0, 1001, TcpFlags::RST.with(TcpFlags::ACK)));
    assert_eq!(reset(&mut host, TcpFlags::ACK), (77, 0, TcpFlags::RST));
    let nobody = Input::Dropped { socket: None, reason: DropReason::NoSocket };
    assert_eq!(host.input(&segment(at(A, 4000), at(B, 80), TcpFlags::RST)), nobody);
}

/// `tcp_syn_retries` 6 after `tcp_syn_linear_timeouts` 4: the last SYN after 67 s, the end after 131 s (ip-sysctl).
#[test]
fn syns_are_repeated_as_linux_repeats_them_then_time_out() {
    let mut host = Host::new(1);
    let id = host.connect(at(A, 0), at(B, 80));
    host.output();
    assert_eq!(departures(&mut host), [1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
    assert_eq!(host.now, SimTime::from_secs(131));
    assert_eq!(host.sockets.take_error(id).map(|e| e.errno), Some(Errno::ETIMEDOUT));
}

#[test]
fn without_linear_timeouts_the_wait_doubles_from_the_start() {
    let mut host = Host::new(1);
    host.sockets.set_tcp_settings(TcpSettings { syn_linear_timeouts: 0, ..TcpSettings::default() });
    host.connect(at(A, 0), at(B, 80));
    host.output();
    assert_eq!(departures(&mut host), [1, 3, 7, 15, 31, 63]);
    assert_eq!(host.now, SimTime::from_secs(127));
}

#[test]
fn a_listener_repeats_its_syn_ack_five_times_and_forgets() {
    let mut host = Host::new(1);
    host.listen(B, 80, 8);
    host.input(&segment(at(A, 4000), at(B, 80), TcpFlags::SYN));
    assert_eq!(host.sent(), ["SA"]);
    assert_eq!(departures(&mut host), [1, 3, 7, 15, 31]);
    assert_eq!((host.now, host.sockets.len()), (SimTime::from_secs(63), 1));
}

#[test]
fn data_without_answer_is_given_up_after_fifteen_repetitions() {
    let (mut pair, client, _) = Pair::connected(1);
    pair.faults.loss = 100;
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, b"hello", now).unwrap();
    pair.run_for(2000 * SECOND);
    assert_eq!(pair.story().matches("c:PA5").count(), 16);
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Err(Errno::ETIMEDOUT));
}

#[test]
fn icmp_errors_abort_connecting_at_once_with_their_errno() {
    for (error, errno) in [
        (IcmpError::NetUnreachable, Errno::ENETUNREACH),
        (IcmpError::HostUnreachable, Errno::EHOSTUNREACH),
        (IcmpError::PortUnreachable, Errno::ECONNREFUSED),
        (IcmpError::AdminProhibited, Errno::EHOSTUNREACH),
        (IcmpError::TtlExceeded, Errno::EHOSTUNREACH),
    ] {
        let mut host = Host::new(1);
        let id = host.connect(at(A, 0), at(B, 80));
        let syn = host.output().remove(0);
        assert_eq!(host.sockets.icmp_error(&icmp_about(&syn, error, "10.0.0.1"), host.now), Some(id));
        let got = host.sockets.take_error(id).unwrap();
        assert_eq!((got.errno, got.icmp), (errno, Some((error, ip("10.0.0.1")))));
        assert_eq!(host.sockets.tcp_state(id), Some(TcpState::Closed));
        assert_eq!(host.sockets.next_timer(), None);
    }
}

#[test]
fn icmp_errors_are_soft_once_connected_and_explain_the_timeout() {
    let (mut pair, client, _) = Pair::connected(1);
    pair.faults.loss = 100;
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, b"hello", now).unwrap();
    let sent = pair.sockets(CLIENT).pop_output().unwrap().1;
    pair.sockets(CLIENT).icmp_error(&icmp_about(&sent, IcmpError::HostUnreachable, "10.0.0.1"), now);
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Ok(TcpRead::WouldBlock));
    pair.run_for(2000 * SECOND);
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Err(Errno::EHOSTUNREACH));
}

#[test]
fn fragmentation_needed_lowers_the_segment_size_and_repeats_what_is_out() {
    let (mut pair, client, server) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, &[1; 2000], now).unwrap();
    let big = pair.sockets(CLIENT).pop_output().unwrap().1;
    assert!(big.df);
    pair.sockets(CLIENT).pop_output();
    let needed = IcmpError::FragmentationNeeded { mtu: 1450 };
    pair.sockets(CLIENT).icmp_error(&icmp_about(&big, needed, "10.244.1.1"), now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:A1398 c:PA602 s:A s:A");
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::Data(vec![1; 2000])));
}

#[test]
fn a_full_accept_queue_ignores_syns() {
    let mut pair = Pair::new(1);
    let listener = pair.hosts[SERVER].listen(B, 80, 1);
    for _ in 0..2 {
        pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    }
    pair.run_for(Duration::from_millis(100));
    pair.log.clear();
    let third = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    pair.run_for(Duration::from_millis(500));
    assert_eq!(pair.story(), "c:S");
    pair.sockets(SERVER).tcp_accept(listener).unwrap();
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:S s:SA c:A");
    assert_eq!(pair.state(CLIENT, third), Some(TcpState::Established));
}

#[test]
fn closing_with_unread_data_resets() {
    let (mut pair, client, server) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, b"hello", now).unwrap();
    pair.run_for(SECOND);
    let now = pair.now;
    pair.sockets(SERVER).close(server, now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:PA5 s:A s:RA");
    assert_eq!(pair.state(SERVER, server), None);
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Err(Errno::ECONNRESET));
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Ok(TcpRead::Eof));
}

#[test]
fn data_for_an_application_that_has_gone_is_answered_with_a_reset() {
    let (mut pair, client, server) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(SERVER).close(server, now);
    pair.run_for(SECOND);
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, b"hello", now).unwrap();
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "s:FA c:A c:PA5 s:R");
    assert_eq!(pair.sockets(CLIENT).tcp_send(client, b"more", now), Err(Errno::EPIPE));
}

#[test]
fn half_closed_the_other_side_may_go_on_talking() {
    let (mut pair, client, server) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(CLIENT).tcp_shutdown(client, now).unwrap();
    assert_eq!(pair.sockets(CLIENT).tcp_send(client, b"x", now), Err(Errno::EPIPE));
    pair.run_for(SECOND);
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::Eof));
    let now = pair.now;
    pair.sockets(SERVER).tcp_send(server, b"late news", now).unwrap();
    pair.sockets(SERVER).close(server, now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:FA s:A s:PA9 s:FA c:A c:A");
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Ok(TcpRead::Data(b"late news".to_vec())));
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Ok(TcpRead::Eof));
    assert_eq!(pair.state(CLIENT, client), Some(TcpState::TimeWait));
}

#[test]
fn both_may_open_and_close_at_the_same_time() {
    let mut pair = Pair::new(1);
    let a = pair.hosts[CLIENT].connect(at(A, 4000), at(B, 5000));
    let b = pair.hosts[SERVER].connect(at(B, 5000), at(A, 4000));
    pair.run_for(SECOND);
    assert_eq!(pair.state(CLIENT, a), Some(TcpState::Established));
    assert_eq!(pair.state(SERVER, b), Some(TcpState::Established));
    pair.log.clear();
    let now = pair.now;
    pair.sockets(CLIENT).close(a, now);
    pair.sockets(SERVER).close(b, now);
    pair.run_for(SECOND);
    assert_eq!(pair.story(), "c:FA s:FA c:A s:A");
    assert_eq!(pair.state(CLIENT, a), Some(TcpState::TimeWait));
    assert_eq!(pair.state(SERVER, b), Some(TcpState::TimeWait));
}

#[test]
fn only_the_exact_reset_is_believed() {
    let (mut pair, client, _) = Pair::connected(1);
    let local = pair.sockets(CLIENT).local_addr(client).unwrap();
    let stray = segment(at(B, 80), local, TcpFlags::RST);
    pair.hosts[CLIENT].input(&stray);
    assert_eq!(pair.state(CLIENT, client), Some(TcpState::Established));
}

#[test]
fn closing_a_listener_resets_who_waits() {
    let mut pair = Pair::new(1);
    let listener = pair.hosts[SERVER].listen(B, 80, 8);
    let client = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
    pair.run_for(SECOND);
    let now = pair.now;
    pair.sockets(SERVER).close(listener, now);
    pair.run_for(SECOND);
    assert_eq!(pair.sockets(CLIENT).tcp_recv(client), Err(Errno::ECONNRESET));
    assert!(pair.sockets(SERVER).is_empty());
}

#[test]
fn a_new_connection_may_follow_one_in_time_wait() {
    let (mut pair, client, server) = Pair::connected(1);
    let from = pair.sockets(CLIENT).local_addr(client).unwrap();
    let now = pair.now;
    pair.sockets(SERVER).close(server, now);
    pair.run_for(SECOND);
    let now = pair.now;
    pair.sockets(CLIENT).close(client, now);
    pair.run_for(SECOND);
    assert_eq!(pair.state(SERVER, server), Some(TcpState::TimeWait));
    let again = pair.hosts[CLIENT].connect(from, at(B, 80));
    pair.run_for(SECOND);
    assert_eq!(pair.state(CLIENT, again), Some(TcpState::Established));
    assert_eq!(pair.state(SERVER, server), None);
}

#[test]
fn a_lost_segment_among_many_is_repeated_before_its_timeout() {
    let (mut pair, client, server) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(CLIENT).tcp_send(client, &[3; 14600], now).unwrap();
    pair.sockets(CLIENT).pop_output();
    pair.run_for(Duration::from_millis(50));
    assert_eq!(pair.sockets(SERVER).tcp_recv(server), Ok(TcpRead::Data(vec![3; 14600])));
}

#[test]
fn the_snapshot_tells_states_and_queues() {
    let mut pair = Pair::new(1);
    let listener = pair.hosts[SERVER].listen("0.0.0.0", 80, 8);
    pair.hosts[CLIENT].connect(at(A, 4000), at(B, 80));
    pair.run_for(SECOND);
    let waiting = pair.sockets(SERVER).listening().next().unwrap();
    assert_eq!((waiting.id, waiting.recv_q, waiting.send_q), (listener, 1, 8));
    let open = pair.sockets(SERVER).connections().next().unwrap();
    assert_eq!((open.state, open.local, open.remote), (TcpState::Established, at(B, 80), Some(at(A, 4000))));
}

#[test]
fn an_orphan_does_not_wait_for_its_peer_for_ever() {
    let (mut pair, client, _) = Pair::connected(1);
    let now = pair.now;
    pair.sockets(CLIENT).close(client, now);
    pair.run_for(61 * SECOND);
    assert_eq!(pair.state(CLIENT, client), None);
    let (mut pair, client, _) = Pair::connected(1);
    pair.faults = Faults { loss: 100, ..Faults::default() };
    let now = pair.now;
    pair.sockets(CLIENT).close(client, now);
    pair.run_for(200 * SECOND);
    assert_eq!(pair.state(CLIENT, client), None);
}

fn segments(packets: &[IpPacket]) -> Vec<(usize, TcpOptions, u16)> {
    let of = |p: &IpPacket| match &p.body {
        Transport::Tcp(t) => Some((p.len(), t.options, t.window)),
        _ => None,
    };
    packets.iter().filter_map(of).collect()
}

/// As tcpdump shows them on a link with an MTU of 1500.
#[test]
fn every_segment_carries_the_options_that_linux_sends() {
    let (mut client, mut server) = (Host::new(1), Host::new(2));
    server.now = SimTime(5_000_000);
    let listener = server.listen(B, 80, 8);
    let sock = client.connect(at(A, 4000), at(B, 80));
    let syn = client.output();
    let (length, options, window) = segments(&syn)[0];
    assert_eq!((length, options.mss, options.window_scale, window), (60, Some(1460), Some(10), 64_240));
    assert!(options.sack_permitted && options.timestamps.is_some_and(|(_, echo)| echo == 0));
    server.input(&syn[0]);
    let answer = server.output();
    let (length, theirs, window) = segments(&answer)[0];
    assert_eq!((length, window), (60, 65_160));
    assert_eq!(theirs.timestamps.map(|t| t.1), options.timestamps.map(|t| t.0));
    client.input(&answer[0]);
    let ack = client.output();
    let (length, options, window) = segments(&ack)[0];
    assert_eq!((length, window, options.mss, options.window_scale), (52, 63, None, None));
    assert_eq!(options.timestamps.map(|t| t.1), theirs.timestamps.map(|t| t.0));
    server.input(&ack[0]);
    let conn = server.sockets.tcp_accept(listener).unwrap();
    server.sockets.tcp_send(conn, b"web-2\n", server.now).unwrap();
    let data = server.output();
    assert_eq!((segments(&data)[0].0, segments(&data)[0].2), (58, 64));
    assert_eq!(client.sockets.tcp_state(sock), Some(TcpState::Established));
}

#[test]
fn what_is_switched_off_is_not_offered() {
    let mut host = Host::new(1);
    let plain =
        TcpSettings { timestamps: false, sack: false, window_scaling: false, ..TcpSettings::default() };
    host.sockets.set_tcp_settings(plain);
    host.connect(at(A, 4000), at(B, 80));
    assert_eq!(segments(&host.output())[0].0, 44);
}

#[test]
fn data_after_a_gap_is_acknowledged_selectively() {
    let (mut pair, client, _) = Pair::connected(1);
    pair.sockets(CLIENT).tcp_send(client, &[7; 3000], SimTime::ZERO).unwrap();
    let sent = pair.hosts[CLIENT].output();
    pair.hosts[SERVER].input(&sent[1]);
    let told = segments(&pair.hosts[SERVER].output())[0];
    let Transport::Tcp(second) = &sent[1].body else { panic!("no segment") };
    assert_eq!(told.0, 64);
    assert_eq!(told.1.sack[0], Some((second.seq, second.seq.wrapping_add(1448))));
}
