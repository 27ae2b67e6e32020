//! Policies of every kind, in one form and in the order in which they are asked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::compile;
use super::ports::{ConnectionSet, PortRanges};
use super::snapshot::{NamedPort, NodeView, PodView, Snapshot};
use crate::kube::objects::selector::Labels;
use crate::kube::objects::{Kind, Protocol, Selector};

/// When a policy is asked. A tier that has decided ends the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tier {
    /// First: policies for the cluster, by priority.
    Admin,
    /// Then network policies, all at once.
    NetworkPolicy,
    /// Last, and only where no network policy selects the pod: policies for the cluster, by priority.
    Baseline,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "Admin",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Baseline => "Baseline",
        })
    }
}

/// Which end of a connection is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Direction {
    /// The source: may it leave?
    Egress,
    /// The destination: may it come in?
    Ingress,
}

impl Direction {
    /// Both, in the order in which a connection meets them.
    pub const BOTH: [Self; 2] = [Self::Egress, Self::Ingress];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        })
    }
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Lets it through.
    Accept,
    /// Drops it.
    Deny,
    /// Leaves it to the next tier.
    Pass,
}

/// The name of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for policies of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// All policies of a cluster.
#[derive(Clone, Debug)]
pub struct Model {
    /// By tier, then by priority, then by kind and name.
    pub policies: Vec<Policy>,
    /// Groups of peers and subjects, each once.
    pub atoms: Vec<Atom>,
    /// Selectors of atoms, each once.
    pub selectors: Vec<Selector>,
    /// What a person should know: what is not modelled or not decided by the API.
    pub notes: Vec<String>,
}

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: PolicyRef,
    /// When it is asked.
    pub tier: Tier,
    /// Its place within the tier; network policies have none.
    pub priority: i32,
    /// Whom it is for, by number in [`Model::atoms`]; `None`: nobody.
    pub subject: Option<usize>,
    /// Rules by direction: egress, ingress; `None` where it has no say.
    pub rules: [Option<Vec<Rule>>; 2],
}

impl Policy {
    /// Its rules for one direction, if it has a say there.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        self.rules[direction as usize].as_deref()
    }
}

/// A rule of a policy.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number in the policy's list for the direction, from 1.
    pub number: usize,
    /// Its name, for those that have one.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Who may be at the other end, by number in [`Model::atoms`]; `None`: anybody.
    pub peers: Option<Vec<usize>>,
    /// Which connections.
    pub ports: RulePorts,
}

/// The connections that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulePorts {
    /// Ports by number.
    pub fixed: ConnectionSet,
    /// Ports by the name that the destination's containers give them, some of one protocol only.
    pub named: Vec<(Option<Protocol>, String)>,
}

impl RulePorts {
    /// Every connection.
    #[must_use]
    pub fn any() -> Self {
        Self { fixed: ConnectionSet::all(), named: Vec::new() }
    }

    /// The connections to a destination that names these ports. A name that the destination does not have stands for nothing.
    #[must_use]
    pub fn at(&self, ports: &[NamedPort]) -> ConnectionSet {
        let mut all = self.fixed.clone();
        for (protocol, name) in &self.named {
            for port in
                ports.iter().filter(|p| p.name == *name && protocol.is_none_or(|own| own == p.protocol))
            {
                let one = ConnectionSet::of(port.protocol, PortRanges::range(port.port, port.port));
                all = all.union(&one);
            }
        }
        all
    }
}

/// Somebody that a policy speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// Pods that are not in their node's network.
    Pods {
        /// Their namespaces.
        namespaces: Namespaces,
        /// Selector of the pods, by number in [`Model::selectors`].
        pods: usize,
    },
    /// Nodes, and pods in their network; selector by number.
    Nodes(usize),
    /// Addresses.
    Block {
        /// The block.
        block: IpNet,
        /// What is left out of it.
        except: Vec<IpNet>,
    },
}

/// Namespaces that a policy speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// One.
    Named(String),
    /// Those that a selector matches, by number in [`Model::selectors`].
    By(usize),
}

/// Who is at one end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Party<'a> {
    /// A pod with a network of its own.
    Pod(&'a PodView),
    /// A node, or a pod in its network.
    Node(&'a NodeView),
    /// Neither.
    Outside,
}

impl Model {
    /// The policies of a cluster.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        compile::compile(snapshot)
    }

    /// Whether an atom speaks of a party, asked the long way. `address` is the party's in this connection; `blocks_match_pods`: whether a
    /// pod's address counts too.
    #[must_use]
    pub(super) fn speaks_of(
        &self,
        atom: usize,
        party: Party<'_>,
        address: Option<IpAddr>,
        namespaces: &BTreeMap<String, Labels>,
        blocks_match_pods: bool,
    ) -> bool {
        match (&self.atoms[atom], party) {
            (Atom::Pods { namespaces: wanted, pods }, Party::Pod(pod)) => {
                let inside = match wanted {
                    Namespaces::Named(name) => *name == pod.namespace,
                    Namespaces::By(selector) => namespaces
                        .get(&pod.namespace)
                        .is_some_and(|labels| self.selectors[*selector].matches(labels)),
                };
                inside && self.selectors[*pods].matches(&pod.labels)
            }
            (Atom::Nodes(selector), Party::Node(node)) => self.selectors[*selector].matches(&node.labels),
            (Atom::Block { .. }, Party::Pod(_)) if !blocks_match_pods => false,
            (Atom::Block { block, except }, _) => address.is_some_and(|ip| in_block(block, except, ip)),
            _ => false,
        }
    }
}

/// Whether an address is in a block and in none of its exceptions. Families never mix.
#[must_use]
pub fn in_block(block: &IpNet, except: &[IpNet], address: IpAddr) -> bool {
    block.contains(&address) && !except.iter().any(|e| e.contains(&address))
}
