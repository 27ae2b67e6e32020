//! Pod templates of workloads.

use serde_json::Value;

use super::super::value::{list, map, text};
use super::writer::Writer;
use super::{container, pod, volumes};

/// How far a template is indented within its owner.
const INSIDE: &str = "  ";

pub(super) fn describe(w: &mut Writer, template: &Value) {
    w.line(0, "Pod Template:");
    w.labels("  Labels", template, "/metadata/labels");
    if map(template, "/metadata/annotations").is_some() {
        w.annotations("  Annotations", template, "/metadata/annotations");
    }
    w.field_if(1, "Service Account", text(template, "/spec/serviceAccountName"));
    if !list(template, "/spec/initContainers").is_empty() {
        container::describe_all(w, INSIDE, "Init Containers", template, "/spec/initContainers", "/status/-");
    }
    container::describe_all(w, INSIDE, "Containers", template, "/spec/containers", "/status/-");
    volumes::describe(w, INSIDE, list(template, "/spec/volumes"));
    pod::spread(w, INSIDE, template);
    w.field_if(1, "Priority Class Name", text(template, "/spec/priorityClassName"));
    w.labels("  Node-Selectors", template, "/spec/nodeSelector");
    pod::tolerations(w, INSIDE, template);
}
