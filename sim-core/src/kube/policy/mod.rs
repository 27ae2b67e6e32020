//! Which connections policies let through: `NetworkPolicy`, and the policies for the cluster of `policy.networking.k8s.io`.
//!
//! The engine answers from objects alone, without a packet: what the API promises of any agent that enforces it. What an agent of a
//! cluster does about it is its own matter (`kube/node/cni`). From a [`Snapshot`] an [`Engine`] is made; it knows
//! - whether one connection comes through, and which policy and rule decides at each end ([`Engine::ask`]),
//! - which connections there can be between two ends ([`Engine::connections`]),
//! - and all that between all pods at once ([`Engine::table`]).
//!
//! Rules of the game, from <https://kubernetes.io/docs/concepts/services-networking/network-policies/> and the API text of
//! <https://network-policy-api.sigs.k8s.io/>: a connection needs the consent of both ends. An end that is no ordinary pod (a node, a pod in
//! its node's network, an address outside) consents to everything. A pod reaches itself by its own address whatever the policies.
//! Replies of an allowed connection are let through. A pod and its own node reach each other whatever *network policies* say; policies for
//! the cluster that name nodes or networks hold there too. Connections by way of a Service are judged by the pod and port that they
//! end at ([`Snapshot::backends`]).
//!
//! Left out: protocols other than TCP, UDP and SCTP, what becomes of connections that were there before a policy, domain names as peers (they
//! fail closed, and a note says so), and translation of sources: a node speaks from its own address here, though with some plugins it
//! reaches pods of other nodes from its tunnel's.
//!
//! | file | what it does |
//! | --- | --- |
//! | `snapshot` | the cluster as plain data |
//! | `compile`, `model` | policies of every kind in one form |
//! | `ports` | sets of ports, and their algebra |
//! | `sets` | the definition, as algebra over whole sets; slow and obvious |
//! | `verdict` | one connection, rule by rule, with reasons |
//! | `index` | all pairs, by groups of pods that behave alike |
//! | `names` | ends as people name them |
//! | `outside` | the addresses outside, by how rules treat them |
//! | `truth` | tables of who reaches whom |
//! | `offline` | manifests without a cluster |
//! | `report` | connectivity between workloads, and differences of two reports |

mod bits;
mod compile;
mod index;
mod model;
mod names;
pub mod offline;
mod outside;
mod ports;
pub mod report;
mod sets;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod truth;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::kube::objects::selector::Labels;
use crate::kube::objects::{IpFamily, Protocol};

use bits::Bits;
pub use index::Table;
pub use model::{
    Action, Atom, Direction, Model, Namespaces, Party, Policy, PolicyRef, Rule, RulePorts, Tier, in_block,
};
pub use names::{Reached, UnknownEnd};
pub use ports::{ConnectionSet, PROTOCOLS, PortRanges};
pub use snapshot::{NAMESPACE_NAME, NamedPort, NodeView, PodView, ServiceView, Snapshot};
pub use verdict::{Decision, Reason, RuleRef, Verdict};

/// What the API leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether `ipBlock` and `networks` match addresses of pods too. The tests of Kubernetes expect it; some agents do otherwise.
    pub blocks_match_pods: bool,
    /// The family of addresses that pods with two use among each other.
    pub family: IpFamily,
}

impl Default for Options {
    fn default() -> Self {
        Self { blocks_match_pods: true, family: IpFamily::V4 }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A pod, by its number in [`Snapshot::pods`].
    Pod(usize),
    /// A node, by its number in [`Snapshot::nodes`].
    Node(usize),
    /// An address outside the cluster.
    Outside(IpAddr),
}

/// May this connection be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks for it.
    pub from: Endpoint,
    /// Whom it is for, behind any translation.
    pub to: Endpoint,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port at `to`.
    pub port: u16,
    /// Whether it came by way of a Service: then a pod that reaches itself is held to policies for the cluster.
    pub by_service: bool,
}

/// An end as policies see it.
#[derive(Clone, Copy, Debug)]
struct Side {
    what: What,
    /// Its address in this connection.
    address: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A pod with a network of its own.
    Pod(usize),
    /// A node, or a pod in its network.
    Node(usize),
    Outside,
}

/// The policies of a cluster at one moment, ready for questions.
#[derive(Clone, Debug)]
pub struct Engine {
    snapshot: Snapshot,
    model: Model,
    options: Options,
    /// Labels of namespaces, with their names.
    namespaces: BTreeMap<String, Labels>,
    /// By pod: its node's number.
    nodes: Vec<Option<usize>>,
    /// By pod: the atoms that speak of it.
    profiles: Vec<Bits>,
}

impl Engine {
    /// An engine for a cluster.
    #[must_use]
    pub fn new(mut snapshot: Snapshot, options: Options) -> Self {
        let model = Model::of(&snapshot);
        let known: BTreeSet<&str> = snapshot.nodes.iter().map(|n| n.name.as_str()).collect();
        let named = snapshot.pods.iter().map(|p| p.node.as_str()).filter(|n| !n.is_empty());
        let missing: BTreeSet<String> = named.filter(|n| !known.contains(n)).map(str::to_owned).collect();
        snapshot.nodes.extend(missing.into_iter().map(|name| NodeView { name, ..NodeView::default() }));
        let numbers: BTreeMap<&str, usize> =
            snapshot.nodes.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
        let nodes = snapshot.pods.iter().map(|p| numbers.get(p.node.as_str()).copied()).collect();
        let spaces = snapshot.namespaces.keys().chain(snapshot.pods.iter().map(|p| &p.namespace));
        let namespaces = spaces.map(|name| (name.clone(), snapshot.namespace_labels(name))).collect();
        let mut engine = Self { snapshot, model, options, namespaces, nodes, profiles: Vec::new() };
        engine.profiles = index::profiles(&engine);
        engine
    }

    /// What it was made from, with nodes that only pods name.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The policies.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// What a person should know: what is not modelled, or not decided by the API.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.model.notes
    }

    /// A pod by its name.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Endpoint> {
        let found = self.snapshot.pods.iter().position(|p| p.namespace == namespace && p.name == name);
        found.map(Endpoint::Pod)
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Endpoint> {
        self.snapshot.nodes.iter().position(|n| n.name == name).map(Endpoint::Node)
    }

    /// Whoever has an address: a pod, a node, or somebody outside.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Endpoint {
        let own = |pod: &PodView| !pod.host_network && pod.addresses.contains(&address);
        let pod = self.snapshot.pods.iter().position(own).map(Endpoint::Pod);
        let node = || self.snapshot.nodes.iter().position(|n| n.addresses.contains(&address));
        pod.or_else(|| node().map(Endpoint::Node)).unwrap_or(Endpoint::Outside(address))
    }

    /// Every connection that may be made from one end to another.
    #[must_use]
    pub fn connections(&self, from: Endpoint, to: Endpoint) -> ConnectionSet {
        if from == to {
            return ConnectionSet::all();
        }
        let (source, destination) = (self.side(from), self.side(to));
        let ports = self.named_ports(destination);
        let end = |own: Side, other: Side, direction: Direction| {
            let What::Pod(pod) = own.what else { return ConnectionSet::all() };
            let matched = |rule: &Rule| {
                if self.matches_peer(rule, other) { rule.ports.at(ports) } else { ConnectionSet::none() }
            };
            sets::let_through(self.selecting(pod), direction, self.is_own_node(pod, other), matched)
        };
        let out = end(source, destination, Direction::Egress);
        out.intersection(&end(destination, source, Direction::Ingress))
    }

    /// The ranges of addresses within which the rules of a direction treat strangers alike: first and last address of each, in order.
    #[must_use]
    pub fn outside_ranges(&self, direction: Direction, family: IpFamily) -> Vec<(IpAddr, IpAddr)> {
        outside::ranges(&self.model, direction, family)
    }

    fn side(&self, endpoint: Endpoint) -> Side {
        match endpoint {
            Endpoint::Outside(address) => Side { what: What::Outside, address: Some(address) },
            Endpoint::Node(node) => {
                let addresses = self.snapshot.nodes.get(node).map_or(&[][..], |n| &n.addresses);
                Side { what: What::Node(node), address: self.pick(addresses) }
            }
            Endpoint::Pod(number) => {
                let Some(pod) = self.snapshot.pods.get(number) else {
                    return Side { what: What::Outside, address: None };
                };
                let node = self.nodes.get(number).copied().flatten();
                match node {
                    Some(node) if pod.host_network => {
                        let own = self.pick(&pod.addresses);
                        let address = own.or_else(|| self.pick(&self.snapshot.nodes[node].addresses));
                        Side { what: What::Node(node), address }
                    }
                    _ if pod.host_network => Side { what: What::Outside, address: self.pick(&pod.addresses) },
                    _ => Side { what: What::Pod(number), address: self.pick(&pod.addresses) },
                }
            }
        }
    }

    /// The address that counts: one of the chosen family if there is one.
    fn pick(&self, addresses: &[IpAddr]) -> Option<IpAddr> {
        let fits = |ip: &&IpAddr| ip.is_ipv4() == (self.options.family == IpFamily::V4);
        addresses.iter().find(fits).or_else(|| addresses.first()).copied()
    }

    fn party(&self, side: Side) -> Party<'_> {
        match side.what {
            What::Pod(pod) => Party::Pod(&self.snapshot.pods[pod]),
            What::Node(node) => self.snapshot.nodes.get(node).map_or(Party::Outside, Party::Node),
            What::Outside => Party::Outside,
        }
    }

    /// The long way to ask whether an atom speaks of an end.
    fn speaks_of(&self, atom: usize, side: Side) -> bool {
        let blocks = self.options.blocks_match_pods;
        self.model.speaks_of(atom, self.party(side), side.address, &self.namespaces, blocks)
    }

    fn matches_peer(&self, rule: &Rule, other: Side) -> bool {
        let Some(peers) = &rule.peers else { return true };
        match other.what {
            What::Pod(pod) => peers.iter().any(|atom| self.profiles[pod].contains(*atom)),
            _ => peers.iter().any(|atom| self.speaks_of(*atom, other)),
        }
    }

    /// The policies that are for a pod, in the order in which they are asked.
    fn selecting(&self, pod: usize) -> impl Iterator<Item = &Policy> {
        let profile = &self.profiles[pod];
        self.model.policies.iter().filter(|p| p.subject.is_some_and(|atom| profile.contains(atom)))
    }

    fn is_own_node(&self, pod: usize, other: Side) -> bool {
        matches!(other.what, What::Node(node) if self.nodes[pod] == Some(node))
    }

    /// The ports that a destination's containers name; nobody but ordinary pods has any.
    fn named_ports(&self, destination: Side) -> &[NamedPort] {
        match destination.what {
            What::Pod(pod) => &self.snapshot.pods[pod].ports,
            _ => &[],
        }
    }
}
