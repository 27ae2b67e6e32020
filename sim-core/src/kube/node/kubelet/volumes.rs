//! Volumes as far as a container sees files in them: `ConfigMap`s, Secrets, empty folders, and what is projected of the service account.
//!
//! What a pod has written into a persistent volume is there for the next one that mounts it; of several pods at a time each has its own
//! view, and the one that goes last is remembered.
//!
//! A running container sees a change of a `ConfigMap` at once; the real kubelet takes up to a minute longer. A volume that several
//! containers write to is a folder of each.

use std::sync::Arc;

use serde_json::Value;

use super::Kubelet;
use crate::kube::node::agents::Hands;
use crate::kube::node::files::Files;
use crate::kube::node::machine::Place;
use crate::kube::objects::storage::PersistentVolumeClaim;
use crate::kube::objects::{ConfigMap, Container, Kind, Object, Pod, Secret};
use crate::kube::store::Store;

/// A file in a volume: its path there, and its bytes.
type Entry = (String, Vec<u8>);

/// What the kubelet says of the first volume that cannot be mounted yet.
pub(super) fn missing(pod: &Pod, hands: &Hands<'_>) -> Option<String> {
    let namespace = &pod.metadata.namespace;
    pod.spec.volumes.iter().find_map(|volume| {
        let absent = |source: &Value, field: &str, kind: &str| {
            let object = source[field].as_str().unwrap_or_default();
            let there = match kind {
                "secret" => hands.store.read::<Secret>(namespace, object).is_some(),
                _ => hands.store.read::<ConfigMap>(namespace, object).is_some(),
            };
            (!there && source["optional"] != true).then(|| format!("{kind} {object:?} not found"))
        };
        let map = volume.get("configMap").and_then(|s| absent(s, "name", "configmap"));
        let secret = || volume.get("secret").and_then(|s| absent(s, "secretName", "secret"));
        let why = map.or_else(secret)?;
        Some(format!("MountVolume.SetUp failed for volume {} : {why}", volume["name"]))
    })
}

/// A container's files with those of its volumes.
pub(super) fn mount(mut files: Files, pod: &Pod, container: &Container, hands: &Hands<'_>) -> Files {
    for mount in &container.volume_mounts {
        let text = |field: &str| mount[field].as_str().unwrap_or_default();
        let (name, path) = (text("name"), text("mountPath").trim_end_matches('/'));
        let Some(volume) = pod.spec.volumes.iter().find(|v| v["name"] == name) else { continue };
        let entries = match persistent(pod, volume, hands.store) {
            Some(name) => {
                let kept = hands.machines.volumes.get(&name).into_iter().flatten();
                kept.map(|(path, bytes)| (path.clone(), bytes.to_vec())).collect()
            }
            None => entries(pod, volume, hands.store),
        };
        let sub = text("subPath");
        if sub.is_empty() {
            // What the image has there is hidden by the volume.
            if files.kind(path).is_some() && !path.is_empty() {
                let _ = files.remove_all(path);
            }
            files = files.with_dir(if path.is_empty() { "/" } else { path });
            for (name, bytes) in entries {
                files = files.with(&format!("{path}/{name}"), bytes);
            }
        } else {
            let below = format!("{sub}/");
            for (name, bytes) in entries {
                if name == sub {
                    files = files.with(path, bytes);
                } else if let Some(rest) = name.strip_prefix(&below) {
                    files = files.with(&format!("{path}/{rest}"), bytes);
                }
            }
        }
    }
    files
}

/// The persistent volume behind a volume of a pod.
fn persistent(pod: &Pod, volume: &Value, store: &Store) -> Option<String> {
    let claim = text(volume.get("persistentVolumeClaim")?, "claimName")?;
    let claim = store.read::<PersistentVolumeClaim>(&pod.metadata.namespace, claim)?;
    Some(claim.spec.volume_name.clone()).filter(|name| !name.is_empty())
}

/// Notes what a pod's containers have written into persistent volumes, before the pod goes.
pub(super) fn keep(pod: &Pod, hands: &mut Hands<'_>) {
    for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
        for mount in &container.volume_mounts {
            let volume = pod.spec.volumes.iter().find(|v| v["name"] == mount["name"]);
            let Some(name) = volume.and_then(|v| persistent(pod, v, hands.store)) else { continue };
            let place = Place::Container {
                namespace: pod.metadata.namespace.clone(),
                pod: pod.metadata.name.clone(),
                container: Some(container.name.clone()),
            };
            let (Some(machine), Some(path)) = (hands.machines.get(&place), text(mount, "mountPath")) else {
                continue;
            };
            let sub = text(mount, "subPath").map(|s| format!("{s}/")).unwrap_or_default();
            let files: Vec<(String, Arc<[u8]>)> =
                machine.files.below(path).map(|(path, bytes)| (format!("{sub}{path}"), bytes)).collect();
            let kept = hands.machines.volumes.entry(name).or_default();
            kept.retain(|path, _| !path.starts_with(&sub));
            kept.extend(files);
        }
    }
}

impl Kubelet {
    /// A `ConfigMap` is different: containers that mount it see it. Files that were mounted singly stay as they are.
    pub(in crate::kube::node) fn config_map_changed(&self, map: &Object, hands: &mut Hands<'_>) {
        let meta = map.meta();
        for (key, run) in self.pods.iter().filter(|((namespace, _), _)| *namespace == meta.namespace) {
            let uses = |v: &Arc<Value>| v.get("configMap").and_then(|s| text(s, "name")) == Some(&meta.name);
            if run.sandbox.is_none() || !run.spec.spec.volumes.iter().any(uses) {
                continue;
            }
            for c in &run.containers {
                let mut spec = c.spec.clone();
                let mine = |m: &Arc<Value>| {
                    let mut volumes = run.spec.spec.volumes.iter();
                    text(m, "subPath").is_none() && volumes.any(|v| v["name"] == m["name"] && uses(v))
                };
                spec.volume_mounts.retain(mine);
                let place = Place::Container {
                    namespace: key.0.clone(),
                    pod: key.1.clone(),
                    container: Some(c.spec.name.clone()),
                };
                let Some(files) = hands.machines.get(&place).map(|m| m.files.clone()) else { continue };
                // A map that was deleted leaves its files where they are.
                if hands.store.find(Kind::ConfigMap, &meta.namespace, &meta.name).is_none() {
                    continue;
                }
                let files = mount(files, &run.spec, &spec, hands);
                if let Some(machine) = hands.machines.get_mut(&place) {
                    machine.files = files;
                }
            }
        }
    }
}

fn entries(pod: &Pod, volume: &Value, store: &Store) -> Vec<Entry> {
    let namespace = &pod.metadata.namespace;
    if let Some(source) = volume.get("configMap") {
        return of_map(source, "name", namespace, store);
    }
    if let Some(source) = volume.get("secret") {
        return of_secret(source, "secretName", namespace, store);
    }
    let projected = volume.get("projected").and_then(|p| p.get("sources")).and_then(Value::as_array);
    let one = |source: &Value| -> Vec<Entry> {
        if let Some(map) = source.get("configMap") {
            of_map(map, "name", namespace, store)
        } else if let Some(secret) = source.get("secret") {
            of_secret(secret, "name", namespace, store)
        } else if let Some(api) = source.get("downwardAPI") {
            downward(pod, api)
        } else {
            Vec::new()
        }
    };
    match (projected, volume.get("downwardAPI")) {
        (Some(sources), _) => sources.iter().flat_map(one).collect(),
        (None, Some(api)) => downward(pod, api),
        (None, None) => Vec::new(),
    }
}

fn of_map(source: &Value, field: &str, namespace: &str, store: &Store) -> Vec<Entry> {
    let name = source[field].as_str().unwrap_or_default();
    let Some(map) = store.read::<ConfigMap>(namespace, name) else { return Vec::new() };
    let texts = map.data.iter().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
    let binary = map
        .binary_data
        .iter()
        .filter_map(|(k, v)| Some((k.clone(), data_encoding::BASE64.decode(v.as_bytes()).ok()?)));
    chosen(source, texts.chain(binary).collect())
}

fn of_secret(source: &Value, field: &str, namespace: &str, store: &Store) -> Vec<Entry> {
    let name = source[field].as_str().unwrap_or_default();
    let Some(secret) = store.read::<Secret>(namespace, name) else { return Vec::new() };
    let all = secret.data.keys().filter_map(|k| Some((k.clone(), secret.bytes(k)?))).collect();
    chosen(source, all)
}

/// `items`: only these keys, under other names.
fn chosen(source: &Value, all: Vec<Entry>) -> Vec<Entry> {
    let Some(items) = source.get("items").and_then(Value::as_array) else { return all };
    let one = |item: &Value| {
        let (_, bytes) = all.iter().find(|(key, _)| item["key"] == key.as_str())?;
        Some((item["path"].as_str()?.to_owned(), bytes.clone()))
    };
    items.iter().filter_map(one).collect()
}

/// Fields of the pod as files.
fn downward(pod: &Pod, api: &Value) -> Vec<Entry> {
    let lines = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n")
    };
    let one = |item: &Value| {
        let text = match item.pointer("/fieldRef/fieldPath")?.as_str()? {
            "metadata.name" => pod.metadata.name.clone(),
            "metadata.namespace" => pod.metadata.namespace.clone(),
            "metadata.uid" => pod.metadata.uid.clone(),
            "metadata.labels" => lines(&pod.metadata.labels),
            "metadata.annotations" => lines(&pod.metadata.annotations),
            _ => return None,
        };
        Some((item["path"].as_str()?.to_owned(), text.into_bytes()))
    };
    api.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(one).collect()
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}
