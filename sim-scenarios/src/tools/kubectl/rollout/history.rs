//! `kubectl rollout history`.

use serde_json::Value;

use super::super::changes;
use super::super::ctl::Ctl;
use super::super::describe;
use super::super::failure::Failure;
use super::super::get;
use super::super::printers::tabwriter::TabWriter;
use super::super::target::Found;
use super::super::value::{map, name};
use super::revisions;

const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let revision = ctl.args.int("revision").unwrap_or(0);
    if revision < 0 {
        return Err(Failure::plain(format!("revision must be a positive integer: {revision}")));
    }
    let (found, failures) = super::objects(ctl)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, revision))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, revision: i64) -> Result<(), Failure> {
    let all = revisions::of(ctl, found)?;
    let output = get::output(ctl)?;
    let unknown = || Failure::plain("unable to find the specified revision");
    if !output.is_human() {
        let last = all.keys().last().copied().unwrap_or(0);
        let set = all.get(if revision == 0 { &last } else { &revision }).ok_or_else(unknown)?;
        let text = output.one(set, &found.resource.prefix())?;
        ctl.print(text);
        return Ok(());
    }
    let (which, text) = match revision {
        _ if all.is_empty() => (String::new(), "No rollout history found.".to_owned()),
        0 => (String::new(), table(&all)),
        n => {
            let set = all.get(&n).ok_or_else(unknown)?;
            (format!("with revision #{n}"), describe::pod_template(&set["spec"]["template"]))
        }
    };
    ctl.line(format!("{}/{} {which}\n{text}", found.resource.prefix(), name(&found.value)));
    Ok(())
}

fn table(all: &std::collections::BTreeMap<i64, Value>) -> String {
    let mut table = TabWriter::describe();
    table.write("REVISION\tCHANGE-CAUSE\n");
    for (number, set) in all {
        let cause =
            map(set, "/metadata/annotations").and_then(|a| a.get(CHANGE_CAUSE)).and_then(Value::as_str);
        table.write(&format!("{number}\t{}\n", cause.filter(|c| !c.is_empty()).unwrap_or("<none>")));
    }
    table.flush()
}
