//! The controller that mirrors hand-written Endpoints of a Service without selector into slices.

use std::collections::{BTreeMap, BTreeSet};

use super::{LABEL_SKIP_MIRROR, TRIGGER_TIME, delete, owned_slice};
use crate::kube::objects::endpoint_slice::{
    AddressType, EndpointConditions, LABEL_MANAGED_BY, LABEL_SERVICE_NAME, SlicePort,
};
use crate::kube::objects::endpoints::{EndpointAddress, EndpointPort};
use crate::kube::objects::{Endpoint, EndpointSlice, Endpoints, Kind, Service};
use crate::kube::store::{LAST_APPLIED, Store};
use crate::time::SimTime;

/// Value of the label that names the controller.
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";

pub(super) fn sync(store: &mut Store, service: &Service, slices: &BTreeSet<String>, now: SimTime) {
    let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
    let mirrored = |e: &Endpoints| e.metadata.labels.get(LABEL_SKIP_MIRROR).is_none_or(|v| v != "true");
    let Some(endpoints) = store.read::<Endpoints>(namespace, name).filter(|e| mirrored(e)).cloned() else {
        remove(store, namespace, slices, now);
        return;
    };
    let mut spare = mine(store, namespace, slices);
    for ((kind, ports), list) in wanted(&endpoints) {
        let reuse = spare.iter().position(|s| s.address_type == kind && s.ports == ports);
        let reuse = reuse.or_else(|| spare.iter().position(|s| s.address_type == kind));
        let known = reuse.map(|i| spare.remove(i));
        let mut slice =
            known.clone().unwrap_or_else(|| owned_slice(Kind::Endpoints, &endpoints.metadata, kind));
        slice.metadata.labels = labels(&endpoints);
        slice.metadata.annotations = annotations(&endpoints);
        slice.ports = ports;
        slice.endpoints = list;
        if known.as_ref() == Some(&slice) {
            continue;
        }
        // A refusal (the namespace is being deleted) leaves nothing to be done.
        let _ = if known.is_some() { store.update(slice, now) } else { store.create(slice, now) };
    }
    for slice in spare {
        delete(store, Kind::EndpointSlice, namespace, &slice.metadata.name, now);
    }
}

/// Removes the mirror's slices.
pub(super) fn remove(store: &mut Store, namespace: &str, slices: &BTreeSet<String>, now: SimTime) {
    for slice in mine(store, namespace, slices) {
        delete(store, Kind::EndpointSlice, namespace, &slice.metadata.name, now);
    }
}

fn mine(store: &Store, namespace: &str, slices: &BTreeSet<String>) -> Vec<EndpointSlice> {
    let managed = |s: &&EndpointSlice| s.metadata.labels.get(LABEL_MANAGED_BY).is_some_and(|m| m == MANAGER);
    let read = slices.iter().filter_map(|name| store.read::<EndpointSlice>(namespace, name));
    read.filter(managed).cloned().collect()
}

/// The endpoints by family and ports.
fn wanted(endpoints: &Endpoints) -> BTreeMap<(AddressType, Vec<SlicePort>), Vec<Endpoint>> {
    let mut groups: BTreeMap<_, Vec<Endpoint>> = BTreeMap::new();
    for subset in &endpoints.subsets {
        let mut ports: Vec<SlicePort> = subset.ports.iter().map(slice_port).collect();
        ports.sort();
        for (ready, addresses) in [(true, &subset.addresses), (false, &subset.not_ready_addresses)] {
            for address in addresses {
                let v4 = address.ip.parse::<std::net::Ipv4Addr>().is_ok();
                let kind = if v4 { AddressType::V4 } else { AddressType::V6 };
                groups.entry((kind, ports.clone())).or_default().push(endpoint(address, ready));
            }
        }
    }
    groups
}

fn slice_port(port: &EndpointPort) -> SlicePort {
    SlicePort {
        app_protocol: port.app_protocol.clone(),
        name: Some(port.name.clone()),
        port: Some(port.port),
        protocol: Some(port.protocol),
    }
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: EndpointConditions { ready: Some(ready), ..EndpointConditions::default() },
        hostname: Some(address.hostname.clone()).filter(|h| !h.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}

fn labels(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut labels = endpoints.metadata.labels.clone();
    labels.insert(LABEL_SERVICE_NAME.to_owned(), endpoints.metadata.name.clone());
    labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// All but those that speak about the Endpoints object itself.
fn annotations(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut annotations = endpoints.metadata.annotations.clone();
    annotations.remove(LAST_APPLIED);
    annotations.remove(TRIGGER_TIME);
    annotations
}
