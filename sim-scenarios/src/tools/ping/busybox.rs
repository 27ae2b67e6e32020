//! `ping` of busybox. Errors about requests are not shown: it waits for replies only.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Family;
use sim_core::linux::socket::SockOptions;
use sim_core::time::SimTime;

use super::probe::{Answer, Probe, Times, seconds};
use super::{called, device, scoped};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, busybox, net};

const USAGE: &str = "ping [OPTIONS] HOST

Send ICMP ECHO_REQUESTs to HOST

\t-4,-6\t\tForce IP or IPv6 name resolution
\t-c CNT\t\tSend only CNT pings
\t-s SIZE\t\tSend SIZE data bytes in packets (default 56)
\t-i SECS\t\tInterval
\t-A\t\tPing as soon as reply is received
\t-t TTL\t\tSet TTL
\t-I IFACE/IP\tSource interface or IP address
\t-W SEC\t\tSeconds to wait for the first response (default 10)
\t\t\t(after all -c CNT packets are sent)
\t-w SEC\t\tSeconds until ping exits (default:infinite)
\t\t\t(can exit earlier with -c CNT)
\t-q\t\tQuiet, only display output at start/finish
\t-p HEXBYTE\tPayload pattern";

/// Data of at least this many bytes has room for the time of sending.
const TIMED: usize = 4;

struct Request {
    host: String,
    family: Family,
    /// 0 for ever.
    count: u64,
    size: usize,
    interval: Duration,
    ttl: u8,
    wait: Duration,
    deadline: Option<Duration>,
    source: Option<String>,
    quiet: bool,
}

/// Why it does not start.
enum Refusal {
    Text(String),
    Usage(Option<String>),
    NotModelled(&'static str),
}

/// The applet.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.args.get(1..).unwrap_or_default()) {
        Ok(request) if called(cx) == "ping6" => ping(cx, &Request { family: Family::V6, ..request }),
        Ok(request) => ping(cx, &request),
        Err(Refusal::Text(text)) => fail(cx, &text),
        Err(Refusal::Usage(text)) => {
            if let Some(text) = text {
                cx.out.err(format!("ping: {text}"));
            }
            busybox::usage(cx, USAGE)
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut request = Request {
        host: String::new(),
        family: Family::Any,
        count: 0,
        size: 56,
        interval: Duration::from_secs(1),
        ttl: 0,
        wait: Duration::from_secs(10),
        deadline: None,
        source: None,
        quiet: false,
    };
    let mut hosts = Vec::new();
    for word in getopt::parse(args, "qvAnc:s:t:w:W:I:np:i:46") {
        match word {
            Word::Flag('q') => request.quiet = true,
            Word::Flag('4') => request.family = Family::V4,
            Word::Flag('6') => request.family = Family::V6,
            Word::Flag('A') => return Err(Refusal::NotModelled("ping -A")),
            Word::Flag(_) => {}
            Word::Value('c', v) => request.count = number(v, i32::MAX as u64)?,
            Word::Value('s', v) => request.size = number(v, 65535)? as usize,
            Word::Value('t', v) => request.ttl = number(v, 255)? as u8,
            Word::Value('W', v) => request.wait = Duration::from_secs(number(v, i32::MAX as u64)?),
            Word::Value('w', v) => request.deadline = Some(Duration::from_secs(number(v, i32::MAX as u64)?)),
            Word::Value('I', v) => request.source = Some(v.to_owned()),
            Word::Value('i', v) => {
                let interval = seconds(v).ok_or_else(|| Refusal::Text(format!("invalid number '{v}'")))?;
                request.interval = interval.max(Duration::from_millis(1));
            }
            Word::Value('p', v) if u8::from_str_radix(v, 16).is_err() => {
                return Err(Refusal::Text(format!("invalid number '{v}'")));
            }
            Word::Value(..) => {}
            Word::Operand(host) => hosts.push(host.to_owned()),
            Word::Unknown(c) => return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'")))),
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    match <[String; 1]>::try_from(hosts) {
        Ok([host]) => Ok(Request { host, ..request }),
        Err(_) => Err(Refusal::Usage(None)),
    }
}

fn number(text: &str, most: u64) -> Result<u64, Refusal> {
    let value: u64 = text.parse().map_err(|_| Refusal::Text(format!("invalid number '{text}'")))?;
    if value > most {
        return Err(Refusal::Text(format!("number {text} is not in 0..{most} range")));
    }
    Ok(value)
}

fn fail(cx: &mut Cx<'_>, text: &str) -> i32 {
    cx.out.err(format!("ping: {text}"));
    1
}

fn ping(cx: &mut Cx<'_>, request: &Request) -> i32 {
    let (host, scope) = scoped(&request.host);
    let device = scope.or(request.source.as_deref()).and_then(|name| device(cx, name));
    let found = net::lookup(cx, host, request.family).ok().filter(|_| scope.is_none() || device.is_some());
    let Some(dst) = found.and_then(|f| f.addresses.first().copied()) else {
        return fail(cx, &format!("bad address '{}'", request.host));
    };
    let options = SockOptions { ttl: request.ttl, device, ..SockOptions::default() };
    let mut probe = match Probe::open(cx, dst, request.size, options) {
        Ok(probe) => probe,
        Err(errno) => {
            let text = format!("can't create raw socket: {}", net::strerror(cx, errno));
            return fail(cx, &text);
        }
    };
    let status = with_source(cx, request, &mut probe, dst).unwrap_or_else(|status| status);
    probe.close(cx);
    status
}

/// Binds, announces, and pings.
fn with_source(cx: &mut Cx<'_>, request: &Request, probe: &mut Probe, dst: IpAddr) -> Result<i32, i32> {
    let from = match &request.source {
        None => String::new(),
        Some(source) => source_text(cx, source, probe)?,
    };
    cx.out.line(format!("PING {} ({dst}){from}: {} data bytes", request.host, request.size));
    rounds(cx, request, probe)
}

/// `-I`: an address is bound to and shown, a device is not shown.
fn source_text(cx: &mut Cx<'_>, source: &str, probe: &Probe) -> Result<String, i32> {
    let Ok(addr) = source.parse::<IpAddr>() else {
        let there = net::netns(cx).is_ok_and(|ns| cx.cluster.world.ns(ns).iface_id(source).is_some());
        return if there { Ok(String::new()) } else { Err(fail(cx, &format!("bad address '{source}'"))) };
    };
    match probe.bind(cx, addr) {
        Ok(()) => Ok(format!(" from {addr}")),
        Err(errno) => {
            let text = format!("bind: {}", net::strerror(cx, errno));
            Err(fail(cx, &text))
        }
    }
}

/// Sends and waits; the statistics and the exit status.
fn rounds(cx: &mut Cx<'_>, request: &Request, probe: &mut Probe) -> Result<i32, i32> {
    let end = request.deadline.map(|d| cx.now() + d);
    let endless = request.count == 0 && end.is_none();
    loop {
        // Nobody's finger is faster than the first request.
        if probe.transmitted > 0 && (end.is_some_and(|end| cx.now() >= end) || stopped(cx, endless)) {
            break;
        }
        let seq = probe.transmitted as u16;
        probe.send(cx, seq).map_err(|errno| {
            let text = format!("sendto: {}", net::strerror(cx, errno));
            fail(cx, &text)
        })?;
        let last = request.count > 0 && probe.transmitted >= request.count;
        // Replies on their way arrive within two round trips.
        let patience = match probe.received {
            _ if !last => request.interval,
            0 => request.wait,
            _ => Duration::from_secs((probe.times.max / 524_288).max(1)),
        };
        let until = cx.now() + patience;
        if listen(cx, request, probe, end.map_or(until, |e| until.min(e)), endless) || last {
            break;
        }
    }
    Ok(statistics(cx, request, probe))
}

fn stopped(cx: &mut Cx<'_>, endless: bool) -> bool {
    if endless { cx.interrupted() } else { cx.out.interrupted() }
}

/// Takes what comes until then; whether all replies are there or ^C was pressed.
fn listen(cx: &mut Cx<'_>, request: &Request, probe: &mut Probe, until: SimTime, endless: bool) -> bool {
    let until = if endless { until.min(cx.deadline()) } else { until };
    while let Some(answer) = probe.wait(cx, until) {
        let Answer::Reply { from, seq, ttl, bytes, time, again } = answer else { continue };
        if !request.quiet {
            let time =
                if request.size >= TIMED { format!(" time={} ms", millis(time)) } else { String::new() };
            let again = if again { " (DUP!)" } else { "" };
            cx.out.line(format!("{bytes} bytes from {from}: seq={seq} ttl={ttl}{time}{again}"));
        }
        if request.count > 0 && probe.received >= request.count || stopped(cx, endless) {
            return true;
        }
    }
    false
}

fn statistics(cx: &mut Cx<'_>, request: &Request, probe: &Probe) -> i32 {
    let (sent, received) = (probe.transmitted, probe.received);
    cx.out.line(format!("\n--- {} ping statistics ---", request.host));
    let again = if probe.repeated > 0 { format!("{} duplicates, ", probe.repeated) } else { String::new() };
    let loss =
        ((sent - received) * 100).checked_div(sent).map(|l| format!("{l}% packet loss")).unwrap_or_default();
    cx.out.line(format!("{sent} packets transmitted, {received} packets received, {again}{loss}"));
    let Times { count, min, max, .. } = probe.times;
    if count > 0 && request.size >= TIMED {
        let average = probe.times.average();
        cx.out.line(format!(
            "round-trip min/avg/max = {}/{}/{} ms",
            millis(min),
            millis(average),
            millis(max)
        ));
    }
    i32::from(received == 0 || (request.deadline.is_some() && received < request.count))
}

/// Microseconds as milliseconds with three decimals.
fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
