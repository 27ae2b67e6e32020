//! Network policies that cannot be meant: for nobody, rules that do not count, ports that nobody has.

use super::review::{Pods, Written, closest, did_you_mean, warning};
use crate::diagnostic::Diagnostic;
use crate::kube::objects::manifest::Document;
use crate::kube::objects::nearest::nearest;
use crate::kube::objects::network_policy::NetworkPolicyPort;
use crate::kube::objects::{IntOrString, NetworkPolicy, Object, Selector};

/// Warnings about the policies of a file.
pub(super) fn review(objects: &[Written<'_>], pods: &[Pods<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (document, object) in objects {
        if let Object::NetworkPolicy(policy) = object {
            found.extend(rules_without_effect(document, policy));
            found.extend(of_subject(document, policy, pods));
        }
    }
    found
}

/// Rules for a direction that the policy leaves alone.
fn rules_without_effect(document: &Document, policy: &NetworkPolicy) -> Vec<Diagnostic> {
    let spec = &policy.spec;
    let sides = [
        ("ingress", "Ingress", !spec.ingress.is_empty() && !spec.affects_ingress()),
        ("egress", "Egress", !spec.egress.is_empty() && !spec.affects_egress()),
    ];
    let without = sides.into_iter().filter(|(.., without)| *without);
    without
        .map(|(field, kind, _)| {
            let message = format!("policyTypes leaves {kind} out, so these rules do not count");
            let help = Some(format!("add {kind} to policyTypes"));
            warning(document, &format!("spec.{field}"), message, help)
        })
        .collect()
}

/// A policy that selects none of the pods beside it, or opens a port that none of them names.
fn of_subject(document: &Document, policy: &NetworkPolicy, pods: &[Pods<'_>]) -> Vec<Diagnostic> {
    let Some(selector) = Selector::from_label_selector(&policy.spec.pod_selector) else { return Vec::new() };
    let near: Vec<&Pods<'_>> = pods.iter().filter(|p| p.namespace == policy.metadata.namespace).collect();
    let selected: Vec<&Pods<'_>> = near.iter().copied().filter(|p| selector.matches(p.labels)).collect();
    if selected.is_empty() {
        let elsewhere = pods.iter().find(|p| !selector.is_empty() && selector.matches(p.labels));
        let help = match elsewhere {
            Some(p) => Some(format!("pods with these labels are in namespace {:?}", p.namespace)),
            None if near.is_empty() => return Vec::new(),
            None => closest(&policy.spec.pod_selector.match_labels, &near),
        };
        let message = format!("the selector {selector} matches no pod of this file");
        return vec![warning(document, "spec.podSelector", message, help)];
    }
    let rules = policy.spec.ingress.iter().enumerate();
    let ports = rules.flat_map(|(r, rule)| rule.ports.iter().enumerate().map(move |(p, port)| (r, p, port)));
    let nobody = ports.filter_map(|(r, p, port)| {
        let at = format!("spec.ingress[{r}].ports[{p}].port");
        nobody_names(port, &selected).map(|(message, help)| warning(document, &at, message, help))
    });
    nobody.collect()
}

/// What is wrong with a named port, if none of the pods has it.
fn nobody_names(port: &NetworkPolicyPort, selected: &[&Pods<'_>]) -> Option<(String, Option<String>)> {
    let Some(IntOrString::String(name)) = &port.port else { return None };
    let protocol = port.protocol.unwrap_or_default();
    let all = selected.iter().flat_map(|pods| pods.ports());
    let names: Vec<&str> = all.filter(|(n, _, p)| !n.is_empty() && *p == protocol).map(|(n, ..)| n).collect();
    if names.contains(&name.as_str()) {
        return None;
    }
    let help = match nearest(name, names.iter().copied()) {
        None if names.is_empty() => Some("give a container port that name, or write a number".to_owned()),
        None => Some(format!("they have {}", names.join(", "))),
        near => did_you_mean(near),
    };
    Some((format!("the selected pods have no {protocol} port named {name:?}"), help))
}
