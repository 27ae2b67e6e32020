//! `traceroute` 2.1.2.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::{Family, Libc};
use sim_core::linux::socket::PmtuDiscovery;
use sim_core::packet::IcmpError;
use sim_core::time::SimTime;

use super::probe::{Method, Plan, Probe, Reply, mark};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, SIGINT_STATUS, net};

/// Probes under way at once.
const AT_ONCE: usize = 16;

struct Request {
    host: String,
    family: Family,
    method: Method,
    first: u8,
    hops: u8,
    queries: usize,
    at_once: usize,
    wait: Duration,
    port: Option<u16>,
    source: Option<IpAddr>,
    numeric: bool,
    whole: bool,
    tos: u8,
    length: Option<usize>,
    device: Option<String>,
}

enum Refusal {
    Text(String, i32),
    NotModelled(String),
}

fn refuse(text: impl Into<String>) -> Refusal {
    Refusal::Text(text.into(), 2)
}

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.operands()).and_then(|request| trace(cx, &request)) {
        Ok(status) => status,
        Err(Refusal::Text(text, status)) => {
            cx.out.err(text);
            status
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut r = Request {
        host: String::new(),
        family: Family::Any,
        method: Method::Udp,
        first: 1,
        hops: 30,
        queries: 3,
        at_once: AT_ONCE,
        wait: Duration::from_secs(5),
        port: None,
        source: None,
        numeric: false,
        whole: false,
        tos: 0,
        length: None,
        device: None,
    };
    let mut operands = Vec::new();
    for word in getopt::parse(args, "46dFf:g:ITi:m:N:np:t:l:w:q:rs:z:eAM:O:UDP:V") {
        match word {
            Word::Flag('4') => r.family = Family::V4,
            Word::Flag('6') => r.family = Family::V6,
            Word::Flag('I') => r.method = Method::Icmp,
            Word::Flag('T') => r.method = Method::TcpSyn,
            Word::Flag('U') => r.method = Method::UdpFixed,
            Word::Flag('n') => r.numeric = true,
            Word::Flag('F') => r.whole = true,
            Word::Flag('d') => {}
            Word::Value('f', v) => r.first = number(v, 1, 255, "first hop out of range")? as u8,
            Word::Value('m', v) => r.hops = number(v, 0, 255, "max hops cannot be more than 255")? as u8,
            Word::Value('q', v) => r.queries = number(v, 1, 10, "no more than 10 probes per hop")? as usize,
            Word::Value('N', v) => r.at_once = number(v, 1, 255, "sim queries out of range")? as usize,
            Word::Value('w', v) => {
                let first = v.split(',').next().unwrap_or_default();
                let seconds: f64 =
                    first.parse().map_err(|_| refuse(format!("bad wait specifications `{v}' used")))?;
                r.wait = Duration::try_from_secs_f64(seconds)
                    .map_err(|_| refuse(format!("bad wait specifications `{v}' used")))?;
            }
            Word::Value('p', v) => r.port = Some(number(v, 1, 65535, "port out of range")? as u16),
            Word::Value('i', v) => r.device = Some(v.to_owned()),
            Word::Value('t', v) => r.tos = number(v, 0, 255, "tos out of range")? as u8,
            Word::Value('s', v) => {
                r.source =
                    Some(v.parse().map_err(|_| refuse(format!("Cannot handle `-s' option with arg `{v}'")))?);
            }
            Word::Flag(c) | Word::Value(c, _) => {
                return Err(Refusal::NotModelled(format!("traceroute -{c}")));
            }
            Word::Operand(word) => operands.push(word),
            Word::Unknown(c) => {
                return Err(refuse(format!("Bad option `-{c}' (argc 1)")));
            }
            Word::Missing(c) => return Err(refuse(format!("Option `-{c}' requires an argument"))),
        }
    }
    match operands.as_slice() {
        [] => {
            Err(Refusal::NotModelled("traceroute without a host, which shows its long usage text".to_owned()))
        }
        [host] => Ok(Request { host: (*host).to_owned(), ..r }),
        [host, length, ..] => {
            let length = number(length, 0, 65000, "too big packetlen specified")? as usize;
            Ok(Request { host: (*host).to_owned(), length: Some(length), ..r })
        }
    }
}

fn number(text: &str, least: u64, most: u64, complaint: &str) -> Result<u64, Refusal> {
    text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| refuse(complaint))
}

/// A probe and what came of it.
enum Turn {
    Waits(Probe, SimTime),
    Answered(Reply),
    Silent,
}

fn trace(cx: &mut Cx<'_>, r: &Request) -> Result<i32, Refusal> {
    let found = net::lookup(cx, &r.host, r.family).map_err(|e| {
        let text = e.message(Libc::Glibc);
        refuse(format!(
            "{0}: {text}\nCannot handle \"host\" cmdline arg `{0}' on position 1 (argc 1)",
            r.host
        ))
    })?;
    let dst = found.addresses.first().copied().ok_or_else(|| refuse(format!("{}: No address", r.host)))?;
    let headers = if dst.is_ipv4() { 20 } else { 40 };
    let length = r.length.unwrap_or(headers + 40).max(headers + 8);
    cx.out.print(format!("traceroute to {} ({dst}), {} hops max, {length} byte packets", r.host, r.hops));
    let plan = Plan {
        method: r.method,
        dst,
        source: r.source,
        port: r.port.unwrap_or(match r.method {
            Method::Udp => 33434,
            Method::UdpFixed => 53,
            Method::Icmp => 1,
            Method::TcpSyn => 80,
        }),
        size: length - headers - 8,
        pmtu: if r.whole { PmtuDiscovery::Probe } else { PmtuDiscovery::Dont },
        tos: r.tos,
    };
    bind_to_device(cx, r, dst)?;
    let mut trace = Trace { r, plan, turns: Vec::new(), names: BTreeMap::new(), last: None };
    let status = trace.run(cx);
    for turn in &trace.turns {
        if let Turn::Waits(probe, _) = turn {
            probe.close(cx);
        }
    }
    cx.out.print("\n");
    status
}

/// `-i`: the route must lead there; the model binds no socket to an interface.
fn bind_to_device(cx: &Cx<'_>, r: &Request, dst: IpAddr) -> Result<(), Refusal> {
    let Some(name) = &r.device else { return Ok(()) };
    let failed = |e: &str| Refusal::Text(format!("\nsetsockopt SO_BINDTODEVICE: {e}"), 1);
    let ns = net::netns(cx).map_err(|e| failed(e.message()))?;
    let stack = cx.cluster.world.ns(ns);
    let device = stack.iface_id(name).ok_or_else(|| failed("No such device"))?;
    if stack.routes().lookup(dst).and_then(|route| route.dev) == Some(device) {
        return Ok(());
    }
    Err(Refusal::NotModelled(format!("traceroute -i {name}, through which no route leads there")))
}

struct Trace<'a> {
    r: &'a Request,
    plan: Plan,
    turns: Vec<Turn>,
    names: BTreeMap<IpAddr, Option<String>>,
    /// No hop behind this one is of interest.
    last: Option<usize>,
}

impl Trace<'_> {
    fn run(&mut self, cx: &mut Cx<'_>) -> Result<i32, Refusal> {
        let hops = usize::from(self.r.hops.saturating_sub(self.r.first - 1));
        for hop in 0..hops {
            for query in 0..self.r.queries {
                let at = hop * self.r.queries + query;
                while !self.turns.get(at).is_some_and(|t| !matches!(t, Turn::Waits(..))) {
                    self.fill(cx, hops * self.r.queries)?;
                    if !self.wait(cx) {
                        return Ok(SIGINT_STATUS);
                    }
                }
                self.print(cx, hop, query);
            }
            if self.last == Some(hop) {
                break;
            }
        }
        Ok(0)
    }

    /// Keeps as many probes under way as may be.
    fn fill(&mut self, cx: &mut Cx<'_>, total: usize) -> Result<(), Refusal> {
        let limit = self.last.map_or(total, |hop| (hop + 1) * self.r.queries);
        let waiting = |turns: &[Turn]| turns.iter().filter(|t| matches!(t, Turn::Waits(..))).count();
        while self.turns.len() < limit && waiting(&self.turns) < self.r.at_once {
            let number = self.turns.len();
            let ttl = self.r.first.saturating_add((number / self.r.queries) as u8);
            let probe = Probe::send(cx, &self.plan, ttl, number as u16)
                .map_err(|(call, errno)| Refusal::Text(format!("\n{call}: {}", errno.message()), 1))?;
            self.turns.push(Turn::Waits(probe, cx.now() + self.r.wait));
        }
        Ok(())
    }

    /// Waits for something to come back, or a probe's time to be over. False: ^C.
    fn wait(&mut self, cx: &mut Cx<'_>) -> bool {
        let next = self.turns.iter().filter_map(|t| match t {
            Turn::Waits(_, until) => Some(*until),
            Turn::Answered(_) | Turn::Silent => None,
        });
        let Some(next) = next.min() else { return true };
        let turns = &self.turns;
        let mut answers: Vec<(usize, Reply)> = Vec::new();
        cx.wait(next, |cluster| {
            for (i, turn) in turns.iter().enumerate() {
                if let Turn::Waits(probe, _) = turn {
                    answers.extend(probe.look(cluster).map(|reply| (i, reply)));
                }
            }
            !answers.is_empty()
        });
        for (i, reply) in answers {
            if let Turn::Waits(probe, _) = std::mem::replace(&mut self.turns[i], Turn::Answered(reply)) {
                probe.close(cx);
            }
            if reply.error != Some(IcmpError::TtlExceeded) {
                let hop = i / self.r.queries;
                self.last = Some(self.last.map_or(hop, |l| l.min(hop)));
            }
        }
        let now = cx.now();
        for turn in &mut self.turns {
            if let Turn::Waits(probe, until) = turn
                && *until <= now
            {
                probe.close(cx);
                *turn = Turn::Silent;
            }
        }
        !cx.out.interrupted()
    }

    fn print(&mut self, cx: &mut Cx<'_>, hop: usize, query: usize) {
        if query == 0 {
            cx.out.print(format!("\n{:2} ", hop + usize::from(self.r.first)));
        }
        let at = hop * self.r.queries;
        let Some(Turn::Answered(reply)) = self.turns.get(at + query) else { return cx.out.print(" *") };
        let reply = *reply;
        let before = self.turns[at..at + query].iter().rev().find_map(|t| match t {
            Turn::Answered(r) => Some(r.from),
            Turn::Waits(..) | Turn::Silent => None,
        });
        if before != Some(reply.from) {
            let from = reply.from;
            let shown = if self.r.numeric {
                format!(" {from}")
            } else {
                let name = self.names.entry(from).or_insert_with(|| net::name_of(cx, from)).clone();
                format!(" {} ({from})", name.unwrap_or_else(|| from.to_string()))
            };
            cx.out.print(shown);
        }
        let micros = reply.time.as_micros();
        cx.out.print(format!("  {}.{:03} ms", micros / 1000, micros % 1000));
        if let Some(mark) = reply.error.and_then(mark) {
            cx.out.print(format!(" {mark}"));
        }
    }
}
