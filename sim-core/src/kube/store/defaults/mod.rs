//! Defaulting: what the API server and its admission plugins fill in.

mod access;
mod ingress;
mod pod;
mod policy;
mod service;
mod storage;
mod workload;

use serde_json::{Value, json};

use crate::kube::objects::endpoint_slice::SlicePort;
use crate::kube::objects::{Object, Protocol};

pub(super) use ingress::class_of;
pub(super) use pod::{grant_service_account, qos_class};
pub(super) use service::init_families;
pub(in crate::kube) use storage::{CLAIM_PROTECTION, VOLUME_PROTECTION};

/// Label by which a namespace can be selected by name.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Fills in the defaults of an object's own fields; applied to every object that is written.
pub(super) fn fill(object: &mut Object) {
    match object {
        Object::Namespace(namespace) => {
            let name = namespace.metadata.name.clone();
            if !name.is_empty() {
                namespace.metadata.labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name);
            }
        }
        Object::Pod(pod) => pod::fill(pod),
        Object::Service(service) => service::fill(service),
        Object::EndpointSlice(slice) => slice.ports.iter_mut().for_each(fill_slice_port),
        Object::Node(node) if node.spec.pod_cidrs.is_empty() && !node.spec.pod_cidr.is_empty() => {
            node.spec.pod_cidrs = vec![node.spec.pod_cidr.clone()];
        }
        Object::IngressClass(class) => ingress::fill_class(class),
        Object::NetworkPolicy(policy) => policy::fill(policy),
        Object::AdminNetworkPolicy(o) => policy::fill_admin(&mut o.spec),
        Object::BaselineAdminNetworkPolicy(o) => policy::fill_admin(&mut o.spec),
        Object::Secret(secret) => access::fill_secret(secret),
        Object::RoleBinding(binding) => access::fill_binding(&mut binding.role_ref, &mut binding.subjects),
        Object::ClusterRoleBinding(binding) => {
            access::fill_binding(&mut binding.role_ref, &mut binding.subjects);
        }
        Object::Deployment(o) => workload::deployment(o),
        Object::ReplicaSet(o) => workload::replica_set(o),
        Object::StatefulSet(o) => workload::stateful_set(o),
        Object::DaemonSet(o) => workload::daemon_set(o),
        Object::Job(o) => workload::job(o),
        Object::CronJob(o) => workload::cron_job(o),
        Object::PersistentVolumeClaim(o) => storage::claim(o),
        Object::PersistentVolume(o) => storage::volume(o),
        Object::StorageClass(o) => storage::class(o),
        Object::PriorityClass(o) => storage::priority(o),
        Object::HorizontalPodAutoscaler(o) => storage::autoscaler(o),
        _ => {}
    }
}

/// Resets what a creator may not decide: the status, and what the server keeps for itself.
pub(super) fn prepare_for_create(object: &mut Object) {
    match object {
        Object::Namespace(namespace) => {
            if !namespace.spec.finalizers.iter().any(|f| f == "kubernetes") {
                namespace.spec.finalizers.push("kubernetes".to_owned());
            }
            namespace.status = Default::default();
            namespace.status.phase = "Active".to_owned();
        }
        Object::Pod(pod) => {
            pod.status = Default::default();
            pod.status.qos_class = Some(qos_class(&pod.spec).to_owned());
            pod.metadata.generation = Some(1);
        }
        Object::Service(service) => service.status = Default::default(),
        Object::EndpointSlice(slice) => slice.metadata.generation = Some(1),
        Object::Ingress(ingress) => {
            ingress.status = Default::default();
            ingress.metadata.generation = Some(1);
        }
        Object::IngressClass(class) => class.metadata.generation = Some(1),
        Object::NetworkPolicy(policy) => policy.metadata.generation = Some(1),
        Object::ClusterNetworkPolicy(o) => (o.status, o.metadata.generation) = (None, Some(1)),
        Object::AdminNetworkPolicy(o) => (o.status, o.metadata.generation) = (None, Some(1)),
        Object::BaselineAdminNetworkPolicy(o) => (o.status, o.metadata.generation) = (None, Some(1)),
        Object::Deployment(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::ReplicaSet(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::StatefulSet(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::DaemonSet(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::CronJob(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::PodDisruptionBudget(o) => (o.status, o.metadata.generation) = (Default::default(), Some(1)),
        Object::PersistentVolumeClaim(o) => storage::prepare_claim(o),
        Object::PersistentVolume(o) => storage::prepare_volume(o),
        Object::HorizontalPodAutoscaler(o) => o.status = Default::default(),
        Object::ResourceQuota(o) => o.status = json!({}),
        Object::Job(o) => {
            (o.status, o.metadata.generation) = (Default::default(), Some(1));
            workload::generate_selector(o);
        }
        _ => {}
    }
}

fn fill_slice_port(port: &mut SlicePort) {
    port.name.get_or_insert_default();
    port.protocol.get_or_insert(Protocol::Tcp);
}

/// Sets a field of a raw object if it is not there.
fn or_set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Value::Object(map) = object {
        map.entry(field).or_insert_with(|| value.into());
    }
}

/// The permission bits 0644 in decimal, as YAML output shows them.
fn default_mode() -> Value {
    json!(0o644)
}
