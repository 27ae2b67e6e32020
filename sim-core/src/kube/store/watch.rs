//! The watch log: every change of every object, in order, so that agents do work in proportion to changes.

use std::sync::Arc;

use crate::kube::objects::{Kind, Object};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is different.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Place in the log, counted from 1: the cursor after having seen it.
    pub cursor: u64,
    /// What happened.
    pub what: ChangeKind,
    /// The object after the change; after a deletion, as it was last.
    pub object: Arc<Object>,
    /// The object before the change; none for a new one.
    pub old: Option<Arc<Object>>,
}

impl Change {
    /// Kind of the object.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.object.kind()
    }
}

/// The log. Readers keep a cursor: the number of changes they have seen.
#[derive(Clone, Debug, Default)]
pub struct WatchLog {
    changes: Vec<Change>,
    trimmed: u64,
}

impl WatchLog {
    /// Adds a change.
    pub(super) fn push(&mut self, what: ChangeKind, object: Arc<Object>, old: Option<Arc<Object>>) {
        self.changes.push(Change { cursor: self.cursor() + 1, what, object, old });
    }

    /// The cursor of a reader that has seen everything.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.trimmed + self.changes.len() as u64
    }

    /// Changes that a reader with this cursor has not seen. Changes that were [trimmed](Self::trim) are not among them.
    #[must_use]
    pub fn since(&self, cursor: u64) -> &[Change] {
        let skip = usize::try_from(cursor.saturating_sub(self.trimmed)).unwrap_or(usize::MAX);
        self.changes.get(skip..).unwrap_or_default()
    }

    /// Forgets changes up to and including `cursor`: every reader has seen them.
    pub fn trim(&mut self, cursor: u64) {
        let seen = usize::try_from(cursor.saturating_sub(self.trimmed)).unwrap_or(usize::MAX);
        let seen = seen.min(self.changes.len());
        self.changes.drain(..seen);
        self.trimmed += seen as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::objects::{Namespace, ObjectMeta};

    #[test]
    fn a_reader_sees_each_change_once_also_after_trimming() {
        let mut log = WatchLog::default();
        let object = |name: &str| {
            Arc::new(Object::from(Namespace { metadata: ObjectMeta::named(name), ..Default::default() }))
        };
        log.push(ChangeKind::Added, object("a"), None);
        log.push(ChangeKind::Added, object("b"), None);
        let seen = log.since(0)[0].cursor;
        assert_eq!(log.since(seen).len(), 1);
        log.trim(seen);
        assert_eq!(log.since(seen)[0].object.meta().name, "b");
        log.trim(99);
        log.push(ChangeKind::Added, object("c"), None);
        assert_eq!(log.since(2)[0].object.meta().name, "c");
        assert!(log.since(3).is_empty());
    }
}
