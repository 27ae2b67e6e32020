//! Services and endpoints as kube-proxy sees them: the unit is one port of one Service, in one address family.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use smallvec::SmallVec;

use super::names::service_port_name;
use crate::kube::objects::Protocol;

/// A protocol as iptables writes it.
#[must_use]
pub const fn lower(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// Which service port: its Service's namespace and name, the port's name (may be empty), the protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub name: String,
    /// Name of the port; empty if it has none.
    pub port: String,
    /// Protocol of the port.
    pub protocol: Protocol,
}

impl fmt::Display for PortKey {
    /// `namespace/name:port`, as in comments of rules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&service_port_name(&self.namespace, &self.name, &self.port))
    }
}

/// One port of one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Which.
    pub key: PortKey,
    /// Cluster IP.
    pub cluster_ip: IpAddr,
    /// Port on virtual addresses.
    pub port: u16,
    /// Port on nodes.
    pub node_port: Option<u16>,
    /// `externalIPs`.
    pub external_ips: SmallVec<[IpAddr; 1]>,
    /// Load balancer addresses that nodes answer for (`ipMode` VIP).
    pub load_balancer_ips: SmallVec<[IpAddr; 1]>,
    /// `loadBalancerSourceRanges`; empty for everybody.
    pub source_ranges: SmallVec<[IpNet; 1]>,
    /// Seconds for which a client keeps its endpoint (`sessionAffinity: ClientIP`).
    pub affinity_seconds: Option<u32>,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `healthCheckNodePort` of a LoadBalancer with `externalTrafficPolicy: Local`.
    pub health_check_port: Option<u16>,
}

impl ServicePort {
    /// A port that is reachable inside the cluster only.
    #[must_use]
    pub fn internal(key: PortKey, cluster_ip: IpAddr, port: u16) -> Self {
        Self {
            key,
            cluster_ip,
            port,
            node_port: None,
            external_ips: SmallVec::new(),
            load_balancer_ips: SmallVec::new(),
            source_ranges: SmallVec::new(),
            affinity_seconds: None,
            external_local: false,
            internal_local: false,
            health_check_port: None,
        }
    }

    /// Whether it has an address or port outside the cluster.
    #[must_use]
    pub fn externally_reachable(&self) -> bool {
        self.node_port.is_some() || !self.load_balancer_ips.is_empty() || !self.external_ips.is_empty()
    }

    /// Whether traffic from outside is restricted to endpoints of the node it reaches.
    #[must_use]
    pub fn external_policy_local(&self) -> bool {
        self.external_local && self.externally_reachable()
    }
}

/// One endpoint of one service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub at: SocketAddr,
    /// Its node; none is treated as elsewhere.
    pub node: Option<String>,
    /// Takes new connections.
    pub ready: bool,
    /// Would take connections, were it not for its termination.
    pub serving: bool,
    /// Is going away.
    pub terminating: bool,
    /// Zones that should use it (`hints.forZones`).
    pub zone_hints: SmallVec<[String; 1]>,
    /// Nodes that should use it (`hints.forNodes`).
    pub node_hints: SmallVec<[String; 1]>,
}

impl Endpoint {
    /// A ready endpoint.
    #[must_use]
    pub fn ready(at: SocketAddr, node: Option<&str>) -> Self {
        Self {
            at,
            node: node.map(str::to_owned),
            ready: true,
            serving: true,
            terminating: false,
            zone_hints: SmallVec::new(),
            node_hints: SmallVec::new(),
        }
    }
}
