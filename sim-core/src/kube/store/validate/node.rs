//! Node.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::super::names;
use super::Faults;
use crate::kube::objects::Node;

pub(super) fn check(node: &Node, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (i, taint) in node.spec.taints.iter().enumerate() {
        let at = format!("metadata.taints[{i}]");
        faults.text(format!("{at}.key"), &taint.key, names::qualified_name);
        for fault in names::label_value(&taint.value) {
            faults.invalid(format!("{at}.value"), taint.value.as_str(), &fault);
        }
        if !seen.insert((taint.key.clone(), taint.effect)) {
            let value = serde_json::to_value(taint).unwrap_or_default();
            faults.duplicate(at, value);
        }
    }
    for (i, cidr) in node.spec.pod_cidrs.iter().enumerate() {
        if cidr.parse::<IpNet>().is_err() {
            let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            faults.invalid(format!("spec.podCIDRs[{i}]"), cidr.as_str(), detail);
        }
    }
}

pub(super) fn check_update(new: &Node, old: &Node, faults: &mut Faults) {
    // Once a node has its ranges they stay.
    if !old.spec.pod_cidrs.is_empty() && new.spec.pod_cidrs != old.spec.pod_cidrs {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        faults.forbidden("spec.podCIDRs", detail);
    }
}
