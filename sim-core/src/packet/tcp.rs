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
    /// Options.
    pub options: TcpOptions,
    /// Data.
    pub payload: Payload,
}

impl Tcp {
    /// Header length in bytes: 20 and the options.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        20 + self.options.len()
    }
}

/// The options of a segment. On the wire they stand in the order of the fields, padded as Linux does (`tcp_options_write`): the permission
/// for SACK shares the padding of the timestamps, a window scale has one NOP before it, SACK blocks two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size in bytes; only on SYN.
    pub mss: Option<u16>,
    /// The sender understands selective acknowledgments (RFC 2018); only on SYN.
    pub sack_permitted: bool,
    /// Clock of the sender in milliseconds, and the last one seen of the receiver (RFC 7323).
    pub timestamps: Option<(u32, u32)>,
    /// The window of later segments counts units of two to this power (RFC 7323); only on SYN.
    pub window_scale: Option<u8>,
    /// First and last-but-one sequence numbers of data received after a gap, the latest first.
    pub sack: [Option<(u32, u32)>; 4],
}

impl TcpOptions {
    /// Length in bytes, a multiple of 4.
    #[must_use]
    pub const fn len(&self) -> usize {
        let mut len = 0;
        if self.mss.is_some() {
            len += 4;
        }
        if self.timestamps.is_some() {
            len += 12;
        } else if self.sack_permitted {
            len += 4;
        }
        if self.window_scale.is_some() {
            len += 4;
        }
        let mut blocks = 0;
        while blocks < self.sack.len() && self.sack[blocks].is_some() {
            blocks += 1;
        }
        if blocks > 0 { len + 4 + 8 * blocks } else { len }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is an option of this kind (IANA number): what `--tcp-option` asks.
    #[must_use]
    pub const fn has_kind(&self, kind: u8) -> bool {
        let padded = self.timestamps.is_some() && !self.sack_permitted
            || self.timestamps.is_none() && self.sack_permitted
            || self.window_scale.is_some()
            || self.sack[0].is_some();
        match kind {
            1 => padded,
            2 => self.mss.is_some(),
            3 => self.window_scale.is_some(),
            4 => self.sack_permitted,
            5 => self.sack[0].is_some(),
            8 => self.timestamps.is_some(),
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_that_linux_pads_to() {
        let syn = TcpOptions {
            mss: Some(1460),
            sack_permitted: true,
            timestamps: Some((1, 0)),
            window_scale: Some(10),
            ..TcpOptions::default()
        };
        let plain_syn = TcpOptions { timestamps: None, ..syn };
        let data = TcpOptions { timestamps: Some((1, 1)), ..TcpOptions::default() };
        let mut gap = data;
        gap.sack[0] = Some((5, 9));
        let lengths = [TcpOptions::default(), syn, plain_syn, data, gap].map(|o| o.len());
        assert_eq!(lengths, [0, 20, 12, 12, 24]);
        assert!(syn.has_kind(1) && syn.has_kind(2) && !data.has_kind(2) && data.has_kind(8));
    }
}
