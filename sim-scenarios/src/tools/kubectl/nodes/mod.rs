//! What an administrator does to nodes: `cordon`, `uncordon`, `drain`, `taint`.

use super::args::{Flag, Kind as F, flag, short};
use super::commands::Verb;
use super::ctl::Ctl;
use super::failure::Failure;
use super::flags::{CHANGE, PRINT};
use super::resource::Resource;
use super::target::{Found, Scope, Wanted};
use sim_core::kube::objects::Kind;

mod cordon;
mod drain;
mod evict;
mod taint;

static SELECTOR: &[Flag] = &[short("selector", 'l', F::Text)];
static TAINT: &[Flag] = &[
    short("selector", 'l', F::Text),
    flag("all", F::Bool),
    flag("overwrite", F::Bool),
    flag("validate", F::Optional("strict")),
];

pub(crate) static VERBS: &[Verb] = &[
    Verb { name: "cordon", flags: &[SELECTOR, CHANGE], run: |ctl| cordon::run(ctl, true) },
    Verb { name: "drain", flags: &[drain::FLAGS, SELECTOR, CHANGE], run: drain::run },
    Verb { name: "taint", flags: &[TAINT, PRINT, CHANGE], run: taint::run },
    Verb { name: "uncordon", flags: &[SELECTOR, CHANGE], run: |ctl| cordon::run(ctl, false) },
];

/// The nodes that a command names or selects; `usage` is told if it does neither.
fn named(ctl: &Ctl<'_, '_>, usage: &str) -> Result<Vec<Found>, Failure> {
    let names: Vec<&str> = ctl.args.words.iter().map(|w| w.strip_prefix("node/").unwrap_or(w)).collect();
    let selector = ctl.args.text("selector");
    match (names.is_empty(), selector) {
        (true, None) => return Err(Failure::usage(&ctl.path, format!("USAGE: {usage} [flags]"))),
        (false, Some(_)) => {
            return Err(Failure::usage(
                &ctl.path,
                "error: cannot specify both a node name and a --selector option",
            ));
        }
        _ => {}
    }
    let node = Resource::Kind(Kind::Node);
    let wanted = match selector {
        Some(_) => Wanted::All(vec![node]),
        None => Wanted::Named(names.into_iter().map(|n| (node, n.to_owned())).collect()),
    };
    let scope = Scope { labels: selector, ..Scope::default() };
    let (found, failures) = wanted.find(ctl.store(), &scope);
    Failure::from_many(failures)?;
    Ok(found)
}
