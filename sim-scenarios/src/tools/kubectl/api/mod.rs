//! Paths of the API server that people read without kubectl's help: objects and lists in JSON, and the ways through it into pods.
//!
//! Left out: writing, watching, discovery documents. Fields stand in alphabetical order, but for kind, version and metadata, which stand
//! first as the server has them.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};
use sim_core::kube::objects::{Endpoints, Kind, Pod, Selector, Service};
use sim_core::kube::store::{ApiError, FieldSelector, ListOptions, Store};

use super::ctl::Ctl;
use super::printers::json as printer;

/// What the server does with a path.
pub(crate) enum Answer {
    /// A text.
    Text(String),
    /// A document.
    Document(Value),
    /// It passes the request on to this address, for this path.
    Through(SocketAddr, String),
    /// It refuses: status code and reason, sentence.
    Refused(u16, &'static str, String),
    /// It would answer, and this model does not know what.
    NotModelled,
}

/// The answer to a `GET`.
pub(crate) fn get(ctl: &Ctl<'_, '_>, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let api_version = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Answer::Text("ok".to_owned()),
        ["version"] => return Answer::Document(super::version::build(ctl.version())),
        ["api"] => return Answer::Document(versions(ctl)),
        ["api", version, ..] if parts.len() > 2 => ((*version).to_owned(), &parts[2..]),
        ["apis", group, version, ..] if parts.len() > 3 => (format!("{group}/{version}"), &parts[3..]),
        ["api" | "apis" | "openapi" | "metrics" | "logs", ..] | [] => return Answer::NotModelled,
        _ => return unknown(),
    };
    let (api_version, rest) = api_version;
    match rest {
        // Namespaces are objects too.
        ["namespaces", space, plural, rest @ ..] => {
            within(ctl, &api_version, Some(space), plural, rest, (path, query))
        }
        [plural, rest @ ..] => within(ctl, &api_version, None, plural, rest, (path, query)),
        [] => unknown(),
    }
}

fn unknown() -> Answer {
    Answer::Refused(404, "NotFound", "the server could not find the requested resource".to_owned())
}

fn versions(ctl: &Ctl<'_, '_>) -> Value {
    let server = super::cluster_info::server(ctl);
    let address = server.trim_start_matches("https://");
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

fn within(
    ctl: &Ctl<'_, '_>,
    api_version: &str,
    space: Option<&str>,
    plural: &str,
    rest: &[&str],
    (path, query): (&str, &str),
) -> Answer {
    let known = Kind::ALL.into_iter().find(|k| k.plural() == plural && k.api_version() == api_version);
    let Some(kind) = known else {
        return if plural == "events" { Answer::NotModelled } else { unknown() };
    };
    match rest {
        [] => list(ctl.store(), kind, space, query),
        [name] => match ctl.store().get(kind, space.unwrap_or(""), name) {
            Ok(object) => Answer::Document(object.to_value()),
            Err(e) => refused(&e),
        },
        [name, "proxy", ..] => {
            let inner = path.split_once("/proxy").map_or("", |(_, inner)| inner);
            let inner = if inner.is_empty() { "/" } else { inner };
            let inner = if query.is_empty() { inner.to_owned() } else { format!("{inner}?{query}") };
            through(ctl.store(), kind, space.unwrap_or(""), name, inner)
        }
        [_, "status" | "scale" | "log", ..] => Answer::NotModelled,
        _ => unknown(),
    }
}

fn refused(error: &ApiError) -> Answer {
    let reason = match error.reason.code() {
        404 => "NotFound",
        400 => "BadRequest",
        _ => "InternalError",
    };
    Answer::Refused(error.reason.code(), reason, error.message.clone())
}

fn list(store: &Store, kind: Kind, space: Option<&str>, query: &str) -> Answer {
    let value = |name: &str| {
        let pair = query.split('&').filter_map(|p| p.split_once('=')).find(|(n, _)| *n == name);
        pair.map_or(String::new(), |(_, v)| v.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/"))
    };
    let bad = |e: String| refused(&ApiError::bad_request(e));
    let labels = match Selector::parse(&value("labelSelector")) {
        Ok(labels) => labels,
        Err(e) => return bad(e),
    };
    let fields = match FieldSelector::parse(&value("fieldSelector")) {
        Ok(fields) => fields,
        Err(e) => return bad(e),
    };
    let found = match store.list(kind, space, &ListOptions { labels, fields }) {
        Ok(found) => found,
        Err(e) => return refused(&e),
    };
    let items: Vec<Value> = found
        .iter()
        .map(|object| {
            let mut value = object.to_value();
            if let Some(map) = value.as_object_mut() {
                map.remove("kind");
                map.remove("apiVersion");
            }
            value
        })
        .collect();
    Answer::Document(json!({
        "kind": format!("{kind}List"), "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": store.revision().to_string()}, "items": items,
    }))
}

/// `[scheme:]name[:port]`.
fn through(store: &Store, kind: Kind, space: &str, name: &str, path: String) -> Answer {
    let parts: Vec<&str> = name.split(':').collect();
    let (scheme, own, port) = match parts.as_slice() {
        [own] => ("", *own, ""),
        [own, port] => ("", *own, *port),
        [scheme, own, port] => (*scheme, *own, *port),
        _ => return unknown(),
    };
    if scheme == "https" {
        return Answer::NotModelled;
    }
    let target = match kind {
        Kind::Service => of_service(store, space, own, port),
        Kind::Pod => of_pod(store, space, own, port),
        _ => return Answer::NotModelled,
    };
    match target {
        Ok(Some(address)) => Answer::Through(address, path),
        Ok(None) => {
            let message = format!("no endpoints available for service {own:?}");
            Answer::Refused(503, "ServiceUnavailable", message)
        }
        Err(e) => e,
    }
}

fn of_pod(store: &Store, space: &str, own: &str, port: &str) -> Result<Option<SocketAddr>, Answer> {
    let pod = store.read::<Pod>(space, own).ok_or_else(|| refused(&ApiError::not_found(Kind::Pod, own)))?;
    let declared = pod.spec.containers.iter().flat_map(|c| &c.ports).map(|p| p.container_port).next();
    let port = port.parse().ok().or(declared).unwrap_or(80);
    Ok(pod.ip().map(|ip| SocketAddr::new(ip, port)))
}

fn of_service(store: &Store, space: &str, own: &str, port: &str) -> Result<Option<SocketAddr>, Answer> {
    let missing = || refused(&ApiError::not_found(Kind::Service, own));
    let service = store.read::<Service>(space, own).ok_or_else(missing)?;
    let number = port.parse::<u16>().ok();
    let chosen = service.spec.ports.iter().find(|p| match number {
        Some(n) => p.port == n,
        None => port.is_empty() || p.name == port,
    });
    let Some(chosen) = chosen else {
        let message = match number {
            Some(n) => format!("no service port {n} found for service {own:?}"),
            None => format!("no endpoints available for service {own:?}"),
        };
        return Err(Answer::Refused(503, "ServiceUnavailable", message));
    };
    let Some(endpoints) = store.read::<Endpoints>(space, own) else { return Ok(None) };
    let of = |subset: &&sim_core::kube::objects::endpoints::EndpointSubset| !subset.addresses.is_empty();
    for subset in endpoints.subsets.iter().filter(of) {
        let port = subset.ports.iter().find(|p| p.name == chosen.name).map(|p| p.port);
        let address = subset.addresses.first().and_then(|a| a.ip.parse::<IpAddr>().ok());
        if let (Some(port), Some(ip)) = (port, address) {
            return Ok(Some(SocketAddr::new(ip, port)));
        }
    }
    Ok(None)
}

/// A refusal as a document.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": code,
    })
}

/// A document as the server sends it: in one line, or indented by two blanks for people's programs.
pub(crate) fn text(document: &Value, pretty: bool) -> String {
    let mut out = String::new();
    write(&mut out, document, pretty, 0, Place::Top);
    out
}

/// Where a map stands: some have an order of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Metadata,
    Inside,
}

const TOP: &[&str] =
    &["kind", "apiVersion", "metadata", "spec", "versions", "status", "message", "reason", "details", "code"];
const METADATA: &[&str] =
    &["name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];

fn in_order(map: &Map<String, Value>, place: Place) -> Vec<(&String, &Value)> {
    let first = match place {
        Place::Top => TOP,
        Place::Metadata => METADATA,
        Place::Inside => &[],
    };
    let mut all: Vec<(&String, &Value)> = map.iter().collect();
    all.sort_by_key(|(k, _)| first.iter().position(|f| f == k).unwrap_or(first.len()));
    all
}

fn write(out: &mut String, value: &Value, pretty: bool, level: usize, place: Place) {
    let line = |out: &mut String, level: usize| {
        if pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(level));
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            for (i, (key, item)) in in_order(map, place).into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, level + 1);
                printer::string(out, key);
                out.push_str(if pretty { ": " } else { ":" });
                let inner = match (place, key.as_str()) {
                    (Place::Top, "metadata") => Place::Metadata,
                    (Place::Top, "items") => Place::Top,
                    _ => Place::Inside,
                };
                write(out, item, pretty, level + 1, inner);
            }
            line(out, level);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, level + 1);
                write(out, item, pretty, level + 1, place);
            }
            line(out, level);
            out.push(']');
        }
        leaf => out.push_str(&printer::compact(leaf)),
    }
}
