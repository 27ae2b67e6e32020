//! Random rules of iptables.

use crate::case::Ground;
use crate::draw::Draw;

/// A command that puts one rule first or last.
pub(crate) fn command(g: &Ground, d: &mut Draw) -> String {
    let (table, chain) = place(d);
    let verb = if d.percent(75) { "-I" } else { "-A" };
    let (protocol, mut rule) = question(table, chain, g, d);
    rule.push(target(table, chain, protocol, g, d));
    format!("iptables -t {table} {verb} {chain} {}", rule.join(" "))
}

/// Commands that make a chain with some rules, and lead packets through it.
pub(crate) fn chain(g: &Ground, d: &mut Draw) -> Vec<String> {
    let (table, chain) = place(d);
    let name = format!("X{}", d.below(1000));
    let mut commands = vec![format!("iptables -t {table} -N {name}")];
    for _ in 0..d.between(1, 3) {
        let (protocol, mut rule) = question(table, chain, g, d);
        let end = if d.percent(25) { "-j RETURN".to_owned() } else { target(table, chain, protocol, g, d) };
        rule.push(end);
        commands.push(format!("iptables -t {table} -A {name} {}", rule.join(" ")));
    }
    let (_, mut rule) = question(table, chain, g, d);
    rule.push(format!("{} {name}", d.of(&["-j", "-j", "-g"])));
    commands.push(format!("iptables -t {table} -I {chain} {}", rule.join(" ")));
    commands
}

fn place(d: &mut Draw) -> (&'static str, &'static str) {
    let table = d.weighted(&[(6, "filter"), (4, "nat"), (2, "mangle"), (2, "raw")]);
    let chains: &[&str] = match table {
        "filter" => &["FORWARD", "FORWARD", "INPUT", "OUTPUT"],
        "nat" => &["PREROUTING", "OUTPUT", "POSTROUTING", "POSTROUTING", "INPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        _ => &["PREROUTING", "OUTPUT"],
    };
    (table, *d.of(chains))
}

/// Which packets a rule is about: the protocol, and all words.
fn question(table: &str, chain: &str, g: &Ground, d: &mut Draw) -> (&'static str, Vec<String>) {
    let protocol = d.weighted(&[(3, ""), (3, "tcp"), (3, "udp"), (2, "icmp")]);
    let mut rule = Vec::new();
    if !protocol.is_empty() {
        rule.push(format!("-p {protocol}"));
    }
    for flag in ["-s", "-d"] {
        if d.percent(45) {
            rule.push(format!("{}{flag} {}", not(d), address(g, d)));
        }
    }
    device(&mut rule, chain, g, d);
    for _ in 0..d.weighted(&[(5, 0), (4, 1), (1, 2)]) {
        rule.push(matching(protocol, chain, table, d));
    }
    (protocol, rule)
}

fn not(d: &mut Draw) -> &'static str {
    if d.percent(15) { "! " } else { "" }
}

fn address(g: &Ground, d: &mut Draw) -> String {
    match d.below(8) {
        0 | 1 => d.of(&g.pods).ip.clone(),
        2 => d.of(&g.nodes).ip(),
        3 => "10.244.0.0/16".to_owned(),
        4 => format!("10.244.{}.0/24", d.of(&g.nodes).index),
        5 => "10.96.0.0/12".to_owned(),
        6 => "192.168.100.0/24".to_owned(),
        _ => format!("10.96.0.{}", 50 + d.below(3)),
    }
}

fn device(rule: &mut Vec<String>, chain: &str, g: &Ground, d: &mut Draw) {
    let names: &[&str] = if g.cni == "flannel" {
        &["cni0", "eth0", "flannel.1", "veth+", "lo"]
    } else {
        &["cni0", "eth0", "veth+", "lo"]
    };
    let enters = matches!(chain, "PREROUTING" | "INPUT" | "FORWARD");
    let leaves = matches!(chain, "POSTROUTING" | "OUTPUT" | "FORWARD");
    if enters && d.percent(15) {
        rule.push(format!("{}-i {}", not(d), d.of(names)));
    }
    if leaves && d.percent(15) {
        rule.push(format!("{}-o {}", not(d), d.of(names)));
    }
}

fn matching(protocol: &str, chain: &str, table: &str, d: &mut Draw) -> String {
    let ported = matches!(protocol, "tcp" | "udp");
    match d.below(13) {
        0 if ported => {
            format!("{}--dport {}", not(d), d.of(&["8080", "5353", "80", "7070:7071", "30000:32767", "81"]))
        }
        1 if ported => format!(
            "-m multiport {}--dports {}",
            not(d),
            d.of(&["8080,5353", "80,81,82", "1:1024", "7070,9999"])
        ),
        2 if protocol == "tcp" => {
            (*d.of(&["--syn", "--tcp-flags SYN,ACK SYN", "--tcp-flags RST RST", "! --syn"])).to_owned()
        }
        3 if protocol == "icmp" => format!(
            "--icmp-type {}",
            d.of(&["echo-request", "echo-reply", "3", "time-exceeded", "port-unreachable"])
        ),
        4 if table != "raw" => {
            let states = [
                "NEW",
                "ESTABLISHED",
                "RELATED",
                "INVALID",
                "RELATED,ESTABLISHED",
                "DNAT",
                "SNAT",
                "UNTRACKED",
            ];
            format!("-m conntrack {}--ctstate {}", not(d), d.of(&states))
        }
        5 => format!("-m mark {}--mark {}", not(d), d.of(&["0x4000/0x4000", "0x0", "0x7", "0x1/0x1"])),
        6 => {
            let types = ["LOCAL", "UNICAST", "BROADCAST"];
            format!("-m addrtype {}--dst-type {}", not(d), d.of(&types))
        }
        7 => format!("-m addrtype {}--src-type {}", not(d), d.of(&["LOCAL", "UNICAST"])),
        8 => format!("-m length {}--length {}", not(d), d.of(&["0:60", "44", "1000:1500"])),
        9 => format!("-m ttl {}", d.of(&["--ttl-gt 63", "--ttl-lt 3", "--ttl-eq 64"])),
        10 => format!("-m iprange {}--src-range 10.244.0.1-10.244.1.11", not(d)),
        11 => format!("-m pkttype {}--pkt-type {}", not(d), d.of(&["unicast", "broadcast"])),
        _ if matches!(chain, "FORWARD" | "INPUT" | "PREROUTING") => {
            format!("-m physdev {}--physdev-in veth+", not(d))
        }
        _ => "-m comment --comment \"a rule\"".to_owned(),
    }
}

fn target(table: &str, chain: &str, protocol: &str, g: &Ground, d: &mut Draw) -> String {
    let mark = ["0x1", "0x7", "0x4000/0x4000", "0x0"];
    let port = |d: &mut Draw| {
        if matches!(protocol, "tcp" | "udp") {
            (*d.of(&["", ":8080", ":5353", ":9999"])).to_owned()
        } else {
            String::new()
        }
    };
    match (table, chain) {
        ("filter", _) => match d.below(10) {
            0..4 => "-j DROP".to_owned(),
            4..7 => reject(protocol, d),
            7 => "-j ACCEPT".to_owned(),
            8 => "-j RETURN".to_owned(),
            _ => "-j LOG --log-prefix \"seen \"".to_owned(),
        },
        ("nat", "PREROUTING" | "OUTPUT") => match d.below(6) {
            0..3 => format!("-j DNAT --to-destination {}{}", d.of(&g.pods).ip, port(d)),
            3 if !protocol.is_empty() && protocol != "icmp" => {
                format!("-j REDIRECT --to-ports {}", d.of(&["7070", "7071", "9999"]))
            }
            4 => "-j ACCEPT".to_owned(),
            _ => format!("-j DNAT --to-destination {}{}", d.of(&g.nodes).ip(), port(d)),
        },
        ("nat", "INPUT") => format!("-j SNAT --to-source {}", d.of(&["10.9.9.9", "192.168.100.1"])),
        ("nat", _) => match d.below(5) {
            0 | 1 => "-j MASQUERADE".to_owned(),
            2 if matches!(protocol, "tcp" | "udp") => "-j MASQUERADE --to-ports 40000-40010".to_owned(),
            3 => format!("-j SNAT --to-source {}", d.of(&g.nodes).ip()),
            _ => "-j ACCEPT".to_owned(),
        },
        ("raw", _) => (*d.of(&["-j CT --notrack", "-j DROP", "-j ACCEPT"])).to_owned(),
        _ => match d.below(8) {
            6 => format!("-j TTL {}", d.of(&["--ttl-set 9", "--ttl-inc 1", "--ttl-dec 1"])),
            7 if protocol == "tcp" => "--tcp-flags SYN,RST SYN -j TCPMSS --set-mss 500".to_owned(),
            0 => "-j DROP".to_owned(),
            1 => format!("-j MARK --set-xmark {}", d.of(&mark)),
            2 => "-j CONNMARK --save-mark".to_owned(),
            3 => "-j CONNMARK --restore-mark".to_owned(),
            4 => format!("-j MARK --or-mark {}", d.of(&["0x1", "0x4000"])),
            _ => "-j ACCEPT".to_owned(),
        },
    }
}

fn reject(protocol: &str, d: &mut Draw) -> String {
    let with = match d.below(7) {
        0 if protocol == "tcp" => "tcp-reset",
        1 => "icmp-net-unreachable",
        2 => "icmp-host-unreachable",
        3 => "icmp-proto-unreachable",
        4 => "icmp-admin-prohibited",
        5 => "icmp-host-prohibited",
        _ => return "-j REJECT".to_owned(),
    };
    format!("-j REJECT --reject-with {with}")
}
