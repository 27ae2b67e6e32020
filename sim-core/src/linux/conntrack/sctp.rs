//! SCTP associations (`nf_conntrack_proto_sctp.c`): the state that each chunk leads to, by direction. Verification tags are not checked.

use super::settings::SctpTimeouts;
use crate::linux::conntrack::Direction;
use crate::packet::SctpChunk;

/// How far an association has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SctpState {
    /// It does not stand, or no more.
    Closed,
    /// INIT seen.
    CookieWait,
    /// COOKIE ECHO seen.
    CookieEchoed,
    /// COOKIE ACK seen.
    Established,
    /// SHUTDOWN seen from the opener.
    ShutdownSent,
    /// SHUTDOWN seen from the other end.
    ShutdownRecd,
    /// SHUTDOWN ACK seen.
    ShutdownAckSent,
    /// Picked up at a HEARTBEAT.
    HeartbeatSent,
}

impl SctpState {
    /// The state as `conntrack -L` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::CookieWait => "COOKIE_WAIT",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "SHUTDOWN_SENT",
            Self::ShutdownRecd => "SHUTDOWN_RECD",
            Self::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            Self::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }

    /// The state of a flow that begins with this chunk; none if no flow begins so.
    pub(super) const fn begin(chunk: SctpChunk) -> Option<Self> {
        match chunk {
            SctpChunk::Init => Some(Self::CookieWait),
            SctpChunk::Heartbeat | SctpChunk::Data => Some(Self::HeartbeatSent),
            // Picked up at its end.
            SctpChunk::ShutdownAck => Some(Self::ShutdownAckSent),
            _ => None,
        }
    }

    /// The state after a chunk.
    pub(super) const fn after(self, chunk: SctpChunk, dir: Direction) -> Self {
        use SctpChunk as C;
        let reply = matches!(dir, Direction::Reply);
        match (self, chunk) {
            (_, C::Abort) => Self::Closed,
            (Self::CookieWait, C::CookieEcho) => Self::CookieEchoed,
            (Self::CookieEchoed, C::Error) if reply => Self::Closed,
            (Self::CookieEchoed, C::CookieAck) => Self::Established,
            (Self::Established, C::Shutdown) if reply => Self::ShutdownRecd,
            (Self::Established, C::Shutdown) => Self::ShutdownSent,
            (Self::ShutdownSent | Self::ShutdownRecd, C::ShutdownAck) => Self::ShutdownAckSent,
            (
                Self::ShutdownSent | Self::ShutdownRecd,
                C::Shutdown | C::Heartbeat | C::HeartbeatAck | C::Data,
            ) => self,
            (Self::ShutdownSent | Self::ShutdownRecd, _) => Self::Closed,
            (Self::ShutdownAckSent, C::ShutdownComplete) => Self::Closed,
            (Self::HeartbeatSent, C::HeartbeatAck | C::Data) if reply => Self::Established,
            (Self::HeartbeatSent, C::Init) if !reply => Self::CookieWait,
            (Self::HeartbeatSent, C::ShutdownAck) if !reply => Self::ShutdownAckSent,
            (Self::HeartbeatSent, C::Heartbeat | C::HeartbeatAck | C::Data) => Self::HeartbeatSent,
            (Self::HeartbeatSent, _) if !reply => Self::Closed,
            (Self::Closed, C::InitAck) if reply => Self::CookieWait,
            _ => self,
        }
    }

    /// Whether a packet in this state makes the flow one that a full table keeps.
    pub(super) const fn assures(self, dir: Direction) -> bool {
        matches!((self, dir), (Self::Established, Direction::Reply))
    }

    /// How long the flow lives now, in seconds.
    pub(super) const fn timeout(self, t: &SctpTimeouts) -> u32 {
        match self {
            Self::Closed => t.closed,
            Self::CookieWait => t.cookie_wait,
            Self::CookieEchoed => t.cookie_echoed,
            Self::Established => t.established,
            Self::ShutdownSent => t.shutdown_sent,
            Self::ShutdownRecd => t.shutdown_recd,
            Self::ShutdownAckSent => t.shutdown_ack_sent,
            Self::HeartbeatSent => t.heartbeat_sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_opens_and_ends() {
        let (orig, reply) = (Direction::Original, Direction::Reply);
        let mut state = SctpState::begin(SctpChunk::Init).unwrap();
        for (chunk, dir, then) in [
            (SctpChunk::InitAck, reply, SctpState::CookieWait),
            (SctpChunk::CookieEcho, orig, SctpState::CookieEchoed),
            (SctpChunk::CookieAck, reply, SctpState::Established),
            (SctpChunk::Data, orig, SctpState::Established),
            (SctpChunk::Shutdown, orig, SctpState::ShutdownSent),
            (SctpChunk::ShutdownAck, reply, SctpState::ShutdownAckSent),
            (SctpChunk::ShutdownComplete, orig, SctpState::Closed),
        ] {
            state = state.after(chunk, dir);
            assert_eq!(state, then, "{chunk:?}");
        }
    }

    #[test]
    fn only_some_chunks_begin_a_flow() {
        assert_eq!(SctpState::begin(SctpChunk::CookieAck), None);
        assert_eq!(SctpState::begin(SctpChunk::Heartbeat), Some(SctpState::HeartbeatSent));
        assert_eq!(SctpState::Established.after(SctpChunk::Abort, Direction::Reply), SctpState::Closed);
    }
}
