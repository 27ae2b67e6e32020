//! Controllers of the kinds that make pods: apps/v1 and batch/v1.
//!
//! Each is a function from the store and the time to changes of the store, called for an owner whenever something of it has
//! changed, as the real controllers are. `owned` is the index that they share: which pods belong to whom, and how many are ready.
//! Left out: claims of volumes, and pods of a Job that fail by index.

mod cron_job;
mod daemon_set;
mod deployment;
mod history;
mod job;
mod owned;
mod pods;
mod replica_set;
mod stateful_set;
mod template_hash;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::kube::objects::{Kind, Object, ObjectKey};
use crate::kube::store::{Change, ChangeKind, EventType, Store};
use crate::time::{EventQueue, SimTime};

use owned::{Owned, owner_key};

pub(crate) use deployment::{DESIRED, MAXIMUM};
pub(crate) use pods::owner_reference;

/// The controllers with what they remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Workloads {
    owned: Owned,
    /// Owners in whose surroundings something has changed.
    dirty: BTreeSet<ObjectKey>,
    /// Owners that are to be looked at when some time has passed.
    wakes: Wakes,
    /// Owners that wait for something that comes by itself and soon: pods that end, pods that count as available after a while.
    awaited: BTreeSet<ObjectKey>,
    cron: cron_job::Memory,
}

/// When owners are to be looked at without any change: of each only the earliest time, because each look sets the next.
#[derive(Clone, Debug, Default)]
struct Wakes {
    queue: EventQueue<ObjectKey>,
    next: BTreeMap<ObjectKey, SimTime>,
}

impl Wakes {
    fn push(&mut self, at: SimTime, key: &ObjectKey) {
        if self.next.get(key).is_none_or(|known| at < *known) {
            self.next.insert(key.clone(), at);
            self.queue.push(at, key.clone());
        }
    }

    fn pop_due(&mut self, now: SimTime) -> Option<ObjectKey> {
        let (at, key) = self.queue.pop_due(now)?;
        if self.next.get(&key) == Some(&at) {
            self.next.remove(&key);
        }
        Some(key)
    }
}

/// What a controller works with.
struct Cx<'a> {
    store: &'a mut Store,
    now: SimTime,
    owned: &'a mut Owned,
    wakes: &'a mut Wakes,
    awaited: &'a mut BTreeSet<ObjectKey>,
}

impl Cx<'_> {
    /// Looks at an owner again after a while.
    fn wake(&mut self, key: &ObjectKey, after: Duration) {
        self.wakes.push(self.now + after, key);
    }

    /// Notes that an owner waits for something that will come by itself.
    fn wait(&mut self, key: &ObjectKey) {
        self.awaited.insert(key.clone());
    }

    /// An event about an object.
    fn event(&mut self, about: &Object, kind: EventType, reason: &str, from: &str, message: &str) {
        self.store.event(&about.reference(), kind, reason, from, message, self.now);
    }
}

impl Workloads {
    pub(super) fn note(&mut self, change: &Change) {
        let object = &*change.object;
        let gone = change.what == ChangeKind::Deleted;
        let namespace = &object.meta().namespace;
        let old = change.old.as_deref();
        match object {
            Object::Pod(pod) => {
                let before = old.and_then(|old| if let Object::Pod(p) = old { Some(&**p) } else { None });
                self.owned.note_pod(before, pod, gone);
                if before.is_none() || before.map(|b| &b.metadata.labels) != Some(&pod.metadata.labels) {
                    self.dirty.extend(self.owned.may_adopt(pod));
                }
            }
            Object::ReplicaSet(_) | Object::ControllerRevision(_) | Object::Job(_) => {
                self.owned.note_child(old, object, gone);
            }
            Object::Node(node) => {
                let same = old.is_some_and(|old| {
                    matches!(old, Object::Node(o) if o.spec == node.spec && o.metadata.labels == node.metadata.labels)
                });
                if gone || !same {
                    self.dirty.extend(self.owned.daemon_sets().cloned());
                }
                return;
            }
            _ => {}
        }
        for object in old.into_iter().chain([object]) {
            let owners = object.meta().owner_references.iter().filter(|o| o.controller == Some(true));
            self.dirty.extend(owners.filter_map(|o| owner_key(o, namespace)));
        }
        if is_owner(object.kind()) {
            let key = object.key();
            self.owned.note_owner(object, gone);
            if gone {
                self.awaited.remove(&key);
            }
            self.dirty.insert(key);
        }
    }

    /// Whether an owner waits for something that will come by itself and soon.
    pub(super) fn is_busy(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// When some owner is to be looked at without any change.
    pub(super) fn next_at(&self) -> Option<SimTime> {
        self.wakes.queue.next_at()
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        while let Some(key) = self.wakes.pop_due(now) {
            self.dirty.insert(key);
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        if dirty.iter().any(|key| key.kind == Kind::ReplicaSet) {
            // The end of an old pod changes no number of its replica set.
            dirty.extend(self.awaited.iter().filter(|key| key.kind == Kind::Deployment).cloned());
        }
        let Self { owned, wakes, awaited, cron, .. } = self;
        let mut cx = Cx { store, now, owned, wakes, awaited };
        for key in dirty {
            cx.awaited.remove(&key);
            match key.kind {
                Kind::Deployment => deployment::sync(&mut cx, &key),
                Kind::ReplicaSet => replica_set::sync(&mut cx, &key),
                Kind::StatefulSet => stateful_set::sync(&mut cx, &key),
                Kind::DaemonSet => daemon_set::sync(&mut cx, &key),
                Kind::Job => job::sync(&mut cx, &key),
                Kind::CronJob => cron_job::sync(&mut cx, cron, &key),
                _ => {}
            }
        }
    }
}

const fn is_owner(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet | Kind::Job | Kind::CronJob
    )
}

#[cfg(test)]
mod tests;
