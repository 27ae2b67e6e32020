//! Network policies: objects go into the API server's memory, and the engine is asked.
//!
//! Of what the API leaves open (`implementation-specific`) nothing is judged.

mod connections;
mod place;
mod tables;
mod tricky;

use serde_json::Value;

/// Runs a case of a file.
pub(crate) type Check = fn(case: &Value, file: &Value) -> Result<(), String>;

/// How the cases of a list are run.
pub(crate) fn check(prefix: &str, list: &str) -> Option<Check> {
    match (prefix.strip_prefix("netpol/")?, list) {
        ("e2e" | "cyclonus", "cases") => Some(tables::tables),
        ("clusternetworkpolicy", "cases") => Some(tables::pokes),
        ("tricky", "cases") => Some(tricky::checks),
        ("tricky", "validation") => Some(tricky::validation),
        ("npguard", "cases") => Some(connections::list),
        ("npguard", "diffs") => Some(connections::diff),
        _ => None,
    }
}

/// Whether the file has all that a case needs.
pub(crate) fn is_complete(prefix: &str, list: &str, case: &Value, file: &Value) -> bool {
    (prefix, list) != ("netpol/npguard", "diffs") || connections::has_both(case, file)
}

/// The list at a field, empty if there is none.
fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The text at a field, empty if there is none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
}
