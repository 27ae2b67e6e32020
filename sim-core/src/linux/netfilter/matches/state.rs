//! `state`: the old spelling of `conntrack --ctstate`.

use super::conntrack::{StateMask, read_states, write_states};
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m state`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    states: StateMask,
    inverted: bool,
}

impl Extension for State {
    const NAME: &'static str = "state";
    const OPTIONS: &'static [Opt] = &[Opt::value("state").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let read = args.value("state", |text| read_states(text, "state", &StateMask::NAMES[..5]))?;
        let (states, inverted) = read.unwrap_or_default();
        Ok(Self { states, inverted })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --state " } else { " --state " });
        write_states(out, self.states);
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.inverted { " ! state " } else { " state " });
        write_states(out, self.states);
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        self.states.contains(StateMask::of_state(cx.env.ct.state)) != self.inverted
    }
}
