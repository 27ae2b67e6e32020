//! The plugin forward: which upstream servers there are, and which queries go to them. The asking itself is `exchange`'s.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::chain::{Ask, Cx, Done, Halt, Plugin, Step, next};
use super::fall::matches;
use super::setup::{Setup, duration, number};
use crate::chance::{Chance, Dice, Purpose};
use crate::kube::dns::corefile::{Dispenser, Surroundings, normalize_all, normalize_one};
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, Rcode};

/// Most upstream servers of one group.
const UPSTREAMS_MAX: usize = 15;

/// Settings of one group of upstream servers.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    from: Vec<String>,
    except: Vec<String>,
    pub(super) to: Vec<SocketAddr>,
    policy: Policy,
    pub(super) force_tcp: bool,
    pub(super) prefer_udp: bool,
    /// Queries under way at a time; 0: as many as there are.
    pub(super) max_concurrent: u32,
    /// Failed checks after which a server is down; 0: never.
    pub(super) max_fails: u32,
    pub(super) fail_fast: bool,
    pub(super) check: HealthCheck,
    /// Replies after which the next server is asked.
    pub(super) failover: Vec<Rcode>,
    /// Replies after which the next group is asked.
    alternate: Vec<Rcode>,
}

/// What a health check asks, and how often.
#[derive(Clone, Debug)]
pub(super) struct HealthCheck {
    pub(super) interval: Duration,
    pub(super) recursion: bool,
    pub(super) domain: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Random,
    RoundRobin,
    Sequential,
}

/// A group at work.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) settings: Arc<Forward>,
    /// By server: failed checks in a row, and whether one is under way.
    pub(super) health: Vec<(u32, bool)>,
    turn: usize,
    pub(super) under_way: u32,
}

impl Forward {
    /// Reads `forward FROM TO… { … }`, each occurrence a group.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Vec<Self>, String> {
        let mut groups = Vec::new();
        while c.advance() {
            if !c.next_arg() {
                return Err(c.arg_err());
            }
            let from = c.val().to_owned();
            let zone = normalize_one(&from);
            if zone.is_empty() {
                return Err(format!("unable to normalize '{from}'"));
            }
            let to = c.remaining_args();
            if to.is_empty() {
                return Err(c.arg_err());
            }
            let mut group = Self::new(zone, upstreams(&to, cx.around)?);
            while c.next_block() {
                group.property(c)?;
            }
            if group.to.len() > UPSTREAMS_MAX {
                return Err(format!("more than {UPSTREAMS_MAX} TOs configured: {}", group.to.len()));
            }
            groups.push(group);
        }
        Ok(groups)
    }

    fn new(from: String, to: Vec<SocketAddr>) -> Self {
        Self {
            from: vec![from],
            except: Vec::new(),
            to,
            policy: Policy::Random,
            force_tcp: false,
            prefer_udp: false,
            max_concurrent: 0,
            max_fails: 2,
            fail_fast: false,
            check: HealthCheck {
                interval: Duration::from_millis(500),
                recursion: true,
                domain: ".".to_owned(),
            },
            failover: Vec::new(),
            alternate: Vec::new(),
        }
    }

    fn property(&mut self, c: &mut Dispenser) -> Result<(), String> {
        let property = c.val().to_owned();
        let args = c.remaining_args();
        let one = |c: &Dispenser| args.first().cloned().ok_or_else(|| c.arg_err());
        match property.as_str() {
            "force_tcp" | "prefer_udp" | "failfast_all_unhealthy_upstreams" if !args.is_empty() => {
                return Err(c.arg_err());
            }
            "force_tcp" => self.force_tcp = true,
            "prefer_udp" => self.prefer_udp = true,
            "failfast_all_unhealthy_upstreams" => self.fail_fast = true,
            "except" if args.is_empty() => return Err(c.arg_err()),
            "except" => self.except.extend(args.iter().flat_map(|a| normalize_all(a))),
            "max_fails" => {
                let text = one(c)?;
                self.max_fails = text
                    .parse()
                    .map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))?;
            }
            "health_check" => self.health_check(&args, c)?,
            "expire" | "max_age" => {
                duration(&one(c)?)?;
            }
            "max_idle_conns" | "max_connect_attempts" => {
                number(&one(c)?)?;
            }
            "policy" => {
                self.policy = match one(c)?.as_str() {
                    "random" => Policy::Random,
                    "round_robin" => Policy::RoundRobin,
                    "sequential" => Policy::Sequential,
                    other => return Err(c.err(&format!("unknown policy '{other}'"))),
                };
            }
            "max_concurrent" => {
                let n = number(&one(c)?)?;
                self.max_concurrent =
                    u32::try_from(n).map_err(|_| format!("max_concurrent can't be negative: {n}"))?;
            }
            "next" => self.alternate = rcodes(&args, c)?,
            "failover" => self.failover = rcodes(&args, c)?,
            "tls" | "tls_servername" => return Err(format!("property '{property}' is not modelled")),
            _ => return Err(c.err(&format!("unknown property '{property}'"))),
        }
        Ok(())
    }

    fn health_check(&mut self, args: &[String], c: &Dispenser) -> Result<(), String> {
        let (time, mut rest) = args.split_first().ok_or_else(|| c.arg_err())?;
        self.check.interval = duration(time)?;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            match word.as_str() {
                "no_rec" => self.check.recursion = false,
                "domain" => {
                    let (domain, after) = rest.split_first().ok_or_else(|| c.arg_err())?;
                    self.check.domain = name::absolute(domain).to_ascii_lowercase();
                    rest = after;
                }
                other => return Err(format!("health_check: unknown option {other}")),
            }
        }
        Ok(())
    }

    fn covers(&self, asked: &str) -> bool {
        let own = matches(&self.from, asked).is_some();
        let exact = self.from.iter().any(|f| f.eq_ignore_ascii_case(asked));
        own && (exact || matches(&self.except, asked).is_none())
    }
}

impl Group {
    pub(super) fn new(settings: Forward) -> Self {
        let health = vec![(0, false); settings.to.len()];
        Self { settings: Arc::new(settings), health, turn: 0, under_way: 0 }
    }

    /// The servers in the order in which a query goes to them.
    pub(super) fn order(&mut self, dice: &mut Dice, place: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.health.len()).collect();
        match self.settings.policy {
            Policy::Sequential => {}
            Policy::Random => dice.shuffle(Purpose::DnsShuffle, place, &mut order),
            Policy::RoundRobin => {
                order.rotate_left(self.turn % self.health.len().max(1));
                self.turn += 1;
            }
        }
        order
    }

    pub(super) fn is_down(&self, server: usize) -> bool {
        self.settings.max_fails > 0 && self.health[server].0 > self.settings.max_fails
    }
}

/// The plugin in the chain.
pub(super) fn serve(id: usize, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
    let (Some(question), Some(group)) = (&query.question, cx.forwards.get(id)) else {
        return next(rest, query, cx, "forward");
    };
    if !group.settings.covers(&question.name) {
        return next(rest, query, cx, "forward");
    }
    let ask = Ask { forward: Some(id), question: question.clone() };
    match cx.known(&ask) {
        None => Err(Halt::Upstream(ask)),
        Some(Err(failure)) => Ok(Done::failed(failure.rcode, Some(failure.text.clone()))),
        Some(Ok(reply)) => {
            let passed_on = group.settings.alternate.contains(&reply.rcode);
            if passed_on && matches!(rest.first(), Some(Plugin::Forward(_))) {
                return next(rest, query, cx, "forward");
            }
            let question = query.question.clone();
            Ok(Done::written(Message { id: query.id, question, edns: None, ..reply.clone() }))
        }
    }
}

fn rcodes(args: &[String], c: &Dispenser) -> Result<Vec<Rcode>, String> {
    if args.is_empty() {
        return Err(c.arg_err());
    }
    let rcode = |text: &String| {
        let upper = text.to_ascii_uppercase();
        Rcode::from_mnemonic(&upper).ok_or_else(|| format!("{text} is not a valid rcode"))
    };
    args.iter().map(rcode).collect()
}

/// Addresses, or the name servers of files like `/etc/resolv.conf`.
fn upstreams(words: &[String], around: &dyn Surroundings) -> Result<Vec<SocketAddr>, String> {
    let mut all = Vec::new();
    for word in words {
        let bare = word.strip_prefix("dns://").unwrap_or(word);
        if let Some((scheme, _)) = bare.split_once("://") {
            let known = matches!(scheme, "tls" | "grpc" | "https");
            return Err(match (known, scheme) {
                (true, "tls") => format!("tls:// is not modelled: {word}"),
                _ => format!("'{scheme}' is not supported as a destination protocol in forward: {word}"),
            });
        }
        if let Some(addr) = address(bare) {
            all.push(addr);
            continue;
        }
        let text = around.read(bare).ok_or_else(|| format!("not an IP address or file: {bare:?}"))?;
        let servers = text.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
        all.extend(servers.filter_map(|s| address(s.trim())));
    }
    if all.is_empty() { Err("no nameservers found".to_owned()) } else { Ok(all) }
}

fn address(text: &str) -> Option<SocketAddr> {
    let ip = |text: &str| text.split('%').next()?.parse::<IpAddr>().ok();
    text.parse().ok().or_else(|| Some(SocketAddr::new(ip(text)?, 53)))
}
