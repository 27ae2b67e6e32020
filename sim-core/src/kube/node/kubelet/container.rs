//! One container's life.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Kubelet, Step, reference};
use crate::kube::apps::image::{self, Image, Reference, Speaks};
use crate::kube::apps::ingress::{self, IngressNginx};
use crate::kube::apps::name_server::{NameServer, Start};
use crate::kube::apps::node_cache::{self, Arguments};
use crate::kube::apps::program::{self, Program};
use crate::kube::apps::runtime::{AppId, START_TIME, Service};
use crate::kube::apps::site::Site;
use crate::kube::apps::{bind_error, output};
use crate::kube::config::{ClusterConfig, Listen};
use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::objects::container::ImagePullPolicy;
use crate::kube::objects::pod::RestartPolicy;
use crate::kube::objects::{Container, Pod, Protocol, Timestamp};
use crate::kube::store::EventType;
use crate::time::SimTime;
use crate::trace::NsId;

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
/// What a server takes to end in good order.
const STOP_TIME: Duration = Duration::from_millis(300);

impl ContainerRun {
    pub(super) fn new(spec: &Container, config: &ClusterConfig) -> Self {
        Self {
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
            obeys: false,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether it has ended well.
    pub(super) fn succeeded(&self) -> bool {
        matches!(&self.state, State::Ended(e) if e.code == 0)
    }

    /// What it takes to end it with SIGTERM.
    pub(super) fn stop_time(&self) -> Duration {
        if self.obeys { self.lameduck + STOP_TIME } else { Duration::MAX }
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
        let id = self.id.clone();
        self.state = State::Ended(Ended { code, reason, message, started, finished: now, id });
    }
}

impl Kubelet {
    /// Fetches a container's image if it is not there, or may be old.
    pub(super) fn pull(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let Some(c) = run.containers.get(i) else { return };
        let full = c.reference.full();
        let there = self.images.contains(&full);
        let always = match c.spec.image_pull_policy {
            Some(policy) => policy == ImagePullPolicy::Always,
            None => c.reference.tag == "latest",
        };
        let about = reference(&run.spec, &format!("spec.containers{{{}}}", c.spec.name));
        let given = c.spec.image.clone();
        let delay = if there && !always {
            let message = format!("Container image \"{given}\" already present on machine");
            self.event(&about, EventType::Normal, "Pulled", &message, hands);
            Duration::from_millis(20)
        } else {
            let time = pull_time(&full, there);
            let size = c.image.size;
            self.event(&about, EventType::Normal, "Pulling", &format!("Pulling image \"{given}\""), hands);
            let secs = format_time(time);
            let message = format!(
                "Successfully pulled image \"{given}\" in {secs} ({secs} including waiting). Image size: {size} bytes."
            );
            let (now, at) = (hands.now(), hands.now() + time);
            debug_assert!(at >= now);
            hands.store.event(&about, EventType::Normal, "Pulled", "kubelet", &message, at);
            self.images.insert(full);
            time
        };
        self.later(key, Step::Pulled(i), delay + CREATE_TIME, true, hands.now());
    }

    /// Starts a container, then turns to the next.
    pub(super) fn start_container(&mut self, key: &(String, String), i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let Some(c) = run.containers.get(i) else { return };
        let (spec, name) = (run.spec.clone(), c.spec.name.clone());
        let about = reference(&spec, &format!("spec.containers{{{name}}}"));
        self.event(&about, EventType::Normal, "Created", &format!("Created container: {name}"), hands);
        let program = program::of_container(&c.spec, &c.image);
        let again = c.restarts > 0 || c.last.is_some();
        let now = hands.now();
        let Some(run) = self.pods.get_mut(key) else { return };
        let init = run.init;
        let c = &mut run.containers[i];
        c.id = container_id(&spec.metadata.uid, &name, c.restarts);
        let exit = match program {
            Ok(program) => {
                if let Some(unknown) = &program.unknown {
                    hands.remark(guessed(unknown, &c.spec.image));
                }
                c.state = State::Running { since: now };
                c.obeys = !program.serves.is_empty();
                let place = Place::Container {
                    namespace: key.0.clone(),
                    pod: key.1.clone(),
                    container: Some(name.clone()),
                };
                let own = output::of_container(&c.spec, &c.image);
                hands.apps.logs_mut().start(key, &name, own, now);
                c.failed = None;
                hands.apps.logs_mut().print(&place, program.log.clone(), now);
                let listening = serve(&program, &place, &spec, hands, c);
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
            // The sandbox goes with the last container; the status keeps the address.
            if let Some(mut run) = self.pods.remove(key) {
                self.remove_sandbox(&mut run, hands);
                self.pods.insert(key.clone(), run);
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

/// What the runtime takes to make and start a container.
const CREATE_TIME: Duration = Duration::from_millis(150);

/// One to two seconds, always the same for an image; a look at the registry if the image is there.
fn pull_time(image: &str, there: bool) -> Duration {
    let hash = Sha256::digest(image);
    let millis = u64::from(u16::from_be_bytes([hash[0], hash[1]]) % 1000);
    Duration::from_millis(if there { 500 + millis / 4 } else { 1000 + millis })
}

/// A duration as Go prints it: `1.234s`, `20s`, `1m20s`, `500ms`.
fn format_time(time: Duration) -> String {
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

/// What is said of a program whose behaviour is a guess.
fn guessed(unknown: &str, image: &str) -> String {
    if unknown == image {
        format!(
            "image {image} is not known: its containers listen on their containerPorts and answer HTTP with the pod's name"
        )
    } else {
        format!(
            "program {unknown} in image {image} is not known: it is taken to run and do nothing on the network"
        )
    }
}

/// Starts the servers of a program; whether all could have their ports.
fn serve(program: &Program, place: &Place, pod: &Pod, hands: &mut Hands<'_>, c: &mut ContainerRun) -> bool {
    let Some(ns) = hands.machines.get(place).map(|m| m.ns) else { return false };
    for server in &program.serves {
        let service = match &server.speaks {
            Speaks::Http(site) => Service::Site(site.clone()),
            Speaks::Other => Service::Plain,
            Speaks::Ingress => {
                let options = ingress::Options::of_container(&c.spec).in_namespace(&pod.metadata.namespace);
                Service::Ingress(Box::new(IngressNginx::new(options)))
            }
            Speaks::Talk(talk) => Service::Talk(Arc::new(talk.at(pod.hostname()))),
            Speaks::ClusterDns => {
                if !serve_dns(place, pod, ns, hands, c) {
                    return false;
                }
                continue;
            }
        };
        let listen = match &service {
            Service::Ingress(nginx) => nginx.listen(),
            _ => server.listen.clone(),
        };
        match hands.apps.start(hands.world, place.clone(), ns, &listen, service) {
            Ok(app) => c.apps.push(app),
            Err((at, errno)) => {
                let now = hands.now();
                let lines = bind_error::lines(&server.speaks, at, Timestamp::at(now));
                hands.apps.logs_mut().print(place, lines, now);
                hands.remark(format!("{place}: cannot listen on port {}: {errno}", at.port));
                return false;
            }
        }
    }
    true
}

/// Starts `CoreDNS`; whether it could read its Corefile and have its ports.
fn serve_dns(place: &Place, pod: &Pod, ns: NsId, hands: &mut Hands<'_>, c: &mut ContainerRun) -> bool {
    let now = hands.now();
    let words = c.spec.command.iter().chain(&c.spec.args);
    let path = words.skip_while(|w| !matches!(w.as_str(), "-conf" | "--conf")).nth(1);
    let Some(machine) = hands.machines.get(place) else { return false };
    let start = Start {
        path: path.map_or("/Corefile", String::as_str),
        machine,
        bound: pod.ips().collect(),
        kubernetes: hands.config.kubernetes_version,
        place: u64::from(ns.0),
    };
    let words: Vec<String> = c.spec.command.iter().chain(&c.spec.args).cloned().collect();
    let cache = Arguments::parse(&words);
    let begun = match &cache {
        Some(arguments) => node_cache::start(arguments, &start, ns, hands.world),
        None => NameServer::start(start, hands.world),
    };
    c.node_cache = cache.map(|arguments| (arguments, ns));
    let (dns, log) = match begun {
        Ok(started) => started,
        Err(log) => {
            hands.apps.logs_mut().print(place, log, now);
            return false;
        }
    };
    hands.apps.logs_mut().print(place, log, now);
    c.lameduck = dns.server().lameduck();
    let http: Vec<_> = dns.server().http().to_vec();
    let listens = dns.listens();
    let mut started = vec![(listens, Service::Dns(Box::new(dns)))];
    for (what, host, port) in http {
        let at = (host, Listen { port, protocol: Protocol::Tcp });
        started.push((vec![at], Service::Site(Site::CoreDns(what))));
    }
    for (at, service) in started {
        match hands.apps.start_at(hands.world, place.clone(), ns, &at, service) {
            Ok(app) => c.apps.push(app),
            Err((at, _)) => {
                let line = format!("listen tcp :{}: bind: address already in use", at.port);
                hands.apps.logs_mut().print(place, [line], now);
                c.apps.drain(..).for_each(|app| hands.apps.stop(hands.world, app));
                return false;
            }
        }
    }
    true
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
