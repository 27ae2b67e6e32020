//! `kubectl apply`.

use serde_json::{Map, Value};
use sim_core::kube::store::{ApiError, Applied};

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::get;
use super::manifest::{self, Document};
use super::printers::json;
use super::printers::output::Output;
use super::value;

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("output", 'o', F::Text),
    short("selector", 'l', F::Text),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("dry-run", F::Optional("unchanged")),
    flag("validate", F::Optional("strict")),
    flag("overwrite", F::Bool),
    flag("wait", F::Bool),
    flag("timeout", F::Duration),
    flag("force", F::Bool),
    flag("grace-period", F::Int),
    flag("cascade", F::Optional("background")),
    flag("all", F::Bool),
    flag("prune", F::Bool),
    flag("prune-allowlist", F::Texts),
    flag("server-side", F::Bool),
    flag("force-conflicts", F::Bool),
    flag("field-manager", F::Text),
    flag("openapi-patch", F::Bool),
    flag("subresource", F::Text),
];

/// The annotation in which kubectl keeps what was applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Runs the verb: documents are sent in order, and one that fails does not keep the others back.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&[
        "prune",
        "prune-allowlist",
        "server-side",
        "force-conflicts",
        "subresource",
        "force",
        "selector",
    ])?;
    if let Some(word) = ctl.args.words.first() {
        return Err(Failure::usage(&ctl.path, format!("Unexpected args: [{word}]")));
    }
    let dry_run = ctl.dry_run()?;
    let output = get::output(ctl)?;
    let (documents, mut failures) = manifest::read_to_send(ctl)?;
    if documents.is_empty() && failures.is_empty() {
        return Err(Failure::plain("no objects passed to apply"));
    }
    for document in &documents {
        if let Err(failure) = one(ctl, document, dry_run, &output) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

fn one(ctl: &mut Ctl<'_, '_>, document: &Document, dry_run: DryRun, output: &Output) -> Result<(), Failure> {
    ctl.warn_of(document);
    let generated = value::text(&document.value, "/metadata/generateName");
    if document.name().is_empty() && !generated.is_empty() {
        return Err(Failure::plain(format!("from {generated}: cannot use generate name with apply")));
    }
    let old = ctl.store().find(document.kind, &document.namespace, document.name()).cloned();
    if let Some(old) = old.as_ref().filter(|o| !o.meta().annotations.contains_key(LAST_APPLIED)) {
        let object = format!("{}/{}", document.kind.qualified_resource(), old.meta().name);
        ctl.warn(&format!(
            "resource {object} is missing the {LAST_APPLIED} annotation which is required by {} apply. {0} apply should only be used \
             on resources created declaratively by either {0} create --save-config or {0} apply. The missing annotation will be \
             patched automatically.",
            "kubectl"
        ));
    }
    let doing = if old.is_some() { "patching" } else { "creating" };
    let failed = |e: ApiError| Failure::from(e).when(doing, &document.source);
    let (kind, namespace, body) = (document.kind, &document.namespace, &document.value);
    let (object, applied) = match dry_run {
        DryRun::None => {
            let (store, now) = ctl.store_mut();
            let (object, applied) = store.apply(kind, namespace, body, now).map_err(failed)?;
            (object.to_value(), applied)
        }
        // The server goes as far as it would, on a copy.
        DryRun::Server => {
            let now = ctl.now();
            let (object, applied) = ctl.store().clone().apply(kind, namespace, body, now).map_err(failed)?;
            (object.to_value(), applied)
        }
        // Without the server's answer kubectl cannot tell whether anything would change.
        DryRun::Client => {
            let applied = if old.is_some() { Applied::Configured } else { Applied::Created };
            (with_last_applied(body), applied)
        }
    };
    if output.is_human() {
        ctl.line(format!("{} {applied}{}", document.label(value::name(&object)), dry_run.suffix()));
    } else {
        let text = output.one(&object, &document.kind.qualified_singular())?;
        ctl.print(text);
    }
    Ok(())
}

/// The manifest as kubectl would send it: with itself as an annotation.
fn with_last_applied(body: &Value) -> Value {
    let mut sent = body.clone();
    if let Some(metadata) = sent.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(LAST_APPLIED);
        }
    }
    let text = format!("{}\n", json::compact(&sent));
    sent["metadata"]["annotations"][LAST_APPLIED] = Value::String(text);
    sent
}
