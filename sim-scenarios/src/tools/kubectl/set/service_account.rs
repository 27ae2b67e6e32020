//! `kubectl set serviceaccount`.

use serde_json::json;

use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::{change, objects};

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let Some((account, resources)) = words.split_last() else {
        return Err(Failure::plain("serviceaccount is required"));
    };
    let (found, failures) = objects(ctl, resources)?;
    changes::each(ctl, &found, failures, |ctl, found| {
        change(ctl, found, "serviceaccount updated", "failed to patch ServiceAccountName", |spec| {
            spec["serviceAccountName"] = json!(account);
            spec["serviceAccount"] = json!(account);
            Ok(())
        })
    })
}
