//! The end of `kubectl drain`: every pod is asked to leave, again and again while its disruption budget says no, and is waited for.

use std::time::Duration;

use serde_json::Value;
use sim_core::kube::objects::Kind;
use sim_core::kube::store::{DeleteOptions, Reason, Store};
use sim_core::time::SimTime;

use super::super::clock::go_duration;
use super::super::ctl::{Ctl, DryRun};
use super::super::value::{name, namespace, text};
use super::drain::Stop;
use crate::tools::PATIENCE;

/// How long after a refusal by a budget kubectl asks again.
const RETRY: Duration = Duration::from_secs(5);

/// What came of asking a pod to leave.
enum Answer {
    /// It leaves.
    Leaves,
    /// It is not there any more, or nothing was to be done.
    Done,
    /// Its budget does not allow it now.
    Refused,
    Fault(String),
}

/// What the flags say.
struct Plan {
    /// `--disable-eviction`: budgets are not asked.
    deletes: bool,
    options: DeleteOptions,
    dry_run: DryRun,
    /// `--timeout`, if there is one.
    limit: Option<Duration>,
    /// When that is over. Without it the model gives up some time, and says so.
    until: SimTime,
}

/// Sends pods away and waits until they are gone.
///
/// # Errors
/// What kubectl has to say of each that is still there.
pub(super) fn all(ctl: &mut Ctl<'_, '_>, pods: &[&Value], dry_run: DryRun) -> Result<(), Stop> {
    let limit = ctl.args.duration("timeout").filter(|d| !d.is_zero());
    let plan = Plan {
        deletes: ctl.args.bool("disable-eviction", false),
        options: DeleteOptions {
            grace_seconds: ctl.args.int("grace-period").filter(|g| *g >= 0),
            ..DeleteOptions::default()
        },
        dry_run,
        limit,
        until: ctl.now() + limit.unwrap_or(PATIENCE),
    };
    let mut faults = Vec::new();
    let mut asking: Vec<(SimTime, &Value)> = pods.iter().map(|pod| (ctl.now(), *pod)).collect();
    let mut leaving: Vec<&Value> = Vec::new();
    loop {
        let now = ctl.now();
        let (due, later): (Vec<_>, Vec<_>) = asking.into_iter().partition(|(at, _)| *at <= now);
        asking = later;
        for (_, pod) in due {
            match ask(ctl, pod, &plan) {
                Answer::Leaves => leaving.push(pod),
                Answer::Done => {}
                Answer::Refused => asking.push((now + RETRY, pod)),
                Answer::Fault(words) => faults.push(words),
            }
        }
        let (done, rest): (Vec<&Value>, Vec<&Value>) =
            leaving.into_iter().partition(|pod| is_gone(ctl.store(), pod));
        let word = if plan.deletes { "deleted" } else { "evicted" };
        done.iter().for_each(|pod| ctl.line(format!("pod/{} {word}", name(pod))));
        leaving = rest;
        if now >= plan.until && plan.limit.is_some() {
            faults.extend(leaving.drain(..).map(|pod| plan.too_long(pod)));
        }
        if asking.is_empty() && leaving.is_empty() {
            break;
        }
        if has_ended(ctl, &plan) {
            return Err(Stop::Interrupted);
        }
        let next = asking.iter().map(|(at, _)| *at).chain((!leaving.is_empty()).then_some(plan.until)).min();
        ctl.cx.wait(next.unwrap_or(plan.until), |cluster| {
            leaving.iter().any(|pod| is_gone(&cluster.store, pod))
        });
    }
    faults.dedup();
    if faults.is_empty() { Ok(()) } else { Err(Stop::Faults(faults)) }
}

/// Whether the command is stopped from outside; one that waits for a budget without a time limit does not end by itself.
fn has_ended(ctl: &mut Ctl<'_, '_>, plan: &Plan) -> bool {
    if ctl.cx.out.interrupted() {
        return true;
    }
    let endless = plan.limit.is_none() && ctl.now() >= plan.until;
    if endless {
        let command = ctl.cx.args.join(" ");
        ctl.cx.session.note_endless(&command);
    }
    endless
}

fn ask(ctl: &mut Ctl<'_, '_>, pod: &Value, plan: &Plan) -> Answer {
    let (space, own) = (namespace(pod), name(pod));
    if !plan.deletes {
        ctl.line(format!("evicting pod {space}/{own}{}", plan.dry_run.suffix()));
    }
    if plan.dry_run != DryRun::None {
        return Answer::Done;
    }
    let about = format!("error when evicting pods/{own:?} -n {space:?}");
    if let Some(limit) = plan.limit.filter(|_| ctl.now() >= plan.until) {
        return Answer::Fault(format!("{about}: global timeout reached: {}", go_duration(limit)));
    }
    let (store, now) = ctl.store_mut();
    let asked = match plan.deletes {
        true => store.delete(Kind::Pod, space, own, plan.options, now),
        false => store.evict(space, own, plan.options, now),
    };
    match asked {
        Ok(_) => Answer::Leaves,
        Err(e) if e.reason == Reason::NotFound => Answer::Done,
        Err(e) if plan.deletes => Answer::Fault(e.to_string()),
        Err(e) if e.reason == Reason::TooManyRequests => {
            ctl.err(format!("{about} (will retry after 5s): {e}"));
            Answer::Refused
        }
        Err(e) => Answer::Fault(format!("{about}: {e}")),
    }
}

/// Whether a pod is there no more, or another one has its name.
fn is_gone(store: &Store, pod: &Value) -> bool {
    let now = store.find(Kind::Pod, namespace(pod), name(pod));
    now.is_none_or(|o| o.meta().uid != text(pod, "/metadata/uid"))
}

impl Plan {
    fn too_long(&self, pod: &Value) -> String {
        if self.deletes {
            return "context deadline exceeded".to_owned();
        }
        format!(
            "error when waiting for pod {:?} in namespace {:?} to terminate: global timeout reached: {}",
            name(pod),
            namespace(pod),
            go_duration(self.limit.unwrap_or_default())
        )
    }
}
