//! Network policies.

use serde_json::Value;

use super::super::printers::columns::selector;
use super::super::value::{list, map, scalar, text, texts};
use super::writer::Writer;
use super::{head_with, or};

/// Where rules are indented to.
const RULES: usize = 2;

pub(super) fn describe(w: &mut Writer, policy: &Value) {
    let created = text(policy, "/metadata/creationTimestamp");
    let created = created.strip_suffix('Z').unwrap_or(created).replacen('T', " ", 1);
    head_with(w, policy, |w| w.field(0, "Created on", format!("{created} +0000 UTC")));
    w.line(0, "Spec:");
    w.line(1, format!("PodSelector:     {}", subject(policy)));
    let types = texts(policy, "/spec/policyTypes");
    for (kind, direction, side, end) in
        [("Ingress", "ingress", "From", "source"), ("Egress", "egress", "To", "destination")]
    {
        if !types.contains(&kind) {
            w.line(1, format!("Not affecting {direction} traffic"));
            continue;
        }
        w.line(1, format!("Allowing {direction} traffic:"));
        let all = list(policy, &format!("/spec/{direction}"));
        if all.is_empty() {
            w.line(RULES, format!("<none> (Selected pods are isolated for {direction} connectivity)"));
        }
        for (i, rule) in all.iter().enumerate() {
            if i > 0 {
                w.line(RULES, "----------");
            }
            ports(w, list(rule, "/ports"));
            peers(w, list(rule, &format!("/{}", side.to_lowercase())), side, end);
        }
    }
    w.line(1, format!("Policy Types: {}", or(&types.join(", "), "<none>")));
}

fn subject(policy: &Value) -> String {
    let at = |field: &str| format!("/spec/podSelector/{field}");
    if map(policy, &at("matchLabels")).is_none() && list(policy, &at("matchExpressions")).is_empty() {
        return "<none> (Allowing the specific traffic to all pods in this namespace)".to_owned();
    }
    selector(policy.pointer("/spec/podSelector"))
}

fn ports(w: &mut Writer, all: &[Value]) {
    if all.is_empty() {
        w.line(RULES, "To Port: <any> (traffic allowed to all ports)");
    }
    for port in all {
        let first = or(&scalar(port.get("port")), "<nil>");
        let protocol = or(text(port, "/protocol"), "TCP");
        w.line(
            RULES,
            match port.get("endPort") {
                None => format!("To Port: {first}/{protocol}"),
                last => format!("To Port Range: {first}-{}/{protocol}", scalar(last)),
            },
        );
    }
}

fn peers(w: &mut Writer, all: &[Value], side: &str, end: &str) {
    if all.is_empty() {
        w.line(RULES, format!("{side}: <any> (traffic not restricted by {end})"));
    }
    for peer in all {
        w.line(RULES, format!("{side}:"));
        for (title, field) in [("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")] {
            if let Some(own) = peer.get(field) {
                w.line(RULES + 1, format!("{title}: {}", selector(Some(own))));
            }
        }
        if peer.get("ipBlock").is_some() {
            w.line(RULES + 1, "IPBlock:");
            w.line(RULES + 2, format!("CIDR: {}", text(peer, "/ipBlock/cidr")));
            w.line(RULES + 2, format!("Except: {}", texts(peer, "/ipBlock/except").join(", ")));
        }
    }
}
