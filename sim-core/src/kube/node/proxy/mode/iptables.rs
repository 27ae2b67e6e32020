//! iptables mode on one node: what was written, and how it is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Blocks, Round, SyncError};
use crate::kube::node::agents::restore;
use crate::kube::node::proxy::iptables::{Block, Changes, Settings, block, sync};
use crate::kube::node::proxy::model::PortKey;
use crate::time::SimTime;

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
}

/// What is the same on nodes that see the same Services.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    blocks: Blocks<Block>,
    /// The last text, and what it was made for: whether it writes everything, and the stale chains that it deletes.
    text: Option<(bool, Vec<String>, String)>,
}

impl Iptables {
    /// Nothing written yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, blocks: BTreeMap::new(), stale: BTreeSet::new(), cleaned: None }
    }

    pub(super) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    pub(super) fn sync(&mut self, round: &mut Round<'_>) -> Result<(), SyncError> {
        self.settings.large_cluster = round.services.endpoints() > LARGE_CLUSTER;
        for key in round.changed {
            self.write(key, round);
        }
        let now = round.world.now();
        let clean = !self.settings.large_cluster || self.cleaned.is_none_or(|last| now > last + SYNC_PERIOD);
        let stale: Vec<String> =
            if clean { std::mem::take(&mut self.stale).into_iter().collect() } else { Vec::new() };
        if clean {
            self.cleaned = Some(now);
        }
        let changed = (!round.full).then_some(round.changed);
        let family = self.settings.family;
        let even = round.services.is_even() && self.settings.node_port_addresses.is_none();
        let known = round.shared.iptables.text.as_ref();
        if let Some((.., text)) = known.filter(|t| even && (t.0, &t.1) == (round.full, &stale)) {
            restore(round.world, round.ns, family, text)?;
            return Ok(());
        }
        let text = sync(&self.settings, &self.blocks, Changes { changed, stale: &stale });
        restore(round.world, round.ns, family, &text)?;
        round.shared.iptables.text = Some((round.full, stale, text));
        Ok(())
    }

    /// Makes the block of a service port anew, or takes it away.
    fn write(&mut self, key: &PortKey, round: &mut Round<'_>) {
        let new = round.services.get(key).map(|entry| {
            let make = || Arc::new(block(&self.settings, &entry.service, &round.select(entry)));
            if entry.depends_on_node() {
                return make();
            }
            if let Some(block) = round.shared.iptables.blocks.get(key) {
                return block.clone();
            }
            let block = make();
            round.shared.iptables.blocks.insert(key.clone(), block.clone());
            block
        });
        let old = match &new {
            Some(block) => self.blocks.insert(key.clone(), block.clone()),
            None => self.blocks.remove(key),
        };
        self.stale.extend(old.iter().flat_map(|b| b.chains.iter().cloned()));
        for chain in new.iter().flat_map(|b| &b.chains) {
            self.stale.remove(chain);
        }
    }
}
