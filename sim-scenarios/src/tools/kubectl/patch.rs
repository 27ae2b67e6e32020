//! `kubectl patch`.

use serde_json::Value;
use sim_core::kube::objects::manifest;
use sim_core::kube::store::PatchType;

use super::args::{Flag, Kind as F, flag, short};
use super::changes;
use super::ctl::Ctl;
use super::failure::Failure;
use super::files;
use super::get;
use super::resource::Resource;
use super::target::Found;
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
    ctl.refuse(&["local", "subresource"])?;
    let how = match ctl.args.text("type").unwrap_or("strategic").to_lowercase().as_str() {
        "strategic" => PatchType::Strategic,
        "merge" => PatchType::Merge,
        "json" => PatchType::Json,
        other => {
            let words = format!("--type must be one of [json merge strategic], not {other:?}");
            return Err(Failure::plain(words));
        }
    };
    let of_file = ctl.args.text("patch-file").map(|path| files::read_text(ctl, path)).transpose()?;
    if of_file.is_some() && ctl.args.given("patch") {
        return Err(Failure::plain("cannot specify --patch and --patch-file together"));
    }
    let Some(patch) = of_file.or_else(|| ctl.args.text("patch").map(str::to_owned)) else {
        return Err(Failure::plain(
            "must specify --patch or --patch-file containing the contents of the patch",
        ));
    };
    let patch = read(&patch)?;
    let words = ctl.args.words.clone();
    let (found, failures) = changes::objects(ctl, &words)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, how, &patch))
}

/// A patch may be written in YAML too.
fn read(patch: &str) -> Result<Value, Failure> {
    manifest::value(patch)
        .ok_or_else(|| Failure::plain(format!("unable to parse {patch:?}: yaml: could not be read")))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, how: PatchType, patch: &Value) -> Result<(), Failure> {
    if let (Resource::Kind(kind), PatchType::Strategic) = (found.resource, how)
        && kind.is_custom()
    {
        // The server knows no merge keys of custom resources.
        return Err(Failure::plain(format!(
            "application/strategic-merge-patch+json is not supported by {}, Kind={kind}: the body of the request was in an unknown format - \
             accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            kind.api_version()
        )));
    }
    let output = get::output(ctl)?;
    let value = changes::patch(ctl, found, how, patch)?;
    if !output.is_human() {
        let text = output.one(&value, &found.resource.prefix())?;
        ctl.print(text);
        return Ok(());
    }
    let dry_run = ctl.dry_run()?;
    let version = |v: &Value| text(v, "/metadata/resourceVersion").to_owned();
    let same = if version(&value) == version(&found.value) { " (no change)" } else { "" };
    ctl.line(format!("{}/{} patched{}{same}", found.resource.prefix(), name(&found.value), dry_run.suffix()));
    Ok(())
}
