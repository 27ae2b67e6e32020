use proptest::prelude::*;

use super::*;
use crate::linux::World;

fn net(s: &str) -> IpNet {
    s.parse().unwrap()
}

fn host() -> (World, crate::trace::NsId) {
    let mut w = World::new(1);
    let ns = w.add_netns("host");
    for (i, dev) in ["eth0", "eth1"].into_iter().enumerate() {
        let peer = w.add_netns(dev);
        w.add_veth((ns, dev), (peer, "eth0")).unwrap();
        let n = w.ns_mut(ns);
        n.addr_add(dev, net(&format!("10.0.{i}.1/24"))).unwrap();
        n.link_set(dev, true).unwrap();
    }
    (w, ns)
}

fn via(ns: &Netns, flow: &Flow) -> Option<IpAddr> {
    ns.route_by_rules(flow).ok().and_then(|r| r.via)
}

#[test]
fn rules_choose_tables_in_the_order_of_their_priorities() {
    let (mut w, ns) = host();
    let n = w.ns_mut(ns);
    let eth0 = n.iface_id("eth0").unwrap();
    let gateway = |last| IpAddr::from([10, 0, 0, last]);
    n.route_add(Route::default_via(gateway(9), eth0)).unwrap();
    for (table, last) in [(100, 7), (101, 8)] {
        n.route_add_in(table, Route::default_via(gateway(last), eth0)).unwrap();
    }
    let lookup = |table| Rule::all(false, 0, RuleAction::Lookup(table));
    n.rule_add(Rule { from: Some(net("10.1.0.0/16")), ..lookup(100) }).unwrap();
    n.rule_add(Rule { mark: Some((7, 0xff)), ..lookup(101) }).unwrap();
    assert_eq!(
        n.rules().iter().filter(|r| !r.v6).map(|r| r.priority).collect::<Vec<_>>(),
        [0, 32764, 32765, 32766, 32767]
    );
    let to = |src: Option<[u8; 4]>, mark| Flow {
        src: src.map(IpAddr::from),
        mark,
        ..Flow::to([192, 0, 2, 1].into())
    };
    assert_eq!(via(n, &to(None, 0)), Some(gateway(9)));
    assert_eq!(via(n, &to(Some([10, 1, 2, 3]), 0)), Some(gateway(7)));
    assert_eq!(via(n, &to(Some([10, 1, 2, 3]), 0x107)), Some(gateway(8)));
    n.rule_del(|r| r.mark.is_some()).unwrap();
    assert_eq!(via(n, &to(None, 7)), Some(gateway(9)));
    assert_eq!(n.rule_del(|r| r.mark.is_some()), Err(NetError::NoSuchEntry));
}

#[test]
fn a_throw_route_and_a_suppressed_prefix_lead_to_the_next_rule() {
    let (mut w, ns) = host();
    let n = w.ns_mut(ns);
    let eth0 = n.iface_id("eth0").unwrap();
    let gateway = IpAddr::from([10, 0, 0, 9]);
    n.route_add_in(100, Route::default_via(gateway, eth0)).unwrap();
    n.route_add_in(100, Route::refuse(net("192.0.2.0/24"), RouteKind::Throw)).unwrap();
    n.rule_add(Rule::all(false, 10, RuleAction::Lookup(100))).unwrap();
    assert_eq!(via(n, &Flow::to([198, 51, 100, 1].into())), Some(gateway));
    assert_eq!(n.route_by_rules(&Flow::to([192, 0, 2, 1].into())), Err(Refusal::Nothing));
    n.rule_del(|r| r.priority == 10).unwrap();
    n.rule_add(Rule { suppress_prefix: Some(0), ..Rule::all(false, 10, RuleAction::Lookup(100)) }).unwrap();
    assert_eq!(n.route_by_rules(&Flow::to([198, 51, 100, 1].into())), Err(Refusal::Nothing));
}

#[test]
fn an_interface_that_goes_down_empties_all_tables_of_its_routes() {
    let (mut w, ns) = host();
    let n = w.ns_mut(ns);
    let eth1 = n.iface_id("eth1").unwrap();
    n.route_add_in(100, Route::link(net("10.9.0.0/16"), eth1)).unwrap();
    n.link_set("eth1", false).unwrap();
    assert!(n.table(100).is_none_or(|t| t.iter().next().is_none()));
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (0u32..16, 0u8..=32).prop_map(|(bits, len)| {
        IpNet::new_assert(IpAddr::from(((bits << 28) | bits).to_be_bytes()), len).trunc()
    })
}

proptest! {
    /// The sorted tables against the obvious way: of all routes that fit, the longest prefix, then the lowest metric, then the oldest.
    #[test]
    fn look_ups_by_rules_agree_with_a_scan(
        routes in prop::collection::vec((prefix(), 0u32..3, 100u32..103, 0u8..8), 0..24),
        rules in prop::collection::vec((100u32..103, prop::option::of(prefix()), prop::option::of(0u8..8)), 1..5),
        dst in any::<u32>(),
    ) {
        let (mut w, ns) = host();
        let n = w.ns_mut(ns);
        let eth0 = n.iface_id("eth0").unwrap();
        let mut kept: Vec<(u32, Route)> = Vec::new();
        for (dst, metric, table, kind) in routes {
            let base = if kind == 0 { Route::refuse(dst, RouteKind::Throw) } else { Route::link(dst, eth0) };
            let route = Route { metric, ..base };
            if n.route_add_in(table, route.clone()).is_ok() {
                kept.push((table, route));
            }
        }
        for (i, (table, to, suppress_prefix)) in rules.iter().enumerate() {
            let rule = Rule { to: *to, suppress_prefix: *suppress_prefix, ..Rule::all(false, 1 + i as u32, RuleAction::Lookup(*table)) };
            n.rule_add(rule).unwrap();
        }
        let dst = IpAddr::from(dst.to_be_bytes());
        // The local table comes before all rules.
        prop_assume!(n.table(255).is_none_or(|t| t.lookup(dst).is_none()));
        let slow = rules.iter().filter(|(_, to, _)| to.is_none_or(|t| t.contains(&dst))).find_map(|(table, _, suppress)| {
            let fits = kept.iter().filter(|(t, r)| t == table && r.dst.contains(&dst)).map(|(_, r)| r);
            let best = fits.min_by_key(|r| (std::cmp::Reverse(r.dst.prefix_len()), r.metric))?;
            let counts = best.kind != RouteKind::Throw && suppress.is_none_or(|most| best.dst.prefix_len() > most);
            counts.then_some(best)
        });
        let fast = n.route_by_rules(&Flow::to(dst)).ok().filter(|r| r.proto == crate::linux::route::RouteProto::Boot);
        prop_assert_eq!(fast, slow);
    }
}
