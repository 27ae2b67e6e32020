//! `kubectl rollout`: the changes of a workload's pod template, one after the other.

use serde_json::{Value, json};
use sim_core::kube::store::PatchType;

use super::args::{Flag, Kind as F, flag, short};
use super::changes;
use super::clock;
use super::commands::Verb;
use super::ctl::Ctl;
use super::failure::Failure;
use super::flags::{CHANGE, FILES, PRINT, SELECT};
use super::target::Found;
use super::value::{is_true, name};

mod history;
mod revisions;
mod status;
mod undo;

static REVISION: &[Flag] = &[flag("revision", F::Int)];
static TO_REVISION: &[Flag] = &[flag("to-revision", F::Int)];
static WATCH: &[Flag] =
    &[short("watch", 'w', F::Bool), flag("revision", F::Int), flag("timeout", F::Duration)];

pub(crate) static VERBS: &[Verb] = &[
    Verb { name: "rollout history", flags: &[REVISION, PRINT, FILES, SELECT], run: history::run },
    Verb { name: "rollout pause", flags: &[PRINT, FILES, SELECT, CHANGE], run: |ctl| pause(ctl, true) },
    Verb { name: "rollout restart", flags: &[PRINT, FILES, SELECT, CHANGE], run: restart },
    Verb { name: "rollout resume", flags: &[PRINT, FILES, SELECT, CHANGE], run: |ctl| pause(ctl, false) },
    Verb { name: "rollout status", flags: &[WATCH, FILES, SELECT], run: status::run },
    Verb { name: "rollout undo", flags: &[TO_REVISION, PRINT, FILES, SELECT, CHANGE], run: undo::run },
];

/// The objects of a subcommand.
fn objects(ctl: &Ctl<'_, '_>) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    if ctl.args.words.is_empty() && ctl.args.texts("filename").is_empty() {
        return Err(Failure::plain("required resource not specified"));
    }
    // A type alone means all of its objects.
    match ctl.args.words.as_slice() {
        [one] if !one.contains('/') => {
            Ok(changes::find(ctl, &super::target::Wanted::parse(std::slice::from_ref(one))?))
        }
        words => changes::objects(ctl, words),
    }
}

/// `deployments.apps "web"`.
fn qualified(found: &Found) -> String {
    format!("{} {:?}", found.resource.qualified_plural(), name(&found.value))
}

fn pause(ctl: &mut Ctl<'_, '_>, paused: bool) -> Result<i32, Failure> {
    let (found, failures) = objects(ctl)?;
    changes::each(ctl, &found, failures, |ctl, found| {
        let what = qualified(found);
        if found.resource.kind_name() != "Deployment" {
            let verb = if paused { "pausing" } else { "resuming" };
            return Err(Failure::plain(format!("{what} {verb} is not supported")));
        }
        if is_true(&found.value, "/spec/paused") == paused {
            let state = if paused { "already" } else { "not" };
            return Err(Failure::plain(format!("{what} is {state} paused")));
        }
        let change = if paused { json!(true) } else { Value::Null };
        let after = changes::patch(ctl, found, PatchType::Merge, &json!({"spec": {"paused": change}}))?;
        changes::tell(ctl, found.resource, &after, if paused { "paused" } else { "resumed" })
    })
}

fn restart(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let (found, failures) = objects(ctl)?;
    changes::each(ctl, &found, failures, |ctl, found| {
        let what = qualified(found);
        match found.resource.kind_name() {
            "Deployment" if is_true(&found.value, "/spec/paused") => {
                return Err(Failure::plain(format!(
                    "{what} can't restart paused deployment (run rollout resume first)"
                )));
            }
            "Deployment" | "DaemonSet" | "StatefulSet" => {}
            _ => return Err(Failure::plain(format!("{what} restarting is not supported"))),
        }
        let at = clock::rfc3339(ctl.now());
        let annotations = json!({"kubectl.kubernetes.io/restartedAt": at});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        let after = changes::patch(ctl, found, PatchType::Merge, &patch)?;
        if after == found.value {
            let own = name(&found.value);
            return Err(Failure::plain(format!(
                "failed to create patch for {own}: if restart has already been triggered within the past second, please wait before \
                 attempting to trigger another"
            )));
        }
        changes::tell(ctl, found.resource, &after, "restarted")
    })
}
