//! All agents of all nodes, and what they work with.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::balancer::{self, Balancer};
use super::kubelet::{Kubelet, Process, Step};
use super::machine::{Machines, Place};
use super::policy::PolicyAgent;
use super::proxies::{Proxies, proxy_mode};
use super::proxy::config::ProxyConfig;
use super::proxy::health::{self, HealthServers};
use crate::kube::apps::runtime::Apps;
use crate::kube::config::{self, ClusterConfig, Cni, FaultKind, ProxyMode};
use crate::kube::objects::{Kind, Object, Pod};
use crate::kube::store::{ChangeKind, Store, needs_health_check};
use crate::linux::netfilter::{KnownRules, RestoreError, RestoreOptions};
use crate::linux::{Netns, World};
use crate::time::{EventQueue, SimTime};
use crate::trace::{Family, NsId, SockId};

/// Everything that agents may touch.
#[derive(Debug)]
pub struct Hands<'a> {
    /// Namespaces, wires, packets.
    pub world: &'a mut World,
    /// The API server.
    pub store: &'a mut Store,
    /// Machines and their files.
    pub machines: &'a mut Machines,
    /// Server processes.
    pub apps: &'a mut Apps,
    /// What agents will do later.
    pub timers: &'a mut EventQueue<Timer>,
    /// The cluster block.
    pub config: &'a ClusterConfig,
    /// What a person should know.
    pub remarks: &'a mut Vec<String>,
}

impl Hands<'_> {
    /// Virtual time now.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.world.now()
    }

    /// The namespace of a node.
    #[must_use]
    pub fn place(&self, node: &str) -> NsId {
        self.machines.get(&Place::Node(node.to_owned())).map_or(NsId(0), |m| m.ns)
    }

    /// Notes what a person should know, once.
    pub fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }
}

/// What an agent will do later.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A kubelet goes on with a pod.
    Pod {
        /// The node.
        node: String,
        /// Uid of the pod: another pod of the same name is another matter.
        uid: String,
        /// Namespace and name of the pod.
        pod: (String, String),
        /// What comes next.
        step: Step,
        /// Whether the cluster is not at rest before it.
        awaited: bool,
    },
    /// kube-proxy writes its rules on every node.
    Proxy,
    /// kube-proxy looks after what it had to leave for a while.
    ProxyPeriod,
    /// The load balancer looks at the nodes.
    Balancer(balancer::Tick),
    /// A fault of the configuration, by number, begins or ends.
    Fault(usize, bool),
}

/// The agents of every node.
#[derive(Clone, Debug)]
pub struct NodeAgents {
    kubelets: IndexMap<String, Kubelet>,
    proxies: Proxies,
    /// kube-proxy's health servers by node.
    health: IndexMap<String, HealthServers>,
    /// Something has changed that health servers tell of.
    health_due: bool,
    /// Services that have a health check node port.
    checked: BTreeSet<(String, String)>,
    /// The nodes on which kube-proxy runs, and how.
    running: BTreeMap<String, ProxyMode>,
    balancer: Balancer,
    policy: PolicyAgent,
    /// Timers that the cluster is not at rest before.
    awaited: usize,
    /// Probes under way that the cluster is not at rest before.
    probing: usize,
    /// Nodes by their namespace; for look-ups only.
    nodes: FxHashMap<NsId, String>,
    /// Changes of the store that have been seen.
    cursor: u64,
    /// For look-ups only.
    pods: FxHashMap<NsId, (String, String)>,
}

impl NodeAgents {
    /// The agents of the nodes of a cluster block, before they have done anything.
    #[must_use]
    pub fn new(config: &ClusterConfig, machines: &Machines) -> Self {
        let mut kubelets = IndexMap::new();
        let mut nodes = FxHashMap::default();
        let blocks = config::blocks::of_config(config);
        for (n, node) in config.nodes.iter().enumerate() {
            let ns = machines.get(&Place::Node(node.name.clone())).map_or(NsId(0), |m| m.ns);
            nodes.insert(ns, node.name.clone());
            kubelets.insert(node.name.clone(), Kubelet::new(node, ns, config, blocks.get(n)));
        }
        Self {
            kubelets,
            proxies: Proxies::new(config, machines),
            health: IndexMap::new(),
            health_due: true,
            checked: BTreeSet::new(),
            running: modes_at_start(config),
            balancer: Balancer::new(config, machines),
            policy: PolicyAgent::new(config),
            awaited: 0,
            probing: 0,
            nodes,
            cursor: 0,
            pods: FxHashMap::default(),
        }
    }

    /// Whether something is under way that will come to an end by itself and soon.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.awaited > 0 || self.probing > 0 || self.balancer.is_busy()
    }

    /// The pod that a namespace belongs to.
    #[must_use]
    pub fn pod_of(&self, ns: NsId) -> Option<(&str, &str)> {
        self.pods.get(&ns).map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// Sets nodes up: devices and routes of the CNI plugin, and the rules that are there before the first Service.
    ///
    /// # Errors
    /// The rules or devices are refused: a contradiction within the cluster block.
    pub fn set_up_nodes(&mut self, hands: &mut Hands<'_>) -> Result<(), String> {
        self.proxies.set_up_nodes(hands)?;
        self.plan_faults(hands);
        Ok(())
    }

    /// Plans the faults of the configuration.
    fn plan_faults(&self, hands: &mut Hands<'_>) {
        for (i, fault) in hands.config.faults.iter().enumerate() {
            if fault.start.is_zero() {
                self.fault(i, true, hands);
            } else {
                hands.timers.push(hands.now() + fault.start, Timer::Fault(i, true));
            }
            if let Some(end) = fault.end {
                hands.timers.push(hands.now() + end, Timer::Fault(i, false));
            }
        }
    }

    fn fault(&self, i: usize, begins: bool, hands: &mut Hands<'_>) {
        let Some(fault) = hands.config.faults.get(i) else { return };
        for (name, kubelet) in &self.kubelets {
            if fault.nodes.is_empty() || fault.nodes.contains(name) {
                match fault.kind {
                    FaultKind::ConntrackRace => hands.world.ns_mut(kubelet.ns()).conntrack.set_race(begins),
                }
            }
        }
    }

    /// Reacts to what changed in the store since the last call.
    pub fn sync(&mut self, hands: &mut Hands<'_>) {
        let changes = hands.store.changes_since(self.cursor).to_vec();
        self.cursor = hands.store.changes().cursor();
        let (mut proxied, mut moved) = (false, false);
        for change in &changes {
            match change.kind() {
                Kind::Pod => {
                    if let Object::Pod(pod) = &*change.object {
                        self.pod_changed(pod, change.what, hands);
                    }
                }
                Kind::Node => {
                    self.health_due = true;
                    if let Object::Node(node) = &*change.object {
                        moved |= self.proxies.node_changed(node, hands.world);
                    }
                }
                Kind::ConfigMap => {
                    if change.what == ChangeKind::Modified && is_proxy_config(&change.object) {
                        self.proxy_config_changed(hands);
                    }
                    for kubelet in self.kubelets.values() {
                        kubelet.config_map_changed(&change.object, hands);
                    }
                }
                Kind::Service | Kind::EndpointSlice => {
                    proxied = true;
                    self.checked_changed(&change.object, change.what);
                }
                kind if kind.is_policy() && change.what == ChangeKind::Added => {
                    remark_on_policy(&change.object, hands);
                }
                _ => {}
            }
        }
        self.balancer.sync(&changes, hands);
        self.policy.sync(&changes, hands);
        if (proxied || moved) && self.proxies.changed(hands.store, &changes, moved) {
            self.arm_proxy(hands);
        }
    }

    fn pod_changed(&mut self, pod: &Pod, what: ChangeKind, hands: &mut Hands<'_>) {
        let Some(kubelet) = self.kubelets.get_mut(&pod.spec.node_name) else { return };
        let before = kubelet.awaited_attempts();
        kubelet.pod_changed(pod, what, hands);
        self.probing = self.probing + kubelet.awaited_attempts() - before;
        self.take_notes(&pod.spec.node_name, hands);
    }

    /// A container's process has ended by itself.
    pub fn process_ended(&mut self, place: &Place, status: i32, hands: &mut Hands<'_>) {
        let Place::Container { namespace, pod, container } = place else { return };
        let node = hands.store.read::<Pod>(namespace, pod).map(|p| p.spec.node_name.clone());
        let Some(node) = node else { return };
        if let Some(kubelet) = self.kubelets.get_mut(&node) {
            let key = (namespace.clone(), pod.clone());
            kubelet.process_ended(&key, container.as_deref().unwrap_or_default(), status, hands);
            self.take_notes(&node, hands);
        }
    }

    /// Lets an agent do what it had put off.
    pub fn on_timer(&mut self, timer: Timer, hands: &mut Hands<'_>) {
        match timer {
            Timer::Proxy => {
                self.awaited -= 1;
                self.write_rules(true, hands);
            }
            Timer::ProxyPeriod => {
                self.write_rules(false, hands);
            }
            Timer::Balancer(tick) => self.balancer.on_tick(tick, hands),
            Timer::Fault(i, begins) => self.fault(i, begins, hands),
            Timer::Pod { node, uid, pod, step, awaited } => {
                self.awaited -= usize::from(awaited);
                let Some(kubelet) = self.kubelets.get_mut(&node) else { return };
                let before = kubelet.awaited_attempts();
                kubelet.on_timer(&pod, &uid, step, hands);
                self.probing = self.probing + kubelet.awaited_attempts() - before;
                self.take_notes(&node, hands);
            }
        }
    }

    /// Puts what a kubelet wants done later into the queue, and learns of its namespaces.
    fn take_notes(&mut self, node: &str, hands: &mut Hands<'_>) {
        let Some(kubelet) = self.kubelets.get_mut(node) else { return };
        for (at, timer) in kubelet.take_timers() {
            if let Timer::Pod { awaited: true, .. } = timer {
                self.awaited += 1;
            }
            hands.timers.push(at, timer);
        }
        let proxies = kubelet.take_proxies();
        for (ns, pod) in kubelet.take_namespaces() {
            match pod {
                Some(pod) => self.pods.insert(ns, pod),
                None => self.pods.remove(&ns),
            };
        }
        for proxy in proxies {
            match proxy {
                Some(proxy) => self.start_proxy(node, &proxy, hands),
                None => self.stop_proxy(node, hands),
            }
        }
    }

    /// A process of kube-proxy has started on a node: it takes away what it does not use, and will write everything.
    fn start_proxy(&mut self, node: &str, proxy: &ProxyConfig, hands: &mut Hands<'_>) {
        self.proxies.start(node, proxy, hands);
        self.health_due = true;
        self.running.insert(node.to_owned(), proxy.chosen_mode());
        self.arm_proxy(hands);
    }

    /// Tells a person that a new configuration reaches no process where kube-proxy has no pods.
    fn proxy_config_changed(&self, hands: &mut Hands<'_>) {
        if !hands.config.networking.proxy_pods {
            hands.remark(
                "nobody reads the changed ConfigMap kube-proxy: with `networking: {kubeProxyPods: true}` kube-proxy has pods, which read it when they start"
                    .to_owned(),
            );
        }
    }

    /// kube-proxy's process on a node has ended; what it has written stays.
    fn stop_proxy(&mut self, node: &str, hands: &mut Hands<'_>) {
        self.running.remove(node);
        self.proxies.stop(node);
        self.health_due = true;
        if let Some(mut servers) = self.health.shift_remove(node) {
            servers.stop(hands.apps, hands.world);
        }
    }

    /// A person may have changed what agents have written: they will see it when they look next.
    pub fn look_around(&mut self, hands: &mut Hands<'_>) {
        self.proxies.look(hands);
    }

    fn arm_proxy(&mut self, hands: &mut Hands<'_>) {
        self.awaited += usize::from(self.proxies.arm(hands));
    }

    /// Writes the rules of changed Services on every node.
    fn write_rules(&mut self, planned: bool, hands: &mut Hands<'_>) {
        self.proxies.write(planned, hands);
        if std::mem::take(&mut self.health_due) {
            self.serve_health(hands);
        }
        self.balancer.look_soon(hands);
    }

    /// Notes which Services are checked, and whether a change tells of one of them.
    fn checked_changed(&mut self, object: &Object, what: ChangeKind) {
        if let Object::Service(service) = object {
            let meta = &service.metadata;
            let key = (meta.namespace.clone(), meta.name.clone());
            let was = self.checked.remove(&key);
            let is = what != ChangeKind::Deleted && needs_health_check(service);
            if is {
                self.checked.insert(key);
            }
            self.health_due |= was || is;
        }
        self.health_due |= !self.checked.is_empty();
    }

    /// kube-proxy's health servers follow its rules.
    fn serve_health(&mut self, hands: &mut Hands<'_>) {
        let checked = health::checked(hands.store);
        for (node, kubelet) in &self.kubelets {
            let Some(mode) = self.running.get(node) else { continue };
            let servers = self.health.entry(node.clone()).or_default();
            let at = (node.as_str(), kubelet.ns());
            servers.tell_mode(at, *mode, hands.apps, hands.world);
            for problem in servers.sync(at, &checked, hands.store, hands.apps, hands.world) {
                // It is tried again with the next sync.
                self.health_due = true;
                hands.remark(format!("kube-proxy's health server on {node}: {problem}"));
            }
        }
    }

    /// Gives a socket that has become ready to the load balancer or the kubelet whose own it is; whether it is.
    pub fn on_ready(&mut self, ns: NsId, sock: SockId, hands: &mut Hands<'_>) -> bool {
        if self.balancer.on_ready(hands.world, ns, sock) {
            return true;
        }
        let Some(node) = self.nodes.get(&ns).cloned() else { return false };
        let Some(kubelet) = self.kubelets.get_mut(&node) else { return false };
        let before = kubelet.awaited_attempts();
        let own = kubelet.on_ready(sock, hands);
        self.probing = self.probing + kubelet.awaited_attempts() - before;
        if own {
            self.take_notes(&node, hands);
        }
        own
    }

    /// The process of a node's kubelet.
    #[must_use]
    pub fn kubelet_process(&self, node: &str) -> Option<Process> {
        self.kubelets.get(node).map(Kubelet::process)
    }

    /// Stops or starts the kubelet of a node; whether that changed anything.
    pub fn run_kubelet(&mut self, node: &str, runs: bool, hands: &mut Hands<'_>) -> bool {
        let Some(kubelet) = self.kubelets.get_mut(node) else { return false };
        let before = kubelet.awaited_attempts();
        let changed = if runs { kubelet.resume(hands) } else { kubelet.halt(hands.now()) };
        self.probing = self.probing + kubelet.awaited_attempts() - before;
        self.take_notes(node, hands);
        changed
    }
}

/// Tells a person that nobody holds packets to a policy.
fn remark_on_policy(policy: &Object, hands: &mut Hands<'_>) {
    let cni = hands.config.networking.cni;
    if cni.enforces(policy.kind()) {
        return;
    }
    let meta = policy.meta();
    let place = if meta.namespace.is_empty() { String::new() } else { format!("{}/", meta.namespace) };
    hands.remark(format!(
        "{} {place}{} has no effect on packets: with `cni: {}` nobody enforces it",
        policy.kind(),
        meta.name,
        cni.name()
    ));
}

fn is_proxy_config(object: &Object) -> bool {
    let meta = object.meta();
    meta.namespace == "kube-system" && meta.name == "kube-proxy"
}

/// The nodes on which kube-proxy runs from the start.
fn modes_at_start(config: &ClusterConfig) -> BTreeMap<String, ProxyMode> {
    let nodes = config.nodes.iter().filter(|_| !config.networking.proxy_pods);
    nodes
        .map(|n| (n.name.clone(), proxy_mode(config, n)))
        .filter(|(_, mode)| *mode != ProxyMode::None)
        .collect()
}

/// `iptables-restore --noflush` or `ip6tables-restore --noflush` in a namespace.
pub(in crate::kube::node) fn restore(ns: &mut Netns, family: Family, text: &str) -> Result<(), RestoreError> {
    let options = RestoreOptions { noflush: true, ..RestoreOptions::default() };
    ns.netfilter(family, |rules| rules.restore(text, options))
}

/// The same, with lines that were read for another node.
pub(in crate::kube::node) fn restore_known(
    ns: &mut Netns,
    family: Family,
    text: &str,
    known: &mut KnownRules,
) -> Result<(), RestoreError> {
    let options = RestoreOptions { noflush: true, ..RestoreOptions::default() };
    ns.netfilter(family, |rules| rules.restore_known(text, options, known))
}

/// Whether pods get a network at all.
#[must_use]
pub(super) fn has_network(config: &ClusterConfig) -> bool {
    config.networking.cni != Cni::None
}
