//! The API server's memory: objects, their revisions, and what changed.
//!
//! Everything that reaches a [`Store`] passes the same stations as in the real API server: decoding, defaulting, validation,
//! allocation, storage, watch log. A refusal is an [`ApiError`] in the server's words. The store owns the cluster's dice for
//! names, uids and addresses; the time is passed in.

mod admission;
mod alloc;
mod apply;
mod check;
mod create;
mod defaults;
mod delete;
mod error;
mod events;
mod merge;
mod names;
pub(crate) mod names_given;
mod pins;
mod ranges;
mod service;
mod shelf;
mod update;
mod validate;
mod verbs;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use crate::chance::Dice;
use crate::kube::objects::{Kind, Namespace, Object, ObjectMeta, ObjectReference, Resource};
use crate::kube::version::Version;
use crate::time::SimTime;

pub use apply::{Applied, LAST_APPLIED, PatchType};
pub use check::check_manifest;
pub(in crate::kube) use defaults::{CLAIM_PROTECTION, VOLUME_PROTECTION};
pub use delete::{DeleteOptions, Deleted, Propagation};
pub use error::{ApiError, Cause, Reason};
pub use events::{EventLog, EventRecord, EventType};
pub use merge::json_merge;
pub use pins::{NodePortPin, OwnedPin, Pins, PodPin, ServicePin};
use ranges::Ranges;
pub(crate) use ranges::needs_health_check;
use shelf::Shelf;
pub use update::{set_condition, set_pod_condition};
pub(crate) use validate::SYSTEM_CLASSES;
use validate::validate_new;
pub use validate::{validate, validate_update};
pub use verbs::{FieldSelector, ListOptions};
pub use watch::{Change, ChangeKind, WatchLog};

/// What the API server is started with.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `--service-cluster-ip-range`: one range, or one per family with the primary family first.
    pub service_subnets: Vec<IpNet>,
    /// What a person fixed in advance.
    pub pins: Pins,
    /// What the server says it is: how it prints values in refusals.
    pub version: Version,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let v4 = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 96, 0, 0), 12);
        Self { service_subnets: vec![IpNet::V4(v4)], pins: Pins::default(), version: Version::new(1, 34, 0) }
    }
}

/// The API server's memory.
#[derive(Clone, Debug)]
pub struct Store {
    config: StoreConfig,
    dice: Dice,
    ranges: Ranges,
    shelf: Shelf,
    revision: u64,
    log: WatchLog,
    events: EventLog,
    /// Places of pods whose names were not known beforehand, by `namespace/name`.
    promised: BTreeMap<String, PodPin>,
    touched: BTreeMap<Kind, u64>,
}

/// Namespaces that every cluster has.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl Store {
    /// A server that has just come up, with the system namespaces.
    #[must_use]
    pub fn new(config: StoreConfig, dice: Dice) -> Self {
        let ranges = Ranges::new(&config.service_subnets);
        let mut store = Self {
            config,
            dice,
            ranges,
            shelf: Shelf::default(),
            revision: 0,
            log: WatchLog::default(),
            events: EventLog::default(),
            promised: BTreeMap::new(),
            touched: BTreeMap::new(),
        };
        for name in SYSTEM_NAMESPACES {
            let namespace = Namespace { metadata: ObjectMeta::named(name), ..Namespace::default() };
            // Nothing can be in the way in an empty store.
            let _ = store.create(namespace, SimTime::ZERO);
        }
        store
    }

    /// What the server was started with.
    #[must_use]
    pub const fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// What is fixed of a pod's place.
    #[must_use]
    pub fn pod_pin(&self, namespace: &str, name: &str) -> Option<&PodPin> {
        let pins = &self.config.pins;
        if pins.pods.is_empty() && self.promised.is_empty() {
            return None;
        }
        let key = format!("{namespace}/{name}");
        pins.pods.get(&key).or_else(|| self.promised.get(&key))
    }

    /// Fixes the place of a pod that an owner has made, by `namespace/name`.
    pub(crate) fn promise(&mut self, pod: &str, pin: &OwnedPin) {
        if pin.place != PodPin::default() {
            self.promised.insert(pod.to_owned(), pin.place.clone());
        }
    }

    /// Revision of the last change of any object: the `resourceVersion` of a list.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Revision of the last change of any object of a kind.
    #[must_use]
    pub fn kind_revision(&self, kind: Kind) -> u64 {
        self.touched.get(&kind).copied().unwrap_or(0)
    }

    /// An object, if it is there. The namespace does not count for kinds that have none.
    #[must_use]
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.shelf.get(kind, namespace, name)
    }

    /// An object by its type, if it is there.
    #[must_use]
    pub fn read<T: Resource>(&self, namespace: &str, name: &str) -> Option<&T> {
        T::of(self.shelf.get(T::KIND, namespace, name)?)
    }

    /// All objects of a type, ordered by namespace and name; of all namespaces or of one.
    pub fn all<'a, T: Resource + 'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a T> {
        self.shelf.iter(T::KIND, namespace).filter_map(|o| T::of(o))
    }

    /// All objects of a kind, ordered by namespace and name; of all namespaces or of one.
    pub fn iter<'a>(
        &'a self,
        kind: Kind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        self.shelf.iter(kind, namespace)
    }

    /// The log of changes.
    #[must_use]
    pub const fn changes(&self) -> &WatchLog {
        &self.log
    }

    /// Changes that a reader with this cursor has not seen.
    #[must_use]
    pub fn changes_since(&self, cursor: u64) -> &[Change] {
        self.log.since(cursor)
    }

    /// Forgets changes up to `cursor`, which every reader has seen.
    pub fn trim_changes(&mut self, cursor: u64) {
        self.log.trim(cursor);
    }

    /// Notes an event about an object.
    pub fn event(
        &mut self,
        object: &ObjectReference,
        kind: EventType,
        reason: &str,
        from: &str,
        message: &str,
        now: SimTime,
    ) {
        self.events.note(object, kind, reason, from, message, now);
    }

    /// The events noted so far.
    #[must_use]
    pub const fn events(&self) -> &EventLog {
        &self.events
    }
}

#[cfg(test)]
mod tests;
