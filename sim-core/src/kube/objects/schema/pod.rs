//! Pod.

use super::Shape::{Bool, Enum, Int32, Int64, Keyed, List, Map, Quantity, Str, Struct, Time};
use super::Type;
use super::container::{
    APP_ARMOR_PROFILE, CONTAINER, CONTAINER_EXTENDED_RESOURCE_REQUEST, CONTAINER_STATUS, EPHEMERAL_CONTAINER,
    RESOURCE_REQUIREMENTS, SE_LINUX_OPTIONS, SECCOMP_PROFILE, WINDOWS_SECURITY_CONTEXT_OPTIONS,
};
use super::meta::{LOCAL_OBJECT_REFERENCE, OBJECT_META};
use super::placement::{AFFINITY, TOLERATION, TOPOLOGY_SPREAD_CONSTRAINT};
use super::values::{DNS_POLICY, POD_PHASE, PREEMPTION_POLICY, RESTART_POLICY};
use super::volume::VOLUME;

pub(crate) static HOST_ALIAS: Type =
    Type { go: "v1.HostAlias", fields: &[("hostnames", List(&Str)), ("ip", Str)] };

pub(crate) static HOST_IP: Type = Type { go: "v1.HostIP", fields: &[("ip", Str)] };

pub(crate) static POD: Type = Type {
    go: "v1.Pod",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&POD_SPEC)),
        ("status", Struct(&POD_STATUS)),
    ],
};

pub(crate) static POD_CONDITION: Type = Type {
    go: "v1.PodCondition",
    fields: &[
        ("lastProbeTime", Time),
        ("lastTransitionTime", Time),
        ("message", Str),
        ("observedGeneration", Int64),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static POD_DNS_CONFIG: Type = Type {
    go: "v1.PodDNSConfig",
    fields: &[
        ("nameservers", List(&Str)),
        ("options", List(&Struct(&POD_DNS_CONFIG_OPTION))),
        ("searches", List(&Str)),
    ],
};

pub(crate) static POD_DNS_CONFIG_OPTION: Type =
    Type { go: "v1.PodDNSConfigOption", fields: &[("name", Str), ("value", Str)] };

pub(crate) static POD_EXTENDED_RESOURCE_CLAIM_STATUS: Type = Type {
    go: "v1.PodExtendedResourceClaimStatus",
    fields: &[
        ("requestMappings", List(&Struct(&CONTAINER_EXTENDED_RESOURCE_REQUEST))),
        ("resourceClaimName", Str),
    ],
};

pub(crate) static POD_IP: Type = Type { go: "v1.PodIP", fields: &[("ip", Str)] };

pub(crate) static POD_OS: Type = Type { go: "v1.PodOS", fields: &[("name", Str)] };

pub(crate) static POD_READINESS_GATE: Type =
    Type { go: "v1.PodReadinessGate", fields: &[("conditionType", Str)] };

pub(crate) static POD_RESOURCE_CLAIM: Type = Type {
    go: "v1.PodResourceClaim",
    fields: &[("name", Str), ("resourceClaimName", Str), ("resourceClaimTemplateName", Str)],
};

pub(crate) static POD_RESOURCE_CLAIM_STATUS: Type =
    Type { go: "v1.PodResourceClaimStatus", fields: &[("name", Str), ("resourceClaimName", Str)] };

pub(crate) static POD_SCHEDULING_GATE: Type = Type { go: "v1.PodSchedulingGate", fields: &[("name", Str)] };

pub(crate) static POD_SECURITY_CONTEXT: Type = Type {
    go: "v1.PodSecurityContext",
    fields: &[
        ("appArmorProfile", Struct(&APP_ARMOR_PROFILE)),
        ("fsGroup", Int64),
        ("fsGroupChangePolicy", Str),
        ("runAsGroup", Int64),
        ("runAsNonRoot", Bool),
        ("runAsUser", Int64),
        ("seLinuxChangePolicy", Str),
        ("seLinuxOptions", Struct(&SE_LINUX_OPTIONS)),
        ("seccompProfile", Struct(&SECCOMP_PROFILE)),
        ("supplementalGroups", List(&Int64)),
        ("supplementalGroupsPolicy", Str),
        ("sysctls", List(&Struct(&SYSCTL))),
        ("windowsOptions", Struct(&WINDOWS_SECURITY_CONTEXT_OPTIONS)),
    ],
};

pub(crate) static POD_SPEC: Type = Type {
    go: "v1.PodSpec",
    fields: &[
        ("activeDeadlineSeconds", Int64),
        ("affinity", Struct(&AFFINITY)),
        ("automountServiceAccountToken", Bool),
        ("containers", Keyed(&CONTAINER, "name")),
        ("dnsConfig", Struct(&POD_DNS_CONFIG)),
        ("dnsPolicy", Enum(&DNS_POLICY)),
        ("enableServiceLinks", Bool),
        ("ephemeralContainers", Keyed(&EPHEMERAL_CONTAINER, "name")),
        ("hostAliases", Keyed(&HOST_ALIAS, "ip")),
        ("hostIPC", Bool),
        ("hostNetwork", Bool),
        ("hostPID", Bool),
        ("hostUsers", Bool),
        ("hostname", Str),
        ("hostnameOverride", Str),
        ("imagePullSecrets", Keyed(&LOCAL_OBJECT_REFERENCE, "name")),
        ("initContainers", Keyed(&CONTAINER, "name")),
        ("nodeName", Str),
        ("nodeSelector", Map(&Str)),
        ("os", Struct(&POD_OS)),
        ("overhead", Map(&Quantity)),
        ("preemptionPolicy", Enum(&PREEMPTION_POLICY)),
        ("priority", Int32),
        ("priorityClassName", Str),
        ("readinessGates", List(&Struct(&POD_READINESS_GATE))),
        ("resourceClaims", Keyed(&POD_RESOURCE_CLAIM, "name")),
        ("resources", Struct(&RESOURCE_REQUIREMENTS)),
        ("restartPolicy", Enum(&RESTART_POLICY)),
        ("runtimeClassName", Str),
        ("schedulerName", Str),
        ("schedulingGates", Keyed(&POD_SCHEDULING_GATE, "name")),
        ("securityContext", Struct(&POD_SECURITY_CONTEXT)),
        ("serviceAccount", Str),
        ("serviceAccountName", Str),
        ("setHostnameAsFQDN", Bool),
        ("shareProcessNamespace", Bool),
        ("subdomain", Str),
        ("terminationGracePeriodSeconds", Int64),
        ("tolerations", List(&Struct(&TOLERATION))),
        ("topologySpreadConstraints", Keyed(&TOPOLOGY_SPREAD_CONSTRAINT, "topologyKey")),
        ("volumes", Keyed(&VOLUME, "name")),
    ],
};

pub(crate) static POD_STATUS: Type = Type {
    go: "v1.PodStatus",
    fields: &[
        ("conditions", Keyed(&POD_CONDITION, "type")),
        ("containerStatuses", List(&Struct(&CONTAINER_STATUS))),
        ("ephemeralContainerStatuses", List(&Struct(&CONTAINER_STATUS))),
        ("extendedResourceClaimStatus", Struct(&POD_EXTENDED_RESOURCE_CLAIM_STATUS)),
        ("hostIP", Str),
        ("hostIPs", Keyed(&HOST_IP, "ip")),
        ("initContainerStatuses", List(&Struct(&CONTAINER_STATUS))),
        ("message", Str),
        ("nominatedNodeName", Str),
        ("observedGeneration", Int64),
        ("phase", Enum(&POD_PHASE)),
        ("podIP", Str),
        ("podIPs", Keyed(&POD_IP, "ip")),
        ("qosClass", Str),
        ("reason", Str),
        ("resize", Str),
        ("resourceClaimStatuses", Keyed(&POD_RESOURCE_CLAIM_STATUS, "name")),
        ("startTime", Time),
    ],
};

pub(crate) static SYSCTL: Type = Type { go: "v1.Sysctl", fields: &[("name", Str), ("value", Str)] };
