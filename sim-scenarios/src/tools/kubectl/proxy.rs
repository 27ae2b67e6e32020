//! `kubectl proxy`: a port of this machine that speaks HTTP and leads to the API server, and through it into pods and Services.
//!
//! The connection to the API server is HTTPS and is not modelled as packets; the API server's own connection to a pod is a real one, from
//! the control-plane node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use regex::Regex;
use sim_core::kube::apps::http::{Parsed, Request, date, parse};
use sim_core::kube::objects::{Kind, Timestamp};
use sim_core::trace::{NsId, SockId};

use super::api::{self, Answer};
use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use crate::tools::net::http::Reader;
use crate::tools::net::{self, Stream};
use crate::tools::out::Held;
use crate::tools::{Place, SIGINT_STATUS};

pub(crate) static FLAGS: &[Flag] = &[
    short("port", 'p', F::Int),
    short("www", 'w', F::Text),
    short("www-prefix", 'P', F::Text),
    short("unix-socket", 'u', F::Text),
    flag("address", F::Text),
    flag("accept-hosts", F::Text),
    flag("accept-paths", F::Text),
    flag("reject-paths", F::Text),
    flag("reject-methods", F::Text),
    flag("api-prefix", F::Text),
    flag("append-server-path", F::Bool),
    flag("disable-filter", F::Bool),
    flag("keepalive", F::Duration),
];

/// Port where none is given.
const PORT: i64 = 8001;
/// Hosts that may be asked for where nothing else is said.
const HOSTS: &str = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$";
/// Paths that lead to a terminal.
const REJECTED: &str = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach";
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is let through.
struct Filter {
    hosts: Vec<Regex>,
    rejected: Vec<Regex>,
}

/// Runs the verb.
///
/// # Errors
/// The port is taken.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&[
        "www",
        "www-prefix",
        "unix-socket",
        "accept-paths",
        "reject-methods",
        "append-server-path",
    ])?;
    let port = ctl.args.int("port").unwrap_or(PORT);
    let port = u16::try_from(port).map_err(|_| Failure::plain(format!("invalid port {port}")))?;
    let address = ctl.args.text("address").unwrap_or("127.0.0.1");
    let address: IpAddr =
        address.parse().map_err(|_| Failure::plain(format!("listen tcp: lookup {address}: no such host")))?;
    let filter = filter(ctl)?;
    let ns = net::netns(ctl.cx).map_err(|e| Failure::plain(e.message().to_lowercase()))?;
    let at = SocketAddr::new(address, port);
    let listener = ctl.cx.cluster.world.tcp_listen(ns, at, 128).map_err(|errno| {
        Failure::plain(format!("listen tcp {at}: bind: {}", errno.message().to_lowercase()))
    })?;
    ctl.cx.out.hold(Held::Socket(ns, listener));
    let at = ctl.cx.cluster.world.ns(ns).sockets.local_addr(listener).unwrap_or(at);
    ctl.line(format!("Starting to serve on {at}"));
    serve(ctl, ns, listener, &filter);
    ctl.cx.cluster.world.close(ns, listener);
    Ok(SIGINT_STATUS)
}

fn filter(ctl: &Ctl<'_, '_>) -> Result<Filter, Failure> {
    let all = |flag: &str, default: &str| {
        let text = ctl.args.text(flag).unwrap_or(default).to_owned();
        let one = |p: &str| Regex::new(p).map_err(|_| Failure::plain(format!("error parsing regexp: {p}")));
        text.split(',').filter(|p| !p.is_empty()).map(one).collect::<Result<Vec<Regex>, Failure>>()
    };
    if ctl.args.bool("disable-filter", false) {
        return Ok(Filter { hosts: vec![], rejected: vec![] });
    }
    Ok(Filter { hosts: all("accept-hosts", HOSTS)?, rejected: all("reject-paths", REJECTED)? })
}

fn serve(ctl: &mut Ctl<'_, '_>, ns: NsId, listener: SockId, filter: &Filter) {
    while !ctl.cx.interrupted() {
        let until = ctl.cx.deadline();
        let mut came = None;
        ctl.cx.wait(until, |cluster| {
            came = cluster.world.tcp_accept(ns, listener);
            came.is_some()
        });
        let Some(sock) = came else { continue };
        let client = Stream::accepted(ns, sock);
        if let Some(request) = request(ctl, client) {
            let bytes = respond(ctl, &request, filter);
            // A client that is gone needs no answer.
            let _ = client.send(ctl.cx, &bytes);
        }
        client.close(ctl.cx);
    }
}

fn request(ctl: &mut Ctl<'_, '_>, client: Stream) -> Option<Request> {
    let until = ctl.now() + PATIENCE;
    let mut buffer = Vec::new();
    loop {
        let bytes = client.recv(ctl.cx, Some(until)).ok().filter(|b| !b.is_empty())?;
        buffer.extend_from_slice(&bytes);
        match parse(&buffer) {
            Parsed::Request(request, _) => return Some(request),
            Parsed::Bad => return None,
            Parsed::Incomplete => {}
        }
    }
}

fn respond(ctl: &mut Ctl<'_, '_>, request: &Request, filter: &Filter) -> Vec<u8> {
    let host = request.header("Host").unwrap_or("");
    let host = host.rsplit_once(':').map_or(host, |(h, port)| if port.ends_with(']') { host } else { h });
    let refused = !filter.hosts.is_empty() && !filter.hosts.iter().any(|r| r.is_match(host));
    if refused || filter.rejected.iter().any(|r| r.is_match(&request.target)) {
        return plain(ctl, 403, "text/plain; charset=utf-8", "Forbidden\n");
    }
    let prefix = ctl.args.text("api-prefix").unwrap_or("/").trim_end_matches('/').to_owned();
    let Some(target) = request.target.strip_prefix(&prefix).map(str::to_owned) else {
        return plain(ctl, 404, "text/plain; charset=utf-8", "404 page not found\n");
    };
    let pretty = request.header("User-Agent").is_some_and(|agent| {
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|program| agent.starts_with(program))
    });
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    match api::get(ctl, &target) {
        Answer::Through(to, path) => through(ctl, request, to, &path),
        _ if !is_read => not_modelled(ctl, request),
        Answer::Text(text) => plain(ctl, 200, "text/plain; charset=utf-8", &text),
        Answer::Document(document) => json(ctl, 200, &api::text(&document, pretty)),
        Answer::Refused(code, reason, message) => {
            json(ctl, code, &api::text(&api::status(code, reason, &message), pretty))
        }
        Answer::NotModelled => not_modelled(ctl, request),
    }
}

fn not_modelled(ctl: &mut Ctl<'_, '_>, request: &Request) -> Vec<u8> {
    let what = format!("{} {} of the API server", request.method, request.target);
    ctl.cx.session.note_not_modelled(&what);
    plain(ctl, 501, "text/plain; charset=utf-8", &format!("{what} is not modelled by this simulator\n"))
}

fn json(ctl: &Ctl<'_, '_>, code: u16, text: &str) -> Vec<u8> {
    plain(ctl, code, "application/json", text)
}

fn plain(ctl: &Ctl<'_, '_>, code: u16, kind: &str, body: &str) -> Vec<u8> {
    let reason = match code {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let date = date(Timestamp::at(ctl.now()));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\nCache-Control: no-cache, private\r\nContent-Type: {kind}\r\nDate: {date}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    format!("{head}{body}").into_bytes()
}

/// Asks a pod from the API server's machine, and passes its answer on.
fn through(ctl: &mut Ctl<'_, '_>, request: &Request, to: SocketAddr, path: &str) -> Vec<u8> {
    let failed = |ctl: &Ctl<'_, '_>, why: &str| {
        let message = format!("error trying to reach service: {why}");
        json(ctl, 503, &api::text(&api::status(503, "ServiceUnavailable", &message), true))
    };
    let Some(ns) = server(ctl) else { return failed(ctl, "no control plane") };
    // The API server's dialer gives up after 30 s.
    let until = ctl.now() + Duration::from_secs(30);
    let stream = match net::connect_in(ctl.cx, ns, None, to, Some(until)) {
        Ok(stream) => stream,
        Err(net::Failure::Errno(errno)) => {
            let why = format!("dial tcp {to}: connect: {}", errno.message().to_lowercase());
            return failed(ctl, &why);
        }
        Err(_) => return failed(ctl, &format!("dial tcp {to}: i/o timeout")),
    };
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {to}\r\n", request.method);
    for (name, value) in &request.headers {
        if !["host", "connection", "x-forwarded-for"].contains(&name.to_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    let uri = request.target.split('?').next().unwrap_or("");
    head += &format!("X-Forwarded-For: {}\r\nX-Forwarded-Uri: {uri}\r\n\r\n", Ipv4Addr::LOCALHOST);
    let sent = stream.send(ctl.cx, head.as_bytes());
    let mut reader = Reader::new(stream, Some(until));
    let answer = sent.ok().and_then(|()| reader.head(ctl.cx).ok());
    let Some(answer) = answer else {
        stream.close(ctl.cx);
        return failed(ctl, "EOF");
    };
    let (body, _) = reader.body(ctl.cx, &answer, request.method == "HEAD");
    stream.close(ctl.cx);
    let mut bytes = format!("{}\r\n", answer.line).into_bytes();
    let framing = ["transfer-encoding", "content-length", "connection", "keep-alive"];
    for (name, value) in &answer.headers {
        if !framing.contains(&name.to_lowercase().as_str()) {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}

/// The network namespace of the machine on which the API server runs.
fn server(ctl: &Ctl<'_, '_>) -> Option<NsId> {
    let url = super::cluster_info::server(ctl);
    let host = url.trim_start_matches("https://").rsplit_once(':')?.0.trim_matches(['[', ']']).to_owned();
    let nodes = ctl.store().iter(Kind::Node, None).map(|n| n.to_value());
    let node = nodes.into_iter().find(|n| {
        super::value::list(n, "/status/addresses").iter().any(|a| super::value::text(a, "/address") == host)
    })?;
    let place = Place::Node(super::value::name(&node).to_owned());
    ctl.cx.cluster.machine(&place).map(|m| m.ns)
}
