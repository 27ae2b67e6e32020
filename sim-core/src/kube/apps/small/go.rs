//! What servers written in Go share (`net/http`).

use super::super::http::{Response, date};
use super::super::site::Visit;

/// A text, whose type Go finds out by looking at it.
pub(super) fn text(body: String, visit: Visit<'_>) -> Response {
    let kind = sniffed(&body);
    answer("200 OK", Vec::new(), kind, body, visit)
}

/// An answer with headers of its own, which come first and sorted; an empty body has no type.
pub(super) fn answer(
    status: &'static str,
    mut own: Vec<(&'static str, String)>,
    kind: &str,
    body: String,
    visit: Visit<'_>,
) -> Response {
    let close = !visit.request.keep_alive();
    own.sort_by_key(|(name, _)| *name);
    own.push(("Date", date(visit.now)));
    own.push(("Content-Length", body.len().to_string()));
    if !body.is_empty() {
        own.push(("Content-Type", kind.to_owned()));
    }
    if close {
        own.push(("Connection", "close".to_owned()));
    }
    Response { status, headers: own, body: body.into_bytes(), close }
}

/// The same, and the server ends the connection.
pub(super) fn closing(mut response: Response) -> Response {
    if !response.close {
        response.headers.push(("Connection", "close".to_owned()));
        response.close = true;
    }
    response
}

/// `http.DetectContentType`, as far as texts go.
fn sniffed(body: &str) -> &'static str {
    const TAGS: [&str; 17] = [
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
        "<!--",
    ];
    let start = body.trim_start().to_ascii_lowercase();
    let is_tag =
        |tag: &str| start.strip_prefix(tag).is_some_and(|rest| tag == "<!--" || rest.starts_with([' ', '>']));
    if TAGS.into_iter().any(is_tag) { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" }
}

/// `http-echo`: its text on every path but `/health`.
pub(super) fn http_echo(text: &str, version: &str, visit: Visit<'_>) -> Response {
    let body = if visit.request.path() == "/health" {
        "{\"status\":\"ok\"}\n".to_owned()
    } else {
        format!("{text}\n")
    };
    let kind = sniffed(&body);
    let own = vec![("X-App-Name", "http-echo".to_owned()), ("X-App-Version", version.to_owned())];
    answer("200 OK", own, kind, body, visit)
}
