//! Policies for the whole cluster, of the group `policy.networking.k8s.io`: `ClusterNetworkPolicy`, and its older forms
//! `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy`.
//!
//! In a real cluster somebody has to install these kinds first, as custom resources; here the server knows them always.

use serde::{Deserialize, Serialize};

use super::meta::{Condition, LabelSelector, ObjectMeta};
use super::port::Protocol;

/// The API group.
pub const GROUP: &str = "policy.networking.k8s.io";

/// `policy.networking.k8s.io/v1alpha2.ClusterNetworkPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterNetworkPolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: ClusterNetworkPolicySpec,
    /// Observed state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterPolicyStatus>,
}

/// `v1alpha2.ClusterNetworkPolicySpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterNetworkPolicySpec {
    /// Rules for connections of the selected pods; the first that matches counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<ClusterEgressRule>,
    /// Rules for connections to the selected pods; the first that matches counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<ClusterIngressRule>,
    /// 0 to 1000; smaller numbers come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<PolicySubject>,
    /// Before or after all network policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<ClusterTier>,
}

/// `v1alpha2.Tier`: when a policy for the cluster is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClusterTier {
    /// Before all network policies.
    Admin,
    /// After them, if none selects the pod.
    Baseline,
}

/// `v1alpha2.ClusterNetworkPolicyRuleAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterAction {
    /// Let through; `Allow` in the older kinds.
    Accept,
    /// Drop.
    Deny,
    /// Leave it to the next tier.
    Pass,
}

/// `v1alpha2.ClusterNetworkPolicyIngressRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterIngressRule {
    /// What happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ClusterAction>,
    /// Sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<ClusterPeer>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Protocols and ports of the selected pods; left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<ClusterProtocol>>,
}

/// `v1alpha2.ClusterNetworkPolicyEgressRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterEgressRule {
    /// What happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ClusterAction>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Protocols and ports of the destinations; left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<ClusterProtocol>>,
    /// Destinations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<ClusterPeer>,
}

/// Whom a policy for the cluster is for: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicySubject {
    /// All pods of these namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Some pods of some namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
}

/// Some pods of some namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespacedPods {
    /// The namespaces; empty or left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The pods; empty: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
}

/// Who is at the other end: one of these. Only egress rules have the last three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterPeer {
    /// All pods of these namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Some pods of some namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// The addresses of these nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<LabelSelector>,
    /// These addresses, those of pods among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// What these names stand for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domain_names: Vec<String>,
}

/// `v1alpha2.ClusterNetworkPolicyProtocol`: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterProtocol {
    /// A container port of the destination, of any protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_named_port: Option<String>,
    /// SCTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp: Option<ProtocolMatch>,
    /// TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<ProtocolMatch>,
    /// UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<ProtocolMatch>,
}

/// What is asked of a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProtocolMatch {
    /// Ports; left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<PortMatch>,
}

/// One port or a range of ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortMatch {
    /// One port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// Several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<PortRange>,
}

/// Ports from the first to the last, both included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortRange {
    /// The last.
    pub end: i32,
    /// Transport protocol; only the older kinds write it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The first.
    pub start: i32,
}

/// What an implementation reports of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterPolicyStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// `policy.networking.k8s.io/v1alpha1.AdminNetworkPolicy`: the older form of the admin tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminNetworkPolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: AdminNetworkPolicySpec,
    /// Observed state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterPolicyStatus>,
}

/// `policy.networking.k8s.io/v1alpha1.BaselineAdminNetworkPolicy`: the older form of the baseline tier; there is one, named
/// `default`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BaselineAdminNetworkPolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state; it has no priority.
    pub spec: AdminNetworkPolicySpec,
    /// Observed state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterPolicyStatus>,
}

/// `v1alpha1.AdminNetworkPolicySpec`, and `v1alpha1.BaselineAdminNetworkPolicySpec`, which has no priority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminNetworkPolicySpec {
    /// Rules for connections of the selected pods; the first that matches counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<AdminEgressRule>,
    /// Rules for connections to the selected pods; the first that matches counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<AdminIngressRule>,
    /// 0 to 1000; smaller numbers come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<PolicySubject>,
}

/// `v1alpha1.AdminNetworkPolicyRuleAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminAction {
    /// Let through.
    Allow,
    /// Drop.
    Deny,
    /// Leave it to the network policies.
    Pass,
}

/// `v1alpha1.AdminNetworkPolicyIngressRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminIngressRule {
    /// What happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<AdminAction>,
    /// Sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<ClusterPeer>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Ports of the selected pods; left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<AdminPort>>,
}

/// `v1alpha1.AdminNetworkPolicyEgressRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminEgressRule {
    /// What happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<AdminAction>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Ports of the destinations; left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<AdminPort>>,
    /// Destinations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<ClusterPeer>,
}

/// `v1alpha1.AdminNetworkPolicyPort`: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdminPort {
    /// A container port of the destination, of any protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_port: Option<String>,
    /// One port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_number: Option<PortNumber>,
    /// Several ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
}

/// `v1alpha1.Port`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortNumber {
    /// Its number.
    pub port: i32,
    /// Transport protocol; the server fills in TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}
