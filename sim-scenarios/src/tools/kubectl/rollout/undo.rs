//! `kubectl rollout undo`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sim_core::kube::store::PatchType;

use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::target::Found;
use super::super::value::{is_true, name};
use super::revisions;

const HASH: &str = "pod-template-hash";

/// Annotations that a Deployment does not take over from its `ReplicaSet`.
const NOT_TAKEN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let revision = ctl.args.int("to-revision").unwrap_or(0);
    if revision < 0 {
        return Err(Failure::plain(format!("revision must be a positive integer: {revision}")));
    }
    let (found, failures) = super::objects(ctl)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, revision))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, revision: i64) -> Result<(), Failure> {
    let own = name(&found.value);
    let all = revisions::of(ctl, found)?;
    let kind = found.resource.kind_name();
    if kind != "Deployment" {
        return stored(ctl, found, revision, &all);
    }
    if is_true(&found.value, "/spec/paused") {
        return Err(Failure::plain(format!(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume deployment/{own}' and try again"
        )));
    }
    let (number, set) = match revision {
        // The one before the last.
        0 => all
            .iter()
            .rev()
            .nth(1)
            .ok_or_else(|| Failure::plain(format!("no rollout history found for deployment {own:?}")))?,
        n => all
            .get_key_value(&n)
            .ok_or_else(|| Failure::plain(format!("unable to find specified revision {n} in history")))?,
    };
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
    }
    if template == found.value["spec"]["template"] {
        let word = format!("skipped rollback (current template already matches revision {number})");
        return changes::tell(ctl, found.resource, &found.value, &word);
    }
    let patch = json!([
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations(&found.value, set)},
    ]);
    let after = changes::patch(ctl, found, PatchType::Json, &patch)?;
    changes::tell(ctl, found.resource, &after, "rolled back")
}

/// Stateful sets and daemon sets.
fn stored(
    ctl: &mut Ctl<'_, '_>,
    found: &Found,
    revision: i64,
    all: &BTreeMap<i64, Value>,
) -> Result<(), Failure> {
    if revision == 0 && all.len() <= 1 {
        return Err(Failure::plain("no last revision to roll back to"));
    }
    let unknown = || Failure::plain(format!("unable to find specified revision {revision} in history"));
    let wanted = if revision == 0 { all.values().rev().nth(1) } else { all.get(&revision) };
    let template = &wanted.ok_or_else(unknown)?["spec"]["template"];
    if *template == found.value["spec"]["template"] {
        let word = format!("skipped rollback (current template already matches revision {revision})");
        return changes::tell(ctl, found.resource, &found.value, &word);
    }
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    let after = changes::patch(ctl, found, PatchType::Json, &patch)?;
    changes::tell(ctl, found.resource, &after, "rolled back")
}

/// Those that describe the revision come from it, the others stay.
fn annotations(deployment: &Value, set: &Value) -> Map<String, Value> {
    let of = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let mut all: Map<String, Value> =
        of(deployment).into_iter().filter(|(k, _)| NOT_TAKEN.contains(&k.as_str())).collect();
    all.extend(of(set).into_iter().filter(|(k, _)| !NOT_TAKEN.contains(&k.as_str())));
    all
}
