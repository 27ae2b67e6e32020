//! `kubectl create`: from files, and with its own small commands.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;
use sim_core::kube::store::ApiError;
use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag, short};
use super::commands::Verb;
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::flags::{CHANGE, CREATE, FILES, PRINT};
use super::get;
use super::manifest;
use super::resource::Resource;
use super::value;

mod access;
mod config_map;
mod data;
mod ingress;
mod namespace;
mod policy;
mod secret;
mod service;
mod workload;

static FROM_FILES: &[Flag] = &[
    short("selector", 'l', F::Text),
    flag("edit", F::Bool),
    flag("raw", F::Text),
    flag("windows-line-endings", F::Bool),
];
static DATA: &[Flag] = &[
    flag("from-literal", F::Texts),
    flag("from-file", F::List),
    flag("from-env-file", F::List),
    flag("append-hash", F::Bool),
];
static SECRET_TYPE: &[Flag] = &[flag("type", F::Text)];
static PORTS: &[Flag] = &[
    flag("tcp", F::List),
    flag("clusterip", F::Text),
    flag("node-port", F::Int),
    flag("external-name", F::Text),
];

macro_rules! small {
    ($name:literal, [$($flags:expr),*], $make:path) => {
        Verb { name: $name, flags: &[$($flags,)* PRINT, CHANGE, CREATE], run: |ctl| small(ctl, $make) }
    };
}

pub(crate) static VERBS: &[Verb] = &[
    Verb { name: "create", flags: &[FROM_FILES, FILES, PRINT, CHANGE, CREATE], run },
    small!("create clusterrole", [access::ROLE_FLAGS], access::cluster_role),
    small!("create clusterrolebinding", [access::BINDING_FLAGS], access::cluster_role_binding),
    small!("create configmap", [DATA], config_map::make),
    small!("create cronjob", [workload::CRON_JOB_FLAGS], workload::cron_job),
    small!("create deployment", [workload::DEPLOYMENT_FLAGS], workload::deployment),
    small!("create ingress", [ingress::FLAGS], ingress::make),
    small!("create job", [workload::JOB_FLAGS], workload::job),
    small!("create namespace", [], namespace::make),
    small!("create poddisruptionbudget", [policy::BUDGET_FLAGS], policy::budget),
    small!("create priorityclass", [policy::PRIORITY_FLAGS], policy::priority),
    small!("create quota", [policy::QUOTA_FLAGS], policy::quota),
    small!("create role", [access::ROLE_FLAGS], access::role),
    small!("create rolebinding", [access::BINDING_FLAGS], access::role_binding),
    small!("create secret docker-registry", [secret::REGISTRY_FLAGS], secret::docker_registry),
    small!("create secret generic", [DATA, SECRET_TYPE], secret::generic),
    small!("create secret tls", [secret::TLS_FLAGS], secret::tls),
    small!("create service clusterip", [PORTS], service::cluster_ip),
    small!("create service externalname", [PORTS], service::external_name),
    small!("create service loadbalancer", [PORTS], service::load_balancer),
    small!("create service nodeport", [PORTS], service::node_port),
    small!("create serviceaccount", [], access::service_account),
];

/// Runs the verb on files.
fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["edit", "raw", "selector", "save-config"])?;
    let files = !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize");
    match ctl.args.words.first().cloned() {
        None => from_files(ctl),
        Some(_) if files => {
            let words = ctl.args.words.join(" ");
            Err(Failure::usage(&ctl.path, format!("Unexpected args: [{words}]")))
        }
        Some(word) => {
            ctl.err("Error: must specify one of -f and -k\n");
            Err(Failure::usage(&ctl.path, format!("unknown command {word:?}")))
        }
    }
}

/// Runs a small command.
fn small(ctl: &mut Ctl<'_, '_>, make: fn(&mut Ctl<'_, '_>) -> Result<New, Failure>) -> Result<i32, Failure> {
    ctl.refuse(&["save-config"])?;
    let New { kind, body, what } = make(ctl)?;
    let namespace = if kind.namespaced() { ctl.namespace() } else { String::new() };
    send(ctl, kind, &namespace, &body, "created", |error| match &what {
        Some(what) => Failure::plain(format!("failed to create {what}: {error}")),
        None => error.into(),
    })
    .map(|()| 0)
}

fn from_files(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let (documents, mut failures) = manifest::read_to_send(ctl)?;
    if documents.is_empty() && failures.is_empty() {
        return Err(Failure::plain("no objects passed to create"));
    }
    for d in &documents {
        ctl.warn_of(d);
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
        DryRun::Client => {
            let mut body = body.clone();
            if ctl.version() < Version::new(1, 34, 0) {
                with_null_times(&mut body);
            }
            Ok(body)
        }
    })
}

/// Up to 1.33 kubectl printed the time of creation of what was never created.
fn with_null_times(value: &mut Value) {
    let Value::Object(map) = value else { return };
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.entry("creationTimestamp").or_insert(Value::Null);
    }
    for field in ["spec", "template", "jobTemplate"] {
        map.get_mut(field).into_iter().for_each(with_null_times);
    }
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

/// `--overrides`: changes a new object as its text says.
///
/// # Errors
/// The text is none, or is meant in a way that is not modelled.
pub(crate) fn override_with(body: &mut Value, text: &str, how: Option<&str>) -> Result<(), Failure> {
    let patch = sim_core::kube::objects::manifest::value(text)
        .filter(Value::is_object)
        .ok_or_else(|| Failure::plain("Invalid JSON Patch"))?;
    match how.unwrap_or("merge") {
        "merge" => sim_core::kube::store::json_merge(body, &patch),
        "strategic" | "json" => {
            return Err(Failure::not_modelled(format!("--override-type={}", how.unwrap_or(""))));
        }
        other => return Err(Failure::plain(format!("invalid override type: {other}"))),
    }
    Ok(())
}

/// The metadata of a new object: a namespace stands in it only if one was asked for, and the request's path has it otherwise.
pub(crate) fn metadata(ctl: &Ctl<'_, '_>, name: &str) -> Value {
    match ctl.args.text("namespace") {
        Some(namespace) => json!({"name": name, "namespace": namespace}),
        None => json!({"name": name}),
    }
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
