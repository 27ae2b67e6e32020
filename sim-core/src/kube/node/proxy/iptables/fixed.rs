//! The chains that are there without any Service, and the rules that lead into them.

use std::fmt::Write;

use super::Settings;
use crate::trace::Family;

/// What hangs on the built-in chains of a node before the first sync: the jumps of kube-proxy and the kubelet in the order in which they end
/// up (each is put first, so the last one put is met first), their canaries, and the kubelet's firewall. `-A` lines of a CNI plugin follow.
#[must_use]
pub fn base_rules(settings: &Settings, kube_proxy: bool) -> String {
    let mut t = String::with_capacity(4096);
    t.push_str("*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\n");
    if kube_proxy {
        t.push_str(":KUBE-PROXY-CANARY - [0:0]\n");
    }
    t.push_str("COMMIT\n*filter\n:KUBE-FIREWALL - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\n");
    if kube_proxy {
        t.push_str(":KUBE-PROXY-CANARY - [0:0]\n:KUBE-EXTERNAL-SERVICES - [0:0]\n:KUBE-FORWARD - [0:0]\n");
        t.push_str(":KUBE-NODEPORTS - [0:0]\n:KUBE-PROXY-FIREWALL - [0:0]\n:KUBE-SERVICES - [0:0]\n");
    }
    const NEW: &str = "-m conntrack --ctstate NEW";
    let firewall =
        format!("{NEW} -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL");
    let services = format!("{NEW} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES");
    let external = format!(
        "{NEW} -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES"
    );
    let health = "-m comment --comment \"kubernetes health check service ports\" -j KUBE-NODEPORTS";
    let forward = "-m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD";
    let mut jumps = |chain: &str, rules: &[&str]| {
        for rule in rules {
            let _ = writeln!(t, "-A {chain} {rule}");
        }
    };
    if kube_proxy {
        jumps("INPUT", &[&firewall, health, &external]);
        jumps("FORWARD", &[&firewall, forward, &services, &external]);
        jumps("OUTPUT", &[&firewall, &services]);
    }
    jumps("INPUT", &["-j KUBE-FIREWALL"]);
    jumps("OUTPUT", &["-j KUBE-FIREWALL"]);
    localnet(settings, &mut t);
    t.push_str("COMMIT\n*nat\n:KUBE-KUBELET-CANARY - [0:0]\n");
    if kube_proxy {
        t.push_str(":KUBE-PROXY-CANARY - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-NODEPORTS - [0:0]\n");
        t.push_str(":KUBE-POSTROUTING - [0:0]\n:KUBE-SERVICES - [0:0]\n");
        for chain in ["PREROUTING", "OUTPUT"] {
            let _ = writeln!(
                t,
                "-A {chain} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"
            );
        }
        t.push_str(
            "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n",
        );
    }
    t.push_str("COMMIT\n");
    t
}

/// The chains of the filter table that every sync rewrites.
pub(super) fn filter_chains(settings: &Settings, t: &mut String) {
    t.push_str(":KUBE-SERVICES - [0:0]\n:KUBE-EXTERNAL-SERVICES - [0:0]\n:KUBE-FORWARD - [0:0]\n");
    t.push_str(":KUBE-NODEPORTS - [0:0]\n:KUBE-PROXY-FIREWALL - [0:0]\n");
    if settings.localhost() {
        t.push_str(":KUBE-FIREWALL - [0:0]\n");
    }
}

/// The rules of the filter table that do not depend on Services.
pub(super) fn filter_rules(settings: &Settings, t: &mut String) {
    if settings.localhost() {
        localnet(settings, t);
    }
    if !settings.conntrack_liberal {
        let count =
            if settings.nfacct { " -m nfacct --nfacct-name ct_state_invalid_dropped_pkts" } else { "" };
        let _ = writeln!(t, "-A KUBE-FORWARD -m conntrack --ctstate INVALID{count} -j DROP");
    }
    let mark = settings.mark;
    let _ = writeln!(
        t,
        "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark {mark:#x}/{mark:#x} -j ACCEPT"
    );
    t.push_str(
        "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" \
         -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n",
    );
}

/// With route_localnet on, a neighbour could reach what listens on 127.0.0.1 (CVE-2020-8558).
fn localnet(settings: &Settings, t: &mut String) {
    if settings.family == Family::V4 {
        t.push_str(
            "-A KUBE-FIREWALL -m comment --comment \"block incoming localnet connections\" -d 127.0.0.0/8 \
             ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n",
        );
    }
}

/// The chains of the nat table that every sync rewrites.
pub(super) fn nat_chains(t: &mut String) {
    t.push_str(":KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n");
}

/// Marking and masquerading.
pub(super) fn nat_rules(settings: &Settings, t: &mut String) {
    let mark = settings.mark;
    let random = if settings.random_fully { " --random-fully" } else { "" };
    let _ = writeln!(t, "-A KUBE-POSTROUTING -m mark ! --mark {mark:#x}/{mark:#x} -j RETURN");
    // The mark goes before the packet does: it may come by here again, in a tunnel.
    let _ = writeln!(t, "-A KUBE-POSTROUTING -j MARK --xor-mark {mark:#x}");
    let _ = writeln!(
        t,
        "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE{random}"
    );
    let _ = writeln!(t, "-A KUBE-MARK-MASQ -j MARK --or-mark {mark:#x}");
}

/// The end of KUBE-SERVICES: what is for the node itself may be for a node port.
pub(super) fn end_of_nat(settings: &Settings, t: &mut String) {
    const TO: &str = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
    let mut rule = |matches: &str| {
        let _ = writeln!(t, "-A KUBE-SERVICES -m comment --comment \"{TO}\" {matches} -j KUBE-NODEPORTS");
    };
    match (&settings.node_port_addresses, settings.family) {
        (Some(addresses), _) => addresses.iter().for_each(|ip| rule(&format!("-d {ip}"))),
        (None, Family::V6) => rule("-m addrtype --dst-type LOCAL ! -d ::1/128"),
        (None, Family::V4) if settings.localhost_node_ports => rule("-m addrtype --dst-type LOCAL"),
        (None, Family::V4) => rule("-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8"),
    }
}
