//! `kubeproxy/*`: what kube-proxy writes, which endpoints it uses, which flows it ends.

mod cleanup;
mod flows;
mod input;
mod ipvs;
mod rulesets;
mod topology;

use serde_json::Value;

/// How one case of a list of a file is checked, with what the file says for all cases.
pub(crate) type Check = fn(case: &Value, defaults: &Value) -> Result<(), String>;

/// The check for the cases of a list in a file.
pub(crate) fn check(file: &str, list: &str) -> Option<Check> {
    match (file, list) {
        ("kubeproxy/rulesets", "cases") => Some(rulesets::case),
        ("kubeproxy/rulesets", "fragments") => Some(rulesets::fragment),
        ("kubeproxy/packet-flows", "scenarios") => Some(flows::case),
        ("kubeproxy/ipvs", "cases") => Some(ipvs::case),
        ("kubeproxy/topology", "cases") => Some(topology::case),
        ("kubeproxy/conntrack-cleanup", "cases") => Some(cleanup::case),
        _ => None,
    }
}
