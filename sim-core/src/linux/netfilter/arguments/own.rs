//! The tool's own options: commands, the head of a rule, extensions by name, settings.

use std::borrow::Cow;

use super::super::matches::MatchKind;
use super::super::names::protocol_number;
use super::super::options::number;
use super::super::problem::Problem;
use super::super::rule::IfaceMatch;
use super::super::targets::{MAX_NAME, TargetKind, VERDICTS};
use super::super::words::Word;
use super::parser::Parser;
use super::{Loaded, TargetWords, Verb};
use crate::trace::Family;

impl<'a> Parser<'a> {
    /// An option of the tool itself.
    pub(super) fn own(
        &mut self,
        letter: char,
        attached: Option<Cow<'a, str>>,
        word: &Word<'a>,
    ) -> Result<(), Problem> {
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
            let unknown = || {
                Problem::usage(format!("unknown protocol \"{}\" specified", text.to_ascii_lowercase())).at(at)
            };
            let protocol = protocol_number(&text).ok_or_else(unknown)?;
            if protocol == 0 && inverted {
                return Err(Problem::usage("rule would never match protocol"));
            }
            self.rule.protocol = Some((protocol, inverted));
            return Ok(());
        }
        if matches!(letter, 'i' | 'o') {
            check_interface(&text).map_err(|p| p.at(at))?;
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
        let kind =
            if goto { None } else { TargetKind::find(&name, Some(self.family)).map_err(|p| p.at(at))? };
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
}

fn check_interface(name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Problem::usage("Empty interface is likely to be undesired"));
    }
    IfaceMatch::parse(name, false).map(|_| ())
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
