//! Rule texts, compared with what kube-proxy writes.

use smallvec::smallvec;

use super::super::names::{PROBABILITY_DIGITS, probability};
use super::*;
use crate::kube::node::proxy::model::{Endpoint, ServicePort};
use crate::kube::node::proxy::select::{Viewpoint, select};
use crate::kube::objects::Protocol;

fn service(name: &str) -> ServicePort {
    let key = PortKey {
        namespace: "default".into(),
        name: name.into(),
        port: String::new(),
        protocol: Protocol::Tcp,
    };
    ServicePort::internal(key, "10.96.123.4".parse().unwrap(), 80)
}

fn text(services: &[(ServicePort, Vec<Endpoint>)], settings: &Settings) -> String {
    let here = Viewpoint { node: "node1", zone: "" };
    let blocks = services
        .iter()
        .map(|(s, e)| (s.key.clone(), Arc::new(block(settings, s, &select(s, e, here)))))
        .collect();
    sync(settings, &blocks, Changes::ALL)
}

fn settings() -> Settings {
    Settings::kubeadm("10.244.0.0/16".parse().unwrap())
}

fn endpoint(at: &str, node: &str) -> Endpoint {
    Endpoint::ready(at.parse().unwrap(), Some(node))
}

#[test]
fn a_cluster_ip_with_three_endpoints() {
    let endpoints = vec![
        endpoint("10.244.1.5:80", "node1"),
        endpoint("10.244.2.10:80", "node2"),
        endpoint("10.244.2.9:80", "node2"),
    ];
    insta::assert_snapshot!(text(&[(service("svc-a"), endpoints)], &settings()));
}

#[test]
fn a_service_without_endpoints_is_rejected() {
    insta::assert_snapshot!(text(&[(service("svc-a"), vec![])], &settings()));
}

#[test]
fn every_kind_of_entry() {
    let all = ServicePort {
        node_port: Some(30080),
        external_ips: smallvec!["192.168.99.22".parse().unwrap()],
        load_balancer_ips: smallvec!["1.2.3.4".parse().unwrap()],
        source_ranges: smallvec!["203.0.113.0/25".parse().unwrap()],
        affinity_seconds: Some(10800),
        ..service("all")
    };
    let local = ServicePort {
        node_port: Some(30081),
        external_local: true,
        health_check_port: Some(30999),
        ..service("local")
    };
    let elsewhere = vec![endpoint("10.244.2.9:80", "node2")];
    let settings = Settings { nfacct: true, random_fully: false, ..settings() };
    insta::assert_snapshot!(text(&[(all, elsewhere.clone()), (local, elsewhere)], &settings));
}

#[test]
fn what_hangs_on_the_built_in_chains() {
    insta::assert_snapshot!(base_rules(&settings(), true));
}

#[test]
fn only_the_chains_of_changed_services_are_rewritten() {
    let settings = settings();
    let here = Viewpoint { node: "node1", zone: "" };
    let endpoints = [endpoint("10.244.1.5:80", "node1")];
    let blocks: BTreeMap<_, _> = ["a", "b"]
        .map(|name| {
            let s = service(name);
            (s.key.clone(), Arc::new(block(&settings, &s, &select(&s, &endpoints, here))))
        })
        .into();
    let changed = [service("b").key];
    let stale = ["KUBE-SEP-AAAAAAAAAAAAAAAA".to_owned()];
    let partial =
        sync(&settings, &blocks, Changes { changed: Some(&changed), stale: &stale, ..Changes::ALL });
    assert_eq!(partial.matches("cluster IP").count(), 3, "both are entered, one is rewritten");
    assert!(partial.contains(":KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]\n"));
    assert!(partial.ends_with("-X KUBE-SEP-AAAAAAAAAAAAAAAA\nCOMMIT\n"));
}

#[test]
fn probabilities_have_ten_decimals() {
    let texts = [1, 3, 6, 7, 998, 100_001].map(|n| probability(n, PROBABILITY_DIGITS));
    assert_eq!(
        texts,
        ["1.0000000000", "0.3333333333", "0.1666666667", "0.1428571429", "0.0010020040", "0.0000099999"]
    );
}

/// The old layout of tutorials, with names and probabilities as they stand in listings of real clusters.
#[test]
fn the_layout_of_1_16() {
    let key = |name: &str| PortKey {
        namespace: "test001".into(),
        name: name.into(),
        port: String::new(),
        protocol: Protocol::Tcp,
    };
    let cluster_ip = ServicePort::internal(key("app-svc-clusterip"), "10.109.117.159".parse().unwrap(), 80);
    let node_port = ServicePort {
        node_port: Some(30080),
        ..ServicePort::internal(key("app-svc-nodeport"), "10.111.7.86".parse().unwrap(), 80)
    };
    let endpoints = vec![
        endpoint("10.244.1.19:8080", "k8s-2"),
        endpoint("10.244.2.15:8080", "k8s-3"),
        endpoint("10.244.2.16:8080", "k8s-3"),
    ];
    let text = text(&[(cluster_ip, endpoints.clone()), (node_port, endpoints)], &settings().in_dialect(16));
    for name in [
        "KUBE-SVC-F657HDVWWTO5ELQA",
        "KUBE-SEP-MGLKNLMW4TUU5NXD",
        "KUBE-SEP-63ULW6JC6WIZUZAX",
        "KUBE-SEP-U4ZMXMHDO2QATTS7",
        "KUBE-SVC-CFVXM4HF2HSCB2P5",
        "KUBE-SEP-YZPFJIVDJH5M2X7F",
        "KUBE-SEP-GBMLEVQY6OROVLIP",
        "KUBE-SEP-2HTJJZZDPAT4VCE2",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn entries_from_outside_before_kube_ext() {
    let all = ServicePort {
        node_port: Some(30080),
        external_ips: smallvec!["192.168.99.22".parse().unwrap()],
        load_balancer_ips: smallvec!["1.2.3.4".parse().unwrap()],
        source_ranges: smallvec!["203.0.113.0/25".parse().unwrap()],
        affinity_seconds: Some(10800),
        external_local: true,
        ..service("svc-a")
    };
    let here = vec![endpoint("10.244.1.5:80", "node1"), endpoint("10.244.2.9:80", "node2")];
    let there = vec![endpoint("10.244.2.9:80", "node2")];
    let mut elsewhere = all.clone();
    elsewhere.key.name = "svc-b".into();
    let services = [(all, here), (elsewhere, there)];
    insta::assert_snapshot!(text(&services, &settings().in_dialect(18)));
    insta::assert_snapshot!(text(&services, &settings().in_dialect(24)));
}

/// Every layout is one that `iptables-restore` takes, chain by chain.
#[test]
fn every_layout_loads() {
    let all = ServicePort {
        node_port: Some(30080),
        external_ips: smallvec!["192.168.99.22".parse().unwrap()],
        load_balancer_ips: smallvec!["1.2.3.4".parse().unwrap()],
        source_ranges: smallvec!["203.0.113.0/25".parse().unwrap()],
        affinity_seconds: Some(10800),
        external_local: true,
        internal_local: true,
        ..service("svc-a")
    };
    let there = vec![endpoint("10.244.2.9:80", "node2")];
    for minor in 10..=35 {
        let settings = settings().in_dialect(minor);
        let mut rules = crate::linux::netfilter::Ruleset::new(Family::V4);
        for text in [base_rules(&settings, true), text(&[(all.clone(), there.clone())], &settings)] {
            let options = crate::linux::netfilter::RestoreOptions { noflush: true, ..Default::default() };
            if let Err(e) = rules.restore(&text, options) {
                panic!("1.{minor}: {e}\n{text}");
            }
        }
    }
}
