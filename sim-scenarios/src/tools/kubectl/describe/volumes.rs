//! Volumes of a pod.

use serde_json::Value;

use super::super::value::{int, is_true, list, scalar, text};
use super::or;
use super::writer::Writer;

/// `space` indents the volumes of a template within its owner.
pub(super) fn describe(w: &mut Writer, space: &str, volumes: &[Value]) {
    if volumes.is_empty() {
        return w.line(0, format!("{space}Volumes:\t<none>"));
    }
    w.line(0, format!("{space}Volumes:"));
    let indent = if space.is_empty() { "" } else { " " };
    for volume in volumes {
        w.line(1, format!("{indent}{}:", text(volume, "/name")));
        source(w, volume);
    }
}

/// Where a volume's bytes are.
pub(super) fn source(w: &mut Writer, volume: &Value) {
    let part = |name: &str| volume.get(name).filter(|v| v.is_object());
    if let Some(v) = part("hostPath") {
        w.field(2, "Type", "HostPath (bare host directory volume)");
        w.field(2, "Path", text(v, "/path"));
        // A type that is there and empty shows as nothing; one that is not there as <none>.
        w.field(2, "HostPathType", v.get("type").and_then(Value::as_str).unwrap_or("<none>"));
    } else if let Some(v) = part("emptyDir") {
        w.field(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
        w.field(2, "Medium", text(v, "/medium"));
        w.field(2, "SizeLimit", or(&scalar(v.get("sizeLimit")), "<unset>"));
    } else if let Some(v) = part("configMap") {
        w.field(2, "Type", "ConfigMap (a volume populated by a ConfigMap)");
        w.field(2, "Name", text(v, "/name"));
        w.field(2, "Optional", is_true(v, "/optional"));
    } else if let Some(v) = part("secret") {
        w.field(2, "Type", "Secret (a volume populated by a Secret)");
        w.field(2, "SecretName", text(v, "/secretName"));
        w.field(2, "Optional", is_true(v, "/optional"));
    } else if let Some(v) = part("projected") {
        w.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
        list(v, "/sources").iter().for_each(|s| projected(w, s));
    } else if let Some(v) = part("persistentVolumeClaim") {
        w.field(
            2,
            "Type",
            "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        );
        w.field(2, "ClaimName", text(v, "/claimName"));
        w.field(2, "ReadOnly", is_true(v, "/readOnly"));
    } else if let Some(v) = part("downwardAPI") {
        w.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
        w.line(2, "Items:");
        list(v, "/items").iter().for_each(|item| downward(w, item));
    } else if let Some(v) = part("nfs") {
        w.field(2, "Type", "NFS (an NFS mount that lasts the lifetime of a pod)");
        w.field(2, "Server", text(v, "/server"));
        w.field(2, "Path", text(v, "/path"));
        w.field(2, "ReadOnly", is_true(v, "/readOnly"));
    } else {
        w.line(1, "<unknown>");
    }
}

fn projected(w: &mut Writer, source: &Value) {
    let part = |name: &str| source.get(name).filter(|v| v.is_object());
    if let Some(v) = part("secret") {
        w.field(2, "SecretName", text(v, "/name"));
        w.field(2, "Optional", is_true(v, "/optional"));
    } else if part("downwardAPI").is_some() {
        w.field(2, "DownwardAPI", "true");
    } else if let Some(v) = part("configMap") {
        w.field(2, "ConfigMapName", text(v, "/name"));
        w.field(2, "Optional", is_true(v, "/optional"));
    } else if let Some(v) = part("serviceAccountToken") {
        w.field(2, "TokenExpirationSeconds", int(v, "/expirationSeconds"));
    }
}

fn downward(w: &mut Writer, item: &Value) {
    let path = text(item, "/path");
    for pointer in ["/fieldRef/fieldPath", "/resourceFieldRef/resource"] {
        if item.pointer(pointer).is_some() {
            w.line(3, format!("{} -> {path}", text(item, pointer)));
        }
    }
}
