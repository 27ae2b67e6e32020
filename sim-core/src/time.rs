//! Virtual time and the event queue.
//!
//! Nothing in this crate reads a clock. Time is a number of nanoseconds since the simulated cluster was switched on, it is
//! passed in, and it moves only when the queue is asked for its next entry.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant of virtual time: nanoseconds since the cluster was switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The instant at which every simulation starts.
    pub const ZERO: Self = Self(0);
    /// Later than anything that will ever happen.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `seconds` seconds after the start.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// The last tick of the kernel's clock (a jiffy, with `CONFIG_HZ=250`). A kernel timer counts from here, so timers that were set
    /// within one tick for the same time fire in the same instant.
    #[must_use]
    pub const fn tick(self) -> Self {
        const JIFFY: u64 = 4_000_000;
        Self(self.0 / JIFFY * JIFFY)
    }

    /// Time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for SimTime {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for SimTime {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for SimTime {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for SimTime {
    /// Seconds with nine decimals, as `tcpdump -ttttt --nano` prints relative time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// Things that will happen, ordered by (time, order of insertion).
#[derive(Clone, Debug)]
pub struct EventQueue<T> {
    heap: BinaryHeap<Entry<T>>,
    next_seq: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: SimTime,
    seq: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    // Reversed: BinaryHeap is a max-heap and the earliest entry must come out first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), next_seq: 0 }
    }
}

impl<T> EventQueue<T> {
    /// Puts `what` into the queue for the instant `at`.
    pub fn push(&mut self, at: SimTime, what: T) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.heap.push(Entry { at, seq, what });
    }

    /// The instant of the earliest entry.
    #[must_use]
    pub fn next_at(&self) -> Option<SimTime> {
        self.heap.peek().map(|e| e.at)
    }

    /// Takes the earliest entry if it is due at or before `until`.
    pub fn pop_due(&mut self, until: SimTime) -> Option<(SimTime, T)> {
        if self.next_at()? > until {
            return None;
        }
        self.heap.pop().map(|e| (e.at, e.what))
    }

    /// Takes the earliest entry if it is due at or before `until` and `wanted`.
    pub fn pop_due_if(&mut self, until: SimTime, wanted: impl Fn(&T) -> bool) -> Option<(SimTime, T)> {
        self.heap.peek().filter(|e| e.at <= until && wanted(&e.what))?;
        self.heap.pop().map(|e| (e.at, e.what))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_by_time_then_by_insertion() {
        let mut q = EventQueue::default();
        q.push(SimTime(5), 'b');
        q.push(SimTime(3), 'a');
        q.push(SimTime(5), 'c');
        let all: Vec<_> = std::iter::from_fn(|| q.pop_due(SimTime::MAX)).map(|(_, c)| c).collect();
        assert_eq!(all, ['a', 'b', 'c']);
    }

    #[test]
    fn nothing_is_taken_before_its_time() {
        let mut q = EventQueue::default();
        q.push(SimTime(5), ());
        assert!(q.pop_due(SimTime(4)).is_none());
        assert!(q.pop_due(SimTime(5)).is_some());
    }
}
