//! kube-proxy on all nodes: when it writes, and on which nodes it writes for itself.
//!
//! A node that somebody has looked at has a kube-proxy of its own. All others follow the one in the [`NodePlan`], as long as the rules of every
//! Service are the same on every node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::agents::{Hands, Timer};
use super::cni;
use super::plan::{Member, NodePlan};
use super::proxy::agent::NodeProxy;
use super::proxy::config::{AboutNode, ProxyConfig};
use super::proxy::iptables::{Detector, Settings};
use super::proxy::ipvs::Layout;
use super::proxy::leftovers;
use super::proxy::mode::{Mode, Shared};
use super::proxy::model::PortKey;
use super::proxy::services::ServiceMap;
use crate::kube::config::{self, ClusterConfig, NodeConfig, ProxyMode};
use crate::kube::node::machine::{Machines, Place};
use crate::kube::objects::Node;
use crate::kube::store::{Change, Store};
use crate::linux::World;
use crate::time::SimTime;
use crate::trace::{Family, NsId};

/// Label of a node that names its zone.
const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// How long after a change kube-proxy begins to write.
const DELAY: Duration = Duration::from_millis(20);
/// The least time between two writings (`minSyncPeriod`).
const PERIOD_MIN: Duration = Duration::from_secs(1);
/// When it writes without any change (`syncPeriod`).
const PERIOD: Duration = Duration::from_secs(30);

/// kube-proxy's instances on all nodes.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// One per address family.
    families: Vec<ProxyFamily>,
    plan: Arc<NodePlan>,
    armed: bool,
    period_armed: bool,
    last: Option<SimTime>,
}

/// kube-proxy for one address family, on every node.
#[derive(Clone, Debug)]
struct ProxyFamily {
    services: ServiceMap,
    /// By node, those that write for themselves.
    own: IndexMap<String, NodeProxy>,
    /// By node, those that nobody has looked at.
    followers: IndexMap<String, Follower>,
    /// What the kubelet's rules follow, and kube-proxy's in iptables mode.
    settings: Settings,
}

/// A kube-proxy that does what the one in the plan does.
#[derive(Clone, Debug)]
struct Follower {
    ns: NsId,
    zone: String,
    ip: Option<IpAddr>,
    mode: ProxyMode,
}

impl Proxies {
    /// The instances of a cluster block, before they have written anything.
    #[must_use]
    pub fn new(config: &ClusterConfig, machines: &Machines) -> Self {
        let place = |n: &NodeConfig| machines.get(&Place::Node(n.name.clone())).map_or(NsId(0), |m| m.ns);
        let mut families: Vec<ProxyFamily> = config
            .networking
            .pod_subnets()
            .map(|pods| {
                ProxyFamily::new(Settings::kubeadm(pods).in_dialect(config.networking.proxy_dialect.minor))
            })
            .collect();
        families.extend(other_family(config));
        for node in &config.nodes {
            let zone = node.labels.get(LABEL_ZONE).map_or("", String::as_str);
            for (i, family) in families.iter_mut().enumerate() {
                family.join(node, (place(node), zone, node.ips().nth(i)), config, i);
            }
        }
        let nodes: Vec<(NsId, ProxyMode)> =
            config.nodes.iter().map(|n| (place(n), mode_at_start(config, n))).collect();
        let plan = Arc::new(NodePlan::new(&config.networking, &nodes));
        Self { families, plan, armed: false, period_armed: false, last: None }
    }

    /// Sets nodes up: devices of the CNI plugin at once, routes and the rules that are there before the first Service when somebody looks.
    ///
    /// # Errors
    /// The rules or devices are refused: a contradiction within the cluster block.
    pub fn set_up_nodes(&mut self, hands: &mut Hands<'_>) -> Result<(), String> {
        let config = hands.config;
        let spaces: Vec<NsId> = config.nodes.iter().map(|n| hands.place(&n.name)).collect();
        let dialect = config.networking.proxy_dialect;
        let plan = Arc::make_mut(&mut self.plan);
        for (i, family) in self.families.iter().enumerate() {
            let members = members(config, i);
            for (member, ns) in members.iter().zip(&spaces) {
                let Some(member) = member else { continue };
                cni::set_up_node(hands.world.bare_mut(*ns), member.seen(), &config.networking)
                    .map_err(|e| format!("{}: {e}", member.name))?;
            }
            plan.add_family(&family.settings, members, |mode| {
                let about = AboutNode { service_subnets: subnets(config, i), ..AboutNode::default() };
                let mode = ProxyConfig::kubeadm(config, mode).mode_of(&family.settings, dialect, &about)?;
                // IPVS binds the addresses of each node.
                let shared = !matches!(mode, Mode::Ipvs(_));
                shared.then(|| NodeProxy::new("", "", NsId(u32::MAX), mode))
            })?;
        }
        hands.world.set_plan(self.plan.clone());
        spaces.into_iter().for_each(|ns| hands.world.defer(ns));
        Ok(())
    }

    /// Takes in changes of Services and endpoints, or that a node has `moved`; whether there is something to write.
    pub fn changed(&mut self, store: &Store, changes: &[Change], moved: bool) -> bool {
        self.families.iter_mut().fold(moved, |news, family| family.services.sync(store, changes) | news)
    }

    /// Whether kube-proxy has to look at all Services again: the node is in another zone.
    pub fn node_changed(&mut self, node: &Node, world: &mut World) -> bool {
        let zone = node.metadata.labels.get(LABEL_ZONE).map_or("", String::as_str);
        let name = &node.metadata.name;
        let mut moved = false;
        for (i, family) in self.families.iter_mut().enumerate() {
            if family.followers.get(name).is_some_and(|f| f.zone != zone) {
                family.part(i, &self.plan, world, |follower| follower == name);
            }
            if let Some(proxy) = family.own.get_mut(name) {
                moved |= proxy.set_zone(zone);
            }
        }
        moved
    }

    /// A process of kube-proxy has started on a node: it takes away what it does not use, and will write everything.
    pub fn start(&mut self, node: &str, proxy: &ProxyConfig, hands: &mut Hands<'_>) {
        let config = hands.config;
        let Some(of) = config.nodes.iter().find(|n| n.name == node) else { return };
        let (ns, dialect) = (hands.place(node), config.networking.proxy_dialect);
        let settings = self.families.iter().map(|f| &f.settings);
        leftovers::clean_up(proxy.chosen_mode(), settings, Layout::of_minor(dialect.minor), hands.world, ns);
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
            family.own.insert(node.to_owned(), new);
        }
        for (name, value) in proxy.sysctls() {
            if let Err(e) = hands.world.ns_mut(ns).sysctl_set(name, value) {
                hands.remark(format!("kube-proxy: {name} = {value}: {e}"));
            }
        }
    }

    /// kube-proxy's process on a node has ended; what it has written stays.
    pub fn stop(&mut self, node: &str) {
        for family in &mut self.families {
            family.own.shift_remove(node);
        }
    }

    /// Plans a look at what is written if somebody else has changed it, as the next periodic sync would find.
    pub fn look(&mut self, hands: &mut Hands<'_>) {
        if self.period_armed {
            return;
        }
        for (i, family) in self.families.iter_mut().enumerate() {
            family.part(i, &self.plan, hands.world, |_| false);
        }
        let mut own = self.families.iter().flat_map(|family| family.own.values());
        if own.any(|proxy| proxy.is_disturbed(hands.world.ns(proxy.ns()))) {
            self.period_armed = true;
            hands.timers.push(hands.now() + PERIOD, Timer::ProxyPeriod);
        }
    }

    /// Plans the next writing; whether it was not planned yet. The cluster is not at rest before it.
    pub fn arm(&mut self, hands: &mut Hands<'_>) -> bool {
        if self.armed || self.families.iter().all(|f| f.own.is_empty() && f.followers.is_empty()) {
            return false;
        }
        let soon = hands.now() + DELAY;
        let at = self.last.map_or(soon, |last| soon.max(last + PERIOD_MIN));
        self.armed = true;
        hands.timers.push(at, Timer::Proxy);
        true
    }

    /// Writes the rules of changed Services on every node, when the time has come that was planned, or to look after what had to be left.
    pub fn write(&mut self, planned: bool, hands: &mut Hands<'_>) {
        if planned {
            self.armed = false;
        } else {
            self.period_armed = false;
        }
        let now = hands.now();
        self.last = Some(now);
        for (i, family) in self.families.iter_mut().enumerate() {
            let even = family.services.is_even();
            family.part(i, &self.plan, hands.world, |_| !even);
        }
        let mut more = false;
        hands.world.lay_plan_down();
        let plan = Arc::make_mut(&mut self.plan);
        let mut rounds = Vec::new();
        for (i, family) in self.families.iter_mut().enumerate() {
            let shared = if family.own.is_empty() { Shared::alone() } else { Shared::default() };
            let mut round = (family.services.take_changed(), shared);
            more |= family.write_for_all((i, plan), &mut round, now, hands.remarks);
            rounds.push(round);
        }
        hands.world.set_plan(self.plan.clone());
        for (family, mut round) in self.families.iter_mut().zip(rounds) {
            more |= family.write(&mut round, now, hands);
        }
        if more && !self.period_armed {
            self.period_armed = true;
            hands.timers.push(now + PERIOD, Timer::ProxyPeriod);
        }
    }
}

impl ProxyFamily {
    fn new(settings: Settings) -> Self {
        Self {
            services: ServiceMap::new(settings.family),
            own: IndexMap::new(),
            followers: IndexMap::new(),
            settings,
        }
    }

    /// Adds a node with its namespace, zone and address, to the family number `i`.
    fn join(
        &mut self,
        node: &NodeConfig,
        (ns, zone, ip): (NsId, &str, Option<IpAddr>),
        config: &ClusterConfig,
        i: usize,
    ) {
        let mode = mode_at_start(config, node);
        let about = AboutNode::new(config, node, i, Vec::new());
        let proxy = ProxyConfig::kubeadm(config, mode);
        match proxy.mode_of(&self.settings, config.networking.proxy_dialect, &about) {
            None => {}
            Some(own @ Mode::Ipvs(_)) => {
                self.own.insert(node.name.clone(), NodeProxy::new(&node.name, zone, ns, own));
            }
            Some(_) => {
                self.followers.insert(node.name.clone(), Follower { ns, zone: zone.to_owned(), ip, mode });
            }
        }
    }

    /// Gives those a kube-proxy of their own that somebody has looked at, and those that `leave`.
    fn part(&mut self, i: usize, plan: &NodePlan, world: &mut World, leave: impl Fn(&String) -> bool) {
        let own = &mut self.own;
        self.followers.retain(|name, follower| {
            if leave(name) {
                world.ns_mut(follower.ns);
            }
            if world.is_deferred(follower.ns) {
                return true;
            }
            if let Some(proxy) = plan.proxy(i, follower.mode) {
                own.insert(name.clone(), proxy.on(name, &follower.zone, follower.ns, follower.ip));
            }
            false
        });
    }

    /// Writes the rules of changed Services once for all who follow; whether there is more to do later.
    fn write_for_all(
        &self,
        (i, plan): (usize, &mut NodePlan),
        (changed, shared): &mut (Vec<PortKey>, Shared),
        now: SimTime,
        remarks: &mut Vec<String>,
    ) -> bool {
        let followed = |mode| self.followers.values().any(|f| f.mode == mode);
        let done = plan.sync(i, followed, (&self.services, changed), shared, now);
        done.unwrap_or_else(|e| {
            remarks.push(format!("kube-proxy: {e}"));
            true
        })
    }

    /// Writes them on each node that does not follow; whether there is more to do later.
    fn write(
        &mut self,
        (changed, shared): &mut (Vec<PortKey>, Shared),
        now: SimTime,
        hands: &mut Hands<'_>,
    ) -> bool {
        let mut more = false;
        for proxy in self.own.values_mut() {
            let ns = hands.world.ns_mut(proxy.ns());
            if let Err(e) = proxy.sync(&self.services, changed, shared, ns, now) {
                hands.remarks.push(format!("kube-proxy on {}: {e}", proxy.node()));
            }
            more |= proxy.has_more();
        }
        more
    }
}

/// The nodes as others find them in the address family number `i`.
fn members(config: &ClusterConfig, i: usize) -> Vec<Option<Member>> {
    let Some(cluster) = config.networking.pod_subnets().nth(i) else { return Vec::new() };
    let mut blocks = config::blocks::of_config(config).into_iter();
    let one = |n: &NodeConfig| {
        let blocks = blocks.next().unwrap_or_default();
        let (ip, pod_cidr) = (n.ips().nth(i)?, n.pod_cidrs().nth(i)?);
        Some(Member { name: n.name.clone(), ip, pod_cidr, cluster, blocks })
    };
    config.nodes.iter().map(one).collect()
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
    (minor >= BOTH_SINCE).then(|| ProxyFamily::new(settings))
}

/// The subnet of Services of the address family number `i`.
fn subnets(config: &ClusterConfig, i: usize) -> Vec<ipnet::IpNet> {
    config.networking.service_subnets().nth(i).into_iter().collect()
}

/// What has programmed a node before anything else happens.
fn mode_at_start(config: &ClusterConfig, node: &NodeConfig) -> ProxyMode {
    if config.networking.proxy_pods { ProxyMode::None } else { proxy_mode(config, node) }
}

/// Whether a node's kube-proxy runs in iptables mode from the start.
#[must_use]
pub fn starts_in_iptables(config: &ClusterConfig, node: &NodeConfig) -> bool {
    mode_at_start(config, node) == ProxyMode::Iptables
}

/// How a node's kube-proxy programs it before anybody says otherwise.
pub(super) fn proxy_mode(config: &ClusterConfig, node: &NodeConfig) -> ProxyMode {
    node.proxy_mode.unwrap_or(config.networking.proxy_mode)
}
