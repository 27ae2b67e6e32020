use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::*;
use crate::linux::Errno;
use crate::linux::World;
use crate::linux::route::Route;
use crate::linux::socket::{PmtuDiscovery, SockOptions};
use crate::linux::tunnel::Vxlan;
use crate::packet::{MacAddr, Payload};
use crate::trace::{DropReason, NsId, Step, Verdict};

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

/// Hosts 10.0.0.1 to 10.0.0.n on one switch, called h1 to hn.
fn hosts(n: u8) -> (World, Vec<NsId>) {
    let mut w = World::new(1);
    let switch = w.add_netns("switch");
    w.ns_mut(switch).add_bridge("br0", MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    w.ns_mut(switch).link_set("br0", true).unwrap();
    let ids = (1..=n).map(|i| {
        let h = w.add_netns(&format!("h{i}"));
        let port = format!("p{i}");
        w.add_veth((switch, &port), (h, "eth0")).unwrap();
        w.ns_mut(switch).set_master(&port, "br0").unwrap();
        w.ns_mut(switch).link_set(&port, true).unwrap();
        w.ns_mut(h).addr_add("eth0", format!("10.0.0.{i}/24").parse().unwrap()).unwrap();
        w.ns_mut(h).link_set("eth0", true).unwrap();
        h
    });
    let ids = ids.collect();
    (w, ids)
}

/// h1 sends by h2, which knows that h3 is nearer to 192.0.2.0/24; h3 holds 192.0.2.1.
fn detour() -> (World, Vec<NsId>) {
    let (mut w, h) = hosts(3);
    let far = "192.0.2.0/24".parse().unwrap();
    for (i, gateway) in [(0, "10.0.0.2"), (1, "10.0.0.3")] {
        let n = w.ns_mut(h[i]);
        let eth0 = n.iface_id("eth0").unwrap();
        n.route_add(Route::via(far, ip(gateway), eth0)).unwrap();
    }
    w.ns_mut(h[1]).sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    w.ns_mut(h[2]).addr_add("lo", "192.0.2.1/32".parse().unwrap()).unwrap();
    (w, h)
}

/// Pings once; whether h2 was on the way, and whether it sent a redirect.
fn ping(w: &mut World, h: &[NsId]) -> (bool, bool) {
    w.start_recording();
    let sock = w.icmp_open(h[0], None).unwrap();
    w.icmp_echo(h[0], sock, ip("192.0.2.1"), 1, Payload::Empty).unwrap();
    w.run(w.now() + Duration::from_millis(100));
    while w.pop_ready().is_some() {}
    w.run(w.now() + Duration::from_millis(100));
    assert!(w.recv(h[0], sock).unwrap().is_some(), "no answer");
    w.close(h[0], sock);
    let trace = w.take_trace();
    let of_h2 = |e: &crate::trace::Event<'_>| e.ns == h[1];
    let text = |e: crate::trace::Event<'_>| trace.frame(&e).to_string();
    let sent = trace.events().filter(of_h2).filter(|e| matches!(e.step, Step::Tx { .. })).map(text);
    let sent: Vec<String> = sent.collect();
    (
        sent.iter().any(|l| l.contains("echo-request") && !l.contains("about")),
        sent.iter().any(|l| l.contains("redirect")),
    )
}

#[test]
fn a_host_follows_a_redirect_once_it_knows_the_gateway() {
    let (mut w, h) = detour();
    assert_eq!(ping(&mut w, &h), (true, true), "the first goes by h2, and h1 asks for h3");
    assert_eq!(ping(&mut w, &h), (true, true));
    assert_eq!(ping(&mut w, &h), (false, false));
    let now = w.now();
    let known = w.ns(h[0]).route_exception(ip("192.0.2.1"), now).copied();
    assert_eq!(known.and_then(|e| e.gateway), Some(ip("10.0.0.3")));
    w.run(now + Duration::from_secs(301));
    assert!(ping(&mut w, &h).0, "a redirect is followed for five minutes");
}

#[test]
fn a_router_does_not_follow_redirects_and_is_told_ever_more_rarely() {
    let (mut w, h) = detour();
    w.ns_mut(h[0]).sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    let told: Vec<bool> = (0..40).map(|_| ping(&mut w, &h).1).collect();
    // A ping takes 100 ms, and the wait doubles from 20 ms.
    assert_eq!(told.iter().filter(|t| **t).count(), 7, "{told:?}");
    assert_eq!(told[..5], [true, true, true, false, true]);
}

#[test]
fn redirects_can_be_switched_off_on_both_sides() {
    let (mut w, h) = detour();
    for leaf in ["all", "eth0"] {
        w.ns_mut(h[0]).sysctl_set(&format!("net.ipv4.conf.{leaf}.accept_redirects"), "0").unwrap();
    }
    for _ in 0..3 {
        assert!(ping(&mut w, &h).0);
    }
    for leaf in ["all", "eth0"] {
        w.ns_mut(h[1]).sysctl_set(&format!("net.ipv4.conf.{leaf}.send_redirects"), "0").unwrap();
    }
    w.run(w.now() + Duration::from_secs(60));
    assert_eq!(ping(&mut w, &h), (true, false));
}

#[test]
fn a_bridge_follows_its_ports_mtu_until_it_is_given_one() {
    let (mut w, _) = hosts(2);
    let switch = NsId(0);
    let n = w.ns_mut(switch);
    let mtu = |n: &Netns| n.by_name("br0").unwrap().mtu;
    n.set_mtu("p1", 1400).unwrap();
    assert_eq!(mtu(n), 1400);
    n.set_no_master("p1").unwrap();
    assert_eq!(mtu(n), 1500);
    n.set_mtu("br0", 1500).unwrap();
    n.set_mtu("p2", 1300).unwrap();
    assert_eq!(mtu(n), 1300, "a value that changes nothing is no decision");
    n.set_mtu("br0", 1450).unwrap();
    n.set_mtu("p2", 1200).unwrap();
    assert_eq!(mtu(n), 1450);
}

#[test]
fn a_tunnel_teaches_its_host_the_room_in_its_packets() {
    let (mut w, h) = hosts(2);
    for (i, other) in [(0, 1), (1, 0)] {
        let n = w.ns_mut(h[i]);
        n.add_vxlan("vx", MacAddr([0xe, 0, 0, 0, 0, i as u8]), tunnel(i as u8 + 1)).unwrap();
        n.set_mtu("vx", 1500).unwrap();
        n.addr_add("vx", format!("10.9.0.{}/24", i + 1).parse().unwrap()).unwrap();
        n.link_set("vx", true).unwrap();
        let mac = MacAddr([0xe, 0, 0, 0, 0, other]);
        n.neigh_add("vx", ip(&format!("10.9.0.{}", other + 1)), mac).unwrap();
        n.fdb_set("vx", mac, ip(&format!("10.0.0.{}", other + 1))).unwrap();
    }
    let to = SocketAddr::new(ip("10.9.0.2"), 9);
    let sock = w.udp_bind(h[0], "0.0.0.0:0".parse().unwrap()).unwrap();
    let options = SockOptions { pmtu: PmtuDiscovery::Do, ..w.ns(h[0]).sockets.options(sock).unwrap() };
    w.set_options(h[0], sock, options).unwrap();
    let big = || Payload::from(vec![0u8; 1472]);
    assert_eq!(w.udp_send(h[0], sock, to, big()), Ok(()), "the first is cut up outside");
    assert_eq!(w.udp_send(h[0], sock, to, big()), Err(Errno::EMSGSIZE));
    let now = w.now();
    assert_eq!(w.ns(h[0]).route_exception(to.ip(), now).and_then(|e| e.mtu), Some(1450));
}

fn tunnel(last: u8) -> Vxlan {
    Vxlan {
        vni: 1,
        local: IpAddr::from([10, 0, 0, last]),
        underlay: None,
        port: 8472,
        fdb: IndexMap::default(),
        learned: None,
        ttl: Default::default(),
        tos: 0,
    }
}

#[test]
fn nobody_is_told_of_a_broadcast_for_nobody() {
    let (mut w, h) = hosts(2);
    // Sent as if to one host: a router that knows no broadcast address there.
    let n = w.ns_mut(h[0]);
    n.addr_del("eth0", "10.0.0.1/24".parse().unwrap()).unwrap();
    n.addr_add("eth0", "10.0.0.1/16".parse().unwrap()).unwrap();
    let mac = w.ns(h[1]).by_name("eth0").unwrap().mac;
    w.ns_mut(h[0]).neigh_add("eth0", ip("10.0.0.255"), mac).unwrap();
    w.start_recording();
    let sock = w.udp_bind(h[0], "0.0.0.0:0".parse().unwrap()).unwrap();
    w.udp_send(h[0], sock, "10.0.0.255:9".parse().unwrap(), Payload::Empty).unwrap();
    let trace = w.take_trace();
    let ends: Vec<_> = trace
        .events()
        .filter_map(|e| match e.step {
            Step::End(v) => Some(v.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [Verdict::Dropped { reason: DropReason::NoSocket }]);
    let tcp = w.tcp_connect(h[1], None, "10.0.0.255:9".parse().unwrap());
    assert_eq!(tcp, Err(Errno::ENETUNREACH));
}
