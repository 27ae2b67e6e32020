//! Thomas Habets' `arping` 2.23. Asking for the address behind a hardware address (`arping MAC`), VLAN tags and the beeping of `-e`
//! are not modelled.

use std::net::Ipv4Addr;
use std::time::Duration;

use sim_core::linux::Iface;
use sim_core::packet::{Arp, ArpOp, MacAddr};
use sim_core::time::SimTime;

use super::{Heard, Socket, destination};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, net};

const BANNER: &str = "ARPing 2.23, by Thomas Habets <thomas@habets.se>
usage: arping [ -0aAbdDeFpPqrRuUvzZ ] [ -w <sec> ] [ -W <sec> ] [ -S <host/ip> ]
              [ -T <host/ip ] [ -s <MAC> ] [ -t <MAC> ] [ -c <count> ]
              [ -C <count> ] [ -i <interface> ] [ -m <type> ] [ -g <group> ]
              [ -V <vlan> ] [ -Q <priority> ] <host/ip/MAC | -B>";
const HINT: &str = "For complete usage info, use --help or check the manpage.";
const HELP: &str = include_str!("habets_help.txt");

/// How answers are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Lines,
    Nothing,
    /// `-r` and `-R`: the hardware address, the address.
    Raw {
        mac: bool,
        ip: bool,
    },
    /// `-D`
    Dots,
}

struct Request {
    show: Show,
    verbose: bool,
    count: Option<u64>,
    replies: Option<u64>,
    deadline: Option<Duration>,
    interval: Duration,
    device: Option<String>,
    source: Option<String>,
    source_mac: Option<MacAddr>,
    target_mac: Option<MacAddr>,
    only_addressed: bool,
    duplicates: bool,
    with_sent: bool,
    promiscuous: bool,
    unsolicited: bool,
    reply: bool,
    target: String,
}

enum Refusal {
    Text(String),
    /// The usage, after getopt's complaint.
    Usage(Option<String>),
    Help {
        full: bool,
    },
    NotModelled(String),
}

/// The program.
pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let me = cx.args.first().map_or("arping", String::as_str).to_owned();
    match parse(cx.operands()).and_then(|request| ask(cx, &request)) {
        Ok(status) => status,
        Err(Refusal::Text(text)) => {
            cx.out.err(format!("arping: {text}"));
            1
        }
        Err(Refusal::Usage(text)) => {
            if let Some(text) = text {
                cx.out.err(format!("{me}: {text}"));
            }
            cx.out.line(format!("{BANNER}\n{HINT}"));
            1
        }
        Err(Refusal::Help { full }) => {
            if full {
                cx.out.print(HELP);
            } else {
                cx.out.line(format!("{BANNER}\n{HINT}"));
            }
            0
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut r = Request {
        show: Show::Lines,
        verbose: false,
        count: None,
        replies: None,
        deadline: None,
        interval: Duration::from_secs(1),
        device: None,
        source: None,
        source_mac: None,
        target_mac: None,
        only_addressed: false,
        duplicates: false,
        with_sent: false,
        promiscuous: false,
        unsolicited: false,
        reply: false,
        target: String::new(),
    };
    if args.iter().any(|a| a == "--help") {
        return Err(Refusal::Help { full: true });
    }
    let mut targets = Vec::new();
    let (mut mac, mut ip) = (false, false);
    for word in getopt::parse(args, "0aAbBC:c:dDeFg:hi:I:m:pPqQ:rRs:S:t:T:uUvV:w:W:zZ") {
        match word {
            Word::Flag('h') => return Err(Refusal::Help { full: false }),
            Word::Flag('0') => r.source = Some("0.0.0.0".to_owned()),
            Word::Flag('b') => r.source = Some("255.255.255.255".to_owned()),
            Word::Flag('B') => targets.push("255.255.255.255".to_owned()),
            Word::Flag('A') => r.only_addressed = true,
            Word::Flag('d') => r.duplicates = true,
            Word::Flag('D') => r.show = Show::Dots,
            Word::Flag('q') => r.show = Show::Nothing,
            Word::Flag('r') => mac = true,
            Word::Flag('R') => ip = true,
            Word::Flag('u') => r.with_sent = true,
            Word::Flag('p') => r.promiscuous = true,
            Word::Flag('P') => r.reply = true,
            Word::Flag('U') => r.unsolicited = true,
            Word::Flag('v') => r.verbose = true,
            // Sound, sandboxing and the source of time stamps change nothing that is shown.
            Word::Flag('a' | 'F' | 'z' | 'Z') | Word::Value('g' | 'm', _) => {}
            Word::Value('c', v) => r.count = Some(atoi(v)),
            Word::Value('C', v) => r.replies = Some(atoi(v)),
            Word::Value('w', v) => r.deadline = seconds(v),
            Word::Value('W', v) => r.interval = seconds(v).unwrap_or_default().max(Duration::from_millis(1)),
            Word::Value('i' | 'I', v) => r.device = Some(v.to_owned()),
            Word::Value('S', v) => r.source = Some(v.to_owned()),
            Word::Value('s', v) => r.source_mac = Some(hardware(v)?),
            Word::Value('t', v) => r.target_mac = Some(hardware(v)?),
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("arping -{c}"))),
            Word::Operand(word) => targets.push(word.to_owned()),
            Word::Unknown(c) => return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'")))),
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    if mac || ip {
        r.show = Show::Raw { mac, ip };
    }
    match <[String; 1]>::try_from(targets) {
        Ok([target]) => Ok(Request { target, ..r }),
        Err(none) if none.is_empty() => Err(Refusal::Usage(None)),
        Err(_) => Err(Refusal::Text("Too many args on command line. Expected at most one.".to_owned())),
    }
}

/// `atoi(3)`
fn atoi(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn seconds(text: &str) -> Option<Duration> {
    let value: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(value).ok().filter(|d| !d.is_zero())
}

fn hardware(text: &str) -> Result<MacAddr, Refusal> {
    text.parse().map_err(|_| Refusal::Text(format!("Weird MAC addr {text}")))
}

fn ask(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    if request.target.parse::<MacAddr>().is_ok() {
        return Err(Refusal::NotModelled("arping of a hardware address".to_owned()));
    }
    let unresolved = |name: &str| Refusal::Text(format!("Can't resolve {name}"));
    let target = destination(cx, &request.target).map_err(|_| unresolved(&request.target))?;
    let iface = interface(cx, request, target)?;
    let own = match &request.source {
        Some(name) => destination(cx, name).map_err(|_| unresolved(name))?,
        None => first_address(&iface).ok_or_else(|| {
            Refusal::Text(format!(
                "Unable to get the IPv4 address of interface {}:\narping: libnet_get_ipaddr4(): ioctl(): \
                 Cannot assign requested address\narping: Use -S to specify address manually.",
                iface.name
            ))
        })?,
    };
    let ns = net::netns(cx).map_err(|e| Refusal::Text(e.to_string()))?;
    let socket = Socket::open(cx, ns, iface.id);
    if request.verbose {
        cx.out.line(format!("This box:   Interface: {}  IP: {own}   MAC address: {}", iface.name, iface.mac));
    }
    let mac = request.source_mac.unwrap_or(iface.mac);
    let tally = Tally { sent: 0, received: 0, extra: 0, times: Vec::new(), macs: Vec::new() };
    let status = Session { request, socket: &socket, target, own, mac, tally }.run(cx);
    socket.close(cx);
    Ok(status)
}

fn first_address(iface: &Iface) -> Option<Ipv4Addr> {
    iface.addrs.iter().find_map(|a| match a.addr() {
        std::net::IpAddr::V4(a) => Some(a),
        std::net::IpAddr::V6(_) => None,
    })
}

/// `-i`, or the interface on whose subnet the target is.
fn interface(cx: &mut Cx<'_>, request: &Request, target: Ipv4Addr) -> Result<Iface, Refusal> {
    let ns = net::netns(cx).map_err(|e| Refusal::Text(e.to_string()))?;
    let stack = cx.cluster.world.ns(ns);
    let found = if let Some(name) = &request.device {
        let found = stack.by_name(name).cloned();
        found.map_err(|_| {
            Refusal::Text(format!(
                "libnet_init(LIBNET_LINK, {name}): libnet_check_iface() ioctl: No such device"
            ))
        })?
    } else {
        let near = stack.ifaces().find(|i| i.up && i.subnet_of(target.into()).is_some()).cloned();
        let first = stack.ifaces().find(|i| i.up && !i.is_loopback()).cloned();
        match (near, first) {
            (Some(near), _) => near,
            (None, Some(first)) => {
                cx.out.err(format!(
                    "arping: lookup dev: No matching interface found using getifaddrs().\n\
                     arping: Unable to automatically find interface to use. Is it on the local LAN?\n\
                     arping: Use -i to manually specify interface. Guessing interface {}.",
                    first.name
                ));
                first
            }
            (None, None) => return Err(Refusal::Text("No interface found".to_owned())),
        }
    };
    if !found.up {
        let name = &found.name;
        let down = format!("libnet_init(LIBNET_LINK, {name}): libnet_check_iface(): {name} is down");
        return Err(Refusal::Text(down));
    }
    Ok(found)
}

struct Tally {
    sent: u64,
    received: u64,
    /// Replies to a request that had one.
    extra: u64,
    /// Round trips in nanoseconds.
    times: Vec<u64>,
    macs: Vec<MacAddr>,
}

struct Session<'a> {
    request: &'a Request,
    socket: &'a Socket,
    target: Ipv4Addr,
    own: Ipv4Addr,
    mac: MacAddr,
    tally: Tally,
}

impl Session<'_> {
    fn run(mut self, cx: &mut Cx<'_>) -> i32 {
        let handled = cx.out.set_handles_interrupt(true);
        if self.request.show == Show::Lines {
            cx.out.line(format!("ARPING {}", self.request.target));
        }
        let end = self.request.deadline.map(|w| cx.now() + w);
        let endless = self.request.count.is_none() && end.is_none() && self.request.replies.is_none();
        while self.request.count.is_none_or(|n| self.tally.sent < n) {
            self.send(cx);
            if end.is_some_and(|end| cx.now() >= end) {
                break;
            }
            let until = cx.now() + self.request.interval;
            let limit = end.unwrap_or(SimTime::MAX).min(if endless { cx.deadline() } else { SimTime::MAX });
            let before = self.tally.received;
            if self.listen(cx, until.min(limit))
                || (if endless { cx.interrupted() } else { cx.out.interrupted() })
            {
                break;
            }
            if self.tally.received == before {
                match self.request.show {
                    Show::Lines => cx.out.line("Timeout"),
                    Show::Dots => cx.out.print("."),
                    Show::Nothing | Show::Raw { .. } => {}
                }
            }
        }
        cx.out.set_handles_interrupt(handled);
        self.finish(cx)
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        let Request { reply, unsolicited, target_mac, .. } = self.request;
        let arp = Arp {
            op: if *reply { ArpOp::Reply } else { ArpOp::Request },
            sender_mac: self.mac,
            sender_ip: self.own,
            target_mac: if *unsolicited { MacAddr::BROADCAST } else { MacAddr::ZERO },
            target_ip: self.target,
        };
        let to = target_mac.unwrap_or(MacAddr::BROADCAST);
        if self.socket.send(cx, to, arp).is_ok() {
            self.tally.sent += 1;
        }
    }

    /// Takes answers until then; whether there are enough.
    fn listen(&mut self, cx: &mut Cx<'_>, until: SimTime) -> bool {
        let sent = cx.now();
        let before = self.tally.received;
        loop {
            let heard = self.socket.listen(cx, until);
            if heard.is_empty() {
                return false;
            }
            for message in heard {
                if !self.is_answer(&message) {
                    continue;
                }
                self.tally.extra += u64::from(self.tally.received > before);
                self.note(cx, &message, message.at.since(sent));
                if self.request.replies.is_some_and(|n| self.tally.received >= n) {
                    return true;
                }
            }
            if cx.out.interrupted() {
                return true;
            }
        }
    }

    /// Its filter: a reply from the target, to this machine's hardware address.
    fn is_answer(&self, heard: &Heard) -> bool {
        let arp = &heard.arp;
        arp.op == ArpOp::Reply
            && arp.sender_ip == self.target
            && (self.request.promiscuous || arp.target_mac == self.mac)
            && (!self.request.only_addressed || arp.target_ip == self.own)
    }

    fn note(&mut self, cx: &mut Cx<'_>, heard: &Heard, time: Duration) {
        let arp = &heard.arp;
        match self.request.show {
            Show::Nothing => {}
            Show::Dots => cx.out.print("!"),
            Show::Raw { mac, ip } => {
                let (mac, ip) =
                    (mac.then(|| arp.sender_mac.to_string()), ip.then(|| arp.sender_ip.to_string()));
                let shown: Vec<String> = [mac, ip].into_iter().flatten().collect();
                cx.out.line(shown.join(" "));
            }
            Show::Lines => {
                let sent =
                    if self.request.with_sent { format!("/{}", self.tally.sent - 1) } else { String::new() };
                cx.out.line(format!(
                    "{} bytes from {} ({}): index={}{sent} time={}",
                    heard.length,
                    arp.sender_mac,
                    arp.sender_ip,
                    self.tally.received,
                    span(time)
                ));
            }
        }
        self.tally.received += 1;
        self.tally.times.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        if !self.tally.macs.contains(&arp.sender_mac) {
            self.tally.macs.push(arp.sender_mac);
        }
    }

    fn finish(&self, cx: &mut Cx<'_>) -> i32 {
        let Tally { sent, received, extra, times, macs } = &self.tally;
        let answered = received - extra;
        let loss = 100.0 - 100.0 * answered as f64 / *sent as f64;
        let loss = if *sent == 0 { "-nan".to_owned() } else { format!("{loss:3.0}") };
        match self.request.show {
            Show::Dots => cx.out.line(format!("\t{loss}% packet loss ({extra} extra)")),
            Show::Lines => {
                cx.out.line(format!("\n--- {} statistics ---", self.request.target));
                cx.out.line(format!(
                    "{sent} packets transmitted, {received} packets received, {loss}% unanswered ({extra} extra)"
                ));
                cx.out.line(statistics(times));
            }
            Show::Nothing | Show::Raw { .. } => {}
        }
        i32::from(*received == 0 || (self.request.duplicates && macs.len() > 1))
    }
}

/// `rtt min/avg/max/std-dev = …`; an empty line if nothing came back.
fn statistics(nanos: &[u64]) -> String {
    let millis: Vec<f64> = nanos.iter().map(|n| *n as f64 / 1e6).collect();
    let n = millis.len() as f64;
    let least = millis.iter().copied().reduce(f64::min);
    let most = millis.iter().copied().reduce(f64::max);
    let (Some(least), Some(most)) = (least, most) else { return String::new() };
    let mean = millis.iter().sum::<f64>() / n;
    let variance = millis.iter().map(|m| m * m).sum::<f64>() / n - mean * mean;
    let deviation = variance.max(0.0).sqrt();
    format!("rtt min/avg/max/std-dev = {least:.3}/{mean:.3}/{most:.3}/{deviation:.3} ms")
}

/// A time in the unit that suits it.
fn span(time: Duration) -> String {
    let mut value = time.as_nanos() as f64;
    let mut units = ["nsec", "usec", "msec", "sec"].iter();
    let mut unit = units.next();
    while value > 1000.0 && units.len() > 0 {
        value /= 1000.0;
        unit = units.next();
    }
    format!("{value:.3} {}", unit.unwrap_or(&"sec"))
}
