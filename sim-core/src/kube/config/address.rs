//! Addresses that follow from a cluster block.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{ClusterConfig, NodeConfig, PodPin, Role};

impl ClusterConfig {
    /// The network that the nodes are on: the longest prefix that holds them all, at most /24 (IPv6: /64).
    #[must_use]
    pub fn node_network(&self) -> IpNet {
        let first = self.nodes.first().map_or(IpAddr::from([192, 168, 100, 100]), |n| n.ip);
        let widest = if first.is_ipv4() { 24 } else { 64 };
        let candidates = (0..=widest).rev().filter_map(|prefix| IpNet::new(first, prefix).ok());
        let mut fitting = candidates.filter(|net| self.nodes.iter().all(|n| net.contains(&n.ip)));
        fitting.next().unwrap_or_else(|| IpNet::from(first)).trunc()
    }

    /// The router of the node network: its first address.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        let net = self.node_network();
        net.hosts().next().unwrap_or_else(|| net.addr())
    }

    /// The workstation: the tenth address of the node network (192.168.100.10 by default), or the next that nobody has.
    #[must_use]
    pub fn workstation(&self) -> IpAddr {
        let net = self.node_network();
        let taken =
            |ip: &IpAddr| self.nodes.iter().any(|n| n.ip == *ip) || self.hosts.iter().any(|h| h.ip == *ip);
        net.hosts().skip(9).find(|ip| !taken(ip)).unwrap_or_else(|| net.addr())
    }

    /// Cluster IP of the Service default/kubernetes: the first address of the service subnet.
    #[must_use]
    pub fn kubernetes_service(&self) -> IpAddr {
        let net = self.networking.service_subnet;
        net.hosts().next().unwrap_or_else(|| net.addr())
    }

    /// The node that runs the API server.
    #[must_use]
    pub fn control_plane(&self) -> Option<&NodeConfig> {
        self.nodes.iter().find(|n| n.role == Role::ControlPlane)
    }

    /// The node that a pod's pin names, or whose podCIDR holds the pinned address.
    #[must_use]
    pub fn pinned_node<'a>(&'a self, pin: &'a PodPin) -> Option<&'a str> {
        let by_address = || {
            let ip = pin.ip?;
            self.nodes.iter().find(|n| n.pod_cidr.contains(&ip)).map(|n| n.name.as_str())
        };
        pin.node.as_deref().or_else(by_address)
    }
}
