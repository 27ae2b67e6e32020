//! `CronJob`.

use serde::{Deserialize, Serialize};

use super::job::JobSpec;
use super::meta::{ObjectMeta, ObjectReference, Rest};
use super::timestamp::Timestamp;

/// `batch/v1.CronJob`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJob {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: CronJobSpec,
    /// Observed state.
    pub status: CronJobStatus,
}

/// `batch/v1.CronJobSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// What happens when the last Job still runs: `Allow`, `Forbid`, `Replace`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub concurrency_policy: String,
    /// Failed Jobs to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_jobs_history_limit: Option<i32>,
    /// What the Jobs are.
    pub job_template: JobTemplateSpec,
    /// When Jobs begin, as in a crontab.
    pub schedule: String,
    /// Seconds by which a Job may begin late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// Successful Jobs to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_jobs_history_limit: Option<i32>,
    /// Whether no Jobs begin for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Zone in which the schedule is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// `batch/v1.JobTemplateSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobTemplateSpec {
    /// Labels and annotations of the Jobs.
    pub metadata: ObjectMeta,
    /// What the Jobs do.
    pub spec: JobSpec,
}

/// `batch/v1.CronJobStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobStatus {
    /// Jobs that run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<ObjectReference>,
    /// When a Job was begun last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Timestamp>,
    /// When a Job succeeded last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Timestamp>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
