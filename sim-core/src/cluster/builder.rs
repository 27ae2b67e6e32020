//! Putting a configuration together in code.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::Cluster;
use crate::diagnostic::Diagnostic;
use crate::kube::config::{ClusterConfig, Cni, NodeConfig, PodPin, ProxyMode, Role, ServicePin, parse};

/// A configuration to be filled in; begins as the default cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterBuilder {
    config: ClusterConfig,
}

impl ClusterBuilder {
    /// Everything random derives from it.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// A control-plane node and this many workers, `node1` upwards, instead of the default two. 250 at most are of use in the default
    /// networks.
    #[must_use]
    pub fn workers(mut self, count: u8) -> Self {
        let node = |i: u8| {
            let name = if i == 0 { "master".to_owned() } else { format!("node{i}") };
            let ip = Ipv4Addr::from_bits(Ipv4Addr::new(192, 168, 100, 100).to_bits() + u32::from(i));
            let pods = Ipv4Net::new_assert(Ipv4Addr::new(10, 244, i, 0), 24);
            NodeConfig::worker(&name, IpAddr::V4(ip), IpNet::V4(pods))
        };
        self.config.nodes = (0..=count).map(node).collect();
        self.config.nodes[0].role = Role::ControlPlane;
        self
    }

    /// Who wires pods.
    #[must_use]
    pub const fn cni(mut self, cni: Cni) -> Self {
        self.config.networking.cni = cni;
        self
    }

    /// How kube-proxy programs its node.
    #[must_use]
    pub const fn proxy_mode(mut self, mode: ProxyMode) -> Self {
        self.config.networking.proxy_mode = mode;
        self
    }

    /// Decides a pod's node and address beforehand.
    #[must_use]
    pub fn pin_pod(mut self, namespace: &str, name: &str, node: Option<&str>, ip: Option<IpAddr>) -> Self {
        let pin = PodPin { name: None, node: node.map(str::to_owned), ip };
        self.config.pins.pods.insert(format!("{namespace}/{name}"), pin);
        self
    }

    /// Decides a Service's cluster IP beforehand.
    #[must_use]
    pub fn pin_service(mut self, namespace: &str, name: &str, cluster_ip: IpAddr) -> Self {
        let pin = ServicePin { cluster_ip: Some(cluster_ip), node_port: None };
        self.config.pins.services.insert(format!("{namespace}/{name}"), pin);
        self
    }

    /// A cluster block, as a lab has it, in place of everything so far.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn block(mut self, yaml: &str) -> Result<Self, Vec<Diagnostic>> {
        self.config = parse(yaml, "cluster", 1)?;
        Ok(self)
    }

    /// Any other change.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut ClusterConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Switches the cluster on.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn build(self) -> Result<Cluster, Vec<Diagnostic>> {
        Cluster::new(self.config)
    }
}
