//! A cluster for unit tests.

use std::sync::LazyLock;

use sim_core::kube::node::machine::Privileges;

use crate::shell::{Io, Shell};
use crate::tools::{Cluster, Out, Place, SessionState, ShellKind};

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: pod-a}
spec: {nodeName: node1, containers: [{name: main, image: busybox}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {nodeName: node2, containers: [{name: main, image: nginx}]}
";

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let mut cluster = Cluster::builder().build().unwrap();
    cluster.apply(PODS).unwrap();
    cluster.settle();
    cluster
});

/// The default cluster with two pods: `pod-a` (busybox) and `web` (nginx on Debian).
pub(crate) fn cluster() -> Cluster {
    CLUSTER.clone()
}

/// What a script prints on a machine, with `? N` at the end if it fails.
pub(crate) fn sh_at(place: &Place, kind: ShellKind, script: &str) -> String {
    sh_in(cluster(), place, kind, script)
}

/// The same where the programs may do what the kernel lets root do.
pub(crate) fn sh_as_admin(place: &Place, kind: ShellKind, script: &str) -> String {
    let mut cluster = cluster();
    if let Some(machine) = cluster.machine_mut(place) {
        machine.privileges = Privileges::ALL;
    }
    sh_in(cluster, place, kind, script)
}

fn sh_in(mut cluster: Cluster, place: &Place, kind: ShellKind, script: &str) -> String {
    let mut out = Out::new();
    let mut session = SessionState::default();
    session.start_command(cluster.now());
    let mut shell = Shell::new(kind, place.clone(), &cluster);
    let mut io = Io { cluster: &mut cluster, out: &mut out, session: &mut session };
    let status = shell.run(script, b"", &mut io).status();
    let text = String::from_utf8_lossy(out.terminal()).into_owned();
    if status == 0 { text } else { format!("{text}? {status}\n") }
}

/// The same on the workstation.
pub(crate) fn sh(script: &str) -> String {
    sh_at(&Place::Workstation, ShellKind::Bash, script)
}
