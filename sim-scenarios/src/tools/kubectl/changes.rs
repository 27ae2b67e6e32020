//! What verbs that change objects have in common: which objects they mean, how a change is sent, how it is told.

use serde_json::{Value, json};
use sim_core::kube::store::PatchType;

use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::get;
use super::manifest;
use super::resource::Resource;
use super::target::{Found, Scope, Wanted};
use super::value;

const NOTHING: &str = "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   \
                       '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";
const NO_NAME: &str = "resource(s) were provided, but no name was specified";

/// The objects that a command line means: of `-f`, or of its words. A type without a name needs `--all` or a selector.
///
/// # Errors
/// As kubectl's resource builder.
pub(crate) fn objects(ctl: &Ctl<'_, '_>, words: &[String]) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    if !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize") {
        return manifest::found(ctl);
    }
    if words.is_empty() {
        return Err(Failure::plain(NOTHING));
    }
    let wanted = Wanted::parse(words)?;
    let selects = ["all", "selector", "field-selector"].iter().any(|f| ctl.args.given(f));
    if matches!(wanted, Wanted::All(_)) && !selects {
        return Err(Failure::plain(NO_NAME));
    }
    Ok(find(ctl, &wanted))
}

/// What is wanted, narrowed by `-n`, `-A`, `-l` and `--field-selector`.
pub(crate) fn find(ctl: &Ctl<'_, '_>, wanted: &Wanted) -> (Vec<Found>, Vec<Failure>) {
    let namespace = ctl.namespace();
    let scope = Scope {
        namespace: (!ctl.args.bool("all-namespaces", false)).then_some(namespace.as_str()),
        labels: ctl.args.text("selector"),
        fields: ctl.args.text("field-selector"),
    };
    wanted.find(ctl.store(), &scope)
}

/// Sends a patch, or says what would come of it: the object afterwards.
///
/// # Errors
/// The server refuses.
pub(crate) fn patch(
    ctl: &mut Ctl<'_, '_>,
    found: &Found,
    how: PatchType,
    patch: &Value,
) -> Result<Value, Failure> {
    let Resource::Kind(kind) = found.resource else {
        return Err(Failure::not_modelled(format!("changing {}", found.resource.plural())));
    };
    let (namespace, name) = (value::namespace(&found.value), value::name(&found.value));
    let object = match ctl.dry_run()? {
        DryRun::None => {
            let (store, now) = ctl.store_mut();
            store.patch(kind, namespace, name, how, patch, now)?
        }
        DryRun::Server | DryRun::Client => {
            let now = ctl.now();
            ctl.store().clone().patch(kind, namespace, name, how, patch, now)?
        }
    };
    Ok(object.to_value())
}

/// Sends a whole object in place of the old one.
///
/// # Errors
/// The server refuses.
pub(crate) fn replace(ctl: &mut Ctl<'_, '_>, found: &Found, new: &Value) -> Result<Value, Failure> {
    patch(ctl, found, PatchType::Json, &json!([{"op": "add", "path": "", "value": new}]))
}

/// Says what was done: `deployment.apps/web scaled`, or the object as `-o` wants it.
///
/// # Errors
/// `-o` makes no sense.
pub(crate) fn tell(
    ctl: &mut Ctl<'_, '_>,
    resource: Resource,
    object: &Value,
    done: &str,
) -> Result<(), Failure> {
    let output = get::output(ctl)?;
    if output.is_human() {
        let dry_run = ctl.dry_run()?;
        ctl.line(format!("{}/{} {done}{}", resource.prefix(), value::name(object), dry_run.suffix()));
    } else {
        let text = output.one(object, &resource.prefix())?;
        ctl.print(text);
    }
    Ok(())
}

/// Does something with each object; one that fails does not keep the others back.
///
/// # Errors
/// All failures, told at the end.
pub(crate) fn each(
    ctl: &mut Ctl<'_, '_>,
    found: &[Found],
    mut failures: Vec<Failure>,
    mut one: impl FnMut(&mut Ctl<'_, '_>, &Found) -> Result<(), Failure>,
) -> Result<i32, Failure> {
    for found in found {
        if let Err(failure) = one(ctl, found) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

/// Divides the words of a command into resources and changes (`key=value`, `key-`), which must come last.
///
/// # Errors
/// A resource stands behind a change; `noun` names the changes.
pub(crate) fn split_pairs<'a>(
    words: &'a [String],
    noun: &str,
    is_change: impl Fn(&str) -> bool,
) -> Result<(&'a [String], &'a [String]), Failure> {
    let at = words.iter().position(|w| is_change(w)).unwrap_or(words.len());
    let (resources, changes) = words.split_at(at);
    match changes.iter().find(|w| !is_change(w)) {
        Some(word) => {
            Err(Failure::plain(format!("all resources must be specified before {noun} changes: {word}")))
        }
        None => Ok((resources, changes)),
    }
}

/// Whether a word is `key=value` or `key-`.
pub(crate) fn is_pair(word: &str) -> bool {
    (word.contains('=') && !word.starts_with('=')) || (word.ends_with('-') && word != "-")
}

/// Where an object of a workload kind has its pod's spec, if it has one.
pub(crate) fn pod_spec(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            Some("/spec/template/spec")
        }
        _ => None,
    }
}

/// Every container and init container of a pod spec, to be changed.
pub(crate) fn containers<'a>(spec: &'a mut Value, of: &'static str) -> &'a mut [Value] {
    spec.get_mut(of).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}
