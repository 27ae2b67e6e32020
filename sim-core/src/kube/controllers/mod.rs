//! Controllers: from the store and the time to changes of the store.
//!
//! Each controller reads the watch log, notes which objects it has to look at again, and brings those in order. What it
//! remembers between calls are indices over the store, so that the work is proportional to what changed.

mod accounts;
pub mod bootstrap;
mod endpoints;
mod garbage;
mod load_balancer;
mod namespaces;
mod scheduler;

use crate::kube::config::LoadBalancer;
use crate::kube::store::Store;
use crate::time::SimTime;

pub(crate) use load_balancer::reference;

/// All controllers of the control plane, with their indices.
#[derive(Clone, Debug, Default)]
pub struct Controllers {
    cursor: u64,
    accounts: accounts::AccountController,
    scheduler: scheduler::Scheduler,
    endpoints: endpoints::EndpointsController,
    garbage: garbage::GarbageCollector,
    namespaces: namespaces::NamespaceController,
    load_balancer: load_balancer::LoadBalancerController,
}

impl Controllers {
    /// The controllers of a cluster with this load balancer.
    #[must_use]
    pub fn new(load_balancer: LoadBalancer) -> Self {
        let load_balancer = load_balancer::LoadBalancerController::new(load_balancer);
        Self { load_balancer, ..Self::default() }
    }

    /// Lets every controller react to what changed since the last call, until nothing changes any more; whether anything
    /// was written.
    pub fn reconcile(&mut self, store: &mut Store, now: SimTime) -> bool {
        let before = store.revision();
        loop {
            let changes = store.changes_since(self.cursor).to_vec();
            let Some(last) = changes.last() else { break };
            self.cursor = last.cursor;
            for change in &changes {
                self.accounts.note(change);
                self.scheduler.note(change);
                self.endpoints.note(change);
                self.garbage.note(change);
                self.namespaces.note(change);
                self.load_balancer.note(change);
            }
            self.namespaces.sync(store, now);
            self.accounts.sync(store, now);
            self.garbage.sync(store, now);
            self.scheduler.sync(store, now);
            self.endpoints.sync(store, now);
            self.load_balancer.sync(store, now);
        }
        store.revision() != before
    }

    /// The place in the watch log up to which the controllers have looked.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }
}

#[cfg(test)]
mod tests;
