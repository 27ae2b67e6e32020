//! Servers with one page.

use super::super::http::{Response, date};
use super::super::site::Visit;

/// A server for Node.js that says no length: the body comes in pieces (RFC 9112, 7.1).
pub(super) fn node(page: &str, kind: Option<&str>, visit: Visit<'_>) -> Response {
    let page = page.replace("{hostname}", visit.hostname);
    let close = !visit.request.keep_alive();
    let mut headers: Vec<_> = kind.into_iter().map(|k| ("Content-Type", k.to_owned())).collect();
    headers.push(("Date", date(visit.now)));
    headers.push(("Connection", if close { "close" } else { "keep-alive" }.to_owned()));
    if !visit.request.http11 {
        return Response { status: "200 OK", headers, body: page.into_bytes(), close };
    }
    headers.push(("Transfer-Encoding", "chunked".to_owned()));
    Response { status: "200 OK", headers, body: in_pieces(&page), close }
}

/// A body as one piece and the end.
pub(super) fn in_pieces(body: &str) -> Vec<u8> {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
}

/// busybox' httpd with the page of `simple-test-http`.
pub(super) fn hello(visit: Visit<'_>) -> Response {
    const WHALE: &str = include_str!("../pages/whale.txt");
    let body = format!("<xmp>\nHello World\nHostname: {}\n{WHALE}</xmp>\n", visit.hostname);
    let known = matches!(visit.request.path(), "/" | "/index.html");
    if !known {
        return super::super::site::busybox_not_found(visit);
    }
    let headers = vec![
        ("Date", date(visit.now)),
        ("Connection", "close".to_owned()),
        ("Content-type", "text/html".to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Last-Modified", date(visit.started)),
        ("Content-Length", body.len().to_string()),
    ];
    Response { status: "200 OK", headers, body: body.into_bytes(), close: true }
}

/// nginx with the page that `network-multitool` writes when it starts.
pub(super) fn multitool(version: &str, visit: Visit<'_>) -> Response {
    let close = !visit.request.keep_alive();
    let own = visit.addresses.iter().find(|a| !a.is_loopback()).map_or(String::new(), ToString::to_string);
    let body = format!(
        "WBITT Network MultiTool (with NGINX) - {} - {own} - HTTP: 80 , HTTPS: 443 . (Formerly praqma/network-multitool)\n",
        visit.hostname
    );
    let headers = vec![
        ("Server", format!("nginx/{version}")),
        ("Date", date(visit.now)),
        ("Content-Type", "text/html".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("Last-Modified", date(visit.started)),
        ("Connection", if close { "close" } else { "keep-alive" }.to_owned()),
        ("ETag", format!("\"{:x}-{:x}\"", visit.started.unix_seconds(), body.len())),
        ("Accept-Ranges", "bytes".to_owned()),
    ];
    Response { status: "200 OK", headers, body: body.into_bytes(), close }
}
