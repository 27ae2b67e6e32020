//! `NetworkPolicy`: which connections the pods of a namespace may take part in.

use serde::{Deserialize, Serialize};

use super::meta::{LabelSelector, ObjectMeta};
use super::port::{IntOrString, Protocol};

/// `networking.k8s.io/v1.NetworkPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: NetworkPolicySpec,
}

/// `v1.NetworkPolicySpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySpec {
    /// What the selected pods may connect to; counts only if [`PolicyType::Egress`] is among the types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<NetworkPolicyEgressRule>,
    /// What may connect to the selected pods; counts only if [`PolicyType::Ingress`] is among the types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<NetworkPolicyIngressRule>,
    /// Pods of the policy's namespace that it is for; empty: all of them.
    pub pod_selector: LabelSelector,
    /// Directions that it is about. The server fills them in: ingress always, egress if there are egress rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_types: Vec<PolicyType>,
}

impl NetworkPolicySpec {
    /// Whether the policy is about connections to the selected pods.
    #[must_use]
    pub fn affects_ingress(&self) -> bool {
        self.policy_types.is_empty() || self.policy_types.contains(&PolicyType::Ingress)
    }

    /// Whether the policy is about connections of the selected pods.
    #[must_use]
    pub fn affects_egress(&self) -> bool {
        let by_default = self.policy_types.is_empty() && !self.egress.is_empty();
        by_default || self.policy_types.contains(&PolicyType::Egress)
    }
}

/// `v1.PolicyType`: a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyType {
    /// Towards the pod.
    Ingress,
    /// Away from the pod.
    Egress,
}

/// `v1.NetworkPolicyIngressRule`: one of these peers on one of these ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPolicyIngressRule {
    /// Sources; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<NetworkPolicyPeer>,
    /// Ports of the selected pods; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NetworkPolicyPort>,
}

/// `v1.NetworkPolicyEgressRule`: one of these peers on one of these ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPolicyEgressRule {
    /// Ports of the destinations; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NetworkPolicyPort>,
    /// Destinations; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<NetworkPolicyPeer>,
}

/// `v1.NetworkPolicyPort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicyPort {
    /// Last port of a range that begins at `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_port: Option<i32>,
    /// A number, or the name of a container port of the destination; none: all ports of the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<IntOrString>,
    /// TCP if it is left out; the server writes it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// `v1.NetworkPolicyPeer`: pods by their labels and their namespace's, or addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicyPeer {
    /// Addresses; then there is no selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
    /// Namespaces; left out: the policy's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Pods in these namespaces; left out: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
}

/// `v1.IPBlock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpBlock {
    /// The block.
    pub cidr: String,
    /// Parts of it that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}
