//! Reading words as `getopt_long` does: options by name, by the beginning of a name, by letter.

use std::borrow::Cow;

use super::super::matches::MatchKind;
use super::super::options::{Given, Opt};
use super::super::problem::Problem;
use super::super::words::Word;
use super::{Arguments, Loaded, RuleWords, Style, TargetWords, Verb};
use crate::trace::Family;

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

/// What was read so far.
pub(super) struct Parser<'a> {
    pub(super) words: Vec<Word<'a>>,
    pub(super) next: usize,
    pub(super) family: Family,
    pub(super) in_restore: bool,
    /// A `!` waits for its option.
    pub(super) inverted: bool,
    pub(super) verb: Option<Verb<'a>>,
    pub(super) also_zero: bool,
    pub(super) table: Option<Cow<'a, str>>,
    /// Letters of the options that were given.
    pub(super) seen: Letters,
    pub(super) style: Style,
    pub(super) counters: Option<(u64, u64)>,
    pub(super) rule: RuleWords<'a>,
    /// The protocol's own extension was loaded by `-m` or by one of its options.
    pub(super) protocol_loaded: bool,
    pub(super) other_family: bool,
}

/// A set of the letters of [`LETTERS`] and `0`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Letters(u128);

impl Letters {
    pub(super) const fn contains(self, letter: char) -> bool {
        self.0 & 1 << (letter as u32 & 127) != 0
    }

    pub(super) const fn push(&mut self, letter: char) {
        self.0 |= 1 << (letter as u32 & 127);
    }
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
    pub(super) const fn new(words: Vec<Word<'a>>, family: Family, in_restore: bool) -> Self {
        Self {
            words,
            next: 0,
            family,
            in_restore,
            inverted: false,
            verb: None,
            also_zero: false,
            table: None,
            seen: Letters(0),
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

    pub(super) fn word(&mut self, word: &Word<'a>) -> Result<(), Problem> {
        let text = word.text.clone();
        if text == "!" {
            return self.exclamation();
        }
        if let Some(long) = strip(&text, "--").filter(|t| !t.is_empty()) {
            return self.long(long, word);
        }
        match strip(&text, "-").filter(|t| !t.is_empty()) {
            Some(letters) => self.letters(letters, word),
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

    fn long(&mut self, text: Cow<'a, str>, word: &Word<'a>) -> Result<(), Problem> {
        let (name, attached) = match text {
            Cow::Borrowed(t) => match t.split_once('=') {
                Some((n, v)) => (Cow::Borrowed(n), Some(Cow::Borrowed(v))),
                None => (Cow::Borrowed(t), None),
            },
            Cow::Owned(t) => match t.split_once('=') {
                Some((n, v)) => (Cow::Owned(n.to_owned()), Some(Cow::Owned(v.to_owned()))),
                None => (Cow::Owned(t), None),
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
    pub(super) fn value(
        &mut self,
        attached: Option<Cow<'a, str>>,
        word: &Word<'a>,
    ) -> Result<Cow<'a, str>, Problem> {
        if let Some(value) = attached {
            return Ok(value);
        }
        let missing = || Problem::usage(format!("option \"{}\" requires an argument", word.text));
        let next = self.words.get(self.next).ok_or_else(missing)?;
        self.next += 1;
        Ok(next.text.clone())
    }

    /// The next word, if it cannot be an option.
    pub(super) fn optional(&mut self) -> Option<Cow<'a, str>> {
        let next = self.words.get(self.next).filter(|w| w.is_value())?;
        self.next += 1;
        Some(next.text.clone())
    }

    /// A cluster of letters: `-nvL`, `-s10.0.0.0/8`.
    fn letters(&mut self, letters: Cow<'a, str>, word: &Word<'a>) -> Result<(), Problem> {
        for (i, letter) in letters.char_indices() {
            if !LETTERS.contains(letter) {
                return Err(Problem::usage(format!("unknown option \"{}\"", word.text)));
            }
            let rest = strip_at(&letters, i + letter.len_utf8());
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

    pub(super) fn finish(self) -> Result<Arguments<'a>, Problem> {
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
