//! The horizontal pod autoscaler of a cluster without metrics-server: it keeps the number of replicas between its bounds, and says that
//! it can measure nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::kube::objects::meta::Condition;
use crate::kube::objects::{HorizontalPodAutoscaler, Kind, Object, ObjectKey, ObjectReference, Timestamp};
use crate::kube::store::{Change, ChangeKind, EventType, PatchType, Store, set_condition};
use crate::time::SimTime;

const NAME: &str = "horizontal-pod-autoscaler";
/// How often an autoscaler looks.
const PERIOD: Duration = Duration::from_secs(15);
/// What the API server answers where no metrics-server is behind it.
const ABSENT: &str = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get \
                      pods.metrics.k8s.io)";

/// Autoscalers, and those that are to be looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct AutoscalerController {
    all: BTreeSet<(String, String)>,
    dirty: BTreeSet<(String, String)>,
    /// When each last said that it can measure nothing.
    told: BTreeMap<(String, String), SimTime>,
}

impl AutoscalerController {
    pub(super) fn note(&mut self, change: &Change) {
        let meta = change.object.meta();
        let key = || (meta.namespace.clone(), meta.name.clone());
        match &*change.object {
            Object::HorizontalPodAutoscaler(_) if change.what == ChangeKind::Deleted => {
                self.all.remove(&key());
            }
            Object::HorizontalPodAutoscaler(_) => {
                self.all.insert(key());
                self.dirty.insert(key());
            }
            Object::Deployment(_) | Object::ReplicaSet(_) | Object::StatefulSet(_)
                if !self.all.is_empty() =>
            {
                let same = |(namespace, _): &&(String, String)| *namespace == meta.namespace;
                self.dirty.extend(self.all.iter().filter(same).cloned());
            }
            _ => {}
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for key in std::mem::take(&mut self.dirty) {
            let Some(scaler) = store.read::<HorizontalPodAutoscaler>(&key.0, &key.1).cloned() else {
                self.told.remove(&key);
                continue;
            };
            let tell = self.told.get(&key).is_none_or(|last| now >= *last + PERIOD);
            if look(store, scaler, tell, now) && tell {
                self.told.insert(key, now);
            }
        }
    }
}

/// What is scaled, if it can be.
fn target(scaler: &HorizontalPodAutoscaler) -> Option<ObjectKey> {
    let of = &scaler.spec.scale_target_ref;
    let kind =
        [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet].into_iter().find(|k| k.name() == of.kind)?;
    Some(ObjectKey::new(kind, &scaler.metadata.namespace, &of.name))
}

/// Replicas that are wanted and that there are.
fn replicas(object: &Object) -> (i32, i32) {
    match object {
        Object::Deployment(o) => (o.spec.replicas.unwrap_or(1), o.status.replicas),
        Object::ReplicaSet(o) => (o.spec.replicas.unwrap_or(1), o.status.replicas),
        Object::StatefulSet(o) => (o.spec.replicas.unwrap_or(1), o.status.replicas),
        _ => (0, 0),
    }
}

/// Looks at one; whether there was something to measure. `tell`: whether to say that nothing can be measured.
fn look(store: &mut Store, mut scaler: HorizontalPodAutoscaler, tell: bool, now: SimTime) -> bool {
    let reference = Object::from(scaler.clone()).reference();
    let key = target(&scaler);
    let found = key.as_ref().and_then(|k| store.find(k.kind, &k.namespace, &k.name).cloned());
    let (Some(key), Some(object)) = (key, found) else {
        let of = &scaler.spec.scale_target_ref;
        let message = format!("{}s.apps {:?} not found", of.kind.to_lowercase(), of.name);
        condition(&mut scaler, "AbleToScale", "False", "FailedGetScale", &unable(&message), now);
        store.event(&reference, EventType::Warning, "FailedGetScale", NAME, &message, now);
        save(store, scaler, now);
        return false;
    };
    let (wanted, there) = replicas(&object);
    let (least, most) = (scaler.spec.min_replicas.unwrap_or(1), scaler.spec.max_replicas);
    scaler.status.current_replicas = Some(there);
    let message = "the HPA controller was able to get the target's current scale";
    condition(&mut scaler, "AbleToScale", "True", "SucceededGetScale", message, now);
    if wanted == 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        condition(&mut scaler, "ScalingActive", "False", "ScalingDisabled", message, now);
        scaler.status.desired_replicas = 0;
        save(store, scaler, now);
        return false;
    }
    let bound = if wanted > most {
        Some((most, "Current number of replicas above Spec.MaxReplicas"))
    } else if wanted < least {
        Some((least, "Current number of replicas below Spec.MinReplicas"))
    } else {
        None
    };
    if let Some((replicas, why)) = bound {
        let patch = json!({"spec": {"replicas": replicas}});
        if store.patch(key.kind, &key.namespace, &key.name, PatchType::Merge, &patch, now).is_ok() {
            let message = format!("New size: {replicas}; reason: {why}");
            store.event(&reference, EventType::Normal, "SuccessfulRescale", NAME, &message, now);
            let message = format!("the HPA controller was able to update the target scale to {replicas}");
            condition(&mut scaler, "AbleToScale", "True", "SucceededRescale", &message, now);
            scaler.status.desired_replicas = replicas;
            scaler.status.last_scale_time = Some(Timestamp::at(now));
        }
        save(store, scaler, now);
        return false;
    }
    unmeasured(store, &mut scaler, &reference, tell, now);
    save(store, scaler, now);
    true
}

fn unable(message: &str) -> String {
    format!("the HPA controller was unable to get the target's current scale: {message}")
}

/// Nobody serves the metrics.
fn unmeasured(
    store: &mut Store,
    scaler: &mut HorizontalPodAutoscaler,
    reference: &ObjectReference,
    tell: bool,
    now: SimTime,
) {
    let mut first = None;
    for metric in &scaler.spec.metrics {
        let Some(name) = metric["resource"]["name"].as_str() else { continue };
        let what =
            if metric["resource"]["target"]["type"] == "Utilization" { "utilization" } else { "usage" };
        let message =
            format!("failed to get {name} {what}: unable to get metrics for resource {name}: {ABSENT}");
        if tell {
            store.event(reference, EventType::Warning, "FailedGetResourceMetric", NAME, &message, now);
        }
        first.get_or_insert((name.to_owned(), message));
    }
    let Some((name, message)) = first else { return };
    let why = format!("the HPA was unable to compute the replica count: {message}");
    condition(scaler, "ScalingActive", "False", "FailedGetResourceMetric", &why, now);
    if !tell {
        return;
    }
    let all = scaler.spec.metrics.len();
    let event = format!(
        "invalid metrics ({all} invalid out of {all}), first error is: failed to get {name} resource metric value: {message}"
    );
    store.event(reference, EventType::Warning, "FailedComputeMetricsReplicas", NAME, &event, now);
}

fn condition(
    scaler: &mut HorizontalPodAutoscaler,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: SimTime,
) {
    set_condition(
        &mut scaler.status.conditions,
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Some(Timestamp::at(now)),
            ..Condition::default()
        },
    );
}

fn save(store: &mut Store, scaler: HorizontalPodAutoscaler, now: SimTime) {
    let known = store.read::<HorizontalPodAutoscaler>(&scaler.metadata.namespace, &scaler.metadata.name);
    if known.is_some_and(|k| k.status != scaler.status) {
        // It is there: it was read just now.
        let _ = store.update_status(scaler, now);
    }
}
