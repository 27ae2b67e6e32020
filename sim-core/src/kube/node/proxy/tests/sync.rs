//! What partial syncs leave is what one full sync writes.

use std::time::Duration;

use proptest::prelude::*;

use super::super::ipvs;
use super::node::{Kind, Node};
use super::random::{SERVICES, entry, key};
use crate::linux::nftables::{Input, Style};

/// What stands in the node's tables, in an order that does not tell when it came.
fn contents(node: &Node) -> Vec<String> {
    let ns = node.world.ns(node.ns);
    let mut all: Vec<String> = ns.nf4().save(None, false).lines().map(str::to_owned).collect();
    for table in ns.nft().tables() {
        for chain in table.chains.values() {
            let style = Style::default();
            let text = format!("list chain ip kube-proxy {}", chain.name);
            let answer =
                ns.nft().clone().run(Input { file: None, text: &text }, style, false, &ns.interface_names());
            all.push(answer.out);
        }
        for set in table.sets.values() {
            let mut elements: Vec<String> =
                set.elements.iter().map(|e| format!("{:?} {:?}", e.low, e.data)).collect();
            elements.sort();
            all.push(format!("{} {:?} {}", set.name, set.timeout, elements.join(", ")));
        }
    }
    if let Some(dummy) = ns.by_name(ipvs::DEVICE).ok().filter(|_| ns.ipvs().is_enabled()) {
        all.extend(dummy.addrs.iter().map(ToString::to_string));
        all.extend(ns.ipvs().services().map(|service| {
            let mut real: Vec<_> = ns.ipvs().dests(service).map(|d| (d.at, d.weight)).collect();
            real.sort();
            format!("{:?} {:?} {real:?}", service.key, service.persistence)
        }));
        let sets = ns.clone().ipset(&["list".to_owned()], "", node.world.now()).expect("the sets are there");
        all.extend(sets.0.split("\n\n").flat_map(|set| {
            let name = set.lines().next().unwrap_or_default();
            let entries = set.lines().skip_while(|line| *line != "Members:").skip(1);
            entries.map(move |entry| format!("{name} {entry}"))
        }));
    }
    all.sort();
    all
}

fn steps() -> impl Strategy<Value = Vec<Vec<(u8, Option<super::super::services::Entry>)>>> {
    let change = (0..SERVICES).prop_flat_map(|i| (Just(i), entry(i, true)));
    prop::collection::vec(prop::collection::vec(change, 1..4), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn partial_syncs_come_to_the_same_as_a_full_one(steps in steps()) {
        for kind in [Kind::Iptables, Kind::Nftables, Kind::Ipvs] {
            let mut node = Node::new(kind);
            for step in &steps {
                node.change(step.iter().map(|(i, entry)| (key(*i), entry.clone())));
            }
            // Chains and real servers that are not needed any more are deleted later.
            for _ in 0..2 {
                node.wait(Duration::from_secs(61));
                node.change([]);
            }
            prop_assert!(!node.has_more());
            let mut twin = Node::new(kind);
            twin.change(node.services());
            prop_assert_eq!(contents(&node), contents(&twin), "{:?}", kind);
        }
    }
}

fn chains(node: &Node) -> Vec<(String, usize)> {
    let table = node.world.ns(node.ns).nft().tables().next().expect("the table is there");
    let own = table.chains.values().filter(|c| c.name.contains('/'));
    own.map(|c| (c.name.split('-').next().unwrap_or_default().to_owned(), c.rules.len())).collect()
}

fn one_service() -> super::super::services::Entry {
    use super::super::model::{Endpoint, ServicePort};
    let endpoints = vec![Endpoint::ready("10.244.1.5:8080".parse().unwrap(), None)];
    let service = ServicePort::internal(key(0), super::random::cluster_ip(0).into(), 80);
    super::super::services::Entry { service, endpoints }
}

#[test]
fn a_stale_chain_of_nftables_is_emptied_at_once_and_deleted_more_than_a_second_later() {
    let mut node = Node::new(Kind::Nftables);
    node.change([(key(0), Some(one_service()))]);
    assert_eq!(chains(&node), [("service".to_owned(), 2), ("endpoint".to_owned(), 2)]);
    node.change([(key(0), None)]);
    let empty = [("service".to_owned(), 0), ("endpoint".to_owned(), 0)];
    assert_eq!(chains(&node), empty);
    node.wait(Duration::from_secs(1));
    node.change([]);
    assert_eq!(chains(&node), empty, "a second is not more than a second");
    assert!(node.has_more());
    node.wait(Duration::from_millis(1));
    node.change([]);
    assert_eq!(chains(&node), []);
    assert!(!node.has_more());
}

#[test]
fn a_chain_that_is_needed_again_is_not_deleted() {
    let mut node = Node::new(Kind::Nftables);
    node.change([(key(0), Some(one_service()))]);
    node.change([(key(0), None)]);
    node.change([(key(0), Some(one_service()))]);
    node.wait(Duration::from_secs(5));
    node.change([]);
    assert_eq!(chains(&node), [("service".to_owned(), 2), ("endpoint".to_owned(), 2)]);
}

fn save(node: &Node) -> String {
    node.world.ns(node.ns).nf4().save(None, false)
}

/// With more than 1,000 endpoints in all.
fn many(n: u8) -> super::super::services::Entry {
    let mut entry = one_service();
    entry.endpoints = (0..=1000)
        .map(|i| super::super::model::Endpoint::ready(([10, 244, n, 0], 1000 + i).into(), None))
        .collect();
    entry
}

#[test]
fn a_large_cluster_has_no_comments_on_endpoints_and_keeps_stale_chains_for_a_while() {
    let mut node = Node::new(Kind::Iptables);
    node.change([(key(0), Some(many(1)))]);
    let endpoint_rules =
        |text: &str| text.lines().filter(|l| l.contains("KUBE-SEP-") && l.contains("comment")).count();
    assert_eq!(endpoint_rules(&save(&node)), 0);
    let stale = |node: &Node| save(node).lines().filter(|l| l.starts_with(":KUBE-SEP")).count();
    node.change([(key(0), Some(many(2)))]);
    assert_eq!(stale(&node), 2002, "the first clean-up was at the start");
    node.wait(Duration::from_secs(31));
    node.change([]);
    assert_eq!(stale(&node), 1001);
    let mut small = one_service();
    small.endpoints.truncate(1);
    node.change([(key(0), Some(small))]);
    assert_eq!(stale(&node), 1, "a small cluster cleans up at once");
    assert_eq!(endpoint_rules(&save(&node)), 3);
}

#[test]
fn what_somebody_else_changed_in_the_fixed_chains_is_written_again() {
    let mut node = Node::new(Kind::Iptables);
    node.change([(key(0), Some(one_service()))]);
    let right = save(&node);
    for wrong in ["-F KUBE-SERVICES", "-I KUBE-POSTROUTING -j ACCEPT", "-F"] {
        super::super::super::agents::restore(
            node.world.ns_mut(node.ns),
            crate::trace::Family::V4,
            &format!("*nat\n{wrong}\nCOMMIT\n"),
        )
        .unwrap();
        assert_ne!(save(&node), right);
        node.change([(key(0), Some(one_service()))]);
        if wrong == "-F" {
            // The jumps of the built-in chains and the chains of Services wait for a full sync.
            assert_ne!(save(&node), right);
        } else {
            assert_eq!(save(&node), right);
        }
    }
}

#[test]
fn after_an_hour_everything_is_written_again() {
    for (kind, wrong) in
        [(Kind::Iptables, "*nat\n-F KUBE-MARK-MASQ\n-F KUBE-SERVICES\nCOMMIT\n"), (Kind::Nftables, "")]
    {
        let mut node = Node::new(kind);
        node.change([(key(0), Some(one_service()))]);
        let right = contents(&node);
        if kind == Kind::Iptables {
            super::super::super::agents::restore(node.world.ns_mut(node.ns), crate::trace::Family::V4, wrong)
                .unwrap();
        } else {
            let input = Input { file: None, text: "flush table ip kube-proxy" };
            let interfaces = node.world.ns(node.ns).interface_names();
            let answer =
                node.world.ns_mut(node.ns).nftables(|n| n.run(input, Style::default(), false, &interfaces));
            assert_eq!(answer.err, "");
        }
        assert_ne!(contents(&node), right);
        node.wait(Duration::from_secs(3600));
        node.change([]);
        assert_eq!(contents(&node), right, "{kind:?}");
    }
}

#[test]
fn a_node_in_another_zone_has_other_endpoints() {
    use super::super::model::Endpoint;
    let near = |ip: &str, zone: &str| Endpoint {
        zone_hints: [zone.to_owned()].into_iter().collect(),
        ..Endpoint::ready(format!("{ip}:8080").parse().unwrap(), None)
    };
    let mut entry = one_service();
    entry.endpoints = vec![near("10.244.1.5", "east"), near("10.244.2.5", "west")];
    let mut node = Node::new(Kind::Iptables);
    assert!(node.move_to("east"));
    node.change([(key(0), Some(entry))]);
    assert!(save(&node).contains("10.244.1.5:8080") && !save(&node).contains("10.244.2.5:8080"));
    assert!(!node.move_to("east"));
    assert!(node.move_to("west"));
    node.change([]);
    assert!(save(&node).contains("10.244.2.5:8080") && !save(&node).contains("10.244.1.5:8080"));
}
