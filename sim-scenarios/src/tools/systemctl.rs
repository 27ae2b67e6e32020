//! `systemctl` on a node: what the units of a kubeadm node are doing. The kubelet can be stopped and started; the runtimes cannot,
//! and are refused by name.

use sim_core::kube::node::kubelet::Process;
use sim_core::kube::objects::Timestamp;
use sim_core::time::SimTime;

use super::{Cx, Place};

/// A unit: name, description, folder of its file, drop-in, documentation, process number, program.
struct Unit {
    name: &'static str,
    description: &'static str,
    file: &'static str,
    drop_in: Option<(&'static str, &'static str)>,
    docs: &'static str,
    pid: u32,
    program: &'static str,
    command: &'static str,
}

const UNITS: &[Unit] = &[
    Unit {
        name: "kubelet",
        description: "kubelet: The Kubernetes Node Agent",
        file: "/usr/lib/systemd/system/kubelet.service",
        drop_in: Some(("/usr/lib/systemd/system/kubelet.service.d", "10-kubeadm.conf")),
        docs: "https://kubernetes.io/docs/",
        pid: 712,
        program: "kubelet",
        command: "/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
                  --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml",
    },
    Unit {
        name: "containerd",
        description: "containerd container runtime",
        file: "/usr/lib/systemd/system/containerd.service",
        drop_in: None,
        docs: "https://containerd.io",
        pid: 640,
        program: "containerd",
        command: "/usr/bin/containerd",
    },
    Unit {
        name: "docker",
        description: "Docker Application Container Engine",
        file: "/usr/lib/systemd/system/docker.service",
        drop_in: None,
        docs: "https://docs.docker.com",
        pid: 668,
        program: "dockerd",
        command: "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
    },
];

pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words: Vec<String> = cx
        .operands()
        .iter()
        .filter(|w| !matches!(w.as_str(), "--no-pager" | "-l" | "--full"))
        .cloned()
        .collect();
    let Some((command, names)) = words.split_first() else {
        return cx.not_modelled("systemctl's list of units");
    };
    if command == "daemon-reload" && names.is_empty() {
        return 0;
    }
    if names.is_empty() {
        return cx.not_modelled(format!("systemctl {command} without a unit"));
    }
    let mut status = 0;
    for name in names {
        let bare = name.strip_suffix(".service").unwrap_or(name);
        let unit = UNITS.iter().find(|u| u.name == bare);
        status = status.max(match (command.as_str(), unit) {
            ("status", Some(unit)) => {
                let process = process(cx, unit);
                let text = describe(unit, process, cx.now());
                cx.out.print(text);
                if process.stopped.is_none() { 0 } else { INACTIVE }
            }
            ("status", None) => {
                cx.out.err(format!("Unit {bare}.service could not be found."));
                NO_UNIT
            }
            ("is-active", unit) => {
                let runs = unit.map(|unit| process(cx, unit).stopped.is_none());
                cx.out.line(if runs == Some(true) { "active" } else { "inactive" });
                match runs {
                    Some(true) => 0,
                    Some(false) => INACTIVE,
                    None => NO_UNIT,
                }
            }
            ("is-enabled", Some(_)) => {
                cx.out.line("enabled");
                0
            }
            ("is-enabled", None) => {
                cx.out.line("not-found");
                NO_UNIT
            }
            ("start" | "stop" | "restart", unit) => switch(cx, command, bare, unit),
            (command, _) => return cx.not_modelled(format!("systemctl {command}")),
        });
    }
    status
}

/// Exit status of `status` and `is-active` for a unit that does not run.
const INACTIVE: i32 = 3;
/// The same for a unit that is not there.
const NO_UNIT: i32 = 4;
/// Exit status of a change to a unit that is not there.
const NOT_LOADED: i32 = 5;

/// Starts or stops a unit. Only the kubelet's process can be stopped: what would follow from a stopped runtime is not modelled.
fn switch(cx: &mut Cx<'_>, verb: &str, name: &str, unit: Option<&Unit>) -> i32 {
    let Some(unit) = unit else {
        let lack = if verb == "stop" { "not loaded" } else { "not found" };
        cx.out.err(format!("Failed to {verb} {name}.service: Unit {name}.service {lack}."));
        return NOT_LOADED;
    };
    match (unit.name, cx.place.clone()) {
        ("kubelet", Place::Node(node)) => {
            if verb != "start" {
                cx.cluster.run_kubelet(&node, false);
            }
            if verb != "stop" {
                cx.cluster.run_kubelet(&node, true);
            }
            0
        }
        // It runs already.
        _ if verb == "start" => 0,
        _ => cx.not_modelled(format!("systemctl {verb} {name}")),
    }
}

/// The process of a unit; those of which nothing is known run since the machine does.
fn process(cx: &Cx<'_>, unit: &Unit) -> Process {
    match cx.place {
        Place::Node(node) if unit.name == "kubelet" => cx.cluster.kubelet_process(node).unwrap_or_default(),
        _ => Process::default(),
    }
}

/// What `systemctl status` prints, without the resources that no model has.
fn describe(unit: &Unit, process: Process, now: SimTime) -> String {
    let dot = if process.stopped.is_none() { '●' } else { '○' };
    let mut out = format!(
        "{dot} {0}.service - {1}\n     Loaded: loaded ({2}; enabled; preset: enabled)\n",
        unit.name, unit.description, unit.file
    );
    if let Some((folder, file)) = unit.drop_in {
        out += &format!("    Drop-In: {folder}\n             └─{file}\n");
    }
    // Somewhere after the processes that were there before it.
    let pid = unit.pid + process.restarts.saturating_mul(RESTART_STEP);
    let (name, program, docs) = (unit.name, unit.program, unit.docs);
    if let Some(stopped) = process.stopped {
        let ran = span(process.started, stopped);
        out += &format!(
            "     Active: inactive (dead) since {}\n   Duration: {ran}\n       Docs: {docs}\n",
            since(stopped, now)
        );
        out += &format!(
            "    Process: {pid} ExecStart={} (code=exited, status=0/SUCCESS)\n   Main PID: {pid} (code=exited, status=0/SUCCESS)\n",
            unit.command
        );
        return out;
    }
    out += &format!(
        "     Active: active (running) since {}\n       Docs: {docs}\n   Main PID: {pid} ({program})\n     \
         CGroup: /system.slice/{name}.service\n             └─{pid} {}\n",
        since(process.started, now),
        unit.command
    );
    out
}

/// How many process numbers go by until a program is started again.
const RESTART_STEP: u32 = 1024;

/// `Thu 2026-01-01 00:00:00 UTC; 3s ago`.
fn since(at: SimTime, now: SimTime) -> String {
    let stamp = Timestamp::at(at);
    let text = stamp.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default());
    let date = sim_core::kube::apps::http::date(stamp);
    let weekday = date.get(..3).unwrap_or_default();
    format!("{weekday} {day} {clock} UTC; {} ago", span(at, now))
}

/// `3min 2s`, `1h 5min`, `2 days`, as systemd prints a time.
fn span(from: SimTime, to: SimTime) -> String {
    let seconds = to.since(from).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => match seconds % 60 {
            0 => format!("{}min", seconds / 60),
            rest => format!("{}min {rest}s", seconds / 60),
        },
        3600..86_400 => format!("{}h {}min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
