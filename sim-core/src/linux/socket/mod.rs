//! Sockets of one network namespace: UDP, ICMP echo, TCP. They do no input and output of their own.
//!
//! The stack hands in packets that are for this host ([`Sockets::input`]), ICMP errors ([`Sockets::icmp_error`]) and the
//! time ([`Sockets::on_timer`]), and takes out packets ([`Sockets::pop_output`]) and the names of sockets that an
//! application should look at ([`Sockets::pop_ready`]). UDP datagrams and echo requests are made on request and sent by
//! the stack at once, so that `sendto(2)` can fail as it does in Linux; TCP segments go through the output queue.
//!
//! - `types`: options, errors, what is received; `error`: ICMP error to error number
//! - `udp`, `icmp`, `tcp`: the protocols; `port`: addresses and ephemeral ports; `snapshot`: what `ss` shows
//!
//! Not modelled: `SO_REUSEPORT`, multicast membership, IP options, raw sockets other than ping's.

mod error;
mod icmp;
mod port;
mod snapshot;
mod tcp;
mod types;
mod udp;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::packet::{Icmp, IpPacket, Transport};
use crate::time::SimTime;
use crate::trace::{DropReason, SockId};

use super::Errno;
pub use error::errno_of;
pub use snapshot::{SocketInfo, SocketProtocol};
pub use tcp::{TcpSettings, TcpState};
use types::Common;
pub use types::{
    Arrival, ErrorOrigin, Input, PmtuDiscovery, QueuedError, Received, ReceivedBody, SockError, SockOptions,
    TcpRead,
};

/// All sockets of one network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    last_id: u32,
    slots: FxHashMap<SockId, Slot>,
    udp_ports: udp::UdpPorts,
    /// Echo sockets by identifier.
    echo_ids: FxHashMap<u16, SmallVec<[SockId; 1]>>,
    tcp: tcp::TcpTable,
    output: VecDeque<(Option<SockId>, IpPacket)>,
    ready: VecDeque<SockId>,
    /// The TCP socket in which a system call is under way (`sock_owned_by_user`).
    held: Option<SockId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    common: Common,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Udp(udp::UdpSocket),
    Icmp(icmp::EchoSocket),
    Listener(tcp::Listener),
    Tcp(Box<tcp::Connection>),
}

impl Sockets {
    /// A packet for this host, reassembled, past netfilter's INPUT. ICMP errors go to [`Sockets::icmp_error`] instead.
    pub fn input(&mut self, packet: &IpPacket, arrival: &mut Arrival<'_>) -> Input {
        if packet.bad_checksum {
            return Input::Dropped { socket: None, reason: DropReason::BadChecksum };
        }
        match &packet.body {
            Transport::Udp(udp) => self.udp_input(packet, udp),
            Transport::Tcp(segment) => self.tcp_input(packet, segment, arrival),
            Transport::Icmp(message) => self.icmp_input(packet, message),
            // The stack reassembles before it asks.
            Transport::Piece { .. } => Input::Dropped { socket: None, reason: DropReason::ReassemblyTimeout },
            other @ (Transport::Sctp(_) | Transport::Other { .. }) => {
                let protocol = other.protocol(packet.dst.is_ipv4());
                Input::Dropped { socket: None, reason: DropReason::UnknownProtocol { protocol } }
            }
        }
    }

    /// A packet with an ICMP error, for the socket that sent what it quotes; which socket that was, if it is still there.
    pub fn icmp_error(&mut self, packet: &IpPacket, now: SimTime) -> Option<SockId> {
        let Transport::Icmp(Icmp::Error { error, quote }) = &packet.body else { return None };
        // The first piece of a packet that was cut up still shows the ports.
        let body = match (&quote.body, quote.frag) {
            (Transport::Piece { whole, .. }, Some(frag)) if frag.offset == 0 => whole,
            (body, _) => body,
        };
        match body {
            Transport::Udp(_) => self.udp_icmp_error(*error, packet, quote),
            Transport::Tcp(segment) => self.tcp_icmp_error(*error, packet, quote, segment, now),
            Transport::Icmp(Icmp::EchoRequest { id, .. }) => self.icmp_icmp_error(*error, *id, packet, quote),
            Transport::Icmp(_) => None,
            Transport::Sctp(_) | Transport::Piece { .. } | Transport::Other { .. } => None,
        }
    }

    /// The socket that sent a packet and follows redirects about it: none while a program is in a system call on it, and none if it is
    /// half open or closing down (`__udp4_lib_err`, `tcp_v4_err`).
    #[must_use]
    pub fn redirectable(&self, sent: &IpPacket) -> Option<SockId> {
        let body = match (&sent.body, sent.frag) {
            (Transport::Piece { whole, .. }, Some(frag)) if frag.offset == 0 => whole,
            (body, _) => body,
        };
        match body {
            Transport::Udp(_) => self.udp_ports.find(sent.source(), sent.destination()),
            Transport::Tcp(segment) => self.tcp_redirectable(sent, segment),
            _ => None,
        }
    }

    /// A program begins a system call on a socket, or has ended it. What comes back in the same instant meets it there.
    pub(super) const fn hold(&mut self, sock: Option<SockId>) {
        self.held = sock;
    }

    /// The stack could not send a packet that it took from [`Sockets::pop_output`] or that this table made: no route,
    /// refused in OUTPUT, larger than `mtu` bytes. Matters to TCP, and to `IP_RECVERR` with `EMSGSIZE`.
    pub fn local_error(&mut self, id: SockId, errno: Errno, dst: SocketAddr, mtu: Option<u32>, now: SimTime) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match &slot.kind {
            Kind::Udp(_) | Kind::Icmp(_) if errno == Errno::EMSGSIZE => {
                slot.common.local_error(errno, dst, mtu)
            }
            Kind::Tcp(_) => self.tcp_local_error(id, errno, mtu, now),
            Kind::Udp(_) | Kind::Icmp(_) | Kind::Listener(_) => {}
        }
    }

    /// Takes the next datagram or ICMP message.
    ///
    /// # Errors
    /// The socket's pending error, which it clears; `EBADF` if there is no such socket, or it is a TCP socket.
    pub fn recv(&mut self, id: SockId) -> Result<Option<Received>, Errno> {
        let slot = self.slots.get_mut(&id).ok_or(Errno::EBADF)?;
        slot.common.check_error()?;
        match &mut slot.kind {
            Kind::Udp(socket) => Ok(socket.pop()),
            Kind::Icmp(socket) => Ok(socket.queue.pop_front()),
            Kind::Listener(_) | Kind::Tcp(_) => Err(Errno::EBADF),
        }
    }

    /// Closes a socket. A TCP connection goes on without its application until the closing is done; with unread data it
    /// is reset at once, as Linux does (RFC 2525, 2.17).
    pub fn close(&mut self, id: SockId, now: SimTime) {
        match self.slots.get(&id).map(|s| &s.kind) {
            Some(Kind::Udp(socket)) => {
                let port = socket.local.port();
                self.udp_ports.remove(port, id);
                self.slots.remove(&id);
            }
            Some(Kind::Icmp(socket)) => {
                let echo_id = socket.id;
                if let Some(socks) = self.echo_ids.get_mut(&echo_id) {
                    socks.retain(|s| *s != id);
                    if socks.is_empty() {
                        self.echo_ids.remove(&echo_id);
                    }
                }
                self.slots.remove(&id);
            }
            Some(Kind::Listener(_)) => self.tcp_close_listener(id),
            Some(Kind::Tcp(_)) => self.tcp_close(id, now),
            None => {}
        }
    }

    /// Takes the next packet to send, and the socket it belongs to; a reset that answers a stray segment has none.
    pub fn pop_output(&mut self) -> Option<(Option<SockId>, IpPacket)> {
        self.output.pop_front()
    }

    /// Takes the next socket that has become readable, writable after connecting, acceptable or failed. A socket is named
    /// once until it is taken from here, however much happens to it meanwhile.
    pub fn pop_ready(&mut self) -> Option<SockId> {
        while let Some(id) = self.ready.pop_front() {
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.common.announced = false;
                return Some(id);
            }
        }
        None
    }

    /// When [`Sockets::on_timer`] wants to be called next.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        self.tcp.next_timer()
    }

    /// Reads and clears the pending error (`SO_ERROR`).
    pub fn take_error(&mut self, id: SockId) -> Option<SockError> {
        self.slots.get_mut(&id)?.common.error.take()
    }

    /// Takes the next entry of the error queue (`recvmsg` with `MSG_ERRQUEUE`); filled only with
    /// [`SockOptions::recverr`].
    pub fn pop_queued_error(&mut self, id: SockId) -> Option<QueuedError> {
        self.slots.get_mut(&id)?.common.pop_error()
    }

    /// The options of a socket.
    #[must_use]
    pub fn options(&self, id: SockId) -> Option<SockOptions> {
        Some(self.slots.get(&id)?.common.options)
    }

    /// Whether packets of a socket may be cut up on this host although they say DF (`ip_sk_ignore_df`; TCP never asks for that).
    #[must_use]
    pub fn ignores_df(&self, id: SockId) -> bool {
        self.slots.get(&id).is_some_and(|slot| {
            let insists = matches!(slot.common.options.pmtu, PmtuDiscovery::Do | PmtuDiscovery::Probe);
            matches!(slot.kind, Kind::Udp(_) | Kind::Icmp(_)) && !insists
        })
    }

    /// Sets the options of a socket.
    ///
    /// # Errors
    /// `EBADF` if there is no such socket.
    pub fn set_options(&mut self, id: SockId, options: SockOptions) -> Result<(), Errno> {
        let slot = self.slots.get_mut(&id).ok_or(Errno::EBADF)?;
        slot.common.options = options;
        match &slot.kind {
            Kind::Udp(socket) => self.udp_ports.set_v6only(socket.local.port(), id, options.v6only),
            Kind::Listener(listener) => self.tcp.set_v6only(listener.local.port(), id, options.v6only),
            Kind::Icmp(_) | Kind::Tcp(_) => {}
        }
        Ok(())
    }

    /// Local address of a socket; the port is an echo socket's identifier.
    #[must_use]
    pub fn local_addr(&self, id: SockId) -> Option<SocketAddr> {
        Some(self.slots.get(&id)?.kind.local())
    }

    /// The peer of a connected socket.
    #[must_use]
    pub fn peer_addr(&self, id: SockId) -> Option<SocketAddr> {
        self.slots.get(&id)?.kind.remote()
    }

    /// Number of sockets, with connections that only linger.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no socket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn insert(&mut self, kind: Kind) -> SockId {
        self.last_id += 1;
        let id = SockId(self.last_id);
        self.slots.insert(id, Slot { common: Common::default(), kind });
        id
    }

    /// Puts a socket into the ready queue unless it is there.
    fn announce(ready: &mut VecDeque<SockId>, id: SockId, common: &mut Common) {
        if !common.announced {
            common.announced = true;
            ready.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests;
