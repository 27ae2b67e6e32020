//! Ingress and `IngressClass`, as `pkg/apis/networking/validation` of Kubernetes.

use std::net::IpAddr;

use serde_json::Value;

use super::{Faults, names};
use crate::kube::objects::ingress::{
    CLASS_ANNOTATION, HttpIngressPath, IngressBackend, IngressClassParameters, IngressRule, IngressTls,
    TypedLocalObjectReference,
};
use crate::kube::objects::{Ingress, IngressClass};

/// Longest name of a controller.
const CONTROLLER_LIMIT: usize = 250;
/// What no `Exact` or `Prefix` path may contain.
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
/// What no `Exact` or `Prefix` path may end with.
const BAD_ENDINGS: [&str; 2] = ["/..", "/."];

pub(super) fn check(ingress: &Ingress, faults: &mut Faults) {
    let spec = &ingress.spec;
    if spec.rules.is_empty() && spec.default_backend.is_none() {
        faults.invalid("spec", Value::Null, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(default) = &spec.default_backend {
        check_backend("spec.defaultBackend", default, faults);
    }
    for (i, rule) in spec.rules.iter().enumerate() {
        check_rule(&format!("spec.rules[{i}]"), rule, faults);
    }
    for (i, tls) in spec.tls.iter().enumerate() {
        check_tls(&format!("spec.tls[{i}]"), tls, faults);
    }
    if let Some(class) = &spec.ingress_class_name {
        faults.text("spec.ingressClassName", class, names::dns1123_subdomain);
    }
}

/// What is looked at only when the Ingress is new.
pub(super) fn check_create(ingress: &Ingress, faults: &mut Faults) {
    let annotated = ingress.metadata.annotations.get(CLASS_ANNOTATION);
    if let (Some(annotated), Some(class)) = (annotated, &ingress.spec.ingress_class_name)
        && annotated != class
    {
        let detail = "must match `ingressClassName` when both are specified";
        faults.invalid(format!("annotations.{CLASS_ANNOTATION}"), annotated.as_str(), detail);
    }
}

fn check_rule(at: &str, rule: &IngressRule, faults: &mut Faults) {
    if !rule.host.is_empty() {
        let field = format!("{at}.host");
        if rule.host.parse::<IpAddr>().is_ok() {
            faults.invalid(&field, rule.host.as_str(), "must be a DNS name, not an IP address");
        }
        check_host(&field, &rule.host, faults);
    }
    let Some(http) = &rule.http else { return };
    if http.paths.is_empty() {
        faults.required(format!("{at}.http.paths"), "");
    }
    for (i, path) in http.paths.iter().enumerate() {
        check_path(&format!("{at}.http.paths[{i}]"), path, faults);
    }
}

fn check_host(field: &str, host: &str, faults: &mut Faults) {
    let rule = if host.contains('*') { names::wildcard_dns1123_subdomain } else { names::dns1123_subdomain };
    faults.text(field, host, rule);
}

fn check_path(at: &str, path: &HttpIngressPath, faults: &mut Faults) {
    let Some(path_type) = path.path_type.as_deref() else {
        faults.required(format!("{at}.pathType"), "pathType must be specified");
        return;
    };
    let (field, text) = (format!("{at}.path"), path.path.as_str());
    match path_type {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                faults.invalid(&field, text, "must be an absolute path");
            }
            for sequence in BAD_SEQUENCES.iter().filter(|s| text.contains(**s)) {
                faults.invalid(&field, text, &format!("must not contain '{sequence}'"));
            }
            for ending in BAD_ENDINGS.iter().filter(|s| text.ends_with(**s)) {
                faults.invalid(&field, text, &format!("cannot end with '{ending}'"));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                faults.invalid(&field, text, "must be an absolute path");
            }
        }
        other => {
            let known = r#""Exact", "ImplementationSpecific", "Prefix""#;
            faults.add(
                format!("{at}.pathType"),
                format!("Unsupported value: {other:?}: supported values: {known}"),
            );
        }
    }
    check_backend(&format!("{at}.backend"), &path.backend, faults);
}

fn check_backend(at: &str, backend: &IngressBackend, faults: &mut Faults) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => faults.invalid(at, "", "cannot set both resource and service backends"),
        (Some(resource), None) => check_reference(&format!("{at}.resource"), resource, faults),
        (None, Some(service)) => {
            if service.name.is_empty() {
                faults.required(format!("{at}.service.name"), "");
            } else {
                faults.text(format!("{at}.service.name"), &service.name, names::dns1035_label);
            }
            match (service.port.name.as_str(), service.port.number) {
                ("", 0) => faults.required(at, "port name or number is required"),
                ("", number) => faults.port(format!("{at}.service.port.number"), i64::from(number)),
                (name, 0) => faults.text(format!("{at}.service.port.name"), name, names::port_name),
                _ => faults.invalid(at, "", "cannot set both port name & port number"),
            }
        }
        (None, None) => faults.invalid(at, "", "resource or service backend is required"),
    }
}

fn check_reference(at: &str, reference: &TypedLocalObjectReference, faults: &mut Faults) {
    if let Some(group) = &reference.api_group {
        faults.text(format!("{at}.apiGroup"), group, names::dns1123_subdomain);
    }
    for (field, text) in [("kind", &reference.kind), ("name", &reference.name)] {
        if text.is_empty() {
            faults.required(format!("{at}.{field}"), &format!("{field} is required"));
        } else {
            faults.text(format!("{at}.{field}"), text, names::path_segment);
        }
    }
}

fn check_tls(at: &str, tls: &IngressTls, faults: &mut Faults) {
    for (i, host) in tls.hosts.iter().enumerate() {
        check_host(&format!("{at}.hosts[{i}]"), host, faults);
    }
    if !tls.secret_name.is_empty() {
        faults.text(format!("{at}.secretName"), &tls.secret_name, names::dns1123_subdomain);
    }
}

pub(super) fn check_class(class: &IngressClass, faults: &mut Faults) {
    let controller = class.spec.controller.as_str();
    if controller.len() > CONTROLLER_LIMIT {
        faults.add("spec.controller", format!("Too long: may not be more than {CONTROLLER_LIMIT} bytes"));
    }
    match controller.split_once('/') {
        _ if controller.is_empty() => faults.required("spec.controller", ""),
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            faults.text("spec.controller", host, names::dns1123_subdomain);
            faults.text("spec.controller", path, names::http_path);
        }
        _ => faults.invalid(
            "spec.controller",
            controller,
            r#"must be a domain-prefixed path (such as "acme.io/foo")"#,
        ),
    }
    if let Some(parameters) = &class.spec.parameters {
        check_parameters(parameters, faults);
    }
}

fn check_parameters(parameters: &IngressClassParameters, faults: &mut Faults) {
    let at = "spec.parameters";
    check_reference(at, &parameters.target, faults);
    match (parameters.scope.as_deref(), &parameters.namespace) {
        (None, _) => faults.required(format!("{at}.scope"), ""),
        (Some("Cluster"), Some(_)) => {
            faults.forbidden(format!("{at}.namespace"), "`parameters.scope` is set to 'Cluster'");
        }
        (Some("Namespace"), None) => {
            faults.required(format!("{at}.namespace"), "`parameters.scope` is set to 'Namespace'");
        }
        (Some("Namespace"), Some(namespace)) => {
            faults.text(format!("{at}.namespace"), namespace, names::dns1123_label);
        }
        (Some("Cluster"), None) => {}
        (Some(other), _) => faults.add(
            format!("{at}.scope"),
            format!(r#"Unsupported value: {other:?}: supported values: "Cluster", "Namespace""#),
        ),
    }
}

pub(super) fn check_class_update(new: &IngressClass, old: &IngressClass, faults: &mut Faults) {
    if new.spec.controller != old.spec.controller {
        faults.invalid("spec.controller", new.spec.controller.as_str(), "field is immutable");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::chance::Dice;
    use crate::kube::objects::Kind;
    use crate::kube::store::{Store, StoreConfig};
    use crate::time::SimTime;

    fn refusal(kind: Kind, spec: Value) -> String {
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let body = json!({"metadata": {"name": "x"}, "spec": spec});
        store.create_value(kind, "default", &body, SimTime::ZERO).unwrap_err().kubectl_text(None)
    }

    fn path(path: Value) -> String {
        refusal(Kind::Ingress, json!({"rules": [{"host": "a.test", "http": {"paths": [path]}}]}))
    }

    #[test]
    fn something_must_be_wanted() {
        insta::assert_snapshot!(refusal(Kind::Ingress, json!({})), @"The Ingress \"x\" is invalid: spec: Invalid value: null: either `defaultBackend` or `rules` must be specified");
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
        insta::assert_snapshot!(path(json!({"path": "/a", "backend": backend})), @r#"The Ingress "x" is invalid: spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"#);
        insta::assert_snapshot!(path(json!({"path": "a//b/..", "pathType": "Prefix", "backend": backend})), @r#"
        The Ingress "x" is invalid: 
        * spec.rules[0].http.paths[0].path: Invalid value: "a//b/..": must be an absolute path
        * spec.rules[0].http.paths[0].path: Invalid value: "a//b/..": must not contain '//'
        * spec.rules[0].http.paths[0].path: Invalid value: "a//b/..": cannot end with '/..'
        "#);
        insta::assert_snapshot!(path(json!({"path": "/", "pathType": "prefix", "backend": {}})), @r#"
        The Ingress "x" is invalid: 
        * spec.rules[0].http.paths[0].pathType: Unsupported value: "prefix": supported values: "Exact", "ImplementationSpecific", "Prefix"
        * spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required
        "#);
    }

    #[test]
    fn a_backend_is_one_thing_with_one_port() {
        let of = |backend: Value| refusal(Kind::Ingress, json!({"defaultBackend": backend}));
        insta::assert_snapshot!(of(json!({"service": {"name": "s"}})), @r#"The Ingress "x" is invalid: spec.defaultBackend: Required value: port name or number is required"#);
        insta::assert_snapshot!(of(json!({"service": {"name": "s", "port": {"number": 80, "name": "a"}}})), @r#"The Ingress "x" is invalid: spec.defaultBackend: Invalid value: "": cannot set both port name & port number"#);
        insta::assert_snapshot!(of(json!({"service": {"name": "s", "port": {"number": 80}}, "resource": {"kind": "K", "name": "n"}})), @r#"The Ingress "x" is invalid: spec.defaultBackend: Invalid value: "": cannot set both resource and service backends"#);
    }

    #[test]
    fn hosts_are_names() {
        let of = |host: &str| {
            let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
            refusal(Kind::Ingress, json!({"defaultBackend": backend, "rules": [{"host": host}]}))
        };
        insta::assert_snapshot!(of("203.0.113.1"), @r#"The Ingress "x" is invalid: spec.rules[0].host: Invalid value: "203.0.113.1": must be a DNS name, not an IP address"#);
        insta::assert_snapshot!(of("a.*.com"), @r#"The Ingress "x" is invalid: spec.rules[0].host: Invalid value: "a.*.com": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#);
    }

    #[test]
    fn a_class_names_its_controller() {
        insta::assert_snapshot!(refusal(Kind::IngressClass, json!({})), @r#"The IngressClass "x" is invalid: spec.controller: Required value"#);
        insta::assert_snapshot!(refusal(Kind::IngressClass, json!({"controller": "nginx"})), @r#"The IngressClass "x" is invalid: spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")"#);
        insta::assert_snapshot!(refusal(Kind::IngressClass, json!({"controller": "a.io/b", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}})), @r#"The IngressClass "x" is invalid: spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"#);
    }

    #[test]
    fn the_default_class_is_given_to_an_ingress_without_one() {
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let class = json!({"metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}, "spec": {"controller": "k8s.io/ingress-nginx"}});
        store.create_value(Kind::IngressClass, "", &class, SimTime::ZERO).unwrap();
        let spec = json!({"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}});
        let plain = json!({"metadata": {"name": "a"}, "spec": spec});
        let annotated = json!({"metadata": {"name": "b", "annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": spec});
        let class_of = |body: &Value, store: &mut Store| {
            let made = store.create_value(Kind::Ingress, "default", body, SimTime::ZERO).unwrap();
            made.to_value()["spec"]["ingressClassName"].clone()
        };
        assert_eq!(class_of(&plain, &mut store), json!("nginx"));
        assert_eq!(class_of(&annotated, &mut store), Value::Null);
    }
}
