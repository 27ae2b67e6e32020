//! Which columns `kubectl get` shows for a kind, and what stands in them.
//!
//! In a real cluster the API server lays out the table (`pkg/printers/internalversion`); kubectl only prints it.

use serde_json::Value;
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::super::clock;
use super::super::value::text;

mod access;
mod endpoints;
mod event;
mod ingress;
mod node;
mod pod;
mod policy;
mod scaling;
mod service;
mod simple;
mod storage;
mod workload;

pub(crate) use ingress::addresses as ingress_addresses;
pub(crate) use node::roles;
pub(crate) use storage::modes;
pub(crate) use workload::selector;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Whether only `-o wide` shows it.
    pub(crate) wide: bool,
}

const fn col(name: &'static str) -> Column {
    Column { name, wide: false }
}

const fn wide(name: &'static str) -> Column {
    Column { name, wide: true }
}

/// How and when a table is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) now: SimTime,
    pub(crate) wide: bool,
}

/// The table of one kind. The cells of a row stand for all columns, wide ones included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) columns: &'static [Column],
    pub(crate) cells: fn(&Value, View) -> Vec<String>,
}

/// The table of `kind` on a server of this version; kinds without one of their own show name and age, as custom resources do.
pub(crate) fn layout(kind: &str, version: Version) -> Layout {
    match kind {
        "Pod" => pod::LAYOUT,
        "Service" => service::LAYOUT,
        "Endpoints" => endpoints::ENDPOINTS,
        "EndpointSlice" => endpoints::SLICES,
        "Node" => node::LAYOUT,
        "Namespace" => simple::NAMESPACE,
        "ConfigMap" => simple::CONFIG_MAP,
        "Event" => event::LAYOUT,
        "Deployment" => workload::DEPLOYMENT,
        "ReplicaSet" => workload::REPLICA_SET,
        "StatefulSet" => workload::STATEFUL_SET,
        "DaemonSet" => workload::DAEMON_SET,
        "ControllerRevision" => workload::CONTROLLER_REVISION,
        "Job" => workload::job(version),
        "CronJob" => workload::CRON_JOB,
        "PodDisruptionBudget" => workload::DISRUPTION_BUDGET,
        "Ingress" => ingress::INGRESS,
        "IngressClass" => ingress::CLASS,
        "NetworkPolicy" => policy::NETWORK_POLICY,
        "ClusterNetworkPolicy" => policy::CLUSTER,
        "AdminNetworkPolicy" => policy::ADMIN,
        "Secret" => access::SECRET,
        "ServiceAccount" => access::SERVICE_ACCOUNT,
        "Role" | "ClusterRole" => access::ROLE,
        "RoleBinding" | "ClusterRoleBinding" => access::BINDING,
        "PersistentVolumeClaim" => storage::claim(version),
        "PersistentVolume" => storage::volume(version),
        "StorageClass" => storage::CLASS,
        "HorizontalPodAutoscaler" => scaling::autoscaler(version),
        "PriorityClass" => scaling::PRIORITY_CLASS,
        "Lease" => scaling::LEASE,
        "ResourceQuota" => scaling::QUOTA,
        "LimitRange" => scaling::LIMIT_RANGE,
        _ => simple::OTHER,
    }
}

fn age(object: &Value, view: View) -> String {
    clock::age(text(object, "/metadata/creationTimestamp"), view.now)
}

fn or(found: &str, default: &str) -> String {
    if found.is_empty() { default.to_owned() } else { found.to_owned() }
}

/// At most three of a list, then how many more there are.
pub(crate) fn at_most_three(all: &[String]) -> String {
    match all.get(..3) {
        Some(first) if all.len() > 3 => format!("{} + {} more...", first.join(","), all.len() - 3),
        _ => all.join(","),
    }
}

/// `1.2.3.4:80`, `[fd00::1]:80`.
pub(crate) fn host_port(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
