//! How far a rollout is.

use std::time::Duration;

use super::super::Cx;
use super::Rollout;
use crate::kube::objects::deployment::DeploymentStatus;
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{Deployment, Timestamp};
use crate::time::SimTime;

/// A deadline of this many seconds means none.
const NO_DEADLINE: i32 = i32::MAX;

impl Rollout<'_> {
    pub(super) fn has_deadline(&self) -> bool {
        self.deployment.spec.progress_deadline_seconds.is_some_and(|s| s != NO_DEADLINE)
    }

    /// Sets the condition `Progressing`.
    pub(super) fn set_progress(&mut self, cx: &Cx<'_>, status: &str, reason: &str, message: &str) {
        let new = condition("Progressing", status, reason, message, cx.now);
        set(&mut self.deployment.status.conditions, new);
    }

    /// A pause stops the clock of the deadline, and its end starts it anew.
    pub(super) fn note_pause(&mut self, cx: &mut Cx<'_>) {
        if !self.has_deadline() {
            return;
        }
        let reason = self.deployment.condition("Progressing").map(|c| c.reason.clone()).unwrap_or_default();
        if reason == "ProgressDeadlineExceeded" {
            return;
        }
        let paused = self.deployment.spec.paused;
        if paused && reason != "DeploymentPaused" {
            self.set_progress(cx, "Unknown", "DeploymentPaused", "Deployment is paused");
        } else if !paused && reason == "DeploymentPaused" {
            self.set_progress(cx, "Unknown", "DeploymentResumed", "Deployment is resumed");
        } else {
            return;
        }
        // It may be gone by now.
        let _ = cx.store.update_status(self.deployment.clone(), cx.now);
    }

    /// Whether all pods are of the present template and available.
    pub(super) fn is_complete(&self) -> bool {
        is_complete(&self.deployment, &self.deployment.status)
    }

    /// Writes the status, and comes back when the deadline is over. `rolling`: whether the progress of a rollout is to be told.
    pub(super) fn report(&mut self, cx: &mut Cx<'_>, rolling: bool) {
        let mut status = self.count(cx.now);
        if self.has_deadline() {
            if rolling {
                self.judge(&mut status, cx.now);
            }
        } else {
            status.conditions.retain(|c| c.kind != "Progressing");
        }
        let failure =
            self.sets.iter().flat_map(|s| &s.status.conditions).find(|c| c.kind == "ReplicaFailure");
        match failure {
            Some(c) => {
                set(
                    &mut status.conditions,
                    condition("ReplicaFailure", &c.status, &c.reason, &c.message, cx.now),
                );
            }
            None => status.conditions.retain(|c| c.kind != "ReplicaFailure"),
        }
        if rolling && self.has_deadline() {
            self.come_back(&status, cx);
        }
        let new = Deployment { status, ..self.deployment.clone() };
        // It may be gone by now.
        let _ = cx.store.update_status(new, cx.now);
    }

    fn count(&self, now: SimTime) -> DeploymentStatus {
        let sum = |of: fn(&crate::kube::objects::ReplicaSet) -> i32| self.sets.iter().map(of).sum::<i32>();
        let available = sum(|s| s.status.available_replicas);
        let mut status = DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: sum(|s| s.status.replicas),
            updated_replicas: self.new_set().map_or(0, |n| self.sets[n].status.replicas),
            ready_replicas: sum(|s| s.status.ready_replicas),
            available_replicas: available,
            unavailable_replicas: (sum(super::replicas) - available).max(0),
            ..self.deployment.status.clone()
        };
        let enough = available >= self.wanted() - self.bounds().1;
        let new = if enough {
            let message = "Deployment has minimum availability.";
            condition("Available", "True", "MinimumReplicasAvailable", message, now)
        } else {
            let message = "Deployment does not have minimum availability.";
            condition("Available", "False", "MinimumReplicasUnavailable", message, now)
        };
        set(&mut status.conditions, new);
        status
    }

    /// The condition `Progressing`: done, under way, or too late.
    fn judge(&self, status: &mut DeploymentStatus, now: SimTime) {
        let current = self.deployment.condition("Progressing");
        let done_before = status.replicas == status.updated_replicas
            && current.is_some_and(|c| c.reason == "NewReplicaSetAvailable");
        if done_before {
            return;
        }
        let what = self.new_set().map_or_else(
            || format!("Deployment {:?}", self.deployment.metadata.name),
            |n| format!("ReplicaSet {:?}", self.sets[n].metadata.name),
        );
        if is_complete(&self.deployment, status) {
            let message = format!("{what} has successfully progressed.");
            let new = condition("Progressing", "True", "NewReplicaSetAvailable", &message, now);
            set(&mut status.conditions, new);
        } else if has_progressed(&self.deployment.status, status) {
            let message = format!("{what} is progressing.");
            let mut new = condition("Progressing", "True", "ReplicaSetUpdated", &message, now);
            if let Some(current) = current.filter(|c| c.status == "True") {
                new.last_transition_time = current.last_transition_time;
            }
            status.conditions.retain(|c| c.kind != "Progressing");
            status.conditions.push(new);
        } else if self.timed_out(now) {
            let message = format!("{what} has timed out progressing.");
            let new = condition("Progressing", "False", "ProgressDeadlineExceeded", &message, now);
            set(&mut status.conditions, new);
        }
    }

    fn deadline(&self) -> Duration {
        let seconds = self.deployment.spec.progress_deadline_seconds.unwrap_or(0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    fn timed_out(&self, now: SimTime) -> bool {
        let Some(current) = self.deployment.condition("Progressing") else { return false };
        match current.reason.as_str() {
            "NewReplicaSetAvailable" => false,
            "ProgressDeadlineExceeded" => true,
            _ => current.last_update_time.is_some_and(|t| t.age(now) > self.deadline()),
        }
    }

    fn come_back(&self, status: &DeploymentStatus, cx: &mut Cx<'_>) {
        let current = status.conditions.iter().find(|c| c.kind == "Progressing");
        let Some(current) = current.filter(|_| !is_complete(&self.deployment, status)) else { return };
        if matches!(current.reason.as_str(), "NewReplicaSetAvailable" | "ProgressDeadlineExceeded") {
            return;
        }
        let since = current.last_update_time.map_or(Duration::ZERO, |t| t.age(cx.now));
        let after = self.deadline().saturating_sub(since) + Duration::from_secs(1);
        cx.wake(self.key, after);
    }
}

fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    status.updated_replicas == wanted
        && status.replicas == wanted
        && status.available_replicas == wanted
        && status.observed_generation >= deployment.metadata.generation
}

fn has_progressed(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let outdated = |s: &DeploymentStatus| s.replicas - s.updated_replicas;
    new.updated_replicas > old.updated_replicas
        || outdated(new) < outdated(old)
        || new.ready_replicas > old.ready_replicas
        || new.available_replicas > old.available_replicas
}

fn condition(kind: &str, status: &str, reason: &str, message: &str, now: SimTime) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_update_time: Some(Timestamp::at(now)),
        last_transition_time: Some(Timestamp::at(now)),
        ..Condition::default()
    }
}

/// Sets a condition: one with the same status and reason stays as it is, and the latest comes last.
fn set(conditions: &mut Vec<Condition>, mut new: Condition) {
    if let Some(old) = conditions.iter().find(|c| c.kind == new.kind) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time;
        }
    }
    conditions.retain(|c| c.kind != new.kind);
    conditions.push(new);
}
