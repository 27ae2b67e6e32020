//! The kubelet: makes a pod's namespace, files and processes, and tells the API server how they are.
//!
//! ```text
//!  bound to the node ─► sandbox (namespace, address) ─► pull ─► start ─► running ─► exit ─► restart, at once or after a back-off
//!                                                                          └─ deletion ─► SIGTERM … grace … ─► gone
//! ```
//!
//! [`Kubelet`] decides; `container` is one container's life, `sandbox` the namespace, `host_ports` what leads to it, `etc` the files it writes into containers, [`dns`] their resolv.conf,
//! [`env`] their environment, `status` what it reports.

mod attempt;
mod calico;
mod container;
pub mod dns;
mod env;
mod ephemeral;
mod etc;
mod host_ports;
mod probes;
mod pull;
mod sandbox;
mod status;
mod volumes;

pub use probes::ProbeKind;
pub use sandbox::{NO_NETWORK, sandbox_id};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::agents::{Hands, Timer};
use super::cni::calico::blocks::Blocks;
use super::cni::ipam::HostLocal;
use super::proxy::config::ProxyConfig;
use crate::kube::apps::kube_proxy;
use crate::kube::config::{ClusterConfig, NodeConfig};
use crate::kube::dns::server::release_of;
use crate::kube::objects::{Kind, Object, ObjectReference, Pod};
use crate::kube::store::{ChangeKind, DeleteOptions, EventType};
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

use container::ContainerRun;

/// What a kubelet does next with a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the sandbox.
    Sandbox,
    /// Has the image of a container, by its place among all containers, init containers first.
    Pulled(usize),
    /// A container's process ends by itself; the run that it belongs to.
    Exit(usize, u32),
    /// Starts a container again.
    Restart(usize),
    /// Tries again to make a container whose environment could not be had.
    Remake(usize),
    /// Finds that an image, by the place of its container, cannot be had.
    PullFailed(usize),
    /// Begins to wait for another try.
    PullBackOff(usize),
    /// Tries again.
    PullAgain(usize),
    /// Probes a container in a run of it.
    Probe(usize, u32, ProbeKind),
    /// Gives up a probe that has had no answer.
    ProbeDeadline(SockId),
    /// Finds that a container has ended as it was told, or had to be killed; the run that it belongs to.
    Stopped(usize, u32, bool),
    /// Kills what is left after the grace period.
    Kill,
}

/// The kubelet of one node.
#[derive(Clone, Debug)]
pub struct Kubelet {
    node: String,
    ns: NsId,
    node_ips: Vec<IpAddr>,
    /// One per family.
    ipam: sandbox::Ipam,
    pods: BTreeMap<(String, String), PodRun>,
    /// Images on the node, by full name.
    images: BTreeSet<String>,
    /// Probes under way, by socket of the node.
    attempts: BTreeMap<SockId, attempt::Attempt>,
    /// Those of them that the cluster is not at rest before.
    awaited_attempts: usize,
    /// Whether its process is stopped, and what it would have done since.
    stopped: Option<Vec<(Key, String, Step)>>,
    process: Process,
    timers: Vec<(SimTime, Timer)>,
    namespaces: Vec<(NsId, Option<(String, String)>)>,
    /// kube-proxy's container: its pod, its place in it, and its id.
    proxy: Option<(Key, usize, String)>,
    proxies: Vec<Option<Box<ProxyConfig>>>,
}

type Key = (String, String);

/// The kubelet's process, as the node's service manager knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// When it was started last.
    pub started: SimTime,
    /// When it was stopped, if it is.
    pub stopped: Option<SimTime>,
    /// How often it was started again.
    pub restarts: u32,
}

/// How long after a failure the sandbox is tried again.
const SANDBOX_RETRY: Duration = Duration::from_secs(12);

/// A pod on its node.
#[derive(Clone, Debug)]
struct PodRun {
    spec: Arc<Pod>,
    started: SimTime,
    sandbox: Option<sandbox::Sandbox>,
    /// Init containers first, in the order of the spec.
    containers: Vec<ContainerRun>,
    init: usize,
    /// Once somebody wants the pod gone: the time that its processes have been given, less after each request.
    grace: Duration,
    /// When it became what it is, for the conditions.
    ready_since: Option<SimTime>,
    initialized_at: Option<SimTime>,
}

impl Kubelet {
    /// The kubelet of a node that has no pods yet; `blocks` are those of its CNI plugin, if that has blocks.
    #[must_use]
    pub fn new(node: &NodeConfig, ns: NsId, config: &ClusterConfig, blocks: Option<&Vec<IpNet>>) -> Self {
        let promised = || {
            let owned = config.pins.owners.values().flatten();
            config.pins.pods.values().chain(owned).filter_map(|p| p.ip)
        };
        Self {
            node: node.name.clone(),
            ns,
            node_ips: node.ips().collect(),
            ipam: match blocks {
                Some(blocks) => sandbox::Ipam::Blocks(Blocks::new(blocks, promised())),
                None => sandbox::Ipam::Ranges(
                    node.pod_cidrs().map(|cidr| HostLocal::new(cidr, promised())).collect(),
                ),
            },
            pods: BTreeMap::new(),
            // What kubeadm has pulled before.
            images: BTreeSet::from([
                format!("registry.k8s.io/coredns/coredns:v{}", release_of(config.kubernetes_version).version),
                kube_proxy::image(config.kubernetes_version),
            ]),
            attempts: BTreeMap::new(),
            awaited_attempts: 0,
            stopped: None,
            process: Process::default(),
            timers: Vec::new(),
            namespaces: Vec::new(),
            proxy: None,
            proxies: Vec::new(),
        }
    }

    /// The node's namespace.
    #[must_use]
    pub const fn ns(&self) -> NsId {
        self.ns
    }

    /// What it wants to do later.
    pub fn take_timers(&mut self) -> Vec<(SimTime, Timer)> {
        std::mem::take(&mut self.timers)
    }

    /// Namespaces that it made for a pod, and those it deleted.
    pub fn take_namespaces(&mut self) -> Vec<(NsId, Option<(String, String)>)> {
        std::mem::take(&mut self.namespaces)
    }

    /// What became of kube-proxy: with what it has started, and none where it has ended.
    pub fn take_proxies(&mut self) -> Vec<Option<Box<ProxyConfig>>> {
        let runs = |(key, i, id): &(Key, usize, String)| {
            let container = self.pods.get(key).and_then(|run| run.containers.get(*i));
            container.is_some_and(|c| c.is_running() && c.id == *id)
        };
        let mut news = std::mem::take(&mut self.proxies);
        if self.proxy.as_ref().is_some_and(|p| !runs(p)) {
            self.proxy = None;
            news.push(None);
        }
        news
    }

    /// Stops the kubelet's process: containers go on running, and nobody looks after them. Whether it ran.
    pub fn halt(&mut self, now: SimTime) -> bool {
        let ran = self.stopped.is_none();
        self.stopped.get_or_insert_default();
        self.process.stopped.get_or_insert(now);
        ran
    }

    /// Its process.
    #[must_use]
    pub const fn process(&self) -> Process {
        self.process
    }

    /// Starts the kubelet's process again: it looks at all pods of its node, and does what is overdue. Whether it was stopped.
    pub fn resume(&mut self, hands: &mut Hands<'_>) -> bool {
        let Some(overdue) = self.stopped.take() else { return false };
        self.process = Process {
            started: hands.now(),
            stopped: None,
            restarts: self.process.restarts.saturating_add(1),
        };
        let mine: Vec<Pod> =
            hands.store.all::<Pod>(None).filter(|p| p.spec.node_name == self.node).cloned().collect();
        let lost = |key: &&Key| {
            let uid = &self.pods[*key].spec.metadata.uid;
            mine.iter().all(|p| p.metadata.uid != *uid)
        };
        for key in self.pods.keys().filter(lost).cloned().collect::<Vec<_>>() {
            self.tear_down(&key, hands);
        }
        for pod in &mine {
            self.pod_changed(pod, ChangeKind::Modified, hands);
        }
        for (key, uid, step) in overdue {
            self.on_timer(&key, &uid, step, hands);
        }
        for key in self.pods.keys().cloned().collect::<Vec<_>>() {
            self.report(&key, hands);
        }
        true
    }

    /// A pod of this node is different.
    pub fn pod_changed(&mut self, pod: &Pod, what: ChangeKind, hands: &mut Hands<'_>) {
        if self.stopped.is_some() {
            return;
        }
        let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        let known = self.pods.get(&key).filter(|run| run.spec.metadata.uid == pod.metadata.uid);
        match (what, known) {
            (ChangeKind::Deleted, Some(_)) => self.tear_down(&key, hands),
            (ChangeKind::Deleted, None) => {}
            (_, Some(run)) if pod.metadata.is_terminating() && grace(pod) < run.grace => {
                self.terminate(&key, pod, hands)
            }
            (_, Some(_)) => self.ephemeral(&key, pod, hands),
            (_, None) if pod.metadata.is_terminating() => self.forget(&key, hands),
            (_, None) => self.admit(key, pod, hands),
        }
    }

    /// Goes on with a pod.
    pub fn on_timer(&mut self, key: &(String, String), uid: &str, step: Step, hands: &mut Hands<'_>) {
        if let Some(overdue) = &mut self.stopped {
            overdue.push((key.clone(), uid.to_owned(), step));
            return;
        }
        let Some(run) = self.pods.get(key).filter(|run| run.spec.metadata.uid == uid) else { return };
        match step {
            Step::Kill => {
                self.tear_down(key, hands);
                self.forget(key, hands);
            }
            _ if run.grace < Duration::MAX => {}
            Step::Sandbox => self.make_sandbox(key, hands),
            Step::Pulled(i) => self.start_container(key, i, hands),
            Step::Exit(i, number) => self.container_ended(key, i, number, hands),
            Step::Restart(i) => self.start_again(key, i, hands),
            Step::Remake(i) => {
                self.remake(key, i, hands);
                self.start_container(key, i, hands);
            }
            Step::PullFailed(i) => self.pull_failed(key, i, hands),
            Step::PullBackOff(i) => self.pull_back_off(key, i, hands),
            Step::PullAgain(i) => self.pull(key, i, hands),
            Step::Probe(i, number, kind) => self.probe(key, (i, number), kind, hands),
            Step::ProbeDeadline(sock) => self.probe_deadline(sock, hands),
            Step::Stopped(i, number, killed) => self.container_stopped(key, (i, number), killed, hands),
        }
    }

    fn admit(&mut self, key: (String, String), pod: &Pod, hands: &mut Hands<'_>) {
        if pod.is_finished() {
            return;
        }
        let init = pod.spec.init_containers.len();
        let first = pod.spec.init_containers.iter().map(|c| (c, true));
        let all = first.chain(pod.spec.containers.iter().map(|c| (c, false)));
        let containers = all.map(|(c, init)| ContainerRun::new(c, init, hands.config)).collect();
        let run = PodRun {
            spec: Arc::new(pod.clone()),
            started: hands.now(),
            sandbox: None,
            containers,
            init,
            grace: Duration::MAX,
            ready_since: None,
            initialized_at: None,
        };
        self.pods.insert(key.clone(), run);
        self.report(&key, hands);
        self.later(&key, Step::Sandbox, sandbox::MAKE_TIME, true, hands.now());
    }

    /// Puts a step off.
    fn later(&mut self, key: &(String, String), step: Step, delay: Duration, awaited: bool, now: SimTime) {
        let Some(run) = self.pods.get(key) else { return };
        let timer = Timer::Pod {
            node: self.node.clone(),
            uid: run.spec.metadata.uid.clone(),
            pod: key.clone(),
            step,
            awaited,
        };
        self.timers.push((now + delay, timer));
    }

    fn make_sandbox(&mut self, key: &(String, String), hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let (spec, about) = (run.spec.clone(), reference(&run.spec, ""));
        let dns = dns::form(&spec.metadata.namespace, &spec.spec, &etc::node_dns(&spec, hands));
        for (reason, message) in &dns.warnings {
            self.event(&about, EventType::Warning, reason, message, hands);
        }
        let Some(run) = self.pods.get_mut(key) else { return };
        if let Some(message) = volumes::missing(&run.spec, hands) {
            let pod = reference(&run.spec, "");
            self.event(&pod, EventType::Warning, "FailedMount", &message, hands);
            self.later(key, Step::Sandbox, SANDBOX_RETRY, false, hands.now());
            return;
        }
        match sandbox::make(&run.spec, (&self.node, self.ns, &self.node_ips), &mut self.ipam, hands) {
            Ok(sandbox) => {
                if sandbox.ns != self.ns {
                    self.namespaces.push((sandbox.ns, Some(key.clone())));
                    let nets = sandbox::networks(&self.ipam, &sandbox);
                    host_ports::add(&run.spec, (&self.node, self.ns), &nets, hands);
                }
                for c in &run.containers {
                    sandbox::add_machine(&run.spec, c, &sandbox, &dns.lines.text(), hands);
                }
                run.sandbox = Some(sandbox);
                if run.init == 0 {
                    run.initialized_at = Some(hands.now());
                }
                self.report(key, hands);
                self.pull(key, 0, hands);
            }
            Err(refusal) => {
                let pod = reference(&run.spec, "");
                self.event(&pod, EventType::Warning, refusal.reason, &refusal.message, hands);
                self.later(key, Step::Sandbox, SANDBOX_RETRY, false, hands.now());
            }
        }
    }

    /// Makes a container's machine anew: what its environment needs may be there by now.
    fn remake(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let (Some(sandbox), Some(c)) = (&run.sandbox, run.containers.get(i)) else { return };
        volumes::keep(&run.spec, hands);
        let dns = dns::form(&run.spec.metadata.namespace, &run.spec.spec, &etc::node_dns(&run.spec, hands));
        sandbox::add_machine(&run.spec, c, sandbox, &dns.lines.text(), hands);
    }

    fn event(
        &self,
        about: &ObjectReference,
        kind: EventType,
        reason: &str,
        message: &str,
        hands: &mut Hands<'_>,
    ) {
        let now = hands.now();
        hands.store.event(about, kind, reason, "kubelet", message, now);
    }

    /// Somebody wants the pod gone: its processes are told, and killed when the grace period is over.
    fn terminate(&mut self, key: &(String, String), pod: &Pod, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let told = run.grace < Duration::MAX;
        run.grace = grace(pod);
        run.spec = Arc::new(pod.clone());
        let running: Vec<&ContainerRun> = run.containers.iter().filter(|c| c.is_running()).collect();
        let grace = run.grace;
        let time = |c: &&ContainerRun| c.pre_stop_time().saturating_add(c.stop_time());
        let needed = running.iter().map(time).max().unwrap_or(Duration::ZERO);
        let names: Vec<String> = running.iter().map(|c| c.spec.name.clone()).collect();
        let spec = run.spec.clone();
        for name in names.into_iter().filter(|_| !told) {
            let about = reference(&spec, &format!("spec.containers{{{name}}}"));
            self.event(&about, EventType::Normal, "Killing", &format!("Stopping container {name}"), hands);
        }
        self.later(key, Step::Kill, needed.min(grace), false, hands.now());
    }

    /// Removes everything of a pod from the node.
    fn tear_down(&mut self, key: &(String, String), hands: &mut Hands<'_>) {
        self.drop_attempts(key, hands);
        let Some(mut run) = self.pods.remove(key) else { return };
        for c in &mut run.containers {
            c.stop(hands);
        }
        self.remove_sandbox(&mut run, hands);
        volumes::keep(&run.spec, hands);
        hands.machines.remove_pod(&key.0, &key.1);
        hands.apps.logs_mut().forget(key);
    }

    /// Ends all probes of a pod that are under way.
    fn drop_attempts(&mut self, key: &Key, hands: &mut Hands<'_>) {
        let own = self.attempts.iter().filter(|(_, a)| a.key == *key).map(|(sock, _)| *sock);
        for sock in own.collect::<Vec<_>>() {
            self.drop_attempt(sock, hands);
        }
    }

    /// Probes under way that the cluster is not at rest before.
    #[must_use]
    pub const fn awaited_attempts(&self) -> usize {
        self.awaited_attempts
    }

    fn remove_sandbox(&mut self, run: &mut PodRun, hands: &mut Hands<'_>) {
        let Some(sandbox) = run.sandbox.take() else { return };
        if sandbox.allocated {
            sandbox::release(&mut self.ipam, &sandbox.ips);
        }
        if sandbox.ns != self.ns {
            self.namespaces.push((sandbox.ns, None));
            host_ports::remove(&run.spec, (&self.node, self.ns), &sandbox, hands);
            hands.world.remove_netns(sandbox.ns);
            if let sandbox::Ipam::Blocks(_) = self.ipam {
                let at = (self.node.as_str(), self.ns);
                calico::detach(&run.spec, at, hands);
            }
        }
    }

    /// Tells the API server that nothing of the pod is left.
    fn forget(&self, key: &(String, String), hands: &mut Hands<'_>) {
        let now = hands.now();
        let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        // It may be gone already: deleted by force.
        let _ = hands.store.delete(Kind::Pod, &key.0, &key.1, at_once, now);
    }

    /// Writes the pod's status.
    fn report(&mut self, key: &(String, String), hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let now = hands.now();
        let counted = |(i, c): &(usize, &ContainerRun)| *i >= run.init || c.sidecar;
        let mut counted = run.containers.iter().enumerate().filter(counted);
        let all_ready = run.containers.len() > run.init && counted.all(|(_, c)| c.is_ready());
        run.ready_since = if all_ready { run.ready_since.or(Some(now)) } else { None };
        let run = &*run;
        let node_ips = &self.node_ips;
        // The pod may be gone already: deleted by force.
        let _ = hands
            .store
            .edit_status::<Pod>(&key.0, &key.1, now, |pod| status::fill(&mut pod.status, run, node_ips, now));
    }
}

/// The time that a pod's processes are given to end.
fn grace(pod: &Pod) -> Duration {
    let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A reference to a pod, or to a part of it.
fn reference(pod: &Pod, field_path: &str) -> ObjectReference {
    ObjectReference { field_path: field_path.to_owned(), ..Object::from(pod.clone()).reference() }
}
