//! What policies are about, as plain data: namespaces, nodes, pods, Services, policies at one moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::kube::objects::selector::Labels;
use crate::kube::objects::{IntOrString, Kind, Namespace, Node, Object, Pod, Protocol, Service};
use crate::kube::store::Store;

/// Label that carries a namespace's name; every namespace has it, even when nobody wrote it.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A cluster as policies see it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Labels of every namespace, by name.
    pub namespaces: BTreeMap<String, Labels>,
    /// Nodes.
    pub nodes: Vec<NodeView>,
    /// Pods.
    pub pods: Vec<PodView>,
    /// Services with a selector.
    pub services: Vec<ServiceView>,
    /// Policies of every kind; other objects are not looked at.
    pub policies: Vec<Arc<Object>>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The node it runs on; empty if it has none.
    pub node: String,
    /// Its addresses, the primary one first; none if it has not started.
    pub addresses: Vec<IpAddr>,
    /// Whether it is in its node's network: then no policy is for it, and it is its node for others.
    pub host_network: bool,
    /// The ports that its containers name.
    pub ports: Vec<NamedPort>,
}

/// A container port with a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPort {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// A Service with a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its cluster IPs.
    pub cluster_ips: Vec<IpAddr>,
    /// Labels of its pods.
    pub selector: Labels,
    /// Its ports: name, protocol, number, and the port of the pods.
    pub ports: Vec<(String, Protocol, u16, IntOrString)>,
}

impl Snapshot {
    /// What the API server knows now. Pods that have ended are left out.
    #[must_use]
    pub fn of_store(store: &Store) -> Self {
        let kinds = Kind::ALL.into_iter().filter(|k| k.is_policy());
        Self {
            namespaces: store
                .all::<Namespace>(None)
                .map(|n| (n.metadata.name.clone(), n.metadata.labels.clone()))
                .collect(),
            nodes: store.all::<Node>(None).map(NodeView::of).collect(),
            pods: store.all::<Pod>(None).filter(|p| !p.is_finished()).map(PodView::of).collect(),
            services: store.all::<Service>(None).filter_map(ServiceView::of).collect(),
            policies: kinds.flat_map(|kind| store.iter(kind, None).cloned()).collect(),
        }
    }

    /// Labels of a namespace, its name among them.
    #[must_use]
    pub fn namespace_labels(&self, namespace: &str) -> Labels {
        let mut labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
        labels
    }

    /// Where connections to a Service's port end: pods, by number, and their ports. Empty if there is no such Service or port.
    #[must_use]
    pub fn backends(&self, namespace: &str, name: &str, protocol: Protocol, port: u16) -> Vec<(usize, u16)> {
        let service = self.services.iter().find(|s| s.namespace == namespace && s.name == name);
        let Some(service) = service else { return Vec::new() };
        let wanted = service.ports.iter().find(|(_, p, n, _)| *p == protocol && *n == port);
        let Some((.., target)) = wanted else { return Vec::new() };
        let selected = |pod: &PodView| {
            pod.namespace == namespace
                && service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        };
        let pods = self.pods.iter().enumerate().filter(|(_, pod)| selected(pod));
        pods.filter_map(|(i, pod)| Some((i, pod.target(target, protocol)?))).collect()
    }
}

impl NodeView {
    /// A node of the store.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let addresses = node.status.addresses.iter().filter_map(|a| a.address.parse().ok());
        Self {
            name: node.metadata.name.clone(),
            labels: node.metadata.labels.clone(),
            addresses: addresses.collect(),
        }
    }
}

impl PodView {
    /// A pod of the store.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let containers = pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(
            // A sidecar's ports are the pod's like any other's.
            |c| c.restart_policy.as_deref() == Some("Always"),
        ));
        let ports = containers.flat_map(|c| &c.ports).filter(|p| !p.name.is_empty());
        let mut addresses: Vec<IpAddr> = pod.ips().collect();
        if addresses.is_empty() {
            addresses.extend(pod.ip());
        }
        Self {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            labels: pod.metadata.labels.clone(),
            node: pod.spec.node_name.clone(),
            addresses,
            host_network: pod.spec.host_network,
            ports: ports
                .map(|p| NamedPort { name: p.name.clone(), protocol: p.protocol, port: p.container_port })
                .collect(),
        }
    }

    /// The port that a Service's target stands for.
    fn target(&self, target: &IntOrString, protocol: Protocol) -> Option<u16> {
        match target {
            IntOrString::Int(n) => u16::try_from(*n).ok(),
            IntOrString::String(name) => {
                self.ports.iter().find(|p| p.name == *name && p.protocol == protocol).map(|p| p.port)
            }
        }
    }
}

impl ServiceView {
    /// A Service of the store, if it has a selector.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let spec = &service.spec;
        if spec.selector.is_empty() {
            return None;
        }
        let ports = spec.ports.iter().map(|p| (p.name.clone(), p.protocol, p.port, p.target()));
        Some(Self {
            namespace: service.metadata.namespace.clone(),
            name: service.metadata.name.clone(),
            cluster_ips: service.cluster_ips().collect(),
            selector: spec.selector.clone(),
            ports: ports.collect(),
        })
    }
}
