//! ConfigMaps, and kinds without a description of their own.

use serde_json::Value;

use super::super::value::{map, text};
use super::writer::Writer;

pub(super) fn head(w: &mut Writer, object: &Value) {
    super::head(w, object);
}

pub(super) fn config_map(w: &mut Writer, object: &Value) {
    super::head(w, object);
    w.line(0, "");
    w.line(0, "Data");
    w.line(0, "====");
    for (key, value) in map(object, "/data").into_iter().flatten() {
        w.line(0, format!("{key}:"));
        w.line(0, "----");
        w.line(0, value.as_str().unwrap_or(""));
        w.line(0, "");
    }
    w.line(0, "");
    w.line(0, "BinaryData");
    w.line(0, "====");
    for (key, value) in map(object, "/binaryData").into_iter().flatten() {
        w.line(0, format!("{key}: {} bytes", decoded_length(value.as_str().unwrap_or(""))));
    }
    w.line(0, "");
}

/// How many bytes a base64 text stands for.
pub(super) fn decoded_length(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

/// The text that a base64 text stands for.
pub(super) fn decoded(base64: &str) -> String {
    let bytes = data_encoding::BASE64.decode(base64.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Metadata that the generic description does not show among the fields.
const SHOWN_ABOVE: [&str; 5] = ["managedFields", "name", "namespace", "labels", "annotations"];

/// The generic description: every field, names in title case.
pub(super) fn other(mut w: Writer, object: &Value) -> String {
    for (title, pointer) in [("Name", "/metadata/name"), ("Namespace", "/metadata/namespace")] {
        w.field(0, title, text(object, pointer));
    }
    w.labels("Labels", object, "/metadata/labels");
    w.annotations("Annotations", object, "/metadata/annotations");
    for (key, value) in object.as_object().into_iter().flatten() {
        if key == "metadata" {
            w.line(0, "Metadata:");
            let shown =
                value.as_object().into_iter().flatten().filter(|(k, _)| !SHOWN_ABOVE.contains(&k.as_str()));
            shown.for_each(|(k, v)| fields(&mut w, 1, k, v));
        } else {
            fields(&mut w, 0, key, value);
        }
    }
    w.field(0, "Events", "<none>");
    w.finish()
}

fn fields(w: &mut Writer, level: usize, key: &str, value: &Value) {
    let title = title(key);
    match value {
        Value::Object(map) => {
            w.line(level, format!("{title}:"));
            map.iter().for_each(|(k, v)| fields(w, level + 1, k, v));
        }
        Value::Array(items) => {
            w.line(level, format!("{title}:"));
            for item in items {
                match item {
                    Value::Object(map) => map.iter().for_each(|(k, v)| fields(w, level + 1, k, v)),
                    item => w.line(level + 1, super::super::printers::jsonpath::value_text(item)),
                }
            }
        }
        Value::Null => w.field(level, &title, "<nil>"),
        leaf => w.field(level, &title, super::super::printers::jsonpath::value_text(leaf)),
    }
}

/// `involvedObject` → `Involved Object`, `apiVersion` → `API Version`; what is no word stays: `example.com/a`.
fn title(key: &str) -> String {
    if key.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return key.to_owned();
    }
    let mut words = String::new();
    for (i, c) in key.chars().enumerate() {
        if i == 0 {
            words.extend(c.to_uppercase());
        } else {
            if c.is_ascii_uppercase() {
                words.push(' ');
            }
            words.push(c);
        }
    }
    words.replace("Api ", "API ").replace("Uid", "UID")
}
