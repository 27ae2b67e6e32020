//! `kubectl expose`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::args::{Flag, Kind as F, flag, short};
use super::create;
use super::ctl::Ctl;
use super::failure::Failure;
use super::manifest;
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
    ctl.refuse(&["overrides", "override-type"])?;
    let wanted = if ctl.args.texts("filename").is_empty() && !ctl.args.given("kustomize") {
        Wanted::parse(&ctl.args.words)?
    } else {
        Wanted::Named(manifest::names(ctl)?)
    };
    if matches!(wanted, Wanted::All(_)) {
        return Err(Failure::plain(if ctl.args.words.is_empty() {
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   \
             '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
        } else {
            "resource(s) were provided, but no name was specified"
        }));
    }
    let namespace = ctl.namespace();
    let scope = Scope { namespace: Some(&namespace), ..Scope::default() };
    let (found, mut failures) = wanted.find(ctl.store(), &scope);
    for found in &found {
        if let Err(failure) = one(ctl, found, &namespace) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, namespace: &str) -> Result<(), Failure> {
    if !matches!(found.resource, Resource::Kind(Kind::Pod | Kind::Service)) {
        let resource = found.resource.plural();
        return Err(Failure::plain(format!("cannot expose a {resource}")));
    }
    let own_ports = list(&found.value, "/spec/containers/0/ports");
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
    let is_service = text(object, "/kind") == "Service";
    let selector = map(object, if is_service { "/spec/selector" } else { "/metadata/labels" });
    let Some(selector) = selector else {
        return Err(Failure::plain(
            "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed",
        ));
    };
    let numbers: Vec<&str> = port.split(',').collect();
    let one = |(i, text): (usize, &&str)| {
        let number: i32 = text
            .parse()
            .map_err(|_| Failure::plain(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
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
