//! `traefik/whoami`: the host's name and addresses, and the request.

use serde_json::{Map, Value, json};

use super::super::http::Response;
use super::super::site::Visit;
use super::{go, not_modelled};

pub(super) fn answer(name: &str, visit: Visit<'_>) -> Response {
    match visit.request.path() {
        "/api" => api(name, visit),
        "/health" => go::answer("200 OK", Vec::new(), "", String::new(), visit),
        "/bench" => go::answer("200 OK", Vec::new(), "text/plain", "1".to_owned(), visit),
        path @ ("/data" | "/echo") => not_modelled(&format!("whoami: {path}"), visit),
        _ if visit.request.query("wait").is_some() => not_modelled("whoami: ?wait", visit),
        _ => page(name, visit),
    }
}

fn page(name: &str, visit: Visit<'_>) -> Response {
    let mut text = String::new();
    if !name.is_empty() {
        text += &format!("Name: {name}\n");
    }
    text += &format!("Hostname: {}\n", visit.hostname);
    for ip in visit.addresses {
        text += &format!("IP: {ip}\n");
    }
    text += &format!("RemoteAddr: {}\n", visit.peer);
    let request = visit.request;
    text += &format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    // Host and User-Agent first, then the others by name.
    for first in ["Host", "User-Agent"] {
        text += &request.header(first).map_or(String::new(), |v| format!("{first}: {v}\r\n"));
    }
    for (name, value) in others(visit) {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    if visit
        .request
        .query("env")
        .is_some_and(|v| matches!(v.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
    {
        for (name, value) in visit.env {
            text += &format!("{name}={value}\n");
        }
    }
    go::text(text, visit)
}

/// Headers as Go knows them (`http.Header`), by name; the connection's own are not among them.
fn others(visit: Visit<'_>) -> Vec<(String, &str)> {
    let mut all: Vec<(String, &str)> = visit
        .request
        .headers
        .iter()
        .map(|(n, v)| (canonical(n), v.as_str()))
        .filter(|(n, _)| !matches!(n.as_str(), "Host" | "User-Agent" | "Connection" | "Content-Length"))
        .collect();
    all.sort();
    all
}

/// `x-real-ip` as Go spells it: `X-Real-Ip`.
pub(super) fn canonical(name: &str) -> String {
    let word = |w: &str| {
        let (first, rest) = w.split_at(w.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// `/api`: the same as JSON, in the order of the program's struct.
fn api(name: &str, visit: Visit<'_>) -> Response {
    let request = visit.request;
    let headers = request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("host"));
    let mut by_name: Vec<(String, Value)> = headers.map(|(n, v)| (canonical(n), json!([v]))).collect();
    by_name.sort_by(|a, b| a.0.cmp(&b.0));
    let headers: Map<String, Value> = by_name.into_iter().collect();
    let ips: Vec<String> = visit.addresses.iter().map(ToString::to_string).collect();
    let fields = [
        ("hostname", json!(visit.hostname)),
        ("ip", json!(ips)),
        ("headers", Value::Object(headers)),
        ("url", json!(request.target)),
        ("host", json!(request.header("Host").unwrap_or_default())),
        ("method", json!(request.method)),
        ("name", json!(name)),
        ("remoteAddr", json!(visit.peer.to_string())),
    ];
    // Fields without a value are left out.
    let shown = fields.iter().filter(|(_, v)| *v != json!("") && *v != json!([]) && *v != json!({}));
    let body: Vec<String> = shown.map(|(n, v)| format!("\"{n}\":{v}")).collect();
    let own = vec![
        ("Access-Control-Allow-Methods", "*".to_owned()),
        ("Access-Control-Allow-Origin", "*".to_owned()),
    ];
    go::answer("200 OK", own, "application/json", format!("{{{}}}\n", body.join(",")), visit)
}
