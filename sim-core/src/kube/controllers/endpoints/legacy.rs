//! The controller that writes Endpoints.

use std::collections::BTreeMap;

use super::{LABEL_HEADLESS, TRIGGER_TIME, delete, pods};
use crate::kube::objects::endpoints::{EndpointAddress, EndpointPort, EndpointSubset};
use crate::kube::objects::{Endpoints, IpFamily, Kind, ObjectMeta, Pod, Protocol, Service, Timestamp};
use crate::kube::store::Store;
use crate::time::SimTime;

/// Label that names the controller, since v1.33.
const LABEL_MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");
/// Most addresses of one object; more are left out.
const MAX_ADDRESSES: usize = 1000;

pub(super) fn sync(store: &mut Store, service: &Service, selected: &[&Pod], now: SimTime) {
    let subsets = subsets(service, selected);
    let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
    let mut labels = service.metadata.labels.clone();
    labels.insert(LABEL_MANAGED_BY.0.to_owned(), LABEL_MANAGED_BY.1.to_owned());
    if service.is_headless() {
        labels.insert(LABEL_HEADLESS.to_owned(), String::new());
    } else {
        labels.remove(LABEL_HEADLESS);
    }
    let known = store.read::<Endpoints>(namespace, name).cloned();
    if known.as_ref().is_some_and(|k| k.subsets == subsets && k.metadata.labels == labels) {
        return;
    }
    let trigger = (TRIGGER_TIME.to_owned(), Timestamp::at(now).to_string());
    // A refusal (the namespace is being deleted) leaves nothing to be done.
    let _ = match known {
        Some(mut endpoints) => {
            endpoints.subsets = subsets;
            endpoints.metadata.labels = labels;
            endpoints.metadata.annotations.insert(trigger.0, trigger.1);
            store.update(endpoints, now)
        }
        None => {
            let mut metadata = ObjectMeta::namespaced(namespace, name);
            metadata.labels = labels;
            metadata.annotations.insert(trigger.0, trigger.1);
            store.create(Endpoints { metadata, subsets }, now)
        }
    };
}

/// Removes what the controller wrote for a Service that is gone. Hand-written Endpoints go too: the name was the Service's.
pub(super) fn remove(store: &mut Store, namespace: &str, name: &str, now: SimTime) {
    let managed =
        |e: &Endpoints| e.metadata.labels.get(LABEL_MANAGED_BY.0).is_some_and(|v| v == LABEL_MANAGED_BY.1);
    if store.read::<Endpoints>(namespace, name).is_some_and(managed) {
        delete(store, Kind::Endpoints, namespace, name, now);
    }
}

/// Name, number, protocol and application protocol of a port; the order of ports in a subset.
type PortKey = (String, u16, Protocol, Option<String>);

/// Every address with its ports; addresses with the same ports stand together.
fn subsets(service: &Service, selected: &[&Pod]) -> Vec<EndpointSubset> {
    let family = service.spec.ip_families.first().copied().unwrap_or(IpFamily::V4);
    let unready_too = service.publishes_unready();
    let mut groups: BTreeMap<Vec<PortKey>, EndpointSubset> = BTreeMap::new();
    let able = selected.iter().filter(|pod| pods::can_serve(pod, unready_too));
    for pod in able.take(MAX_ADDRESSES) {
        let Some(ip) = pods::addresses(pod, family).into_iter().next() else { continue };
        let mut ports: Vec<PortKey> = Vec::new();
        for port in &service.spec.ports {
            if let Some(number) = pods::port_number(pod, port) {
                ports.push((port.name.clone(), number, port.protocol, port.app_protocol.clone()));
            }
        }
        if ports.is_empty() && !(service.is_headless() && service.spec.ports.is_empty()) {
            continue;
        }
        ports.sort();
        let address = EndpointAddress {
            hostname: pods::hostname(pod, service).unwrap_or_default().to_owned(),
            ip,
            node_name: Some(pod.spec.node_name.clone()).filter(|n| !n.is_empty()),
            target_ref: Some(pods::target(pod)),
        };
        let subset = groups.entry(ports).or_default();
        if unready_too || pod.is_ready() {
            subset.addresses.push(address);
        } else {
            subset.not_ready_addresses.push(address);
        }
    }
    let finish = |(ports, mut subset): (Vec<PortKey>, EndpointSubset)| {
        subset.addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
        subset.not_ready_addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
        subset.ports = ports
            .into_iter()
            .map(|(name, port, protocol, app_protocol)| EndpointPort { app_protocol, name, port, protocol })
            .collect();
        subset
    };
    groups.into_iter().map(finish).collect()
}
