//! Job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployment::is_zero;
use super::meta::{Condition, LabelSelector, ObjectMeta, Rest};
use super::template::PodTemplateSpec;
use super::timestamp::Timestamp;

/// Label of a Job's pods with the Job's name.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Label of a Job's pods with the Job's uid.
pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// Finalizer by which a Job keeps its pods until they are counted.
pub const JOB_TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Label and annotation of an indexed Job's pods with their index.
pub const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// `batch/v1.Job`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: JobSpec,
    /// Observed state.
    pub status: JobStatus,
}

impl Job {
    /// Whether a condition holds: `Complete`, `Failed`, `Suspended`.
    #[must_use]
    pub fn holds(&self, kind: &str) -> bool {
        self.status.conditions.iter().any(|c| c.kind == kind && c.status == "True")
    }

    /// Whether it has ended, well or not.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.holds("Complete") || self.holds("Failed")
    }

    /// Whether each of its pods has a number of its own.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }
}

/// `batch/v1.JobSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// Seconds after which it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Failures after which it is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<i32>,
    /// `NonIndexed` or `Indexed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_mode: Option<String>,
    /// Pods that must succeed; none: the success of one ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    /// Whether the selector is written by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_selector: Option<bool>,
    /// Pods at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// Which pods are its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Whether it has no pods for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// What the pods are.
    pub template: PodTemplateSpec,
    /// Seconds after its end at which it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<i32>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `batch/v1.JobStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// Pods that are pending or running.
    #[serde(skip_serializing_if = "is_zero")]
    pub active: i32,
    /// Indexes that are done: `0,2-4`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub completed_indexes: String,
    /// When it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Timestamp>,
    /// `Complete`, `Failed`, `Suspended` and their forerunners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pods that failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// Active pods whose condition `Ready` holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<i32>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Pods that succeeded.
    #[serde(skip_serializing_if = "is_zero")]
    pub succeeded: i32,
    /// Pods that are being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<i32>,
    /// Pods that have ended and are not counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncounted_terminated_pods: Option<Value>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
