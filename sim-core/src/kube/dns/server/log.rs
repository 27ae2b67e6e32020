//! The plugins errors and log: lines in the process' output.

use std::net::IpAddr;
use std::time::Duration;

use regex::Regex;

use super::Transport;
use super::cache::Class;
use super::chain::{Cx, Done, Plugin, Step, next};
use super::setup::{duration, go_duration, once_more};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::Message;
use crate::time::SimTime;

/// The plugin errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    patterns: Vec<Pattern>,
}

/// Errors that are counted, and told of together.
#[derive(Clone, Debug)]
struct Pattern {
    period: Duration,
    regex: Regex,
    level: &'static str,
    /// How many there were, and when they are told of.
    waiting: Option<(u32, SimTime)>,
}

impl Errors {
    pub(super) fn setup(c: &mut Dispenser) -> Result<Self, String> {
        let mut errors = None;
        while c.advance() {
            once_more(&errors)?;
            match &c.remaining_args()[..] {
                [] => {}
                [file] if file == "stdout" => {}
                [file] => return Err(c.err(&format!("invalid log file: {file}"))),
                _ => return Err(c.arg_err()),
            }
            let mut own = Self::default();
            while c.next_block() {
                match c.val() {
                    "stacktrace" | "panicRecoveryStacktrace" => {}
                    "consolidate" => own.patterns.push(Pattern::setup(c)?),
                    other => return Err(c.syntax_err(&format!("Unknown field {other}"))),
                }
            }
            errors = Some(own);
        }
        Ok(errors.unwrap_or_default())
    }

    pub(super) fn serve(&mut self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let done = next(rest, query, cx, "errors")?;
        let (Some(error), Some(question)) = (&done.error, &query.question) else { return Ok(done) };
        if let Some(pattern) = self.patterns.iter_mut().find(|p| p.regex.is_match(error)) {
            let (count, at) = pattern.waiting.unwrap_or((0, cx.now + pattern.period));
            pattern.waiting = Some((count + 1, at));
        } else {
            let (rcode, name) = (done.rcode.0, question.name.to_ascii_lowercase());
            cx.log.push(format!("[ERROR] plugin/errors: {rcode} {name} {}: {error}", question.rtype));
        }
        Ok(done)
    }

    /// When there is something to tell.
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        self.patterns.iter().filter_map(|p| p.waiting.map(|(_, at)| at)).min()
    }

    pub(super) fn on_timer(&mut self, now: SimTime, log: &mut Vec<String>) {
        for pattern in &mut self.patterns {
            if let Some((count, _)) = pattern.waiting.filter(|(_, at)| *at <= now) {
                pattern.waiting = None;
                let (level, regex, period) =
                    (pattern.level, pattern.regex.as_str(), go_duration(pattern.period));
                log.push(format!(
                    "[{level}] plugin/errors: {count} errors like '{regex}' occurred in last {period}"
                ));
            }
        }
    }
}

impl Pattern {
    fn setup(c: &mut Dispenser) -> Result<Self, String> {
        let args = c.remaining_args();
        let (period, regex, level) = match &args[..] {
            [period, regex] => (period, regex, "ERROR"),
            [period, regex, level] => {
                let level = match level.as_str() {
                    "warning" => "WARNING",
                    "error" => "ERROR",
                    "info" => "INFO",
                    "debug" => "DEBUG",
                    _ => {
                        let message = format!("unknown log level argument in consolidate: {level}");
                        return Err(c.err(&message));
                    }
                };
                (period, regex, level)
            }
            _ => return Err(c.arg_err()),
        };
        let period = duration(period).map_err(|e| c.err(&e))?;
        let regex = Regex::new(regex).map_err(|e| c.err(&format!("error parsing regexp: {e}")))?;
        Ok(Self { period, regex, level, waiting: None })
    }
}

/// The plugin log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    rules: Vec<Rule>,
}

/// Which queries are written down, and how.
#[derive(Clone, Debug)]
struct Rule {
    scopes: Vec<String>,
    format: String,
    classes: Vec<Wanted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Denial,
    Error,
    Success,
}

const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";

impl Log {
    pub(super) fn setup(c: &mut Dispenser) -> Result<Self, String> {
        let mut rules = Vec::new();
        while c.advance() {
            let mut args = c.remaining_args();
            let format = args.last().filter(|a| a.contains('{')).cloned();
            if format.is_some() {
                args.pop();
            }
            let format = match format.as_deref() {
                None | Some("{common}") => COMMON.to_owned(),
                Some("{combined}") => format!("{COMMON} \"{{>opcode}}\""),
                Some(own) => own.to_owned(),
            };
            let scopes = if args.is_empty() { vec![".".to_owned()] } else { args };
            let scopes = scopes.iter().map(|s| name::absolute(s).to_ascii_lowercase()).collect();
            let mut rule = Rule { scopes, format, classes: Vec::new() };
            while c.next_block() {
                if c.val() != "class" {
                    return Err(c.arg_err());
                }
                let words = c.remaining_args();
                if words.is_empty() {
                    return Err(c.arg_err());
                }
                for word in words {
                    rule.classes.push(match word.as_str() {
                        "all" => Wanted::All,
                        "denial" => Wanted::Denial,
                        "error" => Wanted::Error,
                        "success" => Wanted::Success,
                        _ => return Err(format!("invalid Class: {word}")),
                    });
                }
            }
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let done = next(rest, query, cx, "log")?;
        let asked = query.question.as_ref().map_or(".", |q| &q.name);
        let covers = |r: &&Rule| r.scopes.iter().any(|s| name::zone_start(asked, s).is_some());
        if let Some(rule) = self.rules.iter().find(covers)
            && rule.wants(&done)
        {
            let line = rule.line(query, &done, cx);
            cx.log.push(format!("[INFO] {line}"));
        }
        Ok(done)
    }
}

impl Rule {
    fn wants(&self, done: &Done) -> bool {
        let class = match done.reply.as_ref().map(Class::of) {
            Some(Class::Answer) => Wanted::Success,
            Some(Class::NoData | Class::NameError) => Wanted::Denial,
            Some(Class::Failure | Class::Other) | None => Wanted::Error,
        };
        self.classes.is_empty() || self.classes.contains(&Wanted::All) || self.classes.contains(&class)
    }

    /// The format with its words in braces filled in.
    fn line(&self, query: &Message, done: &Done, cx: &Cx<'_>) -> String {
        let mut out = String::new();
        let mut rest = self.format.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((word, after)) = after.split_once('}') else {
                out.push('{');
                rest = after;
                continue;
            };
            match value(word, query, done, cx) {
                Some(text) => out.push_str(&text),
                None => out.push_str(&format!("{{{word}}}")),
            }
            rest = after;
        }
        out + rest
    }
}

fn value(word: &str, query: &Message, done: &Done, cx: &Cx<'_>) -> Option<String> {
    let question = query.question.as_ref()?;
    let bracketed = |ip: IpAddr| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let reply = done.reply.as_ref();
    Some(match word {
        "type" => question.rtype.to_string(),
        "class" => "IN".to_owned(),
        "name" => question.name.clone(),
        "proto" => if cx.client.transport == Transport::Tcp { "tcp" } else { "udp" }.to_owned(),
        "remote" => bracketed(cx.client.addr.ip().to_canonical()),
        "port" => cx.client.addr.port().to_string(),
        "size" => cx.size.to_string(),
        "rcode" => reply.map_or("-".to_owned(), |r| r.rcode.to_string()),
        "rsize" => reply.and_then(|r| r.to_bytes().ok()).map_or(0, |b| b.len()).to_string(),
        "duration" => seconds(cx.now.since(cx.arrived)),
        ">id" => query.id.to_string(),
        ">opcode" => query.opcode.to_string(),
        ">do" => query.edns.as_ref().is_some_and(|e| e.dnssec_ok).to_string(),
        ">bufsize" => match cx.client.transport {
            Transport::Tcp => u16::MAX.to_string(),
            Transport::Udp => query.edns.as_ref().map_or(512, |e| e.udp_size.max(512)).to_string(),
        },
        ">rflags" => reply.map_or("-".to_owned(), flags),
        _ if word.starts_with('/') => "-".to_owned(),
        _ => return None,
    })
}

fn flags(reply: &Message) -> String {
    let f = &reply.flags;
    let all = [
        ("qr", reply.response),
        ("aa", f.aa),
        ("tc", f.tc),
        ("rd", f.rd),
        ("ra", f.ra),
        ("ad", f.ad),
        ("cd", f.cd),
    ];
    all.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

/// As Go prints the number of seconds: no more digits than it takes.
fn seconds(time: Duration) -> String {
    let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}
