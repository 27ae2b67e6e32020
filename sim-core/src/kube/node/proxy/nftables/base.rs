//! What the table holds without any Service.

use std::fmt::Write;

use std::net::IpAddr;

use super::Settings;

/// Base chains: name, type, hook, priority.
const BASE_CHAINS: [(&str, &str, &str, i32); 8] = [
    ("filter-prerouting-pre-dnat", "filter", "prerouting", -110),
    ("filter-output-pre-dnat", "filter", "output", -110),
    ("filter-input", "filter", "input", 0),
    ("filter-forward", "filter", "forward", 0),
    ("filter-output", "filter", "output", 0),
    ("nat-prerouting", "nat", "prerouting", -100),
    ("nat-output", "nat", "output", -100),
    ("nat-postrouting", "nat", "postrouting", 100),
];

/// Chains that others jump to.
const CHAINS: [&str; 7] = [
    "cluster-ips-check",
    "firewall-check",
    "mark-for-masquerade",
    "masquerading",
    "nodeport-endpoints-check",
    "service-endpoints-check",
    "services",
];

/// Verdict maps by service port: name, whether the address is part of the key, comment.
const MAPS: [(&str, bool, &str); 5] = [
    ("firewall-ips", true, "destinations that are subject to LoadBalancerSourceRanges"),
    ("no-endpoint-nodeports", false, "vmap to drop or reject packets to service nodeports with no endpoints"),
    ("no-endpoint-services", true, "vmap to drop or reject packets to services with no endpoints"),
    ("service-ips", true, "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
    ("service-nodeports", false, "NodePort traffic"),
];

/// The lines that make the table, its fixed chains, sets and maps.
#[must_use]
pub fn base(settings: &Settings) -> String {
    let (ip, addr) = (settings.ip(), settings.address_type());
    let mut t = String::with_capacity(8192);
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(t, "add {text}");
    };
    line(format_args!("table {ip} kube-proxy {{ comment \"rules for kube-proxy\" ; }}"));
    for (name, kind, hook, priority) in BASE_CHAINS {
        line(format_args!(
            "chain {ip} kube-proxy {name} {{ type {kind} hook {hook} priority {priority} ; }}"
        ));
    }
    for name in CHAINS {
        line(format_args!("chain {ip} kube-proxy {name}"));
    }
    line(format_args!(
        "chain {ip} kube-proxy reject-chain {{ comment \"helper for @no-endpoint-services / @no-endpoint-nodeports\" ; }}"
    ));
    line(format_args!("set {ip} kube-proxy cluster-ips {{ type {addr} ; comment \"Active ClusterIPs\" ; }}"));
    line(format_args!(
        "set {ip} kube-proxy nodeport-ips {{ type {addr} ; comment \"IPs that accept NodePort traffic\" ; }}"
    ));
    for (name, by_address, comment) in MAPS {
        let key = if by_address { format!("{addr} . ") } else { String::new() };
        line(format_args!(
            "map {ip} kube-proxy {name} {{ type {key}inet_proto . inet_service : verdict ; comment \"{comment}\" ; }}"
        ));
    }
    for rule in rules(settings) {
        line(format_args!("rule {ip} kube-proxy {rule}"));
    }
    for address in &settings.node_port_addresses {
        t.push_str(&node_port_address(settings, *address));
    }
    t
}

/// Node ports are at this address.
#[must_use]
pub fn node_port_address(settings: &Settings, address: IpAddr) -> String {
    format!("add element {} kube-proxy nodeport-ips {{ {address} }}\n", settings.ip())
}

/// The rules of the fixed chains.
fn rules(settings: &Settings) -> Vec<String> {
    let (ip, mark) = (settings.ip(), settings.mark);
    let mut rules: Vec<String> = Vec::new();
    for (from, to) in [
        ("filter-prerouting-pre-dnat", "firewall-check"),
        ("filter-output-pre-dnat", "firewall-check"),
        ("filter-input", "nodeport-endpoints-check"),
        ("filter-input", "service-endpoints-check"),
        ("filter-forward", "service-endpoints-check"),
        ("filter-forward", "cluster-ips-check"),
        ("filter-output", "service-endpoints-check"),
        ("filter-output", "cluster-ips-check"),
    ] {
        rules.push(format!("{from} ct state new jump {to}"));
    }
    for (from, to) in
        [("nat-prerouting", "services"), ("nat-output", "services"), ("nat-postrouting", "masquerading")]
    {
        rules.push(format!("{from} jump {to}"));
    }
    let by_ip = |map| format!("{ip} daddr . meta l4proto . th dport vmap @{map}");
    let by_node = |map| format!("{ip} daddr @nodeport-ips meta l4proto . th dport vmap @{map}");
    rules.push(format!("services {}", by_ip("service-ips")));
    rules.push(format!("services {}", by_node("service-nodeports")));
    rules.push(format!("firewall-check {}", by_ip("firewall-ips")));
    rules.push(format!("service-endpoints-check {}", by_ip("no-endpoint-services")));
    rules.push(format!("nodeport-endpoints-check {}", by_node("no-endpoint-nodeports")));
    rules.push(format!(
        "cluster-ips-check {ip} daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\""
    ));
    if !settings.service_subnets.is_empty() {
        let subnets = settings.service_subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        rules.push(format!(
            "cluster-ips-check {ip} daddr {{ {subnets} }} drop comment \"Drop traffic to unallocated ClusterIPs\""
        ));
    }
    rules.push("reject-chain reject".to_owned());
    rules.push(format!("mark-for-masquerade mark set mark or {mark:#x}"));
    rules.push(format!("masquerading mark and {mark:#x} == 0 return"));
    rules.push(format!("masquerading mark set mark xor {mark:#x}"));
    rules.push("masquerading masquerade fully-random".to_owned());
    rules
}
