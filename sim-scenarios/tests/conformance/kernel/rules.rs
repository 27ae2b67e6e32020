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
    text += &sync(&settings, &blocks, Changes { changed: None, stale: &[] });
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
