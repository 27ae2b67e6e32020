//! `connmark`: the flow's mark.

use super::mark::MarkMatch;
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m connmark`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connmark(MarkMatch);

impl Extension for Connmark {
    const NAME: &'static str = "connmark";
    const OPTIONS: &'static [Opt] = &[Opt::value("mark").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        MarkMatch::build(args).map(Self)
    }

    fn save(&self, out: &mut String) {
        self.0.save(out);
    }

    fn list(&self, out: &mut String, _: bool) {
        self.0.list(out, " connmark match", "  ");
    }

    /// A packet without a flow never matches, inverted or not (`connmark_mt`).
    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        cx.env.ct.tuples.is_some() && self.0.matches(cx.env.ct.mark)
    }
}
