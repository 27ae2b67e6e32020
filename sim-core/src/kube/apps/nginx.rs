//! nginx over a folder, with the configuration of its image.

use super::http::{Response, date};
use super::site::{Found, NGINX_ROOT, Visit, content_type, find, image_page};
use crate::kube::objects::Timestamp;

/// Answers a request. `built` is when the files of the image were made, in seconds since 1970.
pub(super) fn answer(version: &str, built: i64, visit: Visit<'_>) -> Response {
    let request = visit.request;
    let page = Page { version, now: visit.now, close: !request.keep_alive() };
    match find(visit.files, NGINX_ROOT, request.path()) {
        _ if !request.target.starts_with('/') => page.error("400 Bad Request", Vec::new()),
        Found::Nothing => page.error("404 Not Found", Vec::new()),
        Found::NoIndex => page.error("403 Forbidden", Vec::new()),
        Found::Folder => {
            let host = request.header("Host").unwrap_or_default();
            let location = format!("http://{host}{}/", request.path());
            page.error("301 Moved Permanently", vec![("Location", location)])
        }
        Found::File { .. } if !matches!(request.method.as_str(), "GET" | "HEAD") => {
            page.error("405 Not Allowed", Vec::new())
        }
        Found::File { bytes, name } => {
            let modified = if image_page(&bytes) { built } else { visit.started.unix_seconds() };
            file(page, visit, &bytes, &name, modified)
        }
    }
}

/// What it says to bytes that are no request.
pub(super) fn bad_request(version: &str, now: Timestamp) -> Response {
    Page { version, now, close: true }.error("400 Bad Request", Vec::new())
}

/// What all its answers share.
#[derive(Clone, Copy)]
struct Page<'a> {
    version: &'a str,
    now: Timestamp,
    close: bool,
}

impl Page<'_> {
    fn head(self) -> Vec<(&'static str, String)> {
        vec![("Server", format!("nginx/{}", self.version)), ("Date", date(self.now))]
    }

    fn connection(self) -> (&'static str, String) {
        ("Connection", if self.close { "close" } else { "keep-alive" }.to_owned())
    }

    /// One of its own pages. `more` comes before `Connection` if it is a location, after it otherwise.
    fn error(self, status: &'static str, more: Vec<(&'static str, String)>) -> Response {
        let body = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
             <hr><center>nginx/{}</center>\r\n</body>\r\n</html>\r\n",
            self.version
        );
        let mut headers = self.head();
        headers.push(("Content-Type", "text/html".to_owned()));
        headers.push(("Content-Length", body.len().to_string()));
        let (before, after): (Vec<_>, Vec<_>) = more.into_iter().partition(|(n, _)| *n == "Location");
        headers.extend(before);
        headers.push(self.connection());
        headers.extend(after);
        Response { status, headers, body: body.into_bytes(), close: self.close }
    }
}

/// A file, or the part of it that is asked for, or the news that it is as it was.
fn file(page: Page<'_>, visit: Visit<'_>, bytes: &[u8], name: &str, modified: i64) -> Response {
    let last_modified = date(Timestamp::from_unix(modified));
    let etag = format!("\"{modified:x}-{:x}\"", bytes.len());
    let mut headers = page.head();
    if unchanged(visit, &last_modified, &etag) {
        headers.extend([("Last-Modified", last_modified), page.connection(), ("ETag", etag)]);
        return Response { status: "304 Not Modified", headers, body: Vec::new(), close: page.close };
    }
    let range = match visit.request.header("Range").map(|r| range(r, bytes.len())) {
        Some(Err(())) => {
            let whole = format!("bytes */{}", bytes.len());
            return page.error("416 Requested Range Not Satisfiable", vec![("Content-Range", whole)]);
        }
        Some(Ok(range)) => range,
        None => None,
    };
    let (from, to) = range.unwrap_or((0, bytes.len()));
    headers.extend([
        ("Content-Type", content_type(name).unwrap_or("application/octet-stream").to_owned()),
        ("Content-Length", (to - from).to_string()),
        ("Last-Modified", last_modified),
        page.connection(),
        ("ETag", etag),
    ]);
    let status = if range.is_some() {
        headers.push(("Content-Range", format!("bytes {from}-{}/{}", to - 1, bytes.len())));
        "206 Partial Content"
    } else {
        headers.push(("Accept-Ranges", "bytes".to_owned()));
        "200 OK"
    };
    Response { status, headers, body: bytes[from..to].to_vec(), close: page.close }
}

/// Whether the client has this very file; its date counts only where no tag is given.
fn unchanged(visit: Visit<'_>, last_modified: &str, etag: &str) -> bool {
    match (visit.request.header("If-None-Match"), visit.request.header("If-Modified-Since")) {
        (Some(tags), _) => {
            tags.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == "*" || t == etag)
        }
        // `if_modified_since exact`, the default.
        (None, Some(date)) => date == last_modified,
        (None, None) => false,
    }
}

/// The bytes that `Range` asks for: none for what is no single range of bytes, `Err` beyond the end.
fn range(header: &str, length: usize) -> Result<Option<(usize, usize)>, ()> {
    let Some((from, to)) = header.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    match (number(from), number(to)) {
        (None, Some(last)) if from.trim().is_empty() => {
            if last == 0 {
                Err(())
            } else {
                Ok(Some((length.saturating_sub(last), length)))
            }
        }
        (Some(from), _) if from >= length => Err(()),
        (Some(from), None) if to.trim().is_empty() => Ok(Some((from, length))),
        (Some(from), Some(to)) if from <= to => Ok(Some((from, (to + 1).min(length)))),
        (Some(_), Some(_)) => Err(()),
        _ => Ok(None),
    }
}
