//! `systemctl` on a node: what the units of a kubeadm node are doing. Starting and stopping them is refused by name.

use sim_core::kube::objects::Timestamp;
use sim_core::time::SimTime;

use super::Cx;

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
    let mut status = 0;
    for name in names {
        let bare = name.strip_suffix(".service").unwrap_or(name);
        let unit = UNITS.iter().find(|u| u.name == bare);
        status = status.max(match (command.as_str(), unit) {
            ("status", Some(unit)) => {
                let text = describe(unit, cx.now());
                cx.out.print(text);
                0
            }
            ("status", None) => {
                cx.out.err(format!("Unit {bare}.service could not be found."));
                4
            }
            ("is-active", unit) => {
                cx.out.line(if unit.is_some() { "active" } else { "inactive" });
                if unit.is_some() { 0 } else { 4 }
            }
            ("is-enabled", Some(_)) => {
                cx.out.line("enabled");
                0
            }
            ("is-enabled", None) => {
                cx.out.line("not-found");
                4
            }
            (command, _) => return cx.not_modelled(format!("systemctl {command}")),
        });
    }
    if names.is_empty() {
        return cx.not_modelled(format!("systemctl {command} without a unit"));
    }
    status
}

/// What `systemctl status` prints, without the resources that no model has.
fn describe(unit: &Unit, now: SimTime) -> String {
    let since = Timestamp::at(SimTime::ZERO);
    let text = since.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default());
    let date = sim_core::kube::apps::http::date(since);
    let weekday = date.get(..3).unwrap_or_default();
    let mut out = format!(
        "● {0}.service - {1}\n     Loaded: loaded ({2}; enabled; preset: enabled)\n",
        unit.name, unit.description, unit.file
    );
    if let Some((folder, file)) = unit.drop_in {
        out += &format!("    Drop-In: {folder}\n             └─{file}\n");
    }
    out += &format!(
        "     Active: active (running) since {weekday} {day} {clock} UTC; {} ago\n       Docs: {}\n   Main PID: {} ({})\n     \
         CGroup: /system.slice/{}.service\n             └─{} {}\n",
        running(now),
        unit.docs,
        unit.pid,
        unit.program,
        unit.name,
        unit.pid,
        unit.command
    );
    out
}

/// `3min 2s`, `1h 5min`, `2 days`, as systemd prints a time.
fn running(now: SimTime) -> String {
    let seconds = now.since(SimTime::ZERO).as_secs();
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
