//! What brings packets from outside to the nodes, for Services of type LoadBalancer.
//!
//! - `cloud`: a machine beside the nodes answers ARP (in IPv6: neighbour solicitations) for each address and passes packets on with all addresses as they are, to one of
//!   the nodes that say they are healthy (`rules`). A flow keeps its node as long as the same nodes are healthy.
//! - `proxy`: a machine beside the nodes has the addresses, and opens connections of its own to node ports (`rules`): DNAT and
//!   masquerading in its kernel.
//! - `l2`: one node answers for each address (`speaker`), as MetalLB's speakers do.
//!
//! A machine learns by HTTP which nodes are healthy (`probe`): from kube-proxy's port 10256, or from the health check node port of a
//! Service with `externalTrafficPolicy: Local`. Left out: a load balancer that goes on sending to unhealthy nodes when none is healthy,
//! and TLS.

mod probe;
mod rules;
mod speaker;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use self::probe::{Outcome, Probe};
use super::agents::{Hands, Timer};
use super::machine::{Machines, Place};
use super::proxy::health::HEALTHZ_PORT;
use crate::kube::config::{BALANCER_HOST, ClusterConfig, LoadBalancerMode};
use crate::kube::objects::{Node, Object, Protocol, Service, ServiceType};
use crate::kube::store::{Change, Store, needs_health_check};
use crate::linux::policy::{Rule, RuleAction};
use crate::linux::route::Route;
use crate::linux::{NetError, Netns, World};
use crate::trace::{NsId, SockId};

/// How long after a change the nodes are looked at.
const LOOK_DELAY: Duration = Duration::from_millis(10);
/// Time between two looks at the nodes without any change.
const PERIOD: Duration = Duration::from_secs(3);
/// How long a node has to answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Label of nodes that load balancers leave alone; kubeadm puts it on the control plane's.
const LABEL_EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

type Name = (String, String);

/// Why the load balancer is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Something has changed.
    Look,
    /// Some time has passed.
    Period,
    /// The nodes had their time to answer, in the round of this number.
    Deadline(u64),
}

/// A node, as the load balancer sees it.
#[derive(Clone, Debug)]
struct Target {
    name: String,
    /// One per family, that of the leading family first.
    ips: Vec<IpAddr>,
    ns: NsId,
}

impl Target {
    /// Its address of a family.
    fn ip(&self, v6: bool) -> Option<IpAddr> {
        self.ips.iter().copied().find(|ip| ip.is_ipv6() == v6)
    }
}

/// A Service with one of its addresses outside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Front {
    name: Name,
    vip: IpAddr,
    /// The first of the Service's addresses.
    lead: IpAddr,
    /// Protocol, port, node port.
    ports: Vec<(Protocol, u16, Option<u16>)>,
    /// Port on which a node says whether it takes this Service's packets.
    check: u16,
    /// `externalTrafficPolicy: Local`.
    local: bool,
    ranges: Vec<IpNet>,
}

/// The load balancer of a cluster.
#[derive(Clone, Debug)]
pub struct Balancer {
    mode: LoadBalancerMode,
    /// Its own machine, in the modes that have one.
    host: Option<NsId>,
    targets: Vec<Target>,
    fronts: Vec<Front>,
    /// Nodes that take traffic at all.
    eligible: Vec<usize>,
    /// What nodes said last, by check port.
    healthy: BTreeMap<u16, BTreeSet<usize>>,
    probes: BTreeMap<SockId, Probe>,
    answers: BTreeMap<u16, BTreeSet<usize>>,
    round: u64,
    /// A look is on its way.
    coming: bool,
    /// The cluster is not at rest before the round that is under way has ended.
    awaited: bool,
    period_armed: bool,
    /// The rules as they were written last.
    written: String,
    /// Addresses on the balancer's machine, or the node that answers for each.
    held: BTreeMap<IpAddr, Option<usize>>,
    problems: Vec<String>,
}

impl Balancer {
    /// The load balancer of a cluster block, before it has done anything.
    #[must_use]
    pub fn new(config: &ClusterConfig, machines: &Machines) -> Self {
        let ns = |place: Place| machines.get(&place).map(|m| m.ns);
        let target = |node: &crate::kube::config::NodeConfig| {
            let (name, ips) = (node.name.clone(), node.ips().collect());
            Some(Target { ns: ns(Place::Node(name.clone()))?, name, ips })
        };
        Self {
            mode: config.load_balancer.mode,
            host: ns(Place::Host(BALANCER_HOST.to_owned())).filter(|_| !config.balancer_hosts().is_empty()),
            targets: config.nodes.iter().filter_map(target).collect(),
            fronts: Vec::new(),
            eligible: Vec::new(),
            healthy: BTreeMap::new(),
            probes: BTreeMap::new(),
            answers: BTreeMap::new(),
            round: 0,
            coming: false,
            awaited: false,
            period_armed: false,
            written: String::new(),
            held: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Whether it follows a change that is not through yet.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.coming || self.awaited
    }

    /// Takes in changes of the store.
    pub fn sync(&mut self, changes: &[Change], hands: &mut Hands<'_>) {
        let matters = |change: &Change| {
            let balanced = |o: &Object| matches!(o, Object::Service(s) if s.spec.service_type() == ServiceType::LoadBalancer);
            let of_nodes = matches!(&*change.object, Object::Node(_) | Object::EndpointSlice(_));
            (of_nodes && !self.fronts.is_empty())
                || balanced(&change.object)
                || change.old.as_deref().is_some_and(balanced)
        };
        if changes.iter().any(matters) {
            self.arm(hands);
        }
    }

    /// Looks at the nodes as soon as may be: their rules have changed.
    pub fn look_soon(&mut self, hands: &mut Hands<'_>) {
        if !self.fronts.is_empty() {
            self.arm(hands);
        }
    }

    fn arm(&mut self, hands: &mut Hands<'_>) {
        if self.mode == LoadBalancerMode::None || self.coming {
            return;
        }
        self.coming = true;
        hands.timers.push(hands.now() + LOOK_DELAY, Timer::Balancer(Tick::Look));
    }

    /// Does what is due.
    pub fn on_tick(&mut self, tick: Tick, hands: &mut Hands<'_>) {
        match tick {
            Tick::Look => {
                self.coming = false;
                self.look(true, hands);
            }
            Tick::Period => {
                self.period_armed = false;
                let awaited = self.awaited;
                self.look(awaited, hands);
            }
            Tick::Deadline(round) if round == self.round && !self.probes.is_empty() => {
                self.drop_probes(hands.world);
                self.finish(hands.world);
            }
            Tick::Deadline(_) => {}
        }
        for problem in std::mem::take(&mut self.problems) {
            hands.remark(format!("load balancer: {problem}"));
        }
    }

    /// Begins a round: which Services there are, and which nodes take their packets.
    fn look(&mut self, awaited: bool, hands: &mut Hands<'_>) {
        self.drop_probes(hands.world);
        self.round += 1;
        self.fronts = fronts(hands.store);
        self.eligible = eligible(&self.targets, hands.store);
        if !self.fronts.is_empty() && !self.period_armed {
            self.period_armed = true;
            hands.timers.push(hands.now() + PERIOD, Timer::Balancer(Tick::Period));
        }
        let Some(host) = self.host else { return self.speak(hands) };
        self.hold_addresses(host, hands.world);
        self.awaited = awaited;
        let ports: BTreeSet<u16> = self.fronts.iter().map(|f| f.check).collect();
        self.answers = ports.iter().map(|port| (*port, BTreeSet::new())).collect();
        for port in ports {
            for &node in &self.eligible {
                let Some(ip) = self.targets[node].ips.first() else { continue };
                let at = SocketAddr::new(*ip, port);
                // A node that cannot be reached has not answered.
                if let Ok(sock) = hands.world.tcp_connect(host, None, at) {
                    self.probes.insert(sock, Probe::new(node, at));
                }
            }
        }
        if self.probes.is_empty() {
            return self.finish(hands.world);
        }
        hands.timers.push(hands.now() + TIMEOUT, Timer::Balancer(Tick::Deadline(self.round)));
    }

    /// A socket has become ready; whether it is one of its own.
    pub fn on_ready(&mut self, world: &mut World, ns: NsId, sock: SockId) -> bool {
        if self.host != Some(ns) {
            return false;
        }
        let Some(probe) = self.probes.get_mut(&sock) else { return false };
        let outcome = probe.on_ready(world, ns, sock);
        if outcome == Outcome::Waiting {
            return true;
        }
        let (node, port) = (probe.node, probe.at.port());
        self.probes.remove(&sock);
        world.close(ns, sock);
        if outcome == Outcome::Healthy {
            self.answers.entry(port).or_default().insert(node);
        }
        if self.probes.is_empty() {
            self.finish(world);
        }
        true
    }

    fn drop_probes(&mut self, world: &mut World) {
        let Some(host) = self.host else { return };
        for sock in std::mem::take(&mut self.probes).into_keys() {
            world.close(host, sock);
        }
    }

    /// Ends a round: the rules follow what the nodes said.
    fn finish(&mut self, world: &mut World) {
        self.awaited = false;
        self.healthy = std::mem::take(&mut self.answers);
        let Some(host) = self.host else { return };
        let text = rules::text(self.mode, &self.fronts, &self.targets, &self.healthy);
        if text == self.written {
            return;
        }
        if let Err(e) = rules::load(world, host, &text) {
            self.problems.push(e);
        }
        self.written = text;
    }

    /// The machine answers for the addresses of Services, and for no others.
    fn hold_addresses(&mut self, host: NsId, world: &mut World) {
        if self.written.is_empty() && self.mode == LoadBalancerMode::Cloud {
            self.routes_to_nodes(host, world);
        }
        let wanted: BTreeSet<IpAddr> = self.fronts.iter().map(|f| f.vip).collect();
        let ns = world.ns_mut(host);
        let gone: Vec<IpAddr> = self.held.keys().copied().filter(|ip| !wanted.contains(ip)).collect();
        let new = wanted.iter().copied().filter(|ip| !self.held.contains_key(ip));
        let changes: Vec<(IpAddr, bool)> =
            gone.into_iter().map(|ip| (ip, false)).chain(new.map(|ip| (ip, true))).collect();
        for (ip, on) in changes {
            let own = |on: bool| if on { Netns::addr_add } else { Netns::addr_del };
            let done = match self.mode {
                LoadBalancerMode::Proxy => own(on)(ns, "lo", IpNet::from(ip)),
                _ => Ok(()),
            };
            // Of its own addresses a host answers ARP for all, and solicitations for those of the card.
            let asked = self.mode != LoadBalancerMode::Proxy || ip.is_ipv6();
            let done = done.and_then(|()| if asked { ns.answer_for("eth0", ip, on) } else { Ok(()) });
            match done {
                Ok(()) if on => drop(self.held.insert(ip, None)),
                Ok(()) => drop(self.held.remove(&ip)),
                Err(e) => self.problems.push(format!("{ip}: {e}")),
            }
        }
    }

    /// A routing table for each node, chosen by mark.
    fn routes_to_nodes(&mut self, host: NsId, world: &mut World) {
        let ns = world.ns_mut(host);
        let mut add = |i: usize, ips: &[IpAddr]| -> Result<(), NetError> {
            let number = u32::try_from(i).unwrap_or(0);
            let (table, mark) = (100 + number, number + 1);
            let eth0 = ns.by_name("eth0")?.id;
            if ns.table(table).is_some_and(|t| t.iter().next().is_some()) {
                return Ok(());
            }
            ips.iter().try_for_each(|ip| {
                ns.route_add_in(table, Route::default_via(*ip, eth0))?;
                ns.rule_add(Rule {
                    priority: 1000 + number,
                    v6: ip.is_ipv6(),
                    not: false,
                    from: None,
                    to: None,
                    iif: None,
                    oif: None,
                    mark: Some((mark, u32::MAX)),
                    suppress_prefix: None,
                    action: RuleAction::Lookup(table),
                })
            })
        };
        for (i, target) in self.targets.iter().enumerate() {
            if let Err(e) = add(i, &target.ips) {
                self.problems.push(format!("{}: {e}", target.name));
            }
        }
    }
}

/// The addresses that Services have got.
fn fronts(store: &Store) -> Vec<Front> {
    let one = |service: &Service| {
        let spec = &service.spec;
        if spec.service_type() != ServiceType::LoadBalancer || spec.load_balancer_class.is_some() {
            return Vec::new();
        }
        let local = needs_health_check(service);
        let ips: Vec<IpAddr> =
            service.status.load_balancer.ingress.iter().filter_map(|i| i.ip.parse().ok()).collect();
        let front = |vip: &IpAddr| Front {
            name: (service.metadata.namespace.clone(), service.metadata.name.clone()),
            vip: *vip,
            lead: ips[0],
            ports: spec.ports.iter().map(|p| (p.protocol, p.port, p.node_port)).collect(),
            check: spec.health_check_node_port.filter(|_| local).unwrap_or(HEALTHZ_PORT),
            local,
            ranges: spec.load_balancer_source_ranges.iter().filter_map(|r| r.trim().parse().ok()).collect(),
        };
        ips.iter().map(front).collect()
    };
    store.all::<Service>(None).flat_map(one).collect()
}

/// Nodes that are ready and not left out by their label.
fn eligible(targets: &[Target], store: &Store) -> Vec<usize> {
    let takes = |target: &Target| {
        let node = store.read::<Node>("", &target.name);
        node.is_some_and(|n| n.is_ready() && !n.metadata.labels.contains_key(LABEL_EXCLUDE))
    };
    (0..targets.len()).filter(|i| takes(&targets[*i])).collect()
}
