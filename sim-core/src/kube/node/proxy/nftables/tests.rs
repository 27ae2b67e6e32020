//! Rule texts, compared with what kube-proxy writes.

use smallvec::smallvec;

use super::*;
use crate::kube::node::proxy::model::{Endpoint, PortKey, ServicePort};
use crate::kube::node::proxy::select::{Viewpoint, select};
use crate::kube::objects::Protocol;

fn settings() -> Settings {
    Settings {
        family: Family::V4,
        detector: Detector::Cidr("10.244.0.0/16".parse().unwrap()),
        masquerade_all: false,
        mark: 0x4000,
        node_port_addresses: vec!["192.168.100.101".parse().unwrap()],
        node_ip: Some("192.168.100.101".parse().unwrap()),
        service_subnets: vec!["10.96.0.0/12".parse().unwrap()],
    }
}

fn service() -> ServicePort {
    let key =
        PortKey { namespace: "ns".into(), name: "svc".into(), port: "p".into(), protocol: Protocol::Tcp };
    ServicePort::internal(key, "10.96.0.7".parse().unwrap(), 80)
}

fn text(service: &ServicePort, endpoints: &[(&str, &str)]) -> String {
    let endpoints: Vec<Endpoint> =
        endpoints.iter().map(|(at, node)| Endpoint::ready(at.parse().unwrap(), Some(node))).collect();
    let here = Viewpoint { node: "node1", zone: "" };
    block(&settings(), service, &select(service, &endpoints, here)).text(&settings())
}

#[test]
fn what_is_there_without_any_service() {
    insta::assert_snapshot!(base(&settings()));
}

#[test]
fn every_kind_of_entry() {
    let all = ServicePort {
        node_port: Some(30080),
        external_ips: smallvec!["192.168.99.22".parse().unwrap()],
        load_balancer_ips: smallvec!["1.2.3.4".parse().unwrap()],
        source_ranges: smallvec!["203.0.113.0/25".parse().unwrap()],
        affinity_seconds: Some(10800),
        external_local: true,
        ..service()
    };
    insta::assert_snapshot!(text(&all, &[("10.244.1.5:80", "node1"), ("10.244.2.9:80", "node2")]));
}

#[test]
fn a_policy_without_endpoints_here_drops_and_none_at_all_rejects() {
    let local =
        ServicePort { node_port: Some(30080), internal_local: true, external_local: true, ..service() };
    insta::assert_snapshot!(text(&local, &[("10.244.2.9:80", "node2")]));
    insta::assert_snapshot!(text(&local, &[]));
}

#[test]
fn source_ranges_hold_without_endpoints() {
    let ranged = ServicePort {
        load_balancer_ips: smallvec!["1.2.3.4".parse().unwrap()],
        source_ranges: smallvec!["192.168.100.0/24".parse().unwrap()],
        ..service()
    };
    let text = text(&ranged, &[]);
    assert!(text.contains("ip saddr != { 192.168.100.0/24 , 1.2.3.4 } drop"), "{text}");
    assert!(
        text.contains("firewall-ips { 1.2.3.4 . tcp . 80 comment \"ns/svc:p\" : goto firewall-"),
        "{text}"
    );
}
