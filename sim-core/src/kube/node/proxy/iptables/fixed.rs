//! The chains that are there without any Service, and the rules that lead into them.

use std::fmt::Write;

use super::{Detector, Dialect, Settings};
use crate::kube::node::proxy::jumps::Jump;
use crate::trace::{Family, TableId};

/// What hangs on the built-in chains of a node before the first sync: the jumps of kube-proxy and the kubelet in the order in which they end
/// up (each is put first, so the last one put is met first), their canaries, and the kubelet's firewall. `-A` lines of a CNI plugin follow.
#[must_use]
pub fn base_rules(settings: &Settings, kube_proxy: bool) -> String {
    let mut t = String::with_capacity(4096);
    let dialect = settings.dialect;
    let canaries = |t: &mut String| {
        if dialect.canaries {
            t.push_str(":KUBE-KUBELET-CANARY - [0:0]\n");
            if kube_proxy {
                t.push_str(":KUBE-PROXY-CANARY - [0:0]\n");
            }
        }
    };
    if dialect.canaries {
        t.push_str("*mangle\n");
        if dialect.hint {
            t.push_str(":KUBE-IPTABLES-HINT - [0:0]\n");
        }
        canaries(&mut t);
        t.push_str("COMMIT\n");
    }
    t.push_str("*filter\n:KUBE-FIREWALL - [0:0]\n");
    canaries(&mut t);
    if kube_proxy {
        filter_chain_names(dialect, &mut t);
        t.push_str(":KUBE-SERVICES - [0:0]\n");
    }
    let all = jumps(settings);
    let lead = |t: &mut String, table, chains: &[&str]| {
        for chain in chains.iter().filter(|_| kube_proxy) {
            for jump in all.iter().rev().filter(|j| j.table == table && j.from == *chain) {
                let _ = writeln!(t, "-A {jump}");
            }
        }
    };
    lead(&mut t, TableId::Filter, &["INPUT", "FORWARD", "OUTPUT"]);
    t.push_str("-A INPUT -j KUBE-FIREWALL\n-A OUTPUT -j KUBE-FIREWALL\n");
    if dialect.mark_drop {
        t.push_str(
            "-A KUBE-FIREWALL -m comment --comment \"kubernetes firewall for dropping marked packets\" \
             -m mark --mark 0x8000/0x8000 -j DROP\n",
        );
    }
    localnet(settings, &mut t);
    t.push_str("COMMIT\n*nat\n");
    canaries(&mut t);
    if dialect.mark_drop {
        t.push_str(":KUBE-MARK-DROP - [0:0]\n-A KUBE-MARK-DROP -j MARK --or-mark 0x8000\n");
    }
    if kube_proxy {
        t.push_str(":KUBE-MARK-MASQ - [0:0]\n:KUBE-NODEPORTS - [0:0]\n");
        t.push_str(":KUBE-POSTROUTING - [0:0]\n:KUBE-SERVICES - [0:0]\n");
        lead(&mut t, TableId::Nat, &["PREROUTING", "OUTPUT", "POSTROUTING"]);
    }
    t.push_str("COMMIT\n");
    t
}

/// kube-proxy's jumps in the order in which it puts them there (`iptablesJumpChains`).
#[must_use]
pub fn jumps(settings: &Settings) -> Vec<Jump> {
    use TableId::{Filter, Nat};
    const EXTERNAL: &str = "kubernetes externally-visible service portals";
    const PORTALS: &str = "kubernetes service portals";
    const FIREWALL: &str = "kubernetes load balancer firewall";
    let dialect = settings.dialect;
    let mut all = vec![Jump::of_new(Filter, "INPUT", "KUBE-EXTERNAL-SERVICES", EXTERNAL)];
    if dialect.external_in_forward {
        all.push(Jump::of_new(Filter, "FORWARD", "KUBE-EXTERNAL-SERVICES", EXTERNAL));
    }
    if dialect.health_check_rule {
        let comment = "kubernetes health check service ports";
        all.push(Jump::new(Filter, "INPUT", "KUBE-NODEPORTS", comment));
    }
    all.extend(["FORWARD", "OUTPUT"].map(|from| Jump::of_new(Filter, from, "KUBE-SERVICES", PORTALS)));
    all.push(Jump::new(Filter, "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"));
    if !dialect.mark_drop {
        let firewall = |from| Jump::of_new(Filter, from, "KUBE-PROXY-FIREWALL", FIREWALL);
        all.extend(["INPUT", "OUTPUT", "FORWARD"].map(firewall));
    }
    all.extend(["OUTPUT", "PREROUTING"].map(|from| Jump::new(Nat, from, "KUBE-SERVICES", PORTALS)));
    all.push(Jump::new(Nat, "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"));
    all
}

/// The chains that the jumps lead to and the canaries, for a node on which some may be there: by table.
#[must_use]
pub fn own_chains(settings: &Settings) -> Vec<(TableId, String)> {
    let canary = |table| (table, "KUBE-PROXY-CANARY".to_owned());
    let tables = [TableId::Mangle, TableId::Nat, TableId::Filter];
    let mut all: Vec<(TableId, String)> =
        tables.into_iter().filter(|_| settings.dialect.canaries).map(canary).collect();
    for (table, chains) in super::fixed_chains(settings) {
        all.extend(chains.into_iter().map(|chain| (table, chain)));
    }
    all
}

/// The chains of the filter table that every sync rewrites.
pub(super) fn filter_chains(settings: &Settings, t: &mut String) {
    t.push_str(":KUBE-SERVICES - [0:0]\n");
    filter_chain_names(settings.dialect, t);
    if settings.localhost() && !settings.dialect.mark_drop {
        t.push_str(":KUBE-FIREWALL - [0:0]\n");
    }
}

/// The filter table's chains but KUBE-SERVICES.
fn filter_chain_names(dialect: Dialect, t: &mut String) {
    t.push_str(":KUBE-EXTERNAL-SERVICES - [0:0]\n:KUBE-FORWARD - [0:0]\n");
    if dialect.health_check_rule {
        t.push_str(":KUBE-NODEPORTS - [0:0]\n");
    }
    if !dialect.mark_drop {
        t.push_str(":KUBE-PROXY-FIREWALL - [0:0]\n");
    }
}

/// The rules of the filter table that do not depend on Services.
pub(super) fn filter_rules(settings: &Settings, t: &mut String) {
    let dialect = settings.dialect;
    if settings.localhost() && !dialect.mark_drop {
        localnet(settings, t);
    }
    if !settings.conntrack_liberal && dialect.drop_invalid {
        let count =
            if settings.nfacct { " -m nfacct --nfacct-name ct_state_invalid_dropped_pkts" } else { "" };
        let _ = writeln!(t, "-A KUBE-FORWARD -m conntrack --ctstate INVALID{count} -j DROP");
    }
    let mark = settings.mark;
    let _ = writeln!(
        t,
        "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark {mark:#x}/{mark:#x} -j ACCEPT"
    );
    let mut established = |what: &str, matches: &str| {
        let _ = writeln!(
            t,
            "-A KUBE-FORWARD{matches} -m comment --comment \"kubernetes forwarding conntrack {what}rule\" \
             -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        );
    };
    match &settings.detector {
        Detector::Cidr(pods) if dialect.forward_by_pod_subnet => {
            established("pod source ", &format!(" -s {pods}"));
            established("pod destination ", &format!(" -d {pods}"));
        }
        _ if dialect.forward_by_pod_subnet => {}
        _ => established("", ""),
    }
}

/// With route_localnet on, a neighbour could reach what listens on 127.0.0.1 (CVE-2020-8558).
fn localnet(settings: &Settings, t: &mut String) {
    if settings.family == Family::V4 && settings.dialect.localnet_guard {
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
    let comment = "-m comment --comment \"kubernetes service traffic requiring SNAT\"";
    if settings.dialect.short_postrouting {
        let matches = format!("-m mark --mark {mark:#x}/{mark:#x}");
        let _ = writeln!(t, "-A KUBE-POSTROUTING {comment} {matches} -j MASQUERADE{random}");
    } else {
        let _ = writeln!(t, "-A KUBE-POSTROUTING -m mark ! --mark {mark:#x}/{mark:#x} -j RETURN");
        // The mark goes before the packet does: it may come by here again, in a tunnel.
        let _ = writeln!(t, "-A KUBE-POSTROUTING -j MARK --xor-mark {mark:#x}");
        let _ = writeln!(t, "-A KUBE-POSTROUTING {comment} -j MASQUERADE{random}");
    }
    let _ = writeln!(t, "-A KUBE-MARK-MASQ -j MARK --or-mark {mark:#x}");
}

/// The end of KUBE-SERVICES: what is for the node itself may be for a node port.
pub(super) fn end_of_nat(settings: &Settings, t: &mut String) {
    const TO: &str = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
    let mut rule = |matches: &str| {
        let _ = writeln!(t, "-A KUBE-SERVICES -m comment --comment \"{TO}\" {matches} -j KUBE-NODEPORTS");
    };
    match (&settings.node_port_addresses, settings.family) {
        (Some(addresses), _) => {
            let served = addresses.iter().filter(|ip| settings.localhost() || !ip.is_loopback());
            served.for_each(|ip| rule(&format!("-d {ip}")));
        }
        (None, Family::V6) => rule("-m addrtype --dst-type LOCAL ! -d ::1/128"),
        (None, Family::V4) if settings.localhost_node_ports => rule("-m addrtype --dst-type LOCAL"),
        (None, Family::V4) => rule("-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8"),
    }
}
