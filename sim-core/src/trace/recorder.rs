//! Who keeps events.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::{Event, Log, NsId, Step};
use crate::packet::Frame;
use crate::time::SimTime;

/// A packet's number in a trace. The reply to a packet, and an error about it, are packets of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PacketId(pub u32);

/// Index of a packet's looks in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SnapshotId(pub u32);

/// The trace's notes on a packet: its number, and which snapshot shows it as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The packet's number.
    pub packet: PacketId,
    /// The snapshot that shows the packet as it is, none after a change.
    pub snapshot: Option<SnapshotId>,
}

/// Takes events. A type parameter of the network stack, so that a run nobody watches pays nothing.
pub trait Recorder {
    /// Whether events are kept. Where it is `false` the calls compile to nothing.
    const ON: bool;

    /// Whether rules that did not match are wanted too.
    #[inline]
    fn shows_skipped(&self) -> bool {
        false
    }

    /// Keeps one step. `step` is only called by a recorder that is on.
    fn record(&mut self, at: SimTime, ns: NsId, tag: &mut Tag, frame: &Frame, step: impl FnOnce() -> Step);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Recorder for NoTrace {
    const ON: bool = false;
    #[inline(always)]
    fn record(&mut self, _: SimTime, _: NsId, _: &mut Tag, _: &Frame, _: impl FnOnce() -> Step) {}
}

/// Keeps everything: the events in order, and each different look of each packet once.
///
/// A trace of many exchanges is mostly repetition: the same rules match, the same routes are taken. So each different step is kept
/// once, and an event is five numbers.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    events: Log<Packed>,
    steps: IndexSet<Step, FxBuildHasher>,
    snapshots: Log<Frame>,
    skipped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    at: SimTime,
    ns: NsId,
    packet: PacketId,
    snapshot: SnapshotId,
    step: u32,
}

impl Trace {
    /// An empty trace that also keeps the rules that were tried and did not match.
    #[must_use]
    pub fn with_skipped_rules() -> Self {
        Self { skipped: true, ..Self::default() }
    }

    /// The events in order.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.events.iter().map(|e| Event {
            at: e.at,
            ns: e.ns,
            packet: e.packet,
            snapshot: e.snapshot,
            step: &self.steps[e.step as usize],
        })
    }

    /// The packet as it looked after `event`.
    #[must_use]
    pub fn frame(&self, event: &Event<'_>) -> &Frame {
        &self.snapshots[event.snapshot.0 as usize]
    }

    /// The looks that events refer to.
    pub fn snapshots(&self) -> impl Iterator<Item = &Frame> {
        self.snapshots.iter()
    }
}

impl Recorder for Trace {
    const ON: bool = true;
    fn shows_skipped(&self) -> bool {
        self.skipped
    }
    fn record(&mut self, at: SimTime, ns: NsId, tag: &mut Tag, frame: &Frame, step: impl FnOnce() -> Step) {
        let snapshot = *tag.snapshot.get_or_insert_with(|| {
            self.snapshots.push(frame.clone());
            SnapshotId(self.snapshots.len() as u32 - 1)
        });
        let step = self.steps.insert_full(step()).0 as u32;
        self.events.push(Packed { at, ns, packet: tag.packet, snapshot, step });
    }
}
