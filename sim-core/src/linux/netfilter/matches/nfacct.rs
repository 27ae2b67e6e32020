//! `nfacct`: counts in a named object. The objects themselves are not modelled: every name is taken for one that was made, and what
//! it would count is the rule's own counter.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m nfacct`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nfacct {
    name: Box<str>,
}

impl Extension for Nfacct {
    const NAME: &'static str = "nfacct";
    const OPTIONS: &'static [Opt] = &[Opt::value("nfacct-name").req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let name = args.value("nfacct-name", |t| Ok(t.into()))?.map_or_else(|| "".into(), |(name, _)| name);
        Ok(Self { name })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " --nfacct-name {}", self.name);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " nfacct-name  {}", self.name);
    }

    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        true
    }
}
