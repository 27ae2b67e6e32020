//! `kubectl debug`: a container more in a running pod, or a pod on a node's own network.

use std::time::Duration;

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;
use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::exec;
use super::failure::Failure;
use super::pods;
use super::resource::Resource;
use super::run::attach;
use super::value::{list, name, namespace, text};
use crate::tools::{Cx, Place};

pub(crate) static FLAGS: &[Flag] = &[
    short("container", 'c', F::Text),
    short("filename", 'f', F::List),
    flag("image", F::Text),
    flag("image-pull-policy", F::Text),
    flag("target", F::Text),
    flag("attach", F::Bool),
    flag("profile", F::Text),
    flag("env", F::Texts),
    flag("copy-to", F::Text),
    flag("replace", F::Bool),
    flag("same-node", F::Bool),
    flag("share-processes", F::Bool),
    flag("set-image", F::Texts),
    flag("custom", F::Text),
    flag("arguments-only", F::Bool),
];

/// What `--profile` may be.
const PROFILES: [&str; 6] = ["legacy", "general", "baseline", "netadmin", "restricted", "sysadmin"];
/// How long the container may take to start.
const START: Duration = Duration::from_secs(60);
const NO_PROMPT: &str = "If you don't see a command prompt, try pressing enter.";

/// Runs the verb.
///
/// # Errors
/// No such pod or node, or a container that does not start.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["copy-to", "replace", "same-node", "share-processes", "set-image", "custom", "filename"])?;
    let before = ctl.args.dash.unwrap_or(ctl.args.words.len());
    let (targets, command) = ctl.args.words.split_at(before);
    let command = command.to_vec();
    let [target] = targets else {
        return Err(Failure::plain("NAME or filename is required for debug"));
    };
    let target = target.clone();
    if let Some(profile) = ctl.args.text("profile").filter(|p| !PROFILES.contains(p)) {
        return Err(Failure::plain(format!("unknown profile: {profile}")));
    }
    let Some(image) = ctl.args.text("image").filter(|i| !i.is_empty()).map(str::to_owned) else {
        return Err(Failure::plain("you must specify --image when not using --copy-to."));
    };
    if ctl.args.bool("tty", false) && !ctl.args.bool("stdin", false) {
        return Err(Failure::plain("-i/--stdin is required for containers with -t/--tty=true"));
    }
    let (resource, object) = pods::named(ctl.store(), &target, &ctl.namespace())?;
    match resource {
        Resource::Kind(Kind::Node) => on_node(ctl, &object, &image, &command),
        Resource::Kind(Kind::Pod) => in_pod(ctl, &object, &image, &command),
        other => {
            let what = other.prefix();
            Err(Failure::plain(format!("{what:?} not supported by debug")))
        }
    }
}

fn container(ctl: &Ctl<'_, '_>, own: &str, image: &str, command: &[String], on_node: bool) -> Value {
    let mut container = json!({"name": own, "image": image, "terminationMessagePolicy": "File"});
    if !command.is_empty() {
        container[if ctl.args.bool("arguments-only", false) { "args" } else { "command" }] = json!(command);
    }
    for (flag, field) in [("stdin", "stdin"), ("tty", "tty")] {
        if ctl.args.bool(flag, false) {
            container[field] = json!(true);
        }
    }
    let pair = |e: &String| {
        let (name, value) = e.split_once('=').unwrap_or((e, ""));
        json!({"name": name, "value": value})
    };
    let env: Vec<Value> = ctl.args.texts("env").iter().map(pair).collect();
    if !env.is_empty() {
        container["env"] = json!(env);
    }
    if let Some(context) = profile_context(ctl.args.text("profile").unwrap_or_default(), on_node) {
        container["securityContext"] = context;
    }
    container
}

/// What a profile lets the debugger do (`k8s.io/kubectl/pkg/cmd/debug/profiles.go`).
fn profile_context(profile: &str, on_node: bool) -> Option<Value> {
    match profile {
        "general" if !on_node => Some(json!({"capabilities": {"add": ["SYS_PTRACE"]}})),
        "netadmin" => Some(json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}})),
        "sysadmin" => Some(json!({"privileged": true})),
        "restricted" => Some(json!({
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        })),
        _ => None,
    }
}

fn say_profile(ctl: &mut Ctl<'_, '_>) {
    let legacy = ctl.args.text("profile").is_none_or(|p| p == "legacy");
    if legacy && ctl.version() >= Version::new(1, 31, 0) {
        ctl.err(
            "--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a profile, for \
             example \"--profile=general\".",
        );
    }
}

fn in_pod(ctl: &mut Ctl<'_, '_>, pod: &Value, image: &str, command: &[String]) -> Result<i32, Failure> {
    let (space, own) = (namespace(pod).to_owned(), name(pod).to_owned());
    let quiet = ctl.args.bool("quiet", false);
    if let Some(target) = ctl.args.text("target").map(str::to_owned) {
        if !list(pod, "/spec/containers").iter().any(|c| text(c, "/name") == target) {
            return Err(Failure::plain(format!("container {target:?} not found in pod {own:?}")));
        }
        if !quiet {
            ctl.line(format!(
                "Targeting container {target:?}. If you don't see processes from this container it may be because the container \
                 runtime doesn't support this feature."
            ));
        }
    }
    say_profile(ctl);
    let debugger = match ctl.args.text("container") {
        Some(given) => given.to_owned(),
        None => {
            let debugger =
                format!("debugger-{}", exec::random_suffix(text(pod, "/metadata/uid"), ctl.now().0));
            if !quiet {
                ctl.line(format!("Defaulting debug container name to {debugger}."));
            }
            debugger
        }
    };
    let mut spec = container(ctl, &debugger, image, command, false);
    if let Some(target) = ctl.args.text("target") {
        spec["targetContainerName"] = json!(target);
    }
    let (store, now) = ctl.store_mut();
    store.add_ephemeral_container(&space, &own, spec, now)?;
    let place =
        Place::Container { namespace: space.clone(), pod: own.clone(), container: Some(debugger.clone()) };
    let started = ctl.wait(START, |cluster| cluster.machine(&place).is_some());
    if !started {
        return Err(Failure::plain("timed out waiting for the condition"));
    }
    enter(ctl, place, command)
}

fn on_node(ctl: &mut Ctl<'_, '_>, node: &Value, image: &str, command: &[String]) -> Result<i32, Failure> {
    let own = name(node).to_owned();
    say_profile(ctl);
    let debugger = ctl.args.text("container").unwrap_or("debugger").to_owned();
    let mut spec = container(ctl, &debugger, image, command, true);
    spec["volumeMounts"] = json!([{"mountPath": "/host", "name": "host-root"}]);
    let body = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": format!("node-debugger-{own}-"), "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}},
        "spec": {
            "containers": [spec], "hostIPC": true, "hostNetwork": true, "hostPID": true, "nodeName": own,
            "restartPolicy": "Never", "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
        },
    });
    let space = ctl.namespace();
    let (store, now) = ctl.store_mut();
    let made = store.create_value(Kind::Pod, &space, &body, now)?;
    let pod = made.meta().name.clone();
    if !ctl.args.bool("quiet", false) {
        ctl.line(format!("Creating debugging pod {pod} with container {debugger} on node {own}."));
    }
    if !attaches(ctl) {
        return Ok(0);
    }
    let started = ctl.wait(START, |cluster| {
        cluster.store.find(Kind::Pod, &space, &pod).is_some_and(|p| attach::has_started(&p.to_value()))
    });
    if !started {
        return Err(Failure::plain("timed out waiting for the condition"));
    }
    enter(ctl, Place::pod(&space, &pod), command)
}

fn attaches(ctl: &Ctl<'_, '_>) -> bool {
    ctl.args.bool("attach", ctl.args.bool("stdin", false))
}

/// Attaches to what the new container runs.
fn enter(ctl: &mut Ctl<'_, '_>, place: Place, command: &[String]) -> Result<i32, Failure> {
    if !attaches(ctl) {
        return Ok(0);
    }
    let command =
        if command.is_empty() { vec![attach::default_command(ctl, &place)?] } else { command.to_vec() };
    attach::say_recorded(ctl);
    ctl.err(NO_PROMPT);
    let tty = ctl.args.bool("tty", false);
    let alone = command.len() == 1 && tty && ctl.cx.stdin.is_empty();
    if let Some(kind) = ctl.cx.shell_named(&place, &command[0]).filter(|_| alone) {
        ctl.cx.session.open_shell(place, kind, ctl.cx.args, Some(leave));
        return Ok(0);
    }
    let input = ctl.cx.stdin;
    ctl.cx
        .with_tty(tty, |cx| cx.exec(&place, &command, input))
        .map_err(|missing| exec::no_program("", &missing.program, ctl.now().0))
}

/// The shell of the container was left: nothing is said, and nothing stays open.
fn leave(_cx: &mut Cx<'_>, _status: i32) -> i32 {
    0
}
