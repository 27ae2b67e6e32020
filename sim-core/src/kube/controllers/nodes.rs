//! The life of nodes: a node that is not heard of is not ready, its pods are sent away, and so are those that do not tolerate a taint.
//!
//! Sources: <https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller> and
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions>. Left out: zones that are
//! disrupted as a whole, and pressure of memory and disks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::scheduler::tolerated;
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{Kind, Node, Object, Pod, Taint, TaintEffect, Timestamp};
use crate::kube::store::{
    Change, ChangeKind, DeleteOptions, EventType, Store, set_condition, set_pod_condition,
};
use crate::time::{EventQueue, SimTime};

const NAME: &str = "node-controller";
const EVICTION: &str = "taint-eviction-controller";
/// How long a node may be silent (`--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(40);
/// How long pods of a node that is deleted are kept.
const QUARANTINE: Duration = Duration::from_secs(40);
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";

type PodKey = (String, String);

/// Why the controller wakes.
#[derive(Clone, Debug)]
enum Wake {
    Silent(String),
    Evict(PodKey),
    Collect(String),
}

/// What the controller remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeLifecycle {
    /// Nodes that are not heard of, and since when.
    silent: BTreeMap<String, SimTime>,
    back: BTreeSet<String>,
    by_node: BTreeMap<String, BTreeSet<PodKey>>,
    /// Nodes with a taint that sends pods away.
    tainted: BTreeSet<String>,
    /// Pods that are to go: their uid, and when.
    leaving: BTreeMap<PodKey, (String, SimTime)>,
    dirty_nodes: BTreeSet<String>,
    dirty_pods: BTreeSet<PodKey>,
    wakes: EventQueue<Wake>,
}

impl NodeLifecycle {
    pub(super) fn note(&mut self, change: &Change) {
        match &*change.object {
            Object::Node(node) => self.note_node(node, change),
            Object::Pod(pod) => {
                let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
                let node = &pod.spec.node_name;
                if change.what == ChangeKind::Deleted {
                    if let Some(keys) = self.by_node.get_mut(node) {
                        keys.remove(&key);
                    }
                    self.leaving.remove(&key);
                } else if !node.is_empty() {
                    let new = self.by_node.entry(node.clone()).or_default().insert(key.clone());
                    let before = change
                        .old
                        .as_deref()
                        .and_then(|o| if let Object::Pod(p) = o { Some(p) } else { None });
                    let changed = before.is_some_and(|b| b.spec.tolerations != pod.spec.tolerations);
                    if (new || changed) && self.tainted.contains(node) {
                        self.dirty_pods.insert(key);
                    }
                }
            }
            _ => {}
        }
    }

    fn note_node(&mut self, node: &Node, change: &Change) {
        let name = &node.metadata.name;
        if change.what == ChangeKind::Deleted {
            self.tainted.remove(name);
            self.wakes.push(SimTime::ZERO, Wake::Collect(name.clone()));
            return;
        }
        let before = change.old.as_deref().and_then(|o| if let Object::Node(n) = o { Some(n) } else { None });
        if before.map_or(&Vec::new(), |b| &b.spec.taints) == &node.spec.taints {
            return;
        }
        if node.spec.taints.iter().any(|t| t.effect == TaintEffect::NoExecute) {
            self.tainted.insert(name.clone());
        } else {
            self.tainted.remove(name);
        }
        self.dirty_nodes.insert(name.clone());
    }

    /// A node's kubelet has gone silent, or is back.
    pub(super) fn heard(&mut self, node: &str, silent: bool, now: SimTime) {
        if silent {
            self.silent.entry(node.to_owned()).or_insert(now);
            self.wakes.push(now + GRACE, Wake::Silent(node.to_owned()));
        } else if self.silent.remove(node).is_some() {
            self.back.insert(node.to_owned());
            self.wakes.push(now, Wake::Silent(node.to_owned()));
        }
    }

    pub(super) fn next_at(&self) -> Option<SimTime> {
        self.wakes.next_at()
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        while let Some((at, wake)) = self.wakes.pop_due(now) {
            match wake {
                Wake::Silent(node) => self.judge(store, &node, now),
                Wake::Evict(pod) => self.evict(store, &pod, now),
                // The log does not tell when the node went, but it is read in the same instant.
                Wake::Collect(node) if at == SimTime::ZERO => {
                    self.wakes.push(now + QUARANTINE, Wake::Collect(node));
                }
                Wake::Collect(node) => self.collect(store, &node, now),
            }
        }
        for node in std::mem::take(&mut self.dirty_nodes) {
            self.dirty_pods.extend(self.by_node.get(&node).into_iter().flatten().cloned());
        }
        for pod in std::mem::take(&mut self.dirty_pods) {
            self.weigh(store, pod, now);
        }
    }

    /// Marks a node that has been silent for too long, or one that is back.
    fn judge(&mut self, store: &mut Store, node: &str, now: SimTime) {
        if self.back.remove(node) {
            return self.welcome(store, node, now);
        }
        if self.silent.get(node).is_none_or(|since| now.since(*since) < GRACE) {
            return;
        }
        let Some(mut object) = store.read::<Node>("", node).cloned() else { return };
        if !object.is_ready() {
            return;
        }
        for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            let heartbeat =
                object.status.conditions.iter().find(|c| c.kind == kind).and_then(|c| c.last_heartbeat_time);
            let new = Condition {
                kind: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: "NodeStatusUnknown".to_owned(),
                message: "Kubelet stopped posting node status.".to_owned(),
                last_heartbeat_time: heartbeat,
                last_transition_time: Some(Timestamp::at(now)),
                ..Condition::default()
            };
            set_condition(&mut object.status.conditions, new);
        }
        // It may be gone by now.
        let _ = store.update_status(object.clone(), now);
        let message = format!("Node {node} status is now: NodeNotReady");
        let reference = Object::from(object).reference();
        store.event(&reference, EventType::Normal, "NodeNotReady", NAME, &message, now);
        self.taint(store, node, UNREACHABLE, now);
        for (namespace, name) in self.by_node.get(node).cloned().unwrap_or_default() {
            let marked = store.edit_status::<Pod>(&namespace, &name, now, |pod| {
                if pod.is_ready() {
                    let (reason, message) = pod
                        .condition("Ready")
                        .map(|c| (c.reason.clone(), c.message.clone()))
                        .unwrap_or_default();
                    set_pod_condition(pod, "Ready", "False", &reason, &message, now);
                }
            });
            if let Ok(pod) = marked {
                let about = pod.reference();
                store.event(&about, EventType::Warning, "NodeNotReady", NAME, "Node is not ready", now);
            }
        }
    }

    /// A taint against new pods, and one that sends pods away.
    fn taint(&self, store: &mut Store, node: &str, key: &str, now: SimTime) {
        let Some(mut object) = store.read::<Node>("", node).cloned() else { return };
        for effect in [TaintEffect::NoSchedule, TaintEffect::NoExecute] {
            if object.spec.taints.iter().all(|t| t.key != key || t.effect != effect) {
                let time_added = Some(Timestamp::at(now));
                object.spec.taints.push(Taint {
                    effect,
                    key: key.to_owned(),
                    time_added,
                    ..Taint::default()
                });
            }
        }
        let _ = store.update(object, now);
    }

    /// A node that is back is ready, and its taints go.
    fn welcome(&self, store: &mut Store, node: &str, now: SimTime) {
        let Some(mut object) = store.read::<Node>("", node).cloned() else { return };
        object.spec.taints.retain(|t| t.key != UNREACHABLE && t.key != NOT_READY);
        let _ = store.update(object.clone(), now);
        let reference = Object::from(object).reference();
        let message = format!("Node {node} status is now: NodeReady");
        store.event(&reference, EventType::Normal, "NodeReady", "kubelet", &message, now);
    }

    /// Decides whether a pod may stay on its node, and for how long.
    fn weigh(&mut self, store: &mut Store, key: PodKey, now: SimTime) {
        let Some(pod) = store.read::<Pod>(&key.0, &key.1) else { return };
        let (uid, node) = (pod.metadata.uid.clone(), &pod.spec.node_name);
        if pod.metadata.is_terminating() {
            return;
        }
        let taints = store.read::<Node>("", node).map(|n| n.spec.taints.clone()).unwrap_or_default();
        let sending: Vec<&Taint> = taints.iter().filter(|t| t.effect == TaintEffect::NoExecute).collect();
        let stay = patience(pod, &sending);
        let reference = Object::from(pod.clone()).reference();
        let (namespace, name) = &key;
        match stay {
            None => {
                if self.leaving.remove(&key).is_some() {
                    let message = format!("Cancelling deletion of Pod {namespace}/{name}");
                    store.event(
                        &reference,
                        EventType::Normal,
                        "TaintManagerEviction",
                        EVICTION,
                        &message,
                        now,
                    );
                }
            }
            Some(wait) => {
                // A wait that has begun goes on.
                if self.leaving.get(&key).is_some_and(|(known, _)| *known == uid) && !wait.is_zero() {
                    return;
                }
                self.leaving.insert(key.clone(), (uid, now + wait));
                self.wakes.push(now + wait, Wake::Evict(key));
            }
        }
    }

    fn evict(&mut self, store: &mut Store, key: &PodKey, now: SimTime) {
        let Some((uid, at)) = self.leaving.get(key).cloned() else { return };
        let Some(pod) = store.find(Kind::Pod, &key.0, &key.1).filter(|p| p.meta().uid == uid).cloned() else {
            self.leaving.remove(key);
            return;
        };
        if at > now || pod.meta().is_terminating() {
            return;
        }
        self.leaving.remove(key);
        let message = format!("Marking for deletion Pod {}/{}", key.0, key.1);
        store.event(&pod.reference(), EventType::Normal, "TaintManagerEviction", EVICTION, &message, now);
        let marked = store.edit_status::<Pod>(&key.0, &key.1, now, |pod| {
            let message = "Taint manager: deleting due to NoExecute taint";
            set_pod_condition(pod, "DisruptionTarget", "True", "DeletionByTaintManager", message, now);
        });
        if marked.is_ok() {
            let _ = store.delete(Kind::Pod, &key.0, &key.1, DeleteOptions::default(), now);
        }
    }

    /// Deletes what is left of a node that is gone.
    fn collect(&mut self, store: &mut Store, node: &str, now: SimTime) {
        if store.find(Kind::Node, "", node).is_some() {
            return;
        }
        for (namespace, name) in self.by_node.get(node).cloned().unwrap_or_default() {
            let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
            let _ = store.delete(Kind::Pod, &namespace, &name, options, now);
        }
    }
}

/// How long a pod may stay under taints that send pods away; none: for good.
fn patience(pod: &Pod, taints: &[&Taint]) -> Option<Duration> {
    let mut least: Option<Duration> = None;
    for taint in taints {
        let covering = pod.spec.tolerations.iter().filter(|t| tolerated(taint, std::slice::from_ref(*t)));
        let waits: Vec<Option<i64>> = covering.map(|t| t.toleration_seconds).collect();
        if waits.is_empty() {
            return Some(Duration::ZERO);
        }
        for wait in waits.into_iter().flatten() {
            let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(0));
            least = Some(least.map_or(wait, |l| l.min(wait)));
        }
    }
    least
}
