//! Pod.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::names;
use super::{Faults, probe};
use crate::kube::objects::pod::{DnsPolicy, Toleration, TolerationOperator};
use crate::kube::objects::{Container, Pod, PodSpec};

pub(super) fn check(pod: &Pod, faults: &mut Faults) {
    check_spec("spec", &pod.spec, &BTreeSet::new(), faults);
}

/// The spec of a pod or of a template at the path `root`. `claimed`: volumes that are there beside those of the spec.
pub(super) fn check_spec(root: &str, spec: &PodSpec, claimed: &BTreeSet<&str>, faults: &mut Faults) {
    let mut volumes = check_volumes(root, spec, faults);
    volumes.extend(claimed);
    if spec.containers.is_empty() {
        faults.required(format!("{root}.containers"), "");
    }
    let mut names = BTreeSet::new();
    let mut host_ports = BTreeSet::new();
    for (list, containers) in [("containers", &spec.containers), ("initContainers", &spec.init_containers)] {
        for (i, container) in containers.iter().enumerate() {
            let at = format!("{root}.{list}[{i}]");
            if !container.name.is_empty() && !names.insert(container.name.as_str()) {
                faults.duplicate(format!("{at}.name"), container.name.as_str());
            }
            check_container(&at, container, spec, &volumes, faults);
            if list == "containers" {
                check_host_ports(&at, container, &mut host_ports, faults);
            }
        }
    }
    check_placement(root, spec, faults);
    check_dns(root, spec, faults);
    if let Some(seconds) = spec.termination_grace_period_seconds {
        faults.not_negative(format!("{root}.terminationGracePeriodSeconds"), seconds);
    }
    if !spec.hostname.is_empty() {
        faults.text(format!("{root}.hostname"), &spec.hostname, names::dns1123_label);
    }
    if !spec.subdomain.is_empty() {
        faults.text(format!("{root}.subdomain"), &spec.subdomain, names::dns1123_label);
    }
    if !spec.service_account_name.is_empty() {
        faults.text(
            format!("{root}.serviceAccountName"),
            &spec.service_account_name,
            names::dns1123_subdomain,
        );
    }
}

/// Names of the volumes.
fn check_volumes<'a>(root: &str, spec: &'a PodSpec, faults: &mut Faults) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (i, volume) in spec.volumes.iter().enumerate() {
        let at = format!("{root}.volumes[{i}].name");
        let name = volume["name"].as_str().unwrap_or("");
        if name.is_empty() {
            faults.required(at, "");
        } else if !known.insert(name) {
            faults.duplicate(at, name);
        } else {
            faults.text(at, name, names::dns1123_label);
        }
    }
    known
}

fn check_container(
    at: &str,
    container: &Container,
    spec: &PodSpec,
    volumes: &BTreeSet<&str>,
    faults: &mut Faults,
) {
    if container.name.is_empty() {
        faults.required(format!("{at}.name"), "");
    } else {
        faults.text(format!("{at}.name"), &container.name, names::dns1123_label);
    }
    if container.image.is_empty() {
        faults.required(format!("{at}.image"), "");
    } else if container.image.trim() != container.image {
        let detail = "must not have leading or trailing whitespace";
        faults.invalid(format!("{at}.image"), container.image.as_str(), detail);
    }
    check_ports(at, container, spec, faults);
    for (i, env) in container.env.iter().enumerate() {
        let at = format!("{at}.env[{i}]");
        if env.name.is_empty() {
            faults.required(format!("{at}.name"), "");
        } else {
            faults.text(format!("{at}.name"), &env.name, names::env_var_name);
        }
        if env.value_from.is_some() && !env.value.is_empty() {
            faults.invalid(format!("{at}.valueFrom"), "", "may not be specified when `value` is not empty");
        }
    }
    check_mounts(at, container, volumes, faults);
    probe::check(at, container, faults);
}

fn check_ports(at: &str, container: &Container, spec: &PodSpec, faults: &mut Faults) {
    let mut names_seen = BTreeSet::new();
    for (i, port) in container.ports.iter().enumerate() {
        let at = format!("{at}.ports[{i}]");
        if !port.name.is_empty() {
            faults.text(format!("{at}.name"), &port.name, names::port_name);
            if !names_seen.insert(port.name.as_str()) {
                faults.duplicate(format!("{at}.name"), port.name.as_str());
            }
        }
        if port.container_port == 0 {
            faults.required(format!("{at}.containerPort"), "");
        }
        if spec.host_network && port.host_port.is_some_and(|host| host != port.container_port) {
            let detail = "must match `hostPort` when `hostNetwork` is true";
            faults.invalid(format!("{at}.containerPort"), port.container_port, detail);
        }
    }
}

fn check_host_ports<'a>(
    at: &str,
    container: &'a Container,
    taken: &mut BTreeSet<(String, &'a str, u16)>,
    faults: &mut Faults,
) {
    for (i, port) in container.ports.iter().enumerate() {
        let Some(host_port) = port.host_port else { continue };
        let protocol = port.protocol.to_string();
        let shown = format!("{protocol}/{}/{host_port}", port.host_ip);
        if !taken.insert((protocol, &port.host_ip, host_port)) {
            faults.duplicate(format!("{at}.ports[{i}].hostPort"), shown);
        }
    }
}

fn check_mounts(at: &str, container: &Container, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let mut paths = BTreeSet::new();
    for (i, mount) in container.volume_mounts.iter().enumerate() {
        let at = format!("{at}.volumeMounts[{i}]");
        let (name, path) = (mount["name"].as_str().unwrap_or(""), mount["mountPath"].as_str().unwrap_or(""));
        if name.is_empty() {
            faults.required(format!("{at}.name"), "");
        } else if !volumes.contains(name) {
            faults.add(format!("{at}.name"), format!("Not found: {}", json!(name)));
        }
        if path.is_empty() {
            faults.required(format!("{at}.mountPath"), "");
        } else if !paths.insert(path) {
            faults.invalid(format!("{at}.mountPath"), path, "must be unique");
        }
    }
}

fn check_placement(root: &str, spec: &PodSpec, faults: &mut Faults) {
    faults.labels(&format!("{root}.nodeSelector"), &spec.node_selector);
    if !spec.node_name.is_empty() {
        faults.text(format!("{root}.nodeName"), &spec.node_name, names::dns1123_subdomain);
    }
    for (i, toleration) in spec.tolerations.iter().enumerate() {
        check_toleration(&format!("{root}.tolerations[{i}]"), toleration, faults);
    }
    for (i, alias) in spec.host_aliases.iter().enumerate() {
        let at = format!("{root}.hostAliases[{i}]");
        faults.address(format!("{at}.ip"), &alias.ip);
        for name in &alias.hostnames {
            faults.text(format!("{at}.hostnames"), name, names::dns1123_subdomain);
        }
    }
}

fn check_toleration(at: &str, toleration: &Toleration, faults: &mut Faults) {
    let operator = toleration.operator.unwrap_or_default();
    let shown = |o: TolerationOperator| serde_json::to_value(o).unwrap_or_default();
    if !toleration.key.is_empty() {
        faults.text(format!("{at}.key"), &toleration.key, names::qualified_name);
    } else if operator != TolerationOperator::Exists {
        let detail =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        let value = toleration.operator.map_or_else(|| json!(""), shown);
        faults.invalid(format!("{at}.operator"), value, detail);
    }
    if toleration.toleration_seconds.is_some()
        && toleration.effect != Some(crate::kube::objects::TaintEffect::NoExecute)
    {
        let value = serde_json::to_value(toleration.effect).unwrap_or_default();
        let value = if value.is_null() { json!("") } else { value };
        faults.invalid(
            format!("{at}.effect"),
            value,
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    match operator {
        TolerationOperator::Equal => {
            for fault in names::label_value(&toleration.value) {
                faults.invalid(format!("{at}.operator"), toleration.value.as_str(), &fault);
            }
        }
        TolerationOperator::Exists if !toleration.value.is_empty() => {
            let value = go_toleration(toleration);
            faults.invalid(
                format!("{at}.operator"),
                value,
                "value must be empty when `operator` is 'Exists'",
            );
        }
        TolerationOperator::Exists => {}
    }
}

/// The server's own struct has no JSON names, so its Go names are printed. (In Go's order; JSON maps here are sorted,
/// hence the text form.)
fn go_toleration(t: &Toleration) -> Value {
    let text = |v: Option<Value>| v.unwrap_or_else(|| json!(""));
    json!({
        "Key": t.key,
        "Operator": text(serde_json::to_value(t.operator).ok()),
        "Value": t.value,
        "Effect": text(serde_json::to_value(t.effect).ok().filter(|v| !v.is_null())),
        "TolerationSeconds": t.toleration_seconds,
    })
}

/// Most name servers and search domains of a resolv.conf.
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;

fn check_dns(root: &str, spec: &PodSpec, faults: &mut Faults) {
    let none = spec.dns_policy == Some(DnsPolicy::None);
    let Some(config) = &spec.dns_config else {
        if none {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            faults.required(format!("{root}.dnsConfig"), detail);
        }
        return;
    };
    if none && config.nameservers.is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        faults.required(format!("{root}.dnsConfig.nameservers"), detail);
    }
    if config.nameservers.len() > MAX_NAMESERVERS {
        let detail = format!("must not have more than {MAX_NAMESERVERS} nameservers");
        faults.invalid(format!("{root}.dnsConfig.nameservers"), json!(config.nameservers), &detail);
    }
    for (i, server) in config.nameservers.iter().enumerate() {
        faults.address(format!("{root}.dnsConfig.nameservers[{i}]"), server);
    }
    if config.searches.len() > MAX_SEARCHES {
        let detail = format!("must not have more than {MAX_SEARCHES} search paths");
        faults.invalid(format!("{root}.dnsConfig.searches"), json!(config.searches), &detail);
    }
    for (i, search) in config.searches.iter().enumerate() {
        let domain = search.strip_suffix('.').unwrap_or(search);
        if domain.is_empty() && search == "." {
            continue;
        }
        for fault in names::dns1123_subdomain(&domain.replace('_', "a")) {
            faults.invalid(format!("{root}.dnsConfig.searches[{i}]"), search.as_str(), &fault);
        }
    }
    for (i, option) in config.options.iter().enumerate() {
        if option.name.is_empty() {
            faults.required(format!("{root}.dnsConfig.options[{i}]"), "must not be empty");
        }
    }
}

/// What may change in a pod: images, additional tolerations, and the grace period in one special case. The server also
/// prints Go's difference of the two specs; here it names the fields that differ.
pub(super) fn check_update(new: &Pod, old: &Pod, faults: &mut Faults) {
    if new.spec.containers.len() != old.spec.containers.len() {
        faults.forbidden("spec.containers", "pod updates may not add or remove containers");
        return;
    }
    if new.spec.init_containers.len() != old.spec.init_containers.len() {
        faults.forbidden("spec.initContainers", "pod updates may not add or remove containers");
        return;
    }
    if old.spec.tolerations.iter().any(|t| !new.spec.tolerations.contains(t)) {
        faults.forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
    let mut munged = (*new.spec).clone();
    let lists = [
        (&mut munged.containers, &old.spec.containers),
        (&mut munged.init_containers, &old.spec.init_containers),
    ];
    for (containers, before) in lists {
        for (container, before) in containers.iter_mut().zip(before) {
            container.image.clone_from(&before.image);
        }
    }
    munged.tolerations.clone_from(&old.spec.tolerations);
    // Binding is the scheduler's own verb, and an evicted pod's deadline may be shortened.
    let deadline = "activeDeadlineSeconds";
    match old.spec.rest.get(deadline) {
        Some(before) => munged.rest.insert(deadline.to_owned(), before.clone()),
        None => munged.rest.remove(deadline),
    };
    restrict_gates(&mut munged, &old.spec, faults);
    if munged != *old.spec {
        let allowed = "pod updates may not change fields other than `spec.containers[*].image`,\
                       `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions \
                       to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it \
                       was previously negative)";
        faults.forbidden("spec", &format!("{allowed}\n{}", difference(&old.spec, &munged)));
    }
}

/// Gates can be taken away, and none can come.
fn restrict_gates(new: &mut PodSpec, old: &PodSpec, faults: &mut Faults) {
    const GATES: &str = "schedulingGates";
    let names = |spec: &PodSpec| -> Vec<Value> {
        let gates = spec.rest.get(GATES).and_then(Value::as_array);
        gates.into_iter().flatten().map(|g| g["name"].clone()).collect()
    };
    let known = names(old);
    for gate in names(new).iter().filter(|g| !known.contains(g)) {
        let name = gate.as_str().unwrap_or_default();
        let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
        faults.forbidden("spec.schedulingGates", &why);
    }
    match old.rest.get(GATES) {
        Some(before) => new.rest.insert(GATES.to_owned(), before.clone()),
        None => new.rest.remove(GATES),
    };
}

/// The fields of the spec that differ, in the layout of Go's comparison.
fn difference(old: &PodSpec, new: &PodSpec) -> String {
    let body = |spec: &PodSpec| serde_json::to_value(spec).unwrap_or_default();
    let (old, new) = (body(old), body(new));
    let mut lines = vec!["  core.PodSpec{".to_owned()];
    let empty = serde_json::Map::new();
    let (before, after) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (a, b) = (before.get(name), after.get(name));
        if a == b {
            continue;
        }
        let go = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let shown = |v: Option<&Value>| v.map_or_else(|| "nil".to_owned(), ToString::to_string);
        lines.push(format!("- \t{go}: {},", shown(a)));
        lines.push(format!("+ \t{go}: {},", shown(b)));
    }
    lines.push("  }\n".to_owned());
    lines.join("\n")
}
