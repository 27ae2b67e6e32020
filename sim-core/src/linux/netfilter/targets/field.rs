//! `TOS`, `DSCP` and `ECN`: change the type of service byte, or the bits of explicit congestion notification in a TCP header.

use std::fmt::Write as _;

use super::note::byte;
use super::{Edit, Effect, Extension};
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::matches::dsfield::{TosValue, read_dscp};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;
use crate::trace::TableId;

/// `-j TOS`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tos(TosValue);

impl Extension for Tos {
    const NAME: &'static str = "TOS";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("set-tos").excludes(&["and-tos", "or-tos", "xor-tos"]),
        Opt::value("and-tos").excludes(&["set-tos", "or-tos", "xor-tos"]),
        Opt::value("or-tos").excludes(&["set-tos", "and-tos", "xor-tos"]),
        Opt::value("xor-tos").excludes(&["set-tos", "and-tos", "or-tos"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        if let Some((tos, _)) = args.value("set-tos", TosValue::parse)? {
            return Ok(Self(tos));
        }
        let bits = |id: &'static str| {
            let bad = || {
                Problem::usage(format!("TOS: bad value for option \"--{id}\", or out of range (0-255).\n"))
            };
            Ok::<_, Problem>(args.value(id, |text| byte(text).ok_or_else(bad))?.map(|(n, _)| n))
        };
        let and = bits("and-tos")?.map(|n| TosValue { value: 0, mask: !n });
        let or = bits("or-tos")?.map(|n| TosValue { value: n, mask: n });
        let xor = bits("xor-tos")?.map(|n| TosValue { value: n, mask: 0 });
        and.or(or).or(xor).map(Self).ok_or_else(|| Problem::usage("TOS: An action is required"))
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " --set-tos 0x{:02x}/0x{:02x}", self.0.value, self.0.mask);
    }

    fn list(&self, out: &mut String, numeric: bool) {
        let TosValue { value, mask } = self.0;
        let _ = match self.0.name() {
            _ if numeric => write!(out, " TOS set 0x{value:02x}/0x{mask:02x}"),
            // The real tool puts its blanks so.
            Some(name) => write!(out, "  TOS set{name}"),
            None if value == 0 => write!(out, " TOS and 0x{:02x}", !mask),
            None if value == mask => write!(out, " TOS or 0x{value:02x}"),
            None if mask == 0 => write!(out, " TOS xor 0x{value:02x}"),
            None => write!(out, " TOS set 0x{value:02x}/0x{mask:02x}"),
        };
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Mangle
    }

    fn effect(&self) -> Effect {
        Effect::Edit(Edit::Tos { clear: self.0.mask, flip: self.0.value })
    }
}

/// `-j DSCP`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dscp(u8);

impl Extension for Dscp {
    const NAME: &'static str = "DSCP";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("set-dscp").excludes(&["set-dscp-class"]),
        Opt::value("set-dscp-class").excludes(&["set-dscp"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let missing = || Problem::usage("DSCP target: Parameter --set-dscp is required");
        Ok(Self(read_dscp(args, "set-dscp", "set-dscp-class")?.ok_or_else(missing)?.0))
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " --set-dscp 0x{:02x}", self.0);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " DSCP set 0x{:02x}", self.0);
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Mangle
    }

    fn effect(&self) -> Effect {
        Effect::Edit(Edit::Tos { clear: 0xfc, flip: self.0 << 2 })
    }
}

/// `-j ECN --ecn-tcp-remove`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ecn;

impl Extension for Ecn {
    const NAME: &'static str = "ECN";
    const OPTIONS: &'static [Opt] = &[
        Opt::flag("ecn-tcp-remove"),
        Opt::value("ecn-tcp-cwr"),
        Opt::value("ecn-tcp-ece"),
        Opt::value("ecn-ip-ect"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for opt in &Self::OPTIONS[1..] {
            if let Some(value) = args.get(opt.name) {
                return Err(value.here(Problem::not_modelled(&format!("ECN: option \"--{}\"", opt.name))));
            }
        }
        if args.is_empty() { Err(Problem::usage("ECN target: An operation is required")) } else { Ok(Self) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --ecn-tcp-remove");
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" ECN TCP remove");
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Mangle && place.protocol == proto::TCP && !place.protocol_inverted
    }

    fn effect(&self) -> Effect {
        Effect::Edit(Edit::NoEcn)
    }
}
