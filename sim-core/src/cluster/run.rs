//! How time passes.

use std::time::Duration;

use super::Cluster;
use crate::kube::apps::runtime::View;
use crate::kube::node::Hands;
use crate::kube::node::kubelet::Process;
use crate::time::SimTime;

/// Changes that are kept for those who watch.
const CHANGES_KEPT: u64 = 1000;
/// What a cluster is given to come to rest.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(600);

impl Cluster {
    /// Lets time pass until `done` says so or `until` is reached; whether `done` said so. `done` is asked at once, and after every
    /// instant at which a socket became ready or an agent did something.
    pub fn wait(&mut self, until: SimTime, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let until = self.now() + time;
        self.with_hands(|agents, hands| agents.look_around(hands));
        while self.step(until) {}
    }

    /// Lets time pass until the control plane has come to rest: every pod that can start has started, and endpoints, rules and DNS are
    /// in step. It does not wait for what only a timer will change: a back-off, a graceful termination. At most ten minutes.
    pub fn settle(&mut self) {
        let limit = self.now() + SETTLE_TIME_MAX;
        self.with_hands(|agents, hands| agents.look_around(hands));
        self.reconcile();
        while (self.agents.is_busy() || self.controllers.is_busy()) && self.step(limit) {}
    }

    /// The process of a node's kubelet; none where no such node is.
    #[must_use]
    pub fn kubelet_process(&self, node: &str) -> Option<Process> {
        self.agents.kubelet_process(node)
    }

    /// Stops or starts a node's kubelet. A node that is not heard of becomes NotReady after 40 s, and its pods are sent away after five
    /// minutes more. Whether that changed anything.
    pub fn run_kubelet(&mut self, node: &str, runs: bool) -> bool {
        let mut changed = false;
        self.with_hands(|agents, hands| changed = agents.run_kubelet(node, runs, hands));
        if changed {
            let now = self.now();
            self.controllers.node_heard(node, !runs, now);
            if runs {
                let config = self.config.clone();
                super::system::report_ready(&mut self.store, &config, node, now);
            }
            self.reconcile();
        }
        changed
    }

    /// Goes to the next instant at which something happens, `until` at the latest; whether there may be more before `until`.
    pub fn step(&mut self, until: SimTime) -> bool {
        self.reconcile();
        let next = [self.timers.next_at(), self.apps.next_timer(), self.controllers.next_at()];
        let next = next.into_iter().flatten().min();
        let stop = next.map_or(until, |at| at.min(until)).max(self.now());
        if self.world.run(stop) {
            self.serve();
            return true;
        }
        let now = self.now();
        let mut happened = false;
        while let Some((_, timer)) = self.timers.pop_due(now) {
            happened = true;
            self.with_hands(|agents, hands| agents.on_timer(timer, hands));
        }
        if self.controllers.next_at().is_some_and(|at| at <= now) {
            happened = true;
            self.controllers.reconcile(&mut self.store, now);
        }
        if self.apps.next_timer().is_some_and(|at| at <= now) {
            happened = true;
            let view = View { store: &self.store, machines: &self.machines };
            self.apps.on_timer(&mut self.world, view);
            self.end_processes();
        }
        if happened {
            self.reconcile();
        }
        happened || now < until
    }

    /// Gives ready sockets to the processes that hold them. Sockets of tools are looked at by the tools.
    fn serve(&mut self) {
        while let Some((ns, sock)) = self.world.pop_ready() {
            let view = View { store: &self.store, machines: &self.machines };
            if !self.apps.on_ready(&mut self.world, view, ns, sock) {
                self.with_hands(|agents, hands| {
                    agents.on_ready(ns, sock, hands);
                });
            }
        }
        self.end_processes();
    }

    /// Tells the kubelets of processes that have ended by themselves.
    fn end_processes(&mut self) {
        for (place, status) in self.apps.take_exits() {
            self.with_hands(|agents, hands| agents.process_ended(&place, status, hands));
        }
    }

    /// Lets controllers and agents react to what changed in the store, until nothing changes any more.
    pub(super) fn reconcile(&mut self) {
        while self.store.revision() != self.seen {
            self.seen = self.store.revision();
            let now = self.now();
            self.controllers.reconcile(&mut self.store, now);
            self.with_hands(|agents, hands| agents.sync(hands));
            self.apps.store_changed(&self.store, now);
            for remark in self.apps.take_remarks().into_iter().chain(self.world.take_failures()) {
                if !self.remarks.contains(&remark) {
                    self.remarks.push(remark);
                }
            }
        }
        // Everybody here has seen everything; a person who watches reads after each step.
        let seen = self.store.changes().cursor();
        self.store.trim_changes(seen.saturating_sub(CHANGES_KEPT));
    }

    fn with_hands(&mut self, act: impl FnOnce(&mut crate::kube::node::NodeAgents, &mut Hands<'_>)) {
        let mut hands = Hands {
            world: &mut self.world,
            store: &mut self.store,
            machines: &mut self.machines,
            apps: &mut self.apps,
            timers: &mut self.timers,
            config: &self.config,
            remarks: &mut self.remarks,
        };
        act(&mut self.agents, &mut hands);
    }
}
