//! `nc` of busybox as the official images build it (`NC_110_COMPAT`): a refused connection is not mentioned unless `-v` is
//! given twice.

use std::net::SocketAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Family;
use sim_core::linux::Errno;

use super::listen::{Listen, Style, client, listen};
use super::{talk, udp_probe};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, SIGINT_STATUS, busybox, net};

const USAGE: &str = "nc [OPTIONS] HOST PORT  - connect
nc [OPTIONS] -l -p PORT [HOST] [PORT]  - listen

\t-e PROG\tRun PROG after connect (must be last)
\t-l\tListen mode, for inbound connects
\t-lk\tWith -e, provides persistent server
\t-p PORT\tLocal port
\t-s ADDR\tLocal address
\t-w SEC\tTimeout for connects and final net reads
\t-i SEC\tDelay interval for lines sent
\t-n\tDon't do DNS resolution
\t-u\tUDP mode
\t-b\tAllow broadcasts
\t-v\tVerbose
\t-o FILE\tHex dump traffic
\t-z\tZero-I/O mode (scanning)";

struct Request {
    host: String,
    port: u16,
    verbose: u32,
    udp: bool,
    zero: bool,
    numeric: bool,
    wait: Option<Duration>,
    /// `-l`: the port of `-p`, 0 for any.
    listen: Option<u16>,
    local: Option<String>,
}

enum Refusal {
    Text(String),
    Usage(Option<String>),
    NotModelled(String),
}

/// The applet.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.args.get(1..).unwrap_or_default()) {
        Ok(request) if request.listen.is_some() => serve(cx, &request),
        Ok(request) => connect(cx, &request),
        Err(Refusal::Text(text)) => {
            cx.out.err(format!("nc: {text}"));
            1
        }
        Err(Refusal::Usage(text)) => {
            if let Some(text) = text {
                cx.out.err(format!("nc: {text}"));
            }
            busybox::usage(cx, USAGE)
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut request = Request {
        host: String::new(),
        port: 0,
        verbose: 0,
        udp: false,
        zero: false,
        numeric: false,
        wait: None,
        listen: None,
        local: None,
    };
    let (mut listen, mut port) = (false, None);
    let mut operands = Vec::new();
    for word in getopt::parse(args, "lknuvbze:p:s:w:i:o:") {
        match word {
            Word::Flag('v') => request.verbose += 1,
            Word::Flag('u') => request.udp = true,
            Word::Flag('z') => request.zero = true,
            Word::Flag('n') => request.numeric = true,
            Word::Flag('l') => listen = true,
            Word::Value('p', v) => port = Some(v),
            Word::Value('s', v) => request.local = Some(v.to_owned()),
            Word::Flag('b') => {}
            Word::Value('w', v) => {
                let seconds = v.parse().map_err(|_| Refusal::Text(format!("invalid number '{v}'")))?;
                request.wait = Some(Duration::from_secs(seconds));
            }
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("nc -{c}"))),
            Word::Operand(word) => operands.push(word),
            Word::Unknown(c) => return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'")))),
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    let number = |port: &str| {
        let number = port.parse().ok().or_else(|| super::services::port(port, request.udp));
        number.ok_or_else(|| Refusal::Text(format!("bad port '{port}'")))
    };
    if listen {
        if !operands.is_empty() {
            return Err(Refusal::NotModelled("nc -l for one peer".to_owned()));
        }
        let port = port.map_or(Ok(0), number)?;
        return Ok(Request { listen: Some(port), ..request });
    }
    if port.is_some() || request.local.is_some() {
        return Err(Refusal::NotModelled("nc -p and -s without -l".to_owned()));
    }
    let [host, port] = operands[..] else { return Err(Refusal::Usage(None)) };
    let port = number(port)?;
    Ok(Request { host: host.to_owned(), port, ..request })
}

fn serve(cx: &mut Cx<'_>, request: &Request) -> i32 {
    let host = match request.local.as_deref().map(str::parse) {
        Some(Err(_)) => return cx.not_modelled("nc -s with a name"),
        Some(Ok(addr)) => Some(addr),
        None => None,
    };
    let asked = Listen {
        style: Style::Busybox,
        host,
        port: request.listen.unwrap_or(0),
        udp: request.udp,
        keep: false,
        verbose: request.verbose > 0,
        numeric: request.numeric,
        wait: request.wait,
    };
    listen(cx, &asked)
}

fn connect(cx: &mut Cx<'_>, request: &Request) -> i32 {
    let found = net::lookup(cx, &request.host, Family::Any).ok();
    let Some(addr) = found.and_then(|f| f.addresses.first().copied()) else {
        cx.out.err(format!("nc: bad address '{}'", request.host));
        return 1;
    };
    let to = SocketAddr::new(addr, request.port);
    let status = if request.udp { udp(cx, request, to) } else { tcp(cx, request, to) };
    if request.verbose > 1 {
        cx.out.err("sent 0, rcvd 0");
    }
    status
}

fn udp(cx: &mut Cx<'_>, request: &Request, to: SocketAddr) -> i32 {
    if !request.zero {
        return match client(cx, to, request.wait) {
            Ok(status) => status,
            Err(errno) => failed(cx, request, to, errno),
        };
    }
    match udp_probe(cx, to, 2) {
        Ok(()) => open(cx, request, to),
        Err(errno) => return failed(cx, request, to, errno),
    }
    0
}

fn tcp(cx: &mut Cx<'_>, request: &Request, to: SocketAddr) -> i32 {
    let until = net::deadline(cx, request.wait);
    match net::connect(cx, to, until) {
        Ok(stream) => {
            open(cx, request, to);
            if request.zero {
                stream.close(cx);
                return 0;
            }
            talk(cx, stream, cx.stdin, request.wait)
        }
        Err(net::Failure::Errno(errno)) => failed(cx, request, to, errno),
        Err(net::Failure::TimedOut) => failed(cx, request, to, Errno::ETIMEDOUT),
        Err(net::Failure::Interrupted) => SIGINT_STATUS,
    }
}

fn open(cx: &mut Cx<'_>, request: &Request, to: SocketAddr) {
    if request.verbose > 0 {
        cx.out.err(format!("{} ({to}) open", request.host));
    }
}

fn failed(cx: &mut Cx<'_>, request: &Request, to: SocketAddr, errno: Errno) -> i32 {
    if request.verbose > 1 || (request.verbose == 1 && errno != Errno::ECONNREFUSED) {
        let text = format!("nc: {} ({to}): {}", request.host, net::strerror(cx, errno));
        cx.out.err(text);
    }
    1
}
