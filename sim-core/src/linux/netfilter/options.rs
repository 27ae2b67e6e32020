//! Options of extensions, described once and checked by the same rules as `libxtables` does.

use std::borrow::Cow;

use super::address::AddrMatch;
use super::problem::Problem;
use super::words::Word;
use crate::trace::{Family, TableId};

/// One option of a match or target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// Name without its dashes.
    pub(super) name: &'static str,
    /// The option that this one is, if it is only another spelling.
    same_as: Option<&'static str>,
    /// Number of values.
    pub(super) values: u8,
    invertible: bool,
    required: bool,
    excludes: &'static [&'static str],
    requires: &'static [&'static str],
}

impl Opt {
    /// An option without a value.
    pub(super) const fn flag(name: &'static str) -> Self {
        Self {
            name,
            same_as: None,
            values: 0,
            invertible: false,
            required: false,
            excludes: &[],
            requires: &[],
        }
    }

    /// An option with one value.
    pub(super) const fn value(name: &'static str) -> Self {
        Self { values: 1, ..Self::flag(name) }
    }

    /// An option with two values.
    pub(super) const fn pair(name: &'static str) -> Self {
        Self { values: 2, ..Self::flag(name) }
    }

    /// May be preceded by `!`.
    pub(super) const fn inv(self) -> Self {
        Self { invertible: true, ..self }
    }

    /// Must be there.
    pub(super) const fn req(self) -> Self {
        Self { required: true, ..self }
    }

    /// Another spelling of `name`.
    pub(super) const fn same_as(self, name: &'static str) -> Self {
        Self { same_as: Some(name), ..self }
    }

    /// Cannot be used together with these.
    pub(super) const fn excludes(self, names: &'static [&'static str]) -> Self {
        Self { excludes: names, ..self }
    }

    /// Cannot be used without these.
    pub(super) const fn requires(self, names: &'static [&'static str]) -> Self {
        Self { requires: names, ..self }
    }

    /// The name under which the option is known, whatever its spelling.
    pub(super) const fn id(&self) -> &'static str {
        match self.same_as {
            Some(name) => name,
            None => self.name,
        }
    }
}

/// An option as it was given.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    opt: &'static Opt,
    inverted: bool,
    /// The values; empty where there are fewer than two.
    values: [Cow<'a, str>; 2],
    at: usize,
}

impl<'a> Given<'a> {
    /// An option with its values, `word` being the first of them or the option itself.
    pub(super) fn new(opt: &'static Opt, inverted: bool, values: [Cow<'a, str>; 2], word: &Word<'_>) -> Self {
        Self { opt, inverted, values, at: word.at }
    }
}

/// A value of an option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'g> {
    /// The value; empty for a flag.
    pub(super) text: &'g str,
    /// The second value of a pair.
    pub(super) second: &'g str,
    /// Preceded by `!`.
    pub(super) inverted: bool,
    at: usize,
}

impl Value<'_> {
    /// Sets the place of a problem with this value.
    pub(super) fn here(&self, problem: Problem) -> Problem {
        problem.at(self.at)
    }
}

/// Everything that was given to one match or target, and what it may need to know of its rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<'g> {
    /// Name of the extension.
    pub(super) extension: &'static str,
    given: &'g [Given<'g>],
    /// What the rule says besides.
    pub(super) rule: Context,
}

/// First and last value, and whether the option is preceded by `!`.
pub(super) type Range = ((u32, u32), bool);

/// What an extension may need to know of its rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// iptables or ip6tables.
    pub(super) family: Family,
    /// The table.
    pub(super) table: TableId,
    /// Protocol of `-p`, 0 for all.
    pub(super) protocol: u8,
    /// `! -p`.
    pub(super) protocol_inverted: bool,
}

impl<'g> Args<'g> {
    /// Reads the options of an extension: each by itself first, then what `build` makes of them, then whether they go together.
    /// That is the order in which the real tool finds mistakes.
    pub(super) fn build<T>(
        extension: &'static str,
        options: &'static [Opt],
        given: &'g [Given<'g>],
        rule: Context,
        build: impl FnOnce(&Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let built = Self::read(extension, given, rule, build);
        match &built {
            Err(problem) if problem.at.is_some() => {}
            _ => Self { extension, given, rule }.check_combinations(options)?,
        }
        built
    }

    /// The same without asking whether the options go together.
    pub(super) fn read<T>(
        extension: &'static str,
        given: &'g [Given<'g>],
        rule: Context,
        build: impl FnOnce(&Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        build(&Self::each(extension, given, rule)?)
    }

    fn each(extension: &'static str, given: &'g [Given<'g>], rule: Context) -> Result<Self, Problem> {
        for (i, g) in given.iter().enumerate() {
            let (name, id) = (g.opt.name, g.opt.id());
            if given[..i].iter().any(|other| other.opt.id() == id) {
                let text = if matches!(extension, "tcp" | "udp" | "sctp") {
                    format!("Only one `--{id}' allowed")
                } else {
                    format!("{extension}: option \"--{name}\" can only be used once.\n")
                };
                return Err(Problem::usage(text).at(g.at));
            }
            if g.inverted && !g.opt.invertible {
                let text = format!("{extension}: option \"--{name}\" cannot be inverted.\n");
                return Err(Problem::usage(text).at(g.at));
            }
        }
        Ok(Self { extension, given, rule })
    }

    fn check_combinations(&self, options: &'static [Opt]) -> Result<(), Problem> {
        let name = self.extension;
        for opt in options.iter().filter(|o| o.same_as.is_none()) {
            let Some(value) = self.get(opt.name) else {
                if opt.required {
                    return Err(Problem::usage(format!(
                        "{name}: option \"--{}\" must be specified\n",
                        opt.name
                    )));
                }
                continue;
            };
            if let Some(other) = opt.requires.iter().find(|other| !self.has(other)) {
                let text = format!("{name}: option \"--{}\" also requires \"--{other}\".\n", opt.name);
                return Err(value.here(Problem::usage(text)));
            }
            if let Some(other) = opt.excludes.iter().find(|other| self.has(other)) {
                let text = format!(
                    "{name}: option \"--{}\" cannot be used together with \"--{other}\".\n",
                    opt.name
                );
                return Err(value.here(Problem::usage(text)));
            }
        }
        Ok(())
    }

    /// What was given for an option.
    pub(super) fn get(&self, id: &str) -> Option<Value<'g>> {
        self.given.iter().find(|g| g.opt.id() == id).map(|g| Value {
            text: &g.values[0],
            second: &g.values[1],
            inverted: g.inverted,
            at: g.at,
        })
    }

    /// Whether an option was given.
    pub(super) fn has(&self, id: &str) -> bool {
        self.get(id).is_some()
    }

    /// Whether no option was given.
    pub(super) const fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Whether `id` was given, and not before `other`.
    pub(super) fn is_last(&self, id: &str, other: &str) -> bool {
        self.given
            .iter()
            .rev()
            .find(|g| g.opt.id() == id || g.opt.id() == other)
            .is_some_and(|g| g.opt.id() == id)
    }

    /// Reads an option's value.
    pub(super) fn value<T>(
        &self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<(T, bool)>, Problem> {
        let Some(value) = self.get(id) else { return Ok(None) };
        let parsed = parse(value.text).map_err(|p| value.here(p))?;
        Ok(Some((parsed, value.inverted)))
    }

    /// Reads `address[/mask]`.
    pub(super) fn read_address(&self, id: &str) -> Result<Option<AddrMatch>, Problem> {
        let family = self.rule.family;
        let read = self.value(id, |text| AddrMatch::parse_option(family, text, self.extension, id))?;
        Ok(read.map(|(addr, inverted)| AddrMatch { inverted, ..addr }))
    }

    /// Reads `value[/mask]`, the mask being all ones if it is missing.
    pub(super) fn read_mark(&self, id: &str) -> Result<Option<(u32, u32, bool)>, Problem> {
        let name = self.extension;
        let bad =
            || Problem::usage(format!("{name}: bad integer value for option \"--{id}\", or out of range.\n"));
        let parsed = self.value(id, |text| {
            let (value, rest) = leading_number(text).ok_or_else(bad)?;
            let (mask, rest) = match rest.strip_prefix('/') {
                Some(mask) => leading_number(mask).ok_or_else(bad)?,
                None => (u32::MAX, rest),
            };
            if !rest.is_empty() {
                let text = format!("{name}: trailing garbage after value for option \"--{id}\".\n");
                return Err(Problem::usage(text));
            }
            Ok((value, mask))
        })?;
        Ok(parsed.map(|((value, mask), inverted)| (value, mask, inverted)))
    }

    /// Reads `first:last`, either of which may be missing, or one number for both; none is above `max`.
    pub(super) fn read_range(&self, id: &str, max: u32) -> Result<Option<Range>, Problem> {
        self.value(id, |text| {
            let read = |t: &str| {
                let bad = || {
                    let name = self.extension;
                    let text = format!(
                        "{name}: bad value for option \"--{id}\" near \"{t}\", or out of range (0-{max}).\n"
                    );
                    Problem::usage(text)
                };
                number(t).filter(|n| *n <= max).ok_or_else(bad)
            };
            let Some((first, last)) = text.split_once(':') else {
                let n = read(text)?;
                return Ok((n, n));
            };
            let first = if first.is_empty() { 0 } else { read(first)? };
            Ok((first, if last.is_empty() { max } else { read(last)? }))
        })
    }

    /// Reads a number between `min` and `max`.
    pub(super) fn read_number(&self, id: &str, min: u32, max: u32) -> Result<Option<(u32, bool)>, Problem> {
        self.value(id, |text| {
            number(text).filter(|n| (min..=max).contains(n)).ok_or_else(|| {
                Problem::usage(format!(
                    "{}: bad value for option \"--{id}\", or out of range ({min}-{max}).\n",
                    self.extension
                ))
            })
        })
    }
}

/// The number at the beginning of a text, and what follows it.
fn leading_number(text: &str) -> Option<(u32, &str)> {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let start = if is_hex { 2 } else { 0 };
    let digit = |c: char| c.is_ascii_digit() || (is_hex && c.is_ascii_hexdigit());
    let end = text[start..].find(|c| !digit(c)).map_or(text.len(), |i| start + i);
    Some((number(&text[..end])?, &text[end..]))
}

/// A number as `strtoul(…, 0)` reads it: decimal, `0x` hexadecimal, or octal with a leading zero.
pub(super) fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoul_reads_them() {
        assert_eq!(number("16"), Some(16));
        assert_eq!(number("0x00004000"), Some(0x4000));
        assert_eq!(number("020"), Some(16));
        assert_eq!(number("0"), Some(0));
        for bad in ["", "x", "-1", "+1", "0x", "0x1ffffffff", "0x-1", "08"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
