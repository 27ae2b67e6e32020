//! From the words of a rule to rules.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::address::AddrMatch;
use super::arguments::{Loaded, RuleWords, TargetWords};
use super::matches::{Match, MatchKind};
use super::options::{Args, Context};
use super::problem::Problem;
use super::rule::{Head, IfaceMatch, RuleSpec};
use super::targets::{Target, TargetKind};
use super::words::Word;
use crate::trace::{Family, Hook, TableId};

/// What `-j DROP` in nat is told.
pub(super) const NAT_DROP: &str =
    "\nThe \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n";

/// The rules that the words stand for: one for each pair of source and destination.
pub(super) fn build(
    words: &RuleWords<'_>,
    family: Family,
    table: TableId,
    chain: &str,
) -> Result<Vec<Arc<RuleSpec>>, Problem> {
    let cx = words.context(family, table);
    let matches = build_matches(words, cx)?;
    let target = build_target(words, cx)?;
    let sources = addresses(words.src.as_ref(), family)?;
    let destinations = addresses(words.dst.as_ref(), family)?;
    let head = build_head(words, chain)?;
    let several = sources.len() > 1 || destinations.len() > 1;
    if several && [&words.src, &words.dst].into_iter().flatten().any(|(_, inverted)| *inverted) {
        return Err(Problem::usage("! not allowed with multiple source or destination IP addresses"));
    }
    let mut pairs = sources.iter().flat_map(|src| destinations.iter().map(move |dst| (*src, *dst)));
    let last = pairs.next_back();
    let mut specs = Vec::with_capacity(sources.len() * destinations.len());
    for (src, dst) in pairs {
        let head = Head { src, dst, ..head.clone() };
        specs.push(Arc::new(RuleSpec::new(chain, head, matches.clone(), target.clone())));
    }
    if let Some((src, dst)) = last {
        specs.push(Arc::new(RuleSpec::new(chain, Head { src, dst, ..head }, matches, target)));
    }
    Ok(specs)
}

type Addresses = SmallVec<[Option<AddrMatch>; 1]>;

/// `10.0.0.0/8,192.0.2.1`; no address at all is one that always matches.
fn addresses(word: Option<&(Word<'_>, bool)>, family: Family) -> Result<Addresses, Problem> {
    let Some((word, inverted)) = word else { return Ok(smallvec![None]) };
    let parse = |text: &str| {
        let addr = AddrMatch::parse(family, text, *inverted).map_err(|p| p.at(word.at))?.network();
        Ok(Some(addr).filter(|a| !a.is_any()))
    };
    word.text.split(',').map(parse).collect()
}

fn build_head(words: &RuleWords<'_>, chain: &str) -> Result<Head, Problem> {
    let (iif, oif) = (interface(words.iif.as_ref())?, interface(words.oif.as_ref())?);
    let is = |hooks: &[Hook]| hooks.iter().any(|h| h.chain() == chain);
    for (given, option, never_at) in [
        (words.iif.is_some(), "-i", [Hook::Postrouting, Hook::Output]),
        (words.oif.is_some(), "-o", [Hook::Prerouting, Hook::Input]),
    ] {
        if given && is(&never_at) {
            return Err(Problem::usage(format!("Can't use {option} with {chain}\n")));
        }
    }
    let (protocol, protocol_inverted) = words.protocol.unwrap_or_default();
    Ok(Head { src: None, dst: None, iif, oif, protocol, protocol_inverted, fragment: words.fragment })
}

fn interface(word: Option<&(Word<'_>, bool)>) -> Result<Option<IfaceMatch>, Problem> {
    let Some((word, inverted)) = word else { return Ok(None) };
    let iface = IfaceMatch::parse(&word.text, *inverted).map_err(|p| p.at(word.at))?;
    Ok(Some(iface).filter(|i| !i.is_any()))
}

/// The first value that cannot be read, of the options that were given so far.
pub(super) fn bad_value(words: &RuleWords<'_>, family: Family) -> Option<Problem> {
    let cx = words.context(family, TableId::Filter);
    let of_match =
        |m: &Loaded<'_, MatchKind>| Args::read(m.kind.name(), &m.given, cx, |a| m.kind.build(a)).err();
    let of_matches = words.matches.iter().filter_map(of_match);
    let of_target = match &words.target {
        Some(TargetWords::Extension(t)) => Args::read(t.kind.name(), &t.given, cx, |a| t.kind.build(a)).err(),
        _ => None,
    };
    of_matches.chain(of_target).filter(|p| p.at.is_some()).min_by_key(|p| p.at)
}

fn build_matches(words: &RuleWords<'_>, cx: Context) -> Result<Box<[Match]>, Problem> {
    words.matches.iter().map(|m| build_match(m, cx).map_err(|p| late(words, cx, p, m.at))).collect()
}

/// What is missing is found at the end of the line, so a bad value behind it comes first.
fn late(words: &RuleWords<'_>, cx: Context, problem: Problem, at: usize) -> Problem {
    if problem.at.is_some() { problem } else { bad_value(words, cx.family).unwrap_or_else(|| problem.at(at)) }
}

fn build_match(m: &Loaded<'_, MatchKind>, cx: Context) -> Result<Match, Problem> {
    Args::build(m.kind.name(), m.kind.options(), &m.given, cx, |args| m.kind.build(args))
}

fn build_extension(t: &Loaded<'_, TargetKind>, cx: Context) -> Result<Target, Problem> {
    Args::build(t.kind.name(), t.kind.options(), &t.given, cx, |args| t.kind.build(args))
}

fn build_target(words: &RuleWords<'_>, cx: Context) -> Result<Target, Problem> {
    match &words.target {
        None => Ok(Target::None),
        Some(TargetWords::Extension(t)) => build_extension(t, cx).map_err(|p| late(words, cx, p, t.at)),
        Some(TargetWords::Name { name, goto }) => match (name.as_ref(), goto) {
            ("ACCEPT", false) => Ok(Target::Accept),
            ("RETURN", false) => Ok(Target::Return),
            ("DROP", false) if cx.table == TableId::Nat => Err(Problem::usage(NAT_DROP)),
            ("DROP", false) => Ok(Target::Drop),
            (name, goto) => Ok(Target::Chain { name: name.into(), goto: *goto }),
        },
    }
}
