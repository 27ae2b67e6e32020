//! `ControllerRevision`: what a stateful set or daemon set looked like once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meta::ObjectMeta;

/// `apps/v1.ControllerRevision`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControllerRevision {
    /// The patch that makes the owner what it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Its number.
    pub revision: i64,
}
