use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::linux::netfilter::RestoreOptions;
use crate::linux::policy::{Rule, RuleAction};
use crate::linux::route::Route;
use crate::linux::socket::{PmtuDiscovery, SockOptions};
use crate::linux::{Errno, World};
use crate::packet::{MacAddr, Payload};
use crate::trace::{Family, NsId, SockId, Step};

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

/// Hosts 10.0.0.1 to 10.0.0.n on one switch.
fn hosts(n: u8) -> (World, Vec<NsId>) {
    let mut w = World::new(1);
    let switch = w.add_netns("switch");
    w.ns_mut(switch).add_bridge("br0", MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    w.ns_mut(switch).link_set("br0", true).unwrap();
    let mut ids = Vec::new();
    for i in 1..=n {
        let h = w.add_netns(&format!("h{i}"));
        let port = format!("p{i}");
        w.add_veth((switch, &port), (h, "eth0")).unwrap();
        w.ns_mut(switch).set_master(&port, "br0").unwrap();
        w.ns_mut(switch).link_set(&port, true).unwrap();
        w.ns_mut(h).addr_add("eth0", format!("10.0.0.{i}/24").parse().unwrap()).unwrap();
        w.ns_mut(h).link_set("eth0", true).unwrap();
        ids.push(h);
    }
    (w, ids)
}

/// A host whose OUTPUT leads 10.96.0.1 to the far end of a link of 1000 bytes; and a UDP socket on it.
fn narrow_behind_dnat(pmtu: PmtuDiscovery) -> (World, NsId, SockId) {
    let (mut w, h) = hosts(2);
    let h1 = w.ns_mut(h[0]);
    h1.add_dummy("narrow", MacAddr([2, 0, 0, 0, 0, 9])).unwrap();
    h1.set_mtu("narrow", 1000).unwrap();
    h1.link_set("narrow", true).unwrap();
    h1.addr_add("narrow", "10.1.0.1/24".parse().unwrap()).unwrap();
    let eth0 = h1.iface_id("eth0").unwrap();
    h1.route_add(Route::default_via(ip("10.0.0.2"), eth0)).unwrap();
    let rules = "*nat\n-A OUTPUT -d 10.96.0.1 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n";
    h1.netfilter(Family::V4, |n| n.restore(rules, RestoreOptions::default())).unwrap();
    let sock = w.udp_bind(h[0], SocketAddr::from(([0, 0, 0, 0], 4000))).unwrap();
    w.set_options(h[0], sock, SockOptions { pmtu, recverr: true, ..SockOptions::default() }).unwrap();
    (w, h[0], sock)
}

#[test]
fn a_sender_is_told_at_once_of_what_is_too_long_behind_dnat() {
    let (mut w, h1, sock) = narrow_behind_dnat(PmtuDiscovery::Do);
    let to = SocketAddr::from(([10, 96, 0, 1], 53));
    let sent = w.udp_send(h1, sock, to, Payload::from(vec![0; 1200]));
    assert_eq!(sent, Err(Errno::EMSGSIZE));
    w.run(w.now() + Duration::from_millis(1));
    let queued = w.pop_queued_error(h1, sock).unwrap();
    assert_eq!((queued.errno, queued.mtu), (Errno::EMSGSIZE, Some(1000)), "and by an ICMP error");
    assert_eq!(w.pop_queued_error(h1, sock), None);
}

#[test]
fn what_does_not_insist_on_df_is_cut_up_behind_dnat() {
    let (mut w, h1, sock) = narrow_behind_dnat(PmtuDiscovery::Want);
    let to = SocketAddr::from(([10, 96, 0, 1], 53));
    assert_eq!(w.udp_send(h1, sock, to, Payload::from(vec![0; 1200])), Ok(()));
    w.run(w.now() + Duration::from_millis(1));
    assert_eq!(w.pop_queued_error(h1, sock), None);
}

/// When a proxy answers a request for what it routes elsewhere, in milliseconds.
fn proxy_answers(change: impl FnOnce(&mut World, &[NsId])) -> Option<u128> {
    let (mut w, h) = hosts(2);
    let proxy = w.ns_mut(h[1]);
    proxy.add_dummy("other", MacAddr([2, 0, 0, 0, 0, 9])).unwrap();
    proxy.link_set("other", true).unwrap();
    proxy.addr_add("other", "10.0.0.128/25".parse().unwrap()).unwrap();
    proxy.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    proxy.sysctl_set("net.ipv4.conf.all.proxy_arp", "1").unwrap();
    change(&mut w, &h);
    w.start_recording();
    let began = w.now();
    let sock = w.icmp_open(h[0], None).unwrap();
    w.icmp_echo(h[0], sock, ip("10.0.0.200"), 1, Payload::Empty).unwrap();
    w.run(began + Duration::from_millis(900));
    let trace = w.take_trace();
    let answer = |e: &crate::trace::Event<'_>| {
        matches!(e.step, Step::Tx { .. }) && trace.frame(e).to_string().starts_with("arp reply 10.0.0.200")
    };
    trace.events().find(answer).map(|e| e.at.since(began).as_millis())
}

#[test]
fn a_proxy_lets_the_owner_be_first() {
    let late = proxy_answers(|_, _| {}).unwrap();
    assert!((1..800).contains(&late), "{late}");
    let at_once = proxy_answers(|w, h| {
        w.ns_mut(h[1]).sysctl_set("net.ipv4.neigh.eth0.proxy_delay", "0").unwrap();
    });
    assert_eq!(at_once, Some(0));
}

#[test]
fn a_proxy_that_went_down_meanwhile_does_not_answer() {
    let (mut w, h) = hosts(2);
    let dev = w.ns(h[1]).iface_id("eth0").unwrap();
    let frame = crate::packet::Frame {
        dst: MacAddr::BROADCAST,
        src: MacAddr::ZERO,
        body: crate::packet::FrameBody::Arp(crate::packet::Arp {
            op: crate::packet::ArpOp::Request,
            sender_mac: MacAddr::ZERO,
            sender_ip: [10, 0, 0, 1].into(),
            target_mac: MacAddr::ZERO,
            target_ip: [10, 0, 0, 200].into(),
        }),
    };
    let tag = crate::trace::Tag { packet: crate::trace::PacketId(1), snapshot: None };
    let n = w.ns_mut(h[1]);
    let at = crate::time::SimTime::from_secs(9);
    n.neigh.answer_later(at, dev, Box::new(crate::linux::Skb::received(frame, dev, tag))).unwrap();
    assert!(n.neigh.answer_now(crate::time::SimTime::from_secs(8)).is_none());
    n.link_set("eth0", false).unwrap();
    assert!(n.neigh.answer_now(at).is_none());
}

#[test]
fn a_router_tells_of_every_piece_in_ipv6_and_of_the_first_in_ipv4() {
    for (own, far, via, errors) in
        [("10.0.0", "192.0.2.1", "10.0.0.2", 1), ("fd00:", "fd01::1", "fd00::2", 3)]
    {
        let (mut w, h) = hosts(2);
        for (i, id) in h.iter().enumerate() {
            if own == "fd00:" {
                w.ns_mut(*id).addr_add("eth0", format!("fd00::{}/64", i + 1).parse().unwrap()).unwrap();
            }
        }
        let router = w.ns_mut(h[1]);
        for (name, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv4.icmp_ratelimit", "0"),
            ("net.ipv6.icmp.ratelimit", "0"),
        ] {
            router.sysctl_set(name, value).unwrap();
        }
        let eth0 = w.ns(h[0]).iface_id("eth0").unwrap();
        w.ns_mut(h[0]).route_add(Route::default_via(ip(via), eth0)).unwrap();
        let any = if own == "fd00:" { "[::]:4000" } else { "0.0.0.0:4000" };
        let sock = w.udp_bind(h[0], any.parse().unwrap()).unwrap();
        w.start_recording();
        w.udp_send(h[0], sock, SocketAddr::new(ip(far), 53), Payload::from(vec![0; 4000])).unwrap();
        w.run(w.now() + Duration::from_secs(1));
        let trace = w.take_trace();
        let told = |e: &crate::trace::Event<'_>| {
            e.ns == h[1]
                && matches!(e.step, Step::Tx { .. })
                && trace.frame(e).to_string().contains("unreachable(")
        };
        assert_eq!(trace.events().filter(told).count(), errors, "{far}");
    }
}

/// Two hosts with fd00::1 and fd00::2.
fn hosts_v6() -> (World, Vec<NsId>) {
    let (mut w, h) = hosts(2);
    for (i, id) in h.iter().enumerate() {
        w.ns_mut(*id).addr_add("eth0", format!("fd00::{}/64", i + 1).parse().unwrap()).unwrap();
    }
    (w, h)
}

#[test]
fn who_asked_for_an_address_is_not_confirmed_by_that_and_asked_in_turn_by_unicast() {
    let (mut w, h) = hosts_v6();
    w.run(crate::time::SimTime::from_secs(60));
    w.start_recording();
    let sock = w.icmp_open(h[0], None).unwrap();
    w.icmp_echo(h[0], sock, ip("fd00::2"), 1, Payload::Empty).unwrap();
    let until = w.now() + Duration::from_secs(8);
    while w.run(until) {
        while w.pop_ready().is_some() {}
    }
    let trace = w.take_trace();
    let of = |ns: NsId| {
        let sent = trace.events().filter(move |e| e.ns == ns && matches!(e.step, Step::Tx { .. }));
        sent.map(|e| trace.frame(&e).to_string()).collect::<Vec<_>>()
    };
    let probe = " > fd00::1 icmp6 neighbour-solicitation(135/0) who-has fd00::1 ttl 255";
    assert!(of(h[1]).iter().any(|l| l.ends_with(probe)), "{:?}", of(h[1]));
    let plain = "icmp6 neighbour-advertisement(136/0) ttl 255";
    assert!(of(h[0]).iter().any(|l| l.ends_with(plain)), "{:?}", of(h[0]));
}

/// The rule forbids what comes from the subnet of both, yet the router's own answer is not asked where it comes from before it has an address.
#[test]
fn a_rule_against_the_own_subnet_is_told_of_from_there() {
    let (mut w, h) = hosts(2);
    let router = w.ns_mut(h[1]);
    router.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    let subnet = "10.0.0.0/24".parse().unwrap();
    router.rule_add(Rule { from: Some(subnet), ..Rule::all(false, 100, RuleAction::Prohibit) }).unwrap();
    let eth0 = w.ns(h[0]).iface_id("eth0").unwrap();
    w.ns_mut(h[0]).route_add(Route::default_via(ip("10.0.0.2"), eth0)).unwrap();
    let sock = w.udp_bind(h[0], "0.0.0.0:4000".parse().unwrap()).unwrap();
    let far = "192.0.2.1:53".parse().unwrap();
    w.udp_connect(h[0], sock, far).unwrap();
    w.udp_send(h[0], sock, far, Payload::Empty).unwrap();
    w.run(w.now() + Duration::from_secs(1));
    assert_eq!(w.take_error(h[0], sock).map(|e| e.errno), Some(Errno::EHOSTUNREACH));
}
