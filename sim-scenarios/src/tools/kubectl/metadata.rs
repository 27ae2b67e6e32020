//! `kubectl label` and `kubectl annotate`: `key=value` sets, `key-` takes away.

use std::collections::BTreeMap;

use sim_core::kube::objects::{Object, ObjectMeta};

use super::args::{Flag, Kind as F, flag, short};
use super::changes;
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::get;
use super::resource::Resource;
use super::target::{Found, Wanted};
use super::value;

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("output", 'o', F::Text),
    short("selector", 'l', F::Text),
    short("all-namespaces", 'A', F::Bool),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("field-selector", F::Text),
    flag("overwrite", F::Bool),
    flag("all", F::Bool),
    flag("list", F::Bool),
    flag("local", F::Bool),
    flag("resource-version", F::Text),
    flag("field-manager", F::Text),
    flag("dry-run", F::Optional("unchanged")),
];

/// Which of the two maps a verb edits, and its words.
struct Kind {
    of: fn(&mut ObjectMeta) -> &mut BTreeMap<String, String>,
    noun: &'static str,
    done: &'static str,
    unchanged: &'static str,
    taken_away: &'static str,
}

static LABELS: Kind = Kind {
    of: |meta| &mut meta.labels,
    noun: "label",
    done: "labeled",
    unchanged: "not labeled",
    taken_away: "unlabeled",
};

static ANNOTATIONS: Kind = Kind {
    of: |meta| &mut meta.annotations,
    noun: "annotation",
    done: "annotated",
    unchanged: "annotated",
    taken_away: "annotated",
};

/// Changes to a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Edits {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Runs `kubectl label`.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn label(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    run(ctl, &LABELS)
}

/// Runs `kubectl annotate`.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn annotate(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    run(ctl, &ANNOTATIONS)
}

fn run(ctl: &mut Ctl<'_, '_>, kind: &Kind) -> Result<i32, Failure> {
    ctl.refuse(&["local", "resource-version"])?;
    let words = ctl.args.words.clone();
    let (objects, edits) = changes::split_pairs(&words, kind.noun, changes::is_pair)?;
    let edits = parse(edits, kind)?;
    if edits == Edits::default() && !ctl.args.bool("list", false) {
        let message = format!("at least one {} update is required", kind.noun);
        return Err(Failure::usage(&ctl.path, message));
    }
    let (found, failures) = found(ctl, objects)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, &edits, kind))
}

fn parse(words: &[String], kind: &Kind) -> Result<Edits, Failure> {
    let mut edits = Edits::default();
    for word in words {
        if let Some((key, value)) = word.split_once('=') {
            edits.set.push((key.to_owned(), value.to_owned()));
        } else if let Some(key) = word.strip_suffix('-') {
            edits.remove.push(key.to_owned());
        } else {
            return Err(Failure::plain(format!("unknown {} spec: {word}", kind.noun)));
        }
    }
    match edits.set.iter().find(|(key, _)| edits.remove.contains(key)) {
        Some(_) => {
            let noun = kind.noun;
            Err(Failure::plain(format!("can not both modify and remove a {noun} in the same command")))
        }
        None => Ok(edits),
    }
}

fn found(ctl: &Ctl<'_, '_>, words: &[String]) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    if words.is_empty() && ctl.args.texts("filename").is_empty() && !ctl.args.given("kustomize") {
        return Err(Failure::plain(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    }
    // To list, a type alone is enough.
    match words {
        [one] if ctl.args.bool("list", false) && !one.contains('/') => {
            Ok(changes::find(ctl, &Wanted::parse(words)?))
        }
        _ => changes::objects(ctl, words),
    }
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, edits: &Edits, kind: &Kind) -> Result<(), Failure> {
    let Resource::Kind(object_kind) = found.resource else {
        return Err(Failure::not_modelled("changing events"));
    };
    ctl.warn_deprecated(found.resource);
    let stored = ctl.store().get(object_kind, value::namespace(&found.value), value::name(&found.value))?;
    let mut object = Object::clone(&stored);
    let name = object.meta().name.clone();
    let map = (kind.of)(object.meta_mut());
    if ctl.args.bool("list", false) {
        let lines: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
        lines.iter().for_each(|line| ctl.line(line));
        return Ok(());
    }
    if !ctl.args.bool("overwrite", false) {
        check_overwrite(map, edits, kind)?;
    }
    let mut removed = false;
    for key in &edits.remove {
        if map.remove(key).is_some() {
            removed = true;
        } else if kind.noun == "label" {
            ctl.line(format!("label {key:?} not found."));
        }
    }
    map.extend(edits.set.iter().cloned());
    let word = match (object == *stored, removed && edits.set.is_empty()) {
        (true, _) => kind.unchanged,
        (false, true) => kind.taken_away,
        (false, false) => kind.done,
    };
    let dry_run = ctl.dry_run()?;
    let after = match dry_run {
        DryRun::None => {
            let (store, now) = ctl.store_mut();
            store.update(object, now)?
        }
        DryRun::Server | DryRun::Client => {
            let now = ctl.now();
            ctl.store().clone().update(object, now)?
        }
    };
    let output = get::output(ctl)?;
    if output.is_human() {
        ctl.line(format!("{}/{name} {word}{}", found.resource.prefix(), dry_run.suffix()));
    } else {
        let text = output.one(&after.to_value(), &found.resource.prefix())?;
        ctl.print(text);
    }
    Ok(())
}

fn check_overwrite(map: &BTreeMap<String, String>, edits: &Edits, kind: &Kind) -> Result<(), Failure> {
    let clashes: Vec<String> = edits
        .set
        .iter()
        .filter_map(|(key, value)| {
            let old = map.get(key).filter(|old| *old != value)?;
            Some(format!("'{key}' already has a value ({old})"))
        })
        .collect();
    if clashes.is_empty() {
        return Ok(());
    }
    Err(Failure::plain(if kind.noun == "label" {
        let all: Vec<String> = clashes.iter().map(|c| format!("{c}, and --overwrite is false")).collect();
        if all.len() == 1 { all.concat() } else { format!("[{}]", all.join(", ")) }
    } else {
        format!("--overwrite is false but found the following declared annotation(s): {}", clashes.join("; "))
    }))
}
