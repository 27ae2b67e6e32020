//! What DNS needs of the store, kept so that a look-up costs the same in a large cluster: updated by what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::kube::objects::endpoint_slice::{AddressType, SlicePort};
use crate::kube::objects::{
    Endpoint, EndpointSlice, Kind, Namespace, Object, Pod, PodPhase, Protocol, Resource, Selector, Service,
    ServiceType,
};
use crate::kube::store::{ChangeKind, Store};
use crate::time::SimTime;

/// Names, addresses and ports by where DNS looks for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    view: View,
    cursor: u64,
    filled: bool,
    /// When a Service or a slice last changed.
    modified: SimTime,
    namespaces: BTreeSet<String>,
    services: BTreeMap<String, BTreeMap<String, ServiceFacts>>,
    /// Slices by namespace, then Service, then their own name.
    slices: BTreeMap<String, BTreeMap<String, BTreeMap<String, SliceFacts>>>,
    by_cluster_ip: FxHashMap<IpAddr, BTreeSet<Key>>,
    /// How often each Service has the address among its ready endpoints.
    by_endpoint: FxHashMap<IpAddr, BTreeMap<Key, usize>>,
    by_pod: FxHashMap<IpAddr, BTreeSet<Key>>,
    /// Services of a set of clusters, and their slices.
    imports: BTreeMap<Key, ServiceFacts>,
    imported: BTreeMap<Key, BTreeMap<String, SliceFacts>>,
}

/// What an index leaves out of what it sees, and how it calls it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// Endpoints without a hostname are called as their pod.
    pub(super) pod_names: bool,
    /// Endpoints are left out.
    pub(super) no_endpoints: bool,
    /// What Services, endpoints and pods must have.
    pub(super) labels: Option<Selector>,
    /// What namespaces must have.
    pub(super) namespace_labels: Option<Selector>,
}

impl View {
    /// Whether an object is left out.
    fn hides(&self, object: &Object) -> bool {
        let selector = match object.kind() {
            Kind::Namespace => &self.namespace_labels,
            _ => &self.labels,
        };
        let kind = object.kind();
        (kind == Kind::EndpointSlice && self.no_endpoints)
            || selector.as_ref().is_some_and(|s| !s.matches(&object.meta().labels))
    }
}

/// A Service of a set of clusters (multicluster API, KEP-1645), which no store here knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceImport {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its addresses; none if it is headless.
    pub ips: Option<Vec<IpAddr>>,
    /// Name, protocol and number of each port.
    pub ports: Vec<(String, Protocol, u16)>,
}

/// Namespace and name.
pub(super) type Key = (String, String);

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceFacts {
    pub(super) kind: ServiceFlavour,
    pub(super) ports: Vec<PortFacts>,
}

/// What a Service's name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServiceFlavour {
    Virtual(Vec<IpAddr>),
    Headless,
    External(String),
}

/// A port; without a number for what declares no ports: it has addresses, but no SRV records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortFacts {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) number: Option<u16>,
}

/// The ready endpoints of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SliceFacts {
    pub(super) endpoints: Vec<EndpointFacts>,
    pub(super) ports: Vec<PortFacts>,
    /// The cluster that it comes from, in a set of clusters.
    pub(super) cluster: String,
}

/// One address of a ready endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndpointFacts {
    pub(super) addr: IpAddr,
    /// Its label under the Service's name.
    pub(super) label: String,
    /// Where it runs.
    pub(super) zone: Box<str>,
}

impl Index {
    /// An empty index.
    pub(super) fn new(view: View) -> Self {
        Self { view, ..Self::default() }
    }

    /// Takes in what changed in the store since the last time.
    pub(super) fn sync(&mut self, store: &Store, now: SimTime) {
        let changes = store.changes_since(self.cursor);
        let complete =
            changes.first().map_or(self.cursor == store.changes().cursor(), |c| c.cursor == self.cursor + 1);
        if !self.filled || !complete {
            self.fill(store);
            self.modified = now;
            return;
        }
        for change in changes {
            if matches!(change.kind(), Kind::Service | Kind::EndpointSlice) {
                self.modified = now;
            }
            let old =
                change.old.as_deref().or((change.what == ChangeKind::Deleted).then_some(&*change.object));
            if let Some(old) = old {
                self.remove(old);
            }
            if change.what != ChangeKind::Deleted {
                self.insert(&change.object);
            }
            self.cursor = change.cursor;
        }
    }

    /// Takes in objects that come from elsewhere.
    pub(super) fn learn(&mut self, objects: &[Object], imports: &[ServiceImport], now: SimTime) {
        (self.filled, self.modified) = (true, now);
        objects.iter().for_each(|o| self.insert(o));
        for import in imports {
            let kind = match &import.ips {
                Some(ips) => ServiceFlavour::Virtual(ips.clone()),
                None => ServiceFlavour::Headless,
            };
            let port = |(name, protocol, number): &(String, Protocol, u16)| {
                PortFacts::new(name, *protocol, Some(*number))
            };
            let ports = PortFacts::or_none(import.ports.iter().map(port).collect());
            let key = (import.namespace.clone(), import.name.clone());
            self.imports.insert(key, ServiceFacts { kind, ports });
        }
    }

    fn fill(&mut self, store: &Store) {
        *self = Self {
            view: std::mem::take(&mut self.view),
            filled: true,
            cursor: store.changes().cursor(),
            ..Self::default()
        };
        for kind in [Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod] {
            store.iter(kind, None).for_each(|o| self.insert(o));
        }
    }

    fn insert(&mut self, object: &Object) {
        if self.view.hides(object) {
            return;
        }
        match object.kind() {
            Kind::Namespace => self.namespaces.extend(Namespace::of(object).map(|n| n.metadata.name.clone())),
            Kind::Service => Service::of(object).into_iter().for_each(|s| self.insert_service(s)),
            Kind::EndpointSlice => EndpointSlice::of(object).into_iter().for_each(|s| self.insert_slice(s)),
            Kind::Pod => Pod::of(object).into_iter().for_each(|p| self.insert_pod(p)),
            _ => {}
        }
    }

    fn remove(&mut self, object: &Object) {
        match object.kind() {
            Kind::Namespace => {
                self.namespaces.remove(&object.meta().name);
            }
            Kind::Service => self.remove_service(object),
            Kind::EndpointSlice => EndpointSlice::of(object).into_iter().for_each(|s| self.remove_slice(s)),
            Kind::Pod => Pod::of(object).into_iter().for_each(|p| self.remove_pod(p)),
            _ => {}
        }
    }

    fn insert_service(&mut self, service: &Service) {
        let facts = ServiceFacts::of(service);
        let key = key(service);
        if let ServiceFlavour::Virtual(ips) = &facts.kind {
            for ip in ips {
                self.by_cluster_ip.entry(*ip).or_default().insert(key.clone());
            }
        }
        self.services.entry(key.0).or_default().insert(key.1, facts);
    }

    fn remove_service(&mut self, service: &Object) {
        let meta = service.meta();
        let Some(facts) = self.services.get_mut(&meta.namespace).and_then(|s| s.remove(&meta.name)) else {
            return;
        };
        let key = (meta.namespace.clone(), meta.name.clone());
        if let ServiceFlavour::Virtual(ips) = &facts.kind {
            for ip in ips {
                if let Some(keys) = self.by_cluster_ip.get_mut(ip) {
                    keys.remove(&key);
                }
            }
        }
    }

    fn insert_slice(&mut self, slice: &EndpointSlice) {
        if let Some(service) = slice.metadata.labels.get(LABEL_IMPORT) {
            let facts = SliceFacts::of(slice, self.view.pod_names);
            let slices =
                self.imported.entry((slice.metadata.namespace.clone(), service.clone())).or_default();
            slices.insert(slice.metadata.name.clone(), facts);
        }
        let Some(service) = slice.service_name() else { return };
        let facts = SliceFacts::of(slice, self.view.pod_names);
        let key = (slice.metadata.namespace.clone(), service.to_owned());
        for endpoint in &facts.endpoints {
            *self.by_endpoint.entry(endpoint.addr).or_default().entry(key.clone()).or_default() += 1;
        }
        let slices = self.slices.entry(key.0).or_default().entry(key.1).or_default();
        slices.insert(slice.metadata.name.clone(), facts);
    }

    fn remove_slice(&mut self, slice: &EndpointSlice) {
        if let Some(service) = slice.metadata.labels.get(LABEL_IMPORT) {
            let key = (slice.metadata.namespace.clone(), service.clone());
            if let Some(slices) = self.imported.get_mut(&key) {
                slices.remove(&slice.metadata.name);
            }
        }
        let Some(service) = slice.service_name() else { return };
        let namespace = &slice.metadata.namespace;
        let slices = self.slices.get_mut(namespace).and_then(|s| s.get_mut(service));
        let Some(facts) = slices.and_then(|s| s.remove(&slice.metadata.name)) else { return };
        let key = (namespace.clone(), service.to_owned());
        for endpoint in facts.endpoints {
            let Some(users) = self.by_endpoint.get_mut(&endpoint.addr) else { continue };
            if let Some(count) = users.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    users.remove(&key);
                }
            }
        }
    }

    fn insert_pod(&mut self, pod: &Pod) {
        // As the plugin's own view of pods: one that has ended, or is about to, no longer has its address.
        let ended = matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed);
        if ended || pod.metadata.is_terminating() {
            return;
        }
        for ip in addresses(pod) {
            self.by_pod.entry(ip).or_default().insert(key(pod));
        }
    }

    fn remove_pod(&mut self, pod: &Pod) {
        for ip in addresses(pod) {
            if let Some(pods) = self.by_pod.get_mut(&ip) {
                pods.remove(&key(pod));
            }
        }
    }
}

/// A pod's addresses, of both families.
fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let mut all: Vec<_> = pod.ips().collect();
    if all.is_empty() {
        all.extend(pod.ip());
    }
    all
}

impl Index {
    /// Whether it has ever seen the store.
    pub(super) const fn is_filled(&self) -> bool {
        self.filled
    }

    /// When a Service or slice was last seen to change: the SOA's serial.
    pub(super) const fn modified(&self) -> SimTime {
        self.modified
    }

    pub(super) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }

    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&ServiceFacts> {
        self.services.get(namespace)?.get(name)
    }

    /// The slices of a Service, by name.
    pub(super) fn slices(&self, namespace: &str, service: &str) -> impl Iterator<Item = &SliceFacts> {
        self.slices.get(namespace).and_then(|s| s.get(service)).into_iter().flat_map(BTreeMap::values)
    }

    /// A Service of a set of clusters.
    pub(super) fn import(&self, namespace: &str, name: &str) -> Option<&ServiceFacts> {
        self.imports.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Its slices, by name.
    pub(super) fn imported(&self, namespace: &str, name: &str) -> impl Iterator<Item = &SliceFacts> {
        self.imported.get(&(namespace.to_owned(), name.to_owned())).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn services_at(&self, cluster_ip: IpAddr) -> impl Iterator<Item = &Key> {
        self.by_cluster_ip.get(&cluster_ip).into_iter().flatten()
    }

    /// Services that have the address among their ready endpoints.
    pub(super) fn services_behind(&self, endpoint: IpAddr) -> impl Iterator<Item = &Key> {
        self.by_endpoint.get(&endpoint).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn pods_at(&self, addr: IpAddr) -> impl Iterator<Item = &Key> {
        self.by_pod.get(&addr).into_iter().flatten()
    }
}

impl ServiceFacts {
    fn of(service: &Service) -> Self {
        let kind = if service.spec.service_type() == ServiceType::ExternalName {
            ServiceFlavour::External(service.spec.external_name.clone())
        } else if service.is_headless() {
            ServiceFlavour::Headless
        } else {
            ServiceFlavour::Virtual(service.cluster_ips().collect())
        };
        let ports = service.spec.ports.iter().map(|p| PortFacts::new(&p.name, p.protocol, Some(p.port)));
        Self { kind, ports: PortFacts::or_none(ports.collect()) }
    }
}

impl SliceFacts {
    fn of(slice: &EndpointSlice, pod_names: bool) -> Self {
        if slice.address_type == AddressType::Fqdn {
            return Self::default();
        }
        let ready = slice.endpoints.iter().filter(|e| e.conditions.is_ready());
        let endpoints = ready.flat_map(|e| EndpointFacts::all_of(e, pod_names)).collect();
        let port = |p: &SlicePort| {
            PortFacts::new(p.name.as_deref().unwrap_or_default(), p.protocol.unwrap_or_default(), p.port)
        };
        let cluster = slice.metadata.labels.get(LABEL_CLUSTER).cloned().unwrap_or_default();
        Self { endpoints, ports: PortFacts::or_none(slice.ports.iter().map(port).collect()), cluster }
    }
}

impl EndpointFacts {
    fn all_of(endpoint: &Endpoint, pod_names: bool) -> impl Iterator<Item = Self> + '_ {
        let addresses = endpoint.addresses.iter().filter_map(|a| Some((a, a.parse().ok()?)));
        let zone = endpoint.zone.as_deref().unwrap_or_default();
        addresses.map(move |(text, addr)| Self {
            addr,
            label: label(endpoint, text, pod_names),
            zone: zone.into(),
        })
    }
}

/// Labels of slices that belong to a set of clusters: the imported Service, and the cluster (multicluster API, KEP-1645).
const LABEL_IMPORT: &str = "multicluster.kubernetes.io/service-name";
const LABEL_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

/// Longest pod name that becomes a label.
const LONGEST_LABEL: usize = 63;

fn label(endpoint: &Endpoint, text: &str, pod_names: bool) -> String {
    if let Some(hostname) = endpoint.hostname.as_ref().filter(|h| !h.is_empty()) {
        return hostname.clone();
    }
    let pod =
        endpoint.target_ref.as_ref().map(|t| &t.name).filter(|n| !n.is_empty() && n.len() <= LONGEST_LABEL);
    match pod {
        Some(pod) if pod_names => pod.clone(),
        _ if text.ends_with("::") => text.replace(':', "-") + "0",
        _ => text.replace(['.', ':'], "-"),
    }
}

impl PortFacts {
    fn new(name: &str, protocol: Protocol, number: Option<u16>) -> Self {
        Self { name: name.to_owned(), protocol: protocol.to_string(), number }
    }

    /// Something without ports still has its addresses.
    fn or_none(ports: Vec<Self>) -> Vec<Self> {
        if ports.is_empty() {
            vec![Self { name: String::new(), protocol: String::new(), number: None }]
        } else {
            ports
        }
    }
}

fn key<T: Resource>(object: &T) -> Key {
    let meta = object.metadata();
    (meta.namespace.clone(), meta.name.clone())
}
