//! `kubectl describe`.

use serde_json::Value;
use sim_core::kube::store::Store;
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::target::Found;
use super::value::{list, name, namespace, text};
use writer::Writer;

mod access;
mod container;
mod endpoints;
mod events;
mod namespace;
mod node;
mod pod;
mod service;
mod simple;
pub(crate) mod verb;
mod volumes;
mod writer;

/// What a description may look at besides the object itself.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) store: &'a Store,
    pub(crate) now: SimTime,
    /// `--show-events`.
    pub(crate) events: bool,
    pub(crate) version: Version,
}

/// The description of one object.
pub(crate) fn describe(found: &Found, look: Look<'_>) -> String {
    let mut w = Writer::new();
    let object = &found.value;
    match found.resource.kind_name() {
        "Pod" => pod::describe(&mut w, object, look),
        "Service" => service::describe(&mut w, object, look),
        "Node" => node::describe(&mut w, object, look),
        "Namespace" => return namespace::describe(w, object),
        "Endpoints" => endpoints::describe(&mut w, object),
        "EndpointSlice" => endpoints::describe_slice(&mut w, object),
        "ConfigMap" => simple::config_map(&mut w, object),
        "Secret" => access::secret(&mut w, object),
        "ServiceAccount" => access::service_account(&mut w, object, look),
        "Role" | "ClusterRole" => access::role(&mut w, object),
        "RoleBinding" | "ClusterRoleBinding" => access::binding(&mut w, object),
        "Event" => return simple::other(w, object),
        _ => simple::head(&mut w, object),
    }
    let without = matches!(
        found.resource.kind_name(),
        "Secret" | "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding"
    );
    if look.events && !without {
        events::describe(&mut w, object, look);
    }
    w.finish()
}

/// Name, namespace, labels, annotations.
fn head(w: &mut Writer, object: &Value) {
    w.field(0, "Name", name(object));
    w.field(0, "Namespace", namespace(object));
    w.labels("Labels", object, "/metadata/labels");
    w.annotations("Annotations", object, "/metadata/annotations");
}

/// `Kind/name` of the controller that owns an object.
fn controller(object: &Value) -> Option<String> {
    let owners = list(object, "/metadata/ownerReferences");
    let owner = owners.iter().find(|o| super::value::is_true(o, "/controller"))?;
    Some(format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
