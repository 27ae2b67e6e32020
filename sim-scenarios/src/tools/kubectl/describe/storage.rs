//! Claims, volumes, classes of storage; priorities and autoscalers.

use serde_json::Value;

use super::super::printers::columns::modes;
use super::super::value::{int, is_true, list, map, name, namespace, scalar, text, texts};
use super::writer::Writer;
use super::{Look, or};

pub(super) fn claim(w: &mut Writer, claim: &Value, look: Look<'_>) {
    w.field(0, "Name", name(claim));
    w.field(0, "Namespace", namespace(claim));
    w.field(0, "StorageClass", text(claim, "/spec/storageClassName"));
    w.field(0, "Status", status(claim, look));
    let volume = text(claim, "/spec/volumeName");
    w.field(0, "Volume", volume);
    head(w, claim);
    let bound = !volume.is_empty();
    let capacity = scalar(claim.pointer("/status/capacity/storage"));
    w.field(0, "Capacity", if bound { or(&capacity, "0") } else { String::new() });
    w.field(0, "Access Modes", if bound { modes(claim, "/status/accessModes") } else { String::new() });
    w.field_if(0, "VolumeMode", text(claim, "/spec/volumeMode"));
    let uses = |pod: &Value| {
        let volumes = list(pod, "/spec/volumes");
        volumes.iter().any(|v| text(v, "/persistentVolumeClaim/claimName") == name(claim))
    };
    let pods = look.store.iter(sim_core::kube::objects::Kind::Pod, Some(namespace(claim)));
    let users: Vec<String> = pods.map(|p| p.to_value()).filter(uses).map(|p| name(&p).to_owned()).collect();
    w.lines("", "Used By", &users);
}

fn status(object: &Value, look: Look<'_>) -> String {
    match text(object, "/metadata/deletionTimestamp") {
        "" => text(object, "/status/phase").to_owned(),
        since => format!("Terminating (lasts {})", super::super::clock::age(since, look.now)),
    }
}

fn head(w: &mut Writer, object: &Value) {
    w.labels("Labels", object, "/metadata/labels");
    w.annotations("Annotations", object, "/metadata/annotations");
    w.field(0, "Finalizers", format!("[{}]", texts(object, "/metadata/finalizers").join(" ")));
}

pub(super) fn volume(w: &mut Writer, volume: &Value, look: Look<'_>) {
    w.field(0, "Name", name(volume));
    head(w, volume);
    w.field(0, "StorageClass", text(volume, "/spec/storageClassName"));
    w.field(0, "Status", status(volume, look));
    let claim = volume.pointer("/spec/claimRef");
    let claim = claim.map(|c| format!("{}/{}", text(c, "/namespace"), text(c, "/name")));
    w.field(0, "Claim", claim.unwrap_or_default());
    w.field(0, "Reclaim Policy", text(volume, "/spec/persistentVolumeReclaimPolicy"));
    w.field(0, "Access Modes", modes(volume, "/spec/accessModes"));
    w.field_if(0, "VolumeMode", text(volume, "/spec/volumeMode"));
    w.field(0, "Capacity", scalar(volume.pointer("/spec/capacity/storage")));
    node_affinity(w, volume);
    w.field(0, "Message", text(volume, "/status/message"));
    w.line(0, "Source:");
    let spec = &volume["spec"];
    if let Some(csi) = spec.get("csi") {
        w.field(2, "Type", "CSI (a Container Storage Interface (CSI) volume source)");
        w.field(2, "Driver", text(csi, "/driver"));
        w.field(2, "FSType", text(csi, "/fsType"));
        w.field(2, "VolumeHandle", text(csi, "/volumeHandle"));
        w.field(2, "ReadOnly", is_true(csi, "/readOnly"));
        w.lines("    ", "VolumeAttributes", &[]);
    } else if let Some(local) = spec.get("local") {
        w.field(2, "Type", "LocalVolume (a persistent volume backed by local storage on a node)");
        w.field(2, "Path", text(local, "/path"));
    } else {
        super::volumes::source(w, spec);
    }
}

fn node_affinity(w: &mut Writer, volume: &Value) {
    let terms = list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    if terms.is_empty() {
        return w.field(0, "Node Affinity", "<none>");
    }
    w.line(0, "Node Affinity:");
    w.line(1, "Required Terms:");
    for (i, term) in terms.iter().enumerate() {
        let expressions = list(term, "/matchExpressions");
        if expressions.is_empty() {
            w.field(2, &format!("Term {i}"), "<none>");
            continue;
        }
        w.field(2, &format!("Term {i}"), "");
        for e in expressions {
            let (key, how) = (text(e, "/key"), text(e, "/operator").to_lowercase());
            w.line(3, format!("{key} {how} [{}]", texts(e, "/values").join(", ")));
        }
    }
}

pub(super) fn class(w: &mut Writer, class: &Value) {
    w.field(0, "Name", name(class));
    let default = text(class, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class");
    w.field(0, "IsDefaultClass", if default == "true" { "Yes" } else { "No" });
    let pairs = |pointer: &str| {
        let one = |(k, v): (&String, &Value)| format!("{k}={}", v.as_str().unwrap_or(""));
        let all: Vec<String> = map(class, pointer).into_iter().flatten().map(one).collect();
        or(&all.join(","), "<none>")
    };
    w.field(0, "Annotations", pairs("/metadata/annotations"));
    w.field(0, "Provisioner", text(class, "/provisioner"));
    w.field(0, "Parameters", pairs("/parameters"));
    let expansion = class.get("allowVolumeExpansion").and_then(Value::as_bool);
    w.field(0, "AllowVolumeExpansion", expansion.map_or("<unset>", |yes| if yes { "True" } else { "False" }));
    let options = texts(class, "/mountOptions");
    if options.is_empty() {
        w.field(0, "MountOptions", "<none>");
    } else {
        w.line(0, "MountOptions:");
        options.iter().for_each(|o| w.line(1, o));
    }
    w.field(0, "ReclaimPolicy", text(class, "/reclaimPolicy"));
    w.field(0, "VolumeBindingMode", text(class, "/volumeBindingMode"));
}

pub(super) fn priority(w: &mut Writer, class: &Value) {
    w.field(0, "Name", name(class));
    w.field(0, "Value", int(class, "/value"));
    w.field(0, "GlobalDefault", is_true(class, "/globalDefault"));
    w.field(0, "PreemptionPolicy", text(class, "/preemptionPolicy"));
    w.field(0, "Description", text(class, "/description"));
    let one = |(k, v): (&String, &Value)| format!("{k}={}", v.as_str().unwrap_or(""));
    let all: Vec<String> = map(class, "/metadata/annotations").into_iter().flatten().map(one).collect();
    w.field(0, "Annotations", or(&all.join(","), "<none>"));
}

pub(super) fn autoscaler(w: &mut Writer, scaler: &Value) {
    super::head(w, scaler);
    let created = text(scaler, "/metadata/creationTimestamp");
    w.field(0, "CreationTimestamp", super::super::clock::rfc1123(created));
    let of = |field: &str| text(scaler, &format!("/spec/scaleTargetRef/{field}"));
    w.field(0, "Reference", format!("{}/{}", of("kind"), of("name")));
    w.field(0, "Metrics", "( current / target )");
    for metric in list(scaler, "/spec/metrics") {
        let at = |field: &str| scalar(metric.pointer(&format!("/resource/target/{field}")));
        let resource = text(metric, "/resource/name");
        let (share, average) = (at("averageUtilization"), at("averageValue"));
        if !share.is_empty() {
            w.line(
                1,
                format!("resource {resource} on pods  (as a percentage of request):\t<unknown> / {share}%"),
            );
        } else if !average.is_empty() {
            w.line(1, format!("resource {resource} on pods:\t<unknown> / {average}"));
        }
    }
    w.field(0, "Min replicas", or(&scalar(scaler.pointer("/spec/minReplicas")), "<unset>"));
    w.field(0, "Max replicas", int(scaler, "/spec/maxReplicas"));
    let kind = of("kind");
    let (there, wanted) = (int(scaler, "/status/currentReplicas"), int(scaler, "/status/desiredReplicas"));
    w.field(0, &format!("{kind} pods"), format!("{there} current / {wanted} desired"));
    let conditions = list(scaler, "/status/conditions");
    if !conditions.is_empty() {
        w.line(0, "Conditions:");
        w.line(1, "Type\tStatus\tReason\tMessage");
        w.line(1, "----\t------\t------\t-------");
        for c in conditions {
            let cell = |field: &str| text(c, &format!("/{field}"));
            w.line(
                1,
                format!("{}\t{}\t{}\t{}", cell("type"), cell("status"), cell("reason"), cell("message")),
            );
        }
    }
}

pub(super) fn quota(w: &mut Writer, quota: &Value) {
    w.field(0, "Name", name(quota));
    w.field(0, "Namespace", namespace(quota));
    w.line(0, "Resource\tUsed\tHard");
    w.line(0, "--------\t----\t----");
    for (resource, most) in map(quota, "/spec/hard").into_iter().flatten() {
        let used = quota.pointer("/status/used").and_then(|u| u.get(resource));
        w.line(0, format!("{resource}\t{}\t{}", or(&scalar(used), "0"), scalar(Some(most))));
    }
}

pub(super) fn limit_range(w: &mut Writer, range: &Value) {
    w.field(0, "Name", name(range));
    w.field(0, "Namespace", namespace(range));
    w.line(0, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
    w.line(0, "----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
    for item in list(range, "/spec/limits") {
        let columns = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
        let mut resources: Vec<&String> =
            columns.iter().filter_map(|c| item.get(*c)?.as_object()).flat_map(|m| m.keys()).collect();
        resources.sort();
        resources.dedup();
        for resource in resources {
            let cell = |c: &str| or(&scalar(item.get(c).and_then(|m| m.get(resource))), "-");
            let cells: Vec<String> = columns.iter().map(|c| cell(c)).collect();
            w.line(0, format!("{}\t{resource}\t{}", text(item, "/type"), cells.join("\t")));
        }
    }
}
