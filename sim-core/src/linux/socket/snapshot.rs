//! What `ss` and `netstat` show of the sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Kind, Sockets, TcpState};
use crate::trace::SockId;

/// Protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketProtocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// ICMP echo.
    Icmp,
}

/// One line of `ss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketInfo {
    /// The socket.
    pub id: SockId,
    /// Its protocol.
    pub protocol: SocketProtocol,
    /// Its state: for TCP its own, for the others `Established` if connected, else `Closed` (`UNCONN`).
    pub state: TcpState,
    /// Local address; the port is an echo socket's identifier.
    pub local: SocketAddr,
    /// The peer, if there is one.
    pub remote: Option<SocketAddr>,
    /// Bytes that wait to be read; of a listener, connections that wait to be accepted.
    pub recv_q: usize,
    /// Bytes not acknowledged yet; of a listener, the backlog.
    pub send_q: usize,
}

impl Sockets {
    /// Sockets that wait for others: TCP listeners and unconnected UDP sockets, oldest first.
    pub fn listening(&self) -> impl Iterator<Item = SocketInfo> {
        self.snapshot().into_iter().filter(|s| match s.protocol {
            SocketProtocol::Tcp => s.state == TcpState::Listen,
            SocketProtocol::Udp => s.remote.is_none(),
            SocketProtocol::Icmp => false,
        })
    }

    /// Sockets that have a peer, oldest first.
    pub fn connections(&self) -> impl Iterator<Item = SocketInfo> {
        self.snapshot().into_iter().filter(|s| s.remote.is_some())
    }

    /// All sockets, oldest first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SocketInfo> {
        let mut all: Vec<_> = self.slots.iter().map(|(id, slot)| slot.kind.info(*id)).collect();
        all.sort_unstable_by_key(|info| info.id);
        all
    }
}

impl Kind {
    pub(super) const fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(s) => s.local,
            Self::Icmp(s) => match s.source {
                Some(source) => SocketAddr::new(source, s.id),
                None => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), s.id),
            },
            Self::Listener(s) => s.local,
            Self::Tcp(s) => s.local,
        }
    }

    pub(super) const fn remote(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(s) => s.remote,
            Self::Tcp(s) => Some(s.remote),
            Self::Icmp(_) | Self::Listener(_) => None,
        }
    }

    fn info(&self, id: SockId) -> SocketInfo {
        let datagram = if self.remote().is_some() { TcpState::Established } else { TcpState::Closed };
        let (protocol, state, recv_q, send_q) = match self {
            Self::Udp(s) => (SocketProtocol::Udp, datagram, s.readable(), 0),
            Self::Icmp(_) => (SocketProtocol::Icmp, datagram, 0, 0),
            Self::Listener(s) => (SocketProtocol::Tcp, TcpState::Listen, s.waiting(), s.backlog()),
            Self::Tcp(s) => (SocketProtocol::Tcp, s.state, s.unread(), s.unacknowledged()),
        };
        SocketInfo { id, protocol, state, local: self.local(), remote: self.remote(), recv_q, send_q }
    }
}
