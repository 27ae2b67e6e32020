//! The door to the cluster, as tools see it.

use std::collections::BTreeMap;

use sim_core::chance::Dice;
use sim_core::kube::config::ClusterConfig;
use sim_core::kube::node::machine::Machine;
use sim_core::kube::store::{Store, StoreConfig};
use sim_core::time::SimTime;

pub use sim_core::kube::node::machine::Place;

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    now: SimTime,
    config: ClusterConfig,
    machines: BTreeMap<Place, Machine>,
    /// The API server's memory.
    pub store: Store,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            now: SimTime::ZERO,
            config: ClusterConfig::default(),
            machines: BTreeMap::new(),
            store: Store::new(StoreConfig::default(), Dice::seeded(0)),
        }
    }
}

impl Cluster {
    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// What the cluster was made from.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// A machine, if it is there.
    #[must_use]
    pub fn machine(&self, place: &Place) -> Option<&Machine> {
        self.machines.get(place)
    }

    /// Lets time pass until `done` holds or `until` has come. Returns whether it holds.
    pub fn wait(&mut self, until: SimTime, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        self.now = until.max(self.now);
        done(self)
    }
}
