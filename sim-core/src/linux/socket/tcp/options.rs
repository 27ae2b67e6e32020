//! What the two ends agree on in their SYNs: timestamps, selective acknowledgments, window scaling (RFC 7323, RFC 2018).

use crate::packet::{Tcp, TcpFlags, TcpOptions};
use crate::time::SimTime;

use super::TcpSettings;

/// Receive buffer that the first window is cut from: half of `tcp_rmem`'s default of 131072 bytes.
const WINDOW_SPACE: u32 = 65_536;
/// The scale that `tcp_rmem`'s largest buffer of 32 MiB asks for (`tcp_select_initial_window`).
const WINDOW_SCALE: u8 = 10;
/// Timestamps with their padding.
const TIMESTAMPS: u16 = 12;
/// SACK blocks that fit beside timestamps.
const SACK_BLOCKS: usize = 3;

/// The options of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Added to the clock in timestamps, so that a host's connections show different clocks.
    offset: u32,
    /// Offered, and, once the peer's SYN is here, agreed.
    timestamps: bool,
    sack: bool,
    scaling: bool,
    /// The peer's scale.
    peer_scale: u8,
    /// The peer's latest timestamp.
    recent: u32,
    /// Bytes that we are ready to take beyond what has been acknowledged.
    pub(super) window: u32,
}

impl Agreed {
    /// What a connection offers.
    pub(super) const fn offer(settings: &TcpSettings, iss: u32, mss: u16) -> Self {
        Self {
            offset: iss.wrapping_mul(0x9e37_79b9).rotate_left(7),
            timestamps: settings.timestamps,
            sack: settings.sack,
            scaling: settings.window_scaling,
            peer_scale: 0,
            recent: 0,
            window: first_window(mss),
        }
    }

    /// The peer's SYN: what it does not offer is not used. A SYN-ACK's window leaves room for the timestamps of each segment.
    pub(super) fn learn(&mut self, syn: &TcpOptions, mss: u16, answering: bool) {
        self.timestamps &= syn.timestamps.is_some();
        self.sack &= syn.sack_permitted;
        self.scaling &= syn.window_scale.is_some();
        self.peer_scale = if self.scaling { syn.window_scale.unwrap_or(0).min(14) } else { 0 };
        self.recent = syn.timestamps.map_or(0, |(value, _)| value);
        if answering {
            self.window = first_window(mss.saturating_sub(self.overhead()));
        }
    }

    /// Bytes of options in every segment.
    pub(super) const fn overhead(&self) -> u16 {
        if self.timestamps { TIMESTAMPS } else { 0 }
    }

    /// Notes the timestamp of a segment that is next in order (RFC 7323, 4.3).
    pub(super) fn note(&mut self, segment: &Tcp, in_order: bool) {
        if let Some((value, _)) = segment.options.timestamps.filter(|_| in_order && self.timestamps) {
            self.recent = value;
        }
    }

    /// The peer's window in bytes; that of a SYN is not scaled.
    pub(super) const fn peer_window(&self, segment: &Tcp) -> u32 {
        let shift = if segment.flags.has(TcpFlags::SYN) { 0 } else { self.peer_scale };
        (segment.window as u32) << shift
    }

    /// The window field of a segment of ours, rounded up to a whole unit.
    pub(super) fn window_field(&self, syn: bool) -> u16 {
        let shift = if syn || !self.scaling { 0 } else { WINDOW_SCALE };
        let units = self.window.div_ceil(1 << shift);
        u16::try_from(units).unwrap_or(u16::MAX)
    }

    /// The options of a segment of ours.
    pub(super) fn write(&self, now: SimTime, syn: Option<u16>, gaps: &[(u32, u32)]) -> TcpOptions {
        let clock = (now.0 / 1_000_000) as u32;
        let mut options = TcpOptions {
            timestamps: self.timestamps.then(|| (self.offset.wrapping_add(clock), self.recent)),
            ..TcpOptions::default()
        };
        if syn.is_some() {
            options.mss = syn;
            options.sack_permitted = self.sack;
            options.window_scale = self.scaling.then_some(WINDOW_SCALE);
        } else if self.sack {
            for (slot, block) in options.sack.iter_mut().take(SACK_BLOCKS).zip(gaps) {
                *slot = Some(*block);
            }
        }
        options
    }
}

/// Whole segments in the receive buffer (`tcp_select_initial_window`), as far as 16 bits can say.
const fn first_window(mss: u16) -> u32 {
    let mss = mss as u32;
    let whole = if mss == 0 || mss >= WINDOW_SPACE { WINDOW_SPACE } else { WINDOW_SPACE / mss * mss };
    if whole > 65_535 { 65_535 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_windows_are_those_of_linux() {
        let windows = [1460, 1448, 1410, 1398, 65_495, 65_483].map(first_window);
        assert_eq!(windows, [64_240, 65_160, 64_860, 64_308, 65_495, 65_483]);
    }

    #[test]
    fn windows_are_rounded_up_to_the_scale() {
        let mut client = Agreed::offer(&TcpSettings::default(), 1, 1460);
        assert_eq!((client.window_field(true), client.window_field(false)), (64_240, 63));
        let theirs = Agreed::offer(&TcpSettings::default(), 2, 1460).write(SimTime::ZERO, Some(1460), &[]);
        client.learn(&theirs, 1460, true);
        assert_eq!((client.window_field(true), client.window_field(false)), (65_160, 64));
    }

    #[test]
    fn what_one_end_does_not_offer_is_not_used() {
        let bare = TcpOptions { mss: Some(1460), ..TcpOptions::default() };
        let mut end = Agreed::offer(&TcpSettings::default(), 1, 1460);
        end.learn(&bare, 1460, false);
        assert!(end.write(SimTime::ZERO, None, &[(1, 2)]).is_empty());
        assert_eq!(end.window_field(false), 64_240);
    }
}
