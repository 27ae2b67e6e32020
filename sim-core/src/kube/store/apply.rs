//! What kubectl does with manifests and patches.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{ApiError, Cause, Reason, Store, create, merge};
use crate::kube::objects::decode::{self, FaultKind};
use crate::kube::objects::schema;
use crate::kube::objects::{Kind, Object};
use crate::time::SimTime;

/// Annotation in which `kubectl apply` keeps the manifest it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What `apply` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The object is new.
    Created,
    /// It was changed.
    Configured,
    /// It was as wanted.
    Unchanged,
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// Merge that knows which lists are merged by element; kubectl's default.
    Strategic,
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
}

impl Store {
    /// What `kubectl apply` does with one manifest: creates the object, or merges the manifest into it three-way.
    ///
    /// # Errors
    /// As [`Store::create`] and [`Store::update`]; a refused patch is in [`ApiError::patch`].
    pub fn apply(
        &mut self,
        kind: Kind,
        namespace: &str,
        body: &Value,
        now: SimTime,
    ) -> Result<(Arc<Object>, Applied), ApiError> {
        let modified = with_last_applied(kind, namespace, body);
        let name = body["metadata"]["name"].as_str().unwrap_or("");
        let Some(old) = self.find(kind, namespace, name).cloned() else {
            return self.create_value(kind, namespace, &modified, now).map(|o| (o, Applied::Created));
        };
        let current = old.to_value();
        let original = current["metadata"]["annotations"][LAST_APPLIED].as_str();
        let original: Option<Value> = original.and_then(|text| serde_json::from_str(text).ok());
        let patch = merge::three_way(original.as_ref(), &modified, &current, schema::of_kind(kind));
        if patch.as_object().is_none_or(Map::is_empty) {
            return Ok((old, Applied::Unchanged));
        }
        let new =
            self.patch(kind, namespace, name, PatchType::Strategic, &patch, now).map_err(|mut error| {
                error.patch = Some(Box::new(patch));
                error
            })?;
        let applied = if new.meta().resource_version == old.meta().resource_version {
            Applied::Unchanged
        } else {
            Applied::Configured
        };
        Ok((new, applied))
    }

    /// Changes an object by a patch (`PATCH`).
    ///
    /// # Errors
    /// The object is not there, the patch does not fit, or as [`Store::update`].
    pub fn patch(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        how: PatchType,
        patch: &Value,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let mut value = self.get(kind, namespace, name)?.to_value();
        match how {
            PatchType::Strategic => merge::strategic(&mut value, patch, schema::of_kind(kind)),
            PatchType::Merge => merge::json_merge(&mut value, patch),
            PatchType::Json => merge::json_patch(&mut value, patch).map_err(|why| {
                ApiError::of_patch(
                    Reason::Invalid,
                    format!("the server rejected our request due to an error in our request: {why}"),
                )
            })?,
        }
        let refuse = |why: &str| patch_refused(patch, why);
        let decoded = decode::decode(kind, &value).map_err(|faults| {
            let first = faults.into_iter().find_map(|f| match f.what {
                FaultKind::Mistyped { go, .. } => Some(go),
                _ => None,
            });
            refuse(&first.unwrap_or_default())
        })?;
        if let Some(words) = decode::strict_decoding_error(&decoded.faults) {
            return Err(refuse(&words));
        }
        let (object, causes) = create::decode_body(kind, &value)?;
        self.update_checked(object, causes, now)
    }
}

/// The manifest as kubectl sends it: with the namespace, and with itself as an annotation.
fn with_last_applied(kind: Kind, namespace: &str, body: &Value) -> Value {
    let mut modified = body.clone();
    if !modified["metadata"].is_object() {
        modified["metadata"] = json!({});
    }
    if kind.namespaced() {
        modified["metadata"]["namespace"] = json!(namespace);
    }
    let mut annotations = modified["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.remove(LAST_APPLIED);
    modified["metadata"]["annotations"] = Value::Object(annotations);
    let text = format!("{}\n", go_json(&modified));
    modified["metadata"]["annotations"][LAST_APPLIED] = json!(text);
    modified
}

/// JSON as Go writes it: what could be taken for HTML is escaped.
fn go_json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

/// A patch whose result is not an object of the API.
fn patch_refused(patch: &Value, why: &str) -> ApiError {
    let message = format!("Invalid value: {:?}: {why}", go_print(patch));
    let cause = Cause { field: "patch".to_owned(), message };
    ApiError {
        message: format!(" \"\" is invalid: {cause}"),
        causes: vec![cause],
        ..ApiError::of_patch(Reason::Invalid, String::new())
    }
}

/// A value as Go's `%+v` prints it: `map[spec:map[ports:[map[port:80]]]]`.
fn go_print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_print).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_print(v))).collect();
            format!("map[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}
