//! One container's life.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::probes::{self, Prober};
use super::{Kubelet, Step, env, reference, volumes};
use crate::kube::apps::image::{self, Image, Reference};
use crate::kube::apps::node_cache::{self, Arguments};
use crate::kube::apps::program::{self, Program};
use crate::kube::apps::runtime::{AppId, START_TIME};
use crate::kube::config::ClusterConfig;
use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::node::proxy::config::ProxyConfig;
use crate::kube::objects::Container;
use crate::kube::objects::pod::RestartPolicy;
use crate::kube::store::EventType;
use crate::time::SimTime;
use crate::trace::NsId;

mod programs;

pub(super) use programs::written;
use programs::{guessed, serve};

/// A container on its node.
#[derive(Clone, Debug)]
pub(super) struct ContainerRun {
    pub(super) spec: Container,
    pub(super) image: Arc<Image>,
    pub(super) reference: Reference,
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    /// How often it was started again.
    pub(super) restarts: u32,
    pub(super) id: String,
    apps: Vec<AppId>,
    /// The status with which a server has ended by itself.
    failed: Option<i32>,
    /// How long it goes on after it was told to end.
    lameduck: Duration,
    /// What it has to take away when it ends: a cache on the node.
    node_cache: Option<(Arguments, NsId)>,
    /// kube-proxy has started in it.
    proxy: Option<Box<ProxyConfig>>,
    pub(super) probers: Vec<Prober>,
    /// Whether it is being ended by the kubelet.
    pub(super) stopping: bool,
    /// How often its image could not be pulled.
    pub(super) pull_failures: u32,
    /// Whether it is an init container that goes on running.
    pub(super) sidecar: bool,
    /// Whether its process ends when it is asked to; the first process of a namespace ignores SIGTERM unless it has a handler.
    obeys: bool,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting { reason: &'static str, message: String },
    Running { since: SimTime },
    Ended(Ended),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started: SimTime,
    pub(super) finished: SimTime,
    pub(super) id: String,
}

/// The first wait of a container that keeps ending, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
/// Runs longer than this clear the back-off.
const BACK_OFF_RESET: Duration = Duration::from_secs(600);
/// How long after a failure the kubelet looks again whether a container's environment can be had.
const CONFIG_RETRY: Duration = Duration::from_secs(12);
/// What a server takes to end in good order.
const STOP_TIME: Duration = Duration::from_millis(300);

impl ContainerRun {
    pub(super) fn new(spec: &Container, init: bool, config: &ClusterConfig) -> Self {
        Self {
            probers: Vec::new(),
            stopping: false,
            pull_failures: 0,
            sidecar: init && spec.restart_policy.as_deref() == Some("Always"),
            image: Arc::new(image::find(config, &spec.image)),
            reference: Reference::parse(&spec.image),
            spec: spec.clone(),
            state: State::Waiting { reason: "ContainerCreating", message: String::new() },
            last: None,
            restarts: 0,
            id: String::new(),
            apps: Vec::new(),
            failed: None,
            lameduck: Duration::ZERO,
            node_cache: None,
            proxy: None,
            obeys: false,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// When it started, if it runs.
    pub(super) const fn since(&self) -> Option<SimTime> {
        if let State::Running { since } = self.state { Some(since) } else { None }
    }

    /// Of an init container: whether the next may begin.
    pub(super) fn has_initialized(&self) -> bool {
        if self.sidecar { self.has_started() } else { self.succeeded() }
    }

    /// Whether it has ended well.
    pub(super) fn succeeded(&self) -> bool {
        matches!(&self.state, State::Ended(e) if e.code == 0)
    }

    /// What it takes to end it with SIGTERM.
    pub(super) fn stop_time(&self) -> Duration {
        if self.obeys { self.lameduck + STOP_TIME } else { Duration::MAX }
    }

    /// What its `preStop` hook takes, before anybody tells it to end.
    pub(super) fn pre_stop_time(&self) -> Duration {
        let Some(hook) = self.spec.rest.get("lifecycle").and_then(|l| l.get("preStop")) else {
            return Duration::ZERO;
        };
        if let Some(seconds) = hook.pointer("/sleep/seconds").and_then(serde_json::Value::as_u64) {
            return Duration::from_secs(seconds);
        }
        let command: Option<Vec<String>> =
            hook.pointer("/exec/command").and_then(|c| serde_json::from_value(c.clone()).ok());
        let Some(command) = command else { return Duration::ZERO };
        let line = Container { command, ..Container::default() };
        let program = program::of_container(&line, &self.image).ok();
        program.and_then(|p| p.ends).map_or(Duration::ZERO, |(time, _)| time)
    }

    /// Ends its processes.
    pub(super) fn stop(&mut self, hands: &mut Hands<'_>) {
        for app in self.apps.drain(..) {
            hands.apps.stop(hands.world, app);
        }
        if let Some((arguments, ns)) = self.node_cache.take() {
            node_cache::tear_down(&arguments, ns, hands.world);
        }
    }

    fn end(&mut self, code: i32, reason: &'static str, message: String, now: SimTime, hands: &mut Hands<'_>) {
        let started = if let State::Running { since } = self.state { since } else { now };
        self.stop(hands);
        self.stopping = false;
        self.probers.clear();
        let id = self.id.clone();
        self.state = State::Ended(Ended { code, reason, message, started, finished: now, id });
    }
}

impl Kubelet {
    /// Starts a container, then turns to the next.
    pub(super) fn start_container(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let Some(c) = run.containers.get(i) else { return };
        let (spec, name) = (run.spec.clone(), c.spec.name.clone());
        let about = reference(&spec, &format!("spec.containers{{{name}}}"));
        if let Some(why) = env::missing(&spec, &c.spec, hands.store) {
            self.event(&about, EventType::Warning, "Failed", &format!("Error: {why}"), hands);
            self.set_waiting(key, i, "CreateContainerConfigError", why, hands);
            self.later(key, Step::Remake(i), CONFIG_RETRY, false, hands.now());
            return;
        }
        self.event(&about, EventType::Normal, "Created", &format!("Created container: {name}"), hands);
        let place =
            Place::Container { namespace: key.0.clone(), pod: key.1.clone(), container: Some(name.clone()) };
        let command = env::in_command(&c.spec, hands.machines.get(&place));
        let program = program::of_container(&command, &c.image);
        let again = c.restarts > 0 || c.last.is_some();
        let now = hands.now();
        let Some(run) = self.pods.get_mut(key) else { return };
        let init = run.init;
        let c = &mut run.containers[i];
        c.id = container_id(&spec.metadata.uid, &name, c.restarts);
        let exit = match program {
            Ok(program) => {
                // What somebody attached runs, is run by whoever attached.
                let attached = c.spec.rest.get("stdin").is_some_and(|v| *v == true);
                if let Some(unknown) = program.unknown.as_ref().filter(|_| !attached) {
                    hands.remark(guessed(unknown, &c.spec.image));
                }
                c.state = State::Running { since: now };
                c.probers = probes::of_container(&c.spec);
                c.obeys = !program.serves.is_empty();
                let own = written(&command, &c.image, hands.machines.get(&place));
                hands.apps.logs_mut().start(key, &name, own, now);
                c.failed = None;
                hands.apps.logs_mut().print(&place, program.log.clone(), now);
                let listening = serve(&program, &place, &spec, hands, c);
                if let Some(proxy) = c.proxy.take() {
                    self.proxies.extend(self.proxy.take().map(|_| None));
                    self.proxy = Some((key.clone(), i, c.id.clone()));
                    self.proxies.push(Some(proxy));
                }
                if listening { program.ends } else { Some((START_TIME, 1)) }
            }
            Err(e) => {
                let message = format!(
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: {e}"
                );
                c.end(128, "StartError", message.clone(), now, hands);
                self.event(&about, EventType::Warning, "Failed", &format!("Error: {message}"), hands);
                self.ended(key, i, hands);
                return;
            }
        };
        let number = c.restarts;
        self.event(&about, EventType::Normal, "Started", &format!("Started container {name}"), hands);
        if let Some((after, _)) = exit {
            // What ends at once is waited for: a reader would see it end.
            let soon = after < Duration::from_secs(1);
            self.later(key, Step::Exit(i, number), after + START_TIME, soon, now);
        }
        // Init containers run one after the other to their end; the others are only started one after the other.
        if i >= init && !again {
            self.pull(key, i + 1, hands);
        }
        self.report(key, hands);
        self.begin_probes(key, i, hands);
        self.started_sidecar(key, i, hands);
    }

    fn set_waiting(
        &mut self,
        key: &(String, String),
        i: usize,
        reason: &'static str,
        message: String,
        hands: &mut Hands<'_>,
    ) {
        if let Some(c) = self.pods.get_mut(key).and_then(|run| run.containers.get_mut(i)) {
            c.state = State::Waiting { reason, message };
        }
        self.report(key, hands);
    }

    /// A sidecar that has come up makes way for the next container.
    pub(super) fn started_sidecar(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let now = hands.now();
        let Some(run) = self.pods.get_mut(key) else { return };
        let c = &run.containers[i];
        if !c.sidecar || c.restarts > 0 || !c.has_started() {
            return;
        }
        if i + 1 == run.init {
            run.initialized_at = Some(now);
        }
        self.report(key, hands);
        self.pull(key, i + 1, hands);
    }

    /// A container that was told to end has done so, or was killed.
    pub(super) fn container_stopped(
        &mut self,
        key: &(String, String),
        (i, number): (usize, u32),
        killed: bool,
        hands: &mut Hands<'_>,
    ) {
        let now = hands.now();
        let Some(c) = self.pods.get_mut(key).and_then(|run| run.containers.get_mut(i)) else { return };
        if c.restarts != number || !c.stopping {
            return;
        }
        // 128 and the number of SIGKILL.
        let (code, reason) = if killed { (137, "Error") } else { (0, "Completed") };
        c.end(code, reason, String::new(), now, hands);
        self.ended(key, i, hands);
    }

    /// A container's process has ended by itself.
    pub(super) fn container_ended(
        &mut self,
        key: &(String, String),
        i: usize,
        number: u32,
        hands: &mut Hands<'_>,
    ) {
        let now = hands.now();
        let Some(c) = self.pods.get_mut(key).and_then(|run| run.containers.get_mut(i)) else { return };
        if c.restarts != number || !c.is_running() {
            return;
        }
        let code = match (c.failed, program::of_container(&c.spec, &c.image)) {
            (Some(code), _) => code,
            (None, Ok(Program { ends: Some((_, code)), .. })) => code,
            // It should have gone on: its port was taken.
            _ => 1,
        };
        let reason = if code == 0 { "Completed" } else { "Error" };
        c.end(code, reason, String::new(), now, hands);
        let name = c.spec.name.clone();
        hands.apps.logs_mut().end(key, &name, now);
        self.ended(key, i, hands);
    }

    /// A server has ended by itself.
    pub(in crate::kube::node) fn process_ended(
        &mut self,
        key: &(String, String),
        container: &str,
        status: i32,
        hands: &mut Hands<'_>,
    ) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let Some(i) = run.containers.iter().position(|c| c.spec.name == container) else { return };
        run.containers[i].failed = Some(status);
        let number = run.containers[i].restarts;
        self.container_ended(key, i, number, hands);
    }

    /// Decides what follows the end of a container.
    fn ended(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let now = hands.now();
        let policy = run.spec.spec.restart_policy.unwrap_or_default();
        let init = i < run.init;
        let succeeded = run.containers[i].succeeded();
        let restart = match policy {
            _ if run.containers[i].sidecar => true,
            RestartPolicy::Always if init => !succeeded,
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !succeeded,
            RestartPolicy::Never => false,
        };
        if restart {
            self.restart(key, i, hands);
        } else if init && succeeded {
            if i + 1 == run.init {
                run.initialized_at = Some(now);
            }
            self.pull(key, i + 1, hands);
        } else if run.containers[run.init..].iter().all(|c| matches!(c.state, State::Ended(_))) || init {
            // Sidecars and the sandbox go with the last container; the status keeps the address.
            self.drop_attempts(key, hands);
            if let Some(mut run) = self.pods.remove(key) {
                for c in run.containers.iter_mut().filter(|c| c.is_running()) {
                    c.end(0, "Completed", String::new(), now, hands);
                }
                self.remove_sandbox(&mut run, hands);
                self.pods.insert(key.clone(), run);
            }
            if let Some(run) = self.pods.get(key) {
                volumes::keep(&run.spec, hands);
            }
            hands.machines.remove_pod(&key.0, &key.1);
        }
        self.report(key, hands);
    }

    /// The first time at once, then after a wait that doubles.
    fn restart(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let now = hands.now();
        let Some(run) = self.pods.get_mut(key) else { return };
        let (spec, c) = (run.spec.clone(), &mut run.containers[i]);
        let State::Ended(ended) = &c.state else { return };
        let ended = ended.clone();
        let long = ended.finished.since(ended.started) > BACK_OFF_RESET;
        let wait = match c.restarts {
            0 => Duration::ZERO,
            _ if long => Duration::ZERO,
            n => BACK_OFF.0.saturating_mul(1 << (n - 1).min(10)).min(BACK_OFF.1),
        };
        c.last = Some(ended);
        if wait.is_zero() {
            self.later(key, Step::Restart(i), wait, true, now);
            return;
        }
        let (name, meta) = (c.spec.name.clone(), &spec.metadata);
        let pod = format!("{}_{}({})", meta.name, meta.namespace, meta.uid);
        let message = format!("back-off {} restarting failed container={name} pod={pod}", format_time(wait));
        c.state = State::Waiting { reason: "CrashLoopBackOff", message };
        let about = reference(&spec, &format!("spec.containers{{{name}}}"));
        let text = format!("Back-off restarting failed container {name} in pod {pod}");
        self.event(&about, EventType::Warning, "BackOff", &text, hands);
        self.later(key, Step::Restart(i), wait, false, now);
    }

    /// Starts a container again.
    pub(super) fn start_again(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        if let Some(c) = self.pods.get_mut(key).and_then(|run| run.containers.get_mut(i)) {
            c.restarts += 1;
        }
        self.pull(key, i, hands);
    }
}

/// A duration as Go prints it: `1.234s`, `20s`, `1m20s`, `500ms`.
pub(super) fn format_time(time: Duration) -> String {
    let (secs, millis) = (time.as_secs(), time.subsec_millis());
    let fraction =
        if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    match secs {
        0 => format!("{millis}ms"),
        1..60 => format!("{secs}{fraction}s"),
        _ => format!("{}m{}{fraction}s", secs / 60, secs % 60),
    }
}

fn container_id(uid: &str, name: &str, run: u32) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{uid} {name} {run}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        let of = |ms| format_time(Duration::from_millis(ms));
        assert_eq!(
            [of(500), of(1234), of(1500), of(20_000), of(80_000)],
            ["500ms", "1.234s", "1.5s", "20s", "1m20s"]
        );
    }
}
