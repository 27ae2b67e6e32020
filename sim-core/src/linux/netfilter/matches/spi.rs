//! `esp` and `ah`: the security parameters index. Packets carry no IPsec header here: what asks for an index never matches.

use std::fmt::Write as _;

use super::length::write_range;
use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::trace::Family;

const ESP: u8 = 50;

/// `-m esp` or `-m ah`, by protocol number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spi<const PROTOCOL: u8> {
    range: Option<((u32, u32), bool)>,
    length: Option<(u32, bool)>,
    reserved: bool,
    family: Family,
}

const ESP_OPTIONS: &[Opt] = &[Opt::value("espspi").inv()];
const AH_OPTIONS: &[Opt] = &[Opt::value("ahspi").inv(), Opt::value("ahlen").inv(), Opt::flag("ahres")];

impl<const PROTOCOL: u8> Extension for Spi<PROTOCOL> {
    const NAME: &'static str = if PROTOCOL == ESP { "esp" } else { "ah" };
    const OPTIONS: &'static [Opt] = if PROTOCOL == ESP { ESP_OPTIONS } else { AH_OPTIONS };

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let family = args.rule.family;
        let range = args.read_range(Self::OPTIONS[0].name, u32::MAX)?;
        let length = args.read_number("ahlen", 0, u32::MAX)?;
        Ok(Self { range, length, reserved: args.has("ahres"), family })
    }

    fn save(&self, out: &mut String) {
        if let Some((range, inverted)) = self.range {
            let _ = write!(out, " {}--{}spi ", if inverted { "! " } else { "" }, Self::NAME);
            write_range(out, range);
        }
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " {}--ahlen {length}", if inverted { "! " } else { "" });
        }
        if self.reserved {
            out.push_str(" --ahres");
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push(' ');
        out.push_str(Self::NAME);
        if let Some((range, inverted)) = self.range {
            let plural = if range.0 == range.1 { "" } else { "s" };
            let _ = write!(out, " spi{plural}:{}", if inverted { "!" } else { "" });
            write_range(out, range);
        }
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " length:{}{length}", if inverted { "!" } else { "" });
        }
        if self.reserved {
            out.push_str(" reserved");
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        packet.protocol == PROTOCOL && self.range.is_none() && self.length.is_none() && !self.reserved
    }

    /// The IPv6 form of `ah` looks for the header itself.
    fn allowed(&self, place: &Place) -> bool {
        let any = PROTOCOL != ESP && self.family == Family::V6;
        any || (place.protocol == PROTOCOL && !place.protocol_inverted)
    }
}
