//! What sockets are told and what they answer, as plain values.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::chance::Dice;
use crate::linux::Errno;
use crate::packet::{Icmp, IcmpError, Payload};
use crate::time::SimTime;
use crate::trace::{DropReason, IfId, SockId};

/// What `setsockopt(2)` has set on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockOptions {
    /// `IP_TTL`; 0 is not set: the namespace's default (`net.ipv4.ip_default_ttl`) at the time of sending.
    pub ttl: u8,
    /// `IP_TOS`.
    pub tos: u8,
    /// `IP_MTU_DISCOVER`.
    pub pmtu: PmtuDiscovery,
    /// `IP_RECVERR`: errors are queued with their details, and soft ones are reported too.
    pub recverr: bool,
    /// `IPV6_V6ONLY`: a socket bound to `[::]` does not take IPv4.
    pub v6only: bool,
    /// The interface by which addresses of one link are reached (`sin6_scope_id`); other destinations do not ask for it.
    pub device: Option<IfId>,
}

impl Default for SockOptions {
    fn default() -> Self {
        Self { ttl: 0, tos: 0, pmtu: PmtuDiscovery::Want, recverr: false, v6only: false, device: None }
    }
}

/// Whether packets carry the don't-fragment bit (`IP_MTU_DISCOVER`, ip(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PmtuDiscovery {
    /// Never.
    Dont,
    /// On packets that fit the route's MTU; larger datagrams are fragmented here. The kernel's default.
    #[default]
    Want,
    /// Always; a datagram larger than the route's MTU is refused with `EMSGSIZE`.
    Do,
    /// Always, and the route's MTU is ignored.
    Probe,
}

/// The circumstances in which a packet reached the sockets.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Virtual time.
    pub now: SimTime,
    /// MTU of the way back to the sender in bytes: a listener announces its maximum segment size by it.
    pub mtu: u32,
    /// For initial sequence numbers.
    pub dice: &'a mut Dice,
    /// Place of the draws.
    pub place: u64,
}

/// What the sockets did with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A socket took it.
    Delivered(SockId),
    /// Nobody is there. The stack answers a UDP datagram with port-unreachable; a TCP reset is in the output queue already.
    Refused,
    /// Nobody is there to take it, or the socket does not want it, and the sender is not told.
    Dropped {
        /// The socket that dropped it.
        socket: Option<SockId>,
        /// Why.
        reason: DropReason,
    },
}

/// A datagram or ICMP message that a socket received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it; port 0 for ICMP.
    pub from: SocketAddr,
    /// Address it was sent to (`IP_PKTINFO`).
    pub to: IpAddr,
    /// TTL on arrival (`IP_RECVTTL`).
    pub ttl: u8,
    /// Contents.
    pub body: ReceivedBody,
}

impl Received {
    /// The bytes of a datagram or of an echo's data.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            ReceivedBody::Datagram(p)
            | ReceivedBody::Icmp(Icmp::EchoReply { payload: p, .. } | Icmp::EchoRequest { payload: p, .. }) => {
                p.bytes()
            }
            ReceivedBody::Icmp(_) => &[],
        }
    }
}

/// Contents of what was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedBody {
    /// Data of a UDP datagram.
    Datagram(Payload),
    /// An ICMP message, on an echo socket: an echo reply, or an error about one of its requests.
    Icmp(Icmp),
}

/// What reading a TCP socket gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpRead {
    /// Bytes, never none.
    Data(Vec<u8>),
    /// Nothing yet.
    WouldBlock,
    /// The peer has closed its side.
    Eof,
}

/// An error that waits on a socket (`SO_ERROR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockError {
    /// The error number.
    pub errno: Errno,
    /// The ICMP error it came from, and who sent that.
    pub icmp: Option<(IcmpError, IpAddr)>,
}

/// An entry of a socket's error queue (`MSG_ERRQUEUE`, `struct sock_extended_err`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedError {
    /// The error number.
    pub errno: Errno,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// MTU in bytes, with `EMSGSIZE`.
    pub mtu: Option<u32>,
    /// Where the packet was to go.
    pub destination: SocketAddr,
    /// TTL with which the ICMP error arrived (`IP_RECVTTL`).
    pub ttl: Option<u8>,
}

/// Who found an error (`ee_origin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorOrigin {
    /// This host (`SO_EE_ORIGIN_LOCAL`).
    Local,
    /// An ICMP error (`SO_EE_ORIGIN_ICMP`, `SO_EE_ORIGIN_ICMP6`).
    Icmp {
        /// What it said.
        error: IcmpError,
        /// Who sent it.
        from: IpAddr,
    },
}

/// What every socket has, whatever its protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) options: SockOptions,
    /// `sk_err`.
    pub(super) error: Option<SockError>,
    /// `sk_error_queue`.
    pub(super) errors: VecDeque<QueuedError>,
    /// The socket is in the ready queue.
    pub(super) announced: bool,
}
