//! The states of a connection as the middle box sees them: tables of next states by what comes and from where.

use crate::packet::{SctpChunk, Tcp, TcpFlags, Transport, proto};

use super::Timeouts;

/// From the client, or from the real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// To the real server.
    Server,
    /// To the client.
    Client,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// TCP, by the kernel's number.
    Tcp(u8),
    /// UDP.
    Udp,
    /// SCTP, by the kernel's number.
    Sctp(u8),
    /// What a client keeps; `true` once a connection of its was opened in full.
    Template(bool),
}

const TCP_NAMES: [&str; 11] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
];
const NO: u8 = 0;
const ES: u8 = 1;
const SS: u8 = 2;
const SR: u8 = 3;
const FW: u8 = 4;
const TW: u8 = 5;
const CL: u8 = 6;
const CW: u8 = 7;
const LA: u8 = 8;
const LI: u8 = 9;
const SA: u8 = 10;

/// By direction, then by what comes (SYN, FIN, ACK, RST), then by the state before.
const TCP_NEXT: [[[u8; 11]; 4]; 2] = [
    [
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
        [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
    ],
    [
        [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
        [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
        [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
    ],
];

/// Seconds by state; those of ESTABLISHED and FIN_WAIT can be set.
const TCP_SECONDS: [u32; 11] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];

const SCTP_NAMES: [&str; 14] = [
    "NONE",
    "INIT1",
    "INIT",
    "C-SENT",
    "C-REPLIED",
    "C-WAIT",
    "COOKIE",
    "C-ECHOED",
    "ESTABLISHED",
    "S-SENT",
    "S-RECEIVED",
    "S-ACK-SENT",
    "REJECTED",
    "CLOSED",
];
const SCTP_ESTABLISHED: u8 = 8;
const SCTP_CLOSED: u8 = 13;

/// By direction, then by chunk (DATA, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT), then by
/// the state before.
#[rustfmt::skip]
const SCTP_NEXT: [[[u8; 14]; 10]; 2] = [
    [
        [8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 2],
        [5, 5, 5, 3, 4, 6, 6, 7, 8, 9, 10, 11, 12, 13],
        [4, 2, 2, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [8, 1, 2, 3, 4, 5, 6, 8, 8, 9, 10, 11, 12, 13],
        [10, 1, 2, 3, 4, 5, 6, 7, 10, 9, 10, 11, 12, 13],
        [13, 2, 2, 3, 4, 5, 6, 7, 8, 13, 10, 13, 12, 13],
        [13, 13, 13, 3, 4, 5, 6, 7, 8, 9, 10, 13, 12, 13],
        [13, 1, 2, 3, 4, 5, 6, 13, 8, 9, 10, 11, 12, 13],
        [13, 13, 13, 13, 13, 12, 13, 13, 13, 13, 13, 13, 13, 13],
    ],
    [
        [8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [5, 5, 5, 5, 5, 5, 5, 5, 8, 5, 5, 5, 5, 5],
        [3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [7, 7, 7, 7, 7, 7, 7, 7, 8, 9, 10, 11, 12, 13],
        [8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 10, 11, 12, 13],
        [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 11, 12, 13],
        [11, 11, 11, 11, 11, 5, 6, 7, 8, 11, 11, 11, 12, 13],
        [13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [13, 13, 13, 13, 13, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        [13, 12, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13],
    ],
];
const SCTP_SECONDS: [u32; 14] = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];

/// The name of a protocol in listings.
#[must_use]
pub const fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        proto::TCP => "TCP",
        proto::SCTP => "SCTP",
        _ => "UDP",
    }
}

impl State {
    /// The state of a connection that has not seen a packet yet.
    #[must_use]
    pub(super) const fn new(protocol: u8) -> Self {
        match protocol {
            proto::TCP => Self::Tcp(NO),
            proto::SCTP => Self::Sctp(0),
            _ => Self::Udp,
        }
    }

    /// The name in `ipvsadm -Lc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp(s) => TCP_NAMES.get(usize::from(s)).copied().unwrap_or("ERR!"),
            Self::Udp => "UDP",
            Self::Sctp(s) => SCTP_NAMES.get(usize::from(s)).copied().unwrap_or("ERR!"),
            Self::Template(true) => "ASSURED",
            Self::Template(false) => "NONE",
        }
    }

    /// Whether such a connection counts as active.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Tcp(s) => matches!(s, ES | SS | SR | SA),
            Self::Sctp(s) => s == SCTP_ESTABLISHED,
            Self::Udp | Self::Template(_) => false,
        }
    }

    /// Whether the connection stands in full.
    pub(super) const fn is_established(self) -> bool {
        matches!(self, Self::Tcp(ES) | Self::Sctp(SCTP_ESTABLISHED) | Self::Udp)
    }

    /// Whether a client that begins anew from the same port must mean another connection (`is_new_conn_expected`).
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Tcp(TW | CL) | Self::Sctp(SCTP_CLOSED))
    }

    /// How long such a connection lives without a packet, in seconds.
    pub(super) fn seconds(self, timeouts: &Timeouts) -> u32 {
        let of = |table: &[u32], s: u8| table.get(usize::from(s)).copied().unwrap_or(2);
        match self {
            Self::Tcp(ES) => timeouts.tcp,
            Self::Tcp(FW) => timeouts.tcp_fin,
            Self::Tcp(s) => of(&TCP_SECONDS, s),
            Self::Udp => timeouts.udp,
            Self::Sctp(s) => of(&SCTP_SECONDS, s),
            Self::Template(_) => 0,
        }
    }

    /// The state after a packet.
    pub(super) fn after(self, body: &Transport, towards: Towards) -> Self {
        let dir = towards as usize;
        match (self, body) {
            (Self::Tcp(s), Transport::Tcp(t)) => {
                let next = segment(t).map(|what| TCP_NEXT[dir][what][usize::from(s)]);
                Self::Tcp(next.unwrap_or(CL))
            }
            (Self::Sctp(s), Transport::Sctp(packet)) => {
                Self::Sctp(SCTP_NEXT[dir][chunk(packet.chunk)][usize::from(s)])
            }
            (other, _) => other,
        }
    }
}

/// Which row of the table a segment looks up; none without a flag (`tcp_state_idx`).
const fn segment(t: &Tcp) -> Option<usize> {
    if t.flags.has(TcpFlags::RST) {
        Some(3)
    } else if t.flags.has(TcpFlags::SYN) {
        Some(0)
    } else if t.flags.has(TcpFlags::FIN) {
        Some(1)
    } else if t.flags.has(TcpFlags::ACK) {
        Some(2)
    } else {
        None
    }
}

const fn chunk(chunk: SctpChunk) -> usize {
    match chunk {
        SctpChunk::Data | SctpChunk::Heartbeat | SctpChunk::HeartbeatAck => 0,
        SctpChunk::Init => 1,
        SctpChunk::InitAck => 2,
        SctpChunk::CookieEcho => 3,
        SctpChunk::CookieAck => 4,
        SctpChunk::Shutdown => 5,
        SctpChunk::ShutdownAck => 6,
        SctpChunk::ShutdownComplete => 7,
        SctpChunk::Error => 8,
        SctpChunk::Abort => 9,
    }
}
