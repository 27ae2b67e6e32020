//! `kubectl diff`: what `kubectl apply` would change, as `diff -u -N` shows two folders with one file for each object.

use serde_json::{Map, Value};
use sim_core::kube::objects::Kind;
use sim_core::kube::store::LAST_APPLIED;
use similar::TextDiff;

use super::args::{Flag, Kind as F, flag, short};
use super::clock;
use super::commands;
use super::ctl::Ctl;
use super::failure::Failure;
use super::manifest::{self, Document};
use super::printers::yaml;
use super::value::{name, namespace};

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("selector", 'l', F::Text),
    flag("concurrency", F::Int),
    flag("server-side", F::Bool),
    flag("force-conflicts", F::Bool),
    flag("field-manager", F::Text),
    flag("prune", F::Bool),
    flag("prune-allowlist", F::Texts),
    flag("show-managed-fields", F::Bool),
];

/// Exit status of a failure, since 1 says that something differs.
const FAILED: i32 = 2;
/// Lines around a change.
const CONTEXT: usize = 3;

/// Runs the verb: status 1 if something differs, a larger one if it cannot be told.
///
/// # Errors
/// None: it prints them itself.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    Ok(differences(ctl).unwrap_or_else(|failure| {
        commands::report(ctl.cx, &failure);
        FAILED
    }))
}

fn differences(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["server-side", "force-conflicts", "prune", "prune-allowlist", "selector"])?;
    if ctl.cx.env.contains_key("KUBECTL_EXTERNAL_DIFF") {
        return Err(Failure::not_modelled("another program for kubectl diff (KUBECTL_EXTERNAL_DIFF)"));
    }
    if let Some(word) = ctl.args.words.first() {
        return Err(Failure::usage(&ctl.path, format!("Unexpected args: [{word}]")));
    }
    let (documents, failures) = manifest::read_to_send(ctl)?;
    Failure::from_many(failures)?;
    let mut files = Vec::new();
    for document in &documents {
        files.push(compare(ctl, document)?);
    }
    // `diff` goes through the folders in the order of names.
    files.sort();
    let mut differ = false;
    for (file, live, merged) in files {
        if live != merged {
            differ = true;
            show(ctl, &file, &live, &merged);
        }
    }
    Ok(i32::from(differ))
}

/// The name of an object's file, and its two contents.
fn compare(ctl: &mut Ctl<'_, '_>, document: &Document) -> Result<(String, String, String), Failure> {
    ctl.warn_of(document);
    let (kind, space) = (document.kind, &document.namespace);
    let live = ctl.store().find(kind, space, document.name()).map(|o| o.to_value());
    let now = ctl.now();
    let applied = ctl.store().clone().apply(kind, space, &document.value, now);
    let (object, _) = applied.map_err(Failure::from)?;
    let merged = as_if(object.to_value(), live.as_ref());
    let (group, version) = (kind.group(), kind.version());
    let group = if group.is_empty() { String::new() } else { format!("{group}.") };
    let file = format!("{group}{version}.{kind}.{}.{}", namespace(&merged), name(&merged));
    let (mut live, mut merged) = (live.unwrap_or(Value::Null), merged);
    if kind == Kind::Secret {
        mask(&mut live, &mut merged);
    }
    let text = |v: &Value| if v.is_null() { String::new() } else { yaml::document(v) };
    Ok((file, text(&live), text(&merged)))
}

/// The answer to a dry run: what was last applied and the revision stay what they were.
fn as_if(mut merged: Value, live: Option<&Value>) -> Value {
    let kept = |pointer: &str| live.and_then(|l| l.pointer(pointer)).cloned();
    let version = kept("/metadata/resourceVersion");
    let annotation = kept("/metadata/annotations").and_then(|a| a.get(LAST_APPLIED).cloned());
    let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) else { return merged };
    put(metadata, "resourceVersion", version);
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        put(annotations, LAST_APPLIED, annotation);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    merged
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// Values of Secrets are not shown; those that differ are told apart.
fn mask(live: &mut Value, merged: &mut Value) {
    let before = live["data"].clone();
    let hide = |data: Option<&mut Value>, other: &Value, words: [&str; 2]| {
        for (key, value) in data.and_then(Value::as_object_mut).into_iter().flatten() {
            let same = other.get(key) == Some(value) || other.get(key).is_none();
            *value = Value::String(words[usize::from(!same)].to_owned());
        }
    };
    let after = merged["data"].clone();
    hide(live.get_mut("data"), &after, ["***", "*** (before)"]);
    hide(merged.get_mut("data"), &before, ["***", "*** (after)"]);
}

fn show(ctl: &mut Ctl<'_, '_>, file: &str, live: &str, merged: &str) {
    let now = ctl.now();
    // The folders have random names.
    let number = |salt: u64| (now.0 / 1_000).wrapping_mul(salt) % 4_000_000_000 + 100_000_000;
    let paths = [
        format!("/tmp/LIVE-{}/{file}", number(2_654_435_761)),
        format!("/tmp/MERGED-{}/{file}", number(2_246_822_519)),
    ];
    let stamp = clock::rfc3339_nanos(now).replace('T', " ").replace('Z', " +0000");
    let [from, to] = paths.each_ref().map(|p| format!("{p}\t{stamp}"));
    ctl.line(format!("diff -u -N {} {}", paths[0], paths[1]));
    let text = TextDiff::from_lines(live, merged)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&from, &to)
        .to_string();
    ctl.print(text);
}
