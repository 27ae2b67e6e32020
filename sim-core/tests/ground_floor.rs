//! Two hosts with a bridge and a pod each, joined by a cable: packets really walk.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::linux::route::Route;
use sim_core::linux::socket::TcpRead;
use sim_core::linux::{Errno, World};
use sim_core::packet::Payload;
use sim_core::time::SimTime;
use sim_core::trace::{BridgeDecision, NsId, Step};

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
        node.add_bridge("cni0", "0a:00:00:00:00:01".parse().unwrap()).unwrap();
        node.set_master("v-pod", "cni0").unwrap();
        for dev in ["eth0", "cni0", "v-pod"] {
            node.link_set(dev, true).unwrap();
        }
        node.addr_add("eth0", format!("10.0.0.{n}/24").parse().unwrap()).unwrap();
        node.addr_add("cni0", format!("10.244.{n}.1/24").parse().unwrap()).unwrap();
        node.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
        let eth0 = node.iface_id("eth0").unwrap();
        node.route_add(Route::via(
            format!("10.244.{other}.0/24").parse().unwrap(),
            ip(&format!("10.0.0.{other}")),
            eth0,
        ))
        .unwrap();
        let pod = world.ns_mut(pods[i]);
        pod.link_set("eth0", true).unwrap();
        pod.addr_add("eth0", format!("10.244.{n}.10/24").parse().unwrap()).unwrap();
        let eth0 = pod.iface_id("eth0").unwrap();
        pod.route_add(Route::default_via(ip(&format!("10.244.{n}.1")), eth0)).unwrap();
    }
    Lab { world, nodes, pods }
}

/// Lets everything happen until `seconds` after the start, whoever becomes ready.
fn until(world: &mut World, seconds: u64) {
    while world.run(SimTime::from_secs(seconds)) {
        while world.pop_ready().is_some() {}
    }
}

#[test]
fn a_ping_crosses_two_bridges_and_a_cable_with_ttl_62() {
    let Lab { mut world, pods, .. } = lab();
    world.start_recording();
    let s = world.icmp_open(pods[0], Some(7)).unwrap();
    world.icmp_echo(pods[0], s, ip("10.244.2.10"), 1, Payload::from(vec![0; 56])).unwrap();
    assert!(world.run(SimTime::from_secs(1)));
    assert_eq!(world.pop_ready(), Some((pods[0], s)));
    let reply = world.recv(pods[0], s).unwrap().unwrap();
    assert_eq!((reply.from.ip(), reply.ttl), (ip("10.244.2.10"), 62));
    let trace = world.take_trace();
    assert!(trace.events().any(|e| matches!(e.step, Step::NeighbourWait { .. })));
}

#[test]
fn nobody_answers_arp_for_three_seconds_then_host_unreachable() {
    let Lab { mut world, pods, .. } = lab();
    let s = world.icmp_open(pods[0], None).unwrap();
    world.icmp_echo(pods[0], s, ip("10.244.2.99"), 1, Payload::Empty).unwrap();
    assert!(world.run(SimTime::from_secs(10)));
    assert!(world.now() >= SimTime::from_secs(3) && world.now() < SimTime::from_secs(4));
    let got = world.recv(pods[0], s).unwrap().unwrap();
    assert_eq!(got.from.ip(), ip("10.0.0.2"));
}

#[test]
fn tcp_connects_sends_and_closes_and_a_closed_port_refuses() {
    let Lab { mut world, pods, .. } = lab();
    let listener = world.tcp_listen(pods[1], sock("0.0.0.0:80"), 128).unwrap();
    let client = world.tcp_connect(pods[0], None, sock("10.244.2.10:80")).unwrap();
    until(&mut world, 1);
    let server = world.tcp_accept(pods[1], listener).unwrap();
    world.tcp_send(pods[0], client, b"hello").unwrap();
    until(&mut world, 2);
    assert_eq!(world.tcp_recv(pods[1], server).unwrap(), TcpRead::Data(b"hello".to_vec()));
    world.close(pods[0], client);
    until(&mut world, 3);
    assert_eq!(world.tcp_recv(pods[1], server).unwrap(), TcpRead::Eof);

    let refused = world.tcp_connect(pods[0], None, sock("10.244.2.10:81")).unwrap();
    until(&mut world, 4);
    assert_eq!(world.take_error(pods[0], refused).map(|e| e.errno), Some(Errno::ECONNREFUSED));
}

#[test]
fn a_large_datagram_is_cut_and_joined() {
    let Lab { mut world, nodes, pods } = lab();
    world.ns_mut(nodes[0]).set_mtu("eth0", 1000).unwrap();
    let server = world.udp_bind(pods[1], sock("0.0.0.0:53")).unwrap();
    let client = world.udp_bind(pods[0], sock("0.0.0.0:0")).unwrap();
    world.udp_send(pods[0], client, sock("10.244.2.10:53"), Payload::from(vec![1; 4000])).unwrap();
    world.run(SimTime::from_secs(1));
    let got = world.recv(pods[1], server).unwrap().unwrap();
    assert_eq!(got.bytes().len(), 4000);
}

#[test]
fn without_forwarding_the_node_swallows_the_packet() {
    let Lab { mut world, nodes, pods } = lab();
    world.ns_mut(nodes[0]).sysctl_set("net.ipv4.ip_forward", "0").unwrap();
    let s = world.icmp_open(pods[0], None).unwrap();
    world.icmp_echo(pods[0], s, ip("10.244.2.10"), 1, Payload::Empty).unwrap();
    assert!(!world.run(SimTime::from_secs(10)));
}

#[test]
fn the_topology_is_a_graph() {
    let Lab { world, .. } = lab();
    assert_eq!(world.topology().edge_count(), 3);
    assert!(world.to_dot().contains("n0 -- n1 [taillabel=\"eth0\", headlabel=\"eth0\"]"));
}

#[test]
fn a_broadcast_address_and_the_unspecified_one_are_special_destinations() {
    let mut l = lab();
    let s = l.world.udp_bind(l.pods[0], sock("0.0.0.0:0")).unwrap();
    assert_eq!(l.world.udp_connect(l.pods[0], s, sock("10.244.1.255:53")), Err(Errno::EACCES));
    l.world.tcp_listen(l.pods[0], sock("0.0.0.0:80"), 8).unwrap();
    let c = l.world.tcp_connect(l.pods[0], None, sock("0.0.0.0:80")).unwrap();
    let peer = l.world.ns(l.pods[0]).sockets.peer_addr(c);
    assert_eq!(peer, Some(sock("127.0.0.1:80")));
}

#[test]
fn a_port_that_flaps_forgets_its_stations() {
    let mut l = lab();
    let ping = l.world.icmp_open(l.nodes[0], None).unwrap();
    l.world.icmp_echo(l.nodes[0], ping, ip("10.244.1.10"), 1, Payload::Empty).unwrap();
    l.world.run(SimTime::from_secs(1));
    let pod = l.world.ns_mut(l.pods[0]);
    pod.link_set("eth0", false).unwrap();
    pod.link_set("eth0", true).unwrap();
    l.world.start_recording();
    l.world.icmp_echo(l.nodes[0], ping, ip("10.244.1.10"), 2, Payload::Empty).unwrap();
    let trace = l.world.take_trace();
    let flooded = |s: &Step| matches!(s, Step::Bridge { decision: BridgeDecision::Flood, .. });
    assert!(trace.events().any(|e| flooded(e.step)), "the bridge still knows where the pod is");
}

#[test]
fn an_interface_moves_between_namespaces_and_keeps_its_index_if_that_is_free() {
    let mut world = World::new(1);
    let (a, b) = (world.add_bare_netns("a"), world.add_bare_netns("b"));
    world.add_veth((a, "v1"), (a, "v0")).unwrap();
    let ns = world.ns_mut(a);
    ns.addr_add("v0", "10.0.0.1/24".parse().unwrap()).unwrap();
    ns.link_set("v0", true).unwrap();
    ns.link_set("v1", true).unwrap();
    world.move_link(a, "v0", b).unwrap();
    let moved = world.ns(b).by_name("v0").unwrap();
    assert_eq!((moved.id.0, moved.up, moved.addrs.len()), (2, false, 0));
    assert_eq!(world.ns(a).by_name("v1").unwrap().peer, Some((b, moved.id)));
    assert!(!world.ns(a).by_name("v1").unwrap().carrier);
    assert_eq!(world.move_link(a, "v0", b).unwrap_err().to_string(), "Cannot find device \"v0\"");
    world.ns_mut(a).add_bridge("br0", sim_core::packet::MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    assert_eq!(
        world.move_link(a, "br0", b).unwrap_err().to_string(),
        "Error: The interface netns is immutable."
    );
    world.ns_mut(b).rename("v0", "eth0").unwrap();
    assert!(world.ns(b).by_name("eth0").is_ok());
}

#[test]
fn the_first_address_of_a_subnet_takes_the_others_along() {
    let mut world = World::new(1);
    let ns = world.add_netns("a");
    let ns = world.ns_mut(ns);
    ns.add_dummy("d", sim_core::packet::MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    for promote in [false, true] {
        ns.sysctl_set("net.ipv4.conf.d.promote_secondaries", if promote { "1" } else { "0" }).unwrap();
        for addr in ["10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/24"] {
            ns.addr_add("d", addr.parse().unwrap()).unwrap();
        }
        ns.addr_del("d", "10.0.0.1/24".parse().unwrap()).unwrap();
        assert_eq!(ns.by_name("d").unwrap().addrs.len(), if promote { 2 } else { 1 });
        for addr in ["10.0.0.2/24", "10.1.0.1/24"] {
            let _ = ns.addr_del("d", addr.parse().unwrap());
        }
    }
}

#[test]
fn a_tap_sees_what_crosses_its_interface() {
    use sim_core::linux::tap::SeenKind::{Broadcast, Host, OtherHost, Outgoing};
    let Lab { mut world, nodes, pods } = lab();
    let tap = world.tap_open(nodes[0], None);
    let ping = world.icmp_open(pods[0], None).unwrap();
    world.icmp_echo(pods[0], ping, ip("10.244.1.1"), 1, vec![1, 2, 3].into()).unwrap();
    let until = world.now() + Duration::from_secs(1);
    while world.run(until) {
        while world.pop_ready().is_some() {}
    }
    let seen = world.tap_take(nodes[0], tap);
    let node = world.ns(nodes[0]);
    let kinds: Vec<_> = seen.iter().map(|s| (&*node.iface(s.iface).unwrap().name, s.kind)).collect();
    let expected = [
        // The request for the hardware address and its answer, then the echo and its answer.
        ("v-pod", Broadcast),
        ("cni0", Broadcast),
        ("cni0", Outgoing),
        ("v-pod", Outgoing),
        ("v-pod", OtherHost),
        ("cni0", Host),
        ("cni0", Outgoing),
        ("v-pod", Outgoing),
    ];
    assert_eq!(kinds, expected);
    world.tap_close(nodes[0], tap);
    world.icmp_echo(pods[0], ping, ip("10.244.1.1"), 2, vec![1].into()).unwrap();
    assert!(world.tap_take(nodes[0], tap).is_empty());
}

#[test]
fn a_namespace_whose_lo_is_down_still_answers_others() {
    let mut world = World::new(1);
    let (a, b) = (world.add_bare_netns("a"), world.add_bare_netns("b"));
    world.add_veth((a, "eth0"), (b, "eth0")).unwrap();
    for (ns, addr) in [(a, "10.0.0.1/24"), (b, "10.0.0.2/24")] {
        world.ns_mut(ns).addr_add("eth0", addr.parse().unwrap()).unwrap();
        world.ns_mut(ns).link_set("eth0", true).unwrap();
    }
    let sock = world.icmp_open(a, Some(7)).unwrap();
    world.icmp_echo(a, sock, "10.0.0.2".parse().unwrap(), 1, Payload::Empty).unwrap();
    assert!(world.run(SimTime::from_secs(1)));
    assert!(world.recv(a, sock).unwrap().is_some());
}
