//! `set`: whether the packet is in an IP set.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Cx, Extension};
use crate::linux::ipset::Answer;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::set::SetRef;

/// `-m set`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set {
    set: SetRef,
    inverted: bool,
    return_nomatch: bool,
    /// `! --update-counters`, `! --update-subcounters`.
    keep: [bool; 2],
    packets: Option<(Compare, u64)>,
    bytes: Option<(Compare, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    Greater,
}

const KEEP: [&str; 2] = ["update-counters", "update-subcounters"];

impl Compare {
    const fn holds(self, have: u64, want: u64) -> bool {
        match self {
            Self::Equal => have == want,
            Self::NotEqual => have != want,
            Self::Less => have < want,
            Self::Greater => have > want,
        }
    }
}

impl Extension for Set {
    const NAME: &'static str = "set";
    const OPTIONS: &'static [Opt] = &[
        Opt::pair("match-set").inv(),
        Opt::pair("set").same_as("match-set").inv(),
        Opt::flag("return-nomatch"),
        Opt::flag("update-counters").inv(),
        Opt::flag("update-subcounters").inv(),
        Opt::value("packets-eq").inv(),
        Opt::value("packets-lt"),
        Opt::value("packets-gt"),
        Opt::value("bytes-eq").inv(),
        Opt::value("bytes-lt"),
        Opt::value("bytes-gt"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let missing = || Problem::usage("You must specify `--match-set' with proper arguments");
        let value = args.get("match-set").ok_or_else(missing)?;
        let set = SetRef::parse(value.text, value.second).map_err(|p| value.here(p))?;
        let keep = KEEP.map(|name| args.get(name).is_some_and(|v| v.inverted));
        Ok(Self {
            set,
            inverted: value.inverted,
            return_nomatch: args.has("return-nomatch"),
            keep,
            packets: read_counter(args, ["packets-eq", "packets-lt", "packets-gt"])?,
            bytes: read_counter(args, ["bytes-eq", "bytes-lt", "bytes-gt"])?,
        })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --match-set " } else { " --match-set " });
        self.write(out, "--");
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.inverted { " ! match-set " } else { " match-set " });
        self.write(out, "");
    }

    /// `set_match_v4`.
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let question = self.set.question(packet, cx.env, !self.keep[0]);
        let inside = match cx.env.sets.ask(&self.set.name, &question) {
            Answer::No => false,
            Answer::Exception => self.return_nomatch,
            Answer::Yes(None) => true,
            Answer::Yes(Some((packets, bytes))) => {
                self.packets.is_none_or(|(c, n)| c.holds(packets, n))
                    && self.bytes.is_none_or(|(c, n)| c.holds(bytes, n))
            }
        };
        inside != self.inverted
    }

    fn is_pure(&self) -> bool {
        false
    }
}

impl Set {
    /// The set that is asked.
    pub(in crate::linux::netfilter) const fn set_name(&self) -> &Arc<str> {
        &self.set.name
    }

    fn write(&self, out: &mut String, dashes: &str) {
        self.set.write(out);
        if self.return_nomatch {
            let _ = write!(out, " {dashes}return-nomatch");
        }
        for (name, _) in KEEP.iter().zip(self.keep).filter(|(_, keep)| *keep) {
            let _ = write!(out, " ! {dashes}{name}");
        }
        for (what, counter) in [("packets", self.packets), ("bytes", self.bytes)] {
            if let Some((compare, n)) = counter {
                let (not, verb) = match compare {
                    Compare::Equal => ("", "eq"),
                    Compare::NotEqual => ("! ", "eq"),
                    Compare::Less => ("", "lt"),
                    Compare::Greater => ("", "gt"),
                };
                let _ = write!(out, " {not}{dashes}{what}-{verb} {n}");
            }
        }
    }
}

fn read_counter(args: &Args<'_>, names: [&'static str; 3]) -> Result<Option<(Compare, u64)>, Problem> {
    for (name, compare) in names.into_iter().zip([Compare::Equal, Compare::Less, Compare::Greater]) {
        let bad = || Problem::usage(format!("can't parse number: {}", args.get(name).map_or("", |v| v.text)));
        if let Some((n, inverted)) = args.value(name, |t| t.parse().map_err(|_| bad()))? {
            return Ok(Some((if inverted { Compare::NotEqual } else { compare }, n)));
        }
    }
    Ok(None)
}
