//! The namespace controller: empties a namespace that is to go, then lets it go.

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::{Kind, Object, ObjectKey};
use crate::kube::store::{Change, ChangeKind, DeleteOptions, Store};
use crate::time::SimTime;

/// Namespaces that are being deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct NamespaceController {
    terminating: BTreeSet<String>,
    /// Those in which something changed.
    dirty: BTreeSet<String>,
}

impl NamespaceController {
    pub(super) fn note(&mut self, change: &Change) {
        let meta = change.object.meta();
        if let Object::Namespace(_) = &*change.object {
            if change.what == ChangeKind::Deleted {
                self.terminating.remove(&meta.name);
                self.dirty.remove(&meta.name);
            } else if meta.is_terminating() && self.terminating.insert(meta.name.clone()) {
                self.dirty.insert(meta.name.clone());
            }
        } else if self.terminating.contains(&meta.namespace) {
            self.dirty.insert(meta.namespace.clone());
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for name in std::mem::take(&mut self.dirty) {
            let mut left: BTreeMap<Kind, Vec<ObjectKey>> = BTreeMap::new();
            for kind in Kind::ALL.into_iter().filter(|k| k.namespaced()) {
                let keys: Vec<ObjectKey> = store.iter(kind, Some(&name)).map(|o| o.key()).collect();
                if !keys.is_empty() {
                    left.insert(kind, keys);
                }
            }
            if left.is_empty() {
                store.finish_namespace(&name);
                continue;
            }
            for key in left.into_values().flatten() {
                let marked = store
                    .find(key.kind, &key.namespace, &key.name)
                    .is_none_or(|object| object.meta().is_terminating());
                if !marked {
                    // An object that went by other means is as it should be.
                    let _ = store.delete(key.kind, &key.namespace, &key.name, DeleteOptions::default(), now);
                }
            }
        }
    }
}
