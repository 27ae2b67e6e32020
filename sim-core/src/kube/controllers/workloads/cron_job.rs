//! `CronJob`s: Jobs by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Cx;
use super::pods::owner_reference;
use crate::kube::objects::meta::ObjectMeta;
use crate::kube::objects::{CronJob, Job, Kind, Object, ObjectKey, ObjectReference, Timestamp};
use crate::kube::schedule::Schedule;
use crate::kube::store::{DeleteOptions, EventType};

const NAME: &str = "cronjob-controller";
/// Annotation of a Job: when it was due.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// Jobs whose end has been told, by uid.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    told: BTreeSet<String>,
}

pub(super) fn sync(cx: &mut Cx<'_>, memory: &mut Memory, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::CronJob, &key.namespace, &key.name).cloned() else { return };
    let Object::CronJob(cron) = &*object else { return };
    if cron.metadata.is_terminating() {
        return;
    }
    let mut cron = (**cron).clone();
    let jobs: Vec<Job> = cx
        .owned
        .children(&cron.metadata.uid, Kind::Job)
        .iter()
        .filter_map(|k| cx.store.read::<Job>(&k.namespace, &k.name).cloned())
        .collect();
    note_ends(cx, memory, &object, &mut cron, &jobs);
    start_due(cx, key, &object, &mut cron);
    // It may be gone by now.
    let _ = cx.store.update_status(cron.clone(), cx.now);
    forget_old(cx, &object, &cron, jobs);
}

/// Takes Jobs that have ended off the list of active ones.
fn note_ends(cx: &mut Cx<'_>, memory: &mut Memory, object: &Object, cron: &mut CronJob, jobs: &[Job]) {
    for job in jobs.iter().filter(|j| j.is_finished()) {
        let uid = &job.metadata.uid;
        cron.status.active.retain(|a| a.uid != *uid);
        if memory.told.insert(uid.clone()) {
            let how = if job.holds("Complete") { "Complete" } else { "Failed" };
            let message = format!("Saw completed job: {}, condition: {how}", job.metadata.name);
            cx.event(object, EventType::Normal, "SawCompletedJob", NAME, &message);
        }
        if job.holds("Complete") {
            cron.status.last_successful_time =
                cron.status.last_successful_time.max(job.status.completion_time);
        }
    }
    cron.status.active.retain(|a| jobs.iter().any(|j| j.metadata.uid == a.uid));
}

/// Starts the Job that is due, and comes back when the next one is.
fn start_due(cx: &mut Cx<'_>, key: &ObjectKey, object: &Object, cron: &mut CronJob) {
    let Ok(schedule) = Schedule::parse(&cron.spec.schedule) else { return };
    if cron.spec.suspend == Some(true) {
        return;
    }
    let now = Timestamp::at(cx.now);
    let since = cron.status.last_schedule_time.or(cron.metadata.creation_timestamp).unwrap_or(now);
    // Of several that were missed only the last is made up for.
    let mut due = None;
    let mut next = schedule.next(since);
    while let Some(at) = next.filter(|at| *at <= now) {
        due = Some(at);
        next = schedule.next(at);
    }
    if let Some(next) = next {
        let seconds = u64::try_from(next.unix_seconds() - now.unix_seconds()).unwrap_or(1);
        cx.wake(key, Duration::from_secs(seconds));
    }
    let Some(due) = due else { return };
    let late = now.unix_seconds() - due.unix_seconds();
    if cron.spec.starting_deadline_seconds.is_some_and(|most| late > most) {
        let message = "Missed scheduled time to start a job: ".to_owned() + &due.to_string();
        cx.event(object, EventType::Warning, "MissSchedule", NAME, &message);
        return;
    }
    if !cron.status.active.is_empty() && cron.spec.concurrency_policy == "Forbid" {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        cx.event(object, EventType::Normal, "JobAlreadyActive", NAME, message);
        return;
    }
    if cron.spec.concurrency_policy == "Replace" {
        for active in std::mem::take(&mut cron.status.active) {
            delete(cx, object, &active.name);
        }
    }
    start(cx, object, cron, due);
}

fn start(cx: &mut Cx<'_>, object: &Object, cron: &mut CronJob, due: Timestamp) {
    let template = &cron.spec.job_template;
    let mut metadata = ObjectMeta {
        labels: template.metadata.labels.clone(),
        annotations: template.metadata.annotations.clone(),
        owner_references: vec![owner_reference(object)],
        ..ObjectMeta::namespaced(
            &cron.metadata.namespace,
            format!("{}-{}", cron.metadata.name, due.unix_seconds() / 60),
        )
    };
    metadata.annotations.insert(SCHEDULED.to_owned(), due.to_string());
    let job = Job { metadata, spec: template.spec.clone(), ..Job::default() };
    match cx.store.create(job, cx.now) {
        Ok(made) => {
            let message = format!("Created job {}", made.meta().name);
            cx.event(object, EventType::Normal, "SuccessfulCreate", NAME, &message);
            cron.status.active.push(ObjectReference {
                resource_version: made.meta().resource_version.clone(),
                ..made.reference()
            });
            cron.status.last_schedule_time = Some(due);
        }
        Err(e) => {
            cx.event(object, EventType::Warning, "FailedCreate", NAME, &format!("Error creating job: {e}"));
        }
    }
}

fn delete(cx: &mut Cx<'_>, object: &Object, name: &str) {
    let options = DeleteOptions::default();
    if cx.store.delete(Kind::Job, &object.meta().namespace, name, options, cx.now).is_ok() {
        cx.event(object, EventType::Normal, "SuccessfulDelete", NAME, &format!("Deleted job {name}"));
    }
}

/// Deletes the oldest Jobs beyond the limits.
fn forget_old(cx: &mut Cx<'_>, object: &Object, cron: &CronJob, jobs: Vec<Job>) {
    let (good, bad): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().filter(Job::is_finished).partition(|j| j.holds("Complete"));
    let limits =
        [(good, cron.spec.successful_jobs_history_limit), (bad, cron.spec.failed_jobs_history_limit)];
    for (mut jobs, limit) in limits {
        let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()) else { continue };
        jobs.sort_by_key(|j| (j.status.start_time, j.metadata.name.clone()));
        let beyond = jobs.len().saturating_sub(limit);
        for job in &jobs[..beyond] {
            delete(cx, object, &job.metadata.name);
        }
    }
}
