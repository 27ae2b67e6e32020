//! The event log: what `kubectl describe` and `kubectl get events` show.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kube::objects::{ObjectReference, Timestamp};
use crate::time::SimTime;

/// Whether an event is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EventType {
    /// All is as it should be.
    Normal,
    /// Something did not work.
    Warning,
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// One event; repetitions are counted in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRecord {
    /// What it is about.
    pub object: ObjectReference,
    /// Whether it is worth a look.
    pub kind: EventType,
    /// Why, in one word: `Scheduled`.
    pub reason: String,
    /// Who says so: `default-scheduler`, `kubelet`.
    pub from: String,
    /// What happened.
    pub message: String,
    /// First time.
    pub first: Timestamp,
    /// Last time.
    pub last: Timestamp,
    /// How many times.
    pub count: u32,
}

/// All events, in the order in which they first happened.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    records: Vec<EventRecord>,
    /// Places in `records` by uid of the object, so that noting and describing stay cheap in a big cluster.
    by_uid: BTreeMap<String, Vec<usize>>,
}

impl EventLog {
    /// Notes an event; one that equals an earlier one of the same object in all but time is counted there.
    pub fn note(
        &mut self,
        object: &ObjectReference,
        kind: EventType,
        reason: &str,
        from: &str,
        message: &str,
        now: SimTime,
    ) {
        let at = Timestamp::at(now);
        let same = |r: &EventRecord| {
            r.object.field_path == object.field_path
                && (r.kind, r.reason.as_str(), r.from.as_str(), r.message.as_str())
                    == (kind, reason, from, message)
        };
        let places = self.by_uid.entry(object.uid.clone()).or_default();
        if let Some(&known) = places.iter().find(|&&i| same(&self.records[i])) {
            self.records[known].last = at;
            self.records[known].count += 1;
            return;
        }
        places.push(self.records.len());
        self.records.push(EventRecord {
            object: object.clone(),
            kind,
            reason: reason.to_owned(),
            from: from.to_owned(),
            message: message.to_owned(),
            first: at,
            last: at,
            count: 1,
        });
    }

    /// All events, oldest first.
    #[must_use]
    pub fn all(&self) -> &[EventRecord] {
        &self.records
    }

    /// Events about the object with this uid, oldest first.
    pub fn about(&self, uid: &str) -> impl Iterator<Item = &EventRecord> {
        self.by_uid.get(uid).into_iter().flatten().map(|&i| &self.records[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted() {
        let mut log = EventLog::default();
        let pod =
            ObjectReference { kind: "Pod".into(), name: "a".into(), uid: "1".into(), ..Default::default() };
        for s in 0..3 {
            log.note(&pod, EventType::Warning, "BackOff", "kubelet", "again", SimTime::from_secs(s));
        }
        log.note(&pod, EventType::Normal, "Pulled", "kubelet", "again", SimTime::from_secs(9));
        assert_eq!(log.all().len(), 2);
        assert_eq!(log.about("1").next().unwrap().count, 3);
        assert_eq!(log.all()[0].last.to_string(), "2026-01-01T00:00:02Z");
    }
}
