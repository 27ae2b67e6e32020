//! `Lease`: who holds something for how long. Every node has one, by which its kubelet says that it lives.

use serde::{Deserialize, Serialize};

use super::meta::{ObjectMeta, Rest};

/// `coordination.k8s.io/v1.Lease`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lease {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Who holds it.
    pub spec: LeaseSpec,
}

/// `coordination.k8s.io/v1.LeaseSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseSpec {
    /// The holder.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub holder_identity: String,
    /// Seconds for which a renewal counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_duration_seconds: Option<i32>,
    /// Other fields. The renewals of a node's lease are not written down: they would be most of what the store does.
    #[serde(flatten)]
    pub rest: Rest,
}
