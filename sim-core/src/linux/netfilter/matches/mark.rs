//! `mark`: the packet's mark.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// A mark, which of its bits count, and whether the match is turned round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MarkMatch {
    mark: u32,
    mask: u32,
    inverted: bool,
}

impl MarkMatch {
    pub(super) fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (mark, mask, inverted) = args.read_mark("mark")?.unwrap_or((0, u32::MAX, false));
        Ok(Self { mark, mask, inverted })
    }

    pub(super) fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --mark " } else { " --mark " });
        self.write_value(out);
    }

    fn write_value(&self, out: &mut String) {
        let _ = write!(out, "{:#x}", self.mark);
        if self.mask != u32::MAX {
            let _ = write!(out, "/{:#x}", self.mask);
        }
    }

    /// `title`, then ` ! 0x1/0x1` or what `plain` puts instead of the exclamation mark.
    pub(super) fn list(&self, out: &mut String, title: &str, plain: &str) {
        out.push_str(title);
        out.push_str(if self.inverted { " ! " } else { plain });
        self.write_value(out);
    }

    #[inline]
    pub(super) const fn matches(&self, mark: u32) -> bool {
        (mark & self.mask == self.mark) != self.inverted
    }
}

/// `-m mark`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark(MarkMatch);

impl Extension for Mark {
    const NAME: &'static str = "mark";
    const OPTIONS: &'static [Opt] = &[Opt::value("mark").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        MarkMatch::build(args).map(Self)
    }

    fn save(&self, out: &mut String) {
        self.0.save(out);
    }

    fn list(&self, out: &mut String, _: bool) {
        self.0.list(out, " mark match", " ");
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        self.0.matches(cx.mark)
    }
}
