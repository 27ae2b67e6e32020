//! `kubectl run -i`: the command runs in front of the person, and with `--rm` the pod goes when it ends.

use std::time::Duration;

use serde_json::Value;
use sim_core::cluster::{Base, Place};
use sim_core::kube::objects::Kind;
use sim_core::kube::store::DeleteOptions;
use sim_core::kube::version::Version;

use super::super::commands;
use super::super::ctl::Ctl;
use super::super::delete;
use super::super::exec;
use super::super::failure::Failure;
use super::super::value::{list, text};
use crate::tools::Cx;

/// kubectl's own warning before it attaches.
const RECORDED: &str = "All commands and output from this session will be recorded in container logs, including credentials and sensitive \
                        information passed through the command prompt.";
const NO_PROMPT: &str = "If you don't see a command prompt, try pressing enter.";

/// Attaches to the pod that was just created.
///
/// # Errors
/// It does not start, or its image has no such program.
pub(super) fn run(ctl: &mut Ctl<'_, '_>, name: &str, words: &[String]) -> Result<i32, Failure> {
    let namespace = ctl.namespace();
    let timeout = ctl.args.duration("pod-running-timeout").unwrap_or(Duration::from_secs(60));
    let started = ctl.wait(timeout, |cluster| {
        let pod = cluster.store.find(Kind::Pod, &namespace, name).map(|p| p.to_value());
        pod.is_some_and(|p| has_started(&p))
    });
    if !started {
        remove(ctl, name);
        return Err(Failure::plain("timed out waiting for the condition"));
    }
    let place = Place::pod(&namespace, name);
    let command = if words.is_empty() { vec![default_command(ctl, &place)?] } else { words.to_vec() };
    if !ctl.args.bool("quiet", false) {
        say_recorded(ctl);
        ctl.err(NO_PROMPT);
    }
    let tty = ctl.args.bool("tty", false);
    let alone = command.len() == 1 && tty && ctl.cx.stdin.is_empty();
    match ctl.cx.shell_named(&place, &command[0]).filter(|_| alone) {
        Some(kind) => {
            ctl.cx.session.open_shell(place, kind, ctl.cx.args, Some(leave));
            Ok(0)
        }
        None => {
            let input = ctl.cx.stdin;
            match ctl.cx.with_tty(tty, |cx| cx.exec(&place, &command, input)) {
                Ok(status) => Ok(end(ctl, name, status)),
                Err(missing) => {
                    remove(ctl, name);
                    Err(exec::no_program("", &missing.program, ctl.now().0))
                }
            }
        }
    }
}

/// Whether all containers of a pod have come to run, or to their end.
pub(crate) fn has_started(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Running" | "Succeeded" | "Failed")
        && list(pod, "/status/containerStatuses")
            .iter()
            .all(|s| s.pointer("/state/waiting").is_none_or(Value::is_null))
}

/// Since 1.34 kubectl says who hears what is typed.
pub(crate) fn say_recorded(ctl: &mut Ctl<'_, '_>) {
    if ctl.version() >= Version::new(1, 34, 0) {
        ctl.err(RECORDED);
    }
}

/// What the image starts: a shell, in the images that have nothing else to do.
///
/// # Errors
/// The image starts something to which nobody can talk.
pub(crate) fn default_command(ctl: &Ctl<'_, '_>, place: &Place) -> Result<String, Failure> {
    let base = ctl.cx.cluster.machine(place).map(|m| m.tools.base);
    match base {
        Some(Base::Busybox | Base::Alpine) => Ok("sh".to_owned()),
        _ => Err(Failure::not_modelled("attaching to a server; give a command behind --, which")),
    }
}

/// The shell that the pod ran was left.
fn leave(cx: &mut Cx<'_>, status: i32) -> i32 {
    let Some(mut ctl) = commands::again(cx) else { return status };
    let Some(name) = ctl.args.words.first().cloned() else { return status };
    end(&mut ctl, &name, status)
}

/// The command has ended: what kubectl says, and its exit status.
fn end(ctl: &mut Ctl<'_, '_>, name: &str, status: i32) -> i32 {
    let forever = ctl.args.text("restart").unwrap_or("Always") == "Always";
    if forever && ctl.args.bool("tty", false) && !ctl.args.bool("quiet", false) {
        ctl.line(format!("Session ended, resume using 'kubectl attach {name} -c {name} -i -t' command when the pod is running"));
    }
    if ctl.args.bool("rm", false) {
        remove(ctl, name);
    } else {
        ctl.cx.remark(format!("the pod {name} stays as it was when its attached command ended"));
    }
    if forever || status == 0 {
        return 0;
    }
    let namespace = ctl.namespace();
    ctl.err(format!("pod {namespace}/{name} terminated (Error)"));
    status
}

/// `--rm`.
fn remove(ctl: &mut Ctl<'_, '_>, name: &str) {
    if !ctl.args.bool("rm", false) {
        return;
    }
    let namespace = ctl.namespace();
    let (store, now) = ctl.store_mut();
    // Its only process has ended, so there is nothing to wait for. It may be gone already, deleted by the person inside.
    let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    if store.delete(Kind::Pod, &namespace, name, at_once, now).is_ok() {
        let from = delete::from_namespace(ctl.version(), Kind::Pod, &namespace);
        ctl.line(format!("pod {name:?} deleted{from}"));
    }
}
