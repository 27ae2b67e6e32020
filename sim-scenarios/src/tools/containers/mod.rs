//! Containers as a node's runtime sees them: `docker`, `crictl`, and what else finds a process by its number.
//!
//! A node has both tools, whatever its version: old tutorials ask docker, new ones crictl. Numbers of processes and sandboxes follow from
//! the containers' identities, so that they are the same in every run.

mod crictl;
mod docker;
mod inspect;

use serde_json::Value;
use sha2::{Digest, Sha256};
use sim_core::kube::apps::image::{self, Reference};
use sim_core::kube::node::kubelet::sandbox_id;
use sim_core::kube::objects::{Object, Pod, Timestamp};
use sim_core::trace::NsId;

use super::{Cx, Place};

pub(crate) use crictl::run as crictl;
pub(crate) use docker::run as docker;

/// A container of a node, or a pod's sandbox.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ran {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// The container's name; `POD` for a sandbox.
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) state: State,
    pub(crate) attempt: u64,
    pub(crate) pod: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    /// The sandbox' own id, for a sandbox too.
    pub(crate) sandbox: String,
    pub(crate) host_network: bool,
    pub(crate) ip: String,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Exited { code: i64, at: Timestamp },
}

impl Ran {
    pub(crate) fn is_sandbox(&self) -> bool {
        self.name == "POD"
    }

    /// The number of its first process on the node.
    pub(crate) fn pid(&self) -> u32 {
        if self.state != State::Running {
            return 0;
        }
        let digits = self.id.get(..8).and_then(|d| u32::from_str_radix(d, 16).ok()).unwrap_or(0);
        2_000 + digits % 30_000
    }

    /// The name that dockershim gave it.
    pub(crate) fn docker_name(&self) -> String {
        format!("k8s_{}_{}_{}_{}_{}", self.name, self.pod, self.namespace, self.uid, self.attempt)
    }

    /// Id of its image.
    pub(crate) fn image_id(&self) -> String {
        hash(&Reference::parse(&self.image).full())
    }

    /// Where its commands run; a sandbox has no programs.
    pub(crate) fn place(&self) -> Place {
        let container = (!self.is_sandbox()).then(|| self.name.clone());
        Place::Container { namespace: self.namespace.clone(), pod: self.pod.clone(), container }
    }

    /// The network namespace.
    pub(crate) fn netns(&self, cx: &Cx<'_>) -> Option<NsId> {
        cx.cluster.netns(&Place::pod(&self.namespace, &self.pod))
    }

    /// The name under which containerd keeps the sandbox' network namespace.
    pub(crate) fn netns_name(&self) -> String {
        let h = &self.sandbox;
        format!("cni-{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..32])
    }
}

fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

/// All containers and sandboxes of this machine, the newest first.
pub(crate) fn all(cx: &Cx<'_>) -> Vec<Ran> {
    let Place::Node(node) = cx.place.machine() else { return Vec::new() };
    let mut found = Vec::new();
    for pod in cx.cluster.pods(None).filter(|p| p.spec.node_name == *node) {
        of_pod(cx, pod, &mut found);
    }
    found.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.is_sandbox().cmp(&b.is_sandbox())));
    found
}

fn of_pod(cx: &Cx<'_>, pod: &Pod, found: &mut Vec<Ran>) {
    let value = Object::from(pod.clone()).to_value();
    let text = |v: &Value, path: &str| v.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    let time = |v: &Value, path: &str| Timestamp::parse(&text(v, path));
    let Some(made) = time(&value, "/status/startTime") else { return };
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses: Vec<&Value> =
        statuses.iter().filter_map(|p| value.pointer(p)?.as_array()).flatten().collect();
    let ip = pod.status.pod_ip.clone();
    if ip.is_empty() && statuses.iter().all(|s| text(s, "/containerID").is_empty()) {
        return;
    }
    let uid = pod.metadata.uid.clone();
    let sandbox = sandbox_id(&uid);
    let base = Ran {
        id: sandbox.clone(),
        name: "POD".to_owned(),
        image: "registry.k8s.io/pause:3.10".to_owned(),
        command: vec!["/pause".to_owned()],
        created: made,
        state: State::Running,
        attempt: 0,
        pod: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid,
        sandbox,
        host_network: pod.spec.host_network,
        ip,
    };
    for status in statuses {
        let id = text(status, "/containerID");
        let Some((_, id)) = id.split_once("://") else { continue };
        let name = text(status, "/name");
        let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        let Some(spec) = all.into_iter().find(|c| c.name == name) else { continue };
        let own = image::find(cx.cluster.config(), &spec.image);
        let entry = if spec.command.is_empty() { own.entrypoint } else { spec.command.clone() };
        let args = if spec.args.is_empty() && spec.command.is_empty() { own.cmd } else { spec.args.clone() };
        let ended = status.pointer("/state/terminated").filter(|t| t.is_object());
        let started = time(status, "/state/running/startedAt")
            .or_else(|| time(status, "/state/terminated/startedAt"))
            .or_else(|| time(status, "/lastState/terminated/startedAt"));
        let ended = ended.or_else(|| {
            status
                .pointer("/lastState/terminated")
                .filter(|_| time(status, "/state/running/startedAt").is_none())
        });
        let state = match ended {
            Some(t) => State::Exited {
                code: t.pointer("/exitCode").and_then(Value::as_i64).unwrap_or(0),
                at: time(t, "/finishedAt").unwrap_or(made),
            },
            None => State::Running,
        };
        found.push(Ran {
            id: id.to_owned(),
            name,
            image: spec.image.clone(),
            command: entry.into_iter().chain(args).collect(),
            created: started.unwrap_or(made),
            state,
            attempt: status.pointer("/restartCount").and_then(Value::as_u64).unwrap_or(0),
            ..base.clone()
        });
    }
    found.push(base);
}

/// The container with this id (or a beginning of it) or name.
pub(crate) fn find(cx: &Cx<'_>, key: &str) -> Option<Ran> {
    let all = all(cx);
    let named = all.iter().find(|r| r.docker_name() == key);
    named.or_else(|| all.iter().find(|r| !key.is_empty() && r.id.starts_with(key))).cloned()
}

/// The container whose first process has this number.
pub(crate) fn with_pid(cx: &Cx<'_>, pid: u32) -> Option<Ran> {
    all(cx).into_iter().find(|r| pid != 0 && r.pid() == pid)
}

/// Sandboxes with a network of their own, as containerd keeps their namespaces by name; none on a machine that is no node, or of the
/// time of docker.
pub(crate) fn named_namespaces(cx: &Cx<'_>) -> Vec<(String, NsId)> {
    let config = cx.cluster.config();
    if config.kubernetes_version.minor < 24 || config.networking.proxy_dialect.minor < 24 {
        return Vec::new();
    }
    let own = all(cx).into_iter().filter(|r| r.is_sandbox() && !r.host_network);
    own.filter_map(|r| Some((r.netns_name(), r.netns(cx)?))).collect()
}

/// How long ago, as Docker's tools say it (`units.HumanDuration`).
fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..=0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

fn ago(cx: &Cx<'_>, at: Timestamp) -> String {
    human(Timestamp::at(cx.now()).unix_seconds() - at.unix_seconds())
}

/// Runs a program in a container, or opens a shell there. `missing` words a program that the image does not have.
fn exec(cx: &mut Cx<'_>, ran: &Ran, command: &[String], tty: bool, missing: fn(&str) -> String) -> i32 {
    let place = ran.place();
    let Some(program) = command.first() else { return 1 };
    if let Some(kind) = cx.shell_named(&place, program).filter(|_| tty && command.len() == 1) {
        cx.session.open_shell(place, kind, cx.args, None);
        return 0;
    }
    let stdin = cx.stdin;
    let done = cx.with_tty(tty, |cx| cx.exec(&place, command, stdin));
    done.unwrap_or_else(|e| {
        cx.out.err(missing(&e.program));
        126
    })
}

/// What a container has written.
fn logs(cx: &mut Cx<'_>, ran: &Ran, tail: Option<usize>) -> i32 {
    let now = cx.now();
    let run = cx.cluster.logs().run(&ran.namespace, &ran.pod, &ran.name, false);
    let lines = run.map(|run| run.lines(now)).unwrap_or_default();
    let skip = tail.map_or(0, |n| lines.len().saturating_sub(n));
    for (_, line) in lines.into_iter().skip(skip) {
        cx.out.line(line);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations_are_docker_s() {
        let all = [0, 1, 59, 60, 119, 120, 3599, 3600, 7200, 172_800].map(human);
        assert_eq!(
            all,
            [
                "Less than a second",
                "1 second",
                "59 seconds",
                "About a minute",
                "About a minute",
                "2 minutes",
                "59 minutes",
                "About an hour",
                "2 hours",
                "2 days"
            ]
        );
    }
}
