//! `NetworkPolicy`, and the policies for the cluster of `policy.networking.k8s.io`.

use super::Shape::{Enum, Int32, IntOrString, Keyed, List, Str, Struct};
use super::Type;
use super::meta::{CONDITION, LABEL_SELECTOR, OBJECT_META};
use super::values::{ADMIN_ACTION, CLUSTER_ACTION, CLUSTER_TIER, POLICY_PROTOCOL, POLICY_TYPE, PROTOCOL};

pub(crate) static NETWORK_POLICY: Type = Type {
    go: "v1.NetworkPolicy",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&NETWORK_POLICY_SPEC)),
    ],
};

pub(crate) static NETWORK_POLICY_SPEC: Type = Type {
    go: "v1.NetworkPolicySpec",
    fields: &[
        ("egress", List(&Struct(&NETWORK_POLICY_EGRESS_RULE))),
        ("ingress", List(&Struct(&NETWORK_POLICY_INGRESS_RULE))),
        ("podSelector", Struct(&LABEL_SELECTOR)),
        ("policyTypes", List(&Enum(&POLICY_TYPE))),
    ],
};

pub(crate) static NETWORK_POLICY_EGRESS_RULE: Type = Type {
    go: "v1.NetworkPolicyEgressRule",
    fields: &[("ports", List(&Struct(&NETWORK_POLICY_PORT))), ("to", List(&Struct(&NETWORK_POLICY_PEER)))],
};

pub(crate) static NETWORK_POLICY_INGRESS_RULE: Type = Type {
    go: "v1.NetworkPolicyIngressRule",
    fields: &[("from", List(&Struct(&NETWORK_POLICY_PEER))), ("ports", List(&Struct(&NETWORK_POLICY_PORT)))],
};

pub(crate) static NETWORK_POLICY_PEER: Type = Type {
    go: "v1.NetworkPolicyPeer",
    fields: &[
        ("ipBlock", Struct(&IP_BLOCK)),
        ("namespaceSelector", Struct(&LABEL_SELECTOR)),
        ("podSelector", Struct(&LABEL_SELECTOR)),
    ],
};

pub(crate) static NETWORK_POLICY_PORT: Type = Type {
    go: "v1.NetworkPolicyPort",
    fields: &[("endPort", Int32), ("port", IntOrString), ("protocol", Enum(&POLICY_PROTOCOL))],
};

pub(crate) static IP_BLOCK: Type =
    Type { go: "v1.IPBlock", fields: &[("cidr", Str), ("except", List(&Str))] };

pub(crate) static CLUSTER_NETWORK_POLICY: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicy",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&CLUSTER_NETWORK_POLICY_SPEC)),
        ("status", Struct(&CLUSTER_POLICY_STATUS)),
    ],
};

pub(crate) static CLUSTER_NETWORK_POLICY_SPEC: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicySpec",
    fields: &[
        ("egress", List(&Struct(&CLUSTER_EGRESS_RULE))),
        ("ingress", List(&Struct(&CLUSTER_INGRESS_RULE))),
        ("priority", Int32),
        ("subject", Struct(&POLICY_SUBJECT)),
        ("tier", Enum(&CLUSTER_TIER)),
    ],
};

pub(crate) static CLUSTER_POLICY_STATUS: Type =
    Type { go: "v1alpha2.ClusterNetworkPolicyStatus", fields: &[("conditions", Keyed(&CONDITION, "type"))] };

pub(crate) static CLUSTER_EGRESS_RULE: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyEgressRule",
    fields: &[
        ("action", Enum(&CLUSTER_ACTION)),
        ("name", Str),
        ("protocols", List(&Struct(&CLUSTER_PROTOCOL))),
        ("to", List(&Struct(&CLUSTER_EGRESS_PEER))),
    ],
};

pub(crate) static CLUSTER_INGRESS_RULE: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyIngressRule",
    fields: &[
        ("action", Enum(&CLUSTER_ACTION)),
        ("from", List(&Struct(&CLUSTER_INGRESS_PEER))),
        ("name", Str),
        ("protocols", List(&Struct(&CLUSTER_PROTOCOL))),
    ],
};

pub(crate) static POLICY_SUBJECT: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicySubject",
    fields: &[("namespaces", Struct(&LABEL_SELECTOR)), ("pods", Struct(&NAMESPACED_POD))],
};

pub(crate) static NAMESPACED_POD: Type = Type {
    go: "v1alpha2.NamespacedPod",
    fields: &[("namespaceSelector", Struct(&LABEL_SELECTOR)), ("podSelector", Struct(&LABEL_SELECTOR))],
};

pub(crate) static CLUSTER_EGRESS_PEER: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyEgressPeer",
    fields: &[
        ("domainNames", List(&Str)),
        ("namespaces", Struct(&LABEL_SELECTOR)),
        ("networks", List(&Str)),
        ("nodes", Struct(&LABEL_SELECTOR)),
        ("pods", Struct(&NAMESPACED_POD)),
    ],
};

pub(crate) static CLUSTER_INGRESS_PEER: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyIngressPeer",
    fields: &[("namespaces", Struct(&LABEL_SELECTOR)), ("pods", Struct(&NAMESPACED_POD))],
};

pub(crate) static CLUSTER_PROTOCOL: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyProtocol",
    fields: &[
        ("destinationNamedPort", Str),
        ("sctp", Struct(&PROTOCOL_MATCH)),
        ("tcp", Struct(&PROTOCOL_MATCH)),
        ("udp", Struct(&PROTOCOL_MATCH)),
    ],
};

pub(crate) static PROTOCOL_MATCH: Type = Type {
    go: "v1alpha2.ClusterNetworkPolicyProtocolTCP",
    fields: &[("destinationPort", Struct(&PORT_MATCH))],
};

pub(crate) static PORT_MATCH: Type =
    Type { go: "v1alpha2.Port", fields: &[("number", Int32), ("range", Struct(&PORT_RANGE))] };

pub(crate) static PORT_RANGE: Type =
    Type { go: "v1alpha2.PortRange", fields: &[("end", Int32), ("start", Int32)] };

pub(crate) static ADMIN_NETWORK_POLICY: Type = Type {
    go: "v1alpha1.AdminNetworkPolicy",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&ADMIN_NETWORK_POLICY_SPEC)),
        ("status", Struct(&CLUSTER_POLICY_STATUS)),
    ],
};

pub(crate) static ADMIN_NETWORK_POLICY_SPEC: Type = Type {
    go: "v1alpha1.AdminNetworkPolicySpec",
    fields: &[
        ("egress", List(&Struct(&ADMIN_EGRESS_RULE))),
        ("ingress", List(&Struct(&ADMIN_INGRESS_RULE))),
        ("priority", Int32),
        ("subject", Struct(&POLICY_SUBJECT)),
    ],
};

pub(crate) static BASELINE_ADMIN_NETWORK_POLICY: Type = Type {
    go: "v1alpha1.BaselineAdminNetworkPolicy",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&BASELINE_ADMIN_NETWORK_POLICY_SPEC)),
        ("status", Struct(&CLUSTER_POLICY_STATUS)),
    ],
};

pub(crate) static BASELINE_ADMIN_NETWORK_POLICY_SPEC: Type = Type {
    go: "v1alpha1.BaselineAdminNetworkPolicySpec",
    fields: &[
        ("egress", List(&Struct(&ADMIN_EGRESS_RULE))),
        ("ingress", List(&Struct(&ADMIN_INGRESS_RULE))),
        ("subject", Struct(&POLICY_SUBJECT)),
    ],
};

pub(crate) static ADMIN_EGRESS_RULE: Type = Type {
    go: "v1alpha1.AdminNetworkPolicyEgressRule",
    fields: &[
        ("action", Enum(&ADMIN_ACTION)),
        ("name", Str),
        ("ports", List(&Struct(&ADMIN_PORT))),
        ("to", List(&Struct(&CLUSTER_EGRESS_PEER))),
    ],
};

pub(crate) static ADMIN_INGRESS_RULE: Type = Type {
    go: "v1alpha1.AdminNetworkPolicyIngressRule",
    fields: &[
        ("action", Enum(&ADMIN_ACTION)),
        ("from", List(&Struct(&CLUSTER_INGRESS_PEER))),
        ("name", Str),
        ("ports", List(&Struct(&ADMIN_PORT))),
    ],
};

pub(crate) static ADMIN_PORT: Type = Type {
    go: "v1alpha1.AdminNetworkPolicyPort",
    fields: &[
        ("namedPort", Str),
        ("portNumber", Struct(&ADMIN_PORT_NUMBER)),
        ("portRange", Struct(&ADMIN_PORT_RANGE)),
    ],
};

pub(crate) static ADMIN_PORT_NUMBER: Type =
    Type { go: "v1alpha1.Port", fields: &[("port", Int32), ("protocol", Enum(&PROTOCOL))] };

pub(crate) static ADMIN_PORT_RANGE: Type = Type {
    go: "v1alpha1.PortRange",
    fields: &[("end", Int32), ("protocol", Enum(&PROTOCOL)), ("start", Int32)],
};
