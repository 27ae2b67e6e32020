//! `NetworkPolicy` (`pkg/apis/networking/v1/defaults.go`) and the older policies for the cluster.

use crate::kube::objects::cluster_policy::{AdminNetworkPolicySpec, AdminPort};
use crate::kube::objects::network_policy::{NetworkPolicyPort, PolicyType};
use crate::kube::objects::{NetworkPolicy, Protocol};

/// Protocols are written down, and the directions: ingress always, egress if there is a rule for it.
pub(super) fn fill(policy: &mut NetworkPolicy) {
    let spec = &mut policy.spec;
    let (ingress, egress) = (&mut spec.ingress, &mut spec.egress);
    let ports = ingress.iter_mut().flat_map(|r| &mut r.ports);
    ports.chain(egress.iter_mut().flat_map(|r| &mut r.ports)).for_each(fill_port);
    if spec.policy_types.is_empty() {
        spec.policy_types.push(PolicyType::Ingress);
        if !spec.egress.is_empty() {
            spec.policy_types.push(PolicyType::Egress);
        }
    }
}

fn fill_port(port: &mut NetworkPolicyPort) {
    port.protocol.get_or_insert(Protocol::Tcp);
}

/// The `default:` entries of the custom resource's schema.
pub(super) fn fill_admin(spec: &mut AdminNetworkPolicySpec) {
    let ingress = spec.ingress.iter_mut().flat_map(|r| &mut r.ports);
    let egress = spec.egress.iter_mut().flat_map(|r| &mut r.ports);
    ingress.chain(egress).flatten().for_each(fill_admin_port);
}

fn fill_admin_port(port: &mut AdminPort) {
    if let Some(number) = &mut port.port_number {
        number.protocol.get_or_insert(Protocol::Tcp);
    }
    if let Some(range) = &mut port.port_range {
        range.protocol.get_or_insert(Protocol::Tcp);
    }
}
