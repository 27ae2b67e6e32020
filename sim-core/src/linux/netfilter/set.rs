//! How rules name IP sets.

use std::sync::Arc;

use smallvec::SmallVec;

use super::env::Env;
use super::matches::Match;
use super::packet::Packet;
use super::problem::Problem;
use super::rule::RuleSpec;
use super::targets::Target;
use crate::linux::ipset::{Dimension, Question, Sets};
use crate::trace::Family;

/// `IPSET_DIM_MAX`.
const MAX_DIMENSIONS: usize = 6;

/// A set and the ends of the packet that its parts stand for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SetRef {
    /// The set.
    pub(super) name: Arc<str>,
    dimensions: SmallVec<[Dimension; 4]>,
}

impl SetRef {
    /// `NAME src,dst`.
    pub(super) fn parse(name: &str, dimensions: &str) -> Result<Self, Problem> {
        let mut read = SmallVec::new();
        for word in dimensions.split(',') {
            if read.len() == MAX_DIMENSIONS {
                let text = format!("Can't be more src/dst options than {MAX_DIMENSIONS}.");
                return Err(Problem::usage(text));
            }
            read.push(match word {
                "src" => Dimension::Source,
                "dst" => Dimension::Destination,
                // The real tool's spelling.
                _ => {
                    let text = "You must spefify (the comma separated list of) 'src' or 'dst'.";
                    return Err(Problem::usage(text));
                }
            });
        }
        Ok(Self { name: name.into(), dimensions: read })
    }

    /// `NAME src,dst`.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&self.name);
        for (n, dimension) in self.dimensions.iter().enumerate() {
            out.push(if n == 0 { ' ' } else { ',' });
            out.push_str(if *dimension == Dimension::Source { "src" } else { "dst" });
        }
    }

    /// What is asked of the set about a packet.
    pub(super) fn question<'q>(&'q self, packet: &Packet<'q>, env: &Env<'q>, counts: bool) -> Question<'q> {
        Question {
            packet: packet.ip,
            icmp: packet.icmp(),
            iif: env.iif,
            oif: env.oif,
            dimensions: &self.dimensions,
            now: env.now,
            counts,
        }
    }
}

/// Names of the sets that a rule uses, each as often as it does.
pub(super) fn names(spec: &RuleSpec) -> impl Iterator<Item = &Arc<str>> {
    let of_target: &[SetRef] = match &spec.target {
        Target::Other(t) => t.sets(),
        _ => &[],
    };
    let of_matches = spec.matches.iter().filter_map(|m| match m {
        Match::Set(set) => Some(set.set_name()),
        _ => None,
    });
    of_matches.chain(of_target.iter().map(|s| &s.name))
}

/// Whether the sets that a rule uses exist and can hold its packets.
pub(super) fn check(spec: &RuleSpec, family: Family, sets: &Sets) -> Result<(), Problem> {
    for name in names(spec) {
        let Some(of_set) = sets.family(name) else {
            return Err(Problem::usage(format!("Set {name} doesn't exist.\n")));
        };
        if let Some(other) = of_set.filter(|f| *f != family) {
            let version = if other == Family::V4 { "IPv4" } else { "IPv6" };
            let text = format!("The protocol family of set {name} is {version}, which is not applicable.\n");
            return Err(Problem::usage(text));
        }
    }
    Ok(())
}
