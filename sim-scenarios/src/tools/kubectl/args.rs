//! The grammar of kubectl's command line: cobra's commands and pflag's flags.
//!
//! Flags stand anywhere, before and after the verb; `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value` and bundles of
//! short flags (`-it`) mean the same; what follows `--` is no flag.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::Failure;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--wait`, `--wait=false`.
    Bool,
    /// Exactly one text; the last one counts.
    Text,
    /// Any number of texts, as they are.
    Texts,
    /// Any number of texts, each one split at commas.
    List,
    /// A whole number.
    Int,
    /// `30s`, `2m`.
    Duration,
    /// A text that may be left out, which then means this one (`--dry-run`, `--validate`, `--cascade`).
    Optional(&'static str),
}

/// A flag that kubectl knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
}

/// A flag without a short name.
pub(crate) const fn flag(name: &'static str, kind: Kind) -> Flag {
    Flag { name, short: None, kind }
}

/// A flag with a short name.
pub(crate) const fn short(name: &'static str, short: char, kind: Kind) -> Flag {
    Flag { name, short: Some(short), kind }
}

/// Flags that every verb has.
pub(crate) static GLOBAL: &[Flag] = &[
    short("namespace", 'n', Kind::Text),
    short("server", 's', Kind::Text),
    short("help", 'h', Kind::Bool),
    short("v", 'v', Kind::Int),
    flag("as", Kind::Text),
    flag("as-group", Kind::Texts),
    flag("as-uid", Kind::Text),
    flag("cache-dir", Kind::Text),
    flag("certificate-authority", Kind::Text),
    flag("client-certificate", Kind::Text),
    flag("client-key", Kind::Text),
    flag("cluster", Kind::Text),
    flag("context", Kind::Text),
    flag("disable-compression", Kind::Bool),
    flag("insecure-skip-tls-verify", Kind::Bool),
    flag("kubeconfig", Kind::Text),
    flag("log-flush-frequency", Kind::Duration),
    flag("match-server-version", Kind::Bool),
    flag("password", Kind::Text),
    flag("profile", Kind::Text),
    flag("profile-output", Kind::Text),
    flag("request-timeout", Kind::Text),
    flag("tls-server-name", Kind::Text),
    flag("token", Kind::Text),
    flag("user", Kind::Text),
    flag("username", Kind::Text),
    flag("vmodule", Kind::Text),
    flag("warnings-as-errors", Kind::Bool),
];

/// A command line that was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    given: BTreeMap<&'static str, Vec<String>>,
    /// What is no flag, in order.
    pub(crate) words: Vec<String>,
    /// How many words stand before `--`, if there is one.
    pub(crate) dash: Option<usize>,
}

impl Args {
    /// Whether the flag was written, with whatever value.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of a flag: the last one given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).and_then(|v| v.last()).map(String::as_str)
    }

    /// The value of a bool flag.
    pub(crate) fn bool(&self, name: &str, default: bool) -> bool {
        self.text(name).map_or(default, is_true)
    }

    /// The value of a number flag, which was checked when it was read.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|t| t.parse().ok())
    }

    /// The value of a duration flag, which was checked when it was read.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.text(name).and_then(duration)
    }

    /// All values of a repeatable flag.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first flag of `names` that was given.
    pub(crate) fn first_given<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|n| self.given(n))
    }
}

/// Reads the words after the verb (and before it: `before` are flags that stood there).
///
/// # Errors
/// A flag that the verb does not have, or that has no value or a wrong one, in pflag's words; `path` is the command's name.
pub(crate) fn parse(path: &str, flags: &[&[Flag]], words: &[String]) -> Result<Args, Failure> {
    let mut reader = Reader { path, flags, args: Args::default(), rest: words.iter() };
    while let Some(word) = reader.rest.next() {
        match word.as_str() {
            "--" => {
                reader.args.dash = Some(reader.args.words.len());
                reader.args.words.extend(reader.rest.by_ref().cloned());
            }
            long if long.starts_with("--") => reader.long(&long[2..])?,
            shorts if shorts.starts_with('-') && shorts.len() > 1 => reader.shorts(&shorts[1..])?,
            _ => reader.args.words.push(word.clone()),
        }
    }
    Ok(reader.args)
}

/// Finds the verb among the words: the first one that is no flag nor a value of one of `flags`. Returns its place.
pub(crate) fn verb_at(words: &[String], flags: &[&[Flag]]) -> Option<usize> {
    let known = || flags.iter().copied().flatten();
    let takes_next = |flag: Option<&Flag>| flag.is_some_and(|f| implied(f.kind).is_none());
    let mut i = 0;
    while let Some(word) = words.get(i) {
        if word == "--" {
            return None;
        }
        if let Some(long) = word.strip_prefix("--") {
            i += usize::from(takes_next(known().find(|f| f.name == long)));
        } else if let Some(shorts) = word.strip_prefix('-').filter(|s| !s.is_empty()) {
            let flag = known().find(|f| f.short == shorts.chars().next());
            i += usize::from(shorts.chars().count() == 1 && takes_next(flag));
        } else {
            return Some(i);
        }
        i += 1;
    }
    None
}

struct Reader<'a> {
    path: &'a str,
    flags: &'a [&'a [Flag]],
    args: Args,
    rest: std::slice::Iter<'a, String>,
}

impl Reader<'_> {
    fn usage(&self, message: String) -> Failure {
        Failure::plain(format!("{message}\nSee '{} --help' for usage.", self.path))
    }

    fn long(&mut self, text: &str) -> Result<(), Failure> {
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v.to_owned())));
        if name.is_empty() || name.starts_with('-') {
            return Err(self.usage(format!("bad flag syntax: --{text}")));
        }
        let Some(flag) = self.flags.iter().copied().flatten().find(|f| f.name == name).copied() else {
            return Err(self.usage(format!("unknown flag: --{name}")));
        };
        let value = match (value, implied(flag.kind)) {
            (Some(value), _) => value,
            (None, Some(value)) => value.to_owned(),
            (None, None) => match self.rest.next() {
                Some(value) => value.clone(),
                None => return Err(self.usage(format!("flag needs an argument: --{name}"))),
            },
        };
        self.set(flag, value)
    }

    fn shorts(&mut self, text: &str) -> Result<(), Failure> {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            let Some(flag) = self.flags.iter().copied().flatten().find(|f| f.short == Some(c)).copied()
            else {
                return Err(self.usage(format!("unknown shorthand flag: '{c}' in -{rest}")));
            };
            if let Some(value) = after.strip_prefix('=').filter(|_| after.len() > 1) {
                return self.set(flag, value.to_owned());
            }
            if let Some(value) = implied(flag.kind) {
                self.set(flag, value.to_owned())?;
                rest = after;
                continue;
            }
            if !after.is_empty() {
                return self.set(flag, after.to_owned());
            }
            return match self.rest.next() {
                Some(value) => self.set(flag, value.clone()),
                None => Err(self.usage(format!("flag needs an argument: '{c}' in -{rest}"))),
            };
        }
        Ok(())
    }

    fn set(&mut self, flag: Flag, value: String) -> Result<(), Failure> {
        if let Some(reason) = unfit(flag.kind, &value) {
            let name = match flag.short {
                Some(c) => format!("-{c}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            return Err(self.usage(format!("invalid argument {value:?} for {name:?} flag: {reason}")));
        }
        let values = self.args.given.entry(flag.name).or_default();
        match flag.kind {
            Kind::List => values.extend(value.split(',').map(str::to_owned)),
            _ => values.push(value),
        }
        Ok(())
    }
}

/// The value that a flag has when none is written.
fn implied(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Bool => Some("true"),
        Kind::Optional(value) => Some(value),
        Kind::Text | Kind::Texts | Kind::List | Kind::Int | Kind::Duration => None,
    }
}

/// Why a value does not fit, in the words of Go's parsers.
fn unfit(kind: Kind, value: &str) -> Option<String> {
    let syntax = |function: &str| format!("strconv.{function}: parsing {value:?}: {}", why_no_number(value));
    match kind {
        Kind::Bool => (!is_true(value) && !is_false(value)).then(|| syntax("ParseBool")),
        Kind::Int => value.parse::<i64>().is_err().then(|| syntax("ParseInt")),
        Kind::Duration => duration(value).is_none().then(|| format!("time: invalid duration {value:?}")),
        Kind::Text | Kind::Texts | Kind::List | Kind::Optional(_) => None,
    }
}

/// What Go's parsers say of a text that is no number, or none that fits.
pub(crate) fn why_no_number(text: &str) -> &'static str {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { "value out of range" } else { "invalid syntax" }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// Go's `time.ParseDuration`, for durations that are not negative: `1h30m`, `1.5s`, `0`. A negative one is as good as for ever
/// to kubectl's waits.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if let Some(positive) = text.strip_prefix('-') {
        return duration(positive).map(|_| Duration::from_secs(7 * 86_400));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end =
            rest[number..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |i| number + i);
        let unit = match &rest[number..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += rest[..number].parse::<f64>().ok()? * unit;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    static GET: &[Flag] = &[
        short("output", 'o', Kind::Text),
        short("filename", 'f', Kind::List),
        short("stdin", 'i', Kind::Bool),
        short("tty", 't', Kind::Bool),
        flag("wait", Kind::Bool),
        flag("dry-run", Kind::Optional("unchanged")),
        flag("timeout", Kind::Duration),
        flag("tail", Kind::Int),
    ];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn read(line: &str) -> Result<Args, String> {
        parse("kubectl get", &[GET, GLOBAL], &words(line)).map_err(|f| f.to_string())
    }

    #[test]
    fn a_value_may_be_written_in_five_ways() {
        for line in ["-o yaml", "-oyaml", "-o=yaml", "--output yaml", "--output=yaml", "pods -n x -o yaml"] {
            assert_eq!(read(line).unwrap().text("output"), Some("yaml"), "{line}");
        }
    }

    #[test]
    fn short_flags_bundle_and_dashes_end_flags() {
        let args = read("-it pod-a -- ls -l").unwrap();
        assert!(args.bool("stdin", false) && args.bool("tty", false));
        assert_eq!(args.words, ["pod-a", "ls", "-l"]);
        assert_eq!(args.dash, Some(1));
    }

    #[test]
    fn some_values_may_be_left_out() {
        let args = read("--wait=false --dry-run pods --dry-run=client -f a,b -f c --timeout 1m30s").unwrap();
        assert!(!args.bool("wait", true));
        assert_eq!(args.texts("dry-run"), ["unchanged", "client"]);
        assert_eq!(args.texts("filename"), ["a", "b", "c"]);
        assert_eq!(args.duration("timeout"), Some(Duration::from_secs(90)));
        assert_eq!(args.words, ["pods"]);
    }

    #[test]
    fn mistakes_are_pflags() {
        let all: Vec<String> =
            ["--foo", "-x", "-o", "--output", "--wait=maybe", "-i=maybe", "--tail x", "--timeout 5"]
                .into_iter()
                .map(|line| read(line).unwrap_err())
                .collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        error: unknown flag: --foo
        See 'kubectl get --help' for usage.
        error: unknown shorthand flag: 'x' in -x
        See 'kubectl get --help' for usage.
        error: flag needs an argument: 'o' in -o
        See 'kubectl get --help' for usage.
        error: flag needs an argument: --output
        See 'kubectl get --help' for usage.
        error: invalid argument "maybe" for "--wait" flag: strconv.ParseBool: parsing "maybe": invalid syntax
        See 'kubectl get --help' for usage.
        error: invalid argument "maybe" for "-i, --stdin" flag: strconv.ParseBool: parsing "maybe": invalid syntax
        See 'kubectl get --help' for usage.
        error: invalid argument "x" for "--tail" flag: strconv.ParseInt: parsing "x": invalid syntax
        See 'kubectl get --help' for usage.
        error: invalid argument "5" for "--timeout" flag: time: invalid duration "5"
        See 'kubectl get --help' for usage.
        "#);
    }

    #[test]
    fn the_verb_is_found_behind_global_flags() {
        assert_eq!(verb_at(&words("-n kube-system get pods"), &[GLOBAL]), Some(2));
        assert_eq!(verb_at(&words("--namespace=x -v=6 get"), &[GLOBAL]), Some(2));
        assert_eq!(verb_at(&words("--help"), &[GLOBAL]), None);
    }
}
