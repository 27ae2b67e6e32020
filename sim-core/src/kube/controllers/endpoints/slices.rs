//! The controller that writes endpoint slices.

use std::collections::{BTreeMap, BTreeSet};

use super::hints::{self, LABEL_ZONE};
use super::{LABEL_HEADLESS, TRIGGER_TIME, delete, owned_slice, pods};
use crate::kube::objects::endpoint_slice::{
    AddressType, EndpointConditions, EndpointHints, LABEL_MANAGED_BY, LABEL_SERVICE_NAME, NamedHint,
    SlicePort,
};
use crate::kube::objects::{Endpoint, EndpointSlice, IpFamily, Kind, Node, Pod, Service, Timestamp};
use crate::kube::store::Store;
use crate::time::SimTime;

/// Value of the label that names the controller.
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Most endpoints of one slice: `--max-endpoints-per-slice`.
const MAX_ENDPOINTS: usize = 100;

/// Endpoints by the ports that they share.
type Groups = BTreeMap<Vec<SlicePort>, Vec<Endpoint>>;

pub(super) fn sync(
    store: &mut Store,
    service: &Service,
    selected: &[&Pod],
    slices: &BTreeSet<String>,
    now: SimTime,
) {
    let namespace = &service.metadata.namespace;
    let mine = |slice: &&EndpointSlice| {
        slice.metadata.labels.get(LABEL_MANAGED_BY).is_some_and(|m| m == MANAGER)
            && !slice.metadata.is_terminating()
    };
    let known: Vec<EndpointSlice> = slices
        .iter()
        .filter_map(|name| store.read::<EndpointSlice>(namespace, name))
        .filter(mine)
        .cloned()
        .collect();
    for (kind, family) in [(AddressType::V4, IpFamily::V4), (AddressType::V6, IpFamily::V6)] {
        let known = known.iter().filter(|s| s.address_type == kind).cloned().collect();
        if service.spec.ip_families.contains(&family) {
            let mut wanted = wanted(store, service, selected, family);
            hints::set(store, service, wanted.values_mut().flatten());
            let plan = Plan::new(service, kind, known, wanted);
            plan.carry_out(store, service, now);
        } else {
            Plan { keep: Vec::new(), drop: known }.carry_out(store, service, now);
        }
    }
}

/// Every endpoint of one family, by its ports.
fn wanted(store: &Store, service: &Service, selected: &[&Pod], family: IpFamily) -> Groups {
    let mut groups = Groups::new();
    for pod in selected.iter().filter(|pod| pods::can_serve(pod, true)) {
        let addresses = pods::addresses(pod, family);
        if addresses.is_empty() {
            continue;
        }
        let port = |port: &crate::kube::objects::ServicePort| {
            Some(SlicePort {
                app_protocol: port.app_protocol.clone(),
                name: Some(port.name.clone()),
                port: Some(pods::port_number(pod, port)?),
                protocol: Some(port.protocol),
            })
        };
        let mut ports: Vec<SlicePort> = service.spec.ports.iter().filter_map(port).collect();
        ports.sort();
        groups.entry(ports).or_default().push(endpoint(store, service, pod, addresses));
    }
    groups
}

fn endpoint(store: &Store, service: &Service, pod: &Pod, addresses: Vec<String>) -> Endpoint {
    let (serving, terminating) = (pod.is_ready(), pod.metadata.is_terminating());
    let node = Some(pod.spec.node_name.clone()).filter(|n| !n.is_empty());
    let zone = node.as_deref().and_then(|n| store.read::<Node>("", n));
    let zone = zone.and_then(|n| n.metadata.labels.get(LABEL_ZONE).cloned());
    let ready = service.publishes_unready() || (serving && !terminating);
    Endpoint {
        addresses,
        hints: hints(service, zone.as_deref(), node.as_deref()).filter(|_| ready),
        conditions: EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        },
        hostname: pods::hostname(pod, service).map(str::to_owned),
        target_ref: Some(pods::target(pod)),
        zone,
        node_name: node,
        ..Endpoint::default()
    }
}

/// What `trafficDistribution` makes of a ready endpoint: it is for its own zone, with PreferSameNode for its own node, too.
fn hints(service: &Service, zone: Option<&str>, node: Option<&str>) -> Option<EndpointHints> {
    let same_node = service.spec.traffic_distribution.as_deref()? == "PreferSameNode";
    let named = |name: Option<&str>| name.map(|n| NamedHint { name: n.to_owned() }).into_iter().collect();
    let hints = EndpointHints { for_nodes: named(node.filter(|_| same_node)), for_zones: named(zone) };
    (hints != EndpointHints::default()).then_some(hints)
}

/// What is to become of the slices of one Service and family.
struct Plan {
    /// Slices as they are to be; those without a name are new.
    keep: Vec<EndpointSlice>,
    drop: Vec<EndpointSlice>,
}

impl Plan {
    /// Endpoints stay in the slice that they are in; new ones fill slices that have room, the fullest first; a slice whose
    /// ports are no longer wanted is used for what would need a new one.
    fn new(service: &Service, kind: AddressType, known: Vec<EndpointSlice>, mut wanted: Groups) -> Self {
        if wanted.is_empty() {
            // A Service without endpoints has one empty slice, so that it can be told from one not looked at yet.
            wanted.insert(Vec::new(), Vec::new());
        }
        let (mut keep, mut spare) = (Vec::new(), Vec::new());
        let mut by_ports: BTreeMap<Vec<SlicePort>, Vec<EndpointSlice>> = BTreeMap::new();
        for slice in known {
            by_ports.entry(slice.ports.clone()).or_default().push(slice);
        }
        let mut missing = Vec::new();
        for (ports, endpoints) in wanted {
            let present = by_ports.remove(&ports).unwrap_or_default();
            let (kept, emptied, left) = settle(present, endpoints);
            keep.extend(kept);
            spare.extend(emptied);
            missing.push((ports, left));
        }
        spare.extend(by_ports.into_values().flatten());
        for (ports, left) in missing {
            let covered = keep.iter().any(|s: &EndpointSlice| s.ports == ports);
            let mut chunks: Vec<Vec<Endpoint>> = left.chunks(MAX_ENDPOINTS).map(<[_]>::to_vec).collect();
            if chunks.is_empty() && !covered {
                chunks.push(Vec::new());
            }
            for endpoints in chunks {
                let mut slice =
                    spare.pop().unwrap_or_else(|| owned_slice(Kind::Service, &service.metadata, kind));
                slice.ports.clone_from(&ports);
                slice.endpoints = endpoints;
                keep.push(slice);
            }
        }
        Self { keep, drop: spare }
    }

    fn carry_out(self, store: &mut Store, service: &Service, now: SimTime) {
        let namespace = &service.metadata.namespace;
        for mut slice in self.keep {
            slice.metadata.labels = labels(service);
            let known = store.read::<EndpointSlice>(namespace, &slice.metadata.name);
            if known.is_some_and(|k| *k == slice) {
                continue;
            }
            let trigger = Timestamp::at(now).to_string();
            slice.metadata.annotations.insert(TRIGGER_TIME.to_owned(), trigger);
            // A refusal (the namespace is being deleted) leaves nothing to be done.
            let _ = if slice.metadata.name.is_empty() {
                store.create(slice, now)
            } else {
                store.update(slice, now)
            };
        }
        for slice in self.drop {
            delete(store, Kind::EndpointSlice, namespace, &slice.metadata.name, now);
        }
    }
}

/// Puts endpoints into the slices that are there: `(slices to keep, slices left empty, endpoints left over)`.
fn settle(
    present: Vec<EndpointSlice>,
    endpoints: Vec<Endpoint>,
) -> (Vec<EndpointSlice>, Vec<EndpointSlice>, Vec<Endpoint>) {
    // The pod is the same endpoint even if its address or state changed.
    let identity = |e: &Endpoint| e.target_ref.as_ref().map(|t| t.uid.clone()).unwrap_or_default();
    let mut wanted: BTreeMap<String, Endpoint> = BTreeMap::new();
    let mut order = Vec::new();
    for endpoint in endpoints {
        order.push(identity(&endpoint));
        wanted.insert(identity(&endpoint), endpoint);
    }
    let mut slices = present;
    for slice in &mut slices {
        let kept = slice.endpoints.iter().filter_map(|e| wanted.remove(&identity(e))).collect();
        slice.endpoints = kept;
    }
    let mut left: Vec<Endpoint> = order.iter().filter_map(|id| wanted.remove(id)).collect();
    let mut by_room: Vec<usize> = (0..slices.len()).collect();
    by_room.sort_by_key(|i| MAX_ENDPOINTS.saturating_sub(slices[*i].endpoints.len()));
    for i in by_room {
        let room = MAX_ENDPOINTS.saturating_sub(slices[i].endpoints.len()).min(left.len());
        // Empty slices are filled only with what no other has room for: that is the caller's business.
        if !slices[i].endpoints.is_empty() {
            slices[i].endpoints.extend(left.drain(..room));
        }
    }
    let (kept, emptied) = slices.into_iter().partition(|s| !s.endpoints.is_empty());
    (kept, emptied, left)
}

/// The Service's own labels, and those of the controller.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone();
    labels.remove(LABEL_HEADLESS);
    if service.is_headless() {
        labels.insert(LABEL_HEADLESS.to_owned(), String::new());
    }
    labels.insert(LABEL_SERVICE_NAME.to_owned(), service.metadata.name.clone());
    labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}
