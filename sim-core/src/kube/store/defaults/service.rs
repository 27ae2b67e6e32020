//! Service.

use crate::kube::objects::service::{
    ClientIpConfig, IpFamilyPolicy, ServiceSpec, SessionAffinity, SessionAffinityConfig, TrafficPolicy,
};
use crate::kube::objects::{IntOrString, IpFamily, Service, ServiceType};
use crate::kube::store::Cause;
use crate::kube::store::validate::externally_accessible;

/// Default of `sessionAffinityConfig.clientIP.timeoutSeconds`: three hours.
const AFFINITY_SECONDS: i32 = 10_800;

pub(crate) fn fill(service: &mut Service) {
    let spec = &mut service.spec;
    let kind = *spec.kind.get_or_insert_default();
    let affinity = *spec.session_affinity.get_or_insert_default();
    if affinity == SessionAffinity::ClientIp {
        let config = spec.session_affinity_config.get_or_insert_with(SessionAffinityConfig::default);
        let client = config.client_ip.get_or_insert_with(ClientIpConfig::default);
        client.timeout_seconds.get_or_insert(AFFINITY_SECONDS);
    } else {
        spec.session_affinity_config = None;
    }
    for port in &mut spec.ports {
        let unset = matches!(&port.target_port, None | Some(IntOrString::Int(0)));
        let empty = matches!(&port.target_port, Some(IntOrString::String(s)) if s.is_empty());
        if unset || empty {
            port.target_port = Some(IntOrString::Int(i32::from(port.port)));
        }
    }
    if externally_accessible(spec) {
        spec.external_traffic_policy.get_or_insert(TrafficPolicy::Cluster);
    }
    if kind != ServiceType::ExternalName {
        spec.internal_traffic_policy.get_or_insert(TrafficPolicy::Cluster);
    }
    if kind == ServiceType::LoadBalancer {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
    for ingress in &mut service.status.load_balancer.ingress {
        if !ingress.ip.is_empty() {
            ingress.ip_mode.get_or_insert_with(|| "VIP".to_owned());
        }
    }
}

/// Settles `ipFamilies` and `ipFamilyPolicy` from what was asked for and what the cluster has (`families`, the primary
/// one first).
pub(crate) fn init_families(service: &mut Service, families: &[IpFamily]) -> Vec<Cause> {
    let dual_by_nature = service.is_headless() && service.spec.selector.is_empty();
    let spec = &mut service.spec;
    if spec.service_type() == ServiceType::ExternalName {
        return Vec::new();
    }
    let policy = *spec.ip_family_policy.get_or_insert(if dual_by_nature {
        IpFamilyPolicy::RequireDualStack
    } else {
        IpFamilyPolicy::SingleStack
    });
    let mut causes = one_stack_has_one_of_each(spec, policy);
    causes.extend(infer_families(spec, families));
    if !causes.is_empty() {
        return causes;
    }
    let primary = families.first().copied().unwrap_or(IpFamily::V4);
    let other = |family: IpFamily| if family == IpFamily::V4 { IpFamily::V6 } else { IpFamily::V4 };
    if !dual_by_nature {
        causes = not_configured(spec, policy, families);
    }
    if spec.ip_families.is_empty() {
        spec.ip_families.push(primary);
    }
    let has_two = dual_by_nature || families.len() == 2;
    if policy != IpFamilyPolicy::SingleStack && spec.ip_families.len() == 1 && has_two {
        spec.ip_families.push(other(spec.ip_families[0]));
    }
    causes
}

fn fault(field: impl Into<String>, message: String) -> Cause {
    Cause { field: field.into(), message }
}

fn one_stack_has_one_of_each(spec: &ServiceSpec, policy: IpFamilyPolicy) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (what, count) in [("cluster IPs", spec.cluster_ips.len()), ("IP families", spec.ip_families.len())] {
        if policy == IpFamilyPolicy::SingleStack && count == 2 {
            let needs = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
            let message = format!("Invalid value: \"SingleStack\": {needs} {what} are specified");
            causes.push(fault("spec.ipFamilyPolicy", message));
        }
    }
    causes
}

/// An address tells its family.
fn infer_families(spec: &mut ServiceSpec, families: &[IpFamily]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, ip) in spec.cluster_ips.iter().enumerate().skip(spec.ip_families.len()) {
        let Ok(ip) = ip.parse::<std::net::IpAddr>() else { break };
        let family = if ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 };
        if families.contains(&family) {
            spec.ip_families.push(family);
        } else {
            let shown = serde_json::json!(spec.cluster_ips);
            let message = format!("Invalid value: {shown}: {family} is not configured on this cluster");
            causes.push(fault(format!("spec.clusterIPs[{i}]"), message));
        }
    }
    causes
}

fn not_configured(spec: &ServiceSpec, policy: IpFamilyPolicy, families: &[IpFamily]) -> Vec<Cause> {
    let mut causes = Vec::new();
    if policy == IpFamilyPolicy::RequireDualStack && families.len() < 2 {
        let message =
            "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services";
        causes.push(fault("spec.ipFamilyPolicy", message.to_owned()));
    }
    for (i, family) in spec.ip_families.iter().enumerate().filter(|(_, f)| !families.contains(f)) {
        let message = format!("Invalid value: \"{family}\": not configured on this cluster");
        causes.push(fault(format!("spec.ipFamilies[{i}]"), message));
    }
    causes
}
