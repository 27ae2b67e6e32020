//! From pods to addresses and ports.

use std::net::IpAddr;
use std::sync::Arc;

use crate::kube::objects::{
    Container, IntOrString, IpFamily, ObjectReference, Pod, Protocol, Service, ServicePort,
};

/// Whether a pod can be an endpoint: it has an address and has not ended for good; one that is terminating only if that
/// is asked for.
pub(super) fn can_serve(pod: &Pod, terminating_too: bool) -> bool {
    !pod.is_finished() && !pod.status.pod_ip.is_empty() && (terminating_too || !pod.metadata.is_terminating())
}

/// Whether anything has changed of a pod that shows in endpoints (`podChangedHelper`); most reports of the kubelet change nothing there.
pub(super) fn serves_otherwise(old: Option<&Pod>, new: Option<&Pod>) -> bool {
    let addressed = |pod: &&Pod| !pod.status.pod_ip.is_empty();
    let (Some(old), Some(new)) = (old.filter(addressed), new.filter(addressed)) else {
        return old.into_iter().chain(new).any(|pod| addressed(&pod));
    };
    let state = |pod: &Pod| (pod.is_ready(), pod.is_finished(), pod.metadata.is_terminating());
    state(old) != state(new)
        || old.status.pod_ips != new.status.pod_ips
        || old.status.pod_ip != new.status.pod_ip
        || old.metadata.labels != new.metadata.labels
        || old.metadata.uid != new.metadata.uid
        || !(Arc::ptr_eq(&old.spec, &new.spec) || old.spec == new.spec)
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
