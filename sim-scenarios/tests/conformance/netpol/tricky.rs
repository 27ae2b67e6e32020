//! Single checks, and what the server refuses.

use serde_json::Value;
use sim_core::chance::Dice;
use sim_core::kube::objects::Kind;
use sim_core::kube::policy::Options;
use sim_core::kube::store::{Store, StoreConfig};
use sim_core::time::SimTime;

use super::place::{Cluster, ask, destination, end};
use super::{list, text};

/// Runs a case of checks.
pub(super) fn checks(case: &Value, _: &Value) -> Result<(), String> {
    let engine = Cluster::new(case)?.engine(Options::default());
    for check in list(case, "checks") {
        let expected = text(check, "expect");
        if expected == "implementation-specific" {
            continue;
        }
        // Whom the destination sees, if that is somebody else.
        let from = end(&engine, check["seen_source"].as_str().unwrap_or(text(check, "from")))?;
        let target = text(check, "to");
        let (to, port, by_service) = destination(&engine, list(case, "services"), target, check)?;
        let verdict = ask(&engine, (from, to), check, (port, by_service))?;
        // Replies follow the connection.
        for wanted in [Some(expected), check["reply"].as_str()].into_iter().flatten() {
            if verdict.allowed() != (wanted == "allowed") {
                return Err(format!("{check}\nis {verdict}"));
            }
        }
    }
    Ok(())
}

/// Whether the server takes a policy.
pub(super) fn validation(case: &Value, _: &Value) -> Result<(), String> {
    let policy = &case["policy"];
    let (version, kind) = (text(policy, "apiVersion"), text(policy, "kind"));
    let kind = Kind::from_manifest(version, kind).ok_or("no such kind")?;
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
    let space = text(&policy["metadata"], "namespace");
    if !space.is_empty() && store.find(Kind::Namespace, "", space).is_none() {
        let namespace = serde_json::json!({"metadata": {"name": space}});
        store.create_value(Kind::Namespace, "", &namespace, SimTime::ZERO).map_err(|e| e.message)?;
    }
    match (store.create_value(kind, space, policy, SimTime::ZERO), case["valid"] == Value::Bool(true)) {
        (Ok(_), true) | (Err(_), false) => Ok(()),
        (Ok(_), false) => Err("the server takes it".to_owned()),
        (Err(e), true) => Err(e.message),
    }
}
