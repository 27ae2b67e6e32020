//! Pod.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::container::{Container, ContainerStatus};
use super::meta::{ObjectMeta, Rest};
use super::node::TaintEffect;
use super::timestamp::Timestamp;

/// `v1.Pod`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state; shared between the versions of a pod, because it seldom changes and the status often does.
    pub spec: Arc<PodSpec>,
    /// Observed state.
    pub status: PodStatus,
}

impl Pod {
    /// The pod's primary address, once it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.status.pod_ip.parse().ok()
    }

    /// All addresses, the primary one first.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.status.pod_ips.iter().filter_map(|p| p.ip.parse().ok())
    }

    /// Whether the condition `Ready` is `True`.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// Whether something must happen before the scheduler may look at it (`spec.schedulingGates`).
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.spec.rest.get("schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty())
    }

    /// Whether all containers have ended for good: phase `Succeeded` or `Failed`.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.status.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    /// The hostname inside the pod's containers.
    #[must_use]
    pub fn hostname(&self) -> &str {
        if self.spec.hostname.is_empty() { &self.metadata.name } else { &self.spec.hostname }
    }
}

/// `v1.PodSpec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Where the pod would like to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// Containers, at least one.
    pub containers: Vec<Container>,
    /// Resolver settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<PodDnsConfig>,
    /// Where names are resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<DnsPolicy>,
    /// Whether Services become environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_service_links: Option<bool>,
    /// Additional lines of `/etc/hosts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<HostAlias>,
    /// Share the node's network namespace.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// Hostname, instead of the pod's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// Containers that run, one after the other, before the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Node that the pod is bound to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    /// Labels that the node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Whether it may push others off a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
    /// Importance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Conditions, beside readiness of the containers, that make the pod ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readiness_gates: Vec<Value>,
    /// What happens when a container ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Who schedules it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Settings of all containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Value>,
    /// Deprecated copy of `serviceAccountName`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account: String,
    /// Identity of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// Middle part of the pod's DNS name, with a headless Service of that name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subdomain: String,
    /// Seconds between SIGTERM and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Taints that do not keep the pod away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Volumes, shared between the versions of a pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Arc<Value>>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

impl PodSpec {
    /// Containers that were added while the pod runs, as they were written.
    #[must_use]
    pub fn ephemeral_containers(&self) -> &[Value] {
        self.rest.get("ephemeralContainers").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The service account that it asks for, `default` if it names none.
    #[must_use]
    pub fn account(&self) -> &str {
        [&self.service_account_name, &self.service_account]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("default", String::as_str)
    }
}

/// Where a pod's names are resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DnsPolicy {
    /// Cluster DNS first; a pod on the host network uses the node's.
    #[default]
    ClusterFirst,
    /// Cluster DNS first, on the host network too.
    ClusterFirstWithHostNet,
    /// As the node.
    Default,
    /// Only what `dnsConfig` says.
    None,
}

/// What happens when a container ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// It is started again.
    #[default]
    Always,
    /// It is started again if it failed.
    OnFailure,
    /// It stays down.
    Never,
}

/// `v1.PodDNSConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodDnsConfig {
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// `ndots` and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<PodDnsOption>,
    /// Search domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<String>,
}

/// `v1.PodDNSConfigOption`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodDnsOption {
    /// Name: `ndots`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Value, for options that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `v1.HostAlias`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostAlias {
    /// Names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Address.
    pub ip: String,
}

/// `v1.Toleration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// Effect; left out: every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// Key; empty with `Exists`: every taint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How the value is compared; left out: `Equal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// For how long a `NoExecute` taint is tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
    /// Value, for `Equal`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// How a toleration compares the value of a taint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// The same value.
    #[default]
    Equal,
    /// Any value.
    Exists,
}

/// `v1.PodStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// How far the pod has come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<PodCondition>,
    /// State of the containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Address of the node.
    #[serde(rename = "hostIP", skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
    /// Addresses of the node.
    #[serde(rename = "hostIPs", skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<IpEntry>,
    /// State of the init containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// Why the pod is in this state, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Summary.
    pub phase: PodPhase,
    /// The pod's primary address.
    #[serde(rename = "podIP", skip_serializing_if = "String::is_empty")]
    pub pod_ip: String,
    /// All addresses of the pod.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<IpEntry>,
    /// Quality of service: `BestEffort`, `Burstable`, `Guaranteed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_class: Option<String>,
    /// Why the pod is in this state, in one word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When the kubelet took it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Summary of where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PodPhase {
    /// Accepted; not all containers run yet.
    #[default]
    Pending,
    /// Bound to a node, and at least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// The node does not answer.
    Unknown,
}

/// An element of `podIPs` and `hostIPs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpEntry {
    /// Address.
    pub ip: String,
}

/// `v1.PodCondition`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    /// When it was last looked at; nobody fills it in, and it is printed as `null`.
    pub last_probe_time: Option<Timestamp>,
    /// When `status` last changed.
    pub last_transition_time: Option<Timestamp>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The generation the condition speaks about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Why, in one word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// What it is about: `PodScheduled`, `Initialized`, `ContainersReady`, `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
}
