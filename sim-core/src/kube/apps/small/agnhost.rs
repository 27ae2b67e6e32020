//! `agnhost netexec`.

use super::super::http::Response;
use super::super::site::Visit;
use super::{go, not_modelled};

pub(super) fn answer(visit: Visit<'_>) -> Response {
    match visit.request.path() {
        "/hostname" | "/hostName" => go::text(visit.hostname.to_owned(), visit),
        "/clientip" => go::text(visit.peer.to_string(), visit),
        "/echo" => echo(visit),
        "/healthz" => go::answer("200 OK", Vec::new(), "", String::new(), visit),
        "/redirect" => redirect(visit),
        path @ ("/dial" | "/exit" | "/shell" | "/shutdown" | "/upload") => {
            not_modelled(&format!("agnhost netexec: {path}"), visit)
        }
        _ => go::text(format!("NOW: {}", now(visit)), visit),
    }
}

/// A time as Go prints it, with the reading of the process' monotonic clock.
fn now(visit: Visit<'_>) -> String {
    let text = visit.now.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default());
    let running = visit.now.unix_seconds() - visit.started.unix_seconds();
    format!("{day} {clock} +0000 UTC m=+{running}.000000000")
}

fn echo(visit: Visit<'_>) -> Response {
    let message = visit.request.query("msg").unwrap_or_default();
    let code = visit.request.query("code").filter(|c| !c.is_empty());
    let Some(code) = code else { return go::text(message, visit) };
    match code.parse::<i32>() {
        Err(_) => go::text(format!("argument 'code' must be an integer or empty, got {code:?}\n"), visit),
        Ok(number) => match status(number) {
            Some(status) => go::answer(status, Vec::new(), "text/plain; charset=utf-8", message, visit),
            None => not_modelled(&format!("agnhost netexec: /echo with code {number}"), visit),
        },
    }
}

fn redirect(visit: Visit<'_>) -> Response {
    let location = visit.request.query("location").unwrap_or_default();
    let code = visit.request.query("code").filter(|c| !c.is_empty()).unwrap_or_else(|| "302".to_owned());
    let Ok(number) = code.parse::<i32>() else {
        return go::text(format!("argument 'code' must be an integer or empty, got {code:?}\n"), visit);
    };
    let Some(status) = status(number) else {
        return not_modelled(&format!("agnhost netexec: /redirect with code {number}"), visit);
    };
    let reason = status.split_once(' ').map_or("", |(_, r)| r);
    let shown =
        location.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let body = if visit.request.method == "GET" {
        format!("<a href=\"{shown}\">{reason}</a>.\n\n")
    } else {
        String::new()
    };
    go::answer(status, vec![("Location", location)], "text/html; charset=utf-8", body, visit)
}

/// Status lines by number (`http.StatusText`).
pub(super) fn status(number: i32) -> Option<&'static str> {
    const ALL: [&str; 31] = [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "204 No Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "304 Not Modified",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "412 Precondition Failed",
        "418 I'm a teapot",
        "422 Unprocessable Entity",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ];
    ALL.into_iter().find(|s| s.starts_with(&format!("{number} ")))
}
