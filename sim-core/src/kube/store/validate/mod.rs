//! Validation: what the API server demands of an object once its defaults are filled in.
//!
//! The rules are checked in the server's order, because kubectl prints the causes in that order. What a rule needs and the
//! simulator gives no meaning to (volume sources, security contexts, resource limits) is accepted unchecked.

mod access;
mod batch;
mod cluster_policy;
mod endpoints;
mod ingress;
mod meta;
mod node;
mod pod;
mod policy;
mod probe;
mod service;
mod storage;
mod workload;

use std::fmt::Display;
use std::net::IpAddr;

use serde_json::Value;

use super::Cause;
use super::names;
use crate::kube::objects::Object;
pub(in crate::kube::store) use policy::rank as policy_rank;
pub(crate) use service::{HEALTH_CHECK_MISUSE, cluster_ip_faults, externally_accessible};
pub(crate) use storage::SYSTEM_CLASSES;

/// Faults of an object that is to be created.
#[must_use]
pub fn validate(object: &Object) -> Vec<Cause> {
    let mut faults = Faults::default();
    meta::check(object, &mut faults);
    match object {
        Object::Namespace(_) => {}
        Object::Node(node) => node::check(node, &mut faults),
        Object::Pod(pod) => pod::check(pod, &mut faults),
        Object::Service(service) => service::check(service, &mut faults),
        Object::Endpoints(endpoints) => endpoints::check(endpoints, &mut faults),
        Object::EndpointSlice(slice) => endpoints::check_slice(slice, &mut faults),
        Object::ConfigMap(map) => meta::check_config_map(map, &mut faults),
        Object::Ingress(ingress) => ingress::check(ingress, &mut faults),
        Object::IngressClass(class) => ingress::check_class(class, &mut faults),
        Object::NetworkPolicy(policy) => policy::check(policy, &mut faults),
        Object::ClusterNetworkPolicy(policy) => cluster_policy::check(policy, &mut faults),
        Object::AdminNetworkPolicy(policy) => cluster_policy::check_admin(&policy.spec, &mut faults),
        Object::BaselineAdminNetworkPolicy(policy) => cluster_policy::check_baseline(policy, &mut faults),
        Object::Secret(secret) => access::check_secret(secret, &mut faults),
        Object::ServiceAccount(_) => {}
        Object::Role(role) => access::check_rules(&role.rules, true, &mut faults),
        Object::ClusterRole(role) => access::check_rules(&role.rules, false, &mut faults),
        Object::RoleBinding(b) => access::check_binding(&b.role_ref, &b.subjects, true, &mut faults),
        Object::ClusterRoleBinding(b) => access::check_binding(&b.role_ref, &b.subjects, false, &mut faults),
        Object::Deployment(o) => workload::deployment(o, &mut faults),
        Object::ReplicaSet(o) => workload::replica_set(o, &mut faults),
        Object::StatefulSet(o) => workload::stateful_set(o, &mut faults),
        Object::DaemonSet(o) => workload::daemon_set(o, &mut faults),
        Object::Job(o) => batch::job(o, &mut faults),
        Object::CronJob(o) => batch::cron_job(o, &mut faults),
        Object::ControllerRevision(o) => workload::controller_revision(o, &mut faults),
        Object::PodDisruptionBudget(o) => workload::disruption_budget(o, &mut faults),
        Object::PersistentVolumeClaim(o) => storage::claim(o, &mut faults),
        Object::PersistentVolume(o) => storage::volume(o, &mut faults),
        Object::StorageClass(o) => storage::class(o, &mut faults),
        Object::PriorityClass(o) => storage::priority(o, &mut faults),
        Object::HorizontalPodAutoscaler(o) => storage::autoscaler(o, &mut faults),
        Object::Lease(_) | Object::ResourceQuota(_) | Object::LimitRange(_) => {}
    }
    faults.causes
}

/// Faults of a new object, with what the server looks at only then.
#[must_use]
pub(super) fn validate_new(object: &Object) -> Vec<Cause> {
    let mut faults = Faults { causes: validate(object) };
    if let Object::Ingress(ingress) = object {
        ingress::check_create(ingress, &mut faults);
    }
    faults.causes
}

/// Faults of an object that is to replace `old`.
#[must_use]
pub fn validate_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut faults = Faults { causes: Vec::new() };
    meta::check_update(new.meta(), old.meta(), &mut faults);
    match (new, old) {
        (Object::Pod(new), Object::Pod(old)) => pod::check_update(new, old, &mut faults),
        (Object::Service(new), Object::Service(old)) => service::check_update(new, old, &mut faults),
        (Object::Node(new), Object::Node(old)) => node::check_update(new, old, &mut faults),
        (Object::EndpointSlice(new), Object::EndpointSlice(old)) if new.address_type != old.address_type => {
            let new = serde_json::to_value(new.address_type).unwrap_or_default();
            faults.add("addressType", format!("Invalid value: {new}: field is immutable"));
        }
        (Object::IngressClass(new), Object::IngressClass(old)) => {
            ingress::check_class_update(new, old, &mut faults);
        }
        (Object::ConfigMap(new), Object::ConfigMap(old)) => {
            meta::check_config_map_update(new, old, &mut faults)
        }
        (Object::Secret(new), Object::Secret(old)) => access::check_secret_update(new, old, &mut faults),
        (Object::RoleBinding(new), Object::RoleBinding(old)) => {
            access::check_binding_update(&new.role_ref, &old.role_ref, &mut faults);
        }
        (Object::ClusterRoleBinding(new), Object::ClusterRoleBinding(old)) => {
            access::check_binding_update(&new.role_ref, &old.role_ref, &mut faults);
        }
        (Object::PersistentVolumeClaim(new), Object::PersistentVolumeClaim(old)) => {
            storage::claim_update(new, old, &mut faults);
        }
        (Object::StorageClass(new), Object::StorageClass(old)) => {
            storage::class_update(new, old, &mut faults);
        }
        (Object::PriorityClass(new), Object::PriorityClass(old)) => {
            storage::priority_update(new, old, &mut faults);
        }
        _ => {}
    }
    faults.causes.extend(validate(new));
    // The workload kinds look at the new object first, at what may not change afterwards.
    match (new, old) {
        (Object::Deployment(new), Object::Deployment(old)) => {
            workload::immutable("spec.selector", &new.spec.selector, &old.spec.selector, &mut faults);
        }
        (Object::ReplicaSet(new), Object::ReplicaSet(old)) => {
            workload::immutable("spec.selector", &new.spec.selector, &old.spec.selector, &mut faults);
        }
        (Object::DaemonSet(new), Object::DaemonSet(old)) => {
            workload::immutable("spec.selector", &new.spec.selector, &old.spec.selector, &mut faults);
        }
        (Object::StatefulSet(new), Object::StatefulSet(old)) => {
            workload::stateful_set_update(new, old, &mut faults);
        }
        (Object::Job(new), Object::Job(old)) => batch::job_update(new, old, &mut faults),
        (Object::ControllerRevision(new), Object::ControllerRevision(old)) => {
            workload::immutable("data", &new.data, &old.data, &mut faults);
        }
        _ => {}
    }
    faults.causes
}

/// Faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    causes: Vec<Cause>,
}

impl Faults {
    fn add(&mut self, field: impl Display, message: impl Into<String>) {
        self.causes.push(Cause { field: field.to_string(), message: message.into() });
    }

    fn required(&mut self, field: impl Display, detail: &str) {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        self.add(field, format!("Required value{detail}"));
    }

    fn forbidden(&mut self, field: impl Display, detail: &str) {
        self.add(field, format!("Forbidden: {detail}"));
    }

    /// `value` in its JSON form, as the server prints it since v1.34.
    fn invalid(&mut self, field: impl Display, value: impl Into<Value>, detail: &str) {
        self.add(field, format!("Invalid value: {}: {detail}", value.into()));
    }

    fn duplicate(&mut self, field: impl Display, value: impl Into<Value>) {
        self.add(field, format!("Duplicate value: {}", value.into()));
    }

    /// A text that must follow a rule of [`names`].
    fn text(&mut self, field: impl Display, text: &str, rule: fn(&str) -> Vec<String>) {
        for fault in rule(text) {
            self.invalid(&field, text, &fault);
        }
    }

    fn port(&mut self, field: impl Display, port: i64) {
        if !(1..=65_535).contains(&port) {
            self.invalid(field, port, "must be between 1 and 65535, inclusive");
        }
    }

    fn not_negative(&mut self, field: impl Display, value: i64) {
        if value < 0 {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// An address; `None` is reported.
    fn address(&mut self, field: impl Display, text: &str) -> Option<IpAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        }
        parsed
    }

    /// An address that can be somebody's.
    fn endpoint_address(&mut self, field: impl Display, text: &str) {
        let Some(ip) = self.address(&field, text) else { return };
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let link_local_multicast = match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        };
        if ip.is_unspecified() {
            self.invalid(&field, text, "may not be unspecified (0.0.0.0 or ::)");
        }
        if ip.is_loopback() {
            self.invalid(&field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        }
        if link_local {
            self.invalid(&field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        }
        if link_local_multicast {
            self.invalid(
                &field,
                text,
                "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
            );
        }
    }

    fn labels<'a>(&mut self, field: &str, labels: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (key, value) in labels {
            self.text(field, key, names::qualified_name);
            self.text(field, value, names::label_value);
        }
    }
}

#[cfg(test)]
mod tests;
