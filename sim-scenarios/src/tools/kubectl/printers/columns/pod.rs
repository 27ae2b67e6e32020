//! Pods: ready containers, and the one word for what the pod is doing.

use serde_json::Value;

use super::super::super::clock;
use super::super::super::value::{int, is_true, list, name, text};
use super::{Layout, View, age, col, or, wide};

pub(super) const LAYOUT: Layout = Layout {
    columns: &[
        col("NAME"),
        col("READY"),
        col("STATUS"),
        col("RESTARTS"),
        col("AGE"),
        wide("IP"),
        wide("NODE"),
        wide("NOMINATED NODE"),
        wide("READINESS GATES"),
    ],
    cells,
};

fn cells(pod: &Value, view: View) -> Vec<String> {
    let summary = Summary::of(pod);
    let restarts = match (summary.restarts, clock::parse(summary.last_restart)) {
        (n, Some(_)) if n != 0 => format!("{n} ({} ago)", clock::age(summary.last_restart, view.now)),
        (n, _) => n.to_string(),
    };
    vec![
        name(pod).to_owned(),
        format!("{}/{}", summary.ready, summary.total),
        summary.reason,
        restarts,
        age(pod, view),
        or(text(pod, "/status/podIPs/0/ip"), "<none>"),
        or(text(pod, "/spec/nodeName"), "<none>"),
        or(text(pod, "/status/nominatedNodeName"), "<none>"),
        readiness_gates(pod),
    ]
}

struct Summary<'a> {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: &'a str,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let sidecars = list(pod, "/spec/initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Self {
            reason: first_reason(pod),
            ready: 0,
            total: list(pod, "/spec/containers").len() + sidecars,
            restarts: 0,
            last_restart: "",
        };
        let initializing = summary.init_containers(pod);
        if !initializing || condition_is_true(pod, "Initialized") {
            summary.containers(pod);
        }
        if !text(pod, "/metadata/deletionTimestamp").is_empty() {
            if text(pod, "/status/reason") == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    fn restarted(&mut self, status: &'a Value) {
        self.restarts += int(status, "/restartCount");
        // Time stamps of one format and zone sort as texts.
        self.last_restart = self.last_restart.max(text(status, "/lastState/terminated/finishedAt"));
    }

    /// Looks at the init containers up to the first that is not done. Returns whether there is one.
    fn init_containers(&mut self, pod: &'a Value) -> bool {
        let specs = list(pod, "/spec/initContainers");
        for (i, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
            self.restarted(status);
            let sidecar = specs.iter().find(|c| c["name"] == status["name"]).is_some_and(is_sidecar);
            let terminated = status.pointer("/state/terminated");
            let waiting = text(status, "/state/waiting/reason");
            if terminated.is_some_and(|t| int(t, "/exitCode") == 0) {
                continue;
            }
            if sidecar && is_true(status, "/started") {
                self.ready += usize::from(is_true(status, "/ready"));
                continue;
            }
            self.reason = match terminated {
                Some(terminated) => format!("Init:{}", end_of(terminated)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{i}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    fn containers(&mut self, pod: &'a Value) {
        let specs = list(pod, "/spec/initContainers");
        let is_sidecar_status =
            |s: &&Value| specs.iter().find(|c| c["name"] == s["name"]).is_some_and(is_sidecar);
        (self.restarts, self.last_restart) = (0, "");
        list(pod, "/status/initContainerStatuses")
            .iter()
            .filter(is_sidecar_status)
            .for_each(|s| self.restarted(s));
        let mut running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            self.restarted(status);
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(terminated) = status.pointer("/state/terminated") {
                self.reason = end_of(terminated);
            } else if is_true(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            self.reason = if condition_is_true(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

fn first_reason(pod: &Value) -> String {
    let gated = list(pod, "/status/conditions")
        .iter()
        .any(|c| text(c, "/type") == "PodScheduled" && text(c, "/reason") == "SchedulingGated");
    if gated {
        "SchedulingGated".to_owned()
    } else {
        or(text(pod, "/status/reason"), text(pod, "/status/phase"))
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn end_of(terminated: &Value) -> String {
    match (text(terminated, "/reason"), int(terminated, "/signal")) {
        ("", 0) => format!("ExitCode:{}", int(terminated, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn condition_is_true(pod: &Value, kind: &str) -> bool {
    list(pod, "/status/conditions").iter().any(|c| text(c, "/type") == kind && text(c, "/status") == "True")
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let met = gates.iter().filter(|g| condition_is_true(pod, text(g, "/conditionType"))).count();
    format!("{met}/{}", gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sim_core::time::SimTime;

    fn row(spec: Value, status: Value) -> String {
        let pod = json!({
            "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec, "status": status,
        });
        cells(&pod, View { now: SimTime::from_secs(150), wide: true }).join(" | ")
    }

    #[test]
    fn a_running_pod() {
        let got = row(
            json!({"containers": [{}], "nodeName": "node1"}),
            json!({
                "phase": "Running", "podIPs": [{"ip": "10.244.1.5"}],
                "containerStatuses": [{"ready": true, "restartCount": 0, "state": {"running": {}}}],
            }),
        );
        assert_eq!(got, "p | 1/1 | Running | 0 | 2m30s | 10.244.1.5 | node1 | <none> | <none>");
    }

    #[test]
    fn a_pod_that_crashes_says_when() {
        let got = row(
            json!({"containers": [{}]}),
            json!({
                "phase": "Running",
                "containerStatuses": [{
                    "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"finishedAt": "2026-01-01T00:02:00Z"}},
                }],
            }),
        );
        assert_eq!(
            got,
            "p | 0/1 | CrashLoopBackOff | 3 (30s ago) | 2m30s | <none> | <none> | <none> | <none>"
        );
    }

    #[test]
    fn a_pod_that_initialises_counts() {
        let got = row(
            json!({"containers": [{}], "initContainers": [{"name": "a"}, {"name": "b"}]}),
            json!({
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "a", "state": {"terminated": {"exitCode": 0}}}, {"name": "b", "state": {"running": {}}},
                ],
                "containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}],
            }),
        );
        assert!(got.starts_with("p | 0/1 | Init:1/2 | 0 |"), "{got}");
    }
}
