//! What Linux 6.18 does was asked in network namespaces of the same shape.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::linux::World;
use crate::linux::netfilter::RestoreOptions;
use crate::packet::{MacAddr, Payload, Transport, Udp};
use crate::trace::{NsId, SockId, Step};

const FAR: &str = "fd00:9::3";

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn link_local(w: &World, h: NsId) -> IpAddr {
    w.ns(h).by_name("eth0").unwrap().own_link_local().unwrap()
}

fn route(w: &mut World, h: NsId, net: &str, via: IpAddr) {
    let eth0 = w.ns(h).iface_id("eth0").unwrap();
    w.ns_mut(h).route_replace(Route::via(net.parse().unwrap(), via, eth0)).unwrap();
}

/// fd00::1, a router, and fd00::3 on one switch. The router knows fd00:9::/64 on the link too; the first sends there by the router's
/// link-local address; the third has [`FAR`].
fn detour() -> (World, [NsId; 3]) {
    let mut w = World::new(1);
    let switch = w.add_netns("switch");
    w.ns_mut(switch).add_bridge("br0", MacAddr([2, 0, 0, 0, 0, 9])).unwrap();
    w.ns_mut(switch).link_set("br0", true).unwrap();
    let h = [1, 2, 3].map(|i| {
        let h = w.add_netns(&format!("h{i}"));
        let port = format!("p{i}");
        w.add_veth((switch, &port), (h, "eth0")).unwrap();
        w.ns_mut(switch).set_master(&port, "br0").unwrap();
        w.ns_mut(switch).link_set(&port, true).unwrap();
        let n = w.ns_mut(h);
        n.link_set("eth0", true).unwrap();
        n.addr_add("eth0", format!("fd00::{i}/64").parse().unwrap()).unwrap();
        if i > 1 {
            n.addr_add("eth0", format!("fd00:9::{i}/64").parse().unwrap()).unwrap();
        }
        h
    });
    w.ns_mut(h[1]).sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
    let router = link_local(&w, h[1]);
    route(&mut w, h[0], "fd00:9::/64", router);
    (w, h)
}

fn wait(w: &mut World, time: Duration) {
    let until = w.now() + time;
    while w.run(until) {
        while w.pop_ready().is_some() {}
    }
}

/// Pings once; whether an answer came.
fn ping(w: &mut World, from: NsId, to: &str) -> bool {
    let sock = w.icmp_open(from, None).unwrap();
    w.icmp_echo(from, sock, ip(to), 1, Payload::Empty).unwrap();
    wait(w, Duration::from_millis(100));
    let answered = matches!(w.recv(from, sock), Ok(Some(_)));
    w.close(from, sock);
    answered
}

/// Where the first host has been told to send what is for [`FAR`].
fn told(w: &World, h: NsId) -> Option<IpAddr> {
    w.ns(h).route_exception(ip(FAR), w.now()).and_then(|e| e.gateway)
}

/// The hardware address to which a ping goes.
fn first_hop(w: &mut World, h: NsId) -> Option<MacAddr> {
    w.start_recording();
    assert!(ping(w, h, FAR));
    let trace = w.take_trace();
    let mut hops = trace.events().filter(|e| e.ns == h).filter_map(|e| match e.step {
        Step::Neighbour { mac, .. } => Some(*mac),
        _ => None,
    });
    hops.next()
}

#[test]
fn a_host_follows_at_once_and_for_half_a_minute() {
    let (mut w, h) = detour();
    assert!(ping(&mut w, h[0], FAR));
    assert_eq!(told(&w, h[0]), Some(ip(FAR)));
    let direct = w.ns(h[2]).by_name("eth0").unwrap().mac;
    assert_eq!(first_hop(&mut w, h[0]), Some(direct), "not by the router");
    // It takes no notice of use.
    for _ in 0..25 {
        wait(&mut w, Duration::from_secs(1));
        assert!(told(&w, h[0]).is_some() && ping(&mut w, h[0], FAR));
    }
    wait(&mut w, Duration::from_secs(3));
    assert_eq!(told(&w, h[0]), None);
}

#[test]
fn only_a_host_that_wants_to_follows() {
    let tried = |name: &str, value: &str| {
        let (mut w, h) = detour();
        w.ns_mut(h[0]).sysctl_set(name, value).unwrap();
        assert_eq!(w.ns(h[0]).sysctl_get(name).unwrap(), value);
        assert!(ping(&mut w, h[0], FAR));
        told(&w, h[0]).is_some()
    };
    assert!(!tried("net.ipv6.conf.eth0.accept_redirects", "0"));
    assert!(tried("net.ipv6.conf.all.accept_redirects", "0"));
    assert!(!tried("net.ipv6.conf.eth0.forwarding", "1"));
    assert!(!tried("net.ipv6.conf.all.forwarding", "1"));
}

#[test]
fn the_router_must_be_the_one_that_is_used() {
    let (mut w, h) = detour();
    route(&mut w, h[0], "fd00:9::/64", ip("fd00::2"));
    assert!(ping(&mut w, h[0], FAR));
    assert_eq!(told(&w, h[0]), None, "a redirect comes from another address than the gateway's");
    // A way that is worse leads to it; nobody goes that way.
    let router = link_local(&w, h[1]);
    route(&mut w, h[0], "::/0", router);
    wait(&mut w, Duration::from_secs(2));
    assert!(ping(&mut w, h[0], FAR));
    let known: Vec<_> = w.ns(h[0]).route_exceptions(w.now()).map(|(dst, under, _)| (dst, under)).collect();
    assert_eq!(known, [(ip(FAR), "::/0".parse().unwrap())]);
    assert_eq!(told(&w, h[0]), None);
    let by_router = w.ns(h[1]).by_name("eth0").unwrap().mac;
    assert_eq!(first_hop(&mut w, h[0]), Some(by_router));
}

#[test]
fn datagram_sockets_do_not_notice() {
    let (mut w, h) = detour();
    let sock = w.udp_bind(h[0], "[::]:0".parse().unwrap()).unwrap();
    w.udp_send(h[0], sock, SocketAddr::new(ip(FAR), 9), Payload::Empty).unwrap();
    wait(&mut w, Duration::from_millis(100));
    assert_eq!(told(&w, h[0]), None);
}

/// Connects to a port of the third host that drops what comes there.
fn connect(w: &mut World, h: [NsId; 3]) -> SockId {
    let drop = "*filter\n-A INPUT -p tcp -j DROP\nCOMMIT\n";
    w.ns_mut(h[2])
        .netfilter(crate::trace::Family::V6, |rules| rules.restore(drop, RestoreOptions::default()))
        .unwrap();
    w.tcp_connect(h[0], None, SocketAddr::new(ip(FAR), 80)).unwrap()
}

#[test]
fn a_connection_follows_whoever_says_so_unless_a_program_is_busy_with_it() {
    let (mut w, h) = detour();
    route(&mut w, h[0], "fd00:9::/64", ip("fd00::2"));
    connect(&mut w, h);
    assert_eq!(told(&w, h[0]), None, "the redirect comes while connect is still at it");
    wait(&mut w, Duration::from_millis(1500));
    assert_eq!(told(&w, h[0]), Some(ip(FAR)), "the second SYN was sent by a timer");
}

#[test]
fn what_is_known_goes_with_its_route_and_its_neighbour() {
    let (mut w, h) = detour();
    let router = link_local(&w, h[1]);
    assert!(ping(&mut w, h[0], FAR));
    // Another way there has nothing to do with it.
    route(&mut w, h[0], "fd00:9::3/128", router);
    let by_router = w.ns(h[1]).by_name("eth0").unwrap().mac;
    assert_eq!(first_hop(&mut w, h[0]), Some(by_router));
    w.ns_mut(h[0]).route_del(|r| r.dst.prefix_len() == 128).unwrap();
    assert_eq!(told(&w, h[0]), Some(ip(FAR)));
    w.ns_mut(h[0]).route_del(|r| r.via == Some(router)).unwrap();
    assert_eq!(told(&w, h[0]), None);

    route(&mut w, h[0], "fd00:9::/64", router);
    wait(&mut w, Duration::from_secs(2));
    assert!(ping(&mut w, h[0], FAR));
    w.ns_mut(h[0]).neigh_del("eth0", ip(FAR)).unwrap();
    w.ns_mut(h[2]).link_set("eth0", false).unwrap();
    assert!(!ping(&mut w, h[0], FAR));
    assert!(told(&w, h[0]).is_some());
    wait(&mut w, Duration::from_secs(4));
    assert_eq!(told(&w, h[0]), None);
}

/// The router's way to fd00:9::/64 is the third host.
fn by_gateway(gateway: impl Fn(&World, NsId) -> IpAddr) -> (World, [NsId; 3]) {
    let (mut w, h) = detour();
    w.ns_mut(h[1]).addr_del("eth0", "fd00:9::2/64".parse().unwrap()).unwrap();
    let via = gateway(&w, h[2]);
    route(&mut w, h[1], "fd00:9::/64", via);
    (w, h)
}

#[test]
fn a_gateway_is_named_by_its_address_of_the_link() {
    let (mut w, h) = by_gateway(link_local);
    w.ns_mut(h[2]).sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
    let third = link_local(&w, h[2]);
    assert!(ping(&mut w, h[0], FAR));
    assert_eq!(told(&w, h[0]), Some(third));
    // The router has learnt its hardware address meanwhile, and says it.
    w.ns_mut(h[0]).forget_exceptions(|_| true);
    w.ns_mut(h[0]).neigh_flush("eth0").unwrap();
    wait(&mut w, Duration::from_secs(2));
    assert!(ping(&mut w, h[0], FAR));
    let eth0 = w.ns(h[0]).iface_id("eth0").unwrap();
    assert!(w.ns(h[0]).neighbours().is_router(eth0, third));
    // It stops being a router, and says so when it is asked for.
    w.ns_mut(h[2]).sysctl_set("net.ipv6.conf.all.forwarding", "0").unwrap();
    assert!(ping(&mut w, h[0], FAR));
    assert_eq!(told(&w, h[0]), Some(third));
    wait(&mut w, Duration::from_secs(6));
    assert!(!w.ns(h[0]).neighbours().is_router(eth0, third));
    assert_eq!(told(&w, h[0]), None);
}

#[test]
fn other_gateways_cannot_be_named_and_cost_as_much() {
    let (mut w, h) = by_gateway(|_, _| ip("fd00::3"));
    w.start_recording();
    for _ in 0..8 {
        assert!(ping(&mut w, h[0], FAR));
    }
    let redirects = |w: &mut World| {
        let trace = w.take_trace();
        let made = trace.events().filter(|e| e.ns == h[1] && matches!(e.step, Step::Made { .. }));
        made.filter(|e| trace.frame(e).to_string().contains("redirect")).count()
    };
    assert_eq!(redirects(&mut w), 0);
    let third = link_local(&w, h[2]);
    route(&mut w, h[1], "fd00:9::/64", third);
    w.start_recording();
    assert!(ping(&mut w, h[0], FAR));
    assert_eq!(redirects(&mut w), 0, "the six of a burst are spent");
}

#[test]
fn a_quote_comes_in_units_of_eight_bytes() {
    let (src, dst) = (ip("fd00::1"), ip(FAR));
    let length = |payload: usize, mac: bool| {
        let udp = Udp { sport: 1, dport: 2, payload: vec![0u8; payload].into() };
        let quote = Box::new(IpPacket::new(src, dst, Transport::Udp(udp)));
        let gateway_mac = mac.then_some(MacAddr::ZERO);
        Icmp::Redirect { gateway: dst, gateway_mac, quote }.len()
    };
    assert_eq!((length(1, false), length(1, true)), (96, 104));
    assert_eq!((length(7, false), length(8, false)), (96, 104));
    assert_eq!((length(2000, false), length(2000, true)), (1240, 1240));
}
