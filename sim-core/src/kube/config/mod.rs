//! The cluster block of a lab: which machines there are, and how they are wired and set up.
//!
//! [`ClusterConfig`] is what a checked block becomes; [`parse`] reads one and says everything that is wrong with it; [`ClusterConfig::default`] is the cluster of a lab without a block.

mod address;
pub mod blocks;
mod check;
mod families;
mod machines;
mod read;
mod reader;
#[cfg(test)]
mod tests;
mod yaml;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use indexmap::IndexMap;
use ipnet::{IpNet, Ipv4Net};

use crate::diagnostic::Diagnostic;
use crate::kube::objects::{Kind, Protocol};
pub use crate::kube::store::NodePortPin;
use crate::kube::version::Version;

/// A cluster block, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Everything random derives from it.
    pub seed: u64,
    /// What the API server and kubectl say they are.
    pub kubernetes_version: Version,
    /// Whether the control plane comes to rest after each command of a lab.
    pub settle: bool,
    /// Addresses and agents.
    pub networking: Networking,
    /// The nodes, in order.
    pub nodes: Vec<NodeConfig>,
    /// Machines outside the cluster, without `workstation` and `gateway`.
    pub hosts: Vec<HostConfig>,
    /// What containers do, by image; comes before the built-in images.
    pub images: IndexMap<String, ImageConfig>,
    /// Names and addresses that are decided beforehand.
    pub pins: Pins,
    /// Kernel settings of every node.
    pub sysctl: IndexMap<String, String>,
    /// Who gives Services of type LoadBalancer an address.
    pub load_balancer: LoadBalancer,
    /// What the gateway's DNS server answers, by lower-case name without a final dot.
    pub upstream: IndexMap<String, Vec<IpAddr>>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

impl Networking {
    /// The name server that kubelets give to pods (`clusterDNS`): the Service, or the node's own cache where that cannot have the
    /// Service's address.
    #[must_use]
    pub fn kubelet_dns(&self) -> IpAddr {
        if self.node_local_dns && self.proxy_mode == ProxyMode::Ipvs {
            NODE_LOCAL_DNS
        } else {
            self.cluster_dns
        }
    }
}

/// The address of the DNS cache on every node.
pub const NODE_LOCAL_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// On which nodes; none named: on all.
    pub nodes: Vec<String>,
    /// From when on, after the cluster was switched on.
    pub start: Duration,
    /// Until when; none: for good.
    pub end: Option<Duration>,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `conntrack-race`: the first packets of a UDP flow that leave together are looked at together, as on several processors; where
    /// they are translated differently one is lost.
    ConntrackRace,
}

/// The block's `networking`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networking {
    /// Address families of pods and Services.
    pub ip_family: IpFamily,
    /// Where pod addresses come from; each node has a part of it.
    pub pod_subnet: IpNet,
    /// The same for the second family of a dual-stack cluster.
    pub second_pod_subnet: Option<IpNet>,
    /// Where cluster IPs come from.
    pub service_subnet: IpNet,
    /// The same for the second family.
    pub second_service_subnet: Option<IpNet>,
    /// The zone of cluster names.
    pub dns_domain: String,
    /// Cluster IP of the DNS Service, and the name server in pods.
    pub cluster_dns: IpAddr,
    /// Whether every node has a DNS cache of its own (NodeLocal DNSCache).
    pub node_local_dns: bool,
    /// Who wires pods.
    pub cni: Cni,
    /// How kube-proxy programs its node.
    pub proxy_mode: ProxyMode,
    /// Whether kube-proxy is a daemon set whose pods can be seen and restarted, as kubeadm installs it; else it runs unseen.
    pub proxy_pods: bool,
    /// Whose rule layout kube-proxy writes.
    pub proxy_dialect: Version,
    /// MTU of the node network in bytes.
    pub mtu: u32,
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// `ipv4`.
    V4,
    /// `ipv6`.
    V6,
    /// `dual`.
    Dual,
}

/// The plugin that wires pods and routes between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cni {
    /// `bridge`: the reference plugin, with a route per node on every node.
    Bridge,
    /// `flannel`: the VXLAN backend.
    Flannel,
    /// `flannel-host-gw`: the host-gw backend.
    FlannelHostGw,
    /// `calico`: IPIP.
    Calico,
    /// `calico-bgp`: routes without a tunnel.
    CalicoBgp,
    /// `none`: pods stay in ContainerCreating.
    None,
}

/// Who holds packets to policies, and of which kind.
const ENFORCED: [(Cni, Kind); 2] =
    [(Cni::Calico, Kind::NetworkPolicy), (Cni::CalicoBgp, Kind::NetworkPolicy)];

impl Cni {
    /// Every plugin.
    pub const ALL: [Self; 6] =
        [Self::Bridge, Self::Flannel, Self::FlannelHostGw, Self::Calico, Self::CalicoBgp, Self::None];

    /// Its name in the cluster block.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Flannel => "flannel",
            Self::FlannelHostGw => "flannel-host-gw",
            Self::Calico => "calico",
            Self::CalicoBgp => "calico-bgp",
            Self::None => "none",
        }
    }

    /// Whether an agent of the plugin holds packets to policies of a kind.
    #[must_use]
    pub fn enforces(self, policy: Kind) -> bool {
        ENFORCED.contains(&(self, policy))
    }
}

/// kube-proxy's back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyMode {
    /// `iptables`.
    Iptables,
    /// `nftables`.
    Nftables,
    /// `ipvs`.
    Ipvs,
    /// `none`: no kube-proxy.
    None,
}

impl ProxyMode {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
            Self::Ipvs => "ipvs",
            Self::None => "none",
        }
    }
}

/// One of the block's `nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The node's name, and its host name.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its address on the node network.
    pub ip: IpAddr,
    /// Its address of the cluster's second family.
    pub second_ip: Option<IpAddr>,
    /// Its part of the pod subnet.
    pub pod_cidr: IpNet,
    /// Its part of the second pod subnet.
    pub second_pod_cidr: Option<IpNet>,
    /// Labels beside those that the kubelet sets.
    pub labels: IndexMap<String, String>,
    /// Taints beside the control plane's.
    pub taints: Vec<Taint>,
    /// More interfaces with an address, such as `docker0`.
    pub addresses: IndexMap<String, IpNet>,
    /// Kernel settings.
    pub sysctl: IndexMap<String, String>,
    /// How its kube-proxy programs it, if not as that of the others does.
    pub proxy_mode: Option<ProxyMode>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `control-plane`: runs the API server; tainted NoSchedule.
    ControlPlane,
    /// `worker`.
    Worker,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, empty if none.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// One of the block's `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its address of the cluster's second family.
    pub second_ip: Option<IpAddr>,
    /// Where it listens; HTTP over TCP, an echo over UDP.
    pub listen: Vec<Listen>,
}

/// A port with a protocol: `3306/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// One of the block's `images`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Where its containers listen.
    pub listen: Vec<Listen>,
    /// The HTTP body, with `{hostname}`, `{client}` and `{path}` to be filled in.
    pub respond: Option<String>,
}

/// Names and addresses that are decided beforehand; they hold also before an object exists and after it was made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// By `namespace/name` of the pod.
    pub pods: IndexMap<String, PodPin>,
    /// By `namespace/name` of the Service.
    pub services: IndexMap<String, ServicePin>,
    /// By `kind/namespace/name` of the owner (`deploy`, `rs`, `sts`, `ds`): its pods in order of creation.
    pub owners: IndexMap<String, Vec<PodPin>>,
}

/// What is decided of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodPin {
    /// Its name; only for the pods of an owner.
    pub name: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// Its address.
    pub ip: Option<IpAddr>,
}

/// What is decided of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePin {
    /// Its cluster IP.
    pub cluster_ip: Option<IpAddr>,
    /// Its node ports.
    pub node_port: Option<NodePortPin>,
}

/// The block's `loadBalancer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// How traffic gets in.
    pub mode: LoadBalancerMode,
    /// Where addresses come from, one pool or one of each family; [`ClusterConfig::pools`] tells what holds if there is none.
    pub pools: Vec<IpNet>,
}

/// Name of the machine outside the cluster that is the load balancer, in the modes that have one.
pub const BALANCER_HOST: &str = "loadbalancer";

/// How traffic to a load balancer's address gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancerMode {
    /// There is no load balancer: EXTERNAL-IP stays `<pending>`.
    None,
    /// Packets are passed on unchanged to healthy nodes.
    Cloud,
    /// The balancer connects to a node port itself.
    Proxy,
    /// One node answers ARP, or neighbour solicitations, for the address.
    L2,
}

/// Reads a cluster block.
///
/// `source` names the text in diagnostics, `first_line` is the line of `source` on which `text` begins (from 1).
///
/// # Errors
/// Every mistake, in order of position. Nothing is filled in for what is wrong.
pub fn parse(text: &str, source: &str, first_line: u32) -> Result<ClusterConfig, Vec<Diagnostic>> {
    read::read(text, source, first_line)
}

impl Default for Networking {
    fn default() -> Self {
        Self {
            ip_family: IpFamily::V4,
            pod_subnet: net([10, 244, 0, 0], 16),
            second_pod_subnet: None,
            service_subnet: net([10, 96, 0, 0], 12),
            second_service_subnet: None,
            dns_domain: "cluster.local".to_owned(),
            cluster_dns: IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10)),
            node_local_dns: false,
            cni: Cni::Flannel,
            proxy_mode: ProxyMode::Iptables,
            proxy_pods: false,
            proxy_dialect: DEFAULT_VERSION,
            mtu: 1500,
        }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            kubernetes_version: DEFAULT_VERSION,
            settle: true,
            networking: Networking::default(),
            nodes: default_nodes(),
            hosts: Vec::new(),
            images: IndexMap::new(),
            pins: Pins::default(),
            sysctl: IndexMap::new(),
            load_balancer: LoadBalancer { mode: LoadBalancerMode::None, pools: Vec::new() },
            upstream: IndexMap::new(),
            faults: Vec::new(),
        }
    }
}

impl NodeConfig {
    /// A worker without anything special.
    #[must_use]
    pub fn worker(name: &str, ip: IpAddr, pod_cidr: IpNet) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Worker,
            ip,
            second_ip: None,
            pod_cidr,
            second_pod_cidr: None,
            labels: IndexMap::new(),
            taints: Vec::new(),
            addresses: IndexMap::new(),
            sysctl: IndexMap::new(),
            proxy_mode: None,
        }
    }
}

/// The Kubernetes version of a cluster that does not name one.
pub const DEFAULT_VERSION: Version = Version::new(1, 34, 0);

fn default_nodes() -> Vec<NodeConfig> {
    let node = |name, host, part| {
        NodeConfig::worker(name, IpAddr::V4(Ipv4Addr::new(192, 168, 100, host)), net([10, 244, part, 0], 24))
    };
    let master = NodeConfig { role: Role::ControlPlane, ..node("master", 100, 0) };
    vec![master, node("node1", 101, 1), node("node2", 102, 2)]
}

fn net(address: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(address), prefix))
}
