//! `kubectl create service clusterip|nodeport|loadbalancer|externalname NAME`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::New;

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let service_type = match ctl.args.words.first().map(String::as_str) {
        Some("clusterip") => "ClusterIP",
        Some("nodeport") => "NodePort",
        Some("loadbalancer") => "LoadBalancer",
        Some("externalname") => "ExternalName",
        _ => {
            return Err(Failure::not_modelled(
                "\"kubectl create service\" without clusterip, nodeport, loadbalancer or externalname",
            ));
        }
    };
    ctl.path = format!("{} {}", ctl.path, ctl.args.words.remove(0));
    let name = super::one_name(ctl)?;
    let headless = ctl.args.text("clusterip") == Some("None");
    let ports: Result<Vec<Value>, Failure> =
        ctl.args.texts("tcp").iter().map(|text| port(ctl, text)).collect();
    let ports = ports?;
    if ports.is_empty() && service_type != "ExternalName" && !headless {
        return Err(Failure::plain("at least one tcp port specifier must be provided"));
    }
    let mut spec = json!({"type": service_type, "selector": {"app": name}, "ports": ports});
    if let Some(address) = ctl.args.text("clusterip") {
        spec["clusterIP"] = json!(address);
    }
    if service_type == "ExternalName" {
        let Some(external) = ctl.args.text("external-name") else {
            return Err(Failure::plain("required flag(s) \"external-name\" not set"));
        };
        spec["externalName"] = json!(external);
    }
    let metadata = json!({"name": name, "namespace": ctl.namespace(), "labels": {"app": name}});
    let body = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}},
    });
    Ok(New { kind: Kind::Service, body, what: Some(format!("{service_type} service")) })
}

/// `80`, `80:8080`, `80:web`.
fn port(ctl: &Ctl<'_, '_>, text: &str) -> Result<Value, Failure> {
    let (port, target) = text.split_once(':').unwrap_or((text, text));
    let number = |t: &str| t.parse::<u16>().ok().filter(|n| *n > 0);
    let Some(number_of_port) = number(port) else {
        return Err(Failure::plain(format!("invalid port: {port}")));
    };
    let target_port = number(target).map_or_else(|| json!(target), |n| json!(n));
    let mut port = json!({
        "name": text.replace(':', "-"), "protocol": "TCP", "port": number_of_port, "targetPort": target_port,
    });
    if let Some(node_port) = ctl.args.int("node-port").filter(|n| *n != 0) {
        port["nodePort"] = json!(node_port);
    }
    Ok(port)
}
