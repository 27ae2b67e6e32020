//! The rules of a recorded node: kube-proxy's and flannel's.

use std::fmt::Write as _;

use serde_json::Value;
use sim_core::kube::node::proxy::iptables::{Changes, Settings, base_rules, sync};

use super::services;
use super::topology::{Node, Pod, net};

/// What `iptables-restore --noflush` is given on a node.
pub(crate) fn text(node: &Node, pods: &[Pod], case: &Value, topology: &Value) -> Result<String, String> {
    let knobs = &case["knobs"];
    match knobs["rules"].as_str() {
        Some("iptables" | "legacy") | None => {}
        Some(other) => return Err(format!("rules \"{other}\" are not built here")),
    }
    let on = |knob: &str| knobs[knob].as_bool() != Some(false);
    let cluster = net(topology["clusterCIDR"].as_str().ok_or("no clusterCIDR")?)?;
    let settings = Settings {
        masquerade_all: knobs["masquerade_all"].as_bool() == Some(true),
        random_fully: on("random_fully"),
        conntrack_liberal: !on("invalid_drop"),
        ..Settings::kubeadm(cluster)
    };
    let mut text = base_rules(&settings, true);
    let blocks = services::blocks(&node.name, pods, case, &settings)?;
    text += &sync(&settings, &blocks, Changes::ALL);
    // The knob is about the rule that keeps strangers away from 127/8, not about node ports there.
    if !on("localhost_nodeports") {
        text += "*filter\n-F KUBE-FIREWALL\nCOMMIT\n";
    }
    if !on("kube_masq") {
        text += "*nat\n-F KUBE-POSTROUTING\nCOMMIT\n";
    }
    let _ = writeln!(text, "{}", flannel(node, knobs, &cluster.to_string()));
    Ok(text)
}

/// flannel's two chains, as the recording wrote them.
fn flannel(node: &Node, knobs: &Value, cluster: &str) -> String {
    let on = |knob: &str| knobs[knob].as_bool() != Some(false);
    let pods = node.pod_cidr;
    let random = if on("random_fully") { " --random-fully" } else { "" };
    let mut t = String::from("*filter\n");
    if let Some(policy) = knobs["forward_policy"].as_str() {
        let _ = writeln!(t, ":FORWARD {policy} [0:0]");
    }
    t += ":FLANNEL-FWD - [0:0]\n";
    if on("flannel_fwd") {
        t += "-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n";
        for side in ["-s", "-d"] {
            let _ = writeln!(
                t,
                "-A FLANNEL-FWD {side} {cluster} -m comment --comment \"flanneld forward\" -j ACCEPT"
            );
        }
    }
    t += "COMMIT\n*nat\n:FLANNEL-POSTRTG - [0:0]\n";
    if on("cni_masq") {
        t += "-A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG\n";
        let returns = [
            "-m mark --mark 0x4000/0x4000".to_owned(),
            format!("-s {pods} -d {cluster}"),
            format!("-s {cluster} -d {pods}"),
            format!("! -s {cluster} -d {pods}"),
        ];
        for matches in returns {
            let _ =
                writeln!(t, "-A FLANNEL-POSTRTG {matches} -m comment --comment \"flanneld masq\" -j RETURN");
        }
        for matches in [format!("-s {cluster} ! -d 224.0.0.0/4"), format!("! -s {cluster} -d {cluster}")] {
            let _ = writeln!(
                t,
                "-A FLANNEL-POSTRTG {matches} -m comment --comment \"flanneld masq\" -j MASQUERADE{random}"
            );
        }
    }
    t += "COMMIT";
    t
}

/// nftables: the Services as verdict maps, in the manner of kube-proxy, as the recording wrote them.
pub(crate) fn nft(node: &Node, pods: &[Pod], case: &Value, topology: &Value) -> Result<String, String> {
    let cluster = topology["clusterCIDR"].as_str().ok_or("no clusterCIDR")?;
    let services = topology["serviceCIDR"].as_str().unwrap_or("10.96.0.0/16");
    let mut maps = NftMaps::default();
    for service in case["services"].as_array().into_iter().flatten() {
        for port in service["ports"].as_array().into_iter().flatten() {
            maps.service(service, port, pods, cluster)?;
        }
    }
    let mut t = String::from("table ip kube-proxy {}\ndelete table ip kube-proxy\ntable ip kube-proxy {\n");
    t += NFT_HELPERS;
    t += &maps.chains;
    let elements = |list: &[String]| match list {
        [] => String::new(),
        list => format!(" elements = {{ {} }}", list.join(",\n  ")),
    };
    let (triple, pair) = ("ipv4_addr . inet_proto . inet_service", "inet_proto . inet_service");
    let _ = writeln!(t, " set cluster-ips {{ type ipv4_addr;{} }}", elements(&maps.cluster_ips));
    let _ = writeln!(t, " set nodeport-ips {{ type ipv4_addr; elements = {{ {} }} }}", node.ip);
    for (name, key, list) in [
        ("service-ips", triple, &maps.service_ips),
        ("service-nodeports", pair, &maps.node_ports),
        ("no-endpoint-services", triple, &maps.no_endpoints),
        ("no-endpoint-nodeports", pair, &maps.no_endpoint_ports),
    ] {
        let _ = writeln!(t, " map {name} {{ type {key} : verdict;{} }}", elements(list));
    }
    let _ =
        writeln!(t, " chain cluster-ips-check {{ ip daddr @cluster-ips reject; ip daddr {services} drop; }}");
    t += NFT_HOOKS;
    Ok(t)
}

/// What verdict maps hold, and the chains that they lead to.
#[derive(Default)]
struct NftMaps {
    cluster_ips: Vec<String>,
    service_ips: Vec<String>,
    node_ports: Vec<String>,
    no_endpoints: Vec<String>,
    no_endpoint_ports: Vec<String>,
    chains: String,
}

impl NftMaps {
    fn service(&mut self, service: &Value, port: &Value, pods: &[Pod], cluster: &str) -> Result<(), String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (ip, protocol) = (text(&service["clusterIP"]), text(&port["protocol"]).to_lowercase());
        let (number, target) = (&port["port"], &port["targetPort"]);
        let node_port = port["nodePort"].as_u64();
        if !self.cluster_ips.contains(&ip) {
            self.cluster_ips.push(ip.clone());
        }
        let name = format!("{}-{protocol}-{}", text(&service["name"]), text(&port["name"]));
        let endpoints: Vec<String> =
            service["endpoints"].as_array().into_iter().flatten().map(text).collect();
        if endpoints.is_empty() {
            self.no_endpoints.push(format!("{ip} . {protocol} . {number} : goto reject-chain"));
            self.no_endpoint_ports.extend(node_port.map(|n| format!("{protocol} . {n} : goto reject-chain")));
            return Ok(());
        }
        self.service_ips.push(format!("{ip} . {protocol} . {number} : goto service-{name}"));
        for pod in &endpoints {
            let at = pods.iter().find(|p| p.name == *pod).ok_or_else(|| format!("no pod {pod}"))?.ip;
            let _ = writeln!(
                self.chains,
                " chain endpoint-{name}-{pod} {{\n  ip saddr {at} jump mark-for-masquerade\n  meta l4proto {protocol} dnat to {at}:{target}\n }}"
            );
        }
        let backends: Vec<String> =
            endpoints.iter().enumerate().map(|(i, p)| format!("{i} : goto endpoint-{name}-{p}")).collect();
        let _ = writeln!(
            self.chains,
            " chain service-{name} {{\n  ip daddr {ip} {protocol} dport {number} ip saddr != {cluster} jump mark-for-masquerade\n  numgen random mod {} vmap {{ {} }}\n }}",
            endpoints.len(),
            backends.join(", ")
        );
        let outside = ["loadBalancerIPs", "externalIPs"];
        let outside: Vec<String> =
            outside.iter().flat_map(|k| service[*k].as_array().into_iter().flatten()).map(text).collect();
        if node_port.is_some() || !outside.is_empty() {
            let _ = writeln!(
                self.chains,
                " chain external-{name} {{\n  jump mark-for-masquerade\n  goto service-{name}\n }}"
            );
        }
        self.node_ports.extend(node_port.map(|n| format!("{protocol} . {n} : goto external-{name}")));
        for address in outside {
            self.service_ips.push(format!("{address} . {protocol} . {number} : goto external-{name}"));
        }
        Ok(())
    }
}

const NFT_HELPERS: &str = " chain reject-chain { reject; }
 chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
 chain masquerading {
  meta mark and 0x4000 == 0 return
  meta mark set meta mark xor 0x4000
  masquerade fully-random
 }
";

const NFT_HOOKS: &str = " chain services {
  ip daddr . meta l4proto . th dport vmap @service-ips
  ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
 }
 chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
 chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
 chain filter-input {
  type filter hook input priority 0
  ct state new jump nodeport-endpoints-check
  ct state new jump service-endpoints-check
 }
 chain filter-forward {
  type filter hook forward priority 0
  ct state new jump service-endpoints-check
  ct state new jump cluster-ips-check
 }
 chain filter-output {
  type filter hook output priority 0
  ct state new jump service-endpoints-check
  ct state new jump cluster-ips-check
 }
 chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
 chain nat-output { type nat hook output priority -100; jump services; }
 chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
}
";
