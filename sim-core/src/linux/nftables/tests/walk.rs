//! Walks through base chains.

use super::{command, load};
use crate::chance::Dice;
use crate::linux::Skb;
use crate::linux::conntrack::Conntrack;
use crate::linux::netfilter::{AddrType, AddrTypes, NatTarget, WalkEnd};
use crate::linux::nftables::{Env, FibLookup, Flow, Nftables};
use crate::linux::policy::Flow as RouteFlow;
use crate::packet::{IpPacket, Payload, Transport, Udp};
use crate::time::SimTime;
use crate::trace::{Hook, IfId, NsId, Step, Tag, Trace};

/// A host without routes.
struct Nowhere;

impl AddrTypes for Nowhere {
    fn addr_type(&self, flow: &RouteFlow, _: Option<&str>) -> AddrType {
        if flow.dst.is_loopback() { AddrType::Local } else { AddrType::Unicast }
    }
}

impl FibLookup for Nowhere {
    fn out_interface(&self, _: &RouteFlow, _: Option<IfId>) -> Option<IfId> {
        None
    }

    fn interface_name(&self, _: IfId) -> Option<&str> {
        None
    }
}

fn datagram(src: &str, dst: &str, dport: u16) -> Skb {
    let udp = Udp { sport: 1000, dport, payload: Payload::Empty };
    Skb::made(IpPacket::new(src.parse().unwrap(), dst.parse().unwrap(), Transport::Udp(udp)), Tag::default())
}

/// Leads a packet through the first base chain.
fn walk(rules: &mut Nftables, skb: &mut Skb, now: SimTime, rec: &mut Trace) -> WalkEnd {
    let (at, base) = rules.base_chains().next().unwrap();
    let hook: Hook = base.hook;
    let mut dice = Dice::scripted(vec![0]);
    let mut env = Env {
        now,
        ns: NsId(0),
        hook,
        iif: None,
        oif: None,
        ct: Flow::of(&Conntrack::default(), skb, now),
        set_ct_mark: None,
        dice: &mut dice,
        fib: &Nowhere,
    };
    rules.walk(at, &mut env, skb, rec)
}

fn rules(body: &str) -> Nftables {
    let mut rules = Nftables::default();
    let answer = load(&mut rules, &format!("table ip t {{\n{body}\n}}\n"));
    assert_eq!(answer.err, "");
    rules
}

const INPUT: &str = "type filter hook input priority 0;";

#[test]
fn a_verdict_map_decides_and_the_trace_names_the_element() {
    let mut rules = rules(&format!(
        " map m {{ type ipv4_addr . inet_proto . inet_service : verdict; elements = {{ 10.0.0.1 . udp . 53 : goto x }} }}
 chain x {{ drop; }}
 chain c {{ {INPUT} ip daddr . meta l4proto . th dport vmap @m; accept; }}"
    ));
    let mut rec = Trace::default();
    let end = walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", 53), SimTime::ZERO, &mut rec);
    let WalkEnd::Drop(rule) = end else { panic!("{end:?}") };
    assert_eq!((&*rule.chain, &*rule.text, rule.table.to_string()), ("x", "drop", "ip t".to_owned()));
    let shown: Vec<String> = rec
        .events()
        .filter_map(|e| match e.step {
            Step::Rule { rule, .. } => Some(rule.text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        [
            "ip daddr . meta l4proto . th dport vmap @m → 10.0.0.1 . udp . 53 : goto x".to_owned(),
            "drop".to_owned()
        ]
    );
    let end = walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", 54), SimTime::ZERO, &mut rec);
    assert_eq!(end, WalkEnd::Accept);
}

#[test]
fn elements_that_a_rule_adds_go_when_their_time_is_over() {
    let mut rules = rules(&format!(
        " set s {{ type ipv4_addr; flags dynamic,timeout; timeout 10s; }}
 chain c {{ {INPUT} ip saddr @s drop; udp dport 1 update @s {{ ip saddr }}; }}"
    ));
    let mut rec = Trace::default();
    let mut go = |port, at| {
        walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", port), SimTime::from_secs(at), &mut rec)
    };
    assert_eq!(go(2, 0), WalkEnd::Accept);
    assert_eq!(go(1, 1), WalkEnd::Accept);
    assert!(matches!(go(2, 10), WalkEnd::Drop(_)));
    assert_eq!(go(2, 11), WalkEnd::Accept);
}

#[test]
fn a_limit_is_a_bucket_that_fills_with_time() {
    let mut rules =
        rules(&format!(" chain c {{ {INPUT} policy drop; limit rate 1/second burst 2 packets accept; }}"));
    let mut rec = Trace::default();
    let mut go = |at| {
        walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", 1), SimTime::from_secs(at), &mut rec)
            == WalkEnd::Accept
    };
    assert_eq!(
        [go(0), go(0), go(0), go(1), go(1), go(9), go(9), go(9)],
        [true, true, false, true, false, true, true, false]
    );
}

#[test]
fn numgen_counts_through_a_map_of_addresses_and_ports() {
    let mut rules = rules(
        " chain c { type nat hook prerouting priority -100; meta l4proto udp dnat ip to numgen inc mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 81 }; }",
    );
    let mut rec = Trace::default();
    let mut to = || match walk(&mut rules, &mut datagram("10.0.0.9", "10.9.9.9", 1), SimTime::ZERO, &mut rec)
    {
        WalkEnd::Nat { target: NatTarget::Dnat(range), .. } => {
            (range.addrs.unwrap().0.to_string(), range.ports.unwrap().0)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [to(), to(), to()],
        [("10.0.0.1".into(), 80), ("10.0.0.2".into(), 81), ("10.0.0.1".into(), 80)]
    );
}

#[test]
fn counters_count_and_marks_are_set() {
    let mut rules = rules(&format!(
        " counter n {{ }}
 chain c {{ {INPUT} fib daddr type local counter; counter name n; meta mark set mark or 0x4000; meta mark & 0x4000 == 0 drop; }}"
    ));
    let mut rec = Trace::default();
    let mut skb = datagram("10.0.0.9", "127.0.0.1", 1);
    assert_eq!(walk(&mut rules, &mut skb, SimTime::ZERO, &mut rec), WalkEnd::Accept);
    assert_eq!(skb.mark, 0x4000);
    walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", 1), SimTime::ZERO, &mut rec);
    let list = command(&mut rules, "list table ip t").out;
    assert!(list.contains("fib daddr type local counter packets 1 bytes 28"), "{list}");
    assert!(list.contains("\t\tpackets 2 bytes 56"), "{list}");
}

#[test]
fn a_walk_returns_to_where_it_jumped_from_but_not_from_goto() {
    let mut rules = rules(&format!(
        " chain y {{ return; }}
 chain x {{ goto y; }}
 chain c {{ {INPUT} policy drop; jump x; udp dport 1 accept; goto y; }}"
    ));
    let mut rec = Trace::default();
    let mut go =
        |port| walk(&mut rules, &mut datagram("10.0.0.9", "10.0.0.1", port), SimTime::ZERO, &mut rec);
    assert_eq!(go(1), WalkEnd::Accept);
    let WalkEnd::Drop(policy) = go(2) else { panic!() };
    assert_eq!((policy.number, &*policy.text), (0, "policy drop"));
}
