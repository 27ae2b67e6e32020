//! What one service port needs on one node.

use std::net::{IpAddr, SocketAddr};

use super::{SetId, Settings};
use crate::kube::node::proxy::model::{Endpoint, ServicePort, lower};
use crate::kube::node::proxy::select::Selection;
use crate::kube::objects::Protocol;
use crate::linux::ipvs::ServiceKey;
use crate::packet::proto;

/// A virtual server with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// Address, port and protocol.
    pub key: ServiceKey,
    /// Seconds for which a client keeps its endpoint.
    pub persistent: Option<u32>,
    /// The endpoints, in the order of their texts.
    pub real: Vec<SocketAddr>,
}

/// The share of one service port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its virtual servers.
    pub servers: Vec<VirtualServer>,
    /// Its entries of sets.
    pub entries: Vec<(SetId, String)>,
    /// Addresses for the dummy device.
    pub bound: Vec<IpAddr>,
    /// Load balancer addresses that the node itself is not among the allowed sources of.
    pub forbidden: Vec<ServiceKey>,
}

/// A node as a service port sees it.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its addresses but loopback and what is bound to the dummy device.
    pub addresses: &'a [IpAddr],
    /// Those of them that take node ports.
    pub node_ports: &'a [IpAddr],
}

/// The block of a service port. `endpoints` are all there are, `chosen` those that count on this node.
#[must_use]
pub fn block(
    settings: &Settings,
    service: &ServicePort,
    endpoints: &[Endpoint],
    chosen: &Selection<'_>,
    here: Here<'_>,
) -> Block {
    let mut made = Maker { service, chosen, block: Block::default() };
    for e in endpoints.iter().filter(|e| e.node.as_deref() == Some(here.name)) {
        let (ip, port) = (e.at.ip(), e.at.port());
        let entry = format!("{},{ip}", made.entry(ip, port));
        made.block.entries.push((SetId::LoopBack, entry));
    }
    made.add(SetId::ClusterIp, service.cluster_ip, service.port);
    made.serve(service.cluster_ip, service.port, service.internal_local, true);
    let external_local = service.external_policy_local();
    for ip in service.external_ips.iter().copied() {
        let set = if external_local { SetId::ExternalIpLocal } else { SetId::ExternalIp };
        made.add(set, ip, service.port);
        made.serve(ip, service.port, external_local, !here.addresses.contains(&ip));
    }
    for ip in service.load_balancer_ips.iter().copied() {
        made.add(SetId::LoadBalancer, ip, service.port);
        if external_local {
            made.add(SetId::LoadBalancerLocal, ip, service.port);
        }
        made.guard(ip, settings);
        made.serve(ip, service.port, external_local, !here.addresses.contains(&ip));
    }
    if let Some(port) = service.node_port
        && !here.node_ports.is_empty()
    {
        made.node_port(port, external_local, here.node_ports);
    }
    if let Some(port) = service.health_check_port {
        made.block.entries.push((SetId::HealthCheckNodePort, port.to_string()));
    }
    made.block
}

struct Maker<'a> {
    service: &'a ServicePort,
    chosen: &'a Selection<'a>,
    block: Block,
}

impl Maker<'_> {
    fn entry(&self, ip: IpAddr, port: u16) -> String {
        format!("{ip},{}:{port}", lower(self.service.key.protocol))
    }

    const fn key(&self, ip: IpAddr, port: u16) -> ServiceKey {
        let protocol = match self.service.key.protocol {
            Protocol::Tcp => proto::TCP,
            Protocol::Udp => proto::UDP,
            Protocol::Sctp => proto::SCTP,
        };
        ServiceKey { protocol, at: SocketAddr::new(ip, port) }
    }

    fn add(&mut self, set: SetId, ip: IpAddr, port: u16) {
        let entry = self.entry(ip, port);
        self.block.entries.push((set, entry));
    }

    /// A virtual server. Policy Local falls back to the cluster's endpoints if the node has none.
    fn serve(&mut self, ip: IpAddr, port: u16, local: bool, bind: bool) {
        let only_local = local && !self.chosen.local.is_empty();
        let endpoints = if only_local { &self.chosen.local } else { &self.chosen.cluster };
        self.block.servers.push(VirtualServer {
            key: self.key(ip, port),
            persistent: self.service.affinity_seconds,
            real: endpoints.iter().map(|e| e.at).collect(),
        });
        if bind {
            self.block.bound.push(ip);
        }
    }

    /// Who may use a load balancer address.
    fn guard(&mut self, ip: IpAddr, settings: &Settings) {
        if self.service.source_ranges.is_empty() {
            return;
        }
        self.add(SetId::LoadBalancerFw, ip, self.service.port);
        let portal = self.entry(ip, self.service.port);
        let ranges = self.service.source_ranges.iter().filter(|net| net.prefix_len() > 0);
        let entries = ranges.map(|net| (SetId::LoadBalancerSourceCidr, format!("{portal},{net}")));
        self.block.entries.extend(entries);
        // What the node itself sends to the address has that as its source.
        if settings.node_ip.is_some_and(|own| self.service.source_ranges.iter().any(|net| net.contains(&own)))
        {
            self.block.entries.push((SetId::LoadBalancerSourceIp, format!("{portal},{ip}")));
        } else {
            self.block.forbidden.push(self.key(ip, self.service.port));
        }
    }

    fn node_port(&mut self, port: u16, local: bool, addresses: &[IpAddr]) {
        let (set, local_set) = match self.service.key.protocol {
            Protocol::Tcp => (SetId::NodePortTcp, SetId::NodePortLocalTcp),
            Protocol::Udp => (SetId::NodePortUdp, SetId::NodePortLocalUdp),
            Protocol::Sctp => (SetId::NodePortSctp, SetId::NodePortLocalSctp),
        };
        let entries: Vec<String> = match self.service.key.protocol {
            Protocol::Sctp => addresses.iter().map(|ip| self.entry(*ip, port)).collect(),
            Protocol::Tcp | Protocol::Udp => vec![port.to_string()],
        };
        for set in [Some(set), local.then_some(local_set)].into_iter().flatten() {
            self.block.entries.extend(entries.iter().map(|e| (set, e.clone())));
        }
        for ip in addresses {
            self.serve(*ip, port, local, false);
        }
    }
}
