//! `SET`: puts the packet into an IP set or takes it out. `--map-set` is refused: elements carry no marks here.

use std::fmt::Write as _;

use super::{Effect, Extension};
use crate::linux::netfilter::env::Env;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::set::SetRef;

/// `-j SET`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set {
    /// The set to add to, if any, then the one to delete from.
    sets: Vec<SetRef>,
    adds: bool,
    exist: bool,
    timeout: Option<u32>,
}

impl Extension for Set {
    const NAME: &'static str = "SET";
    const OPTIONS: &'static [Opt] = &[
        Opt::pair("add-set"),
        Opt::pair("del-set"),
        Opt::pair("map-set"),
        Opt::flag("exist"),
        Opt::value("timeout"),
        Opt::flag("map-mark"),
        Opt::flag("map-prio"),
        Opt::flag("map-queue"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        if let Some(value) = args.get("map-set") {
            return Err(value.here(Problem::not_modelled("SET: option \"--map-set\"")));
        }
        let mut sets = Vec::new();
        for name in ["add-set", "del-set"] {
            if let Some(value) = args.get(name) {
                sets.push(SetRef::parse(value.text, value.second).map_err(|p| value.here(p))?);
            }
        }
        if sets.is_empty() {
            let text = "You must specify either `--add-set' or `--del-set' or `--map-set'";
            return Err(Problem::usage(text));
        }
        let timeout = args.read_number("timeout", 0, u32::MAX - 1)?.map(|(n, _)| n);
        Ok(Self { sets, adds: args.has("add-set"), exist: args.has("exist"), timeout })
    }

    fn save(&self, out: &mut String) {
        self.write(out, "--");
    }

    fn list(&self, out: &mut String, _: bool) {
        self.write(out, "");
    }

    fn effect(&self) -> Effect {
        Effect::Sets
    }
}

impl Set {
    /// The sets that are changed.
    pub(super) fn sets(&self) -> &[SetRef] {
        &self.sets
    }

    /// Changes the sets (`set_target_v3`).
    pub(in crate::linux::netfilter) fn change(&self, packet: &Packet<'_>, env: &mut Env<'_>) {
        for (n, set) in self.sets.iter().enumerate() {
            let question = set.question(packet, env, false);
            if n == 0 && self.adds {
                env.sets.put(&set.name, &question, self.timeout, self.exist);
            } else {
                env.sets.take(&set.name, &question);
            }
        }
    }

    fn write(&self, out: &mut String, dashes: &str) {
        for (n, set) in self.sets.iter().enumerate() {
            let adds = n == 0 && self.adds;
            let _ = write!(out, " {dashes}{}-set ", if adds { "add" } else { "del" });
            set.write(out);
            if adds && self.exist {
                let _ = write!(out, " {dashes}exist");
            }
            if let Some(seconds) = self.timeout.filter(|_| adds) {
                let _ = write!(out, " {dashes}timeout {seconds}");
            }
        }
    }
}
