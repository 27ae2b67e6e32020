//! iptables mode on one node: what was written, and how it is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Blocks, Round, SyncError};
use crate::kube::node::agents::{restore, restore_known};
use crate::kube::node::proxy::iptables::{
    self as iptables, Block, Changes, Settings, block, fixed_chains, own_chains, sync,
};
use crate::kube::node::proxy::jumps;
use crate::kube::node::proxy::model::PortKey;
use crate::kube::node::proxy::names::is_service_chain;
use crate::linux::Netns;
use crate::linux::netfilter::{KnownRules, Ruleset};
use crate::time::SimTime;
use crate::trace::{Family, TableId};

/// Above this number of endpoints comments are left out and stale chains stay for a while.
const LARGE_CLUSTER: usize = 1000;
/// How often stale chains are deleted in a large cluster (`syncPeriod`).
const SYNC_PERIOD: Duration = Duration::from_secs(30);

/// The state of the mode.
#[derive(Clone, Debug)]
pub struct Iptables {
    settings: Settings,
    blocks: BTreeMap<PortKey, Arc<Block>>,
    /// Chains that no service port uses any more.
    stale: BTreeSet<String>,
    /// When stale chains were last deleted.
    cleaned: Option<SimTime>,
    /// The fixed chains, and the numbers of their last changes when they were written: somebody else may change them.
    fixed: Vec<(TableId, String, u64)>,
}

/// What is the same on nodes that see the same Services.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    blocks: Blocks<Block, Settings>,
    /// The last text, and what it was made for.
    text: Option<(MadeFor, String)>,
    known: KnownRules,
}

/// Whether a text writes everything, which tables' fixed chains it leaves, and the stale chains that it deletes.
type MadeFor = (bool, Same, Vec<String>);

/// Which tables' fixed chains hold what they are to hold. kube-proxy writes them on every sync; they are the long ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Same {
    filter: bool,
    nat: bool,
}

impl Iptables {
    /// Nothing written yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, blocks: BTreeMap::new(), stale: BTreeSet::new(), cleaned: None, fixed: Vec::new() }
    }

    /// Begins where another process has been: jumps and chains that are missing are made, and chains of Services that are not wanted go with the
    /// first sync.
    pub(super) fn take_over(&mut self, ns: &mut Netns) -> Result<(), SyncError> {
        let family = self.settings.family;
        self.ensure_jumps(ns)?;
        let nat = rules(ns, family).table(TableId::Nat);
        let chains = nat.into_iter().flat_map(|t| t.chains()).map(|chain| chain.name());
        self.stale.extend(chains.filter(|c| is_service_chain(c)).map(|c| c.to_string()));
        Ok(())
    }

    pub(super) const fn set_node_ip(&mut self, ip: Option<IpAddr>) {
        self.settings.node_ip = ip;
    }

    /// Makes the jumps that are missing, and the chains that they lead to.
    fn ensure_jumps(&self, ns: &mut Netns) -> Result<(), SyncError> {
        let family = self.settings.family;
        for (table, chain) in own_chains(&self.settings) {
            let words = ["-t", &table.to_string(), "-N", &chain].map(str::to_owned);
            // It may be there.
            let _ = ns.netfilter(family, |rules| rules.command(&words));
        }
        jumps::ensure(ns, family, &iptables::jumps(&self.settings)).map_err(SyncError::Jump)
    }

    /// Whether a fixed chain does not hold any more what was written.
    pub(super) fn is_disturbed(&self, ns: &Netns) -> bool {
        self.fixed
            .iter()
            .any(|(table, chain, then)| changed(ns, &self.settings, *table, chain) != Some(*then))
    }

    pub(super) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    pub(super) fn sync(&mut self, round: &mut Round<'_>) -> Result<(), SyncError> {
        self.settings.large_cluster = round.services.endpoints() > LARGE_CLUSTER;
        // Only these two differ between nodes that are configured alike; blocks that depend on them are not shared.
        let alike = Settings { node_ip: None, node_port_addresses: None, ..self.settings.clone() };
        if !round.shared.iptables.blocks.keep_for(alike) {
            round.shared.iptables.text = None;
        }
        if round.full && !self.fixed.is_empty() {
            self.ensure_jumps(round.ns)?;
        }
        let mut same = Same { filter: !round.full, nat: !round.full };
        for key in round.changed {
            self.write(key, round, &mut same);
        }
        let as_written = |table| {
            let mut of_table = self.fixed.iter().filter(|(at, ..)| *at == table);
            of_table.all(|(_, chain, then)| changed(round.ns, &self.settings, table, chain) == Some(*then))
        };
        same.filter &= as_written(TableId::Filter);
        same.nat &= as_written(TableId::Nat);
        let stale = self.take_stale(round.now);
        self.restore(round, same, stale)?;
        if !(same.filter && same.nat) {
            self.fixed = fixed_chains(&self.settings)
                .into_iter()
                .flat_map(|(table, chains)| chains.into_iter().map(move |chain| (table, chain)))
                .filter_map(|(table, chain)| {
                    let now = changed(round.ns, &self.settings, table, &chain)?;
                    Some((table, chain, now))
                })
                .collect();
        }
        Ok(())
    }

    /// The chains that are to be deleted now.
    fn take_stale(&mut self, now: SimTime) -> Vec<String> {
        if self.settings.large_cluster && self.cleaned.is_some_and(|last| now <= last + SYNC_PERIOD) {
            return Vec::new();
        }
        self.cleaned = Some(now);
        std::mem::take(&mut self.stale).into_iter().collect()
    }

    fn restore(&self, round: &mut Round<'_>, same: Same, stale: Vec<String>) -> Result<(), SyncError> {
        let family = self.settings.family;
        let even = round.services.is_even() && self.settings.node_port_addresses.is_none();
        let made_for = (round.full, same, stale);
        let Texts { text: last, known, .. } = &mut round.shared.iptables;
        if let Some((_, text)) = last.as_ref().filter(|(f, _)| even && *f == made_for) {
            return Ok(restore_known(round.ns, family, text, known)?);
        }
        let changes = Changes {
            changed: (!round.full).then_some(round.changed),
            stale: &made_for.2,
            same_filter: same.filter,
            same_nat: same.nat,
        };
        let text = sync(&self.settings, &self.blocks, changes);
        if round.shared.alone {
            return Ok(restore(round.ns, family, &text)?);
        }
        let Texts { text: last, known, .. } = &mut round.shared.iptables;
        restore_known(round.ns, family, &text, known)?;
        *last = Some((made_for, text));
        Ok(())
    }

    /// Makes the block of a service port anew, or takes it away.
    fn write(&mut self, key: &PortKey, round: &mut Round<'_>, same: &mut Same) {
        let new = round.services.get(key).map(|entry| {
            let make = || Arc::new(block(&self.settings, &entry.service, &round.select(entry)));
            if entry.depends_on_node() {
                return make();
            }
            if let Some(block) = round.shared.iptables.blocks.by_port.get(key) {
                return block.clone();
            }
            let block = make();
            if !round.shared.alone {
                round.shared.iptables.blocks.by_port.insert(key.clone(), block.clone());
            }
            block
        });
        let old = match &new {
            Some(block) => self.blocks.insert(key.clone(), block.clone()),
            None => self.blocks.remove(key),
        };
        let (then, now) = (parts(old.as_deref()), parts(new.as_deref()));
        same.filter &= then.0 == now.0;
        same.nat &= then.1 == now.1;
        self.stale.extend(old.iter().flat_map(|b| b.chains.iter().cloned()));
        for chain in new.iter().flat_map(|b| &b.chains) {
            self.stale.remove(chain);
        }
    }
}

/// What a block says in the fixed chains of the tables filter and nat.
fn parts(block: Option<&Block>) -> (&str, &str) {
    block.map_or(("", ""), |b| (&b.filter_rules, &b.entry_rules))
}

/// The number of a chain's last change; none if it is not there.
fn changed(ns: &Netns, settings: &Settings, table: TableId, chain: &str) -> Option<u64> {
    Some(rules(ns, settings.family).table(table)?.chain(chain)?.changed())
}

const fn rules(ns: &Netns, family: Family) -> &Ruleset {
    match family {
        Family::V4 => ns.nf4(),
        Family::V6 => ns.nf6(),
    }
}
