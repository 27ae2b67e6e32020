//! Node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::meta::{Condition, ObjectMeta, Rest};
use super::timestamp::Timestamp;

/// `v1.Node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: NodeSpec,
    /// Observed state.
    pub status: NodeStatus,
}

impl Node {
    /// The address that other nodes and the API server use: the first `InternalIP`.
    #[must_use]
    pub fn internal_ip(&self) -> Option<IpAddr> {
        self.status.addresses.iter().find(|a| a.kind == "InternalIP")?.address.parse().ok()
    }

    /// Whether the condition `Ready` is `True`.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }
}

/// `v1.NodeSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    /// Range from which the node's pods get addresses.
    #[serde(rename = "podCIDR", skip_serializing_if = "String::is_empty")]
    pub pod_cidr: String,
    /// The same per family; the first equals `podCIDR`.
    #[serde(rename = "podCIDRs", skip_serializing_if = "Vec::is_empty")]
    pub pod_cidrs: Vec<String>,
    /// Taints that keep pods away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Cordoned: no new pods.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unschedulable: bool,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `v1.Taint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// What to do with pods that do not tolerate it.
    pub effect: TaintEffect,
    /// Label-like key.
    pub key: String,
    /// Value, often empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// When it was put there, for `NoExecute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<Timestamp>,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// No new pods.
    #[default]
    NoSchedule,
    /// New pods only if nowhere else.
    PreferNoSchedule,
    /// No new pods, and running ones are evicted.
    NoExecute,
}

/// `v1.NodeStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Addresses of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<NodeAddress>,
    /// What pods may use.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: BTreeMap<String, String>,
    /// What there is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// Health.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Versions of kernel, runtime and agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_info: Option<NodeInfo>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `v1.NodeAddress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    /// The address or name.
    pub address: String,
    /// `InternalIP`, `ExternalIP`, `Hostname`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// `v1.NodeSystemInfo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeInfo {
    /// `amd64`.
    pub architecture: String,
    /// Changes at each boot.
    #[serde(rename = "bootID")]
    pub boot_id: String,
    /// `containerd://1.7.27`.
    pub container_runtime_version: String,
    /// `uname -r`.
    pub kernel_version: String,
    /// Left empty since v1.33.
    pub kube_proxy_version: String,
    /// `v1.34.0`.
    pub kubelet_version: String,
    /// `/etc/machine-id`.
    #[serde(rename = "machineID")]
    pub machine_id: String,
    /// `linux`.
    pub operating_system: String,
    /// PRETTY_NAME of the distribution.
    pub os_image: String,
    /// DMI product uuid.
    #[serde(rename = "systemUUID")]
    pub system_uuid: String,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
