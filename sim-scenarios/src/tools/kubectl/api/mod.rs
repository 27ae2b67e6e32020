//! Paths of the API server that people read without kubectl's help: objects and lists in JSON, and the ways through it into pods.
//!
//! Left out: writing, watching, lists in several parts, discovery documents.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sim_core::kube::apps::http::query_pairs;
use sim_core::kube::objects::{Kind, Selector};
use sim_core::kube::store::{ApiError, FieldSelector, ListOptions, Store};

use super::ctl::Ctl;
use super::resource::Resource;

mod text;
pub(crate) mod through;

pub(crate) use text::text;

/// What the server does with a path.
pub(crate) enum Answer {
    /// A text.
    Text(String),
    /// A document.
    Document(Value),
    /// It passes the request on to this address, for this path.
    Through(SocketAddr, String),
    /// It refuses.
    Refused(Refusal),
    /// It serves nothing below such a path.
    NoPage,
    /// It would answer, and this model does not know what.
    NotModelled,
}

/// Why the server refuses a request.
pub(crate) struct Refusal {
    /// Status code of HTTP.
    pub(crate) code: u16,
    /// `NotFound`, …
    pub(crate) reason: &'static str,
    /// A sentence.
    pub(crate) message: String,
    details: Option<Value>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// A path that belongs to no resource.
    pub(crate) fn unknown() -> Self {
        let message = "the server could not find the requested resource";
        Self { details: Some(json!({})), ..Self::new(404, "NotFound", message) }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    fn unavailable(message: String) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// What the store says of an object.
    fn of(error: &ApiError, kind: Kind, name: &str) -> Self {
        match error.reason.code() {
            404 => {
                let mut details = json!({"name": name, "kind": kind.plural()});
                if !kind.group().is_empty() {
                    details["group"] = json!(kind.group());
                }
                Self { details: Some(details), ..Self::new(404, "NotFound", error.message.clone()) }
            }
            400 => Self::bad(error.message.clone()),
            code => Self::new(code, "InternalError", error.message.clone()),
        }
    }

    /// The refusal as a document.
    pub(crate) fn document(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The answer to a `GET`.
pub(crate) fn get(ctl: &Ctl<'_, '_>, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // A slash at the end belongs to what lies behind `proxy`.
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let known = parts.iter().rposition(|p| !p.is_empty()).map_or(0, |last| last + 1);
    let (api_version, rest) = match &parts[..known] {
        ["healthz" | "livez" | "readyz", checks @ ..] => return health(checks, query),
        ["version"] => return Answer::Document(super::version::build(ctl.version())),
        ["api"] => return Answer::Document(versions(ctl)),
        ["api", "v1", _, ..] => ("v1".to_owned(), &parts[2..]),
        ["apis", group, version, _, ..] => (format!("{group}/{version}"), &parts[3..]),
        ["api" | "apis" | "openapi" | "metrics" | "logs", ..] | [] => return Answer::NotModelled,
        _ => return Answer::NoPage,
    };
    match rest {
        // Namespaces are objects too.
        ["namespaces", space, plural, rest @ ..] if !plural.is_empty() => {
            within(ctl, &api_version, Some(space), plural, rest, query)
        }
        [plural, rest @ ..] => within(ctl, &api_version, None, plural, rest, query),
        [] => Refusal::unknown().into(),
    }
}

/// The health checks, which a server that answers passes.
fn health(checks: &[&str], query: &str) -> Answer {
    match checks {
        [] | ["ping" | "log" | "etcd"] if query.is_empty() => Answer::Text("ok".to_owned()),
        _ => Answer::NotModelled,
    }
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
    query: &str,
) -> Answer {
    let known = Kind::ALL.into_iter().find(|k| k.plural() == plural && k.api_version() == api_version);
    let Some(kind) = known else {
        let is_real = Resource::parse(plural).map_or_else(|f| f.what_is_not_modelled().is_some(), |_| true);
        return if is_real { Answer::NotModelled } else { Refusal::unknown().into() };
    };
    match rest {
        [] | [""] => list(ctl.store(), kind, space, query),
        [name] | [name, ""] => match ctl.store().get(kind, space.unwrap_or(""), name) {
            Ok(object) => Answer::Document(object.to_value()),
            Err(e) => Refusal::of(&e, kind, name).into(),
        },
        [name, "proxy", inner @ ..] => {
            let path = format!("/{}", inner.join("/"));
            let path = if query.is_empty() { path } else { format!("{path}?{query}") };
            through::find(ctl.store(), kind, space.unwrap_or(""), name, path)
        }
        [_, "status" | "scale" | "log", ..] => Answer::NotModelled,
        _ => Refusal::unknown().into(),
    }
}

/// Parameters of a list that change nothing here: there is one version of everything, and it comes at once.
const WITHOUT_EFFECT: [&str; 5] =
    ["pretty", "resourceVersion", "resourceVersionMatch", "timeoutSeconds", "allowWatchBookmarks"];

fn list(store: &Store, kind: Kind, space: Option<&str>, query: &str) -> Answer {
    let (mut labels, mut fields) = (Selector::default(), FieldSelector::default());
    let mut limit = None;
    for (name, value) in query_pairs(query) {
        let read = match name.as_str() {
            "labelSelector" => Selector::parse(&value).map(|s| labels = s),
            "fieldSelector" => FieldSelector::parse(&value).map(|s| fields = s),
            "limit" => value.parse().map(|n: usize| limit = Some(n)).map_err(|e| e.to_string()),
            "watch" if matches!(value.as_str(), "0" | "false") => Ok(()),
            name if WITHOUT_EFFECT.contains(&name) => Ok(()),
            _ => return Answer::NotModelled,
        };
        if let Err(why) = read {
            return Refusal::bad(why).into();
        }
    }
    let found = match store.list(kind, space, &ListOptions { labels, fields }) {
        Ok(found) => found,
        Err(e) => return Refusal::of(&e, kind, "").into(),
    };
    if limit.is_some_and(|n| n > 0 && n < found.len()) {
        return Answer::NotModelled;
    }
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
