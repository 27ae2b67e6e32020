//! `AUDIT`, `CHECKSUM`, `CLASSIFY` and `NFLOG`: what they leave is not seen by any packet (a line for the audit daemon or for a log
//! reader, a checksum, a queueing class), so the packet goes on as it is.

use std::fmt::Write as _;

use super::Extension;
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::words::quote_into;
use crate::trace::{Hook, TableId};

/// `-j AUDIT`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Audit {
    kind: &'static str,
}

impl Extension for Audit {
    const NAME: &'static str = "AUDIT";
    const OPTIONS: &'static [Opt] = &[Opt::value("type").req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let kind = args.value("type", |text| {
            let known = ["accept", "drop", "reject"].into_iter().find(|k| k.eq_ignore_ascii_case(text));
            known.ok_or_else(|| Problem::usage(format!("Bad action type value \"{text}\"")))
        })?;
        Ok(Self { kind: kind.map_or("", |(kind, _)| kind) })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " --type {}", self.kind);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " AUDIT {}", self.kind);
    }
}

/// `-j CHECKSUM`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checksum;

impl Extension for Checksum {
    const NAME: &'static str = "CHECKSUM";
    const OPTIONS: &'static [Opt] = &[Opt::flag("checksum-fill").req()];

    fn build(_: &Args<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --checksum-fill");
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" CHECKSUM fill");
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Mangle
    }
}

/// `-j CLASSIFY`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Classify {
    major: u16,
    minor: u16,
}

impl Extension for Classify {
    const NAME: &'static str = "CLASSIFY";
    const OPTIONS: &'static [Opt] = &[Opt::value("set-class").req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let class = args.value("set-class", |text| {
            let bad = || Problem::usage(format!("Bad class value \"{text}\""));
            let (major, minor) = text.split_once(':').ok_or_else(bad)?;
            let read = |t: &str| u16::from_str_radix(t, 16).map_err(|_| bad());
            Ok((read(major)?, read(minor)?))
        })?;
        let ((major, minor), _) = class.unwrap_or_default();
        Ok(Self { major, minor })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " --set-class {:04x}:{:04x}", self.major, self.minor);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " CLASSIFY set {:x}:{:x}", self.major, self.minor);
    }

    fn allowed(&self, place: &Place) -> bool {
        place.hook.is_none_or(|h| matches!(h, Hook::Output | Hook::Forward | Hook::Postrouting))
    }
}

/// `-j NFLOG`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nflog {
    prefix: Box<str>,
    group: u16,
    size: Option<u32>,
    threshold: u16,
}

/// Bytes in a prefix, without the closing zero.
const MAX_PREFIX: usize = 63;

impl Extension for Nflog {
    const NAME: &'static str = "NFLOG";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("nflog-group"),
        Opt::value("nflog-prefix"),
        Opt::value("nflog-range"),
        Opt::value("nflog-size"),
        Opt::value("nflog-threshold"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let prefix = args.value("nflog-prefix", |text| {
            if text.contains('\n') {
                return Err(Problem::usage("Newlines not allowed in --log-prefix"));
            }
            let end = (0..=text.len().min(MAX_PREFIX)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            Ok(text[..end].into())
        })?;
        let number =
            |id: &'static str, max: u32| Ok::<_, Problem>(args.read_number(id, 0, max)?.map(|(n, _)| n));
        // The range was never honoured by the kernel, and the tool drops it.
        number("nflog-range", u32::MAX)?;
        Ok(Self {
            prefix: prefix.map_or_else(|| "".into(), |(p, _)| p),
            group: number("nflog-group", 65_535)?.unwrap_or(0) as u16,
            size: number("nflog-size", u32::MAX)?,
            threshold: number("nflog-threshold", 65_535)?.unwrap_or(0) as u16,
        })
    }

    fn save(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(" --nflog-prefix ");
            quote_into(out, &self.prefix);
        }
        self.numbers(out, "--");
    }

    fn list(&self, out: &mut String, _: bool) {
        if !self.prefix.is_empty() {
            out.push_str(" nflog-prefix ");
            quote_into(out, &self.prefix);
        }
        self.numbers(out, "");
    }
}

impl Nflog {
    fn numbers(&self, out: &mut String, dashes: &str) {
        if self.group != 0 {
            let _ = write!(out, " {dashes}nflog-group {}", self.group);
        }
        if let Some(size) = self.size {
            let _ = write!(out, " {dashes}nflog-size {size}");
        }
        if self.threshold != 0 {
            let _ = write!(out, " {dashes}nflog-threshold {}", self.threshold);
        }
    }
}

/// A number as it is read for a field of a header.
pub(super) fn byte(text: &str) -> Option<u8> {
    number(text).and_then(|n| u8::try_from(n).ok())
}
