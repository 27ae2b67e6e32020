//! `TCPMSS`: lowers the maximum segment size that a TCP segment announces.

use std::fmt::Write as _;

use super::{Edit, Effect, Extension};
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;
use crate::trace::Hook;

/// `-j TCPMSS`; without a size, to what fits through the outgoing and the incoming interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tcpmss(Option<u16>);

impl Extension for Tcpmss {
    const NAME: &'static str = "TCPMSS";
    const OPTIONS: &'static [Opt] = &[Opt::value("set-mss"), Opt::flag("clamp-mss-to-pmtu")];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let size = args.read_number("set-mss", 0, 65_495)?.map(|(n, _)| n as u16);
        if args.has("clamp-mss-to-pmtu") {
            return Ok(Self(None));
        }
        let missing = || Problem::usage("TCPMSS target: At least one parameter is required");
        Ok(Self(Some(size.ok_or_else(missing)?)))
    }

    fn save(&self, out: &mut String) {
        let _ = match self.0 {
            Some(size) => write!(out, " --set-mss {size}"),
            None => write!(out, " --clamp-mss-to-pmtu"),
        };
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = match self.0 {
            Some(size) => write!(out, " TCPMSS set {size}"),
            None => write!(out, " TCPMSS clamp to PMTU"),
        };
    }

    fn allowed(&self, place: &Place) -> bool {
        let has_route = |h| matches!(h, Hook::Forward | Hook::Output | Hook::Postrouting);
        place.protocol == proto::TCP
            && !place.protocol_inverted
            && (self.0.is_some() || place.hook.is_none_or(has_route))
    }

    fn effect(&self) -> Effect {
        Effect::Edit(Edit::Mss(self.0))
    }
}
