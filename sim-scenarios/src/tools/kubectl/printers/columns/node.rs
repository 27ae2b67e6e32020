//! Nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::value::{is_true, list, map, name, text};
use super::{Layout, View, age, col, or, wide};

pub(super) const LAYOUT: Layout = Layout {
    columns: &[
        col("NAME"),
        col("STATUS"),
        col("ROLES"),
        col("AGE"),
        col("VERSION"),
        wide("INTERNAL-IP"),
        wide("EXTERNAL-IP"),
        wide("OS-IMAGE"),
        wide("KERNEL-VERSION"),
        wide("CONTAINER-RUNTIME"),
    ],
    cells,
};

fn cells(node: &Value, view: View) -> Vec<String> {
    let info = |field: &str| text(node, &format!("/status/nodeInfo/{field}"));
    vec![
        name(node).to_owned(),
        status(node),
        roles(node),
        age(node, view),
        info("kubeletVersion").to_owned(),
        address(node, "InternalIP"),
        address(node, "ExternalIP"),
        or(info("osImage"), "<unknown>"),
        or(info("kernelVersion"), "<unknown>"),
        or(info("containerRuntimeVersion"), "<unknown>"),
    ]
}

fn status(node: &Value) -> String {
    let ready = list(node, "/status/conditions").iter().find(|c| text(c, "/type") == "Ready");
    let word = match ready.map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if is_true(node, "/spec/unschedulable") { format!("{word},SchedulingDisabled") } else { word.to_owned() }
}

/// The roles in a node's labels, sorted, or `<none>`.
pub(crate) fn roles(node: &Value) -> String {
    let mut roles = BTreeSet::new();
    for (key, value) in map(node, "/metadata/labels").into_iter().flatten() {
        let role = match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => role,
            None if key == "kubernetes.io/role" => value.as_str().unwrap_or(""),
            None => "",
        };
        if !role.is_empty() {
            roles.insert(role);
        }
    }
    or(&roles.into_iter().collect::<Vec<_>>().join(","), "<none>")
}

fn address(node: &Value, kind: &str) -> String {
    let found = list(node, "/status/addresses").iter().find(|a| text(a, "/type") == kind);
    found.map_or_else(|| "<none>".to_owned(), |a| text(a, "/address").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_has_roles_and_a_state() {
        let node = json!({
            "metadata": {"labels": {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/": ""}},
            "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "False"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
        });
        assert_eq!(roles(&node), "control-plane");
        assert_eq!(status(&node), "NotReady,SchedulingDisabled");
        assert_eq!(
            (address(&node, "InternalIP").as_str(), address(&node, "ExternalIP").as_str()),
            ("10.0.0.1", "<none>")
        );
        assert_eq!((roles(&json!({})).as_str(), status(&json!({})).as_str()), ("<none>", "Unknown"));
    }
}
