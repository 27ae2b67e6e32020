//! Services.

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::printers::columns::{at_most_three, host_port};
use super::super::value::{int, labels, list, name, namespace, scalar, text, texts};
use super::writer::Writer;
use super::{Look, head, or};

pub(super) fn describe(w: &mut Writer, service: &Value, look: Look<'_>) {
    head(w, service);
    w.field(0, "Selector", labels(service, "/spec/selector"));
    w.field(0, "Type", text(service, "/spec/type"));
    w.field_if(0, "IP Family Policy", text(service, "/spec/ipFamilyPolicy"));
    w.field(0, "IP Families", or(&texts(service, "/spec/ipFamilies").join(","), "<none>"));
    w.field(0, "IP", text(service, "/spec/clusterIP"));
    w.field(0, "IPs", or(&texts(service, "/spec/clusterIPs").join(","), "<none>"));
    w.field_if(0, "External IPs", &texts(service, "/spec/externalIPs").join(","));
    w.field_if(0, "Desired LoadBalancer IP", text(service, "/spec/loadBalancerIP"));
    w.field_if(0, "External Name", text(service, "/spec/externalName"));
    w.field_if(0, "LoadBalancer Ingress", &ingress(service));
    let slices = slices_of(namespace(service), name(service), look);
    list(service, "/spec/ports").iter().for_each(|port| describe_port(w, port, &slices));
    w.field(0, "Session Affinity", text(service, "/spec/sessionAffinity"));
    w.field_if(0, "External Traffic Policy", text(service, "/spec/externalTrafficPolicy"));
    w.field_if(0, "Internal Traffic Policy", text(service, "/spec/internalTrafficPolicy"));
    if int(service, "/spec/healthCheckNodePort") != 0 {
        w.field(0, "HealthCheck NodePort", int(service, "/spec/healthCheckNodePort"));
    }
    w.field_if(0, "LoadBalancer Source Ranges", &texts(service, "/spec/loadBalancerSourceRanges").join(","));
    w.field_if(0, "Traffic Distribution", text(service, "/spec/trafficDistribution"));
}

fn describe_port(w: &mut Writer, port: &Value, slices: &[Value]) {
    let name = or(text(port, "/name"), "<unset>");
    let protocol = or(text(port, "/protocol"), "TCP");
    w.field(0, "Port", format!("{name}\t{}/{protocol}", int(port, "/port")));
    w.field(0, "TargetPort", format!("{}/{protocol}", scalar(port.get("targetPort"))));
    w.field_if(0, "AppProtocol", text(port, "/appProtocol"));
    if int(port, "/nodePort") != 0 {
        w.field(0, "NodePort", format!("{name}\t{}/{protocol}", int(port, "/nodePort")));
    }
    w.field(0, "Endpoints", endpoints(slices, text(port, "/name")));
}

/// The slices of a Service.
pub(super) fn slices_of(space: &str, own: &str, look: Look<'_>) -> Vec<Value> {
    look.store
        .iter(Kind::EndpointSlice, Some(space))
        .filter(|s| s.meta().labels.get("kubernetes.io/service-name").is_some_and(|n| n == own))
        .map(|s| s.to_value())
        .collect()
}

/// Where the port of that name leads.
pub(super) fn endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Vec::new();
    for slice in slices {
        let ready = |e: &&Value| e.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
        let addresses = || list(slice, "/endpoints").iter().filter(ready).map(|e| text(e, "/addresses/0"));
        let ports = list(slice, "/ports");
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports.iter().filter(|p| text(p, "/name") == port_name) {
            all.extend(addresses().map(|a| host_port(a, &scalar(port.get("port")))));
        }
    }
    at_most_three(&all)
}

fn ingress(service: &Value) -> String {
    let one = |i: &Value| match (text(i, "/ip"), text(i, "/ipMode")) {
        ("", _) => text(i, "/hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    };
    list(service, "/status/loadBalancer/ingress").iter().map(one).collect::<Vec<_>>().join(", ")
}
