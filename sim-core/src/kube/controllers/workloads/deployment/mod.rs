//! Deployments: replica sets that take over from each other.
//!
//! `revision` finds and makes replica sets, `scale` decides their sizes, `status` says how far the rollout is. The order of the steps is that
//! of the real controller: one step per look, and each change brings the next look.

mod revision;
mod scale;
mod status;

use std::sync::Arc;

use super::Cx;
use super::pods::{self, owner_reference};
use crate::kube::objects::{Deployment, IntOrString, Kind, Object, ObjectKey, ReplicaSet, Selector};
use crate::kube::store::EventType;

const NAME: &str = "deployment-controller";
/// Annotations of a replica set: how many pods its Deployment wanted when it was scaled, and how many at most.
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(crate) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

pub(super) fn sync(cx: &mut Cx<'_>, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::Deployment, &key.namespace, &key.name).cloned() else { return };
    let Object::Deployment(deployment) = &*object else { return };
    adopt(cx, &object, deployment);
    let sets = sets(cx, &deployment.metadata.uid);
    let mut rollout = Rollout { key, object: &object, deployment: (**deployment).clone(), sets };
    if deployment.metadata.is_terminating() {
        rollout.find_new(cx);
        rollout.report(cx, false);
        return;
    }
    rollout.note_pause(cx);
    if rollout.deployment.spec.paused || rollout.is_scaling() {
        rollout.find_new(cx);
        rollout.scale_all(cx);
        rollout.report(cx, false);
    } else if rollout.deployment.spec.strategy.kind == "Recreate" {
        rollout.recreate(cx);
    } else {
        rollout.roll(cx);
    }
}

/// One look at a Deployment.
struct Rollout<'a> {
    key: &'a ObjectKey,
    object: &'a Object,
    deployment: Deployment,
    /// All its replica sets, the oldest first.
    sets: Vec<ReplicaSet>,
}

impl Rollout<'_> {
    fn wanted(&self) -> i32 {
        self.deployment.spec.replicas.unwrap_or(1)
    }

    /// How many pods there may be beyond those wanted, and how many may be missing. If rounding makes both zero, one may be missing.
    fn bounds(&self) -> (i32, i32) {
        let strategy = &self.deployment.spec.strategy;
        let Some(rolling) = strategy.rolling_update.as_ref().filter(|_| strategy.kind == "RollingUpdate")
        else {
            return (0, 0);
        };
        let of = |value: &Option<IntOrString>, up| {
            value.as_ref().and_then(|v| v.of_total(self.wanted(), up)).unwrap_or(0)
        };
        let (surge, missing) = (of(&rolling.max_surge, true), of(&rolling.max_unavailable, false));
        let missing = if surge == 0 && missing == 0 { 1 } else { missing };
        (surge, missing.min(self.wanted()))
    }

    /// The place of the replica set of the present template.
    fn new_set(&self) -> Option<usize> {
        self.sets.iter().position(|set| revision::same_template(set, &self.deployment))
    }

    fn old_sets(&self) -> impl Iterator<Item = usize> + '_ {
        let new = self.new_set();
        (0..self.sets.len()).filter(move |i| Some(*i) != new)
    }

    /// `RollingUpdate`: first the new set grows as far as it may, then the old ones shrink as far as they may.
    fn roll(&mut self, cx: &mut Cx<'_>) {
        if self.make_new(cx) {
            return;
        }
        if self.grow_new(cx) || self.shrink_old(cx) {
            self.report(cx, true);
            return;
        }
        if self.is_complete() {
            self.clean_up(cx);
        }
        self.report(cx, true);
    }

    /// `Recreate`: the old pods must be gone before the first new one is made.
    fn recreate(&mut self, cx: &mut Cx<'_>) {
        self.find_new(cx);
        let active: Vec<usize> = self.old_sets().filter(|i| replicas(&self.sets[*i]) > 0).collect();
        if !active.is_empty() {
            for i in active {
                self.scale_to(cx, i, 0);
            }
            self.report(cx, true);
            return;
        }
        let left = self.old_pods(cx);
        if !left.is_empty() {
            // Those on a node that does not answer are not waited for.
            if left.iter().any(|o| matches!(&**o, Object::Pod(pod) if pods::will_end(cx, pod))) {
                cx.wait(self.key);
            }
            self.report(cx, true);
            return;
        }
        if self.make_new(cx) {
            return;
        }
        if let Some(new) = self.new_set() {
            let wanted = self.wanted();
            self.scale_to(cx, new, wanted);
        }
        if self.is_complete() {
            self.clean_up(cx);
        }
        self.report(cx, true);
    }

    /// Pods of old replica sets that are still there.
    fn old_pods(&self, cx: &Cx<'_>) -> Vec<Arc<Object>> {
        let of = |i: usize| {
            let meta = &self.sets[i].metadata;
            pods::of_owner(cx, &meta.namespace, &meta.uid)
        };
        let left = |o: &Arc<Object>| matches!(&**o, Object::Pod(pod) if !pod.is_finished());
        self.old_sets().flat_map(of).filter(left).collect()
    }
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

/// The replica sets of a Deployment, the oldest first.
fn sets(cx: &Cx<'_>, uid: &str) -> Vec<ReplicaSet> {
    let keys = cx.owned.children(uid, Kind::ReplicaSet);
    let mut sets: Vec<ReplicaSet> = keys
        .iter()
        .filter_map(|k| cx.store.read::<ReplicaSet>(&k.namespace, &k.name).cloned())
        .filter(|set| set.metadata.owner_references.iter().any(|o| o.uid == uid))
        .collect();
    sets.sort_by_key(|set| (set.metadata.creation_timestamp, revision::number(&set.metadata.annotations)));
    sets
}

/// Takes replica sets that nobody controls.
fn adopt(cx: &mut Cx<'_>, object: &Object, deployment: &Deployment) {
    let Some(selector) = deployment.spec.selector.as_ref().and_then(Selector::from_label_selector) else {
        return;
    };
    let (namespace, now) = (&deployment.metadata.namespace, cx.now);
    let fits = |set: &&ReplicaSet| {
        selector.matches(&set.metadata.labels)
            && set.metadata.owner_references.iter().all(|o| o.controller != Some(true))
    };
    let orphans: Vec<ReplicaSet> = cx
        .owned
        .orphans(Kind::ReplicaSet, namespace)
        .filter_map(|k| cx.store.read::<ReplicaSet>(namespace, &k.name))
        .filter(fits)
        .cloned()
        .collect();
    for mut set in orphans.into_iter().filter(|_| !deployment.metadata.is_terminating()) {
        set.metadata.owner_references.push(owner_reference(object));
        // The change brings the next look.
        let _ = cx.store.update(set, now);
    }
}

/// A change of a replica set's size, as the event tells it.
fn scaled(cx: &mut Cx<'_>, object: &Object, set: &str, from: i32, to: i32) {
    let how = if to > from { "up" } else { "down" };
    let message = format!("Scaled {how} replica set {set} from {from} to {to}");
    cx.event(object, EventType::Normal, "ScalingReplicaSet", NAME, &message);
}
