//! UDP and ICMP echo.

use super::*;
use crate::packet::{Payload, Udp};

fn datagram(from: SocketAddr, to: SocketAddr) -> IpPacket {
    let udp = Udp { sport: from.port(), dport: to.port(), payload: b"hello"[..].into() };
    IpPacket::new(from.ip(), to.ip(), Transport::Udp(udp))
}

fn connected(host: &mut Host) -> (SockId, IpPacket) {
    let id = host.udp("0.0.0.0", 0).unwrap();
    host.sockets.udp_connect(id, ip(A), at(B, 53)).unwrap();
    let sent = host.sockets.udp_datagram(id, ip(A), at(B, 53), 1500, Payload::Empty).unwrap();
    (id, sent)
}

#[test]
fn an_exact_address_beats_the_wildcard_and_a_connected_socket_beats_both() {
    let mut host = Host::new(1);
    let any = host.udp("0.0.0.0", 53).unwrap();
    assert_eq!(host.udp(A, 53), Err(Errno::EADDRINUSE));
    host.sockets.close(any, SimTime::ZERO);

    let one = host.udp(A, 53).unwrap();
    let other = host.udp(B, 53).unwrap();
    assert_eq!(host.input(&datagram(at("10.0.0.1", 9), at(A, 53))), Input::Delivered(one));
    assert_eq!(host.input(&datagram(at("10.0.0.1", 9), at(B, 53))), Input::Delivered(other));
    host.sockets.udp_connect(one, ip(A), at("10.0.0.1", 9)).unwrap();
    assert_eq!(host.input(&datagram(at("10.0.0.1", 9), at(A, 53))), Input::Delivered(one));
    assert_eq!(host.input(&datagram(at("10.0.0.2", 9), at(A, 53))), Input::Refused);
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_unless_told_not_to() {
    let mut host = Host::new(1);
    let id = host.udp("::", 53).unwrap();
    assert_eq!(host.input(&datagram(at(B, 9), at(A, 53))), Input::Delivered(id));
    host.sockets.set_options(id, SockOptions { v6only: true, ..SockOptions::default() }).unwrap();
    assert_eq!(host.input(&datagram(at(B, 9), at(A, 53))), Input::Refused);
}

#[test]
fn what_was_received_says_from_where_to_where_and_with_which_ttl() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 53).unwrap();
    let mut packet = datagram(at(B, 9), at(A, 53));
    packet.ttl = 62;
    host.input(&packet);
    let got = host.sockets.recv(id).unwrap().unwrap();
    assert_eq!((got.from, got.to, got.ttl, got.bytes()), (at(B, 9), ip(A), 62, &b"hello"[..]));
    assert_eq!(host.sockets.recv(id), Ok(None));
}

#[test]
fn a_socket_is_announced_once_however_much_arrives() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 53).unwrap();
    host.input(&datagram(at(B, 9), at(A, 53)));
    host.input(&datagram(at(B, 9), at(A, 53)));
    assert_eq!(host.sockets.pop_ready(), Some(id));
    assert_eq!(host.sockets.pop_ready(), None);
    host.input(&datagram(at(B, 9), at(A, 53)));
    assert_eq!(host.sockets.pop_ready(), Some(id));
}

/// 212,992 bytes of receive buffer at 768 bytes for each small datagram.
#[test]
fn the_queue_is_bounded_as_the_kernel_bounds_it() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 53).unwrap();
    let packet = datagram(at(B, 9), at(A, 53));
    let taken = (0..1000).take_while(|_| host.input(&packet) == Input::Delivered(id)).count();
    assert_eq!(taken, 277);
    assert_eq!(host.input(&packet), Input::Dropped { socket: Some(id), reason: DropReason::SocketQueueFull });
    host.sockets.recv(id).unwrap();
    assert_eq!(host.input(&packet), Input::Delivered(id));
}

#[test]
fn ephemeral_ports_are_drawn_from_the_range_and_do_not_repeat() {
    let mut host = Host::new(1);
    let ports: std::collections::BTreeSet<u16> = (0..2000)
        .map(|_| host.udp("0.0.0.0", 0).unwrap())
        .collect::<Vec<_>>()
        .into_iter()
        .map(|id| host.sockets.local_addr(id).unwrap().port())
        .collect();
    assert_eq!(ports.len(), 2000);
    assert!(ports.iter().all(|p| (32768..=60999).contains(p)));
}

#[test]
fn a_connected_socket_learns_of_hard_errors_only() {
    let mut host = Host::new(1);
    let (id, sent) = connected(&mut host);
    assert_eq!(
        host.sockets.icmp_error(&icmp_about(&sent, IcmpError::HostUnreachable, B), host.now),
        Some(id)
    );
    assert_eq!(host.sockets.recv(id), Ok(None));
    host.sockets.icmp_error(&icmp_about(&sent, IcmpError::PortUnreachable, B), host.now);
    assert_eq!(host.sockets.pop_ready(), Some(id));
    assert_eq!(host.sockets.recv(id), Err(Errno::ECONNREFUSED));
    assert_eq!(host.sockets.recv(id), Ok(None));
}

#[test]
fn an_unconnected_socket_learns_of_errors_only_with_recverr() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 4000).unwrap();
    let sent = host.sockets.udp_datagram(id, ip(A), at(B, 53), 1500, Payload::Empty).unwrap();
    host.sockets.icmp_error(&icmp_about(&sent, IcmpError::PortUnreachable, B), host.now);
    assert_eq!(host.sockets.recv(id), Ok(None));
    let options = SockOptions { recverr: true, ..SockOptions::default() };
    host.sockets.set_options(id, options).unwrap();
    host.sockets.icmp_error(&icmp_about(&sent, IcmpError::TtlExceeded, "10.0.0.12"), host.now);
    let queued = host.sockets.pop_queued_error(id).unwrap();
    assert_eq!(queued.errno, Errno::EHOSTUNREACH);
    assert_eq!(queued.origin, ErrorOrigin::Icmp { error: IcmpError::TtlExceeded, from: ip("10.0.0.12") });
    assert_eq!(queued.destination, at(B, 53));
    assert_eq!(host.sockets.take_error(id), None, "reading the queue clears the pending error");
}

/// As recorded in `mtu.json`: the first datagram fails by ICMP, the second at once and locally.
#[test]
fn a_datagram_too_big_for_the_path_is_refused_with_the_mtu() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 4000).unwrap();
    let options = SockOptions { recverr: true, pmtu: PmtuDiscovery::Do, ..SockOptions::default() };
    host.sockets.set_options(id, options).unwrap();
    let payload = Payload::from(vec![0; 1472]);
    let sent = host.sockets.udp_datagram(id, ip(A), at(B, 53), 1500, payload.clone()).unwrap();
    assert!(sent.df);
    let needed = IcmpError::FragmentationNeeded { mtu: 1450 };
    host.sockets.icmp_error(&icmp_about(&sent, needed, "10.244.1.1"), host.now);
    let queued = host.sockets.pop_queued_error(id).unwrap();
    assert_eq!((queued.errno, queued.mtu), (Errno::EMSGSIZE, Some(1450)));

    assert_eq!(host.sockets.udp_datagram(id, ip(A), at(B, 53), 1450, payload), Err(Errno::EMSGSIZE));
    let queued = host.sockets.pop_queued_error(id).unwrap();
    assert_eq!((queued.origin, queued.mtu), (ErrorOrigin::Local, Some(1450)));
}

#[test]
fn by_default_only_a_datagram_that_fits_forbids_fragments() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 4000).unwrap();
    let mut df = |size| {
        let payload = Payload::from(vec![0; size]);
        host.sockets.udp_datagram(id, ip(A), at(B, 53), 1500, payload).unwrap().df
    };
    assert!(df(1472));
    assert!(!df(1473));
}

#[test]
fn ping_sees_its_own_replies_and_the_errors_about_its_requests() {
    let mut host = Host::new(1);
    let id = host.sockets.icmp_open(Some(7), &mut host.dice, 0).unwrap();
    let request = host.sockets.icmp_echo(id, ip(A), ip(B), 1500, 1, b"ping"[..].into()).unwrap();
    let reply = |id| {
        let echo = Icmp::EchoReply { id, seq: 1, payload: b"ping"[..].into() };
        IpPacket::new(ip(B), ip(A), Transport::Icmp(echo))
    };
    let nobody = Input::Dropped { socket: None, reason: DropReason::NoSocket };
    assert_eq!(host.input(&reply(8)), nobody);
    assert_eq!(host.input(&reply(7)), Input::Delivered(id));
    let got = host.sockets.recv(id).unwrap().unwrap();
    assert_eq!((got.from.ip(), got.bytes()), (ip(B), &b"ping"[..]));

    let mut error = icmp_about(&request, IcmpError::HostUnreachable, "10.0.0.12");
    error.ttl = 63;
    assert_eq!(host.sockets.icmp_error(&error, host.now), Some(id));
    let got = host.sockets.recv(id).unwrap().unwrap();
    assert_eq!((got.from.ip(), got.ttl), (ip("10.0.0.12"), 63));
    assert!(matches!(got.body, ReceivedBody::Icmp(Icmp::Error { error: IcmpError::HostUnreachable, .. })));
}

#[test]
fn a_closed_socket_is_gone_and_its_id_stays_unused() {
    let mut host = Host::new(1);
    let id = host.udp("0.0.0.0", 53).unwrap();
    host.input(&datagram(at(B, 9), at(A, 53)));
    host.sockets.close(id, SimTime::ZERO);
    assert_eq!(host.sockets.pop_ready(), None);
    assert_eq!(host.input(&datagram(at(B, 9), at(A, 53))), Input::Refused);
    assert_ne!(host.udp("0.0.0.0", 53), Ok(id));
}
