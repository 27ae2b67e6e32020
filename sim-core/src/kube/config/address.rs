//! Addresses that follow from a cluster block.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::families::nth;
use super::{ClusterConfig, LoadBalancerMode, NodeConfig, PodPin, Role};

/// 203.0.113.0/28, written in IPv6.
const POOL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x203, 0, 0x113, 0, 0, 0, 0), 124);

/// The longest prefix that holds all addresses, at most /24 (IPv6: /64).
fn network(first: IpAddr, all: impl Iterator<Item = IpAddr>) -> IpNet {
    let widest = if first.is_ipv4() { 24 } else { 64 };
    let candidates = (0..=widest).rev().filter_map(|prefix| IpNet::new(first, prefix).ok());
    let all: Vec<IpAddr> = all.collect();
    let mut fitting = candidates.filter(|net| all.iter().all(|ip| net.contains(ip)));
    fitting.next().unwrap_or_else(|| IpNet::from(first)).trunc()
}

/// The first address of a network that a machine may have.
fn router(net: &IpNet) -> IpAddr {
    nth(net, 1).unwrap_or_else(|| net.addr())
}

impl ClusterConfig {
    /// The network that the nodes are on: the longest prefix that holds them all, at most /24 (IPv6: /64).
    #[must_use]
    pub fn node_network(&self) -> IpNet {
        let first = self.nodes.first().map_or(IpAddr::from([192, 168, 100, 100]), |n| n.ip);
        network(first, self.nodes.iter().map(|n| n.ip))
    }

    /// The network of the nodes' second addresses.
    #[must_use]
    pub fn second_node_network(&self) -> Option<IpNet> {
        let mut all = self.nodes.iter().filter_map(|n| n.second_ip);
        all.next().map(|first| network(first, all))
    }

    /// The networks that the nodes are on, one per family.
    pub fn node_networks(&self) -> impl Iterator<Item = IpNet> + Clone {
        [Some(self.node_network()), self.second_node_network()].into_iter().flatten()
    }

    /// The router of the node network: its first address.
    #[must_use]
    pub fn gateway(&self) -> IpAddr {
        router(&self.node_network())
    }

    /// The router's addresses, one per family.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> + Clone {
        self.node_networks().map(|net| router(&net))
    }

    /// The workstation: the tenth address of the node network (192.168.100.10 by default), or the next that nobody has.
    #[must_use]
    pub fn workstation(&self) -> IpAddr {
        self.workstation_on(&self.node_network())
    }

    /// The workstation's addresses, one per family.
    #[must_use]
    pub fn workstations(&self) -> Vec<IpAddr> {
        self.node_networks().map(|net| self.workstation_on(&net)).collect()
    }

    /// In IPv6 the address is the sixteenth, which is written ::10.
    fn workstation_on(&self, net: &IpNet) -> IpAddr {
        let taken = |ip: &IpAddr| {
            self.nodes.iter().any(|n| n.ips().any(|i| i == *ip))
                || self.hosts.iter().any(|h| h.ips().any(|i| i == *ip))
        };
        let skip = if net.addr().is_ipv4() { 9 } else { 16 };
        net.hosts().skip(skip).find(|ip| !taken(ip)).unwrap_or_else(|| net.addr())
    }

    /// The load balancer's own addresses, one per family, if there is a machine for it: the last of the node network that nobody has;
    /// in IPv6 counted down from the address that is written ::254.
    #[must_use]
    pub fn balancer_hosts(&self) -> Vec<IpAddr> {
        if !matches!(self.load_balancer.mode, LoadBalancerMode::Cloud | LoadBalancerMode::Proxy) {
            return Vec::new();
        }
        let pools = self.pools();
        let taken = |ip: &IpAddr| {
            self.nodes.iter().any(|n| n.ips().any(|i| i == *ip))
                || self.hosts.iter().any(|h| h.ips().any(|i| i == *ip))
                || pools.iter().any(|pool| pool.contains(ip))
        };
        let free = |net: IpNet| {
            let size =
                1u32.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).unwrap_or(u32::MAX);
            let last = if net.addr().is_ipv4() { size.saturating_sub(2) } else { (size - 1).min(0x254) };
            (0..=last).rev().filter_map(|n| nth(&net, n)).find(|ip| !taken(ip))
        };
        self.node_networks().filter_map(free).collect()
    }

    /// The pools of addresses for Services of type LoadBalancer: those of the block, else one per family.
    #[must_use]
    pub fn pools(&self) -> Vec<IpNet> {
        if !self.load_balancer.pools.is_empty() {
            return self.load_balancer.pools.clone();
        }
        let pool = |family: IpNet| match family {
            IpNet::V4(_) => super::net([203, 0, 113, 0], 28),
            IpNet::V6(_) => POOL_V6.into(),
        };
        self.networking.pod_subnets().map(pool).collect()
    }

    /// Cluster IP of the Service default/kubernetes: the first address of the service subnet.
    #[must_use]
    pub fn kubernetes_service(&self) -> IpAddr {
        router(&self.networking.service_subnet)
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
            self.nodes.iter().find(|n| n.pod_cidrs().any(|c| c.contains(&ip))).map(|n| n.name.as_str())
        };
        pin.node.as_deref().or_else(by_address)
    }
}
