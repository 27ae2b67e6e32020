//! The arguments of `iptables`, and of a line of `iptables-restore`: the same words in the same order of reading.

use std::borrow::Cow;

use super::matches::MatchKind;
use super::names::protocol_number;
use super::options::{Context, Given, Opt, number};
use super::problem::Problem;
use super::targets::{MAX_NAME, TargetKind, VERDICTS};
use super::words::Word;
use crate::trace::{Family, TableId};

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

/// Options of the tool itself: long name, letter. `0` stands for `--line-numbers`, which has no letter.
const LONG: &[(&str, char)] = &[
    ("append", 'A'),
    ("delete", 'D'),
    ("check", 'C'),
    ("insert", 'I'),
    ("replace", 'R'),
    ("list", 'L'),
    ("list-rules", 'S'),
    ("flush", 'F'),
    ("zero", 'Z'),
    ("new-chain", 'N'),
    ("delete-chain", 'X'),
    ("rename-chain", 'E'),
    ("policy", 'P'),
    ("source", 's'),
    ("destination", 'd'),
    ("src", 's'),
    ("dst", 'd'),
    ("protocol", 'p'),
    ("in-interface", 'i'),
    ("jump", 'j'),
    ("table", 't'),
    ("match", 'm'),
    ("numeric", 'n'),
    ("out-interface", 'o'),
    ("verbose", 'v'),
    ("wait", 'w'),
    ("wait-interval", 'W'),
    ("exact", 'x'),
    ("fragments", 'f'),
    ("version", 'V'),
    ("help", 'h'),
    ("line-numbers", '0'),
    ("modprobe", 'M'),
    ("set-counters", 'c'),
    ("goto", 'g'),
    ("ipv4", '4'),
    ("ipv6", '6'),
];
const LETTERS: &str = "ADCIRLSFZNXEPsdpijtmnovwWxfVhMcg46";
/// Letters that take a value as `getopt` sees it.
const WITH_VALUE: &str = "ADCIRNEPsdpijtmoWMcg";

/// Reads arguments. `in_restore` is set for a line of `iptables-restore`.
pub(super) fn parse<'a>(
    words: Vec<Word<'a>>,
    family: Family,
    in_restore: bool,
) -> Result<Arguments<'a>, Problem> {
    let mut parser = Parser::new(words, family, in_restore);
    while let Some(word) = parser.words.get(parser.next).cloned() {
        parser.next += 1;
        parser.word(&word).map_err(|p| p.at(word.at))?;
    }
    parser.finish()
}

struct Parser<'a> {
    words: Vec<Word<'a>>,
    next: usize,
    family: Family,
    in_restore: bool,
    /// A `!` waits for its option.
    inverted: bool,
    verb: Option<Verb<'a>>,
    also_zero: bool,
    table: Option<Cow<'a, str>>,
    /// Letters of the options that were given.
    seen: String,
    style: Style,
    counters: Option<(u64, u64)>,
    rule: RuleWords<'a>,
    /// The protocol's own extension was loaded by `-m` or by one of its options.
    protocol_loaded: bool,
    other_family: bool,
}

/// An option that is known: the tool's own, or an extension's.
#[derive(Clone, Copy)]
enum Known {
    Own(char),
    /// Of the match with this index.
    Match(usize, &'static Opt),
    Target(&'static Opt),
}

impl<'a> Parser<'a> {
    const fn new(words: Vec<Word<'a>>, family: Family, in_restore: bool) -> Self {
        Self {
            words,
            next: 0,
            family,
            in_restore,
            inverted: false,
            verb: None,
            also_zero: false,
            table: None,
            seen: String::new(),
            style: Style { numeric: false, exact: false, line_numbers: false },
            counters: None,
            rule: RuleWords {
                src: None,
                dst: None,
                iif: None,
                oif: None,
                protocol: None,
                fragment: None,
                matches: Vec::new(),
                target: None,
            },
            protocol_loaded: false,
            other_family: false,
        }
    }

    fn word(&mut self, word: &Word<'a>) -> Result<(), Problem> {
        let text = word.text.clone();
        if text == "!" {
            return self.exclamation();
        }
        if let Some(long) = strip(&text, "--").filter(|t| !t.is_empty()) {
            return self.long(&long, word);
        }
        match strip(&text, "-").filter(|t| !t.is_empty()) {
            Some(letters) => self.letters(&letters, word),
            None => Err(Problem::stray(&text)),
        }
    }

    fn exclamation(&mut self) -> Result<(), Problem> {
        if self.inverted {
            return Err(Problem::usage("multiple consecutive ! not allowed"));
        }
        self.inverted = true;
        Ok(())
    }

    fn long(&mut self, text: &Cow<'a, str>, word: &Word<'a>) -> Result<(), Problem> {
        let (name, attached) = match text {
            Cow::Borrowed(t) => match t.split_once('=') {
                Some((n, v)) => (Cow::Borrowed(n), Some(Cow::Borrowed(v))),
                None => (Cow::Borrowed(*t), None),
            },
            Cow::Owned(t) => match t.split_once('=') {
                Some((n, v)) => (Cow::Owned(n.to_owned()), Some(Cow::Owned(v.to_owned()))),
                None => (Cow::Owned(t.clone()), None),
            },
        };
        let known = match self.find(&name) {
            None if self.load_protocol(word) => self.find(&name),
            found => found,
        };
        match known {
            Some(Known::Own(letter)) => self.own(letter, attached, word),
            Some(Known::Match(i, opt)) => {
                let given = self.given(opt, attached, word)?;
                self.rule.matches[i].given.push(given);
                Ok(())
            }
            Some(Known::Target(opt)) => {
                let given = self.given(opt, attached, word)?;
                if let Some(TargetWords::Extension(loaded)) = &mut self.rule.target {
                    loaded.given.push(given);
                }
                Ok(())
            }
            None => Err(Problem::usage(format!("unknown option \"{}\"", word.text))),
        }
    }

    /// The option with this name, or the only one whose name starts so. The extension that was loaded last comes first.
    fn find(&self, name: &str) -> Option<Known> {
        let own = LONG.iter().map(|(n, letter)| (*n, Known::Own(*letter)));
        let target = match &self.rule.target {
            Some(TargetWords::Extension(loaded)) => loaded.kind.options(),
            _ => &[],
        };
        let matches = self.rule.matches.iter().enumerate().rev();
        let of_matches =
            matches.flat_map(|(i, m)| m.kind.options().iter().map(move |o| (o.name, Known::Match(i, o))));
        let all = own.chain(target.iter().map(|o| (o.name, Known::Target(o)))).chain(of_matches);
        let mut prefixed: Option<(&str, Known)> = None;
        let mut ambiguous = false;
        for (n, known) in all {
            if n == name {
                return Some(known);
            }
            if n.starts_with(name) {
                ambiguous |= prefixed.is_some_and(|(other, _)| other != n);
                prefixed = prefixed.or(Some((n, known)));
            }
        }
        if ambiguous { None } else { prefixed.map(|(_, known)| known) }
    }

    /// Loads the extension of `-p` when an option that nobody knows may be one of its own.
    fn load_protocol(&mut self, word: &Word<'a>) -> bool {
        let kind = self.rule.protocol.and_then(|(p, _)| MatchKind::of_protocol(p, self.family));
        let Some(kind) = kind.filter(|_| !self.protocol_loaded) else { return false };
        self.protocol_loaded = true;
        self.rule.matches.push(Loaded { kind, given: Vec::new(), at: word.at });
        true
    }

    /// An option of an extension with its values.
    fn given(
        &mut self,
        opt: &'static Opt,
        attached: Option<Cow<'a, str>>,
        word: &Word<'a>,
    ) -> Result<Given<'a>, Problem> {
        let mut values = [Cow::Borrowed(""), Cow::Borrowed("")];
        let mut place = word.clone();
        if opt.values > 0 {
            if attached.is_none()
                && let Some(next) = self.words.get(self.next)
            {
                place.at = next.at;
            }
            values[0] = self.value(attached, word)?;
        }
        if opt.values > 1 {
            let next = self.words.get(self.next).filter(|w| w.is_value());
            let missing = || Problem::usage(format!("--{} requires two args.", opt.name));
            values[1] = next.ok_or_else(missing)?.text.clone();
            self.next += 1;
        }
        Ok(Given::new(opt, std::mem::take(&mut self.inverted), values, &place))
    }

    /// The value of the option `word`: what is attached to it, or the next word.
    fn value(&mut self, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<Cow<'a, str>, Problem> {
        if let Some(value) = attached {
            return Ok(value);
        }
        let missing = || Problem::usage(format!("option \"{}\" requires an argument", word.text));
        let next = self.words.get(self.next).ok_or_else(missing)?;
        self.next += 1;
        Ok(next.text.clone())
    }

    /// The next word, if it cannot be an option.
    fn optional(&mut self) -> Option<Cow<'a, str>> {
        let next = self.words.get(self.next).filter(|w| w.is_value())?;
        self.next += 1;
        Some(next.text.clone())
    }

    /// A cluster of letters: `-nvL`, `-s10.0.0.0/8`.
    fn letters(&mut self, letters: &Cow<'a, str>, word: &Word<'a>) -> Result<(), Problem> {
        for (i, letter) in letters.char_indices() {
            if !LETTERS.contains(letter) {
                return Err(Problem::usage(format!("unknown option \"{}\"", word.text)));
            }
            let rest = strip_at(letters, i + letter.len_utf8());
            let takes_rest = WITH_VALUE.contains(letter) || "LSFZX".contains(letter);
            if takes_rest {
                let attached = rest.filter(|r| !r.is_empty());
                let place = Word { text: format!("-{letter}").into(), at: word.at };
                return self.own(letter, attached, if letter == 'p' { word } else { &place });
            }
            self.own(letter, None, word)?;
        }
        Ok(())
    }

    fn own(&mut self, letter: char, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<(), Problem> {
        match letter {
            'A' | 'D' | 'C' | 'I' | 'R' | 'L' | 'S' | 'F' | 'Z' | 'N' | 'X' | 'E' | 'P' | 'V' => {
                self.command(letter, attached, word)
            }
            's' | 'd' | 'i' | 'o' | 'p' | 'f' => self.head(letter, attached, word),
            'm' => self.load_match(attached, word),
            'j' | 'g' => self.jump(letter, attached, word),
            _ => self.setting(letter, attached, word),
        }
    }

    fn command(
        &mut self,
        letter: char,
        attached: Option<Cow<'a, str>>,
        word: &Word<'a>,
    ) -> Result<(), Problem> {
        if self.inverted {
            return Err(Problem::usage("unexpected '!' flag"));
        }
        let verb = match letter {
            'V' => Verb::Version,
            'L' | 'S' | 'F' | 'Z' | 'X' => self.command_with_option(letter, attached)?,
            _ => {
                let chain = self.value(attached, word)?;
                self.command_with_chain(letter, chain)?
            }
        };
        let old = self.verb.take();
        self.verb = Some(match (old, verb) {
            (None, new) => new,
            (Some(Verb::List(None, None)), Verb::Zero(chain, n)) => {
                self.also_zero = true;
                Verb::List(chain, n)
            }
            (Some(Verb::ListRules(None, None)), Verb::Zero(chain, n)) => {
                self.also_zero = true;
                Verb::ListRules(chain, n)
            }
            (Some(old @ (Verb::List(..) | Verb::ListRules(..))), Verb::Zero(None, None)) => {
                self.also_zero = true;
                old
            }
            (Some(old), new) => {
                let text = format!("Cannot use -{} with -{}", new.letter(), old.letter());
                return Err(Problem::usage(text));
            }
        });
        Ok(())
    }

    /// A command whose chain may be left out.
    fn command_with_option(
        &mut self,
        letter: char,
        attached: Option<Cow<'a, str>>,
    ) -> Result<Verb<'a>, Problem> {
        let chain = attached.or_else(|| self.optional());
        let mut number = None;
        if matches!(letter, 'L' | 'S' | 'Z') && chain.is_some() {
            number = self.optional().map(|n| rule_number(&n)).transpose()?;
        }
        Ok(match letter {
            'L' => Verb::List(chain, number),
            'S' => Verb::ListRules(chain, number),
            'Z' => Verb::Zero(chain, number),
            'F' => Verb::Flush(chain),
            _ => Verb::DeleteChain(chain),
        })
    }

    fn command_with_chain(&mut self, letter: char, chain: Cow<'a, str>) -> Result<Verb<'a>, Problem> {
        Ok(match letter {
            'A' => Verb::Append(chain),
            'C' => Verb::Check(chain),
            'N' => Verb::NewChain(chain),
            'D' => match self.optional() {
                Some(n) => Verb::DeleteNumber(chain, rule_number(&n)?),
                None => Verb::Delete(chain),
            },
            'I' => {
                let number = self.optional().map_or(Ok(1), |n| rule_number(&n))?;
                Verb::Insert(chain, number)
            }
            'R' => {
                let number = self.optional().ok_or_else(|| Problem::usage("-R requires a rule number"))?;
                Verb::Replace(chain, rule_number(&number)?)
            }
            'E' => {
                let missing = || Problem::usage("-E requires old-chain-name and new-chain-name");
                Verb::Rename(chain, self.optional().ok_or_else(missing)?)
            }
            _ => {
                let missing = || Problem::usage("-P requires a chain and a policy");
                Verb::Policy(chain, self.optional().ok_or_else(missing)?)
            }
        })
    }

    /// Notes an option that may be given once.
    fn once(&mut self, letter: char) -> Result<(), Problem> {
        if self.seen.contains(letter) {
            return Err(Problem::usage(format!("multiple -{letter} flags not allowed")));
        }
        if self.inverted && !"sdiopf".contains(letter) {
            return Err(Problem::usage(format!("cannot have ! before -{letter}")));
        }
        self.seen.push(letter);
        Ok(())
    }

    fn head(&mut self, letter: char, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<(), Problem> {
        self.once(letter)?;
        let inverted = std::mem::take(&mut self.inverted);
        if letter == 'f' {
            if self.family == Family::V6 {
                return Err(Problem::usage("`-f' is not supported in IPv6, use -m frag instead"));
            }
            self.rule.fragment = Some(inverted);
            return Ok(());
        }
        let at = match attached {
            Some(_) => word.at,
            None => self.words.get(self.next).map_or(word.at, |w| w.at),
        };
        let is_attached = attached.is_some();
        let text = self.value(attached, word)?;
        if letter == 'p' {
            // The real tool looks at the whole word, option included, when the protocol is attached to it.
            let text = if is_attached { word.text.clone() } else { text };
            let unknown = || Problem::usage(format!("unknown protocol \"{text}\" specified")).at(at);
            let protocol = protocol_number(&text).ok_or_else(unknown)?;
            if protocol == 0 && inverted {
                return Err(Problem::usage("rule would never match protocol"));
            }
            self.rule.protocol = Some((protocol, inverted));
            return Ok(());
        }
        let value = Some((Word { text, at }, inverted));
        match letter {
            's' => self.rule.src = value,
            'd' => self.rule.dst = value,
            'i' => self.rule.iif = value,
            _ => self.rule.oif = value,
        }
        Ok(())
    }

    fn load_match(&mut self, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<(), Problem> {
        if self.inverted {
            return Err(Problem::usage("unexpected ! flag before --match"));
        }
        let at = self.words.get(self.next).map_or(word.at, |w| w.at);
        let name = self.value(attached, word)?;
        let kind = MatchKind::find(&name, self.family).map_err(|p| p.at(at))?;
        if self.rule.protocol.and_then(|(p, _)| MatchKind::of_protocol(p, self.family)) == Some(kind) {
            self.protocol_loaded = true;
        }
        self.rule.matches.push(Loaded { kind, given: Vec::new(), at });
        Ok(())
    }

    fn jump(&mut self, letter: char, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<(), Problem> {
        self.once('j')?;
        let at = self.words.get(self.next).map_or(word.at, |w| w.at);
        let name = self.value(attached, word)?;
        check_target_name(&name).map_err(|p| p.at(at))?;
        let goto = letter == 'g';
        let kind = if goto { None } else { TargetKind::find(&name).map_err(|p| p.at(at))? };
        self.rule.target = Some(match kind {
            Some(kind) => TargetWords::Extension(Loaded { kind, given: Vec::new(), at }),
            None => TargetWords::Name { name, goto },
        });
        Ok(())
    }

    fn setting(
        &mut self,
        letter: char,
        attached: Option<Cow<'a, str>>,
        word: &Word<'a>,
    ) -> Result<(), Problem> {
        match letter {
            't' => {
                if self.in_restore {
                    return Err(Problem::usage("The -t option cannot be used in iptables-restore.\n"));
                }
                self.table = Some(self.value(attached, word)?);
            }
            'n' | 'x' | '0' => {
                self.once(letter)?;
                self.style.numeric |= letter == 'n';
                self.style.exact |= letter == 'x';
                self.style.line_numbers |= letter == '0';
            }
            'v' => {
                if self.inverted {
                    return Err(Problem::usage("cannot have ! before -v"));
                }
                if !self.seen.contains('v') {
                    self.seen.push('v');
                }
            }
            'c' => self.read_counters(attached, word)?,
            'w' => {
                self.optional().map_or(Ok(0), |n| wait_seconds(&n))?;
            }
            'W' | 'M' => {
                self.value(attached, word)?;
            }
            '4' => self.other_family |= self.family == Family::V6,
            '6' => self.other_family |= self.family == Family::V4,
            _ => return Err(Problem::not_modelled(&format!("option \"{}\"", word.text))),
        }
        Ok(())
    }

    /// `-c PACKETS BYTES` or `-c PACKETS,BYTES`.
    fn read_counters(&mut self, attached: Option<Cow<'a, str>>, word: &Word<'a>) -> Result<(), Problem> {
        self.once('c')?;
        let first = self.value(attached, word)?;
        let (packets, bytes) = match first.split_once(',') {
            Some((p, b)) => (p.to_owned(), b.to_owned()),
            None => {
                let missing = || Problem::usage("-c requires packet and byte counter");
                (first.clone().into_owned(), self.optional().ok_or_else(missing)?.into_owned())
            }
        };
        let read = |text: &str, what| {
            text.parse().map_err(|_| Problem::usage(format!("-c {what} counter not numeric")))
        };
        self.counters = Some((read(&packets, "packet")?, read(&bytes, "byte")?));
        Ok(())
    }

    fn finish(self) -> Result<Arguments<'a>, Problem> {
        if self.inverted {
            return Err(Problem::usage("nothing appropriate following !"));
        }
        let verb = self.verb.ok_or_else(|| Problem::usage("no command specified"))?;
        let illegal = |letter: &char| self.seen.contains(*letter) && verb.illegal().contains(*letter);
        if let Some(letter) = "nsdpjvxio0cf".chars().find(illegal) {
            return Err(Problem::usage(format!("Illegal option `-{letter}' with this command")));
        }
        Ok(Arguments {
            verb,
            also_zero: self.also_zero,
            table: self.table,
            style: self.style,
            verbose: self.seen.contains('v'),
            counters: self.counters,
            rule: self.rule,
            other_family: self.other_family,
        })
    }
}

/// `strip_prefix` that keeps what it borrows.
fn strip<'a>(text: &Cow<'a, str>, prefix: &str) -> Option<Cow<'a, str>> {
    if text.starts_with(prefix) { strip_at(text, prefix.len()) } else { None }
}

fn strip_at<'a>(text: &Cow<'a, str>, at: usize) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(t) => t.get(at..).map(Cow::Borrowed),
        Cow::Owned(t) => t.get(at..).map(|t| Cow::Owned(t.to_owned())),
    }
}

fn rule_number(text: &str) -> Result<u32, Problem> {
    let valid = number(text).filter(|n| (1..=i32::MAX as u32).contains(n));
    valid.ok_or_else(|| Problem::usage(format!("Invalid rule number `{text}'")))
}

fn wait_seconds(text: &str) -> Result<u32, Problem> {
    number(text).ok_or_else(|| Problem::usage("wait seconds not numeric"))
}

fn check_target_name(name: &str) -> Result<(), Problem> {
    let usage = |text: String| Err(Problem::usage(text));
    if name.is_empty() {
        return usage("Invalid target name (too short)".to_owned());
    }
    if name.len() >= MAX_NAME {
        return usage(format!("Invalid target name `{name}' ({} chars max)", MAX_NAME - 1));
    }
    if name.contains(char::is_whitespace) {
        return usage(format!("Invalid target name `{name}'"));
    }
    if name == VERDICTS[3] {
        return Err(Problem::not_modelled("target `QUEUE'"));
    }
    Ok(())
}
