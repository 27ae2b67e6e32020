//! Endpoints and endpoint slices of Services.
//!
//! Three controllers of the real control plane share one set of indices here: the one that writes Endpoints, the one that
//! writes slices, and the one that mirrors hand-written Endpoints into slices.

mod hints;
mod legacy;
mod mirror;
mod pods;
mod slices;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::kube::objects::endpoint_slice::{AddressType, LABEL_SERVICE_NAME};
use crate::kube::objects::{EndpointSlice, Kind, Object, ObjectMeta, OwnerReference, Pod, Resource, Service};
use crate::kube::store::{Change, ChangeKind, Store};
use crate::time::SimTime;

/// Label of Endpoints that are not to be mirrored.
pub(super) const LABEL_SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Label of the endpoints of a headless Service.
const LABEL_HEADLESS: &str = "service.kubernetes.io/headless";
/// Annotation with the time of the change that the endpoints follow.
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

type ObjectName = (String, String);
/// Namespace, label, value.
type LabelKey = (String, String, String);

/// What the controllers remember.
#[derive(Clone, Debug, Default)]
pub(super) struct EndpointsController {
    /// Services by one label of their selector.
    by_selector: BTreeMap<LabelKey, BTreeSet<String>>,
    /// Pods by each of their labels.
    by_label: BTreeMap<LabelKey, BTreeSet<String>>,
    /// Slices by Service.
    slices: BTreeMap<ObjectName, BTreeSet<String>>,
    dirty: BTreeSet<ObjectName>,
}

impl EndpointsController {
    pub(super) fn note(&mut self, change: &Change) {
        let gone = change.what == ChangeKind::Deleted;
        match &*change.object {
            Object::Service(service) => {
                if let Some(Object::Service(old)) = change.old.as_deref() {
                    self.index_service(old, false);
                }
                if !gone {
                    self.index_service(service, true);
                }
                self.dirty.insert(name_of(&service.metadata));
            }
            Object::Pod(pod) => {
                let old = change.old.as_deref().and_then(Pod::of);
                self.pod_changed(old, Some(&**pod).filter(|_| !gone));
            }
            Object::EndpointSlice(slice) => {
                if let Some(service) = slice.metadata.labels.get(LABEL_SERVICE_NAME) {
                    let key = (slice.metadata.namespace.clone(), service.clone());
                    let names = self.slices.entry(key.clone()).or_default();
                    if gone {
                        names.remove(&slice.metadata.name)
                    } else {
                        names.insert(slice.metadata.name.clone())
                    };
                    self.dirty.insert(key);
                }
            }
            Object::Endpoints(endpoints) => {
                self.dirty.insert(name_of(&endpoints.metadata));
            }
            // Zones of endpoints and shares of zones follow the nodes.
            Object::Node(node) => {
                let before = change.old.as_deref().map(|old| old.meta().labels.clone());
                if gone || before != Some(node.metadata.labels.clone()) {
                    self.dirty.extend(self.slices.keys().cloned());
                }
            }
            // No other kind has a say in endpoints.
            _ => {}
        }
    }

    /// A pod is another than it was; nothing in place of one that is new or gone.
    fn pod_changed(&mut self, old: Option<&Pod>, new: Option<&Pod>) {
        if old.map(|pod| &pod.metadata.labels) != new.map(|pod| &pod.metadata.labels) {
            old.into_iter().for_each(|old| self.index_pod(old, false));
            new.into_iter().for_each(|new| self.index_pod(new, true));
        }
        if pods::serves_otherwise(old, new) {
            old.into_iter().chain(new).for_each(|pod| self.touch_selecting(pod));
        }
    }

    fn index_service(&mut self, service: &Service, add: bool) {
        // One label is enough to find the Service from a pod; the others are checked then.
        let Some((label, value)) = service.spec.selector.iter().next() else { return };
        let key = (service.metadata.namespace.clone(), label.clone(), value.clone());
        toggle(&mut self.by_selector, key, &service.metadata.name, add);
    }

    fn index_pod(&mut self, pod: &Pod, add: bool) {
        for (label, value) in &pod.metadata.labels {
            let key = (pod.metadata.namespace.clone(), label.clone(), value.clone());
            toggle(&mut self.by_label, key, &pod.metadata.name, add);
        }
    }

    /// Notes the Services that may select a pod.
    fn touch_selecting(&mut self, pod: &Pod) {
        let namespace = &pod.metadata.namespace;
        for (label, value) in &pod.metadata.labels {
            let key = (namespace.clone(), label.clone(), value.clone());
            for service in self.by_selector.get(&key).into_iter().flatten() {
                self.dirty.insert((namespace.clone(), service.clone()));
            }
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for (namespace, name) in std::mem::take(&mut self.dirty) {
            let service = store.read::<Service>(&namespace, &name).cloned();
            let slices = self.slices.get(&(namespace.clone(), name.clone())).cloned().unwrap_or_default();
            match service {
                Some(service) if service.metadata.is_terminating() => {}
                Some(service) if !service.spec.selector.is_empty() => {
                    let selected = self.selected(store, &service);
                    let pods: Vec<&Pod> = selected.iter().filter_map(|o| Pod::of(o)).collect();
                    legacy::sync(store, &service, &pods, now);
                    slices::sync(store, &service, &pods, &slices, now);
                }
                Some(service) => mirror::sync(store, &service, &slices, now),
                None => {
                    legacy::remove(store, &namespace, &name, now);
                    mirror::remove(store, &namespace, &slices, now);
                }
            }
        }
    }

    /// The pods that a Service selects, by name.
    fn selected(&self, store: &Store, service: &Service) -> Vec<Arc<Object>> {
        let namespace = &service.metadata.namespace;
        let sets = service
            .spec
            .selector
            .iter()
            .map(|(label, value)| self.by_label.get(&(namespace.clone(), label.clone(), value.clone())));
        let Some(Some(smallest)) = sets.min_by_key(|set| set.map_or(0, BTreeSet::len)) else {
            return Vec::new();
        };
        let matches = |pod: &&Arc<Object>| {
            let labels = &pod.meta().labels;
            service.spec.selector.iter().all(|(label, value)| labels.get(label) == Some(value))
        };
        let found = smallest.iter().filter_map(|name| store.find(Kind::Pod, namespace, name));
        found.filter(matches).cloned().collect()
    }
}

fn toggle(index: &mut BTreeMap<LabelKey, BTreeSet<String>>, key: LabelKey, name: &str, add: bool) {
    if add {
        index.entry(key).or_default().insert(name.to_owned());
    } else if let Some(names) = index.get_mut(&key) {
        names.remove(name);
        if names.is_empty() {
            index.remove(&key);
        }
    }
}

fn name_of(meta: &ObjectMeta) -> ObjectName {
    (meta.namespace.clone(), meta.name.clone())
}

/// Deletes an object that a controller owns.
fn delete(store: &mut Store, kind: Kind, namespace: &str, name: &str, now: SimTime) {
    // An object that went by other means is as it should be.
    let _ = store.delete(kind, namespace, name, crate::kube::store::DeleteOptions::default(), now);
}

/// A new slice that belongs to a Service or to hand-written Endpoints.
fn owned_slice(kind: Kind, owner: &ObjectMeta, address_type: AddressType) -> EndpointSlice {
    let reference = OwnerReference {
        api_version: kind.api_version().to_owned(),
        kind: kind.name().to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: format!("{}-", owner.name),
            namespace: owner.namespace.clone(),
            owner_references: vec![reference],
            ..ObjectMeta::default()
        },
        address_type,
        ..EndpointSlice::default()
    }
}
