//! TCP: listeners, connections, and who gets a segment.

mod arrive;
mod connection;
mod options;
mod reassembly;
mod seq;
mod settle;
mod state;
mod transmit;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::types::{Arrival, Common, Input, SockOptions, TcpRead};
use super::{Errno, Kind, Slot, Sockets, port};
use crate::chance::{Chance, Dice, Purpose};
use crate::packet::{IcmpError, IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport};
use crate::time::SimTime;
use crate::trace::{DropReason, SockId};

pub(super) use connection::Connection;
use connection::Opening;
pub use state::{TcpSettings, TcpState};

/// `net.core.somaxconn`.
const SOMAXCONN: usize = 4096;

/// Local and remote address of a connection.
type Flow = (SocketAddr, SocketAddr);

/// Where segments go, and which connection's timer runs out first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpTable {
    flows: FxHashMap<Flow, SockId>,
    /// Listeners by port, each with its address.
    listeners: FxHashMap<u16, SmallVec<[(SockId, port::Bound); 1]>>,
    timers: BTreeSet<(SimTime, SockId)>,
    settings: TcpSettings,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    backlog: usize,
    /// Handshakes under way.
    half_open: BTreeSet<SockId>,
    /// Connections that wait to be accepted.
    queue: VecDeque<SockId>,
}

impl Listener {
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn backlog(&self) -> usize {
        self.backlog
    }

    /// `sk_acceptq_is_full`: one more than the backlog fits.
    fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }
}

impl TcpTable {
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn listener(&self, dst: SocketAddr) -> Option<SockId> {
        let on_port = self.listeners.get(&dst.port())?;
        let fits =
            on_port.iter().filter_map(|(id, bound)| Some((port::address_score(*bound, dst.ip())?, *id)));
        fits.max().map(|(_, id)| id)
    }

    fn port_taken(&self, local: SocketAddr, v6only: bool) -> bool {
        let clash = |(_, bound): &(SockId, port::Bound)| port::overlap((local.ip(), v6only), *bound);
        self.listeners.get(&local.port()).is_some_and(|on_port| on_port.iter().any(clash))
    }

    pub(super) fn set_v6only(&mut self, port: u16, id: SockId, v6only: bool) {
        for (listener, bound) in self.listeners.get_mut(&port).into_iter().flatten() {
            if *listener == id {
                bound.1 = v6only;
            }
        }
    }
}

impl Sockets {
    /// Opens a listening socket, as servers do with `SO_REUSEADDR`: connections that linger on the port do not matter.
    ///
    /// # Errors
    /// `EADDRINUSE` if another listener has the port on an overlapping address.
    pub fn tcp_listen(
        &mut self,
        local: SocketAddr,
        backlog: usize,
        dice: &mut Dice,
        place: u64,
    ) -> Result<SockId, Errno> {
        let v6only = SockOptions::default().v6only;
        let free = |p| !self.tcp.port_taken(SocketAddr::new(local.ip(), p), v6only);
        let number = match local.port() {
            0 => port::ephemeral(dice, place, 1, free),
            given => Some(given).filter(|p| free(*p)),
        };
        let local = SocketAddr::new(local.ip(), number.ok_or(Errno::EADDRINUSE)?);
        let backlog = backlog.min(SOMAXCONN);
        let listener = Listener { local, backlog, half_open: BTreeSet::new(), queue: VecDeque::new() };
        let id = self.insert(Kind::Listener(listener));
        self.tcp.listeners.entry(local.port()).or_default().push((id, (local.ip(), v6only)));
        Ok(id)
    }

    /// Starts a connection: the SYN goes to the output queue. `local` has the address that the route prefers, and port 0
    /// for an ephemeral one; `mtu` is the route's, in bytes.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` if no port is left for this peer, or the given one has a connection to it already.
    pub fn tcp_connect(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        mtu: u32,
        now: SimTime,
        dice: &mut Dice,
        place: u64,
    ) -> Result<SockId, Errno> {
        let at = |p| SocketAddr::new(local.ip(), p);
        let unused = |p| !self.tcp.flows.contains_key(&(at(p), remote));
        let number = match local.port() {
            0 => port::ephemeral(dice, place, 2, |p| unused(p) && !self.tcp.port_taken(at(p), false)),
            given => Some(given).filter(|p| unused(*p)),
        };
        let how = self.opening(at(number.ok_or(Errno::EADDRNOTAVAIL)?), remote, mtu, dice, place);
        let id = self.insert(Kind::Tcp(Box::new(Connection::connect(&how, now))));
        self.tcp.flows.insert((how.local, remote), id);
        self.settle(id);
        Ok(id)
    }

    /// How often a connection's retransmission timer has run out.
    pub(in crate::linux) fn timeouts(&self, id: SockId) -> u32 {
        match self.slots.get(&id).map(|s| &s.kind) {
            Some(Kind::Tcp(connection)) => connection.timeouts,
            _ => 0,
        }
    }

    /// Says that a connection keeps the route that was looked up without a source address.
    pub(in crate::linux) fn keep_early_route(&mut self, id: SockId) {
        if let Some(Kind::Tcp(connection)) = self.slots.get_mut(&id).map(|s| &mut s.kind) {
            connection.early_route = true;
        }
    }

    /// Whether a connection still has a route that was looked up without a source address: until the second timeout makes it look
    /// for a better one (`tcp_write_timeout`).
    pub(in crate::linux) fn has_early_route(&self, id: SockId) -> bool {
        match self.slots.get(&id).map(|s| &s.kind) {
            Some(Kind::Tcp(connection)) => connection.early_route && connection.timeouts < 2,
            _ => false,
        }
    }

    fn opening(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        mtu: u32,
        dice: &mut Dice,
        place: u64,
    ) -> Opening {
        let iss = dice.bits(Purpose::Identifier, place);
        let ip_id = dice.bits(Purpose::Identifier, place) as u16;
        Opening { local, remote, mtu, iss, ip_id, settings: self.tcp.settings }
    }

    /// Takes a connection that a listener has ready.
    pub fn tcp_accept(&mut self, listener: SockId) -> Option<SockId> {
        match &mut self.slots.get_mut(&listener)?.kind {
            Kind::Listener(l) => l.queue.pop_front(),
            _ => None,
        }
    }

    /// Queues bytes to send; how many there was room for.
    ///
    /// # Errors
    /// The pending error; `EAGAIN` while connecting or when there is no room; `EPIPE` if this side is closed; `EBADF`.
    pub fn tcp_send(&mut self, id: SockId, bytes: &[u8], now: SimTime) -> Result<usize, Errno> {
        let (common, connection) = self.connection_mut(id)?;
        common.check_error()?;
        let result = connection.write(bytes, now);
        self.settle(id);
        result
    }

    /// Takes what has come in.
    ///
    /// # Errors
    /// The pending error, once all data before it has been read; `EBADF`.
    pub fn tcp_recv(&mut self, id: SockId) -> Result<TcpRead, Errno> {
        let (common, connection) = self.connection_mut(id)?;
        match connection.read() {
            TcpRead::Data(data) => Ok(TcpRead::Data(data)),
            nothing => common.check_error().map(|()| nothing),
        }
    }

    /// Closes the sending side (`SHUT_WR`).
    ///
    /// # Errors
    /// `ENOTCONN` if it is not connected; `EBADF`.
    pub fn tcp_shutdown(&mut self, id: SockId, now: SimTime) -> Result<(), Errno> {
        let (_, connection) = self.connection_mut(id)?;
        if matches!(connection.state, TcpState::Closed | TcpState::SynSent) {
            return Err(Errno::ENOTCONN);
        }
        connection.shutdown(now);
        self.settle(id);
        Ok(())
    }

    /// Closes a connection with a reset (`SO_LINGER` with 0 seconds).
    pub fn tcp_abort(&mut self, id: SockId) {
        if let Ok((_, connection)) = self.connection_mut(id) {
            connection.orphan = true;
            connection.abort();
            self.settle(id);
        }
    }

    /// State of a TCP socket; none for other sockets and those that are gone.
    #[must_use]
    pub fn tcp_state(&self, id: SockId) -> Option<TcpState> {
        match &self.slots.get(&id)?.kind {
            Kind::Listener(_) => Some(TcpState::Listen),
            Kind::Tcp(connection) => Some(connection.state),
            Kind::Udp(_) | Kind::Icmp(_) => None,
        }
    }

    /// The limits in force.
    #[must_use]
    pub const fn tcp_settings(&self) -> TcpSettings {
        self.tcp.settings
    }

    /// Sets the limits for connections that start from now on.
    pub const fn set_tcp_settings(&mut self, settings: TcpSettings) {
        self.tcp.settings = settings;
    }

    /// Does what is due at `now`: retransmissions, the ends of timeouts.
    pub fn on_timer(&mut self, now: SimTime) {
        while let Some((at, id)) = self.tcp.timers.first().copied()
            && at <= now
        {
            self.tcp.timers.remove(&(at, id));
            if let Ok((_, connection)) = self.connection_mut(id) {
                connection.armed = None;
                connection.on_timer(now);
                self.settle(id);
            }
        }
    }

    pub(super) fn tcp_input(&mut self, packet: &IpPacket, segment: &Tcp, arrival: &mut Arrival<'_>) -> Input {
        let flow = (packet.destination(), packet.source());
        let listener = self.tcp.listener(flow.0);
        if let Some(&id) = self.tcp.flows.get(&flow)
            && !self.gives_way(id, segment, listener.is_some())
        {
            return self.tcp_input_connection(id, segment, arrival.now);
        }
        match listener {
            Some(id) => self.tcp_input_listener(id, flow, segment, arrival),
            None => self.refuse(packet, segment),
        }
    }

    /// Whether a connection in TIME-WAIT makes room for a new one with the same addresses.
    fn gives_way(&mut self, id: SockId, segment: &Tcp, listener: bool) -> bool {
        let opens = segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK);
        if !listener || !opens || self.tcp_state(id) != Some(TcpState::TimeWait) {
            return false;
        }
        if let Ok((_, connection)) = self.connection_mut(id) {
            connection.finish();
            self.settle(id);
        }
        true
    }

    fn tcp_input_connection(&mut self, id: SockId, segment: &Tcp, now: SimTime) -> Input {
        let Ok((_, connection)) = self.connection_mut(id) else { return Input::Refused };
        let completes = connection.state == TcpState::SynReceived && segment.flags.has(TcpFlags::ACK);
        if let Some(parent) = connection.parent.filter(|_| completes)
            && self.listener_mut(parent).is_some_and(|l| l.is_full())
        {
            return Input::Dropped { socket: Some(parent), reason: DropReason::SocketQueueFull };
        }
        let Ok((_, connection)) = self.connection_mut(id) else { return Input::Refused };
        let used = connection.on_segment(segment, now);
        self.settle(id);
        match used {
            true => Input::Delivered(id),
            false => Input::Dropped { socket: Some(id), reason: DropReason::SocketRefused },
        }
    }

    fn tcp_input_listener(
        &mut self,
        id: SockId,
        flow: Flow,
        segment: &Tcp,
        arrival: &mut Arrival<'_>,
    ) -> Input {
        let flags = segment.flags;
        let dropped = |reason| Input::Dropped { socket: Some(id), reason };
        if flags.has(TcpFlags::RST) {
            return dropped(DropReason::SocketRefused);
        }
        if flags.has(TcpFlags::ACK) {
            self.reset(flow, segment);
            return Input::Refused;
        }
        if !flags.has(TcpFlags::SYN) || flags.has(TcpFlags::FIN) {
            return dropped(DropReason::SocketRefused);
        }
        if self.listener_mut(id).is_none_or(|l| l.is_full()) {
            return dropped(DropReason::SocketQueueFull);
        }
        let how = self.opening(flow.0, flow.1, arrival.mtu, arrival.dice, arrival.place);
        let child = self.insert(Kind::Tcp(Box::new(Connection::respond(&how, id, segment, arrival.now))));
        let options = self.options(id).unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(&child) {
            slot.common.options = options;
        }
        if let Some(listener) = self.listener_mut(id) {
            listener.half_open.insert(child);
        }
        self.tcp.flows.insert(flow, child);
        self.settle(child);
        Input::Delivered(id)
    }

    /// A segment for nobody.
    fn refuse(&mut self, packet: &IpPacket, segment: &Tcp) -> Input {
        if segment.flags.has(TcpFlags::RST) {
            return Input::Dropped { socket: None, reason: DropReason::NoSocket };
        }
        self.reset((packet.destination(), packet.source()), segment);
        Input::Refused
    }

    /// Answers a segment with a reset (RFC 9293, 3.10.7.1; `tcp_v4_send_reset`).
    fn reset(&mut self, (local, remote): Flow, segment: &Tcp) {
        let (seq, ack, flags) = match segment.flags.has(TcpFlags::ACK) {
            true => (segment.ack, 0, TcpFlags::RST),
            false => (0, arrive::end_of(segment), TcpFlags::RST.with(TcpFlags::ACK)),
        };
        let (sport, dport) = (local.port(), remote.port());
        let reset = Tcp {
            sport,
            dport,
            seq,
            ack,
            flags,
            window: 0,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        };
        let mut packet = IpPacket::new(local.ip(), remote.ip(), Transport::Tcp(reset));
        packet.ttl = 0;
        packet.df = true;
        self.output.push_back((None, packet));
    }

    pub(super) fn tcp_icmp_error(
        &mut self,
        error: IcmpError,
        outer: &IpPacket,
        sent: &IpPacket,
        segment: &Tcp,
        now: SimTime,
    ) -> Option<SockId> {
        let id = *self.tcp.flows.get(&(sent.source(), sent.destination()))?;
        let (_, connection) = self.connection_mut(id).ok()?;
        connection.icmp_error(error, outer.src, segment, now);
        self.settle(id);
        Some(id)
    }

    /// The connection that a redirect about one of its segments concerns.
    pub(super) fn tcp_redirectable(&self, sent: &IpPacket, segment: &Tcp) -> Option<SockId> {
        let id = *self.tcp.flows.get(&(sent.source(), sent.destination()))?;
        let Kind::Tcp(connection) = &self.slots.get(&id)?.kind else { return None };
        (self.held != Some(id) && connection.is_redirectable(segment)).then_some(id)
    }

    pub(super) fn tcp_local_error(&mut self, id: SockId, errno: Errno, mtu: Option<u32>, now: SimTime) {
        if let Ok((_, connection)) = self.connection_mut(id) {
            connection.local_error(errno, mtu, now);
            self.settle(id);
        }
    }

    pub(super) fn tcp_close(&mut self, id: SockId, now: SimTime) {
        if let Ok((_, connection)) = self.connection_mut(id) {
            connection.close(now);
            self.settle(id);
        }
    }

    /// Connections that nobody has accepted are reset, half-open ones forgotten (`inet_csk_listen_stop`).
    pub(super) fn tcp_close_listener(&mut self, id: SockId) {
        let Some(Slot { kind: Kind::Listener(listener), .. }) = self.slots.remove(&id) else { return };
        if let Some(on_port) = self.tcp.listeners.get_mut(&listener.local.port()) {
            on_port.retain(|(l, _)| *l != id);
            if on_port.is_empty() {
                self.tcp.listeners.remove(&listener.local.port());
            }
        }
        for child in listener.half_open {
            if let Ok((_, connection)) = self.connection_mut(child) {
                connection.finish();
                self.settle(child);
            }
        }
        for child in listener.queue {
            self.tcp_abort(child);
        }
    }

    fn connection_mut(&mut self, id: SockId) -> Result<(&mut Common, &mut Connection), Errno> {
        match self.slots.get_mut(&id) {
            Some(Slot { common, kind: Kind::Tcp(connection) }) => Ok((common, connection)),
            _ => Err(Errno::EBADF),
        }
    }

    fn listener_mut(&mut self, id: SockId) -> Option<&mut Listener> {
        match &mut self.slots.get_mut(&id)?.kind {
            Kind::Listener(listener) => Some(listener),
            _ => None,
        }
    }
}
