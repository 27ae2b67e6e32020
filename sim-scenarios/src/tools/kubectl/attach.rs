//! `kubectl attach`: the terminal of what a container runs. Of a server that is what it writes from now on.

use serde_json::Value;
use sim_core::kube::store::ApiError;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::exec;
use super::failure::Failure;
use super::logs;
use super::run::attach as running;
use super::value::{is_true, list, name, namespace, text};

pub(crate) static FLAGS: &[Flag] = &[
    short("container", 'c', F::Text),
    flag("pod-running-timeout", F::Duration),
    flag("detach-keys", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// No such pod or container, or nothing that can be talked to.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["detach-keys"])?;
    let words = ctl.args.words.clone();
    let target = match words.as_slice() {
        [] => return Err(Failure::usage(&ctl.path, "at least 1 argument is required for attach")),
        [target] => target,
        [kind, own] => &format!("{kind}/{own}"),
        _ => {
            let message =
                format!("expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {}", words.len());
            return Err(Failure::usage(&ctl.path, message));
        }
    };
    let pod = exec::pod(ctl.store(), target, &ctl.namespace())?;
    let phase = text(&pod, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        return Err(Failure::plain(format!(
            "cannot attach a container in a completed pod; current phase is {phase}"
        )));
    }
    let container = exec::container(ctl, &pod)?;
    let spec = list(&pod, "/spec/containers").iter().find(|c| text(c, "/name") == container);
    let spec = spec.cloned().unwrap_or(Value::Null);
    let (stdin, tty) = (ctl.args.bool("stdin", false), ctl.args.bool("tty", false));
    if tty && !is_true(&spec, "/tty") {
        let own = name(&pod);
        ctl.err(format!("error: Unable to use a TTY - container {container} did not allocate one"));
        ctl.cx.remark(format!("the pod {own} has no terminal: give its container tty: true"));
    }
    if !ctl.args.bool("quiet", false) && stdin {
        running::say_recorded(ctl);
        ctl.err("If you don't see a command prompt, try pressing enter.");
    }
    let place = exec::place(&pod, &container);
    if stdin && tty && is_true(&spec, "/stdin") {
        let shell = running::default_command(ctl, &place)?;
        let kind = ctl.cx.shell_named(&place, &shell);
        let kind = kind.ok_or_else(|| Failure::not_modelled(format!("attaching to {shell}")))?;
        ctl.cx.session.open_shell(place, kind, ctl.cx.args, None);
        return Ok(0);
    }
    if ctl.cx.cluster.machine(&place).is_none() {
        let own = name(&pod);
        let why = format!("container {container} not found in pod {own}_{}", namespace(&pod));
        return Err(ApiError::internal(format!("error executing command in container: {why}")).into());
    }
    logs::from_now(ctl, &pod, &container)
}
