//! Truth tables and single pokes, step by step.

use serde_json::Value;
use sim_core::kube::policy::Options;

use super::place::{Cluster, ask, destination, end};
use super::{list, text};

/// Names of namespaces in the pokes are shortened by this.
const PREFIX: &str = "network-policy-conformance-";

/// Runs a case of tables.
pub(super) fn tables(case: &Value, file: &Value) -> Result<(), String> {
    let cluster = case.get("cluster").unwrap_or(&file["cluster"]);
    let mut cluster = Cluster::new(cluster)?;
    let mut wrong = Vec::new();
    for (number, step) in list(case, "steps").iter().enumerate() {
        list(step, "do").iter().try_for_each(|change| cluster.apply(change))?;
        let engine = cluster.engine(Options::default());
        for probe in list(step, "probe") {
            let pods = if probe.get("pods").is_some() { list(probe, "pods") } else { list(file, "pods") };
            for (from, row) in pods.iter().zip(list(probe, "rows")) {
                for (to, expected) in pods.iter().zip(row.as_str().unwrap_or("").chars()) {
                    let (from, to) = (from.as_str().unwrap_or(""), to.as_str().unwrap_or(""));
                    let (to_end, port, by_service) = destination(&engine, &[], to, probe)?;
                    let verdict = ask(&engine, (end(&engine, from)?, to_end), probe, (port, by_service))?;
                    let fits = match expected {
                        '.' => verdict.allowed(),
                        'X' => !verdict.allowed(),
                        _ => true,
                    };
                    if !fits {
                        wrong.push(format!(
                            "step {}, {} {}: {from} to {to} should be {expected}, but is {verdict}",
                            number + 1,
                            text(probe, "protocol"),
                            probe["port"]
                        ));
                    }
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Runs a case of pokes.
pub(super) fn pokes(case: &Value, file: &Value) -> Result<(), String> {
    let mut place = file["cluster"].clone();
    place["policies"] = case["policies"].clone();
    if let Some(services) = case.get("services") {
        place["services"] = services.clone();
    }
    let mut cluster = Cluster::new(&place)?;
    for step in list(case, "steps") {
        list(step, "do").iter().try_for_each(|change| change_as_named(&mut cluster, change))?;
        for probe in list(step, "probe") {
            if probe.get("op").is_some() {
                change_as_named(&mut cluster, probe)?;
                continue;
            }
            let engine = cluster.engine(Options::default());
            let from = end(&engine, &in_full(text(probe, "from")))?;
            let services = list(&place, "services");
            let (to, port, by_service) = destination(&engine, services, &in_full(text(probe, "to")), probe)?;
            let verdict = ask(&engine, (from, to), probe, (port, by_service))?;
            if verdict.allowed() != (probe["allowed"] == Value::Bool(true)) {
                return Err(format!("{}: {probe}\nis {verdict}", text(step, "about")));
            }
        }
    }
    Ok(())
}

/// The name of an end with its namespace in full.
fn in_full(name: &str) -> String {
    let (kind, rest) = name.strip_prefix("service:").map_or(("", name), |rest| ("service:", rest));
    let is_address = rest.parse::<std::net::IpAddr>().is_ok();
    if is_address || rest.contains(':') || rest.starts_with(PREFIX) {
        return name.to_owned();
    }
    format!("{kind}{PREFIX}{rest}")
}

/// A change whose namespaces may be shortened.
fn change_as_named(cluster: &mut Cluster, change: &Value) -> Result<(), String> {
    let mut change = change.clone();
    let short = text(&change, "namespace").to_owned();
    let of_cluster = text(&change, "op").starts_with("set-");
    if of_cluster && !short.starts_with(PREFIX) {
        change["namespace"] = Value::String(format!("{PREFIX}{short}"));
    }
    cluster.apply(&change)
}
