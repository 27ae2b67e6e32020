//! The bodies of small HTTP servers: kube-proxy's health servers, as `pkg/proxy/healthcheck` writes them with Go's `net/http`, and CoreDNS' own.

use super::http::{Response, date};
use super::site::Visit;
use crate::kube::config::ProxyMode;
use crate::kube::dns::server::Extra;
use crate::kube::objects::Timestamp;

/// Answers on port 10256.
pub(super) fn of_proxy(eligible: bool, visit: Visit<'_>) -> Response {
    let now = go_time(visit.now, visit.started);
    let (healthy, body) = match visit.request.path() {
        "/healthz" => (
            eligible,
            format!(
                "{{\"lastUpdated\": \"{now}\",\"currentTime\": \"{now}\", \"nodeEligible\": {eligible}}}"
            ),
        ),
        "/livez" => (true, format!("{{\"lastUpdated\": \"{now}\",\"currentTime\": \"{now}\"}}")),
        _ => return not_found(visit),
    };
    answer(healthy, Vec::new(), body, visit)
}

/// Answers on port 10249 (`serveMetrics`). What it counts for `/metrics` is not modelled, and says so.
pub(super) fn of_proxy_mode(mode: ProxyMode, visit: Visit<'_>) -> Response {
    let text = |status, body: &str| {
        let headers = vec![
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ];
        finish(status, headers, body.to_owned(), visit)
    };
    match visit.request.path() {
        "/proxyMode" => text("200 OK", mode.name()),
        "/healthz" => text("200 OK", "ok"),
        "/metrics" => text("501 Not Implemented", "metrics are not modelled\n"),
        _ => not_found(visit),
    }
}

/// Answers on a health check node port, whatever the path.
pub(super) fn of_service(namespace: &str, name: &str, local: usize, visit: Visit<'_>) -> Response {
    let body = format!(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace:?},\n\t\t\"name\": {name:?}\n\t}},\n\t\"localEndpoints\": {local},\n\t\
         \"serviceProxyHealthy\": true\n}}"
    );
    let weight = vec![("X-Load-Balancing-Endpoint-Weight", local.to_string())];
    answer(local > 0, weight, body, visit)
}

/// Answers of the default backend.
pub(super) fn of_default_backend(visit: Visit<'_>) -> Response {
    let (status, body) = match visit.request.path() {
        "/healthz" => ("200 OK", "ok"),
        _ => ("404 Not Found", "default backend - 404"),
    };
    let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
    finish(status, headers, body.to_owned(), visit)
}

fn answer(healthy: bool, more: Vec<(&'static str, String)>, body: String, visit: Visit<'_>) -> Response {
    let status = if healthy { "200 OK" } else { "503 Service Unavailable" };
    let mut headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
    ];
    headers.extend(more);
    finish(status, headers, body, visit)
}

/// `http.NotFound`.
fn not_found(visit: Visit<'_>) -> Response {
    let headers = vec![
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
    ];
    finish("404 Not Found", headers, "404 page not found\n".to_owned(), visit)
}

/// What Go adds to every answer.
fn finish(
    status: &'static str,
    mut headers: Vec<(&'static str, String)>,
    body: String,
    visit: Visit<'_>,
) -> Response {
    let close = !visit.request.keep_alive();
    headers.push(("Date", date(visit.now)));
    headers.push(("Content-Length", body.len().to_string()));
    if close {
        headers.push(("Connection", "close".to_owned()));
    }
    Response { status, headers, body: body.into_bytes(), close }
}

/// A time as Go prints it, with the reading of the process' monotonic clock.
fn go_time(now: Timestamp, started: Timestamp) -> String {
    let text = now.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default());
    let running = now.unix_seconds() - started.unix_seconds();
    format!("{day} {clock} +0000 UTC m=+{running}.000000000")
}

/// Answers of `CoreDNS`: its plugins health and ready. What it counts for `/metrics` is not modelled, and says so.
pub(super) fn of_coredns(what: Extra, visit: Visit<'_>) -> Response {
    let text = |status, body: &str| {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        finish(status, headers, body.to_owned(), visit)
    };
    match (what, visit.request.path()) {
        (Extra::Health, "/health") | (Extra::Ready, "/ready") => text("200 OK", "OK"),
        (Extra::Metrics, "/metrics") => text("501 Not Implemented", "metrics are not modelled\n"),
        _ => not_found(visit),
    }
}
