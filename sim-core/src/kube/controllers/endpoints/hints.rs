//! Which zones and nodes should use which endpoint: `trafficDistribution`, and the annotation that came before it.
//!
//! With `trafficDistribution` every ready endpoint is for its own zone (and node). With `topology-mode: Auto` zones get endpoints in
//! proportion to their CPUs (`topologycache`): each at least what keeps its overload below a fifth. Where zones are equal the real
//! controller takes any, this one the first by name. Slices that need no change otherwise are shared out anew, too.

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

/// Hints by CPUs; none at all where they would not be fair.
fn by_cpus(cpus: &BTreeMap<String, f64>, mut endpoints: Vec<&mut Endpoint>) {
    let count = endpoints.len();
    let zone_of = |e: &Endpoint| e.zone.clone().filter(|zone| !zone.is_empty());
    if cpus.len() < 2 || cpus.len() > count || endpoints.iter().any(|e| zone_of(e).is_none()) {
        return;
    }
    let Some(desired) = desired(cpus, count) else { return };
    let mut has: BTreeMap<String, usize> = BTreeMap::new();
    for endpoint in &mut endpoints {
        endpoint.hints = own(endpoint, false);
        *has.entry(zone_of(endpoint).unwrap_or_default()).or_default() += 1;
    }
    let (mut giving, mut receiving) = moves(&desired, &has);
    for endpoint in endpoints {
        let zone = zone_of(endpoint).unwrap_or_default();
        let Some(left) = giving.get_mut(&zone).filter(|n| **n > 0) else { continue };
        let Some((to, wanted)) = receiving.iter_mut().find(|(_, n)| **n > 0) else { return };
        (*left, *wanted) = (*left - 1, *wanted - 1);
        let for_zones = vec![NamedHint { name: to.clone() }];
        endpoint.hints = Some(EndpointHints { for_nodes: Vec::new(), for_zones });
    }
}

/// How many endpoints each zone should have (`getAllocations`); none if there are too few for all.
fn desired(cpus: &BTreeMap<String, f64>, count: usize) -> Option<BTreeMap<String, f64>> {
    let total: f64 = cpus.values().sum();
    if total <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "endpoints of one Service are few")]
    let count = count as f64;
    let minimum = |share: f64| (share / total * count * (1.0 / (1.0 + OVERLOAD))).ceil();
    let enough = cpus.values().map(|share| minimum(*share)).sum::<f64>() <= count;
    let wanted = |share: f64| (share / total * count).max(minimum(share));
    enough.then(|| cpus.iter().map(|(zone, share)| (zone.clone(), wanted(*share))).collect())
}

type Moves = BTreeMap<String, usize>;

/// How many endpoints zones give to others and receive from others (`getGivingAndReceivingZones`).
fn moves(desired: &BTreeMap<String, f64>, has: &BTreeMap<String, usize>) -> (Moves, Moves) {
    #[expect(clippy::cast_precision_loss, reason = "endpoints of one Service are few")]
    let surplus = |zone: &String, wanted: &f64| has.get(zone).copied().unwrap_or(0) as f64 - wanted;
    let mut rich: BTreeMap<&String, f64> =
        desired.iter().map(|(z, wanted)| (z, surplus(z, wanted))).collect();
    let mut poor: BTreeMap<&String, f64> = rich.iter().map(|(z, n)| (*z, -n)).collect();
    let most = |zones: &BTreeMap<&String, f64>| {
        let positive = zones.iter().filter(|(_, n)| **n > 0.0).map(|(zone, n)| ((*zone).clone(), *n));
        positive.reduce(|best, other| if other.1 > best.1 { other } else { best })
    };
    let (mut giving, mut receiving) = (Moves::new(), Moves::new());
    while let (Some((from, give)), Some((to, receive))) = (most(&rich), most(&poor)) {
        if (give < 1.0 && receive < 1.0) || give < 0.5 || receive < 0.5 {
            break;
        }
        for (zone, moved, left) in [(&from, &mut giving, &mut rich), (&to, &mut receiving, &mut poor)] {
            *moved.entry(zone.clone()).or_default() += 1;
            if let Some(n) = left.get_mut(zone) {
                *n -= 1.0;
            }
        }
    }
    (giving, receiving)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones<T: Copy>(of: &[(&str, T)]) -> BTreeMap<String, T> {
        of.iter().map(|(zone, n)| ((*zone).to_owned(), *n)).collect()
    }

    #[test]
    fn zones_give_what_they_have_too_much_of() {
        // Six are wanted in each; five would be enough, and all the same two go.
        let wanted = desired(&zones(&[("a", 4.0), ("b", 4.0)]), 12).unwrap();
        assert_eq!(wanted, zones(&[("a", 6.0), ("b", 6.0)]));
        let (giving, receiving) = moves(&wanted, &zones(&[("a", 8), ("b", 4)]));
        assert_eq!((giving, receiving), (zones(&[("a", 2)]), zones(&[("b", 2)])));
        // Half an endpoint is not moved for half an endpoint.
        let wanted = desired(&zones(&[("a", 1.0), ("b", 1.0)]), 7).unwrap();
        assert_eq!(wanted, zones(&[("a", 3.5), ("b", 3.5)]));
        assert_eq!(moves(&wanted, &zones(&[("a", 4), ("b", 3)])).0, Moves::new());
        assert_eq!(moves(&wanted, &zones(&[("a", 5), ("b", 2)])).1, zones(&[("b", 1)]));
        // A zone that no node is in keeps what it has.
        assert_eq!(moves(&wanted, &zones(&[("a", 3), ("b", 3), ("d", 1)])).0, Moves::new());
        // Two in each zone would be needed.
        assert_eq!(desired(&zones(&[("a", 1.0), ("b", 1.0)]), 3), None);
    }
}
