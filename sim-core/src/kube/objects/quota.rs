//! What a namespace may use: `ResourceQuota` and `LimitRange`. They are stored and shown; nothing is held to them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meta::ObjectMeta;

/// `v1.ResourceQuota`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceQuota {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub spec: Value,
    /// Observed state.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

/// `v1.LimitRange`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitRange {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub spec: Value,
}
