//! From pods to addresses and ports.

use std::net::IpAddr;

use crate::kube::objects::{
    Container, IntOrString, IpFamily, ObjectReference, Pod, Protocol, Service, ServicePort,
};

/// Whether a pod can be an endpoint: it has an address and has not ended for good; one that is terminating only if that
/// is asked for.
pub(super) fn can_serve(pod: &Pod, terminating_too: bool) -> bool {
    !pod.is_finished() && !pod.status.pod_ip.is_empty() && (terminating_too || !pod.metadata.is_terminating())
}

/// The pod's addresses of one family.
pub(super) fn addresses(pod: &Pod, family: IpFamily) -> Vec<String> {
    let of_family = |text: &str| match text.parse::<IpAddr>() {
        Ok(ip) => ip.is_ipv4() == (family == IpFamily::V4),
        Err(_) => false,
    };
    let listed: Vec<String> =
        pod.status.pod_ips.iter().map(|e| e.ip.clone()).filter(|ip| of_family(ip)).collect();
    if listed.is_empty() && pod.status.pod_ips.is_empty() && of_family(&pod.status.pod_ip) {
        return vec![pod.status.pod_ip.clone()];
    }
    listed
}

/// The reference by which an endpoint names its pod.
pub(super) fn target(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: "Pod".to_owned(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// The hostname under which DNS knows the pod, if the Service is the one that the pod names.
pub(super) fn hostname<'a>(pod: &'a Pod, service: &Service) -> Option<&'a str> {
    let named = !pod.spec.hostname.is_empty() && pod.spec.subdomain == service.metadata.name;
    named.then_some(pod.spec.hostname.as_str())
}

/// The number of the pod's port that a Service's port leads to; none if the pod has no port of that name.
pub(super) fn port_number(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match port.target() {
        IntOrString::Int(number) => u16::try_from(number).ok(),
        IntOrString::String(name) => {
            // Init containers count if they go on running as sidecars.
            let sidecar = |c: &&Container| c.restart_policy.as_deref() == Some("Always");
            let sidecars = pod.spec.init_containers.iter().filter(sidecar);
            pod.spec.containers.iter().chain(sidecars).find_map(|c| named_port(c, &name, port.protocol))
        }
    }
}

fn named_port(container: &Container, name: &str, protocol: Protocol) -> Option<u16> {
    let port = container.ports.iter().find(|p| p.name == name && p.protocol == protocol)?;
    Some(port.container_port)
}
