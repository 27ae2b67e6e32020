//! What must hold between fields: nothing overlaps, every address lies where it belongs and belongs to one thing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::Reader;
use super::yaml::Position;
use super::{
    BALANCER_HOST, ClusterConfig, Cni, IpFamily, LoadBalancerMode, NodeConfig, NodePortPin, PodPin, blocks,
    families,
};
use crate::diagnostic::Diagnostic;
use crate::kube::objects::nearest::nearest;

/// Where checked values stand in the text; the beginning for what is not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) pod_subnet: Position,
    pub(super) service_subnet: Position,
    pub(super) cluster_dns: Option<Position>,
    pub(super) cni: Position,
    pub(super) nodes: Vec<NodeMarks>,
    pub(super) hosts: Vec<NodeMarks>,
    pub(super) pods: Vec<PinMarks>,
    /// Pods that owners make, owner by owner.
    pub(super) owned: Vec<PinMarks>,
    pub(super) services: Vec<Position>,
    pub(super) load_balancer: Position,
}

/// Where a machine's values stand.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeMarks {
    pub(super) name: Position,
    pub(super) ip: Position,
    pub(super) ip_given: bool,
    pub(super) pod_cidr: Option<Position>,
    pub(super) addresses: Vec<Position>,
}

/// Where a pin's values stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PinMarks {
    pub(super) name: Position,
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
    families::check(config, marks, r);
    if !r.found.is_empty() {
        return;
    }
    subnets(config, marks, r);
    cluster_dns(config, marks, r);
    machines(config, marks, r);
    pod_cidrs(config, marks, r);
    pod_pins(config, marks, r);
    calico(config, marks, r);
    service_pins(config, marks, r);
    load_balancer(config, marks, r);
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The subnets of each family, against each other and the node network.
fn subnets(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let net = &config.networking;
    for ((pods, services), nodes) in net.pod_subnets().zip(net.service_subnets()).zip(config.node_networks())
    {
        family_subnets(&pods, &services, &nodes, marks, r);
    }
}

fn family_subnets(pods: &IpNet, services: &IpNet, nodes: &IpNet, marks: &Marks, r: &mut Reader<'_>) {
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
    if overlap(pods, nodes) {
        r.error(marks.pod_subnet, format!("podSubnet {pods} overlaps the node network {nodes}"), None);
    }
    if overlap(services, nodes) {
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
    if !config.balancer_hosts().is_empty() {
        names.insert(BALANCER_HOST, ());
    }
    let mut owners: BTreeMap<IpAddr, &str> = config.gateways().map(|ip| (ip, "gateway")).collect();
    owners.extend(config.workstations().into_iter().map(|ip| (ip, "workstation")));
    let both = |a: IpAddr, b: Option<IpAddr>| [Some(a), b].into_iter().flatten();
    let nodes =
        config.nodes.iter().enumerate().map(|(i, n)| (&n.name, both(n.ip, n.second_ip), marks.nodes.get(i)));
    let hosts =
        config.hosts.iter().enumerate().map(|(i, h)| (&h.name, both(h.ip, h.second_ip), marks.hosts.get(i)));
    let mut all = Vec::new();
    for (name, ips, mark) in nodes.chain(hosts) {
        let mark = mark.cloned().unwrap_or_default();
        if names.insert(name, ()).is_some() {
            r.error(mark.name, format!("two machines are named `{name}`"), None);
        }
        all.extend(ips.map(|ip| (name, ip, mark.clone())));
    }
    for (name, ip, mark) in all {
        if let Some(other) = owners.insert(ip, name) {
            r.error(mark.ip, format!("{ip} is used twice: by `{other}` and `{name}`"), None);
        }
        let nodes = config.node_network();
        if ip.is_ipv4() && (ip == nodes.network() || ip == nodes.broadcast()) {
            r.error(mark.ip, format!("{ip} of `{name}` is no machine's address in {nodes}"), None);
        }
        let net = &config.networking;
        let pods = net.pod_subnets().map(|s| (s, "podSubnet"));
        for (subnet, what) in pods.chain(net.service_subnets().map(|s| (s, "serviceSubnet"))) {
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
        if ["lo", "eth0", "cni0", "flannel.1", "flannel-v6.1", "tunl0"].contains(&device.as_str()) {
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
    let net = &config.networking;
    let first: Vec<_> = config.nodes.iter().map(|n| (&n.name, n.pod_cidr)).collect();
    family_pod_cidrs(&net.pod_subnet, &first, marks, r);
    if let Some(subnet) = &net.second_pod_subnet {
        // A part that could not be filled in is the whole family.
        let none = crate::linux::route::any(subnet.addr());
        let second: Vec<_> =
            config.nodes.iter().map(|n| (&n.name, n.second_pod_cidr.unwrap_or(none))).collect();
        family_pod_cidrs(subnet, &second, marks, r);
    }
}

fn family_pod_cidrs(subnet: &IpNet, nodes: &[(&String, IpNet)], marks: &Marks, r: &mut Reader<'_>) {
    for (i, (name, cidr)) in nodes.iter().enumerate() {
        let mark = marks.nodes.get(i).cloned().unwrap_or_default();
        let at = mark.pod_cidr.unwrap_or(mark.name);
        if mark.pod_cidr.is_none() && cidr.prefix_len() == 0 {
            r.error(at, format!("podSubnet {subnet} has no room for `{name}`"), None);
        } else if !subnet.contains(cidr) {
            r.error(at, format!("podCIDR {cidr} of `{name}` is outside podSubnet {subnet}"), None);
        } else if cidr.prefix_len() > cidr.max_prefix_len() - 3 {
            r.error(at, format!("podCIDR {cidr} of `{name}` has too few addresses"), None);
        }
        for (other_name, other) in &nodes[..i] {
            if overlap(cidr, other) {
                let other = format!("{other} of `{other_name}`");
                r.error(at, format!("podCIDR {cidr} of `{name}` overlaps {other}"), None);
            }
        }
    }
}

fn pod_pins(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let mut owners: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (mark, what, pin) in all_pods(config, marks) {
        pod_pin(config, pin, mark, r);
        let Some(ip) = pin.ip else { continue };
        if let Some(other) = owners.get(&ip) {
            r.error(mark.ip, format!("{ip} is used twice: by {other} and {what}"), None);
        }
        owners.insert(ip, what);
    }
}

/// Every pinned pod, what to call it, and where its values stand.
fn all_pods<'a>(
    config: &'a ClusterConfig,
    marks: &'a Marks,
) -> impl Iterator<Item = (PinMarks, String, &'a PodPin)> {
    let at = |list: &[PinMarks], i: usize| list.get(i).copied().unwrap_or_default();
    let single = config.pins.pods.iter().enumerate();
    let owned =
        config.pins.owners.iter().flat_map(|(owner, pods)| pods.iter().zip(1..).map(move |p| (owner, p)));
    single.map(move |(i, (name, pin))| (at(&marks.pods, i), format!("pod {name}"), pin)).chain(
        owned.enumerate().map(move |(i, (owner, (pin, number)))| {
            (at(&marks.owned, i), format!("pod {number} of {owner}"), pin)
        }),
    )
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
        // Blocks follow the pins.
        (Some(_), Some(_), Some(ip)) if is_calico(config) => calico_pin(config, ip, mark, r),
        (Some(node), _, Some(ip)) => {
            let cidr = node.pod_cidrs().find(|c| c.contains(&ip)).unwrap_or(node.pod_cidr);
            let bridge = families::nth(&cidr, 1);
            if !cidr.contains(&ip) {
                r.error(mark.ip, format!("{ip} is outside podCIDR {cidr} of `{}`", node.name), None);
            } else if ip == cidr.network() || ip == cidr.broadcast() || bridge == Some(ip) {
                let what = if bridge == Some(ip) { "the bridge's" } else { "not a host's" };
                r.error(mark.ip, format!("{ip} cannot be a pod's address: it is {what}"), None);
            }
        }
        (_, _, None) => {}
    }
}

const fn is_calico(config: &ClusterConfig) -> bool {
    matches!(config.networking.cni, Cni::Calico | Cni::CalicoBgp)
}

/// An address that is pinned together with its node may be of any block.
fn calico_pin(config: &ClusterConfig, ip: IpAddr, mark: PinMarks, r: &mut Reader<'_>) {
    let pool = config.networking.pod_subnet;
    if !pool.contains(&ip) {
        r.error(mark.ip, format!("{ip} is outside podSubnet {pool}"), None);
    } else if blocks::block_of(ip).network() == ip {
        r.error(mark.ip, format!("{ip} cannot be a pod's address: it is the tunnel's"), None);
    }
}

fn calico(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    if !is_calico(config) {
        return;
    }
    if config.networking.ip_family != IpFamily::V4 {
        r.not_modelled(marks.cni, "calico with IPv6".to_owned());
        return;
    }
    let mut owners: BTreeMap<IpNet, &str> = BTreeMap::new();
    for (mark, _, pin) in all_pods(config, marks) {
        let (Some(node), Some(ip)) = (config.pinned_node(pin), pin.ip) else { continue };
        let block = blocks::block_of(ip);
        if let Some(other) = owners.insert(block, node)
            && other != node
        {
            r.error(mark.ip, format!("{ip} is of block {block}, which `{other}` has, not `{node}`"), None);
        }
    }
    let without = blocks::of_nodes(config).iter().position(Vec::is_empty);
    if let Some(node) = without.and_then(|at| config.nodes.get(at)) {
        let pool = config.networking.pod_subnet;
        r.error(marks.pod_subnet, format!("podSubnet {pool} has no block for `{}`", node.name), None);
    }
}

/// The pool lies outside the cluster, and nobody has an address of it.
fn load_balancer(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    if config.load_balancer.mode == LoadBalancerMode::None {
        return;
    }
    let pools = config.pools();
    if let [a, b] = pools[..]
        && a.addr().is_ipv4() == b.addr().is_ipv4()
    {
        let what = format!("the load balancer's pools {a} and {b} are of one family");
        r.error(marks.load_balancer, what, None);
    }
    for pool in pools {
        pool_of_addresses(config, pool, marks.load_balancer, r);
    }
}

fn pool_of_addresses(config: &ClusterConfig, pool: IpNet, at: Position, r: &mut Reader<'_>) {
    let net = &config.networking;
    let other = match net.ip_family {
        IpFamily::V4 => pool.addr().is_ipv6().then_some(("IPv6", "ipv4")),
        IpFamily::V6 => pool.addr().is_ipv4().then_some(("IPv4", "ipv6")),
        IpFamily::Dual => None,
    };
    if let Some((own, family)) = other {
        r.error(at, format!("the load balancer's pool {pool} is {own}, and ipFamily is {family}"), None);
    }
    let pods = net.pod_subnets().map(|s| (s, "podSubnet"));
    for (subnet, what) in pods.chain(net.service_subnets().map(|s| (s, "serviceSubnet"))) {
        if overlap(&pool, &subnet) {
            r.error(at, format!("the load balancer's pool {pool} and {what} {subnet} overlap"), None);
        }
    }
    let machines =
        config.nodes.iter().flat_map(NodeConfig::ips).chain(config.hosts.iter().flat_map(|h| h.ips()));
    let outside = config.gateways().chain(config.workstations()).chain(config.balancer_hosts());
    for ip in machines.chain(outside).filter(|ip| pool.contains(ip)) {
        r.error(at, format!("the load balancer's pool {pool} holds {ip}, which a machine has"), None);
    }
}

fn service_pins(config: &ClusterConfig, marks: &Marks, r: &mut Reader<'_>) {
    let net = &config.networking;
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::from([
        (config.kubernetes_service(), "default/kubernetes"),
        (config.networking.cluster_dns, "kube-system/kube-dns"),
    ]);
    let mut ports: BTreeMap<u16, &String> = BTreeMap::new();
    for (i, (name, pin)) in config.pins.services.iter().enumerate() {
        let at = marks.services.get(i).copied().unwrap_or_default();
        for number in pin.node_port.iter().flat_map(NodePortPin::numbers) {
            // Within one Service two protocols may share a number.
            if let Some(other) = ports.insert(number, name)
                && other != name
            {
                r.error(
                    at,
                    format!("node port {number} is used twice: by Services {other} and {name}"),
                    None,
                );
            }
        }
        let Some(ip) = pin.cluster_ip else { continue };
        let subnet = net.service_subnets().find(|s| s.contains(&ip)).unwrap_or(net.service_subnet);
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
