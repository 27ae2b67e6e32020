//! Whether a node can take a pod, and how gladly.

use serde_json::Value;

use super::{Load, host_ports};
use crate::kube::objects::meta::{LabelSelector, LabelSelectorRequirement};
use crate::kube::objects::pod::{Toleration, TolerationOperator};
use crate::kube::objects::{Node, Pod, PodSpec, Selector, Taint, TaintEffect};

/// What a pod asks of its place and [`check`] does not look at.
pub(crate) fn without_effect(spec: &PodSpec) -> Vec<&'static str> {
    let asks = |name: &str| spec.affinity.as_ref().is_some_and(|a| !a[name].is_null());
    let requests = spec.containers.iter().any(|c| !c.resources["requests"].is_null());
    let spread = spec.rest.contains_key("topologySpreadConstraints");
    let all = [
        (asks("podAffinity"), "podAffinity"),
        (asks("podAntiAffinity"), "podAntiAffinity"),
        (spread, "topologySpreadConstraints"),
        (requests, "resources.requests"),
    ];
    all.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect()
}

/// How gladly a node takes a pod: less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Taints that ask to be avoided.
    avoided: u32,
    /// Negated weight of the preferred affinities that hold.
    affinity: i64,
}

impl Rank {
    /// The best that any node can be for this pod.
    pub(super) fn ceiling(pod: &Pod) -> Self {
        let weights = preferences(pod).filter_map(|p| p["weight"].as_i64());
        Self { avoided: 0, affinity: -weights.sum::<i64>() }
    }
}

/// The rank, or the scheduler's words for why the node cannot take the pod. The checks are in the order of its plugins.
pub(super) fn check(pod: &Pod, node: &Node, load: &Load) -> Result<Rank, String> {
    let tolerations = &pod.spec.tolerations;
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: TaintEffect::NoSchedule,
        ..Taint::default()
    };
    if node.spec.unschedulable && !tolerated(&cordon, tolerations) {
        return Err("node(s) were unschedulable".to_owned());
    }
    let repelling = |t: &&Taint| t.effect != TaintEffect::PreferNoSchedule && !tolerated(t, tolerations);
    if let Some(taint) = node.spec.taints.iter().find(repelling) {
        return Err(format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value));
    }
    if !wanted_by_selector(pod, node) {
        return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if host_ports(pod).any(|port| load.ports.contains_key(&port)) {
        return Err("node(s) didn't have free ports for the requested pod ports".to_owned());
    }
    let avoided = |t: &&Taint| t.effect == TaintEffect::PreferNoSchedule && !tolerated(t, tolerations);
    Ok(Rank {
        avoided: u32::try_from(node.spec.taints.iter().filter(avoided).count()).unwrap_or(u32::MAX),
        affinity: -preference(pod, node),
    })
}

/// The only node that a pod may go to, if its affinity names one.
pub(super) fn only_node(pod: &Pod) -> Option<&str> {
    let terms = node_affinity(pod, "requiredDuringSchedulingIgnoredDuringExecution")?["nodeSelectorTerms"]
        .as_array()?;
    let [term] = terms.as_slice() else { return None };
    let [field] = term["matchFields"].as_array()?.as_slice() else { return None };
    let values = field["values"].as_array()?;
    let named = field["key"] == "metadata.name" && field["operator"] == "In";
    values.first().filter(|_| named && values.len() == 1)?.as_str()
}

/// Whether a node should get a daemon's pod, and whether one that is there may stay.
pub(in crate::kube::controllers) fn takes_daemon(pod: &Pod, node: &Node) -> (bool, bool) {
    let named = pod.spec.node_name.is_empty() || pod.spec.node_name == node.metadata.name;
    if !named || !wanted_by_selector(pod, node) {
        return (false, false);
    }
    let repelled = |effect: TaintEffect| {
        node.spec.taints.iter().any(|t| t.effect == effect && !tolerated(t, &pod.spec.tolerations))
    };
    let stays = !repelled(TaintEffect::NoExecute);
    (stays && !repelled(TaintEffect::NoSchedule), stays)
}

/// Whether one of the tolerations covers the taint.
pub(in crate::kube::controllers) fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|t| {
        let effect = t.effect.is_none_or(|e| e == taint.effect);
        let value = match t.operator.unwrap_or_default() {
            TolerationOperator::Exists => true,
            TolerationOperator::Equal => t.value == taint.value,
        };
        effect && (t.key.is_empty() || t.key == taint.key) && value
    })
}

fn wanted_by_selector(pod: &Pod, node: &Node) -> bool {
    if !Selector::from_labels(&pod.spec.node_selector).matches(&node.metadata.labels) {
        return false;
    }
    let Some(required) = node_affinity(pod, "requiredDuringSchedulingIgnoredDuringExecution") else {
        return true;
    };
    let terms = required["nodeSelectorTerms"].as_array();
    terms.is_some_and(|terms| terms.iter().any(|term| term_holds(term, node)))
}

/// Sum of the weights of the preferences that hold.
fn preference(pod: &Pod, node: &Node) -> i64 {
    preferences(pod).filter(|p| term_holds(&p["preference"], node)).filter_map(|p| p["weight"].as_i64()).sum()
}

fn preferences(pod: &Pod) -> impl Iterator<Item = &Value> {
    let preferred = node_affinity(pod, "preferredDuringSchedulingIgnoredDuringExecution");
    preferred.and_then(Value::as_array).into_iter().flatten()
}

fn node_affinity<'a>(pod: &'a Pod, which: &str) -> Option<&'a Value> {
    pod.spec.affinity.as_ref()?.get("nodeAffinity")?.get(which)
}

/// Whether a term of a node selector holds: all its expressions do; an empty one never does.
pub(in crate::kube::controllers) fn term_holds(term: &Value, node: &Node) -> bool {
    let expressions = |name: &str| term[name].as_array().cloned().unwrap_or_default();
    let (labels, fields) = (expressions("matchExpressions"), expressions("matchFields"));
    if labels.is_empty() && fields.is_empty() {
        return false;
    }
    let name = [("metadata.name".to_owned(), node.metadata.name.clone())].into_iter().collect();
    labels.iter().all(|e| expression_holds(e, &node.metadata.labels))
        && fields.iter().all(|e| expression_holds(e, &name))
}

fn expression_holds(expression: &Value, labels: &crate::kube::objects::selector::Labels) -> bool {
    let Ok(requirement) = serde_json::from_value::<LabelSelectorRequirement>(expression.clone()) else {
        return false;
    };
    let number = |text: Option<&String>| text.and_then(|t| t.parse::<i64>().ok());
    let (found, bound) = (number(labels.get(&requirement.key)), number(requirement.values.first()));
    match requirement.operator.as_str() {
        "Gt" => matches!((found, bound), (Some(found), Some(bound)) if found > bound),
        "Lt" => matches!((found, bound), (Some(found), Some(bound)) if found < bound),
        _ => {
            let selector = LabelSelector { match_expressions: vec![requirement], ..LabelSelector::default() };
            Selector::from_label_selector(&selector).is_some_and(|s| s.matches(labels))
        }
    }
}
