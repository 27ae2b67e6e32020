//! The block's fields, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;

use super::check::{Marks, PinMarks};
use super::machines::{hosts, listen, nodes};
use super::reader::{Reader, set, set_pair};
use super::yaml::{self, Node, Position};
use super::{
    ClusterConfig, Cni, Fault, FaultKind, ImageConfig, IpFamily, LoadBalancerMode, NODE_LOCAL_DNS,
    Networking, NodePortPin, PodPin, ProxyMode, ServicePin, check, families,
};
use crate::diagnostic::Diagnostic;
use crate::kube::version::Version;
use crate::linux::World;
use crate::linux::sysctl::SysctlError;
use crate::packet::MacAddr;

const FIELDS: [&str; 13] = [
    "kind",
    "seed",
    "kubernetesVersion",
    "settle",
    "networking",
    "nodes",
    "hosts",
    "images",
    "pins",
    "sysctl",
    "loadBalancer",
    "dns",
    "faults",
];

/// Reads and checks a whole block.
pub(super) fn read(text: &str, source: &str, first_line: u32) -> Result<ClusterConfig, Vec<Diagnostic>> {
    let mut r = Reader::new(source, first_line);
    let mut config = ClusterConfig::default();
    if !text.trim().is_empty() {
        match yaml::document(text) {
            Ok(root) => block(&mut r, &root, &mut config),
            Err((at, message)) => r.error(at, message, None),
        }
    }
    if r.found.is_empty() {
        return Ok(config);
    }
    r.found.sort_by_key(|d| (d.line, d.column));
    Err(r.found)
}

fn block(r: &mut Reader<'_>, root: &Node, config: &mut ClusterConfig) {
    let mut marks = Marks::default();
    for field in r.fields(root, "the cluster block", &FIELDS) {
        let node = &field.node;
        match field.key.as_str() {
            "kind" => {
                r.choice(node, "kind", &[("Cluster", ())]);
            }
            "seed" => set(&mut config.seed, r.number(node, "seed", 0..=u64::MAX)),
            "kubernetesVersion" => set(&mut config.kubernetes_version, kubernetes_version(r, node)),
            "settle" => set(&mut config.settle, r.boolean(node)),
            "networking" => networking(r, node, &mut config.networking, &mut marks),
            "nodes" => nodes(r, node, config, &mut marks),
            "hosts" => hosts(r, node, config, &mut marks),
            "images" => images(r, node, config),
            "pins" => pins(r, node, config, &mut marks),
            "sysctl" => config.sysctl = sysctl(r, node),
            "loadBalancer" => {
                marks.load_balancer = node.at;
                load_balancer(r, node, config);
            }
            "dns" => dns(r, node, config),
            "faults" => faults(r, node, config),
            _ => {}
        }
    }
    if r.found.is_empty() {
        families::fill_in(config, &marks, r);
        fill_in_pod_cidrs(config, &marks);
        check::check(config, &marks, r);
    }
}

fn kubernetes_version(r: &mut Reader<'_>, node: &Node) -> Option<Version> {
    let version = minor_version(r, node, "kubernetesVersion")?;
    if !(14..=37).contains(&version.minor) {
        r.not_modelled(node.at, format!("Kubernetes {}.{}", version.major, version.minor));
        return None;
    }
    Some(version)
}

fn minor_version(r: &mut Reader<'_>, node: &Node, what: &str) -> Option<Version> {
    let text = r.text(node, what)?;
    let version = Version::parse(text).filter(|v| v.major == 1 && v.minor > 0);
    if version.is_none() {
        r.error(
            node.at,
            format!("`{text}` is not a Kubernetes version"),
            Some("write it as \"1.34\"".to_owned()),
        );
    }
    version
}

fn networking(r: &mut Reader<'_>, node: &Node, config: &mut Networking, marks: &mut Marks) {
    const FIELDS: [&str; 11] = [
        "nodeLocalDNS",
        "kubeProxyPods",
        "ipFamily",
        "podSubnet",
        "serviceSubnet",
        "dnsDomain",
        "clusterDNS",
        "cni",
        "kubeProxyMode",
        "kubeProxyDialect",
        "mtu",
    ];
    for field in r.fields(node, "networking", &FIELDS) {
        let node = &field.node;
        match field.key.as_str() {
            "ipFamily" => set(&mut config.ip_family, ip_family(r, node)),
            "podSubnet" => {
                marks.pod_subnet = node.at;
                set_pair(&mut config.pod_subnet, &mut config.second_pod_subnet, r.subnets(node));
            }
            "serviceSubnet" => {
                marks.service_subnet = node.at;
                set_pair(&mut config.service_subnet, &mut config.second_service_subnet, r.subnets(node));
            }
            "dnsDomain" => set(&mut config.dns_domain, domain(r, node)),
            "clusterDNS" => {
                marks.cluster_dns = Some(node.at);
                set(&mut config.cluster_dns, r.ip(node));
            }
            "nodeLocalDNS" => set(&mut config.node_local_dns, r.boolean(node)),
            "cni" => {
                marks.cni = node.at;
                set(&mut config.cni, cni(r, node));
            }
            "kubeProxyPods" => set(&mut config.proxy_pods, r.boolean(node)),
            "kubeProxyMode" => set(&mut config.proxy_mode, proxy_mode(r, node)),
            "kubeProxyDialect" => set(&mut config.proxy_dialect, proxy_dialect(r, node)),
            "mtu" => set(&mut config.mtu, r.number(node, "mtu", 576..=65535)),
            _ => {}
        }
    }
    if config.cluster_dns == NODE_LOCAL_DNS {
        // The kubelets' setting: the Service has the address that it has without it.
        config.node_local_dns = true;
        marks.cluster_dns = None;
        set(&mut config.cluster_dns, families::nth(&config.service_subnet, 10));
    }
    if marks.cluster_dns.is_none() && marks.service_subnet != Position::default() {
        // kubeadm takes the tenth address of the service subnet.
        set(&mut config.cluster_dns, families::nth(&config.service_subnet, 10));
    }
}

fn ip_family(r: &mut Reader<'_>, node: &Node) -> Option<IpFamily> {
    let words = [("ipv4", IpFamily::V4), ("ipv6", IpFamily::V6), ("dual", IpFamily::Dual)];
    r.choice(node, "ipFamily", &words)
}

fn cni(r: &mut Reader<'_>, node: &Node) -> Option<Cni> {
    r.choice(node, "cni", &Cni::ALL.map(|cni| (cni.name(), cni)))
}

pub(super) fn proxy_mode(r: &mut Reader<'_>, node: &Node) -> Option<ProxyMode> {
    let words = [
        ("iptables", ProxyMode::Iptables),
        ("nftables", ProxyMode::Nftables),
        ("ipvs", ProxyMode::Ipvs),
        ("none", ProxyMode::None),
    ];
    r.choice(node, "kubeProxyMode", &words)
}

fn proxy_dialect(r: &mut Reader<'_>, node: &Node) -> Option<Version> {
    let version = minor_version(r, node, "kubeProxyDialect")?;
    // Older generators wrote marks and targets in other ways still.
    if version.minor < 10 {
        r.not_modelled(node.at, format!("kubeProxyDialect: \"{}.{}\"", version.major, version.minor));
    }
    Some(version)
}

fn domain(r: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = r.text(node, "dnsDomain")?;
    let name = text.strip_suffix('.').unwrap_or(text);
    if is_dns_name(name) {
        return Some(name.to_owned());
    }
    r.error(node.at, format!("`{text}` is not a DNS name"), None);
    None
}

/// RFC 1123 names: lower-case labels joined by dots.
pub(super) fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn images(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig) {
    for entry in r.entries(node, "images") {
        let mut image = ImageConfig::default();
        for field in r.fields(&entry.node, "an image", &["listen", "respond"]) {
            match field.key.as_str() {
                "listen" => image.listen = listen(r, &field.node),
                _ => image.respond = r.text(&field.node, "respond").map(str::to_owned),
            }
        }
        config.images.insert(entry.key.clone(), image);
    }
}

fn pins(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig, marks: &mut Marks) {
    for entry in r.entries(node, "pins") {
        let parts: Vec<&str> = entry.key.split('/').collect();
        match parts[..] {
            [namespace, name] if is_label(namespace) && is_dns_name(name) => {
                let (pin, mark) = pod_pin(r, &entry.node, &["node", "ip"]);
                config.pins.pods.insert(entry.key.clone(), pin);
                marks.pods.push(mark);
            }
            ["svc", namespace, name] => {
                let (pin, mark) = service_pin(r, &entry.node);
                config.pins.services.insert(format!("{namespace}/{name}"), pin);
                marks.services.push(mark);
            }
            ["deploy" | "rs" | "sts" | "ds", namespace, name] if is_label(namespace) && is_dns_name(name) => {
                let (pods, marked): (Vec<_>, Vec<_>) = owner_pin(r, &entry.node, name).into_iter().unzip();
                config.pins.owners.insert(entry.key.clone(), pods);
                marks.owned.extend(marked);
            }
            _ => {
                let help = "write NAMESPACE/POD, svc/NAMESPACE/NAME, or deploy|rs|sts|ds/NAMESPACE/NAME";
                r.error(
                    entry.key_at,
                    format!("`{}` names nothing that can be pinned", entry.key),
                    Some(help.to_owned()),
                );
            }
        }
    }
}

/// The pods of an owner, in the order in which they will be made.
fn owner_pin(r: &mut Reader<'_>, node: &Node, owner: &str) -> Vec<(PodPin, PinMarks)> {
    let mut pods = Vec::new();
    for field in r.fields(node, "an owner's pin", &["pods"]) {
        for item in r.items(&field.node, "pods") {
            let (pin, mark) = pod_pin(r, item, &["name", "node", "ip"]);
            if let Some(name) = &pin.name
                && !(is_dns_name(name) && name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('-')))
            {
                let help = format!("its pods are named {owner}-…");
                r.error(mark.name, format!("`{name}` cannot be the name of a pod of `{owner}`"), Some(help));
            }
            pods.push((pin, mark));
        }
    }
    pods
}

fn pod_pin(r: &mut Reader<'_>, node: &Node, known: &[&str]) -> (PodPin, PinMarks) {
    let mut pin = PodPin::default();
    let mut mark = PinMarks { name: node.at, node: node.at, ip: node.at };
    for field in r.fields(node, "a pod's pin", known) {
        let at = field.node.at;
        match field.key.as_str() {
            "name" => (mark.name, pin.name) = (at, r.text(&field.node, "name").map(str::to_owned)),
            "node" => (mark.node, pin.node) = (at, r.text(&field.node, "node").map(str::to_owned)),
            _ => (mark.ip, pin.ip) = (at, r.ip(&field.node)),
        }
    }
    (pin, mark)
}

fn service_pin(r: &mut Reader<'_>, node: &Node) -> (ServicePin, Position) {
    let mut pin = ServicePin::default();
    let mut mark = node.at;
    for field in r.fields(node, "a Service's pin", &["clusterIP", "nodePort"]) {
        if field.key == "clusterIP" {
            mark = field.node.at;
            pin.cluster_ip = r.ip(&field.node);
        } else {
            pin.node_port = node_port_pin(r, &field.node);
        }
    }
    (pin, mark)
}

/// A number, or a number for each name of a port.
fn node_port_pin(r: &mut Reader<'_>, node: &Node) -> Option<NodePortPin> {
    if !matches!(node.value, yaml::Value::Map(_)) {
        return r.number(node, "nodePort", 30000..=32767).map(NodePortPin::First);
    }
    let mut ports = BTreeMap::new();
    for entry in r.entries(node, "nodePort") {
        if let Some(number) = r.number(&entry.node, "nodePort", 30000..=32767) {
            ports.insert(entry.key.clone(), number);
        }
    }
    Some(NodePortPin::ByName(ports))
}

pub(super) fn sysctl(r: &mut Reader<'_>, node: &Node) -> IndexMap<String, String> {
    let mut settings = IndexMap::new();
    let entries = r.entries(node, "sysctl");
    if entries.is_empty() {
        return settings;
    }
    // Tried on a namespace that is thrown away: the ground floor knows which switches it has.
    let mut world = World::new(0);
    let ns = world.add_netns("scratch");
    let scratch = world.ns_mut(ns);
    let devices = ["eth0", "flannel.1", "flannel-v6.1", "tunl0"]
        .iter()
        .all(|dev| scratch.add_dummy(dev, MacAddr::ZERO).is_ok());
    debug_assert!(devices, "the names are free");
    for entry in entries {
        let Some(value) = r.scalar(&entry.node, "a sysctl") else { continue };
        match scratch.sysctl_set(&entry.key, &value) {
            Ok(()) => {}
            Err(SysctlError::Unknown(name)) => r.not_modelled(entry.key_at, format!("sysctl {name}")),
            Err(SysctlError::NotModelled(name, setting)) => {
                r.not_modelled(entry.node.at, format!("sysctl {name} with another value than \"{setting}\""));
            }
            Err(SysctlError::Invalid(name)) => {
                r.error(entry.node.at, format!("`{value}` is not a value of {name}"), None)
            }
        }
        settings.insert(entry.key.clone(), value);
    }
    settings
}

fn load_balancer(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig) {
    let words = [
        ("none", LoadBalancerMode::None),
        ("cloud", LoadBalancerMode::Cloud),
        ("proxy", LoadBalancerMode::Proxy),
        ("l2", LoadBalancerMode::L2),
    ];
    for field in r.fields(node, "loadBalancer", &["mode", "pool"]) {
        if field.key == "pool" {
            let (first, second) = r.subnets(&field.node).unzip();
            config.load_balancer.pools = first.into_iter().chain(second.flatten()).collect();
            continue;
        }
        set(&mut config.load_balancer.mode, r.choice(&field.node, "loadBalancer mode", &words));
    }
}

fn dns(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig) {
    for field in r.fields(node, "dns", &["upstream"]) {
        for entry in r.entries(&field.node, "upstream") {
            let name = entry.key.strip_suffix('.').unwrap_or(&entry.key).to_lowercase();
            if !is_dns_name(&name.replace('_', "-")) {
                r.error(entry.key_at, format!("`{}` is not a DNS name", entry.key), None);
            }
            let addresses = r.items(&entry.node, "addresses").iter().filter_map(|a| r.ip(a)).collect();
            config.upstream.insert(name, addresses);
        }
    }
}

/// Faults that lab authors may think of, and that are not there.
const OTHER_FAULTS: [&str; 6] =
    ["link-loss", "link-delay", "link-down", "node-down", "partition", "stalled-kube-proxy"];

fn faults(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig) {
    for item in r.items(node, "faults") {
        let (mut kind, mut nodes, mut start, mut end) = (None, Vec::new(), Duration::ZERO, None);
        for field in r.fields(item, "a fault", &["name", "nodes", "start", "end"]) {
            let at = &field.node;
            match field.key.as_str() {
                "name" => match r.text(at, "a fault's name") {
                    Some(other) if OTHER_FAULTS.contains(&other) => {
                        r.not_modelled(at.at, format!("the fault {other}"));
                    }
                    Some(_) => {
                        let words = [("conntrack-race", FaultKind::ConntrackRace)];
                        kind = r.choice(at, "fault", &words);
                    }
                    None => {}
                },
                "nodes" => {
                    let names = r.items(at, "nodes").iter().filter_map(|n| r.text(n, "a node's name"));
                    nodes = names.map(str::to_owned).collect();
                }
                "start" => set(&mut start, time(r, at)),
                _ => end = time(r, at),
            }
        }
        config.faults.extend(kind.map(|kind| Fault { kind, nodes, start, end }));
    }
}

/// A time after the start: `90s`, `2m`, `500ms`.
fn time(r: &mut Reader<'_>, node: &Node) -> Option<Duration> {
    let text = r.text(node, "a time")?;
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let scale = match &text[split..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = scale.and_then(|s: u64| text[..split].parse::<u64>().ok()?.checked_mul(s));
    if millis.is_none() {
        r.error(node.at, format!("`{text}` is not a time"), Some("write it as 90s or 2m".to_owned()));
    }
    millis.map(Duration::from_millis)
}

/// Nodes without a podCIDR get the first free /24 (/64) of the pod subnet, as the node IPAM controller hands them out.
fn fill_in_pod_cidrs(config: &mut ClusterConfig, marks: &Marks) {
    let open = |i: usize| marks.nodes.get(i).is_some_and(|m| m.pod_cidr.is_none());
    let taken: Vec<_> =
        config.nodes.iter().enumerate().filter(|(i, _)| !open(*i)).flat_map(|(_, n)| n.pod_cidrs()).collect();
    let free = |subnet: &ipnet::IpNet| {
        let parts = subnet.subnets(families::part_length(subnet)).ok();
        let taken = &taken;
        parts
            .into_iter()
            .flatten()
            .filter(move |part| !taken.iter().any(|t| t.contains(part) || part.contains(t)))
    };
    let mut first = free(&config.networking.pod_subnet);
    let mut second = config.networking.second_pod_subnet.as_ref().map(free);
    for (i, node) in config.nodes.iter_mut().enumerate() {
        if open(i) {
            set(&mut node.pod_cidr, first.next());
        }
        if open(i) || marks.nodes.is_empty() {
            node.second_pod_cidr = second.as_mut().and_then(Iterator::next);
        }
    }
}
