//! Single checks, and what the server refuses.

use serde_json::Value;
use sim_core::chance::Dice;
use sim_core::kube::objects::Kind;
use sim_core::kube::policy::{Endpoint, Engine, Options};
use sim_core::kube::store::{Store, StoreConfig};
use sim_core::time::SimTime;

use super::place::{Cluster, ask, pod_of};
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
        let mut probe = check.clone();
        let target = text(check, "to");
        let by_service = target.starts_with("service:") || target.starts_with("nodeport:");
        let to = if let Some(service) = target.strip_prefix("service:") {
            let (to, port) = behind(&engine, service, check["port"].as_u64(), check)?;
            probe["port"] = port.into();
            to
        } else if let Some(door) = target.strip_prefix("nodeport:") {
            let (service, port) =
                behind_node_port(case, door).ok_or_else(|| format!("nothing has {door}"))?;
            let (to, port) = behind(&engine, &service, port, check)?;
            probe["port"] = port.into();
            to
        } else {
            end(&engine, target)?
        };
        let verdict = ask(&engine, (from, to), &probe, by_service)?;
        // Replies follow the connection.
        for wanted in [Some(expected), check["reply"].as_str()].into_iter().flatten() {
            if verdict.allowed() != (wanted == "allowed") {
                return Err(format!("{check}\nis {verdict}"));
            }
        }
    }
    Ok(())
}

/// A pod, a node or an address.
fn end(engine: &Engine, name: &str) -> Result<Endpoint, String> {
    if let Some(node) = name.strip_prefix("node:") {
        return engine.node(node).ok_or_else(|| format!("there is no node {node}"));
    }
    match name.parse() {
        Ok(address) => Ok(engine.at(address)),
        Err(_) => pod_of(engine, name),
    }
}

/// The pod and port behind a Service: the one that the case names, or the only one.
fn behind(
    engine: &Engine,
    service: &str,
    port: Option<u64>,
    check: &Value,
) -> Result<(Endpoint, u16), String> {
    let (space, name) = service.split_once('/').ok_or("a Service has a namespace")?;
    let protocol = serde_json::from_value(check["protocol"].clone()).map_err(|e| e.to_string())?;
    let port = port.and_then(|p| u16::try_from(p).ok()).ok_or("the check has no port")?;
    let ends = engine.snapshot().backends(space, name, protocol, port);
    let shown = |(pod, port): &(usize, u16)| {
        let pod = &engine.snapshot().pods[*pod];
        format!("{}/{}:{port}", pod.namespace, pod.name)
    };
    let wanted = check["lands_on"].as_str();
    let found = ends.iter().find(|end| wanted.is_none_or(|wanted| shown(end) == wanted));
    let (pod, port) = found.ok_or_else(|| format!("{service} does not lead there: {ends:?}"))?;
    Ok((Endpoint::Pod(*pod), *port))
}

/// The Service and its port that have a node port: `NODE:PORT`.
fn behind_node_port(case: &Value, door: &str) -> Option<(String, Option<u64>)> {
    let wanted: u64 = door.rsplit_once(':')?.1.parse().ok()?;
    list(case, "services").iter().find_map(|service| {
        let port = list(service, "ports").iter().find(|p| p["nodePort"].as_u64() == Some(wanted))?;
        Some((format!("{}/{}", text(service, "ns"), text(service, "name")), port["port"].as_u64()))
    })
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
