//! `arping` of iputils 20221126.

use std::net::Ipv4Addr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Libc;
use sim_core::linux::tap::SeenKind;
use sim_core::packet::{ArpOp, MacAddr};
use sim_core::time::SimTime;

use super::{Failed, Heard, Plan, Socket, destination, source};
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
    let session = Session {
        request,
        socket: &socket,
        device: &iface.name,
        target,
        own,
        peer: MacAddr::BROADCAST,
        unicasting: false,
        counts: Counts::default(),
    };
    let status = session.run(cx);
    socket.close(cx);
    Ok(status)
}

#[derive(Default)]
struct Counts {
    sent: u64,
    broadcasts: u64,
    received: u64,
    requests: u64,
    heard_broadcasts: u64,
}

struct Session<'a> {
    request: &'a Request,
    socket: &'a Socket,
    device: &'a str,
    target: Ipv4Addr,
    own: Ipv4Addr,
    peer: MacAddr,
    unicasting: bool,
    counts: Counts,
}

impl Session<'_> {
    fn run(mut self, cx: &mut Cx<'_>) -> i32 {
        let handled = cx.out.set_handles_interrupt(true);
        if !self.request.plan.quiet {
            cx.out.line(format!("ARPING {} from {} {}", self.target, self.own, self.device));
        }
        let end = self.request.timeout.map(|w| cx.now() + w);
        let endless = self.request.count.is_none() && end.is_none();
        loop {
            self.send(cx);
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
            if self.listen(cx, until) || (if endless { cx.interrupted() } else { cx.out.interrupted() }) {
                break;
            }
            if self.request.count.is_some_and(|n| self.counts.sent >= n) {
                break;
            }
        }
        cx.out.set_handles_interrupt(handled);
        self.finish(cx)
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        let arp = self.request.plan.message(self.socket.mac, self.own, self.target, self.peer);
        if self.socket.send(cx, self.peer, arp).is_ok() {
            self.counts.sent += 1;
            self.counts.broadcasts += u64::from(!self.unicasting);
        }
    }

    /// Takes answers until then; whether there is nothing more to be done.
    fn listen(&mut self, cx: &mut Cx<'_>, until: SimTime) -> bool {
        let sent = cx.now();
        loop {
            let heard = self.socket.listen(cx, until);
            if heard.is_empty() {
                return false;
            }
            for message in heard {
                let plan = &self.request.plan;
                if plan.is_answer(&message, self.socket.mac, self.own, self.target) {
                    self.note(cx, &message, message.at.since(sent));
                    if plan.quit_on_reply {
                        return true;
                    }
                }
            }
            if cx.out.interrupted() {
                return true;
            }
        }
    }

    fn note(&mut self, cx: &mut Cx<'_>, heard: &Heard, time: Duration) {
        let arp = &heard.arp;
        let broadcast = heard.kind != SeenKind::Host;
        let request = arp.op == ArpOp::Request;
        if !self.request.plan.quiet {
            let how = if broadcast { "Broadcast" } else { "Unicast" };
            let what = if request { "request" } else { "reply" };
            let to_whom =
                if arp.target_ip == self.own { String::new() } else { format!("for {} ", arp.target_ip) };
            let mac = arp.sender_mac.to_string().to_uppercase();
            let micros = time.as_micros();
            let time = format!("{}.{:03}ms", micros / 1000, micros % 1000);
            cx.out.line(format!("{how} {what} from {} [{mac}] {to_whom} {time}", arp.sender_ip));
        }
        self.counts.received += 1;
        self.counts.heard_broadcasts += u64::from(broadcast);
        self.counts.requests += u64::from(request);
        if !self.request.plan.broadcast_only {
            self.peer = arp.sender_mac;
            self.unicasting = true;
        }
    }

    fn finish(&self, cx: &mut Cx<'_>) -> i32 {
        let Counts { sent, broadcasts, received, requests, heard_broadcasts } = self.counts;
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
