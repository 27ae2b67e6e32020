use super::*;
use crate::kube::node::proxy::iptables::Detector;
use crate::linux::ipvs::ServiceKey;

fn settings(family: Family) -> Settings {
    Settings {
        family,
        detector: Detector::Cidr("10.244.0.0/16".parse().unwrap()),
        masquerade_all: false,
        random_fully: true,
        mark: 0x4000,
        scheduler: Scheduler::Rr,
        layout: Layout::OutFilter,
        node_port_addresses: None,
        node_ip: None,
    }
}

fn set_up(settings: &Settings) -> String {
    let jump = |j: &super::super::jumps::Jump| format!("{}: {j}\n", j.table);
    chains(settings) + &jumps(settings.layout).iter().map(jump).collect::<String>()
}

fn forbidden() -> impl Iterator<Item = ServiceKey> {
    let key = |protocol, at: &str| ServiceKey { protocol, at: at.parse().unwrap() };
    [key(6, "203.0.113.7:80"), key(17, "203.0.113.8:53")].into_iter()
}

#[test]
fn the_jumps_stand_in_their_order() {
    insta::assert_snapshot!(set_up(&settings(Family::V4)));
}

#[test]
fn all_rules_when_every_set_has_entries() {
    insta::assert_snapshot!(rules(&settings(Family::V4), |_| true, forbidden()));
}

#[test]
fn the_layout_of_1_24() {
    let older = Settings { layout: Layout::Nat, ..settings(Family::V4) };
    insta::assert_snapshot!(format!("{}{}", set_up(&older), rules(&older, |_| true, forbidden())));
}

#[test]
fn the_layouts_between() {
    let text = |layout| {
        let settings = Settings { layout, ..settings(Family::V4) };
        format!("{}{}", set_up(&settings), rules(&settings, |_| true, forbidden()))
    };
    let has = |layout, chain: &str| text(layout).contains(&format!(":{chain} "));
    let chains = ["KUBE-PROXY-FIREWALL", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER"];
    for (minor, there) in
        [(24, [false; 3]), (25, [true, false, false]), (28, [true, true, false]), (29, [true; 3])]
    {
        let layout = Layout::of_minor(minor);
        assert_eq!(chains.map(|c| has(layout, c)), there, "1.{minor}");
        for (chain, there) in chains.into_iter().zip(there) {
            assert_eq!(text(layout).contains(&format!("-A {chain} ")), there, "1.{minor} {chain}");
        }
    }
}

#[test]
fn few_rules_when_no_set_has_entries() {
    insta::assert_snapshot!(rules(&settings(Family::V6), |_| false, std::iter::empty()));
}

#[test]
fn names_of_sets_fit_into_31_letters() {
    let names: Vec<String> = SETS.iter().map(|s| s.name(Family::V6)).filter(|n| n.len() == 31).collect();
    assert_eq!(names, ["KUBE-6-LOAD-BALANCER-SOURCE-CID", "KUBE-6-NODE-PORT-LOCAL-SCTP-HAS"]);
}
