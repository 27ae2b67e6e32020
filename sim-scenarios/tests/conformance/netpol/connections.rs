//! Lists of connections between workloads, and differences of two lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sim_core::kube::objects::{IntOrString, Kind};
use sim_core::kube::policy::Options;
use sim_core::kube::policy::report::{Backend, BackendPort, Connectivity, Workload};

use super::place::Cluster;
use super::{list as items, text};

/// Runs a case of lists.
pub(super) fn list(case: &Value, _: &Value) -> Result<(), String> {
    let lines = connectivity(case)?.lines();
    let shown = lines.iter().map(|l| format!("{} => {} : {}", l.from, l.to, l.connections));
    let row = |row: &Value, from: Option<&str>| {
        let of = |i: usize| row[i].as_str().unwrap_or("").to_owned();
        match from {
            Some(from) => format!("{from} => {} : {}", of(0), of(1)),
            None => format!("{} => {} : {}", of(0), of(1), of(2)),
        }
    };
    let controllers = items(case, "expected_from_ingress_controller");
    let expected = items(case, "expected").iter().map(|r| row(r, None));
    let expected = expected.chain(controllers.iter().map(|r| row(r, Some("{ingress-controller}"))));
    same(expected.collect(), shown.collect())
}

/// Runs a case of differences.
pub(super) fn diff(case: &Value, file: &Value) -> Result<(), String> {
    let of = |field: &str| {
        let found = side(case, field, file);
        found.ok_or_else(|| format!("{} is not among the cases", text(case, field))).and_then(connectivity)
    };
    let changes = of("ref1")?.changes_to(&of("ref2")?);
    let shown = changes.iter().map(|c| {
        [&c.what.to_string(), &c.from, &c.to, &c.before.to_string(), &c.after.to_string(), &c.workloads]
            .map(String::as_str)
            .join(" | ")
    });
    let expected = items(case, "rows").iter().map(|row| {
        row.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ")
    });
    same(expected.collect(), shown.collect())
}

/// Whether both lists of a difference are in the file; a sample of the file may lack one.
pub(super) fn has_both(case: &Value, file: &Value) -> bool {
    ["ref1", "ref2"].iter().all(|field| side(case, field, file).is_some())
}

fn side<'a>(case: &Value, field: &str, file: &'a Value) -> Option<&'a Value> {
    let id = json!(format!("npg-{}", text(case, field)));
    items(file, "cases").iter().find(|c| c["id"] == id)
}

fn same(expected: BTreeSet<String>, shown: BTreeSet<String>) -> Result<(), String> {
    let missing = expected.difference(&shown).map(|l| format!("- {l}"));
    let more = shown.difference(&expected).map(|l| format!("+ {l}"));
    let wrong: Vec<String> = missing.chain(more).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What may go between the workloads of a case, each with one pod.
fn connectivity(case: &Value) -> Result<Connectivity, String> {
    let mut place = json!({"namespaces": case["namespaces"], "policies": case["policies"]});
    let workloads = items(case, "workloads");
    let pods = workloads.iter().enumerate().map(|(i, w)| {
        let ip = w["pods"][0]["ip"].clone();
        json!({"ns": w["ns"], "name": format!("w{i}"), "labels": w["labels"], "ports": w["ports"], "ip": ip})
    });
    place["pods"] = pods.collect();
    let mut cluster = Cluster::offline(&place)?;
    let mut backends = Vec::new();
    for object in items(case, "objects") {
        let space = match text(&object["metadata"], "namespace") {
            "" => "default",
            space => space,
        };
        match text(object, "kind") {
            // One whose namespace has nothing else in it leads to no workload.
            "Service" if case["namespaces"].get(space).is_some() => {
                cluster.create(Kind::Service, space, &plain_service(object))?;
            }
            "Ingress" => backends.extend(of_ingress(space, object)),
            "Route" => backends.push(of_route(space, object)),
            _ => {}
        }
    }
    let engine = cluster.engine(Options { blocks_match_pods: false, ..Options::default() });
    let named = workloads.iter().enumerate().filter_map(|(i, w)| {
        let of = |field| text(w, field).to_owned();
        let pods = &engine.snapshot().pods;
        let pod = pods.iter().position(|p| p.namespace == text(w, "ns") && p.name == format!("w{i}"))?;
        Some(Workload { namespace: of("ns"), name: of("name"), kind: of("kind"), pod })
    });
    Ok(Connectivity::of(&engine, &named.collect::<Vec<_>>(), &backends))
}

/// What leads to pods, and nothing that depends on a cluster's ranges.
fn plain_service(service: &Value) -> Value {
    let ports = items(&service["spec"], "ports").iter().enumerate().map(|(i, port)| {
        // The server wants names where there are several.
        let name = port["name"].as_str().map_or_else(|| format!("p{i}"), str::to_owned);
        let mut own = json!({"name": name, "port": port["port"], "protocol": port["protocol"]});
        own["targetPort"] = port["targetPort"].clone();
        own
    });
    json!({
        "metadata": {"name": service["metadata"]["name"]},
        "spec": {"selector": service["spec"]["selector"], "ports": ports.collect::<Vec<_>>()},
    })
}

fn of_ingress(space: &str, ingress: &Value) -> Vec<Backend> {
    let spec = &ingress["spec"];
    let paths = items(spec, "rules").iter().flat_map(|rule| items(&rule["http"], "paths"));
    let services = paths.map(|path| &path["backend"]["service"]).chain([&spec["defaultBackend"]["service"]]);
    let backend = |service: &Value| Backend {
        namespace: space.to_owned(),
        service: text(service, "name").to_owned(),
        port: port_of(&service["port"]["number"])
            .or_else(|| port_of(&service["port"]["name"]))
            .map_or(BackendPort::Any, BackendPort::Service),
    };
    services.filter(|s| s.is_object()).map(backend).collect()
}

fn of_route(space: &str, route: &Value) -> Backend {
    let spec = &route["spec"];
    Backend {
        namespace: space.to_owned(),
        service: text(&spec["to"], "name").to_owned(),
        port: port_of(&spec["port"]["targetPort"]).map_or(BackendPort::Any, BackendPort::Target),
    }
}

fn port_of(value: &Value) -> Option<IntOrString> {
    serde_json::from_value(value.clone()).ok()
}
