//! `MARK` and `CONNMARK`: the mark of the packet and of its flow.

use std::fmt::Write as _;

use super::Extension;
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::problem::Problem;

/// Clears the bits of a mask, then flips those of a mark (`--set-xmark`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Xmark {
    mark: u32,
    mask: u32,
}

impl Xmark {
    /// The mark that comes of `old`.
    pub(crate) const fn apply(self, old: u32) -> u32 {
        (old & !self.mask) ^ self.mark
    }

    /// Reads whichever of the five options was given.
    fn read(args: &Args<'_>) -> Result<Option<Self>, Problem> {
        if let Some((mark, mask, _)) = args.read_mark("set-xmark")? {
            return Ok(Some(Self { mark, mask }));
        }
        if let Some((mark, mask, _)) = args.read_mark("set-mark")? {
            return Ok(Some(Self { mark, mask: mask | mark }));
        }
        let bits = |id: &str| {
            let bad = || {
                Problem::usage(format!(
                    "{}: bad integer value for option \"--{id}\", or out of range.\n",
                    args.extension
                ))
            };
            Ok::<_, Problem>(args.value(id, |text| number(text).ok_or_else(bad))?.map(|(n, _)| n))
        };
        if let Some(n) = bits("and-mark")? {
            return Ok(Some(Self { mark: 0, mask: !n }));
        }
        if let Some(n) = bits("or-mark")? {
            return Ok(Some(Self { mark: n, mask: n }));
        }
        Ok(bits("xor-mark")?.map(|n| Self { mark: n, mask: 0 }))
    }

    fn save(self, out: &mut String) {
        let _ = write!(out, " --set-xmark {:#x}/{:#x}", self.mark, self.mask);
    }

    fn list(self, out: &mut String, title: &str) {
        let Self { mark, mask } = self;
        let _ = match (mark, mask) {
            (0, _) => write!(out, " {title} and {:#x}", !mask),
            _ if mark == mask => write!(out, " {title} or {mark:#x}"),
            (_, 0) => write!(out, " {title} xor {mark:#x}"),
            (_, u32::MAX) => write!(out, " {title} set {mark:#x}"),
            _ => write!(out, " {title} xset {mark:#x}/{mask:#x}"),
        };
    }
}

/// `-j MARK`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark(pub(crate) Xmark);

impl Extension for Mark {
    const NAME: &'static str = "MARK";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("set-xmark").excludes(&["set-mark", "and-mark", "or-mark", "xor-mark"]),
        Opt::value("set-mark").excludes(&["set-xmark", "and-mark", "or-mark", "xor-mark"]),
        Opt::value("and-mark").excludes(&["set-xmark", "set-mark", "or-mark", "xor-mark"]),
        Opt::value("or-mark").excludes(&["set-xmark", "set-mark", "and-mark", "xor-mark"]),
        Opt::value("xor-mark").excludes(&["set-xmark", "set-mark", "and-mark", "or-mark"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let missing = "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required";
        Ok(Self(Xmark::read(args)?.ok_or_else(|| Problem::usage(missing))?))
    }

    fn save(&self, out: &mut String) {
        self.0.save(out);
    }

    fn list(&self, out: &mut String, _: bool) {
        self.0.list(out, "MARK");
    }
}

/// `-j CONNMARK`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Connmark {
    /// Change the flow's mark.
    Set(Xmark),
    /// Copy the packet's mark to the flow.
    Save(Masks),
    /// Copy the flow's mark to the packet.
    Restore(Masks),
}

/// Which bits are copied, on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Masks {
    packet: u32,
    flow: u32,
}

impl Masks {
    const ALL: Self = Self { packet: u32::MAX, flow: u32::MAX };

    /// The flow's mark after `--save-mark`.
    pub(crate) const fn saved(self, packet: u32, flow: u32) -> u32 {
        (flow & !self.flow) ^ (packet & self.packet)
    }

    /// The packet's mark after `--restore-mark`.
    pub(crate) const fn restored(self, packet: u32, flow: u32) -> u32 {
        (packet & !self.packet) ^ (flow & self.flow)
    }
}

const EXCLUDED_BY_SET: &[&str] = &["save-mark", "restore-mark"];

impl Extension for Connmark {
    const NAME: &'static str = "CONNMARK";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("set-xmark").excludes(&[
            "set-mark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        Opt::value("set-mark").excludes(&[
            "set-xmark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        Opt::value("and-mark").excludes(EXCLUDED_BY_SET),
        Opt::value("or-mark").excludes(EXCLUDED_BY_SET),
        Opt::value("xor-mark").excludes(EXCLUDED_BY_SET),
        Opt::flag("save-mark").excludes(&["restore-mark"]),
        Opt::flag("restore-mark").excludes(&["save-mark"]),
        Opt::value("ctmask").excludes(&["mask"]),
        Opt::value("nfmask").excludes(&["mask"]),
        Opt::value("mask").excludes(&["ctmask", "nfmask"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let mask = |id| Ok::<_, Problem>(args.read_number(id, 0, u32::MAX)?.map(|(n, _)| n));
        let common = mask("mask")?;
        if let Some(xmark) = Xmark::read(args)? {
            return Ok(Self::Set(common.map_or(xmark, |mask| Xmark { mask, ..xmark })));
        }
        let packet = mask("nfmask")?.or(common).unwrap_or(u32::MAX);
        let flow = mask("ctmask")?.or(common).unwrap_or(u32::MAX);
        match (args.has("save-mark"), args.has("restore-mark")) {
            (true, _) => Ok(Self::Save(Masks { packet, flow })),
            (_, true) => Ok(Self::Restore(Masks { packet, flow })),
            _ => Err(Problem::usage("CONNMARK target: No operation specified")),
        }
    }

    fn save(&self, out: &mut String) {
        let (name, masks) = match self {
            Self::Set(xmark) => return xmark.save(out),
            Self::Save(masks) => ("save", masks),
            Self::Restore(masks) => ("restore", masks),
        };
        let _ = write!(out, " --{name}-mark --nfmask {:#x} --ctmask {:#x}", masks.packet, masks.flow);
    }

    fn list(&self, out: &mut String, _: bool) {
        let (name, masks) = match self {
            Self::Set(xmark) => return xmark.list(out, "CONNMARK"),
            Self::Save(masks) => ("save", masks),
            Self::Restore(masks) => ("restore", masks),
        };
        let _ = write!(out, " CONNMARK {name}");
        let Masks { packet, flow } = *masks;
        let _ = match self {
            _ if *masks == Masks::ALL => return,
            _ if packet == flow => write!(out, " mask {flow:#x}"),
            Self::Save(_) => write!(out, " nfmask {packet:#x} ctmask ~{flow:#x}"),
            _ => write!(out, " ctmask {flow:#x} nfmask ~{packet:#x}"),
        };
    }
}
