//! One connection: its variables, and what its application does with it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::options::Agreed;
use super::reassembly::Receive;
use super::transmit::{Retransmission, Send};
use super::{TcpSettings, TcpState};
use crate::linux::Errno;
use crate::linux::socket::types::{SockError, TcpRead};
use crate::packet::{IcmpError, Payload, Tcp, TcpFlags, TcpOptions};
use crate::time::SimTime;
use crate::trace::SockId;

/// Bytes that may wait to be sent and acknowledged.
const SEND_BUFFER: usize = 1 << 20;
/// `TCP_DELACK_MIN`.
const DELAYED_ACK: Duration = Duration::from_millis(40);
/// Segment size towards a peer that announced none (RFC 9293, 3.7.1).
pub(super) const DEFAULT_MSS: u16 = 536;
/// How long a connection stays in TIME-WAIT (`TCP_TIMEWAIT_LEN`).
pub(super) const TIME_WAIT: Duration = Duration::from_secs(60);

/// A TCP connection (a transmission control block).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux::socket) struct Connection {
    pub(in crate::linux::socket) local: SocketAddr,
    pub(in crate::linux::socket) remote: SocketAddr,
    pub(in crate::linux::socket) state: TcpState,
    /// The listener that is to hand it out, until the handshake is done.
    pub(super) parent: Option<SockId>,
    /// The application has closed it.
    pub(super) orphan: bool,
    pub(super) snd: Send,
    pub(super) rcv: Receive,
    /// What both SYNs have in common.
    pub(super) agreed: Agreed,
    /// The time of what it does.
    pub(super) clock: SimTime,
    pub(super) rtx: Retransmission,
    pub(super) timer: Option<(SimTime, Timer)>,
    /// Retransmission timeouts so far.
    pub(super) timeouts: u32,
    /// Its route was looked up before it had a source address, and is kept.
    pub(super) early_route: bool,
    /// The instant for which the table has its timer.
    pub(super) armed: Option<SimTime>,
    /// Error that is reported if the connection times out (`sk_err_soft`).
    pub(super) soft_error: Option<SockError>,
    /// Error for the application, not handed over yet.
    pub(super) failure: Option<SockError>,
    /// Something happened that the application should look at.
    pub(super) news: bool,
    /// Segments to send.
    pub(super) outbox: Vec<Tcp>,
    /// When the last segment out of the window was answered.
    pub(super) last_challenge: Option<SimTime>,
    pub(super) settings: TcpSettings,
    pub(super) ip_id: u16,
}

/// What a connection's timer is for; only one runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Repeat what is not acknowledged.
    Retransmit,
    /// Acknowledge the peer's FIN, unless our own has done so meanwhile.
    Acknowledge,
    /// TIME-WAIT or an orphan's FIN-WAIT-2 ends.
    Expire,
}

/// How a connection begins.
pub(super) struct Opening {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) mtu: u32,
    pub(super) iss: u32,
    pub(super) ip_id: u16,
    pub(super) settings: TcpSettings,
}

impl Connection {
    fn new(how: &Opening, state: TcpState, now: SimTime) -> Self {
        let mss = mss_of(how.mtu, how.remote.ip());
        Self {
            local: how.local,
            remote: how.remote,
            state,
            parent: None,
            orphan: false,
            snd: Send::new(how.iss, mss),
            rcv: Receive::default(),
            agreed: Agreed::offer(&how.settings, how.iss, mss),
            clock: now,
            rtx: Retransmission::default(),
            timer: None,
            timeouts: 0,
            early_route: false,
            armed: None,
            soft_error: None,
            failure: None,
            news: false,
            outbox: Vec::new(),
            last_challenge: None,
            settings: how.settings,
            ip_id: how.ip_id,
        }
    }

    /// Opens actively: sends a SYN.
    pub(super) fn connect(how: &Opening, now: SimTime) -> Self {
        let mut new = Self::new(how, TcpState::SynSent, now);
        new.send_syn(now);
        new
    }

    /// Opens passively: answers `syn` with a SYN-ACK.
    pub(super) fn respond(how: &Opening, parent: SockId, syn: &Tcp, now: SimTime) -> Self {
        let mut new = Self::new(how, TcpState::SynReceived, now);
        new.parent = Some(parent);
        new.learn_peer(syn);
        new.send_syn(now);
        new
    }

    /// What the peer's SYN says.
    pub(super) fn learn_peer(&mut self, syn: &Tcp) {
        self.rcv.start(syn.seq);
        self.agreed.learn(&syn.options, self.snd.announced_mss, self.state == TcpState::SynReceived);
        let mss = self.snd.mss.min(syn.options.mss.unwrap_or(DEFAULT_MSS));
        self.snd.mss = mss.saturating_sub(self.agreed.overhead()).max(1);
        self.snd.set_window(syn, self.agreed.peer_window(syn));
    }

    /// Queues bytes; how many there was room for.
    pub(super) fn write(&mut self, bytes: &[u8], now: SimTime) -> Result<usize, Errno> {
        self.clock = now;
        if self.state.is_opening() {
            return Err(Errno::EAGAIN);
        }
        if !self.state.may_send() {
            return Err(Errno::EPIPE);
        }
        let room = SEND_BUFFER.saturating_sub(self.snd.buffer.len());
        let taken = &bytes[..bytes.len().min(room)];
        self.snd.wants_room = taken.len() < bytes.len();
        if taken.is_empty() && !bytes.is_empty() {
            return Err(Errno::EAGAIN);
        }
        self.snd.buffer.extend(taken);
        self.transmit(now);
        Ok(taken.len())
    }

    /// Takes all bytes that have come in order.
    pub(super) fn read(&mut self) -> TcpRead {
        if !self.rcv.buffer.is_empty() {
            TcpRead::Data(std::mem::take(&mut self.rcv.buffer))
        } else if self.rcv.finished || self.state == TcpState::Closed {
            TcpRead::Eof
        } else {
            TcpRead::WouldBlock
        }
    }

    /// Closes the sending side: a FIN follows the last byte.
    pub(super) fn shutdown(&mut self, now: SimTime) {
        self.clock = now;
        self.state = match self.state {
            TcpState::SynReceived | TcpState::Established => TcpState::FinWait1,
            TcpState::CloseWait => TcpState::LastAck,
            _ => return,
        };
        self.snd.fin = true;
        self.transmit(now);
    }

    /// The application is done with it.
    pub(super) fn close(&mut self, now: SimTime) {
        self.clock = now;
        self.orphan = true;
        if self.state == TcpState::SynSent {
            self.finish();
        } else if !self.rcv.buffer.is_empty() && self.state != TcpState::Closed {
            self.abort();
        } else {
            self.shutdown(now);
            if self.state == TcpState::FinWait2 {
                self.expire_after(Duration::from_secs(self.settings.fin_timeout.into()), now);
            }
        }
    }

    /// Resets the connection (`tcp_send_active_reset`).
    pub(super) fn abort(&mut self) {
        if !matches!(self.state, TcpState::Closed | TcpState::SynSent | TcpState::TimeWait) {
            self.emit(self.snd.nxt, TcpFlags::RST.with(TcpFlags::ACK), Payload::Empty);
        }
        self.finish();
    }

    /// Ends with an error.
    pub(super) fn fail(&mut self, error: SockError) {
        self.failure = Some(error);
        self.finish();
    }

    /// Nothing more will happen.
    pub(super) fn finish(&mut self) {
        self.state = TcpState::Closed;
        self.timer = None;
        self.snd.buffer = VecDeque::new();
        self.news = true;
    }

    pub(super) fn expire_after(&mut self, wait: Duration, now: SimTime) {
        self.timer = Some((now.tick() + wait, Timer::Expire));
    }

    /// An ICMP error about one of its segments (`tcp_v4_err`).
    pub(super) fn icmp_error(&mut self, error: IcmpError, from: IpAddr, segment: &Tcp, now: SimTime) {
        if !super::seq::between(segment.seq, self.snd.una, self.snd.max) {
            return;
        }
        if let IcmpError::FragmentationNeeded { mtu } = error {
            return self.lower_mtu(u32::from(mtu), now);
        }
        let (errno, _) = crate::linux::socket::errno_of(error, from.is_ipv6());
        let failure = SockError { errno, icmp: Some((error, from)) };
        match (self.state, self.parent) {
            // A half-open request dies of what says "nobody there", and of nothing else (`tcp_req_err`).
            (TcpState::SynReceived, Some(_)) => {
                if matches!(
                    error,
                    IcmpError::NetUnreachable | IcmpError::HostUnreachable | IcmpError::TtlExceeded
                ) {
                    self.finish();
                }
            }
            (TcpState::SynSent | TcpState::SynReceived, _) => self.fail(failure),
            _ => self.soft_error = Some(failure),
        }
    }

    /// Whether it minds a redirect about a segment: not while it is a request that nobody has accepted, and not when it only waits.
    pub(super) fn is_redirectable(&self, segment: &Tcp) -> bool {
        let request = self.state == TcpState::SynReceived && self.parent.is_some();
        let over = matches!(self.state, TcpState::Closed | TcpState::TimeWait);
        !request && !over && super::seq::between(segment.seq, self.snd.una, self.snd.max)
    }

    /// This host could not send one of its segments.
    pub(super) fn local_error(&mut self, errno: Errno, mtu: Option<u32>, now: SimTime) {
        match (errno, mtu) {
            (Errno::EMSGSIZE, Some(mtu)) => self.lower_mtu(mtu, now),
            (Errno::ECONNREFUSED, _) if self.state == TcpState::SynSent => {
                self.fail(SockError { errno, icmp: None })
            }
            _ => self.soft_error = Some(SockError { errno, icmp: None }),
        }
    }

    /// Acknowledges a FIN: at once while the peer's data came faster than ours (`icsk_ack.quick`), else with our own FIN if the
    /// application closes within the delay.
    pub(super) fn acknowledge_fin(&mut self, now: SimTime) {
        let quick = self.rcv.quick;
        if self.state == TcpState::CloseWait && !quick && self.timer.is_none() {
            self.timer = Some((now.tick() + DELAYED_ACK, Timer::Acknowledge));
        } else {
            self.emit_ack();
        }
    }

    /// Queues a segment.
    pub(super) fn emit(&mut self, seq: u32, flags: TcpFlags, payload: Payload) {
        let syn = flags.has(TcpFlags::SYN);
        if matches!(self.timer, Some((_, Timer::Acknowledge))) {
            self.timer = None;
        }
        // A bare reset is an answer to one segment (`tcp_v4_send_reset`); all others are the connection's own.
        let bare = flags == TcpFlags::RST;
        let options = if bare {
            TcpOptions::default()
        } else {
            self.agreed.write(self.clock, syn.then_some(self.snd.announced_mss), &self.rcv.gaps())
        };
        self.outbox.push(Tcp {
            sport: self.local.port(),
            dport: self.remote.port(),
            seq,
            ack: if flags.has(TcpFlags::ACK) { self.rcv.nxt } else { 0 },
            flags,
            window: if bare { 0 } else { self.agreed.window_field(syn) },
            options,
            payload,
        });
    }

    pub(super) fn emit_ack(&mut self) {
        self.emit(self.snd.nxt, TcpFlags::ACK, Payload::Empty);
    }

    /// Bytes in order that the application has not read.
    pub(in crate::linux::socket) const fn unread(&self) -> usize {
        self.rcv.buffer.len()
    }

    /// Sequence numbers that the peer has not acknowledged, and bytes not sent yet.
    pub(in crate::linux::socket) fn unacknowledged(&self) -> usize {
        self.snd.buffer.len() + usize::from(self.state == TcpState::SynSent)
    }
}

/// Largest segment for a path, in bytes: without the IP header and 20 bytes of TCP.
pub(super) fn mss_of(mtu: u32, peer: IpAddr) -> u16 {
    let headers = if peer.is_ipv4() { 40 } else { 60 };
    u16::try_from(mtu.saturating_sub(headers)).unwrap_or(u16::MAX).max(1)
}
