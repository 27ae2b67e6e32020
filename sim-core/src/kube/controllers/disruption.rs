//! Disruption budgets: how many pods may be evicted now
//! (<https://kubernetes.io/docs/tasks/run-application/configure-pdb/>).

use std::collections::BTreeSet;

use crate::kube::objects::disruption_budget::PodDisruptionBudgetStatus;
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{
    Deployment, IntOrString, Object, Pod, PodDisruptionBudget, ReplicaSet, Selector, StatefulSet, Timestamp,
};
use crate::kube::store::{Change, ChangeKind, Store};
use crate::time::SimTime;

/// Namespaces that have budgets, and those of them in which something changed.
#[derive(Clone, Debug, Default)]
pub(super) struct DisruptionController {
    budgets: BTreeSet<(String, String)>,
    dirty: BTreeSet<String>,
}

impl DisruptionController {
    pub(super) fn note(&mut self, change: &Change) {
        let meta = change.object.meta();
        match &*change.object {
            Object::PodDisruptionBudget(_) => {
                let key = (meta.namespace.clone(), meta.name.clone());
                if change.what == ChangeKind::Deleted {
                    self.budgets.remove(&key);
                } else {
                    self.budgets.insert(key);
                    self.dirty.insert(meta.namespace.clone());
                }
            }
            Object::Pod(_) | Object::ReplicaSet(_) | Object::StatefulSet(_) | Object::Deployment(_) => {
                let from = (meta.namespace.clone(), String::new());
                if self.budgets.range(from..).next().is_some_and(|(ns, _)| *ns == meta.namespace) {
                    self.dirty.insert(meta.namespace.clone());
                }
            }
            _ => {}
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for namespace in std::mem::take(&mut self.dirty) {
            let all: Vec<PodDisruptionBudget> =
                store.all::<PodDisruptionBudget>(Some(&namespace)).cloned().collect();
            for budget in all {
                let status = status(store, &budget, now);
                if status != budget.status {
                    // It may be gone by now.
                    let _ = store.update_status(PodDisruptionBudget { status, ..budget }, now);
                }
            }
        }
    }
}

fn status(store: &Store, budget: &PodDisruptionBudget, now: SimTime) -> PodDisruptionBudgetStatus {
    let selector = budget.spec.selector.as_ref().and_then(Selector::from_label_selector);
    let covered =
        |pod: &&Pod| selector.as_ref().is_some_and(|s| s.matches(&pod.metadata.labels)) && !pod.is_finished();
    let pods: Vec<&Pod> = store.all::<Pod>(Some(&budget.metadata.namespace)).filter(covered).collect();
    let count = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    let healthy = pods.iter().filter(|p| p.is_ready() && !p.metadata.is_terminating()).count();
    let healthy = i32::try_from(healthy).unwrap_or(i32::MAX);
    let (expected, desired) = match (&budget.spec.min_available, &budget.spec.max_unavailable) {
        (Some(IntOrString::Int(least)), _) => (count, *least),
        (Some(least), _) => {
            let wanted = wanted(store, &pods);
            (wanted, least.of_total(wanted, true).unwrap_or(0))
        }
        (None, Some(most)) => {
            let wanted = wanted(store, &pods);
            (wanted, (wanted - most.of_total(wanted, true).unwrap_or(0)).max(0))
        }
        (None, None) => (count, 0),
    };
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let (holds, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let before = budget.status.conditions.iter().find(|c| c.kind == "DisruptionAllowed" && c.status == holds);
    PodDisruptionBudgetStatus {
        conditions: vec![Condition {
            kind: "DisruptionAllowed".to_owned(),
            status: holds.to_owned(),
            reason: reason.to_owned(),
            observed_generation: budget.metadata.generation,
            last_transition_time: before.and_then(|c| c.last_transition_time).or(Some(Timestamp::at(now))),
            ..Condition::default()
        }],
        current_healthy: healthy,
        desired_healthy: desired,
        disruptions_allowed: allowed,
        expected_pods: expected,
        observed_generation: budget.metadata.generation,
        rest: budget.status.rest.clone(),
    }
}

/// The number of pods that the owners of these pods want, each owner counted once.
fn wanted(store: &Store, pods: &[&Pod]) -> i32 {
    let mut seen = BTreeSet::new();
    let mut total = 0;
    for pod in pods {
        let owner = pod.metadata.owner_references.iter().find(|o| o.controller == Some(true));
        let Some(owner) = owner else { continue };
        if !seen.insert(owner.uid.clone()) {
            continue;
        }
        let namespace = &pod.metadata.namespace;
        total += match owner.kind.as_str() {
            "ReplicaSet" => match store.read::<ReplicaSet>(namespace, &owner.name) {
                Some(set) => of_set(store, set, &mut seen),
                None => 0,
            },
            "StatefulSet" => store
                .read::<StatefulSet>(namespace, &owner.name)
                .and_then(|set| set.spec.replicas)
                .unwrap_or(0),
            _ => 0,
        };
    }
    total
}

fn of_set(store: &Store, set: &ReplicaSet, seen: &mut BTreeSet<String>) -> i32 {
    let owner = set.metadata.owner_references.iter().find(|o| o.controller == Some(true));
    match owner.and_then(|o| store.read::<Deployment>(&set.metadata.namespace, &o.name)) {
        Some(deployment) if seen.insert(deployment.metadata.uid.clone()) => {
            deployment.spec.replicas.unwrap_or(1)
        }
        Some(_) => 0,
        None => set.spec.replicas.unwrap_or(1),
    }
}
