//! TCP as the observer in the middle follows it (`nf_conntrack_proto_tcp.c`).

mod state;
mod window;

pub use state::TcpState;

use state::{Next, Segment, flags_are_valid, transition};
use window::{End, Fit, Offer};

use super::{Conn, Direction, ProtoState, Settings, Status, TcpTimeouts};
use crate::packet::{Tcp, TcpFlags};
use crate::time::SimTime;

/// What is remembered of a TCP flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpTrack {
    state: TcpState,
    /// The original and the reply direction's sender.
    ends: [End; 2],
    last: Last,
    /// Times that the last segment was seen again.
    retransmissions: u32,
    /// SYNs have crossed.
    simultaneous_open: bool,
    /// A SYN was let through in LAST_ACK; an ACK may be the challenge of RFC 5961 and not acknowledge the FIN.
    challenge_expected: bool,
}

/// The last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    dir: Direction,
    segment: Segment,
    seq: u32,
    ack: u32,
    end: u32,
    win: u16,
    offer: Offer,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            dir: Direction::Original,
            segment: Segment::Bare,
            seq: 0,
            ack: 0,
            end: 0,
            win: 0,
            offer: Offer::default(),
        }
    }
}

/// What becomes of a segment of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Part of the flow.
    Accept,
    /// Not part of the flow, or of none.
    Invalid,
    /// Part of the flow, which ends with it: the entry goes.
    Kill,
    /// The flow was over and this is the first segment of another with the same tuple.
    Reopen,
}

/// What the state machine wants done.
enum Step {
    /// Check the window, then go to the state.
    Check(TcpState),
    /// Go to the state without looking at the window.
    Skip(TcpState),
    /// Done.
    End(Outcome),
}

impl TcpTrack {
    /// The state.
    #[must_use]
    pub const fn state(&self) -> TcpState {
        self.state
    }

    /// The memory of a flow that somebody has put in by hand: what its ends have sent is learnt from their next segments.
    pub(super) fn in_state(state: TcpState) -> Self {
        Self { state, ..Self::default() }
    }

    pub(super) const fn set_state(&mut self, state: TcpState) {
        self.state = state;
    }

    /// The memory of a flow that begins with this segment; none if no flow begins so.
    pub(super) fn begin(tcp: &Tcp, settings: &Settings) -> Option<Self> {
        if !flags_are_valid(tcp.flags) {
            return None;
        }
        let first = transition(Direction::Original, Segment::of(tcp.flags), TcpState::None);
        let Next::To(state) = first else { return None };
        let mut track = Self::default();
        let end = segment_end(tcp);
        track.ends[0].begin(end, tcp.window, Offer::of(tcp));
        if state != TcpState::SynSent {
            if !settings.tcp_loose {
                return None;
            }
            track.ends[0].max_end = end.wrapping_add(track.ends[0].max_win);
            track.ends[0].liberal = true;
            track.ends[1].liberal = true;
        }
        Some(track)
    }

    /// Whether the original direction's sender has sent more than in another flow of the same tuple.
    pub(super) const fn has_advanced_past(&self, other: &Self) -> bool {
        (other.ends[0].end.wrapping_sub(self.ends[0].end) as i32) < 0
    }

    fn is_established(&self, status: Status) -> bool {
        self.state == TcpState::Established && status.has(Status::ASSURED)
    }

    fn step(&mut self, dir: Direction, tcp: &Tcp, status: Status, settings: &Settings) -> Step {
        let segment = Segment::of(tcp.flags);
        let old = self.state;
        let Next::To(new) = transition(dir, segment, old) else {
            return match transition(dir, segment, old) {
                Next::Ignore => self.ignore(dir, segment, tcp),
                Next::Invalid | Next::To(_) => Step::End(Outcome::Invalid),
            };
        };
        match new {
            TcpState::SynSent if old >= TcpState::TimeWait => {
                let closed = self.ends.iter().any(|e| e.began_close);
                let aborted = self.last.dir == dir && self.last.segment == Segment::Rst;
                if closed || aborted {
                    return Step::End(Outcome::Reopen);
                }
                self.ignore(dir, segment, tcp)
            }
            TcpState::TimeWait
                if old == TcpState::LastAck
                    && segment == Segment::Ack
                    && self.last.dir != dir
                    && self.last.segment == Segment::Syn
                    && self.challenge_expected =>
            {
                self.challenge_expected = false;
                Step::End(Outcome::Accept)
            }
            TcpState::SynSent2 => {
                self.simultaneous_open = true;
                Step::Check(new)
            }
            TcpState::SynRecv
                if dir == Direction::Reply && segment == Segment::Ack && self.simultaneous_open =>
            {
                Step::Check(TcpState::Established)
            }
            TcpState::Close if segment == Segment::Rst => self.reset(dir, tcp, status, settings),
            _ => Step::Check(new),
        }
    }

    /// Lets a segment pass that may or may not be valid, and remembers it.
    fn ignore(&mut self, dir: Direction, segment: Segment, tcp: &Tcp) -> Step {
        let answers_syn = segment == Segment::SynAck
            && self.last.segment == Segment::Syn
            && self.last.dir != dir
            && tcp.ack == self.last.end;
        if answers_syn {
            // Both ends agree on a SYN that we did not believe: believe it now.
            let asker = &mut self.ends[self.last.dir as usize];
            *asker = End::default();
            asker.begin(self.last.end, self.last.win, self.last.offer);
            self.challenge_expected = false;
            self.ends[dir as usize].reset();
            self.state = TcpState::SynSent;
            return Step::Check(TcpState::SynRecv);
        }
        self.last = Last {
            dir,
            segment,
            seq: tcp.seq,
            ack: self.last.ack,
            end: segment_end(tcp),
            win: tcp.window,
            offer: Offer::of(tcp),
        };
        if segment == Segment::Syn && dir == Direction::Original {
            self.challenge_expected = self.state == TcpState::LastAck;
        }
        if self.state == TcpState::SynSent && segment == Segment::Ack && dir == Direction::Reply {
            self.last.ack = tcp.ack;
        }
        Step::End(Outcome::Accept)
    }

    fn reset(&mut self, dir: Direction, tcp: &Tcp, status: Status, settings: &Settings) -> Step {
        let mut new = TcpState::Close;
        if self.state.is_closing() {
            return Step::Skip(new); // the ports may be in use again already
        }
        let peer_ack = self.ends[dir.flip() as usize].max_ack;
        if let Some(max_ack) = peer_ack
            && self.last.segment != Segment::Syn
        {
            if tcp.seq == 0 && !self.is_established(status) {
                return Step::Check(new); // answers a SYN that was let through
            }
            if (tcp.seq.wrapping_sub(max_ack) as i32) < 0 && !settings.tcp_ignore_invalid_rst {
                return Step::End(Outcome::Invalid);
            }
            let in_train =
                self.last.segment == Segment::Ack && self.last.dir == dir && tcp.seq == self.last.end;
            if !self.is_established(status) || tcp.seq == max_ack || in_train {
                return Step::Check(new);
            }
            new = self.state; // not exact: the receiver may answer with a challenge ACK and go on
        }
        let to_ignored_syn =
            status.has(Status::SEEN_REPLY) && self.last.segment == Segment::Syn && self.last.dir != dir;
        let to_half_open = !status.has(Status::ASSURED) && self.last.segment == Segment::Ack;
        if (to_ignored_syn || to_half_open) && tcp.ack == self.last.end {
            return Step::Skip(new);
        }
        let to_challenge = self.state == TcpState::SynSent
            && self.last.segment == Segment::Ack
            && self.last.dir == Direction::Reply
            && tcp.seq == self.last.ack;
        if to_challenge { Step::Skip(new) } else { Step::Check(new) }
    }

    fn timeout(&self, segment: Segment, settings: &Settings) -> u32 {
        let t = &settings.timeouts.tcp;
        let normal = t.of(self.state);
        if self.retransmissions >= settings.tcp_max_retrans && normal > t.max_retrans {
            t.max_retrans
        } else if segment == Segment::Rst {
            t.close
        } else if self.ends.iter().any(|e| e.unacknowledged) && normal > t.unacknowledged {
            t.unacknowledged
        } else if self.last.win == 0 && normal > t.max_retrans {
            t.max_retrans
        } else {
            normal
        }
    }
}

impl TcpTimeouts {
    const fn of(&self, state: TcpState) -> u32 {
        match state {
            TcpState::None => 0,
            TcpState::SynSent | TcpState::SynSent2 => self.syn_sent,
            TcpState::SynRecv => self.syn_recv,
            TcpState::Established => self.established,
            TcpState::FinWait => self.fin_wait,
            TcpState::CloseWait => self.close_wait,
            TcpState::LastAck => self.last_ack,
            TcpState::TimeWait => self.time_wait,
            TcpState::Close => self.close,
        }
    }
}

/// Takes a segment of a flow: state, windows, timeout (`nf_conntrack_tcp_packet`).
pub(super) fn packet(
    conn: &mut Conn,
    dir: Direction,
    tcp: &Tcp,
    bytes: usize,
    settings: &Settings,
    now: SimTime,
) -> Outcome {
    let status = conn.status;
    let ProtoState::Tcp(track) = &mut conn.proto else { return Outcome::Invalid };
    if !flags_are_valid(tcp.flags) {
        return Outcome::Invalid;
    }
    let segment = Segment::of(tcp.flags);
    let step = track.step(dir, tcp, status, settings);
    // After the step: an answer to a SYN that was not believed sets the state back.
    let old = track.state;
    let new = match step {
        Step::End(outcome) => return outcome,
        Step::Skip(new) => new,
        Step::Check(new) => match track.check_window(dir, tcp, settings) {
            Fit::Accept => new,
            Fit::Ignore => return Outcome::Accept,
            Fit::Invalid => {
                shorten(conn, dir, segment, settings, now);
                return Outcome::Invalid;
            }
        },
    };
    track.last.segment = segment;
    track.last.dir = dir;
    track.state = new;
    if old != new && new == TcpState::FinWait {
        track.ends[dir as usize].began_close = true;
    }
    let mut timeout = track.timeout(segment, settings);
    let unacknowledged = settings.timeouts.tcp.unacknowledged;
    if !status.has(Status::SEEN_REPLY) {
        if tcp.flags.has(TcpFlags::RST) {
            conn.count(dir, bytes);
            return Outcome::Kill; // refused at once: nothing worth remembering
        }
        if segment == Segment::Syn && old == TcpState::SynSent {
            return Outcome::Accept; // a repeated SYN does not keep the entry alive
        }
        if new == TcpState::Established {
            timeout = timeout.min(unacknowledged); // picked up, but nobody has answered yet
        }
    } else if !status.has(Status::ASSURED)
        && matches!(old, TcpState::SynRecv | TcpState::Established)
        && new == TcpState::Established
    {
        conn.status |= Status::ASSURED;
    }
    conn.refresh(now, timeout, dir, bytes);
    Outcome::Accept
}

/// Takes the flow for closed.
pub(super) fn set_closing(conn: &mut Conn, settings: &Settings, now: SimTime) {
    let ProtoState::Tcp(track) = &mut conn.proto else { return };
    let was = std::mem::replace(&mut track.state, TcpState::Close);
    if was != TcpState::Close && !conn.status.has(Status::FIXED_TIMEOUT) {
        conn.expires = now + std::time::Duration::from_secs(settings.timeouts.tcp.close.into());
    }
}

/// A FIN or RST outside the window, answered by another: the connection is probably over, so do not keep it for days.
fn shorten(conn: &mut Conn, dir: Direction, segment: Segment, settings: &Settings, now: SimTime) {
    let ends = |s| matches!(s, Segment::Fin | Segment::Rst);
    if !conn.status.has(Status::ASSURED) || conn.status.has(Status::FIXED_TIMEOUT) || !ends(segment) {
        return;
    }
    let ProtoState::Tcp(track) = &mut conn.proto else { return };
    if track.last.dir != dir && ends(track.last.segment) {
        let limit = settings.timeouts.tcp.unacknowledged;
        let left = conn.expires.since(now).as_secs();
        if left >= 120 && left > limit.into() {
            conn.expires = now + std::time::Duration::from_secs(limit.into());
        }
    } else {
        track.last.segment = segment;
        track.last.dir = dir;
    }
}

/// The sequence number after a segment; SYN and FIN count as one byte each.
fn segment_end(tcp: &Tcp) -> u32 {
    let flags = u32::from(tcp.flags.has(TcpFlags::SYN)) + u32::from(tcp.flags.has(TcpFlags::FIN));
    tcp.seq.wrapping_add(tcp.payload.len() as u32).wrapping_add(flags)
}
