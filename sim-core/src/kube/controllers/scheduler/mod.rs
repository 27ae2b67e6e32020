//! The scheduler: binds pods to nodes.
//!
//! The real scheduler scores nodes and breaks ties at random; this one is deterministic: among the nodes that can take the
//! pod it prefers those without a taint against it, then those it has an affinity to, then those with the fewest pods of the
//! same group (same owner, or same labels), then those with the fewest pods, then by name. Left out: pushing pods of lower priority
//! off a node.

mod companions;
mod fit;
mod refusal;
mod resources;
mod spread;
mod storage;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::{Kind, Node, Object, Pod, Protocol};
use crate::kube::store::{Change, ChangeKind, EventType, Store, set_pod_condition};
use crate::time::SimTime;

pub(super) use fit::{takes_daemon, term_holds as node_term_holds, tolerated};

use refusal::{Tally, Unfit};
use resources::Amounts;

const NAME: &str = "default-scheduler";

type PodKey = (String, String);

/// What the scheduler remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Scheduler {
    /// Pods to be placed, in the order in which they came.
    queue: Vec<PodKey>,
    /// Pods that no node could take.
    waiting: BTreeSet<PodKey>,
    nodes: BTreeMap<String, Load>,
    /// Nodes that are there, those with the fewest pods first.
    order: BTreeSet<(u32, String)>,
    /// Number of pods by group and node.
    groups: BTreeMap<String, BTreeMap<String, u32>>,
    /// Pods on nodes that keep others away.
    repelling: BTreeSet<PodKey>,
    /// Waiting pods that go where others are.
    dependent: BTreeSet<PodKey>,
    /// Uids of pods that were counted when they were bound, before the change was noted.
    counted: BTreeSet<String>,
}

/// What is on a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    /// Whether there is a node of that name.
    present: bool,
    pods: u32,
    /// What the node has for pods, and what those that are there have asked for.
    allocatable: Amounts,
    requested: Amounts,
    /// Ports of the node that pods hold, with how many pods hold them.
    ports: BTreeMap<(Protocol, u16), u32>,
}

impl Scheduler {
    pub(super) fn note(&mut self, change: &Change) {
        match &*change.object {
            Object::Node(node) => {
                let name = &node.metadata.name;
                let load = self.nodes.entry(name.clone()).or_default();
                load.present = change.what != ChangeKind::Deleted;
                load.allocatable = resources::amounts(&node.status.allocatable);
                if load.present {
                    self.order.insert((load.pods, name.clone()));
                } else {
                    self.order.remove(&(load.pods, name.clone()));
                }
                self.retry();
            }
            Object::PersistentVolumeClaim(_) | Object::PersistentVolume(_) | Object::StorageClass(_) => {
                self.retry();
            }
            Object::Pod(pod) => {
                let before = change
                    .old
                    .as_deref()
                    .and_then(|old| if let Object::Pod(p) = old { Some(&**p) } else { None });
                self.note_pod(before, pod, change.what);
            }
            _ => {}
        }
    }

    fn note_pod(&mut self, before: Option<&Pod>, pod: &Pod, what: ChangeKind) {
        let holds = |pod: &Pod| !pod.spec.node_name.is_empty() && !pod.is_finished();
        let (held, holds) = (before.is_some_and(holds), what != ChangeKind::Deleted && holds(pod));
        if held && !holds {
            self.count(pod, false);
            self.retry();
        }
        if !held && holds {
            if !self.counted.remove(&pod.metadata.uid) {
                self.count(pod, true);
            }
            for key in std::mem::take(&mut self.dependent) {
                if self.waiting.remove(&key) {
                    self.queue.push(key);
                }
            }
        }
        let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        let wanted = what != ChangeKind::Deleted
            && pod.spec.node_name.is_empty()
            && !pod.metadata.is_terminating()
            && !pod.is_gated()
            && pod.spec.scheduler_name.as_deref() == Some(NAME);
        let comes = what == ChangeKind::Added || before.is_some_and(Pod::is_gated);
        if comes && wanted {
            self.queue.push(key);
        } else if !wanted {
            self.waiting.remove(&key);
        }
    }

    fn retry(&mut self) {
        self.queue.extend(std::mem::take(&mut self.waiting));
    }

    fn count(&mut self, pod: &Pod, more: bool) {
        let node = &pod.spec.node_name;
        let step = |n: &mut u32| *n = if more { *n + 1 } else { n.saturating_sub(1) };
        let load = self.nodes.entry(node.clone()).or_default();
        self.order.remove(&(load.pods, node.clone()));
        step(&mut load.pods);
        if load.present {
            self.order.insert((load.pods, node.clone()));
        }
        for port in host_ports(pod) {
            step(load.ports.entry(port).or_default());
        }
        load.ports.retain(|_, n| *n > 0);
        for (name, amount) in resources::requested(&pod.spec) {
            *load.requested.entry(name).or_default() += if more { amount } else { -amount };
        }
        if companions::repels(pod) {
            let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
            if more {
                self.repelling.insert(key)
            } else {
                self.repelling.remove(&key)
            };
        }
        let group = self.groups.entry(group_of(pod)).or_default();
        step(group.entry(node.clone()).or_default());
        group.retain(|_, n| *n > 0);
        if group.is_empty() {
            self.groups.remove(&group_of(pod));
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for key in std::mem::take(&mut self.queue) {
            let Some(pod) = store.read::<Pod>(&key.0, &key.1) else { continue };
            if !pod.spec.node_name.is_empty() || pod.metadata.is_terminating() {
                continue;
            }
            let depends = companions::depends(pod) || !spread::constraints(pod).is_empty();
            match self.choose(store, pod) {
                Ok(node) => self.bind(store, &key, &node, now),
                Err(why) => {
                    refuse(store, &key, &why, now);
                    if depends {
                        self.dependent.insert(key.clone());
                    }
                    self.waiting.insert(key);
                }
            }
        }
    }

    /// The best node, or why there is none.
    fn choose(&self, store: &Store, pod: &Pod) -> Result<String, String> {
        let pin = store.pod_pin(&pod.metadata.namespace, &pod.metadata.name);
        if let Some(node) = pin.and_then(|p| p.node.as_ref())
            && store.read::<Node>("", node).is_some()
        {
            return Ok(node.clone());
        }
        let total = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        let release = store.config().version;
        let wishes = fit::Wishes::of(pod, store, &self.repelling)
            .map_err(|why| refusal::nowhere(total, &why, pod, release))?;
        // A daemon's pod is for one node: no other needs to be looked at.
        if let Some(name) = fit::only_node(pod)
            && let (Some(node), Some(load)) = (store.read::<Node>("", name), self.nodes.get(name))
        {
            return wishes.check(node, load).map(|_| name.to_owned()).map_err(|unfit| {
                let mut tally = Tally::default();
                let others = Unfit::for_good("node(s) didn't satisfy plugin(s) [NodeAffinity]");
                tally.add(unfit);
                tally.add_many(others, total.saturating_sub(1));
                tally.sentence(total, pod, release)
            });
        }
        self.best(store, pod, &wishes).map_err(|tally| tally.sentence(total, pod, release))
    }

    /// The node that takes the pod most gladly.
    fn best(&self, store: &Store, pod: &Pod, wishes: &fit::Wishes<'_>) -> Result<String, Tally> {
        let group = self.groups.get(&group_of(pod));
        let ours = |name: &str| group.and_then(|g| g.get(name)).copied().unwrap_or(0);
        // Nothing can be better than this, so the first node that is as good as that ends the search: the walk is in the
        // order of the tie-breakers.
        let everywhere = group.is_some_and(|g| g.len() >= self.order.len());
        let fewest = if everywhere { self.order.iter().map(|(_, name)| ours(name)).min() } else { None };
        let ideal = (wishes.ceiling(), fewest.unwrap_or(0));
        let mut best: Option<((fit::Rank, u32), &str)> = None;
        let mut tally = Tally::default();
        for (_, name) in &self.order {
            let (Some(node), Some(load)) = (store.read::<Node>("", name), self.nodes.get(name)) else {
                continue;
            };
            match wishes.check(node, load) {
                Ok(rank) => {
                    let candidate = (rank, ours(name));
                    if best.is_none_or(|(known, _)| candidate < known) {
                        best = Some((candidate, name));
                    }
                    if candidate <= ideal {
                        break;
                    }
                }
                Err(unfit) => tally.add(unfit),
            }
        }
        best.map(|(_, name)| name.to_owned()).ok_or(tally)
    }

    fn bind(&mut self, store: &mut Store, key: &PodKey, node: &str, now: SimTime) {
        storage::select(store, key, node, now);
        if store.bind(&key.0, &key.1, node, now).is_err() {
            return;
        }
        if let Some(pod) = store.find(Kind::Pod, &key.0, &key.1).cloned() {
            // The next pod of this round must see this one; the change's own note will find it counted.
            let message = format!("Successfully assigned {}/{} to {node}", key.0, key.1);
            store.event(&pod.reference(), EventType::Normal, "Scheduled", NAME, &message, now);
            if let Object::Pod(pod) = &*pod {
                self.count(pod, true);
                self.counted.insert(pod.metadata.uid.clone());
            }
        }
    }
}

/// Marks a pod as not placeable for now.
fn refuse(store: &mut Store, key: &PodKey, why: &str, now: SimTime) {
    let marked = store.edit_status::<Pod>(&key.0, &key.1, now, |pod| {
        set_pod_condition(pod, "PodScheduled", "False", "Unschedulable", why, now);
    });
    if let Ok(pod) = marked {
        store.event(&pod.reference(), EventType::Warning, "FailedScheduling", NAME, why, now);
    }
}

fn host_ports(pod: &Pod) -> impl Iterator<Item = (Protocol, u16)> + '_ {
    let ports = pod.spec.containers.iter().flat_map(|c| &c.ports);
    ports.filter_map(|p| Some((p.protocol, p.host_port?)))
}

/// Pods that should be spread: those with the same controller, or with the same labels.
fn group_of(pod: &Pod) -> String {
    let owner = pod.metadata.owner_references.iter().find(|o| o.controller == Some(true));
    let group = owner.map_or_else(
        || {
            let labels: Vec<String> = pod.metadata.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            labels.join(",")
        },
        |o| o.uid.clone(),
    );
    format!("{}/{group}", pod.metadata.namespace)
}
