//! Replica sets: as many pods as are wanted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::owned::{controller, is_active};
use super::{Cx, pods};
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{Kind, Object, ObjectKey, Pod, PodPhase, ReplicaSet, Selector, Timestamp};
use crate::kube::store::EventType;
use crate::time::SimTime;

const NAME: &str = "replicaset-controller";
/// Annotation of a pod: what it costs to delete it; the cheapest go first.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

pub(super) fn sync(cx: &mut Cx<'_>, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::ReplicaSet, &key.namespace, &key.name).cloned() else { return };
    let Object::ReplicaSet(set) = &*object else { return };
    let Some(selector) = set.spec.selector.as_ref().and_then(Selector::from_label_selector) else { return };
    if pods::claim(cx, &object, &selector) {
        // What was taken or let go shows in the next round.
        return;
    }
    let mut failure = None;
    if !set.metadata.is_terminating() {
        failure = manage(cx, &object, set);
    }
    report(cx, key, set, failure);
}

/// Makes or deletes pods; why that failed.
fn manage(cx: &mut Cx<'_>, object: &Object, set: &ReplicaSet) -> Option<(&'static str, String)> {
    let wanted = set.spec.replicas.unwrap_or(1);
    let active = cx.owned.tally(&set.metadata.uid).map_or(0, |t| t.active);
    if active < wanted {
        for _ in 0..(wanted - active).min(pods::BURST) {
            let pod = pods::of_template(object, &set.spec.template);
            match pods::create(cx, object, pod, NAME) {
                Ok(name) => {
                    let message = format!("Created pod: {name}");
                    cx.event(object, EventType::Normal, "SuccessfulCreate", NAME, &message);
                }
                Err(e) => return Some(("FailedCreate", e.message)),
            }
        }
    } else if active > wanted {
        let count = usize::try_from((active - wanted).min(pods::BURST)).unwrap_or(0);
        for name in first_to_go(cx, set, count) {
            if pods::delete(cx, &set.metadata.namespace, &name) {
                let message = format!("Deleted pod: {name}");
                cx.event(object, EventType::Normal, "SuccessfulDelete", NAME, &message);
            }
        }
    }
    None
}

/// Names of the pods that go first when there are too many
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset>).
fn first_to_go(cx: &Cx<'_>, set: &ReplicaSet, count: usize) -> Vec<String> {
    let own = pods::of_owner(cx, &set.metadata.namespace, &set.metadata.uid);
    let crowd = crowd(cx, set);
    let mut active: Vec<&Pod> = own
        .iter()
        .filter_map(|o| if let Object::Pod(pod) = &**o { Some(&**pod) } else { None })
        .filter(|pod| is_active(pod))
        .collect();
    active.sort_by_cached_key(|pod| rank(pod, &crowd, cx.now));
    active.into_iter().take(count).map(|pod| pod.metadata.name.clone()).collect()
}

/// How many active pods of the same application are on each node: of this set and of its siblings.
fn crowd(cx: &Cx<'_>, set: &ReplicaSet) -> BTreeMap<String, u32> {
    let namespace = &set.metadata.namespace;
    let siblings = match controller(&set.metadata.owner_references) {
        Some(owner) => cx.owned.children(&owner.uid, Kind::ReplicaSet),
        None => vec![ObjectKey::new(Kind::ReplicaSet, namespace, &set.metadata.name)],
    };
    let mut crowd = BTreeMap::new();
    for key in siblings {
        let Some(sibling) = cx.store.find(Kind::ReplicaSet, &key.namespace, &key.name) else { continue };
        for object in pods::of_owner(cx, namespace, &sibling.meta().uid) {
            if let Object::Pod(pod) = &*object
                && is_active(pod)
            {
                *crowd.entry(pod.spec.node_name.clone()).or_default() += 1;
            }
        }
    }
    crowd
}

/// What decides which pod goes first, the least of all first.
type Rank = (bool, u8, bool, i64, Reverse<u32>, i64, Reverse<u32>, i64, String);

fn rank(pod: &Pod, crowd: &BTreeMap<String, u32>, now: SimTime) -> Rank {
    let phase = match pod.status.phase {
        PodPhase::Pending => 0,
        PodPhase::Unknown => 1,
        _ => 2,
    };
    let cost = pod.metadata.annotations.get(DELETION_COST).and_then(|c| c.parse().ok()).unwrap_or(0);
    let ready_since = pod.condition("Ready").and_then(|c| c.last_transition_time).filter(|_| pod.is_ready());
    let restarts = pod.status.container_statuses.iter().map(|c| c.restart_count).max().unwrap_or(0);
    (
        !pod.spec.node_name.is_empty(),
        phase,
        pod.is_ready(),
        cost,
        Reverse(crowd.get(&pod.spec.node_name).copied().unwrap_or(0)),
        magnitude(ready_since, now),
        Reverse(restarts),
        magnitude(pod.metadata.creation_timestamp, now),
        pod.metadata.uid.clone(),
    )
}

/// The binary order of magnitude of an age: pods whose ages differ little are as old as each other, and chance decides.
fn magnitude(since: Option<Timestamp>, now: SimTime) -> i64 {
    let nanos = since.map_or(0, |since| since.age(now).as_nanos());
    if nanos == 0 { -1 } else { i64::from(nanos.ilog2()) }
}

fn report(cx: &mut Cx<'_>, key: &ObjectKey, set: &ReplicaSet, failure: Option<(&'static str, String)>) {
    let now = cx.now;
    let (replicas, ready) = cx.owned.tally(&set.metadata.uid).map_or((0, 0), |t| (t.active, t.ready));
    let mut status = set.status.clone();
    status.replicas = replicas;
    status.fully_labeled_replicas = replicas;
    status.ready_replicas = ready;
    status.available_replicas = if set.spec.min_ready_seconds > 0 { available(cx, key, set) } else { ready };
    status.observed_generation = set.metadata.generation;
    status.conditions.retain(|c| c.kind != "ReplicaFailure");
    if let Some((reason, message)) = failure {
        let before = set.status.conditions.iter().find(|c| c.kind == "ReplicaFailure");
        status.conditions.push(Condition {
            kind: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            last_transition_time: before.and_then(|c| c.last_transition_time).or(Some(Timestamp::at(now))),
            reason: reason.to_owned(),
            message,
            ..Condition::default()
        });
    }
    if status != set.status {
        let new = ReplicaSet { status, ..set.clone() };
        // It may be gone by now.
        let _ = cx.store.update_status(new, now);
    }
}

/// Pods that have been ready for long enough; the set is looked at again when the next one has.
fn available(cx: &mut Cx<'_>, key: &ObjectKey, set: &ReplicaSet) -> i32 {
    let mut available = 0;
    let mut next = None;
    for object in pods::of_owner(cx, &set.metadata.namespace, &set.metadata.uid) {
        let Object::Pod(pod) = &*object else { continue };
        if !is_active(pod) {
            continue;
        }
        match pods::availability(pod, set.spec.min_ready_seconds, cx.now) {
            Ok(()) => available += 1,
            Err(Some(wait)) => next = Some(next.map_or(wait, |n: std::time::Duration| n.min(wait))),
            Err(None) => {}
        }
    }
    if let Some(wait) = next {
        cx.wake(key, wait);
        cx.wait(key);
    }
    available
}
