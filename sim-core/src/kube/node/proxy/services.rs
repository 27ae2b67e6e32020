//! What kube-proxy keeps count of: the service ports of the cluster and their endpoints, as Services and EndpointSlices change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

use super::model::{Endpoint, PortKey, ServicePort};
use super::select::depends_on_node;
use crate::kube::objects::endpoint_slice::AddressType;
use crate::kube::objects::service::TrafficPolicy;
use crate::kube::objects::{self, EndpointSlice, Object, Protocol, Service, ServiceType};
use crate::kube::store::{Change, Store};
use crate::trace::Family;

/// Label that takes a Service out of kube-proxy's hands.
const LABEL_PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";

/// The service ports of the cluster with their endpoints: the same on every node.
#[derive(Clone, Debug)]
pub struct ServiceMap {
    /// Addresses of the other family are not looked at.
    family: Family,
    ports: BTreeMap<PortKey, Arc<Entry>>,
    /// Names of the slices of each Service, by namespace and name.
    slices: BTreeMap<(String, String), BTreeSet<String>>,
    changed: BTreeSet<PortKey>,
    /// Service ports whose rules differ from node to node.
    uneven: BTreeSet<PortKey>,
    /// Endpoints of all service ports.
    endpoints: usize,
}

/// A service port with its endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The service port.
    pub service: ServicePort,
    /// In the order of their texts, each once.
    pub endpoints: Vec<Endpoint>,
}

impl Entry {
    /// Whether its rules can differ from node to node: the endpoints that count do, or a node's own address does.
    #[must_use]
    pub fn depends_on_node(&self) -> bool {
        let own_address =
            !self.service.source_ranges.is_empty() && !self.service.load_balancer_ips.is_empty();
        own_address || depends_on_node(&self.service, &self.endpoints)
    }
}

impl ServiceMap {
    /// No Services yet, for one family.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self {
            family,
            ports: BTreeMap::new(),
            slices: BTreeMap::new(),
            changed: BTreeSet::new(),
            uneven: BTreeSet::new(),
            endpoints: 0,
        }
    }

    /// The family that it keeps count of.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// A service port and its endpoints.
    #[must_use]
    pub fn get(&self, key: &PortKey) -> Option<&Arc<Entry>> {
        self.ports.get(key)
    }

    /// All service ports with their endpoints.
    pub fn iter(&self) -> impl Iterator<Item = (&PortKey, &Arc<Entry>)> {
        self.ports.iter()
    }

    /// The number of endpoints of all service ports together.
    #[must_use]
    pub const fn endpoints(&self) -> usize {
        self.endpoints
    }

    /// Whether the rules of every service port are the same on every node.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.uneven.is_empty()
    }

    /// Takes in changes of the store; whether anything that shows in rules is different.
    pub fn sync(&mut self, store: &Store, changes: &[Change]) -> bool {
        let mut affected: BTreeSet<(String, String)> = BTreeSet::new();
        for change in changes {
            match &*change.object {
                Object::Service(s) => {
                    affected.insert((s.metadata.namespace.clone(), s.metadata.name.clone()));
                }
                Object::EndpointSlice(slice) => {
                    affected.extend(self.slice_changed(slice, store));
                }
                _ => {}
            }
        }
        for key in affected {
            self.recompute(&key, store);
        }
        !self.changed.is_empty()
    }

    /// The service ports that changed since the last call.
    pub fn take_changed(&mut self) -> Vec<PortKey> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    fn slice_changed(&mut self, slice: &EndpointSlice, store: &Store) -> Option<(String, String)> {
        let key = (slice.metadata.namespace.clone(), slice.service_name()?.to_owned());
        let names = self.slices.entry(key.clone()).or_default();
        if store.read::<EndpointSlice>(&slice.metadata.namespace, &slice.metadata.name).is_some() {
            names.insert(slice.metadata.name.clone());
        } else {
            names.remove(&slice.metadata.name);
        }
        Some(key)
    }

    fn recompute(&mut self, key: &(String, String), store: &Store) {
        let first = PortKey {
            namespace: key.0.clone(),
            name: key.1.clone(),
            port: String::new(),
            protocol: Protocol::Tcp,
        };
        let mut old: BTreeMap<PortKey, Arc<Entry>> = self
            .ports
            .range(first..)
            .take_while(|(k, _)| (&k.namespace, &k.name) == (&key.0, &key.1))
            .map(|(k, e)| (k.clone(), e.clone()))
            .collect();
        let service = store.read::<Service>(&key.0, &key.1);
        let slices: Vec<&EndpointSlice> = self
            .slices
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(|name| store.read::<EndpointSlice>(&key.0, name))
            .filter(|slice| slice.address_type == address_type(self.family))
            .collect();
        for service in service.map(|s| service_ports_of(s, self.family)).unwrap_or_default() {
            let entry = Entry { endpoints: endpoints(&slices, &service.key), service };
            let port = entry.service.key.clone();
            if old.remove(&port).is_none_or(|o| *o != entry) {
                self.set(port, Some(entry));
            }
        }
        for gone in old.into_keys() {
            self.set(gone, None);
        }
    }

    /// Puts a service port in the place of an earlier one, or takes it away.
    pub fn set(&mut self, key: PortKey, entry: Option<Entry>) {
        if entry.as_ref().is_some_and(Entry::depends_on_node) {
            self.uneven.insert(key.clone());
        } else {
            self.uneven.remove(&key);
        }
        self.changed.insert(key.clone());
        self.endpoints += entry.as_ref().map_or(0, |e| e.endpoints.len());
        let old = match entry {
            Some(entry) => self.ports.insert(key, Arc::new(entry)),
            None => self.ports.remove(&key),
        };
        self.endpoints -= old.map_or(0, |e| e.endpoints.len());
    }
}

/// The service ports of a Service that kube-proxy handles.
#[must_use]
pub fn service_ports(service: &Service) -> Vec<ServicePort> {
    let family = match lenient_ip(&service.spec.cluster_ip) {
        Some(IpAddr::V6(_)) => Family::V6,
        _ => Family::V4,
    };
    service_ports_of(service, family)
}

const fn address_type(family: Family) -> AddressType {
    match family {
        Family::V4 => AddressType::V4,
        Family::V6 => AddressType::V6,
    }
}

/// The same for one address family.
#[must_use]
pub fn service_ports_of(service: &Service, family: Family) -> Vec<ServicePort> {
    let spec = &service.spec;
    let skip = spec.service_type() == ServiceType::ExternalName
        || service.is_headless()
        || service.metadata.labels.contains_key(LABEL_PROXY_NAME);
    let own = |ip: &IpAddr| ip.is_ipv4() == (family == Family::V4);
    let mut ips = [&spec.cluster_ip].into_iter().chain(&spec.cluster_ips).filter_map(|ip| lenient_ip(ip));
    let Some(cluster_ip) = ips.find(own).filter(|_| !skip) else { return Vec::new() };
    let same_family = |ip: &IpAddr| ip.is_ipv4() == cluster_ip.is_ipv4();
    let ingress = service.status.load_balancer.ingress.iter();
    let load_balancer_ips: SmallVec<[IpAddr; 1]> = ingress
        .filter(|i| i.ip_mode.as_deref() != Some("Proxy"))
        .filter_map(|i| lenient_ip(&i.ip))
        .filter(same_family)
        .collect();
    let is_load_balancer = spec.service_type() == ServiceType::LoadBalancer;
    let external_local = spec.external_traffic_policy == Some(TrafficPolicy::Local);
    spec.ports
        .iter()
        .map(|port| ServicePort {
            key: PortKey {
                namespace: service.metadata.namespace.clone(),
                name: service.metadata.name.clone(),
                port: port.name.clone(),
                protocol: port.protocol,
            },
            cluster_ip,
            port: port.port,
            node_port: port.node_port.filter(|p| *p != 0),
            external_ips: spec
                .external_ips
                .iter()
                .filter_map(|ip| lenient_ip(ip))
                .filter(same_family)
                .collect(),
            load_balancer_ips: load_balancer_ips.clone(),
            source_ranges: spec
                .load_balancer_source_ranges
                .iter()
                .filter_map(|r| lenient_net(r))
                .filter(|net| own(&net.addr()))
                .collect(),
            affinity_seconds: spec.affinity_seconds(),
            external_local,
            internal_local: spec.internal_traffic_policy == Some(TrafficPolicy::Local),
            health_check_port: spec
                .health_check_node_port
                .filter(|p| *p != 0 && is_load_balancer && external_local),
        })
        .collect()
}

/// The endpoints of a service port in all slices of its Service.
#[must_use]
pub fn endpoints(slices: &[&EndpointSlice], key: &PortKey) -> Vec<Endpoint> {
    let mut all: BTreeMap<String, Endpoint> = BTreeMap::new();
    for slice in slices.iter().filter(|s| s.address_type != AddressType::Fqdn) {
        let port = slice.ports.iter().find(|p| {
            p.name.as_deref().unwrap_or_default() == key.port
                && p.protocol.unwrap_or_default() == key.protocol
        });
        let Some(port) = port.and_then(|p| p.port) else { continue };
        for e in &slice.endpoints {
            if let Some(ip) = e.addresses.first().and_then(|a| lenient_ip(a)) {
                let at = SocketAddr::new(ip, port);
                all.insert(at.to_string(), endpoint(e, at));
            }
        }
    }
    all.into_values().collect()
}

fn endpoint(e: &objects::Endpoint, at: SocketAddr) -> Endpoint {
    let hints = e.hints.as_ref();
    let names = |list: &[objects::endpoint_slice::NamedHint]| list.iter().map(|h| h.name.clone()).collect();
    Endpoint {
        at,
        node: e.node_name.clone(),
        ready: e.conditions.is_ready(),
        serving: e.conditions.is_serving(),
        terminating: e.conditions.is_terminating(),
        zone_hints: hints.map(|h| names(&h.for_zones)).unwrap_or_default(),
        node_hints: hints.map(|h| names(&h.for_nodes)).unwrap_or_default(),
    }
}

/// An address that may have leading zeros, which the API accepted once: `172.30.0.041` is 172.30.0.41.
fn lenient_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let octets: Vec<u8> = text.split('.').map(|o| o.parse().ok()).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(IpAddr::from)
}

fn lenient_net(text: &str) -> Option<ipnet::IpNet> {
    let (ip, prefix) = text.trim().split_once('/')?;
    ipnet::IpNet::new(lenient_ip(ip)?, prefix.parse().ok()?).ok().map(|n| n.trunc())
}
