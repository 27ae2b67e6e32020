//! Which pods there are, which policies select them, and the addresses in the sets that policies ask: kept up to date change by change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::kube::node::cni::calico::felix::{AddressSet, Candidate, Policy, PolicyChain};
use crate::kube::objects::selector::Labels;
use crate::kube::objects::{Object, Pod};

/// Namespace and name.
pub(super) type PodKey = (String, String);

/// What changed since it was last asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Nodes whose pods, or these pods' policies, changed.
    pub nodes: BTreeSet<String>,
    /// Sets whose members changed.
    pub sets: BTreeSet<String>,
}

/// Pods, namespaces, policies and sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    namespaces: BTreeMap<String, Labels>,
    pods: BTreeMap<PodKey, Endpoint>,
    by_node: BTreeMap<String, BTreeSet<PodKey>>,
    /// In the order in which pods ask them.
    policies: BTreeMap<String, Policy>,
    sets: BTreeMap<String, Members>,
    touched: Touched,
}

/// A pod with an address of its own.
#[derive(Clone, Debug)]
struct Endpoint {
    object: Arc<Object>,
}

#[derive(Clone, Debug)]
struct Members {
    set: AddressSet,
    /// Chains of policies that ask it.
    users: usize,
    /// Elements, and how many pods have each.
    elements: BTreeMap<String, usize>,
}

impl Endpoint {
    fn pod(&self) -> Option<&Pod> {
        if let Object::Pod(pod) = &*self.object { Some(pod) } else { None }
    }
}

impl Index {
    /// Whether there is no policy at all.
    pub(super) fn is_idle(&self) -> bool {
        self.policies.is_empty()
    }

    /// A namespace has come, changed its labels, or gone.
    pub(super) fn namespace_changed(&mut self, name: &str, labels: Option<&Labels>) {
        if self.namespaces.get(name) == labels {
            return;
        }
        let inside = (name.to_owned(), String::new());
        let keys: Vec<PodKey> =
            self.pods.range(inside..).map(|(key, _)| key.clone()).take_while(|(ns, _)| ns == name).collect();
        for key in &keys {
            self.count(key, false);
        }
        match labels {
            Some(labels) => self.namespaces.insert(name.to_owned(), labels.clone()),
            None => self.namespaces.remove(name),
        };
        for key in &keys {
            self.count(key, true);
        }
    }

    /// A pod has come, changed or gone; `object` is none for one that has no network of its own.
    pub(super) fn pod_changed(&mut self, key: &PodKey, object: Option<Arc<Object>>) {
        if let (Some(endpoint), Some(object)) = (self.pods.get_mut(key), &object)
            && let (Object::Pod(old), Object::Pod(new)) = (&*endpoint.object, &**object)
            && counts_alike(old, new)
        {
            // Its interface may be another, or gone.
            self.touched.nodes.insert(new.spec.node_name.clone());
            endpoint.object = object.clone();
            return;
        }
        if self.pods.contains_key(key) {
            self.count(key, false);
            self.leave_node(key);
            self.pods.remove(key);
        }
        let Some(object) = object else { return };
        let endpoint = Endpoint { object };
        let Some(node) = endpoint.pod().map(|pod| pod.spec.node_name.clone()) else { return };
        self.touched.nodes.insert(node.clone());
        self.by_node.entry(node).or_default().insert(key.clone());
        self.pods.insert(key.clone(), endpoint);
        self.count(key, true);
    }

    fn leave_node(&mut self, key: &PodKey) {
        let node = self.pods.get(key).and_then(Endpoint::pod).map(|pod| pod.spec.node_name.clone());
        let Some(node) = node else { return };
        if let Some(keys) = self.by_node.get_mut(&node) {
            keys.remove(key);
        }
        self.touched.nodes.insert(node);
    }

    /// A policy has come, changed or gone.
    pub(super) fn policy_changed(&mut self, id: &str, policy: Option<Policy>) {
        if let Some(old) = self.policies.remove(id) {
            self.touch_selected(&old);
            for name in chains(&old).flat_map(|chain| chain.sets.keys()) {
                let unused = self.sets.get_mut(name).is_some_and(|members| {
                    members.users -= 1;
                    members.users == 0
                });
                if unused {
                    self.sets.remove(name);
                }
            }
        }
        let Some(policy) = policy else { return };
        self.touch_selected(&policy);
        for (name, set) in chains(&policy).flat_map(|chain| &chain.sets) {
            if !self.sets.contains_key(name) {
                let members = self.members(set);
                self.sets.insert(name.clone(), members);
            }
            if let Some(members) = self.sets.get_mut(name) {
                members.users += 1;
            }
        }
        self.policies.insert(id.to_owned(), policy);
    }

    fn touch_selected(&mut self, policy: &Policy) {
        for (key, endpoint) in &self.pods {
            let Some(pod) = endpoint.pod() else { continue };
            if policy.selects.matches(candidate(&self.namespaces, key, pod)) {
                self.touched.nodes.insert(pod.spec.node_name.clone());
            }
        }
    }

    fn members(&self, set: &AddressSet) -> Members {
        let mut members = Members { set: set.clone(), users: 0, elements: BTreeMap::new() };
        for (key, endpoint) in &self.pods {
            for element in elements(set, &self.namespaces, key, endpoint) {
                *members.elements.entry(element).or_default() += 1;
            }
        }
        members
    }

    /// Puts a pod into the sets that it belongs to, or takes it out.
    fn count(&mut self, key: &PodKey, comes: bool) {
        let Some(endpoint) = self.pods.get(key) else { return };
        if let Some(pod) = endpoint.pod() {
            self.touched.nodes.insert(pod.spec.node_name.clone());
        }
        for (name, members) in &mut self.sets {
            for element in elements(&members.set, &self.namespaces, key, endpoint) {
                let number = members.elements.entry(element.clone()).or_default();
                *number = if comes { *number + 1 } else { number.saturating_sub(1) };
                if *number == 0 {
                    members.elements.remove(&element);
                }
                self.touched.sets.insert(name.clone());
            }
        }
    }

    /// What changed since the last call.
    pub(super) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// The pods of a node.
    pub(super) fn pods_on(&self, node: &str) -> impl Iterator<Item = &Pod> {
        let keys = self.by_node.get(node).into_iter().flatten();
        keys.filter_map(|key| self.pods.get(key)?.pod())
    }

    /// The chains that a pod asks, in order: about what reaches it, and about what it reaches.
    pub(super) fn chains_of(&self, pod: &Pod) -> [Vec<&PolicyChain>; 2] {
        let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        let candidate = candidate(&self.namespaces, &key, pod);
        let mut all = [Vec::new(), Vec::new()];
        for policy in self.policies.values().filter(|p| p.selects.matches(candidate)) {
            all[0].extend(&policy.ingress);
            all[1].extend(&policy.egress);
        }
        all
    }

    /// The elements of a set.
    pub(super) fn elements(&self, set: &str) -> impl Iterator<Item = &String> {
        self.sets.get(set).into_iter().flat_map(|members| members.elements.keys())
    }
}

/// Whether policies see no difference between two states of a pod.
fn counts_alike(a: &Pod, b: &Pod) -> bool {
    a.metadata.labels == b.metadata.labels && a.status.pod_ips == b.status.pod_ips && a.spec == b.spec
}

fn chains(policy: &Policy) -> impl Iterator<Item = &PolicyChain> {
    policy.ingress.iter().chain(&policy.egress)
}

fn candidate<'a>(namespaces: &'a BTreeMap<String, Labels>, key: &'a PodKey, pod: &'a Pod) -> Candidate<'a> {
    static NONE: Labels = Labels::new();
    Candidate {
        namespace: &key.0,
        namespace_labels: namespaces.get(&key.0).unwrap_or(&NONE),
        labels: &pod.metadata.labels,
    }
}

/// What a pod brings to a set.
fn elements(
    set: &AddressSet,
    namespaces: &BTreeMap<String, Labels>,
    key: &PodKey,
    endpoint: &Endpoint,
) -> Vec<String> {
    let Some(pod) = endpoint.pod() else { return Vec::new() };
    let Some(ip) = pod.ips().find(IpAddr::is_ipv4) else { return Vec::new() };
    if !set.choice.matches(candidate(namespaces, key, pod)) {
        return Vec::new();
    }
    let Some((protocol, name)) = &set.port else { return vec![ip.to_string()] };
    let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
    ports
        .filter(|port| port.name == *name && port.protocol == *protocol)
        .map(|port| format!("{ip},{}:{}", protocol.to_string().to_ascii_lowercase(), port.container_port))
        .collect()
}
