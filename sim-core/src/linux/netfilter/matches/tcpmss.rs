//! `tcpmss`: the maximum segment size that a segment announces.

use std::fmt::Write as _;

use super::length::write_range;
use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::number;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// `-m tcpmss`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tcpmss {
    range: (u32, u32),
    inverted: bool,
}

impl Extension for Tcpmss {
    const NAME: &'static str = "tcpmss";
    const OPTIONS: &'static [Opt] = &[Opt::value("mss").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (range, inverted) = args.value("mss", parse)?.unwrap_or_default();
        Ok(Self { range, inverted })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --mss " } else { " --mss " });
        write_range(out, self.range);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " tcpmss match {}", if self.inverted { "!" } else { "" });
        write_range(out, self.range);
    }

    /// A segment without the option never matches (`tcpmss_mt`).
    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let Some(mss) = packet.tcp().and_then(|t| t.options.mss).map(u32::from) else { return self.inverted };
        (self.range.0 <= mss && mss <= self.range.1) != self.inverted
    }

    fn allowed(&self, place: &Place) -> bool {
        place.protocol == proto::TCP && !place.protocol_inverted
    }
}

fn parse(text: &str) -> Result<(u32, u32), Problem> {
    let bad = || {
        Problem::usage(format!(
            "tcpmss: bad value for option \"--mss\" near \"{text}\", or out of range (0-65535).\n"
        ))
    };
    let read = |t: &str| number(t).filter(|n| *n <= 65_535).ok_or_else(bad);
    let Some((first, last)) = text.split_once(':') else {
        let mss = read(text)?;
        return Ok((mss, mss));
    };
    let range =
        (if first.is_empty() { 0 } else { read(first)? }, if last.is_empty() { 65_535 } else { read(last)? });
    if range.0 > range.1 { Err(Problem::usage("tcpmss: invalid range given")) } else { Ok(range) }
}
