//! What kube-proxy's configuration does to packets, in each mode.

use std::net::{IpAddr, SocketAddr};

use super::super::iptables::{Detector, Settings};
use super::super::model::{Endpoint, ServicePort};
use super::super::services::Entry;
use super::agree::packet;
use super::node::{Kind, NODE_IP, Node, Outcome, settings};
use super::random::{PORT, cluster_ip, key, node_port};

const KINDS: [Kind; 3] = [Kind::Iptables, Kind::Nftables, Kind::Ipvs];
const POD: &str = "10.244.1.9";
const OUTSIDE: &str = "198.51.100.7";
const ENDPOINT: &str = "10.244.2.5:8080";

/// What becomes of a packet, on a node with one Service that has a node port.
fn fate(kind: Kind, settings: &Settings, src: &str, dst: SocketAddr) -> Vec<Outcome> {
    let mut node = Node::with(kind, settings);
    let internal = ServicePort::internal(key(0), cluster_ip(0).into(), PORT);
    let service = ServicePort { node_port: Some(node_port(0)), ..internal };
    let endpoints = vec![Endpoint::ready(ENDPOINT.parse().unwrap(), Some("there"))];
    node.change([(key(0), Some(Entry { service, endpoints }))]);
    let src: IpAddr = src.parse().unwrap();
    let make = |sport| packet(key(0).protocol, src, dst.ip(), sport, dst.port());
    node.outcomes(make).into_iter().collect()
}

fn to_cluster_ip(kind: Kind, settings: &Settings, src: &str) -> Vec<Outcome> {
    fate(kind, settings, src, SocketAddr::new(cluster_ip(0).into(), PORT))
}

fn to_node_port(kind: Kind, settings: &Settings, src: &str, dst: &str) -> Vec<Outcome> {
    fate(kind, settings, src, SocketAddr::new(dst.parse().unwrap(), node_port(0)))
}

fn translated(masqueraded: bool) -> Vec<Outcome> {
    vec![Outcome::Translated(ENDPOINT.parse().unwrap(), masqueraded)]
}

#[test]
fn masquerade_all_hides_pods_too() {
    let all = Settings { masquerade_all: true, ..settings() };
    for kind in KINDS {
        assert_eq!(to_cluster_ip(kind, &settings(), POD), translated(false), "{kind:?}");
        assert_eq!(to_cluster_ip(kind, &settings(), OUTSIDE), translated(true), "{kind:?}");
        assert_eq!(to_cluster_ip(kind, &all, POD), translated(true), "{kind:?}");
    }
}

#[test]
fn detectors_tell_pods_from_others() {
    // What comes from outside this node comes in by eth0, whoever sent it.
    let cases = [
        (Detector::None, false, false),
        (Detector::Cidr("198.51.100.0/24".parse().unwrap()), true, false),
        (Detector::Bridge("cni0".into()), true, true),
        (Detector::Bridge("eth0".into()), false, false),
        (Detector::InterfacePrefix("veth".into()), true, true),
        (Detector::InterfacePrefix("et".into()), false, false),
    ];
    for (detector, pod, outside) in cases {
        let settings = Settings { detector, ..settings() };
        for kind in KINDS {
            let what = format!("{kind:?} {:?}", settings.detector);
            assert_eq!(to_cluster_ip(kind, &settings, POD), translated(pod), "{what}");
            assert_eq!(to_cluster_ip(kind, &settings, OUTSIDE), translated(outside), "{what}");
        }
    }
}

#[test]
fn node_ports_are_open_on_the_addresses_that_are_named() {
    let only = |ip: &str| Settings { node_port_addresses: Some(vec![ip.parse().unwrap()]), ..settings() };
    for kind in [Kind::Iptables, Kind::Nftables] {
        let at = |settings: &Settings| to_node_port(kind, settings, OUTSIDE, NODE_IP);
        assert_eq!(at(&settings()), translated(true), "{kind:?}");
        assert_eq!(at(&only(NODE_IP)), translated(true), "{kind:?}");
        assert_eq!(at(&only("192.168.0.77")), [Outcome::None], "{kind:?}");
    }
}

#[test]
fn only_iptables_mode_has_node_ports_on_localhost() {
    let localhost = |kind, settings: &Settings| to_node_port(kind, settings, "127.0.0.1", "127.0.0.1");
    let without = Settings { localhost_node_ports: false, ..settings() };
    assert_eq!(localhost(Kind::Iptables, &settings()), translated(true));
    assert_eq!(localhost(Kind::Iptables, &without), [Outcome::None]);
    assert_eq!(localhost(Kind::Nftables, &settings()), [Outcome::None]);
    assert_eq!(localhost(Kind::Ipvs, &settings()), [Outcome::None]);
}
