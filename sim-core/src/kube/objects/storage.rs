//! Storage as far as pods wait for it: claims, volumes, classes. What is in a volume is not modelled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::meta::{LabelSelector, ObjectMeta, ObjectReference, Rest};

/// Annotation of the class that claims without a class get.
pub const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// Annotation of a claim with the node that the scheduler has chosen for its pod.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Provisioner of classes whose volumes somebody makes by hand.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// `v1.PersistentVolumeClaim`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaim {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: ClaimSpec,
    /// Observed state.
    pub status: ClaimStatus,
}

impl PersistentVolumeClaim {
    /// Whether it has its volume.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.status.phase == "Bound"
    }

    /// How much it asks for, as it was written.
    #[must_use]
    pub fn requested(&self) -> &str {
        self.spec.resources["requests"]["storage"].as_str().unwrap_or("0")
    }
}

/// `v1.PersistentVolumeClaimSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSpec {
    /// How it will be mounted: `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany`, `ReadWriteOncePod`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// How much, under `requests.storage`.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub resources: Value,
    /// Which volumes may be bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Class; the empty text: only volumes without a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// `Filesystem` or `Block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<String>,
    /// The volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume_name: String,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `v1.PersistentVolumeClaimStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimStatus {
    /// How the volume can be mounted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// How big it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// `Pending`, `Bound`, `Lost`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `v1.PersistentVolume`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolume {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: VolumeSpec,
    /// Observed state.
    pub status: VolumeStatus,
}

/// `v1.PersistentVolumeSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeSpec {
    /// How it can be mounted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// How big it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_ref: Option<ObjectReference>,
    /// From which nodes it can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<Value>,
    /// What becomes of it when its claim goes: `Retain`, `Delete`, `Recycle`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub persistent_volume_reclaim_policy: String,
    /// Class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub storage_class_name: String,
    /// `Filesystem` or `Block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<String>,
    /// Other fields, among them where the bytes are.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `v1.PersistentVolumeStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeStatus {
    /// `Pending`, `Available`, `Bound`, `Released`, `Failed`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `storage.k8s.io/v1.StorageClass`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageClass {
    /// Whether claims may grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_volume_expansion: Option<bool>,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Who makes the volumes.
    pub provisioner: String,
    /// What becomes of a volume when its claim goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<String>,
    /// `Immediate`, or `WaitForFirstConsumer`: when a pod that uses the claim has a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_binding_mode: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

impl StorageClass {
    /// Whether somebody makes its volumes. Every provisioner that a class names is taken to run in the cluster.
    #[must_use]
    pub fn provisions(&self) -> bool {
        self.provisioner != NO_PROVISIONER
    }

    /// Whether a claim waits for its pod's node.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
    }
}
