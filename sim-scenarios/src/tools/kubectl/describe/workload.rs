//! Workloads: `apps`, `batch`, disruption budgets.

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::clock;
use super::super::printers::columns::selector;
use super::super::value::{int, is_true, labels, list, map, name, namespace, scalar, text};
use super::writer::Writer;
use super::{Look, controller, or, template};

const REVISION: &str = "deployment.kubernetes.io/revision";

fn named(w: &mut Writer, object: &Value) {
    w.field(0, "Name", name(object));
    w.field(0, "Namespace", namespace(object));
}

fn created(w: &mut Writer, object: &Value) {
    w.field(0, "CreationTimestamp", clock::rfc1123(text(object, "/metadata/creationTimestamp")));
}

fn labelled(w: &mut Writer, object: &Value) {
    w.labels("Labels", object, "/metadata/labels");
    w.annotations("Annotations", object, "/metadata/annotations");
}

fn conditions(w: &mut Writer, object: &Value) {
    let all = list(object, "/status/conditions");
    if all.is_empty() {
        return;
    }
    w.line(0, "Conditions:");
    w.line(1, "Type\tStatus\tReason");
    w.line(1, "----\t------\t------");
    for c in all {
        w.line(1, format!("{} \t{}\t{}", text(c, "/type"), text(c, "/status"), text(c, "/reason")));
    }
}

pub(super) fn deployment(w: &mut Writer, d: &Value, look: Look<'_>) {
    named(w, d);
    created(w, d);
    labelled(w, d);
    w.field(0, "Selector", selector(d.pointer("/spec/selector")));
    let status = |field: &str| int(d, &format!("/status/{field}"));
    w.field(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            int(d, "/spec/replicas"),
            status("updatedReplicas"),
            status("replicas"),
            status("availableReplicas"),
            status("unavailableReplicas")
        ),
    );
    w.field(0, "StrategyType", text(d, "/spec/strategy/type"));
    w.field(0, "MinReadySeconds", int(d, "/spec/minReadySeconds"));
    if let Some(rolling) = d.pointer("/spec/strategy/rollingUpdate") {
        let amount = |field: &str| scalar(rolling.get(field));
        let words = format!("{} max unavailable, {} max surge", amount("maxUnavailable"), amount("maxSurge"));
        w.field(0, "RollingUpdateStrategy", words);
    }
    template::describe(w, &d["spec"]["template"]);
    conditions(w, d);
    let (new, old): (Vec<Value>, Vec<Value>) =
        replica_sets(d, look).into_iter().partition(|set| revision(set) == revision(d));
    w.field(0, "OldReplicaSets", shown(&old));
    w.field(0, "NewReplicaSet", shown(&new));
}

fn revision(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations")?.get(REVISION)?.as_str()
}

fn replica_sets(deployment: &Value, look: Look<'_>) -> Vec<Value> {
    let uid = text(deployment, "/metadata/uid");
    let own = |s: &Value| list(s, "/metadata/ownerReferences").iter().any(|o| text(o, "/uid") == uid);
    let all = look.store.iter(Kind::ReplicaSet, Some(namespace(deployment)));
    all.map(|s| s.to_value()).filter(own).collect()
}

fn shown(sets: &[Value]) -> String {
    let one = |s: &Value| {
        let (current, wanted) = (int(s, "/status/replicas"), int(s, "/spec/replicas"));
        format!("{} ({current}/{wanted} replicas created)", name(s))
    };
    or(&sets.iter().map(one).collect::<Vec<_>>().join(", "), "<none>")
}

/// `2 Running / 0 Waiting / 0 Succeeded / 0 Failed`.
fn pods_status(w: &mut Writer, owner: &Value, look: Look<'_>) {
    let uid = text(owner, "/metadata/uid");
    let own = |p: &Value| {
        list(p, "/metadata/ownerReferences")
            .iter()
            .any(|o| text(o, "/uid") == uid && is_true(o, "/controller"))
    };
    let all = look.store.iter(Kind::Pod, Some(namespace(owner))).map(|p| p.to_value());
    let phases: Vec<String> = all.filter(own).map(|p| text(&p, "/status/phase").to_owned()).collect();
    let count = |phase: &str| phases.iter().filter(|p| *p == phase).count();
    w.field(
        0,
        "Pods Status",
        format!(
            "{} Running / {} Waiting / {} Succeeded / {} Failed",
            count("Running"),
            count("Pending"),
            count("Succeeded"),
            count("Failed")
        ),
    );
}

pub(super) fn replica_set(w: &mut Writer, set: &Value, look: Look<'_>) {
    named(w, set);
    w.field(0, "Selector", selector(set.pointer("/spec/selector")));
    labelled(w, set);
    w.field_if(0, "Controlled By", &controller(set).unwrap_or_default());
    let (current, wanted) = (int(set, "/status/replicas"), int(set, "/spec/replicas"));
    w.field(0, "Replicas", format!("{current} current / {wanted} desired"));
    pods_status(w, set, look);
    template::describe(w, &set["spec"]["template"]);
    conditions(w, set);
}

pub(super) fn stateful_set(w: &mut Writer, set: &Value, look: Look<'_>) {
    named(w, set);
    created(w, set);
    w.field(0, "Selector", selector(set.pointer("/spec/selector")));
    labelled(w, set);
    let (wanted, total) = (int(set, "/spec/replicas"), int(set, "/status/replicas"));
    w.field(0, "Replicas", format!("{wanted} desired | {total} total"));
    w.field(0, "Update Strategy", text(set, "/spec/updateStrategy/type"));
    if let Some(partition) = set.pointer("/spec/updateStrategy/rollingUpdate/partition") {
        w.field(1, "Partition", scalar(Some(partition)));
        w.field_if(
            1,
            "MaxUnavailable",
            &scalar(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable")),
        );
    }
    pods_status(w, set, look);
    template::describe(w, &set["spec"]["template"]);
    claims(w, list(set, "/spec/volumeClaimTemplates"));
}

fn claims(w: &mut Writer, claims: &[Value]) {
    if claims.is_empty() {
        return w.field(0, "Volume Claims", "<none>");
    }
    w.line(0, "Volume Claims:");
    for claim in claims {
        w.field(1, "Name", name(claim));
        w.field(1, "StorageClass", text(claim, "/spec/storageClassName"));
        w.labels("  Labels", claim, "/metadata/labels");
        w.annotations("  Annotations", claim, "/metadata/annotations");
        let capacity = scalar(claim.pointer("/spec/resources/requests/storage"));
        w.field(1, "Capacity", or(&capacity, "<default>"));
        let modes = super::super::value::texts(claim, "/spec/accessModes").join(" ");
        w.field(1, "Access Modes", format!("[{modes}]"));
    }
}

pub(super) fn daemon_set(w: &mut Writer, set: &Value, look: Look<'_>) {
    named(w, set);
    w.field(0, "Selector", selector(set.pointer("/spec/selector")));
    w.field(0, "Node-Selector", labels(set, "/spec/template/spec/nodeSelector"));
    labelled(w, set);
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        w.line(0, format!("{title}: {}", int(set, &format!("/status/{field}"))));
    }
    pods_status(w, set, look);
    template::describe(w, &set["spec"]["template"]);
}

pub(super) fn job(w: &mut Writer, job: &Value) {
    named(w, job);
    if job.pointer("/spec/selector").is_some() {
        w.field(0, "Selector", selector(job.pointer("/spec/selector")));
    }
    labelled(w, job);
    w.field_if(0, "Controlled By", &controller(job).unwrap_or_default());
    let spec = |field: &str| scalar(job.pointer(&format!("/spec/{field}")));
    w.field_if(0, "Parallelism", &spec("parallelism"));
    w.field(0, "Completions", or(&spec("completions"), "<unset>"));
    w.field_if(0, "Completion Mode", &spec("completionMode"));
    w.field_if(0, "Suspend", &spec("suspend"));
    w.field_if(0, "Backoff Limit", &spec("backoffLimit"));
    w.field_if(0, "TTL Seconds After Finished", &spec("ttlSecondsAfterFinished"));
    let (start, end) = (text(job, "/status/startTime"), text(job, "/status/completionTime"));
    if !start.is_empty() {
        w.field(0, "Start Time", clock::rfc1123(start));
    }
    if !end.is_empty() {
        w.field(0, "Completed At", clock::rfc1123(end));
    }
    if let (Some(start), Some(end)) = (clock::parse(start), clock::parse(end)) {
        w.field(0, "Duration", clock::human(end - start));
    }
    if let Some(seconds) = job.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64) {
        w.field(0, "Active Deadline Seconds", format!("{seconds}s"));
    }
    let status = |field: &str| int(job, &format!("/status/{field}"));
    let ready = job.pointer("/status/ready").and_then(Value::as_i64);
    let ready = ready.map(|n| format!(" ({n} Ready)")).unwrap_or_default();
    let (active, succeeded, failed) = (status("active"), status("succeeded"), status("failed"));
    w.field(0, "Pods Statuses", format!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"));
    if spec("completionMode") == "Indexed" {
        w.field(0, "Completed Indexes", or(text(job, "/status/completedIndexes"), "<none>"));
    }
    template::describe(w, &job["spec"]["template"]);
}

pub(super) fn cron_job(w: &mut Writer, cron: &Value) {
    named(w, cron);
    labelled(w, cron);
    let spec = |field: &str| scalar(cron.pointer(&format!("/spec/{field}")));
    w.field(0, "Schedule", spec("schedule"));
    w.field(0, "Concurrency Policy", spec("concurrencyPolicy"));
    let suspend = match cron.pointer("/spec/suspend").and_then(Value::as_bool) {
        None => "<unset>",
        Some(true) => "True",
        Some(false) => "False",
    };
    w.field(0, "Suspend", suspend);
    w.field(0, "Successful Job History Limit", or(&spec("successfulJobsHistoryLimit"), "<unset>"));
    w.field(0, "Failed Job History Limit", or(&spec("failedJobsHistoryLimit"), "<unset>"));
    let seconds = |text: String| if text.is_empty() { text } else { format!("{text}s") };
    w.field(0, "Starting Deadline Seconds", or(&seconds(spec("startingDeadlineSeconds")), "<unset>"));
    let job = |field: &str| scalar(cron.pointer(&format!("/spec/jobTemplate/spec/{field}")));
    let own = cron.pointer("/spec/jobTemplate/spec/selector");
    w.field(0, "Selector", own.map_or_else(|| "<unset>".to_owned(), |s| selector(Some(s))));
    w.field(0, "Parallelism", or(&job("parallelism"), "<unset>"));
    w.field(0, "Completions", or(&job("completions"), "<unset>"));
    w.field_if(0, "Active Deadline Seconds", &seconds(job("activeDeadlineSeconds")));
    template::describe(w, &cron["spec"]["jobTemplate"]["spec"]["template"]);
    match text(cron, "/status/lastScheduleTime") {
        "" => w.field(0, "Last Schedule Time", "<unset>"),
        last => w.field(0, "Last Schedule Time", clock::rfc1123(last)),
    }
    let active: Vec<&str> = list(cron, "/status/active").iter().map(|a| text(a, "/name")).collect();
    w.field(0, "Active Jobs", or(&active.join(", "), "<none>"));
}

pub(super) fn disruption_budget(w: &mut Writer, budget: &Value) {
    named(w, budget);
    for (title, field) in
        [("Min available", "/spec/minAvailable"), ("Max unavailable", "/spec/maxUnavailable")]
    {
        w.field_if(0, title, &scalar(budget.pointer(field)));
    }
    let of = budget.pointer("/spec/selector");
    w.field(0, "Selector", of.map_or_else(|| "<unset>".to_owned(), |s| selector(Some(s))));
    w.line(0, "Status:");
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        w.field(2, title, int(budget, &format!("/status/{field}")));
    }
}

pub(super) fn ingress_class(w: &mut Writer, class: &Value) {
    w.field(0, "Name", name(class));
    labelled(w, class);
    w.field(0, "Controller", text(class, "/spec/controller"));
    if map(class, "/spec/parameters").is_some() {
        w.line(0, "Parameters:");
        w.field_if(1, "APIGroup", text(class, "/spec/parameters/apiGroup"));
        w.field(1, "Kind", text(class, "/spec/parameters/kind"));
        w.field(1, "Name", text(class, "/spec/parameters/name"));
    }
}
