//! `EndpointSlice`: the addresses behind a Service, as kube-proxy and DNS read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::meta::{ObjectMeta, ObjectReference, Rest};
use super::port::Protocol;

/// Label that names the Service of a slice.
pub const LABEL_SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label that names the controller of a slice.
pub const LABEL_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// `discovery.k8s.io/v1.EndpointSlice`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Kind of all addresses in it.
    pub address_type: AddressType,
    /// Endpoints.
    #[serde(serialize_with = "null_if_empty")]
    pub endpoints: Vec<Endpoint>,
    /// Ports of every endpoint.
    #[serde(serialize_with = "null_if_empty")]
    pub ports: Vec<SlicePort>,
}

/// The server prints empty lists of required fields as `null`.
fn null_if_empty<T: Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    if list.is_empty() { serializer.serialize_none() } else { list.serialize(serializer) }
}

impl EndpointSlice {
    /// Name of the Service that the slice belongs to.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        self.metadata.labels.get(LABEL_SERVICE_NAME).map(String::as_str)
    }
}

/// Kind of address in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AddressType {
    /// IPv4 addresses.
    #[default]
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6 addresses.
    #[serde(rename = "IPv6")]
    V6,
    /// Names.
    #[serde(rename = "FQDN")]
    Fqdn,
}

/// `discovery.k8s.io/v1.Endpoint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Addresses; only the first is used.
    pub addresses: Vec<String>,
    /// State.
    pub conditions: EndpointConditions,
    /// Topology labels of older versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deprecated_topology: BTreeMap<String, String>,
    /// Zones and nodes that should use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<EndpointHints>,
    /// Hostname under the Service's name in DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Node that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// What is there, usually a pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<ObjectReference>,
    /// Zone that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `discovery.k8s.io/v1.EndpointConditions`; left out means the usual: ready, serving, not terminating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// Serving and not terminating (or published unready).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// The pod is ready, even if it is terminating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// The pod is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}

impl EndpointConditions {
    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.ready.unwrap_or(true)
    }

    /// Whether it is serving; left out means as ready.
    #[must_use]
    pub fn is_serving(self) -> bool {
        self.serving.unwrap_or_else(|| self.is_ready())
    }

    /// Whether it is terminating.
    #[must_use]
    pub fn is_terminating(self) -> bool {
        self.terminating.unwrap_or(false)
    }
}

/// `discovery.k8s.io/v1.EndpointHints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointHints {
    /// Nodes that should use the endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub for_nodes: Vec<NamedHint>,
    /// Zones that should use the endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub for_zones: Vec<NamedHint>,
}

/// A node or zone in a hint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedHint {
    /// Its name.
    pub name: String,
}

/// `discovery.k8s.io/v1.EndpointPort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlicePort {
    /// Protocol spoken on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Name, joins it with the Service's port; controllers write the empty name too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number; left out means all ports, which kube-proxy ignores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}
