//! `PriorityClass`: a name for how important pods are.

use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;

/// `scheduling.k8s.io/v1.PriorityClass`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PriorityClass {
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether pods that name no class have this one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub global_default: bool,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// `PreemptLowerPriority` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
    /// More is more important.
    pub value: i64,
}
