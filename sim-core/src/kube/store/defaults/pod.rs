//! Pod.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{default_mode, or_set};
use crate::kube::objects::container::{ImagePullPolicy, Probe};
use crate::kube::objects::pod::{Toleration, TolerationOperator};
use crate::kube::objects::{Container, Pod, PodSpec, ServiceAccount, TaintEffect};

/// Where containers find their service account's token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds that a token is asked to live.
const TOKEN_SECONDS: u32 = 3607;
/// Seconds for which a pod stays on a node that does not answer.
const UNREACHABLE_SECONDS: i64 = 300;

pub(super) fn fill(pod: &mut Pod) {
    let spec = Arc::make_mut(&mut pod.spec);
    fill_spec(spec);
    spec.enable_service_links.get_or_insert(true);
    let host_network = spec.host_network;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        fill_requests(&mut container.resources);
        if host_network {
            for port in &mut container.ports {
                port.host_port.get_or_insert(port.container_port);
            }
        }
    }
}

/// What is filled in of templates too.
pub(super) fn fill_spec(spec: &mut PodSpec) {
    spec.restart_policy.get_or_insert_default();
    spec.dns_policy.get_or_insert_default();
    spec.scheduler_name.get_or_insert_with(|| "default-scheduler".to_owned());
    spec.security_context.get_or_insert_with(|| json!({}));
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.containers.iter_mut().chain(&mut spec.init_containers).for_each(fill_container);
    spec.volumes.iter_mut().for_each(|volume| fill_volume(Arc::make_mut(volume)));
}

fn fill_container(container: &mut Container) {
    container.image_pull_policy.get_or_insert_with(|| pull_policy(&container.image));
    container.termination_message_path.get_or_insert_with(|| "/dev/termination-log".to_owned());
    container.termination_message_policy.get_or_insert_with(|| "File".to_owned());
    if container.resources.is_null() {
        container.resources = json!({});
    }
    let probes =
        [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe];
    probes.into_iter().flatten().for_each(fill_probe);
    for source in container.env.iter_mut().filter_map(|e| e.value_from.as_mut()) {
        if let Some(field) = source.get_mut("fieldRef") {
            or_set(field, "apiVersion", "v1");
        }
    }
}

/// `Always` for images without a tag or with the tag `latest`, which may mean something else tomorrow.
fn pull_policy(image: &str) -> ImagePullPolicy {
    let last = image.rsplit('/').next().unwrap_or(image);
    let tagged = last.contains('@') || last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if tagged { ImagePullPolicy::IfNotPresent } else { ImagePullPolicy::Always }
}

/// What is limited and not requested is requested in the same amount.
fn fill_requests(resources: &mut Value) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    or_set(resources, "requests", json!({}));
    if let Some(requests) = resources.get_mut("requests") {
        for (name, amount) in limits {
            or_set(requests, &name, amount);
        }
    }
}

fn fill_probe(probe: &mut Probe) {
    // Zero is Go's "left out".
    let or = |value: &mut Option<u32>, default| *value = Some(value.filter(|v| *v > 0).unwrap_or(default));
    or(&mut probe.timeout_seconds, 1);
    or(&mut probe.period_seconds, 10);
    or(&mut probe.success_threshold, 1);
    or(&mut probe.failure_threshold, 3);
    probe.initial_delay_seconds = probe.initial_delay_seconds.filter(|s| *s > 0);
    if let Some(http) = &mut probe.http_get {
        if http.path.is_empty() {
            "/".clone_into(&mut http.path);
        }
        http.scheme.get_or_insert_with(|| "HTTP".to_owned());
    }
    if let Some(grpc) = &mut probe.grpc {
        or_set(grpc, "service", "");
    }
}

fn fill_volume(volume: &mut Value) {
    let Value::Object(map) = volume else { return };
    if map.keys().all(|key| key == "name") {
        map.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = map.get_mut(source) {
            or_set(source, "defaultMode", default_mode());
        }
    }
    if let Some(path) = map.get_mut("hostPath") {
        or_set(path, "type", "");
    }
    let sources = map.get_mut("projected").and_then(|p| p.get_mut("sources")).and_then(Value::as_array_mut);
    for token in sources.into_iter().flatten().filter_map(|s| s.get_mut("serviceAccountToken")) {
        or_set(token, "expirationSeconds", 3600);
    }
}

/// What the admission plugins `ServiceAccount`, `Priority` and `DefaultTolerationSeconds` add to a new pod. `account` is the
/// pod's, `suffix` ends the name of the token's volume.
pub(crate) fn grant_service_account(pod: &mut Pod, account: Option<&ServiceAccount>, suffix: &str) {
    let spec = Arc::make_mut(&mut pod.spec);
    spec.service_account_name = spec.account().to_owned();
    spec.service_account.clone_from(&spec.service_account_name);
    spec.priority.get_or_insert(0);
    spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate_for_a_while(spec, key);
    }
    let own = spec.rest.get("automountServiceAccountToken").and_then(Value::as_bool);
    let wanted = own.or_else(|| account?.automount_service_account_token);
    if wanted != Some(false) {
        mount_token(spec, suffix);
    }
    let pull = account.map_or(&[][..], |a| &a.image_pull_secrets);
    if !pull.is_empty() {
        spec.rest.entry("imagePullSecrets".to_owned()).or_insert_with(|| Value::from(pull.to_vec()));
    }
}

fn tolerate_for_a_while(spec: &mut PodSpec, key: &str) {
    let covered = |t: &Toleration| {
        (t.key == key || t.key.is_empty()) && t.effect.is_none_or(|e| e == TaintEffect::NoExecute)
    };
    if !spec.tolerations.iter().any(covered) {
        spec.tolerations.push(Toleration {
            key: key.to_owned(),
            operator: Some(TolerationOperator::Exists),
            effect: Some(TaintEffect::NoExecute),
            toleration_seconds: Some(UNREACHABLE_SECONDS),
            value: String::new(),
        });
    }
}

fn mount_token(spec: &mut PodSpec, suffix: &str) {
    let name = format!("kube-api-access-{suffix}");
    let mut used = false;
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        if !container.volume_mounts.iter().any(|m| m["mountPath"] == TOKEN_PATH) {
            let mount = json!({"mountPath": TOKEN_PATH, "name": name, "readOnly": true});
            container.volume_mounts.push(Arc::new(mount));
            used = true;
        }
    }
    if used {
        spec.volumes.push(Arc::new(json!({
            "name": name,
            "projected": {
                "defaultMode": default_mode(),
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                    {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
                    {"downwardAPI": {"items": [{
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        "path": "namespace",
                    }]}},
                ],
            },
        })));
    }
}

/// Quality of service by what is requested and limited of CPU and memory
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>).
pub(crate) fn qos_class(spec: &PodSpec) -> &'static str {
    let amount = |c: &Container, list: &str, name: &str| {
        c.resources.get(list).and_then(|l| l.get(name)).filter(|a| **a != json!("0")).cloned()
    };
    let (mut any, mut all) = (false, true);
    for container in spec.init_containers.iter().chain(&spec.containers) {
        for name in ["cpu", "memory"] {
            let (request, limit) = (amount(container, "requests", name), amount(container, "limits", name));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && request == limit;
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
