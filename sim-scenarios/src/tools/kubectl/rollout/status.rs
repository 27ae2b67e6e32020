//! `kubectl rollout status`: waits until a rollout is done, and says how far it is at each change.

use std::time::Duration;

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::resource::Resource;
use super::super::value::{int, list, name, namespace, text};
use super::revisions::is_observed;

/// How long it waits without `--timeout`: longer than anything that is going on here.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// Runs the verb.
///
/// # Errors
/// No such workload, no such rollout, or time is up.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["revision"])?;
    let (found, failures) = super::objects(ctl)?;
    Failure::from_many(failures)?;
    let [found] = found.as_slice() else {
        let n = found.len();
        return Err(Failure::plain(format!(
            "rollout status is only supported on individual resources and resource collections - {n} resources were found"
        )));
    };
    let Resource::Kind(kind) = found.resource else {
        return Err(Failure::plain("no status viewer has been implemented for Event"));
    };
    let watch = ctl.args.bool("watch", true);
    let limit = ctl.args.duration("timeout").filter(|d| !d.is_zero()).unwrap_or(FOR_EVER);
    let until = ctl.now() + limit;
    let (space, own) = (namespace(&found.value).to_owned(), name(&found.value).to_owned());
    let mut seen = found.value.clone();
    loop {
        let (message, done) = status(found.resource.kind_name(), &seen)?;
        ctl.print(format!("{message}\n"));
        if done || !watch {
            return Ok(0);
        }
        let left = until.since(ctl.now());
        let version = text(&seen, "/metadata/resourceVersion").to_owned();
        let changed = ctl.wait(left, |cluster| {
            let now = cluster.store.find(kind, &space, &own);
            now.is_none_or(|o| o.meta().resource_version != version)
        });
        if ctl.cx.out.interrupted() {
            return Ok(crate::tools::SIGINT_STATUS);
        }
        if !changed {
            return Err(Failure::plain("timed out waiting for the condition"));
        }
        seen = current(ctl, kind, &space, &own).ok_or_else(|| Failure::plain("object has been deleted"))?;
    }
}

fn current(ctl: &Ctl<'_, '_>, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
    ctl.store().find(kind, namespace, name).map(|o| o.to_value())
}

/// How far a rollout is, and whether it is done.
fn status(kind: &str, object: &Value) -> Result<(String, bool), Failure> {
    match kind {
        "Deployment" => deployment(object),
        "DaemonSet" => daemon_set(object),
        "StatefulSet" => stateful_set(object),
        _ => Err(Failure::plain(format!("no status viewer has been implemented for {kind}"))),
    }
}

fn deployment(d: &Value) -> Result<(String, bool), Failure> {
    let own = name(d);
    if !is_observed(d) {
        return Ok(("Waiting for deployment spec update to be observed...".to_owned(), false));
    }
    let late = list(d, "/status/conditions")
        .iter()
        .any(|c| text(c, "/type") == "Progressing" && text(c, "/reason") == "ProgressDeadlineExceeded");
    if late {
        return Err(Failure::plain(format!("deployment {own:?} exceeded its progress deadline")));
    }
    let wanted = d.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (all, updated) = (int(d, "/status/replicas"), int(d, "/status/updatedReplicas"));
    let available = int(d, "/status/availableReplicas");
    let waiting =
        |what: String| Ok((format!("Waiting for deployment {own:?} rollout to finish: {what}..."), false));
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new replicas have been updated"));
    }
    if all > updated {
        return waiting(format!("{} old replicas are pending termination", all - updated));
    }
    if available < updated {
        return waiting(format!("{available} of {updated} updated replicas are available"));
    }
    Ok((format!("deployment {own:?} successfully rolled out"), true))
}

fn only_rolling(object: &Value) -> Result<(), Failure> {
    match text(object, "/spec/updateStrategy/type") {
        "RollingUpdate" | "" => Ok(()),
        _ => Err(Failure::plain("rollout status is only available for RollingUpdate strategy type")),
    }
}

fn daemon_set(d: &Value) -> Result<(String, bool), Failure> {
    only_rolling(d)?;
    let own = name(d);
    if !is_observed(d) {
        return Ok(("Waiting for daemon set spec update to be observed...".to_owned(), false));
    }
    let wanted = int(d, "/status/desiredNumberScheduled");
    let updated = int(d, "/status/updatedNumberScheduled");
    let available = int(d, "/status/numberAvailable");
    let waiting =
        |what: String| Ok((format!("Waiting for daemon set {own:?} rollout to finish: {what}..."), false));
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new pods have been updated"));
    }
    if available < wanted {
        return waiting(format!("{available} of {wanted} updated pods are available"));
    }
    Ok((format!("daemon set {own:?} successfully rolled out"), true))
}

fn stateful_set(s: &Value) -> Result<(String, bool), Failure> {
    only_rolling(s)?;
    if int(s, "/status/observedGeneration") == 0 || !is_observed(s) {
        return Ok(("Waiting for statefulset spec update to be observed...".to_owned(), false));
    }
    let wanted = s.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (ready, updated) = (int(s, "/status/readyReplicas"), int(s, "/status/updatedReplicas"));
    if ready < wanted {
        return Ok((format!("Waiting for {} pods to be ready...", wanted - ready), false));
    }
    let partition = int(s, "/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        if updated < wanted - partition {
            return Ok((
                format!(
                    "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                    wanted - partition
                ),
                false,
            ));
        }
        return Ok((format!("partitioned roll out complete: {updated} new pods have been updated..."), true));
    }
    let (current, update) = (text(s, "/status/currentRevision"), text(s, "/status/updateRevision"));
    if current != update {
        let what = format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        );
        return Ok((what, false));
    }
    let pods = int(s, "/status/currentReplicas");
    Ok((format!("statefulset rolling update complete {pods} pods at revision {current}..."), true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_says_how_far_it_is() {
        let deployment = |all: i64, updated: i64, available: i64| {
            let object = json!({
                "metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 2, "replicas": all, "updatedReplicas": updated, "availableReplicas": available},
            });
            status("Deployment", &object).unwrap().0
        };
        let all = [
            deployment(4, 1, 3),
            deployment(4, 3, 3),
            deployment(3, 3, 2),
            deployment(3, 3, 3),
            status("StatefulSet", &json!({"metadata": {"name": "db"}, "status": {}})).unwrap().0,
            status("Pod", &json!({})).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
