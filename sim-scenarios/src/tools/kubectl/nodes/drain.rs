//! `kubectl drain`: closes a node and evicts what runs on it.

use std::time::Duration;

use serde_json::Value;
use sim_core::kube::objects::Kind;
use sim_core::kube::store::DeleteOptions;

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::{Ctl, DryRun};
use super::super::edit;
use super::super::failure::Failure;
use super::super::selector::Labels;
use super::super::target::Found;
use super::super::value::{is_true, list, map, name, namespace, text};
use super::cordon;

pub(super) static FLAGS: &[Flag] = &[
    flag("force", F::Bool),
    flag("ignore-daemonsets", F::Bool),
    flag("delete-emptydir-data", F::Bool),
    flag("delete-local-data", F::Bool),
    flag("grace-period", F::Int),
    flag("timeout", F::Duration),
    flag("pod-selector", F::Text),
    flag("disable-eviction", F::Bool),
    flag("skip-wait-for-delete-timeout", F::Int),
    flag("chunk-size", F::Int),
];

/// How long it waits without `--timeout`.
const FOR_EVER: Duration = Duration::from_secs(7 * 86_400);

const DAEMON_SET: (&str, &str) =
    ("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", "ignoring DaemonSet-managed Pods");
const LOCAL: (&str, &str) =
    ("Pods with local storage (use --delete-emptydir-data to override)", "deleting Pods with local storage");
const BARE: (&str, &str) = (
    "cannot delete Pods that declare no controller (use --force to override)",
    "deleting Pods that declare no controller",
);

/// What is to become of a pod, and what is said about it.
enum Fate {
    Goes(Option<&'static str>),
    Stays(Option<&'static str>),
    Blocks(&'static str),
}

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["skip-wait-for-delete-timeout"])?;
    let nodes = super::named(ctl, "drain NODE")?;
    if ctl.args.given("delete-local-data") {
        ctl.err(
            "Flag --delete-local-data has been deprecated, This option is deprecated and will be deleted. Use --delete-emptydir-data.",
        );
    }
    cordon::cordon(ctl, &nodes, true)?;
    let mut fatal = Vec::new();
    let mut pending = Vec::new();
    for node in &nodes {
        match one(ctl, name(&node.value)) {
            Ok(()) => edit::tell(ctl, node.resource, &node.value, "drained")?,
            Err(faults) => {
                let own = name(&node.value);
                let all =
                    if faults.len() == 1 { faults.concat() } else { format!("[{}]", faults.join(", ")) };
                ctl.err(format!(
                    "error: unable to drain node {own:?} due to error: {all}, continuing command..."
                ));
                pending.push(own.to_owned());
                fatal.extend(faults);
            }
        }
    }
    if fatal.is_empty() {
        return Ok(0);
    }
    ctl.err("There are pending nodes to be drained:");
    pending.iter().for_each(|own| ctl.err(format!(" {own}")));
    Err(Failure::Many(fatal.into_iter().map(Failure::Bare).collect()))
}

fn one(ctl: &mut Ctl<'_, '_>, node: &str) -> Result<(), Vec<String>> {
    let plain = |f: Failure| vec![f.message()];
    let only = Labels::parse(ctl.args.text("pod-selector").unwrap_or(""))
        .map_err(|_| vec!["--pod-selector=<pod_selector> must be a valid label selector".to_owned()])?;
    let pods = ctl.store().iter(Kind::Pod, None).map(|p| p.to_value());
    let pods: Vec<Value> = pods.filter(|p| text(p, "/spec/nodeName") == node && only.matches(p)).collect();
    let (mut going, mut said, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for pod in &pods {
        match fate(ctl, pod) {
            Fate::Blocks(why) => note(&mut faults, why, pod),
            Fate::Stays(why) => why.into_iter().for_each(|why| note(&mut said, why, pod)),
            Fate::Goes(why) => {
                why.into_iter().for_each(|why| note(&mut said, why, pod));
                going.push(pod);
            }
        }
    }
    if !faults.is_empty() {
        let fault = |(why, pods): (&str, Vec<String>)| match why.starts_with("cannot delete") {
            true => format!("{why}: {}", pods.join(", ")),
            false => format!("cannot delete {why}: {}", pods.join(", ")),
        };
        return Err(faults.into_iter().map(fault).collect());
    }
    if !said.is_empty() {
        let said: Vec<String> = said.into_iter().map(|(why, p)| format!("{why}: {}", p.join(", "))).collect();
        ctl.err(format!("Warning: {}", said.join("; ")));
    }
    let dry_run = ctl.dry_run().map_err(plain)?;
    if dry_run == DryRun::Client {
        for pod in &going {
            ctl.line(format!("evicting pod {}/{} (dry run)", namespace(pod), name(pod)));
        }
        return Ok(());
    }
    evict(ctl, &going, dry_run)
}

/// Adds a pod to those of which the same is said.
fn note(all: &mut Vec<(&'static str, Vec<String>)>, why: &'static str, pod: &Value) {
    let pod = format!("{}/{}", namespace(pod), name(pod));
    match all.iter_mut().find(|(known, _)| *known == why) {
        Some((_, pods)) => pods.push(pod),
        None => all.push((why, vec![pod])),
    }
}

/// kubectl's filters, in their order; of several remarks the last one holds.
fn fate(ctl: &Ctl<'_, '_>, pod: &Value) -> Fate {
    let finished = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    let owner = list(pod, "/metadata/ownerReferences").iter().find(|o| is_true(o, "/controller"));
    if owner.is_some_and(|o| text(o, "/kind") == "DaemonSet") && !finished {
        return match ctl.args.bool("ignore-daemonsets", false) {
            true => Fate::Stays(Some(DAEMON_SET.1)),
            false => Fate::Blocks(DAEMON_SET.0),
        };
    }
    if map(pod, "/metadata/annotations").is_some_and(|a| a.contains_key("kubernetes.io/config.mirror")) {
        return Fate::Stays(None);
    }
    let local = list(pod, "/spec/volumes").iter().any(|v| v.get("emptyDir").is_some());
    let may_lose = ctl.args.bool("delete-emptydir-data", ctl.args.bool("delete-local-data", false));
    if local && !finished && !may_lose {
        return Fate::Blocks(LOCAL.0);
    }
    match (finished || owner.is_some(), ctl.args.bool("force", false)) {
        // kubectl forgets what it had to say about local storage here.
        (true, _) => Fate::Goes(None),
        (false, true) => Fate::Goes(Some(BARE.1)),
        (false, false) => Fate::Blocks(BARE.0),
    }
}

fn evict(ctl: &mut Ctl<'_, '_>, pods: &[&Value], dry_run: DryRun) -> Result<(), Vec<String>> {
    let deletes = ctl.args.bool("disable-eviction", false);
    let options = DeleteOptions {
        grace_seconds: ctl.args.int("grace-period").filter(|g| *g >= 0),
        ..DeleteOptions::default()
    };
    let suffix = dry_run.suffix();
    let mut left: Vec<Found> = Vec::new();
    for pod in pods {
        if !deletes {
            ctl.line(format!("evicting pod {}/{}{suffix}", namespace(pod), name(pod)));
        }
        if dry_run == DryRun::None {
            let (store, now) = ctl.store_mut();
            // What is gone already is as good.
            let _ = store.delete(Kind::Pod, namespace(pod), name(pod), options, now);
            left.push(Found {
                resource: super::super::resource::Resource::Kind(Kind::Pod),
                value: (*pod).clone(),
            });
        }
    }
    let limit = ctl.args.duration("timeout").filter(|d| !d.is_zero()).unwrap_or(FOR_EVER);
    let until = ctl.now() + limit;
    let word = if deletes { "deleted" } else { "evicted" };
    while !left.is_empty() {
        let gone = |store: &sim_core::kube::store::Store, f: &Found| {
            let uid = text(&f.value, "/metadata/uid");
            let now = store.find(Kind::Pod, namespace(&f.value), name(&f.value));
            now.is_none_or(|o| o.meta().uid != uid)
        };
        let rest = until.since(ctl.now());
        if !ctl.wait(rest, |cluster| left.iter().any(|f| gone(&cluster.store, f))) {
            let why = |f: &Found| {
                let own = name(&f.value);
                format!(
                    "error when waiting for pod {own:?} in namespace {:?} to terminate: global timeout reached: {}",
                    namespace(&f.value),
                    super::super::clock::go_duration(limit)
                )
            };
            return Err(left.iter().map(why).collect());
        }
        let (done, rest): (Vec<Found>, Vec<Found>) = left.into_iter().partition(|f| gone(ctl.store(), f));
        done.iter().for_each(|f| ctl.line(format!("pod/{} {word}", name(&f.value))));
        left = rest;
    }
    Ok(())
}
