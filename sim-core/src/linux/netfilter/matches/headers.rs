//! `frag`, `rt`, `hbh`, `dst` and `eui64`: extension headers of IPv6. Of these headers packets carry only that of a fragment, so the
//! others never match.

use std::fmt::Write as _;

use super::length::write_range;
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m frag`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frag {
    id: Option<((u32, u32), bool)>,
    length: Option<u32>,
    reserved: bool,
    first: bool,
    /// More fragments follow, or none.
    more: Option<bool>,
}

impl Extension for Frag {
    const NAME: &'static str = "frag";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("fragid").inv(),
        Opt::value("fraglen"),
        Opt::flag("fragres"),
        Opt::flag("fragfirst"),
        Opt::flag("fragmore").excludes(&["fraglast"]),
        Opt::flag("fraglast").excludes(&["fragmore"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        Ok(Self {
            id: args.read_range("fragid", u32::MAX)?,
            length: args.read_number("fraglen", 0, u32::MAX)?.map(|(n, _)| n),
            reserved: args.has("fragres"),
            first: args.has("fragfirst"),
            more: if args.has("fragmore") { Some(true) } else { args.has("fraglast").then_some(false) },
        })
    }

    fn save(&self, out: &mut String) {
        if let Some((range, inverted)) = self.id {
            out.push_str(if inverted { " ! --fragid " } else { " --fragid " });
            write_range(out, range);
        }
        if let Some(length) = self.length {
            let _ = write!(out, " --fraglen {length}");
        }
        for (given, name) in self.flags() {
            if given {
                let _ = write!(out, " --frag{name}");
            }
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" frag ");
        if let Some((range, inverted)) = self.id {
            let plural = if range.0 == range.1 { "" } else { "s" };
            let _ = write!(out, "id{plural}:{}", if inverted { "!" } else { "" });
            write_range(out, range);
        }
        if let Some(length) = self.length {
            let _ = write!(out, " length:{length}");
        }
        for (given, name) in self.flags() {
            if given {
                let _ = write!(out, " {}", if name == "res" { "reserved" } else { name });
            }
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let Some(frag) = packet.ip.frag else { return false };
        let id = u32::from(packet.ip.id);
        self.id.is_none_or(|((first, last), inverted)| (first <= id && id <= last) != inverted)
            && !self.reserved
            && (!self.first || frag.offset == 0)
            && self.more.is_none_or(|more| more == frag.more)
    }
}

impl Frag {
    fn flags(&self) -> [(bool, &'static str); 4] {
        [
            (self.reserved, "res"),
            (self.first, "first"),
            (self.more == Some(true), "more"),
            (self.more == Some(false), "last"),
        ]
    }
}

/// `-m rt`, without the addresses of a type 0 header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rt {
    kind: Option<(u32, bool)>,
    segments: Option<((u32, u32), bool)>,
    length: Option<(u32, bool)>,
}

impl Extension for Rt {
    const NAME: &'static str = "rt";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("rt-type").inv(),
        Opt::value("rt-segsleft").inv(),
        Opt::value("rt-len").inv(),
        Opt::flag("rt-0-res"),
        Opt::value("rt-0-addrs"),
        Opt::flag("rt-0-not-strict"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for opt in &Self::OPTIONS[3..] {
            if let Some(value) = args.get(opt.name) {
                return Err(value.here(Problem::not_modelled(&format!("rt: option \"--{}\"", opt.name))));
            }
        }
        Ok(Self {
            kind: args.read_number("rt-type", 0, u32::MAX)?,
            segments: args.read_range("rt-segsleft", u32::MAX)?,
            length: args.read_number("rt-len", 0, u32::MAX)?,
        })
    }

    fn save(&self, out: &mut String) {
        let not = |inverted| if inverted { "! " } else { "" };
        if let Some((kind, inverted)) = self.kind {
            let _ = write!(out, " {}--rt-type {kind}", not(inverted));
        }
        if let Some((range, inverted)) = self.segments {
            let _ = write!(out, " {}--rt-segsleft ", not(inverted));
            write_range(out, range);
        }
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " {}--rt-len {length}", not(inverted));
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        let not = |inverted| if inverted { "!" } else { "" };
        out.push_str(" rt");
        if let Some((kind, inverted)) = self.kind {
            let _ = write!(out, " type:{}{kind}", not(inverted));
        }
        if let Some((range, inverted)) = self.segments {
            let plural = if range.0 == range.1 { "" } else { "s" };
            let _ = write!(out, " segsleft{plural}:{}", not(inverted));
            write_range(out, range);
        }
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " length:{}{length}", not(inverted));
        }
    }

    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        false
    }
}

/// `-m hbh` and `-m dst`: a header with options for every hop or for the destination.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options<const EVERY_HOP: bool> {
    length: Option<(u32, bool)>,
}

const HOP_OPTIONS: &[Opt] = &[Opt::value("hbh-len").inv(), Opt::value("hbh-opts")];
const DST_OPTIONS: &[Opt] = &[Opt::value("dst-len").inv(), Opt::value("dst-opts")];

impl<const EVERY_HOP: bool> Extension for Options<EVERY_HOP> {
    const NAME: &'static str = if EVERY_HOP { "hbh" } else { "dst" };
    const OPTIONS: &'static [Opt] = if EVERY_HOP { HOP_OPTIONS } else { DST_OPTIONS };

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let name = Self::OPTIONS[1].name;
        if let Some(value) = args.get(name) {
            let text = format!("{}: option \"--{name}\"", Self::NAME);
            return Err(value.here(Problem::not_modelled(&text)));
        }
        Ok(Self { length: args.read_number(Self::OPTIONS[0].name, 0, u32::MAX)? })
    }

    fn save(&self, out: &mut String) {
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " {}--{}-len {length}", if inverted { "! " } else { "" }, Self::NAME);
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " {}", Self::NAME);
        if let Some((length, inverted)) = self.length {
            let _ = write!(out, " length:{}{length}", if inverted { "!" } else { "" });
        }
    }

    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        false
    }
}

/// `-m eui64`: whether the source's interface identifier was made from the frame's hardware address (RFC 4291).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Eui64;

impl Extension for Eui64 {
    const NAME: &'static str = "eui64";
    const OPTIONS: &'static [Opt] = &[];

    fn build(_: &Args<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn save(&self, _: &mut String) {}

    fn list(&self, _: &mut String, _: bool) {}

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let [a, b, c, d, e, f] = packet.from_mac.0;
        let id = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        packet.src as u64 == id
    }
}
