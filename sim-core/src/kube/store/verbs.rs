//! Reading objects, and the one place where they are written.

use std::sync::Arc;

use super::{ApiError, ChangeKind, Store};
use crate::kube::objects::{Kind, Object, Selector};

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `-l`.
    pub labels: Selector,
    /// `--field-selector`.
    pub fields: FieldSelector,
}

/// Conditions on fields that all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Path, whether it must differ, value.
    conditions: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Reads what a person writes behind `--field-selector`: `status.phase=Running,spec.nodeName!=node1`.
    ///
    /// # Errors
    /// kubectl's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut conditions = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let split = |operator: &str, differs: bool| {
                part.split_once(operator).map(|(path, value)| (path.to_owned(), differs, value.to_owned()))
            };
            let condition = split("!=", true).or_else(|| split("==", false)).or_else(|| split("=", false));
            conditions.push(
                condition
                    .ok_or_else(|| format!("invalid field selector: {text:?}; can't understand {part:?}"))?,
            );
        }
        Ok(Self { conditions })
    }

    /// Whether all conditions hold.
    ///
    /// # Errors
    /// The server knows no such field for the kind.
    pub fn matches(&self, object: &Object) -> Result<bool, ApiError> {
        for (path, differs, wanted) in &self.conditions {
            let found = selectable(object, path).ok_or_else(|| {
                let (version, kind) = (object.kind().api_version(), object.kind());
                ApiError::bad_request(format!(
                    "Unable to find {version:?}, Kind={kind} that match label selector \"\", field selector \
                     \"{path}={wanted}\": field label not supported: {path}"
                ))
            })?;
            if (found == *wanted) == *differs {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The value of a field by which the server can select.
fn selectable(object: &Object, path: &str) -> Option<String> {
    let found = match (object, path) {
        (_, "metadata.name") => object.meta().name.clone(),
        (_, "metadata.namespace") if object.kind().namespaced() => object.meta().namespace.clone(),
        (Object::Pod(pod), "spec.nodeName") => pod.spec.node_name.clone(),
        (Object::Pod(pod), "spec.restartPolicy") => text(&pod.spec.restart_policy),
        (Object::Pod(pod), "spec.schedulerName") => pod.spec.scheduler_name.clone().unwrap_or_default(),
        (Object::Pod(pod), "spec.serviceAccountName") => pod.spec.service_account_name.clone(),
        (Object::Pod(pod), "spec.hostNetwork") => pod.spec.host_network.to_string(),
        (Object::Pod(pod), "status.phase") => text(&pod.status.phase),
        (Object::Pod(pod), "status.podIP") => pod.status.pod_ip.clone(),
        (Object::Namespace(ns), "status.phase") => ns.status.phase.clone(),
        (Object::Node(node), "spec.unschedulable") => node.spec.unschedulable.to_string(),
        (Object::Service(service), "spec.clusterIP") => service.spec.cluster_ip.clone(),
        (Object::Service(service), "spec.type") => text(&service.spec.kind),
        _ => return None,
    };
    Some(found)
}

/// A value whose JSON form is a text; empty for none.
fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Store {
    /// An object (`GET`).
    ///
    /// # Errors
    /// The object is not there.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Arc<Object>, ApiError> {
        self.find(kind, namespace, name).cloned().ok_or_else(|| ApiError::not_found(kind, name))
    }

    /// Objects of a kind (`GET` of the collection), ordered by namespace and name; of all namespaces or of one.
    ///
    /// # Errors
    /// A field selector that the server does not know.
    pub fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Vec<Arc<Object>>, ApiError> {
        let mut found = Vec::new();
        for object in self.shelf.iter(kind, namespace) {
            if options.labels.matches(&object.meta().labels) && options.fields.matches(object)? {
                found.push(Arc::clone(object));
            }
        }
        Ok(found)
    }

    /// Stores an object under a new revision and logs the change.
    pub(super) fn put(&mut self, mut object: Object) -> Arc<Object> {
        self.revision += 1;
        object.meta_mut().resource_version = self.revision.to_string();
        self.touched.insert(object.kind(), self.revision);
        let object = Arc::new(object);
        let old = self.shelf.put(Arc::clone(&object));
        let what = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.log.push(what, Arc::clone(&object), old);
        object
    }
}
