use super::*;
use crate::kube::node::proxy::iptables::Detector;

fn settings(family: Family) -> Settings {
    Settings {
        family,
        detector: Detector::Cidr("10.244.0.0/16".parse().unwrap()),
        masquerade_all: false,
        random_fully: true,
        mark: 0x4000,
        scheduler: Scheduler::Rr,
        older: false,
        node_ip: None,
    }
}

#[test]
fn the_jumps_stand_in_their_order() {
    insta::assert_snapshot!(jumps(&settings(Family::V4)));
}

#[test]
fn all_rules_when_every_set_has_entries() {
    insta::assert_snapshot!(rules(&settings(Family::V4), |_| true));
}

#[test]
fn the_layout_of_1_24() {
    let older = Settings { older: true, ..settings(Family::V4) };
    insta::assert_snapshot!(format!("{}{}", jumps(&older), rules(&older, |_| true)));
}

#[test]
fn few_rules_when_no_set_has_entries() {
    insta::assert_snapshot!(rules(&settings(Family::V6), |_| false));
}

#[test]
fn names_of_sets_fit_into_31_letters() {
    let names: Vec<String> = SETS.iter().map(|s| s.name(Family::V6)).filter(|n| n.len() == 31).collect();
    assert_eq!(names, ["KUBE-6-LOAD-BALANCER-SOURCE-CID", "KUBE-6-NODE-PORT-LOCAL-SCTP-HAS"]);
}
