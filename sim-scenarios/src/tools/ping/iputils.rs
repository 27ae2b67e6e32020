//! `ping` of iputils.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::kube::dns::resolver::{Family, Libc};
use sim_core::linux::Errno;
use sim_core::linux::ipv6::is_link_local;
use sim_core::linux::socket::{PmtuDiscovery, SockOptions};
use sim_core::packet::IcmpError;
use sim_core::time::SimTime;

use super::probe::{Answer, Probe, seconds};
use super::{called, device, scoped};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, net};

/// How long the last replies are waited for (`MAXWAIT`).
const LINGER: Duration = Duration::from_secs(10);
/// Data of at least this many bytes has room for the time of sending.
const TIMED: usize = 16;
/// The port to which it connects a UDP socket, to learn the source address.
const PROBE_PORT: u16 = 1025;

struct Request {
    host: String,
    family: Family,
    count: Option<u64>,
    size: usize,
    interval: Duration,
    ttl: u8,
    linger: Duration,
    deadline: Option<Duration>,
    source: Option<String>,
    pmtu: PmtuDiscovery,
    quiet: bool,
    numeric: bool,
}

/// The host, found.
struct Target {
    /// The name as the resolver completed it.
    name: String,
    addr: IpAddr,
    /// The interface that was named with it.
    scope: Option<String>,
}

impl Target {
    /// An address as it is shown: one of the link with its interface.
    fn text(&self, addr: IpAddr) -> String {
        match &self.scope {
            Some(device) if is_link_local(addr) || addr == self.addr => format!("{addr}%{device}"),
            _ => addr.to_string(),
        }
    }
}

/// What its own bookkeeping knows beyond the probe's.
struct Tally {
    errors: u64,
    /// Most requests under way at once.
    pipe: u16,
    start: SimTime,
    last_sent: SimTime,
    /// The name last looked up, and its address.
    known: Option<(IpAddr, String)>,
}

enum Refusal {
    Text(String, i32),
    NotModelled(String),
}

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let me = called(cx);
    let done = parse(cx.args.get(1..).unwrap_or_default()).and_then(|mut request| {
        if me == "ping6" {
            request.family = Family::V6;
        }
        ping(cx, &request)
    });
    match done {
        Ok(status) => status,
        Err(Refusal::Text(text, status)) => {
            cx.out.err(format!("{me}: {text}"));
            status
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut request = Request {
        host: String::new(),
        family: Family::Any,
        count: None,
        size: 56,
        interval: Duration::from_secs(1),
        ttl: 0,
        linger: LINGER,
        deadline: None,
        source: None,
        pmtu: PmtuDiscovery::Want,
        quiet: false,
        numeric: false,
    };
    let mut host = None;
    for word in getopt::parse(args, "hRrTvbBaACDdfLOUVqn46c:e:F:I:i:l:m:M:N:p:Q:s:S:t:w:W:") {
        match word {
            Word::Flag('q') => request.quiet = true,
            Word::Flag('n') => request.numeric = true,
            Word::Flag('4') => request.family = Family::V4,
            Word::Flag('6') => request.family = Family::V6,
            Word::Flag('a') => {}
            Word::Value('c', v) => request.count = Some(number(v, 1, i64::MAX as u64)?),
            Word::Value('s', v) => request.size = number(v, 0, 127_992)? as usize,
            Word::Value('t', v) => request.ttl = number(v, 0, 255)? as u8,
            Word::Value('w', v) => {
                request.deadline = Some(Duration::from_secs(number(v, 0, i32::MAX as u64)?))
            }
            Word::Value('W', v) => request.linger = time(v, "bad linger time")?,
            Word::Value('i', v) => {
                request.interval = time(v, "bad timing interval")?.max(Duration::from_millis(1))
            }
            Word::Value('I', v) => request.source = Some(v.to_owned()),
            Word::Value('M', v) => request.pmtu = discovery(v)?,
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("ping -{c}"))),
            Word::Operand(word) if host.is_none() => host = Some(word.to_owned()),
            Word::Operand(word) => return Err(Refusal::NotModelled(format!("ping: a route through {word}"))),
            Word::Unknown(c) => return Err(Refusal::Text(format!("invalid option -- '{c}'"), 2)),
            Word::Missing(c) => {
                return Err(Refusal::Text(format!("option requires an argument -- '{c}'"), 2));
            }
        }
    }
    match host {
        Some(host) => Ok(Request { host, ..request }),
        None => Err(Refusal::Text("usage error: Destination address required".to_owned(), 1)),
    }
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    let value: i128 = text.parse().map_err(|_| Refusal::Text(format!("invalid argument: '{text}'"), 1))?;
    u64::try_from(value).ok().filter(|v| (least..=most).contains(v)).ok_or_else(|| {
        Refusal::Text(format!("invalid argument: '{text}': out of range: {least} <= value <= {most}"), 1)
    })
}

fn time(text: &str, complaint: &str) -> Result<Duration, Refusal> {
    seconds(text).ok_or_else(|| Refusal::Text(format!("{complaint}: {text}"), 2))
}

fn discovery(text: &str) -> Result<PmtuDiscovery, Refusal> {
    match text {
        "do" => Ok(PmtuDiscovery::Do),
        "dont" => Ok(PmtuDiscovery::Dont),
        "want" => Ok(PmtuDiscovery::Want),
        other => Err(Refusal::Text(format!("invalid -M argument: {other}"), 2)),
    }
}

fn ping(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let (host, scope) = scoped(&request.host);
    let literal = host.parse::<IpAddr>().is_ok();
    let device = scope.or(request.source.as_deref()).and_then(|name| device(cx, name));
    if scope.is_some() && device.is_none() {
        return Err(Refusal::Text(format!("{}: Name or service not known", request.host), 2));
    }
    let found = net::lookup(cx, host, request.family);
    let found =
        found.map_err(|e| Refusal::Text(format!("{}: {}", request.host, e.message(Libc::Glibc)), 2))?;
    let addr = found.addresses.first().copied();
    let addr = addr
        .ok_or_else(|| Refusal::Text(format!("{}: No address associated with hostname", request.host), 2))?;
    let name = if literal { request.host.clone() } else { found.canonical.trim_end_matches('.').to_owned() };
    let scope = scope.map(str::to_owned);
    let target = Target { name, addr, scope };
    let options = SockOptions { ttl: request.ttl, pmtu: request.pmtu, device, ..SockOptions::default() };
    let errno = |what: &str, errno: Errno| Refusal::Text(format!("{what}: {}", errno.message()), 2);
    let mut probe = Probe::open(cx, addr, request.size, options).map_err(|e| errno("socket", e))?;
    let from = announce_source(cx, request, &target, &probe, options).inspect_err(|_| probe.close(cx))?;
    cx.out.line(headline(request, &target, &from));
    let tally = Tally { errors: 0, pipe: 0, start: cx.now(), last_sent: cx.now(), known: None };
    let numeric = request.numeric || literal;
    let status = Session { request, target: &target, probe: &mut probe, tally, numeric }.run(cx);
    probe.close(cx);
    Ok(status)
}

/// `PING web (10.244.2.6) 56(84) bytes of data.`
fn headline(request: &Request, target: &Target, from: &str) -> String {
    let Target { name, addr, .. } = target;
    let (size, addr_text) = (request.size, target.text(*addr));
    match addr {
        IpAddr::V4(_) => format!("PING {name} ({addr}) {from}{size}({}) bytes of data.", size + 28),
        IpAddr::V6(_) => format!("PING {name}({addr_text}) {from}{size} data bytes"),
    }
}

/// Binds to `-I`, and asks the kernel for a route by connecting a UDP socket, as the real one does.
fn announce_source(
    cx: &mut Cx<'_>,
    request: &Request,
    to: &Target,
    probe: &Probe,
    options: SockOptions,
) -> Result<String, Refusal> {
    let errno = |what: &str, errno: Errno| Refusal::Text(format!("{what}: {}", errno.message()), 2);
    let ns = net::netns(cx).map_err(|e| errno("socket", e))?;
    let source = request.source.as_deref().map(|s| (s, s.parse::<IpAddr>()));
    if let Some((device, Err(_))) = source
        && cx.cluster.world.ns(ns).iface_id(device).is_none()
    {
        return Err(Refusal::Text(format!("SO_BINDTODEVICE {device}: No such device"), 2));
    }
    let unspecified: IpAddr = if to.addr.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let local = source.as_ref().and_then(|(_, addr)| addr.as_ref().ok()).copied().unwrap_or(unspecified);
    let world = &mut cx.cluster.world;
    let udp = world.udp_bind(ns, SocketAddr::new(local, 0)).map_err(|e| errno("bind", e))?;
    world.set_options(ns, udp, options).map_err(|e| errno("setsockopt", e))?;
    let connected = world.udp_connect(ns, udp, SocketAddr::new(to.addr, PROBE_PORT));
    let src = world.ns(ns).sockets.local_addr(udp).map(|a| a.ip());
    world.close(ns, udp);
    connected.map_err(|e| match e {
        Errno::EACCES => Refusal::Text(
            "Do you want to ping broadcast? Then -b. If not, check your local firewall rules".to_owned(),
            2,
        ),
        e => errno("connect", e),
    })?;
    match (source, src) {
        (None, _) | (_, None) => Ok(String::new()),
        (Some((_, Ok(addr))), _) => {
            probe.bind(cx, addr).map_err(|e| errno("bind", e))?;
            Ok(format!("from {addr} : "))
        }
        (Some((device, Err(_))), Some(src)) => {
            let other = cx
                .cluster
                .world
                .ns(ns)
                .by_name(device)
                .is_ok_and(|i| i.addrs.iter().all(|a| a.addr() != src));
            if other {
                return Err(Refusal::NotModelled(format!(
                    "ping -I {device}, through which no route leads there"
                )));
            }
            Ok(format!("from {src} {device}: "))
        }
    }
}

/// A ping under way.
struct Session<'a> {
    request: &'a Request,
    target: &'a Target,
    probe: &'a mut Probe,
    tally: Tally,
    numeric: bool,
}

impl Session<'_> {
    fn run(mut self, cx: &mut Cx<'_>) -> i32 {
        let end = self.request.deadline.map(|d| cx.now() + d);
        let endless = self.request.count.is_none() && end.is_none();
        // Nobody's finger is faster than the first request.
        loop {
            self.send(cx);
            // With a deadline, -c counts replies, and sending goes on.
            let last = end.is_none() && self.request.count.is_some_and(|c| self.probe.transmitted >= c);
            let until = cx.now() + if last { self.patience() } else { self.request.interval };
            let until = end.map_or(until, |e| until.min(e));
            let until = if endless { until.min(cx.deadline()) } else { until };
            let answered = self.listen(cx, until, endless);
            if answered || last || end.is_some_and(|e| cx.now() >= e) || self.stopped(cx, endless) {
                break;
            }
        }
        self.statistics(cx)
    }

    fn stopped(&self, cx: &mut Cx<'_>, endless: bool) -> bool {
        if endless { cx.interrupted() } else { cx.out.interrupted() }
    }

    /// How long the last replies are waited for (`__schedule_exit`).
    fn patience(&self) -> Duration {
        match self.probe.received {
            0 => self.request.linger,
            _ => Duration::from_micros(2 * self.probe.times.max).max(self.request.interval),
        }
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        self.tally.last_sent = cx.now();
        let seq = (self.probe.transmitted as u16).wrapping_add(1);
        match self.probe.send(cx, seq) {
            Ok(()) => {}
            Err(Errno::EMSGSIZE) => {
                self.tally.errors += 1;
                if !self.request.quiet {
                    let mtu = self.mtu(cx);
                    let me = called(cx);
                    cx.out.err(format!("{me}: local error: message too long, mtu={mtu}"));
                }
            }
            Err(errno) => {
                if !self.request.quiet {
                    let me = called(cx);
                    cx.out.err(format!("{me}: sendmsg: {}", errno.message()));
                }
            }
        }
    }

    /// MTU of the interface through which packets leave.
    fn mtu(&self, cx: &Cx<'_>) -> u32 {
        let Ok(ns) = net::netns(cx) else { return 0 };
        let ns = cx.cluster.world.ns(ns);
        let dev = ns.routes().lookup(self.target.addr).and_then(|r| r.dev).and_then(|d| ns.iface(d));
        dev.map_or(0, |i| i.mtu)
    }

    /// Takes what comes until then; whether it is time to end.
    fn listen(&mut self, cx: &mut Cx<'_>, until: SimTime, endless: bool) -> bool {
        while !self.complete() {
            let Some(answer) = self.probe.wait(cx, until) else { return false };
            self.show(cx, &answer);
            if self.stopped(cx, endless) {
                return true;
            }
        }
        true
    }

    fn complete(&self) -> bool {
        self.request.count.is_some_and(|c| self.probe.received + self.tally.errors >= c)
    }

    fn show(&mut self, cx: &mut Cx<'_>, answer: &Answer) {
        let (&Answer::Reply { seq, from, .. } | &Answer::Error { seq, from, .. }) = answer;
        let under_way = (self.probe.transmitted as u16).wrapping_sub(seq).saturating_add(1);
        self.tally.pipe = self.tally.pipe.max(under_way);
        if let Answer::Error { .. } = answer {
            self.tally.errors += 1;
        }
        if self.request.quiet {
            return;
        }
        let from = self.named(cx, from);
        cx.out.line(match *answer {
            Answer::Reply { ttl, bytes, time, again, .. } => {
                let time = if self.request.size >= TIMED {
                    format!(" time={} ms", millis(time))
                } else {
                    String::new()
                };
                let again = if again { " (DUP!)" } else { "" };
                format!("{bytes} bytes from {from}: icmp_seq={seq} ttl={ttl}{time}{again}")
            }
            Answer::Error { error, .. } if self.target.addr.is_ipv6() => {
                format!("From {from} icmp_seq={seq} {}", describe_v6(error))
            }
            Answer::Error { error, .. } => format!("From {from} icmp_seq={seq} {}", describe(error)),
        });
    }

    /// An address as it is shown: with its name, unless the host was given as an address.
    fn named(&mut self, cx: &mut Cx<'_>, addr: IpAddr) -> String {
        if self.numeric {
            return self.target.text(addr);
        }
        let known = self.tally.known.take().filter(|(of, _)| *of == addr);
        let name = match known {
            Some((_, name)) => name,
            None => net::name_of(cx, addr).unwrap_or_else(|| addr.to_string()),
        };
        let text = format!("{name} ({addr})");
        self.tally.known = Some((addr, name));
        text
    }

    fn statistics(&self, cx: &mut Cx<'_>) -> i32 {
        let (probe, tally) = (&*self.probe, &self.tally);
        let (sent, received) = (probe.transmitted, probe.received);
        cx.out.line(format!("\n--- {} ping statistics ---", self.target.name));
        let mut line = format!("{sent} packets transmitted, {received} received");
        if probe.repeated > 0 {
            line += &format!(", +{} duplicates", probe.repeated);
        }
        if tally.errors > 0 {
            line += &format!(", +{} errors", tally.errors);
        }
        if sent > 0 {
            let lost = (sent - received) as f64 * 100.0 / sent as f64;
            let time = tally.last_sent.since(tally.start).as_millis();
            line += &format!(", {}% packet loss, time {time}ms", six_digits(lost));
        }
        cx.out.line(line);
        let mut last = Vec::new();
        if received > 0 && self.request.size >= TIMED {
            let t = &probe.times;
            let [min, avg, max, mdev] = [t.min, t.average(), t.max, t.deviation()].map(micros);
            last.push(format!("rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms"));
        }
        if tally.pipe > 1 {
            last.push(format!("pipe {}", tally.pipe));
        }
        cx.out.line(last.join(", "));
        let short = self.request.deadline.is_some() && self.request.count.is_some_and(|c| received < c);
        i32::from(received == 0 || short)
    }
}

/// `%g` of a percentage.
fn six_digits(percent: f64) -> String {
    let decimals = if percent >= 100.0 {
        3
    } else if percent >= 10.0 {
        4
    } else {
        5
    };
    let text = format!("{percent:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn micros(time: u64) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}

/// Three significant digits or more.
fn millis(time: u64) -> String {
    let (whole, rest) = (time / 1000, time % 1000);
    match time {
        100_000.. => format!("{whole}"),
        10_000.. => format!("{whole}.{}", rest / 100),
        1000.. => format!("{whole}.{:02}", rest / 10),
        _ => format!("{whole}.{rest:03}"),
    }
}

fn describe(error: IcmpError) -> String {
    match error {
        IcmpError::NetUnreachable => "Destination Net Unreachable".to_owned(),
        IcmpError::HostUnreachable => "Destination Host Unreachable".to_owned(),
        IcmpError::ProtocolUnreachable => "Destination Protocol Unreachable".to_owned(),
        IcmpError::PortUnreachable => "Destination Port Unreachable".to_owned(),
        IcmpError::FragmentationNeeded { mtu } => format!("Frag needed and DF set (mtu = {mtu})"),
        IcmpError::NetProhibited => "Destination Net Prohibited".to_owned(),
        IcmpError::HostProhibited => "Destination Host Prohibited".to_owned(),
        IcmpError::AdminProhibited => "Packet filtered".to_owned(),
        IcmpError::TtlExceeded => "Time to live exceeded".to_owned(),
        IcmpError::ReassemblyTimeout => "Frag reassembly time exceeded".to_owned(),
        // There are no such errors in IPv4.
        IcmpError::BeyondScope | IcmpError::PolicyFail | IcmpError::RejectRoute => describe_v6(error),
    }
}

/// The words of `print_icmp` for ICMPv6.
fn describe_v6(error: IcmpError) -> String {
    let (ty, code) = error.type_code_v6();
    match (ty, code, error) {
        (1, 0, _) => "Destination unreachable: No route".to_owned(),
        (1, 1, _) => "Destination unreachable: Administratively prohibited".to_owned(),
        (1, 2, _) => "Destination unreachable: Beyond scope of source address".to_owned(),
        (1, 3, _) => "Destination unreachable: Address unreachable".to_owned(),
        (1, 4, _) => "Destination unreachable: Port unreachable".to_owned(),
        (1, code, _) => format!("Destination unreachable: Unknown code {code}"),
        (2, _, IcmpError::FragmentationNeeded { mtu }) => format!("Packet too big: mtu={mtu}"),
        (3, 0, _) => "Time exceeded: Hop limit".to_owned(),
        (3, _, _) => "Time exceeded: Defragmentation failure".to_owned(),
        // The field that says what follows is the seventh byte of the header.
        _ => "Parameter problem: Unknown header at 6".to_owned(),
    }
}
