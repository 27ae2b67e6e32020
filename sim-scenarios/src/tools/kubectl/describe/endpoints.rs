//! Endpoints and EndpointSlices.

use serde_json::Value;

use super::super::value::{list, scalar, text, texts};
use super::writer::Writer;
use super::{head, or};

pub(super) fn describe(w: &mut Writer, endpoints: &Value) {
    head(w, endpoints);
    w.line(0, "Subsets:");
    for subset in list(endpoints, "/subsets") {
        for (title, pointer) in [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")] {
            let all: Vec<&str> = list(subset, pointer).iter().map(|a| text(a, "/ip")).collect();
            w.field(1, title, or(&all.join(","), "<none>"));
        }
        let ports = list(subset, "/ports");
        if !ports.is_empty() {
            w.line(1, "Ports:");
            port_table(w, 2, ports);
        }
        w.line(0, "");
    }
}

pub(super) fn describe_slice(w: &mut Writer, slice: &Value) {
    head(w, slice);
    w.field(0, "AddressType", text(slice, "/addressType"));
    let ports = list(slice, "/ports");
    if ports.is_empty() {
        w.line(0, "Ports: <unset>");
    } else {
        w.line(0, "Ports:");
        port_table(w, 1, ports);
    }
    let endpoints = list(slice, "/endpoints");
    if endpoints.is_empty() {
        return w.line(0, "Endpoints: <none>");
    }
    w.line(0, "Endpoints:");
    endpoints.iter().for_each(|e| endpoint(w, e));
}

fn endpoint(w: &mut Writer, endpoint: &Value) {
    w.field(1, "- Addresses", or(&texts(endpoint, "/addresses").join(", "), "<none>"));
    w.line(2, "Conditions:");
    let ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool);
    w.field(3, "Ready", ready.map_or_else(|| "<unset>".to_owned(), |r| r.to_string()));
    w.field(2, "Hostname", or(text(endpoint, "/hostname"), "<unset>"));
    if let Some(target) = endpoint.get("targetRef").filter(|t| t.is_object()) {
        w.field(2, "TargetRef", format!("{}/{}", text(target, "/kind"), text(target, "/name")));
    }
    w.field(2, "NodeName", or(text(endpoint, "/nodeName"), "<unset>"));
    w.field(2, "Zone", or(text(endpoint, "/zone"), "<unset>"));
}

fn port_table(w: &mut Writer, level: usize, ports: &[Value]) {
    w.line(level, "Name\tPort\tProtocol");
    w.line(level, "----\t----\t--------");
    for port in ports {
        let name = or(text(port, "/name"), "<unset>");
        let number = or(&scalar(port.get("port")), "<unset>");
        w.line(level, format!("{name}\t{number}\t{}", or(text(port, "/protocol"), "TCP")));
    }
}
