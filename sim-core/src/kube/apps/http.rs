//! HTTP/1.1 on the server's side: requests out of bytes, responses into bytes.

use std::fmt::Write;

use crate::kube::objects::Timestamp;

/// A request without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The request target as it was sent: `/hello?x=1`.
    pub target: String,
    /// Whether the version is 1.1 rather than 1.0.
    pub http11: bool,
    /// Header fields in order; names as they were sent.
    pub headers: Vec<(String, String)>,
    /// Length of the body in bytes.
    pub body: usize,
}

/// What came out of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The request has not arrived in full.
    Incomplete,
    /// These bytes are no request.
    Bad,
    /// A request, and how many bytes it took, its body included.
    Request(Request, usize),
}

impl Request {
    /// A header field, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        let end = self.target.find(['?', '#']).unwrap_or(self.target.len());
        &self.target[..end]
    }

    /// A value out of the query, with `+` and `%20` undone.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        query_pairs(query).find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Whether the client wants to send another request on the same connection.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        match self.header("Connection") {
            Some(v) if v.eq_ignore_ascii_case("close") => false,
            Some(v) if v.eq_ignore_ascii_case("keep-alive") => true,
            _ => self.http11,
        }
    }
}

/// Names and values of a query such as `a=b&c`, with `+` and `%20` undone.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| percent_decode(&text.replace('+', " "));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(move |pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(move |(n, v)| (decoded(n), decoded(v)))
}

/// A text with `%20` and the like undone. What stands for no byte stays as it is.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                i += 3;
            }
            (byte, ..) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A header larger than this is refused, as nginx and Apache do by default.
const HEADER_LENGTH_MAX: usize = 8192;

/// Reads the request at the beginning of `bytes`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.len() > HEADER_LENGTH_MAX { Parsed::Bad } else { Parsed::Incomplete };
    };
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else { return Parsed::Bad };
    let Some(request) = parse_head(head) else { return Parsed::Bad };
    let Some(length) = request.body.checked_add(end + 4) else { return Parsed::Bad };
    if bytes.len() < length { Parsed::Incomplete } else { Parsed::Request(request, length) }
}

/// The head of the request at the beginning of `bytes`, as soon as that is complete.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<Request> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    parse_head(std::str::from_utf8(&bytes[..end]).ok()?)
}

fn parse_head(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let http11 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return None,
    };
    if words.next().is_some() || method.is_empty() || target.is_empty() {
        return None;
    }
    let headers = lines
        .map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()?;
    let mut request =
        Request { method: method.to_owned(), target: target.to_owned(), http11, headers, body: 0 };
    request.body = request.header("Content-Length").map_or(Ok(0), str::parse).ok()?;
    Some(request)
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `200 OK`.
    pub status: &'static str,
    /// Header fields in the server's order and spelling.
    pub headers: Vec<(&'static str, String)>,
    /// The body; not sent for HEAD.
    pub body: Vec<u8>,
    /// Whether the server closes the connection after it.
    pub close: bool,
}

impl Response {
    /// The bytes that answer `request`.
    #[must_use]
    pub fn to_bytes(&self, request: &Request) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// A date as HTTP writes it (RFC 9110, 5.6.7): `Thu, 01 Jan 2026 00:00:00 GMT`.
#[must_use]
pub fn date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // RFC 3339 in UTC: 2026-01-01T00:00:00Z.
    let text = at.to_string();
    let weekday = DAYS[at.unix_seconds().div_euclid(86_400).rem_euclid(7) as usize];
    let month = text.get(5..7).and_then(|m| m.parse::<usize>().ok()).unwrap_or(1);
    let month = MONTHS[(month.max(1) - 1) % 12];
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{weekday}, {} {month} {} {} GMT", part(8, 10), part(0, 4), part(11, 19))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_read_when_it_is_complete() {
        let bytes = b"GET /a?b HTTP/1.1\r\nHost: svc-a\r\nConnection: close\r\n\r\nrest";
        assert_eq!(parse(&bytes[..20]), Parsed::Incomplete);
        let Parsed::Request(request, length) = parse(bytes) else { panic!("not a request") };
        assert_eq!((request.path(), request.header("host"), length), ("/a", Some("svc-a"), bytes.len() - 4));
        assert!(!request.keep_alive());
    }

    #[test]
    fn a_body_belongs_to_the_request() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert_eq!(parse(&bytes[..bytes.len() - 5]), Parsed::Incomplete);
        let Parsed::Request(_, length) = parse(bytes) else { panic!("not a request") };
        assert_eq!(length, bytes.len() - 3);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(parse(b"hello\r\n\r\n"), Parsed::Bad);
        assert_eq!(parse(b"GET / HTTP/2\r\n\r\n"), Parsed::Bad);
        assert_eq!(parse(&[b'a'; 9000]), Parsed::Bad);
        let endless = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", usize::MAX);
        assert_eq!(parse(endless.as_bytes()), Parsed::Bad);
    }

    #[test]
    fn a_query_is_read_without_its_escapes() {
        let pairs: Vec<_> = query_pairs("a=b%3Dc&d&&e+f=%+5%zz%").collect();
        let expected = [("a", "b=c"), ("d", ""), ("e f", "% 5%zz%")];
        assert_eq!(pairs, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(date(Timestamp::from_unix(1_767_225_600)), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(date(Timestamp::from_unix(0x69d4_ec68)), "Tue, 07 Apr 2026 11:37:12 GMT");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
