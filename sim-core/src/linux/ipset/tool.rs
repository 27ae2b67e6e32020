//! The command line of `ipset`, and a line of `ipset restore`: the same words.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::element::{parse, parse_range, whole, width};
use super::list::{Format, Style};
use super::packet::Answer;
use super::{Extra, Kind, Options, Refused, Sets};
use crate::linux::netfilter::words::split;
use crate::time::SimTime;
use crate::trace::Family;

/// What a command needs besides its words.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Standard input, for `restore`.
    pub input: &'a str,
    /// Now.
    pub now: SimTime,
    /// Number of rules that name each set.
    pub references: &'a BTreeMap<Arc<str>, u32>,
}

/// What a failed command says, and its exit status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    /// Standard output before the failure.
    pub out: String,
    /// Everything on standard error, with its final newline.
    pub message: String,
    /// Exit status.
    pub status: i32,
}

/// What goes to standard output, and to standard error though nothing failed.
type Said = (String, String);

/// Before or after which member an element of a list is put.
type Place = (bool, Arc<str>);

const VERSION: &str = "ipset v7.17";
/// Bytes in a name, without the closing zero.
const MAX_NAME: usize = 31;

/// Command, its other spellings, and how many names or words it must have.
const COMMANDS: [(&str, &[&str], usize); 11] = [
    ("create", &["-N", "--create", "new", "n"], 2),
    ("add", &["-A", "--add", "a"], 2),
    ("del", &["-D", "--del", "delete", "d"], 2),
    ("test", &["-T", "--test", "t"], 2),
    ("destroy", &["-X", "--destroy", "x"], 0),
    ("list", &["-L", "--list", "l"], 0),
    ("save", &["-S", "--save", "s"], 0),
    ("restore", &["-R", "--restore", "r"], 0),
    ("flush", &["-F", "--flush", "f"], 0),
    ("rename", &["-E", "--rename", "e", "ren"], 2),
    ("swap", &["-W", "--swap", "w"], 2),
];

/// A mistake: in the words (status 2, with a hint), in a value, or found by the kernel (both status 1).
enum Mistake {
    Usage(String),
    Value(String),
    NotModelled(String),
    /// The answer of `test`.
    NotThere(String),
}

impl From<Refused> for Mistake {
    fn from(refused: Refused) -> Self {
        Self::Value(refused.text().to_owned())
    }
}

impl From<String> for Mistake {
    fn from(text: String) -> Self {
        Self::Value(text)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    exist: bool,
    quiet: bool,
    style: Style,
}

fn usage<T>(text: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake::Usage(text.into()))
}

impl Sets {
    /// `ipset args…` (without the program's name).
    ///
    /// # Errors
    /// The real tool's error text and exit status.
    pub fn command(&mut self, args: &[String], cx: Context<'_>) -> Result<Said, ToolError> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut said = (String::new(), String::new());
        let mut settings = Settings::default();
        let done = self.run(&words, &mut settings, cx, &mut said);
        done.map_err(|(mistake, line)| {
            let place = line.map(|n| format!("Error in line {n}: ")).unwrap_or_default();
            let (message, status) = match mistake {
                Mistake::Usage(text) => {
                    (format!("{VERSION}: {text}\nTry `ipset help' for more information.\n"), 2)
                }
                Mistake::Value(text) if settings.quiet && !text.starts_with("Syntax") => (String::new(), 1),
                Mistake::NotThere(_) if settings.quiet => (String::new(), 1),
                Mistake::NotThere(text) => (format!("{text}\n"), 1),
                Mistake::Value(text) => (format!("{VERSION}: {place}{text}\n"), 1),
                Mistake::NotModelled(what) => (format!("{VERSION}: {place}{what} is not modelled\n"), 1),
            };
            ToolError { out: std::mem::take(&mut said.0), message, status }
        })?;
        Ok(said)
    }

    fn run(
        &mut self,
        words: &[&str],
        settings: &mut Settings,
        cx: Context<'_>,
        said: &mut Said,
    ) -> Result<(), (Mistake, Option<u32>)> {
        let rest = options(words, settings).map_err(|m| (m, None))?;
        let Some((first, rest)) = rest.split_first() else {
            return Err((Mistake::Usage("No command specified.".to_owned()), None));
        };
        if matches!(*first, "version" | "-v" | "-V" | "--version") {
            said.0.push_str("ipset v7.17, protocol version: 7\n");
            return Ok(());
        }
        let name = command_name(first).map_err(|m| (m, None))?;
        if name == "restore" {
            return self.restore(*settings, cx, said);
        }
        self.one(name, rest, *settings, cx, said).map_err(|m| (m, None))
    }

    fn restore(
        &mut self,
        settings: Settings,
        cx: Context<'_>,
        said: &mut Said,
    ) -> Result<(), (Mistake, Option<u32>)> {
        for (n, line) in cx.input.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line == "COMMIT" {
                continue;
            }
            let words = split(line);
            let words: Vec<&str> = words.iter().map(|w| &*w.text).collect();
            let mut own = settings;
            let in_line = |m| match m {
                Mistake::Usage(_) => (m, None),
                m => (m, Some(n as u32 + 1)),
            };
            let rest = options(&words, &mut own).map_err(in_line)?;
            let Some((first, rest)) = rest.split_first() else { continue };
            let name = command_name(first).map_err(in_line)?;
            self.one(name, rest, own, cx, said).map_err(in_line)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        name: &'static str,
        words: &[&str],
        settings: Settings,
        cx: Context<'_>,
        said: &mut Said,
    ) -> Result<(), Mistake> {
        let needed = COMMANDS.iter().find(|c| c.0 == name).map_or(0, |c| c.2);
        if words.len() < needed {
            let which = if words.is_empty() { "" } else { "second " };
            return usage(format!("Missing {which}mandatory argument to command {name}"));
        }
        if let Some(set) = words.first().filter(|w| w.len() > MAX_NAME) {
            return Err(Mistake::Value(format!(
                "Syntax error: setname '{set}' is longer than {MAX_NAME} characters"
            )));
        }
        let at_most = match name {
            "create" | "add" | "del" | "test" => usize::MAX,
            "rename" | "swap" => 2,
            _ => 1,
        };
        if let Some(word) = words.get(at_most) {
            return usage(format!("Unknown argument {word}"));
        }
        match name {
            "create" => self.create_command(words, settings),
            "add" | "del" | "test" => self.element_command(name, words, settings, cx, said),
            "destroy" => self.destroy(words.first().copied(), cx),
            "flush" => self.flush(words.first().copied()),
            "rename" => self.rename(words[0], words[1], cx),
            "swap" => self.swap(words[0], words[1]),
            _ => {
                let mut style = settings.style;
                if name == "save" {
                    style.format = Format::Save;
                }
                self.list(words.first().copied(), style, cx, &mut said.0)
            }
        }
    }

    fn create_command(&mut self, words: &[&str], settings: Settings) -> Result<(), Mistake> {
        let kind = kind(words[1])?;
        let mut options = Options {
            family: if matches!(kind, Kind::BitmapPort | Kind::List) { None } else { Some(Family::V4) },
            hashsize: if kind.is_hash() { 1024 } else { 0 },
            maxelem: 65_536,
            netmask: None,
            timeout: None,
            counters: false,
            comment: false,
            range: (0, u128::MAX),
            size: 8,
        };
        let mut initval = None;
        let mut range = None;
        let mut netmask = None;
        let mut rest = words[2..].iter().copied();
        while let Some(option) = rest.next() {
            let mut value = || match rest.next() {
                Some(value) => Ok(value),
                None => usage(format!("Missing mandatory argument of option `{option}'")),
            };
            let hash = kind.is_hash();
            match option {
                "counters" => options.counters = true,
                "comment" => options.comment = true,
                "timeout" => options.timeout = Some(whole(value()?, 0, 2_147_483)? as u32),
                "family" if hash => {
                    options.family = Some(match value()? {
                        "inet" | "ipv4" | "-4" => Family::V4,
                        "inet6" | "ipv6" | "-6" => Family::V6,
                        other => {
                            return Err(Mistake::Value(format!("Syntax error: unknown inet family {other}")));
                        }
                    });
                }
                "-4" | "inet" if hash => options.family = Some(Family::V4),
                "-6" | "inet6" if hash => options.family = Some(Family::V6),
                "hashsize" if hash => {
                    let size = whole(value()?, 0, u64::from(u32::MAX))? as u32;
                    options.hashsize = size.clamp(64, 1 << 30).next_power_of_two();
                }
                "maxelem" if hash => options.maxelem = whole(value()?, 0, u64::from(u32::MAX))? as u32,
                "bucketsize" if hash => drop(whole(value()?, 0, 255)?),
                "initval" if hash => initval = Some(whole(value()?, 0, u64::from(u32::MAX))? as u32),
                "netmask" if matches!(kind, Kind::Ip | Kind::BitmapIp) => netmask = Some(value()?),
                "range" if matches!(kind, Kind::BitmapIp | Kind::BitmapPort) => range = Some(value()?),
                "size" if kind == Kind::List => {
                    options.size = whole(value()?, 0, u64::from(u32::MAX))? as u32
                }
                "skbinfo" | "forceadd" | "bitmask" | "markmask" => {
                    return Err(Mistake::NotModelled(format!("option `{option}' of a set")));
                }
                _ => return usage(format!("Unknown argument: `{option}'")),
            }
        }
        if let Some(text) = netmask {
            let max = options.family.map_or(32, width);
            options.netmask =
                Some(whole(text.trim_start_matches('/'), 1, max.into())? as u8).filter(|n| *n < max);
        }
        match (kind, range) {
            (Kind::BitmapIp, Some(text)) => {
                let (first, last, _) = parse_range(text, Family::V4)?;
                options.range = (first, last);
            }
            (Kind::BitmapPort, Some(text)) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                options.range = (whole(first, 0, 65_535)?.into(), whole(last, 0, 65_535)?.into());
            }
            (Kind::BitmapIp | Kind::BitmapPort, None) => return usage("Mandatory option `range' is missing"),
            _ => {}
        }
        self.create(words[0], kind, options, initval, settings.exist)?;
        Ok(())
    }

    fn element_command(
        &mut self,
        command: &str,
        words: &[&str],
        settings: Settings,
        cx: Context<'_>,
        said: &mut Said,
    ) -> Result<(), Mistake> {
        let name = words[0];
        let set = self.get(name)?;
        let elements = parse(words[1], set.kind, &set.options)?;
        let (kind, family) = (set.kind, set.options.family);
        let (extra, place) = self.extra(name, &words[2..], cx.now)?;
        if !elements.iter().all(|e| self.get(name).is_ok_and(|s| s.in_range(e))) {
            return Err(Refused::OutOfRange.into());
        }
        match command {
            "test" => {
                let mut text = String::new();
                elements[0].write(&mut text, kind, family);
                self.check_member(self.get(name)?, &elements[0])?;
                let answer = self.get_mut(name)?.look_up(elements[0].clone(), None, cx.now);
                let inside = match answer {
                    Answer::Yes(_) => !extra.nomatch,
                    Answer::Exception => extra.nomatch,
                    Answer::No => false,
                };
                if !inside {
                    return Err(Mistake::NotThere(format!("{text} is NOT in set {name}.")));
                }
                if !settings.quiet {
                    said.1.push_str(&format!("Warning: {text} is in set {name}.\n"));
                }
            }
            "del" => {
                for element in &elements {
                    self.check_member(self.get(name)?, element)?;
                    let set = self.get_mut(name)?;
                    set.expire(cx.now);
                    if !set.remove(element) && !settings.exist {
                        return Err(Refused::NotAdded.into());
                    }
                }
            }
            _ => {
                for element in elements {
                    self.add(name, element.clone(), extra.clone(), settings.exist, cx.now)?;
                    if let Some((before, other)) = &place {
                        self.move_member(name, &element, *before, other)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What follows an element: `timeout`, `packets`, `bytes`, `comment`, `nomatch`, and in a list `before` or `after` a member.
    fn extra(&self, name: &str, words: &[&str], now: SimTime) -> Result<(Extra, Option<Place>), Mistake> {
        let set = self.get(name)?;
        let options = &set.options;
        let mut extra = Extra::default();
        let mut timeout = None;
        let mut place = None;
        let mut rest = words.iter().copied();
        while let Some(option) = rest.next() {
            let mut value = || match rest.next() {
                Some(value) => Ok(value),
                None => usage(format!("Missing mandatory argument of option `{option}'")),
            };
            let without = |what: &str, support: &str| {
                Mistake::Value(format!("{what} cannot be used: set was created without {support} support"))
            };
            match option {
                "timeout" => {
                    timeout = Some(whole(value()?, 0, 2_147_483)? as u32);
                    if options.timeout.is_none() {
                        return Err(without("Timeout", "timeout"));
                    }
                }
                "packets" | "bytes" => {
                    let n = whole(value()?, 0, u64::MAX)?;
                    if !options.counters {
                        return Err(without("Packet/byte counters", "counter"));
                    }
                    *(if option == "packets" { &mut extra.packets } else { &mut extra.bytes }) = n;
                }
                "comment" => {
                    let text = value()?;
                    if !options.comment {
                        return Err(without("Comment", "comment"));
                    }
                    extra.comment = Some(text.into());
                }
                "nomatch" if set.kind.has_net() => extra.nomatch = true,
                "before" | "after" if set.kind == Kind::List => {
                    place = Some((option == "before", Arc::from(value()?)))
                }
                "skbmark" | "skbprio" | "skbqueue" => {
                    return Err(Mistake::NotModelled(format!("option `{option}' of an element")));
                }
                _ => return usage(format!("Unknown argument: `{option}'")),
            }
        }
        let expires = Extra::new(options, timeout, now).expires;
        Ok((Extra { expires, ..extra }, place))
    }

    fn move_member(
        &mut self,
        name: &str,
        element: &super::Element,
        before: bool,
        other: &str,
    ) -> Result<(), Mistake> {
        let set = self.get_mut(name)?;
        let missing =
            || Mistake::Value("Element, whichever reference element does not exist in the set.".to_owned());
        let from = set.elements.get_index_of(element).ok_or_else(missing)?;
        let to = set.elements.keys().position(|e| e.set.as_deref() == Some(other)).ok_or_else(missing)?;
        set.elements.move_index(from, if before { to } else { to + 1 });
        Ok(())
    }

    /// Rules and lists that use a set.
    fn references(&self, name: &str, cx: Context<'_>) -> u32 {
        cx.references.get(name).copied().unwrap_or(0) + self.holders(name)
    }

    fn destroy(&mut self, name: Option<&str>, cx: Context<'_>) -> Result<(), Mistake> {
        if let Some(name) = name {
            self.get(name)?;
            if self.references(name, cx) > 0 {
                return Err(Refused::InUse.into());
            }
            self.sets.shift_remove(name);
            return Ok(());
        }
        // The lists go with the sets that they hold.
        if self.sets.keys().any(|n| cx.references.contains_key(n)) {
            return Err(Refused::InUse.into());
        }
        self.sets.clear();
        Ok(())
    }

    fn flush(&mut self, name: Option<&str>) -> Result<(), Mistake> {
        match name {
            Some(name) => self.get_mut(name)?.flush(),
            None => self.sets.values_mut().for_each(super::Set::flush),
        }
        Ok(())
    }

    fn rename(&mut self, old: &str, new: &str, cx: Context<'_>) -> Result<(), Mistake> {
        let place = self.sets.get_index_of(old).ok_or(Refused::NoSet)?;
        if self.references(old, cx) > 0 {
            return Err(Mistake::Value("Set cannot be renamed: it is in use by another system".to_owned()));
        }
        if self.sets.contains_key(new) {
            return Err(Mistake::Value(
                "Set cannot be renamed: a set with the new name already exists".to_owned(),
            ));
        }
        if let Some((_, set)) = self.sets.shift_remove_index(place) {
            self.sets.shift_insert(place, new.into(), set);
        }
        Ok(())
    }

    fn swap(&mut self, first: &str, second: &str) -> Result<(), Mistake> {
        let missing = || Mistake::Value("Sets cannot be swapped: the second set does not exist".to_owned());
        let a = self.sets.get_index_of(first).ok_or(Refused::NoSet)?;
        let b = self.sets.get_index_of(second).ok_or_else(missing)?;
        let key = |i: usize| (self.sets[i].kind, self.sets[i].options.family);
        if key(a) != key(b) {
            return Err(Mistake::Value("The sets cannot be swapped: their type does not match".to_owned()));
        }
        let mut one = self.sets[a].clone();
        std::mem::swap(&mut one, &mut self.sets[b]);
        self.sets[a] = one;
        Ok(())
    }

    fn list(
        &self,
        name: Option<&str>,
        style: Style,
        cx: Context<'_>,
        out: &mut String,
    ) -> Result<(), Mistake> {
        let chosen: Vec<_> = match name {
            Some(name) => vec![(name, self.get(name)?)],
            None => {
                let lists_last =
                    |want: bool| self.sets.iter().filter(move |(_, s)| (s.kind == Kind::List) == want);
                lists_last(false).chain(lists_last(true)).map(|(n, s)| (&**n, s)).collect()
            }
        };
        for (n, (name, set)) in chosen.into_iter().enumerate() {
            if style.names {
                out.push_str(name);
                out.push('\n');
                continue;
            }
            if n > 0 && style.format == Format::Plain {
                out.push('\n');
            }
            set.print(out, name, style, self.references(name, cx), cx.now);
        }
        Ok(())
    }
}

fn command_name(word: &str) -> Result<&'static str, Mistake> {
    let found = COMMANDS.iter().find(|(name, others, _)| *name == word || others.contains(&word));
    match found {
        Some((name, ..)) => Ok(name),
        None if matches!(word, "help" | "-h" | "-H" | "--help") => {
            Err(Mistake::NotModelled("ipset help".to_owned()))
        }
        None => usage(format!("No command specified: unknown argument {word}")),
    }
}

fn kind(name: &str) -> Result<Kind, Mistake> {
    if let Some(kind) = Kind::ALL.into_iter().find(|k| k.name() == name) {
        return Ok(kind);
    }
    match name {
        "iphash" => Ok(Kind::Ip),
        "nethash" => Ok(Kind::Net),
        "ipporthash" => Ok(Kind::IpPort),
        "ipmap" => Ok(Kind::BitmapIp),
        "portmap" => Ok(Kind::BitmapPort),
        "setlist" => Ok(Kind::List),
        "hash:mac" | "hash:ip,mac" | "hash:ip,mark" | "hash:net,net" | "hash:net,port,net"
        | "bitmap:ip,mac" => Err(Mistake::NotModelled(format!("set type `{name}'"))),
        _ => Err(Mistake::Value(format!("Syntax error: typename '{name}' is unknown"))),
    }
}

/// Takes the options out; what is left is the command with its words.
fn options<'w>(words: &[&'w str], settings: &mut Settings) -> Result<Vec<&'w str>, Mistake> {
    let mut left = Vec::with_capacity(words.len());
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "-exist" | "--exist" | "-!" => settings.exist = true,
            "-q" | "-quiet" | "--quiet" => settings.quiet = true,
            "-s" | "-sorted" | "--sorted" => settings.style.sorted = true,
            "-n" | "-name" | "--name" => settings.style.names = true,
            "-t" | "-terse" | "--terse" => settings.style.terse = true,
            "-r" | "-resolve" | "--resolve" => return Err(Mistake::NotModelled("ipset -resolve".to_owned())),
            "-o" | "-output" | "--output" => match rest.next() {
                Some("plain") => settings.style.format = Format::Plain,
                Some("save") => settings.style.format = Format::Save,
                Some("xml") => return Err(Mistake::NotModelled("ipset -output xml".to_owned())),
                Some(other) => {
                    return Err(Mistake::Value(format!("Syntax error: unknown output mode '{other}'")));
                }
                None => return usage(format!("Missing mandatory argument to option {word}")),
            },
            "-f" | "-file" | "--file" => match rest.next() {
                Some(_) => return Err(Mistake::NotModelled("ipset -file".to_owned())),
                None => return usage(format!("Missing mandatory argument to option {word}")),
            },
            word => left.push(word),
        }
    }
    Ok(left)
}
