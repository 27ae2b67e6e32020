//! Ingress: what the API server takes, and where ingress-nginx sends a request.

use serde_json::{Value, json};
use sim_core::chance::Dice;
use sim_core::kube::apps::ingress::location::Target;
use sim_core::kube::apps::ingress::{Configuration, Options};
use sim_core::kube::objects::{Container, Kind};
use sim_core::kube::store::{Store, StoreConfig};
use sim_core::time::SimTime;

type Check = fn(&Value) -> Result<(), String>;

/// How the cases of a list are run.
pub(crate) fn check(prefix: &str, list: &str) -> Option<Check> {
    match list {
        _ if !prefix.starts_with("ingress/") => None,
        "path_validation" => Some(path_validation),
        "host_validation" => Some(host_validation),
        "cases" => Some(routing),
        _ => None,
    }
}

fn backend(name: &Value) -> Value {
    json!({"service": {"name": name, "port": {"number": 80}}})
}

fn new_store() -> Store {
    Store::new(StoreConfig::default(), Dice::seeded(1))
}

fn accepted(spec: &Value) -> Result<(), String> {
    let body = json!({"metadata": {"name": "i"}, "spec": spec});
    let made = new_store().create_value(Kind::Ingress, "default", &body, SimTime::ZERO);
    made.map(drop).map_err(|e| e.message)
}

fn expect(valid: &Value, spec: &Value) -> Result<(), String> {
    match (accepted(spec), valid.as_bool()) {
        (Ok(()), Some(true)) | (Err(_), Some(false)) => Ok(()),
        (Ok(()), _) => Err("the server takes it".to_owned()),
        (Err(e), _) => Err(e),
    }
}

fn path_validation(case: &Value) -> Result<(), String> {
    let mut path = case["path"].clone();
    path["backend"] = backend(&json!("s"));
    expect(&case["valid"], &json!({"rules": [{"http": {"paths": [path]}}]}))
}

fn host_validation(case: &Value) -> Result<(), String> {
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend(&json!("s"))}]);
    expect(&case["valid"], &json!({"rules": [{"host": case["host"], "http": {"paths": paths}}]}))
}

/// The spec of an Ingress, whose backends are names only.
fn spec(ingress: &Value) -> Value {
    let mut spec = json!({});
    let rules = ingress["rules"].as_array().into_iter().flatten().map(|rule| {
        let paths = rule["paths"].as_array().into_iter().flatten().map(|path| {
            let mut path = path.clone();
            path["backend"] = backend(&path["backend"]);
            path
        });
        let mut out = json!({});
        if rule.get("paths").is_some() {
            out["http"] = json!({"paths": paths.collect::<Vec<_>>()});
        }
        if let Some(host) = rule.get("host") {
            out["host"] = host.clone();
        }
        out
    });
    spec["rules"] = Value::Array(rules.collect());
    if let Some(default) = ingress.get("defaultBackend") {
        spec["defaultBackend"] = backend(default);
    }
    for field in ["tls", "ingressClassName"] {
        if let Some(value) = ingress.get(field) {
            spec[field] = value.clone();
        }
    }
    spec
}

fn routing(case: &Value) -> Result<(), String> {
    let mut store = new_store();
    for (i, ingress) in case["ingresses"].as_array().into_iter().flatten().enumerate() {
        let mut body = json!({"metadata": {"name": ingress["name"]}, "spec": spec(ingress)});
        if let Some(annotations) = ingress.get("annotations") {
            body["metadata"]["annotations"] = annotations.clone();
        }
        let at = SimTime::from_secs(i as u64);
        store.create_value(Kind::Ingress, "default", &body, at).map_err(|e| e.message)?;
    }
    let args = vec!["--watch-ingress-without-class=true".to_owned()];
    let options = Options::of_container(&Container { args, ..Container::default() });
    let configuration = Configuration::of(&options, &store);
    for request in case["requests"].as_array().into_iter().flatten() {
        let text = |field: &str| request[field].as_str().unwrap_or_default();
        let path = text("path").split(['?', '#']).next().unwrap_or_default();
        let target = configuration.route(text("host"), path).map(|l| &l.target);
        let found = match target {
            Some(Target::Service { name, .. }) => name.as_str(),
            Some(Target::Nobody) | None => "404",
        };
        let wanted = match text("expect") {
            "implementation-specific" => match text("common") {
                // In words; or nothing is said of it.
                words if words.contains(' ') || words.is_empty() => continue,
                common => common,
            },
            wanted => wanted,
        };
        if found != wanted {
            return Err(format!("{request}: goes to {found}"));
        }
    }
    Ok(())
}
