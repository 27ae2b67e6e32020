//! Which addresses and node ports belong to which Service.
//!
//! As in the API server (`pkg/registry/core/service/storage/alloc.go`), allocation comes before validation: a Service that asks for
//! what another one has hears of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::alloc::{AllocError, IpRange, PortRange};
use super::pins::NodePortPin;
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

    /// Brings the two forms of the address together and settles the families; `old` is what it is to replace.
    pub(super) fn init(&self, service: &mut Service, old: Option<&Service>) -> Vec<Cause> {
        let spec = &mut service.spec;
        if spec.cluster_ips.is_empty() && !spec.cluster_ip.is_empty() {
            spec.cluster_ips = vec![spec.cluster_ip.clone()];
        }
        defaults::init_families(service, old, &self.families())
    }

    /// Takes what a new Service asks for and draws what it leaves open.
    pub(super) fn allocate(
        &mut self,
        service: &mut Service,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        let drawn = (0, service.spec.ip_families.len());
        self.allocate_ips(service, drawn, pins, dice)?;
        self.create_ports(service, pins, dice)?;
        if needs_health_check(service) {
            self.allocate_health_check(service, pins, dice)?;
        }
        Ok(())
    }

    /// Takes what a changed Service has more than before, and gives back what it has no more.
    pub(super) fn reallocate(
        &mut self,
        service: &mut Service,
        old: &Service,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        let external = |s: &Service| s.spec.service_type() == ServiceType::ExternalName;
        let (had, has) = (old.spec.ip_families.len(), service.spec.ip_families.len());
        if external(old) {
            self.allocate_ips(service, (0, has), pins, dice)?;
        } else if !old.is_headless() && !external(service) && had == 1 && has == 2 {
            self.allocate_ips(service, (1, has), pins, dice)?;
        }
        self.update_ports(service, old, pins, dice)?;
        if needs_health_check(service) && !needs_health_check(old) {
            self.allocate_health_check(service, pins, dice)?;
        }
        for ip in old.cluster_ips().filter(|ip| !service.cluster_ips().any(|kept| kept == *ip)) {
            if let Some(range) = self.range_of(ip.is_ipv4()) {
                range.release(ip);
            }
        }
        let kept: Vec<u16> = all_ports(service).collect();
        all_ports(old).filter(|port| !kept.contains(port)).for_each(|port| self.ports.release(port));
        Ok(())
    }

    /// Gives back everything that the Service has.
    pub(super) fn release(&mut self, service: &Service) {
        for ip in service.cluster_ips() {
            if let Some(range) = self.range_of(ip.is_ipv4()) {
                range.release(ip);
            }
        }
        all_ports(service).for_each(|port| self.ports.release(port));
    }

    fn range_of(&mut self, v4: bool) -> Option<&mut IpRange> {
        self.ips.iter_mut().find(|r| r.is_v4() == v4)
    }

    /// Takes the addresses from place `first` of the list of families up to place `end`.
    fn allocate_ips(
        &mut self,
        service: &mut Service,
        (first, end): (usize, usize),
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        if service.spec.service_type() == ServiceType::ExternalName || service.is_headless() {
            return Ok(());
        }
        let (namespace, name) = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let pinned = pins.service(&namespace, &name).map(|p| p.cluster_ips.clone()).unwrap_or_default();
        let reserved: BTreeSet<IpAddr> = pins.services.values().flat_map(|p| p.cluster_ips.clone()).collect();
        let place = names_given::place(Kind::Service, &namespace, &format!("{name} clusterIP"));
        let asked = service.spec.cluster_ips.clone();
        let mut given: Vec<String> = asked.iter().take(first).cloned().collect();
        for (i, family) in service.spec.ip_families.iter().enumerate().take(end).skip(first) {
            let v4 = *family == IpFamily::V4;
            let Some(range) = self.range_of(v4) else { continue };
            let wanted = asked.get(i).and_then(|ip| ip.parse::<IpAddr>().ok());
            let wanted = wanted.or_else(|| pinned.iter().copied().find(|ip| ip.is_ipv4() == v4));
            let ip = match wanted {
                Some(ip) => take(range, ip, &pinned, &reserved).map(|()| ip).map_err(|why| {
                    let shown = if asked.is_empty() { json!([ip.to_string()]) } else { json!(asked) };
                    let message = format!("Invalid value: {shown}: failed to allocate IP {ip}: {why}");
                    refused(&name, "spec.clusterIPs", message)
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

    /// Node ports of a new Service: ports with the same number in two protocols share one, as for DNS.
    fn create_ports(&mut self, service: &mut Service, pins: &Pins, dice: &mut Dice) -> Result<(), ApiError> {
        if !has_node_ports(service) {
            return Ok(());
        }
        let mut draw = Draw::new(service, pins);
        let draws = draws_node_ports(service);
        let mut by_port: BTreeMap<u16, u16> = BTreeMap::new();
        for i in 0..service.spec.ports.len() {
            let ports = &service.spec.ports;
            let (port, own) = (ports[i].port, ports[i].node_port);
            if own.is_none() && !draws {
                continue;
            }
            let number = match by_port.get(&port) {
                Some(&shared) if own.is_none_or(|own| own == shared) => shared,
                Some(_) => self.take_port(own.unwrap_or(0), i, &draw)?,
                None => {
                    let asked = ports.iter().filter(|p| p.port == port).find_map(|p| p.node_port);
                    let number = match asked {
                        Some(number) => self.take_port(number, i, &draw)?,
                        None => self.draw_port(&ports[i].name.clone(), &mut draw, dice)?,
                    };
                    by_port.insert(port, number);
                    number
                }
            };
            service.spec.ports[i].node_port = Some(number);
        }
        Ok(())
    }

    /// Node ports of a changed Service: those that it had are its own.
    fn update_ports(
        &mut self,
        service: &mut Service,
        old: &Service,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        if !has_node_ports(service) {
            return Ok(());
        }
        let mut draw = Draw::new(service, pins);
        let draws = draws_node_ports(service);
        let mut own: Vec<u16> = old.spec.ports.iter().filter_map(|p| p.node_port).collect();
        let mut seen = BTreeSet::new();
        for i in 0..service.spec.ports.len() {
            let port = &service.spec.ports[i];
            let (protocol, name) = (port.protocol, port.name.clone());
            let number = match port.node_port {
                Some(number) if own.contains(&number) => number,
                Some(number) => self.take_port(number, i, &draw)?,
                None if !draws => continue,
                None => self.draw_port(&name, &mut draw, dice)?,
            };
            own.push(number);
            if !seen.insert((protocol, number)) {
                return Err(ApiError::unknown(format!("duplicate nodePort: {{{protocol} {number}}}")));
            }
            service.spec.ports[i].node_port = Some(number);
        }
        Ok(())
    }

    fn take_port(&mut self, number: u16, i: usize, draw: &Draw) -> Result<u16, ApiError> {
        self.ports.take_unless(number, &draw.others).map(|()| number).map_err(|why| {
            refused(
                &draw.service,
                &format!("spec.ports[{i}].nodePort"),
                format!("Invalid value: {number}: {why}"),
            )
        })
    }

    /// The pinned number, if nobody has it; else any.
    fn draw_port(&mut self, name: &str, draw: &mut Draw, dice: &mut Dice) -> Result<u16, ApiError> {
        let pinned = draw.pin.as_mut().and_then(|pin| pin.take(name));
        if let Some(number) = pinned
            && self.ports.take(number).is_ok()
        {
            return Ok(number);
        }
        let full = |why: AllocError| ApiError::internal(format!("failed to allocate a nodePort: {why}"));
        self.ports.take_any(&draw.reserved, dice, draw.place).map_err(full)
    }

    fn allocate_health_check(
        &mut self,
        service: &mut Service,
        pins: &Pins,
        dice: &mut Dice,
    ) -> Result<(), ApiError> {
        let draw = Draw::new(service, pins);
        let port =
            match service.spec.health_check_node_port {
                Some(port) => self.ports.take_unless(port, &draw.others).map(|()| port).map_err(|why| {
                    format!("failed to allocate requested HealthCheck NodePort {port}: {why}")
                }),
                None => self
                    .ports
                    .take_any(&draw.reserved, dice, draw.place)
                    .map_err(|why| format!("failed to allocate a HealthCheck NodePort 0: {why}")),
            };
        service.spec.health_check_node_port = Some(port.map_err(ApiError::internal)?);
        Ok(())
    }
}

/// What matters for the node ports of one Service.
struct Draw {
    service: String,
    place: u64,
    pin: Option<NodePortPin>,
    /// Numbers that are pinned, to whomever.
    reserved: BTreeSet<u16>,
    /// Numbers that are pinned to other Services.
    others: BTreeSet<u16>,
}

impl Draw {
    fn new(service: &Service, pins: &Pins) -> Self {
        let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
        let all = || pins.services.values().flat_map(|p| p.node_port.iter().flat_map(NodePortPin::numbers));
        let pin = pins.service(namespace, name).and_then(|p| p.node_port.clone());
        let own: Vec<u16> = pin.iter().flat_map(NodePortPin::numbers).collect();
        Self {
            service: name.clone(),
            place: names_given::place(Kind::Service, namespace, &format!("{name} nodePort")),
            pin,
            reserved: all().collect(),
            others: all().filter(|number| !own.contains(number)).collect(),
        }
    }
}

fn refused(name: &str, field: &str, message: String) -> ApiError {
    ApiError::invalid(Kind::Service, name, vec![Cause { field: field.to_owned(), message }])
}

fn has_node_ports(service: &Service) -> bool {
    matches!(service.spec.service_type(), ServiceType::NodePort | ServiceType::LoadBalancer)
}

fn draws_node_ports(service: &Service) -> bool {
    service.spec.service_type() == ServiceType::NodePort
        || service.spec.allocate_load_balancer_node_ports != Some(false)
}

/// Whether a load balancer asks the nodes on a port of the Service's own which of them have endpoints.
pub(crate) fn needs_health_check(service: &Service) -> bool {
    service.spec.service_type() == ServiceType::LoadBalancer
        && service.spec.external_traffic_policy == Some(TrafficPolicy::Local)
}

/// Every number of the node port range that a Service holds.
fn all_ports(service: &Service) -> impl Iterator<Item = u16> + '_ {
    let node_ports = service.spec.ports.iter().filter_map(|p| p.node_port);
    node_ports.chain(service.spec.health_check_node_port)
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
