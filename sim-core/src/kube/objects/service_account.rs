//! `ServiceAccount`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meta::{ObjectMeta, ObjectReference};

/// `v1.ServiceAccount`: whom a pod's processes are to the API server. Requests are not authenticated here, so of an account
/// only its existence and whether its token is mounted matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccount {
    /// Whether pods get its token; none: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Secrets with which images are pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Value>,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Secrets that its pods may mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ObjectReference>,
}
