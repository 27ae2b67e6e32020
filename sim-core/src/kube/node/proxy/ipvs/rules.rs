//! The iptables rules of IPVS mode: always the same, but for those that ask a set without entries.

use std::fmt::Write;

use super::{Layout, SetId, Settings};
use crate::kube::node::proxy::iptables::Detector;
use crate::kube::node::proxy::jumps::Jump;
use crate::linux::ipvs::ServiceKey;
use crate::packet::proto;
use crate::trace::{Family, TableId};

const NAT: [&str; 5] =
    ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"];
/// The chains of table filter, and the layout that brought them.
const FILTER: [(&str, Layout); 6] = [
    ("KUBE-FORWARD", Layout::Nat),
    ("KUBE-NODE-PORT", Layout::Nat),
    ("KUBE-PROXY-FIREWALL", Layout::Filter),
    ("KUBE-SOURCE-RANGES-FIREWALL", Layout::Filter),
    ("KUBE-IPVS-FILTER", Layout::Access),
    ("KUBE-IPVS-OUT-FILTER", Layout::OutFilter),
];

/// The chains of source ranges in table nat, up to 1.24.
const OLDER_NAT: &[&str] = &["KUBE-FIREWALL", "KUBE-MARK-DROP"];

/// Rules that a set brings with it, in the order in which they are looked at: set, protocol, chain, direction, target. All are in table nat
/// but those of [`FILTER`]'s chains.
const WITH_SETS: [(SetId, &str, &str, &str, &str); 12] = [
    (SetId::LoopBack, "", "KUBE-POSTROUTING", "dst,dst,src", "MASQUERADE"),
    (SetId::LoadBalancer, "", "KUBE-SERVICES", "dst,dst", "KUBE-LOAD-BALANCER"),
    (SetId::LoadBalancerLocal, "", "KUBE-LOAD-BALANCER", "dst,dst", "RETURN"),
    (SetId::NodePortLocalTcp, "tcp", "KUBE-NODE-PORT", "dst", "RETURN"),
    (SetId::NodePortTcp, "tcp", "KUBE-NODE-PORT", "dst", "KUBE-MARK-MASQ"),
    (SetId::NodePortLocalUdp, "udp", "KUBE-NODE-PORT", "dst", "RETURN"),
    (SetId::NodePortUdp, "udp", "KUBE-NODE-PORT", "dst", "KUBE-MARK-MASQ"),
    (SetId::NodePortLocalSctp, "sctp", "KUBE-NODE-PORT", "dst,dst", "RETURN"),
    (SetId::NodePortSctp, "sctp", "KUBE-NODE-PORT", "dst,dst", "KUBE-MARK-MASQ"),
    (SetId::LoadBalancerFw, "", "KUBE-PROXY-FIREWALL", "dst,dst", "KUBE-SOURCE-RANGES-FIREWALL"),
    (SetId::LoadBalancerSourceCidr, "", "KUBE-SOURCE-RANGES-FIREWALL", "dst,dst,src", "RETURN"),
    (SetId::LoadBalancerSourceIp, "", "KUBE-SOURCE-RANGES-FIREWALL", "dst,dst,src", "RETURN"),
];

/// The jumps into the chains in the order in which they are put there (`iptablesJumpChain`).
#[must_use]
pub fn jumps(layout: Layout) -> Vec<Jump> {
    use TableId::{Filter, Nat};
    const PORTALS: &str = "kubernetes service portals";
    const ACCESS: &str = "kubernetes ipvs access filter";
    let mut all: Vec<Jump> =
        ["OUTPUT", "PREROUTING"].map(|from| Jump::new(Nat, from, "KUBE-SERVICES", PORTALS)).into();
    all.push(Jump::new(Nat, "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"));
    all.push(Jump::new(Filter, "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"));
    all.push(Jump::new(Filter, "INPUT", "KUBE-NODE-PORT", "kubernetes health check rules"));
    if layout >= Layout::Filter {
        let firewall = |from| Jump::new(Filter, from, "KUBE-PROXY-FIREWALL", "kube-proxy firewall rules");
        all.extend(["INPUT", "FORWARD"].map(firewall));
    }
    if layout >= Layout::Access {
        all.push(Jump::new(Filter, "INPUT", "KUBE-IPVS-FILTER", ACCESS));
    }
    if layout >= Layout::OutFilter {
        all.push(Jump::new(Filter, "OUTPUT", "KUBE-IPVS-OUT-FILTER", ACCESS));
    }
    all
}

/// The chains, for `iptables-restore --noflush`, which empties those that are there.
#[must_use]
pub fn chains(settings: &Settings) -> String {
    let mut t = String::from("*nat\n");
    settings.chains(true, &mut t);
    t.push_str("COMMIT\n*filter\n");
    settings.chains(false, &mut t);
    t.push_str("COMMIT\n");
    t
}

/// The chains that a kube-proxy of another mode takes away (`iptablesCleanupChains`): all but KUBE-MARK-MASQ.
#[must_use]
pub fn chains_to_clean(layout: Layout) -> Vec<(TableId, &'static str)> {
    let nat = NAT.into_iter().filter(|c| *c != "KUBE-MARK-MASQ").map(|chain| (TableId::Nat, chain));
    let filter = FILTER.into_iter().filter(|(_, since)| *since <= layout);
    nat.chain(filter.map(|(chain, _)| (TableId::Filter, chain))).collect()
}

/// The text of a sync, for `iptables-restore --noflush`. `used` says which sets have entries, `forbidden` which load balancer addresses the
/// node itself must not use.
#[must_use]
pub fn rules(
    settings: &Settings,
    used: impl Fn(SetId) -> bool,
    forbidden: impl Iterator<Item = ServiceKey>,
) -> String {
    let older = settings.layout == Layout::Nat;
    let mut w = Writer { settings, nat: String::new(), filter: String::new() };
    let loopback = if settings.family == Family::V4 { "127.0.0.0/8" } else { "::1/128" };
    let _ = writeln!(w.nat, "-A KUBE-SERVICES -s {loopback} -j RETURN");
    let mut rows = WITH_SETS;
    if older {
        // The ranges are looked at before the policy.
        rows.sort_by_key(|row| {
            (row.0 != SetId::LoopBack && row.0 != SetId::LoadBalancer) && row.0 != SetId::LoadBalancerFw
        });
    }
    for (set, protocol, chain, direction, target) in rows.into_iter().filter(|row| used(row.0)) {
        let (chain, target) = if older { older_place(set, chain, target) } else { (chain, target) };
        let protocol = if protocol.is_empty() { String::new() } else { format!(" -p {protocol}") };
        let matches = w.asks(set, direction);
        let in_filter = FILTER.iter().any(|(c, _)| *c == chain) && chain != "KUBE-NODE-PORT";
        let table = if in_filter { &mut w.filter } else { &mut w.nat };
        let _ = writeln!(table, "-A {chain}{protocol} {matches} -j {target}");
    }
    if used(SetId::ClusterIp) {
        w.cluster_ips();
    }
    w.external_ips(&used);
    w.nat.push_str("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT\n");
    w.nat.push_str("-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ\n");
    if older {
        w.nat.push_str("-A KUBE-FIREWALL -j KUBE-MARK-DROP\n-A KUBE-MARK-DROP -j MARK --or-mark 0x8000\n");
    } else {
        w.filter.push_str("-A KUBE-SOURCE-RANGES-FIREWALL -j DROP\n");
    }
    if settings.layout >= Layout::OutFilter {
        w.forbid(forbidden);
    }
    for set in [SetId::ClusterIp, SetId::LoadBalancer].into_iter().filter(|s| used(*s)) {
        let name = w.name(set);
        let _ = writeln!(w.nat, "-A KUBE-SERVICES -m set --match-set {name} dst,dst -j ACCEPT");
    }
    w.forward();
    if settings.layout >= Layout::Access {
        w.access();
    }
    w.masquerade();
    let mut t = String::from("*nat\n");
    settings.chains(true, &mut t);
    t.push_str(&w.nat);
    t.push_str("COMMIT\n*filter\n");
    settings.chains(false, &mut t);
    t.push_str(&w.filter);
    t.push_str("COMMIT\n");
    t
}

impl Settings {
    /// Declares the chains of table nat or filter, which empties them.
    fn chains(&self, nat: bool, t: &mut String) {
        let older: &[&str] = if nat && self.layout == Layout::Nat { OLDER_NAT } else { &[] };
        let nat_chains = NAT.iter().filter(|_| nat).chain(older).copied();
        let filter =
            FILTER.iter().filter(|(_, since)| !nat && *since <= self.layout).map(|(chain, _)| *chain);
        for chain in nat_chains.chain(filter) {
            t.extend([":", chain, " - [0:0]\n"]);
        }
    }
}

/// Where a rule with a set stands up to 1.24: load balancer addresses with source ranges come first in KUBE-LOAD-BALANCER, and what is not
/// allowed is marked to be dropped.
const fn older_place(set: SetId, chain: &'static str, target: &'static str) -> (&'static str, &'static str) {
    match set {
        SetId::LoadBalancerFw => ("KUBE-LOAD-BALANCER", "KUBE-FIREWALL"),
        SetId::LoadBalancerSourceCidr | SetId::LoadBalancerSourceIp => ("KUBE-FIREWALL", target),
        _ => (chain, target),
    }
}

struct Writer<'a> {
    settings: &'a Settings,
    nat: String,
    filter: String,
}

impl Writer<'_> {
    fn name(&self, set: SetId) -> String {
        set.name(self.settings.family)
    }

    /// Comment and question of a rule that asks a set.
    fn asks(&self, set: SetId, direction: &str) -> String {
        format!(
            "-m comment --comment \"{}\" -m set --match-set {} {direction}",
            set.comment(),
            self.name(set)
        )
    }

    /// Traffic to cluster IPs that is masqueraded: all, that of others than pods, or that of the node itself, whose source is the address it
    /// goes to.
    fn cluster_ips(&mut self) {
        let not_local = match &self.settings.detector {
            Detector::None => None,
            Detector::Cidr(net) => Some(format!(" ! -s {net}")),
            Detector::Bridge(name) => Some(format!(" ! -i {name}")),
            Detector::InterfacePrefix(prefix) => Some(format!(" ! -i {prefix}+")),
        };
        let (direction, more) = match not_local {
            _ if self.settings.masquerade_all => ("dst,dst", String::new()),
            Some(not_local) => ("dst,dst", not_local),
            None => ("src,dst", String::new()),
        };
        let asks = self.asks(SetId::ClusterIp, direction);
        let _ = writeln!(self.nat, "-A KUBE-SERVICES {asks}{more} -j KUBE-MARK-MASQ");
    }

    fn external_ips(&mut self, used: &impl Fn(SetId) -> bool) {
        for set in [SetId::ExternalIp, SetId::ExternalIpLocal].into_iter().filter(|s| used(*s)) {
            let asks = self.asks(set, "dst,dst");
            if set == SetId::ExternalIp {
                let _ = writeln!(self.nat, "-A KUBE-SERVICES {asks} -j KUBE-MARK-MASQ");
            }
            let outside = "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL";
            let _ = writeln!(self.nat, "-A KUBE-SERVICES {asks} {outside} -j ACCEPT");
            let _ = writeln!(self.nat, "-A KUBE-SERVICES {asks} -m addrtype --dst-type LOCAL -j ACCEPT");
        }
    }

    fn forward(&mut self) {
        let mark = self.settings.mark;
        let _ = write!(
            self.filter,
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark {mark:#x}/{mark:#x} -j ACCEPT\n\
             -A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED \
             -j ACCEPT\n"
        );
        let asks = self.asks(SetId::HealthCheckNodePort, "dst");
        let _ = writeln!(self.filter, "-A KUBE-NODE-PORT {asks} -j ACCEPT");
    }

    /// What the node itself sends to a load balancer's address has that as its source, and meets OUTPUT with the real server's address.
    fn forbid(&mut self, portals: impl Iterator<Item = ServiceKey>) {
        for ServiceKey { protocol, at } in portals {
            let protocol = match protocol {
                proto::TCP => "tcp",
                proto::UDP => "udp",
                _ => "sctp",
            };
            let (ip, port) = (at.ip(), at.port());
            let _ = writeln!(
                self.filter,
                "-A KUBE-IPVS-OUT-FILTER -s {ip} -m ipvs --vaddr {ip} --vproto {protocol} --vport {port} -j DROP"
            );
        }
    }

    /// The node's own ports must not be reached by way of virtual addresses.
    fn access(&mut self) {
        let portals = [SetId::LoadBalancer, SetId::ClusterIp, SetId::ExternalIp, SetId::ExternalIpLocal]
            .map(|s| (s, "dst,dst"));
        for (set, direction) in portals.into_iter().chain([(SetId::HealthCheckNodePort, "dst")]) {
            let name = self.name(set);
            let _ =
                writeln!(self.filter, "-A KUBE-IPVS-FILTER -m set --match-set {name} {direction} -j RETURN");
        }
        let name = self.name(SetId::IpvsIps);
        let _ = writeln!(
            self.filter,
            "-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set {name} dst -j REJECT"
        );
    }

    fn masquerade(&mut self) {
        let mark = self.settings.mark;
        let random = if self.settings.random_fully { " --random-fully" } else { "" };
        let _ = write!(
            self.nat,
            "-A KUBE-POSTROUTING -m mark ! --mark {mark:#x}/{mark:#x} -j RETURN\n\
             -A KUBE-POSTROUTING -j MARK --xor-mark {mark:#x}\n\
             -A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE{random}\n\
             -A KUBE-MARK-MASQ -j MARK --or-mark {mark:#x}\n"
        );
    }
}
