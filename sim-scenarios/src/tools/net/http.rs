//! HTTP/1.1 as a client speaks it.

use sim_core::time::SimTime;

use super::super::Cx;
use super::{Failure, Stream};

/// Most bytes that a client takes before it gives up: what a simulated server sends stays far below.
const MOST: usize = 64 << 20;

/// Status line and headers of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first line, as sent.
    pub(crate) line: String,
    /// Status code.
    pub(crate) status: u16,
    /// Text after the code.
    pub(crate) reason: String,
    /// Headers, names as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The same as bytes, with the empty line.
    pub(crate) raw: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The connection ended before anything came.
    Empty,
    /// This is no HTTP.
    Malformed,
    /// The connection failed.
    Failed(Failure),
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is all there.
    Complete,
    /// The connection ended this many bytes too early.
    Short(u64),
    /// The connection failed.
    Failed(Failure),
}

/// Reads responses from a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Stream,
    /// Until when reading may take.
    pub(crate) until: Option<SimTime>,
    buffer: Vec<u8>,
}

impl Head {
    /// The value of a header, its name in any letter case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// `Content-Length`, if it is a number.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length").and_then(|v| v.parse().ok())
    }

    /// Whether the connection may carry another request afterwards (RFC 9112 9.3).
    pub(crate) fn keeps_open(&self) -> bool {
        let close = self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let delimited = self.is_chunked() || self.length().is_some() || !self.has_body(false);
        self.line.starts_with("HTTP/1.1") && !close && delimited
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
    }

    /// Whether a body follows at all (RFC 9112 6.3).
    fn has_body(&self, is_head_request: bool) -> bool {
        !is_head_request && !matches!(self.status, 100..=199 | 204 | 304)
    }

    fn parse(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw);
        let mut lines = text.split("\r\n");
        let line = lines.next()?.to_owned();
        let rest = line.strip_prefix("HTTP/")?;
        let (_, rest) = rest.split_once(' ')?;
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = code.parse().ok().filter(|s| (100..1000).contains(s))?;
        let reason = reason.to_owned();
        let header = |l: &str| l.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        let headers = lines.filter_map(header).collect();
        Some(Self { line, status, reason, headers, raw: raw.to_vec() })
    }
}

impl Reader {
    pub(crate) const fn new(stream: Stream, until: Option<SimTime>) -> Self {
        Self { stream, until, buffer: Vec::new() }
    }

    /// Reads up to the empty line after the headers.
    pub(crate) fn head(&mut self, cx: &mut Cx<'_>) -> Result<Head, HeadError> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Head::parse(&raw).ok_or(HeadError::Malformed);
            }
            if !b"HTTP/".starts_with(&self.buffer[..self.buffer.len().min(5)]) {
                return Err(HeadError::Malformed);
            }
            match self.more(cx) {
                Ok(true) => {}
                Ok(false) if self.buffer.is_empty() => return Err(HeadError::Empty),
                Ok(false) => return Err(HeadError::Malformed),
                Err(failure) => return Err(HeadError::Failed(failure)),
            }
        }
    }

    /// Reads the body that belongs to `head`.
    pub(crate) fn body(&mut self, cx: &mut Cx<'_>, head: &Head, is_head_request: bool) -> (Vec<u8>, End) {
        if !head.has_body(is_head_request) {
            (Vec::new(), End::Complete)
        } else if head.is_chunked() {
            self.chunks(cx)
        } else {
            self.plain(cx, head.length())
        }
    }

    fn plain(&mut self, cx: &mut Cx<'_>, length: Option<u64>) -> (Vec<u8>, End) {
        let wanted = length.map_or(MOST, |l| usize::try_from(l).unwrap_or(MOST).min(MOST));
        let mut end = End::Complete;
        while self.buffer.len() < wanted {
            match self.more(cx) {
                Ok(true) => {}
                Ok(false) => {
                    end = length.map_or(End::Complete, |l| End::Short(l - self.buffer.len() as u64));
                    break;
                }
                Err(failure) => {
                    end = End::Failed(failure);
                    break;
                }
            }
        }
        let rest = self.buffer.split_off(self.buffer.len().min(wanted));
        (std::mem::replace(&mut self.buffer, rest), end)
    }

    fn chunks(&mut self, cx: &mut Cx<'_>) -> (Vec<u8>, End) {
        let mut body = Vec::new();
        loop {
            let Some((start, len)) = chunk_size(&self.buffer) else {
                match self.more(cx) {
                    Ok(true) => continue,
                    Ok(false) => return (body, End::Short(0)),
                    Err(failure) => return (body, End::Failed(failure)),
                }
            };
            // The data and the line end after it.
            while self.buffer.len() < start + len + 2 {
                match self.more(cx) {
                    Ok(true) => {}
                    Ok(false) => {
                        return (body, End::Short((start + len - self.buffer.len().min(start + len)) as u64));
                    }
                    Err(failure) => return (body, End::Failed(failure)),
                }
            }
            body.extend_from_slice(&self.buffer[start..start + len]);
            self.buffer.drain(..start + len + 2);
            if len == 0 {
                return (body, End::Complete);
            }
        }
    }

    /// Whether more came; not at the end of the stream.
    fn more(&mut self, cx: &mut Cx<'_>) -> Result<bool, Failure> {
        let bytes = self.stream.recv(cx, self.until)?;
        self.buffer.extend_from_slice(&bytes);
        Ok(!bytes.is_empty() && self.buffer.len() < MOST)
    }
}

/// Where a chunk's data starts and how long it is, once its size line is there.
fn chunk_size(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = find(buffer, b"\r\n")?;
    let line = std::str::from_utf8(&buffer[..end]).ok()?;
    let digits = line.split(';').next()?.trim();
    let len = usize::from_str_radix(digits, 16).unwrap_or(0).min(MOST);
    Some((end + 2, len))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_apart() {
        let head = Head::parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\nX-A:b\r\n\r\n").unwrap();
        assert_eq!((head.status, head.reason.as_str(), head.length()), (404, "Not Found", Some(13)));
        assert_eq!(head.header("x-a"), Some("b"));
        assert_eq!(Head::parse(b"nonsense\r\n\r\n"), None);
        assert_eq!(Head::parse(b"HTTP/1.1 99999 x\r\n\r\n"), None);
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        assert_eq!(chunk_size(b"1a;x=y\r\nabc"), Some((8, 26)));
        assert_eq!(chunk_size(b"1a"), None);
    }
}
