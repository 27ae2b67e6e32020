//! `kubectl set resources`.

use serde_json::{Map, Value, json};

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::Ctl;
use super::super::edit;
use super::super::failure::Failure;
use super::super::quantity::Quantity;
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
    let wanted = [("limits", amounts(limits)?), ("requests", amounts(requests)?)];
    let (found, failures) = objects(ctl, &words)?;
    let pattern = ctl.args.text("containers").unwrap_or("*").to_owned();
    edit::each(ctl, &found, failures, |ctl, found| {
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

/// `cpu=200m,memory=512Mi`.
fn amounts(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let one = |part: &str| {
        let (resource, amount) = part.split_once('=').filter(|(_, a)| !a.contains('=')).ok_or_else(|| {
            Failure::plain(format!("invalid argument syntax {part}, expected <resource>=<value>"))
        })?;
        if Quantity::parse(amount).is_none() {
            return Err(Failure::plain(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ));
        }
        Ok((resource.to_owned(), json!(amount)))
    };
    text.into_iter().flat_map(|t| t.split(',')).map(one).collect()
}
