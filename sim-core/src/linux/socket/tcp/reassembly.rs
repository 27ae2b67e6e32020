//! The receiving side of the byte stream: segments in any order go in, the stream comes out.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::seq;
use crate::packet::Payload;

/// Receive sequence space (RFC 9293, 3.3.1) and the bytes in it. The window is always announced in full: an application that does not
/// read costs memory, not throughput.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Receive {
    /// Next sequence number expected.
    pub(super) nxt: u32,
    /// Initial sequence number of the peer.
    pub(super) irs: u32,
    /// Bytes in order that the application has not read.
    pub(super) buffer: Vec<u8>,
    /// Data has come since we last sent some.
    pub(super) quick: bool,
    /// The peer's FIN has been reached.
    pub(super) finished: bool,
    /// Position of `nxt` in the stream, counted from 0 and without wrapping.
    position: u64,
    /// Data after a gap, by position.
    early: BTreeMap<u64, Payload>,
    /// Position of the data that came last after a gap.
    latest: u64,
    /// Position of the peer's FIN, once seen.
    fin_at: Option<u64>,
}

impl Receive {
    /// The peer's SYN told where its stream starts.
    pub(super) const fn start(&mut self, irs: u32) {
        self.irs = irs;
        self.nxt = irs.wrapping_add(1);
    }

    /// Whether a segment overlaps the window or touches its edge (`tcp_sequence`).
    pub(super) const fn acceptable(&self, start: u32, end: u32, window: u32) -> bool {
        !seq::before(end, self.nxt) && !seq::after(start, self.nxt.wrapping_add(window))
    }

    /// Takes the data and FIN of an acceptable segment; whether the application can read more than before.
    pub(super) fn take(&mut self, start: u32, payload: &Payload, fin: bool, window: u32) -> bool {
        if self.finished {
            return false;
        }
        let ahead = start.wrapping_sub(self.nxt) as i32;
        let known = usize::try_from(-i64::from(ahead)).unwrap_or(0);
        let room = i64::from(window) - i64::from(ahead);
        let end = payload.len().min(usize::try_from(room).unwrap_or(0));
        let first = self.position.saturating_add_signed(i64::from(ahead));
        if fin && end == payload.len() {
            self.fin_at = Some(first.saturating_add(end as u64));
        }
        if known >= end {
            return self.finish();
        }
        if ahead <= 0 && self.early.is_empty() {
            self.append(&payload.bytes()[known..end]);
        } else {
            self.insert_early(first + known as u64, &payload.bytes()[known..end]);
            self.drain_early();
        }
        let readable = ahead <= 0;
        self.finish() || readable
    }

    fn append(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
        self.nxt = self.nxt.wrapping_add(bytes.len() as u32);
    }

    fn insert_early(&mut self, at: u64, bytes: &[u8]) {
        let covered = |(start, held): (&u64, &Payload)| start + held.len() as u64 >= at + bytes.len() as u64;
        if !self.early.range(..=at).next_back().is_some_and(covered) {
            self.early.insert(at, bytes.into());
        }
        self.latest = at;
    }

    fn drain_early(&mut self) {
        while let Some(entry) = self.early.first_entry().filter(|e| *e.key() <= self.position) {
            let (at, payload) = entry.remove_entry();
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX);
            if let Some(rest) = payload.bytes().get(known..) {
                self.append(rest);
            }
        }
    }

    /// The stretches of data after a gap, that with the latest first: what a selective acknowledgment lists (RFC 2018, 4).
    pub(super) fn gaps(&self) -> SmallVec<[(u32, u32); 4]> {
        if self.early.is_empty() {
            return SmallVec::new();
        }
        let mut stretches: SmallVec<[(u64, u64); 4]> = SmallVec::new();
        for (start, held) in &self.early {
            let end = start + held.len() as u64;
            match stretches.last_mut() {
                Some((_, last)) if *last >= *start => *last = (*last).max(end),
                _ => stretches.push((*start, end)),
            }
        }
        stretches.reverse();
        if let Some(i) = stretches.iter().position(|(from, to)| (*from..*to).contains(&self.latest)) {
            stretches[..=i].rotate_right(1);
        }
        let number = |at: u64| self.nxt.wrapping_add(at.wrapping_sub(self.position) as u32);
        stretches.into_iter().map(|(from, to)| (number(from), number(to))).collect()
    }

    /// Steps over the FIN if everything before it is here.
    fn finish(&mut self) -> bool {
        if self.fin_at != Some(self.position) {
            return false;
        }
        self.finished = true;
        self.early.clear();
        self.nxt = self.nxt.wrapping_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(parts: &[(u32, &str, bool)]) -> Receive {
        let mut rcv = Receive::default();
        rcv.start(u32::MAX - 2);
        for (at, text, fin) in parts {
            rcv.take((u32::MAX - 1).wrapping_add(*at), &text.as_bytes().into(), *fin, 65_535);
        }
        rcv
    }

    #[test]
    fn parts_in_any_order_make_the_stream() {
        let rcv = stream(&[(6, "world", true), (3, "lo ", false), (0, "hell", false)]);
        assert_eq!(rcv.buffer, b"hello world");
        assert!(rcv.finished);
        assert_eq!(rcv.nxt, (u32::MAX - 1).wrapping_add(12));
    }

    #[test]
    fn what_came_after_gaps_is_told_the_latest_first() {
        let rcv = stream(&[(3, "d", false), (9, "jk", false), (6, "g", false), (4, "e", false)]);
        let at = |n: u32| (u32::MAX - 1).wrapping_add(n);
        assert_eq!(rcv.gaps()[..], [(at(3), at(5)), (at(9), at(11)), (at(6), at(7))]);
        assert!(stream(&[(0, "abc", false)]).gaps().is_empty());
    }

    #[test]
    fn a_fin_waits_for_the_gap_before_it() {
        let rcv = stream(&[(0, "he", false), (4, "o", true)]);
        assert_eq!(rcv.buffer, b"he");
        assert!(!rcv.finished);
    }

    #[test]
    fn repeated_and_overlapping_parts_count_once() {
        let rcv = stream(&[(0, "abc", false), (0, "abc", false), (5, "fg", false), (2, "cdef", false)]);
        assert_eq!(rcv.buffer, b"abcdefg");
    }
}
