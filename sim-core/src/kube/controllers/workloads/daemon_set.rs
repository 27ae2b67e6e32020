//! Daemon sets: a pod on every node that can take it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::owned::is_active;
use super::{Cx, history, pods};
use crate::kube::controllers::scheduler::takes_daemon;
use crate::kube::objects::daemon_set::{DaemonSetStatus, REVISION_HASH};
use crate::kube::objects::pod::{Toleration, TolerationOperator};
use crate::kube::objects::{
    DaemonSet, Kind, Node, Object, ObjectKey, Pod, PodPhase, PodSpec, Selector, TaintEffect,
};
use crate::kube::store::EventType;

const NAME: &str = "daemonset-controller";
/// Annotation of a daemon set, and label of its pods: how often its template has changed.
const TEMPLATE_GENERATION: (&str, &str) =
    ("deprecated.daemonset.template.generation", "pod-template-generation");

pub(super) fn sync(cx: &mut Cx<'_>, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::DaemonSet, &key.namespace, &key.name).cloned() else { return };
    let Object::DaemonSet(set) = &*object else { return };
    let Some(selector) = set.spec.selector.as_ref().and_then(Selector::from_label_selector) else { return };
    if pods::claim(cx, &object, &selector) {
        return;
    }
    let Some(revision) = history::current(cx, &object, &set.spec.template, set.status.collision_count) else {
        return;
    };
    let hash = revision.metadata.labels.get(REVISION_HASH).cloned().unwrap_or_default();
    let look = Look { key, object: &object, set, hash: hash.clone(), generation: revision.revision };
    if !set.metadata.is_terminating() {
        look.act(cx);
    }
    look.report(cx);
    let used: BTreeSet<String> = pods::of_owner(cx, &key.namespace, &set.metadata.uid)
        .iter()
        .filter_map(|o| o.meta().labels.get(REVISION_HASH).cloned())
        .chain([hash])
        .collect();
    history::trim(cx, &object, set.spec.revision_history_limit, |r| {
        r.metadata.labels.get(REVISION_HASH).is_some_and(|h| used.contains(h))
    });
}

/// One look at a daemon set.
struct Look<'a> {
    key: &'a ObjectKey,
    object: &'a Object,
    set: &'a DaemonSet,
    hash: String,
    generation: i64,
}

impl Look<'_> {
    /// The pod that a node would get, as far as placement goes.
    fn sample(&self) -> Pod {
        let mut pod = pods::of_template(self.object, &self.set.spec.template);
        tolerate(pods::spec_mut(&mut pod));
        pod
    }

    /// The pods by the node that they are for, the oldest first.
    fn by_node(&self, cx: &Cx<'_>) -> BTreeMap<String, Vec<Pod>> {
        let mut all: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
        for object in pods::of_owner(cx, &self.key.namespace, &self.set.metadata.uid) {
            if let Object::Pod(pod) = &*object {
                all.entry(target(pod)).or_default().push((**pod).clone());
            }
        }
        for list in all.values_mut() {
            list.sort_by_key(|p| (p.metadata.creation_timestamp, p.metadata.name.clone()));
        }
        all
    }

    fn act(&self, cx: &mut Cx<'_>) {
        let sample = self.sample();
        let nodes: Vec<Node> = cx.store.all::<Node>(None).cloned().collect();
        let mut have = self.by_node(cx);
        for node in &nodes {
            let pods = have.remove(&node.metadata.name).unwrap_or_default();
            let (runs, stays) = takes_daemon(&sample, node);
            self.tend(cx, node, &pods, runs, stays);
        }
        // What is for a node that is not there is left to the collector of pods.
        if self.set.spec.update_strategy.kind == "RollingUpdate" {
            self.update(cx, &sample, &nodes);
        }
    }

    fn tend(&self, cx: &mut Cx<'_>, node: &Node, pods: &[Pod], runs: bool, stays: bool) {
        if !stays {
            pods.iter().filter(|p| !p.metadata.is_terminating()).for_each(|p| self.delete(cx, p));
            return;
        }
        let mut keep = 0;
        for pod in pods {
            if pod.metadata.is_terminating() {
                if pods::will_end(cx, pod) {
                    cx.wait(self.key);
                }
            } else if pod.is_finished() {
                let (ns, name, node) = (&self.key.namespace, &pod.metadata.name, &node.metadata.name);
                let (reason, what) = if pod.status.phase == PodPhase::Failed {
                    ("FailedDaemonPod", "failed")
                } else {
                    ("SucceededDaemonPod", "succeeded")
                };
                let kind = if what == "failed" { EventType::Warning } else { EventType::Normal };
                let message =
                    format!("Found {what} daemon pod {ns}/{name} on node {node}, will try to kill it");
                cx.event(self.object, kind, reason, NAME, &message);
                self.delete(cx, pod);
            } else {
                keep += 1;
            }
        }
        if keep == 0
            && runs
            && pods.iter().all(|p| p.metadata.is_terminating() && p.spec.node_name.is_empty())
        {
            self.create(cx, &node.metadata.name);
        }
    }

    /// Replaces pods of an older template: as many at a time as may be missing.
    fn update(&self, cx: &mut Cx<'_>, sample: &Pod, nodes: &[Node]) {
        let wanted: Vec<&Node> = nodes.iter().filter(|n| takes_daemon(sample, n).0).collect();
        let total = i32::try_from(wanted.len()).unwrap_or(i32::MAX);
        let rolling = self.set.spec.update_strategy.rolling_update.clone().unwrap_or_default();
        let most = rolling.max_unavailable.as_ref().and_then(|v| v.of_total(total, true)).unwrap_or(1);
        let surge = rolling.max_surge.as_ref().and_then(|v| v.of_total(total, true)).unwrap_or(0);
        let have = self.by_node(cx);
        let mut missing = 0;
        let mut old: Vec<(&str, &Pod, bool)> = Vec::new();
        let mut surging = 0;
        for node in &wanted {
            let pods = have.get(&node.metadata.name).map_or(&[][..], Vec::as_slice);
            let live: Vec<&Pod> = pods.iter().filter(|p| is_active(p)).collect();
            let available = live.iter().any(|p| self.available(cx, p));
            let fresh = live.iter().any(|p| self.is_fresh(p));
            missing += i32::from(!available);
            surging += i32::from(live.len() > 1 || (fresh && !available && surge > 0));
            let outdated = live.iter().filter(|p| !self.is_fresh(p));
            old.extend(outdated.map(|p| (node.metadata.name.as_str(), *p, fresh)));
        }
        for (node, pod, replaced) in old {
            if surge > 0 {
                self.surge(cx, node, pod, replaced, &have, (&mut surging, surge));
            } else if !self.available(cx, pod) {
                // It is missing already.
                self.delete(cx, pod);
            } else if missing < most {
                missing += 1;
                self.delete(cx, pod);
            }
        }
    }

    /// With `maxSurge` the old pod goes when the new one beside it is available.
    fn surge(
        &self,
        cx: &mut Cx<'_>,
        node: &str,
        old: &Pod,
        replaced: bool,
        have: &BTreeMap<String, Vec<Pod>>,
        (surging, surge): (&mut i32, i32),
    ) {
        let new = have.get(node).into_iter().flatten().find(|p| is_active(p) && self.is_fresh(p));
        match new {
            Some(new) if self.available(cx, new) => self.delete(cx, old),
            None if !replaced && *surging < surge => {
                *surging += 1;
                self.create(cx, node);
            }
            _ => {}
        }
    }

    fn is_fresh(&self, pod: &Pod) -> bool {
        pod.metadata.labels.get(REVISION_HASH) == Some(&self.hash)
    }

    fn available(&self, cx: &mut Cx<'_>, pod: &Pod) -> bool {
        match pods::availability(pod, self.set.spec.min_ready_seconds, cx.now) {
            Ok(()) => true,
            Err(wait) => {
                if let Some(wait) = wait {
                    cx.wake(self.key, wait);
                    cx.wait(self.key);
                }
                false
            }
        }
    }

    fn create(&self, cx: &mut Cx<'_>, node: &str) {
        let mut pod = self.sample();
        pod.metadata.labels.insert(REVISION_HASH.to_owned(), self.hash.clone());
        pod.metadata.labels.insert(TEMPLATE_GENERATION.1.to_owned(), self.generation.to_string());
        pin_to_node(pods::spec_mut(&mut pod), node);
        if let Ok(name) = pods::create(cx, self.object, pod, NAME) {
            let message = format!("Created pod: {name}");
            cx.event(self.object, EventType::Normal, "SuccessfulCreate", NAME, &message);
        }
    }

    fn delete(&self, cx: &mut Cx<'_>, pod: &Pod) {
        let name = &pod.metadata.name;
        if pods::delete(cx, &self.key.namespace, name) {
            let message = format!("Deleted pod: {name}");
            cx.event(self.object, EventType::Normal, "SuccessfulDelete", NAME, &message);
            cx.wait(self.key);
        }
    }

    fn report(&self, cx: &mut Cx<'_>) {
        let sample = self.sample();
        let have = self.by_node(cx);
        let nodes: Vec<Node> = cx.store.all::<Node>(None).cloned().collect();
        let mut status = DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            rest: self.set.status.rest.clone(),
            collision_count: self.set.status.collision_count,
            ..DaemonSetStatus::default()
        };
        for node in &nodes {
            let mut pods = have.get(&node.metadata.name).into_iter().flatten().filter(|p| is_active(p));
            let first = pods.next().cloned();
            let (runs, _) = takes_daemon(&sample, node);
            if !runs {
                status.number_misscheduled += i32::from(first.is_some());
                continue;
            }
            status.desired_number_scheduled += 1;
            let Some(pod) = first else { continue };
            status.current_number_scheduled += 1;
            status.number_ready += i32::from(pod.is_ready());
            status.updated_number_scheduled += i32::from(self.is_fresh(&pod));
            status.number_available += i32::from(self.available(cx, &pod));
        }
        status.number_unavailable = status.desired_number_scheduled - status.number_available;
        let mut new = DaemonSet { status, ..self.set.clone() };
        let generation = self.generation.to_string();
        new.metadata.annotations.insert(TEMPLATE_GENERATION.0.to_owned(), generation);
        // It may be gone by now.
        let _ = cx.store.update_status_and_annotations(new, cx.now);
    }
}

/// The node that a daemon pod is for.
fn target(pod: &Pod) -> String {
    if !pod.spec.node_name.is_empty() {
        return pod.spec.node_name.clone();
    }
    let path = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let name = pod.spec.affinity.as_ref().and_then(|a| a.pointer(path)).and_then(|v| v.as_str());
    name.unwrap_or_default().to_owned()
}

/// The scheduler may choose among one node only: in place of what the template says of nodes by field.
fn pin_to_node(spec: &mut PodSpec, node: &str) {
    let fields = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let affinity = spec.affinity.get_or_insert_with(|| json!({}));
    if !affinity["nodeAffinity"].is_object() {
        affinity["nodeAffinity"] = json!({});
    }
    let terms = affinity["nodeAffinity"][required]["nodeSelectorTerms"].as_array().cloned();
    let terms: Vec<_> = terms
        .unwrap_or_else(|| vec![json!({})])
        .into_iter()
        .map(|mut term| {
            term["matchFields"] = fields.clone();
            term
        })
        .collect();
    affinity["nodeAffinity"][required] = json!({"nodeSelectorTerms": terms});
}

/// Daemon pods stay where others are sent away
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations>).
fn tolerate(spec: &mut PodSpec) {
    let mut all = vec![
        ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
        ("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
        ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/memory-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/pid-pressure", TaintEffect::NoSchedule),
        ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
    ];
    if spec.host_network {
        all.push(("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule));
    }
    for (key, effect) in all {
        let new = Toleration {
            key: key.to_owned(),
            operator: Some(TolerationOperator::Exists),
            effect: Some(effect),
            ..Toleration::default()
        };
        if !spec.tolerations.contains(&new) {
            spec.tolerations.push(new);
        }
    }
}
