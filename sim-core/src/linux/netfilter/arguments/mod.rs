//! The arguments of `iptables`, and of a line of `iptables-restore`: the same words in the same order of reading.

mod own;
mod parser;

use std::borrow::Cow;

use super::build::bad_value;
use super::matches::MatchKind;
use super::options::{Context, Given};
use super::problem::Problem;
use super::targets::TargetKind;
use super::words::Word;
use crate::trace::{Family, TableId};
use parser::Parser;

/// What the arguments say.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    /// What is to be done.
    pub(super) verb: Verb<'a>,
    /// `-Z` beside `-L` or `-S`.
    pub(super) also_zero: bool,
    /// `-t`.
    pub(super) table: Option<Cow<'a, str>>,
    /// `-n`, `-x`, `--line-numbers`.
    pub(super) style: Style,
    /// `-v`.
    pub(super) verbose: bool,
    /// `-c`.
    pub(super) counters: Option<(u64, u64)>,
    /// The rule.
    pub(super) rule: RuleWords<'a>,
    /// `-4` for ip6tables or `-6` for iptables: nothing is done.
    pub(super) other_family: bool,
}

impl<'a> Arguments<'a> {
    /// `-Z [chain [number]]`.
    pub(super) fn zero(chain: Option<Cow<'a, str>>, number: Option<u32>) -> Self {
        Self {
            verb: Verb::Zero(chain, number),
            also_zero: false,
            table: None,
            style: Style::default(),
            verbose: false,
            counters: None,
            rule: RuleWords::default(),
            other_family: false,
        }
    }
}

/// How a listing looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    pub(super) numeric: bool,
    pub(super) exact: bool,
    pub(super) line_numbers: bool,
}

/// What is to be done, with the chain it is done to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb<'a> {
    Append(Cow<'a, str>),
    Insert(Cow<'a, str>, u32),
    Replace(Cow<'a, str>, u32),
    Delete(Cow<'a, str>),
    DeleteNumber(Cow<'a, str>, u32),
    Check(Cow<'a, str>),
    List(Option<Cow<'a, str>>, Option<u32>),
    ListRules(Option<Cow<'a, str>>, Option<u32>),
    Flush(Option<Cow<'a, str>>),
    Zero(Option<Cow<'a, str>>, Option<u32>),
    NewChain(Cow<'a, str>),
    DeleteChain(Option<Cow<'a, str>>),
    Rename(Cow<'a, str>, Cow<'a, str>),
    Policy(Cow<'a, str>, Cow<'a, str>),
    Version,
}

/// The words of a rule, not yet understood except for what the order of reading decides.
#[derive(Debug, Default)]
pub(super) struct RuleWords<'a> {
    pub(super) src: Option<(Word<'a>, bool)>,
    pub(super) dst: Option<(Word<'a>, bool)>,
    pub(super) iif: Option<(Word<'a>, bool)>,
    pub(super) oif: Option<(Word<'a>, bool)>,
    /// Number of the protocol, and whether it is inverted.
    pub(super) protocol: Option<(u8, bool)>,
    /// `-f`, and whether it is inverted.
    pub(super) fragment: Option<bool>,
    /// The match extensions in the order in which they were loaded.
    pub(super) matches: Vec<Loaded<'a, MatchKind>>,
    pub(super) target: Option<TargetWords<'a>>,
}

/// An extension and the options it was given.
#[derive(Debug)]
pub(super) struct Loaded<'a, K> {
    pub(super) kind: K,
    pub(super) given: Vec<Given<'a>>,
    /// Where it was named (`Word::at`).
    pub(super) at: usize,
}

/// What follows `-j` or `-g`.
#[derive(Debug)]
pub(super) enum TargetWords<'a> {
    Name { name: Cow<'a, str>, goto: bool },
    Extension(Loaded<'a, TargetKind>),
}

impl RuleWords<'_> {
    /// What extensions may need to know of the rule.
    pub(super) fn context(&self, family: Family, table: TableId) -> Context {
        let (protocol, protocol_inverted) = self.protocol.unwrap_or_default();
        Context { family, table, protocol, protocol_inverted }
    }
}

impl Verb<'_> {
    /// The letter of the command.
    const fn letter(&self) -> char {
        match self {
            Verb::Append(_) => 'A',
            Verb::Insert(..) => 'I',
            Verb::Replace(..) => 'R',
            Verb::Delete(_) | Verb::DeleteNumber(..) => 'D',
            Verb::Check(_) => 'C',
            Verb::List(..) => 'L',
            Verb::ListRules(..) => 'S',
            Verb::Flush(_) => 'F',
            Verb::Zero(..) => 'Z',
            Verb::NewChain(_) => 'N',
            Verb::DeleteChain(_) => 'X',
            Verb::Rename(..) => 'E',
            Verb::Policy(..) => 'P',
            Verb::Version => 'V',
        }
    }

    /// The options that the command does not go with, of `-n -s -d -p -j -v -x -i -o --line-numbers -c -f`.
    const fn illegal(&self) -> &'static str {
        match self {
            Verb::Append(_) | Verb::Insert(..) | Verb::Replace(..) => "nx0",
            Verb::Delete(_) | Verb::Check(_) => "nx0c",
            Verb::DeleteNumber(..)
            | Verb::Flush(_)
            | Verb::Zero(..)
            | Verb::NewChain(_)
            | Verb::DeleteChain(_)
            | Verb::Rename(..)
            | Verb::ListRules(..) => "nsdpjxio0cf",
            Verb::Policy(..) => "nsdpjxio0f",
            Verb::List(..) => "sdpjiocf",
            Verb::Version => "",
        }
    }
}

/// Reads arguments. `in_restore` is set for a line of `iptables-restore`.
pub(super) fn parse<'a>(
    words: Vec<Word<'a>>,
    family: Family,
    in_restore: bool,
) -> Result<Arguments<'a>, Problem> {
    let mut parser = Parser::new(words, family, in_restore);
    while let Some(word) = parser.words.get(parser.next).cloned() {
        parser.next += 1;
        // The real tool reads each value at once, so a bad one is found before what comes later.
        parser.word(&word).map_err(|p| bad_value(&parser.rule, family).unwrap_or_else(|| p.at(word.at)))?;
    }
    parser.finish()
}
