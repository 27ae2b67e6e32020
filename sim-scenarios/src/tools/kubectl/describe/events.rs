//! The events at the end of a description.

use serde_json::Value;
use sim_core::kube::store::EventRecord;
use sim_core::kube::version::Version;

use super::super::clock;
use super::super::value::text;
use super::Look;
use super::writer::Writer;

pub(super) fn describe(w: &mut Writer, object: &Value, look: Look<'_>) {
    let mut all: Vec<&EventRecord> = look.store.events().about(text(object, "/metadata/uid")).collect();
    if all.is_empty() {
        return w.field(0, "Events", "<none>");
    }
    // By the last time, oldest first; the log keeps the order of first times.
    all.sort_by_key(|e| e.last);
    w.flush();
    w.line(0, "Events:");
    w.line(1, "Type\tReason\tAge\tFrom\tMessage");
    w.line(1, "----\t------\t----\t----\t-------");
    for event in all {
        let age = |at: &dyn std::fmt::Display| clock::age(&at.to_string(), look.now);
        let first = age(&event.first);
        let age = match event.count {
            0 | 1 => first,
            n => format!("{} (x{n} over {first})", age(&event.last)),
        };
        let mut message = event.message.trim().to_owned();
        // The kubelet names the container in the field path; since 1.35 the description repeats it.
        if !event.object.field_path.is_empty() && look.version >= Version::new(1, 35, 0) {
            message = format!("{}: {message}", event.object.field_path);
        }
        w.line(1, format!("{}\t{}\t{age}\t{}\t{message}", event.kind, event.reason, event.from));
    }
}
