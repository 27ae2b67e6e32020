//! `helper`: the connection tracking helper of the flow. No flow has one here: helpers must be asked for with `CT --helper`, which is
//! refused.

use std::fmt::Write as _;

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::words::quote_into;

/// `-m helper`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Helper {
    name: Box<str>,
    inverted: bool,
}

impl Extension for Helper {
    const NAME: &'static str = "helper";
    const OPTIONS: &'static [Opt] = &[Opt::value("helper").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (name, inverted) = args.value("helper", |t| Ok(t.into()))?.unwrap_or_else(|| ("".into(), false));
        Ok(Self { name, inverted })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --helper " } else { " --helper " });
        quote_into(out, &self.name);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " helper match {}\"{}\"", if self.inverted { "! " } else { "" }, self.name);
    }

    /// `helper_mt`: false for a flow without a helper, whatever is asked.
    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        self.inverted
    }
}
