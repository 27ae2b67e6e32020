//! The revisions of a Deployment: its `ReplicaSets`, numbered by an annotation.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::target::Found;
use super::super::value::{int, list, namespace, text};

const REVISION: &str = "deployment.kubernetes.io/revision";

/// The `ReplicaSets` of a Deployment by revision.
///
/// # Errors
/// Another kind, whose revisions are not kept.
pub(super) fn of(ctl: &Ctl<'_, '_>, found: &Found) -> Result<BTreeMap<i64, Value>, Failure> {
    let kind = found.resource.kind_name();
    let sets = Kind::from_resource("replicasets.apps").filter(|_| kind == "Deployment");
    let Some(sets) = sets else {
        return Err(match kind {
            "DaemonSet" | "StatefulSet" | "Deployment" => {
                Failure::not_modelled(format!("the rollout history of a {kind}"))
            }
            _ => Failure::plain(format!("no history viewer has been implemented for {kind:?}")),
        });
    };
    let uid = text(&found.value, "/metadata/uid");
    let own = |set: &Value| list(set, "/metadata/ownerReferences").iter().any(|o| text(o, "/uid") == uid);
    let sets = ctl.store().iter(sets, Some(namespace(&found.value))).map(|s| s.to_value());
    Ok(sets.filter(own).filter_map(|set| Some((number(&set)?, set))).collect())
}

fn number(set: &Value) -> Option<i64> {
    set.pointer("/metadata/annotations")?.get(REVISION)?.as_str()?.parse().ok()
}

/// Whether the spec of an object has been taken note of.
pub(super) fn is_observed(object: &Value) -> bool {
    int(object, "/metadata/generation") <= int(object, "/status/observedGeneration")
}
