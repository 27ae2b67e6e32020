//! `StatefulSet`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployment::is_zero;
use super::meta::{Condition, LabelSelector, ObjectMeta, Rest};
use super::template::{PodTemplateSpec, UpdateStrategy};

/// Label with the name of a stateful set's pod.
pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// Label with the ordinal of an indexed pod.
pub const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// `apps/v1.StatefulSet`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSet {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: StatefulSetSpec,
    /// Observed state.
    pub status: StatefulSetStatus,
}

impl StatefulSet {
    /// The ordinal of the first pod.
    #[must_use]
    pub fn start(&self) -> i32 {
        let start = self.spec.ordinals.as_ref().and_then(|o| o.get("start")).and_then(Value::as_i64);
        start.and_then(|s| i32::try_from(s).ok()).unwrap_or(0)
    }
}

/// `apps/v1.StatefulSetSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSetSpec {
    /// Seconds for which a pod must be ready before it counts as available.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_ready_seconds: i32,
    /// The number of the first pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinals: Option<Value>,
    /// What becomes of volume claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim_retention_policy: Option<Value>,
    /// `OrderedReady` or `Parallel`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_management_policy: String,
    /// Number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Old revisions to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Which pods are its own.
    pub selector: Option<LabelSelector>,
    /// The headless Service that gives the pods their names.
    pub service_name: String,
    /// What the pods are.
    pub template: PodTemplateSpec,
    /// How old pods are replaced.
    pub update_strategy: UpdateStrategy,
    /// Volume claims, one set per pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_claim_templates: Vec<Value>,
}

/// `apps/v1.StatefulSetStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSetStatus {
    /// Pods that have been ready for `minReadySeconds`.
    pub available_replicas: i32,
    /// How often the name of a new revision was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pods of the current revision.
    #[serde(skip_serializing_if = "is_zero")]
    pub current_replicas: i32,
    /// The revision of pods that are not updated.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_revision: String,
    /// The generation that the controller has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods whose condition `Ready` holds.
    #[serde(skip_serializing_if = "is_zero")]
    pub ready_replicas: i32,
    /// All pods.
    pub replicas: i32,
    /// The revision that pods are updated to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub update_revision: String,
    /// Pods of the update revision.
    #[serde(skip_serializing_if = "is_zero")]
    pub updated_replicas: i32,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
