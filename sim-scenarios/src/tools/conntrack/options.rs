//! The command line of `conntrack`.

mod check;
mod values;

use std::time::Duration;

use sim_core::linux::conntrack::{Change, Entry, Filter, Nat, Tuple};
use sim_core::packet::proto;

use values::{NatKindOption, address, mark, nat_target, number, protocol, status, tcp_state};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    List,
    Get,
    Delete,
    Flush,
    Count,
    Stats,
    Event,
    Create,
    Add,
    Update,
    Help,
    Version,
}

/// How entries are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Line,
    Xml,
    Save,
}

/// `-e`: the kinds of events that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) new: bool,
    pub(super) updates: bool,
    pub(super) destroy: bool,
}

/// With which table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Table {
    #[default]
    Conntrack,
    Expect,
    Dying,
    Unconfirmed,
}

/// A command line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) table: Table,
    pub(super) filter: Filter,
    /// What `-G` asks for.
    pub(super) tuple: Option<Tuple>,
    pub(super) extended: bool,
    pub(super) id: bool,
    pub(super) zero: bool,
    pub(super) format: Format,
    pub(super) timestamp: bool,
    pub(super) events: Mask,
    /// What `-I` and `-A` make.
    pub(super) entry: Option<Entry>,
    /// What `-U` changes.
    pub(super) change: Change,
    /// `-t`.
    timeout: Option<Duration>,
}

/// Why a command line was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Worded as the program words it.
    Usage(String),
    /// The kernel refuses.
    Failed(String),
    /// The real program can do it.
    NotModelled(String),
}

fn usage<T>(what: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake::Usage(what.into()))
}

fn not_modelled<T>(what: impl std::fmt::Display) -> Result<T, Mistake> {
    Err(Mistake::NotModelled(format!("conntrack {what}")))
}

/// Whether an option takes a value: never, always, or (if attached or the next word) perhaps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    No,
    Yes,
    Perhaps,
}

/// An option: its letter, whether it takes a value, and its long names.
struct Opt(char, Value, &'static [&'static str]);

/// Options that are always known. The first long name is the one that messages use.
const OPTIONS: &[Opt] = &[
    Opt('L', Value::Perhaps, &["dump"]),
    Opt('I', Value::Perhaps, &["create"]),
    Opt('A', Value::Perhaps, &["add"]),
    Opt('D', Value::Perhaps, &["delete"]),
    Opt('G', Value::Perhaps, &["get"]),
    Opt('U', Value::Perhaps, &["update"]),
    Opt('E', Value::Perhaps, &["event"]),
    Opt('F', Value::Perhaps, &["flush"]),
    Opt('C', Value::Perhaps, &["count"]),
    Opt('S', Value::No, &["stats"]),
    Opt('h', Value::No, &["help"]),
    Opt('V', Value::No, &["version"]),
    Opt('s', Value::Yes, &["src", "orig-src"]),
    Opt('d', Value::Yes, &["dst", "orig-dst"]),
    Opt('r', Value::Yes, &["reply-src"]),
    Opt('q', Value::Yes, &["reply-dst"]),
    Opt('p', Value::Yes, &["protonum"]),
    Opt('t', Value::Yes, &["timeout"]),
    Opt('u', Value::Yes, &["status"]),
    Opt('z', Value::No, &["zero"]),
    Opt('e', Value::Yes, &["event-mask"]),
    Opt('n', Value::Perhaps, &["src-nat"]),
    Opt('g', Value::Perhaps, &["dst-nat"]),
    Opt('j', Value::Perhaps, &["any-nat"]),
    Opt('m', Value::Yes, &["mark"]),
    Opt('c', Value::Yes, &["secmark"]),
    Opt('a', Value::Yes, &["nat-range"]),
    Opt('f', Value::Yes, &["family"]),
    Opt('o', Value::Yes, &["output"]),
    Opt('b', Value::Yes, &["buffer-size"]),
    Opt('w', Value::Yes, &["zone"]),
    Opt('l', Value::Yes, &["label"]),
    Opt('<', Value::Yes, &["label-add"]),
    Opt('>', Value::Perhaps, &["label-del"]),
    Opt('(', Value::Yes, &["orig-zone"]),
    Opt(')', Value::Yes, &["reply-zone"]),
    Opt('[', Value::Yes, &["tuple-src"]),
    Opt(']', Value::Yes, &["tuple-dst"]),
    Opt('{', Value::Yes, &["mask-src"]),
    Opt('}', Value::Yes, &["mask-dst"]),
];

/// Options that are known after `-p` of a protocol with ports.
const PORT_OPTIONS: &[Opt] = &[
    Opt('1', Value::Yes, &["sport", "orig-port-src"]),
    Opt('2', Value::Yes, &["dport", "orig-port-dst"]),
    Opt('3', Value::Yes, &["reply-port-src"]),
    Opt('4', Value::Yes, &["reply-port-dst"]),
];

/// And of TCP.
const TCP_OPTIONS: &[Opt] = &[Opt('5', Value::Yes, &["state"])];

/// And of ICMP.
const ICMP_OPTIONS: &[Opt] = &[
    Opt('6', Value::Yes, &["icmp-type"]),
    Opt('7', Value::Yes, &["icmp-code"]),
    Opt('8', Value::Yes, &["icmp-id"]),
];

/// Reads the words after the program's name.
pub(super) fn parse(args: &[String]) -> Result<Request, Mistake> {
    let mut reader = Reader {
        words: args,
        next: 0,
        known: OPTIONS.iter().collect(),
        command: None,
        used: Vec::new(),
        request: Request {
            command: Command::Version,
            table: Table::Conntrack,
            filter: Filter::default(),
            tuple: None,
            extended: false,
            id: false,
            zero: false,
            format: Format::Line,
            timestamp: false,
            events: Mask { new: true, updates: true, destroy: true },
            entry: None,
            change: Change::default(),
            timeout: None,
        },
    };
    reader.read()?;
    reader.finish()
}

struct Reader<'a> {
    words: &'a [String],
    next: usize,
    known: Vec<&'static Opt>,
    command: Option<char>,
    /// Options that were given, by letter, with the name that messages use.
    used: Vec<(char, &'static str)>,
    request: Request,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), Mistake> {
        while let Some(word) = self.words.get(self.next) {
            self.next += 1;
            if word == "--" {
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                let (name, attached) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                let Some(opt) = self.long(name) else { return usage(format!("unknown option `{word}'")) };
                if opt.1 == Value::No && attached.is_some() {
                    return usage(format!("unknown option `{word}'"));
                }
                self.take(opt, word, attached)?;
            } else if word.len() > 1
                && let Some(letters) = word.strip_prefix('-')
            {
                self.bundle(word, letters)?;
            }
            // Other words are ignored, as the program does.
        }
        Ok(())
    }

    /// `-Lp udp`: each letter up to the first that takes the rest of the word as its value.
    fn bundle(&mut self, word: &str, letters: &'a str) -> Result<(), Mistake> {
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            let found = self.known.iter().find(|o| o.0 == letter && letter.is_ascii_alphabetic());
            let Some(opt) = found.copied() else { return usage(format!("unknown option `{word}'")) };
            if opt.1 == Value::No {
                self.take(opt, word, None)?;
                continue;
            }
            return self.take(opt, word, (!rest.is_empty()).then_some(rest));
        }
        Ok(())
    }

    /// A long name, or the beginning of one if only one option's begins so.
    fn long(&self, name: &str) -> Option<&'static Opt> {
        let exact = self.known.iter().find(|o| o.2.contains(&name));
        if exact.is_some() {
            return exact.copied();
        }
        let mut matches = self.known.iter().filter(|o| o.2.iter().any(|n| n.starts_with(name)));
        let first = matches.next()?;
        matches.next().is_none().then_some(*first)
    }

    fn take(&mut self, opt: &'static Opt, word: &str, attached: Option<&'a str>) -> Result<(), Mistake> {
        let value = match opt.1 {
            Value::No => None,
            Value::Perhaps => attached.or_else(|| self.optional_word(opt.0)),
            Value::Yes => match attached.or_else(|| self.word()) {
                Some(value) => Some(value),
                None => return usage(format!("option `{word}' requires an argument")),
            },
        };
        if opt.0.is_ascii_uppercase() || opt.0 == 'h' {
            // The rest of `-LF` is not looked at; the table is a word of its own.
            let table = if attached.is_some() { None } else { value.or_else(|| self.optional_word('L')) };
            return self.command(opt.0, table);
        }
        self.used.push((opt.0, opt.2[0]));
        self.option(opt.0, opt.2[0], value)
    }

    fn word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    fn optional_word(&mut self, letter: char) -> Option<&'a str> {
        let word = self.words.get(self.next)?;
        if word.starts_with('-') || letter == '>' {
            return None;
        }
        self.word()
    }

    fn command(&mut self, letter: char, table: Option<&str>) -> Result<(), Mistake> {
        if self.command.replace(letter).is_some() {
            return usage("Invalid commands combination");
        }
        if let Some(name) = table {
            let tables = [
                ("expect", Table::Expect),
                ("conntrack", Table::Conntrack),
                ("dying", Table::Dying),
                ("unconfirmed", Table::Unconfirmed),
            ];
            let Some((_, table)) = tables.into_iter().find(|(full, _)| full.starts_with(name)) else {
                return usage(format!("unknown type `{name}'"));
            };
            self.request.table = table;
        }
        Ok(())
    }

    fn option(&mut self, letter: char, name: &str, value: Option<&str>) -> Result<(), Mistake> {
        let text = value.unwrap_or_default();
        let f = &mut self.request.filter;
        match letter {
            's' => f.orig_src = Some(address(text, &mut f.ipv4)?),
            'd' => f.orig_dst = Some(address(text, &mut f.ipv4)?),
            'r' => f.reply_src = Some(address(text, &mut f.ipv4)?),
            'q' => f.reply_dst = Some(address(text, &mut f.ipv4)?),
            'n' => f.src_nat = Some(nat(value, NatKindOption::Source)?),
            'g' => f.dst_nat = Some(nat(value, NatKindOption::Destination)?),
            'j' => f.any_nat = Some(nat(value, NatKindOption::Any)?),
            'm' => f.mark = Some(mark(text)),
            'u' => (f.status, f.status_unset) = status(text)?,
            'f' => match text.to_ascii_lowercase().as_str() {
                "ipv4" => f.ipv4 = Some(true),
                "ipv6" => f.ipv4 = Some(false),
                _ => return usage(format!("`{text}' unsupported protocol")),
            },
            'p' => self.protocol(text)?,
            'o' => self.output(text)?,
            'z' => self.request.zero = true,
            'w' | '(' | ')' if number(text) != 0 => return not_modelled(format!("--{name}")),
            't' => self.request.timeout = Some(Duration::from_secs(number(text).max(0).unsigned_abs())),
            'b' => return not_modelled("--buffer-size"),
            'e' => self.request.events = mask(text)?,
            'w' | '(' | ')' => {}
            '1' => f.orig_sport = Some(number(text) as u16),
            '2' => f.orig_dport = Some(number(text) as u16),
            '3' => f.reply_sport = Some(number(text) as u16),
            '4' => f.reply_dport = Some(number(text) as u16),
            '5' => f.state = Some(tcp_state(text)?),
            '6' => f.icmp_type = Some(number(text) as u8),
            '7' => f.icmp_code = Some(number(text) as u8),
            '8' => f.orig_sport = Some(number(text) as u16),
            _ => return not_modelled(format!("--{name}")),
        }
        Ok(())
    }

    fn protocol(&mut self, text: &str) -> Result<(), Mistake> {
        let Some(number) = protocol(text) else { return usage(format!("`{text}' unsupported protocol")) };
        self.request.filter.protocol = Some(number);
        match number {
            proto::TCP => self.known.extend(PORT_OPTIONS.iter().chain(TCP_OPTIONS)),
            proto::UDP | proto::SCTP => self.known.extend(PORT_OPTIONS),
            proto::ICMP | proto::ICMPV6 => self.known.extend(ICMP_OPTIONS),
            _ => {}
        }
        Ok(())
    }

    fn output(&mut self, text: &str) -> Result<(), Mistake> {
        for format in text.split(',') {
            match format.to_ascii_lowercase().as_str() {
                "extended" => self.request.extended = true,
                "id" => self.request.id = true,
                "xml" => self.request.format = Format::Xml,
                "save" if text.contains(',') => {
                    let why = "cannot combine save output with any other output type, use -o save only";
                    return usage(why);
                }
                "save" => self.request.format = Format::Save,
                "timestamp" => self.request.timestamp = true,
                // Nothing to show: the kernel's timestamps are off, and who made an event is always told.
                "ktimestamp" | "userspace" => {}
                "labels" => return not_modelled("-o labels"),
                _ => return usage(format!("Bad parameter `{format}'")),
            }
        }
        Ok(())
    }
}

/// The value of `-e`.
fn mask(text: &str) -> Result<Mask, Mistake> {
    let mut mask = Mask { new: false, updates: false, destroy: false };
    for word in text.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "ALL" => mask = Mask { new: true, updates: true, destroy: true },
            "NEW" => mask.new = true,
            "UPDATES" => mask.updates = true,
            "DESTROY" => mask.destroy = true,
            _ => return usage(format!("Bad parameter `{word}'")),
        }
    }
    Ok(mask)
}

fn nat(value: Option<&str>, kind: NatKindOption) -> Result<Nat, Mistake> {
    value.map_or(Ok(Nat::default()), |text| nat_target(text, kind))
}
