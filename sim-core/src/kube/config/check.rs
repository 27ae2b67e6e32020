//! What must hold between fields: nothing overlaps, every address lies where it belongs and belongs to one thing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::Reader;
use super::yaml::Position;
use super::{ClusterConfig, NodeConfig, PodPin};
use crate::diagnostic::Diagnostic;
use crate::kube::objects::nearest::nearest;

/// Where checked values stand in the text; the beginning for what is not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) pod_subnet: Position,
    pub(super) service_subnet: Position,
    pub(super) cluster_dns: Option<Position>,
    pub(super) nodes: Vec<NodeMarks>,
    pub(super) hosts: Vec<NodeMarks>,
    pub(super) pods: Vec<PinMarks>,
    pub(super) services: Vec<Position>,
}

/// Where a machine's values stand.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeMarks {
    pub(super) name: Position,
    pub(super) ip: Position,
    pub(super) pod_cidr: Option<Position>,
    pub(super) addresses: Vec<Position>,
}

/// Where a pin's values stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PinMarks {
    pub(super) node: Position,
    pub(super) ip: Position,
}

impl ClusterConfig {
    /// What is wrong with a configuration that was put together in code.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Diagnostic> {
        let mut r = Reader::new("cluster", 1);
        check(self, &Marks::default(), &mut r);
        r.found
    }
}

/// Checks everything that takes more than one field.
pub(super) fn check(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    families(config, marks, r);
    if !r.found.is_empty() {
        return;
    }
    subnets(config, marks, r);
    cluster_dns(config, marks, r);
    machines(config, marks, r);
    pod_cidrs(config, marks, r);
    pod_pins(config, marks, r);
    service_pins(config, marks, r);
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// With `ipFamily: ipv4` every address is one of IPv4.
fn families(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let net = &config.networking;
    let mut all = vec![
        (net.pod_subnet.addr(), marks.pod_subnet),
        (net.service_subnet.addr(), marks.service_subnet),
        (net.cluster_dns, marks.cluster_dns.unwrap_or_default()),
    ];
    for (i, node) in config.nodes.iter().enumerate() {
        let mark = marks.nodes.get(i).cloned().unwrap_or_default();
        all.push((node.ip, mark.ip));
        all.push((node.pod_cidr.addr(), mark.pod_cidr.unwrap_or(mark.ip)));
        let more = node.addresses.values().enumerate();
        all.extend(more.map(|(j, a)| (a.addr(), mark.addresses.get(j).copied().unwrap_or_default())));
    }
    let hosts = config.hosts.iter().enumerate();
    all.extend(hosts.map(|(i, h)| (h.ip, marks.hosts.get(i).map(|m| m.ip).unwrap_or_default())));
    for (ip, at) in all {
        if ip.is_ipv6() {
            r.error(at, format!("{ip} is not an IPv4 address, and ipFamily is ipv4"), None);
        }
    }
}

fn subnets(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let pods = &config.networking.pod_subnet;
    let services = &config.networking.service_subnet;
    let nodes = config.node_network();
    if services.prefix_len() > services.max_prefix_len() - 4 {
        r.error(marks.service_subnet, format!("serviceSubnet {services} has too few addresses"), None);
    }
    if overlap(pods, services) {
        let at = marks.service_subnet.max(marks.pod_subnet);
        r.error(at, format!("podSubnet {pods} and serviceSubnet {services} overlap"), None);
    }
    if nodes.prefix_len() < 8 {
        let at = marks.nodes.last().map(|m| m.ip).unwrap_or_default();
        r.error(at, "the nodes' addresses are not on one network", None);
        return;
    }
    if overlap(pods, &nodes) {
        r.error(marks.pod_subnet, format!("podSubnet {pods} overlaps the node network {nodes}"), None);
    }
    if overlap(services, &nodes) {
        r.error(
            marks.service_subnet,
            format!("serviceSubnet {services} overlaps the node network {nodes}"),
            None,
        );
    }
}

fn cluster_dns(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let services = &config.networking.service_subnet;
    let dns = config.networking.cluster_dns;
    let at = marks.cluster_dns.unwrap_or(marks.service_subnet);
    if !services.contains(&dns) {
        r.error(at, format!("clusterDNS {dns} is outside serviceSubnet {services}"), None);
    } else if dns == config.kubernetes_service() {
        r.error(at, format!("{dns} is used twice: by clusterDNS and the Service default/kubernetes"), None);
    }
}

/// Names and addresses of nodes and hosts.
fn machines(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    if config.control_plane().is_none() {
        let at = marks.nodes.first().map(|m| m.name).unwrap_or_default();
        let help = Some("add `role: control-plane` to one".to_owned());
        r.error(at, "no node runs the control plane", help);
    }
    let mut names: BTreeMap<&str, ()> = BTreeMap::from([("workstation", ()), ("gateway", ())]);
    let mut owners = BTreeMap::from([(config.gateway(), "gateway"), (config.workstation(), "workstation")]);
    let nodes = config.nodes.iter().enumerate().map(|(i, n)| (&n.name, n.ip, marks.nodes.get(i)));
    let hosts = config.hosts.iter().enumerate().map(|(i, h)| (&h.name, h.ip, marks.hosts.get(i)));
    for (name, ip, mark) in nodes.chain(hosts) {
        let mark = mark.cloned().unwrap_or_default();
        if names.insert(name, ()).is_some() {
            r.error(mark.name, format!("two machines are named `{name}`"), None);
        }
        if let Some(other) = owners.insert(ip, name) {
            r.error(mark.ip, format!("{ip} is used twice: by `{other}` and `{name}`"), None);
        }
        let nodes = config.node_network();
        if ip.is_ipv4() && (ip == nodes.network() || ip == nodes.broadcast()) {
            r.error(mark.ip, format!("{ip} of `{name}` is no machine's address in {nodes}"), None);
        }
        for (subnet, what) in [
            (&config.networking.pod_subnet, "podSubnet"),
            (&config.networking.service_subnet, "serviceSubnet"),
        ] {
            if subnet.contains(&ip) {
                r.error(mark.ip, format!("{ip} of `{name}` lies inside {what} {subnet}"), None);
            }
        }
    }
    for (node, mark) in config.nodes.iter().zip(&marks.nodes) {
        more_addresses(node, mark, r);
    }
}

fn more_addresses(node: &NodeConfig, mark: &NodeMarks, r: &mut Reader<'_>) {
    for (device, at) in node.addresses.keys().zip(&mark.addresses) {
        if ["lo", "eth0", "cni0", "flannel.1"].contains(&device.as_str()) {
            r.error(*at, format!("`{device}` is set up by the cluster itself"), None);
        }
        if device.len() > 15 || device.is_empty() || device.contains(['/', ' ']) {
            r.error(
                *at,
                format!("`{device}` is not an interface name (1 to 15 characters, no `/` or blank)"),
                None,
            );
        }
    }
}

fn pod_cidrs(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let subnet = &config.networking.pod_subnet;
    for (i, node) in config.nodes.iter().enumerate() {
        let mark = marks.nodes.get(i).cloned().unwrap_or_default();
        let at = mark.pod_cidr.unwrap_or(mark.name);
        let (name, cidr) = (&node.name, &node.pod_cidr);
        if mark.pod_cidr.is_none() && cidr.prefix_len() == 0 {
            r.error(at, format!("podSubnet {subnet} has no room for `{name}`"), None);
        } else if !subnet.contains(cidr) {
            r.error(at, format!("podCIDR {cidr} of `{name}` is outside podSubnet {subnet}"), None);
        } else if cidr.prefix_len() > cidr.max_prefix_len() - 3 {
            r.error(at, format!("podCIDR {cidr} of `{name}` has too few addresses"), None);
        }
        for other in &config.nodes[..i] {
            if overlap(cidr, &other.pod_cidr) {
                let other = format!("{} of `{}`", other.pod_cidr, other.name);
                r.error(at, format!("podCIDR {cidr} of `{name}` overlaps {other}"), None);
            }
        }
    }
}

fn pod_pins(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (i, (name, pin)) in config.pins.pods.iter().enumerate() {
        let mark = marks.pods.get(i).copied().unwrap_or_default();
        pod_pin(config, pin, mark, r);
        if let Some(ip) = pin.ip
            && let Some(other) = owners.insert(ip, name)
        {
            r.error(mark.ip, format!("{ip} is used twice: by pods {other} and {name}"), None);
        }
    }
}

fn pod_pin(config: &ClusterConfig, pin: &PodPin, mark: PinMarks, r: &mut Reader<'_>) {
    let names: Vec<&str> = config.nodes.iter().map(|n| n.name.as_str()).collect();
    let node = config.pinned_node(pin).and_then(|name| config.nodes.iter().find(|n| n.name == name));
    match (node, &pin.node, pin.ip) {
        (None, Some(name), _) => {
            let help = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let help = help.or_else(|| Some(format!("nodes: {}", names.join(", "))));
            r.error(mark.node, format!("there is no node `{name}`"), help);
        }
        (None, None, Some(ip)) => r.error(mark.ip, format!("{ip} is in no node's podCIDR"), None),
        (Some(node), _, Some(ip)) => {
            let cidr = node.pod_cidr;
            if !cidr.contains(&ip) {
                r.error(mark.ip, format!("{ip} is outside podCIDR {cidr} of `{}`", node.name), None);
            } else if ip == cidr.network() || ip == cidr.broadcast() || cidr.hosts().next() == Some(ip) {
                let what = if cidr.hosts().next() == Some(ip) { "the bridge's" } else { "not a host's" };
                r.error(mark.ip, format!("{ip} cannot be a pod's address: it is {what}"), None);
            }
        }
        (_, _, None) => {}
    }
}

fn service_pins(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let subnet = &config.networking.service_subnet;
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::from([
        (config.kubernetes_service(), "default/kubernetes"),
        (config.networking.cluster_dns, "kube-system/kube-dns"),
    ]);
    for (i, (name, pin)) in config.pins.services.iter().enumerate() {
        let at = marks.services.get(i).copied().unwrap_or_default();
        let Some(ip) = pin.cluster_ip else { continue };
        if !subnet.contains(&ip) || ip == subnet.network() || ip == subnet.broadcast() {
            r.error(at, format!("clusterIP {ip} is not an address of serviceSubnet {subnet}"), None);
        }
        if let Some(other) = owners.insert(ip, name)
            && other != name
        {
            r.error(at, format!("{ip} is used twice: by Services {other} and {name}"), None);
        }
    }
}
