//! Controllers: from the store and the time to changes of the store.
//!
//! Each controller reads the watch log, notes which objects it has to look at again, and brings those in order. What it
//! remembers between calls are indices over the store, so that the work is proportional to what changed.

mod accounts;
mod autoscaler;
pub mod bootstrap;
mod disruption;
mod endpoints;
mod garbage;
mod ingress;
mod load_balancer;
mod namespaces;
mod nodes;
mod scheduler;
mod volumes;
mod workloads;

use ipnet::IpNet;

use crate::kube::config::LoadBalancerMode;
use crate::kube::store::Store;
use crate::time::SimTime;

pub(crate) use load_balancer::reference;
pub(crate) use workloads::{DESIRED, MAXIMUM, owner_reference};

/// All controllers of the control plane, with their indices.
#[derive(Clone, Debug, Default)]
pub struct Controllers {
    cursor: u64,
    accounts: accounts::AccountController,
    scheduler: scheduler::Scheduler,
    endpoints: endpoints::EndpointsController,
    garbage: garbage::GarbageCollector,
    ingress: ingress::IngressController,
    namespaces: namespaces::NamespaceController,
    load_balancer: load_balancer::LoadBalancerController,
    workloads: workloads::Workloads,
    nodes: nodes::NodeLifecycle,
    disruption: disruption::DisruptionController,
    volumes: volumes::VolumeController,
    autoscaler: autoscaler::AutoscalerController,
}

impl Controllers {
    /// The controllers of a cluster with a load balancer of this mode, and its pools of addresses.
    #[must_use]
    pub fn new(mode: LoadBalancerMode, pools: Vec<IpNet>) -> Self {
        let load_balancer = load_balancer::LoadBalancerController::new(mode, pools);
        Self { load_balancer, ..Self::default() }
    }

    /// Lets every controller react to what changed since the last call, until nothing changes any more; whether anything
    /// was written.
    pub fn reconcile(&mut self, store: &mut Store, now: SimTime) -> bool {
        let before = store.revision();
        loop {
            let changes = store.changes_since(self.cursor).to_vec();
            if let Some(last) = changes.last() {
                self.cursor = last.cursor;
            } else if self.next_at().is_none_or(|at| at > now) {
                break;
            }
            for change in &changes {
                self.accounts.note(change);
                self.scheduler.note(change);
                self.endpoints.note(change);
                self.garbage.note(change);
                self.namespaces.note(change);
                self.load_balancer.note(change);
                self.workloads.note(change);
                self.nodes.note(change);
                self.disruption.note(change);
                self.ingress.note(change);
                self.volumes.note(change);
                self.autoscaler.note(change);
            }
            self.namespaces.sync(store, now);
            self.accounts.sync(store, now);
            self.garbage.sync(store, now);
            self.workloads.sync(store, now);
            self.nodes.sync(store, now);
            self.disruption.sync(store, now);
            self.autoscaler.sync(store, now);
            self.volumes.sync(store, now);
            self.scheduler.sync(store, now);
            self.endpoints.sync(store, now);
            self.load_balancer.sync(store, now);
            self.ingress.sync(store, now);
        }
        store.revision() != before
    }

    /// When a controller will do something without any change of the store.
    #[must_use]
    pub fn next_at(&self) -> Option<SimTime> {
        [self.workloads.next_at(), self.nodes.next_at()].into_iter().flatten().min()
    }

    /// Whether a controller waits for something that will come by itself and soon.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.workloads.is_busy()
    }

    /// A node's kubelet has gone silent, or is back.
    pub fn node_heard(&mut self, node: &str, silent: bool, now: SimTime) {
        self.nodes.heard(node, silent, now);
    }

    /// The place in the watch log up to which the controllers have looked.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }
}

#[cfg(test)]
mod tests;
