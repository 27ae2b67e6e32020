//! `kubectl delete`.

use std::time::Duration;

use sim_core::kube::objects::Kind;
use sim_core::kube::store::{DeleteOptions, Deleted, Propagation};
use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;
use super::manifest;
use super::resource::Resource;
use super::target::{Scope, Wanted};
use super::value;

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("selector", 'l', F::Text),
    short("output", 'o', F::Text),
    short("all-namespaces", 'A', F::Bool),
    short("interactive", 'i', F::Bool),
    flag("field-selector", F::Text),
    flag("all", F::Bool),
    flag("force", F::Bool),
    flag("grace-period", F::Int),
    flag("now", F::Bool),
    flag("wait", F::Bool),
    flag("timeout", F::Duration),
    flag("ignore-not-found", F::Bool),
    flag("cascade", F::Optional("background")),
    flag("dry-run", F::Optional("unchanged")),
    flag("raw", F::Text),
];

/// How long `--wait` waits when no `--timeout` is given: a week, which nothing here outlives.
pub(crate) const WAIT: Duration = Duration::from_secs(7 * 86_400);

const IMMEDIATE: &str = "Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource \
                         may continue to run on the cluster indefinitely.";

/// An object that is to go.
struct Victim {
    kind: Kind,
    namespace: String,
    name: String,
    /// The file that names it.
    source: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end; objects before and after the one that fails are deleted.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["raw", "interactive"])?;
    let grace = grace(ctl)?;
    let propagation = propagation(ctl)?;
    let dry_run = ctl.dry_run()?;
    let (victims, mut failures) = victims(ctl)?;
    let selects =
        ctl.args.bool("all", false) || ctl.args.given("selector") || ctl.args.given("field-selector");
    let ignore = ctl.args.bool("ignore-not-found", selects);
    if victims.is_empty() && failures.is_empty() {
        ctl.line("No resources found");
        return Ok(0);
    }
    let mut gone = Vec::new();
    for victim in victims {
        match one(ctl, &victim, grace, propagation, dry_run) {
            Ok(None) => {}
            Ok(Some(uid)) => gone.push((victim, uid)),
            Err(failure) => failures.push(failure),
        }
    }
    if ignore {
        failures.retain(|f| !f.is_not_found());
    }
    if ctl.args.bool("wait", true) && dry_run == DryRun::None {
        wait(ctl, &gone)?;
    }
    Failure::from_many(failures).map(|()| 0)
}

fn grace(ctl: &mut Ctl<'_, '_>) -> Result<Option<i64>, Failure> {
    let force = ctl.args.bool("force", false);
    let mut grace = ctl.args.int("grace-period").filter(|n| *n >= 0);
    if ctl.args.bool("now", false) {
        if grace.is_some() {
            return Err(Failure::plain("--now and --grace-period cannot be specified together"));
        }
        grace = Some(1);
    }
    if grace == Some(0) && !force {
        grace = Some(1);
    }
    if force && grace.is_none() {
        grace = Some(0);
    }
    if ctl.args.bool("all", false) && ctl.args.given("selector") {
        return Err(Failure::plain("cannot set --all and --selector at the same time"));
    }
    match (force, grace) {
        (true, Some(0)) => ctl.warn(IMMEDIATE),
        (true, _) => {
            return Err(Failure::plain(
                "--force and --grace-period greater than 0 cannot be specified together",
            ));
        }
        (false, _) => {}
    }
    if let Some(other) = ctl.args.text("output").filter(|o| !matches!(*o, "" | "name")) {
        return Err(Failure::plain(format!("unexpected -o output mode: {other}. We only support '-o name'")));
    }
    Ok(grace)
}

/// `--cascade`.
fn propagation(ctl: &mut Ctl<'_, '_>) -> Result<Propagation, Failure> {
    match ctl.args.text("cascade").unwrap_or("background") {
        "background" => Ok(Propagation::Background),
        "foreground" => Ok(Propagation::Foreground),
        "orphan" => Ok(Propagation::Orphan),
        word @ ("true" | "false") => {
            let (new, what) = match word {
                "true" => (Propagation::Background, "background"),
                _ => (Propagation::Orphan, "orphan"),
            };
            let stamp = super::clock::klog(ctl.now());
            ctl.err(format!(
                "W{stamp}       1 helpers.go:755] --cascade={word} is deprecated (boolean value) and can be replaced with --cascade={what}."
            ));
            Ok(new)
        }
        other => Err(Failure::plain(format!(
            "invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
        ))),
    }
}

fn victims(ctl: &mut Ctl<'_, '_>) -> Result<(Vec<Victim>, Vec<Failure>), Failure> {
    if !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize") {
        if !ctl.args.words.is_empty() {
            return Err(Failure::plain(
                "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well",
            ));
        }
        let (documents, failures) = manifest::read(ctl)?;
        let victim = |d: manifest::Document| Victim {
            kind: d.kind,
            name: d.name().to_owned(),
            namespace: d.namespace.clone(),
            source: Some(d.source),
        };
        return Ok((documents.into_iter().map(victim).collect(), failures));
    }
    if ctl.args.words.is_empty() {
        return Err(Failure::plain(
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   \
             '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
        ));
    }
    let wanted = Wanted::parse(&ctl.args.words)?;
    for resource in wanted.resources() {
        ctl.warn_deprecated(resource);
        if let Resource::Event = resource {
            return Err(Failure::not_modelled("deleting events"));
        }
    }
    match &wanted {
        Wanted::Named(names) if !ctl.args.given("selector") && !ctl.args.bool("all", false) => {
            // kubectl does not look first: it deletes, and hears that there is nothing.
            let namespace = ctl.namespace();
            let victim = |(resource, name): &(Resource, String)| match resource {
                Resource::Kind(kind) => Some(Victim {
                    kind: *kind,
                    namespace: namespace.clone(),
                    name: name.clone(),
                    source: None,
                }),
                Resource::Event => None,
            };
            Ok((names.iter().filter_map(victim).collect(), Vec::new()))
        }
        Wanted::Named(_) if ctl.args.bool("all", false) => {
            Err(Failure::plain("setting 'all' parameter but found a non empty selector. "))
        }
        Wanted::Named(_) => Err(Failure::plain("name cannot be provided when a selector is specified")),
        Wanted::All(_) => selected(ctl, &wanted),
    }
}

fn selected(ctl: &Ctl<'_, '_>, wanted: &Wanted) -> Result<(Vec<Victim>, Vec<Failure>), Failure> {
    if !ctl.args.bool("all", false) && !ctl.args.given("selector") && !ctl.args.given("field-selector") {
        return Err(Failure::plain("resource(s) were provided, but no name was specified"));
    }
    let namespace = ctl.namespace();
    let scope = Scope {
        namespace: (!ctl.args.bool("all-namespaces", false)).then_some(namespace.as_str()),
        labels: ctl.args.text("selector"),
        fields: ctl.args.text("field-selector"),
    };
    let (found, failures) = wanted.find(ctl.store(), &scope);
    let victim = |f: &super::target::Found| match f.resource {
        Resource::Kind(kind) => Some(Victim {
            kind,
            namespace: value::namespace(&f.value).to_owned(),
            name: value::name(&f.value).to_owned(),
            source: None,
        }),
        Resource::Event => None,
    };
    Ok((found.iter().filter_map(victim).collect(), failures))
}

/// Deletes one object; its uid, if there is something to wait for.
fn one(
    ctl: &mut Ctl<'_, '_>,
    victim: &Victim,
    grace: Option<i64>,
    propagation: Propagation,
    dry_run: DryRun,
) -> Result<Option<String>, Failure> {
    let failed = |e: sim_core::kube::store::ApiError| match &victim.source {
        Some(source) => Failure::from(e).when("deleting", source),
        None => Failure::from(e),
    };
    if !victim.kind.namespaced() && ctl.args.given("namespace") && !ctl.args.bool("all-namespaces", false) {
        ctl.warn("deleting cluster-scoped resources, not scoped to the provided namespace");
    }
    let mut uid = None;
    if dry_run == DryRun::None {
        let options = DeleteOptions { grace_seconds: grace, propagation };
        let (store, now) = ctl.store_mut();
        let deleted =
            store.delete(victim.kind, &victim.namespace, &victim.name, options, now).map_err(failed)?;
        if let Deleted::Terminating(object) = deleted {
            uid = Some(object.meta().uid.clone());
        }
    } else {
        ctl.store().get(victim.kind, &victim.namespace, &victim.name).map_err(failed)?;
    }
    let kind = victim.kind.qualified_singular();
    if ctl.args.text("output") == Some("name") {
        ctl.line(format!("{kind}/{}", victim.name));
        return Ok(uid);
    }
    let forced = if grace == Some(0) { "force deleted" } else { "deleted" };
    let from = from_namespace(ctl.version(), victim.kind, &victim.namespace);
    ctl.line(format!("{kind} {:?} {forced}{from}{}", victim.name, dry_run.suffix()));
    Ok(uid)
}

/// Since 1.34 kubectl says where it deleted something.
pub(crate) fn from_namespace(version: Version, kind: Kind, namespace: &str) -> String {
    if kind.namespaced() && version >= Version::new(1, 34, 0) {
        format!(" from {namespace} namespace")
    } else {
        String::new()
    }
}

fn wait(ctl: &mut Ctl<'_, '_>, gone: &[(Victim, String)]) -> Result<(), Failure> {
    if gone.is_empty() {
        return Ok(());
    }
    let limit = ctl.args.duration("timeout").filter(|d| !d.is_zero()).unwrap_or(WAIT);
    let mut left = None;
    let all_gone = ctl.wait(limit, |cluster| {
        left = gone.iter().position(|(victim, uid)| {
            let found = cluster.store.find(victim.kind, &victim.namespace, &victim.name);
            found.is_some_and(|o| o.meta().uid == *uid)
        });
        left.is_none()
    });
    match left.and_then(|i| gone.get(i)) {
        Some((victim, _)) if !all_gone => Err(Failure::plain(format!(
            "timed out waiting for the condition on {}/{}",
            victim.kind.plural(),
            victim.name
        ))),
        _ => Ok(()),
    }
}
