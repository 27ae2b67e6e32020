//! The garbage collector: what an owner leaves behind goes with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::ObjectKey;
use crate::kube::store::{Change, ChangeKind, DeleteOptions, Store};
use crate::time::SimTime;

/// Who owns what, by uid.
#[derive(Clone, Debug, Default)]
pub(super) struct GarbageCollector {
    dependents: BTreeMap<String, BTreeSet<ObjectKey>>,
    gone: BTreeSet<String>,
}

impl GarbageCollector {
    pub(super) fn note(&mut self, change: &Change) {
        let key = change.object.key();
        for owner in change.old.iter().flat_map(|old| &old.meta().owner_references) {
            if let Some(keys) = self.dependents.get_mut(&owner.uid) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        if change.what == ChangeKind::Deleted {
            self.gone.insert(change.object.meta().uid.clone());
            return;
        }
        for owner in &change.object.meta().owner_references {
            self.dependents.entry(owner.uid.clone()).or_default().insert(key.clone());
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for uid in std::mem::take(&mut self.gone) {
            for key in self.dependents.remove(&uid).unwrap_or_default() {
                // An object that went by other means is as it should be.
                let _ = store.delete(key.kind, &key.namespace, &key.name, DeleteOptions::default(), now);
            }
        }
    }
}
