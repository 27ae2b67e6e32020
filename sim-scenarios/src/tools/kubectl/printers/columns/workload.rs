//! Workloads: `apps`, `batch`, disruption budgets.

use serde_json::Value;
use sim_core::kube::objects::{LabelSelector, Selector};
use sim_core::kube::version::Version;

use super::super::super::clock;
use super::super::super::value::{int, is_true, labels, list, name, scalar, text};
use super::{Layout, View, age, col, or, wide};

pub(super) const DEPLOYMENT: Layout = Layout {
    columns: &[
        col("NAME"),
        col("READY"),
        col("UP-TO-DATE"),
        col("AVAILABLE"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: |object, view| {
        let mut cells = vec![
            name(object).to_owned(),
            format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas")),
            int(object, "/status/updatedReplicas").to_string(),
            int(object, "/status/availableReplicas").to_string(),
            age(object, view),
        ];
        cells.extend(template(object, "/spec/template"));
        cells.push(selector(object.pointer("/spec/selector")));
        cells
    },
};

pub(super) const REPLICA_SET: Layout = Layout {
    columns: &[
        col("NAME"),
        col("DESIRED"),
        col("CURRENT"),
        col("READY"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: |object, view| {
        let mut cells = vec![name(object).to_owned()];
        let numbers = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"];
        cells.extend(numbers.map(|p| int(object, p).to_string()));
        cells.push(age(object, view));
        cells.extend(template(object, "/spec/template"));
        cells.push(selector(object.pointer("/spec/selector")));
        cells
    },
};

pub(super) const STATEFUL_SET: Layout = Layout {
    columns: &[col("NAME"), col("READY"), col("AGE"), wide("CONTAINERS"), wide("IMAGES")],
    cells: |object, view| {
        let ready = format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas"));
        let mut cells = vec![name(object).to_owned(), ready, age(object, view)];
        cells.extend(template(object, "/spec/template"));
        cells
    },
};

pub(super) const DAEMON_SET: Layout = Layout {
    columns: &[
        col("NAME"),
        col("DESIRED"),
        col("CURRENT"),
        col("READY"),
        col("UP-TO-DATE"),
        col("AVAILABLE"),
        col("NODE SELECTOR"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: |object, view| {
        let status = |field: &str| int(object, &format!("/status/{field}")).to_string();
        let mut cells = vec![name(object).to_owned()];
        cells.extend(
            [
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
            ]
            .map(status),
        );
        cells.push(labels(object, "/spec/template/spec/nodeSelector"));
        cells.push(age(object, view));
        cells.extend(template(object, "/spec/template"));
        cells.push(selector(object.pointer("/spec/selector")));
        cells
    },
};

pub(super) const CONTROLLER_REVISION: Layout = Layout {
    columns: &[col("NAME"), col("CONTROLLER"), col("REVISION"), col("AGE")],
    cells: |object, view| {
        let owners = list(object, "/metadata/ownerReferences");
        let owner = owners.iter().find(|o| is_true(o, "/controller")).map_or_else(
            || "<none>".to_owned(),
            |o| {
                let version = text(o, "/apiVersion");
                let group = version.split_once('/').map_or(String::new(), |(g, _)| format!(".{g}"));
                format!("{}{group}/{}", text(o, "/kind").to_lowercase(), text(o, "/name"))
            },
        );
        vec![name(object).to_owned(), owner, int(object, "/revision").to_string(), age(object, view)]
    },
};

/// The column STATUS is there since 1.31.
pub(super) fn job(version: Version) -> Layout {
    if version < Version::new(1, 31, 0) { OLD_JOB } else { JOB }
}

const JOB: Layout = Layout {
    columns: &[
        col("NAME"),
        col("STATUS"),
        col("COMPLETIONS"),
        col("DURATION"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: job_cells,
};

const OLD_JOB: Layout = Layout {
    columns: &[
        col("NAME"),
        col("COMPLETIONS"),
        col("DURATION"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: |object, view| {
        let mut cells = job_cells(object, view);
        cells.remove(1);
        cells
    },
};

fn job_cells(job: &Value, view: View) -> Vec<String> {
    let done = int(job, "/status/succeeded");
    let parallel = int(job, "/spec/parallelism");
    let completions = match job.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{done}/{wanted}"),
        None if parallel > 1 => format!("{done}/1 of {parallel}"),
        None => format!("{done}/1"),
    };
    let mut cells = vec![
        name(job).to_owned(),
        job_status(job).to_owned(),
        completions,
        job_duration(job, view),
        age(job, view),
    ];
    cells.extend(template(job, "/spec/template"));
    cells.push(selector(job.pointer("/spec/selector")));
    cells
}

fn job_status(job: &Value) -> &'static str {
    let is = |kind: &str| {
        list(job, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == kind && text(c, "/status") == "True")
    };
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if !text(job, "/metadata/deletionTimestamp").is_empty() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn job_duration(job: &Value, view: View) -> String {
    let Some(start) = clock::parse(text(job, "/status/startTime")) else { return String::new() };
    let end = clock::parse(text(job, "/status/completionTime"));
    clock::human(end.unwrap_or_else(|| clock::unix_nanos(view.now)) - start)
}

pub(super) const CRON_JOB: Layout = Layout {
    columns: &[
        col("NAME"),
        col("SCHEDULE"),
        col("TIMEZONE"),
        col("SUSPEND"),
        col("ACTIVE"),
        col("LAST SCHEDULE"),
        col("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    cells: |object, view| {
        let last = text(object, "/status/lastScheduleTime");
        let suspended = object.pointer("/spec/suspend").and_then(Value::as_bool);
        let mut cells = vec![
            name(object).to_owned(),
            text(object, "/spec/schedule").to_owned(),
            or(text(object, "/spec/timeZone"), "<none>"),
            match suspended {
                None => "<unset>",
                Some(true) => "True",
                Some(false) => "False",
            }
            .to_owned(),
            list(object, "/status/active").len().to_string(),
            if last.is_empty() { "<none>".to_owned() } else { clock::age(last, view.now) },
            age(object, view),
        ];
        cells.extend(template(object, "/spec/jobTemplate/spec/template"));
        cells.push(selector(object.pointer("/spec/jobTemplate/spec/selector")));
        cells
    },
};

pub(super) const DISRUPTION_BUDGET: Layout = Layout {
    columns: &[
        col("NAME"),
        col("MIN AVAILABLE"),
        col("MAX UNAVAILABLE"),
        col("ALLOWED DISRUPTIONS"),
        col("AGE"),
    ],
    cells: |object, view| {
        let amount = |field: &str| or(&scalar(object.pointer(field)), "N/A");
        vec![
            name(object).to_owned(),
            amount("/spec/minAvailable"),
            amount("/spec/maxUnavailable"),
            int(object, "/status/disruptionsAllowed").to_string(),
            age(object, view),
        ]
    },
};

/// Names and images of a pod template's containers.
fn template(object: &Value, pointer: &str) -> [String; 2] {
    let containers = list(object, &format!("{pointer}/spec/containers"));
    ["/name", "/image"].map(|f| containers.iter().map(|c| text(c, f)).collect::<Vec<_>>().join(","))
}

/// A label selector as `metav1.FormatLabelSelector` writes it.
pub(crate) fn selector(value: Option<&Value>) -> String {
    let parsed: Option<LabelSelector> = value.and_then(|v| serde_json::from_value(v.clone()).ok());
    match parsed.map(|s| Selector::from_label_selector(&s)) {
        Some(Some(selector)) => or(&selector.to_string(), "<none>"),
        Some(None) => "<error>".to_owned(),
        None => "<none>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim_core::time::SimTime;

    use super::*;

    const VIEW: View = View { now: SimTime::from_secs(150), wide: true };

    fn row(layout: Layout, mut object: Value) -> String {
        object["metadata"] = json!({"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"});
        (layout.cells)(&object, VIEW).join(" | ")
    }

    #[test]
    fn workloads_count_their_pods() {
        let template = json!({"spec": {"containers": [{"name": "c", "image": "nginx"}, {"name": "d", "image": "busybox"}]}});
        let selector = json!({"matchLabels": {"app": "x"}});
        let all = [
            row(
                DEPLOYMENT,
                json!({
                    "spec": {"replicas": 3, "selector": selector, "template": template},
                    "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
                }),
            ),
            row(STATEFUL_SET, json!({"spec": {"replicas": 2, "template": template}, "status": {}})),
            row(
                DAEMON_SET,
                json!({"spec": {"selector": selector, "template": template}, "status": {"desiredNumberScheduled": 2}}),
            ),
            row(
                JOB,
                json!({
                    "spec": {"completions": 1, "selector": selector, "template": template},
                    "status": {
                        "succeeded": 1, "startTime": "2026-01-01T00:00:10Z", "completionTime": "2026-01-01T00:00:15Z",
                        "conditions": [{"type": "Complete", "status": "True"}],
                    },
                }),
            ),
            row(
                CRON_JOB,
                json!({"spec": {"schedule": "* * * * *", "suspend": false, "jobTemplate": {"spec": {"template": template}}}}),
            ),
            row(
                DISRUPTION_BUDGET,
                json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}}),
            ),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
