//! `dns/nslookup-output` and `dns/resolver-search`: resolvers and tools, really run, asking servers by packets.

mod lab;
mod output;
mod pattern;
mod policy;
mod search;
mod servers;

use std::path::Path;

use serde_json::Value;

/// How one case is checked, with its whole file and the folder of the vectors.
pub(crate) type Check = fn(case: &Value, file: &Value, folder: &Path) -> Result<(), String>;

/// The check for the cases of a list in a file.
pub(crate) fn check(file: &str, list: &str) -> Option<Check> {
    match (file, list) {
        ("dns/nslookup-output", "records") => Some(output::record),
        ("dns/resolver-search", "cases") => Some(search::resolver),
        ("dns/resolver-search", "tool_cases") => Some(search::tool),
        ("dns/resolver-search", "dns_policy_cases") => Some(policy::case),
        _ => None,
    }
}

/// Another file of the vectors' folder `dns`.
fn other(folder: &Path, name: &str) -> Result<Value, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let text = [folder, &own].iter().find_map(|f| std::fs::read_to_string(f.join("dns").join(name)).ok());
    serde_json::from_str(&text.ok_or_else(|| format!("{name} is not there"))?).map_err(|e| e.to_string())
}

fn text_of<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("no {key}"))
}
