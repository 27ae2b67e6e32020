//! Containers of a pod.

use serde_json::Value;

use super::super::clock;
use super::super::printers::columns::host_port;
use super::super::value::{int, is_true, list, map, scalar, text, texts};
use super::or;
use super::writer::Writer;

/// `space` indents the containers of a template within its owner.
pub(super) fn describe_all(
    w: &mut Writer,
    space: &str,
    title: &str,
    pod: &Value,
    specs: &str,
    statuses: &str,
) {
    let specs = list(pod, specs);
    w.line(0, format!("{space}{title}:{}", if specs.is_empty() { " <none>" } else { "" }));
    for spec in specs {
        let status = list(pod, statuses).iter().find(|s| s["name"] == spec["name"]);
        basics(w, space, spec, status);
        words(w, "Command", spec, "/command");
        words(w, "Args", spec, "/args");
        if let Some(status) = status {
            state(w, "State", status.pointer("/state"));
            if status.pointer("/lastState/terminated").is_some_and(Value::is_object) {
                state(w, "Last State", status.pointer("/lastState"));
            }
            w.field(2, "Ready", if is_true(status, "/ready") { "True" } else { "False" });
            w.field(2, "Restart Count", int(status, "/restartCount"));
        }
        resources(w, spec);
        for (title, pointer) in
            [("Liveness", "/livenessProbe"), ("Readiness", "/readinessProbe"), ("Startup", "/startupProbe")]
        {
            if let Some(found) = spec.pointer(pointer).filter(|p| p.is_object()) {
                w.field(2, title, probe(found));
            }
        }
        environment(w, spec, pod);
        mounts(w, spec);
    }
}

fn basics(w: &mut Writer, space: &str, spec: &Value, status: Option<&Value>) {
    let indent = if space.is_empty() { "" } else { " " };
    w.line(1, format!("{indent}{}:", text(spec, "/name")));
    if let Some(status) = status {
        w.field(2, "Container ID", text(status, "/containerID"));
    }
    w.field(2, "Image", text(spec, "/image"));
    if let Some(status) = status {
        w.field(2, "Image ID", text(status, "/imageID"));
    }
    for (one, many, field) in [("Port", "Ports", "/containerPort"), ("Host Port", "Host Ports", "/hostPort")]
    {
        let all: Vec<String> = list(spec, "/ports").iter().map(|p| port(p, field)).collect();
        match all.len() {
            0 => w.field(2, one, "<none>"),
            1 => w.field(2, one, &all[0]),
            _ => w.field(2, many, all.join(", ")),
        }
    }
    w.field_if(2, "SeccompProfile", text(spec, "/securityContext/seccompProfile/type"));
}

fn port(port: &Value, field: &str) -> String {
    let number = format!("{}/{}", int(port, field), or(text(port, "/protocol"), "TCP"));
    match text(port, "/name") {
        "" => number,
        name => format!("{number} ({name})"),
    }
}

fn words(w: &mut Writer, title: &str, spec: &Value, pointer: &str) {
    let all = texts(spec, pointer);
    if all.is_empty() {
        return;
    }
    w.line(2, format!("{title}:"));
    all.iter().flat_map(|word| word.split('\n')).for_each(|line| w.line(3, line));
}

fn state(w: &mut Writer, title: &str, state: Option<&Value>) {
    let part = |name: &str| state.and_then(|s| s.get(name)).filter(|s| s.is_object());
    if let Some(running) = part("running") {
        w.field(2, title, "Running");
        w.field(3, "Started", clock::rfc1123(text(running, "/startedAt")));
    } else if let Some(end) = part("terminated") {
        w.field(2, title, "Terminated");
        w.field_if(3, "Reason", text(end, "/reason"));
        w.field_if(3, "Message", text(end, "/message"));
        w.field(3, "Exit Code", int(end, "/exitCode"));
        if int(end, "/signal") > 0 {
            w.field(3, "Signal", int(end, "/signal"));
        }
        w.field(3, "Started", clock::rfc1123(text(end, "/startedAt")));
        w.field(3, "Finished", clock::rfc1123(text(end, "/finishedAt")));
    } else {
        w.field(2, title, "Waiting");
        w.field_if(3, "Reason", part("waiting").map_or("", |s| text(s, "/reason")));
    }
}

fn resources(w: &mut Writer, spec: &Value) {
    for (title, pointer) in [("Limits", "/resources/limits"), ("Requests", "/resources/requests")] {
        if let Some(all) = map(spec, pointer) {
            w.line(2, format!("{title}:"));
            all.iter().for_each(|(name, quantity)| w.field(3, name, scalar(Some(quantity))));
        }
    }
}

fn probe(probe: &Value) -> String {
    let or_one = |field: &str, default: i64| probe.get(field).and_then(Value::as_i64).unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        or_one("initialDelaySeconds", 0),
        or_one("timeoutSeconds", 1),
        or_one("periodSeconds", 10),
        or_one("successThreshold", 1),
        or_one("failureThreshold", 3)
    );
    let action = if let Some(exec) = probe.get("exec").filter(|a| a.is_object()) {
        format!("exec [{}]", texts(exec, "/command").join(" "))
    } else if let Some(get) = probe.get("httpGet").filter(|a| a.is_object()) {
        let address = host_port(text(get, "/host"), &scalar(get.get("port")));
        let path = text(get, "/path");
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        format!("http-get {}://{address}{slash}{path}", or(text(get, "/scheme"), "HTTP").to_lowercase())
    } else if let Some(socket) = probe.get("tcpSocket").filter(|a| a.is_object()) {
        format!("tcp-socket {}:{}", text(socket, "/host"), scalar(socket.get("port")))
    } else if let Some(grpc) = probe.get("grpc").filter(|a| a.is_object()) {
        format!("grpc <pod>:{} {}", int(grpc, "/port"), text(grpc, "/service"))
    } else {
        "unknown".to_owned()
    };
    format!("{action} {attributes}")
}

fn environment(w: &mut Writer, spec: &Value, pod: &Value) {
    let sources = list(spec, "/envFrom");
    if !sources.is_empty() {
        w.line(2, "Environment Variables from:");
        sources.iter().for_each(|s| w.line(3, env_from(s)));
    }
    let all = list(spec, "/env");
    if all.is_empty() {
        return w.field(2, "Environment", "<none>");
    }
    w.line(2, "Environment:");
    for variable in all {
        let name = text(variable, "/name");
        let Some(from) = variable.get("valueFrom").filter(|v| v.is_object()) else {
            for (i, line) in text(variable, "/value").split('\n').enumerate() {
                w.line(3, if i == 0 { format!("{name}:\t{line}") } else { format!("\t{line}") });
            }
            continue;
        };
        w.line(3, value_from(name, from, pod));
    }
}

fn env_from(source: &Value) -> String {
    let (kind, reference) = match (source.get("configMapRef"), source.get("secretRef")) {
        (Some(r), _) => ("ConfigMap", r),
        (None, Some(r)) => ("Secret", r),
        (None, None) => ("", source),
    };
    let prefix = match text(source, "/prefix") {
        "" => String::new(),
        prefix => format!(" with prefix '{prefix}'"),
    };
    format!("{}\t{kind}{prefix}\tOptional: {}", text(reference, "/name"), is_true(reference, "/optional"))
}

fn value_from(name: &str, from: &Value, pod: &Value) -> String {
    let key = |kind: &str, r: &Value| {
        let (key, of) = (text(r, "/key"), text(r, "/name"));
        format!("{name}:\t<set to the key '{key}' {kind} '{of}'>\tOptional: {}", is_true(r, "/optional"))
    };
    if let Some(r) = from.get("secretKeyRef") {
        return key("in secret", r);
    }
    if let Some(r) = from.get("configMapKeyRef") {
        return key("of config map", r);
    }
    if let Some(r) = from.get("resourceFieldRef") {
        return format!("{name}:\t ({})", text(r, "/resource"));
    }
    let path = text(from, "/fieldRef/fieldPath");
    let version = or(text(from, "/fieldRef/apiVersion"), "v1");
    format!("{name}:\t{} ({version}:{path})", field(pod, path))
}

/// The pod's own field that a variable takes its value from.
fn field(pod: &Value, path: &str) -> String {
    match path.split_once('[') {
        Some((parent, key)) => {
            let key = key.trim_matches(|c| matches!(c, '[' | ']' | '\'' | '"'));
            let found = pod.pointer(&format!("/{}", parent.replace('.', "/"))).and_then(|m| m.get(key));
            scalar(found)
        }
        None => scalar(pod.pointer(&format!("/{}", path.replace('.', "/")))),
    }
}

fn mounts(w: &mut Writer, spec: &Value) {
    let mut all: Vec<&Value> = list(spec, "/volumeMounts").iter().collect();
    if all.is_empty() {
        return w.field(2, "Mounts", "<none>");
    }
    all.sort_by_key(|m| text(m, "/mountPath"));
    w.line(2, "Mounts:");
    for mount in all {
        let mut flags = vec![if is_true(mount, "/readOnly") { "ro".to_owned() } else { "rw".to_owned() }];
        if !text(mount, "/subPath").is_empty() {
            flags.push(format!("path={:?}", text(mount, "/subPath")));
        }
        w.line(
            3,
            format!("{} from {} ({})", text(mount, "/mountPath"), text(mount, "/name"), flags.join(",")),
        );
    }
}
