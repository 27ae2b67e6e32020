//! `CT` and `NOTRACK`: whether connection tracking looks at the packet.

use super::Extension;
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::trace::TableId;

/// `-j CT` or `-j NOTRACK`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ct {
    /// `CT` without an option: nothing changes.
    Plain,
    /// `CT --notrack`.
    NoTrack,
    /// `NOTRACK`, the older spelling.
    Notrack,
}

impl Extension for Ct {
    const NAME: &'static str = "CT";
    const OPTIONS: &'static [Opt] = &[
        Opt::flag("notrack"),
        Opt::value("helper"),
        Opt::value("timeout"),
        Opt::value("ctevents"),
        Opt::value("expevents"),
        Opt::value("zone"),
        Opt::value("zone-orig"),
        Opt::value("zone-reply"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for opt in &Self::OPTIONS[1..] {
            if let Some(value) = args.get(opt.name) {
                return Err(value.here(Problem::not_modelled(&format!("CT: option \"--{}\"", opt.name))));
            }
        }
        Ok(if args.has("notrack") { Self::NoTrack } else { Self::Plain })
    }

    fn save(&self, out: &mut String) {
        if *self == Self::NoTrack {
            out.push_str(" --notrack");
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(match self {
            Self::Plain => " CT",
            Self::NoTrack => " CT notrack",
            Self::Notrack => " NOTRACK",
        });
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Raw
    }
}
