//! TCP segments (RFC 9293).

use std::fmt;

use super::Payload;

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number, meaningful with ACK.
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Receive window in bytes.
    pub window: u16,
    /// Maximum segment size option in bytes; only on SYN.
    pub mss: Option<u16>,
    /// Data.
    pub payload: Payload,
}

impl Tcp {
    /// Header length in bytes: 20, and 4 more with an MSS option.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        if self.mss.is_some() { 24 } else { 20 }
    }
}

/// TCP control bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from sender.
    pub const FIN: Self = Self(1);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(2);
    /// Reset the connection.
    pub const RST: Self = Self(4);
    /// Push.
    pub const PSH: Self = Self(8);
    /// Acknowledgment field is significant.
    pub const ACK: Self = Self(16);
    /// Urgent.
    pub const URG: Self = Self(32);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The union of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TcpFlags {
    /// Letters as tcpdump writes them inside its brackets: `S`, `S.`, `.`, `P.`, `F.`, `R.`; `none` for no flag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 & 0x3f == 0 {
            return f.write_str("none");
        }
        for (bit, c) in [
            (Self::FIN, "F"),
            (Self::SYN, "S"),
            (Self::RST, "R"),
            (Self::PSH, "P"),
            (Self::ACK, "."),
            (Self::URG, "U"),
        ] {
            if self.has(bit) {
                f.write_str(c)?;
            }
        }
        Ok(())
    }
}
