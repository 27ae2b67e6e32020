//! API objects: one typed struct per kind, and how they are read from what people write.
//!
//! What the simulator gives a meaning to is a typed field; every other field of the real API is known by name, checked for
//! its type and carried along as it was written ([`meta::Rest`]). A name that the API does not have is an error.

pub mod config_map;
pub mod container;
pub mod controller_revision;
pub mod cron_job;
pub mod daemon_set;
pub mod decode;
pub mod deployment;
pub mod disruption_budget;
pub mod endpoint_slice;
pub mod endpoints;
pub mod explain;
pub mod ingress;
pub mod job;
pub mod json_text;
pub mod kind;
pub mod manifest;
pub mod meta;
pub mod namespace;
pub mod nearest;
pub mod node;
pub mod object;
pub mod pod;
pub mod port;
pub mod quantity;
pub mod rbac;
pub mod replica_set;
pub(crate) mod schema;
pub mod secret;
pub mod selector;
pub mod served;
pub mod service;
pub mod service_account;
pub mod stateful_set;
pub mod template;
pub mod timestamp;
pub mod yaml;

pub use config_map::ConfigMap;
pub use container::{Container, ContainerPort, ContainerState, ContainerStatus};
pub use controller_revision::ControllerRevision;
pub use cron_job::CronJob;
pub use daemon_set::DaemonSet;
pub use deployment::Deployment;
pub use disruption_budget::PodDisruptionBudget;
pub use endpoint_slice::{Endpoint, EndpointSlice};
pub use endpoints::Endpoints;
pub use ingress::{Ingress, IngressClass};
pub use job::Job;
pub use kind::Kind;
pub use meta::{LabelSelector, ObjectKey, ObjectMeta, ObjectReference, OwnerReference};
pub use namespace::Namespace;
pub use node::{Node, Taint, TaintEffect};
pub use object::{Object, Resource};
pub use pod::{Pod, PodCondition, PodPhase, PodSpec, PodStatus};
pub use port::{IntOrString, IpFamily, Protocol};
pub use rbac::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
pub use replica_set::ReplicaSet;
pub use secret::Secret;
pub use selector::Selector;
pub use service::{Service, ServicePort, ServiceType};
pub use service_account::ServiceAccount;
pub use stateful_set::StatefulSet;
pub use template::PodTemplateSpec;
pub use timestamp::Timestamp;
