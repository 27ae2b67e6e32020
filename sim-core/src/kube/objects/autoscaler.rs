//! `HorizontalPodAutoscaler`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meta::{Condition, ObjectMeta, Rest};
use super::timestamp::Timestamp;

/// `autoscaling/v2.HorizontalPodAutoscaler`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HorizontalPodAutoscaler {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: AutoscalerSpec,
    /// Observed state.
    pub status: AutoscalerStatus,
}

/// `autoscaling/v2.HorizontalPodAutoscalerSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalerSpec {
    /// Never more replicas than this.
    pub max_replicas: i32,
    /// What is measured, and where it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Value>,
    /// Never fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// What is scaled.
    pub scale_target_ref: ScaleTarget,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `autoscaling/v2.CrossVersionObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleTarget {
    /// API version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// `autoscaling/v2.HorizontalPodAutoscalerStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalerStatus {
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What was measured, in the order of `metrics`; a cluster without metrics-server measures nothing, and has a null here.
    pub current_metrics: Value,
    /// Replicas that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// Replicas that there should be.
    pub desired_replicas: i32,
    /// When it last scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<Timestamp>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
