//! `kubectl proxy`: a port of this machine that speaks HTTP and leads to the API server, and through it into pods and Services.
//!
//! The connection to the API server is HTTPS and is not modelled as packets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use regex::Regex;
use sim_core::kube::apps::http::{Parsed, Request, date, parse};
use sim_core::kube::objects::Timestamp;
use sim_core::trace::{NsId, SockId};

use super::api::through::{self, Sent};
use super::api::{self, Answer, Refusal};
use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use crate::tools::SIGINT_STATUS;
use crate::tools::net::http::Head;
use crate::tools::net::{self, Stream};
use crate::tools::out::Held;

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

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";
const NO_PAGE: &str = "404 page not found\n";

impl Filter {
    /// As kubectl's `FilterServer`; none of the patterns of a filter that is switched off refuses anything.
    fn accepts(&self, request: &Request) -> bool {
        let host = request.header("Host").unwrap_or("");
        // Of `[::1]:8001` Go takes the brackets away too.
        let host = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => name.trim_matches(['[', ']']),
            _ => host,
        };
        let path = request.path();
        !self.rejected.iter().any(|r| r.is_match(path))
            && (self.hosts.is_empty() || self.hosts.iter().any(|r| r.is_match(host)))
    }
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
    let port = u16::try_from(port)
        .map_err(|_| Failure::plain(format!("listen tcp: address {port}: invalid port")))?;
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
        let bytes = match request(ctl, client) {
            Some(Ok((request, body))) => {
                let mut bytes = respond(ctl, &request, &body, filter);
                if request.method == "HEAD" {
                    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
                    bytes.truncate(end.map_or(bytes.len(), |at| at + 4));
                }
                bytes
            }
            Some(Err(NoRequest)) => BAD_REQUEST.as_bytes().to_vec(),
            None => Vec::new(),
        };
        // A client that is gone needs no answer.
        let _ = client.send(ctl.cx, &bytes);
        client.close(ctl.cx);
    }
}

/// The bytes are no request.
struct NoRequest;

/// A request and its body; nothing if the client goes or is silent.
fn request(ctl: &mut Ctl<'_, '_>, client: Stream) -> Option<Result<(Request, Vec<u8>), NoRequest>> {
    let until = ctl.now() + PATIENCE;
    let mut buffer = Vec::new();
    loop {
        let bytes = client.recv(ctl.cx, Some(until)).ok().filter(|b| !b.is_empty())?;
        buffer.extend_from_slice(&bytes);
        match parse(&buffer) {
            Parsed::Request(request, end) => {
                let body = buffer[end - request.body..end].to_vec();
                return Some(Ok((request, body)));
            }
            Parsed::Bad => return Some(Err(NoRequest)),
            Parsed::Incomplete => {}
        }
    }
}

fn respond(ctl: &mut Ctl<'_, '_>, request: &Request, body: &[u8], filter: &Filter) -> Vec<u8> {
    if !filter.accepts(request) {
        return error(ctl, 403, "Forbidden\n");
    }
    let prefix = ctl.args.text("api-prefix").unwrap_or("/").trim_end_matches('/').to_owned();
    let Some(target) = request.target.strip_prefix(&prefix) else {
        return error(ctl, 404, NO_PAGE);
    };
    let pretty = request.header("User-Agent").is_some_and(|agent| {
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|program| agent.starts_with(program))
    });
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    match api::get(ctl, target) {
        Answer::Through(to, path) => {
            let sent = Sent { method: &request.method, target, headers: &request.headers, body };
            match through::ask(ctl, &sent, to, &path) {
                Ok((head, body)) => passed_on(&head, &body, request.method == "HEAD"),
                Err(refusal) => refused(ctl, &refusal, pretty),
            }
        }
        _ if !is_read => not_modelled(ctl, request),
        Answer::Text(text) => plain(ctl, 200, "text/plain; charset=utf-8", &text),
        Answer::Document(document) => json(ctl, 200, &api::text(&document, pretty)),
        Answer::Refused(refusal) => refused(ctl, &refusal, pretty),
        Answer::NoPage => error(ctl, 404, NO_PAGE),
        Answer::NotModelled => not_modelled(ctl, request),
    }
}

fn refused(ctl: &Ctl<'_, '_>, refusal: &Refusal, pretty: bool) -> Vec<u8> {
    json(ctl, refusal.code, &api::text(&refusal.document(), pretty))
}

/// The answer of a pod, whose body has one length and no parts any more.
fn passed_on(head: &Head, body: &[u8], is_head: bool) -> Vec<u8> {
    let mut bytes = format!("{}\r\n", head.line).into_bytes();
    let framing = ["transfer-encoding", "content-length", "connection", "keep-alive"];
    for (name, value) in &head.headers {
        if !framing.contains(&name.to_lowercase().as_str()) {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
    }
    let length = head.length().filter(|_| is_head).unwrap_or(body.len() as u64);
    bytes.extend(format!("Content-Length: {length}\r\n\r\n").into_bytes());
    bytes.extend(body);
    bytes
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
    response(ctl, code, &[("Cache-Control", "no-cache, private"), ("Content-Type", kind)], body)
}

/// `http.Error` of Go.
fn error(ctl: &Ctl<'_, '_>, code: u16, body: &str) -> Vec<u8> {
    let fields = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")];
    response(ctl, code, &fields, body)
}

fn response(ctl: &Ctl<'_, '_>, code: u16, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
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
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {code} {reason}\r\n{fields}Date: {date}\r\nContent-Length: {length}\r\n\r\n");
    format!("{head}{body}").into_bytes()
}
