//! A container's environment.

use std::net::IpAddr;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Machine;
use crate::kube::node::proxy::model::lower;
use crate::kube::objects::container::EnvVar;
use crate::kube::objects::{ConfigMap, Container, Kind, Pod, Secret, Service, quantity};
use crate::kube::store::Store;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment: the image's and the manifest's, and beside it the Services'.
pub(super) fn of_container(
    pod: &Pod,
    container: &Container,
    hostname: &str,
    ips: &[IpAddr],
    hands: &mut Hands<'_>,
) -> (IndexMap<String, String>, Arc<IndexMap<String, String>>) {
    let mut env: IndexMap<String, String> = IndexMap::new();
    env.insert("PATH".to_owned(), PATH.to_owned());
    env.insert("HOSTNAME".to_owned(), hostname.to_owned());
    let links = pod.spec.enable_service_links != Some(false);
    let (revision, store) = (hands.store.kind_revision(Kind::Service), &*hands.store);
    let namespace = &pod.metadata.namespace;
    let services =
        hands.machines.links((namespace.clone(), links), revision, || services(namespace, links, store));
    let mut own: IndexMap<String, String> = whole_objects(pod, container, hands);
    for var in &container.env {
        let known = |name: &str| own.get(name).or_else(|| services.get(name)).cloned();
        let value = match &var.value_from {
            None => Some(expand(&var.value, known)),
            Some(from) => from_source((pod, container), from, ips, hands),
        };
        match value {
            Some(value) => {
                own.insert(var.name.clone(), value);
            }
            None => unknown(pod, var, hands),
        }
    }
    env.extend(own);
    env.insert("HOME".to_owned(), "/root".to_owned());
    (env, services)
}

/// `envFrom`: every key of a `ConfigMap` or Secret that can be a variable's name.
fn whole_objects(pod: &Pod, container: &Container, hands: &Hands<'_>) -> IndexMap<String, String> {
    let mut env = IndexMap::new();
    let namespace = &pod.metadata.namespace;
    let sources = container.rest.get("envFrom").and_then(Value::as_array);
    for source in sources.into_iter().flatten() {
        let prefix = source["prefix"].as_str().unwrap_or_default();
        let named = |kind: &str| source.get(kind)?.get("name")?.as_str();
        let map = named("configMapRef").and_then(|name| hands.store.read::<ConfigMap>(namespace, name));
        let texts = map.into_iter().flat_map(|m| m.data.iter().map(|(k, v)| (k.clone(), v.clone())));
        let secret = named("secretRef").and_then(|name| hands.store.read::<Secret>(namespace, name));
        let bytes = secret.into_iter().flat_map(|s| {
            s.data
                .keys()
                .filter_map(|k| Some((k.clone(), String::from_utf8_lossy(&s.bytes(k)?).into_owned())))
        });
        env.extend(texts.chain(bytes).map(|(k, v)| (format!("{prefix}{k}"), v)));
    }
    env
}

/// What a container's environment needs and is not there, in the kubelet's words.
pub(super) fn missing(pod: &Pod, container: &Container, store: &Store) -> Option<String> {
    let namespace = &pod.metadata.namespace;
    let optional = |source: &Value| source["optional"] == true;
    let check = |kind: &str, source: &Value| {
        let name = source["name"].as_str().unwrap_or_default();
        let keys: Option<Vec<String>> = if kind == "secret" {
            store.read::<Secret>(namespace, name).map(|s| s.data.keys().cloned().collect())
        } else {
            store.read::<ConfigMap>(namespace, name).map(|m| m.data.keys().cloned().collect())
        };
        let Some(keys) = keys else { return Some(format!("{kind} {name:?} not found")) };
        let key = source["key"].as_str()?;
        let what = if kind == "secret" { "Secret" } else { "ConfigMap" };
        (!keys.iter().any(|k| k == key))
            .then(|| format!("couldn't find key {key} in {what} {namespace}/{name}"))
    };
    let kinds = [("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")];
    let single = container.env.iter().filter_map(|e| e.value_from.as_ref());
    let single = single.flat_map(|from| kinds.iter().filter_map(|(kind, f)| Some((*kind, from.get(f)?))));
    let kinds = [("configmap", "configMapRef"), ("secret", "secretRef")];
    let whole = container.rest.get("envFrom").and_then(Value::as_array).into_iter().flatten();
    let whole = whole.flat_map(|from| kinds.iter().filter_map(|(kind, f)| Some((*kind, from.get(f)?))));
    let mut sources = whole.chain(single).filter(|(_, source)| !optional(source));
    sources.find_map(|(kind, source)| check(kind, source))
}

fn unknown(pod: &Pod, var: &EnvVar, hands: &mut Hands<'_>) {
    let place = format!("pod {}/{}", pod.metadata.namespace, pod.metadata.name);
    hands.remark(format!("{place}: the source of environment variable {} is not modelled yet", var.name));
}

/// A container with the variables in its command line replaced by their values, as the runtime is told to start it.
pub(super) fn in_command(container: &Container, machine: Option<&Machine>) -> Container {
    let mut expanded = container.clone();
    let known = |name: &str| machine?.variable(name).cloned();
    for word in expanded.command.iter_mut().chain(&mut expanded.args).filter(|w| w.contains('$')) {
        *word = expand(word, known);
    }
    expanded
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
fn from_source(
    (pod, container): (&Pod, &Container),
    from: &Value,
    ips: &[IpAddr],
    hands: &Hands<'_>,
) -> Option<String> {
    if let Some(source) = from.get("resourceFieldRef") {
        return resource(pod, container, source);
    }
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

/// `resourceFieldRef`: what is requested or limited, in units of the divisor, rounded up. What is not limited is the node's.
fn resource(pod: &Pod, own: &Container, source: &Value) -> Option<String> {
    let named = source["containerName"].as_str();
    let other = named.and_then(|name| pod.spec.containers.iter().find(|c| c.name == name));
    let (list, what) = source["resource"].as_str()?.split_once('.')?;
    let found = other.unwrap_or(own).resources.get(list).and_then(|l| l.get(what)).and_then(Value::as_str);
    let whole = match (what, list) {
        ("cpu", "limits") => "2",
        ("memory", "limits") => "4018120Ki",
        _ => "0",
    };
    let amount = quantity::parse(found.unwrap_or(whole))?;
    let divisor = source["divisor"].as_str().and_then(quantity::parse).filter(|d| *d > 0);
    let divisor = divisor.unwrap_or(quantity::ONE);
    Some(((amount + divisor - 1) / divisor).to_string())
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
fn services(namespace: &str, links: bool, store: &Store) -> IndexMap<String, String> {
    let mut env = IndexMap::new();
    let api = store.read::<Service>("default", "kubernetes");
    let own = store.all::<Service>(Some(namespace)).filter(|_| links);
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
