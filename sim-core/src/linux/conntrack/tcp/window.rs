//! Whether a segment fits what both ends have said so far (`tcp_in_window`).
//!
//! After Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000). For each end four numbers are kept:
//!
//! - `end`: highest sequence number it has sent, plus one;
//! - `max_end`: highest sequence number it may send, as the other end's acknowledgments and windows allow;
//! - `max_win`: largest window it has offered;
//! - `max_ack`: highest acknowledgment it has sent.

use super::state::{Segment, TcpState};
use super::{TcpTrack, segment_end};
use crate::linux::conntrack::{Direction, Settings};
use crate::packet::{Tcp, TcpFlags};

/// Acknowledgments this far behind are taken for late ones, in bytes.
const MAX_ACK_WINDOW: u32 = 66_000;

/// What is known of one end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) end: u32,
    pub(super) max_end: u32,
    pub(super) max_win: u32,
    pub(super) max_ack: Option<u32>,
    /// It has sent data that is not acknowledged yet.
    pub(super) unacknowledged: bool,
    /// It sent the first FIN.
    pub(super) began_close: bool,
    /// The connection was picked up in the middle: its window scale is not known, so be generous.
    pub(super) liberal: bool,
    /// What its SYN offered.
    pub(super) offer: Offer,
}

/// What an end's SYN says of later segments (`tcp_options`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Its windows count units of two to this power; 0 unless both ends offer scaling.
    pub(super) scale: u8,
    scales: bool,
    sack: bool,
}

impl Offer {
    pub(super) fn of(tcp: &Tcp) -> Self {
        let scale = tcp.options.window_scale;
        Self { scale: scale.unwrap_or(0).min(14), scales: scale.is_some(), sack: tcp.options.sack_permitted }
    }
}

impl End {
    /// An end that has sent its SYN.
    pub(super) fn begin(&mut self, end: u32, window: u16, offer: Offer) {
        self.offer = offer;
        self.end = end;
        self.max_end = end;
        self.max_win = u32::from(window).max(1);
    }

    /// Forgets what was seen (`nf_ct_tcp_state_reset`).
    pub(super) fn reset(&mut self) {
        *self = Self { liberal: self.liberal, ..Self::default() };
    }
}

/// What the window check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Part of the connection.
    Accept,
    /// Pass it, but learn nothing from it.
    Ignore,
    /// Not part of the connection.
    Invalid,
}

const fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

const fn before(a: u32, b: u32) -> bool {
    after(b, a)
}

impl TcpTrack {
    /// Checks a segment against the windows, and learns from it if it fits.
    pub(super) fn check_window(&mut self, dir: Direction, tcp: &Tcp, settings: &Settings) -> Fit {
        let state = self.state;
        let has = |f| tcp.flags.has(f);
        let end = segment_end(tcp);
        let (sender, receiver) = self.ends_mut(dir);
        let liberal = sender.liberal || settings.tcp_be_liberal;
        if sender.max_win == 0 {
            if has(TcpFlags::SYN) {
                begin(sender, receiver, tcp, end, dir);
                if !has(TcpFlags::ACK) {
                    return Fit::Accept; // simultaneous open
                }
            } else {
                pick_up(sender, receiver, tcp, end);
            }
        } else if has(TcpFlags::SYN)
            && after(end, sender.end)
            && matches!(state, TcpState::SynSent | TcpState::SynRecv)
        {
            // A host that starts anew only has to use higher sequence numbers than before (RFC 793).
            begin(sender, receiver, tcp, end, dir);
            if dir == Direction::Reply && !has(TcpFlags::ACK) {
                return Fit::Accept;
            }
        }
        // Without ACK, and in a reset of a stack that sets ACK but no number, pretend that everything is acknowledged.
        let no_ack = !has(TcpFlags::ACK) || has(TcpFlags::RST) && tcp.ack == 0;
        let (ack, sack) =
            if no_ack { (receiver.end, receiver.end) } else { (tcp.ack, highest(tcp, receiver)) };
        // A reset that answers a SYN has no sequence number of its own.
        let (seq, end) = if has(TcpFlags::RST) && tcp.seq == 0 && state == TcpState::SynSent {
            (sender.end, sender.end)
        } else {
            (tcp.seq, end)
        };
        match judge(sender, receiver, seq, end, sack) {
            Fit::Accept => {}
            fit => return if liberal { Fit::Accept } else { fit },
        }
        learn(sender, receiver, tcp, end, ack, sack);
        if Segment::of(tcp.flags) == Segment::Ack {
            self.note_retransmission(dir, tcp, seq, ack, end);
        }
        Fit::Accept
    }

    fn ends_mut(&mut self, dir: Direction) -> (&mut End, &mut End) {
        let [original, reply] = &mut self.ends;
        match dir {
            Direction::Original => (original, reply),
            Direction::Reply => (reply, original),
        }
    }

    fn note_retransmission(&mut self, dir: Direction, tcp: &Tcp, seq: u32, ack: u32, end: u32) {
        let last = &mut self.last;
        if (last.dir, last.seq, last.ack, last.end, last.win) == (dir, seq, ack, end, tcp.window) {
            self.retransmissions = self.retransmissions.saturating_add(1);
        } else {
            (last.dir, last.seq, last.ack, last.end, last.win) = (dir, seq, ack, end, tcp.window);
            self.retransmissions = 0;
        }
    }
}

/// An end's SYN. Both ends must offer window scaling for either to use it.
fn begin(sender: &mut End, receiver: &mut End, tcp: &Tcp, end: u32, dir: Direction) {
    sender.begin(end, tcp.window, Offer::of(tcp));
    if dir == Direction::Reply && !(sender.offer.scales && receiver.offer.scales) {
        sender.offer.scale = 0;
        receiver.offer.scale = 0;
    }
}

/// The highest number that a segment acknowledges, selectively or not (`tcp_sack`).
fn highest(tcp: &Tcp, receiver: &End) -> u32 {
    let blocks = tcp.options.sack.iter().flatten().filter(|_| receiver.offer.sack);
    blocks.fold(tcp.ack, |highest, (_, edge)| if after(*edge, highest) { *edge } else { highest })
}

/// The first segment of an end whose beginning was missed.
fn pick_up(sender: &mut End, receiver: &mut End, tcp: &Tcp, end: u32) {
    sender.end = end;
    sender.max_win = (u32::from(tcp.window) << sender.offer.scale).max(1);
    sender.max_end = end.wrapping_add(sender.max_win);
    if receiver.max_win == 0 {
        // Nothing was seen of the other end yet: take the acknowledgment for what it has sent.
        receiver.end = tcp.ack;
        receiver.max_end = tcp.ack;
    } else if tcp.ack == receiver.end.wrapping_add(1) {
        receiver.end = tcp.ack; // answers a keep-alive
    }
}

fn judge(sender: &mut End, receiver: &End, seq: u32, end: u32, ack: u32) -> Fit {
    let late_ack = receiver.end.wrapping_sub(sender.max_win.max(MAX_ACK_WINDOW)).wrapping_sub(1);
    let low_edge = sender.end.wrapping_sub(receiver.max_win).wrapping_sub(1);
    if !before(seq, sender.max_end.wrapping_add(1)) {
        // More than the receiver's window allows. If that is all that is wrong, and it is not much, some stacks do it:
        // then note the data as sent, so that its acknowledgment will fit.
        let overshot = end.wrapping_sub(sender.max_end).wrapping_add(1);
        let otherwise_fine = receiver.max_win != 0
            && after(end, low_edge)
            && after(ack, late_ack)
            && before(ack, receiver.end.wrapping_add(1));
        if otherwise_fine && overshot <= receiver.max_win {
            sender.end = end;
            sender.unacknowledged = true;
            return Fit::Ignore;
        }
        return Fit::Invalid;
    }
    if !before(ack, receiver.end.wrapping_add(1)) {
        return Fit::Invalid; // acknowledges what was never sent
    }
    let in_window = receiver.max_win == 0 || after(end, low_edge);
    if !in_window || !after(ack, late_ack) {
        return Fit::Ignore; // a late retransmission or acknowledgment
    }
    Fit::Accept
}

fn learn(sender: &mut End, receiver: &mut End, tcp: &Tcp, end: u32, ack: u32, sack: u32) {
    let scale = if tcp.flags.has(TcpFlags::SYN) { 0 } else { sender.offer.scale };
    let window = u32::from(tcp.window) << scale;
    sender.max_win = sender.max_win.max(window.wrapping_add(sack.wrapping_sub(ack)));
    if after(end, sender.end) {
        sender.end = end;
        sender.unacknowledged = true;
    }
    if tcp.flags.has(TcpFlags::ACK) && sender.max_ack.is_none_or(|highest| after(ack, highest)) {
        sender.max_ack = Some(ack);
    }
    if receiver.max_win != 0 && after(end, sender.max_end) {
        receiver.max_win = receiver.max_win.wrapping_add(end.wrapping_sub(sender.max_end));
    }
    let edge = sack.wrapping_add(window);
    if after(edge, receiver.max_end.wrapping_sub(1)) {
        receiver.max_end = if window == 0 { edge.wrapping_add(1) } else { edge };
    }
    if ack == receiver.end {
        receiver.unacknowledged = false;
    }
}
