//! The garbage collector: what an owner leaves behind goes with it
//! (<https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion>).

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::{Kind, Object, ObjectKey, OwnerReference};
use crate::kube::store::{Change, ChangeKind, DeleteOptions, Propagation, Store};
use crate::time::SimTime;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Who owns what, by uid.
#[derive(Clone, Debug, Default)]
pub(super) struct GarbageCollector {
    dependents: BTreeMap<String, BTreeSet<ObjectKey>>,
    gone: BTreeSet<String>,
    /// Owners that wait for what they own, by uid.
    waiting: BTreeMap<String, ObjectKey>,
    /// Those of them that are to be looked at.
    dirty: BTreeSet<ObjectKey>,
    /// New objects whose owner may be gone already.
    new: BTreeSet<ObjectKey>,
}

fn waits(object: &Object) -> bool {
    let meta = object.meta();
    meta.is_terminating() && meta.finalizers.iter().any(|f| f == FOREGROUND || f == ORPHAN)
}

impl GarbageCollector {
    pub(super) fn note(&mut self, change: &Change) {
        let key = change.object.key();
        let uid = &change.object.meta().uid;
        for owner in change.old.iter().flat_map(|old| &old.meta().owner_references) {
            if let Some(keys) = self.dependents.get_mut(&owner.uid) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
            self.dirty.extend(self.waiting.get(&owner.uid).cloned());
        }
        if change.what == ChangeKind::Deleted {
            self.waiting.remove(uid);
            self.gone.insert(uid.clone());
            return;
        }
        for owner in &change.object.meta().owner_references {
            self.dependents.entry(owner.uid.clone()).or_default().insert(key.clone());
        }
        if waits(&change.object) {
            self.waiting.insert(uid.clone(), key.clone());
            self.dirty.insert(key);
        } else if change.what == ChangeKind::Added && !change.object.meta().owner_references.is_empty() {
            self.new.insert(key);
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for uid in std::mem::take(&mut self.gone) {
            for key in self.dependents.get(&uid).cloned().unwrap_or_default() {
                collect(store, &key, now);
            }
        }
        for key in std::mem::take(&mut self.new) {
            collect(store, &key, now);
        }
        for key in std::mem::take(&mut self.dirty) {
            self.proceed(store, &key, now);
        }
    }

    /// Goes on with an owner that waits for what it owns.
    fn proceed(&self, store: &mut Store, key: &ObjectKey, now: SimTime) {
        let Some(owner) = store.find(key.kind, &key.namespace, &key.name).filter(|o| waits(o)).cloned()
        else {
            return;
        };
        let uid = &owner.meta().uid;
        let dependents = self.dependents.get(uid).cloned().unwrap_or_default();
        if owner.meta().finalizers.iter().any(|f| f == ORPHAN) {
            for dependent in &dependents {
                edit(store, dependent, now, |o| o.meta_mut().owner_references.retain(|r| r.uid != *uid));
            }
            edit(store, key, now, |o| o.meta_mut().finalizers.retain(|f| f != ORPHAN));
            return;
        }
        let blocks = |dependent: &&ObjectKey| {
            let object = store.find(dependent.kind, &dependent.namespace, &dependent.name);
            object.is_some_and(|o| {
                o.meta()
                    .owner_references
                    .iter()
                    .any(|r| r.uid == *uid && r.block_owner_deletion == Some(true))
            })
        };
        let blocking: Vec<ObjectKey> = dependents.iter().filter(blocks).cloned().collect();
        if blocking.is_empty() {
            edit(store, key, now, |o| o.meta_mut().finalizers.retain(|f| f != FOREGROUND));
        }
        for dependent in blocking {
            let Some(object) = store.find(dependent.kind, &dependent.namespace, &dependent.name) else {
                continue;
            };
            if object.meta().is_terminating() {
                continue;
            }
            let owns = self.dependents.contains_key(&object.meta().uid);
            let propagation = if owns { Propagation::Foreground } else { Propagation::Background };
            let options = DeleteOptions { propagation, ..DeleteOptions::default() };
            // An object that went by other means is as it should be.
            let _ = store.delete(dependent.kind, &dependent.namespace, &dependent.name, options, now);
        }
    }
}

/// Deletes an object none of whose owners is there any more; one that still has one only loses the others.
fn collect(store: &mut Store, key: &ObjectKey, now: SimTime) {
    let Some(object) = store.find(key.kind, &key.namespace, &key.name).cloned() else { return };
    let references = &object.meta().owner_references;
    let there = |r: &OwnerReference| {
        // Of a kind that is not served nothing can be known.
        let Some(kind) = Kind::from_manifest(&r.api_version, &r.kind) else { return true };
        store.find(kind, &key.namespace, &r.name).is_some_and(|owner| owner.meta().uid == r.uid)
    };
    let kept: Vec<OwnerReference> = references.iter().filter(|r| there(r)).cloned().collect();
    if kept.len() == references.len() {
        return;
    }
    if kept.is_empty() {
        // An object that went by other means is as it should be.
        let _ = store.delete(key.kind, &key.namespace, &key.name, DeleteOptions::default(), now);
    } else {
        edit(store, key, now, |o| o.meta_mut().owner_references = kept);
    }
}

fn edit(store: &mut Store, key: &ObjectKey, now: SimTime, change: impl FnOnce(&mut Object)) {
    if let Some(object) = store.find(key.kind, &key.namespace, &key.name) {
        let mut copy = (**object).clone();
        change(&mut copy);
        // It may be gone by now.
        let _ = store.update(copy, now);
    }
}
