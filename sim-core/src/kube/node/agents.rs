//! All agents of all nodes, and what they work with.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::balancer::{self, Balancer};
use super::cni;
use super::kubelet::{Kubelet, Process, Step};
use super::machine::{Machines, Place};
use super::proxy::agent::NodeProxy;
use super::proxy::config::{AboutNode, ProxyConfig};
use super::proxy::health::{self, HealthServers};
use super::proxy::iptables::{Detector, Settings, base_rules};
use super::proxy::ipvs::Layout;
use super::proxy::leftovers;
use super::proxy::mode::Shared;
use super::proxy::services::ServiceMap;
use crate::kube::apps::runtime::Apps;
use crate::kube::config::{self, ClusterConfig, Cni, FaultKind, NodeConfig, ProxyMode};
use crate::kube::objects::{Kind, Node, Object, Pod};
use crate::kube::store::{ChangeKind, Store};
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
    /// kube-proxy's instances: one per address family of the cluster.
    families: Vec<ProxyFamily>,
    proxy_armed: bool,
    period_armed: bool,
    proxy_last: Option<SimTime>,
    /// kube-proxy's health servers by node.
    health: IndexMap<String, HealthServers>,
    /// The nodes on which kube-proxy runs, and how.
    running: BTreeMap<String, ProxyMode>,
    balancer: Balancer,
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

/// kube-proxy for one address family, on every node.
#[derive(Clone, Debug)]
struct ProxyFamily {
    services: ServiceMap,
    /// By node; none if there is no kube-proxy.
    proxies: IndexMap<String, NodeProxy>,
    /// What the kubelet's rules follow, and kube-proxy's in iptables mode.
    settings: Settings,
}

/// Label of a node that names its zone.
const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// How long after a change kube-proxy begins to write.
const PROXY_DELAY: Duration = Duration::from_millis(20);
/// The least time between two writings (`minSyncPeriod`).
const PROXY_PERIOD_MIN: Duration = Duration::from_secs(1);
/// When it writes without any change (`syncPeriod`).
const PROXY_PERIOD: Duration = Duration::from_secs(30);

impl NodeAgents {
    /// The agents of the nodes of a cluster block, before they have done anything.
    #[must_use]
    pub fn new(config: &ClusterConfig, machines: &Machines) -> Self {
        let mut kubelets = IndexMap::new();
        let mut nodes = FxHashMap::default();
        let families = config.networking.pod_subnets().map(|pods| {
            let settings = Settings::kubeadm(pods).in_dialect(config.networking.proxy_dialect.minor);
            ProxyFamily { services: ServiceMap::new(settings.family), proxies: IndexMap::new(), settings }
        });
        let mut families: Vec<ProxyFamily> = families.collect();
        families.extend(other_family(config));
        let blocks = config::blocks::of_config(config);
        for (n, node) in config.nodes.iter().enumerate() {
            let ns = machines.get(&Place::Node(node.name.clone())).map_or(NsId(0), |m| m.ns);
            let zone = node.labels.get(LABEL_ZONE).map_or("", String::as_str);
            nodes.insert(ns, node.name.clone());
            kubelets.insert(node.name.clone(), Kubelet::new(node, ns, config, blocks.get(n)));
            for (i, family) in families.iter_mut().enumerate() {
                if config.networking.proxy_pods {
                    continue;
                }
                let proxy = ProxyConfig::kubeadm(config, proxy_mode(config, node));
                let about = AboutNode::new(config, node, i, Vec::new());
                if let Some(mode) = proxy.mode_of(&family.settings, config.networking.proxy_dialect, &about) {
                    family.proxies.insert(node.name.clone(), NodeProxy::new(&node.name, zone, ns, mode));
                }
            }
        }
        Self {
            kubelets,
            families,
            proxy_armed: false,
            period_armed: false,
            proxy_last: None,
            health: IndexMap::new(),
            running: modes_at_start(config),
            balancer: Balancer::new(config, machines),
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
        let config = hands.config;
        let blocks = config::blocks::of_config(config);
        for (i, cluster) in config.networking.pod_subnets().enumerate() {
            let one = |n: &'_ NodeConfig| Some((n.ips().nth(i)?, n.pod_cidrs().nth(i)?));
            let nodes: Vec<cni::Node<'_>> = config
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(at, n)| {
                    let (ip, pod_cidr) = one(n)?;
                    let blocks = blocks.get(at).map_or(&[][..], Vec::as_slice);
                    Some(cni::Node { name: &n.name, ip, pod_cidr, cluster, blocks })
                })
                .collect();
            self.set_up_family(&nodes, &self.families[i].settings, hands)?;
        }
        for family in self.families.iter().skip(config.networking.pod_subnets().count()) {
            for node in &config.nodes {
                let Some(kubelet) = self.kubelets.get(&node.name) else { continue };
                let base = base_rules(&family.settings, starts_in_iptables(config, node));
                restore(hands.world.ns_mut(kubelet.ns()), family.settings.family, &base)
                    .map_err(|e| format!("{}: {e}", node.name))?;
            }
        }
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

    fn set_up_family(
        &self,
        nodes: &[cni::Node<'_>],
        settings: &Settings,
        hands: &mut Hands<'_>,
    ) -> Result<(), String> {
        let config = hands.config;
        let networking = &config.networking;
        let sets = cni::sets(nodes, networking);
        let modes: FxHashMap<&str, bool> =
            config.nodes.iter().map(|n| (n.name.as_str(), starts_in_iptables(config, n))).collect();
        let (with, without) = (base_rules(settings, true), base_rules(settings, false));
        let mut known = KnownRules::default();
        for node in nodes {
            let Some(kubelet) = self.kubelets.get(node.name) else { continue };
            let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", node.name);
            let ns = hands.world.ns_mut(kubelet.ns());
            cni::set_up_node(ns, *node, networking).map_err(|e| wrong(&e))?;
            for peer in nodes.iter().filter(|p| p.name != node.name) {
                cni::add_peer(ns, *peer, networking).map_err(|e| wrong(&e))?;
            }
            if !sets.is_empty() {
                let now = hands.world.now();
                let ns = hands.world.ns_mut(kubelet.ns());
                ns.ipset(&["restore".to_owned()], &sets, now).map_err(|e| wrong(&e.message))?;
            }
            let mode = modes.get(node.name);
            let base = if mode == Some(&true) { &with } else { &without };
            let text = format!("{base}{}", cni::rules(*node, networking));
            restore_known(hands.world.ns_mut(kubelet.ns()), settings.family, &text, &mut known)
                .map_err(|e| wrong(&e))?;
        }
        Ok(())
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
                    if let Object::Node(node) = &*change.object {
                        moved |= self.node_changed(node);
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
                Kind::Service | Kind::EndpointSlice => proxied = true,
                _ => {}
            }
        }
        self.balancer.sync(&changes, hands);
        if proxied || moved {
            let mut news = moved;
            for family in &mut self.families {
                news |= family.services.sync(hands.store, &changes);
            }
            if news {
                self.arm_proxy(hands);
            }
        }
    }

    /// Whether kube-proxy has to look at all Services again: the node is in another zone.
    fn node_changed(&mut self, node: &Node) -> bool {
        let zone = node.metadata.labels.get(LABEL_ZONE).map_or("", String::as_str);
        let mut moved = false;
        for family in &mut self.families {
            if let Some(proxy) = family.proxies.get_mut(&node.metadata.name) {
                moved |= proxy.set_zone(zone);
            }
        }
        moved
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
                self.proxy_armed = false;
                self.write_rules(hands);
            }
            Timer::ProxyPeriod => {
                self.period_armed = false;
                self.write_rules(hands);
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
        let config = hands.config;
        let Some(kubelet) = self.kubelets.get(node) else { return };
        let Some(of) = config.nodes.iter().find(|n| n.name == node) else { return };
        let (ns, mode, dialect) = (kubelet.ns(), proxy.chosen_mode(), config.networking.proxy_dialect);
        let layout = Layout::of_minor(dialect.minor);
        leftovers::clean_up(mode, self.families.iter().map(|f| &f.settings), layout, hands.world, ns);
        let zone = hands.store.read::<Node>("", node);
        let zone = zone.and_then(|n| n.metadata.labels.get(LABEL_ZONE).cloned()).unwrap_or_default();
        for (i, family) in self.families.iter_mut().enumerate() {
            let addresses = hands.world.ns(ns).ifaces().flat_map(|i| &i.addrs).map(|a| a.addr()).collect();
            let about = AboutNode::new(config, of, i, addresses);
            let Some(mode) = proxy.mode_of(&family.settings, dialect, &about) else { continue };
            let mut new = NodeProxy::new(node, &zone, ns, mode);
            if let Err(e) = new.take_over(hands.world.ns_mut(ns)) {
                hands.remarks.push(format!("kube-proxy on {node}: {e}"));
            }
            family.proxies.insert(node.to_owned(), new);
        }
        for (name, value) in proxy.sysctls() {
            if let Err(e) = hands.world.ns_mut(ns).sysctl_set(name, value) {
                hands.remark(format!("kube-proxy: {name} = {value}: {e}"));
            }
        }
        self.running.insert(node.to_owned(), mode);
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
        for family in &mut self.families {
            family.proxies.shift_remove(node);
        }
        if let Some(mut servers) = self.health.shift_remove(node) {
            servers.stop(hands.apps, hands.world);
        }
    }

    fn arm_proxy(&mut self, hands: &mut Hands<'_>) {
        if self.proxy_armed || self.families.iter().all(|f| f.proxies.is_empty()) {
            return;
        }
        let soon = hands.now() + PROXY_DELAY;
        let at = self.proxy_last.map_or(soon, |last| soon.max(last + PROXY_PERIOD_MIN));
        self.proxy_armed = true;
        self.awaited += 1;
        hands.timers.push(at, Timer::Proxy);
    }

    /// Writes the rules of changed Services on every node.
    fn write_rules(&mut self, hands: &mut Hands<'_>) {
        self.proxy_last = Some(hands.now());
        let mut more = false;
        for ProxyFamily { services, proxies, .. } in &mut self.families {
            let changed = services.take_changed();
            let mut shared = Shared::default();
            for proxy in proxies.values_mut() {
                let now = hands.now();
                let ns = hands.world.ns_mut(proxy.ns());
                if let Err(e) = proxy.sync(services, &changed, &mut shared, ns, now) {
                    hands.remarks.push(format!("kube-proxy on {}: {e}", proxy.node()));
                }
                more |= proxy.has_more();
            }
        }
        if more && !self.period_armed {
            self.period_armed = true;
            hands.timers.push(hands.now() + PROXY_PERIOD, Timer::ProxyPeriod);
        }
        self.serve_health(hands);
        self.balancer.look_soon(hands);
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
                hands.remarks.push(format!("kube-proxy's health server on {node}: {problem}"));
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

/// The family that a cluster of one family does not speak: the kubelet and kube-proxy have their fixed chains there all the same, since
/// they know both.
fn other_family(config: &ClusterConfig) -> Option<ProxyFamily> {
    const BOTH_SINCE: u16 = 23;
    let minor = config.networking.proxy_dialect.minor;
    let mut subnets = config.networking.pod_subnets();
    let pods = subnets.next().filter(|_| subnets.next().is_none())?;
    let family = if pods.addr().is_ipv4() { Family::V6 } else { Family::V4 };
    let settings = Settings { family, detector: Detector::None, ..Settings::kubeadm(pods).in_dialect(minor) };
    (minor >= BOTH_SINCE).then(|| ProxyFamily {
        services: ServiceMap::new(family),
        proxies: IndexMap::new(),
        settings,
    })
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

/// Whether kube-proxy has put its jumps onto a node before anything else happens.
fn starts_in_iptables(config: &ClusterConfig, node: &NodeConfig) -> bool {
    !config.networking.proxy_pods && proxy_mode(config, node) == ProxyMode::Iptables
}

/// How a node's kube-proxy programs it before anybody says otherwise.
fn proxy_mode(config: &ClusterConfig, node: &NodeConfig) -> ProxyMode {
    node.proxy_mode.unwrap_or(config.networking.proxy_mode)
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
