//! The revisions of a workload: the `ReplicaSets` of a Deployment, numbered by an annotation; the stored revisions of stateful sets and
//! daemon sets.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::target::Found;
use super::super::value::{int, list, namespace, text};

const REVISION: &str = "deployment.kubernetes.io/revision";

/// What there is of earlier templates, by revision.
///
/// # Errors
/// Another kind, whose revisions are not kept.
pub(super) fn of(ctl: &Ctl<'_, '_>, found: &Found) -> Result<BTreeMap<i64, Value>, Failure> {
    let kind = found.resource.kind_name();
    let of = match kind {
        "Deployment" => Kind::ReplicaSet,
        "DaemonSet" | "StatefulSet" => Kind::ControllerRevision,
        _ => return Err(Failure::plain(format!("no history viewer has been implemented for {kind:?}"))),
    };
    let uid = text(&found.value, "/metadata/uid");
    let own = |set: &Value| list(set, "/metadata/ownerReferences").iter().any(|o| text(o, "/uid") == uid);
    let all = ctl.store().iter(of, Some(namespace(&found.value))).map(|s| s.to_value()).filter(own);
    if of == Kind::ControllerRevision {
        return Ok(all.map(|revision| (int(&revision, "/revision"), with_template(&revision))).collect());
    }
    Ok(all.filter_map(|set| Some((number(&set)?, set))).collect())
}

/// A stored revision with its template where a `ReplicaSet` has it.
fn with_template(revision: &Value) -> Value {
    let mut template = revision.pointer("/data/spec/template").cloned().unwrap_or_default();
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    json!({"metadata": revision["metadata"], "spec": {"template": template}})
}

fn number(set: &Value) -> Option<i64> {
    set.pointer("/metadata/annotations")?.get(REVISION)?.as_str()?.parse().ok()
}

/// Whether the spec of an object has been taken note of.
pub(super) fn is_observed(object: &Value) -> bool {
    int(object, "/metadata/generation") <= int(object, "/status/observedGeneration")
}
