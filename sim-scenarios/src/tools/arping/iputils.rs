//! `arping` of iputils 20221126.

use std::net::Ipv4Addr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Libc;
use sim_core::packet::MacAddr;

use super::{Counts, Failed, Plan, Socket, Talk, Told, destination, source};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, net};

const USAGE: &str = "
Usage:
  arping [options] <destination>

Options:
  -f            quit on first reply
  -q            be quiet
  -b            keep on broadcasting, do not unicast
  -D            duplicate address detection mode
  -U            unsolicited ARP mode, update your neighbours
  -A            ARP answer mode, update your neighbours
  -V            print version and exit
  -c <count>    how many packets to send
  -w <timeout>  how long to wait for a reply
  -i <interval> set interval between packets (default: 1 second)
  -I <device>   which ethernet device to use
  -s <source>   source ip address
  <destination> dns name or ip address

For more details see arping(8).";

const VERSION: &str = "arping from iputils 20221126
libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes";

struct Request {
    plan: Plan,
    count: Option<u64>,
    timeout: Option<Duration>,
    interval: Duration,
    device: Option<String>,
    source: Option<String>,
    target: String,
}

enum Refusal {
    /// The text after the program's name, and the status.
    Text(String, i32),
    /// Text as it is, status 2.
    Bare(String),
    Usage(Option<String>),
    Version,
}

/// The program.
pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let me = cx.args.first().map_or("arping", String::as_str).to_owned();
    match parse(cx.operands()).and_then(|request| ask(cx, &request)) {
        Ok(status) => status,
        Err(Refusal::Text(text, status)) => {
            cx.out.err(format!("{me}: {text}"));
            status
        }
        Err(Refusal::Bare(text)) => {
            cx.out.err(text);
            2
        }
        Err(Refusal::Usage(text)) => {
            if let Some(text) = text {
                cx.out.err(format!("{me}: {text}"));
            }
            cx.out.err(USAGE);
            2
        }
        Err(Refusal::Version) => {
            cx.out.line(VERSION);
            0
        }
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let plan = Plan {
        quit_on_reply: false,
        quiet: false,
        broadcast_only: false,
        dad: false,
        unsolicited: false,
        advertise: false,
    };
    let mut r = Request {
        plan,
        count: None,
        timeout: None,
        interval: Duration::from_secs(1),
        device: None,
        source: None,
        target: String::new(),
    };
    let mut targets = Vec::new();
    for word in getopt::parse(args, "h?bfDUAqc:w:i:s:I:V") {
        match word {
            Word::Flag('b') => r.plan.broadcast_only = true,
            Word::Flag('D') => (r.plan.dad, r.plan.quit_on_reply) = (true, true),
            Word::Flag('U') => r.plan.unsolicited = true,
            Word::Flag('A') => (r.plan.advertise, r.plan.unsolicited) = (true, true),
            Word::Flag('q') => r.plan.quiet = true,
            Word::Flag('f') => r.plan.quit_on_reply = true,
            Word::Flag('V') => return Err(Refusal::Version),
            Word::Value('c', v) => r.count = Some(number(v, 1)?),
            Word::Value('w', v) => r.timeout = Some(Duration::from_secs(number(v, 0)?)),
            Word::Value('i', v) => r.interval = Duration::from_secs(number(v, 0)?),
            Word::Value('I', v) => r.device = Some(v.to_owned()),
            Word::Value('s', v) => r.source = Some(v.to_owned()),
            Word::Operand(word) => targets.push(word.to_owned()),
            Word::Flag(_) | Word::Value(..) => return Err(Refusal::Usage(None)),
            Word::Unknown(c) => return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'")))),
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    let [target] = <[String; 1]>::try_from(targets).map_err(|_| Refusal::Usage(None))?;
    Ok(Request { target, ..r })
}

fn number(text: &str, least: i64) -> Result<u64, Refusal> {
    const MOST: i64 = i32::MAX as i64;
    let value: i64 = text.parse().map_err(|_| Refusal::Text(format!("invalid argument: '{text}'"), 1))?;
    if !(least..=MOST).contains(&value) {
        let range = format!("invalid argument: '{text}': out of range: {least} <= value <= {MOST}");
        return Err(Refusal::Text(range, 1));
    }
    Ok(value.unsigned_abs())
}

fn ask(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let ns = net::netns(cx).map_err(|e| Refusal::Text(e.to_string(), 2))?;
    let stack = cx.cluster.world.ns(ns);
    let iface = match &request.device {
        Some(name) => {
            let found = stack.by_name(name).cloned();
            found.map_err(|_| Refusal::Text(format!("Device {name} not available."), 2))?
        }
        // The first that is up and can broadcast.
        None => {
            let first = stack.ifaces().find(|i| i.up && !i.is_loopback() && i.arp).cloned();
            first.ok_or_else(|| Refusal::Text("no suitable device found".to_owned(), 2))?
        }
    };
    if !iface.up {
        return Err(Refusal::Bare(format!("Interface \"{}\" is down", iface.name)));
    }
    if iface.is_loopback() || !iface.arp {
        return Err(Refusal::Bare(format!("Interface \"{}\" is not ARPable", iface.name)));
    }
    let unknown = |name: &str, e: sim_core::kube::dns::resolver::LookupError| {
        Refusal::Text(format!("{name}: {}", e.message(Libc::Glibc)), 2)
    };
    let target = destination(cx, &request.target).map_err(|e| unknown(&request.target, e))?;
    let own = match &request.source {
        Some(text) => Some(text.parse().map_err(|_| Refusal::Text(format!("invalid source {text}"), 2))?),
        None if request.plan.unsolicited => Some(target),
        None => None,
    };
    let own = if request.plan.dad && own.is_none() {
        Ok(Ipv4Addr::UNSPECIFIED)
    } else {
        source(cx, ns, iface.id, target, own)
    };
    let own = own.map_err(|Failed(call, e)| Refusal::Text(format!("{call}: {}", e.message()), 2))?;
    let socket = Socket::open(cx, ns, iface.id);
    let talk = Talk {
        plan: &request.plan,
        socket: &socket,
        target,
        own,
        peer: MacAddr::BROADCAST,
        unicasting: false,
        faithful: false,
        counts: Counts::default(),
    };
    let status = Session { request, device: &iface.name, talk }.run(cx);
    socket.close(cx);
    Ok(status)
}

fn line(told: &Told<'_>) -> String {
    let Told { how, what, arp, to_whom, time } = told;
    let to_whom = to_whom.map_or(String::new(), |ip| format!("for {ip} "));
    let mac = arp.sender_mac.to_string().to_uppercase();
    format!("{how} {what} from {} [{mac}] {to_whom} {time}", arp.sender_ip)
}

struct Session<'a> {
    request: &'a Request,
    device: &'a str,
    talk: Talk<'a>,
}

impl Session<'_> {
    fn run(mut self, cx: &mut Cx<'_>) -> i32 {
        let handled = cx.out.set_handles_interrupt(true);
        if !self.request.plan.quiet {
            cx.out.line(format!("ARPING {} from {} {}", self.talk.target, self.talk.own, self.device));
        }
        let end = self.request.timeout.map(|w| cx.now() + w);
        let endless = self.request.count.is_none() && end.is_none();
        loop {
            self.talk.send(cx);
            // The timer of `-w` is served before what has come in at the same instant.
            if end.is_some_and(|end| cx.now() >= end) {
                break;
            }
            let mut until = cx.now() + self.request.interval.max(Duration::from_millis(1));
            if let Some(end) = end {
                until = until.min(end);
            }
            if endless {
                until = until.min(cx.deadline());
            }
            if self.talk.listen(cx, until, line)
                || (if endless { cx.interrupted() } else { cx.out.interrupted() })
            {
                break;
            }
            if self.request.count.is_some_and(|n| self.talk.counts.sent >= n) {
                break;
            }
        }
        cx.out.set_handles_interrupt(handled);
        self.finish(cx)
    }

    fn finish(&self, cx: &mut Cx<'_>) -> i32 {
        let Counts { sent, broadcasts, received, requests, heard_broadcasts } = self.talk.counts;
        let Request { plan, timeout, count, .. } = self.request;
        if !plan.quiet {
            let kinds: Vec<String> = [(requests, "request(s)"), (heard_broadcasts, "broadcast(s)")]
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, what)| format!("{n} {what}"))
                .collect();
            let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
            cx.out.line(format!("Sent {sent} probes ({broadcasts} broadcast(s))"));
            cx.out.line(format!("Received {received} response(s){kinds}"));
        }
        i32::from(match plan {
            Plan { unsolicited: true, .. } => false,
            Plan { dad: true, .. } => broadcasts == received,
            _ if timeout.is_some() && count.is_none() => received == 0,
            _ => sent != received,
        })
    }
}
