//! Jobs: pods that run until enough of them have succeeded, or too many have failed.
//!
//! Left out: failures counted by index, pod failure policies and success policies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::owned::is_active;
use super::{Cx, pods};
use crate::kube::objects::job::{COMPLETION_INDEX, JOB_TRACKING, JobStatus};
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{Job, Kind, Object, ObjectKey, Pod, PodPhase, Timestamp};
use crate::kube::store::{DeleteOptions, EventType};
use crate::time::SimTime;

const NAME: &str = "job-controller";
/// The first wait after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

pub(super) fn sync(cx: &mut Cx<'_>, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::Job, &key.namespace, &key.name).cloned() else {
        return release_orphans(cx, &key.namespace);
    };
    let Object::Job(job) = &*object else { return };
    if job.spec.rest.contains_key("managedBy") {
        return;
    }
    let mut look = Look { key, object: &object, job: (**job).clone(), pods: own_pods(cx, job) };
    if job.is_finished() {
        look.let_go(cx);
        look.expire(cx);
        return;
    }
    look.act(cx);
    // It may be gone by now.
    let _ = cx.store.update_status(look.job.clone(), cx.now);
}

/// One look at a Job.
struct Look<'a> {
    key: &'a ObjectKey,
    object: &'a Object,
    job: Job,
    pods: Vec<Pod>,
}

fn own_pods(cx: &Cx<'_>, job: &Job) -> Vec<Pod> {
    let all = pods::of_owner(cx, &job.metadata.namespace, &job.metadata.uid);
    all.iter()
        .filter_map(|o| if let Object::Pod(pod) = &**o { Some((**pod).clone()) } else { None })
        .collect()
}

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().any(|f| f == JOB_TRACKING)
}

/// Pods whose Job is gone need not be counted any more.
fn release_orphans(cx: &mut Cx<'_>, namespace: &str) {
    let orphan = |pod: &&Pod| {
        is_tracked(pod)
            && pod.metadata.owner_references.iter().filter(|o| o.kind == "Job").all(|o| {
                cx.store.find(Kind::Job, namespace, &o.name).is_none_or(|job| job.meta().uid != o.uid)
            })
    };
    let orphans: Vec<Pod> = cx.store.all::<Pod>(Some(namespace)).filter(orphan).cloned().collect();
    for pod in orphans {
        release(cx, pod);
    }
}

/// Lets go of a pod that has been counted.
fn release(cx: &mut Cx<'_>, mut pod: Pod) {
    pod.metadata.finalizers.retain(|f| f != JOB_TRACKING);
    // It may be gone by now.
    let _ = cx.store.update(pod, cx.now);
}

impl Look<'_> {
    fn active(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|p| is_active(p))
    }

    fn act(&mut self, cx: &mut Cx<'_>) {
        if self.job.metadata.is_terminating() {
            return;
        }
        let suspended = self.job.spec.suspend == Some(true);
        if self.job.status.start_time.is_none() && !suspended {
            self.job.status.start_time = Some(Timestamp::at(cx.now));
        }
        self.count_ended(cx);
        if let Some((reason, message)) = self.failure(cx) {
            self.end(cx, "FailureTarget", "Failed", reason, &message);
        } else if self.has_succeeded() {
            let message = "Reached expected number of succeeded pods";
            self.end(cx, "SuccessCriteriaMet", "Complete", "CompletionsReached", message);
        } else if suspended {
            self.suspend(cx);
        } else {
            self.resume(cx);
            self.manage(cx);
        }
        self.count_active(cx);
    }

    /// Counts pods that have ended since the last look.
    fn count_ended(&mut self, cx: &mut Cx<'_>) {
        for pod in std::mem::take(&mut self.pods) {
            let lost = pod.metadata.is_terminating() && pod.metadata.deletion_grace_period_seconds == Some(0);
            if is_tracked(&pod) && (pod.is_finished() || lost) {
                if pod.status.phase == PodPhase::Succeeded {
                    self.job.status.succeeded += 1;
                    self.note_index(&pod);
                } else {
                    self.job.status.failed += 1;
                }
                release(cx, pod);
            }
        }
        self.pods = own_pods(cx, &self.job);
    }

    fn note_index(&mut self, pod: &Pod) {
        if !self.job.is_indexed() {
            return;
        }
        let mut done = indexes(&self.job.status.completed_indexes);
        done.extend(index_of(pod));
        self.job.status.completed_indexes = index_text(&done);
        self.job.status.succeeded = i32::try_from(done.len()).unwrap_or(i32::MAX);
    }

    /// Why the Job has failed, if it has.
    fn failure(&mut self, cx: &mut Cx<'_>) -> Option<(&'static str, String)> {
        let limit = self.job.spec.backoff_limit.unwrap_or(6);
        let restarts: u32 = self
            .active()
            .filter(|p| p.spec.restart_policy == Some(crate::kube::objects::pod::RestartPolicy::OnFailure))
            .flat_map(|p| p.status.init_container_statuses.iter().chain(&p.status.container_statuses))
            .map(|c| c.restart_count)
            .sum();
        let restarts = i32::try_from(restarts).unwrap_or(i32::MAX);
        let restarted_too_often = restarts > 0 && restarts >= limit;
        if self.job.status.failed > limit || restarted_too_often {
            return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit".to_owned()));
        }
        let deadline = self.job.spec.active_deadline_seconds?;
        let started = self.job.status.start_time?;
        let deadline = Duration::from_secs(u64::try_from(deadline).unwrap_or(0));
        let age = started.age(cx.now);
        if age >= deadline {
            return Some(("DeadlineExceeded", "Job was active longer than specified deadline".to_owned()));
        }
        cx.wake(self.key, deadline - age);
        None
    }

    fn has_succeeded(&self) -> bool {
        match self.job.spec.completions {
            Some(wanted) => self.job.status.succeeded >= wanted,
            None => self.job.status.succeeded > 0 && self.active().next().is_none(),
        }
    }

    /// Ends the Job: pods that still run are deleted, and when they are gone the last condition is set.
    fn end(&mut self, cx: &mut Cx<'_>, first: &str, last: &str, reason: &str, message: &str) {
        self.set_condition(first, "True", reason, message, cx.now);
        let names: Vec<String> = self.active().map(|p| p.metadata.name.clone()).collect();
        for name in names {
            self.delete(cx, &name);
        }
        self.pods = own_pods(cx, &self.job);
        if self.pods.iter().any(|p| !p.is_finished()) {
            return;
        }
        self.set_condition(last, "True", reason, message, cx.now);
        if last == "Complete" {
            self.job.status.completion_time = Some(Timestamp::at(cx.now));
            cx.event(self.object, EventType::Normal, "Completed", NAME, "Job completed");
        } else {
            cx.event(self.object, EventType::Warning, reason, NAME, message);
        }
        if let Some(ttl) = self.job.spec.ttl_seconds_after_finished {
            cx.wake(self.key, Duration::from_secs(u64::try_from(ttl).unwrap_or(0)));
        }
    }

    fn suspend(&mut self, cx: &mut Cx<'_>) {
        if !self.job.holds("Suspended") {
            self.set_condition("Suspended", "True", "JobSuspended", "Job suspended", cx.now);
            cx.event(self.object, EventType::Normal, "Suspended", NAME, "Job suspended");
        }
        self.job.status.start_time = None;
        let names: Vec<String> = self.active().map(|p| p.metadata.name.clone()).collect();
        for name in names {
            self.delete(cx, &name);
        }
    }

    fn resume(&mut self, cx: &mut Cx<'_>) {
        if self.job.holds("Suspended") {
            self.set_condition("Suspended", "False", "JobResumed", "Job resumed", cx.now);
            cx.event(self.object, EventType::Normal, "Resumed", NAME, "Job resumed");
        }
    }

    /// Makes and deletes pods so that as many run as may.
    fn manage(&mut self, cx: &mut Cx<'_>) {
        let active = i32::try_from(self.active().count()).unwrap_or(i32::MAX);
        let parallelism = self.job.spec.parallelism.unwrap_or(1);
        let status = &self.job.status;
        let wanted = match self.job.spec.completions {
            None if status.succeeded > 0 => active,
            None => parallelism,
            Some(completions) => (completions - status.succeeded).min(parallelism).max(0),
        };
        if active > wanted {
            let mut names: Vec<(bool, String)> =
                self.active().map(|p| (p.is_ready(), p.metadata.name.clone())).collect();
            names.sort();
            for (_, name) in names.into_iter().take(usize::try_from(active - wanted).unwrap_or(0)) {
                self.delete(cx, &name);
            }
        } else if active < wanted {
            if let Some(wait) = self.back_off(cx.now) {
                cx.wake(self.key, wait);
                return;
            }
            for _ in 0..(wanted - active).min(pods::BURST) {
                if !self.create(cx) {
                    break;
                }
            }
        }
    }

    /// How long new pods still wait after the last failure.
    fn back_off(&self, now: SimTime) -> Option<Duration> {
        let ended = |p: &Pod| {
            let of = |c: &crate::kube::objects::ContainerStatus| c.state.terminated.as_ref()?.finished_at;
            p.status.container_statuses.iter().filter_map(of).max()
        };
        let last_success =
            self.pods.iter().filter(|p| p.status.phase == PodPhase::Succeeded).filter_map(ended).max();
        let failed = self.pods.iter().filter(|p| p.status.phase == PodPhase::Failed).filter_map(ended);
        let failed: Vec<Timestamp> = failed.filter(|at| last_success.is_none_or(|s| *at > s)).collect();
        let last = failed.iter().max()?;
        let doubled = u32::try_from(failed.len() - 1).unwrap_or(u32::MAX).min(16);
        let wait = BACK_OFF.0.saturating_mul(1 << doubled).min(BACK_OFF.1);
        let left = wait.saturating_sub(last.age(now));
        (!left.is_zero()).then_some(left)
    }

    fn create(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut pod = pods::of_template(self.object, &self.job.spec.template);
        pod.metadata.finalizers.push(JOB_TRACKING.to_owned());
        if self.job.is_indexed() {
            let taken: BTreeSet<i32> = self.active().filter_map(index_of).collect();
            let done = indexes(&self.job.status.completed_indexes);
            let wanted = 0..self.job.spec.completions.unwrap_or(0);
            let Some(index) = wanted.into_iter().find(|i| !taken.contains(i) && !done.contains(i)) else {
                return false;
            };
            number(&mut pod, &self.key.name, index);
        }
        match pods::create(cx, self.object, pod, NAME) {
            Ok(name) => {
                let message = format!("Created pod: {name}");
                cx.event(self.object, EventType::Normal, "SuccessfulCreate", NAME, &message);
                self.pods.extend(cx.store.read::<Pod>(&self.key.namespace, &name).cloned());
                true
            }
            Err(_) => false,
        }
    }

    fn delete(&self, cx: &mut Cx<'_>, name: &str) {
        if pods::delete(cx, &self.key.namespace, name) {
            let message = format!("Deleted pod: {name}");
            cx.event(self.object, EventType::Normal, "SuccessfulDelete", NAME, &message);
        }
    }

    fn count_active(&mut self, cx: &Cx<'_>) {
        self.pods = own_pods(cx, &self.job);
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let (active, ready) =
            (count(self.active().count()), count(self.active().filter(|p| p.is_ready()).count()));
        let terminating =
            self.pods.iter().filter(|p| p.metadata.is_terminating() && !p.is_finished()).count();
        let status: &mut JobStatus = &mut self.job.status;
        (status.active, status.ready, status.terminating) = (active, Some(ready), Some(count(terminating)));
        status.uncounted_terminated_pods = Some(json!({}));
    }

    fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str, now: SimTime) {
        let at = Some(Timestamp::at(now));
        let new = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_probe_time: at,
            last_transition_time: at,
            ..Condition::default()
        };
        match self.job.status.conditions.iter_mut().find(|c| c.kind == kind) {
            Some(old) if old.status == status => {}
            Some(old) => *old = new,
            None => self.job.status.conditions.push(new),
        }
    }

    /// Pods of a Job that has ended are kept, but not counted any more.
    fn let_go(&mut self, cx: &mut Cx<'_>) {
        for pod in std::mem::take(&mut self.pods) {
            if is_tracked(&pod) && (pod.is_finished() || pod.metadata.is_terminating()) {
                release(cx, pod);
            }
        }
    }

    /// Deletes a Job that has outlived its use.
    fn expire(&self, cx: &mut Cx<'_>) {
        let Some(ttl) = self.job.spec.ttl_seconds_after_finished else { return };
        let ended =
            self.job.status.conditions.iter().filter(|c| matches!(c.kind.as_str(), "Complete" | "Failed"));
        let Some(ended) = ended.filter_map(|c| c.last_transition_time).max() else { return };
        let ttl = Duration::from_secs(u64::try_from(ttl).unwrap_or(0));
        let age = ended.age(cx.now);
        if age < ttl {
            cx.wake(self.key, ttl - age);
        } else {
            // One that is gone is as it should be.
            let _ = cx.store.delete(
                Kind::Job,
                &self.key.namespace,
                &self.key.name,
                DeleteOptions::default(),
                cx.now,
            );
        }
    }
}

/// Gives an indexed pod its number: in its name, its host name and its environment.
fn number(pod: &mut Pod, job: &str, index: i32) {
    pod.metadata.generate_name = format!("{job}-{index}-");
    pod.metadata.annotations.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    pod.metadata.labels.insert(COMPLETION_INDEX.to_owned(), index.to_string());
    let spec = Arc::make_mut(&mut pod.spec);
    spec.hostname = format!("{job}-{index}");
    let path = format!("metadata.labels['{COMPLETION_INDEX}']");
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        if container.env.iter().all(|e| e.name != "JOB_COMPLETION_INDEX") {
            container.env.push(crate::kube::objects::container::EnvVar {
                name: "JOB_COMPLETION_INDEX".to_owned(),
                value_from: Some(json!({"fieldRef": {"fieldPath": path}})),
                ..Default::default()
            });
        }
    }
}

fn index_of(pod: &Pod) -> Option<i32> {
    pod.metadata.annotations.get(COMPLETION_INDEX)?.parse().ok()
}

/// Reads `0,2-4`.
fn indexes(text: &str) -> BTreeSet<i32> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            all.extend(first..=last);
        }
    }
    all
}

/// Writes `0,2-4`; two neighbours are written with a comma.
fn index_text(all: &BTreeSet<i32>) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for &n in all {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => runs.push((n, n)),
        }
    }
    let text = |(first, last): &(i32, i32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_written_as_runs() {
        let all = BTreeSet::from([0, 2, 3, 4, 7, 8]);
        assert_eq!(index_text(&all), "0,2-4,7,8");
        assert_eq!(indexes("0,2-4,7,8"), all);
    }
}
