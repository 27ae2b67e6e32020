//! `kubectl replace`.

use serde_json::json;
use sim_core::kube::store::{DeleteOptions, PatchType};

use super::args::{Flag, Kind as F, flag};
use super::changes;
use super::create;
use super::ctl::Ctl;
use super::delete;
use super::failure::Failure;
use super::manifest::{self, Document};
use super::resource::Resource;
use super::target::Found;

pub(crate) static FLAGS: &[Flag] = &[
    flag("force", F::Bool),
    flag("cascade", F::Optional("background")),
    flag("grace-period", F::Int),
    flag("timeout", F::Duration),
    flag("wait", F::Bool),
    flag("raw", F::Text),
    flag("subresource", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["raw", "subresource", "save-config"])?;
    let (documents, mut failures) = manifest::read_to_send(ctl)?;
    if documents.is_empty() && failures.is_empty() {
        return Err(Failure::plain("no objects passed to replace"));
    }
    let force = ctl.args.bool("force", false);
    if force {
        remove_all(ctl, &documents, &mut failures);
    }
    for document in &documents {
        if let Err(failure) = one(ctl, document, force) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

fn one(ctl: &mut Ctl<'_, '_>, d: &Document, force: bool) -> Result<(), Failure> {
    let resource = Resource::Kind(d.kind);
    if force {
        let made = create::make(ctl, d.kind, &d.namespace, &d.value)?.map_err(Failure::from)?;
        return changes::tell(ctl, resource, &made, "replaced");
    }
    ctl.warn_of(d);
    let failed = |failure: Failure| failure.when("replacing", &d.source);
    let old = ctl.store().get(d.kind, &d.namespace, d.name()).map_err(|e| failed(e.into()))?;
    let found = Found { resource, value: old.to_value() };
    let operation = json!([{"op": "add", "path": "", "value": d.value}]);
    let after = changes::patch(ctl, &found, PatchType::Json, &operation).map_err(failed)?;
    changes::tell(ctl, resource, &after, "replaced")
}

/// `--force`: everything goes first, and kubectl waits until it is gone.
fn remove_all(ctl: &mut Ctl<'_, '_>, documents: &[Document], failures: &mut Vec<Failure>) {
    let grace = ctl.args.int("grace-period").filter(|n| *n >= 0);
    let mut gone = Vec::new();
    for d in documents {
        let options = DeleteOptions { grace_seconds: grace, ..DeleteOptions::default() };
        let (store, now) = ctl.store_mut();
        match store.delete(d.kind, &d.namespace, d.name(), options, now) {
            Ok(_) => {
                let from = delete::from_namespace(ctl.version(), d.kind, &d.namespace);
                let forced = if grace == Some(0) { "force deleted" } else { "deleted" };
                ctl.line(format!("{} {:?} {forced}{from}", d.kind.qualified_singular(), d.name()));
                gone.push(d);
            }
            Err(e) if Failure::from(e.clone()).is_not_found() => {}
            Err(e) => failures.push(e.into()),
        }
    }
    ctl.wait(delete::WAIT, |cluster| {
        gone.iter().all(|d| cluster.store.find(d.kind, &d.namespace, d.name()).is_none())
    });
}
