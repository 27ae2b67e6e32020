//! `kubectl create service clusterip|nodeport|loadbalancer|externalname NAME`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::args::why_no_number;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::New;

pub(super) fn cluster_ip(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    make(ctl, "ClusterIP")
}

pub(super) fn node_port(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    make(ctl, "NodePort")
}

pub(super) fn load_balancer(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    make(ctl, "LoadBalancer")
}

pub(super) fn external_name(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    make(ctl, "ExternalName")
}

fn make(ctl: &mut Ctl<'_, '_>, service_type: &str) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let external = ctl.args.text("external-name");
    if service_type == "ExternalName" && external.is_none() {
        return Err(Failure::plain("required flag(s) \"external-name\" not set"));
    }
    let headless = ctl.args.text("clusterip") == Some("None");
    if headless && service_type != "ClusterIP" {
        return Err(Failure::plain("ClusterIP=None can only be used with ClusterIP service type"));
    }
    if ctl.args.texts("tcp").is_empty() && service_type != "ExternalName" && !headless {
        return Err(Failure::plain("at least one tcp port specifier must be provided"));
    }
    if let Some(external) = external.filter(|name| !is_subdomain(name)) {
        return Err(Failure::plain(format!("invalid service external name {external}")));
    }
    let ports: Result<Vec<Value>, Failure> =
        ctl.args.texts("tcp").iter().map(|text| port(ctl, text)).collect();
    let ports = ports?;
    let mut spec = json!({"type": service_type, "selector": {"app": name}, "ports": ports});
    if let Some(address) = ctl.args.text("clusterip") {
        spec["clusterIP"] = json!(address);
    }
    if let Some(external) = external {
        spec["externalName"] = json!(external);
    }
    let mut metadata = super::metadata(ctl, &name);
    metadata["labels"] = json!({"app": name});
    let body = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}},
    });
    Ok(New { kind: Kind::Service, body, what: Some(format!("{service_type} service")) })
}

/// RFC 1123: labels of lower-case letters, digits and `-`, joined by dots.
fn is_subdomain(name: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// `80`, `80:8080`, `80:web`.
fn port(ctl: &Ctl<'_, '_>, text: &str) -> Result<Value, Failure> {
    let (port, target) = text.split_once(':').unwrap_or((text, text));
    let number_of_port: u16 = port.parse().map_err(|_| {
        Failure::plain(format!("strconv.ParseUint: parsing {port:?}: {}", why_no_number(port)))
    })?;
    let target_port = match target.parse::<i64>() {
        Ok(number) if text.contains(':') && !(1..=65_535).contains(&number) => {
            return Err(Failure::plain("must be between 1 and 65535, inclusive"));
        }
        Ok(number) => json!(number),
        Err(_) => json!(target),
    };
    let mut port = json!({
        "name": text.replace(':', "-"), "protocol": "TCP", "port": number_of_port, "targetPort": target_port,
    });
    if let Some(node_port) = ctl.args.int("node-port").filter(|n| *n != 0) {
        port["nodePort"] = json!(node_port);
    }
    Ok(port)
}
