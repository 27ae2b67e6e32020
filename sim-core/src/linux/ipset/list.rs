//! `ipset list` and `ipset save`.

use std::fmt::Write as _;

use super::element::address;
use super::{Element, Extra, Kind, Set};
use crate::time::SimTime;
use crate::trace::Family;

/// How sets are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) format: Format,
    /// Names only.
    pub(super) names: bool,
    /// No members.
    pub(super) terse: bool,
    pub(super) sorted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Plain,
    Save,
}

impl Set {
    /// The set as `ipset list` or `ipset save` prints it.
    pub(super) fn print(&self, out: &mut String, name: &str, style: Style, references: u32, now: SimTime) {
        let save = style.format == Format::Save;
        if save {
            let _ = writeln!(out, "create {name} {} {}", self.kind.name(), self.header());
        } else {
            let entries: Vec<_> = self.live(now).collect();
            let _ =
                writeln!(out, "Name: {name}\nType: {}\nRevision: {}", self.kind.name(), self.kind.revision());
            let _ = writeln!(out, "Header: {}\nSize in memory: {}", self.header(), self.memory(&entries));
            let _ = writeln!(out, "References: {references}\nNumber of entries: {}", entries.len());
            if style.terse {
                return;
            }
            out.push_str("Members:\n");
        }
        let mut lines: Vec<(&Element, String)> =
            self.live(now).map(|(e, x)| (e, self.line(e, x, now))).collect();
        if style.sorted {
            lines.sort_by_key(|(e, _)| (e.first, e.port, e.second));
        }
        for (_, line) in lines {
            if save {
                let _ = write!(out, "add {name} ");
            }
            out.push_str(&line);
            out.push('\n');
        }
    }

    fn live(&self, now: SimTime) -> impl Iterator<Item = (&Element, &Extra)> {
        self.elements.iter().filter(move |(_, x)| !x.is_over(now))
    }

    fn line(&self, element: &Element, extra: &Extra, now: SimTime) -> String {
        let mut out = String::new();
        element.write(&mut out, self.kind, self.options.family);
        if self.options.timeout.is_some() {
            let left = extra.expires.map_or(0, |at| at.since(now).as_secs().max(1));
            let _ = write!(out, " timeout {left}");
        }
        if extra.nomatch {
            out.push_str(" nomatch");
        }
        if self.options.counters {
            let _ = write!(out, " packets {} bytes {}", extra.packets, extra.bytes);
        }
        if let Some(comment) = &extra.comment {
            let _ = write!(out, " comment \"{comment}\"");
        }
        out
    }

    fn header(&self) -> String {
        let o = &self.options;
        let mut out = String::new();
        let _ = match (self.kind, o.family) {
            (Kind::BitmapPort, _) => write!(out, "range {}-{}", o.range.0, o.range.1),
            (Kind::BitmapIp, _) => {
                let addr = |n| address(Family::V4, n);
                write!(out, "range {}-{}", addr(o.range.0), addr(o.range.1))
            }
            (Kind::List, _) => write!(out, "size {}", o.size),
            (_, family) => {
                let family = if family == Some(Family::V6) { "inet6" } else { "inet" };
                write!(out, "family {family} hashsize {} maxelem {}", o.hashsize, o.maxelem)
            }
        };
        if let Some(netmask) = o.netmask {
            let _ = write!(out, " netmask {netmask}");
        }
        if let Some(seconds) = o.timeout {
            let _ = write!(out, " timeout {seconds}");
        }
        if o.counters {
            out.push_str(" counters");
        }
        if o.comment {
            out.push_str(" comment");
        }
        if self.kind.is_hash() {
            let _ = write!(out, " bucketsize 12 initval 0x{:08x}", self.initval);
        }
        out
    }

    /// Bytes of an empty set, and of one element, on a 64-bit kernel.
    const fn sizes(&self) -> (usize, usize) {
        match (self.kind, self.options.family) {
            (Kind::Ip, Some(Family::V6)) => (224, 16),
            (Kind::Ip, _) => (216, 4),
            (Kind::IpPort, Some(Family::V6)) => (232, 20),
            (Kind::IpPort, _) => (216, 8),
            (Kind::IpPortIp, Some(Family::V6)) => (232, 36),
            (Kind::IpPortIp, _) => (208, 12),
            (Kind::IpPortNet, Some(Family::V6)) => (1256, 36),
            (Kind::IpPortNet, _) => (464, 12),
            (Kind::Net | Kind::NetPort, Some(Family::V6)) => (1240, 20),
            (Kind::Net | Kind::NetPort, _) => (456, 8),
            (Kind::NetIface, Some(Family::V6)) => (1264, 40),
            (Kind::NetIface, _) => (488, 28),
            (Kind::BitmapIp, _) => (88, 0),
            (Kind::BitmapPort, _) => (72, 0),
            (Kind::List, _) => (80, 48),
        }
    }

    fn memory(&self, entries: &[(&Element, &Extra)]) -> usize {
        let (empty, element) = self.sizes();
        let o = &self.options;
        let extra =
            8 * usize::from(o.timeout.is_some()) + 16 * usize::from(o.counters) + 8 * usize::from(o.comment);
        let comments: usize = entries.iter().filter_map(|(_, x)| Some(x.comment.as_ref()?.len() + 17)).sum();
        let with_extra = if extra > 0 { element.next_multiple_of(8) + extra } else { element };
        empty
            + comments
            + match self.kind {
                Kind::BitmapIp | Kind::BitmapPort => {
                    let keep = 32 - o.netmask.unwrap_or(32);
                    let bits = ((o.range.1 - o.range.0) >> keep) as usize + 1;
                    bits.div_ceil(64) * 8 + bits * extra
                }
                Kind::List => entries.len() * with_extra,
                // A bucket of two elements for each.
                _ => entries.len() * (32 + 2 * with_extra),
            }
    }
}
