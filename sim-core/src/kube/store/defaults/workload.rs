//! Kinds that make pods.

use std::sync::Arc;

use serde_json::{Value, json};

use super::or_set;
use super::pod::fill_spec;
use crate::kube::objects::job::{CONTROLLER_UID, JOB_NAME};
use crate::kube::objects::meta::LabelSelector;
use crate::kube::objects::template::{RollingUpdate, UpdateStrategy};
use crate::kube::objects::{
    CronJob, DaemonSet, Deployment, IntOrString, Job, PodTemplateSpec, ReplicaSet, StatefulSet,
};

/// Old revisions that are kept.
const HISTORY: i32 = 10;
/// Seconds without progress after which a Deployment says so.
const PROGRESS_DEADLINE: i32 = 600;
/// Failures after which a Job is given up.
const BACKOFF_LIMIT: i32 = 6;

fn template(template: &mut PodTemplateSpec) {
    fill_spec(Arc::make_mut(&mut template.spec));
}

/// The parameters of a rolling update, if that is the strategy.
fn rolling(strategy: &mut UpdateStrategy) -> Option<&mut RollingUpdate> {
    if strategy.kind.is_empty() {
        "RollingUpdate".clone_into(&mut strategy.kind);
    }
    (strategy.kind == "RollingUpdate").then(|| strategy.rolling_update.get_or_insert_default())
}

pub(super) fn deployment(o: &mut Deployment) {
    let spec = &mut o.spec;
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(HISTORY);
    spec.progress_deadline_seconds.get_or_insert(PROGRESS_DEADLINE);
    if let Some(rolling) = rolling(&mut spec.strategy) {
        let quarter = || IntOrString::String("25%".to_owned());
        rolling.max_unavailable.get_or_insert_with(quarter);
        rolling.max_surge.get_or_insert_with(quarter);
    }
    template(&mut spec.template);
}

pub(super) fn replica_set(o: &mut ReplicaSet) {
    o.spec.replicas.get_or_insert(1);
    template(&mut o.spec.template);
}

pub(super) fn stateful_set(o: &mut StatefulSet) {
    let spec = &mut o.spec;
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(HISTORY);
    if spec.pod_management_policy.is_empty() {
        "OrderedReady".clone_into(&mut spec.pod_management_policy);
    }
    if let Some(rolling) = rolling(&mut spec.update_strategy) {
        rolling.partition.get_or_insert(0);
    }
    let policy = spec.persistent_volume_claim_retention_policy.get_or_insert_with(|| json!({}));
    or_set(policy, "whenDeleted", "Retain");
    or_set(policy, "whenScaled", "Retain");
    for claim in &mut spec.volume_claim_templates {
        or_set(claim, "apiVersion", "v1");
        or_set(claim, "kind", "PersistentVolumeClaim");
        or_set(claim, "status", json!({"phase": "Pending"}));
        if let Some(spec) = claim.get_mut("spec") {
            or_set(spec, "volumeMode", "Filesystem");
        }
    }
    template(&mut spec.template);
}

pub(super) fn daemon_set(o: &mut DaemonSet) {
    let spec = &mut o.spec;
    spec.revision_history_limit.get_or_insert(HISTORY);
    if let Some(rolling) = rolling(&mut spec.update_strategy) {
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    }
    template(&mut spec.template);
}

pub(super) fn job(o: &mut Job) {
    let spec = &mut o.spec;
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    spec.backoff_limit.get_or_insert(BACKOFF_LIMIT);
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
    spec.suspend.get_or_insert(false);
    let policy = if spec.rest.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    spec.rest.entry("podReplacementPolicy".to_owned()).or_insert_with(|| Value::from(policy));
    template(&mut spec.template);
    // Read back from storage, a Job without labels has those of its pods.
    if o.metadata.labels.is_empty() {
        o.metadata.labels.clone_from(&o.spec.template.metadata.labels);
    }
}

/// A Job selects its pods by its own uid, which nobody else can have.
pub(super) fn generate_selector(o: &mut Job) {
    if o.spec.manual_selector == Some(true) {
        return;
    }
    let (name, uid) = (o.metadata.name.clone(), o.metadata.uid.clone());
    let labels = &mut o.spec.template.metadata.labels;
    for (label, value) in
        [("controller-uid", &uid), (CONTROLLER_UID, &uid), ("job-name", &name), (JOB_NAME, &name)]
    {
        labels.insert(label.to_owned(), value.clone());
    }
    o.spec.selector = Some(LabelSelector {
        match_labels: [(CONTROLLER_UID.to_owned(), uid)].into(),
        ..o.spec.selector.take().unwrap_or_default()
    });
}

pub(super) fn cron_job(o: &mut CronJob) {
    let spec = &mut o.spec;
    if spec.concurrency_policy.is_empty() {
        "Allow".clone_into(&mut spec.concurrency_policy);
    }
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    template(&mut spec.job_template.spec.template);
}
