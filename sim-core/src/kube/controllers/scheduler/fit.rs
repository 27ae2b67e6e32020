//! Whether a node can take a pod, and how gladly.

use std::collections::BTreeSet;

use serde_json::Value;

use super::companions::Companions;
use super::refusal::Unfit;
use super::resources::{self, Amounts};
use super::spread::Spread;
use super::storage::{self, Claims};
use super::{Load, host_ports};
use crate::kube::objects::meta::{LabelSelector, LabelSelectorRequirement};
use crate::kube::objects::pod::{Toleration, TolerationOperator};
use crate::kube::objects::{Node, Pod, Selector, Taint, TaintEffect};
use crate::kube::store::Store;

/// How gladly a node takes a pod: less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Taints that ask to be avoided.
    avoided: u32,
    /// Negated weight of the preferred affinities that hold.
    affinity: i64,
    /// Pods from which this one would rather be apart.
    crowd: i64,
}

/// What a pod asks of its place, read once for all nodes.
pub(super) struct Wishes<'a> {
    pod: &'a Pod,
    store: &'a Store,
    requested: Amounts,
    claims: Claims,
    companions: Option<Companions>,
    spread: Option<Spread>,
}

impl<'a> Wishes<'a> {
    /// The wishes of a pod; `repelling` are the pods that keep others away.
    ///
    /// # Errors
    /// No node needs to be asked: why.
    pub(super) fn of(
        pod: &'a Pod,
        store: &'a Store,
        repelling: &BTreeSet<(String, String)>,
    ) -> Result<Self, String> {
        Ok(Self {
            pod,
            store,
            requested: resources::requested(&pod.spec),
            claims: storage::claims(store, pod)?,
            companions: Companions::of(pod, repelling, store),
            spread: Spread::of(pod, store),
        })
    }

    /// The best that any node can be.
    pub(super) fn ceiling(&self) -> Rank {
        let weights = preferences(self.pod).filter_map(|p| p["weight"].as_i64());
        let open = self.companions.as_ref().is_some_and(Companions::prefers);
        let affinity = if open { i64::MIN } else { -weights.sum::<i64>() };
        Rank { avoided: 0, affinity, crowd: 0 }
    }

    /// How gladly a node takes the pod, or why it cannot. The checks are in the order of the scheduler's plugins.
    pub(super) fn check(&self, node: &Node, load: &Load) -> Result<Rank, Unfit> {
        let mut rank = check(self.pod, node, load)?;
        resources::check(&self.requested, load)?;
        self.claims.check(self.store, node)?;
        if let Some(spread) = &self.spread {
            spread.check(node)?;
            rank.crowd = spread.crowd(node);
        }
        if let Some(companions) = &self.companions {
            companions.check(node)?;
            rank.affinity -= companions.gladness(node);
        }
        Ok(rank)
    }
}

/// What the node itself has to say.
fn check(pod: &Pod, node: &Node, load: &Load) -> Result<Rank, Unfit> {
    let tolerations = &pod.spec.tolerations;
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: TaintEffect::NoSchedule,
        ..Taint::default()
    };
    if node.spec.unschedulable && !tolerated(&cordon, tolerations) {
        return Err(Unfit::for_good("node(s) were unschedulable"));
    }
    let repelling = |t: &&Taint| t.effect != TaintEffect::PreferNoSchedule && !tolerated(t, tolerations);
    if let Some(taint) = node.spec.taints.iter().find(repelling) {
        let reason = format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value);
        return Err(Unfit::for_good(reason));
    }
    if !wanted_by_selector(pod, node) {
        return Err(Unfit::for_good("node(s) didn't match Pod's node affinity/selector"));
    }
    if host_ports(pod).any(|port| load.ports.contains_key(&port)) {
        return Err(Unfit::for_now("node(s) didn't have free ports for the requested pod ports"));
    }
    let avoided = |t: &&Taint| t.effect == TaintEffect::PreferNoSchedule && !tolerated(t, tolerations);
    Ok(Rank {
        avoided: u32::try_from(node.spec.taints.iter().filter(avoided).count()).unwrap_or(u32::MAX),
        affinity: -preference(pod, node),
        crowd: 0,
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

/// Whether a node is one of those that a pod's selector and required node affinity mean.
pub(super) fn wanted_by_selector(pod: &Pod, node: &Node) -> bool {
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
