//! `kubectl exec`.

use serde_json::Value;
use sim_core::kube::store::{ApiError, Store};

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::pods;
use super::value::{list, map, name, text};
use crate::tools::{Cx, Place};

pub(crate) static FLAGS: &[Flag] = &[
    short("container", 'c', F::Text),
    short("filename", 'f', F::List),
    flag("pod-running-timeout", F::Duration),
];

/// Runs the verb.
///
/// # Errors
/// No such pod, container or program; the program's own status is no error of this kind.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["filename"])?;
    let (target, command) = match ctl.args.dash {
        Some(0) => (None, ctl.args.words.clone()),
        Some(dash) => (ctl.args.words.first().cloned(), ctl.args.words[dash..].to_vec()),
        None if ctl.args.words.len() > 1 => {
            return Err(Failure::usage(
                &ctl.path,
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead",
            ));
        }
        None => (ctl.args.words.first().cloned(), Vec::new()),
    };
    let Some(target) = target else {
        return Err(Failure::plain("pod, type/name or --filename must be specified"));
    };
    let Some(program) = command.first() else {
        return Err(Failure::plain("you must specify at least one command for the container"));
    };
    let pod = pod(ctl.store(), &target, &ctl.namespace())?;
    let container = container(ctl, &pod)?;
    running(&pod, &container)?;
    let place = place(&pod, &container);
    let (stdin, tty) = (ctl.args.bool("stdin", false), tty(ctl));
    let interactive = stdin && tty && command.len() == 1;
    match ctl.cx.shell_named(&place, program) {
        Some(kind) if interactive => {
            ctl.cx.session.open_shell(place, kind, ctl.cx.args, Some(leave));
            Ok(0)
        }
        _ => {
            let input = if stdin { ctl.cx.stdin } else { &[] };
            let status = ctl.cx.with_tty(tty, |cx| cx.exec(&place, &command, input));
            let status = status
                .map_err(|missing| no_program(text(&pod, "/metadata/uid"), &missing.program, ctl.now().0))?;
            Ok(leave(ctl.cx, status))
        }
    }
}

/// What kubectl says when the program in the container has ended.
fn leave(cx: &mut Cx<'_>, status: i32) -> i32 {
    if status != 0 {
        cx.out.err(format!("command terminated with exit code {status}"));
    }
    status
}

/// `-t` needs a terminal on both ends.
fn tty(ctl: &mut Ctl<'_, '_>) -> bool {
    let wanted = ctl.args.bool("tty", false);
    let terminal = ctl.cx.stdin.is_empty();
    if wanted && ctl.args.bool("stdin", false) && !terminal {
        ctl.err("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    wanted && terminal
}

/// The pod that a target names: a pod, or the most active one behind a workload or Service.
///
/// # Errors
/// There is none.
pub(crate) fn pod(store: &Store, target: &str, namespace: &str) -> Result<Value, Failure> {
    let (resource, object) = pods::named(store, target, namespace)?;
    pods::most_active(pods::of(store, resource, &object)?)
        .ok_or_else(|| Failure::plain("timed out waiting for the condition"))
}

/// The container that is meant: `-c`, the annotated default, or the first, which is then told.
///
/// # Errors
/// The pod has no such container.
pub(crate) fn container(ctl: &mut Ctl<'_, '_>, pod: &Value) -> Result<String, Failure> {
    let names: Vec<&str> = list(pod, "/spec/containers").iter().map(|c| text(c, "/name")).collect();
    let others = list(pod, "/spec/initContainers").iter().map(|c| text(c, "/name"));
    if let Some(given) = ctl.args.text("container").filter(|c| !c.is_empty()) {
        let added = list(pod, "/spec/ephemeralContainers").iter().map(|c| text(c, "/name"));
        if names.contains(&given) || others.clone().chain(added).any(|n| n == given) {
            return Ok(given.to_owned());
        }
        let message = format!("container {given} is not valid for pod {}", name(pod));
        return Err(ApiError::bad_request(message).into());
    }
    let annotated = map(pod, "/metadata/annotations")
        .and_then(|a| a.get("kubectl.kubernetes.io/default-container"))
        .and_then(Value::as_str)
        .filter(|d| names.contains(d));
    if let Some(default) = annotated {
        return Ok(default.to_owned());
    }
    let first = names.first().copied().unwrap_or("").to_owned();
    let all: Vec<String> =
        names.iter().map(|n| (*n).to_owned()).chain(others.map(|n| format!("{n} (init)"))).collect();
    if all.len() > 1 && !ctl.args.bool("quiet", false) {
        ctl.err(format!("Defaulted container {first:?} out of: {}", all.join(", ")));
    }
    Ok(first)
}

/// Whether a container runs.
///
/// # Errors
/// Why it does not.
pub(crate) fn running(pod: &Value, container: &str) -> Result<(), Failure> {
    let phase = text(pod, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        return Err(Failure::plain(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    if text(pod, "/spec/nodeName").is_empty() {
        return Err(ApiError::bad_request(format!("pod {} does not have a host assigned", name(pod))).into());
    }
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = statuses.iter().flat_map(|s| list(pod, &format!("/status/{s}")));
    let runs = statuses
        .filter(|s| text(s, "/name") == container)
        .any(|s| s.pointer("/state/running").is_some_and(Value::is_object));
    if runs {
        return Ok(());
    }
    Err(Failure::plain(format!("unable to upgrade connection: container not found ({container:?})")))
}

/// The place of a container; the first one is the pod's own.
pub(crate) fn place(pod: &Value, container: &str) -> Place {
    let first = text(pod, "/spec/containers/0/name") == container;
    Place::Container {
        namespace: super::value::namespace(pod).to_owned(),
        pod: name(pod).to_owned(),
        container: (!first).then(|| container.to_owned()),
    }
}

/// containerd's and runc's words for a program that the image does not have.
pub(crate) fn no_program(uid: &str, program: &str, now: u64) -> Failure {
    let reason = if program.contains('/') {
        format!("stat {program}: no such file or directory")
    } else {
        "executable file not found in $PATH".to_owned()
    };
    Failure::plain(format!(
        "Internal error occurred: Internal error occurred: error executing command in container: failed to exec in container: failed \
         to start exec \"{}\": OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: {reason}",
        exec_id(uid, program, now)
    ))
}

/// Five letters as Kubernetes' tools draw them for names, derived from whose name it is and when, so that they are the same in every
/// run.
pub(crate) fn random_suffix(uid: &str, now: u64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let id = exec_id(uid, "suffix", now);
    id.as_bytes()
        .chunks(2)
        .take(5)
        .map(|pair| {
            let n = pair.iter().fold(0_usize, |n, b| n * 31 + usize::from(*b));
            char::from(LETTERS[n % LETTERS.len()])
        })
        .collect()
}

/// containerd's name for one exec, 64 hex digits; here derived from what and when, so that it is the same in every run.
pub(crate) fn exec_id(uid: &str, program: &str, now: u64) -> String {
    let mut state = now;
    let mut id = String::with_capacity(64);
    for salt in 0..4_u8 {
        for byte in uid.bytes().chain(program.bytes()).chain([salt]) {
            // FNV-1a, finished by SplitMix64's mixer.
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        id.push_str(&format!("{:016x}", z ^ (z >> 31)));
    }
    id
}
