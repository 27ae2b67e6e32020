//! `limit`: a token bucket on virtual time.

use std::fmt::Write as _;

use super::{Cx, Extension, MatchState};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m limit`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    /// Time per packet in units of 1/10000 s, as the kernel is told.
    period: u32,
    burst: u32,
}

/// `XT_LIMIT_SCALE`: units of a period in one second.
const SCALE: u32 = 10_000;
/// Nanoseconds in one unit of a period.
const UNIT: u64 = 1_000_000_000 / SCALE as u64;
/// Unit names that are read, their seconds, and how they are printed; longest first.
const UNITS: [(&str, u32, &str); 4] =
    [("day", 86_400, "day"), ("hour", 3_600, "hour"), ("minute", 60, "min"), ("second", 1, "sec")];
const DEFAULT_BURST: u32 = 5;

impl Limit {
    /// A bucket of `burst` packets that gains one per period.
    pub(super) const fn new(period: u32, burst: u32) -> Self {
        Self { period, burst }
    }

    /// Packets that a full bucket holds.
    pub(super) const fn burst(&self) -> u32 {
        self.burst
    }

    /// Seconds of the unit in which the rate is written.
    pub(super) fn unit_seconds(&self) -> u32 {
        self.unit().1
    }

    /// Reads `10/sec`: the time per packet in units of 1/10000 s.
    pub(super) fn parse_rate(text: &str) -> Result<u32, Problem> {
        let bad = || Problem::usage(format!("bad rate \"{text}\"'"));
        let (count, seconds) = match text.split_once('/') {
            None => (text, 1),
            Some((count, unit)) => {
                let matches =
                    |name: &str| name.get(..unit.len()).is_some_and(|n| n.eq_ignore_ascii_case(unit));
                let found = UNITS.iter().rev().find(|u| !unit.is_empty() && matches(u.0));
                (count, found.ok_or_else(bad)?.1)
            }
        };
        let digits = count.len() - count.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count = count[..digits].parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        match SCALE * seconds / count {
            0 => Err(Problem::usage(format!("Rate too fast \"{text}\""))),
            period => Ok(period),
        }
    }

    /// The largest unit in which nothing of the rate is lost.
    fn unit(&self) -> (&'static str, u32, &'static str) {
        let fits = |seconds: u32| {
            let unit = SCALE * seconds;
            self.period <= unit && unit / self.period >= unit % self.period
        };
        let last = UNITS.iter().skip(1).take_while(|u| fits(u.1)).count();
        UNITS[last]
    }

    /// Writes the rate in that unit.
    pub(super) fn write_rate(&self, out: &mut String) {
        let (_, seconds, name) = self.unit();
        let _ = write!(out, "{}/{name}", SCALE * seconds / self.period);
    }

    /// Nanoseconds of credit that one packet costs.
    pub(super) const fn cost(&self) -> u64 {
        self.period as u64 * UNIT
    }
}

impl Extension for Limit {
    const NAME: &'static str = "limit";
    const OPTIONS: &'static [Opt] = &[Opt::value("limit"), Opt::value("limit-burst")];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let period = args.value("limit", Self::parse_rate)?.map_or(3_600 * SCALE / 3, |(p, _)| p);
        let burst = args.read_number("limit-burst", 0, 10_000)?.map_or(DEFAULT_BURST, |(n, _)| n);
        Ok(Self { period, burst: if burst == 0 { DEFAULT_BURST } else { burst } })
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --limit ");
        self.write_rate(out);
        if self.burst != DEFAULT_BURST {
            let _ = write!(out, " --limit-burst {}", self.burst);
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" limit: avg ");
        self.write_rate(out);
        let _ = write!(out, " burst {}", self.burst);
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let now = cx.env.now;
        let Some(MatchState::Bucket { credit, at }) = cx.states.next() else { return false };
        let full = self.cost() * u64::from(self.burst);
        let gained = now.0.saturating_sub(at.0);
        let have = credit.map_or(full, |c| c.saturating_add(gained).min(full));
        let pass = have >= self.cost();
        *credit = Some(if pass { have - self.cost() } else { have });
        *at = now;
        pass
    }

    fn initial_state(&self) -> Option<MatchState> {
        Some(MatchState::Bucket { credit: None, at: crate::time::SimTime::ZERO })
    }
}
