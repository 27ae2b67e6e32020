//! Volumes of a pod.

use super::Shape::{Bool, Int32, Int64, List, Map, Quantity, Str, Struct};
use super::Type;
use super::container::{OBJECT_FIELD_SELECTOR, RESOURCE_FIELD_SELECTOR};
use super::meta::{LABEL_SELECTOR, LOCAL_OBJECT_REFERENCE, OBJECT_META};

pub(crate) static AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Type = Type {
    go: "v1.AWSElasticBlockStoreVolumeSource",
    fields: &[("fsType", Str), ("partition", Int32), ("readOnly", Bool), ("volumeID", Str)],
};

pub(crate) static AZURE_DISK_VOLUME_SOURCE: Type = Type {
    go: "v1.AzureDiskVolumeSource",
    fields: &[
        ("cachingMode", Str),
        ("diskName", Str),
        ("diskURI", Str),
        ("fsType", Str),
        ("kind", Str),
        ("readOnly", Bool),
    ],
};

pub(crate) static AZURE_FILE_VOLUME_SOURCE: Type = Type {
    go: "v1.AzureFileVolumeSource",
    fields: &[("readOnly", Bool), ("secretName", Str), ("shareName", Str)],
};

pub(crate) static CSI_VOLUME_SOURCE: Type = Type {
    go: "v1.CSIVolumeSource",
    fields: &[
        ("driver", Str),
        ("fsType", Str),
        ("nodePublishSecretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("readOnly", Bool),
        ("volumeAttributes", Map(&Str)),
    ],
};

pub(crate) static CEPH_FS_VOLUME_SOURCE: Type = Type {
    go: "v1.CephFSVolumeSource",
    fields: &[
        ("monitors", List(&Str)),
        ("path", Str),
        ("readOnly", Bool),
        ("secretFile", Str),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("user", Str),
    ],
};

pub(crate) static CINDER_VOLUME_SOURCE: Type = Type {
    go: "v1.CinderVolumeSource",
    fields: &[
        ("fsType", Str),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("volumeID", Str),
    ],
};

pub(crate) static CLUSTER_TRUST_BUNDLE_PROJECTION: Type = Type {
    go: "v1.ClusterTrustBundleProjection",
    fields: &[
        ("labelSelector", Struct(&LABEL_SELECTOR)),
        ("name", Str),
        ("optional", Bool),
        ("path", Str),
        ("signerName", Str),
    ],
};

pub(crate) static CONFIG_MAP_PROJECTION: Type = Type {
    go: "v1.ConfigMapProjection",
    fields: &[("items", List(&Struct(&KEY_TO_PATH))), ("name", Str), ("optional", Bool)],
};

pub(crate) static CONFIG_MAP_VOLUME_SOURCE: Type = Type {
    go: "v1.ConfigMapVolumeSource",
    fields: &[
        ("defaultMode", Int32),
        ("items", List(&Struct(&KEY_TO_PATH))),
        ("name", Str),
        ("optional", Bool),
    ],
};

pub(crate) static DOWNWARD_API_PROJECTION: Type =
    Type { go: "v1.DownwardAPIProjection", fields: &[("items", List(&Struct(&DOWNWARD_API_VOLUME_FILE)))] };

pub(crate) static DOWNWARD_API_VOLUME_FILE: Type = Type {
    go: "v1.DownwardAPIVolumeFile",
    fields: &[
        ("fieldRef", Struct(&OBJECT_FIELD_SELECTOR)),
        ("mode", Int32),
        ("path", Str),
        ("resourceFieldRef", Struct(&RESOURCE_FIELD_SELECTOR)),
    ],
};

pub(crate) static DOWNWARD_API_VOLUME_SOURCE: Type = Type {
    go: "v1.DownwardAPIVolumeSource",
    fields: &[("defaultMode", Int32), ("items", List(&Struct(&DOWNWARD_API_VOLUME_FILE)))],
};

pub(crate) static EMPTY_DIR_VOLUME_SOURCE: Type =
    Type { go: "v1.EmptyDirVolumeSource", fields: &[("medium", Str), ("sizeLimit", Quantity)] };

pub(crate) static EPHEMERAL_VOLUME_SOURCE: Type = Type {
    go: "v1.EphemeralVolumeSource",
    fields: &[("volumeClaimTemplate", Struct(&PERSISTENT_VOLUME_CLAIM_TEMPLATE))],
};

pub(crate) static FC_VOLUME_SOURCE: Type = Type {
    go: "v1.FCVolumeSource",
    fields: &[
        ("fsType", Str),
        ("lun", Int32),
        ("readOnly", Bool),
        ("targetWWNs", List(&Str)),
        ("wwids", List(&Str)),
    ],
};

pub(crate) static FLEX_VOLUME_SOURCE: Type = Type {
    go: "v1.FlexVolumeSource",
    fields: &[
        ("driver", Str),
        ("fsType", Str),
        ("options", Map(&Str)),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
    ],
};

pub(crate) static FLOCKER_VOLUME_SOURCE: Type =
    Type { go: "v1.FlockerVolumeSource", fields: &[("datasetName", Str), ("datasetUUID", Str)] };

pub(crate) static GCE_PERSISTENT_DISK_VOLUME_SOURCE: Type = Type {
    go: "v1.GCEPersistentDiskVolumeSource",
    fields: &[("fsType", Str), ("partition", Int32), ("pdName", Str), ("readOnly", Bool)],
};

pub(crate) static GIT_REPO_VOLUME_SOURCE: Type = Type {
    go: "v1.GitRepoVolumeSource",
    fields: &[("directory", Str), ("repository", Str), ("revision", Str)],
};

pub(crate) static GLUSTERFS_VOLUME_SOURCE: Type =
    Type { go: "v1.GlusterfsVolumeSource", fields: &[("endpoints", Str), ("path", Str), ("readOnly", Bool)] };

pub(crate) static HOST_PATH_VOLUME_SOURCE: Type =
    Type { go: "v1.HostPathVolumeSource", fields: &[("path", Str), ("type", Str)] };

pub(crate) static ISCSI_VOLUME_SOURCE: Type = Type {
    go: "v1.ISCSIVolumeSource",
    fields: &[
        ("chapAuthDiscovery", Bool),
        ("chapAuthSession", Bool),
        ("fsType", Str),
        ("initiatorName", Str),
        ("iqn", Str),
        ("iscsiInterface", Str),
        ("lun", Int32),
        ("portals", List(&Str)),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("targetPortal", Str),
    ],
};

pub(crate) static IMAGE_VOLUME_SOURCE: Type =
    Type { go: "v1.ImageVolumeSource", fields: &[("pullPolicy", Str), ("reference", Str)] };

pub(crate) static KEY_TO_PATH: Type =
    Type { go: "v1.KeyToPath", fields: &[("key", Str), ("mode", Int32), ("path", Str)] };

pub(crate) static NFS_VOLUME_SOURCE: Type =
    Type { go: "v1.NFSVolumeSource", fields: &[("path", Str), ("readOnly", Bool), ("server", Str)] };

pub(crate) static PERSISTENT_VOLUME_CLAIM_SPEC: Type = Type {
    go: "v1.PersistentVolumeClaimSpec",
    fields: &[
        ("accessModes", List(&Str)),
        ("dataSource", Struct(&TYPED_LOCAL_OBJECT_REFERENCE)),
        ("dataSourceRef", Struct(&TYPED_OBJECT_REFERENCE)),
        ("resources", Struct(&VOLUME_RESOURCE_REQUIREMENTS)),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("storageClassName", Str),
        ("volumeAttributesClassName", Str),
        ("volumeMode", Str),
        ("volumeName", Str),
    ],
};

pub(crate) static PERSISTENT_VOLUME_CLAIM_TEMPLATE: Type = Type {
    go: "v1.PersistentVolumeClaimTemplate",
    fields: &[("metadata", Struct(&OBJECT_META)), ("spec", Struct(&PERSISTENT_VOLUME_CLAIM_SPEC))],
};

pub(crate) static PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Type =
    Type { go: "v1.PersistentVolumeClaimVolumeSource", fields: &[("claimName", Str), ("readOnly", Bool)] };

pub(crate) static PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Type =
    Type { go: "v1.PhotonPersistentDiskVolumeSource", fields: &[("fsType", Str), ("pdID", Str)] };

pub(crate) static POD_CERTIFICATE_PROJECTION: Type = Type {
    go: "v1.PodCertificateProjection",
    fields: &[
        ("certificateChainPath", Str),
        ("credentialBundlePath", Str),
        ("keyPath", Str),
        ("keyType", Str),
        ("maxExpirationSeconds", Int32),
        ("signerName", Str),
    ],
};

pub(crate) static PORTWORX_VOLUME_SOURCE: Type =
    Type { go: "v1.PortworxVolumeSource", fields: &[("fsType", Str), ("readOnly", Bool), ("volumeID", Str)] };

pub(crate) static PROJECTED_VOLUME_SOURCE: Type = Type {
    go: "v1.ProjectedVolumeSource",
    fields: &[("defaultMode", Int32), ("sources", List(&Struct(&VOLUME_PROJECTION)))],
};

pub(crate) static QUOBYTE_VOLUME_SOURCE: Type = Type {
    go: "v1.QuobyteVolumeSource",
    fields: &[
        ("group", Str),
        ("readOnly", Bool),
        ("registry", Str),
        ("tenant", Str),
        ("user", Str),
        ("volume", Str),
    ],
};

pub(crate) static RBD_VOLUME_SOURCE: Type = Type {
    go: "v1.RBDVolumeSource",
    fields: &[
        ("fsType", Str),
        ("image", Str),
        ("keyring", Str),
        ("monitors", List(&Str)),
        ("pool", Str),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("user", Str),
    ],
};

pub(crate) static SCALE_IO_VOLUME_SOURCE: Type = Type {
    go: "v1.ScaleIOVolumeSource",
    fields: &[
        ("fsType", Str),
        ("gateway", Str),
        ("protectionDomain", Str),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("sslEnabled", Bool),
        ("storageMode", Str),
        ("storagePool", Str),
        ("system", Str),
        ("volumeName", Str),
    ],
};

pub(crate) static SECRET_PROJECTION: Type = Type {
    go: "v1.SecretProjection",
    fields: &[("items", List(&Struct(&KEY_TO_PATH))), ("name", Str), ("optional", Bool)],
};

pub(crate) static SECRET_VOLUME_SOURCE: Type = Type {
    go: "v1.SecretVolumeSource",
    fields: &[
        ("defaultMode", Int32),
        ("items", List(&Struct(&KEY_TO_PATH))),
        ("optional", Bool),
        ("secretName", Str),
    ],
};

pub(crate) static SERVICE_ACCOUNT_TOKEN_PROJECTION: Type = Type {
    go: "v1.ServiceAccountTokenProjection",
    fields: &[("audience", Str), ("expirationSeconds", Int64), ("path", Str)],
};

pub(crate) static STORAGE_OS_VOLUME_SOURCE: Type = Type {
    go: "v1.StorageOSVolumeSource",
    fields: &[
        ("fsType", Str),
        ("readOnly", Bool),
        ("secretRef", Struct(&LOCAL_OBJECT_REFERENCE)),
        ("volumeName", Str),
        ("volumeNamespace", Str),
    ],
};

pub(crate) static TYPED_LOCAL_OBJECT_REFERENCE: Type =
    Type { go: "v1.TypedLocalObjectReference", fields: &[("apiGroup", Str), ("kind", Str), ("name", Str)] };

pub(crate) static TYPED_OBJECT_REFERENCE: Type = Type {
    go: "v1.TypedObjectReference",
    fields: &[("apiGroup", Str), ("kind", Str), ("name", Str), ("namespace", Str)],
};

pub(crate) static VOLUME: Type = Type {
    go: "v1.Volume",
    fields: &[
        ("awsElasticBlockStore", Struct(&AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE)),
        ("azureDisk", Struct(&AZURE_DISK_VOLUME_SOURCE)),
        ("azureFile", Struct(&AZURE_FILE_VOLUME_SOURCE)),
        ("cephfs", Struct(&CEPH_FS_VOLUME_SOURCE)),
        ("cinder", Struct(&CINDER_VOLUME_SOURCE)),
        ("configMap", Struct(&CONFIG_MAP_VOLUME_SOURCE)),
        ("csi", Struct(&CSI_VOLUME_SOURCE)),
        ("downwardAPI", Struct(&DOWNWARD_API_VOLUME_SOURCE)),
        ("emptyDir", Struct(&EMPTY_DIR_VOLUME_SOURCE)),
        ("ephemeral", Struct(&EPHEMERAL_VOLUME_SOURCE)),
        ("fc", Struct(&FC_VOLUME_SOURCE)),
        ("flexVolume", Struct(&FLEX_VOLUME_SOURCE)),
        ("flocker", Struct(&FLOCKER_VOLUME_SOURCE)),
        ("gcePersistentDisk", Struct(&GCE_PERSISTENT_DISK_VOLUME_SOURCE)),
        ("gitRepo", Struct(&GIT_REPO_VOLUME_SOURCE)),
        ("glusterfs", Struct(&GLUSTERFS_VOLUME_SOURCE)),
        ("hostPath", Struct(&HOST_PATH_VOLUME_SOURCE)),
        ("image", Struct(&IMAGE_VOLUME_SOURCE)),
        ("iscsi", Struct(&ISCSI_VOLUME_SOURCE)),
        ("name", Str),
        ("nfs", Struct(&NFS_VOLUME_SOURCE)),
        ("persistentVolumeClaim", Struct(&PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE)),
        ("photonPersistentDisk", Struct(&PHOTON_PERSISTENT_DISK_VOLUME_SOURCE)),
        ("portworxVolume", Struct(&PORTWORX_VOLUME_SOURCE)),
        ("projected", Struct(&PROJECTED_VOLUME_SOURCE)),
        ("quobyte", Struct(&QUOBYTE_VOLUME_SOURCE)),
        ("rbd", Struct(&RBD_VOLUME_SOURCE)),
        ("scaleIO", Struct(&SCALE_IO_VOLUME_SOURCE)),
        ("secret", Struct(&SECRET_VOLUME_SOURCE)),
        ("storageos", Struct(&STORAGE_OS_VOLUME_SOURCE)),
        ("vsphereVolume", Struct(&VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE)),
    ],
};

pub(crate) static VOLUME_PROJECTION: Type = Type {
    go: "v1.VolumeProjection",
    fields: &[
        ("clusterTrustBundle", Struct(&CLUSTER_TRUST_BUNDLE_PROJECTION)),
        ("configMap", Struct(&CONFIG_MAP_PROJECTION)),
        ("downwardAPI", Struct(&DOWNWARD_API_PROJECTION)),
        ("podCertificate", Struct(&POD_CERTIFICATE_PROJECTION)),
        ("secret", Struct(&SECRET_PROJECTION)),
        ("serviceAccountToken", Struct(&SERVICE_ACCOUNT_TOKEN_PROJECTION)),
    ],
};

pub(crate) static VOLUME_RESOURCE_REQUIREMENTS: Type = Type {
    go: "v1.VolumeResourceRequirements",
    fields: &[("limits", Map(&Quantity)), ("requests", Map(&Quantity))],
};

pub(crate) static VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Type = Type {
    go: "v1.VsphereVirtualDiskVolumeSource",
    fields: &[("fsType", Str), ("storagePolicyID", Str), ("storagePolicyName", Str), ("volumePath", Str)],
};
