//! `kubectl describe`.

use serde_json::Value;
use sim_core::kube::store::Store;
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::target::Found;
use super::value::{list, name, namespace, text};
use writer::Writer;

mod access;
mod container;
mod endpoints;
mod events;
mod ingress;
mod namespace;
mod node;
mod pod;
mod policy;
mod service;
mod simple;
mod storage;
mod template;
pub(crate) mod verb;
mod volumes;
mod workload;
mod writer;

/// What a description may look at besides the object itself.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) store: &'a Store,
    pub(crate) now: SimTime,
    /// `--show-events`.
    pub(crate) events: bool,
    pub(crate) version: Version,
}

/// The description of one object.
pub(crate) fn describe(found: &Found, look: Look<'_>) -> String {
    let mut w = Writer::new();
    let object = &found.value;
    match found.resource.kind_name() {
        "Pod" => pod::describe(&mut w, object, look),
        "Service" => service::describe(&mut w, object, look),
        "Node" => node::describe(&mut w, object, look),
        "Namespace" => return namespace::describe(w, object),
        "Endpoints" => endpoints::describe(&mut w, object),
        "EndpointSlice" => endpoints::describe_slice(&mut w, object),
        "ConfigMap" => simple::config_map(&mut w, object),
        "Deployment" => workload::deployment(&mut w, object, look),
        "ReplicaSet" => workload::replica_set(&mut w, object, look),
        "StatefulSet" => workload::stateful_set(&mut w, object, look),
        "DaemonSet" => workload::daemon_set(&mut w, object, look),
        "Job" => workload::job(&mut w, object),
        "CronJob" => workload::cron_job(&mut w, object),
        "PodDisruptionBudget" => workload::disruption_budget(&mut w, object),
        "Ingress" => ingress::describe(&mut w, object, look),
        "IngressClass" => workload::ingress_class(&mut w, object),
        "NetworkPolicy" => policy::describe(&mut w, object),
        "Secret" => access::secret(&mut w, object),
        "ServiceAccount" => access::service_account(&mut w, object, look),
        "Role" | "ClusterRole" => access::role(&mut w, object),
        "RoleBinding" | "ClusterRoleBinding" => access::binding(&mut w, object),
        "PersistentVolumeClaim" => storage::claim(&mut w, object, look),
        "PersistentVolume" => storage::volume(&mut w, object, look),
        "StorageClass" => storage::class(&mut w, object),
        "PriorityClass" => storage::priority(&mut w, object),
        "HorizontalPodAutoscaler" => storage::autoscaler(&mut w, object),
        "ResourceQuota" => storage::quota(&mut w, object),
        "LimitRange" => storage::limit_range(&mut w, object),
        "Event" | "Lease" | "ClusterNetworkPolicy" | "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" => {
            return simple::other(w, object);
        }
        _ => simple::head(&mut w, object),
    }
    let without = matches!(
        found.resource.kind_name(),
        "NetworkPolicy"
            | "Secret"
            | "Role"
            | "ClusterRole"
            | "RoleBinding"
            | "ClusterRoleBinding"
            | "ResourceQuota"
            | "LimitRange"
    );
    if look.events && !without {
        events::describe(&mut w, object, look);
    }
    w.finish()
}

/// A pod template as `rollout history` shows it, with its tabs.
pub(crate) fn pod_template(template: &Value) -> String {
    let mut w = Writer::raw();
    template::describe(&mut w, template);
    w.finish()
}

/// Name, namespace, labels, annotations.
fn head(w: &mut Writer, object: &Value) {
    head_with(w, object, |_| {});
}

/// As [`head`], with something between namespace and labels.
fn head_with(w: &mut Writer, object: &Value, between: impl FnOnce(&mut Writer)) {
    w.field(0, "Name", name(object));
    w.field(0, "Namespace", namespace(object));
    between(w);
    w.labels("Labels", object, "/metadata/labels");
    w.annotations("Annotations", object, "/metadata/annotations");
}

/// `Kind/name` of the controller that owns an object.
fn controller(object: &Value) -> Option<String> {
    let owners = list(object, "/metadata/ownerReferences");
    let owner = owners.iter().find(|o| super::value::is_true(o, "/controller"))?;
    Some(format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
