//! `arping` of busybox. The bit of its option `-c` is that of "has seen an answer" too (`UNICASTING`): with `-c` it goes on
//! broadcasting and counts no broadcasts. That is kept.

use std::net::Ipv4Addr;
use std::time::Duration;

use sim_core::packet::MacAddr;

use super::{Counts, Failed, Plan, Socket, Talk, Told, destination, source};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, busybox, net};

const USAGE: &str = "arping [-fqbDUA] [-c CNT] [-w TIMEOUT] [-I IFACE] [-s SRC_IP] DST_IP

Send ARP requests/replies

\t-f\t\tQuit on first ARP reply
\t-q\t\tQuiet
\t-b\t\tKeep broadcasting, don't go unicast
\t-D\t\tExit with 1 if DST_IP replies
\t-U\t\tUnsolicited ARP mode, update your neighbors
\t-A\t\tARP answer mode, update your neighbors
\t-c N\t\tStop after sending N ARP requests
\t-w TIMEOUT\tSeconds to wait for ARP reply
\t-I IFACE\tInterface to use (default eth0)
\t-s SRC_IP\tSender IP address
\tDST_IP\t\tTarget IP address";

/// Between two requests.
const INTERVAL: Duration = Duration::from_secs(1);

struct Request {
    plan: Plan,
    count: Option<u64>,
    /// Whole seconds.
    timeout: Option<u64>,
    device: String,
    source: Option<String>,
    target: String,
}

enum Refusal {
    /// The text after `arping: `, and the status.
    Text(String, i32),
    Usage(Option<String>),
}

/// The applet.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.operands()).and_then(|request| ask(cx, &request)) {
        Ok(status) => status,
        Err(Refusal::Text(text, status)) => {
            cx.out.err(format!("arping: {text}"));
            status
        }
        Err(Refusal::Usage(text)) => {
            if let Some(text) = text {
                cx.out.err(format!("arping: {text}"));
            }
            busybox::usage(cx, USAGE)
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
        device: "eth0".to_owned(),
        source: None,
        target: String::new(),
    };
    let mut targets = Vec::new();
    for word in getopt::parse(args, "UDAqfbc:w:I:s:") {
        match word {
            Word::Flag('U') => r.plan.unsolicited = true,
            Word::Flag('D') => r.plan.dad = true,
            Word::Flag('A') => (r.plan.advertise, r.plan.unsolicited) = (true, true),
            Word::Flag('q') => r.plan.quiet = true,
            Word::Flag('f') => r.plan.quit_on_reply = true,
            Word::Flag('b') => r.plan.broadcast_only = true,
            Word::Value('c', v) => r.count = Some(number(v)?),
            Word::Value('w', v) => r.timeout = Some(number(v)?),
            Word::Value('I', v) => v.clone_into(&mut r.device),
            Word::Value('s', v) => r.source = Some(v.to_owned()),
            Word::Operand(word) => targets.push(word.to_owned()),
            Word::Flag(c) | Word::Value(c, _) | Word::Unknown(c) => {
                return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'"))));
            }
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    let [target] = <[String; 1]>::try_from(targets).map_err(|_| Refusal::Usage(None))?;
    // An address that is taken is answered for once.
    r.plan.quit_on_reply |= r.plan.dad;
    Ok(Request { target, ..r })
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::Text(format!("invalid number '{text}'"), 1))
}

fn ask(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let fail = |text: String| Refusal::Text(text, 2);
    let failed = |cx: &Cx<'_>, f: Failed| fail(format!("{}: {}", f.0, net::strerror(cx, f.1)));
    let device = &request.device;
    let ns = net::netns(cx).map_err(|e| fail(e.to_string()))?;
    let iface = cx.cluster.world.ns(ns).by_name(device).cloned();
    let iface = iface.map_err(|_| fail(format!("interface {device} not found: No such device")))?;
    if !iface.up {
        return Err(fail(format!("interface {device} is down")));
    }
    if iface.is_loopback() || !iface.arp {
        return Err(fail(format!("interface {device} is not ARPable")));
    }
    let bad = |name: &str| fail(format!("bad address '{name}'"));
    let target = destination(cx, &request.target).map_err(|_| bad(&request.target))?;
    let own = match &request.source {
        Some(text) => Some(text.parse().map_err(|_| bad(text))?),
        None if request.plan.unsolicited => Some(target),
        None => None,
    };
    let own = if request.plan.dad && own.is_none() {
        Ok(Ipv4Addr::UNSPECIFIED)
    } else {
        source(cx, ns, iface.id, target, own)
    };
    let own = own.map_err(|f| failed(cx, f))?;
    let socket = Socket::open(cx, ns, iface.id);
    let talk = Talk {
        plan: &request.plan,
        socket: &socket,
        target,
        own,
        peer: MacAddr::BROADCAST,
        unicasting: request.count.is_some(),
        faithful: true,
        counts: Counts::default(),
    };
    let status = Session { request, talk }.run(cx);
    socket.close(cx);
    Ok(status)
}

fn line(told: &Told<'_>) -> String {
    let Told { how, what, arp, to_whom, time } = told;
    let to_whom = to_whom.map_or(String::new(), |ip| format!(" for {ip}"));
    format!("{how} {what} from {} [{}]{to_whom} {time}", arp.sender_ip, arp.sender_mac)
}

struct Session<'a> {
    request: &'a Request,
    talk: Talk<'a>,
}

impl Session<'_> {
    fn run(mut self, cx: &mut Cx<'_>) -> i32 {
        let handled = cx.out.set_handles_interrupt(true);
        if !self.request.plan.quiet {
            cx.out
                .line(format!("ARPING {} from {} {}", self.talk.target, self.talk.own, self.request.device));
        }
        let start = cx.now();
        let mut left = self.request.count;
        let last = self.request.timeout.map(|w| start + Duration::from_secs(w) + INTERVAL / 2);
        loop {
            if left == Some(0) || last.is_some_and(|last| cx.now() > last) {
                break;
            }
            left = left.map(|n| n - 1);
            self.talk.send(cx);
            let endless = self.request.count.is_none() && last.is_none();
            let mut until = cx.now() + INTERVAL;
            if endless {
                until = until.min(cx.deadline());
            }
            if self.talk.listen(cx, until, line)
                || (if endless { cx.interrupted() } else { cx.out.interrupted() })
            {
                break;
            }
        }
        cx.out.set_handles_interrupt(handled);
        self.finish(cx)
    }

    fn finish(&self, cx: &mut Cx<'_>) -> i32 {
        let Counts { sent, broadcasts, received, requests, heard_broadcasts } = self.talk.counts;
        let plan = &self.request.plan;
        if !plan.quiet {
            cx.out.line(format!("Sent {sent} probe(s) ({broadcasts} broadcast(s))"));
            cx.out.line(format!(
                "Received {received} response(s) ({requests} request(s), {heard_broadcasts} broadcast(s))"
            ));
        }
        match plan {
            Plan { dad: true, .. } => i32::from(received > 0),
            Plan { unsolicited: true, .. } => 0,
            _ => i32::from(received == 0),
        }
    }
}
