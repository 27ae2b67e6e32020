//! How evenly pods are to be spread over places (the plugin `PodTopologySpread`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::fit::{tolerated, wanted_by_selector};
use super::refusal::Unfit;
use super::terms::{Term, placed};
use crate::kube::objects::{Node, Pod, TaintEffect};
use crate::kube::store::Store;

/// One constraint with the numbers of pods as they are.
#[derive(Debug)]
struct Constraint {
    term: Term,
    hard: bool,
    max_skew: i64,
    min_domains: usize,
    /// Whether the pod is itself one of those that are counted.
    counts_itself: bool,
    /// Pods by place.
    pods: BTreeMap<String, i64>,
}

/// A pod's constraints.
#[derive(Debug)]
pub(super) struct Spread(Vec<Constraint>);

/// The constraints that a pod has written.
pub(super) fn constraints(pod: &Pod) -> &[Value] {
    pod.spec.rest.get("topologySpreadConstraints").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Spread {
    /// None if the pod asks for nothing.
    pub(super) fn of(pod: &Pod, store: &Store) -> Option<Self> {
        let written = constraints(pod);
        if written.is_empty() {
            return None;
        }
        let mut all: Vec<Constraint> = written.iter().map(|c| Constraint::new(c, pod, store)).collect();
        let keys: Vec<String> = all.iter().filter(|c| c.hard).map(|c| c.term.key.clone()).collect();
        for (constraint, written) in all.iter_mut().zip(written) {
            let taints = written["nodeTaintsPolicy"] == "Honor";
            let affinity = written["nodeAffinityPolicy"] != "Ignore";
            let eligible = |node: &Node| {
                keys.iter().all(|k| node.metadata.labels.contains_key(k))
                    && (!affinity || wanted_by_selector(pod, node))
                    && (!taints || lets_in(pod, node))
            };
            constraint.count(store, &eligible);
        }
        Some(Self(all))
    }

    /// Whether a node may take one more.
    pub(super) fn check(&self, node: &Node) -> Result<(), Unfit> {
        for c in self.0.iter().filter(|c| c.hard) {
            let Some(place) = c.term.place(node) else {
                let missing = "node(s) didn't match pod topology spread constraints (missing required label)";
                return Err(Unfit::for_good(missing));
            };
            let here = c.pods.get(place).copied().unwrap_or(0) + i64::from(c.counts_itself);
            if here - c.least() > c.max_skew {
                return Err(Unfit::for_now("node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }

    /// Pods that are where a node is, by constraints that are only wishes: fewer are better.
    pub(super) fn crowd(&self, node: &Node) -> i64 {
        let soft = self.0.iter().filter(|c| !c.hard);
        let crowd = |c: &Constraint| {
            c.term.place(node).map_or(i64::MAX / 64, |place| c.pods.get(place).copied().unwrap_or(0))
        };
        soft.map(crowd).fold(0, i64::saturating_add)
    }
}

impl Constraint {
    fn new(written: &Value, pod: &Pod, store: &Store) -> Self {
        let term = Term::of(written, pod, store);
        Self {
            hard: written["whenUnsatisfiable"] != "ScheduleAnyway",
            max_skew: written["maxSkew"].as_i64().unwrap_or(1),
            min_domains: written["minDomains"]
                .as_u64()
                .map_or(1, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            counts_itself: term.matches(pod),
            term,
            pods: BTreeMap::new(),
        }
    }

    fn count(&mut self, store: &Store, eligible: &dyn Fn(&Node) -> bool) {
        for node in store.all::<Node>(None).filter(|n| eligible(n)) {
            if let Some(place) = self.term.place(node) {
                self.pods.entry(place.to_owned()).or_default();
            }
        }
        for (pod, node) in placed(store).filter(|(_, node)| eligible(node)) {
            if let Some(place) = self.term.place(node)
                && self.term.matches(pod)
                && !pod.metadata.is_terminating()
                && let Some(n) = self.pods.get_mut(place)
            {
                *n += 1;
            }
        }
    }

    /// Pods in the emptiest place; none, if there are fewer places than there must be.
    fn least(&self) -> i64 {
        if self.pods.len() < self.min_domains { 0 } else { self.pods.values().copied().min().unwrap_or(0) }
    }
}

fn lets_in(pod: &Pod, node: &Node) -> bool {
    let keeps_out = |t: &&crate::kube::objects::Taint| t.effect != TaintEffect::PreferNoSchedule;
    node.spec.taints.iter().filter(keeps_out).all(|t| tolerated(t, &pod.spec.tolerations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Dice;
    use crate::kube::store::StoreConfig;

    #[test]
    fn many_wishes_that_no_node_can_meet_add_up() {
        let wish = |key: i32| {
            serde_json::json!({
                "maxSkew": 1, "topologyKey": format!("example.com/{key}"), "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {},
            })
        };
        let mut pod = Pod::default();
        let wishes: Vec<Value> = (0..80).map(wish).collect();
        let rest = &mut std::sync::Arc::make_mut(&mut pod.spec).rest;
        rest.insert("topologySpreadConstraints".to_owned(), wishes.into());
        let store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let spread = Spread::of(&pod, &store).unwrap();
        assert_eq!(spread.crowd(&Node::default()), i64::MAX);
    }
}
