//! Networks in which a router tells a host of a shorter way: a redirect, which the host may follow.

use crate::case::{Command, Detour, Ground, Node};
use crate::draw::Draw;

/// Where the shorter way leads.
const NET: &str = "10.32.9.0/24";
const TARGET: &str = "10.32.9.7";

/// Makes one. The sender's route leads to a node, whose own route leads back to the same link: to the target itself or to another node.
pub(crate) fn add(g: &mut Ground, d: &mut Draw) {
    let router = d.of(&g.nodes).clone();
    let others: Vec<Node> = g.nodes.iter().filter(|n| n.name != router.name).cloned().collect();
    let near = g.hosts.iter().any(|h| h.name == "near");
    let mut commands = Vec::new();
    let from = match others.first() {
        Some(node) if !near || d.percent(40) => {
            // A router follows nobody.
            let switch = if g.v6() { "net.ipv6.conf.all.forwarding" } else { "net.ipv4.ip_forward" };
            commands.push((node.name.clone(), format!("sysctl -w {switch}=0")));
            node.name.clone()
        }
        _ => if near { "near" } else { "workstation" }.to_owned(),
    };
    let gateway = address(g, &router, d);
    commands.push((from.clone(), format!("ip route add {NET} via {gateway} dev eth0")));
    if d.percent(10) {
        let family = if g.v6() { "ipv6" } else { "ipv4" };
        commands.push((from.clone(), format!("sysctl -w net.{family}.conf.eth0.accept_redirects=0")));
    }
    match others.iter().find(|n| n.name != from) {
        Some(third) if d.percent(50) => {
            let gateway = address(g, third, d);
            commands.push((router.name, format!("ip route add {NET} via {gateway} dev eth0")));
            commands.push((third.name.clone(), format!("ip addr add {TARGET}/32 dev lo")));
        }
        third => {
            commands.push((router.name, format!("ip route add {NET} dev eth0")));
            // Now and then nobody is there.
            if let Some(third) = third.filter(|_| d.percent(80)) {
                commands.push((third.name.clone(), format!("ip addr add {TARGET}/24 dev eth0")));
            }
        }
    }
    g.setup.extend(commands.into_iter().map(|(at, text)| Command { at, text }));
    g.detour = Some(Detour { from, to: TARGET.to_owned() });
}

/// A node's address as a gateway: in IPv6 mostly that of the link, by which it is known to hosts that follow it.
fn address(g: &Ground, node: &Node, d: &mut Draw) -> String {
    if g.v6() && d.percent(75) { format!("fe80::5054:ff:fe00:{:x}", 0x100 + node.index) } else { node.ip() }
}
