//! What `docker inspect` and `crictl inspect` show: the parts that a kubelet's containers have, in the tools' order.

use serde_json::{Value, json};

use super::{Ran, State};
use crate::tools::Cx;

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A list of texts, one per line.
fn list(texts: &[String], indent: &str) -> String {
    if texts.is_empty() {
        return "[]".to_owned();
    }
    let lines: Vec<String> = texts.iter().map(|t| format!("{indent}    {}", quoted(t))).collect();
    format!("[\n{}\n{indent}]", lines.join(",\n"))
}

/// One container of `docker inspect`, indented by four blanks. What a simulated container does not have (mounts, cgroups, security
/// profiles) is left out.
pub(super) fn docker(cx: &Cx<'_>, r: &Ran) -> String {
    let running = r.state == State::Running;
    let (code, finished) = match r.state {
        State::Running => (0, "0001-01-01T00:00:00Z".to_owned()),
        State::Exited { code, at } => (code, nanos(&at.to_string())),
    };
    let status = if running { "running" } else { "exited" };
    let (path, args) = r.command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let network = match (r.is_sandbox(), r.host_network) {
        (true, true) => "host".to_owned(),
        (true, false) => "none".to_owned(),
        (false, _) => format!("container:{}", r.sandbox),
    };
    let hostname = if r.is_sandbox() { r.pod.as_str() } else { "" };
    let kind = if r.is_sandbox() { "podsandbox" } else { "container" };
    let pid = r.pid();
    let (id, created, image) = (&r.id, nanos(&r.created.to_string()), r.image_id());
    let shown_image = if r.is_sandbox() { r.image.clone() } else { format!("sha256:{image}") };
    let (name, attempt) = (r.docker_name(), r.attempt);
    let _ = cx;
    format!(
        "    {{\n        \"Id\": {id},\n        \"Created\": {created},\n        \"Path\": {path},\n        \"Args\": {args},\n        \
         \"State\": {{\n            \"Status\": \"{status}\",\n            \"Running\": {running},\n            \"Paused\": false,\n            \
         \"Restarting\": false,\n            \"OOMKilled\": false,\n            \"Dead\": false,\n            \"Pid\": {pid},\n            \
         \"ExitCode\": {code},\n            \"Error\": \"\",\n            \"StartedAt\": {created},\n            \"FinishedAt\": {finished}\n        \
         }},\n        \"Image\": \"sha256:{image}\",\n        \
         \"ResolvConfPath\": \"/var/lib/docker/containers/{sandbox}/resolv.conf\",\n        \
         \"HostnamePath\": \"/var/lib/docker/containers/{sandbox}/hostname\",\n        \
         \"LogPath\": \"/var/lib/docker/containers/{bare}/{bare}-json.log\",\n        \"Name\": {name},\n        \"RestartCount\": 0,\n        \
         \"Driver\": \"overlay2\",\n        \"Platform\": \"linux\",\n        \"HostConfig\": {{\n            \"NetworkMode\": {network},\n            \
         \"RestartPolicy\": {{\n                \"Name\": \"no\",\n                \"MaximumRetryCount\": 0\n            }},\n            \
         \"PidMode\": \"\",\n            \"PidsLimit\": null\n        }},\n        \"Config\": {{\n            \"Hostname\": {hostname},\n            \
         \"Cmd\": {cmd},\n            \"Image\": {shown_image},\n            \"Labels\": {{\n                \
         \"annotation.io.kubernetes.container.restartCount\": \"{attempt}\",\n                \"io.kubernetes.container.name\": {container},\n                \
         \"io.kubernetes.docker.type\": \"{kind}\",\n                \"io.kubernetes.pod.name\": {pod},\n                \
         \"io.kubernetes.pod.namespace\": {namespace},\n                \"io.kubernetes.pod.uid\": {uid},\n                \
         \"io.kubernetes.sandbox.id\": {sandbox_id}\n            }}\n        }},\n        \"NetworkSettings\": {{\n            \
         \"SandboxID\": \"\",\n            \"Ports\": {{}},\n            \"Gateway\": \"\",\n            \"IPAddress\": \"\",\n            \
         \"MacAddress\": \"\",\n            \"Networks\": {{}}\n        }}\n    }}",
        bare = id,
        id = quoted(id),
        created = quoted(&created),
        path = quoted(path),
        args = list(args, "        "),
        finished = quoted(&finished),
        sandbox = r.sandbox,
        name = quoted(&format!("/{name}")),
        network = quoted(&network),
        hostname = quoted(hostname),
        cmd = list(&r.command, "            "),
        shown_image = quoted(&shown_image),
        container = quoted(&r.name),
        pod = quoted(&r.pod),
        namespace = quoted(&r.namespace),
        uid = quoted(&r.uid),
        sandbox_id = quoted(&r.sandbox),
    )
}

/// `2026-01-01T00:00:00Z` with the fraction that the runtimes print.
fn nanos(stamp: &str) -> String {
    stamp.replace('Z', ".000000000Z")
}

/// A container of `crictl inspect`, or a sandbox of `crictl inspectp`.
pub(super) fn crictl(r: &Ran) -> Value {
    let labels = json!({
        "io.kubernetes.container.name": r.name,
        "io.kubernetes.pod.name": r.pod,
        "io.kubernetes.pod.namespace": r.namespace,
        "io.kubernetes.pod.uid": r.uid,
    });
    if r.is_sandbox() {
        return json!({
            "info": {"pid": r.pid(), "image": r.image, "runtimeType": "io.containerd.runc.v2"},
            "status": {
                "createdAt": nanos(&r.created.to_string()),
                "id": r.id,
                "metadata": {"attempt": 0, "name": r.pod, "namespace": r.namespace, "uid": r.uid},
                "network": {"additionalIps": [], "ip": r.ip},
                "state": "SANDBOX_READY",
            },
        });
    }
    let (state, code, finished) = match r.state {
        State::Running => ("CONTAINER_RUNNING", 0, "0001-01-01T00:00:00Z".to_owned()),
        State::Exited { code, at } => ("CONTAINER_EXITED", code, nanos(&at.to_string())),
    };
    json!({
        "info": {"pid": r.pid(), "sandboxID": r.sandbox, "runtimeType": "io.containerd.runc.v2"},
        "status": {
            "createdAt": nanos(&r.created.to_string()),
            "exitCode": code,
            "finishedAt": finished,
            "id": r.id,
            "image": {"image": sim_core::kube::apps::image::Reference::parse(&r.image).full()},
            "labels": labels,
            "metadata": {"attempt": r.attempt, "name": r.name},
            "startedAt": nanos(&r.created.to_string()),
            "state": state,
        },
    })
}
