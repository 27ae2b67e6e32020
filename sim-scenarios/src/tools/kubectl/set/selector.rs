//! `kubectl set selector`: of Services.

use serde_json::{Map, Value, json};

use super::super::args::{Flag, Kind as F, flag};
use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;

pub(super) static FLAGS: &[Flag] = &[flag("resource-version", F::Text)];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["resource-version"])?;
    let Some((selector, resources)) =
        ctl.args.words.clone().split_last().map(|(s, r)| (s.clone(), r.to_vec()))
    else {
        return Err(Failure::plain(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    };
    let selector = pairs(&selector)?;
    let (found, failures) = super::objects(ctl, &resources)?;
    changes::each(ctl, &found, failures, |ctl, found| {
        if found.resource.kind_name() != "Service" {
            return Err(Failure::plain("setting a selector is only supported for Services"));
        }
        let mut new = found.value.clone();
        new["spec"]["selector"] = Value::Object(selector.clone());
        let after = changes::replace(ctl, found, &new)?;
        changes::tell(ctl, found.resource, &after, "selector updated")
    })
}

fn pairs(text: &str) -> Result<Map<String, Value>, Failure> {
    let one = |part: &str| match part.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim_end_matches('=').to_owned(), json!(value))),
        _ => Err(Failure::plain("couldn't parse the selector string")),
    };
    text.split(',').map(one).collect()
}
