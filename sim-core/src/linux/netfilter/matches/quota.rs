//! `quota`: so many bytes, then no more.

use std::fmt::Write as _;

use super::MatchState;
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m quota`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quota {
    bytes: u64,
    inverted: bool,
}

impl Extension for Quota {
    const NAME: &'static str = "quota";
    const OPTIONS: &'static [Opt] = &[Opt::value("quota").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let bad = || {
            let max = u64::MAX;
            Problem::usage(format!("quota: bad value for option \"--quota\", or out of range (0-{max}).\n"))
        };
        let (bytes, inverted) = args.value("quota", |t| t.parse().map_err(|_| bad()))?.unwrap_or_default();
        Ok(Self { bytes, inverted })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " {}--quota {}", if self.inverted { "! " } else { "" }, self.bytes);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " quota: {} bytes", self.bytes);
    }

    /// A packet that is too long for what is left uses all of it up (`quota_mt`).
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let Some(MatchState::Quota(left)) = cx.states.next() else { return self.inverted };
        let length = packet.ip.len() as u64;
        let enough = *left >= length;
        *left = if enough { *left - length } else { 0 };
        enough != self.inverted
    }

    fn initial_state(&self) -> Option<MatchState> {
        Some(MatchState::Quota(self.bytes))
    }
}
