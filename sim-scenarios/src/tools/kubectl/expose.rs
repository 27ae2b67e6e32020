//! `kubectl expose`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::args::{Flag, Kind as F, flag, short, why_no_number};
use super::changes;
use super::create;
use super::ctl::Ctl;
use super::failure::Failure;
use super::resource::Resource;
use super::target::{Found, Scope, Wanted};
use super::value::{int, list, map, name, text};

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("output", 'o', F::Text),
    short("labels", 'l', F::Text),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("port", F::Text),
    flag("target-port", F::Text),
    flag("protocol", F::Text),
    flag("name", F::Text),
    flag("type", F::Text),
    flag("selector", F::Text),
    flag("cluster-ip", F::Text),
    flag("external-ip", F::Text),
    flag("load-balancer-ip", F::Text),
    flag("session-affinity", F::Text),
    flag("overrides", F::Text),
    flag("override-type", F::Text),
    flag("dry-run", F::Optional("unchanged")),
    flag("save-config", F::Bool),
    flag("field-manager", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let namespace = ctl.namespace();
    let (found, mut failures) = named(ctl, &words)?;
    for found in &found {
        if let Err(failure) = one(ctl, found, &namespace) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

/// Kinds that have pods behind them.
const EXPOSABLE: [&str; 5] = ["Service", "ReplicationController", "Pod", "Deployment", "ReplicaSet"];

/// `StatefulSet.apps`.
fn group_kind(resource: Resource) -> String {
    match resource {
        Resource::Kind(kind) if !kind.group().is_empty() => format!("{kind}.{}", kind.group()),
        other => other.kind_name().to_owned(),
    }
}

/// The objects; `--selector` is the new Service's and chooses none of them.
fn named(ctl: &Ctl<'_, '_>, words: &[String]) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    if !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize") || words.is_empty() {
        return changes::objects(ctl, words);
    }
    let wanted = Wanted::parse(words)?;
    if matches!(wanted, Wanted::All(_)) {
        return Err(Failure::plain("resource(s) were provided, but no name was specified"));
    }
    let namespace = ctl.namespace();
    let scope = Scope { namespace: Some(&namespace), ..Scope::default() };
    Ok(wanted.find(ctl.store(), &scope))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, namespace: &str) -> Result<(), Failure> {
    if !EXPOSABLE.contains(&found.resource.kind_name()) {
        return Err(Failure::plain(format!("cannot expose a {}", group_kind(found.resource))));
    }
    let pod = changes::pod_spec(found.resource.kind_name()).unwrap_or("/spec");
    let own_ports: Vec<Value> = match found.resource.kind_name() {
        "Service" => list(&found.value, "/spec/ports")
            .iter()
            .map(|p| json!({"containerPort": p["port"], "protocol": p["protocol"]}))
            .collect(),
        _ => list(&found.value, &format!("{pod}/containers"))
            .iter()
            .flat_map(|c| list(c, "/ports"))
            .cloned()
            .collect(),
    };
    let port = match (ctl.args.text("port"), own_ports.first()) {
        (Some(port), _) => port.to_owned(),
        (None, Some(_)) => {
            own_ports.iter().map(|own| int(own, "/containerPort").to_string()).collect::<Vec<_>>().join(",")
        }
        (None, None) => return Err(Failure::plain("couldn't find port via --port flag or introspection")),
    };
    let service_name = ctl.args.text("name").unwrap_or(name(&found.value)).to_owned();
    let kind = ctl.args.text("type").unwrap_or("ClusterIP").to_owned();
    let target = ctl.args.text("target-port").map(str::to_owned);
    let mut body =
        service(create::metadata(ctl, &service_name), &found.value, &port, target.as_deref(), &kind)?;
    for (i, port) in body["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        let own = own_ports.iter().find(|own| int(own, "/containerPort") == int(port, "/port"));
        let own =
            own.or_else(|| own_ports.get(i)).map(|own| text(own, "/protocol")).filter(|p| !p.is_empty());
        if let Some(protocol) = ctl.args.text("protocol").or(own) {
            port["protocol"] = json!(protocol.to_uppercase());
        }
    }
    if let Some(other) = ctl.args.text("session-affinity").filter(|a| !matches!(*a, "None" | "ClientIP")) {
        return Err(Failure::plain(format!("unknown session affinity: {other}")));
    }
    if let Some(address) = ctl.args.text("load-balancer-ip").filter(|_| kind == "LoadBalancer") {
        body["spec"]["loadBalancerIP"] = json!(address);
    }
    if let Some(selector) = ctl.args.text("selector") {
        body["spec"]["selector"] = selector.split(',').filter_map(|s| s.split_once('=')).collect();
    }
    for (flag, field) in [("cluster-ip", "clusterIP"), ("session-affinity", "sessionAffinity")] {
        if let Some(value) = ctl.args.text(flag) {
            body["spec"][field] = json!(value);
        }
    }
    if let Some(address) = ctl.args.text("external-ip") {
        body["spec"]["externalIPs"] = json!([address]);
    }
    if let Some(text) = ctl.args.text("overrides") {
        create::override_with(&mut body, text, ctl.args.text("override-type"))?;
    }
    create::send(ctl, Kind::Service, namespace, &body, "exposed", Failure::from)
}

/// The Service that leads to an object; `metadata` is its own.
///
/// # Errors
/// The object has no labels to select it by, or the port is none.
pub(crate) fn service(
    mut metadata: Value,
    object: &Value,
    port: &str,
    target: Option<&str>,
    kind: &str,
) -> Result<Value, Failure> {
    let (place, why) = match text(object, "/kind") {
        "Service" => ("/spec/selector", "the service has no pod selector set"),
        "Pod" => ("/metadata/labels", "the pod has no labels and cannot be exposed"),
        _ => ("/spec/selector/matchLabels", "invalid deployment: no selectors, therefore cannot be exposed"),
    };
    if !list(object, "/spec/selector/matchExpressions").is_empty() {
        return Err(Failure::plain(
            "couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions - \"matchExpressions\" to map-based selector format",
        ));
    }
    let Some(selector) = map(object, place) else {
        return Err(Failure::plain(format!(
            "couldn't retrieve selectors via --selector flag or introspection: {why}"
        )));
    };
    let numbers: Vec<&str> = port.split(',').collect();
    let one = |(i, text): (usize, &&str)| {
        let number: i32 = text.parse().map_err(|_| {
            Failure::plain(format!("strconv.Atoi: parsing {text:?}: {}", why_no_number(text)))
        })?;
        let target_port = match target {
            None => json!(number),
            Some(text) => text.parse::<i32>().map_or_else(|_| json!(text), |n| json!(n)),
        };
        let mut port = json!({"port": number, "protocol": "TCP", "targetPort": target_port});
        if numbers.len() > 1 {
            port["name"] = json!(format!("port-{}", i + 1));
        }
        Ok(port)
    };
    let ports: Vec<Value> = numbers.iter().enumerate().map(one).collect::<Result<_, Failure>>()?;
    let labels = map(object, "/metadata/labels").cloned().unwrap_or_default();
    metadata["labels"] = Value::Object(labels);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": kind, "selector": selector, "ports": ports,
        },
        "status": {"loadBalancer": {}},
    }))
}
