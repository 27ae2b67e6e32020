//! The states of a connection, and the knobs.

use std::fmt;

/// State of a TCP socket (RFC 9293, 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    /// Nothing, or nothing any more.
    Closed,
    /// Waits for connections.
    Listen,
    /// Has sent a SYN.
    SynSent,
    /// Has received a SYN and sent its own.
    SynReceived,
    /// Open both ways.
    Established,
    /// Has sent a FIN that is not acknowledged.
    FinWait1,
    /// Its FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer has closed its side.
    CloseWait,
    /// Both have sent a FIN; the peer has not acknowledged ours.
    Closing,
    /// The peer closed first; our FIN is not acknowledged.
    LastAck,
    /// Closed; waits until no old segment can be on the way.
    TimeWait,
}

impl TcpState {
    /// Whether the application may still write.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Whether the peer may still send data.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether the handshake is not done yet.
    #[must_use]
    pub const fn is_opening(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived)
    }
}

impl fmt::Display for TcpState {
    /// The name as `netstat` and `conntrack` write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "CLOSE",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
        })
    }
}

/// Limits of TCP, by the names of their sysctls (`net.ipv4.tcp_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSettings {
    /// `tcp_syn_retries`.
    pub syn_retries: u32,
    /// `tcp_syn_linear_timeouts`: so many first SYNs are repeated without doubling the wait (Linux 6.5).
    pub syn_linear_timeouts: u32,
    /// `tcp_synack_retries`.
    pub synack_retries: u32,
    /// `tcp_retries2`: repetitions of data before the connection is given up.
    pub retries2: u32,
    /// `tcp_orphan_retries`: the same for a connection whose application has closed it; 0 means 8 (tcp(7)).
    pub orphan_retries: u32,
    /// `tcp_fin_timeout` in seconds: how long a closed socket stays in FIN-WAIT-2.
    pub fin_timeout: u32,
    /// `tcp_timestamps`.
    pub timestamps: bool,
    /// `tcp_sack`.
    pub sack: bool,
    /// `tcp_window_scaling`.
    pub window_scaling: bool,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self {
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            retries2: 15,
            orphan_retries: 0,
            fin_timeout: 60,
            timestamps: true,
            sack: true,
            window_scaling: true,
        }
    }
}
