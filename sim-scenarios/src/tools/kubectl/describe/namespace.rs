//! Namespaces.

use serde_json::Value;

use super::super::value::{name, text};
use super::writer::Writer;

pub(super) fn describe(mut w: Writer, namespace: &Value) -> String {
    w.field(0, "Name", name(namespace));
    w.labels("Labels", namespace, "/metadata/labels");
    w.annotations("Annotations", namespace, "/metadata/annotations");
    w.field(0, "Status", text(namespace, "/status/phase"));
    // Quotas and limits are not modelled, so there are none.
    w.line(0, "");
    w.line(0, "No resource quota.");
    w.line(0, "");
    w.line(0, "No LimitRange resource.");
    w.finish()
}
