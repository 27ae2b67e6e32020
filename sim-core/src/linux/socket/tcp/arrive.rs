//! What a connection does with a segment (RFC 9293, 3.10.7.3 and 3.10.7.4).

use std::time::Duration;

use super::connection::{Connection, TIME_WAIT};
use super::{TcpState, seq};
use crate::linux::Errno;
use crate::linux::socket::types::SockError;
use crate::packet::{Payload, Tcp, TcpFlags};
use crate::time::SimTime;

/// `net.ipv4.tcp_invalid_ratelimit`: answers to segments without data that are out of the window are this far apart, or two
/// confused peers would acknowledge each other for ever.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

impl Connection {
    /// Takes a segment; whether it was of use.
    pub(super) fn on_segment(&mut self, segment: &Tcp, now: SimTime) -> bool {
        self.clock = now;
        match self.state {
            TcpState::Closed | TcpState::Listen => false,
            TcpState::SynSent => self.on_segment_in_syn_sent(segment, now),
            _ => self.on_segment_in_sync(segment, now),
        }
    }

    fn on_segment_in_syn_sent(&mut self, segment: &Tcp, now: SimTime) -> bool {
        let flags = segment.flags;
        let acks = flags.has(TcpFlags::ACK);
        if acks && segment.ack != self.snd.nxt {
            if !flags.has(TcpFlags::RST) {
                self.emit(segment.ack, TcpFlags::RST, Payload::Empty);
            }
            return false;
        }
        if flags.has(TcpFlags::RST) {
            if acks {
                self.fail(SockError { errno: Errno::ECONNREFUSED, icmp: None });
            }
            return acks;
        }
        if !flags.has(TcpFlags::SYN) {
            return false;
        }
        self.learn_peer(segment);
        if acks {
            self.establish(segment, now);
            self.emit_ack();
        } else {
            // Simultaneous open: both have sent a SYN.
            self.state = TcpState::SynReceived;
            self.emit_syn();
        }
        true
    }

    /// Our SYN is acknowledged.
    fn establish(&mut self, segment: &Tcp, now: SimTime) {
        self.state = TcpState::Established;
        self.snd.una = self.snd.iss.wrapping_add(1);
        self.snd.set_window(segment, self.agreed.peer_window(segment));
        self.progress(self.snd.una, now);
        self.news = true;
    }

    fn on_segment_in_sync(&mut self, segment: &Tcp, now: SimTime) -> bool {
        let flags = segment.flags;
        let again =
            segment.seq == self.rcv.irs && flags.has(TcpFlags::SYN) && self.state == TcpState::SynReceived;
        if again && !flags.has(TcpFlags::ACK) {
            self.emit_syn();
            return true;
        }
        if !self.rcv.acceptable(segment.seq, end_of(segment), self.agreed.window) {
            if !flags.has(TcpFlags::RST) {
                self.challenge(segment, now);
            }
            return false;
        }
        self.agreed.note(segment, !seq::after(segment.seq, self.rcv.nxt));
        if flags.has(TcpFlags::RST) {
            return self.on_reset(segment, now);
        }
        if flags.has(TcpFlags::SYN) && !again {
            self.challenge(segment, now);
            return false;
        }
        if !flags.has(TcpFlags::ACK) {
            return false;
        }
        if self.state == TcpState::SynReceived {
            if segment.ack != self.snd.iss.wrapping_add(1) {
                self.emit(segment.ack, TcpFlags::RST, Payload::Empty);
                return false;
            }
            self.establish(segment, now);
        }
        if !self.on_ack(segment, now) || self.state == TcpState::Closed {
            return self.state == TcpState::Closed;
        }
        self.on_data(segment, now);
        true
    }

    /// RFC 5961, 3.2: only a reset with exactly the expected number is believed.
    fn on_reset(&mut self, segment: &Tcp, now: SimTime) -> bool {
        if segment.seq != self.rcv.nxt {
            self.challenge(segment, now);
            return false;
        }
        let errno = match self.state {
            TcpState::SynReceived if self.parent.is_some() => return self.vanish(),
            TcpState::TimeWait => return self.vanish(),
            TcpState::CloseWait => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        };
        self.fail(SockError { errno, icmp: None });
        true
    }

    fn vanish(&mut self) -> bool {
        self.finish();
        true
    }

    /// Answers an implausible segment with the truth (RFC 5961).
    pub(super) fn challenge(&mut self, segment: &Tcp, now: SimTime) {
        let data = !segment.payload.is_empty() && !segment.flags.has(TcpFlags::SYN);
        let recent = self.last_challenge.is_some_and(|at| now.since(at) < CHALLENGE_INTERVAL);
        if !data {
            if recent {
                return;
            }
            self.last_challenge = Some(now);
        }
        if self.state == TcpState::TimeWait && segment.flags.has(TcpFlags::FIN) {
            self.expire_after(TIME_WAIT, now);
        }
        self.emit_ack();
    }

    fn on_data(&mut self, segment: &Tcp, now: SimTime) {
        let fin = segment.flags.has(TcpFlags::FIN);
        // A SYN takes the first sequence number.
        let start = segment.seq.wrapping_add(u32::from(segment.flags.has(TcpFlags::SYN)));
        if segment.payload.is_empty() && !fin {
            return;
        }
        let data_end = start.wrapping_add(segment.payload.len() as u32);
        if self.orphan && self.state.may_receive() && seq::after(data_end, self.rcv.nxt) {
            // Nobody will read it.
            self.emit(segment.ack, TcpFlags::RST, Payload::Empty);
            return self.finish();
        }
        let finished = self.rcv.finished;
        self.rcv.quick |= !segment.payload.is_empty();
        if self.rcv.take(start, &segment.payload, fin, self.agreed.window) {
            self.news = true;
        }
        if self.rcv.finished && !finished {
            self.on_fin(now);
            self.acknowledge_fin(now);
        } else {
            self.emit_ack();
        }
    }

    /// The peer has closed its side.
    fn on_fin(&mut self, now: SimTime) {
        match self.state {
            TcpState::Established => self.state = TcpState::CloseWait,
            TcpState::FinWait1 => self.state = TcpState::Closing,
            TcpState::FinWait2 => self.enter_time_wait(now),
            _ => {}
        }
    }

    /// The peer has our FIN.
    pub(super) fn fin_acknowledged(&mut self, now: SimTime) {
        self.snd.fin = false;
        match self.state {
            TcpState::FinWait1 => {
                self.state = TcpState::FinWait2;
                if self.orphan {
                    self.expire_after(Duration::from_secs(self.settings.fin_timeout.into()), now);
                }
            }
            TcpState::Closing => self.enter_time_wait(now),
            TcpState::LastAck => self.finish(),
            _ => {}
        }
    }

    fn enter_time_wait(&mut self, now: SimTime) {
        self.state = TcpState::TimeWait;
        self.expire_after(TIME_WAIT, now);
    }
}

/// Sequence number after a segment.
pub(super) fn end_of(segment: &Tcp) -> u32 {
    let controls = u32::from(segment.flags.has(TcpFlags::SYN)) + u32::from(segment.flags.has(TcpFlags::FIN));
    segment.seq.wrapping_add(segment.payload.len() as u32).wrapping_add(controls)
}
