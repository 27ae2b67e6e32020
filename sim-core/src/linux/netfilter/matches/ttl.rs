//! `ttl` and `hl`: the time to live, the hop limit.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m ttl` or `-m hl`, by IP version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ttl<const VERSION: u8> {
    compare: Compare,
    value: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    Greater,
}

const TTL_OPTIONS: &[Opt] = &[
    Opt::value("ttl-lt").excludes(&["ttl-gt", "ttl-eq"]),
    Opt::value("ttl-gt").excludes(&["ttl-lt", "ttl-eq"]),
    Opt::value("ttl-eq").inv().excludes(&["ttl-lt", "ttl-gt"]),
    Opt::value("ttl").same_as("ttl-eq").inv(),
];
const HL_OPTIONS: &[Opt] = &[
    Opt::value("hl-lt").excludes(&["hl-gt", "hl-eq"]),
    Opt::value("hl-gt").excludes(&["hl-lt", "hl-eq"]),
    Opt::value("hl-eq").inv().excludes(&["hl-lt", "hl-gt"]),
];

impl<const VERSION: u8> Extension for Ttl<VERSION> {
    const NAME: &'static str = if VERSION == 4 { "ttl" } else { "hl" };
    const OPTIONS: &'static [Opt] = if VERSION == 4 { TTL_OPTIONS } else { HL_OPTIONS };

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for (option, compare) in Self::OPTIONS.iter().zip([Compare::Less, Compare::Greater, Compare::Equal]) {
            if let Some((value, inverted)) = args.read_number(option.name, 0, 255)? {
                let compare = if inverted { Compare::NotEqual } else { compare };
                return Ok(Self { compare, value: value as u8 });
            }
        }
        Err(Problem::usage(if VERSION == 4 {
            "TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt"
        } else {
            "HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'"
        }))
    }

    fn save(&self, out: &mut String) {
        let (not, compare) = match self.compare {
            Compare::Equal => ("", "eq"),
            Compare::NotEqual => ("! ", "eq"),
            Compare::Less => ("", "lt"),
            Compare::Greater => ("", "gt"),
        };
        let _ = write!(out, " {not}--{}-{compare} {}", Self::NAME, self.value);
    }

    fn list(&self, out: &mut String, _: bool) {
        let compare = match self.compare {
            Compare::Equal => "==",
            Compare::NotEqual => "!=",
            Compare::Less => "<",
            Compare::Greater => ">",
        };
        let name = if VERSION == 4 { "TTL" } else { "HL" };
        let _ = write!(out, " {name} match {name} {compare} {}", self.value);
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let (ttl, value) = (packet.ip.ttl, self.value);
        match self.compare {
            Compare::Equal => ttl == value,
            Compare::NotEqual => ttl != value,
            Compare::Less => ttl < value,
            Compare::Greater => ttl > value,
        }
    }
}
