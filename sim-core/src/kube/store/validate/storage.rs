//! Claims, volumes and classes; priorities and autoscalers.

use serde_json::json;

use super::Faults;
use crate::kube::objects::HorizontalPodAutoscaler;
use crate::kube::objects::priority_class::PriorityClass;
use crate::kube::objects::storage::{PersistentVolume, PersistentVolumeClaim, StorageClass};

/// More than this is for the system.
const HIGHEST_OF_USERS: i64 = 1_000_000_000;
/// Classes that every cluster has, with their priorities.
pub(crate) const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

pub(super) fn claim(o: &PersistentVolumeClaim, faults: &mut Faults) {
    modes(&o.spec.access_modes, faults);
    if o.spec.resources["requests"]["storage"].is_null() {
        faults.required("spec.resources[storage]", "");
    }
}

/// How something can be mounted.
fn modes(modes: &[String], faults: &mut Faults) {
    if modes.is_empty() {
        faults.required("spec.accessModes", "at least 1 access mode is required");
    }
    const KNOWN: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in modes.iter().filter(|m| !KNOWN.contains(&m.as_str())) {
        let known = KNOWN.map(|k| format!("{k:?}")).join(", ");
        faults.add("spec.accessModes", format!("Unsupported value: {mode:?}: supported values: {known}"));
    }
}

pub(super) fn claim_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim, faults: &mut Faults) {
    let mut munged = new.spec.clone();
    if old.spec.volume_name.is_empty() {
        munged.volume_name.clear();
    }
    munged.resources.clone_from(&old.spec.resources);
    if old.spec.storage_class_name.is_none() {
        munged.storage_class_name = None;
    }
    if munged != old.spec {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        faults.forbidden("spec", detail);
    }
}

/// Fields of a volume that do not say where it is.
const NO_SOURCE: [&str; 2] = ["mountOptions", "volumeAttributesClassName"];

pub(super) fn volume(o: &PersistentVolume, faults: &mut Faults) {
    modes(&o.spec.access_modes, faults);
    if o.spec.capacity.is_empty() {
        faults.required("spec.capacity", "");
    }
    if !o.spec.rest.keys().any(|k| !NO_SOURCE.contains(&k.as_str())) {
        faults.required("spec", "must specify a volume type");
    }
    if o.spec.rest.contains_key("local") && o.spec.node_affinity.is_none() {
        faults.required("spec.nodeAffinity", "Local volume requires node affinity");
    }
}

pub(super) fn class(o: &StorageClass, faults: &mut Faults) {
    if o.provisioner.is_empty() {
        faults.required("provisioner", "");
    }
}

pub(super) fn class_update(new: &StorageClass, old: &StorageClass, faults: &mut Faults) {
    let mut changed = |field: &str, differs: bool| {
        if differs {
            faults.forbidden(field, &format!("updates to {field} are forbidden."));
        }
    };
    changed("parameters", new.rest.get("parameters") != old.rest.get("parameters"));
    changed("provisioner", new.provisioner != old.provisioner);
    changed("reclaimPolicy", new.reclaim_policy != old.reclaim_policy);
    if new.volume_binding_mode != old.volume_binding_mode {
        faults.invalid("volumeBindingMode", json!(new.volume_binding_mode), "field is immutable");
    }
}

pub(super) fn priority(o: &PriorityClass, faults: &mut Faults) {
    let name = o.metadata.name.as_str();
    if let Some((_, value)) = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) {
        if o.value != *value {
            let detail = format!("value of {name} PriorityClass must be {value}");
            faults.forbidden("metadata.name", &detail);
        }
        return;
    }
    if name.starts_with("system-") {
        let detail = "priority class names with 'system-' prefix are reserved for system use only";
        faults.forbidden("metadata.name", detail);
    }
    if o.value > HIGHEST_OF_USERS {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}");
        faults.forbidden("value", &detail);
    }
}

pub(super) fn priority_update(new: &PriorityClass, old: &PriorityClass, faults: &mut Faults) {
    if new.value != old.value {
        faults.forbidden("value", "may not be changed in an update.");
    }
}

pub(super) fn autoscaler(o: &HorizontalPodAutoscaler, faults: &mut Faults) {
    let spec = &o.spec;
    let least = spec.min_replicas.unwrap_or(1);
    if least < 1 {
        faults.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if spec.max_replicas < 1 {
        faults.invalid("spec.maxReplicas", spec.max_replicas, "must be greater than 0");
    }
    if spec.max_replicas < least {
        let detail = "must be greater than or equal to `minReplicas`";
        faults.invalid("spec.maxReplicas", spec.max_replicas, detail);
    }
    if spec.scale_target_ref.kind.is_empty() {
        faults.required("spec.scaleTargetRef.kind", "");
    }
    if spec.scale_target_ref.name.is_empty() {
        faults.required("spec.scaleTargetRef.name", "");
    }
}
