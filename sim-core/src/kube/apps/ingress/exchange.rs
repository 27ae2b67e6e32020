//! One request on its way from a client through nginx to an endpoint, and the answer back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::access_log::{Asked, Entry};
use super::annotations::Settings;
use crate::kube::apps::http::{Request, date};
use crate::kube::objects::Timestamp;
use crate::time::SimTime;
use crate::trace::SockId;

/// A request that an endpoint is asked to answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The client's connection.
    pub(super) client: SockId,
    /// What the client asked.
    pub(super) request: Request,
    /// What endpoints are sent.
    pub(super) bytes: Vec<u8>,
    /// How much of it is sent.
    pub(super) sent: usize,
    /// What has come back.
    pub(super) received: Vec<u8>,
    /// Endpoints to be asked, the next one last.
    pub(super) others: Vec<SocketAddr>,
    /// When nginx gives the endpoint up.
    pub(super) deadline: SimTime,
    /// The connection is open.
    pub(super) connected: bool,
    pub(super) settings: Arc<Settings>,
    /// The endpoint that is asked, and since when.
    pub(super) endpoint: Option<(SocketAddr, SimTime)>,
    /// What the access log will say.
    pub(super) entry: Entry,
}

impl Exchange {
    /// Notes how the endpoint that is asked has answered; `failure` is its status if it has not.
    pub(super) fn note(&mut self, answer: Option<&Answer>, failure: u16, now: SimTime) {
        let Some((endpoint, since)) = self.endpoint.take() else { return };
        let status = |a: &Answer| a.status.split(' ').next().unwrap_or_default().to_owned();
        let answer = answer.map(|a| (a.body.len(), status(a)));
        self.entry.asked.push(Asked { endpoint, answer, took: now.since(since), failure });
    }

    /// Whether another endpoint may be asked after this one has failed: nothing is repeated that may have had an effect.
    pub(super) fn may_go_on(&self) -> bool {
        let repeats = !matches!(self.request.method.as_str(), "POST" | "LOCK" | "PATCH");
        self.received.is_empty() && (repeats || self.sent == 0)
    }
}

/// The request as endpoints get it (`nginx.tmpl`).
pub(super) fn forwarded(
    request: &Request,
    body: &[u8],
    target: &str,
    client: IpAddr,
    port: u16,
    settings: &Settings,
    id: &str,
) -> Vec<u8> {
    let host = request.header("Host").unwrap_or_default();
    let client = client.to_canonical().to_string();
    let seen = settings.host.as_deref().unwrap_or(host);
    let mut own = vec![
        ("Host", seen.to_owned()),
        ("X-Request-ID", request.header("X-Request-ID").unwrap_or(id).to_owned()),
        ("X-Real-IP", client.clone()),
        ("X-Forwarded-For", client),
        ("X-Forwarded-Host", host.to_owned()),
        ("X-Forwarded-Port", port.to_string()),
        ("X-Forwarded-Proto", "http".to_owned()),
        ("X-Forwarded-Scheme", "http".to_owned()),
        ("X-Scheme", "http".to_owned()),
    ];
    if let Some(original) = request.header("X-Forwarded-For") {
        own.push(("X-Original-Forwarded-For", original.to_owned()));
    }
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method);
    for (name, value) in &own {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let hop = ["Connection", "Keep-Alive", "Proxy", "TE", "Expect"];
    for (name, value) in &request.headers {
        let replaced = own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !replaced && !hop.iter().any(|h| h.eq_ignore_ascii_case(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// An endpoint's answer, once it is there in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What has become of the bytes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Incomplete,
    /// These bytes are no answer.
    Bad,
    Complete(Answer),
}

/// Reads an answer to a request of this method; `ended` says that nothing more will come.
pub(super) fn read(bytes: &[u8], method: &str, ended: bool) -> Parsed {
    let unfinished = if ended { Parsed::Bad } else { Parsed::Incomplete };
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return unfinished };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let Some(status) = lines.next().and_then(|l| l.strip_prefix("HTTP/1.")).and_then(|l| l.get(2..)) else {
        return Parsed::Bad;
    };
    let status = status.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())))
        .collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let rest = &bytes[end + 4..];
    let empty = method == "HEAD" || status.starts_with("204") || status.starts_with("304");
    let length = header("Content-Length").and_then(|v| v.parse::<usize>().ok());
    let chunked = header("Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let body = match length {
        _ if empty => Vec::new(),
        _ if chunked => match dechunked(rest) {
            Some(body) => body,
            None => return unfinished,
        },
        Some(length) if rest.len() >= length => rest[..length].to_vec(),
        Some(_) => return unfinished,
        None if ended => rest.to_vec(),
        None => return Parsed::Incomplete,
    };
    Parsed::Complete(Answer { status, headers, body })
}

/// The data of a chunked body (RFC 9112, 7.1), if all of it is there.
fn dechunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let line = bytes.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        bytes = bytes.get(line + 2..)?;
        if size == 0 {
            return Some(out);
        }
        out.extend(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

impl Answer {
    /// The answer as the client gets it: nginx' own date and connection, the endpoint's other headers but those that nginx hides.
    pub(super) fn to_bytes(&self, request: &Request, now: Timestamp) -> Vec<u8> {
        const FIRST: [&str; 3] = ["Content-Type", "Content-Length", "Last-Modified"];
        const HIDDEN: [&str; 6] =
            ["Date", "Server", "Connection", "Keep-Alive", "Transfer-Encoding", "X-Accel-Redirect"];
        let is = |name: &str, list: &[&str]| list.iter().any(|n| n.eq_ignore_ascii_case(name));
        let mut head = format!("HTTP/1.1 {}\r\nDate: {}\r\n", self.status, date(now));
        for wanted in FIRST {
            for (_, value) in self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(wanted)) {
                head.push_str(&format!("{wanted}: {value}\r\n"));
            }
        }
        let sized = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("Content-Length"));
        let bodiless =
            request.method == "HEAD" || self.status.starts_with("204") || self.status.starts_with("304");
        let chunked = !sized && !bodiless && request.http11;
        if chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        let close = self.closes(request);
        head.push_str(if close { "Connection: close\r\n" } else { "Connection: keep-alive\r\n" });
        for (name, value) in self.headers.iter().filter(|(n, _)| !is(n, &FIRST) && !is(n, &HIDDEN)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        match chunked {
            _ if bodiless => {}
            true => {
                if !self.body.is_empty() {
                    bytes.extend(format!("{:x}\r\n", self.body.len()).as_bytes());
                    bytes.extend(&self.body);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
            false => bytes.extend(&self.body),
        }
        bytes
    }

    /// Whether the client's connection ends with the answer.
    pub(super) fn closes(&self, request: &Request) -> bool {
        let sized = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("Content-Length"));
        !request.keep_alive() || (!sized && !request.http11)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_length_is_there() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: x\r\n\r\nabc";
        assert_eq!(read(&bytes[..bytes.len() - 1], "GET", false), Parsed::Incomplete);
        let Parsed::Complete(answer) = read(bytes, "GET", false) else { panic!() };
        assert_eq!(answer.body, b"abc");
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nab", "GET", false), Parsed::Incomplete);
        assert!(
            matches!(read(b"HTTP/1.1 200 OK\r\n\r\nab", "GET", true), Parsed::Complete(a) if a.body == b"ab")
        );
        assert_eq!(read(b"hello", "GET", true), Parsed::Bad);
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        let Parsed::Complete(answer) = read(bytes, "GET", false) else { panic!() };
        assert_eq!(answer.body, b"abcd");
    }
}
