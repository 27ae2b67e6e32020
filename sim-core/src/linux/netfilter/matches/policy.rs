//! `policy`: whether IPsec did or will transform the packet. There is no IPsec here: `--pol none` always matches, `--pol ipsec` never.
//! The elements of a policy (`--reqid`, `--proto` and so on) are refused.

use std::fmt::Write as _;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::trace::Hook;

/// `-m policy`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    outgoing: bool,
    none: bool,
    strict: bool,
}

const ELEMENTS: [&str; 7] = ["reqid", "spi", "tunnel-src", "tunnel-dst", "proto", "mode", "next"];

impl Extension for Policy {
    const NAME: &'static str = "policy";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("dir"),
        Opt::value("pol"),
        Opt::flag("strict"),
        Opt::value(ELEMENTS[0]).inv(),
        Opt::value(ELEMENTS[1]).inv(),
        Opt::value(ELEMENTS[2]).inv(),
        Opt::value(ELEMENTS[3]).inv(),
        Opt::value(ELEMENTS[4]).inv(),
        Opt::value(ELEMENTS[5]).inv(),
        Opt::flag(ELEMENTS[6]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let outgoing = args.value("dir", |text| match text {
            "in" => Ok(false),
            "out" => Ok(true),
            _ => Err(Problem::usage(format!("policy match: invalid dir `{text}'"))),
        })?;
        let none = args.value("pol", |text| match text {
            "none" => Ok(true),
            "ipsec" => Ok(false),
            _ => Err(Problem::usage(format!("policy match: invalid policy `{text}'"))),
        })?;
        let missing = || Problem::usage("policy match: neither --dir in nor --dir out specified");
        let (outgoing, _) = outgoing.ok_or_else(missing)?;
        let none = none.is_some_and(|(none, _)| none);
        if let Some((name, value)) = ELEMENTS.iter().find_map(|n| Some((n, args.get(n)?))).filter(|_| !none) {
            return Err(value.here(Problem::not_modelled(&format!("policy: option \"--{name}\""))));
        }
        if none && args.has("strict") {
            return Err(Problem::usage("policy match: policy none but --strict given"));
        }
        Ok(Self { outgoing, none, strict: args.has("strict") })
    }

    fn save(&self, out: &mut String) {
        let (dir, pol) = self.words();
        let _ = write!(out, " --dir {dir} --pol {pol}{}", if self.strict { " --strict" } else { "" });
    }

    fn list(&self, out: &mut String, _: bool) {
        let (dir, pol) = self.words();
        let _ = write!(out, " policy match dir {dir} pol {pol}{}", if self.strict { " strict" } else { "" });
    }

    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        self.none
    }

    fn allowed(&self, place: &Place) -> bool {
        let never_at =
            if self.outgoing { [Hook::Prerouting, Hook::Input] } else { [Hook::Postrouting, Hook::Output] };
        !place.is_at(&never_at)
    }
}

impl Policy {
    const fn words(&self) -> (&'static str, &'static str) {
        (if self.outgoing { "out" } else { "in" }, if self.none { "none" } else { "ipsec" })
    }
}
