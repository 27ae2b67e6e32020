//! Changes in words.

use sim_core::packet::MacAddr;

use super::super::topology::{Lab, addr, str_err, vtep_mac};
use super::{command, not_understood};

/// One phrase.
pub(super) fn one(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    match *words {
        ["address", address] => command::replace_address(lab, place, address),
        ["second" | "extra" | "additional", "address", address] => {
            command::ip(lab, place, &["addr", "add", address, "dev", "eth0"])
        }
        [setting, "on", dev] if setting.contains('=') => {
            let (name, value) = setting.split_once('=').ok_or("no value")?;
            let key = format!("net.ipv4.conf.{}.{name}", dev.replace('.', "/"));
            lab.world.ns_mut(ns).sysctl_set(&key, value).map_err(str_err)
        }
        [setting] if setting.contains('=') && setting.contains('.') => command::sysctl(lab, place, words),
        ["hairpin", state @ ("on" | "off"), "on", port] => {
            lab.world.ns_mut(ns).set_hairpin(port, state == "on").map_err(str_err)
        }
        ["fdb" | "FDB", "of", owner, "VTEP", "MAC", "->", remote] => {
            let mac = vtep_of(lab, owner)?;
            let remote = command::host(lab, remote)?;
            lab.world.ns_mut(ns).fdb_set("flannel.1", mac, remote).map_err(str_err)
        }
        ["fdb" | "FDB", "of", owner, "VTEP", "MAC", state] if gone(state) => {
            let mac = vtep_of(lab, owner)?;
            lab.world.ns_mut(ns).fdb_del("flannel.1", mac).map_err(str_err)
        }
        ["neigh" | "neighbour", "of", owner, "VTEP", "->", mac] => {
            let mac = mac.parse().or_else(|_| vtep_of(lab, mac))?;
            let ip = vtep_ip(lab, owner)?;
            lab.world.ns_mut(ns).neigh_add("flannel.1", ip, mac).map_err(str_err)
        }
        ["neigh" | "neighbour", "of", owner, "VTEP", state] if gone(state) => {
            let ip = vtep_ip(lab, owner)?;
            lab.world.ns_mut(ns).neigh_del("flannel.1", ip).map_err(str_err)
        }
        [dst, "now" | "routed", "via", gateway] => {
            if dst.starts_with("127.") {
                // The local table comes first: its route has to go. And answers from there have to get in.
                let lo = "127.0.0.1/8".parse().map_err(str_err)?;
                let stack = lab.world.ns_mut(ns);
                stack.addr_del("lo", lo).map_err(str_err)?;
                stack.sysctl_set("net.ipv4.conf.all.route_localnet", "1").map_err(str_err)?;
            }
            command::ip(lab, place, &["route", "replace", dst, "via", gateway])
        }
        ["host", "process", "on", at] => {
            let at = at.parse().map_err(|_| not_understood(at))?;
            lab.listen(place, true, at)
        }
        _ => Err(not_understood(&words.join(" "))),
    }
}

fn gone(state: &str) -> bool {
    ["deleted", "removed", "missing", "gone"].contains(&state)
}

/// `iptables -I CHAIN MATCHES: udp -> REJECT (KIND), tcp PORT -> REJECT KIND, …`: a rule for each protocol.
pub(super) fn rejects(lab: &mut Lab, place: &str, what: &str) -> Result<(), String> {
    let (head, list) = what.split_once(": ").ok_or_else(|| not_understood(what))?;
    let head = head.strip_prefix("iptables ").ok_or_else(|| not_understood(what))?;
    for rule in list.split(", ") {
        let (of, kind) = rule.split_once(" -> REJECT").ok_or_else(|| not_understood(rule))?;
        let kind = kind.trim_matches([' ', '(', ')']);
        let kind = if kind.is_empty() || kind.starts_with("icmp-") || kind == "tcp-reset" {
            kind.to_owned()
        } else {
            format!("icmp-{kind}")
        };
        let mut words: Vec<&str> = head.split_whitespace().collect();
        let mut of = of.split_whitespace();
        words.extend(["-p", of.next().ok_or("no protocol")?]);
        if let Some(port) = of.next() {
            words.extend(["--dport", port]);
        }
        words.extend(["-j", "REJECT"]);
        if !kind.is_empty() {
            words.extend(["--reject-with", &kind]);
        }
        command::iptables(lab, place, &words)?;
    }
    Ok(())
}

fn node_index(lab: &Lab, name: &str) -> Result<u8, String> {
    let name = name.trim_end_matches("'s");
    let i = lab.nodes.iter().position(|n| n.name == name).ok_or_else(|| format!("no node {name}"))?;
    Ok(i as u8 + 1)
}

fn vtep_of(lab: &Lab, node: &str) -> Result<MacAddr, String> {
    node_index(lab, node).map(vtep_mac)
}

fn vtep_ip(lab: &Lab, node: &str) -> Result<std::net::IpAddr, String> {
    addr(&format!("10.244.{}.0", node_index(lab, node)?))
}
