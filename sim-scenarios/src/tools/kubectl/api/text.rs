//! Documents as the API server sends them: kind, version and metadata first, the other fields in alphabetical order.

use serde_json::{Map, Value};

use super::super::printers::json as printer;

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
    Details,
    Inside,
}

const TOP: &[&str] =
    &["kind", "apiVersion", "metadata", "spec", "versions", "status", "message", "reason", "details", "code"];
const METADATA: &[&str] =
    &["name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];
const DETAILS: &[&str] = &["name", "group", "kind"];

fn in_order(map: &Map<String, Value>, place: Place) -> Vec<(&String, &Value)> {
    let first = match place {
        Place::Top => TOP,
        Place::Metadata => METADATA,
        Place::Details => DETAILS,
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
                    (Place::Top, "details") => Place::Details,
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
