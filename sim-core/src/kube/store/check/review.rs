//! What the server takes although it cannot be meant: names that lead nowhere within one file.
//!
//! Only what the file itself contradicts is told: a Service without any pod beside it may well select pods of another file.

use super::policies;
use crate::diagnostic::{Diagnostic, Severity};
use crate::kube::objects::ingress::IngressBackend;
use crate::kube::objects::manifest::Document;
use crate::kube::objects::nearest::nearest;
use crate::kube::objects::pod::PodSpec;
use crate::kube::objects::port::{IntOrString, Protocol};
use crate::kube::objects::selector::Labels;
use crate::kube::objects::{Ingress, Object, Selector, Service};

/// One object of a file with the text that it came from.
pub(super) type Written<'a> = (&'a Document, Object);

/// Warnings about one file's objects.
pub(super) fn review(objects: &[Written<'_>]) -> Vec<Diagnostic> {
    let pods: Vec<Pods<'_>> = objects.iter().filter_map(|(_, object)| Pods::of(object)).collect();
    let services: Vec<&Service> = objects.iter().filter_map(|(_, object)| service_of(object)).collect();
    let mut found = Vec::new();
    for (document, object) in objects {
        match object {
            Object::Service(service) => found.extend(service_without_pods(document, service, &pods)),
            Object::Ingress(ingress) => found.extend(backends_without_service(document, ingress, &services)),
            Object::StatefulSet(set) => {
                let names = names_in(&services, &set.metadata.namespace);
                let wanted = &set.spec.service_name;
                if !wanted.is_empty() && !names.is_empty() && !names.contains(&wanted.as_str()) {
                    let message = format!(
                        "no Service of this file is named {wanted:?}, so its pods get no names of their own"
                    );
                    let help = did_you_mean(nearest(wanted, names));
                    found.push(warning(document, "spec.serviceName", message, help));
                }
            }
            _ => {}
        }
    }
    found.extend(policies::review(objects, &pods));
    found
}

/// Pods that a file describes: one, or those of a template.
pub(super) struct Pods<'a> {
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
    spec: &'a PodSpec,
}

impl<'a> Pods<'a> {
    fn of(object: &'a Object) -> Option<Self> {
        let template = match object {
            Object::Pod(pod) => {
                let (namespace, labels) = (&pod.metadata.namespace, &pod.metadata.labels);
                return Some(Self { namespace, labels, spec: &pod.spec });
            }
            Object::Deployment(o) => &o.spec.template,
            Object::ReplicaSet(o) => &o.spec.template,
            Object::StatefulSet(o) => &o.spec.template,
            Object::DaemonSet(o) => &o.spec.template,
            _ => return None,
        };
        Some(Self {
            namespace: &object.meta().namespace,
            labels: &template.metadata.labels,
            spec: &template.spec,
        })
    }

    /// The container ports that they declare.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&'a str, u16, Protocol)> {
        let containers = self.spec.containers.iter().chain(&self.spec.init_containers);
        containers.flat_map(|c| c.ports.iter().map(|p| (p.name.as_str(), p.container_port, p.protocol)))
    }
}

/// A Service that selects none of the pods beside it, or leads to a port that they do not have.
fn service_without_pods(document: &Document, service: &Service, pods: &[Pods<'_>]) -> Vec<Diagnostic> {
    if service.spec.selector.is_empty() {
        return Vec::new();
    }
    let selector = Selector::from_labels(&service.spec.selector);
    let namespace = &service.metadata.namespace;
    let near: Vec<&Pods<'_>> = pods.iter().filter(|p| p.namespace == namespace).collect();
    let selected: Vec<&Pods<'_>> = near.iter().copied().filter(|p| selector.matches(p.labels)).collect();
    if !selected.is_empty() {
        return ports_nobody_has(document, service, &selected);
    }
    let elsewhere = pods.iter().find(|p| selector.matches(p.labels));
    let help = match elsewhere {
        Some(p) => Some(format!("pods with these labels are in namespace {:?}", p.namespace)),
        None if near.is_empty() => return Vec::new(),
        None => closest(&service.spec.selector, &near),
    };
    let message = format!("the selector {selector} matches no pod of this file");
    vec![warning(document, "spec.selector", message, help)]
}

/// Target ports that no selected pod names, or that are none of the ports the pods declare.
fn ports_nobody_has(document: &Document, service: &Service, selected: &[&Pods<'_>]) -> Vec<Diagnostic> {
    let declared: Vec<(&str, u16, Protocol)> = selected.iter().flat_map(|p| p.ports()).collect();
    let mut found = Vec::new();
    for (i, port) in service.spec.ports.iter().enumerate() {
        let of_protocol = || declared.iter().filter(|(_, _, protocol)| *protocol == port.protocol);
        let (message, help) = match port.target() {
            IntOrString::String(name) if !of_protocol().any(|(known, _, _)| *known == name) => {
                let names: Vec<&str> = of_protocol().map(|(n, _, _)| *n).filter(|n| !n.is_empty()).collect();
                let help = match nearest(&name, names.iter().copied()) {
                    None if names.is_empty() => {
                        Some("give a container port that name, or write a number".to_owned())
                    }
                    None => Some(format!("they have {}", names.join(", "))),
                    near => did_you_mean(near),
                };
                (format!("the selected pods have no {} port named {name:?}", port.protocol), help)
            }
            // Declaring a port is optional, so only pods that declare other ports are suspicious.
            IntOrString::Int(number)
                if of_protocol().next().is_some()
                    && !of_protocol().any(|(_, known, _)| i32::from(*known) == number) =>
            {
                let known: Vec<String> = of_protocol().map(|(_, n, _)| n.to_string()).collect();
                let message =
                    format!("{} port {number} is none of the selected pods' container ports", port.protocol);
                (message, Some(format!("they declare {}", known.join(", "))))
            }
            _ => continue,
        };
        let written = if port.target_port.is_some() { "targetPort" } else { "port" };
        found.push(warning(document, &format!("spec.ports[{i}].{written}"), message, help));
    }
    found
}

/// Backends of an Ingress that are none of the Services beside it, or none of their ports.
fn backends_without_service(
    document: &Document,
    ingress: &Ingress,
    services: &[&Service],
) -> Vec<Diagnostic> {
    let namespace = &ingress.metadata.namespace;
    let names = names_in(services, namespace);
    if names.is_empty() {
        return Vec::new();
    }
    let mut backends: Vec<(String, &IngressBackend)> = Vec::new();
    backends.extend(ingress.spec.default_backend.iter().map(|b| ("spec.defaultBackend".to_owned(), b)));
    for (r, rule) in ingress.spec.rules.iter().enumerate() {
        for (p, path) in rule.paths().iter().enumerate() {
            backends.push((format!("spec.rules[{r}].http.paths[{p}].backend"), &path.backend));
        }
    }
    let mut found = Vec::new();
    for (at, backend) in backends {
        let Some(backend) = &backend.service else { continue };
        let meant =
            services.iter().find(|s| s.metadata.name == backend.name && s.metadata.namespace == *namespace);
        let Some(service) = meant else {
            let message = format!("no Service of this file is named {:?}", backend.name);
            let help = did_you_mean(nearest(&backend.name, names.iter().copied()));
            found.push(warning(document, &format!("{at}.service.name"), message, help));
            continue;
        };
        let ports = &service.spec.ports;
        let wanted = &backend.port;
        let has = |name: &str, number: i32| {
            ports.iter().any(|p| if name.is_empty() { i32::from(p.port) == number } else { p.name == name })
        };
        if !has(&wanted.name, wanted.number) {
            let (field, shown) = if wanted.name.is_empty() {
                ("number", wanted.number.to_string())
            } else {
                ("name", format!("{:?}", wanted.name))
            };
            let known: Vec<String> = ports.iter().map(|p| p.port.to_string()).collect();
            let message = format!("Service {:?} has no port {shown}", backend.name);
            let help = Some(format!("it has {}", known.join(", ")));
            found.push(warning(document, &format!("{at}.service.port.{field}"), message, help));
        }
    }
    found
}

/// The label that comes closest to one of those that are wanted.
pub(super) fn closest(labels: &Labels, near: &[&Pods<'_>]) -> Option<String> {
    let known: Vec<String> =
        near.iter().flat_map(|p| p.labels.iter().map(|(k, v)| format!("{k}: {v}"))).collect();
    let wanted = labels.iter().map(|(k, v)| format!("{k}: {v}"));
    let guess = wanted
        .filter(|w| !known.contains(w))
        .find_map(|w| nearest(&w, known.iter().map(String::as_str)).map(str::to_owned));
    did_you_mean(guess.as_deref())
}

fn names_in<'a>(services: &[&'a Service], namespace: &str) -> Vec<&'a str> {
    let here = services.iter().filter(|s| s.metadata.namespace == namespace);
    here.map(|s| s.metadata.name.as_str()).collect()
}

const fn service_of(object: &Object) -> Option<&Service> {
    if let Object::Service(service) = object { Some(service) } else { None }
}

pub(super) fn did_you_mean(guess: Option<&str>) -> Option<String> {
    guess.map(|guess| format!("did you mean {guess:?}?"))
}

pub(super) fn warning(document: &Document, path: &str, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..document.mistake_at(path, message, help) }
}
