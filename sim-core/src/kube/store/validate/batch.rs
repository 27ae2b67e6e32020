//! batch/v1.

use std::collections::BTreeSet;

use serde_json::json;

use super::Faults;
use super::workload::{check_selector, check_template, immutable, matches_template};
use crate::kube::objects::job::JobSpec;
use crate::kube::objects::pod::RestartPolicy;
use crate::kube::objects::{CronJob, Job, Selector};
use crate::kube::schedule::Schedule;

/// A Job that a `CronJob` makes has eleven characters more, and its name must fit into a label.
const CRON_JOB_NAME_MAX: usize = 52;

pub(super) fn job(o: &Job, faults: &mut Faults) {
    let spec = &o.spec;
    check_spec("spec", spec, faults);
    match &spec.selector {
        None => faults.required("spec.selector", ""),
        Some(selector) => {
            check_selector("spec.selector", selector, faults);
            if let Some(selector) = Selector::from_label_selector(selector) {
                matches_template(&selector, &spec.template, faults);
            }
        }
    }
}

fn check_spec(at: &str, spec: &JobSpec, faults: &mut Faults) {
    let counts = [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
    ];
    for (name, value) in counts {
        if let Some(value) = value {
            faults.not_negative(format!("{at}.{name}"), value);
        }
    }
    match spec.completion_mode.as_deref() {
        None | Some("NonIndexed") => {
            for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if let Some(value) = spec.rest.get(name) {
                    faults.invalid(format!("{at}.{name}"), value.clone(), "requires indexed completion mode");
                }
            }
        }
        Some("Indexed") => {
            if spec.completions.is_none() {
                faults.required(format!("{at}.completions"), "when completion mode is Indexed");
            }
        }
        Some(other) => {
            let known = "supported values: \"NonIndexed\", \"Indexed\"";
            faults.add(format!("{at}.completionMode"), format!("Unsupported value: {other:?}: {known}"));
        }
    }
    check_template(&format!("{at}.template"), &spec.template, &BTreeSet::new(), faults);
    if spec.template.spec.restart_policy.unwrap_or_default() == RestartPolicy::Always {
        let detail = "valid values: \"OnFailure\", \"Never\"";
        faults.required(format!("{at}.template.spec.restartPolicy"), detail);
    }
}

pub(super) fn job_update(new: &Job, old: &Job, faults: &mut Faults) {
    // The number of completions of an indexed Job may follow its parallelism.
    let elastic = new.is_indexed()
        && new.spec.completions == new.spec.parallelism
        && old.spec.completions == old.spec.parallelism;
    if !elastic {
        immutable("spec.completions", &new.spec.completions, &old.spec.completions, faults);
    }
    immutable("spec.selector", &new.spec.selector, &old.spec.selector, faults);
    // A suspended Job that never ran may still be placed otherwise.
    let movable = old.spec.suspend == Some(true) && old.status.start_time.is_none();
    if !movable {
        immutable("spec.template", &new.spec.template, &old.spec.template, faults);
    }
    immutable("spec.completionMode", &new.spec.completion_mode, &old.spec.completion_mode, faults);
}

pub(super) fn cron_job(o: &CronJob, faults: &mut Faults) {
    let spec = &o.spec;
    if spec.schedule.is_empty() {
        faults.required("spec.schedule", "");
    } else if let Err(why) = Schedule::parse(&spec.schedule) {
        faults.invalid("spec.schedule", spec.schedule.as_str(), &why);
    }
    if let Some(seconds) = spec.starting_deadline_seconds {
        faults.not_negative("spec.startingDeadlineSeconds", seconds);
    }
    if !matches!(spec.concurrency_policy.as_str(), "Allow" | "Forbid" | "Replace") {
        let known = "supported values: \"Allow\", \"Forbid\", \"Replace\"";
        let message = format!("Unsupported value: {}: {known}", json!(spec.concurrency_policy));
        faults.add("spec.concurrencyPolicy", message);
    }
    let at = "spec.jobTemplate.spec";
    check_spec(at, &spec.job_template.spec, faults);
    if let Some(selector) = &spec.job_template.spec.selector {
        faults.invalid(format!("{at}.selector"), json!(selector), "`selector` will be auto-generated");
    }
    if spec.job_template.spec.manual_selector == Some(true) {
        let message = "Unsupported value: true: supported values: \"nil\", \"false\"";
        faults.add(format!("{at}.manualSelector"), message);
    }
    for (name, limit) in [
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ] {
        if let Some(limit) = limit {
            faults.not_negative(format!("spec.{name}"), limit.into());
        }
    }
    if o.metadata.name.len() > CRON_JOB_NAME_MAX {
        let detail = "must be no more than 52 characters";
        faults.invalid("metadata.name", o.metadata.name.as_str(), detail);
    }
}
