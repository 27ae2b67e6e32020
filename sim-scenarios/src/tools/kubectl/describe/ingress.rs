//! Ingresses.

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::printers::columns::ingress_addresses;
use super::super::value::{int, list, name, namespace, scalar, text, texts};
use super::service::{endpoints, slices_of};
use super::writer::Writer;
use super::{Look, or};

pub(super) fn describe(w: &mut Writer, ingress: &Value, look: Look<'_>) {
    w.field(0, "Name", name(ingress));
    w.labels("Labels", ingress, "/metadata/labels");
    w.field(0, "Namespace", namespace(ingress));
    w.field(0, "Address", ingress_addresses(ingress));
    w.field(0, "Ingress Class", or(text(ingress, "/spec/ingressClassName"), "<none>"));
    let default = ingress.pointer("/spec/defaultBackend");
    let default = default.map_or_else(|| "<default>".to_owned(), |b| backend(b, namespace(ingress), look));
    w.field(0, "Default backend", &default);
    tls(w, list(ingress, "/spec/tls"));
    w.line(0, "Rules:");
    w.line(1, "Host\tPath\tBackends");
    w.line(1, "----\t----\t--------");
    let rules: Vec<&Value> =
        list(ingress, "/spec/rules").iter().filter(|r| r.get("http").is_some()).collect();
    if rules.is_empty() {
        w.line(1, format!("*\t*\t{default}"));
    }
    for rule in rules {
        w.line(1, format!("{}\t", or(text(rule, "/host"), "*")));
        for path in list(rule, "/http/paths") {
            let to = path.get("backend").map(|b| backend(b, namespace(ingress), look)).unwrap_or_default();
            w.line(2, format!("\t{} \t{to}", text(path, "/path")));
        }
    }
    w.annotations("Annotations", ingress, "/metadata/annotations");
}

fn tls(w: &mut Writer, all: &[Value]) {
    if all.is_empty() {
        return;
    }
    w.line(0, "TLS:");
    for entry in all {
        let hosts = texts(entry, "/hosts").join(",");
        w.line(
            1,
            match text(entry, "/secretName") {
                "" => format!("SNI routes {hosts}"),
                secret => format!("{secret} terminates {hosts}"),
            },
        );
    }
}

/// `web:80 (10.244.1.5:80)`.
fn backend(backend: &Value, space: &str, look: Look<'_>) -> String {
    let Some(service) = backend.get("service") else {
        let of = |field: &str| text(backend, &format!("/resource/{field}")).to_owned();
        let group = or(&of("apiGroup"), "<none>");
        return format!("APIGroup: {group}, Kind: {}, Name: {}", of("kind"), of("name"));
    };
    let own = text(service, "/name");
    let (number, port_name) = (int(service, "/port/number"), text(service, "/port/name"));
    let shown = if number != 0 { number.to_string() } else { port_name.to_owned() };
    let Some(found) = look.store.find(Kind::Service, space, own).map(|s| s.to_value()) else {
        return format!("{own}:{shown} (<error: services {own:?} not found>)");
    };
    let fits = |p: &&Value| {
        (number != 0 && scalar(p.get("port")) == number.to_string())
            || (!port_name.is_empty() && text(p, "/name") == port_name)
    };
    let port = list(&found, "/spec/ports").iter().filter(fits).map(|p| text(p, "/name")).next_back();
    let ends = endpoints(&slices_of(space, own, look), port.unwrap_or(""));
    format!("{own}:{shown} ({ends})")
}
