//! OpenBSD's netcat as Debian ships it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::kube::dns::resolver::{Family, Libc};

use super::listen::{Listen, Style, client, listen};
use super::{services, talk, udp_probe};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, SIGINT_STATUS, net};

const USAGE: &str = "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
\t  [destination] [port]";

const HELP: &str = include_str!("openbsd_help.txt");

/// Datagrams of a UDP scan: two at once, then one a second (`UDP_SCAN_TIMEOUT`).
const UDP_SCAN_TIMEOUT: u64 = 3;

struct Request {
    host: String,
    ports: Vec<u16>,
    family: Family,
    udp: bool,
    zero: bool,
    verbose: bool,
    numeric: bool,
    timeout: Option<Duration>,
    listen: bool,
    keep: bool,
}

enum Refusal {
    Text(String),
    Help,
    NotModelled(String),
}

fn refuse(text: impl Into<String>) -> Refusal {
    Refusal::Text(text.into())
}

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.args.get(1..).unwrap_or_default())
        .and_then(|request| if request.listen { listen_as(cx, &request) } else { scan(cx, &request) })
    {
        Ok(status) => status,
        Err(Refusal::Text(text)) => {
            cx.out.err(text);
            1
        }
        Err(Refusal::Help) => {
            cx.out.eprint(HELP);
            0
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut request = Request {
        host: String::new(),
        ports: Vec::new(),
        family: Family::Any,
        udp: false,
        zero: false,
        verbose: false,
        numeric: false,
        timeout: None,
        listen: false,
        keep: false,
    };
    let (mut source_port, mut source) = (None, None);
    let mut operands = Vec::new();
    for word in getopt::parse(args, "46CDdFhklNnrStUuvZzI:i:M:m:O:P:p:q:s:T:V:W:w:X:x:b") {
        match word {
            Word::Flag('4') => request.family = Family::V4,
            Word::Flag('6') => request.family = Family::V6,
            Word::Flag('u') => request.udp = true,
            Word::Flag('z') => request.zero = true,
            Word::Flag('v') => request.verbose = true,
            Word::Flag('n') => request.numeric = true,
            Word::Flag('l') => request.listen = true,
            Word::Flag('k') => request.keep = true,
            Word::Value('p', v) => source_port = Some(v),
            Word::Value('s', v) => source = Some(v),
            Word::Flag('h') => return Err(Refusal::Help),
            // How it reads its terminal matters to nobody here.
            Word::Flag('d' | 'N') | Word::Value('q', _) => {}
            Word::Value('w', v) => {
                let seconds = v.parse().map_err(|_| refuse(format!("nc: timeout invalid: {v}")))?;
                request.timeout = Some(Duration::from_secs(seconds));
            }
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("nc -{c}"))),
            Word::Operand(word) => operands.push(word),
            Word::Unknown(c) => return Err(refuse(format!("nc: invalid option -- '{c}'\n{USAGE}"))),
            Word::Missing(c) => {
                return Err(refuse(format!("nc: option requires an argument -- '{c}'\n{USAGE}")));
            }
        }
    }
    if request.listen {
        return serve(&operands, source_port, source, request);
    }
    if request.keep {
        return Err(refuse("nc: must use -l with -k"));
    }
    if source_port.is_some() || source.is_some() {
        return Err(Refusal::NotModelled("nc -p and -s without -l".to_owned()));
    }
    let Some((host, ports)) = operands.split_first() else { return Err(refuse(USAGE)) };
    if ports.is_empty() {
        return Err(refuse("nc: missing port number"));
    }
    let lists = ports.iter().map(|p| port_range(p, request.udp)).collect::<Result<Vec<_>, _>>()?;
    Ok(Request { host: (*host).to_owned(), ports: lists.into_iter().flatten().collect(), ..request })
}

/// The operands of `-l`: `-p PORT`, `PORT`, or `ADDRESS PORT`.
fn serve(
    operands: &[&str],
    port: Option<&str>,
    source: Option<&str>,
    request: Request,
) -> Result<Request, Refusal> {
    if source.is_some() {
        return Err(refuse(USAGE));
    }
    if request.zero {
        return Err(refuse("nc: cannot use -z and -l"));
    }
    let (host, port) = match (operands, port) {
        ([], Some(port)) => (None, port),
        ([port], None) => (None, *port),
        ([host], Some(port)) => (Some(*host), port),
        ([host, port], None) => (Some(*host), *port),
        ([], None) => return Err(refuse("nc: missing port number")),
        _ => return Err(refuse(USAGE)),
    };
    let number = services::port(port, request.udp).or_else(|| port.parse().ok());
    let number = number.ok_or_else(|| refuse("nc: getaddrinfo: Servname not supported for ai_socktype"))?;
    Ok(Request { host: host.unwrap_or_default().to_owned(), ports: vec![number], ..request })
}

fn port_range(text: &str, udp: bool) -> Result<Vec<u16>, Refusal> {
    if let Some(port) = services::port(text, udp) {
        return Ok(vec![port]);
    }
    match text.split_once('-') {
        Some((low, high)) => {
            let (low, high) = (port_number(low)?, port_number(high)?);
            Ok((low.min(high)..=low.max(high)).collect())
        }
        None => Ok(vec![port_number(text)?]),
    }
}

fn port_number(text: &str) -> Result<u16, Refusal> {
    let value: u64 = text.parse().map_err(|_| refuse(format!("nc: port number invalid: {text}")))?;
    match u16::try_from(value) {
        Ok(0) => Err(refuse(format!("nc: port number too small: {text}"))),
        Ok(port) => Ok(port),
        Err(_) => Err(refuse(format!("nc: port number too large: {text}"))),
    }
}

fn listen_as(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let port = request.ports.first().copied().unwrap_or(0);
    let host = match request.host.as_str() {
        "" if request.family == Family::V6 => Some(std::net::Ipv6Addr::UNSPECIFIED.into()),
        "" => None,
        _ => resolve(cx, request, port)?.first().copied(),
    };
    let asked = Listen {
        style: Style::OpenBsd,
        host,
        port,
        udp: request.udp,
        keep: request.keep,
        verbose: request.verbose,
        numeric: request.numeric,
        wait: request.timeout,
    };
    Ok(listen(cx, &asked))
}

/// Tries every port; it has worked if one did.
fn scan(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let mut status = 1;
    let mut addresses = None;
    for &port in &request.ports {
        let found = match &addresses {
            Some(found) => found,
            None => addresses.insert(resolve(cx, request, port)?),
        };
        if let Some(ended) = found.clone().into_iter().find_map(|addr| attempt(cx, request, addr, port)) {
            status = ended;
        }
        if cx.out.interrupted() {
            return Ok(SIGINT_STATUS);
        }
    }
    Ok(status)
}

fn resolve(cx: &mut Cx<'_>, request: &Request, port: u16) -> Result<Vec<IpAddr>, Refusal> {
    let failed = |text| refuse(format!("nc: getaddrinfo for host \"{}\" port {port}: {text}", request.host));
    if request.numeric && request.host.parse::<IpAddr>().is_err() {
        return Err(failed("Name or service not known"));
    }
    let found = net::lookup(cx, &request.host, request.family).map_err(|e| failed(e.message(Libc::Glibc)))?;
    Ok(found.addresses)
}

/// One address and port; the exit status if that connected.
fn attempt(cx: &mut Cx<'_>, request: &Request, addr: IpAddr, port: u16) -> Option<i32> {
    let to = SocketAddr::new(addr, port);
    if request.udp {
        if request.zero || request.verbose {
            let rounds = request.timeout.map_or(UDP_SCAN_TIMEOUT, |t| t.as_secs());
            udp_probe(cx, to, 2 + rounds).ok()?;
            succeeded(cx, request, to);
        }
        if request.zero {
            return Some(0);
        }
        return client(cx, to, request.timeout).ok();
    }
    let until = net::deadline(cx, request.timeout);
    match net::connect(cx, to, until) {
        Ok(stream) => {
            succeeded(cx, request, to);
            if !request.zero {
                return Some(talk(cx, stream, cx.stdin, request.timeout));
            }
            stream.close(cx);
            Some(0)
        }
        Err(failure) => {
            let reason = match failure {
                net::Failure::Errno(errno) => format!("failed: {}", errno.message()),
                net::Failure::TimedOut => "timed out: Operation now in progress".to_owned(),
                net::Failure::Interrupted => return Some(SIGINT_STATUS),
            };
            if request.verbose {
                cx.out.err(format!("nc: connect to {} port {port} (tcp) {reason}", shown(request, addr)));
            }
            None
        }
    }
}

fn succeeded(cx: &mut Cx<'_>, request: &Request, to: SocketAddr) {
    if !request.verbose {
        return;
    }
    let protocol = if request.udp { "udp" } else { "tcp" };
    let service = if request.numeric { None } else { services::name(to.port(), request.udp) }.unwrap_or("*");
    let (host, port) = (shown(request, to.ip()), to.port());
    cx.out.err(format!("Connection to {host} {port} port [{protocol}/{service}] succeeded!"));
}

/// The host as typed, and the address if that says more.
fn shown(request: &Request, addr: IpAddr) -> String {
    let address = addr.to_string();
    if request.host == address { address } else { format!("{} ({address})", request.host) }
}
