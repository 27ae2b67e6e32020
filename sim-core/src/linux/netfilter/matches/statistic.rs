//! `statistic`: a random or every nth packet.

use std::fmt::Write as _;

use super::{Cx, Extension, MatchState};
use crate::chance::{Chance, Purpose};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m statistic`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statistic {
    mode: Mode,
    inverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Probability in units of 2^-31.
    Random(u32),
    /// Every nth packet, the first being the one with this number from 0.
    Nth { every: u32, packet: u32 },
}

/// Probability 1.
const ONE: f64 = 2_147_483_648.0;

impl Statistic {
    fn random(args: &Args<'_>) -> Result<Self, Problem> {
        let read = args.value("probability", |text| {
            let value: Option<f64> = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
            value.map(|p| (ONE * p).round() as u32).ok_or_else(|| {
                Problem::usage("statistic: bad value for option \"--probability\", or out of range (0-1).\n")
            })
        })?;
        let Some((probability, inverted)) = read else {
            return Err(Problem::usage("--probability must be specified when using random mode"));
        };
        Ok(Self { mode: Mode::Random(probability), inverted })
    }

    fn nth(args: &Args<'_>) -> Result<Self, Problem> {
        let every = args.read_number("every", 1, u32::MAX)?;
        let packet = args.read_number("packet", 0, u32::MAX)?;
        let (Some((every, inverted)), Some((packet, _))) = (every, packet) else {
            return Err(Problem::usage("--every and --packet must be specified when using nth mode"));
        };
        if packet >= every {
            return Err(Problem::usage("the --packet p must be 0 <= p <= n-1"));
        }
        Ok(Self { mode: Mode::Nth { every, packet }, inverted })
    }
}

impl Extension for Statistic {
    const NAME: &'static str = "statistic";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("mode"),
        Opt::value("probability").inv().excludes(&["every", "packet"]),
        Opt::value("every").inv().requires(&["packet"]).excludes(&["probability"]),
        Opt::value("packet").requires(&["every"]).excludes(&["probability"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        match args.get("mode") {
            Some(mode) if mode.text == "nth" => Self::nth(args),
            Some(mode) if mode.text != "random" => {
                Err(mode.here(Problem::usage(format!("Bad mode \"{}\"", mode.text))))
            }
            _ => Self::random(args),
        }
    }

    fn save(&self, out: &mut String) {
        let not = if self.inverted { " !" } else { "" };
        let _ = match self.mode {
            Mode::Random(p) => {
                write!(out, " --mode random{not} --probability {:.11}", f64::from(p) / ONE)
            }
            Mode::Nth { every, packet } => {
                write!(out, " --mode nth{not} --every {every} --packet {packet}")
            }
        };
    }

    fn list(&self, out: &mut String, _: bool) {
        let not = if self.inverted { " !" } else { "" };
        let _ = match self.mode {
            Mode::Random(p) => {
                write!(out, " statistic mode random{not} probability {:.11}", f64::from(p) / ONE)
            }
            Mode::Nth { every, packet: 0 } => write!(out, " statistic mode nth{not} every {every}"),
            Mode::Nth { every, packet } => {
                write!(out, " statistic mode nth{not} every {every} packet {packet}")
            }
        };
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let hit = match self.mode {
            Mode::Random(p) => cx.env.dice.bits(Purpose::Statistic, u64::from(cx.env.ns.0)) & 0x7fff_ffff < p,
            Mode::Nth { every, .. } => {
                let Some(MatchState::Count(count)) = cx.states.next() else { return false };
                *count = if *count + 1 >= every { 0 } else { *count + 1 };
                *count == 0
            }
        };
        hit != self.inverted
    }

    fn is_pure(&self) -> bool {
        false
    }

    fn initial_state(&self) -> Option<MatchState> {
        match self.mode {
            Mode::Random(_) => None,
            Mode::Nth { every, packet } => Some(MatchState::Count(every - 1 - packet)),
        }
    }
}
