//! From a Corefile to server blocks that can answer: each plugin reads its own words, in CoreDNS' order.

use std::net::IpAddr;
use std::time::Duration;

use super::autopath::Autopath;
use super::cache::Cache;
use super::chain::Plugin;
use super::forward::Forward;
use super::hosts::Hosts;
use super::kubernetes::{Kubernetes, Options};
use super::log::{Errors, Log};
use super::looping::Loop;
use super::rewrite::Rewrite;
use super::template::Templates;
use super::zone_file::ZoneFiles;
use crate::kube::dns::corefile::{
    self, DIRECTIVES, Dispenser, ServerBlock, ServerKey, Surroundings, normalize_all, server_keys,
};

/// What the plugins of one block can look at while they read their words.
pub(in crate::kube::dns) struct Setup<'a> {
    /// The block's zones.
    pub(super) keys: &'a [String],
    /// Addresses of the process.
    pub(super) bound: &'a [IpAddr],
    pub(super) around: &'a dyn Surroundings,
}

/// A server block that is ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) keys: Vec<ServerKey>,
    /// Addresses to listen on; none: all.
    pub(super) hosts: Vec<IpAddr>,
    pub(super) plugins: Vec<Plugin>,
}

/// What all blocks say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) blocks: Vec<Block>,
    pub(super) forwards: Vec<Forward>,
    pub(super) extras: Extras,
}

/// What plugins do besides answering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    /// Interval and jitter of the plugin reload.
    pub(super) reload: Option<(Duration, Duration)>,
    /// Ports of HTTP servers: what they answer, by `health`, `ready` and `prometheus`.
    pub(super) http: Vec<(Extra, Option<IpAddr>, u16)>,
    /// How long the process goes on after it was told to end.
    pub(super) lameduck: Duration,
}

/// A plugin that serves HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// `/health`.
    Health,
    /// `/ready`.
    Ready,
    /// `/metrics`.
    Metrics,
}

/// Reads a Corefile.
///
/// # Errors
/// What CoreDNS says, or what is not modelled, named.
pub(super) fn configure(
    path: &str,
    text: &str,
    bound: &[IpAddr],
    around: &dyn Surroundings,
) -> Result<Configuration, String> {
    let read = corefile::parse(path, text, around, false)?;
    let keys = server_keys(&read)?;
    let mut all = Configuration {
        blocks: keys.into_iter().map(|keys| Block { keys, ..Block::default() }).collect(),
        ..Configuration::default()
    };
    for directive in DIRECTIVES {
        for (i, block) in read.iter().enumerate() {
            let Some(tokens) = block.tokens.get(directive) else { continue };
            let zones: Vec<String> = all.blocks[i].keys.iter().map(|k| k.zone.clone()).collect();
            let mut words = Dispenser::new(path, tokens.clone());
            let cx = Setup { keys: &zones, bound, around };
            all.plugin(directive, i, &mut words, &cx).map_err(|e| format!("plugin/{directive}: {e}"))?;
        }
    }
    all.check(&read)?;
    Ok(all)
}

impl Configuration {
    fn plugin(
        &mut self,
        directive: &str,
        i: usize,
        words: &mut Dispenser,
        cx: &Setup<'_>,
    ) -> Result<(), String> {
        let plugin = match directive {
            "errors" => Plugin::Errors(Errors::setup(words)?),
            "log" => Plugin::Log(Log::setup(words)?),
            "any" => Plugin::Any(zones_or_keys(&once(words)?, cx.keys)),
            "loadbalance" => Plugin::Loadbalance(loadbalance(words)?),
            "cache" => Plugin::Cache(Box::new(Cache::setup(words, cx)?)),
            "rewrite" => Plugin::Rewrite(Rewrite::setup(words)?),
            "autopath" => Plugin::Autopath(Autopath::setup(words, cx)?),
            "minimal" => Plugin::Minimal(no_words(words)?),
            "template" => Plugin::Template(Templates::setup(words, cx)?),
            "hosts" => Plugin::Hosts(Hosts::setup(words, cx)?),
            "kubernetes" => Plugin::Kubernetes(Box::new(Kubernetes::new(Options::setup(words, cx)?))),
            "file" => Plugin::File(ZoneFiles::setup(words, cx)?),
            "loop" => Plugin::Loop(Loop::setup(words, cx)?),
            "forward" => {
                let new = Forward::setup(words, cx)?;
                self.blocks[i]
                    .plugins
                    .extend((0..new.len()).map(|n| Plugin::Forward(self.forwards.len() + n)));
                self.forwards.extend(new);
                return Ok(());
            }
            "bind" => {
                self.blocks[i].hosts = bind(words)?;
                return Ok(());
            }
            _ => return self.extras.plugin(directive, words),
        };
        self.blocks[i].plugins.push(plugin);
        Ok(())
    }

    fn check(&self, read: &[ServerBlock]) -> Result<(), String> {
        let hosts = |b: &Block| match &b.hosts[..] {
            [] => vec![String::new()],
            hosts => hosts.iter().map(ToString::to_string).collect(),
        };
        let keys: Vec<_> =
            self.blocks.iter().flat_map(|b| b.keys.iter().map(|k| (k.clone(), hosts(b)))).collect();
        if read.is_empty() {
            return Ok(());
        }
        corefile::overlaps(&keys).map_or(Ok(()), Err)
    }
}

impl Extras {
    fn plugin(&mut self, directive: &str, c: &mut Dispenser) -> Result<(), String> {
        match directive {
            "reload" => self.reload = reload(c)?,
            "health" => {
                let (at, lameduck) = health(c)?;
                self.http.push((Extra::Health, at.0, at.1));
                self.lameduck = lameduck.unwrap_or(self.lameduck);
            }
            "ready" => {
                let at = listen(&one_address(c)?, 8181)?;
                self.http.push((Extra::Ready, at.0, at.1));
            }
            "prometheus" => {
                let at = listen(&one_address(c)?, 9153)?;
                self.http.push((Extra::Metrics, at.0, at.1));
            }
            // They change no answer.
            "root" | "metadata" | "cancel" | "debug" | "pprof" | "trace" | "timeouts" | "multisocket" => {}
            _ => return Err("this plugin is not modelled".to_owned()),
        }
        self.http.sort();
        self.http.dedup();
        Ok(())
    }
}

/// The zones of some words, or the block's own if there are none.
pub(super) fn zones_or_keys(args: &[String], keys: &[String]) -> Vec<String> {
    if args.is_empty() { keys.to_vec() } else { args.iter().flat_map(|a| normalize_all(a)).collect() }
}

/// The words behind a plugin that may stand once.
pub(super) fn once(c: &mut Dispenser) -> Result<Vec<String>, String> {
    let mut args = None;
    while c.advance() {
        once_more(&args)?;
        args = Some(c.remaining_args());
    }
    Ok(args.unwrap_or_default())
}

/// Refuses a plugin that stands twice.
pub(super) fn once_more<T>(before: &Option<T>) -> Result<(), String> {
    if before.is_some() {
        return Err("this plugin can only be used once per Server Block".to_owned());
    }
    Ok(())
}

fn no_words(c: &mut Dispenser) -> Result<(), String> {
    if once(c)?.is_empty() { Ok(()) } else { Err(c.arg_err()) }
}

fn loadbalance(c: &mut Dispenser) -> Result<(), String> {
    let args = once(c)?;
    match args.first().map(String::as_str) {
        None => Ok(()),
        Some("round_robin") if args.len() == 1 => Ok(()),
        Some("round_robin") => Err("unknown property for round_robin".to_owned()),
        Some("weighted") => Err("policy weighted is not modelled".to_owned()),
        Some(other) => Err(format!("unknown policy: {other}")),
    }
}

fn bind(c: &mut Dispenser) -> Result<Vec<IpAddr>, String> {
    let mut all = Vec::new();
    while c.advance() {
        let args = c.remaining_args();
        if args.is_empty() {
            return Err("at least one address or interface name is expected".to_owned());
        }
        for arg in &args {
            let addr =
                arg.parse().map_err(|_| format!("not a valid IP address or interface name: {arg:?}"))?;
            all.push(addr);
        }
        if c.next_block() {
            return Err(c.err(&format!("property '{}' is not modelled", c.val())));
        }
    }
    Ok(all)
}

const RELOAD: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15));

fn reload(c: &mut Dispenser) -> Result<Option<(Duration, Duration)>, String> {
    let args = once(c)?;
    if args.len() > 2 {
        return Err(c.arg_err());
    }
    if args.first().is_some_and(|a| a == "off") {
        return Ok(None);
    }
    let (mut interval, mut jitter) = RELOAD;
    if let Some(first) = args.first() {
        interval = duration(first)?;
        if interval < Duration::from_secs(2) {
            return Err(format!(
                "interval value must be greater or equal to {}",
                go_duration(Duration::from_secs(2))
            ));
        }
        jitter = interval / 2;
    }
    if let Some(second) = args.get(1) {
        jitter = duration(second)?;
        if jitter < Duration::from_secs(1) {
            return Err(format!(
                "jitter value must be greater or equal to {}",
                go_duration(Duration::from_secs(1))
            ));
        }
    }
    Ok(Some((interval, jitter.min(interval / 2))))
}

type Address = (Option<IpAddr>, u16);

fn health(c: &mut Dispenser) -> Result<(Address, Option<Duration>), String> {
    let mut found = ((None, 8080), None);
    while c.advance() {
        let args = c.remaining_args();
        found.0 = match &args[..] {
            [] => found.0,
            [at] => listen(at, 8080)?,
            _ => return Err(c.arg_err()),
        };
        while c.next_block() {
            match c.val() {
                "lameduck" => match &c.remaining_args()[..] {
                    [time] => {
                        found.1 = Some(duration(time).map_err(|e| {
                            format!("unable to parse lameduck duration value: '{time}' : {e}")
                        })?)
                    }
                    _ => return Err(c.arg_err()),
                },
                _ => return Err(c.arg_err()),
            }
        }
    }
    Ok(found)
}

fn one_address(c: &mut Dispenser) -> Result<String, String> {
    let args = once(c)?;
    if args.len() > 1 {
        return Err(c.arg_err());
    }
    Ok(args.into_iter().next().unwrap_or_default())
}

fn listen(text: &str, port: u16) -> Result<Address, String> {
    if text.is_empty() {
        return Ok((None, port));
    }
    let bad = || format!("address {text}: missing port in address");
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port = port.parse().map_err(|_| bad())?;
    let host = host.trim_matches(['[', ']']);
    match host {
        "" | "0.0.0.0" | "::" => Ok((None, port)),
        "localhost" => Ok((Some(IpAddr::from([127, 0, 0, 1])), port)),
        _ => Ok((Some(host.parse().map_err(|_| bad())?), port)),
    }
}

/// A whole number, with Go's complaint.
pub(super) fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
}

/// A duration as Go reads it: `5s`, `1m30s`, `250ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total) = (text.strip_prefix('+').unwrap_or(text), 0.0);
    if rest.is_empty() || rest.starts_with('-') {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let value: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match &rest[..letters] {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            unit => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += value * scale;
        rest = &rest[letters..];
    }
    Duration::try_from_secs_f64(total).map_err(|_| invalid())
}

/// A duration as Go prints it: `1h0m0s`, `5m0s`, `2s`, `500ms`.
pub(super) fn go_duration(time: Duration) -> String {
    let (secs, millis) = (time.as_secs(), time.subsec_millis());
    let fraction =
        if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    match secs {
        0 if millis > 0 => format!("{millis}ms"),
        0..60 => format!("{secs}{fraction}s"),
        60..3600 => format!("{}m{}{fraction}s", secs / 60, secs % 60),
        _ => format!("{}h{}m{}{fraction}s", secs / 3600, secs / 60 % 60, secs % 60),
    }
}
