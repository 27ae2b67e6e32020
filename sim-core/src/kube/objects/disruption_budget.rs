//! `PodDisruptionBudget`: how many of a set of pods may be evicted at a time.

use serde::{Deserialize, Serialize};

use super::meta::{Condition, LabelSelector, ObjectMeta, Rest};
use super::port::IntOrString;

/// `policy/v1.PodDisruptionBudget`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudget {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: PodDisruptionBudgetSpec,
    /// Observed state.
    pub status: PodDisruptionBudgetStatus,
}

/// `policy/v1.PodDisruptionBudgetSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudgetSpec {
    /// Pods that may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Pods that must stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// Which pods it protects; an empty selector: all of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// When pods that are not ready may be evicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_pod_eviction_policy: Option<String>,
}

/// `policy/v1.PodDisruptionBudgetStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudgetStatus {
    /// `DisruptionAllowed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pods that are ready.
    pub current_healthy: i32,
    /// Pods that must stay ready.
    pub desired_healthy: i32,
    /// Evictions that are allowed now.
    pub disruptions_allowed: i32,
    /// Pods that are counted.
    pub expected_pods: i32,
    /// The generation that the controller has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
