//! Service.

use crate::kube::objects::service::{
    ClientIpConfig, IpFamilyPolicy, ServiceSpec, SessionAffinity, SessionAffinityConfig, TrafficPolicy,
};
use crate::kube::objects::{IntOrString, IpFamily, Service, ServiceType};
use crate::kube::store::Cause;
use crate::kube::store::validate::{cluster_ip_faults, externally_accessible};

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

/// Settles `ipFamilies` and `ipFamilyPolicy` from what was asked for, what `old` had, and what the cluster has (`families`, the
/// primary one first). What it refuses is the whole answer: nothing else is looked at.
pub(crate) fn init_families(
    service: &mut Service,
    old: Option<&Service>,
    families: &[IpFamily],
) -> Vec<Cause> {
    if service.spec.service_type() == ServiceType::ExternalName
        || old.is_some_and(|old| prefers_as_before(service, old))
    {
        return Vec::new();
    }
    let dual_by_nature = service.is_headless() && service.spec.selector.is_empty();
    let spec = &mut service.spec;
    let default = if dual_by_nature { IpFamilyPolicy::RequireDualStack } else { IpFamilyPolicy::SingleStack };
    let before = old.and_then(|old| old.spec.ip_family_policy);
    let policy = *spec.ip_family_policy.get_or_insert(before.unwrap_or(default));
    let mut causes = cluster_ip_faults(service);
    if !causes.is_empty() {
        return causes;
    }
    let spec = &mut service.spec;
    if let Some(old) = old {
        causes.extend(narrow(spec, &old.spec, policy));
    }
    causes.extend(one_stack_has_one_of_each(spec, policy));
    causes.extend(infer_families(spec, families));
    if !causes.is_empty() {
        return causes;
    }
    if !dual_by_nature {
        causes = not_configured(spec, policy, families);
    }
    let primary = families.first().copied().unwrap_or(IpFamily::V4);
    let other = |family: IpFamily| if family == IpFamily::V4 { IpFamily::V6 } else { IpFamily::V4 };
    if spec.ip_families.is_empty() {
        spec.ip_families.push(primary);
    }
    let has_two = dual_by_nature || families.len() == 2;
    if policy != IpFamilyPolicy::SingleStack && spec.ip_families.len() == 1 && has_two {
        spec.ip_families.push(other(spec.ip_families[0]));
    }
    causes
}

/// `PreferDualStack` follows no change of the cluster: as long as nobody touches these fields they stay.
fn prefers_as_before(new: &Service, old: &Service) -> bool {
    let prefers = Some(IpFamilyPolicy::PreferDualStack);
    new.spec.service_type() == old.spec.service_type()
        && new.spec.ip_family_policy == prefers
        && old.spec.ip_family_policy == prefers
        && new.spec.cluster_ips == old.spec.cluster_ips
        && new.spec.ip_families == old.spec.ip_families
}

/// Who asks for one family gives the second one back; who leaves the second one out has to ask.
fn narrow(spec: &mut ServiceSpec, old: &ServiceSpec, policy: IpFamilyPolicy) -> Vec<Cause> {
    if policy == IpFamilyPolicy::SingleStack {
        if spec.cluster_ips == old.cluster_ips {
            spec.cluster_ips.truncate(1);
        }
        if spec.ip_families == old.ip_families {
            spec.ip_families.truncate(1);
        }
        return Vec::new();
    }
    let mut causes = Vec::new();
    for (what, now, before) in [
        ("cluster IP", spec.cluster_ips.len(), old.cluster_ips.len()),
        ("IP family", spec.ip_families.len(), old.ip_families.len()),
    ] {
        if (1..before).contains(&now) {
            let shown = serde_json::json!(policy);
            let message =
                format!("Invalid value: {shown}: must be 'SingleStack' to release the secondary {what}");
            causes.push(fault("spec.ipFamilyPolicy", message));
        }
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
