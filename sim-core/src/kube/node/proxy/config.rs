//! kube-proxy's configuration file, `KubeProxyConfiguration` of `kubeproxy.config.k8s.io/v1alpha1`: what kubeadm writes, and what kube-proxy
//! makes of it.
//!
//! Fields that change nothing here (addresses of its own servers, sync periods, limits of connection tracking, Windows) are read over.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::iptables::{self, Detector};
use super::mode::{Iptables, Ipvs, Mode, Nftables};
use super::{ipvs, nftables};
use crate::kube::config::{ClusterConfig, NodeConfig, ProxyMode};
use crate::kube::objects::manifest;
use crate::kube::version::Version;
use crate::linux::ipvs::Scheduler;
use crate::trace::Family;

/// A configuration, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// `mode`; none says "the best available", which is iptables.
    pub mode: Option<ProxyMode>,
    /// `clusterCIDR`.
    pub cluster_cidrs: Vec<IpNet>,
    /// `detectLocalMode` and `detectLocal`.
    pub detect: Detect,
    /// `nodePortAddresses`; empty for the default of the mode.
    pub node_port_addresses: Vec<NodePorts>,
    /// `masqueradeAll` of iptables, which is IPVS mode's too, and of nftables.
    pub masquerade_all: (bool, bool),
    /// `masqueradeBit` of both.
    pub masquerade_bit: (u32, u32),
    /// `iptables.localhostNodePorts`.
    pub localhost_node_ports: bool,
    /// `conntrack.tcpBeLiberal`.
    pub conntrack_liberal: bool,
    /// `ipvs.scheduler`, if it is named.
    pub scheduler: Option<Scheduler>,
    /// `ipvs.strictARP`.
    pub strict_arp: bool,
}

/// How pods of this cluster are told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detect {
    /// By the cluster's pod subnet.
    ClusterCidr,
    /// By the node's part of it.
    NodeCidr,
    /// By the bridge that they are on.
    Bridge(String),
    /// By how their interfaces are called.
    InterfacePrefix(String),
}

/// Which addresses take node ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePorts {
    /// Those of a network.
    Network(IpNet),
    /// The node's own.
    Primary,
}

/// What kube-proxy knows of its node.
#[derive(Clone, Debug, Default)]
pub struct AboutNode {
    /// Its address of the family.
    pub ip: Option<IpAddr>,
    /// Its part of the pod subnet.
    pub pod_cidr: Option<IpNet>,
    /// Its addresses, of all interfaces.
    pub addresses: Vec<IpAddr>,
    /// The subnets of Services.
    pub service_subnets: Vec<IpNet>,
}

const DEFAULT_BIT: u32 = 14;

impl ProxyConfig {
    /// What kubeadm configures.
    #[must_use]
    pub fn kubeadm(config: &ClusterConfig, mode: ProxyMode) -> Self {
        Self {
            mode: Some(mode).filter(|m| *m != ProxyMode::Iptables),
            cluster_cidrs: config.networking.pod_subnets().collect(),
            detect: Detect::ClusterCidr,
            node_port_addresses: Vec::new(),
            masquerade_all: (false, false),
            masquerade_bit: (DEFAULT_BIT, DEFAULT_BIT),
            localhost_node_ports: true,
            conntrack_liberal: false,
            scheduler: None,
            strict_arp: false,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Why kube-proxy does not start with it, in its words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file = manifest::value(text).filter(Value::is_object);
        let file = file.ok_or("failed complete: couldn't get version/kind; json parse error")?;
        let at = |path: &str| file.pointer(path).unwrap_or(&Value::Null);
        let text = |path: &str| at(path).as_str().unwrap_or_default();
        let flag = |path: &str, default: bool| at(path).as_bool().unwrap_or(default);
        if text("/kind") != "KubeProxyConfiguration" {
            let (version, kind) = (text("/apiVersion"), text("/kind"));
            return Err(format!(
                "failed complete: no kind \"{kind}\" is registered for version \"{version}\" in scheme"
            ));
        }
        let bit = |path: &str| {
            let n = at(path).as_u64().unwrap_or(u64::from(DEFAULT_BIT));
            let bit = u32::try_from(n).ok().filter(|n| *n < 32);
            bit.ok_or_else(|| {
                invalid(&path[1..].replace('/', "."), &n.to_string(), "must be within the range [0, 31]")
            })
        };
        let cluster_cidrs = networks(text("/clusterCIDR").split(',')).map_err(|bad| {
            let why = "must be a valid CIDR block (e.g. 10.100.0.0/16 or fde4:8dba:82e1::/48)";
            invalid("ClusterCIDR", &format!("{bad:?}"), why)
        })?;
        Ok(Self {
            mode: read_mode(text("/mode"))?,
            cluster_cidrs,
            detect: read_detect(
                text("/detectLocalMode"),
                text("/detectLocal/bridgeInterface"),
                text("/detectLocal/interfaceNamePrefix"),
            )?,
            node_port_addresses: read_node_ports(at("/nodePortAddresses"))?,
            masquerade_all: (flag("/iptables/masqueradeAll", false), flag("/nftables/masqueradeAll", false)),
            masquerade_bit: (bit("/iptables/masqueradeBit")?, bit("/nftables/masqueradeBit")?),
            localhost_node_ports: flag("/iptables/localhostNodePorts", true),
            conntrack_liberal: flag("/conntrack/tcpBeLiberal", false),
            scheduler: read_scheduler(text("/ipvs/scheduler"))?,
            strict_arp: flag("/ipvs/strictARP", false),
        })
    }

    /// Switches of the node that follow from it.
    #[must_use]
    pub fn sysctls(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = Vec::new();
        // Node ports on 127.0.0.1 need it; it is never switched off again.
        let on_loopback =
            |ports: &NodePorts| matches!(ports, NodePorts::Network(net) if net.addr().is_loopback());
        let takes = self.node_port_addresses.is_empty() || self.node_port_addresses.iter().any(on_loopback);
        if self.chosen_mode() == ProxyMode::Iptables && self.localhost_node_ports && takes {
            all.push(("net.ipv4.conf.all.route_localnet", "1"));
        }
        if self.conntrack_liberal {
            all.push(("net.netfilter.nf_conntrack_tcp_be_liberal", "1"));
        }
        if self.strict_arp && self.chosen_mode() == ProxyMode::Ipvs {
            all.extend([("net.ipv4.conf.all.arp_ignore", "1"), ("net.ipv4.conf.all.arp_announce", "2")]);
        }
        all
    }

    /// The mode that it comes to.
    #[must_use]
    pub fn chosen_mode(&self) -> ProxyMode {
        self.mode.unwrap_or(ProxyMode::Iptables)
    }

    /// What kube-proxy will write for one family, before it has written anything. `base` says what the cluster's layout is; none in mode
    /// `none`.
    #[must_use]
    pub fn mode_of(&self, base: &iptables::Settings, dialect: Version, node: &AboutNode) -> Option<Mode> {
        let family = base.family;
        let of_family = |net: &&IpNet| net.addr().is_ipv4() == (family == Family::V4);
        let detector = match &self.detect {
            Detect::ClusterCidr => self.cluster_cidrs.iter().find(of_family).copied().map(Detector::Cidr),
            Detect::NodeCidr => node.pod_cidr.as_ref().filter(of_family).copied().map(Detector::Cidr),
            Detect::Bridge(name) => Some(Detector::Bridge(name.clone())),
            Detect::InterfacePrefix(prefix) => Some(Detector::InterfacePrefix(prefix.clone())),
        };
        let detector = detector.unwrap_or(Detector::None);
        let networks = self.networks(family, node.ip);
        let admitted = || {
            let all = node.addresses.iter().filter(|ip| ip.is_ipv4() == (family == Family::V4));
            all.filter(|ip| networks.iter().flatten().any(|net| net.contains(*ip))).copied().collect()
        };
        Some(match self.chosen_mode() {
            ProxyMode::None => return None,
            ProxyMode::Iptables => Mode::Iptables(Box::new(Iptables::new(iptables::Settings {
                detector,
                masquerade_all: self.masquerade_all.0,
                mark: 1 << self.masquerade_bit.0,
                localhost_node_ports: self.localhost_node_ports
                    && networks.as_ref().is_none_or(|all| all.iter().any(|net| net.addr().is_loopback())),
                conntrack_liberal: self.conntrack_liberal,
                node_port_addresses: networks.is_some().then(admitted),
                node_ip: node.ip,
                ..base.clone()
            }))),
            ProxyMode::Nftables => Mode::Nftables(Box::new(Nftables::new(nftables::Settings {
                family,
                detector,
                masquerade_all: self.masquerade_all.1,
                mark: 1 << self.masquerade_bit.1,
                node_port_addresses: match &networks {
                    Some(_) => admitted().into_iter().filter(|ip: &IpAddr| !ip.is_loopback()).collect(),
                    None => node.ip.into_iter().collect(),
                },
                node_ip: node.ip,
                service_subnets: node.service_subnets.clone(),
            }))),
            ProxyMode::Ipvs => Mode::Ipvs(Box::new(Ipvs::new(ipvs::Settings {
                family,
                detector,
                masquerade_all: self.masquerade_all.0,
                random_fully: base.random_fully,
                mark: 1 << self.masquerade_bit.0,
                scheduler: self.scheduler.unwrap_or(Scheduler::Rr),
                layout: ipvs::Layout::of_minor(dialect.minor),
                node_port_addresses: networks,
                node_ip: node.ip,
            }))),
        })
    }

    /// The networks whose addresses take node ports; none if nothing is said for the family.
    fn networks(&self, family: Family, node_ip: Option<IpAddr>) -> Option<Vec<IpNet>> {
        let network = |ports: &NodePorts| match ports {
            NodePorts::Network(net) => Some(*net),
            NodePorts::Primary => node_ip.map(IpNet::from),
        };
        let all: Vec<IpNet> = self
            .node_port_addresses
            .iter()
            .filter_map(network)
            .filter(|net| net.addr().is_ipv4() == (family == Family::V4))
            .collect();
        (!all.is_empty() && all.iter().all(|net| net.prefix_len() > 0)).then_some(all)
    }
}

impl AboutNode {
    /// The node of a cluster block as the family number `i` has it.
    #[must_use]
    pub fn new(config: &ClusterConfig, node: &NodeConfig, i: usize, addresses: Vec<IpAddr>) -> Self {
        Self {
            ip: node.ips().nth(i),
            pod_cidr: node.pod_cidrs().nth(i),
            addresses,
            service_subnets: config.networking.service_subnets().nth(i).into_iter().collect(),
        }
    }
}

/// A mistake of validation, as kube-proxy words it.
fn invalid(field: &str, value: &str, why: &str) -> String {
    format!("failed validate: KubeProxyConfiguration.{field}: Invalid value: {value}: {why}")
}

fn read_mode(text: &str) -> Result<Option<ProxyMode>, String> {
    Ok(Some(match text {
        "" => return Ok(None),
        "iptables" => ProxyMode::Iptables,
        "ipvs" => ProxyMode::Ipvs,
        "nftables" => ProxyMode::Nftables,
        other => {
            let why = "must be iptables,ipvs,nftables or blank (blank means the best-available proxy [currently iptables])";
            return Err(invalid("ProxyMode", &format!("{other:?}"), why));
        }
    }))
}

fn read_detect(mode: &str, bridge: &str, prefix: &str) -> Result<Detect, String> {
    Ok(match mode {
        "" | "ClusterCIDR" => Detect::ClusterCidr,
        "NodeCIDR" => Detect::NodeCidr,
        "BridgeInterface" => Detect::Bridge(bridge.to_owned()),
        "InterfaceNamePrefix" => Detect::InterfacePrefix(prefix.to_owned()),
        other => {
            let why =
                "Unsupported value: must be ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix";
            return Err(invalid("DetectLocalMode", &format!("{other:?}"), why));
        }
    })
}

fn read_node_ports(list: &Value) -> Result<Vec<NodePorts>, String> {
    let words = list.as_array().into_iter().flatten();
    let one = |(i, word): (usize, &Value)| match word.as_str().unwrap_or_default() {
        "primary" => Ok(NodePorts::Primary),
        text => text.parse().map(NodePorts::Network).map_err(|_| {
            let field = format!("NodePortAddresses[{i}]");
            invalid(&field, &format!("{text:?}"), "must be a valid CIDR block or 'primary'")
        }),
    };
    words.enumerate().map(one).collect()
}

fn read_scheduler(text: &str) -> Result<Option<Scheduler>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let known = Scheduler::ALL.into_iter().find(|s| s.name() == text);
    known.map(Some).ok_or_else(|| "can't use the IPVS proxier: no such file or directory".to_owned())
}

/// Networks, blanks left out; the one that is none.
fn networks<'t>(words: impl Iterator<Item = &'t str>) -> Result<Vec<IpNet>, &'t str> {
    words.filter(|w| !w.is_empty()).map(|w| w.trim().parse().map_err(|_| w)).collect()
}

/// The lines that kubeadm writes, with the minor version that brought each: mode, pod subnets and nothing else differ from cluster to cluster.
const LINES: &str = include_str!("config.txt");

/// The file that kubeadm writes into `ConfigMap` kube-proxy.
#[must_use]
pub fn kubeadm_file(config: &ClusterConfig) -> String {
    let mode = match config.networking.proxy_mode {
        ProxyMode::Ipvs => "ipvs",
        ProxyMode::Nftables => "nftables",
        ProxyMode::Iptables | ProxyMode::None => "\"\"",
    };
    let pods: Vec<String> = config.networking.pod_subnets().map(|net| net.to_string()).collect();
    let minor = config.kubernetes_version.minor;
    let there =
        |line: &&str| line.split(' ').next().and_then(|n| n.parse::<u16>().ok()).is_some_and(|n| n <= minor);
    let lines: Vec<String> = LINES
        .lines()
        .filter(there)
        .filter_map(|line| line.split_once(' '))
        .map(|(_, line)| line.replace("$MODE", mode).replace("$PODS", &pods.join(",")))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubeadm_writes_is_what_it_means() {
        let mut config = ClusterConfig::default();
        for mode in [ProxyMode::Iptables, ProxyMode::Ipvs, ProxyMode::Nftables] {
            config.networking.proxy_mode = mode;
            assert_eq!(ProxyConfig::parse(&kubeadm_file(&config)), Ok(ProxyConfig::kubeadm(&config, mode)));
        }
        insta::assert_snapshot!(kubeadm_file(&ClusterConfig::default()));
    }

    #[test]
    fn every_field_that_shows_is_read() {
        let text = "kind: KubeProxyConfiguration\nmode: ipvs\nclusterCIDR: 10.1.0.0/16,fd00::/48\ndetectLocalMode: BridgeInterface\n\
                    detectLocal: {bridgeInterface: cni0}\nnodePortAddresses: [10.0.0.0/8, primary]\niptables: {masqueradeAll: true, masqueradeBit: 5, localhostNodePorts: false}\n\
                    nftables: {masqueradeBit: 6}\nipvs: {scheduler: lc, strictARP: true}\nconntrack: {tcpBeLiberal: true}\n";
        let want = ProxyConfig {
            mode: Some(ProxyMode::Ipvs),
            cluster_cidrs: ["10.1.0.0/16", "fd00::/48"].map(|n| n.parse().unwrap()).into(),
            detect: Detect::Bridge("cni0".to_owned()),
            node_port_addresses: vec![NodePorts::Network("10.0.0.0/8".parse().unwrap()), NodePorts::Primary],
            masquerade_all: (true, false),
            masquerade_bit: (5, 6),
            localhost_node_ports: false,
            conntrack_liberal: true,
            scheduler: Some(Scheduler::Lc),
            strict_arp: true,
        };
        assert_eq!(ProxyConfig::parse(text), Ok(want));
    }

    #[test]
    fn what_kube_proxy_refuses_is_refused_in_its_words() {
        let with =
            |line: &str| ProxyConfig::parse(&format!("kind: KubeProxyConfiguration\n{line}\n")).unwrap_err();
        assert_eq!(
            with("mode: userspace"),
            "failed validate: KubeProxyConfiguration.ProxyMode: Invalid value: \"userspace\": must be iptables,ipvs,nftables or blank (blank means \
             the best-available proxy [currently iptables])"
        );
        assert!(with("clusterCIDR: 10.0.0.0").contains("ClusterCIDR: Invalid value: \"10.0.0.0\""));
        assert!(with("nodePortAddresses: [x]").contains("NodePortAddresses[0]"));
        assert!(with("ipvs: {scheduler: best}").starts_with("can't use the IPVS proxier"));
        assert!(with("iptables: {masqueradeBit: 32}").contains("[0, 31]"));
        assert!(ProxyConfig::parse("kind: Pod\n").is_err() && ProxyConfig::parse("{").is_err());
    }
}
