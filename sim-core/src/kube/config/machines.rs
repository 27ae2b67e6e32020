//! The block's `nodes` and `hosts`.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::check::{Marks, NodeMarks};
use super::read::{is_dns_name, proxy_mode, sysctl};
use super::reader::{Reader, set, set_pair};
use super::yaml::{self, Node};
use super::{ClusterConfig, HostConfig, Listen, NodeConfig, Role, Taint, net};
use crate::kube::objects::Protocol;

/// A machine's name: an RFC 1123 name, as the API server wants it for a node.
fn machine_name(r: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = r.text(node, "name")?;
    if is_dns_name(text) {
        return Some(text.to_owned());
    }
    let help = Some(
        "lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit".to_owned(),
    );
    r.error(node.at, format!("`{text}` is not a machine's name"), help);
    None
}

pub(super) fn nodes(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig, marks: &mut Marks) {
    let items = r.items(node, "nodes");
    if items.is_empty() {
        return;
    }
    config.nodes.clear();
    let mut next_ip = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 100));
    for item in items {
        if let Some((found, mark)) = one_node(r, item, next_ip) {
            next_ip = after(found.ip);
            config.nodes.push(found);
            marks.nodes.push(mark);
        }
    }
}

fn after(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits().wrapping_add(1))),
        IpAddr::V6(a) => IpAddr::V6(a.to_bits().wrapping_add(1).into()),
    }
}

fn one_node(r: &mut Reader<'_>, item: &Node, next_ip: IpAddr) -> Option<(NodeConfig, NodeMarks)> {
    const FIELDS: [&str; 9] =
        ["name", "role", "ip", "podCIDR", "labels", "taints", "addresses", "sysctl", "kubeProxyMode"];
    let mut node = NodeConfig::worker("", next_ip, net([0, 0, 0, 0], 0));
    let mut mark = NodeMarks { name: item.at, ip: item.at, ..NodeMarks::default() };
    for field in r.fields(item, "a node", &FIELDS) {
        let value = &field.node;
        match field.key.as_str() {
            "name" => {
                mark.name = value.at;
                set(&mut node.name, machine_name(r, value));
            }
            "role" => {
                let roles = [("control-plane", Role::ControlPlane), ("worker", Role::Worker)];
                set(&mut node.role, r.choice(value, "role", &roles));
            }
            "ip" => {
                mark.ip = value.at;
                mark.ip_given = true;
                set_pair(&mut node.ip, &mut node.second_ip, r.ips(value));
            }
            "podCIDR" => {
                mark.pod_cidr = Some(value.at);
                set_pair(&mut node.pod_cidr, &mut node.second_pod_cidr, r.subnets(value));
            }
            "labels" => {
                for e in r.entries(value, "labels") {
                    if let Some(text) = r.text(&e.node, "a label's value") {
                        node.labels.insert(e.key.clone(), text.to_owned());
                    }
                }
            }
            "taints" => {
                let items = r.items(value, "taints");
                node.taints = items.iter().filter_map(|t| taint(r, t)).collect();
            }
            "addresses" => {
                for e in r.entries(value, "addresses") {
                    if let Some(net) =
                        r.parse(&e.node, "an address with its prefix length, such as 172.17.0.1/16")
                    {
                        node.addresses.insert(e.key.clone(), net);
                        mark.addresses.push(e.node.at);
                    }
                }
            }
            "sysctl" => node.sysctl = sysctl(r, value),
            "kubeProxyMode" => node.proxy_mode = proxy_mode(r, value),
            _ => {}
        }
    }
    if node.name.is_empty() && mark.name == item.at {
        r.error(item.at, "a node without a name", None);
        return None;
    }
    Some((node, mark))
}

/// A taint as an object, or as `kubectl taint` writes it: `key[=value]:effect`.
fn taint(r: &mut Reader<'_>, node: &Node) -> Option<Taint> {
    const EFFECTS: [(&str, &str); 3] =
        [("NoSchedule", "NoSchedule"), ("PreferNoSchedule", "PreferNoSchedule"), ("NoExecute", "NoExecute")];
    if let yaml::Value::Text(text) = &node.value {
        let parsed = text.rsplit_once(':').filter(|(_, effect)| EFFECTS.iter().any(|(e, _)| e == effect));
        let Some((pair, effect)) = parsed else {
            let help = Some("write it as key=value:NoSchedule".to_owned());
            r.error(node.at, format!("`{text}` is not a taint"), help);
            return None;
        };
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        return Some(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() });
    }
    let mut taint = Taint { key: String::new(), value: String::new(), effect: String::new() };
    for field in r.fields(node, "a taint", &["key", "value", "effect"]) {
        match field.key.as_str() {
            "key" => set(&mut taint.key, r.text(&field.node, "key").map(str::to_owned)),
            "value" => set(&mut taint.value, r.text(&field.node, "value").map(str::to_owned)),
            _ => set(&mut taint.effect, r.choice(&field.node, "effect", &EFFECTS).map(str::to_owned)),
        }
    }
    if taint.key.is_empty() || taint.effect.is_empty() {
        r.error(node.at, "a taint needs `key` and `effect`", None);
        return None;
    }
    Some(taint)
}

pub(super) fn hosts(r: &mut Reader<'_>, node: &Node, config: &mut ClusterConfig, marks: &mut Marks) {
    for item in r.items(node, "hosts") {
        let mut host = HostConfig {
            name: String::new(),
            ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            second_ip: None,
            listen: Vec::new(),
        };
        let mut mark = NodeMarks { name: item.at, ip: item.at, ..NodeMarks::default() };
        for field in r.fields(item, "a host", &["name", "ip", "listen"]) {
            match field.key.as_str() {
                "name" => {
                    mark.name = field.node.at;
                    set(&mut host.name, machine_name(r, &field.node));
                }
                "ip" => {
                    mark.ip = field.node.at;
                    set_pair(&mut host.ip, &mut host.second_ip, r.ips(&field.node));
                }
                _ => host.listen = listen(r, &field.node),
            }
        }
        if mark.name == item.at || mark.ip == item.at {
            r.error(item.at, "a host needs `name` and `ip`", None);
        }
        config.hosts.push(host);
        marks.hosts.push(mark);
    }
}

pub(super) fn listen(r: &mut Reader<'_>, node: &Node) -> Vec<Listen> {
    let items = r.items(node, "ports").iter();
    items.filter_map(|item| r.parse(item, "a port with its protocol, such as 8080/tcp")).collect()
}

impl FromStr for Listen {
    type Err = ();

    /// `PORT/tcp` or `PORT/udp`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (port, protocol) = text.split_once('/').ok_or(())?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(()),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { port, protocol }),
            _ => Err(()),
        }
    }
}
