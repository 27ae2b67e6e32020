//! Which addresses and node ports belong to which Service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::alloc::{AllocError, IpRange, PortRange};
use super::{ApiError, Cause, Pins, defaults, names_given};
use crate::chance::Dice;
use crate::kube::objects::service::TrafficPolicy;
use crate::kube::objects::{IpFamily, Kind, Service, ServiceType};

/// The ranges of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    /// The primary family first.
    ips: Vec<IpRange>,
    ports: PortRange,
}

impl Ranges {
    pub(super) fn new(subnets: &[IpNet]) -> Self {
        Self { ips: subnets.iter().copied().map(IpRange::new).collect(), ports: PortRange::default() }
    }

    fn families(&self) -> Vec<IpFamily> {
        self.ips.iter().map(|r| if r.is_v4() { IpFamily::V4 } else { IpFamily::V6 }).collect()
    }

    /// Brings the two forms of the address together and settles the families.
    pub(super) fn init(&self, service: &mut Service) -> Vec<Cause> {
        let spec = &mut service.spec;
        if spec.cluster_ips.is_empty() && !spec.cluster_ip.is_empty() {
            spec.cluster_ips = vec![spec.cluster_ip.clone()];
        }
        if spec.cluster_ips.first().is_some_and(|first| *first != spec.cluster_ip) {
            let message =
                format!("Invalid value: {}: first value must match `clusterIP`", json!(spec.cluster_ips));
            return vec![Cause { field: "spec.clusterIPs".to_owned(), message }];
        }
        defaults::init_families(service, &self.families())
    }

    /// Takes what the Service asks for and draws what it leaves open. `old` is what it had before.
    pub(super) fn allocate(
        &mut self,
        service: &mut Service,
        old: Option<&Service>,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        // All or nothing: the ranges change only if everything could be had.
        let mut next = self.clone();
        if let Some(old) = old {
            next.release(old);
        }
        next.allocate_ips(service, pins, dice)?;
        next.allocate_ports(service, pins, dice)?;
        *self = next;
        Ok(())
    }

    /// Gives back everything that the Service has.
    pub(super) fn release(&mut self, service: &Service) {
        for ip in service.cluster_ips() {
            if let Some(range) = self.range_of(ip.is_ipv4()) {
                range.release(ip);
            }
        }
        for port in service.spec.ports.iter().filter_map(|p| p.node_port) {
            self.ports.release(port);
        }
        if let Some(port) = service.spec.health_check_node_port {
            self.ports.release(port);
        }
    }

    fn range_of(&mut self, v4: bool) -> Option<&mut IpRange> {
        self.ips.iter_mut().find(|r| r.is_v4() == v4)
    }

    fn allocate_ips(&mut self, service: &mut Service, pins: &Pins, dice: &mut Dice) -> Result<(), ApiError> {
        if service.spec.service_type() == ServiceType::ExternalName || service.is_headless() {
            return Ok(());
        }
        let (namespace, name) = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let pinned = pins.service(&namespace, &name).map(|p| p.cluster_ips.clone()).unwrap_or_default();
        let reserved: BTreeSet<IpAddr> = pins.services.values().flat_map(|p| p.cluster_ips.clone()).collect();
        let place = names_given::place(Kind::Service, &namespace, &format!("{name} clusterIP"));
        let asked = service.spec.cluster_ips.clone();
        let mut given = Vec::new();
        for (i, family) in service.spec.ip_families.iter().enumerate() {
            let v4 = *family == IpFamily::V4;
            let Some(range) = self.range_of(v4) else { continue };
            let wanted = asked.get(i).and_then(|ip| ip.parse::<IpAddr>().ok());
            let wanted = wanted.or_else(|| pinned.iter().copied().find(|ip| ip.is_ipv4() == v4));
            let ip = match wanted {
                Some(ip) => take(range, ip, &pinned, &reserved).map(|()| ip).map_err(|why| {
                    let shown = if asked.is_empty() { json!([ip.to_string()]) } else { json!(asked) };
                    let message = format!("Invalid value: {shown}: failed to allocate IP {ip}: {why}");
                    ApiError::invalid(
                        Kind::Service,
                        &name,
                        vec![Cause { field: "spec.clusterIPs".to_owned(), message }],
                    )
                })?,
                None => range
                    .take_any(&reserved, dice, place)
                    .map_err(|why| ApiError::internal(format!("failed to allocate a serviceIP: {why}")))?,
            };
            given.push(ip.to_string());
        }
        if let Some(first) = given.first() {
            service.spec.cluster_ip.clone_from(first);
        }
        service.spec.cluster_ips = given;
        Ok(())
    }

    fn allocate_ports(
        &mut self,
        service: &mut Service,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        let kind = service.spec.service_type();
        if !matches!(kind, ServiceType::NodePort | ServiceType::LoadBalancer) {
            return Ok(());
        }
        let (namespace, name) = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let reserved: BTreeSet<u16> = pins.services.values().filter_map(|p| p.node_port).collect();
        let mut pinned = pins.service(&namespace, &name).and_then(|p| p.node_port);
        let place = names_given::place(Kind::Service, &namespace, &format!("{name} nodePort"));
        let full = |why: AllocError| ApiError::internal(format!("failed to allocate a nodePort: {why}"));
        let draws =
            kind == ServiceType::NodePort || service.spec.allocate_load_balancer_node_ports != Some(false);
        // One number serves the same port in two protocols, as for DNS.
        let mut by_port: Vec<(u16, u16)> = Vec::new();
        for i in 0..service.spec.ports.len() {
            let port = &service.spec.ports[i];
            let shared = by_port.iter().find(|(p, _)| *p == port.port).map(|(_, node)| *node);
            let asked = port.node_port.or(shared).or_else(|| pinned.take());
            let number = match asked {
                Some(number) if by_port.iter().any(|(_, node)| *node == number) => number,
                Some(number) => self.ports.take(number).map(|()| number).map_err(|why| {
                    let field = format!("spec.ports[{i}].nodePort");
                    let cause = Cause { field, message: format!("Invalid value: {number}: {why}") };
                    ApiError::invalid(Kind::Service, &name, vec![cause])
                })?,
                None if !draws => continue,
                None => self.ports.take_any(&reserved, dice, place).map_err(full)?,
            };
            by_port.push((port.port, number));
            service.spec.ports[i].node_port = Some(number);
        }
        let checked = kind == ServiceType::LoadBalancer
            && service.spec.external_traffic_policy == Some(TrafficPolicy::Local);
        if checked {
            let port = match service.spec.health_check_node_port {
                Some(port) => self.ports.take(port).map(|()| port),
                None => self.ports.take_any(&reserved, dice, place),
            };
            let refused =
                |why| ApiError::internal(format!("failed to allocate a HealthCheck NodePort: {why}"));
            service.spec.health_check_node_port = Some(port.map_err(refused)?);
        }
        Ok(())
    }
}

/// An address that is pinned to another Service is as good as taken.
fn take(
    range: &mut IpRange,
    ip: IpAddr,
    pinned: &[IpAddr],
    reserved: &BTreeSet<IpAddr>,
) -> Result<(), AllocError> {
    if reserved.contains(&ip) && !pinned.contains(&ip) {
        return Err(AllocError::IpTaken);
    }
    range.take(ip)
}
