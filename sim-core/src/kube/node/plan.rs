//! What the agents do to every node alike, done once: the ways to the other nodes, the fixed rules, and kube-proxy's.
//!
//! On a node that nobody has looked at, nothing of this is done; see [`World::defer`]. kube-proxy writes instead to a *twin*, a stack that
//! stands for all such nodes of a mode, and a node gets a copy of its rules when the first packet or person comes by. That holds as long
//! as the rules of every Service are the same on all nodes; where they are not, nodes write for themselves ([`super::proxies`]). The
//! devices of the CNI plugin are not put off: people see them in every list.
//!
//! [`World::defer`]: crate::linux::World::defer

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::agents::restore;
use super::cni;
use super::proxy::agent::NodeProxy;
use super::proxy::iptables::{Settings, base_rules};
use super::proxy::mode::{Shared, SyncError};
use super::proxy::model::PortKey;
use super::proxy::services::ServiceMap;
use crate::kube::config::{Networking, ProxyMode};
use crate::linux::nftables::{Input, Style};
use crate::linux::{Netns, Plan};
use crate::time::SimTime;
use crate::trace::{Family, NsId};

/// The plan of all nodes.
#[derive(Clone, Debug)]
pub struct NodePlan {
    networking: Networking,
    families: Vec<Members>,
    twins: Vec<Twin>,
    /// A node's number and kube-proxy's mode on it, by its namespace; for look-ups only.
    nodes: FxHashMap<NsId, (usize, ProxyMode)>,
}

/// The nodes in one address family.
#[derive(Clone, Debug)]
struct Members {
    family: Family,
    /// In the order of the configuration; none that does not speak the family.
    nodes: Vec<Option<Member>>,
    /// Sets of addresses, as input for `ipset restore`.
    sets: String,
}

/// A node, as others find it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its pod range.
    pub pod_cidr: IpNet,
    /// All pods of the cluster.
    pub cluster: IpNet,
    /// Its blocks of pod addresses, if the plugin has blocks.
    pub blocks: Vec<IpNet>,
}

/// What stands for all nodes with one mode of kube-proxy.
#[derive(Clone, Debug)]
struct Twin {
    mode: ProxyMode,
    stack: Netns,
    /// By address family; none if there is no kube-proxy, or each node's writes for itself.
    proxies: Vec<Option<NodeProxy>>,
}

impl NodePlan {
    /// A plan of nodes in the order of the configuration: their namespaces, and kube-proxy's mode on each.
    #[must_use]
    pub fn new(networking: &Networking, nodes: &[(NsId, ProxyMode)]) -> Self {
        let mut twins: Vec<Twin> = Vec::new();
        for (_, mode) in nodes {
            if twins.iter().all(|t| t.mode != *mode) {
                let stack = Netns::detached("twin");
                twins.push(Twin { mode: *mode, stack, proxies: Vec::new() });
            }
        }
        let numbered = nodes.iter().enumerate().map(|(i, (ns, mode))| (*ns, (i, *mode)));
        Self { networking: networking.clone(), families: Vec::new(), twins, nodes: numbered.collect() }
    }

    /// Adds an address family, and the kube-proxy for it that stands for all in a mode.
    ///
    /// # Errors
    /// The fixed rules are refused.
    pub fn add_family(
        &mut self,
        settings: &Settings,
        nodes: Vec<Option<Member>>,
        mut proxy: impl FnMut(ProxyMode) -> Option<NodeProxy>,
    ) -> Result<(), String> {
        for twin in &mut self.twins {
            let base = base_rules(settings, twin.mode == ProxyMode::Iptables);
            restore(&mut twin.stack, settings.family, &base).map_err(|e| e.to_string())?;
            twin.proxies.push(proxy(twin.mode));
        }
        let seen: Vec<cni::Node<'_>> = nodes.iter().flatten().map(Member::seen).collect();
        let sets = cni::sets(&seen, &self.networking);
        self.families.push(Members { family: settings.family, nodes, sets });
        Ok(())
    }

    /// The kube-proxy that stands for those of a mode in an address family.
    #[must_use]
    pub fn proxy(&self, family: usize, mode: ProxyMode) -> Option<&NodeProxy> {
        self.twins.iter().find(|t| t.mode == mode)?.proxies.get(family)?.as_ref()
    }

    /// Lets the kube-proxies that stand for others write what changed; whether they have more to do later. Those that stand for nobody any
    /// more, as `followed` says, are forgotten.
    ///
    /// # Errors
    /// The rules are refused.
    pub fn sync(
        &mut self,
        family: usize,
        followed: impl Fn(ProxyMode) -> bool,
        (services, changed): (&ServiceMap, &[PortKey]),
        shared: &mut Shared,
        now: SimTime,
    ) -> Result<bool, SyncError> {
        let mut more = false;
        for Twin { mode, stack, proxies } in &mut self.twins {
            let Some(slot) = proxies.get_mut(family) else { continue };
            if !followed(*mode) {
                *slot = None;
            }
            if let Some(proxy) = slot {
                proxy.sync(services, changed, shared, stack, now)?;
                more |= proxy.has_more();
            }
        }
        Ok(more)
    }
}

impl Plan for NodePlan {
    fn carry_out(&self, ns: &mut Netns, now: SimTime) -> Result<(), String> {
        let Some(&(number, mode)) = self.nodes.get(&ns.id) else { return Ok(()) };
        let mut refused = Vec::new();
        for family in &self.families {
            refused.extend(family.lay_ways(number, &self.networking, ns, now).err());
        }
        if let Some(twin) = self.twins.iter().find(|t| t.mode == mode) {
            let own = self.families.iter().map(|f| f.node(number).map(|m| m.ip));
            refused.extend(twin.copy_to(ns, own, now).err());
        }
        for family in &self.families {
            if let Some(node) = family.node(number) {
                let rules = cni::rules(node.seen(), &self.networking);
                refused.extend(restore(ns, family.family, &rules).err().map(|e| e.to_string()));
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
    }
}

impl Members {
    fn node(&self, number: usize) -> Option<&Member> {
        self.nodes.get(number)?.as_ref()
    }

    /// Makes the other nodes' pods reachable from a node.
    fn lay_ways(
        &self,
        from: usize,
        networking: &Networking,
        ns: &mut Netns,
        now: SimTime,
    ) -> Result<(), String> {
        for (_, peer) in self.nodes.iter().enumerate().filter(|(i, _)| *i != from) {
            let Some(peer) = peer else { continue };
            cni::add_peer(ns, peer.seen(), networking).map_err(|e| e.to_string())?;
        }
        if !self.sets.is_empty() {
            ns.ipset(&["restore".to_owned()], &self.sets, now).map_err(|e| e.message)?;
        }
        Ok(())
    }
}

impl Twin {
    /// Gives a node its rules, to which the CNI plugin then adds. `own` are the node's addresses by family.
    fn copy_to(
        &self,
        ns: &mut Netns,
        own: impl Iterator<Item = Option<IpAddr>>,
        now: SimTime,
    ) -> Result<(), String> {
        ns.netfilter(Family::V4, |rules| rules.take_after(self.stack.nf4()));
        ns.netfilter(Family::V6, |rules| rules.take_after(self.stack.nf6()));
        if self.stack.nft().tables().next().is_none() {
            return Ok(());
        }
        let addresses: String = self
            .proxies
            .iter()
            .zip(own)
            .filter_map(|(proxy, ip)| proxy.as_ref()?.node_elements(ip?))
            .collect();
        let style = Style { now, ..Style::default() };
        let interfaces = ns.interface_names();
        let input = Input { file: Some("/dev/stdin"), text: &addresses };
        let answer = ns.nftables(|tables| {
            tables.clone_from(self.stack.nft());
            tables.run(input, style, false, &interfaces)
        });
        if answer.status == 0 { Ok(()) } else { Err(answer.err) }
    }
}

impl Member {
    /// The node as its plugin sees it.
    #[must_use]
    pub fn seen(&self) -> cni::Node<'_> {
        cni::Node {
            name: &self.name,
            ip: self.ip,
            pod_cidr: self.pod_cidr,
            cluster: self.cluster,
            blocks: &self.blocks,
        }
    }
}
