//! Which zones and nodes should use which endpoint: `trafficDistribution`, and the annotation that came before it.
//!
//! With `trafficDistribution` every ready endpoint is for its own zone (and node). With `topology-mode: Auto` zones get endpoints in
//! proportion to their CPUs (`topologycache`): each at least what keeps its overload below a fifth. Of the endpoints that then serve
//! another zone than their own the real controller may pick others; the numbers per zone are the same.

use std::collections::BTreeMap;

use crate::kube::objects::endpoint_slice::{EndpointHints, NamedHint};
use crate::kube::objects::{Endpoint, Node, Service};
use crate::kube::store::Store;

/// Label of a node that names its zone.
pub(super) const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// Labels of nodes that run the control plane: their CPUs do not count.
const LABELS_CONTROL_PLANE: [&str; 2] =
    ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/// Annotations that ask for hints, the newer one first.
const ANNOTATIONS: [&str; 2] =
    ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];
/// How much more than its share a zone's endpoints may get.
const OVERLOAD: f64 = 0.2;

/// Gives the endpoints of one Service and family their hints.
pub(super) fn set<'a>(store: &Store, service: &Service, endpoints: impl Iterator<Item = &'a mut Endpoint>) {
    let ready = endpoints.filter(|e| e.conditions.is_ready());
    let auto = ANNOTATIONS.iter().find_map(|name| service.metadata.annotations.get(*name));
    match service.spec.traffic_distribution.as_deref() {
        // The annotation goes first where both are there.
        _ if auto.is_some_and(|value| value == "Auto" || value == "auto") => {
            by_cpus(&cpus_by_zone(store), ready.collect());
        }
        Some("PreferClose" | "PreferSameZone") => ready.for_each(|e| e.hints = own(e, false)),
        Some("PreferSameNode") => ready.for_each(|e| e.hints = own(e, true)),
        _ => {}
    }
}

/// For the endpoint's own zone, and its node if that is asked for.
fn own(endpoint: &Endpoint, node: bool) -> Option<EndpointHints> {
    let named = |name: Option<&String>| {
        name.map(|name| NamedHint { name: name.clone() }).into_iter().collect::<Vec<_>>()
    };
    let for_nodes = named(endpoint.node_name.as_ref().filter(|_| node));
    let hints = EndpointHints { for_nodes, for_zones: named(endpoint.zone.as_ref()) };
    Some(hints).filter(|h| !h.for_nodes.is_empty() || !h.for_zones.is_empty())
}

/// The CPUs of each zone; none if a node tells no zone or no CPUs.
fn cpus_by_zone(store: &Store) -> BTreeMap<String, f64> {
    let mut zones = BTreeMap::new();
    for node in store.all::<Node>(None).filter(|n| n.is_ready()) {
        let labels = &node.metadata.labels;
        if LABELS_CONTROL_PLANE.iter().any(|label| labels.contains_key(*label)) {
            continue;
        }
        let cpus = node.status.allocatable.get("cpu").and_then(|text| match text.strip_suffix('m') {
            Some(milli) => milli.parse::<f64>().ok().map(|n| n / 1000.0),
            None => text.parse().ok(),
        });
        match (labels.get(LABEL_ZONE), cpus) {
            (Some(zone), Some(cpus)) => *zones.entry(zone.clone()).or_insert(0.0) += cpus,
            _ => return BTreeMap::new(),
        }
    }
    zones
}

/// What a zone should have.
struct Share {
    desired: f64,
    minimum: usize,
    has: usize,
}

/// Hints by CPUs; none at all where they would not be fair.
fn by_cpus(cpus: &BTreeMap<String, f64>, mut endpoints: Vec<&mut Endpoint>) {
    let total: f64 = cpus.values().sum();
    let zoned = endpoints.iter().all(|e| e.zone.as_ref().is_some_and(|zone| cpus.contains_key(zone)));
    if cpus.len() < 2 || cpus.len() > endpoints.len() || total <= 0.0 || !zoned {
        return;
    }
    let count = endpoints.len();
    let share = |cpus: f64| {
        #[expect(clippy::cast_precision_loss, reason = "endpoints of one Service are few")]
        let desired = cpus / total * count as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and few")]
        let minimum = (desired / (1.0 + OVERLOAD)).ceil() as usize;
        Share { desired, minimum, has: 0 }
    };
    let mut shares: BTreeMap<String, Share> =
        cpus.iter().map(|(zone, cpus)| (zone.clone(), share(*cpus))).collect();
    if shares.values().map(|s| s.minimum).sum::<usize>() > count {
        return;
    }
    for endpoint in &mut endpoints {
        endpoint.hints = own(endpoint, false);
        if let Some(share) = endpoint.zone.as_ref().and_then(|zone| shares.get_mut(zone)) {
            share.has += 1;
        }
    }
    while let Some(poor) = shares.iter().find(|(_, s)| s.has < s.minimum).map(|(zone, _)| zone.clone()) {
        #[expect(clippy::cast_precision_loss, reason = "endpoints of one Service are few")]
        let surplus = |s: &Share| s.has as f64 - s.desired;
        let rich = shares.iter().filter(|(_, s)| s.has > s.minimum);
        let Some(rich) = rich.max_by(|a, b| surplus(a.1).total_cmp(&surplus(b.1))).map(|(z, _)| z.clone())
        else {
            return;
        };
        let serves =
            |e: &Endpoint| e.hints.as_ref().is_some_and(|h| h.for_zones.iter().any(|z| z.name == rich));
        let Some(endpoint) = endpoints.iter_mut().rev().find(|e| serves(e)) else { return };
        endpoint.hints =
            Some(EndpointHints { for_nodes: Vec::new(), for_zones: vec![NamedHint { name: poor.clone() }] });
        for (zone, one) in [(&rich, false), (&poor, true)] {
            if let Some(share) = shares.get_mut(zone) {
                share.has = if one { share.has + 1 } else { share.has - 1 };
            }
        }
    }
}
