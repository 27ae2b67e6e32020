//! `length`: the length of the IP packet.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m length`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Length {
    range: (u32, u32),
    inverted: bool,
}

impl Extension for Length {
    const NAME: &'static str = "length";
    const OPTIONS: &'static [Opt] = &[Opt::value("length").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (range, inverted) = args.read_range("length", u32::from(u16::MAX))?.unwrap_or_default();
        Ok(Self { range, inverted })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --length " } else { " --length " });
        write_range(out, self.range);
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.inverted { " length !" } else { " length " });
        write_range(out, self.range);
    }

    /// For IPv6 the payload and its header, as `length_mt6` counts.
    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let length = packet.ip.len() as u32;
        (self.range.0 <= length && length <= self.range.1) != self.inverted
    }
}

/// `100` or `100:200`.
pub(super) fn write_range(out: &mut String, (first, last): (u32, u32)) {
    let _ = write!(out, "{first}");
    if first != last {
        let _ = write!(out, ":{last}");
    }
}
