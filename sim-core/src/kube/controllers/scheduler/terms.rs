//! Terms about other pods, as affinities and spread constraints write them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kube::objects::meta::LabelSelector;
use crate::kube::objects::selector::Labels;
use crate::kube::objects::{Namespace, Node, Pod, Selector};
use crate::kube::store::Store;

/// Pods by their labels and namespace, and what about their nodes counts.
#[derive(Clone, Debug)]
pub(super) struct Term {
    selector: Option<Selector>,
    namespaces: BTreeSet<String>,
    /// Label of nodes: those with the same value are one place.
    pub(super) key: String,
}

impl Term {
    /// A term that `pod` has written.
    pub(super) fn of(term: &Value, pod: &Pod, store: &Store) -> Self {
        let mut namespaces: BTreeSet<String> = term["namespaces"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|n| n.as_str())
            .map(str::to_owned)
            .collect();
        if let Some(chosen) = selector(&term["namespaceSelector"]) {
            let all = store.all::<Namespace>(None).filter(|n| chosen.matches(&n.metadata.labels));
            namespaces.extend(all.map(|n| n.metadata.name.clone()));
        } else if namespaces.is_empty() {
            namespaces.insert(pod.metadata.namespace.clone());
        }
        Self {
            selector: with_keys(term, &pod.metadata.labels),
            namespaces,
            key: term["topologyKey"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Whether it means a pod.
    pub(super) fn matches(&self, pod: &Pod) -> bool {
        self.namespaces.contains(&pod.metadata.namespace)
            && self.selector.as_ref().is_some_and(|s| s.matches(&pod.metadata.labels))
    }

    /// The place of a node.
    pub(super) fn place<'n>(&self, node: &'n Node) -> Option<&'n str> {
        node.metadata.labels.get(&self.key).map(String::as_str)
    }
}

/// `labelSelector` with `matchLabelKeys`: labels that must be the same as the pod's own.
fn with_keys(term: &Value, own: &Labels) -> Option<Selector> {
    let mut selector: LabelSelector = serde_json::from_value(term["labelSelector"].clone()).ok()?;
    for key in term["matchLabelKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(value) = own.get(key) {
            selector.match_labels.insert(key.to_owned(), value.clone());
        }
    }
    Selector::from_label_selector(&selector)
}

fn selector(value: &Value) -> Option<Selector> {
    let selector: LabelSelector = serde_json::from_value(value.clone()).ok()?;
    Selector::from_label_selector(&selector)
}

/// The pods that hold a place on a node.
pub(super) fn placed(store: &Store) -> impl Iterator<Item = (&Pod, &Node)> {
    store.all::<Pod>(None).filter(|pod| !pod.is_finished()).filter_map(|pod| {
        let node = store.read::<Node>("", &pod.spec.node_name)?;
        Some((pod, node))
    })
}

/// The terms of a pod under `affinity.KIND.requiredDuringSchedulingIgnoredDuringExecution`.
pub(super) fn required<'p>(pod: &'p Pod, kind: &str) -> &'p [Value] {
    of_affinity(pod, kind, "requiredDuringSchedulingIgnoredDuringExecution")
}

/// The same of those that are only preferred, with their weights.
pub(super) fn preferred<'p>(pod: &'p Pod, kind: &str) -> &'p [Value] {
    of_affinity(pod, kind, "preferredDuringSchedulingIgnoredDuringExecution")
}

fn of_affinity<'p>(pod: &'p Pod, kind: &str, which: &str) -> &'p [Value] {
    let terms = pod.spec.affinity.as_ref().and_then(|a| a.get(kind)?.get(which)?.as_array());
    terms.map_or(&[], Vec::as_slice)
}
