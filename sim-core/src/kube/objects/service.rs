//! Service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::meta::{Condition, ObjectMeta, Rest};
use super::port::{IntOrString, IpFamily, Protocol};

/// `v1.Service`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: ServiceSpec,
    /// Observed state.
    pub status: ServiceStatus,
}

impl Service {
    /// The virtual addresses; none for a headless or `ExternalName` Service.
    pub fn cluster_ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok())
    }

    /// Whether `clusterIP: None` was asked for.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.spec.cluster_ip == "None"
    }

    /// Whether an endpoint must be ready to be published.
    #[must_use]
    pub const fn publishes_unready(&self) -> bool {
        self.spec.publish_not_ready_addresses
    }
}

/// `v1.ServiceSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Whether a `LoadBalancer` also gets node ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// The virtual address, `None`, or empty for `ExternalName`.
    #[serde(rename = "clusterIP", skip_serializing_if = "String::is_empty")]
    pub cluster_ip: String,
    /// The same per family; the first equals `clusterIP`.
    #[serde(rename = "clusterIPs", skip_serializing_if = "Vec::is_empty")]
    pub cluster_ips: Vec<String>,
    /// Addresses that someone else routes to the nodes.
    #[serde(rename = "externalIPs", skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<String>,
    /// Target of an `ExternalName` Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub external_name: String,
    /// Where packets from outside may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,
    /// Node port for a load balancer's health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check_node_port: Option<u16>,
    /// Where packets from inside may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_traffic_policy: Option<TrafficPolicy>,
    /// Families, first the primary one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_families: Vec<IpFamily>,
    /// How many families were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// Who makes the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// Address asked of the load balancer (deprecated).
    #[serde(rename = "loadBalancerIP", skip_serializing_if = "String::is_empty")]
    pub load_balancer_ip: String,
    /// Clients that the load balancer lets in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,
    /// Ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ServicePort>,
    /// Publish endpoints that are not ready.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_not_ready_addresses: bool,
    /// Labels of the pods behind it; empty: someone else writes the endpoints.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    /// `None` or `ClientIP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<SessionAffinity>,
    /// How long affinity lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity_config: Option<SessionAffinityConfig>,
    /// `PreferSameZone`, `PreferSameNode`, `PreferClose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_distribution: Option<String>,
    /// Type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceType>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ServiceSpec {
    /// The type, `ClusterIP` where it is left out.
    #[must_use]
    pub fn service_type(&self) -> ServiceType {
        self.kind.unwrap_or_default()
    }

    /// Seconds of client affinity, if it is on.
    #[must_use]
    pub fn affinity_seconds(&self) -> Option<u32> {
        (self.session_affinity == Some(SessionAffinity::ClientIp)).then(|| {
            let config = self.session_affinity_config.as_ref();
            let seconds = config.and_then(|c| c.client_ip.as_ref()).and_then(|c| c.timeout_seconds);
            seconds.and_then(|s| u32::try_from(s).ok()).unwrap_or(10_800)
        })
    }
}

/// `v1.ServicePort`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Protocol spoken on it, for controllers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Name, needed where there are several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Port on every node, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
    /// Port of the virtual address.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Port of the pods; left out: the same as `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<IntOrString>,
}

impl ServicePort {
    /// The port of the pods, `port` where it is left out.
    #[must_use]
    pub fn target(&self) -> IntOrString {
        self.target_port.clone().unwrap_or_else(|| IntOrString::Int(i32::from(self.port)))
    }
}

/// Type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServiceType {
    /// A virtual address inside the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// And a port on every node.
    NodePort,
    /// And a load balancer outside.
    LoadBalancer,
    /// A DNS alias only.
    ExternalName,
}

/// Which endpoints may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// All.
    #[default]
    Cluster,
    /// Only those of the node where the packet is.
    Local,
}

/// How many families a Service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IpFamilyPolicy {
    /// One.
    SingleStack,
    /// Two if the cluster has two.
    PreferDualStack,
    /// Two.
    RequireDualStack,
}

/// Whether a client stays with its backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SessionAffinity {
    /// No.
    #[default]
    None,
    /// By its address.
    #[serde(rename = "ClientIP")]
    ClientIp,
}

/// `v1.SessionAffinityConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionAffinityConfig {
    /// Settings of `ClientIP`.
    #[serde(rename = "clientIP", skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<ClientIpConfig>,
}

/// `v1.ClientIPConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientIpConfig {
    /// Seconds, 1 to 86400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}

/// `v1.ServiceStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the load balancer got.
    pub load_balancer: LoadBalancerStatus,
}

/// `v1.LoadBalancerStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerStatus {
    /// Its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// `v1.LoadBalancerIngress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerIngress {
    /// Address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Name, for those that have one instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// `VIP`: packets arrive with this destination; `Proxy`: they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_mode: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}
