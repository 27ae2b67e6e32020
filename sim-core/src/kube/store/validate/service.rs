//! Service.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::json;

use super::super::{Cause, names, needs_health_check};
use super::{Faults, probe};
use crate::kube::objects::service::{IpFamilyPolicy, ServiceSpec, SessionAffinity};
use crate::kube::objects::{IpFamily, Service, ServicePort, ServiceType};

/// What is wrong with a `healthCheckNodePort` that nobody asks for.
pub(crate) const HEALTH_CHECK_MISUSE: &str =
    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";

pub(super) fn check(service: &Service, faults: &mut Faults) {
    let spec = &service.spec;
    let kind = spec.service_type();
    let headless = service.is_headless();
    check_topology_annotations(service, faults);
    if spec.ports.is_empty() && !headless && kind != ServiceType::ExternalName {
        faults.required("spec.ports", "");
    }
    check_type(spec, kind, faults);
    let mut port_names = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        check_port(&format!("spec.ports[{i}]"), port, spec.ports.len() > 1, &mut port_names, faults);
    }
    faults.labels("spec.selector", &spec.selector);
    check_affinity(spec, faults);
    check_cluster_ips(service, faults);
    for (i, ip) in spec.external_ips.iter().enumerate() {
        faults.endpoint_address(format!("spec.externalIPs[{i}]"), ip);
    }
    check_node_ports(spec, kind, faults);
    check_port_pairs(spec, faults);
    check_source_ranges(service, faults);
    check_load_balancer(spec, kind, faults);
    check_external_policy(service, faults);
    check_traffic_distribution(spec, faults);
}

/// Two annotations for one thing must agree.
fn check_topology_annotations(service: &Service, faults: &mut Faults) {
    let annotation = |name: &str| service.metadata.annotations.get(name);
    let (mode, hints) = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints");
    if let (Some(now), Some(before)) = (annotation(mode), annotation(hints))
        && now != before
    {
        let detail = format!("must match annotations[{hints}] when both are specified");
        faults.invalid(format!("metadata.annotations[{mode}]"), now.as_str(), &detail);
    }
}

fn check_external_policy(service: &Service, faults: &mut Faults) {
    let spec = &service.spec;
    if let Some(policy) = spec.external_traffic_policy
        && !externally_accessible(spec)
    {
        let detail = "may only be set for externally-accessible services";
        faults.invalid("spec.externalTrafficPolicy", format!("{policy:?}"), detail);
    }
    if let Some(port) = spec.health_check_node_port
        && !needs_health_check(service)
    {
        faults.invalid("spec.healthCheckNodePort", port, HEALTH_CHECK_MISUSE);
    }
}

fn check_traffic_distribution(spec: &ServiceSpec, faults: &mut Faults) {
    const KNOWN: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if let Some(wanted) = spec.traffic_distribution.as_deref().filter(|wanted| !KNOWN.contains(wanted)) {
        let list = KNOWN.map(|known| format!("{known:?}")).join(", ");
        let message = format!("Unsupported value: {wanted:?}: supported values: {list}");
        faults.add("spec.trafficDistribution", message);
    }
}

/// Whether packets from outside can have it as their destination.
pub(crate) fn externally_accessible(spec: &ServiceSpec) -> bool {
    match spec.service_type() {
        ServiceType::LoadBalancer | ServiceType::NodePort => true,
        ServiceType::ClusterIp => !spec.external_ips.is_empty(),
        ServiceType::ExternalName => false,
    }
}

fn check_type(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    let is_none = spec.cluster_ips.first().is_some_and(|ip| ip == "None");
    match kind {
        ServiceType::LoadBalancer | ServiceType::NodePort if is_none => {
            let name = if kind == ServiceType::NodePort { "NodePort" } else { "LoadBalancer" };
            let detail = format!("may not be set to 'None' for {name} services");
            faults.invalid("spec.clusterIPs[0]", "None", &detail);
        }
        ServiceType::ExternalName => {
            let detail = "may not be set for ExternalName services";
            for (field, is_set) in [
                ("spec.clusterIPs", !spec.cluster_ips.is_empty()),
                ("spec.ipFamilies", !spec.ip_families.is_empty()),
                ("spec.ipFamilyPolicy", spec.ip_family_policy.is_some()),
            ] {
                if is_set {
                    faults.forbidden(field, detail);
                }
            }
            let name = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
            if name.is_empty() {
                faults.required("spec.externalName", "");
            } else {
                faults.text("spec.externalName", name, names::dns1123_subdomain);
            }
        }
        _ => {}
    }
}

fn check_port<'a>(
    at: &str,
    port: &'a ServicePort,
    needs_name: bool,
    seen: &mut BTreeSet<&'a str>,
    faults: &mut Faults,
) {
    if port.name.is_empty() {
        if needs_name {
            faults.required(format!("{at}.name"), "");
        }
    } else {
        faults.text(format!("{at}.name"), &port.name, names::dns1123_label);
        if !seen.insert(&port.name) {
            faults.duplicate(format!("{at}.name"), port.name.as_str());
        }
    }
    faults.port(format!("{at}.port"), i64::from(port.port));
    probe::port(&format!("{at}.targetPort"), &port.target(), faults);
    if let Some(protocol) = &port.app_protocol {
        faults.text(format!("{at}.appProtocol"), protocol, names::qualified_name);
    }
}

/// Longest affinity, in seconds: one day.
const MAX_AFFINITY: i32 = 86_400;

fn check_affinity(spec: &ServiceSpec, faults: &mut Faults) {
    if spec.session_affinity != Some(SessionAffinity::ClientIp) {
        if spec.session_affinity_config.is_some() {
            let detail = "must not be set when session affinity is None";
            faults.forbidden("spec.sessionAffinityConfig", detail);
        }
        return;
    }
    let config = spec.session_affinity_config.as_ref().and_then(|c| c.client_ip.as_ref());
    match config.and_then(|c| c.timeout_seconds) {
        None => {
            faults.required("spec.sessionAffinityConfig.clientIP", "when session affinity type is ClientIP")
        }
        Some(seconds) if seconds <= 0 || seconds > MAX_AFFINITY => {
            let detail = format!("must be greater than 0 and less than {MAX_AFFINITY}");
            faults.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, &detail);
        }
        Some(_) => {}
    }
}

/// What is wrong with addresses and families of a Service (`ValidateServiceClusterIPsRelatedFields`).
pub(crate) fn cluster_ip_faults(service: &Service) -> Vec<Cause> {
    let mut faults = Faults::default();
    check_cluster_ips(service, &mut faults);
    faults.causes
}

fn check_cluster_ips(service: &Service, faults: &mut Faults) {
    let spec = &service.spec;
    if spec.service_type() == ServiceType::ExternalName {
        return;
    }
    let list = || json!(spec.cluster_ips);
    match (spec.cluster_ip.as_str(), spec.cluster_ips.first()) {
        ("", Some(_)) => {
            faults.invalid("spec.clusterIPs", list(), "must be empty when `clusterIP` is not specified");
        }
        (one, Some(first)) if one != first => {
            faults.invalid("spec.clusterIPs", list(), "first value must match `clusterIP`");
        }
        (one, None) if !one.is_empty() => faults.required("spec.clusterIPs", ""),
        _ => {}
    }
    for (i, family) in spec.ip_families.iter().enumerate() {
        if spec.ip_families[..i].contains(family) {
            faults.duplicate(format!("spec.ipFamilies[{i}]"), family.to_string());
        }
    }
    if readable_cluster_ips(spec, faults) {
        check_pair_of_ips(spec, faults);
    }
}

/// Whether each is an address, or the only one is `None`.
fn readable_cluster_ips(spec: &ServiceSpec, faults: &mut Faults) -> bool {
    let mut readable = true;
    for (i, ip) in spec.cluster_ips.iter().enumerate() {
        if i == 0 && ip == "None" {
            if spec.cluster_ips.len() > 1 {
                readable = false;
                let detail = "'None' must be the first and only value";
                faults.invalid("spec.clusterIPs", json!(spec.cluster_ips), detail);
            }
        } else {
            readable &= faults.address(format!("spec.clusterIPs[{i}]"), ip).is_some();
        }
    }
    if spec.cluster_ips.len() > 2 {
        faults.invalid("spec.clusterIPs", json!(spec.cluster_ips), "may only hold up to 2 values");
    }
    readable
}

/// One address for each family, in the order of the families.
fn check_pair_of_ips(spec: &ServiceSpec, faults: &mut Faults) {
    let v4 = |ip: &str| ip.parse::<std::net::Ipv4Addr>().is_ok();
    let count = spec.cluster_ips.iter().filter(|ip| v4(ip)).count();
    if spec.cluster_ips.len() > 1 && (count == 0 || count == spec.cluster_ips.len()) {
        let detail = "may specify no more than one IP for each IP family";
        faults.invalid("spec.clusterIPs", json!(spec.cluster_ips), detail);
    }
    for (i, (ip, family)) in spec.cluster_ips.iter().zip(&spec.ip_families).enumerate() {
        if ip != "None" && v4(ip) != (*family == IpFamily::V4) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
            faults.invalid(format!("spec.clusterIPs[{i}]"), ip.as_str(), &detail);
        }
    }
}

/// The server's own struct has no JSON names, so its Go names are printed.
fn go_port(port: &ServicePort) -> String {
    let (protocol, number) = (port.protocol, port.port);
    format!(
        "{{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"
    )
}

fn check_port_pairs(spec: &ServiceSpec, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        if !seen.insert((port.protocol, port.port)) {
            faults.add(format!("spec.ports[{i}]"), format!("Duplicate value: {}", go_port(port)));
        }
    }
}

fn check_node_ports(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    let numbered = || spec.ports.iter().enumerate().filter_map(|(i, p)| Some((i, p.protocol, p.node_port?)));
    if kind == ServiceType::ClusterIp {
        for (i, ..) in numbered() {
            let detail = "may not be used when `type` is 'ClusterIP'";
            faults.forbidden(format!("spec.ports[{i}].nodePort"), detail);
        }
    }
    let mut seen = BTreeSet::new();
    for (i, protocol, number) in numbered() {
        if !seen.insert((protocol, number)) {
            faults.duplicate(format!("spec.ports[{i}].nodePort"), number);
        }
    }
}

/// The annotation that was there before the field.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// The field, or the annotation where the field is empty. The name in refusals has its capital letter in the server too.
fn check_source_ranges(service: &Service, faults: &mut Faults) {
    let spec = &service.spec;
    let annotation = service.metadata.annotations.get(SOURCE_RANGES);
    let (at, ranges): (String, Vec<(String, &str)>) = if !spec.load_balancer_source_ranges.is_empty() {
        let at = "spec.LoadBalancerSourceRanges";
        let ranges = spec.load_balancer_source_ranges.iter().enumerate();
        (at.to_owned(), ranges.map(|(i, range)| (format!("{at}[{i}]"), range.trim())).collect())
    } else if let Some(list) = annotation {
        let at = format!("metadata.annotations[{SOURCE_RANGES}]");
        let ranges = list.split(',').filter(|_| !list.trim().is_empty());
        (at.clone(), ranges.map(|range| (at.clone(), range.trim())).collect())
    } else {
        return;
    };
    if spec.service_type() != ServiceType::LoadBalancer {
        faults.forbidden(at, "may only be used when `type` is 'LoadBalancer'");
    }
    for (at, range) in ranges {
        if range.parse::<IpNet>().is_err() {
            faults.invalid(at, range, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
    }
}

fn check_load_balancer(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    let balanced = kind == ServiceType::LoadBalancer;
    let detail = "may only be used when `type` is 'LoadBalancer'";
    if spec.allocate_load_balancer_node_ports.is_some() && !balanced {
        faults.forbidden("spec.allocateLoadBalancerNodePorts", detail);
    }
    match &spec.load_balancer_class {
        Some(class) if balanced => faults.text("spec.loadBalancerClass", class, names::qualified_name),
        Some(_) => faults.forbidden("spec.loadBalancerClass", detail),
        None => {}
    }
}

/// What a Service has been given stays for good, except on the way to and from `ExternalName`
/// (`validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`).
pub(super) fn check_update(new: &Service, old: &Service, faults: &mut Faults) {
    let external = |s: &Service| s.spec.service_type() == ServiceType::ExternalName;
    if !external(new) && !external(old) {
        if !(new.is_headless() && old.is_headless()) {
            cluster_ips_stay(&new.spec, &old.spec, faults);
        }
        if !new.is_headless() && !old.is_headless() {
            families_stay(&new.spec, &old.spec, faults);
        }
    }
    let balanced = |s: &Service| s.spec.service_type() == ServiceType::LoadBalancer;
    if balanced(new) && balanced(old) && new.spec.load_balancer_class != old.spec.load_balancer_class {
        faults.invalid(
            "spec.loadBalancerClass",
            json!(new.spec.load_balancer_class),
            "may not change once set",
        );
    }
    if needs_health_check(new)
        && needs_health_check(old)
        && new.spec.health_check_node_port != old.spec.health_check_node_port
    {
        faults.forbidden("spec.healthCheckNodePort", "field is immutable");
    }
}

fn cluster_ips_stay(new: &ServiceSpec, old: &ServiceSpec, faults: &mut Faults) {
    let (now, before) = (&new.cluster_ips, &old.cluster_ips);
    let shown = || json!(now);
    let changed = "may not change once set";
    if now.len() == before.len() {
        for (i, _) in now.iter().zip(before).enumerate().filter(|(_, (a, b))| a != b) {
            faults.invalid(format!("spec.clusterIPs[{i}]"), shown(), changed);
        }
        return;
    }
    if now.is_empty() {
        faults.invalid("spec.clusterIPs[0]", shown(), "primary clusterIP can not be unset");
    } else if !before.is_empty() && now[0] != before[0] {
        faults.invalid("spec.clusterIPs[0]", shown(), changed);
    }
    if now.len() == 1 && before.len() > 1 {
        single_stack_releases(new, "clusterIP", faults);
    }
}

fn families_stay(new: &ServiceSpec, old: &ServiceSpec, faults: &mut Faults) {
    let (now, before) = (&new.ip_families, &old.ip_families);
    let changed = "may not change once set";
    if now.len() == before.len() {
        for _ in now.iter().zip(before).filter(|(a, b)| a != b) {
            faults.invalid("spec.ipFamilies[0]", json!(now), changed);
        }
        return;
    }
    if now.len() < before.len() && new.cluster_ips.is_empty() {
        faults.invalid("spec.ipFamilies[0]", json!(now), "primary ipFamily can not be unset");
    }
    if let (Some(a), Some(b)) = (now.first(), before.first())
        && a != b
    {
        faults.invalid("spec.ipFamilies[0]", json!(new.cluster_ips), changed);
    }
    if now.len() == 1 && before.len() > 1 {
        single_stack_releases(new, "ipFamily", faults);
    }
}

fn single_stack_releases(spec: &ServiceSpec, what: &str, faults: &mut Faults) {
    if spec.ip_family_policy != Some(IpFamilyPolicy::SingleStack) {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        faults.invalid("spec.ipFamilyPolicy", json!(spec.ip_family_policy), &detail);
    }
}
