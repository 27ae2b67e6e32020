//! IPVS mode on one node: virtual servers, sets and addresses as they were programmed, and what changes.
//!
//! Entries of sets, addresses and virtual servers are added and removed one by one. An endpoint that goes gets weight 0 and stays until its TCP
//! connections are over, which is looked after once a minute; of UDP and SCTP it goes at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::{Round, SyncError};
use crate::kube::node::agents::restore;
use crate::kube::node::cni::mac_of;
use crate::kube::node::proxy::ipvs::{
    self as ipvs, Block, DEVICE, Here, SETS, SetId, Settings, VirtualServer, block, chains, rules,
};
use crate::kube::node::proxy::jumps;
use crate::kube::node::proxy::model::PortKey;
use crate::linux::ipvs::{
    DestSpec, Ipvs as Kernel, Persistence, SchedFlags, Scheduler, ServiceKey, ServiceSpec,
};
use crate::linux::{NetError, Netns};
use crate::packet::proto;
use crate::time::SimTime;
use crate::trace::Family;

/// How often real servers that are to go are looked at (`rsCheckDeleteInterval`).
const GRACE: Duration = Duration::from_secs(60);

/// Switches that kube-proxy sets.
const SYSCTLS: [(&str, &str); 4] = [
    ("net.ipv4.vs.conntrack", "1"),
    ("net.ipv4.vs.expire_nodest_conn", "1"),
    ("net.ipv4.vs.expire_quiescent_template", "1"),
    ("net.ipv4.ip_forward", "1"),
];

/// The state of the mode.
#[derive(Clone, Debug)]
pub struct Ipvs {
    settings: Settings,
    blocks: BTreeMap<PortKey, Block>,
    /// How many service ports want each entry, address and virtual server.
    entries: BTreeMap<(SetId, String), usize>,
    bound: BTreeMap<IpAddr, usize>,
    servers: BTreeMap<ServiceKey, BTreeSet<PortKey>>,
    /// How many service ports forbid the node itself each load balancer address.
    forbidden: BTreeMap<ServiceKey, usize>,
    /// The node's addresses when it was last looked.
    addresses: Vec<IpAddr>,
    /// Those of them that take node ports.
    node_ports: Vec<IpAddr>,
    /// Real servers with weight 0 that are to go.
    leaving: BTreeSet<(ServiceKey, SocketAddr)>,
    looked: SimTime,
    made: bool,
    /// What an earlier process has left that has not been looked at yet.
    found: Option<Touched>,
}

/// What a round touches.
#[derive(Clone, Debug, Default)]
struct Touched {
    entries: BTreeSet<(SetId, String)>,
    bound: BTreeSet<IpAddr>,
    servers: BTreeSet<ServiceKey>,
}

impl Ipvs {
    /// Nothing programmed yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            blocks: BTreeMap::new(),
            entries: BTreeMap::new(),
            bound: BTreeMap::new(),
            servers: BTreeMap::new(),
            forbidden: BTreeMap::new(),
            addresses: Vec::new(),
            node_ports: Vec::new(),
            leaving: BTreeSet::new(),
            looked: SimTime::ZERO,
            made: false,
            found: None,
        }
    }

    /// Begins where an earlier process has been: what it has bound and served and is not wanted goes with the first sync.
    pub(super) fn take_over(&mut self, ns: &Netns) {
        let ours = |ip: IpAddr| ip.is_ipv4() == (self.settings.family == Family::V4);
        let device = ns.by_name(DEVICE).ok();
        self.found = Some(Touched {
            entries: BTreeSet::new(),
            bound: device
                .into_iter()
                .flat_map(|d| &d.addrs)
                .map(IpNet::addr)
                .filter(|ip| ours(*ip))
                .collect(),
            servers: ns.ipvs().services().map(|s| s.key).filter(|key| ours(key.at.ip())).collect(),
        });
    }

    pub(super) const fn set_node_ip(&mut self, ip: Option<IpAddr>) {
        self.settings.node_ip = ip;
    }

    /// Whether virtual servers or the device are gone.
    pub(super) fn is_disturbed(&self, ns: &Netns) -> bool {
        self.made
            && (ns.by_name(DEVICE).is_err()
                || self.servers.keys().any(|key| ns.ipvs().service(key).is_none()))
    }

    pub(super) fn has_stale(&self) -> bool {
        !self.leaving.is_empty()
    }

    pub(super) fn sync(&mut self, round: &mut Round<'_>) -> Result<(), SyncError> {
        let now = round.now;
        if !self.made || self.is_disturbed(round.ns) {
            self.set_up(round)?;
            self.made = true;
        }
        let found = self.found.take();
        let fresh = found.is_some();
        let mut touched = found.unwrap_or_default();
        let addresses = node_addresses(round.ns, self.settings.family);
        let moved = addresses != self.addresses;
        let takes = |ip: &&IpAddr| {
            let networks = self.settings.node_port_addresses.as_ref();
            networks.is_none_or(|networks| networks.iter().any(|net| net.contains(*ip)))
        };
        self.node_ports = addresses.iter().filter(takes).copied().collect();
        self.addresses = addresses;
        for key in round.changed {
            self.write(key, round, &mut touched);
        }
        if moved {
            let others: Vec<PortKey> =
                self.blocks.keys().filter(|k| !round.changed.contains(k)).cloned().collect();
            for key in &others {
                self.write(key, round, &mut touched);
            }
        }
        let ns = &mut *round.ns;
        self.bind(&touched, round.here.node, ns)?;
        self.fill_sets(&touched, ns, now)?;
        self.serve(&touched, fresh, ns, now);
        if now >= self.looked + GRACE {
            self.looked = now;
            self.let_go(ns);
        }
        let used: BTreeSet<SetId> = self.entries.keys().map(|(set, _)| *set).collect();
        let text = rules(&self.settings, |set| used.contains(&set), self.forbidden.keys().copied());
        restore(ns, self.settings.family, &text)?;
        Ok(())
    }

    /// The dummy device, the switches, the sets and the jumps into the chains.
    fn set_up(&self, round: &mut Round<'_>) -> Result<(), SyncError> {
        let now = round.now;
        let ns = &mut *round.ns;
        match ns.add_dummy(DEVICE, mac_of(&format!("{DEVICE} of {}", round.here.node))) {
            // The other address family's instance was here.
            Ok(_) | Err(NetError::Exists) => {}
            Err(e) => return Err(SyncError::Ipvs(e.to_string())),
        }
        ns.ipvs_mut(Kernel::load);
        for (name, value) in SYSCTLS {
            ns.sysctl_set(name, value).map_err(|e| SyncError::Ipvs(e.to_string()))?;
        }
        let family = self.settings.family;
        let mut sets: String = SETS.iter().map(|set| set.create(family)).collect();
        if self.found.is_some() {
            // What is wanted is added below.
            sets.extend(SETS.iter().map(|set| format!("flush {}\n", set.name(family))));
        }
        ipset(ns, &sets, now)?;
        restore(ns, self.settings.family, &chains(&self.settings))?;
        jumps::ensure(ns, self.settings.family, &ipvs::jumps(self.settings.layout))
            .map_err(SyncError::Jump)?;
        Ok(())
    }

    /// Makes the block of a service port anew, or takes it away.
    fn write(&mut self, key: &PortKey, round: &Round<'_>, touched: &mut Touched) {
        let here = Here { name: round.here.node, addresses: &self.addresses, node_ports: &self.node_ports };
        let new = round
            .services
            .get(key)
            .map(|entry| block(&self.settings, &entry.service, &entry.endpoints, &round.select(entry), here));
        if let Some(new) = &new {
            for entry in &new.entries {
                *self.entries.entry(entry.clone()).or_default() += 1;
                touched.entries.insert(entry.clone());
            }
            for ip in &new.bound {
                *self.bound.entry(*ip).or_default() += 1;
                touched.bound.insert(*ip);
            }
            for server in &new.servers {
                touched.servers.insert(server.key);
            }
            for portal in &new.forbidden {
                *self.forbidden.entry(*portal).or_default() += 1;
            }
        }
        let old = match new {
            Some(new) => self.blocks.insert(key.clone(), new),
            None => self.blocks.remove(key),
        };
        for server in old.iter().flat_map(|b| &b.servers) {
            if let Some(wanted) = self.servers.get_mut(&server.key) {
                wanted.remove(key);
            }
            touched.servers.insert(server.key);
        }
        for server in self.blocks.get(key).into_iter().flat_map(|b| &b.servers) {
            self.servers.entry(server.key).or_default().insert(key.clone());
        }
        let Some(old) = old else { return };
        for entry in old.entries {
            release(&mut self.entries, &entry);
            touched.entries.insert(entry);
        }
        for portal in old.forbidden {
            release(&mut self.forbidden, &portal);
        }
        for ip in old.bound {
            release(&mut self.bound, &ip);
            touched.bound.insert(ip);
        }
    }

    /// Addresses of the dummy device, and the set that names them.
    fn bind(&self, touched: &Touched, node: &str, ns: &mut Netns) -> Result<(), SyncError> {
        let has =
            |ns: &Netns, ip: IpAddr| ns.by_name(DEVICE).is_ok_and(|i| i.addrs.iter().any(|a| a.addr() == ip));
        for ip in &touched.bound {
            let wanted = self.bound.contains_key(ip);
            let done = match (wanted, has(ns, *ip)) {
                (true, false) => ns.addr_add(DEVICE, IpNet::from(*ip)),
                (false, true) => ns.addr_del(DEVICE, IpNet::from(*ip)),
                _ => Ok(()),
            };
            done.map_err(|e| SyncError::Ipvs(format!("{ip} on {DEVICE} of {node}: {e}")))?;
        }
        Ok(())
    }

    fn fill_sets(&self, touched: &Touched, ns: &mut Netns, now: SimTime) -> Result<(), SyncError> {
        let family = self.settings.family;
        let mut text = String::new();
        for (set, entry) in &touched.entries {
            let verb = if self.entries.contains_key(&(*set, entry.clone())) { "add" } else { "del" };
            let _ = writeln!(text, "{verb} {} {entry}", set.name(family));
        }
        for ip in &touched.bound {
            let verb = if self.bound.contains_key(ip) { "add" } else { "del" };
            let _ = writeln!(text, "{verb} {} {ip}", SetId::IpvsIps.name(family));
        }
        ipset(ns, &text, now)
    }

    /// Brings virtual and real servers up to date. Of two service ports that want the same virtual server the last one has it.
    fn serve(&mut self, touched: &Touched, fresh: bool, ns: &mut Netns, now: SimTime) {
        for key in &touched.servers {
            let owner = self.servers.get(key).and_then(BTreeSet::last);
            let servers = owner.and_then(|port| self.blocks.get(port)).map(|b| &b.servers);
            let wanted = servers.and_then(|all| all.iter().rev().find(|s| s.key == *key)).cloned();
            let Some(wanted) = wanted else {
                self.servers.remove(key);
                self.leaving.retain(|(server, _)| server != key);
                // It may be gone by another's hand.
                let _ = ns.ipvs_mut(|kernel| kernel.del_service(key));
                continue;
            };
            ns.ipvs_mut(|kernel| self.serve_one(&wanted, fresh, kernel, now));
        }
    }

    fn serve_one(&mut self, wanted: &VirtualServer, fresh: bool, kernel: &mut Kernel, now: SimTime) {
        let key = wanted.key;
        let prefix = if key.at.is_ipv4() { 32 } else { 128 };
        let spec = ServiceSpec {
            key,
            scheduler: self.settings.scheduler,
            // kube-proxy's `FlagSourceHash`.
            flags: SchedFlags { flag2: self.settings.scheduler == Scheduler::Mh, ..SchedFlags::default() },
            persistence: wanted.persistent.map(|seconds| Persistence { seconds, prefix }),
        };
        let there = kernel.service(&key).map(|s| (s.scheduler, s.persistence));
        let _ = match there {
            None => kernel.add_service(spec, now),
            Some(old) if old != (spec.scheduler, spec.persistence) => kernel.edit_service(spec),
            Some(_) => Ok(()),
        };
        let current: Vec<SocketAddr> =
            kernel.service(&key).map(|s| kernel.dests(s).map(|d| d.at).collect()).unwrap_or_default();
        for at in &wanted.real {
            if current.contains(at) {
                if fresh {
                    let _ = kernel.edit_dest(&key, DestSpec::new(*at, 1));
                }
                if !self.leaving.remove(&(key, *at)) {
                    continue;
                }
                let _ = kernel.del_dest(&key, *at);
            }
            let _ = kernel.add_dest(&key, DestSpec::new(*at, 1), now);
        }
        for at in current.iter().filter(|at| !wanted.real.contains(at)) {
            if self.leaving.contains(&(key, *at)) || is_idle(kernel, &key, *at) {
                if !self.leaving.contains(&(key, *at)) {
                    let _ = kernel.del_dest(&key, *at);
                }
                continue;
            }
            let _ = kernel.edit_dest(&key, DestSpec::new(*at, 0));
            self.leaving.insert((key, *at));
        }
    }

    /// Removes the real servers whose connections are over.
    fn let_go(&mut self, ns: &mut Netns) {
        ns.ipvs_mut(|kernel| {
            self.leaving.retain(|(key, at)| {
                let idle = is_idle(kernel, key, *at);
                if idle {
                    let _ = kernel.del_dest(key, *at);
                }
                !idle
            });
        });
    }
}

/// Whether a real server may go at once: it has no connections, or none that are waited for.
fn is_idle(kernel: &Kernel, key: &ServiceKey, at: SocketAddr) -> bool {
    key.protocol != proto::TCP || kernel.dest(key, at).is_none_or(|d| d.active + d.inactive == 0)
}

/// One wants it less.
fn release<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}

/// The node's addresses that take node ports: all of the family but loopback, link-local ones and those of the dummy device.
fn node_addresses(ns: &Netns, family: Family) -> Vec<IpAddr> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => family == Family::V4 && !ip.is_loopback(),
        IpAddr::V6(ip) => family == Family::V6 && !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let others = ns.ifaces().filter(|i| &*i.name != DEVICE);
    let all: BTreeSet<IpAddr> = others.flat_map(|i| &i.addrs).map(IpNet::addr).filter(usable).collect();
    all.into_iter().collect()
}

/// `ipset restore -exist` in a namespace.
fn ipset(ns: &mut Netns, text: &str, now: SimTime) -> Result<(), SyncError> {
    if text.is_empty() {
        return Ok(());
    }
    let args = ["restore", "-exist"].map(str::to_owned);
    ns.ipset(&args, text, now).map(|_| ()).map_err(|e| SyncError::Ipvs(e.message.trim_end().to_owned()))
}
