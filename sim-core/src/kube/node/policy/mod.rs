//! The agent that enforces network policies: Felix, where calico is the plugin. The other plugins have none, and policies do nothing there.
//!
//! On each node it keeps the chains of the policies that select a pod of this node, the sets that these chains ask, and the jumps to them in
//! the pods' own chains. What the rules are is decided in [`felix`]; here is when they are written. Left out: refreshing what a person has
//! deleted, address family IPv6, policies of the group `policy.networking.k8s.io`.

mod index;

use std::collections::{BTreeMap, BTreeSet};

use index::{Index, PodKey};

use super::agents::{Hands, restore};
use super::cni::calico;
use super::cni::calico::felix::{self, PolicyChain, Workload};
use crate::kube::config::ClusterConfig;
use crate::kube::objects::{Kind, Object, Pod};
use crate::kube::store::{Change, ChangeKind};
use crate::trace::{Family, NsId};

/// Felix on all nodes.
#[derive(Clone, Debug)]
pub struct PolicyAgent {
    /// Whether the plugin enforces policies at all.
    runs: bool,
    index: Index,
    /// What is written on each node.
    written: BTreeMap<String, Written>,
}

/// What the agent has written on a node.
#[derive(Clone, Debug, Default)]
struct Written {
    /// Chains of policies, and their text.
    chains: BTreeMap<String, String>,
    /// Interfaces of pods that policies select, and what they ask.
    pods: BTreeMap<String, Asking>,
    /// Sets and their elements.
    sets: BTreeMap<String, BTreeSet<String>>,
}

/// What a pod's chains were written for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asking {
    /// The pod's uid: another pod of the same name has new chains.
    uid: String,
    /// Chains of policies about what reaches it, and about what it reaches.
    ways: [Vec<String>; 2],
}

impl Asking {
    fn is_selected(&self) -> bool {
        self.ways.iter().any(|way| !way.is_empty())
    }
}

impl PolicyAgent {
    /// The agent of a cluster block, before it has done anything.
    #[must_use]
    pub fn new(config: &ClusterConfig) -> Self {
        let runs = config.networking.cni.enforces(Kind::NetworkPolicy);
        Self { runs, index: Index::default(), written: BTreeMap::new() }
    }

    /// Reacts to changes of the store; kubelets have reacted before.
    pub fn sync(&mut self, changes: &[Change], hands: &mut Hands<'_>) {
        if !self.runs {
            return;
        }
        for change in changes {
            self.note(change, hands);
        }
        let touched = self.index.take_touched();
        let mut nodes = touched.nodes;
        let asking = self.written.iter().filter(|(_, w)| w.sets.keys().any(|set| touched.sets.contains(set)));
        nodes.extend(asking.map(|(node, _)| node.clone()));
        for node in nodes {
            self.write(&node, hands);
        }
    }

    fn note(&mut self, change: &Change, hands: &Hands<'_>) {
        let gone = change.what == ChangeKind::Deleted;
        match &*change.object {
            Object::Namespace(namespace) => {
                let labels = (!gone).then_some(&namespace.metadata.labels);
                self.index.namespace_changed(&namespace.metadata.name, labels);
            }
            Object::Pod(pod) => {
                let key: PodKey = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
                let there = !gone && has_endpoint(pod) && hands.store.read::<Pod>(&key.0, &key.1).is_some();
                self.index.pod_changed(&key, there.then(|| change.object.clone()));
            }
            Object::NetworkPolicy(policy) => {
                let id = felix::id(&policy.metadata.namespace, &policy.metadata.name);
                self.index.policy_changed(&id, (!gone).then(|| felix::policy(policy)));
            }
            _ => {}
        }
    }

    /// Brings a node in step: first what is new, then who asks it, at last away with what nobody asks.
    fn write(&mut self, node: &str, hands: &mut Hands<'_>) {
        if self.index.is_idle() && !self.written.contains_key(node) {
            return;
        }
        let written = self.written.entry(node.to_owned()).or_default();
        let ns = hands.place(node);
        let wanted = wanted(&self.index, node, ns, hands);
        if let Err(problem) = wanted.apply(written, &self.index, node, ns, hands) {
            hands.remark(format!("felix on {node}: {problem}"));
        }
    }
}

/// Whether Felix knows a pod: it has an address of its own, and still needs it.
fn has_endpoint(pod: &Pod) -> bool {
    !pod.spec.host_network && !pod.is_finished() && pod.ips().any(|ip| ip.is_ipv4())
}

/// What a node ought to have.
#[derive(Debug, Default)]
struct Wanted<'a> {
    chains: BTreeMap<&'a str, &'a PolicyChain>,
    pods: BTreeMap<String, (&'a Pod, [Vec<&'a str>; 2])>,
}

fn wanted<'a>(index: &'a Index, node: &str, ns: NsId, hands: &Hands<'_>) -> Wanted<'a> {
    let mut wanted = Wanted::default();
    for pod in index.pods_on(node) {
        let interface = calico::interface_name(&pod.metadata.namespace, &pod.metadata.name);
        if hands.world.ns(ns).by_name(&interface).is_err() {
            continue;
        }
        let ways = index.chains_of(pod);
        wanted.chains.extend(ways.iter().flatten().map(|chain| (chain.name.as_str(), *chain)));
        let names = ways.map(|way| way.iter().map(|chain| chain.name.as_str()).collect());
        wanted.pods.insert(interface, (pod, names));
    }
    wanted
}

impl Wanted<'_> {
    fn apply(
        &self,
        written: &mut Written,
        index: &Index,
        node: &str,
        ns: NsId,
        hands: &mut Hands<'_>,
    ) -> Result<(), String> {
        let sets: BTreeSet<&String> = self.chains.values().flat_map(|chain| chain.sets.keys()).collect();
        let now = hands.now();
        let filled = self.fill(written, &sets, index);
        let (rules, pods) = self.rules(written);
        let stale: Vec<String> = written.sets.keys().filter(|name| !sets.contains(name)).cloned().collect();
        let stack =
            (!filled.is_empty() || !rules.is_empty() || !stale.is_empty()).then(|| hands.world.ns_mut(ns));
        let Some(stack) = stack else { return Ok(()) };
        let args = ["restore".to_owned(), "-exist".to_owned()];
        stack.ipset(&args, &filled, now).map_err(|e| e.message.trim_end().to_owned())?;
        if !rules.is_empty() {
            restore(stack, Family::V4, &format!("*filter\n{rules}COMMIT\n")).map_err(|e| e.to_string())?;
        }
        written.chains = self.chains.iter().map(|(name, c)| ((*name).to_owned(), c.rules.clone())).collect();
        written.pods = pods;
        for name in stale {
            written.sets.remove(&name);
            let destroy = ["destroy".to_owned(), name];
            stack.ipset(&destroy, "", now).map_err(|e| format!("{} ({node})", e.message.trim_end()))?;
        }
        Ok(())
    }

    /// Lines of `ipset restore` for sets that are new or have other elements.
    fn fill(&self, written: &mut Written, sets: &BTreeSet<&String>, index: &Index) -> String {
        let mut lines = String::new();
        for (name, set) in self.chains.values().flat_map(|chain| &chain.sets) {
            if !sets.contains(name) {
                continue;
            }
            let elements: BTreeSet<String> = index.elements(name).cloned().collect();
            if !written.sets.contains_key(name) {
                lines += &format!("create {name} {} family inet maxelem 1048576\n", set.kind());
            }
            let old = written.sets.entry(name.clone()).or_default();
            for element in elements.difference(old) {
                lines += &format!("add {name} {element}\n");
            }
            for element in old.difference(&elements) {
                lines += &format!("del {name} {element}\n");
            }
            *old = elements;
        }
        lines
    }

    /// Lines of `iptables-restore` for chains of policies and pods that are new or others than before, and what pods ask now.
    fn rules(&self, written: &Written) -> (String, BTreeMap<String, Asking>) {
        let mut lines = String::new();
        for (name, chain) in &self.chains {
            if written.chains.get(*name) != Some(&chain.rules) {
                lines += &chain.rules;
            }
        }
        let mut pods = BTreeMap::new();
        for (interface, (pod, ways)) in &self.pods {
            let asking = Asking {
                uid: pod.metadata.uid.clone(),
                ways: ways.clone().map(|way| way.iter().map(|name| (*name).to_owned()).collect()),
            };
            // Without policies a pod's chains are as they were when it came.
            let known = written.pods.get(interface).filter(|known| known.uid == asking.uid);
            if known.map_or(asking.is_selected(), |known| *known != asking) {
                lines += &felix::policed_rules(&workload(pod, interface), &ways[0], &ways[1]);
            }
            if asking.is_selected() {
                pods.insert(interface.clone(), asking);
            }
        }
        let stale: Vec<&String> =
            written.chains.keys().filter(|name| !self.chains.contains_key(name.as_str())).collect();
        stale.iter().for_each(|name| lines += &format!(":{name} - [0:0]\n"));
        stale.iter().for_each(|name| lines += &format!("-X {name}\n"));
        (lines, pods)
    }
}

/// A pod as Felix knows it.
fn workload<'a>(pod: &'a Pod, interface: &'a str) -> Workload<'a> {
    let account = pod.spec.service_account_name.as_str();
    Workload {
        interface,
        namespace: &pod.metadata.namespace,
        service_account: if account.is_empty() { "default" } else { account },
    }
}
