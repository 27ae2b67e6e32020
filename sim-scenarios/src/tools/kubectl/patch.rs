//! `kubectl patch`.

use serde_json::Value;
use sim_core::kube::objects::manifest;
use sim_core::kube::store::PatchType;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::get;
use super::manifest as files;
use super::resource::Resource;
use super::target::{Found, Scope, Wanted};
use super::value::{name, text};

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("output", 'o', F::Text),
    short("patch", 'p', F::Text),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("patch-file", F::Text),
    flag("type", F::Text),
    flag("local", F::Bool),
    flag("subresource", F::Text),
    flag("dry-run", F::Optional("unchanged")),
    flag("field-manager", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["local", "subresource", "patch-file"])?;
    let how = match ctl.args.text("type").unwrap_or("strategic").to_lowercase().as_str() {
        "strategic" => PatchType::Strategic,
        "merge" => PatchType::Merge,
        "json" => PatchType::Json,
        other => {
            let words = format!("--type must be one of [json merge strategic], not {other:?}");
            return Err(Failure::plain(words));
        }
    };
    let Some(patch) = ctl.args.text("patch").map(str::to_owned) else {
        return Err(Failure::plain(
            "must specify --patch or --patch-file containing the contents of the patch",
        ));
    };
    let wanted = if ctl.args.texts("filename").is_empty() && !ctl.args.given("kustomize") {
        Wanted::parse(&ctl.args.words)?
    } else {
        Wanted::Named(files::names(ctl)?)
    };
    if matches!(wanted, Wanted::All(_)) {
        return Err(Failure::plain(if ctl.args.words.is_empty() {
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   \
             '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
        } else {
            "resource(s) were provided, but no name was specified"
        }));
    }
    let patch = read(&patch)?;
    let namespace = ctl.namespace();
    let scope = Scope { namespace: Some(&namespace), ..Scope::default() };
    let (found, mut failures) = wanted.find(ctl.store(), &scope);
    for found in &found {
        if let Err(failure) = one(ctl, found, how, &patch) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

/// A patch may be written in YAML too.
fn read(patch: &str) -> Result<Value, Failure> {
    manifest::value(patch)
        .ok_or_else(|| Failure::plain(format!("unable to parse {patch:?}: yaml: could not be read")))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, how: PatchType, patch: &Value) -> Result<(), Failure> {
    let Resource::Kind(kind) = found.resource else {
        return Err(Failure::not_modelled(format!("patching {}", found.resource.plural())));
    };
    let output = get::output(ctl)?;
    let dry_run = ctl.dry_run()?;
    let (namespace, own) =
        (text(&found.value, "/metadata/namespace").to_owned(), name(&found.value).to_owned());
    let object = match dry_run {
        DryRun::None => {
            let (store, now) = ctl.store_mut();
            store.patch(kind, &namespace, &own, how, patch, now)?
        }
        DryRun::Server | DryRun::Client => {
            let now = ctl.now();
            ctl.store().clone().patch(kind, &namespace, &own, how, patch, now)?
        }
    };
    let value = object.to_value();
    if !output.is_human() {
        let text = output.one(&value, &kind.qualified_singular())?;
        ctl.print(text);
        return Ok(());
    }
    let version = |v: &Value| text(v, "/metadata/resourceVersion").to_owned();
    let same = if version(&value) == version(&found.value) { " (no change)" } else { "" };
    ctl.line(format!("{}/{own} patched{}{same}", kind.qualified_singular(), dry_run.suffix()));
    Ok(())
}
