//! A container's environment.

use std::net::IpAddr;

use indexmap::IndexMap;
use serde_json::Value;

use crate::kube::node::agents::Hands;
use crate::kube::node::proxy::model::lower;
use crate::kube::objects::container::EnvVar;
use crate::kube::objects::{ConfigMap, Container, Pod, Secret, Service};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment: the image's, the Services', the manifest's.
pub(super) fn of_container(
    pod: &Pod,
    container: &Container,
    hostname: &str,
    ips: &[IpAddr],
    hands: &mut Hands<'_>,
) -> IndexMap<String, String> {
    let mut env: IndexMap<String, String> = IndexMap::new();
    env.insert("PATH".to_owned(), PATH.to_owned());
    env.insert("HOSTNAME".to_owned(), hostname.to_owned());
    let mut own: IndexMap<String, String> = IndexMap::new();
    let services = services(pod, hands);
    for var in &container.env {
        let known = |name: &str| own.get(name).or_else(|| services.get(name)).cloned();
        let value = match &var.value_from {
            None => Some(expand(&var.value, known)),
            Some(from) => from_source(pod, from, ips, hands),
        };
        match value {
            Some(value) => {
                own.insert(var.name.clone(), value);
            }
            None => unknown(pod, var, hands),
        }
    }
    env.extend(own);
    for (name, value) in services {
        env.entry(name).or_insert(value);
    }
    env.insert("HOME".to_owned(), "/root".to_owned());
    env
}

fn unknown(pod: &Pod, var: &EnvVar, hands: &mut Hands<'_>) {
    let place = format!("pod {}/{}", pod.metadata.namespace, pod.metadata.name);
    hands.remark(format!("{place}: the source of environment variable {} is not modelled yet", var.name));
}

/// `$(NAME)` becomes the value of a variable that is defined before; `$$` is a dollar sign.
fn expand(text: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match known(name) {
                Some(value) => out.push_str(&value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// `valueFrom`: fields of the pod, keys of a `ConfigMap` or Secret.
fn from_source(pod: &Pod, from: &Value, ips: &[IpAddr], hands: &Hands<'_>) -> Option<String> {
    if let Some(path) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        return field(pod, path, ips, hands);
    }
    let named = |source: &Value| {
        Some((source.get("name")?.as_str()?.to_owned(), source.get("key")?.as_str()?.to_owned()))
    };
    let namespace = &pod.metadata.namespace;
    if let Some(source) = from.get("secretKeyRef") {
        let (name, key) = named(source)?;
        let bytes = hands.store.read::<Secret>(namespace, &name)?.bytes(&key)?;
        return Some(String::from_utf8_lossy(&bytes).into_owned());
    }
    let (name, key) = named(from.get("configMapKeyRef")?)?;
    hands.store.read::<ConfigMap>(namespace, &name)?.data.get(&key).cloned()
}

fn field(pod: &Pod, path: &str, ips: &[IpAddr], hands: &Hands<'_>) -> Option<String> {
    let list =
        |ips: &mut dyn Iterator<Item = IpAddr>| ips.map(|ip| ip.to_string()).collect::<Vec<_>>().join(",");
    let node = || hands.config.nodes.iter().find(|n| n.name == pod.spec.node_name);
    let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']").map(str::to_owned);
    if let Some(key) = keyed("metadata.labels['") {
        return Some(pod.metadata.labels.get(&key).cloned().unwrap_or_default());
    }
    if let Some(key) = keyed("metadata.annotations['") {
        return Some(pod.metadata.annotations.get(&key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.podIP" => ips.first()?.to_string(),
        "status.podIPs" => list(&mut ips.iter().copied()),
        "status.hostIP" => node()?.ip.to_string(),
        "status.hostIPs" => list(&mut node()?.ips()),
        _ => return None,
    })
}

/// The variables that Docker's links had, for each Service of the namespace and for the API server.
fn services(pod: &Pod, hands: &Hands<'_>) -> IndexMap<String, String> {
    let mut env = IndexMap::new();
    let api = hands.store.read::<Service>("default", "kubernetes");
    let links = pod.spec.enable_service_links != Some(false);
    let own = hands.store.all::<Service>(Some(&pod.metadata.namespace)).filter(|_| links);
    for service in api.into_iter().chain(own) {
        if let Some(ip) = service.cluster_ips().next() {
            add_service(service, ip, &mut env);
        }
    }
    env
}

fn add_service(service: &Service, ip: IpAddr, env: &mut IndexMap<String, String>) {
    let prefix = variable(&service.metadata.name);
    let Some(first) = service.spec.ports.first() else { return };
    env.insert(format!("{prefix}_SERVICE_HOST"), ip.to_string());
    env.insert(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    for port in service.spec.ports.iter().filter(|p| !p.name.is_empty()) {
        env.insert(format!("{prefix}_SERVICE_PORT_{}", variable(&port.name)), port.port.to_string());
    }
    let address = |port: u16| std::net::SocketAddr::new(ip, port);
    env.insert(format!("{prefix}_PORT"), format!("{}://{}", lower(first.protocol), address(first.port)));
    for port in &service.spec.ports {
        let (proto, number) = (lower(port.protocol), port.port);
        let name = format!("{prefix}_PORT_{number}_{}", port.protocol);
        env.insert(name.clone(), format!("{proto}://{}", address(number)));
        env.insert(format!("{name}_PROTO"), proto.to_owned());
        env.insert(format!("{name}_PORT"), number.to_string());
        env.insert(format!("{name}_ADDR"), ip.to_string());
    }
}

fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_filled_in() {
        let known = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(expand("$(A) $(B) $$(A) $A 5$", known), "x $(B) $(A) $A 5$");
    }

    #[test]
    fn names_of_variables_are_upper_case() {
        assert_eq!(variable("my-nginx"), "MY_NGINX");
    }
}
