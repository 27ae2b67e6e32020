//! The rules of the load balancer's machine, as text for `nft`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Front, Target};
use crate::kube::config::LoadBalancerMode;
use crate::kube::node::proxy::model::lower;
use crate::linux::World;
use crate::linux::nftables::{Input, Style};
use crate::trace::NsId;

/// The tables of the nodes' families, written anew.
pub(super) fn text(
    mode: LoadBalancerMode,
    fronts: &[Front],
    targets: &[Target],
    healthy: &BTreeMap<u16, BTreeSet<usize>>,
) -> String {
    let there = |v6: bool| targets.iter().any(|t| t.ip(v6).is_some());
    let tables = [false, true].into_iter().filter(|v6| there(*v6));
    tables.map(|v6| table(v6, mode, fronts, targets, healthy)).collect()
}

/// The table of one family.
fn table(
    v6: bool,
    mode: LoadBalancerMode,
    fronts: &[Front],
    targets: &[Target],
    healthy: &BTreeMap<u16, BTreeSet<usize>>,
) -> String {
    let proxy = mode == LoadBalancerMode::Proxy;
    let (mut chains, mut entry) = (BTreeMap::new(), String::new());
    let ip = if v6 { "ip6" } else { "ip" };
    for front in fronts.iter().filter(|f| f.vip.is_ipv6() == v6) {
        let nodes: Vec<usize> = healthy.get(&front.check).into_iter().flatten().copied().collect();
        for (protocol, port, node_port) in &front.ports {
            let proto = lower(*protocol);
            let mut goals = Vec::new();
            for &node in nodes.iter().filter(|_| !proxy || node_port.is_some()) {
                let Some(to) = targets[node].ip(v6) else { continue };
                let (chain, rule) = goal(node, to, node_port.filter(|_| proxy).map(|port| (proto, port)));
                goals.push(chain.clone());
                chains.insert(chain, rule);
            }
            let to = format!("{ip} daddr {} {proto} dport {port}", front.vip);
            entry_rules(&mut entry, &to, proto, front, &goals, proxy);
        }
    }
    let hook = if proxy {
        "type nat hook prerouting priority dstnat; policy accept;"
    } else {
        "type filter hook prerouting priority mangle; policy accept;"
    };
    let mut all = format!("add table {ip} balancer\ndelete table {ip} balancer\ntable {ip} balancer {{\n");
    for (name, rule) in &chains {
        let _ = writeln!(all, "\tchain {name} {{\n\t\t{rule}\n\t}}");
    }
    let _ = writeln!(all, "\tchain prerouting {{\n\t\t{hook}\n{entry}\t}}");
    if proxy {
        let hook = "type nat hook postrouting priority srcnat; policy accept;";
        let _ = writeln!(all, "\tchain postrouting {{\n\t\t{hook}\n\t\tmeta mark 0x1 masquerade\n\t}}");
    }
    all.push_str("}\n");
    all
}

/// What sends a packet to a node: the chain's name, and its rule.
fn goal(number: usize, node: IpAddr, node_port: Option<(&str, u16)>) -> (String, String) {
    match node_port {
        Some((proto, port)) => {
            let rule =
                format!("meta mark set 0x1 meta l4proto {proto} dnat to {}", SocketAddr::new(node, port));
            (format!("node-{number}-{proto}-{port}"), rule)
        }
        None => (format!("node-{number}"), format!("meta mark set {:#x}", number + 1)),
    }
}

/// A proxy keeps out whom the Service does not want, since the nodes see only the proxy; otherwise the nodes do.
fn entry_rules(out: &mut String, to: &str, proto: &str, front: &Front, goals: &[String], proxy: bool) {
    let ip = if front.vip.is_ipv6() { "ip6" } else { "ip" };
    let choice = match goals {
        [] => return,
        [only] => format!("goto {only}"),
        many => {
            let map: Vec<String> = many.iter().enumerate().map(|(i, c)| format!("{i} : goto {c}")).collect();
            let number = if proxy {
                format!("numgen random mod {}", many.len())
            } else {
                format!("jhash {ip} saddr . {proto} sport mod {} seed 0x1", many.len())
            };
            format!("{number} vmap {{ {} }}", map.join(", "))
        }
    };
    if !proxy || front.ranges.is_empty() {
        let _ = writeln!(out, "\t\t{to} {choice}");
        return;
    }
    for range in front.ranges.iter().filter(|r| r.addr().is_ipv6() == front.vip.is_ipv6()) {
        let _ = writeln!(out, "\t\t{to} {ip} saddr {} {choice}", range.trunc());
    }
    let _ = writeln!(out, "\t\t{to} drop");
}

/// `nft -f -` on the load balancer's machine.
pub(super) fn load(world: &mut World, ns: NsId, text: &str) -> Result<(), String> {
    let style = Style { now: world.now(), ..Style::default() };
    let ns = world.ns_mut(ns);
    let interfaces = ns.interface_names();
    let input = Input { file: Some("/dev/stdin"), text };
    let answer = ns.nftables(|rules| rules.run(input, style, false, &interfaces));
    if answer.status == 0 {
        return Ok(());
    }
    Err(answer.err + &answer.not_modelled.join("; "))
}
