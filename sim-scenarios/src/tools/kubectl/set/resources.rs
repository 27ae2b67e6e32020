//! `kubectl set resources`.

use super::super::args::{Flag, Kind as F, flag};
use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::quantity;
use super::super::value::name;
use super::{change, chosen, objects};

pub(super) static FLAGS: &[Flag] = &[flag("limits", F::Text), flag("requests", F::Text)];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let given = |flag: &str| ctl.args.text(flag).filter(|t| !t.is_empty());
    let (limits, requests) = (given("limits"), given("requests"));
    if limits.is_none() && requests.is_none() {
        return Err(Failure::plain(
            "you must specify an update to requests or limits (in the form of --requests/--limits)",
        ));
    }
    let wanted = [("limits", quantity::list(limits)?), ("requests", quantity::list(requests)?)];
    let (found, failures) = objects(ctl, &words)?;
    let pattern = ctl.args.text("containers").unwrap_or("*").to_owned();
    changes::each(ctl, &found, failures, |ctl, found| {
        let mut none = false;
        let failed = "failed to patch resources update to pod template";
        change(ctl, found, "resource requirements updated", failed, |spec| {
            let chosen = chosen(spec, &pattern);
            none = chosen.is_empty();
            for container in chosen {
                for (field, amounts) in &wanted {
                    amounts.iter().for_each(|(k, v)| container["resources"][*field][k] = v.clone());
                }
            }
            Ok(())
        })?;
        if none {
            let own = name(&found.value);
            let words = format!("error: unable to find container named {pattern} in {own}");
            return Err(Failure::Bare(words));
        }
        Ok(())
    })
}
