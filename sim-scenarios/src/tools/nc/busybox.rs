//! `nc` of busybox as the official images build it (`NC_110_COMPAT`): a refused connection is not mentioned unless `-v` is
//! given twice.

use std::net::SocketAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Family;
use sim_core::linux::Errno;

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
    wait: Option<Duration>,
}

enum Refusal {
    Text(String),
    Usage(Option<String>),
    NotModelled(String),
}

/// The applet.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match parse(cx.args.get(1..).unwrap_or_default()) {
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
    let mut request =
        Request { host: String::new(), port: 0, verbose: 0, udp: false, zero: false, wait: None };
    let mut operands = Vec::new();
    for word in getopt::parse(args, "lknuvbze:p:s:w:i:o:") {
        match word {
            Word::Flag('v') => request.verbose += 1,
            Word::Flag('u') => request.udp = true,
            Word::Flag('z') => request.zero = true,
            Word::Flag('n' | 'b') => {}
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
    let [host, port] = operands[..] else { return Err(Refusal::Usage(None)) };
    let number = port.parse().ok().or_else(|| super::services::port(port, request.udp));
    let port = number.ok_or_else(|| Refusal::Text(format!("bad port '{port}'")))?;
    Ok(Request { host: host.to_owned(), port, ..request })
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
        return cx.not_modelled("nc -u without -z");
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
            talk(cx, stream, request.wait)
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
