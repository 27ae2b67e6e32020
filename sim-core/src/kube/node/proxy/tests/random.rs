//! Random Services and endpoints.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proptest::prelude::*;
use smallvec::SmallVec;

use super::super::model::{Endpoint, PortKey, ServicePort};
use super::super::services::Entry;
use crate::kube::objects::Protocol;

/// The node where the rules are.
pub(super) const NODE: &str = "here";
/// Services by number; each has its own addresses.
pub(super) const SERVICES: u8 = 4;
/// Port of every Service on its virtual addresses.
pub(super) const PORT: u16 = 80;

pub(super) const fn cluster_ip(i: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, 0, 10 + i)
}

pub(super) const fn external_ip(i: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 10 + i)
}

pub(super) const fn load_balancer_ip(i: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, 10 + i)
}

pub(super) const fn node_port(i: u8) -> u16 {
    30_080 + i as u16
}

/// The key of Service number `i`. Its protocol goes with the number.
pub(super) fn key(i: u8) -> PortKey {
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Tcp, Protocol::Sctp][usize::from(i) % 4];
    PortKey { namespace: "ns".into(), name: format!("svc{i}"), port: "p".into(), protocol }
}

/// A Service with its endpoints, or none.
pub(super) fn entry(i: u8, affinity: bool) -> impl Strategy<Value = Option<Entry>> {
    let one =
        (service(i, affinity), endpoints()).prop_map(|(service, endpoints)| Entry { service, endpoints });
    prop::option::weighted(0.85, one)
}

fn service(i: u8, affinity: bool) -> impl Strategy<Value = ServicePort> {
    let ranges = prop::sample::subsequence(vec!["198.51.100.0/25", "192.168.0.0/24", "10.244.0.0/16"], 0..3);
    let addresses = (any::<bool>(), any::<bool>(), any::<bool>());
    let policies = (any::<bool>(), any::<bool>());
    (addresses, ranges, policies, prop::option::of(1..100_u32)).prop_map(
        move |((node, external, balanced), ranges, (external_local, internal_local), seconds)| ServicePort {
            node_port: node.then_some(node_port(i)),
            external_ips: external.then(|| IpAddr::V4(external_ip(i))).into_iter().collect(),
            load_balancer_ips: balanced.then(|| IpAddr::V4(load_balancer_ip(i))).into_iter().collect(),
            source_ranges: ranges.iter().filter_map(|r| r.parse().ok()).collect(),
            external_local,
            internal_local,
            affinity_seconds: seconds.filter(|_| affinity),
            health_check_port: (balanced && external_local).then_some(node_port(i) + 100),
            ..ServicePort::internal(key(i), IpAddr::V4(cluster_ip(i)), PORT)
        },
    )
}

/// An address and its node.
type Place = (&'static str, Option<&'static str>);
/// Ready, serving, terminating; and the node it is a hint for.
type State = ((bool, bool, bool), Option<&'static str>);

/// Endpoints here, elsewhere, nowhere and outside, in every state, some with hints.
fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let places = [
        ("10.244.1.5", Some(NODE)),
        ("10.244.1.6", Some(NODE)),
        ("10.244.2.5", Some("there")),
        ("10.244.2.10", Some("there")),
        ("10.244.3.5", None),
        ("198.51.100.200", None),
    ];
    let state = prop_oneof![4 => Just((true, true, false)), 1 => Just((false, true, true)), 1 => Just((false, false, false))];
    let hints = prop_oneof![6 => Just(None), 1 => Just(Some(NODE)), 1 => Just(Some("there"))];
    let chosen = prop::sample::subsequence(places.to_vec(), 0..=3);
    (chosen, prop::collection::vec((state, hints), 3)).prop_map(|(places, states)| {
        let one = |(place, state): (&Place, &State)| {
            let ((ip, node), ((ready, serving, terminating), hint)) = (*place, state);
            let at: IpAddr = ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            Endpoint {
                ready: *ready,
                serving: *serving,
                terminating: *terminating,
                node_hints: hint.iter().map(|h| (*h).to_owned()).collect::<SmallVec<_>>(),
                ..Endpoint::ready(SocketAddr::new(at, 8080), node)
            }
        };
        places.iter().zip(&states).map(one).collect()
    })
}
