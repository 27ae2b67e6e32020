//! Two hosts with a bridge and a pod each, joined by a cable, and nothing but IPv6.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::linux::neigh::NudState;
use sim_core::linux::netfilter::RestoreOptions;
use sim_core::linux::route::{Route, RouteKind};
use sim_core::linux::socket::{PmtuDiscovery, ReceivedBody, SockOptions, TcpRead};
use sim_core::linux::{Errno, World};
use sim_core::packet::{Icmp, IcmpError, Payload, Transport};
use sim_core::time::SimTime;
use sim_core::trace::{Family, NsId, Step};

struct Lab {
    world: World,
    nodes: [NsId; 2],
    pods: [NsId; 2],
}

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn sock(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

fn lab() -> Lab {
    let mut world = World::new(1);
    let nodes = [world.add_netns("node1"), world.add_netns("node2")];
    let pods = [world.add_netns("pod-a"), world.add_netns("pod-b")];
    world.add_wire((nodes[0], "eth0"), (nodes[1], "eth0"), Duration::from_micros(100)).unwrap();
    for i in 0..2 {
        let (n, other) = (i + 1, 2 - i);
        world.add_veth((nodes[i], "v-pod"), (pods[i], "eth0")).unwrap();
        let node = world.ns_mut(nodes[i]);
        node.add_bridge("cni0", format!("0a:00:00:00:00:0{n}").parse().unwrap()).unwrap();
        node.set_master("v-pod", "cni0").unwrap();
        for dev in ["eth0", "cni0", "v-pod"] {
            node.link_set(dev, true).unwrap();
        }
        node.addr_add("eth0", format!("fd00::{n}/64").parse().unwrap()).unwrap();
        node.addr_add("cni0", format!("fd00:10:244:{n}::1/64").parse().unwrap()).unwrap();
        node.sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
        let eth0 = node.iface_id("eth0").unwrap();
        let to = format!("fd00:10:244:{other}::/64").parse().unwrap();
        node.route_add(Route::via(to, ip(&format!("fd00::{other}")), eth0)).unwrap();
        let pod = world.ns_mut(pods[i]);
        pod.link_set("eth0", true).unwrap();
        pod.addr_add("eth0", format!("fd00:10:244:{n}::a/64").parse().unwrap()).unwrap();
        let eth0 = pod.iface_id("eth0").unwrap();
        pod.route_add(Route::default_via(ip(&format!("fd00:10:244:{n}::1")), eth0)).unwrap();
    }
    Lab { world, nodes, pods }
}

fn until(world: &mut World, seconds: u64) {
    while world.run(SimTime::from_secs(seconds)) {
        while world.pop_ready().is_some() {}
    }
}

/// Pings and gives the answer, if one comes within four seconds.
fn ping(world: &mut World, from: NsId, to: &str, size: usize) -> Option<(IpAddr, u8, ReceivedBody)> {
    let s = world.icmp_open(from, None).unwrap();
    world.icmp_echo(from, s, ip(to), 1, Payload::from(vec![0; size])).unwrap();
    let until = SimTime(world.now().0 + 4_000_000_000);
    while world.run(until) {
        while let Some((ns, sock)) = world.pop_ready() {
            if (ns, sock) == (from, s)
                && let Ok(Some(got)) = world.recv(from, s)
            {
                return Some((got.from.ip(), got.ttl, got.body));
            }
        }
    }
    None
}

fn error(answer: Option<(IpAddr, u8, ReceivedBody)>) -> (IpAddr, IcmpError) {
    match answer {
        Some((from, _, ReceivedBody::Icmp(Icmp::Error { error, .. }))) => (from, error),
        other => panic!("no error but {other:?}"),
    }
}

#[test]
fn a_ping_finds_its_neighbours_in_their_groups_and_arrives_with_hop_limit_62() {
    let Lab { mut world, nodes, pods } = lab();
    world.start_recording();
    let (from, ttl, _) = ping(&mut world, pods[0], "fd00:10:244:2::a", 56).unwrap();
    assert_eq!((from, ttl), (ip("fd00:10:244:2::a"), 62));
    let trace = world.take_trace();
    let asked: Vec<String> = trace
        .events()
        .filter(|e| e.ns == pods[0] && matches!(e.step, Step::Tx { .. }))
        .map(|e| trace.frame(&e).to_string())
        .collect();
    assert_eq!(
        asked.first().map(String::as_str),
        Some(
            "fd00:10:244:1::a > ff02::1:ff00:1 icmp6 neighbour-solicitation(135/0) who-has fd00:10:244:1::1 ttl 255"
        )
    );
    // The pod has the node's address from its answer, the node the pod's from the question, used by the answer.
    let state = |ns: NsId, addr: &str| {
        world.ns(ns).neighbours().iter(world.now()).find(|n| n.1 == ip(addr)).map(|n| n.3)
    };
    assert_eq!(state(pods[0], "fd00:10:244:1::1"), Some(NudState::Reachable));
    assert_eq!(state(nodes[0], "fd00:10:244:1::a"), Some(NudState::Delay));
}

#[test]
fn nobody_answers_for_an_address_that_is_not_there() {
    let Lab { mut world, nodes, pods } = lab();
    let begin = world.now();
    let (from, what) = error(ping(&mut world, pods[0], "fd00:10:244:2::77", 56));
    assert_eq!((from, what), (ip("fd00::2"), IcmpError::HostUnreachable));
    assert!(world.now().since(begin) >= Duration::from_millis(2990));
    let entry = world
        .ns(nodes[1])
        .neighbours()
        .iter(world.now())
        .find(|n| n.1 == ip("fd00:10:244:2::77"))
        .map(|n| n.3);
    assert_eq!(entry, Some(NudState::Failed));
}

#[test]
fn routers_say_why_they_do_not_forward() {
    let Lab { mut world, nodes, pods } = lab();
    let node = world.ns_mut(nodes[0]);
    for (dst, kind) in [
        ("fd00:a1::/64", RouteKind::Unreachable),
        ("fd00:a2::/64", RouteKind::Prohibit),
        ("fd00:a3::/64", RouteKind::Blackhole),
    ] {
        node.route_add(Route::refuse(dst.parse().unwrap(), kind)).unwrap();
    }
    let gateway = ip("fd00:10:244:1::1");
    let asked = |world: &mut World, to: &str| {
        // The limit on errors is not the subject here.
        world.run(SimTime(world.now().0 + 5_000_000_000));
        ping(world, pods[0], to, 56)
    };
    assert_eq!(error(asked(&mut world, "fd00:9::1")), (gateway, IcmpError::NetUnreachable));
    assert_eq!(error(asked(&mut world, "fd00:a1::1")), (gateway, IcmpError::NetUnreachable));
    assert_eq!(error(asked(&mut world, "fd00:a2::1")), (gateway, IcmpError::AdminProhibited));
    assert!(asked(&mut world, "fd00:a3::1").is_none());
    // Who is no router says so too if it has no route, and keeps silent if it has one.
    world.ns_mut(nodes[0]).sysctl_set("net.ipv6.conf.all.forwarding", "0").unwrap();
    assert_eq!(error(asked(&mut world, "fd00:9::1")), (gateway, IcmpError::NetUnreachable));
    assert!(asked(&mut world, "fd00:10:244:2::a").is_none());
    // Its own programs learn more.
    for (to, errno) in [
        ("fd00:9::1", Errno::ENETUNREACH),
        ("fd00:a1::1", Errno::EHOSTUNREACH),
        ("fd00:a2::1", Errno::EACCES),
        ("fd00:a3::1", Errno::EINVAL),
    ] {
        let s = world.icmp_open(nodes[0], None).unwrap();
        assert_eq!(world.icmp_echo(nodes[0], s, ip(to), 1, Payload::Empty), Err(errno), "{to}");
    }
}

#[test]
fn only_the_sender_cuts_packets_up() {
    let Lab { mut world, nodes, pods } = lab();
    for node in nodes {
        world.ns_mut(node).set_mtu("eth0", 1300).unwrap();
    }
    let (from, what) = error(ping(&mut world, pods[0], "fd00:10:244:2::a", 1400));
    assert_eq!((from, what), (ip("fd00:10:244:1::1"), IcmpError::FragmentationNeeded { mtu: 1300 }));
    // Now it is known here, and with the second one there: whole packets arrive, in pieces.
    assert!(ping(&mut world, pods[0], "fd00:10:244:2::a", 1400).is_none());
    world.start_recording();
    let (.., body) = ping(&mut world, pods[0], "fd00:10:244:2::a", 1400).unwrap();
    assert!(matches!(body, ReceivedBody::Icmp(Icmp::EchoReply { payload, .. }) if payload.len() == 1400));
    let trace = world.take_trace();
    let lengths: Vec<usize> = trace
        .events()
        .filter(|e| e.ns == pods[0] && matches!(e.step, Step::Tx { .. }))
        .map(|e| trace.frame(&e).len() - 14)
        .collect();
    assert_eq!(lengths, [1296, 40 + 8 + 1408 - 1248]);
    // A socket that wants no pieces is told at once.
    let s = world.icmp_open(pods[0], None).unwrap();
    world.set_options(pods[0], s, SockOptions { pmtu: PmtuDiscovery::Do, ..SockOptions::default() }).unwrap();
    let sent = world.icmp_echo(pods[0], s, ip("fd00:10:244:2::a"), 2, Payload::from(vec![0; 1400]));
    assert_eq!(sent, Err(Errno::EMSGSIZE));
}

#[test]
fn a_packet_dies_at_the_hop_that_its_limit_names() {
    let Lab { mut world, pods, .. } = lab();
    for (hops, at) in [(1, "fd00:10:244:1::1"), (2, "fd00::2")] {
        let s = world.icmp_open(pods[0], None).unwrap();
        world.set_options(pods[0], s, SockOptions { ttl: hops, ..SockOptions::default() }).unwrap();
        world.icmp_echo(pods[0], s, ip("fd00:10:244:2::a"), 1, Payload::Empty).unwrap();
        until(&mut world, u64::from(hops) * 10);
        let got = world.recv(pods[0], s).unwrap().unwrap();
        assert_eq!(got.from.ip(), ip(at));
        assert!(matches!(got.body, ReceivedBody::Icmp(Icmp::Error { error: IcmpError::TtlExceeded, .. })));
    }
}

#[test]
fn a_listener_on_all_addresses_takes_both_families_unless_it_says_otherwise() {
    let Lab { mut world, pods, .. } = lab();
    for (i, pod) in pods.iter().enumerate() {
        world.ns_mut(*pod).addr_add("eth0", format!("10.0.{i}.1/8").parse().unwrap()).unwrap();
    }
    let l = world.tcp_listen(pods[1], sock("[::]:80"), 8).unwrap();
    let c = world.tcp_connect(pods[0], None, sock("[fd00:10:244:2::a]:80")).unwrap();
    until(&mut world, 1);
    let s = world.tcp_accept(pods[1], l).unwrap();
    world.tcp_send(pods[1], s, b"hello").unwrap();
    until(&mut world, 2);
    assert_eq!(world.tcp_recv(pods[0], c).unwrap(), TcpRead::Data(b"hello".to_vec()));
    let c = world.tcp_connect(pods[1], None, sock("127.0.0.1:80")).unwrap();
    until(&mut world, 3);
    assert!(world.tcp_accept(pods[1], l).is_some());
    world.close(pods[1], c);
    world.set_options(pods[1], l, SockOptions { v6only: true, ..SockOptions::default() }).unwrap();
    let c = world.tcp_connect(pods[1], None, sock("127.0.0.1:80")).unwrap();
    until(&mut world, 4);
    assert_eq!(world.take_error(pods[1], c).map(|e| e.errno), Some(Errno::ECONNREFUSED));
    // A closed port refuses.
    let c = world.tcp_connect(pods[0], None, sock("[fd00:10:244:2::a]:81")).unwrap();
    until(&mut world, 5);
    assert_eq!(world.take_error(pods[0], c).map(|e| e.errno), Some(Errno::ECONNREFUSED));
}

#[test]
fn rules_translate_and_reject() {
    let Lab { mut world, nodes, pods } = lab();
    let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        -A PREROUTING -d fd00:10:96::5/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:10:244:2::a]:8080\n\
        -A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n\
        *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A FORWARD -d fd00:10:96::6/128 -j REJECT --reject-with icmp6-policy-fail\nCOMMIT\n";
    world.ns_mut(nodes[0]).netfilter(Family::V6, |r| r.restore(rules, RestoreOptions::default())).unwrap();
    let to = "fd00:10:96::/112".parse().unwrap();
    let eth0 = world.ns(nodes[0]).iface_id("eth0").unwrap();
    world.ns_mut(nodes[0]).route_add(Route::via(to, ip("fd00::2"), eth0)).unwrap();
    let l = world.tcp_listen(pods[1], sock("[::]:8080"), 8).unwrap();
    let c = world.tcp_connect(pods[0], None, sock("[fd00:10:96::5]:80")).unwrap();
    until(&mut world, 1);
    let s = world.tcp_accept(pods[1], l).unwrap();
    let peer = world.ns(pods[1]).sockets.peer_addr(s).unwrap();
    assert_eq!(peer.ip(), ip("fd00::1"));
    assert_eq!(world.ns(pods[0]).sockets.peer_addr(c), Some(sock("[fd00:10:96::5]:80")));
    let c = world.tcp_connect(pods[0], None, sock("[fd00:10:96::6]:80")).unwrap();
    until(&mut world, 2);
    assert_eq!(world.take_error(pods[0], c).map(|e| e.errno), Some(Errno::EACCES));
}

#[test]
fn a_rule_that_drops_everything_also_drops_neighbour_discovery() {
    let Lab { mut world, nodes, pods } = lab();
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    world.ns_mut(nodes[0]).netfilter(Family::V6, |r| r.restore(rules, RestoreOptions::default())).unwrap();
    let (from, what) = error(ping(&mut world, pods[0], "fd00:10:244:2::a", 56));
    assert_eq!((from, what), (ip("fd00:10:244:1::a"), IcmpError::HostUnreachable));
}

#[test]
fn all_nodes_of_a_link_answer_from_its_link_local_addresses() {
    let Lab { mut world, pods, .. } = lab();
    let s = world.icmp_open(pods[0], None).unwrap();
    let dev = world.ns(pods[0]).iface_id("eth0");
    world.set_options(pods[0], s, SockOptions { device: dev, ..SockOptions::default() }).unwrap();
    world.icmp_echo(pods[0], s, ip("ff02::1"), 1, Payload::Empty).unwrap();
    until(&mut world, 4);
    let mut answers = Vec::new();
    while let Ok(Some(got)) = world.recv(pods[0], s) {
        answers.push(got.from.ip());
    }
    assert_eq!(answers, [ip("fe80::800:ff:fe00:1")]);
}

#[test]
fn addresses_and_routes_come_and_go_with_the_link() {
    let Lab { mut world, pods, .. } = lab();
    let pod = world.ns_mut(pods[0]);
    let routes = |ns: &sim_core::linux::Netns| -> Vec<String> {
        ns.routes().iter().map(|r| format!("{} {}", r.dst, r.metric)).collect()
    };
    assert_eq!(routes(pod), ["fd00:10:244:1::/64 256", "fe80::/64 256", "::/0 1024"]);
    let groups = pod.local_routes().iter().filter(|r| r.kind == RouteKind::Multicast).count();
    assert_eq!(groups, 1);
    pod.link_set("eth0", false).unwrap();
    assert_eq!(routes(pod), Vec::<String>::new());
    assert!(pod.by_name("eth0").unwrap().addrs.is_empty());
    pod.link_set("eth0", true).unwrap();
    assert_eq!(routes(pod), ["fe80::/64 256"]);
    pod.sysctl_set("net.ipv6.conf.all.disable_ipv6", "1").unwrap();
    assert!(!pod.is_local(ip("::1")));
    pod.sysctl_set("net.ipv6.conf.all.disable_ipv6", "0").unwrap();
    assert_eq!(routes(pod), ["fe80::/64 256"]);
    assert!(pod.is_local(ip("::1")));
}

#[test]
fn errors_are_held_back_by_the_length_of_the_prefix_behind_which_the_peer_is() {
    let Lab { mut world, nodes, pods } = lab();
    // Six at once, then one every 248 ms: the way back is a /64.
    let s = world.icmp_open(pods[0], None).unwrap();
    until(&mut world, 1);
    assert!(ping(&mut world, pods[0], "fd00:10:244:1::1", 8).is_some());
    world.run(SimTime::from_secs(20));
    world.start_recording();
    for seq in 0..20 {
        world.icmp_echo(pods[0], s, ip("fd00:9::1"), seq, Payload::Empty).unwrap();
        let next = SimTime(world.now().0 + 100_000_000);
        while world.run(next) {
            while world.pop_ready().is_some() {}
        }
    }
    let trace = world.take_trace();
    let errors = trace
        .events()
        .filter(|e| e.ns == nodes[0] && matches!(e.step, Step::Made { .. }))
        .filter(|e| {
            matches!(&trace.frame(e).body, sim_core::packet::FrameBody::Ip(p)
                if matches!(p.body, Transport::Icmp(Icmp::Error { .. })))
        })
        .count();
    // 6 × 248 ms saved up, and 1.9 s pass: (1488 + 1900) / 248.
    assert_eq!(errors, 13);
}
