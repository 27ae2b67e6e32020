//! Who owns what: an index over the store.

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::{Kind, Object, ObjectKey, OwnerReference, Pod, Selector};

/// The pods of one owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Names of all of them.
    pub(super) pods: BTreeSet<String>,
    /// Those that are neither finished nor being deleted.
    pub(super) active: i32,
    /// Active ones whose condition `Ready` holds.
    pub(super) ready: i32,
}

/// The index.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned {
    /// Pods by uid of their controller.
    pods: BTreeMap<String, Tally>,
    /// Replica sets, revisions and Jobs by uid of their controller.
    children: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// Pods and replica sets that nobody controls.
    orphans: BTreeSet<ObjectKey>,
    /// Owners with a selector.
    selectors: BTreeMap<ObjectKey, Selector>,
    /// How many pods an owner has had made, for its pins.
    made: BTreeMap<ObjectKey, usize>,
}

/// The controller of an object, if it has one.
pub(super) fn controller(references: &[OwnerReference]) -> Option<&OwnerReference> {
    references.iter().find(|o| o.controller == Some(true))
}

/// The key of an owner of a kind that has a controller here.
pub(super) fn owner_key(owner: &OwnerReference, namespace: &str) -> Option<ObjectKey> {
    let kind = match owner.kind.as_str() {
        "ReplicaSet" => Kind::ReplicaSet,
        "Deployment" => Kind::Deployment,
        "StatefulSet" => Kind::StatefulSet,
        "DaemonSet" => Kind::DaemonSet,
        "Job" => Kind::Job,
        "CronJob" => Kind::CronJob,
        _ => return None,
    };
    Some(ObjectKey::new(kind, namespace, &owner.name))
}

/// Whether a pod counts: neither finished nor being deleted.
pub(super) fn is_active(pod: &Pod) -> bool {
    !pod.is_finished() && !pod.metadata.is_terminating()
}

impl Owned {
    pub(super) fn note_pod(&mut self, before: Option<&Pod>, pod: &Pod, gone: bool) {
        for (pod, add) in before.map(|b| (b, false)).into_iter().chain((!gone).then_some((pod, true))) {
            let Some(owner) = controller(&pod.metadata.owner_references) else {
                let key = ObjectKey::new(Kind::Pod, &pod.metadata.namespace, &pod.metadata.name);
                if add {
                    self.orphans.insert(key)
                } else {
                    self.orphans.remove(&key)
                };
                continue;
            };
            let tally = self.pods.entry(owner.uid.clone()).or_default();
            let step = if add { 1 } else { -1 };
            if add {
                tally.pods.insert(pod.metadata.name.clone());
            } else {
                tally.pods.remove(&pod.metadata.name);
            }
            if is_active(pod) {
                tally.active += step;
                tally.ready += if pod.is_ready() { step } else { 0 };
            }
            if tally.pods.is_empty() {
                self.pods.remove(&owner.uid);
            }
        }
    }

    /// A replica set, a revision or a Job.
    pub(super) fn note_child(&mut self, before: Option<&Object>, object: &Object, gone: bool) {
        let key = object.key();
        if let Some(owner) = before.and_then(|b| controller(&b.meta().owner_references))
            && let Some(keys) = self.children.get_mut(&owner.uid)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.children.remove(&owner.uid);
            }
        }
        self.orphans.remove(&key);
        if gone {
            return;
        }
        match controller(&object.meta().owner_references) {
            Some(owner) => {
                self.children.entry(owner.uid.clone()).or_default().insert(key);
            }
            None => {
                self.orphans.insert(key);
            }
        }
    }

    pub(super) fn note_owner(&mut self, object: &Object, gone: bool) {
        let selector = match object {
            Object::Deployment(o) => o.spec.selector.as_ref(),
            Object::ReplicaSet(o) => o.spec.selector.as_ref(),
            Object::StatefulSet(o) => o.spec.selector.as_ref(),
            Object::DaemonSet(o) => o.spec.selector.as_ref(),
            _ => None,
        };
        let key = object.key();
        match selector.and_then(Selector::from_label_selector).filter(|_| !gone) {
            Some(selector) => self.selectors.insert(key, selector),
            None => self.selectors.remove(&key),
        };
    }

    /// The pods of the owner with this uid.
    pub(super) fn tally(&self, uid: &str) -> Option<&Tally> {
        self.pods.get(uid)
    }

    /// Keys of a kind that the owner with this uid controls.
    pub(super) fn children(&self, uid: &str, kind: Kind) -> Vec<ObjectKey> {
        self.children.get(uid).into_iter().flatten().filter(|k| k.kind == kind).cloned().collect()
    }

    /// Objects of a kind in a namespace that nobody controls.
    pub(super) fn orphans(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &ObjectKey> {
        let from = ObjectKey::new(kind, namespace, "");
        let same = move |k: &&ObjectKey| k.kind == kind && k.namespace == from.namespace;
        self.orphans.range(ObjectKey::new(kind, namespace, "")..).take_while(same)
    }

    /// Owners that would take a pod that nobody controls.
    pub(super) fn may_adopt(&self, pod: &Pod) -> Vec<ObjectKey> {
        if controller(&pod.metadata.owner_references).is_some() {
            return Vec::new();
        }
        let fits = |(key, selector): &(&ObjectKey, &Selector)| {
            key.kind != Kind::Deployment
                && key.namespace == pod.metadata.namespace
                && selector.matches(&pod.metadata.labels)
        };
        self.selectors.iter().filter(fits).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn daemon_sets(&self) -> impl Iterator<Item = &ObjectKey> {
        self.selectors.keys().filter(|k| k.kind == Kind::DaemonSet)
    }

    /// How many pods an owner has had made.
    pub(super) fn made(&self, owner: &ObjectKey) -> usize {
        self.made.get(owner).copied().unwrap_or(0)
    }

    /// Counts one more.
    pub(super) fn count_made(&mut self, owner: &ObjectKey) -> usize {
        let count = self.made.entry(owner.clone()).or_default();
        *count += 1;
        *count - 1
    }
}
