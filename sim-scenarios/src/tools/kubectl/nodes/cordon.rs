//! `kubectl cordon` and `kubectl uncordon`.

use serde_json::{Value, json};
use sim_core::kube::store::PatchType;

use super::super::changes;
use super::super::ctl::{Ctl, DryRun};
use super::super::failure::Failure;
use super::super::target::Found;
use super::super::value::is_true;

/// Runs either verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>, wanted: bool) -> Result<i32, Failure> {
    let nodes = super::named(ctl, if wanted { "cordon NODE" } else { "uncordon NODE" })?;
    cordon(ctl, &nodes, wanted)?;
    Ok(0)
}

/// Closes nodes to new pods, or opens them.
///
/// # Errors
/// The server refuses.
pub(super) fn cordon(ctl: &mut Ctl<'_, '_>, nodes: &[Found], wanted: bool) -> Result<(), Failure> {
    let word = if wanted { "cordoned" } else { "uncordoned" };
    for node in nodes {
        if is_true(&node.value, "/spec/unschedulable") == wanted {
            changes::tell(ctl, node.resource, &node.value, &format!("already {word}"))?;
            continue;
        }
        if ctl.dry_run()? != DryRun::Client {
            let change = if wanted { json!(true) } else { Value::Null };
            changes::patch(ctl, node, PatchType::Merge, &json!({"spec": {"unschedulable": change}}))?;
        }
        changes::tell(ctl, node.resource, &node.value, word)?;
    }
    Ok(())
}
