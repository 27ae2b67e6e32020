//! Options as `getopt(3)` reads them.

use crate::tools::Cx;

/// Options and operands of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tools) struct Options {
    options: Vec<(char, String)>,
    /// What is not an option.
    pub operands: Vec<String>,
}

impl Options {
    /// Reads the words after a tool's name. `known` lists letters, `:` after those with a value; options end at the first
    /// operand if it starts with `+`. Long options are mapped by `long`.
    ///
    /// # Errors
    /// The exit status, after a message: an option that is not modelled, or a value that is missing.
    pub(in crate::tools) fn read(cx: &mut Cx<'_>, known: &str, long: &[(&str, char)]) -> Result<Self, i32> {
        let words = cx.operands().to_vec();
        let tool = cx.args.first().cloned().unwrap_or_default();
        match Self::parse(&words, known, long) {
            Ok(options) => Ok(options),
            Err(Mistake::Unknown(option)) => Err(cx.not_modelled(format!("{tool}: option {option}"))),
            Err(Mistake::NoValue(letter)) => {
                cx.out.err(format!("{tool}: option requires an argument -- '{letter}'"));
                Err(2)
            }
        }
    }

    fn parse(words: &[String], known: &str, long: &[(&str, char)]) -> Result<Self, Mistake> {
        let (known, stop) = known.strip_prefix('+').map_or((known, false), |k| (k, true));
        let mut all = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                all.operands.extend(words.cloned());
                break;
            } else if let Some(name) = word.strip_prefix("--") {
                let (name, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
                let letter = long.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
                let letter = letter.ok_or_else(|| Mistake::Unknown(word.clone()))?;
                let value = match value {
                    Some(v) => v.to_owned(),
                    None if takes_value(known, letter) => {
                        words.next().cloned().ok_or(Mistake::NoValue(letter))?
                    }
                    None => String::new(),
                };
                all.options.push((letter, value));
            } else if word.len() > 1 && word.starts_with('-') {
                for (i, letter) in word[1..].char_indices() {
                    if !known.contains(letter) || letter == ':' {
                        return Err(Mistake::Unknown(format!("-{letter}")));
                    }
                    if !takes_value(known, letter) {
                        all.options.push((letter, String::new()));
                        continue;
                    }
                    let attached = &word[1 + i + letter.len_utf8()..];
                    let value = if attached.is_empty() {
                        words.next().cloned().ok_or(Mistake::NoValue(letter))?
                    } else {
                        attached.to_owned()
                    };
                    all.options.push((letter, value));
                    break;
                }
            } else {
                all.operands.push(word.clone());
                if stop {
                    all.operands.extend(words.cloned());
                    break;
                }
            }
        }
        Ok(all)
    }

    /// Whether an option was given.
    pub(in crate::tools) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(l, _)| *l == letter)
    }

    /// The value of an option, the last one given.
    pub(in crate::tools) fn value(&self, letter: char) -> Option<&str> {
        self.options.iter().rev().find(|(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }

    /// All values of an option.
    pub(in crate::tools) fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.options.iter().filter(move |(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }
}

#[derive(Debug)]
enum Mistake {
    Unknown(String),
    NoValue(char),
}

fn takes_value(known: &str, letter: char) -> bool {
    known.find(letter).is_some_and(|i| known[i + letter.len_utf8()..].starts_with(':'))
}
