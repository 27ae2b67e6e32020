//! `iprange`: an address between two others.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::address::{bits, from_bits, parse_address};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::trace::Family;

/// `-m iprange`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Iprange {
    family: Family,
    src: Option<Range>,
    dst: Option<Range>,
}

/// First and last address, and whether the match is turned round.
type Range = ((u128, u128), bool);

impl Extension for Iprange {
    const NAME: &'static str = "iprange";
    const OPTIONS: &'static [Opt] = &[Opt::value("src-range").inv(), Opt::value("dst-range").inv()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let family = args.rule.family;
        let read = |id: &'static str| args.value(id, |text| parse(text, id, family));
        let (src, dst) = (read("src-range")?, read("dst-range")?);
        if src.is_none() && dst.is_none() {
            return Err(Problem::usage("iprange match: You must specify `--src-range' or `--dst-range'"));
        }
        Ok(Self { family, src, dst })
    }

    fn save(&self, out: &mut String) {
        for (name, range) in [("src", &self.src), ("dst", &self.dst)] {
            if let Some((range, inverted)) = range {
                let _ = write!(out, " {}--{name}-range ", if *inverted { "! " } else { "" });
                self.write(out, *range);
            }
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        for (name, range) in [("source", &self.src), ("destination", &self.dst)] {
            if let Some((range, inverted)) = range {
                let _ = write!(out, " {name} IP range {}", if *inverted { "! " } else { "" });
                self.write(out, *range);
            }
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let fits = |range: &Option<Range>, addr: u128| {
            range.is_none_or(|((first, last), inverted)| (first <= addr && addr <= last) != inverted)
        };
        fits(&self.src, packet.src) && fits(&self.dst, packet.dst)
    }
}

impl Iprange {
    fn write(&self, out: &mut String, (first, last): (u128, u128)) {
        let _ = write!(out, "{}-{}", from_bits(self.family, first), from_bits(self.family, last));
    }
}

/// `10.0.0.1-10.0.0.9`, or one address alone.
fn parse(text: &str, id: &str, family: Family) -> Result<(u128, u128), Problem> {
    let read = |t: &str| {
        let bad = || Problem::usage(format!("iprange: Bad value for \"--{id}\" option: \"{t}\""));
        parse_address(family, t).map(bits).ok_or_else(bad)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok((read(first)?, read(last)?))
}
