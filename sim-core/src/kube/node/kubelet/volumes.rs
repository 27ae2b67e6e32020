//! Volumes that are made of objects: a `ConfigMap` becomes files in the containers that mount it.
//!
//! A running container sees a change at once; the real kubelet takes up to a minute longer. Volumes of other kinds are made
//! elsewhere or hold nothing.

use serde_json::Value;

use super::Kubelet;
use crate::kube::node::agents::Hands;
use crate::kube::node::files::Files;
use crate::kube::node::machine::Place;
use crate::kube::objects::{ConfigMap, Container, Kind, Object, Pod};

/// Puts the files of a container's `ConfigMap` volumes in.
pub(super) fn mount(mut files: Files, pod: &Pod, container: &Container, hands: &Hands<'_>) -> Files {
    for mount in &container.volume_mounts {
        let (Some(name), Some(path)) = (text(mount, "name"), text(mount, "mountPath")) else { continue };
        let Some(source) = config_map_of(pod, name) else { continue };
        let map =
            text(source, "name").and_then(|n| hands.store.read::<ConfigMap>(&pod.metadata.namespace, n));
        let all = map.map(|m| items(source, m)).unwrap_or_default();
        let path = path.trim_end_matches('/');
        if let Some(sub) = text(mount, "subPath") {
            if let Some((_, content)) = all.into_iter().find(|(file, _)| file == sub) {
                files = files.with(path, content.into_bytes());
            }
            continue;
        }
        files = files.with_dir(path);
        // What is no longer in the map is no longer in the folder.
        let old: Vec<String> =
            files.list(path).unwrap_or_default().iter().map(|(n, _)| (*n).to_owned()).collect();
        for name in old.into_iter().filter(|n| all.iter().all(|(file, _)| file != n)) {
            let _ = files.remove_all(&format!("{path}/{name}"));
        }
        for (file, content) in all {
            files = files.with(&format!("{path}/{file}"), content.into_bytes());
        }
    }
    files
}

/// The first `ConfigMap` that the pod needs and that is not there: the kubelet's message.
pub(super) fn missing(pod: &Pod, hands: &Hands<'_>) -> Option<String> {
    pod.spec.volumes.iter().find_map(|volume| {
        let source = volume.get("configMap")?;
        let (volume, name) = (text(volume, "name")?, text(source, "name")?);
        let optional = source.get("optional").and_then(Value::as_bool).unwrap_or(false);
        let there = hands.store.read::<ConfigMap>(&pod.metadata.namespace, name).is_some();
        (!there && !optional)
            .then(|| format!("MountVolume.SetUp failed for volume {volume:?} : configmap {name:?} not found"))
    })
}

impl Kubelet {
    /// A `ConfigMap` is different: containers that mount it see it. Files that were mounted singly stay as they are.
    pub(in crate::kube::node) fn config_map_changed(&self, map: &Object, hands: &mut Hands<'_>) {
        let meta = map.meta();
        for (key, run) in self.pods.iter().filter(|((namespace, _), _)| *namespace == meta.namespace) {
            let uses = |v: &Value| v.get("configMap").and_then(|s| text(s, "name")) == Some(&meta.name);
            if run.sandbox.is_none() || !run.spec.spec.volumes.iter().any(uses) {
                continue;
            }
            for c in &run.containers {
                let mut spec = c.spec.clone();
                spec.volume_mounts.retain(|m| text(m, "subPath").is_none());
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

fn config_map_of<'p>(pod: &'p Pod, volume: &str) -> Option<&'p Value> {
    pod.spec.volumes.iter().find(|v| text(v, "name") == Some(volume))?.get("configMap")
}

/// Files of a volume with their contents: the keys of the map, or those that are named and as they are called.
fn items(source: &Value, map: &ConfigMap) -> Vec<(String, String)> {
    match source.get("items").and_then(Value::as_array) {
        None => map.data.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        Some(items) => {
            let one = |item: &Value| {
                let content = map.data.get(text(item, "key")?)?;
                Some((text(item, "path")?.to_owned(), content.clone()))
            };
            items.iter().filter_map(one).collect()
        }
    }
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}
