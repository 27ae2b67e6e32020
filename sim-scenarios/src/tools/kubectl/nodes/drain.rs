//! `kubectl drain`: closes a node and evicts what runs on it.

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::args::{Flag, Kind as F, flag};
use super::super::changes;
use super::super::ctl::{Ctl, DryRun};
use super::super::failure::Failure;
use super::super::selector::Labels;
use super::super::value::{is_true, list, map, name, namespace, text};
use super::{cordon, evict};
use crate::tools::SIGINT_STATUS;

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

/// Why a node is not drained.
pub(super) enum Stop {
    /// What is wrong, pod by pod.
    Faults(Vec<String>),
    /// Somebody pressed ^C.
    Interrupted,
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
            Ok(()) => changes::tell(ctl, node.resource, &node.value, "drained")?,
            Err(Stop::Interrupted) => return Ok(SIGINT_STATUS),
            Err(Stop::Faults(faults)) => {
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

fn one(ctl: &mut Ctl<'_, '_>, node: &str) -> Result<(), Stop> {
    let fault = |words: String| Stop::Faults(vec![words]);
    let only = Labels::parse(ctl.args.text("pod-selector").unwrap_or(""))
        .map_err(|_| fault("--pod-selector=<pod_selector> must be a valid label selector".to_owned()))?;
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
        let words = |(why, pods): (&str, Vec<String>)| match why.starts_with("cannot delete") {
            true => format!("{why}: {}", pods.join(", ")),
            false => format!("cannot delete {why}: {}", pods.join(", ")),
        };
        return Err(Stop::Faults(faults.into_iter().map(words).collect()));
    }
    if !said.is_empty() {
        let said: Vec<String> = said.into_iter().map(|(why, p)| format!("{why}: {}", p.join(", "))).collect();
        ctl.err(format!("Warning: {}", said.join("; ")));
    }
    let dry_run = ctl.dry_run().map_err(|f| fault(f.message()))?;
    if dry_run == DryRun::Client {
        for pod in &going {
            ctl.line(format!("evicting pod {}/{} (dry run)", namespace(pod), name(pod)));
        }
        return Ok(());
    }
    evict::all(ctl, &going, dry_run)
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
