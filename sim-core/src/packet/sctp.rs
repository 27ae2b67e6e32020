//! SCTP packets (RFC 9260), as far as routers look at them: ports, and what the chunk is. Bundled chunks are left out, and there are no SCTP
//! sockets.

use super::Payload;

/// An SCTP packet with one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sctp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Verification tag; 0 in an INIT.
    pub tag: u32,
    /// What the chunk is.
    pub chunk: SctpChunk,
    /// The chunk's value.
    pub payload: Payload,
}

/// Chunk types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SctpChunk {
    /// User data.
    Data = 0,
    /// Opens an association.
    Init = 1,
    /// Answers INIT.
    InitAck = 2,
    /// Is the other end there?
    Heartbeat = 4,
    /// It is.
    HeartbeatAck = 5,
    /// Ends an association at once.
    Abort = 6,
    /// Ends an association in order.
    Shutdown = 7,
    /// Answers SHUTDOWN.
    ShutdownAck = 8,
    /// Something was wrong with a chunk.
    Error = 9,
    /// Returns the cookie of an INIT ACK.
    CookieEcho = 10,
    /// Answers COOKIE ECHO: the association stands.
    CookieAck = 11,
    /// Answers SHUTDOWN ACK: the association is gone.
    ShutdownComplete = 14,
}

impl SctpChunk {
    /// The type of this number.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Data,
            1 => Self::Init,
            2 => Self::InitAck,
            4 => Self::Heartbeat,
            5 => Self::HeartbeatAck,
            6 => Self::Abort,
            7 => Self::Shutdown,
            8 => Self::ShutdownAck,
            9 => Self::Error,
            10 => Self::CookieEcho,
            11 => Self::CookieAck,
            14 => Self::ShutdownComplete,
            _ => return None,
        })
    }
}

impl Sctp {
    /// The first packet of an association.
    #[must_use]
    pub fn init(sport: u16, dport: u16) -> Self {
        // Initiate tag, receiver window, numbers of streams, initial TSN.
        const INIT: usize = 16;
        Self { sport, dport, tag: 0, chunk: SctpChunk::Init, payload: vec![0; INIT].into() }
    }

    /// Length in bytes: common header, chunk header, value, padding to four bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        12 + 4 + self.payload.len().next_multiple_of(4)
    }

    /// Never: a packet has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}
