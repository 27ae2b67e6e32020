//! From objects to [`Model`].

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::model::{Action, Atom, Direction, Model, Namespaces, Policy, PolicyRef, Rule, RulePorts, Tier};
use super::ports::{ConnectionSet, PortRanges};
use super::snapshot::Snapshot;
use crate::kube::objects::cluster_policy::{
    AdminAction, AdminNetworkPolicySpec, AdminPort, ClusterAction, ClusterNetworkPolicySpec, ClusterPeer,
    ClusterProtocol, ClusterTier, NamespacedPods, PolicySubject, PortRange,
};
use crate::kube::objects::network_policy::{NetworkPolicyPeer, NetworkPolicyPort};
use crate::kube::objects::{IntOrString, LabelSelector, NetworkPolicy, Object, Protocol, Selector};

/// The one baseline policy of the older kind comes after all others.
const LAST_PRIORITY: i32 = i32::MAX;

/// The policies of a cluster.
pub(super) fn compile(snapshot: &Snapshot) -> Model {
    let mut maker = Maker::default();
    for object in &snapshot.policies {
        match &**object {
            Object::NetworkPolicy(policy) => maker.network_policy(policy),
            Object::ClusterNetworkPolicy(o) => maker.cluster(reference(object), &o.spec),
            Object::AdminNetworkPolicy(o) => {
                let priority = o.spec.priority.unwrap_or(LAST_PRIORITY);
                maker.admin(reference(object), Tier::Admin, priority, &o.spec);
            }
            Object::BaselineAdminNetworkPolicy(o) => {
                maker.admin(reference(object), Tier::Baseline, LAST_PRIORITY, &o.spec);
            }
            _ => {}
        }
    }
    maker.finish()
}

fn reference(object: &Object) -> PolicyRef {
    let meta = object.meta();
    PolicyRef { kind: object.kind(), namespace: meta.namespace.clone(), name: meta.name.clone() }
}

/// What is known so far.
#[derive(Default)]
struct Maker {
    policies: Vec<Policy>,
    atoms: Vec<Atom>,
    /// Numbers of atoms by their text.
    known_atoms: BTreeMap<String, usize>,
    selectors: Vec<Selector>,
    /// Numbers of selectors by their text.
    known_selectors: BTreeMap<String, usize>,
    notes: Vec<String>,
}

/// A rule for the cluster, of either generation.
struct ClusterRule<'a> {
    name: &'a str,
    action: Action,
    peers: &'a [ClusterPeer],
    ports: RulePorts,
}

impl Maker {
    fn finish(mut self) -> Model {
        self.policies.sort_by(|a, b| (a.tier, a.priority, &a.name).cmp(&(b.tier, b.priority, &b.name)));
        for pair in self.policies.windows(2) {
            if let [a, b] = pair
                && a.tier != Tier::NetworkPolicy
                && (a.tier, a.priority) == (b.tier, b.priority)
            {
                self.notes.push(format!(
                    "{} and {} both have priority {} in the tier {}: which one is asked first is not defined; here it is the first by \
                     kind and name",
                    a.name, b.name, a.priority, a.tier
                ));
            }
        }
        Model { policies: self.policies, atoms: self.atoms, selectors: self.selectors, notes: self.notes }
    }

    fn network_policy(&mut self, policy: &NetworkPolicy) {
        let (spec, namespace) = (&policy.spec, policy.metadata.namespace.as_str());
        let subject = self.pods(Some(namespace), None, Some(&spec.pod_selector));
        let egress = spec.affects_egress().then(|| {
            let rules = spec.egress.iter().enumerate();
            rules.map(|(i, r)| self.network_rule(namespace, i + 1, &r.to, &r.ports)).collect()
        });
        let ingress = spec.affects_ingress().then(|| {
            let rules = spec.ingress.iter().enumerate();
            rules.map(|(i, r)| self.network_rule(namespace, i + 1, &r.from, &r.ports)).collect()
        });
        self.policies.push(Policy {
            name: PolicyRef {
                kind: crate::kube::objects::Kind::NetworkPolicy,
                namespace: namespace.to_owned(),
                name: policy.metadata.name.clone(),
            },
            tier: Tier::NetworkPolicy,
            priority: 0,
            subject,
            rules: [egress, ingress],
        });
    }

    fn network_rule(
        &mut self,
        namespace: &str,
        number: usize,
        peers: &[NetworkPolicyPeer],
        ports: &[NetworkPolicyPort],
    ) -> Rule {
        let peers = (!peers.is_empty()).then(|| {
            let atoms = peers.iter().filter_map(|peer| self.network_peer(namespace, peer));
            let mut atoms: Vec<usize> = atoms.collect();
            atoms.sort_unstable();
            atoms.dedup();
            atoms
        });
        Rule {
            number,
            name: String::new(),
            action: Action::Accept,
            peers,
            ports: if ports.is_empty() { RulePorts::any() } else { network_ports(ports) },
        }
    }

    fn network_peer(&mut self, namespace: &str, peer: &NetworkPolicyPeer) -> Option<usize> {
        match &peer.ip_block {
            Some(block) => self.block(&block.cidr, &block.except),
            None => {
                let own = peer.namespace_selector.is_none().then_some(namespace);
                self.pods(own, peer.namespace_selector.as_ref(), peer.pod_selector.as_ref())
            }
        }
    }

    fn cluster(&mut self, name: PolicyRef, spec: &ClusterNetworkPolicySpec) {
        let tier = match spec.tier {
            Some(ClusterTier::Baseline) => Tier::Baseline,
            _ => Tier::Admin,
        };
        let action = |action: Option<ClusterAction>| match action {
            Some(ClusterAction::Accept) => Action::Accept,
            Some(ClusterAction::Pass) => Action::Pass,
            Some(ClusterAction::Deny) | None => Action::Deny,
        };
        let egress = spec.egress.iter().map(|r| ClusterRule {
            name: &r.name,
            action: action(r.action),
            peers: &r.to,
            ports: cluster_ports(r.protocols.as_deref()),
        });
        let ingress = spec.ingress.iter().map(|r| ClusterRule {
            name: &r.name,
            action: action(r.action),
            peers: &r.from,
            ports: cluster_ports(r.protocols.as_deref()),
        });
        let rules = [egress.collect::<Vec<_>>(), ingress.collect()];
        let priority = spec.priority.unwrap_or(LAST_PRIORITY);
        self.for_cluster(name, tier, priority, spec.subject.as_ref(), rules);
    }

    fn admin(&mut self, name: PolicyRef, tier: Tier, priority: i32, spec: &AdminNetworkPolicySpec) {
        let action = |action: Option<AdminAction>| match action {
            Some(AdminAction::Allow) => Action::Accept,
            Some(AdminAction::Pass) => Action::Pass,
            Some(AdminAction::Deny) | None => Action::Deny,
        };
        let egress = spec.egress.iter().map(|r| ClusterRule {
            name: &r.name,
            action: action(r.action),
            peers: &r.to,
            ports: admin_ports(r.ports.as_deref()),
        });
        let ingress = spec.ingress.iter().map(|r| ClusterRule {
            name: &r.name,
            action: action(r.action),
            peers: &r.from,
            ports: admin_ports(r.ports.as_deref()),
        });
        let rules = [egress.collect::<Vec<_>>(), ingress.collect()];
        self.for_cluster(name, tier, priority, spec.subject.as_ref(), rules);
    }

    fn for_cluster(
        &mut self,
        name: PolicyRef,
        tier: Tier,
        priority: i32,
        subject: Option<&PolicySubject>,
        rules: [Vec<ClusterRule<'_>>; 2],
    ) {
        let subject = subject.and_then(|s| match (&s.namespaces, &s.pods) {
            (Some(namespaces), _) => self.pods(None, Some(namespaces), None),
            (None, Some(pods)) => self.namespaced(pods),
            (None, None) => None,
        });
        let rules = rules.map(|rules| {
            let numbered = rules.into_iter().enumerate();
            let rules: Vec<Rule> = numbered.map(|(i, rule)| self.cluster_rule(&name, i + 1, rule)).collect();
            (!rules.is_empty()).then_some(rules)
        });
        self.policies.push(Policy { name, tier, priority, subject, rules });
    }

    fn cluster_rule(&mut self, policy: &PolicyRef, number: usize, rule: ClusterRule<'_>) -> Rule {
        let ClusterRule { name, action, peers, ports } = rule;
        if peers.iter().any(|p| !p.domain_names.is_empty()) {
            self.notes.push(format!(
                "{policy}, egress rule {number}: domainNames is not modelled, so this peer fails closed"
            ));
        }
        let mut known = true;
        let mut atoms = Vec::new();
        for peer in peers {
            known &= self.cluster_peer(peer, &mut atoms);
        }
        atoms.sort_unstable();
        atoms.dedup();
        let name = name.to_owned();
        if !known && action != Action::Accept {
            // An unknown kind of peer: the API asks to fail closed.
            return Rule { number, name, action: Action::Deny, peers: None, ports: RulePorts::any() };
        }
        Rule { number, name, action, peers: Some(atoms), ports }
    }

    /// Adds what a peer speaks of; whether it is of a known kind.
    fn cluster_peer(&mut self, peer: &ClusterPeer, atoms: &mut Vec<usize>) -> bool {
        if let Some(namespaces) = &peer.namespaces {
            atoms.extend(self.pods(None, Some(namespaces), None));
        } else if let Some(pods) = &peer.pods {
            atoms.extend(self.namespaced(pods));
        } else if let Some(nodes) = &peer.nodes {
            if let Some(selector) = self.selector(Some(nodes)) {
                atoms.push(self.atom(format!("nodes {selector}"), Atom::Nodes(selector)));
            }
        } else if peer.networks.is_empty() {
            return false;
        }
        for network in &peer.networks {
            atoms.extend(self.block(network, &[]));
        }
        true
    }

    fn namespaced(&mut self, pods: &NamespacedPods) -> Option<usize> {
        let all = LabelSelector::default();
        self.pods(None, Some(pods.namespace_selector.as_ref().unwrap_or(&all)), pods.pod_selector.as_ref())
    }

    /// Pods of one namespace or of those that a selector matches. `None`: a selector that nothing can match.
    fn pods(
        &mut self,
        named: Option<&str>,
        by: Option<&LabelSelector>,
        pods: Option<&LabelSelector>,
    ) -> Option<usize> {
        let pods = self.selector(pods)?;
        let namespaces = match named {
            Some(name) => Namespaces::Named(name.to_owned()),
            None => Namespaces::By(self.selector(by)?),
        };
        Some(self.atom(format!("pods {namespaces:?} {pods}"), Atom::Pods { namespaces, pods }))
    }

    fn block(&mut self, cidr: &str, except: &[String]) -> Option<usize> {
        let block: IpNet = cidr.parse().ok()?;
        let except: Vec<IpNet> = except.iter().filter_map(|e| e.parse().ok()).collect();
        Some(self.atom(format!("block {block} {except:?}"), Atom::Block { block, except }))
    }

    fn atom(&mut self, text: String, atom: Atom) -> usize {
        *self.known_atoms.entry(text).or_insert_with(|| {
            self.atoms.push(atom);
            self.atoms.len() - 1
        })
    }

    fn selector(&mut self, selector: Option<&LabelSelector>) -> Option<usize> {
        let selector = match selector {
            Some(selector) => Selector::from_label_selector(selector)?,
            None => Selector::default(),
        };
        Some(*self.known_selectors.entry(selector.to_string()).or_insert_with(|| {
            self.selectors.push(selector);
            self.selectors.len() - 1
        }))
    }
}

fn network_ports(ports: &[NetworkPolicyPort]) -> RulePorts {
    let mut all = RulePorts::default();
    for port in ports {
        let protocol = port.protocol.unwrap_or_default();
        match &port.port {
            None => add(&mut all, protocol, PortRanges::all()),
            Some(IntOrString::Int(first)) => {
                add(&mut all, protocol, between(*first, port.end_port.unwrap_or(*first)));
            }
            Some(IntOrString::String(name)) => all.named.push((Some(protocol), name.clone())),
        }
    }
    all
}

fn cluster_ports(protocols: Option<&[ClusterProtocol]>) -> RulePorts {
    let Some(protocols) = protocols.filter(|all| !all.is_empty()) else { return RulePorts::any() };
    let mut all = RulePorts::default();
    for wanted in protocols {
        all.named.extend(wanted.destination_named_port.iter().map(|name| (None, name.clone())));
        let each =
            [(Protocol::Tcp, &wanted.tcp), (Protocol::Udp, &wanted.udp), (Protocol::Sctp, &wanted.sctp)];
        for (protocol, wanted) in each {
            let Some(wanted) = wanted else { continue };
            let ports = match &wanted.destination_port {
                None => PortRanges::all(),
                Some(port) => {
                    let one = port.number.map_or_else(PortRanges::default, |n| between(n, n));
                    port.range.as_ref().map_or_else(PortRanges::default, of_range).union(&one)
                }
            };
            add(&mut all, protocol, ports);
        }
    }
    all
}

fn admin_ports(ports: Option<&[AdminPort]>) -> RulePorts {
    let Some(ports) = ports.filter(|all| !all.is_empty()) else { return RulePorts::any() };
    let mut all = RulePorts::default();
    for port in ports {
        all.named.extend(port.named_port.iter().map(|name| (None, name.clone())));
        if let Some(one) = &port.port_number {
            add(&mut all, one.protocol.unwrap_or_default(), between(one.port, one.port));
        }
        if let Some(range) = &port.port_range {
            add(&mut all, range.protocol.unwrap_or_default(), of_range(range));
        }
    }
    all
}

fn add(all: &mut RulePorts, protocol: Protocol, ports: PortRanges) {
    all.fixed = all.fixed.union(&ConnectionSet::of(protocol, ports));
}

fn of_range(range: &PortRange) -> PortRanges {
    between(range.start, range.end)
}

/// Ports as manifests write them; what is no port stands for none.
fn between(first: i32, last: i32) -> PortRanges {
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first), Ok(last)) => PortRanges::range(first, last),
        _ => PortRanges::default(),
    }
}

/// `Direction` as an index, so that the two lists of rules above stand in its order.
const _: () = assert!(Direction::Egress as usize == 0 && Direction::Ingress as usize == 1);
