//! A pod's network with calico: an address of one of the node's blocks, a veth pair, a route, Felix' rules.

use ipnet::IpNet;

use super::sandbox::Sandbox;
use crate::kube::config::blocks;
use crate::kube::node::agents::{Hands, restore};
use crate::kube::node::cni::calico::blocks::Blocks;
use crate::kube::node::cni::calico::felix::{self, Workload};
use crate::kube::node::cni::calico::{self, Attachment};
use crate::kube::node::machine::Place;
use crate::kube::objects::Pod;
use crate::trace::{Family, NsId};

/// Makes the namespace and lets the plugin connect it.
pub(super) fn attach(
    pod: &Pod,
    (node, node_ns): (&str, NsId),
    ipam: &mut Blocks,
    hands: &mut Hands<'_>,
) -> Result<Sandbox, String> {
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    let pin = hands.store.pod_pin(namespace, name);
    // A pin for another node does not hold here.
    let pinned = pin.and_then(|p| p.ip).filter(|ip| ipam.contain(*ip));
    let ip = match ipam.allocate(pinned) {
        Some(ip) => ip,
        None if pinned.is_none() => {
            claim(node, node_ns, ipam, hands)?;
            ipam.allocate(None).ok_or_else(|| none_left(hands))?
        }
        None => return Err(none_left(hands)),
    };
    let ns = hands.world.add_netns(&format!("{namespace}/{name}"));
    let interface = calico::interface_name(namespace, name);
    let to = Attachment { pod: ns, name: &interface, ip };
    if let Err(e) = calico::attach(hands.world, node_ns, to, &hands.config.networking) {
        hands.world.remove_netns(ns);
        ipam.release(ip);
        return Err(format!("on {node}: {e}"));
    }
    let account = pod.spec.service_account_name.as_str();
    let workload = Workload {
        interface: &interface,
        namespace,
        service_account: if account.is_empty() { "default" } else { account },
    };
    let after = interfaces(hands, node_ns);
    let before: Vec<String> = after.iter().filter(|i| **i != interface).cloned().collect();
    program(&felix::workload_rules(&workload, &texts(&before), &texts(&after)), (node, node_ns), hands);
    Ok(Sandbox { ns, ips: vec![ip], allocated: true })
}

/// Felix forgets a pod whose interface is gone.
pub(super) fn detach(pod: &Pod, (node, node_ns): (&str, NsId), hands: &mut Hands<'_>) {
    let interface = calico::interface_name(&pod.metadata.namespace, &pod.metadata.name);
    let after = interfaces(hands, node_ns);
    let mut before = after.clone();
    before.push(interface.clone());
    before.sort();
    program(&felix::without_workload(&interface, &texts(&before), &texts(&after)), (node, node_ns), hands);
}

fn program(rules: &str, (node, node_ns): (&str, NsId), hands: &mut Hands<'_>) {
    if let Err(e) = restore(hands.world.ns_mut(node_ns), Family::V4, rules) {
        hands.remark(format!("felix on {node}: {e}"));
    }
}

/// The node's ends of its pods' veth pairs, by name.
fn interfaces(hands: &Hands<'_>, node: NsId) -> Vec<String> {
    let all = hands.world.ns(node).ifaces().map(|i| i.name.to_string());
    let mut all: Vec<String> = all.filter(|name| name.starts_with(calico::PREFIX)).collect();
    all.sort();
    all
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Takes one more block: the first that no node has, as the node's own routes tell. The others learn of it.
fn claim(node: &str, node_ns: NsId, ipam: &mut Blocks, hands: &mut Hands<'_>) -> Result<(), String> {
    let config = hands.config;
    let own = config.nodes.iter().find(|n| n.name == node).ok_or("no such node")?;
    let routes = hands.world.ns(node_ns).routes();
    let known: Vec<IpNet> = routes.iter().map(|r| r.dst).filter(|dst| dst.prefix_len() > 0).collect();
    let free = |block: &IpNet| !known.iter().any(|k| k.contains(block) || block.contains(k));
    let block =
        blocks::candidates(own, config.networking.pod_subnet).find(free).ok_or_else(|| none_left(hands))?;
    let wrong = |e: crate::linux::NetError| e.to_string();
    calico::add_own_block(hands.world.ns_mut(node_ns), block).map_err(wrong)?;
    for peer in config.nodes.iter().filter(|n| n.name != node) {
        let Some(ns) = hands.machines.get(&Place::Node(peer.name.clone())).map(|m| m.ns) else { continue };
        calico::add_peer_block(hands.world.ns_mut(ns), own.ip, block, &config.networking).map_err(wrong)?;
    }
    ipam.claim(block);
    Ok(())
}

fn none_left(hands: &Hands<'_>) -> String {
    let pool = hands.config.networking.pod_subnet;
    format!(
        "failed to request IPv4 addresses: Assigned 0 out of 1 requested IPv4 addresses; No IPs available in pools: [{pool}]"
    )
}
