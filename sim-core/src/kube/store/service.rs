//! What the API server does with a Service beyond what it does with every object: it keeps what was allocated, drops what a changed
//! type no longer has, and allocates before it validates.

use serde_json::Value;

use super::{ApiError, Cause, Ranges, Store, needs_health_check, validate};
use crate::kube::objects::{Kind, Object, Service, ServiceType};
use crate::kube::version::Version;

impl Store {
    /// Families, addresses and ports of a Service that is to be written, `old` being what it replaces. `causes` is what could not even
    /// be decoded; what of it belongs to allocation is the whole answer.
    pub(super) fn allocate(
        &mut self,
        ranges: &mut Ranges,
        service: &mut Service,
        old: Option<&Service>,
        causes: &mut [Cause],
    ) -> Result<(), ApiError> {
        let name = service.metadata.name.clone();
        let about = |wanted: &'static str| move |c: &Cause| c.field.starts_with(wanted);
        let families: Vec<Cause> = causes.iter().filter(|c| about("spec.ipFamil")(c)).cloned().collect();
        if !families.is_empty() && service.spec.service_type() != ServiceType::ExternalName {
            return Err(self.invalid(Kind::Service, &name, families));
        }
        let refused = ranges.init(service, old);
        if !refused.is_empty() {
            return Err(self.invalid(Kind::Service, &name, refused));
        }
        self.unreadable_ports(service, causes)?;
        let (pins, dice) = (&self.config.pins, &mut self.dice);
        let done = match old {
            None => ranges.allocate(service, pins, dice),
            Some(old) => ranges.reallocate(service, old, pins, dice),
        };
        done.map_err(|error| match error.causes.is_empty() {
            true => error,
            false => self.invalid(Kind::Service, &name, error.causes),
        })
    }

    /// Numbers that are no port at all could not be decoded: the allocator refuses them, or they should not be there.
    fn unreadable_ports(&self, service: &Service, causes: &mut [Cause]) -> Result<(), ApiError> {
        let with_node_ports =
            matches!(service.spec.service_type(), ServiceType::NodePort | ServiceType::LoadBalancer);
        for cause in causes.iter_mut() {
            if cause.field.starts_with("spec.ports[") && cause.field.ends_with(".nodePort") {
                if with_node_ports {
                    return Err(self.invalid(Kind::Service, &service.metadata.name, vec![cause.clone()]));
                }
                "Forbidden: may not be used when `type` is 'ClusterIP'".clone_into(&mut cause.message);
            } else if cause.field == "spec.healthCheckNodePort" {
                let number = cause.message.split(": ").nth(1).unwrap_or_default().to_owned();
                if needs_health_check(service) {
                    let why =
                        "provided port is not in the valid range. The range of valid ports is 30000-32767";
                    let words = format!("failed to allocate requested HealthCheck NodePort {number}: {why}");
                    return Err(ApiError::internal(words));
                }
                cause.message = format!("Invalid value: {number}: {}", validate::HEALTH_CHECK_MISUSE);
            }
        }
        Ok(())
    }

    /// A refusal, with values printed as the server's version prints them.
    pub(super) fn invalid(&self, kind: Kind, name: &str, mut causes: Vec<Cause>) -> ApiError {
        if self.config.version < Version::new(1, 34, 0) {
            for cause in &mut causes {
                cause.message = go_syntax(&cause.field, &cause.message);
            }
        }
        ApiError::invalid(kind, name, causes)
    }
}

/// Up to v1.33 lists and structs in refusals were printed in Go's own syntax (`%#v`), not in JSON.
fn go_syntax(field: &str, message: &str) -> String {
    // Of an Ingress without rules.
    if field == "spec"
        && let Some(after) = message.strip_prefix("Invalid value: null")
    {
        return format!("Invalid value: []networking.IngressRule(nil){after}");
    }
    for what in ["Invalid value: ", "Duplicate value: "] {
        let Some(rest) = message.strip_prefix(what) else { continue };
        if !rest.starts_with(['[', '{']) {
            break;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { break };
        let after = &rest[values.byte_offset()..];
        let shown = match &value {
            Value::Array(items) => {
                let go = if field.starts_with("spec.ipFamilies") { "[]core.IPFamily" } else { "[]string" };
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                format!("{go}{{{}}}", items.join(", "))
            }
            port => format!(
                "core.ServicePort{{Name:\"\", Protocol:{}, AppProtocol:(*string)(nil), Port:{}, \
                 TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:{}}}",
                port["Protocol"], port["Port"], port["NodePort"]
            ),
        };
        return format!("{what}{shown}{after}");
    }
    message.to_owned()
}

/// What could not be decoded among the other faults, in the order in which the server looks at the fields.
pub(super) fn told_in_order(object: &Object, unreadable: Vec<Cause>, found: Vec<Cause>) -> Vec<Cause> {
    match object {
        Object::Service(_) => merged(unreadable, found, rank),
        Object::NetworkPolicy(_) => merged(unreadable, found, validate::policy_rank),
        other if other.kind().is_custom() => {
            // What cannot be read is there all the same.
            let told = |cause: &Cause| {
                cause.message.starts_with("Required") && unreadable.iter().any(|u| u.field == cause.field)
            };
            let found: Vec<Cause> = found.into_iter().filter(|cause| !told(cause)).collect();
            unreadable.into_iter().chain(found).collect()
        }
        _ => unreadable.into_iter().chain(found).collect(),
    }
}

fn merged<R: Ord>(unreadable: Vec<Cause>, found: Vec<Cause>, rank: impl Fn(&Cause) -> R) -> Vec<Cause> {
    let mut all = found;
    for cause in unreadable {
        let own = rank(&cause);
        let at = all.iter().position(|other| rank(other) > own).unwrap_or(all.len());
        all.insert(at, cause);
    }
    all
}

/// The place of a field in the order of validation: group, index, field within a port.
fn rank(cause: &Cause) -> (u8, usize, u8) {
    let field = cause.field.as_str();
    if let Some(rest) = field.strip_prefix("spec.ports[") {
        let (index, part) = rest.split_once(']').unwrap_or((rest, ""));
        let index = index.parse().unwrap_or(0);
        return match part {
            ".name" => (1, index, 0),
            ".port" => (1, index, 1),
            ".protocol" => (1, index, 2),
            ".nodePort" => (5, index, 0),
            "" => (6, index, 0),
            _ => (1, index, 3),
        };
    }
    const GROUPS: [(&str, u8); 11] = [
        ("spec.selector", 2),
        ("spec.sessionAffinity", 2),
        ("spec.clusterIP", 3),
        ("spec.ipFamil", 3),
        ("spec.externalIPs", 3),
        ("spec.type", 4),
        ("spec.LoadBalancerSourceRanges", 7),
        ("spec.allocateLoadBalancerNodePorts", 7),
        ("spec.loadBalancerClass", 7),
        ("spec.externalTrafficPolicy", 8),
        ("spec.healthCheckNodePort", 9),
    ];
    let group = GROUPS.iter().find(|(start, _)| field.starts_with(start)).map(|(_, group)| *group);
    let late =
        field.starts_with("spec.internalTrafficPolicy") || field.starts_with("spec.trafficDistribution");
    (group.unwrap_or(if late { 10 } else { 0 }), 0, 0)
}

fn has_cluster_ip(service: &Service) -> bool {
    service.spec.service_type() != ServiceType::ExternalName
}

fn has_node_ports(service: &Service) -> bool {
    matches!(service.spec.service_type(), ServiceType::NodePort | ServiceType::LoadBalancer)
}

/// Who replaces a Service without repeating what was allocated for it means to keep it (`patchAllocatedValues`).
pub(super) fn keep_allocated(new: &mut Service, old: &Service) {
    if has_cluster_ip(new) && has_cluster_ip(old) {
        // Of two forms of the same thing, the changed one is what was meant.
        if new.spec.cluster_ip.is_empty() && new.spec.cluster_ips.is_empty() {
            new.spec.cluster_ip.clone_from(&old.spec.cluster_ip);
        }
        if new.spec.cluster_ips.is_empty() && new.spec.cluster_ip == old.spec.cluster_ip {
            new.spec.cluster_ips.clone_from(&old.spec.cluster_ips);
        }
        if new.spec.cluster_ip != old.spec.cluster_ip && new.spec.cluster_ips == old.spec.cluster_ips {
            new.spec.cluster_ips =
                if new.spec.cluster_ip.is_empty() { Vec::new() } else { vec![new.spec.cluster_ip.clone()] };
        }
    }
    if has_node_ports(new) && has_node_ports(old) {
        keep_node_ports(new, old);
    }
    if needs_health_check(new) && needs_health_check(old) && new.spec.health_check_node_port.is_none() {
        new.spec.health_check_node_port = old.spec.health_check_node_port;
    }
}

/// A port keeps the node port of the port that had its name, unless another one has that number now.
fn keep_node_ports(new: &mut Service, old: &Service) {
    let numbers = |s: &Service| s.spec.ports.iter().filter_map(|p| p.node_port).collect::<Vec<_>>();
    let before = numbers(old);
    let mut used: Vec<u16> = numbers(new).into_iter().filter(|n| before.contains(n)).collect();
    for port in new.spec.ports.iter_mut().filter(|p| p.node_port.is_none()) {
        let was = old.spec.ports.iter().rev().find(|o| o.name == port.name).and_then(|o| o.node_port);
        if let Some(number) = was.filter(|n| !used.contains(n)) {
            port.node_port = Some(number);
            used.push(number);
        }
    }
}

/// A change of type drops the fields that belong to the old type, as long as the person did not change them too
/// (`dropTypeDependentFields`).
pub(super) fn drop_what_the_type_has_not(new: &mut Service, old: &Service) {
    let (now, before) = (&mut new.spec, &old.spec);
    if before.service_type() != ServiceType::ExternalName && now.service_type() == ServiceType::ExternalName {
        if now.cluster_ips == before.cluster_ips {
            now.cluster_ip.clear();
            now.cluster_ips.clear();
        }
        if now.ip_families == before.ip_families {
            now.ip_families.clear();
        }
        if now.ip_family_policy == before.ip_family_policy {
            now.ip_family_policy = None;
        }
    }
    if has_node_ports(old) && !has_node_ports(new) {
        let ports = |s: &Service| s.spec.ports.iter().map(|p| p.node_port).collect::<Vec<_>>();
        if ports(new) == ports(old) {
            new.spec.ports.iter_mut().for_each(|p| p.node_port = None);
        }
    }
    let (now, before) = (&mut new.spec, &old.spec);
    let balanced = now.service_type() == ServiceType::LoadBalancer;
    if before.service_type() == ServiceType::LoadBalancer && !balanced {
        if now.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports {
            now.allocate_load_balancer_node_ports = None;
        }
        if now.load_balancer_class == before.load_balancer_class {
            now.load_balancer_class = None;
        }
    }
    if needs_health_check(old)
        && !needs_health_check(new)
        && new.spec.health_check_node_port == old.spec.health_check_node_port
    {
        new.spec.health_check_node_port = None;
    }
    let reachable = validate::externally_accessible;
    if reachable(&old.spec)
        && !reachable(&new.spec)
        && new.spec.external_traffic_policy == old.spec.external_traffic_policy
    {
        new.spec.external_traffic_policy = None;
    }
}

#[cfg(test)]
mod tests;
