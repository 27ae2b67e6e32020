//! `kubectl create`: from files, and with its own small commands.

use serde_json::Value;
use sim_core::kube::objects::Kind;
use sim_core::kube::store::ApiError;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::get;
use super::manifest;
use super::resource::Resource;
use super::value;

mod config_map;
mod namespace;
mod service;

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
    flag("save-config", F::Bool),
    flag("field-manager", F::Text),
    flag("edit", F::Bool),
    flag("raw", F::Text),
    flag("windows-line-endings", F::Bool),
    // Of the small commands.
    flag("from-literal", F::Texts),
    flag("from-file", F::List),
    flag("from-env-file", F::List),
    flag("append-hash", F::Bool),
    flag("tcp", F::List),
    flag("clusterip", F::Text),
    flag("node-port", F::Int),
    flag("external-name", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["edit", "raw", "selector", "save-config"])?;
    match ctl.args.words.first().map(String::as_str) {
        None => from_files(ctl),
        Some(command) => {
            let make = match command {
                "namespace" | "ns" => namespace::make,
                "configmap" | "cm" => config_map::make,
                "service" | "svc" => service::make,
                _ => return Err(not_modelled(command).unwrap_or_else(|| unknown(ctl))),
            };
            ctl.path = format!("{} {command}", ctl.path);
            ctl.args.words.remove(0);
            let New { kind, body, what } = make(ctl)?;
            let namespace = if kind.namespaced() { ctl.namespace() } else { String::new() };
            send(ctl, kind, &namespace, &body, "created", |error| match &what {
                Some(what) => Failure::plain(format!("failed to create {what}: {error}")),
                None => error.into(),
            })
            .map(|()| 0)
        }
    }
}

/// What kubectl could create and this model cannot; told before its flags are looked at, which are unknown too.
pub(crate) fn not_modelled(command: &str) -> Option<Failure> {
    const KNOWN: [&str; 15] = [
        "clusterrole",
        "clusterrolebinding",
        "cronjob",
        "deployment",
        "deploy",
        "ingress",
        "job",
        "poddisruptionbudget",
        "priorityclass",
        "quota",
        "role",
        "rolebinding",
        "secret",
        "serviceaccount",
        "token",
    ];
    KNOWN.contains(&command).then(|| Failure::not_modelled(format!("\"kubectl create {command}\"")))
}

fn unknown(ctl: &Ctl<'_, '_>) -> Failure {
    Failure::Plain(format!(
        "Unexpected args: {:?}\nSee '{} -h' for help and examples",
        ctl.args.words, ctl.path
    ))
}

fn from_files(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let (documents, mut failures) = manifest::read(ctl)?;
    if documents.is_empty() && failures.is_empty() {
        return Err(Failure::plain("no objects passed to create"));
    }
    for d in &documents {
        let failed = |e| Failure::from(e).when("creating", &d.source);
        if let Err(failure) = send(ctl, d.kind, &d.namespace, &d.value, "created", failed) {
            failures.push(failure);
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

/// Creates one object and says so; `done` is the word for it (`created`, `exposed`), `failed` words a refusal.
///
/// # Errors
/// The server refuses.
pub(crate) fn send(
    ctl: &mut Ctl<'_, '_>,
    kind: Kind,
    namespace: &str,
    body: &Value,
    done: &str,
    failed: impl Fn(ApiError) -> Failure,
) -> Result<(), Failure> {
    get::output(ctl)?;
    let object = make(ctl, kind, namespace, body)?.map_err(failed)?;
    tell(ctl, kind, &object, done)
}

/// Creates one object without a word: the object as the server has it, or why the server refuses.
///
/// # Errors
/// The command line makes no sense.
pub(crate) fn make(
    ctl: &mut Ctl<'_, '_>,
    kind: Kind,
    namespace: &str,
    body: &Value,
) -> Result<Result<Value, ApiError>, Failure> {
    ctl.warn_deprecated(Resource::Kind(kind));
    Ok(match ctl.dry_run()? {
        DryRun::None => {
            let (store, now) = ctl.store_mut();
            store.create_value(kind, namespace, body, now).map(|o| o.to_value())
        }
        DryRun::Server => {
            let now = ctl.now();
            ctl.store().clone().create_value(kind, namespace, body, now).map(|o| o.to_value())
        }
        DryRun::Client => Ok(body.clone()),
    })
}

/// Says that an object was created, or prints it as `-o` wants.
///
/// # Errors
/// `-o` makes no sense for it.
pub(crate) fn tell(ctl: &mut Ctl<'_, '_>, kind: Kind, object: &Value, done: &str) -> Result<(), Failure> {
    let output = get::output(ctl)?;
    if output.is_human() {
        let name = value::name(object);
        let dry_run = ctl.dry_run()?;
        ctl.line(format!("{}/{name} {done}{}", kind.qualified_singular(), dry_run.suffix()));
    } else {
        let text = output.one(object, &kind.qualified_singular())?;
        ctl.print(text);
    }
    Ok(())
}

/// What a small command makes.
struct New {
    kind: Kind,
    body: Value,
    /// What could not be made, where kubectl says so: `configmap`, `ClusterIP service`.
    what: Option<String>,
}

/// The one name that a small command takes.
///
/// # Errors
/// None or several were given.
fn one_name(ctl: &Ctl<'_, '_>) -> Result<String, Failure> {
    match ctl.args.words.as_slice() {
        [name] => Ok(name.clone()),
        words => Err(Failure::usage(&ctl.path, format!("exactly one NAME is required, got {}", words.len()))),
    }
}
