//! The states of a TCP flow, and which segment leads from which state to which.

use serde::{Deserialize, Serialize};

use crate::linux::conntrack::Direction;
use crate::packet::TcpFlags;

/// State of a TCP flow as the observer in the middle sees it. The order is the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TcpState {
    /// Nothing seen yet.
    #[default]
    None,
    /// SYN seen.
    SynSent,
    /// SYN-ACK seen.
    SynRecv,
    /// Handshake complete.
    Established,
    /// FIN seen.
    FinWait,
    /// FIN acknowledged.
    CloseWait,
    /// FIN seen in both directions.
    LastAck,
    /// Last ACK seen.
    TimeWait,
    /// RST seen.
    Close,
    /// SYN seen in both directions.
    SynSent2,
}

impl TcpState {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::SynSent,
        Self::SynRecv,
        Self::Established,
        Self::FinWait,
        Self::CloseWait,
        Self::LastAck,
        Self::TimeWait,
        Self::Close,
        Self::SynSent2,
    ];

    /// Name as `/proc/net/nf_conntrack` and `conntrack -L` print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::SynSent2 => "SYN_SENT2",
        }
    }

    /// Whether the connection is on its way out (`tcp_can_early_drop`).
    pub(super) const fn is_closing(self) -> bool {
        matches!(self, Self::FinWait | Self::LastAck | Self::TimeWait | Self::Close | Self::CloseWait)
    }
}

/// What a segment is to the state machine: the first of RST, SYN, FIN, ACK that it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Segment {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    #[default]
    Bare,
}

impl Segment {
    pub(super) const fn of(flags: TcpFlags) -> Self {
        if flags.has(TcpFlags::RST) {
            Self::Rst
        } else if flags.has(TcpFlags::SYN) {
            if flags.has(TcpFlags::ACK) { Self::SynAck } else { Self::Syn }
        } else if flags.has(TcpFlags::FIN) {
            Self::Fin
        } else if flags.has(TcpFlags::ACK) {
            Self::Ack
        } else {
            Self::Bare
        }
    }
}

/// Where a segment leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To this state.
    To(TcpState),
    /// May be valid or not: let it pass, remember it, and believe the peer's answer.
    Ignore,
    /// Certainly not part of this connection.
    Invalid,
}

/// Whether a combination of flags occurs in the wild; PSH, ECE and CWR may always be there.
pub(super) const fn flags_are_valid(flags: TcpFlags) -> bool {
    const SYN: u8 = TcpFlags::SYN.0;
    const ACK: u8 = TcpFlags::ACK.0;
    const RST: u8 = TcpFlags::RST.0;
    const FIN: u8 = TcpFlags::FIN.0;
    const URG: u8 = TcpFlags::URG.0;
    let core = flags.0 & (SYN | ACK | RST | FIN | URG);
    match core & !URG {
        SYN | ACK => true,
        RST => core & URG == 0,
        c if c == SYN | ACK || c == RST | ACK => core & URG == 0,
        c => c == FIN | ACK,
    }
}

/// The transition table (`tcp_conntracks` in `nf_conntrack_proto_tcp.c`).
pub(super) const fn transition(dir: Direction, segment: Segment, from: TcpState) -> Next {
    use TcpState as S;
    let to = match (segment, from) {
        (Segment::Bare, _) => return Next::Invalid,
        (Segment::Rst, S::None) => return Next::Invalid,
        (Segment::Rst, _) => S::Close,
        (Segment::Syn, _) => return syn(dir, from),
        (Segment::SynAck, _) => return syn_ack(dir, from),
        // Nobody closes before the handshake is through.
        (Segment::Fin, S::None | S::SynSent | S::SynSent2) => return Next::Invalid,
        (Segment::Fin, S::SynRecv | S::Established) => S::FinWait,
        (Segment::Fin, S::FinWait | S::CloseWait | S::LastAck) => S::LastAck,
        (Segment::Ack, S::None | S::SynSent | S::SynRecv | S::SynSent2) => return early_ack(dir, from),
        (Segment::Ack, S::Established) => S::Established,
        (Segment::Ack, S::FinWait | S::CloseWait) => S::CloseWait,
        (Segment::Ack, S::LastAck) => S::TimeWait,
        (Segment::Fin | Segment::Ack, S::TimeWait) => S::TimeWait,
        (Segment::Fin | Segment::Ack, S::Close) => S::Close,
    };
    Next::To(to)
}

const fn syn(dir: Direction, from: TcpState) -> Next {
    use TcpState as S;
    match (dir, from) {
        (Direction::Original, S::None | S::SynSent | S::TimeWait | S::Close) => Next::To(S::SynSent),
        (Direction::Original, S::SynSent2) => Next::To(S::SynSent2),
        // We may hold a dead connection, or the client one; the server's answer will tell.
        (Direction::Original, _) => Next::Ignore,
        (Direction::Reply, S::SynSent | S::SynSent2) => Next::To(S::SynSent2),
        // Reopened with the roles swapped.
        (Direction::Reply, S::TimeWait) => Next::To(S::SynSent),
        (Direction::Reply, _) => Next::Invalid,
    }
}

const fn syn_ack(dir: Direction, from: TcpState) -> Next {
    use TcpState as S;
    match (dir, from) {
        (Direction::Original, S::SynRecv | S::SynSent2) => Next::To(S::SynRecv),
        (Direction::Original, _) => Next::Invalid,
        (Direction::Reply, S::SynSent | S::SynSent2) => Next::To(S::SynRecv),
        (Direction::Reply, S::None) => Next::Invalid,
        (Direction::Reply, _) => Next::Ignore,
    }
}

const fn early_ack(dir: Direction, from: TcpState) -> Next {
    use TcpState as S;
    match (dir, from) {
        // In the middle of a connection that we did not see begin.
        (Direction::Original, S::None | S::SynRecv) => Next::To(S::Established),
        (Direction::Original, _) | (Direction::Reply, S::None) => Next::Invalid,
        (Direction::Reply, S::SynRecv) => Next::To(S::SynRecv),
        // The server may hold a half-open connection.
        (Direction::Reply, _) => Next::Ignore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table on one screen, one column per state; `-` is invalid, `.` is ignored.
    #[test]
    fn the_transition_table() {
        let short = |next| match next {
            Next::Invalid => "-",
            Next::Ignore => ".",
            Next::To(s) => match s {
                TcpState::None => "NO",
                TcpState::SynSent => "SS",
                TcpState::SynRecv => "SR",
                TcpState::Established => "ES",
                TcpState::FinWait => "FW",
                TcpState::CloseWait => "CW",
                TcpState::LastAck => "LA",
                TcpState::TimeWait => "TW",
                TcpState::Close => "CL",
                TcpState::SynSent2 => "S2",
            },
        };
        let mut rows = Vec::new();
        for dir in [Direction::Original, Direction::Reply] {
            for segment in
                [Segment::Syn, Segment::SynAck, Segment::Fin, Segment::Ack, Segment::Rst, Segment::Bare]
            {
                let row: Vec<_> = TcpState::ALL.iter().map(|s| short(transition(dir, segment, *s))).collect();
                rows.push(row.join(" "));
            }
        }
        assert_eq!(
            rows,
            [
                //NO SS SR ES FW CW LA TW CL S2
                "SS SS . . . . . SS SS S2",
                "- - SR - - - - - - SR",
                "- - FW FW LA LA LA TW CL -",
                "ES - ES ES CW CW TW TW CL -",
                "- CL CL CL CL CL CL CL CL CL",
                "- - - - - - - - - -",
                "- S2 - - - - - SS - S2",
                "- SR . . . . . . . SR",
                "- - FW FW LA LA LA TW CL -",
                "- . SR ES CW CW TW TW CL .",
                "- CL CL CL CL CL CL CL CL CL",
                "- - - - - - - - - -",
            ]
        );
    }

    #[test]
    fn nine_flag_combinations_are_valid() {
        let valid: Vec<String> = (0..64)
            .map(TcpFlags)
            .filter(|f| !f.has(TcpFlags::PSH) && flags_are_valid(*f))
            .map(|f| f.to_string())
            .collect();
        assert_eq!(valid, ["S", "R", ".", "F.", "S.", "R.", "SU", ".U", "F.U"]);
    }
}
