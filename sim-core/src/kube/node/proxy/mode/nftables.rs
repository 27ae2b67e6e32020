//! nftables mode on one node: what stands in table `kube-proxy`, and how it is changed.
//!
//! A full sync makes the table anew. A partial one touches what belongs to changed service ports: their chains are written again, elements
//! of sets and maps come and go one by one. A chain that is no longer used is emptied at once and deleted by a later sync, because kernels
//! before 6.2 may hold it for a moment after the map element that led to it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Round, SyncError};
use crate::kube::node::proxy::model::PortKey;
use crate::kube::node::proxy::nftables::{Block, Element, Settings, base, block, node_port_address};
use crate::linux::Netns;
use crate::linux::nftables::{Input, Style};
use crate::time::SimTime;

/// How long an unused chain stays at least.
const STALE: Duration = Duration::from_secs(1);

/// The state of the mode.
#[derive(Clone, Debug)]
pub struct Nftables {
    settings: Settings,
    blocks: BTreeMap<PortKey, Arc<Block>>,
    /// By set and key, the elements that service ports want. Ports of one Service share its cluster IP; of two Services that claim the
    /// same address and port the last one by name has it.
    elements: BTreeMap<Spot, BTreeMap<PortKey, Element>>,
    /// Empty chains, and since when nobody uses them.
    stale: BTreeMap<String, SimTime>,
    /// Whether the table was ever made.
    made: bool,
}

/// A set or map and a key in it.
type Spot = (&'static str, String);

/// What changed service ports leave behind.
#[derive(Debug, Default)]
struct Left {
    /// What stood in sets and maps before.
    elements: BTreeMap<Spot, Option<Element>>,
    chains: BTreeSet<String>,
    affinity_sets: BTreeSet<String>,
}

impl Nftables {
    /// Nothing written yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            blocks: BTreeMap::new(),
            elements: BTreeMap::new(),
            stale: BTreeMap::new(),
            made: false,
        }
    }

    /// Begins where an earlier process has been: the first sync makes the table anew.
    pub(super) fn take_over(&mut self) {
        self.made = true;
    }

    /// Node ports are at this address from now on.
    pub(super) fn set_node_ip(&mut self, ip: Option<IpAddr>) {
        self.settings.node_ip = ip;
        self.settings.node_port_addresses = ip.into_iter().collect();
    }

    /// The elements that tell a node's address, once the table is there.
    pub(super) fn node_elements(&self, ip: IpAddr) -> Option<String> {
        self.made.then(|| node_port_address(&self.settings, ip))
    }

    pub(super) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    pub(super) fn sync(&mut self, round: &mut Round<'_>) -> Result<(), SyncError> {
        let now = round.now;
        self.delete_stale(now, round)?;
        // Only these two differ between nodes that are configured alike.
        let alike = Settings { node_ip: None, node_port_addresses: Vec::new(), ..self.settings.clone() };
        round.shared.nftables.keep_for(alike);
        let mut left = Left::default();
        for key in round.changed {
            self.write(key, round, &mut left);
        }
        let text = if round.full { self.everything() } else { self.changes(round.changed, &left) };
        run(round.ns, &text, round.now)?;
        self.made = true;
        if round.full {
            self.stale.clear();
        } else {
            self.stale.extend(left.chains.into_iter().map(|chain| (chain, now)));
        }
        Ok(())
    }

    /// Deletes the chains that have been unused for long enough.
    fn delete_stale(&mut self, now: SimTime, round: &mut Round<'_>) -> Result<(), SyncError> {
        let ripe: Vec<String> = self
            .stale
            .iter()
            .filter(|(_, since)| now > **since + STALE)
            .map(|(chain, _)| chain.clone())
            .collect();
        let mut text = String::new();
        for chain in ripe {
            let _ = writeln!(text, "delete chain {} kube-proxy {chain}", self.settings.ip());
            self.stale.remove(&chain);
        }
        run(round.ns, &text, round.now)
    }

    /// Makes the block of a service port anew, or takes it away.
    fn write(&mut self, key: &PortKey, round: &mut Round<'_>, left: &mut Left) {
        let new = round.services.get(key).map(|entry| {
            let make = || Arc::new(block(&self.settings, &entry.service, &round.select(entry)));
            if entry.depends_on_node() {
                return make();
            }
            if let Some(block) = round.shared.nftables.by_port.get(key) {
                return block.clone();
            }
            let block = make();
            if !round.shared.alone {
                round.shared.nftables.by_port.insert(key.clone(), block.clone());
            }
            block
        });
        let old = match &new {
            Some(block) => self.blocks.insert(key.clone(), block.clone()),
            None => self.blocks.remove(key),
        };
        for block in old.iter() {
            left.chains.extend(block.chains.iter().map(|c| c.name.clone()));
            left.affinity_sets.extend(block.affinity_sets.iter().map(|(name, _)| name.clone()));
            for e in &block.elements {
                self.claim(key, (e.set, e.key.clone()), None, left);
            }
        }
        for block in new.iter() {
            for chain in &block.chains {
                left.chains.remove(&chain.name);
                self.stale.remove(&chain.name);
            }
            for (name, _) in &block.affinity_sets {
                left.affinity_sets.remove(name);
            }
            for e in &block.elements {
                self.claim(key, (e.set, e.key.clone()), Some(e.clone()), left);
            }
        }
    }

    /// Notes what a service port wants at a place, or that it wants nothing there any more.
    fn claim(&mut self, key: &PortKey, spot: Spot, element: Option<Element>, left: &mut Left) {
        let claims = self.elements.entry(spot.clone()).or_default();
        left.elements.entry(spot.clone()).or_insert_with(|| claims.values().next_back().cloned());
        match element {
            Some(element) => claims.insert(key.clone(), element),
            None => claims.remove(key),
        };
        if claims.is_empty() {
            self.elements.remove(&spot);
        }
    }

    /// The transaction of a full sync.
    fn everything(&self) -> String {
        let ip = self.settings.ip();
        let mut t = String::new();
        if self.made {
            // The first line is for the case that somebody has deleted it.
            let _ = write!(t, "add table {ip} kube-proxy\ndelete table {ip} kube-proxy\n");
        }
        t.push_str(&base(&self.settings));
        for block in self.blocks.values() {
            block.chains_text(&self.settings, &mut t);
        }
        for element in self.elements.values().filter_map(|claims| claims.values().next_back()) {
            self.element("add", element, &mut t);
        }
        t
    }

    /// The transaction of a partial sync.
    fn changes(&self, changed: &[PortKey], left: &Left) -> String {
        let ip = self.settings.ip();
        let mut t = String::new();
        for block in changed.iter().filter_map(|key| self.blocks.get(key)) {
            for chain in &block.chains {
                let _ =
                    write!(t, "add chain {ip} kube-proxy {0}\nflush chain {ip} kube-proxy {0}\n", chain.name);
            }
        }
        for block in changed.iter().filter_map(|key| self.blocks.get(key)) {
            block.chains_text(&self.settings, &mut t);
        }
        let now = |spot| self.elements.get(spot).and_then(|claims| claims.values().next_back());
        let moved =
            || left.elements.iter().map(|(spot, old)| (old.as_ref(), now(spot))).filter(|(o, n)| o != n);
        moved().filter_map(|(old, _)| old).for_each(|old| self.element("delete", old, &mut t));
        moved().filter_map(|(_, new)| new).for_each(|new| self.element("add", new, &mut t));
        for chain in &left.chains {
            let _ = writeln!(t, "flush chain {ip} kube-proxy {chain}");
        }
        for set in &left.affinity_sets {
            let _ = writeln!(t, "delete set {ip} kube-proxy {set}");
        }
        t
    }

    fn element(&self, verb: &str, e: &Element, t: &mut String) {
        let _ = writeln!(t, "{verb} element {} kube-proxy {} {{ {e} }}", self.settings.ip(), e.set);
    }
}

/// `nft -f -` in a namespace.
pub(in crate::kube::node::proxy) fn run(ns: &mut Netns, text: &str, now: SimTime) -> Result<(), SyncError> {
    if text.is_empty() {
        return Ok(());
    }
    let style = Style { now, ..Style::default() };
    let interfaces = ns.interface_names();
    let answer =
        ns.nftables(|rules| rules.run(Input { file: Some("/dev/stdin"), text }, style, false, &interfaces));
    if answer.status == 0 {
        return Ok(());
    }
    let mut wrong = answer.err;
    wrong.extend(answer.not_modelled);
    Err(SyncError::Nft(wrong))
}
