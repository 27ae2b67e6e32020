//! Namespace, Node and `ConfigMap`.

use super::Shape::{Bool, Bytes, Enum, Int32, Int64, Keyed, List, Map, Quantity, Set, Str, Struct, Time};
use super::Type;
use super::meta::OBJECT_META;
use super::values::TAINT_EFFECT;

pub(crate) static ATTACHED_VOLUME: Type =
    Type { go: "v1.AttachedVolume", fields: &[("devicePath", Str), ("name", Str)] };

pub(crate) static CONFIG_MAP: Type = Type {
    go: "v1.ConfigMap",
    fields: &[
        ("apiVersion", Str),
        ("binaryData", Map(&Bytes)),
        ("data", Map(&Str)),
        ("immutable", Bool),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
    ],
};

pub(crate) static CONFIG_MAP_NODE_CONFIG_SOURCE: Type = Type {
    go: "v1.ConfigMapNodeConfigSource",
    fields: &[
        ("kubeletConfigKey", Str),
        ("name", Str),
        ("namespace", Str),
        ("resourceVersion", Str),
        ("uid", Str),
    ],
};

pub(crate) static CONTAINER_IMAGE: Type =
    Type { go: "v1.ContainerImage", fields: &[("names", List(&Str)), ("sizeBytes", Int64)] };

pub(crate) static DAEMON_ENDPOINT: Type = Type { go: "v1.DaemonEndpoint", fields: &[("Port", Int32)] };

pub(crate) static NAMESPACE: Type = Type {
    go: "v1.Namespace",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&NAMESPACE_SPEC)),
        ("status", Struct(&NAMESPACE_STATUS)),
    ],
};

pub(crate) static NAMESPACE_CONDITION: Type = Type {
    go: "v1.NamespaceCondition",
    fields: &[
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static NAMESPACE_SPEC: Type =
    Type { go: "v1.NamespaceSpec", fields: &[("finalizers", List(&Str))] };

pub(crate) static NAMESPACE_STATUS: Type = Type {
    go: "v1.NamespaceStatus",
    fields: &[("conditions", Keyed(&NAMESPACE_CONDITION, "type")), ("phase", Str)],
};

pub(crate) static NODE: Type = Type {
    go: "v1.Node",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&NODE_SPEC)),
        ("status", Struct(&NODE_STATUS)),
    ],
};

pub(crate) static NODE_ADDRESS: Type =
    Type { go: "v1.NodeAddress", fields: &[("address", Str), ("type", Str)] };

pub(crate) static NODE_CONDITION: Type = Type {
    go: "v1.NodeCondition",
    fields: &[
        ("lastHeartbeatTime", Time),
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static NODE_CONFIG_SOURCE: Type =
    Type { go: "v1.NodeConfigSource", fields: &[("configMap", Struct(&CONFIG_MAP_NODE_CONFIG_SOURCE))] };

pub(crate) static NODE_CONFIG_STATUS: Type = Type {
    go: "v1.NodeConfigStatus",
    fields: &[
        ("active", Struct(&NODE_CONFIG_SOURCE)),
        ("assigned", Struct(&NODE_CONFIG_SOURCE)),
        ("error", Str),
        ("lastKnownGood", Struct(&NODE_CONFIG_SOURCE)),
    ],
};

pub(crate) static NODE_DAEMON_ENDPOINTS: Type =
    Type { go: "v1.NodeDaemonEndpoints", fields: &[("kubeletEndpoint", Struct(&DAEMON_ENDPOINT))] };

pub(crate) static NODE_FEATURES: Type =
    Type { go: "v1.NodeFeatures", fields: &[("supplementalGroupsPolicy", Bool)] };

pub(crate) static NODE_RUNTIME_HANDLER: Type = Type {
    go: "v1.NodeRuntimeHandler",
    fields: &[("features", Struct(&NODE_RUNTIME_HANDLER_FEATURES)), ("name", Str)],
};

pub(crate) static NODE_RUNTIME_HANDLER_FEATURES: Type = Type {
    go: "v1.NodeRuntimeHandlerFeatures",
    fields: &[("recursiveReadOnlyMounts", Bool), ("userNamespaces", Bool)],
};

pub(crate) static NODE_SPEC: Type = Type {
    go: "v1.NodeSpec",
    fields: &[
        ("configSource", Struct(&NODE_CONFIG_SOURCE)),
        ("externalID", Str),
        ("podCIDR", Str),
        ("podCIDRs", Set),
        ("providerID", Str),
        ("taints", List(&Struct(&TAINT))),
        ("unschedulable", Bool),
    ],
};

pub(crate) static NODE_STATUS: Type = Type {
    go: "v1.NodeStatus",
    fields: &[
        ("addresses", Keyed(&NODE_ADDRESS, "type")),
        ("allocatable", Map(&Quantity)),
        ("capacity", Map(&Quantity)),
        ("conditions", Keyed(&NODE_CONDITION, "type")),
        ("config", Struct(&NODE_CONFIG_STATUS)),
        ("daemonEndpoints", Struct(&NODE_DAEMON_ENDPOINTS)),
        ("features", Struct(&NODE_FEATURES)),
        ("images", List(&Struct(&CONTAINER_IMAGE))),
        ("nodeInfo", Struct(&NODE_SYSTEM_INFO)),
        ("phase", Str),
        ("runtimeHandlers", List(&Struct(&NODE_RUNTIME_HANDLER))),
        ("volumesAttached", List(&Struct(&ATTACHED_VOLUME))),
        ("volumesInUse", List(&Str)),
    ],
};

pub(crate) static NODE_SWAP_STATUS: Type = Type { go: "v1.NodeSwapStatus", fields: &[("capacity", Int64)] };

pub(crate) static NODE_SYSTEM_INFO: Type = Type {
    go: "v1.NodeSystemInfo",
    fields: &[
        ("architecture", Str),
        ("bootID", Str),
        ("containerRuntimeVersion", Str),
        ("kernelVersion", Str),
        ("kubeProxyVersion", Str),
        ("kubeletVersion", Str),
        ("machineID", Str),
        ("operatingSystem", Str),
        ("osImage", Str),
        ("swap", Struct(&NODE_SWAP_STATUS)),
        ("systemUUID", Str),
    ],
};

pub(crate) static TAINT: Type = Type {
    go: "v1.Taint",
    fields: &[("effect", Enum(&TAINT_EFFECT)), ("key", Str), ("timeAdded", Time), ("value", Str)],
};

pub(crate) static LEASE: Type = Type {
    go: "v1.Lease",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&LEASE_SPEC)),
    ],
};

pub(crate) static LEASE_SPEC: Type = Type {
    go: "v1.LeaseSpec",
    fields: &[
        ("acquireTime", Str),
        ("holderIdentity", Str),
        ("leaseDurationSeconds", Int32),
        ("leaseTransitions", Int32),
        ("preferredHolder", Str),
        ("renewTime", Str),
        ("strategy", Str),
    ],
};

pub(crate) static PRIORITY_CLASS: Type = Type {
    go: "v1.PriorityClass",
    fields: &[
        ("apiVersion", Str),
        ("description", Str),
        ("globalDefault", Bool),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("preemptionPolicy", Str),
        ("value", Int32),
    ],
};
