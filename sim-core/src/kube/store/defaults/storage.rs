//! Claims, volumes, classes, priorities, autoscalers.

use serde_json::json;

use crate::kube::objects::HorizontalPodAutoscaler;
use crate::kube::objects::priority_class::PriorityClass;
use crate::kube::objects::storage::{PersistentVolume, PersistentVolumeClaim, StorageClass};

/// Keeps a claim while a pod uses it.
pub(crate) const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume while it is bound.
pub(crate) const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
/// Share of CPU that an autoscaler aims at when it names nothing.
const CPU_SHARE: i32 = 80;

pub(super) fn claim(o: &mut PersistentVolumeClaim) {
    o.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    pending(&mut o.status.phase);
}

pub(super) fn volume(o: &mut PersistentVolume) {
    o.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    if o.spec.persistent_volume_reclaim_policy.is_empty() {
        "Retain".clone_into(&mut o.spec.persistent_volume_reclaim_policy);
    }
    pending(&mut o.status.phase);
}

fn pending(phase: &mut String) {
    if phase.is_empty() {
        "Pending".clone_into(phase);
    }
}

pub(super) fn class(o: &mut StorageClass) {
    o.reclaim_policy.get_or_insert_with(|| "Delete".to_owned());
    o.volume_binding_mode.get_or_insert_with(|| "Immediate".to_owned());
}

pub(super) fn priority(o: &mut PriorityClass) {
    o.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
}

pub(super) fn autoscaler(o: &mut HorizontalPodAutoscaler) {
    o.spec.min_replicas.get_or_insert(1);
    if o.spec.metrics.is_empty() {
        let target = json!({"averageUtilization": CPU_SHARE, "type": "Utilization"});
        o.spec.metrics.push(json!({"resource": {"name": "cpu", "target": target}, "type": "Resource"}));
    }
}

pub(super) fn prepare_claim(o: &mut PersistentVolumeClaim) {
    o.status = Default::default();
    protect(&mut o.metadata.finalizers, CLAIM_PROTECTION);
}

pub(super) fn prepare_volume(o: &mut PersistentVolume) {
    o.status = Default::default();
    protect(&mut o.metadata.finalizers, VOLUME_PROTECTION);
}

fn protect(finalizers: &mut Vec<String>, own: &str) {
    if !finalizers.iter().any(|f| f == own) {
        finalizers.push(own.to_owned());
    }
}
