//! `mac`: the hardware address that the frame came from.

use std::fmt::Write as _;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::MacAddr;
use crate::trace::Hook;

/// `-m mac`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mac {
    source: MacAddr,
    inverted: bool,
}

impl Extension for Mac {
    const NAME: &'static str = "mac";
    const OPTIONS: &'static [Opt] = &[Opt::value("mac-source").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (source, inverted) = args.value("mac-source", parse)?.unwrap_or_default();
        Ok(Self { source, inverted })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " {}--mac-source {}", if self.inverted { "! " } else { "" }, self.source);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " MAC{} {}", if self.inverted { " !" } else { "" }, self.source);
    }

    /// A packet that was made here has no such address and never matches.
    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        packet.from_mac != MacAddr::ZERO && (packet.from_mac == self.source) != self.inverted
    }

    fn allowed(&self, place: &Place) -> bool {
        !place.is_at(&[Hook::Output, Hook::Postrouting])
    }
}

/// Six hexadecimal numbers; a leading zero may be missing.
fn parse(text: &str) -> Result<MacAddr, Problem> {
    let bad = || Problem::usage("Invalid MAC address specified.");
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part =
            parts.next().filter(|p| (1..=2).contains(&p.len()) && !p.starts_with('+')).ok_or_else(bad)?;
        *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
    }
    if parts.next().is_some() { Err(bad()) } else { Ok(MacAddr(octets)) }
}
