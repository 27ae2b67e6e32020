//! `TTL` and `HL`: change the time to live, the hop limit.

use std::fmt::Write as _;

use super::{Edit, Effect, Extension};
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::trace::TableId;

/// `-j TTL` or `-j HL`, by IP version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ttl<const VERSION: u8> {
    change: Change,
    by: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Set,
    Down,
    Up,
}

const TTL_OPTIONS: &[Opt] = &[
    Opt::value("ttl-set").excludes(&["ttl-dec", "ttl-inc"]),
    Opt::value("ttl-dec").excludes(&["ttl-set", "ttl-inc"]),
    Opt::value("ttl-inc").excludes(&["ttl-set", "ttl-dec"]),
];
const HL_OPTIONS: &[Opt] = &[
    Opt::value("hl-set").excludes(&["hl-dec", "hl-inc"]),
    Opt::value("hl-dec").excludes(&["hl-set", "hl-inc"]),
    Opt::value("hl-inc").excludes(&["hl-set", "hl-dec"]),
];

impl<const VERSION: u8> Extension for Ttl<VERSION> {
    const NAME: &'static str = if VERSION == 4 { "TTL" } else { "HL" };
    const OPTIONS: &'static [Opt] = if VERSION == 4 { TTL_OPTIONS } else { HL_OPTIONS };

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for (option, change) in Self::OPTIONS.iter().zip([Change::Set, Change::Down, Change::Up]) {
            let min = u32::from(change != Change::Set);
            if let Some((by, _)) = args.read_number(option.name, min, 255)? {
                return Ok(Self { change, by: by as u8 });
            }
        }
        Err(Problem::usage(format!("{}: You must specify an action", Self::NAME)))
    }

    fn save(&self, out: &mut String) {
        let verb = ["set", "dec", "inc"][self.change as usize];
        let _ = write!(out, " --{}-{verb} {}", if VERSION == 4 { "ttl" } else { "hl" }, self.by);
    }

    fn list(&self, out: &mut String, _: bool) {
        let verb = ["set to", "decrement by", "increment by"][self.change as usize];
        let _ = write!(out, " {} {verb} {}", Self::NAME, self.by);
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Mangle
    }

    fn effect(&self) -> Effect {
        Effect::Edit(match self.change {
            Change::Set => Edit::SetTtl(self.by),
            Change::Down => Edit::AddTtl(-i16::from(self.by)),
            Change::Up => Edit::AddTtl(self.by.into()),
        })
    }
}
