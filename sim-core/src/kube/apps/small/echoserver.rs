//! Servers of nginx that tell of the request: `echoserver` old and new, `nginxdemos/hello`.

use super::super::http::{Response, date};
use super::super::site::Visit;
use super::not_modelled;
use super::pages::in_pieces;
use crate::kube::objects::Timestamp;

/// What nginx' Lua module says: a body without a length. A `Server` of the script's own comes last.
fn lua(server: (&str, bool), body: &str, visit: Visit<'_>) -> Response {
    let close = !visit.request.keep_alive();
    let (name, own) = server;
    let mut headers = vec![
        ("Date", date(visit.now)),
        ("Content-Type", "text/plain".to_owned()),
        ("Transfer-Encoding", "chunked".to_owned()),
        ("Connection", if close { "close" } else { "keep-alive" }.to_owned()),
    ];
    headers.insert(if own { headers.len() } else { 0 }, ("Server", name.to_owned()));
    let body = if visit.request.http11 {
        in_pieces(body)
    } else {
        headers.retain(|(n, _)| *n != "Transfer-Encoding");
        body.as_bytes().to_vec()
    };
    Response { status: "200 OK", headers, body, close }
}

/// The host without its port, as nginx' `$host`.
fn host(visit: Visit<'_>) -> String {
    let host = visit.request.header("Host").unwrap_or_default();
    let end = if host.starts_with('[') {
        host.find(']').map_or(host.len(), |i| i + 1)
    } else {
        host.find(':').unwrap_or(host.len())
    };
    host[..end].to_ascii_lowercase()
}

fn headers(visit: Visit<'_>, before: &str) -> String {
    let mut all: Vec<(String, &str)> =
        visit.request.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.as_str())).collect();
    all.sort();
    all.iter().map(|(n, v)| format!("{before}{n}={v}\n")).collect()
}

fn query(visit: Visit<'_>) -> Option<&str> {
    visit.request.target.split_once('?').map(|(_, q)| q)
}

/// `echoserver:1.4`.
pub(super) fn old(visit: Visit<'_>) -> Response {
    let request = visit.request;
    if request.body > 0 {
        return not_modelled("echoserver: what it says of a body", visit);
    }
    let version = if request.http11 { "1.1" } else { "1.0" };
    let body = format!(
        "CLIENT VALUES:\nclient_address={}\ncommand={}\nreal path={}\nquery={}\nrequest_version={version}\n\
         request_uri=http://{}:8080{}\n\nSERVER VALUES:\nserver_version=nginx: 1.10.0 - lua: 10001\n\nHEADERS RECEIVED:\n{}\
         BODY:\n-no body in request-",
        visit.client,
        request.method,
        request.target,
        query(visit).unwrap_or("nil"),
        host(visit),
        request.target,
        headers(visit, "")
    );
    lua(("nginx/1.10.0", false), &body, visit)
}

/// `echoserver:1.5` and later.
pub(super) fn new(version: &str, visit: Visit<'_>) -> Response {
    let request = visit.request;
    if request.body > 0 {
        return not_modelled("echoserver: what it says of a body", visit);
    }
    let var = |name: &str| visit.env.get(name).map_or("N/A", String::as_str);
    let pod = if visit.env.contains_key("POD_NAME") {
        format!(
            "\tnode name:\t{}\n\tpod name:\t{}\n\tpod namespace:\t{}\n\tpod IP:\t{}\n",
            var("NODE_NAME"),
            var("POD_NAME"),
            var("POD_NAMESPACE"),
            var("POD_IP")
        )
    } else {
        "\t-no pod information available-\n".to_owned()
    };
    let http = if request.http11 { "1.1" } else { "1.0" };
    let body = format!(
        "\n\nHostname: {}\n\nPod Information:\n{pod}\nServer values:\n\tserver_version={version}\n\nRequest Information:\n\
         \tclient_address={}\n\tmethod={}\n\treal path={}\n\tquery={}\n\trequest_version={http}\n\trequest_scheme=http\n\
         \trequest_uri=http://{}:8080{}\n\nRequest Headers:\n{}\nRequest Body:\n\t-no body in request-\n\n",
        visit.hostname,
        visit.client,
        request.method,
        request.target,
        query(visit).unwrap_or_default(),
        host(visit),
        request.target,
        headers(visit, "\t")
    );
    lua(("echoserver", true), &body, visit)
}

/// `nginxdemos/hello:plain-text`.
pub(super) fn hello(version: &str, port: u16, visit: Visit<'_>) -> Response {
    let date = date(visit.now);
    // `Thu, 01 Jan 2026 00:01:40 GMT` as nginx' `$time_local`.
    let words: Vec<&str> = date.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    let local = match words[..] {
        [_, day, month, year, clock, _] => format!("{day}/{month}/{year}:{clock} +0000"),
        _ => date.clone(),
    };
    let id = request_id(visit);
    let own = visit.addresses.iter().find(|a| !a.is_loopback()).map_or(String::new(), ToString::to_string);
    let body = format!(
        "Server address: {own}:{port}\nServer name: {}\nDate: {local}\nURI: {}\nRequest ID: {id}\n",
        visit.hostname, visit.request.target
    );
    let close = !visit.request.keep_alive();
    let headers = vec![
        ("Server", format!("nginx/{version}")),
        ("Date", self::date(visit.now)),
        ("Content-Type", "text/plain".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("Connection", if close { "close" } else { "keep-alive" }.to_owned()),
        ("Expires", expires(visit)),
        ("Cache-Control", "no-cache".to_owned()),
    ];
    Response { status: "200 OK", headers, body: body.into_bytes(), close }
}

/// `expires -1`: a second ago.
fn expires(visit: Visit<'_>) -> String {
    date(Timestamp::from_unix(visit.now.unix_seconds() - 1))
}

/// 32 hexadecimal digits that belong to this request and no other.
fn request_id(visit: Visit<'_>) -> String {
    use sha2::{Digest, Sha256};
    let text =
        format!("{} {} {} {}", visit.hostname, visit.peer, visit.now.unix_seconds(), visit.request.target);
    data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..16])
}
