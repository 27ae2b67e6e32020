//! Texts with a fixed set of values, in the order in which the API server lists them when it refuses another one.

use super::Values;

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident = $go:literal $list:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: Values = Values { go: $go, list: &$list };)*
    };
}

values! {
    PROTOCOL = "v1.Protocol" ["SCTP", "TCP", "UDP"];
    SERVICE_TYPE = "v1.ServiceType" ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    SESSION_AFFINITY = "v1.ServiceAffinity" ["ClientIP", "None"];
    EXTERNAL_TRAFFIC_POLICY = "v1.ServiceExternalTrafficPolicy" ["Cluster", "Local"];
    INTERNAL_TRAFFIC_POLICY = "v1.ServiceInternalTrafficPolicy" ["Cluster", "Local"];
    IP_FAMILY_POLICY = "v1.IPFamilyPolicy" ["PreferDualStack", "RequireDualStack", "SingleStack"];
    IP_FAMILY = "v1.IPFamily" ["IPv4", "IPv6"];
    RESTART_POLICY = "v1.RestartPolicy" ["Always", "OnFailure", "Never"];
    DNS_POLICY = "v1.DNSPolicy" ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    PREEMPTION_POLICY = "v1.PreemptionPolicy" ["PreemptLowerPriority", "Never"];
    PULL_POLICY = "v1.PullPolicy" ["Always", "IfNotPresent", "Never"];
    TERMINATION_MESSAGE_POLICY = "v1.TerminationMessagePolicy" ["FallbackToLogsOnError", "File"];
    URI_SCHEME = "v1.URIScheme" ["HTTP", "HTTPS"];
    TAINT_EFFECT = "v1.TaintEffect" ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    TOLERATION_OPERATOR = "v1.TolerationOperator" ["Equal", "Exists"];
    ADDRESS_TYPE = "v1.AddressType" ["FQDN", "IPv4", "IPv6"];
    RECLAIM_POLICY = "v1.PersistentVolumeReclaimPolicy" ["Delete", "Recycle", "Retain"];
    VOLUME_MODE = "v1.PersistentVolumeMode" ["Block", "Filesystem"];
    BINDING_MODE = "v1.VolumeBindingMode" ["Immediate", "WaitForFirstConsumer"];
    POLICY_PROTOCOL = "v1.Protocol" ["TCP", "UDP", "SCTP"];
    POLICY_TYPE = "v1.PolicyType" ["Ingress", "Egress"];
    CLUSTER_TIER = "v1alpha2.Tier" ["Admin", "Baseline"];
    CLUSTER_ACTION = "v1alpha2.ClusterNetworkPolicyRuleAction" ["Accept", "Deny", "Pass"];
    ADMIN_ACTION = "v1alpha1.AdminNetworkPolicyRuleAction" ["Allow", "Deny", "Pass"];
    POD_PHASE = "v1.PodPhase" ["Pending", "Running", "Succeeded", "Failed", "Unknown"];
}
