//! Service.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::super::names;
use super::{Faults, probe};
use crate::kube::objects::service::{ServiceSpec, SessionAffinity, TrafficPolicy};
use crate::kube::objects::{IpFamily, Service, ServicePort, ServiceType};

pub(super) fn check(service: &Service, faults: &mut Faults) {
    let spec = &service.spec;
    let kind = spec.service_type();
    let headless = service.is_headless();
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
    check_cluster_ips(spec, kind, faults);
    for (i, ip) in spec.external_ips.iter().enumerate() {
        faults.endpoint_address(format!("spec.externalIPs[{i}]"), ip);
    }
    check_port_pairs(spec, faults);
    check_node_ports(spec, kind, faults);
    check_load_balancer(spec, kind, faults);
    if matches!(spec.external_traffic_policy, Some(p) if p == TrafficPolicy::Local)
        && !externally_accessible(spec)
    {
        let detail = "may only be set for externally-accessible services";
        faults.invalid("spec.externalTrafficPolicy", "Local", detail);
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
            if !spec.cluster_ips.is_empty() {
                faults.forbidden("spec.clusterIPs", "may not be set for ExternalName services");
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

fn check_cluster_ips(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    if kind == ServiceType::ExternalName {
        return;
    }
    if spec.cluster_ips.len() > 2 {
        let shown = json!(spec.cluster_ips);
        faults.invalid("spec.clusterIPs", shown, "may only hold up to 2 values");
    }
    for (i, ip) in spec.cluster_ips.iter().enumerate() {
        let at = format!("spec.clusterIPs[{i}]");
        if ip == "None" {
            if i > 0 || spec.cluster_ips.len() > 1 {
                faults.invalid(at, ip.as_str(), "'None' must be the first and only value");
            }
            continue;
        }
        let Some(parsed) = faults.address(&at, ip) else { continue };
        let family = if parsed.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 };
        if spec.ip_families.get(i).is_some_and(|wanted| *wanted != family) {
            let detail =
                format!("expected an {} value as indicated by `ipFamilies[{i}]`", spec.ip_families[i]);
            faults.invalid(at, ip.as_str(), &detail);
        }
    }
    if let [a, b] = spec.cluster_ips.as_slice() {
        let v4 = |ip: &str| ip.parse::<std::net::Ipv4Addr>().is_ok();
        if v4(a) == v4(b) {
            let detail = "may specify no more than one IP for each IP family";
            faults.invalid("spec.clusterIPs", json!(spec.cluster_ips), detail);
        }
    }
}

/// The server's own struct has no JSON names, so its Go names are printed.
fn go_port(port: &ServicePort, with_node_port: bool) -> String {
    let node_port = port.node_port.filter(|_| with_node_port).unwrap_or(0);
    let number = if with_node_port { 0 } else { port.port };
    let protocol = port.protocol;
    format!(
        "{{\"Name\":\"\",\"Protocol\":\"{protocol}\",\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":{node_port}}}"
    )
}

fn check_port_pairs(spec: &ServiceSpec, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        if !seen.insert((port.protocol, port.port)) {
            faults.add(format!("spec.ports[{i}]"), format!("Duplicate value: {}", go_port(port, false)));
        }
    }
}

fn check_node_ports(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        let Some(number) = port.node_port else { continue };
        let at = format!("spec.ports[{i}].nodePort");
        if kind == ServiceType::ClusterIp {
            faults.forbidden(at, "may not be used when `type` is 'ClusterIP'");
        } else if kind != ServiceType::ExternalName && !seen.insert((port.protocol, number)) {
            faults.add(at, format!("Duplicate value: {}", go_port(port, true)));
        }
    }
}

fn check_load_balancer(spec: &ServiceSpec, kind: ServiceType, faults: &mut Faults) {
    let balanced = kind == ServiceType::LoadBalancer;
    if !spec.load_balancer_source_ranges.is_empty() {
        if !balanced {
            faults
                .forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'");
        }
        for (i, range) in spec.load_balancer_source_ranges.iter().enumerate() {
            if range.trim().parse::<IpNet>().is_err() {
                let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
                let at = format!("spec.loadBalancerSourceRanges[{i}]");
                faults.invalid(at, range.as_str(), detail);
            }
        }
    }
    if spec.load_balancer_class.is_some() && !balanced {
        faults.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'");
    }
    if spec.allocate_load_balancer_node_ports.is_some() && !balanced {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        faults.forbidden("spec.allocateLoadBalancerNodePorts", detail);
    }
    if let Some(port) = spec.health_check_node_port {
        let wanted = balanced && spec.external_traffic_policy == Some(TrafficPolicy::Local);
        if !wanted {
            let detail =
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            faults.invalid("spec.healthCheckNodePort", port, detail);
        }
    }
}

/// The primary address stays for good, except on the way to and from `ExternalName`.
pub(super) fn check_update(new: &Service, old: &Service, faults: &mut Faults) {
    let external = |s: &Service| s.spec.service_type() == ServiceType::ExternalName;
    if external(new) || external(old) {
        return;
    }
    let list = |s: &Service| Value::from(s.spec.cluster_ips.clone());
    if let Some(before) = old.spec.cluster_ips.first() {
        match new.spec.cluster_ips.first() {
            None => faults.invalid("spec.clusterIPs[0]", list(new), "primary clusterIP can not be unset"),
            Some(now) if now != before => {
                faults.invalid("spec.clusterIPs[0]", list(new), "may not change once set");
            }
            Some(_) => {}
        }
    }
    if let (Some(before), Some(now)) = (old.spec.ip_families.first(), new.spec.ip_families.first())
        && before != now
    {
        let shown = serde_json::to_value(&new.spec.ip_families).unwrap_or_default();
        faults.invalid("spec.ipFamilies[0]", shown, "may not change once set");
    }
    if new.spec.load_balancer_class != old.spec.load_balancer_class && old.spec.load_balancer_class.is_some()
    {
        let shown = json!(new.spec.load_balancer_class);
        faults.invalid("spec.loadBalancerClass", shown, "may not change once set");
    }
}
