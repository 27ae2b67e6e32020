//! The sending side: segments, acknowledgments, retransmission. No congestion control: a whole window leaves at once.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::{Connection, Timer, mss_of};
use super::{TcpState, seq};
use crate::linux::Errno;
use crate::linux::socket::types::SockError;
use crate::packet::{Payload, Tcp, TcpFlags};
use crate::time::SimTime;

/// Retransmission timeout before any round trip was measured (RFC 6298, 2.1).
const RTO_INITIAL: Duration = Duration::from_secs(1);
/// `TCP_RTO_MIN`: Linux adds at least this much to the smoothed round trip.
const RTO_MIN: Duration = Duration::from_millis(200);
/// `TCP_RTO_MAX`.
const RTO_MAX: Duration = Duration::from_secs(120);
/// Duplicate acknowledgments that tell of a loss (RFC 5681, 3.2).
const DUP_ACKS: u32 = 3;
/// Segments that may be out before anything is acknowledged (`TCP_INIT_CWND`, RFC 6928).
const INITIAL_WINDOW: usize = 10;
/// `tcp_orphan_retries` if it is 0.
const ORPHAN_RETRIES: u32 = 8;

/// Send sequence space (RFC 9293, 3.3.1) and the bytes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Send {
    pub(super) iss: u32,
    /// Oldest sequence number not acknowledged.
    pub(super) una: u32,
    /// Next to send; falls back to `una` when everything has to be sent again.
    pub(super) nxt: u32,
    /// Highest `nxt` ever.
    pub(super) max: u32,
    window: u32,
    /// Congestion window in segments: how many may be out unacknowledged (RFC 5681; only slow start, without a threshold).
    congestion: usize,
    /// Sequence and acknowledgment number of the segment that last set the window.
    window_by: (u32, u32),
    /// Largest segment to send, in bytes.
    pub(super) mss: u16,
    /// What our SYN says.
    pub(super) announced_mss: u16,
    /// Bytes from `una` on (from `una + 1` while the SYN is not acknowledged, but then there are none).
    pub(super) buffer: VecDeque<u8>,
    /// A FIN follows the buffer.
    pub(super) fin: bool,
    /// The application was told that the buffer is full.
    pub(super) wants_room: bool,
}

/// Round-trip times and the state of loss recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Retransmission {
    /// Smoothed round trip and its variation.
    measured: Option<(Duration, Duration)>,
    /// Sequence number whose acknowledgment ends a measurement, and when that began.
    timed: Option<(u32, SimTime)>,
    /// Timeouts since the last progress.
    tries: u32,
    /// Doublings of the timeout.
    backoff: u32,
    dup_acks: u32,
    /// Loss recovery goes on until this is acknowledged.
    recover: Option<u32>,
}

impl Send {
    pub(super) const fn new(iss: u32, mss: u16) -> Self {
        Self {
            iss,
            una: iss,
            nxt: iss,
            max: iss,
            window: 0,
            congestion: INITIAL_WINDOW,
            window_by: (0, 0),
            mss,
            announced_mss: mss,
            buffer: VecDeque::new(),
            fin: false,
            wants_room: false,
        }
    }

    /// `window` is the segment's window in bytes.
    pub(super) fn set_window(&mut self, segment: &Tcp, window: u32) {
        self.window = window;
        self.window_by = (segment.seq, segment.ack);
    }

    /// The window of a segment counts unless it is older than the last (RFC 9293, 3.10.7.4); whether it changed.
    fn update_window(&mut self, segment: &Tcp, window: u32) -> bool {
        let (seq_before, ack_before) = self.window_by;
        let newer = seq::before(seq_before, segment.seq)
            || (seq_before == segment.seq && !seq::after(ack_before, segment.ack));
        let old = self.window;
        if newer {
            self.set_window(segment, window);
        }
        old != self.window
    }

    fn in_flight(&self) -> usize {
        self.nxt.wrapping_sub(self.una) as usize
    }

    fn advance(&mut self, by: u32) {
        self.nxt = self.nxt.wrapping_add(by);
        if seq::after(self.nxt, self.max) {
            self.max = self.nxt;
        }
    }

    /// A copy of `length` bytes that start `offset` after `una`.
    fn copy(&self, offset: usize, length: usize) -> Payload {
        self.buffer.iter().skip(offset).take(length).copied().collect::<Vec<u8>>().into()
    }
}

impl Retransmission {
    fn rto(&self) -> Duration {
        let base = self.measured.map_or(RTO_INITIAL, |(srtt, var)| srtt + (var * 4).max(RTO_MIN));
        base.saturating_mul(1 << self.backoff.min(16)).min(RTO_MAX)
    }

    /// RFC 6298, 2.2 and 2.3.
    fn measure(&mut self, rtt: Duration) {
        self.measured = Some(match self.measured {
            None => (rtt, rtt / 2),
            Some((srtt, var)) => ((srtt * 7 + rtt) / 8, (var * 3 + srtt.abs_diff(rtt)) / 4),
        });
    }
}

impl Connection {
    /// Sends the SYN, or SYN-ACK, for the first time.
    pub(super) fn send_syn(&mut self, now: SimTime) {
        self.emit_syn();
        self.snd.nxt = self.snd.iss;
        self.snd.advance(1);
        self.rtx.timed = Some((self.snd.nxt, now));
        self.arm(now);
    }

    pub(super) fn emit_syn(&mut self) {
        let flags = match self.state {
            TcpState::SynSent => TcpFlags::SYN,
            _ => TcpFlags::SYN.with(TcpFlags::ACK),
        };
        self.emit(self.snd.iss, flags, Payload::Empty);
    }

    /// Sends what the window allows.
    pub(super) fn transmit(&mut self, now: SimTime) {
        if self.state.is_opening() || matches!(self.state, TcpState::Closed | TcpState::TimeWait) {
            return;
        }
        while self.transmit_segment(now) {}
        if self.snd.una != self.snd.max && self.timer.is_none() {
            self.arm(now);
        }
    }

    /// Sends one segment of new data, or the FIN; whether there may be more to send.
    fn transmit_segment(&mut self, now: SimTime) -> bool {
        let offset = self.snd.in_flight();
        if offset > self.snd.buffer.len() {
            return false; // the FIN is out
        }
        let unsent = self.snd.buffer.len() - offset;
        // A closed window is probed with one byte, repeated by the retransmission timer.
        let window = self.snd.window.max(1) as usize;
        let length = unsent.min(self.snd.mss.into()).min(window.saturating_sub(offset));
        let last = length == unsent;
        let fin = last && self.snd.fin;
        let congested = offset >= self.snd.congestion * usize::from(self.snd.mss);
        if (length == 0 || congested) && !fin {
            return false;
        }
        let start = self.snd.nxt;
        self.emit_data(start, offset, length, last, fin);
        self.snd.advance(length as u32 + u32::from(fin));
        if self.rtx.timed.is_none() && self.rtx.recover.is_none() {
            self.rtx.timed = Some((self.snd.nxt, now));
        }
        true
    }

    fn emit_data(&mut self, seq: u32, offset: usize, length: usize, last: bool, fin: bool) {
        let mut flags = TcpFlags::ACK;
        if last && length > 0 {
            flags = flags.with(TcpFlags::PSH);
        }
        if fin {
            flags = flags.with(TcpFlags::FIN);
        }
        let payload = self.snd.copy(offset, length);
        self.rcv.quick &= length == 0;
        self.emit(seq, flags, payload);
    }

    /// Sends the oldest segment that is not acknowledged once more.
    fn retransmit_oldest(&mut self) {
        self.rtx.timed = None; // Karn: a repeated segment measures nothing
        if self.state.is_opening() {
            return self.emit_syn();
        }
        let sent = self.snd.max.wrapping_sub(self.snd.una) as usize;
        let length = sent.min(self.snd.buffer.len()).min(self.snd.mss.into());
        let fin = self.snd.fin && length == self.snd.buffer.len() && sent > length;
        self.emit_data(self.snd.una, 0, length, length == self.snd.buffer.len(), fin);
    }

    /// Takes the acknowledgment and window of a segment; whether the rest of the segment counts.
    pub(super) fn on_ack(&mut self, segment: &Tcp, now: SimTime) -> bool {
        let ack = segment.ack;
        if seq::after(ack, self.snd.max) {
            self.challenge(segment, now);
            return false;
        }
        if seq::before(ack, self.snd.una) {
            return true;
        }
        let window_changed = self.snd.update_window(segment, self.agreed.peer_window(segment));
        if ack != self.snd.una {
            self.acknowledged(ack, now);
        } else if !window_changed
            && segment.payload.is_empty()
            && !segment.flags.has(TcpFlags::FIN)
            && self.snd.una != self.snd.max
            && segment.window > 0
        {
            self.duplicate_ack();
        }
        self.transmit(now);
        true
    }

    /// The peer has everything before `ack`.
    fn acknowledged(&mut self, ack: u32, now: SimTime) {
        let count = ack.wrapping_sub(self.snd.una) as usize;
        let data = count.min(self.snd.buffer.len());
        self.snd.buffer.drain(..data);
        self.snd.una = ack;
        if seq::before(self.snd.nxt, ack) {
            self.snd.nxt = ack;
        }
        self.snd.congestion += count.div_ceil(self.snd.mss.into());
        self.progress(ack, now);
        if self.rtx.recover.is_some_and(|until| seq::before(ack, until)) && self.snd.una != self.snd.max {
            self.retransmit_oldest();
        } else {
            self.rtx.recover = None;
        }
        if std::mem::take(&mut self.snd.wants_room) {
            self.news = true;
        }
        if count > data {
            self.fin_acknowledged(now);
        }
    }

    /// Something new was acknowledged: measure the round trip, start the timer again.
    pub(super) fn progress(&mut self, ack: u32, now: SimTime) {
        if let Some((until, since)) = self.rtx.timed
            && !seq::before(ack, until)
        {
            self.rtx.timed = None;
            self.rtx.measure(now.since(since));
        }
        self.rtx.tries = 0;
        self.rtx.backoff = 0;
        self.rtx.dup_acks = 0;
        self.soft_error = None;
        self.timer = None;
        if self.snd.una != self.snd.max {
            self.arm(now);
        }
    }

    fn duplicate_ack(&mut self) {
        self.rtx.dup_acks += 1;
        if self.rtx.dup_acks == DUP_ACKS && self.rtx.recover.is_none() {
            self.rtx.recover = Some(self.snd.max);
            self.snd.congestion = (self.snd.congestion / 2).max(2);
            self.retransmit_oldest();
        }
    }

    /// The path carries `mtu` bytes only: smaller segments, and everything that is out goes out again.
    pub(super) fn lower_mtu(&mut self, mtu: u32, now: SimTime) {
        let mss = mss_of(mtu, self.remote.ip()).saturating_sub(self.agreed.overhead()).max(1);
        if mss >= self.snd.mss || self.state.is_opening() {
            return;
        }
        self.snd.mss = mss;
        self.rtx.timed = None;
        self.snd.nxt = self.snd.una;
        self.transmit(now);
    }

    fn arm(&mut self, now: SimTime) {
        self.timer = Some((now.tick() + self.rtx.rto(), Timer::Retransmit));
    }

    /// The timer has run out.
    pub(super) fn on_timer(&mut self, now: SimTime) {
        self.clock = now;
        match self.timer.take() {
            Some((_, Timer::Expire)) => self.finish(),
            Some((_, Timer::Acknowledge)) => self.emit_ack(),
            Some((_, Timer::Retransmit)) if self.rtx.tries >= self.retry_limit() => {
                let timeout = SockError { errno: Errno::ETIMEDOUT, icmp: None };
                self.fail(self.soft_error.unwrap_or(timeout));
            }
            Some((_, Timer::Retransmit)) => {
                self.rtx.tries += 1;
                self.timeouts += 1;
                if self.state != TcpState::SynSent || self.rtx.tries > self.settings.syn_linear_timeouts {
                    self.rtx.backoff += 1;
                }
                self.rtx.recover = Some(self.snd.max);
                self.snd.congestion = 1;
                self.retransmit_oldest();
                self.arm(now);
            }
            None => {}
        }
    }

    const fn retry_limit(&self) -> u32 {
        let settings = &self.settings;
        match self.state {
            TcpState::SynSent => settings.syn_retries + settings.syn_linear_timeouts,
            TcpState::SynReceived => settings.synack_retries,
            _ if self.orphan && settings.orphan_retries == 0 => ORPHAN_RETRIES,
            _ if self.orphan => settings.orphan_retries,
            _ => settings.retries2,
        }
    }
}
