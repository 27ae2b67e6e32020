//! When containers are probed, and what follows from it
//! (<https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/>).
//!
//! Each probe has a ticker that runs from the pod's start; a container is probed at the first tick at which its initial delay is over.
//! Readiness is looked at without waiting for a tick when the container has started.

use std::time::Duration;

use super::attempt::Finding;
use super::container::ContainerRun;
use super::{Kubelet, Step, reference};
use crate::kube::node::agents::Hands;
use crate::kube::objects::Container;
use crate::kube::objects::container::Probe;
use crate::kube::store::EventType;
use crate::time::SimTime;

type Key = (String, String);

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Whether the program has come up; the others wait for it.
    Startup,
    /// Whether the container may get traffic.
    Readiness,
    /// Whether the container must be started again.
    Liveness,
}

impl ProbeKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }
}

/// How often a probe that has not held yet is waited for before the cluster counts as at rest.
const PATIENCE: u32 = 3;

/// One probe of one run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prober {
    kind: ProbeKind,
    spec: Probe,
    /// What counts now.
    pub(super) holds: bool,
    /// The last result, and how often in a row it came.
    last: Option<bool>,
    streak: u32,
}

impl Prober {
    fn new(kind: ProbeKind, spec: &Probe) -> Self {
        Self { kind, spec: spec.clone(), holds: kind == ProbeKind::Liveness, last: None, streak: 0 }
    }

    fn period(&self) -> Duration {
        Duration::from_secs(u64::from(self.spec.period_seconds.unwrap_or(10).max(1)))
    }

    fn delay(&self) -> Duration {
        Duration::from_secs(u64::from(self.spec.initial_delay_seconds.unwrap_or(0)))
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.spec.timeout_seconds.unwrap_or(1).max(1)))
    }

    /// Whether the cluster is not at rest before the next result.
    fn is_awaited(&self) -> bool {
        let limit = self.spec.failure_threshold.unwrap_or(3).min(PATIENCE);
        self.kind != ProbeKind::Liveness && !self.holds && (self.last != Some(false) || self.streak < limit)
    }

    /// Takes a result in; whether what counts is another thing than before.
    fn take(&mut self, holds: bool) -> bool {
        self.streak = if self.last == Some(holds) { self.streak + 1 } else { 1 };
        self.last = Some(holds);
        let threshold = if holds { self.spec.success_threshold } else { self.spec.failure_threshold };
        if self.streak < threshold.unwrap_or(if holds { 1 } else { 3 }).max(1) {
            return false;
        }
        let changed = self.holds != holds;
        self.holds = holds;
        changed
    }
}

/// The probes of a container that has just started.
pub(super) fn of_container(container: &Container) -> Vec<Prober> {
    let all = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
    all.into_iter().filter_map(|kind| Some(Prober::new(kind, kind.of(container)?))).collect()
}

impl ContainerRun {
    fn prober(&self, kind: ProbeKind) -> Option<&Prober> {
        self.probers.iter().find(|p| p.kind == kind)
    }

    /// Whether its program has come up.
    pub(super) fn has_started(&self) -> bool {
        self.is_running() && self.prober(ProbeKind::Startup).is_none_or(|p| p.holds)
    }

    /// Whether it may get traffic.
    pub(super) fn is_ready(&self) -> bool {
        self.has_started() && self.prober(ProbeKind::Readiness).is_none_or(|p| p.holds)
    }
}

impl Kubelet {
    /// A container has started: its probes begin.
    pub(super) fn begin_probes(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let c = &run.containers[i];
        let waits = c.prober(ProbeKind::Startup).is_some();
        let kinds: Vec<ProbeKind> =
            c.probers.iter().map(|p| p.kind).filter(|k| !waits || *k == ProbeKind::Startup).collect();
        for kind in kinds {
            self.next_probe(key, i, kind, true, hands.now());
        }
    }

    /// Sets the time of the next probe. `first`: of this run.
    fn next_probe(&mut self, key: &Key, i: usize, kind: ProbeKind, first: bool, now: SimTime) {
        let Some(run) = self.pods.get(key) else { return };
        let c = &run.containers[i];
        let (Some(prober), Some(since)) = (c.prober(kind), c.since()) else { return };
        let (period, earliest) = (prober.period(), since + prober.delay());
        let at_once = first && kind == ProbeKind::Readiness && earliest <= now;
        let at = if at_once { now } else { tick(run.started, period, earliest.max(now), first) };
        let (restarts, awaited) = (c.restarts, c.restarts == 0 && prober.is_awaited());
        self.later(key, Step::Probe(i, restarts, kind), at.since(now), awaited, now);
    }

    /// It is time for a probe.
    pub(super) fn probe(
        &mut self,
        key: &Key,
        (i, restarts): (usize, u32),
        kind: ProbeKind,
        hands: &mut Hands<'_>,
    ) {
        let Some(c) = self.pods.get(key).and_then(|run| run.containers.get(i)) else { return };
        if c.restarts != restarts || !c.is_running() || c.stopping {
            return;
        }
        let Some(prober) = c.prober(kind).cloned() else { return };
        let awaited = restarts == 0 && prober.is_awaited();
        match self.attempt(key, i, (kind, &prober.spec, awaited), hands) {
            Ok(sock) => {
                self.later(key, Step::ProbeDeadline(sock), prober.timeout(), false, hands.now());
            }
            Err(finding) => self.probed(key, (i, restarts), kind, finding, hands),
        }
    }

    /// A probe has a result.
    pub(super) fn probed(
        &mut self,
        key: &Key,
        (i, restarts): (usize, u32),
        kind: ProbeKind,
        (holds, why): Finding,
        hands: &mut Hands<'_>,
    ) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let spec = run.spec.clone();
        let ending = run.grace < Duration::MAX;
        let Some(c) = run.containers.get_mut(i) else { return };
        if c.restarts != restarts || !c.is_running() || c.stopping || ending {
            return;
        }
        let name = c.spec.name.clone();
        let Some(prober) = c.probers.iter_mut().find(|p| p.kind == kind) else { return };
        let changed = prober.take(holds);
        let given_up = !prober.holds && !holds && prober.streak >= prober.spec.failure_threshold.unwrap_or(3);
        if !holds {
            let about = reference(&spec, &format!("spec.containers{{{name}}}"));
            let message = format!("{} probe failed: {why}", kind.name());
            self.event(&about, EventType::Warning, "Unhealthy", &message, hands);
        }
        match kind {
            ProbeKind::Liveness | ProbeKind::Startup if given_up => {
                self.kill_container(key, i, kind, hands);
                return;
            }
            ProbeKind::Startup if changed && holds => {
                self.next_probe(key, i, ProbeKind::Readiness, true, hands.now());
                self.next_probe(key, i, ProbeKind::Liveness, true, hands.now());
                self.started_sidecar(key, i, hands);
            }
            // A program that has come up is not asked again whether it has.
            ProbeKind::Startup if holds => return,
            _ => {}
        }
        if changed {
            self.report(key, hands);
        }
        if kind != ProbeKind::Startup || !holds {
            self.next_probe(key, i, kind, false, hands.now());
        }
    }

    /// A container that does not answer is ended, and started again as its pod says.
    fn kill_container(&mut self, key: &Key, i: usize, kind: ProbeKind, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let spec = run.spec.clone();
        let c = &mut run.containers[i];
        c.stopping = true;
        let (name, restarts, needed) = (c.spec.name.clone(), c.restarts, c.stop_time());
        let own = c.prober(kind).and_then(|p| p.spec.termination_grace_period_seconds);
        let grace = own.or(spec.spec.termination_grace_period_seconds).unwrap_or(30);
        let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        let about = reference(&spec, &format!("spec.containers{{{name}}}"));
        let probe = kind.name().to_lowercase();
        let message = format!("Container {name} failed {probe} probe, will be restarted");
        self.event(&about, EventType::Normal, "Killing", &message, hands);
        let killed = needed > grace;
        self.later(key, Step::Stopped(i, restarts, killed), needed.min(grace), false, hands.now());
    }
}

/// The first tick of a ticker that is not before `earliest`; after it, if this is not the first look.
fn tick(from: SimTime, period: Duration, earliest: SimTime, first: bool) -> SimTime {
    let (passed, period) = (earliest.since(from).as_nanos(), period.as_nanos());
    let count = if first { passed.div_ceil(period) } else { passed / period + 1 };
    from + Duration::from_nanos(u64::try_from(count * period).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prober(success: u32, failure: u32) -> Prober {
        let spec =
            Probe { success_threshold: Some(success), failure_threshold: Some(failure), ..Probe::default() };
        Prober::new(ProbeKind::Readiness, &spec)
    }

    #[test]
    fn a_result_counts_when_it_has_come_often_enough() {
        let mut p = prober(2, 3);
        let mut seen = |results: &[bool]| {
            for result in results {
                p.take(*result);
            }
            p.holds
        };
        assert!(!seen(&[true]));
        assert!(seen(&[true]));
        assert!(seen(&[false, false]));
        assert!(!seen(&[false]));
        assert!(!seen(&[true, false, true]));
    }

    #[test]
    fn ticks_run_from_the_start() {
        let (from, period) = (SimTime::from_secs(3), Duration::from_secs(10));
        assert_eq!(tick(from, period, SimTime::from_secs(4), true), SimTime::from_secs(13));
        assert_eq!(tick(from, period, SimTime::from_secs(13), true), SimTime::from_secs(13));
        assert_eq!(tick(from, period, SimTime::from_secs(13), false), SimTime::from_secs(23));
    }
}
