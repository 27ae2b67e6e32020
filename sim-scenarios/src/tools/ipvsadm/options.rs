//! The command line: the first option is the command.

use std::net::{IpAddr, SocketAddr};

use sim_core::linux::ipvs::{Persistence, SchedFlags, ServiceKey};
use sim_core::packet::proto;

use super::list::Format;
use super::{Failure, REFUSED, fail, try_help};
use crate::tools::nc::services;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Add,
    Edit,
    Delete,
    Clear,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    Set,
    Restore,
    Save,
    Zero,
    Help,
    Version,
}

/// A command with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) service: Option<ServiceKey>,
    pub(super) scheduler: Option<String>,
    pub(super) sched_flags: Option<String>,
    pub(super) persistence: Option<Persistence>,
    pub(super) server: Option<SocketAddr>,
    pub(super) forward: Option<char>,
    pub(super) weight: u32,
    /// Upper and lower limit of connections.
    pub(super) limits: [u32; 2],
    pub(super) timeouts: [u32; 3],
    pub(super) format: Format,
    /// Names of [`OPTIONS`] that were given.
    given: Vec<&'static str>,
}

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    Maybe,
}

/// Commands: long name, letters.
const COMMANDS: [(&str, &str, Command); 14] = [
    ("add-service", "A", Command::Add),
    ("edit-service", "E", Command::Edit),
    ("delete-service", "D", Command::Delete),
    ("clear", "C", Command::Clear),
    ("list", "Ll", Command::List),
    ("zero", "Z", Command::Zero),
    ("add-server", "a", Command::AddServer),
    ("edit-server", "e", Command::EditServer),
    ("delete-server", "d", Command::DeleteServer),
    ("set", "", Command::Set),
    ("help", "h", Command::Help),
    ("version", "v", Command::Version),
    ("restore", "R", Command::Restore),
    ("save", "S", Command::Save),
];

/// Options: long name, letter, value, and the name that messages and the table of combinations use.
const OPTIONS: [(&str, char, Takes, &str); 35] = [
    ("tcp-service", 't', Takes::Value, "service-address"),
    ("udp-service", 'u', Takes::Value, "service-address"),
    ("sctp-service", '\0', Takes::Value, "service-address"),
    ("fwmark-service", 'f', Takes::Value, "service-address"),
    ("scheduler", 's', Takes::Value, "scheduler"),
    ("persistent", 'p', Takes::Maybe, "persistent"),
    ("netmask", 'M', Takes::Value, "netmask"),
    ("real-server", 'r', Takes::Value, "real-server"),
    ("masquerading", 'm', Takes::Nothing, "forwarding-method"),
    ("ipip", 'i', Takes::Nothing, "forwarding-method"),
    ("gatewaying", 'g', Takes::Nothing, "forwarding-method"),
    ("weight", 'w', Takes::Value, "weight"),
    ("u-threshold", 'x', Takes::Value, "u-threshold"),
    ("l-threshold", 'y', Takes::Value, "l-threshold"),
    ("numeric", 'n', Takes::Nothing, "numeric"),
    ("connection", 'c', Takes::Nothing, "connection"),
    ("mcast-interface", '\0', Takes::Value, "mcast-interface"),
    ("syncid", '\0', Takes::Value, "syncid"),
    ("timeout", '\0', Takes::Nothing, "timeout"),
    ("daemon", '\0', Takes::Nothing, "daemon"),
    ("stats", '\0', Takes::Nothing, "stats"),
    ("rate", '\0', Takes::Nothing, "rate"),
    ("thresholds", '\0', Takes::Nothing, "thresholds"),
    ("persistent-conn", '\0', Takes::Nothing, "persistent-conn"),
    ("nosort", '\0', Takes::Nothing, "nosort"),
    ("sort", '\0', Takes::Nothing, ""),
    ("exact", 'X', Takes::Nothing, "exact"),
    ("ipv6", '6', Takes::Nothing, ""),
    ("ops", 'o', Takes::Nothing, "ops"),
    ("pe", '\0', Takes::Value, "pe"),
    ("sched-flags", 'b', Takes::Value, "sched-flags"),
    ("tun-info", '\0', Takes::Nothing, "tun-info"),
    ("start-daemon", '\0', Takes::Value, "start-daemon"),
    ("stop-daemon", '\0', Takes::Value, "stop-daemon"),
    ("tun-type", '\0', Takes::Value, "tun-type"),
];

/// The options in the order in which combinations are checked.
const CHECKED: [&str; 24] = [
    "numeric",
    "connection",
    "service-address",
    "scheduler",
    "persistent",
    "netmask",
    "real-server",
    "forwarding-method",
    "weight",
    "u-threshold",
    "l-threshold",
    "mcast-interface",
    "timeout",
    "daemon",
    "stats",
    "rate",
    "thresholds",
    "persistent-conn",
    "nosort",
    "syncid",
    "exact",
    "ops",
    "pe",
    "sched-flags",
];

/// 31 days.
const MAX_TIMEOUT: i64 = 86_400 * 31;
/// What `-p` without a number means.
const PERSISTENT: u32 = 360;

/// What the words are, one by one.
enum Word<'a> {
    Command(Command),
    Option(usize, Option<&'a str>),
    Operand(&'a str),
}

/// Finds the IPv4 address of a name.
type Resolve<'a> = dyn FnMut(&str) -> Option<IpAddr> + 'a;

pub(super) fn parse(args: &[String], resolve: &mut Resolve<'_>) -> Result<Request, Failure> {
    let words = split(args);
    let mut words = words.into_iter();
    let command = match words.find(|w| !matches!(w, Ok(Word::Operand(_)))) {
        Some(Ok(Word::Command(command))) => command,
        Some(Ok(Word::Option(i, _))) if matches!(OPTIONS[i].0, "start-daemon" | "stop-daemon") => {
            return Err(Failure::NotModelled(format!("--{}", OPTIONS[i].0)));
        }
        _ => return try_help(),
    };
    let mut r = Request {
        command,
        service: None,
        scheduler: None,
        sched_flags: None,
        persistence: None,
        server: None,
        forward: None,
        weight: 1,
        limits: [0; 2],
        timeouts: [0; 3],
        format: Format::default(),
        given: Vec::new(),
    };
    if matches!(command, Command::Help | Command::Version) {
        return Ok(r);
    }
    let (mut operands, mut netmask) = (Vec::new(), None);
    for word in words {
        match word {
            Ok(Word::Operand(text)) => operands.push(text),
            Ok(Word::Option(i, value)) => r.option(i, value, &mut netmask, resolve)?,
            Ok(Word::Command(c)) => {
                let name = COMMANDS.iter().find(|row| row.2 == c).map_or("", |row| row.0);
                return fail(format!("invalid option `--{name}'"));
            }
            Err((text, what)) => return Err(Failure::Fail(REFUSED, format!("{text}: {what}"))),
        }
    }
    if let (Some(prefix), Some(kept)) = (netmask, &mut r.persistence) {
        kept.prefix = prefix;
    }
    let mut operands = operands.into_iter();
    if command == Command::Set {
        for slot in &mut r.timeouts {
            let Some(text) = operands.next() else { return fail("--set option requires 3 timeout values") };
            *slot = timeout(text, 0)?;
        }
    }
    if let Some(text) = operands.next() {
        return fail(format!("unexpected argument {text}"));
    }
    r.check()?;
    Ok(r)
}

/// Takes words apart as popt does; a word that is no option and one without its value are mistakes.
fn split(args: &[String]) -> Vec<Result<Word<'_>, (String, &'static str)>> {
    const UNKNOWN: &str = "unknown option";
    const MISSING: &str = "missing argument";
    let mut found = Vec::new();
    let mut at = 0;
    let optional = |takes: Takes, next: Option<&String>| {
        takes == Takes::Value || takes == Takes::Maybe && next.is_some_and(|n| !n.starts_with('-'))
    };
    while let Some(word) = args.get(at) {
        at += 1;
        if let Some(long) = word.strip_prefix("--") {
            let (name, mut value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
            if let Some(row) = COMMANDS.iter().find(|row| row.0 == name) {
                found.push(Ok(Word::Command(row.2)));
            } else if let Some(i) = OPTIONS.iter().position(|row| row.0 == name) {
                if value.is_none() && optional(OPTIONS[i].2, args.get(at)) {
                    value = args.get(at).map(String::as_str);
                    at += 1;
                }
                let missing = value.is_none() && OPTIONS[i].2 == Takes::Value;
                found.push(if missing { Err((word.clone(), MISSING)) } else { Ok(Word::Option(i, value)) });
            } else {
                found.push(Err((word.clone(), UNKNOWN)));
            }
            continue;
        }
        let Some(cluster) = word.strip_prefix('-').filter(|c| !c.is_empty()) else {
            found.push(Ok(Word::Operand(word)));
            continue;
        };
        for (i, letter) in cluster.char_indices() {
            if let Some(row) = COMMANDS.iter().find(|row| row.1.contains(letter)) {
                found.push(Ok(Word::Command(row.2)));
                continue;
            }
            let Some(option) = OPTIONS.iter().position(|row| row.1 == letter) else {
                found.push(Err((format!("-{letter}"), UNKNOWN)));
                break;
            };
            if OPTIONS[option].2 == Takes::Nothing {
                found.push(Ok(Word::Option(option, None)));
                continue;
            }
            let rest = cluster[i + letter.len_utf8()..].trim_start_matches('=');
            let mut value = Some(rest).filter(|r| !r.is_empty());
            if value.is_none() && optional(OPTIONS[option].2, args.get(at)) {
                value = args.get(at).map(String::as_str);
                at += 1;
            }
            let missing = value.is_none() && OPTIONS[option].2 == Takes::Value;
            found.push(if missing {
                Err((format!("-{letter}"), MISSING))
            } else {
                Ok(Word::Option(option, value))
            });
            break;
        }
    }
    found
}

impl Request {
    fn option(
        &mut self,
        i: usize,
        value: Option<&str>,
        netmask: &mut Option<u8>,
        resolve: &mut Resolve<'_>,
    ) -> Result<(), Failure> {
        let (long, _, _, name) = OPTIONS[i];
        if self.given.contains(&name) && !name.is_empty() {
            return fail(format!("multiple '{name}' options specified"));
        }
        self.given.push(name);
        let text = value.unwrap_or_default();
        match long {
            "tcp-service" => self.service(text, proto::TCP, resolve)?,
            "udp-service" => self.service(text, proto::UDP, resolve)?,
            "sctp-service" => self.service(text, proto::SCTP, resolve)?,
            "scheduler" => self.scheduler = Some(text.to_owned()),
            "sched-flags" => self.sched_flags = Some(text.to_owned()),
            "persistent" => {
                let seconds = value.map_or(Ok(PERSISTENT), |v| timeout(v, 1))?;
                let v6 = self.service.is_some_and(|s| s.at.is_ipv6());
                self.persistence = Some(Persistence { seconds, prefix: if v6 { 128 } else { 32 } });
            }
            "netmask" => *netmask = Some(self.netmask(text)?),
            "real-server" => {
                let service = self.service;
                let protocol = service.map_or(proto::TCP, |s| s.protocol);
                let Some((ip, port)) = address(text, protocol, resolve) else {
                    return fail("illegal real server address[:port] specified");
                };
                let port = port.or_else(|| service.map(|s| s.at.port())).unwrap_or(0);
                self.server = Some(SocketAddr::new(ip, port));
            }
            "masquerading" => self.forward = Some('m'),
            "ipip" => self.forward = Some('i'),
            "gatewaying" => self.forward = Some('g'),
            "weight" => self.weight = number(text, 65535, "weight")?,
            "u-threshold" => self.limits[0] = number(text, i32::MAX.into(), "u_threshold")?,
            "l-threshold" => self.limits[1] = number(text, i32::MAX.into(), "l_threshold")?,
            "numeric" => self.format.numeric = true,
            "connection" => self.format.connections = true,
            "timeout" => self.format.timeouts = true,
            "daemon" => self.format.daemon = true,
            "stats" => self.format.stats = true,
            "rate" => self.format.rate = true,
            "thresholds" => self.format.thresholds = true,
            "persistent-conn" => self.format.persistent = true,
            "nosort" => self.format.unsorted = true,
            "exact" => self.format.exact = true,
            "sort" => {}
            "ipv6" => return fail("-6 used before -f\n"),
            other => return Err(Failure::NotModelled(format!("--{other}"))),
        }
        Ok(())
    }

    fn service(&mut self, text: &str, protocol: u8, resolve: &mut Resolve<'_>) -> Result<(), Failure> {
        let Some((ip, port)) = address(text, protocol, resolve) else {
            return fail("illegal virtual server address[:port] specified");
        };
        self.service = Some(ServiceKey { protocol, at: SocketAddr::new(ip, port.unwrap_or(0)) });
        Ok(())
    }

    /// `-M`: a mask in IPv4, a prefix length in IPv6.
    fn netmask(&self, text: &str) -> Result<u8, Failure> {
        if self.service.is_some_and(|s| s.at.is_ipv6()) {
            let prefix = text.parse::<u8>().ok().filter(|p| (1..=128).contains(p));
            return prefix.map_or_else(|| fail("illegal ipv6 netmask specified"), Ok);
        }
        let Ok(mask) = text.parse::<std::net::Ipv4Addr>() else {
            return fail("illegal virtual server persistent mask specified");
        };
        match ipnet::ipv4_mask_to_prefix(mask) {
            Ok(prefix) => Ok(prefix),
            Err(_) => Err(Failure::NotModelled(format!("the mask {mask}, which is no prefix"))),
        }
    }

    /// The table of combinations (`commands_v_options`).
    fn check(&self) -> Result<(), Failure> {
        let (needed, allowed, exclusive): (&[&str], &[&str], &[&str]) = match self.command {
            Command::Add | Command::Edit => (
                &["service-address"],
                &["scheduler", "persistent", "netmask", "ops", "pe", "sched-flags"],
                &[],
            ),
            Command::Delete => (&["service-address"], &[], &[]),
            Command::List => (
                &[],
                &["numeric", "stats", "rate", "thresholds", "persistent-conn", "nosort", "syncid", "exact"],
                &["connection", "service-address", "timeout", "daemon"],
            ),
            Command::AddServer | Command::EditServer => (
                &["service-address", "real-server"],
                &["forwarding-method", "weight", "u-threshold", "l-threshold"],
                &[],
            ),
            Command::DeleteServer => (&["service-address", "real-server"], &[], &[]),
            Command::Save => (&[], &["numeric"], &[]),
            Command::Zero => (&[], &["service-address"], &[]),
            _ => (&[], &[], &[]),
        };
        let command = COMMANDS.iter().find(|row| row.2 == self.command).map_or("", |row| row.0);
        let command = if self.command == Command::Clear { "flush" } else { command };
        let mut last = None;
        for option in CHECKED {
            if !self.given.contains(&option) {
                if needed.contains(&option) {
                    return fail(format!(
                        "You need to supply the '{option}' option for the '{command}' command"
                    ));
                }
            } else if exclusive.contains(&option) {
                if let Some(last) = last {
                    return fail(format!(
                        "The option '{option}' conflicts with the '{last}' option in the '{command}' command"
                    ));
                }
                last = Some(option);
            } else if !needed.contains(&option) && !allowed.contains(&option) {
                return fail(format!("Illegal '{option}' option with the '{command}' command"));
            }
        }
        let f = &self.format;
        let other = f.connections || f.timeouts || f.daemon;
        if self.command == Command::List
            && (other && (f.stats || f.rate || f.thresholds) || (f.timeouts || f.daemon) && f.persistent)
        {
            return fail("options conflicts in the list command");
        }
        Ok(())
    }
}

fn number(text: &str, max: i64, what: &str) -> Result<u32, Failure> {
    match text.parse::<i64>().ok().filter(|n| (0..=max).contains(n)) {
        Some(n) => Ok(n as u32),
        None => fail(format!("illegal {what} specified")),
    }
}

fn timeout(text: &str, min: i64) -> Result<u32, Failure> {
    match text.parse::<i64>().ok().filter(|n| (min..=MAX_TIMEOUT).contains(n)) {
        Some(n) => Ok(n as u32),
        None => fail(format!("invalid timeout value `{text}' specified")),
    }
}

/// `host[:port]`, `[v6]:port`; the port is none if it is not given.
fn address(text: &str, protocol: u8, resolve: &mut Resolve<'_>) -> Option<(IpAddr, Option<u16>)> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once("]:")?;
        (host, Some(port))
    } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let ip = host.parse().ok().or_else(|| resolve(host))?;
    let Some(port) = port else { return Some((ip, None)) };
    let named = || services::port(port, protocol == proto::UDP).filter(|_| protocol != proto::SCTP);
    Some((ip, Some(port.parse().ok().or_else(named)?)))
}

/// `-b`.
pub(super) fn sched_flags(text: &str) -> Result<SchedFlags, Failure> {
    let mut flags = SchedFlags::default();
    for word in text.split(',') {
        match word {
            "flag-1" | "sh-fallback" | "mh-fallback" => flags.flag1 = true,
            "flag-2" | "sh-port" | "mh-port" => flags.flag2 = true,
            "flag-3" => flags.flag3 = true,
            _ => return fail("invalid scheduler flags specified"),
        }
    }
    Ok(flags)
}
