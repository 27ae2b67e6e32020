//! Metadata of every kind, and `ConfigMap`.

use super::super::names;
use super::Faults;
use crate::kube::objects::{ConfigMap, Kind, Object, ObjectMeta};

/// Sum of all annotations, keys and values, in bytes.
const ANNOTATION_LIMIT: usize = 256 * 1024;
/// Sum of all data of a `ConfigMap` in bytes.
const CONFIG_MAP_LIMIT: usize = 1024 * 1024;

pub(super) fn check(object: &Object, faults: &mut Faults) {
    let meta = object.meta();
    let rule: fn(&str) -> Vec<String> = match object.kind() {
        Kind::Namespace => names::dns1123_label,
        Kind::Service => names::dns1035_label,
        Kind::Role | Kind::RoleBinding | Kind::ClusterRole | Kind::ClusterRoleBinding => names::path_segment,
        _ => names::dns1123_subdomain,
    };
    if !meta.generate_name.is_empty() {
        // The generated part is a good ending for any prefix, hence a letter in its place.
        for fault in rule(&format!("{}a", meta.generate_name.trim_end_matches(['-', '.']))) {
            faults.invalid("metadata.generateName", meta.generate_name.as_str(), &fault);
        }
    }
    if meta.name.is_empty() {
        faults.required("metadata.name", "name or generateName is required");
    } else {
        faults.text("metadata.name", &meta.name, rule);
    }
    if object.kind().namespaced() {
        if meta.namespace.is_empty() {
            faults.required("metadata.namespace", "");
        } else {
            faults.text("metadata.namespace", &meta.namespace, names::dns1123_label);
        }
    }
    faults.labels("metadata.labels", &meta.labels);
    for key in meta.annotations.keys() {
        for fault in names::qualified_name(&key.to_lowercase()) {
            faults.invalid("metadata.annotations", key.as_str(), &fault);
        }
    }
    let size: usize = meta.annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > ANNOTATION_LIMIT {
        faults
            .add("metadata.annotations", format!("Too long: may not be more than {ANNOTATION_LIMIT} bytes"));
    }
}

pub(super) fn check_update(new: &ObjectMeta, old: &ObjectMeta, faults: &mut Faults) {
    let mut same = |field: &str, new: &str, old: &str| {
        if new != old {
            faults.invalid(format!("metadata.{field}"), new, "field is immutable");
        }
    };
    same("name", &new.name, &old.name);
    same("namespace", &new.namespace, &old.namespace);
    same("uid", &new.uid, &old.uid);
}

pub(super) fn check_config_map(map: &ConfigMap, faults: &mut Faults) {
    for key in map.data.keys() {
        faults.text(format!("data[{key}]"), key, names::config_map_key);
        if map.binary_data.contains_key(key) {
            faults.invalid(format!("data[{key}]"), key.as_str(), "duplicate of key present in binaryData");
        }
    }
    for key in map.binary_data.keys() {
        faults.text(format!("binaryData[{key}]"), key, names::config_map_key);
    }
    let size: usize = map.data.values().chain(map.binary_data.values()).map(String::len).sum();
    if size > CONFIG_MAP_LIMIT {
        faults.add("", format!("Too long: may not be more than {CONFIG_MAP_LIMIT} bytes"));
    }
}

pub(super) fn check_config_map_update(new: &ConfigMap, old: &ConfigMap, faults: &mut Faults) {
    if old.immutable != Some(true) {
        return;
    }
    if new.immutable != Some(true) {
        faults.forbidden("immutable", "field is immutable when `immutable` is set");
    }
    if new.data != old.data {
        faults.forbidden("data", "field is immutable when `immutable` is set");
    }
    if new.binary_data != old.binary_data {
        faults.forbidden("binaryData", "field is immutable when `immutable` is set");
    }
}
