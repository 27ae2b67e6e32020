//! `DaemonSet`.

use serde::{Deserialize, Serialize};

use super::deployment::is_zero;
use super::meta::{Condition, LabelSelector, ObjectMeta, Rest};
use super::template::{PodTemplateSpec, UpdateStrategy};

/// Label of pods and stored revisions with the hash of their template.
pub const REVISION_HASH: &str = "controller-revision-hash";

/// `apps/v1.DaemonSet`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSet {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: DaemonSetSpec,
    /// Observed state.
    pub status: DaemonSetStatus,
}

/// `apps/v1.DaemonSetSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSetSpec {
    /// Seconds for which a pod must be ready before it counts as available.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_ready_seconds: i32,
    /// Old revisions to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Which pods are its own.
    pub selector: Option<LabelSelector>,
    /// What the pods are.
    pub template: PodTemplateSpec,
    /// How old pods are replaced.
    pub update_strategy: UpdateStrategy,
}

/// `apps/v1.DaemonSetStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSetStatus {
    /// How often the name of a new revision was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Nodes that have a pod and should have one.
    pub current_number_scheduled: i32,
    /// Nodes that should have a pod.
    pub desired_number_scheduled: i32,
    /// Nodes with a pod that has been ready for `minReadySeconds`.
    #[serde(skip_serializing_if = "is_zero")]
    pub number_available: i32,
    /// Nodes that have a pod and should not have one.
    pub number_misscheduled: i32,
    /// Nodes with a pod whose condition `Ready` holds.
    pub number_ready: i32,
    /// Nodes that should have an available pod and have none.
    #[serde(skip_serializing_if = "is_zero")]
    pub number_unavailable: i32,
    /// The generation that the controller has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Nodes with a pod of the current template.
    #[serde(skip_serializing_if = "is_zero")]
    pub updated_number_scheduled: i32,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
