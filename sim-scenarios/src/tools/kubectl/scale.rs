//! `kubectl scale`.

use serde_json::json;
use sim_core::kube::store::{ApiError, PatchType};

use super::args::{Flag, Kind as F, flag};
use super::changes;
use super::ctl::Ctl;
use super::failure::Failure;
use super::target::Found;
use super::value::{int, text};

pub(crate) static FLAGS: &[Flag] = &[
    flag("replicas", F::Int),
    flag("current-replicas", F::Int),
    flag("resource-version", F::Text),
    flag("timeout", F::Duration),
];

/// Kinds with a `scale` subresource.
const SCALABLE: [&str; 4] = ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let Some(replicas) = ctl.args.int("replicas") else {
        return Err(Failure::plain("required flag(s) \"replicas\" not set"));
    };
    if replicas < 0 {
        return Err(Failure::plain(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        ));
    }
    if ctl.args.int("current-replicas").is_some_and(|n| n < -1) {
        return Err(Failure::plain("The --current-replicas must specify an integer of -1 or greater"));
    }
    if ctl.args.bool("all", false) && ctl.args.given("selector") {
        return Err(Failure::plain("cannot set --all and --selector at the same time"));
    }
    let words = ctl.args.words.clone();
    let (found, failures) = changes::objects(ctl, &words)?;
    if found.is_empty() && failures.is_empty() {
        return Err(Failure::plain("no objects passed to scale"));
    }
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, replicas))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, replicas: i64) -> Result<(), Failure> {
    if !SCALABLE.contains(&found.resource.kind_name()) {
        return Err(ApiError::no_such_resource().into());
    }
    let now = int(&found.value, "/spec/replicas");
    if let Some(expected) = ctl.args.int("current-replicas").filter(|n| *n >= 0 && *n != now) {
        return Err(Failure::plain(format!("Expected replicas to be {expected}, was {now}")));
    }
    let version = text(&found.value, "/metadata/resourceVersion");
    if let Some(expected) = ctl.args.text("resource-version").filter(|v| !v.is_empty() && *v != version) {
        return Err(Failure::plain(format!("Expected resource version to be {expected}, was {version}")));
    }
    let after = changes::patch(ctl, found, PatchType::Merge, &json!({"spec": {"replicas": replicas}}))?;
    changes::tell(ctl, found.resource, &after, "scaled")
}
