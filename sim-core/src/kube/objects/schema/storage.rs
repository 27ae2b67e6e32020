//! Volumes and classes of the cluster.

use super::Shape::{Any, Bool, Enum, List, Map, Quantity, Set, Str, Struct, Time};
use super::Type;
use super::meta::{OBJECT_META, OBJECT_REFERENCE};
use super::placement::NODE_SELECTOR;
use super::values::{BINDING_MODE, RECLAIM_POLICY, VOLUME_MODE};
use super::volume::{HOST_PATH_VOLUME_SOURCE, NFS_VOLUME_SOURCE};

pub(crate) static LOCAL_VOLUME_SOURCE: Type =
    Type { go: "v1.LocalVolumeSource", fields: &[("fsType", Str), ("path", Str)] };

pub(crate) static PERSISTENT_VOLUME: Type = Type {
    go: "v1.PersistentVolume",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&PERSISTENT_VOLUME_SPEC)),
        ("status", Struct(&PERSISTENT_VOLUME_STATUS)),
    ],
};

/// The sources of single vendors are carried along unread.
pub(crate) static PERSISTENT_VOLUME_SPEC: Type = Type {
    go: "v1.PersistentVolumeSpec",
    fields: &[
        ("accessModes", List(&Str)),
        ("awsElasticBlockStore", Any),
        ("azureDisk", Any),
        ("azureFile", Any),
        ("capacity", Map(&Quantity)),
        ("cephfs", Any),
        ("cinder", Any),
        ("claimRef", Struct(&OBJECT_REFERENCE)),
        ("csi", Any),
        ("fc", Any),
        ("flexVolume", Any),
        ("flocker", Any),
        ("gcePersistentDisk", Any),
        ("glusterfs", Any),
        ("hostPath", Struct(&HOST_PATH_VOLUME_SOURCE)),
        ("iscsi", Any),
        ("local", Struct(&LOCAL_VOLUME_SOURCE)),
        ("mountOptions", List(&Str)),
        ("nfs", Struct(&NFS_VOLUME_SOURCE)),
        ("nodeAffinity", Struct(&VOLUME_NODE_AFFINITY)),
        ("persistentVolumeReclaimPolicy", Enum(&RECLAIM_POLICY)),
        ("photonPersistentDisk", Any),
        ("portworxVolume", Any),
        ("quobyte", Any),
        ("rbd", Any),
        ("scaleIO", Any),
        ("storageClassName", Str),
        ("storageos", Any),
        ("volumeAttributesClassName", Str),
        ("volumeMode", Enum(&VOLUME_MODE)),
        ("vsphereVolume", Any),
    ],
};

pub(crate) static PERSISTENT_VOLUME_STATUS: Type = Type {
    go: "v1.PersistentVolumeStatus",
    fields: &[("lastPhaseTransitionTime", Time), ("message", Str), ("phase", Str), ("reason", Str)],
};

pub(crate) static STORAGE_CLASS: Type = Type {
    go: "v1.StorageClass",
    fields: &[
        ("allowVolumeExpansion", Bool),
        ("allowedTopologies", List(&Struct(&TOPOLOGY_SELECTOR_TERM))),
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("mountOptions", List(&Str)),
        ("parameters", Map(&Str)),
        ("provisioner", Str),
        ("reclaimPolicy", Enum(&RECLAIM_POLICY)),
        ("volumeBindingMode", Enum(&BINDING_MODE)),
    ],
};

pub(crate) static TOPOLOGY_SELECTOR_LABEL_REQUIREMENT: Type =
    Type { go: "v1.TopologySelectorLabelRequirement", fields: &[("key", Str), ("values", Set)] };

pub(crate) static TOPOLOGY_SELECTOR_TERM: Type = Type {
    go: "v1.TopologySelectorTerm",
    fields: &[("matchLabelExpressions", List(&Struct(&TOPOLOGY_SELECTOR_LABEL_REQUIREMENT)))],
};

pub(crate) static VOLUME_NODE_AFFINITY: Type =
    Type { go: "v1.VolumeNodeAffinity", fields: &[("required", Struct(&NODE_SELECTOR))] };
