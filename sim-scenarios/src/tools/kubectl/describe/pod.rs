//! Pods.

use serde_json::Value;

use super::super::clock;
use super::super::value::{int, list, name, namespace, text};
use super::writer::Writer;
use super::{Look, container, controller, or, volumes};

pub(super) fn describe(w: &mut Writer, pod: &Value, look: Look<'_>) {
    w.field(0, "Name", name(pod));
    w.field(0, "Namespace", namespace(pod));
    if let Some(priority) = pod.pointer("/spec/priority").and_then(Value::as_i64) {
        w.field(0, "Priority", priority);
    }
    w.field_if(0, "Priority Class Name", text(pod, "/spec/priorityClassName"));
    w.field_if(0, "Runtime Class Name", text(pod, "/spec/runtimeClassName"));
    w.field_if(0, "Service Account", text(pod, "/spec/serviceAccountName"));
    match text(pod, "/spec/nodeName") {
        "" => w.field(0, "Node", "<none>"),
        node => w.field(0, "Node", format!("{node}/{}", text(pod, "/status/hostIP"))),
    }
    if pod.pointer("/status/startTime").is_some_and(Value::is_string) {
        w.field(0, "Start Time", clock::rfc1123(text(pod, "/status/startTime")));
    }
    w.labels("Labels", pod, "/metadata/labels");
    w.annotations("Annotations", pod, "/metadata/annotations");
    status(w, pod, look);
    addresses(w, pod);
    w.field_if(0, "Controlled By", &controller(pod).unwrap_or_default());
    w.field_if(0, "NominatedNodeName", text(pod, "/status/nominatedNodeName"));
    if !list(pod, "/spec/initContainers").is_empty() {
        container::describe_all(
            w,
            "",
            "Init Containers",
            pod,
            "/spec/initContainers",
            "/status/initContainerStatuses",
        );
    }
    container::describe_all(w, "", "Containers", pod, "/spec/containers", "/status/containerStatuses");
    readiness_gates(w, pod);
    conditions(w, pod);
    volumes::describe(w, "", list(pod, "/spec/volumes"));
    w.field(0, "QoS Class", text(pod, "/status/qosClass"));
    w.labels("Node-Selectors", pod, "/spec/nodeSelector");
    tolerations(w, "", pod);
    spread(w, "", pod);
}

fn status(w: &mut Writer, pod: &Value, look: Look<'_>) {
    let deleted = text(pod, "/metadata/deletionTimestamp");
    let phase = text(pod, "/status/phase");
    if deleted.is_empty() || matches!(phase, "Failed" | "Succeeded") {
        w.field(0, "Status", phase);
    } else {
        w.field(0, "Status", format!("Terminating (lasts {})", clock::age(deleted, look.now)));
        let grace = int(pod, "/metadata/deletionGracePeriodSeconds");
        w.field(0, "Termination Grace Period", format!("{grace}s"));
    }
    w.field_if(0, "Reason", text(pod, "/status/reason"));
    w.field_if(0, "Message", text(pod, "/status/message"));
    w.field_if(0, "SeccompProfile", text(pod, "/spec/securityContext/seccompProfile/type"));
}

fn addresses(w: &mut Writer, pod: &Value) {
    w.field(0, "IP", text(pod, "/status/podIP"));
    let all = list(pod, "/status/podIPs");
    if all.is_empty() {
        return w.field(0, "IPs", "<none>");
    }
    w.line(0, "IPs:");
    all.iter().for_each(|ip| w.field(1, "IP", text(ip, "/ip")));
}

fn readiness_gates(w: &mut Writer, pod: &Value) {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return;
    }
    w.line(0, "Readiness Gates:");
    w.line(1, "Type\tStatus");
    for gate in gates {
        let kind = text(gate, "/conditionType");
        let condition = list(pod, "/status/conditions").iter().find(|c| text(c, "/type") == kind);
        w.line(1, format!("{kind} \t{} ", condition.map_or("<none>", |c| text(c, "/status"))));
    }
}

fn conditions(w: &mut Writer, pod: &Value) {
    let all = list(pod, "/status/conditions");
    if all.is_empty() {
        return;
    }
    w.line(0, "Conditions:");
    w.line(1, "Type\tStatus");
    all.iter().for_each(|c| w.line(1, format!("{} \t{} ", text(c, "/type"), text(c, "/status"))));
}

pub(super) fn tolerations(w: &mut Writer, space: &str, pod: &Value) {
    let mut all: Vec<&Value> = list(pod, "/spec/tolerations").iter().collect();
    all.sort_by_key(|t| text(t, "/key"));
    let lines: Vec<String> = all.into_iter().map(toleration).collect();
    w.lines("", &format!("{space}Tolerations"), &lines);
}

fn toleration(t: &Value) -> String {
    let (key, value, effect) = (text(t, "/key"), text(t, "/value"), text(t, "/effect"));
    let mut line = key.to_owned();
    if !value.is_empty() {
        line += &format!("={value}");
    }
    if !effect.is_empty() {
        line += &format!(":{effect}");
    }
    if text(t, "/operator") == "Exists" && value.is_empty() {
        line += if line.is_empty() { "op=Exists" } else { " op=Exists" };
    }
    if let Some(seconds) = t.pointer("/tolerationSeconds").and_then(Value::as_i64) {
        line += &format!(" for {seconds}s");
    }
    line
}

pub(super) fn spread(w: &mut Writer, space: &str, pod: &Value) {
    let mut all: Vec<&Value> = list(pod, "/spec/topologySpreadConstraints").iter().collect();
    if all.is_empty() {
        return;
    }
    all.sort_by_key(|c| text(c, "/topologyKey"));
    let line = |c: &&Value| {
        let labels = super::super::value::labels(c, "/labelSelector/matchLabels");
        format!(
            "{}:{} when max skew {} is exceeded{}",
            text(c, "/topologyKey"),
            or(text(c, "/whenUnsatisfiable"), "DoNotSchedule"),
            int(c, "/maxSkew"),
            if c.get("labelSelector").is_some() { format!(" for selector {labels}") } else { String::new() }
        )
    };
    w.lines("", &format!("{space}Topology Spread Constraints"), &all.iter().map(line).collect::<Vec<_>>());
}
