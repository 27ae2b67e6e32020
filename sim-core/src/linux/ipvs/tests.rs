use std::net::SocketAddr;
use std::time::Duration;

use super::packet::{Arriving, Incoming};
use super::*;
use crate::packet::{IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport, Udp, proto};
use crate::time::SimTime;

const VIP: &str = "10.96.0.10:80";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key(protocol: u8) -> ServiceKey {
    ServiceKey { protocol, at: at(VIP) }
}

fn seconds(s: u64) -> SimTime {
    SimTime::ZERO + Duration::from_secs(s)
}

/// A virtual server with these servers, in the order in which they are added, and their weights.
fn ipvs(protocol: u8, scheduler: Scheduler, servers: &[(&str, u32)]) -> Ipvs {
    let mut ipvs = Ipvs::default();
    let spec = ServiceSpec { key: key(protocol), scheduler, flags: SchedFlags::default(), persistence: None };
    ipvs.add_service(spec, SimTime::ZERO).unwrap();
    for (server, weight) in servers {
        ipvs.add_dest(&spec.key, DestSpec::new(at(server), *weight), SimTime::ZERO).unwrap();
    }
    ipvs
}

fn tcp(from: &str, to: &str, flags: TcpFlags) -> IpPacket {
    let (from, to) = (at(from), at(to));
    let segment = Tcp {
        sport: from.port(),
        dport: to.port(),
        seq: 0,
        ack: 0,
        flags,
        window: 1000,
        options: TcpOptions::default(),
        payload: Payload::Empty,
    };
    IpPacket::new(from.ip(), to.ip(), Transport::Tcp(segment))
}

fn udp(from: &str) -> IpPacket {
    let (from, to) = (at(from), at(VIP));
    let body = Udp { sport: from.port(), dport: to.port(), payload: Payload::Empty };
    IpPacket::new(from.ip(), to.ip(), Transport::Udp(body))
}

fn send(ipvs: &mut Ipvs, packet: &IpPacket, now: SimTime) -> Option<SocketAddr> {
    ipvs.expire(now);
    match ipvs.incoming(&Arriving { packet, local: false, confirmed: false, now }).0 {
        Incoming::Send(way) => Some(way.real),
        _ => None,
    }
}

/// Where connections of these clients go.
fn chosen(ipvs: &mut Ipvs, clients: impl Iterator<Item = String>) -> String {
    let one = |c: String| match send(ipvs, &tcp(&c, VIP, TcpFlags::SYN), SimTime::ZERO) {
        Some(real) => real.ip().to_string().rsplit('.').next().unwrap().to_owned(),
        None => "-".to_owned(),
    };
    clients.map(one).collect::<Vec<_>>().join(" ")
}

fn ports(n: u16) -> impl Iterator<Item = String> {
    (0..n).map(|i| format!("10.0.0.9:{}", 4000 + i))
}

fn hosts(n: u16) -> impl Iterator<Item = String> {
    (0..n).map(|i| format!("10.0.0.{}:4000", 1 + i))
}

#[test]
fn each_scheduler_chooses_as_the_kernel_does() {
    let three: &[(&str, u32)] = &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1), ("10.1.0.3:80", 2)];
    let of = |scheduler, clients: &mut dyn Iterator<Item = String>| {
        chosen(&mut ipvs(proto::TCP, scheduler, three), clients)
    };
    // The server that was added last is the first of the list.
    assert_eq!(of(Scheduler::Rr, &mut ports(7)), "3 2 1 3 2 1 3");
    // Weights begin to count when the first round is over: the server with the greater one came last.
    assert_eq!(of(Scheduler::Wrr, &mut ports(8)), "3 2 1 3 3 2 1 3");
    assert_eq!(of(Scheduler::Lc, &mut ports(4)), "3 2 1 3");
    assert_eq!(of(Scheduler::Wlc, &mut ports(4)), "3 2 1 3");
    assert_eq!(of(Scheduler::Sed, &mut ports(5)), "3 3 2 1 3");
    assert_eq!(of(Scheduler::Nq, &mut ports(5)), "3 2 1 3 3");
    assert_eq!(of(Scheduler::Fo, &mut ports(3)), "3 3 3");
    assert_eq!(of(Scheduler::Ovf, &mut ports(8)), "3 3 3 2 2 1 1 -");
    assert_eq!(of(Scheduler::Lblc, &mut ports(3)), "3 3 3");
    assert_eq!(of(Scheduler::Dh, &mut ports(3)).split(' ').collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn hashing_keeps_a_client_and_spreads_clients() {
    let servers = [("10.1.0.1:80", 1), ("10.1.0.2:80", 1)];
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        let mut ipvs = ipvs(proto::TCP, scheduler, &servers);
        let first = chosen(&mut ipvs, hosts(40));
        assert!(first.contains('1') && first.contains('2'), "{first}");
        assert_eq!(first, chosen(&mut ipvs, hosts(40)));
    }
}

#[test]
fn a_server_of_weight_0_takes_no_new_connection_and_keeps_its_own() {
    let mut ipvs = ipvs(proto::TCP, Scheduler::Rr, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)]);
    let mine = "10.0.0.9:4000";
    assert_eq!(send(&mut ipvs, &tcp(mine, VIP, TcpFlags::SYN), SimTime::ZERO), Some(at("10.1.0.2:80")));
    ipvs.edit_dest(&key(proto::TCP), DestSpec::new(at("10.1.0.2:80"), 0)).unwrap();
    assert_eq!(chosen(&mut ipvs, ports(4).skip(1)), "1 1 1");
    assert_eq!(send(&mut ipvs, &tcp(mine, VIP, TcpFlags::ACK), SimTime::ZERO), Some(at("10.1.0.2:80")));
    ipvs.del_dest(&key(proto::TCP), at("10.1.0.2:80")).unwrap();
    assert_eq!(send(&mut ipvs, &tcp(mine, VIP, TcpFlags::ACK), SimTime::ZERO), None);
    // It comes back: the connection remembers it.
    ipvs.add_dest(&key(proto::TCP), DestSpec::new(at("10.1.0.2:80"), 1), SimTime::ZERO).unwrap();
    assert_eq!(send(&mut ipvs, &tcp(mine, VIP, TcpFlags::ACK), SimTime::ZERO), Some(at("10.1.0.2:80")));
}

#[test]
fn a_connection_is_counted_while_it_lives() {
    let mut ipvs = ipvs(proto::TCP, Scheduler::Rr, &[("10.1.0.1:80", 1)]);
    let client = "10.0.0.9:4000";
    let mut counts = Vec::new();
    let mut look = |ipvs: &Ipvs| {
        let dest = ipvs.dest(&key(proto::TCP), at("10.1.0.1:80")).unwrap();
        let state = ipvs.conns().next().map(|c| c.state.name());
        counts.push((dest.active, dest.inactive, state));
    };
    look(&ipvs);
    send(&mut ipvs, &tcp(client, VIP, TcpFlags::SYN), seconds(0));
    look(&ipvs);
    ipvs.outgoing(&tcp("10.1.0.1:80", client, TcpFlags::SYN.with(TcpFlags::ACK)), seconds(0)).unwrap();
    send(&mut ipvs, &tcp(client, VIP, TcpFlags::ACK), seconds(0));
    look(&ipvs);
    send(&mut ipvs, &tcp(client, VIP, TcpFlags::FIN.with(TcpFlags::ACK)), seconds(1));
    look(&ipvs);
    ipvs.outgoing(&tcp("10.1.0.1:80", client, TcpFlags::FIN.with(TcpFlags::ACK)), seconds(1)).unwrap();
    look(&ipvs);
    ipvs.expire(seconds(120));
    look(&ipvs);
    ipvs.expire(seconds(121));
    look(&ipvs);
    assert_eq!(
        counts,
        [
            (0, 0, None),
            (1, 0, Some("SYN_RECV")),
            (1, 0, Some("ESTABLISHED")),
            (0, 1, Some("CLOSE_WAIT")),
            (0, 1, Some("TIME_WAIT")),
            (0, 1, Some("TIME_WAIT")),
            (0, 0, None),
        ]
    );
}

#[test]
fn a_client_keeps_its_server_for_its_time() {
    let mut ipvs = ipvs(proto::UDP, Scheduler::Rr, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)]);
    let persistence = Some(Persistence { seconds: 400, prefix: 24 });
    let spec = ServiceSpec {
        key: key(proto::UDP),
        scheduler: Scheduler::Rr,
        flags: SchedFlags::default(),
        persistence,
    };
    ipvs.edit_service(spec).unwrap();
    let first = send(&mut ipvs, &udp("10.0.0.9:4000"), seconds(0));
    assert_eq!(first, Some(at("10.1.0.2:80")));
    // Others of its network keep it too.
    assert_eq!(send(&mut ipvs, &udp("10.0.0.8:4001"), seconds(100)), first);
    assert_eq!(ipvs.dest(&spec.key, at("10.1.0.2:80")).unwrap().persistent, 1);
    let names: Vec<&str> = ipvs.conns().map(|c| c.state.name()).collect();
    assert_eq!(names, ["ASSURED", "UDP", "UDP"]);
    ipvs.expire(seconds(500));
    assert_eq!(ipvs.conns().count(), 0);
    assert_eq!(send(&mut ipvs, &udp("10.0.0.9:4000"), seconds(500)), Some(at("10.1.0.1:80")));
}

#[test]
fn limits_hold_connections_back() {
    let mut ipvs = ipvs(proto::TCP, Scheduler::Rr, &[("10.1.0.1:80", 1)]);
    let limited = DestSpec { at: at("10.1.0.1:80"), weight: 1, upper: 2, lower: 0 };
    ipvs.edit_dest(&key(proto::TCP), limited).unwrap();
    assert_eq!(chosen(&mut ipvs, ports(3)), "1 1 -");
    ipvs.expire(seconds(60));
    assert_eq!(chosen(&mut ipvs, ports(1)), "1");
    let wrong = DestSpec { lower: 3, ..limited };
    assert_eq!(ipvs.edit_dest(&key(proto::TCP), wrong), Err(IpvsError::Range));
}

#[test]
fn what_is_there_or_not_is_told() {
    let mut ipvs = ipvs(proto::TCP, Scheduler::Rr, &[("10.1.0.1:80", 1)]);
    let service = key(proto::TCP);
    let server = DestSpec::new(at("10.1.0.1:80"), 1);
    assert_eq!(ipvs.add_dest(&service, server, SimTime::ZERO), Err(IpvsError::Exists));
    assert_eq!(ipvs.add_dest(&key(proto::UDP), server, SimTime::ZERO), Err(IpvsError::NoService));
    assert_eq!(ipvs.del_dest(&service, at("10.1.0.9:80")), Err(IpvsError::NoDest));
    assert_eq!(ipvs.del_service(&key(proto::UDP)), Err(IpvsError::NoService));
    assert_eq!(
        ipvs.add_dest(&service, DestSpec::new(at("[fd00::1]:80"), 1), SimTime::ZERO),
        Err(IpvsError::Invalid)
    );
}
