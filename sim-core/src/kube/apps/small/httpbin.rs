//! `kennethreitz/httpbin`: requests told as JSON.

use serde_json::{Map, Value, json};

use super::super::http::query_pairs;
use super::super::http::{Response, date};
use super::super::site::Visit;
use super::whoami::canonical;
use super::{agnhost, not_modelled};

/// Its web server.
const SERVER: &str = "gunicorn/19.9.0";

pub(super) fn answer(visit: Visit<'_>) -> Response {
    let path = visit.request.path();
    let method = visit.request.method.as_str();
    let body = match path {
        "/get" if matches!(method, "GET" | "HEAD") => {
            json!({"args": args(visit), "headers": headers(visit), "origin": visit.client, "url": url(visit)})
        }
        "/ip" => json!({"origin": visit.client}),
        "/headers" => json!({"headers": headers(visit)}),
        "/user-agent" => json!({"user-agent": visit.request.header("User-Agent")}),
        _ if path.starts_with("/status/") => return status(&path["/status/".len()..], visit),
        _ => return not_modelled(&format!("httpbin: {method} {path}"), visit),
    };
    json_answer(&body, visit)
}

fn json_answer(body: &Value, visit: Visit<'_>) -> Response {
    // Flask ends each line of a list with a comma and a blank.
    let text = serde_json::to_string_pretty(body).unwrap_or_default().replace(",\n", ", \n") + "\n";
    finish("200 OK", Some("application/json"), text, visit)
}

fn finish(status: &'static str, kind: Option<&str>, body: String, visit: Visit<'_>) -> Response {
    let close = !visit.request.keep_alive();
    let headers = vec![
        ("Server", SERVER.to_owned()),
        ("Date", date(visit.now)),
        ("Connection", if close { "close" } else { "keep-alive" }.to_owned()),
        ("Content-Type", kind.unwrap_or("text/html; charset=utf-8").to_owned()),
        ("Content-Length", body.len().to_string()),
        ("Access-Control-Allow-Origin", "*".to_owned()),
        ("Access-Control-Allow-Credentials", "true".to_owned()),
    ];
    Response { status, headers, body: body.into_bytes(), close }
}

fn status(code: &str, visit: Visit<'_>) -> Response {
    let number = code.parse::<i32>().ok();
    match number.and_then(agnhost::status) {
        Some(line) if !matches!(number, Some(300..=399 | 401 | 402 | 406 | 418)) => {
            // Werkzeug writes reasons in capitals.
            let upper: &'static str =
                UPPER.iter().find(|u| u.starts_with(&line[..4])).copied().unwrap_or(line);
            finish(upper, None, String::new(), visit)
        }
        _ => not_modelled(&format!("httpbin: /status/{code}"), visit),
    }
}

const UPPER: [&str; 14] = [
    "200 OK",
    "201 CREATED",
    "202 ACCEPTED",
    "204 NO CONTENT",
    "400 BAD REQUEST",
    "403 FORBIDDEN",
    "404 NOT FOUND",
    "405 METHOD NOT ALLOWED",
    "409 CONFLICT",
    "429 TOO MANY REQUESTS",
    "500 INTERNAL SERVER ERROR",
    "502 BAD GATEWAY",
    "503 SERVICE UNAVAILABLE",
    "504 GATEWAY TIMEOUT",
];

fn url(visit: Visit<'_>) -> String {
    format!("http://{}{}", visit.request.header("Host").unwrap_or_default(), visit.request.target)
}

/// By name, as JSON objects are written.
fn headers(visit: Visit<'_>) -> Value {
    let shown = visit.request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("connection"));
    let mut all: Vec<(String, Value)> = shown.map(|(n, v)| (canonical(n), json!(v))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(all.into_iter().collect())
}

fn args(visit: Visit<'_>) -> Value {
    let query = visit.request.target.split_once('?').map_or("", |(_, q)| q);
    let mut all: Vec<(String, Value)> = query_pairs(query).map(|(n, v)| (n, json!(v))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(all.into_iter().collect::<Map<String, Value>>())
}
