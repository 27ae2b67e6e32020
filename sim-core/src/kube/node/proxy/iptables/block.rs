//! The rules of one service port.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::super::names::{PROBABILITY_DIGITS, probability};
use super::Settings;
use crate::kube::node::proxy::model::{Endpoint, ServicePort, lower};
use crate::kube::node::proxy::names::{ServiceChain, iptables_endpoint_chain, iptables_service_chain};
use crate::kube::node::proxy::select::Selection;

/// The rules of one service port on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Lines of the filter table.
    pub filter_rules: String,
    /// Lines of KUBE-SERVICES and KUBE-NODEPORTS in the nat table.
    pub entry_rules: String,
    /// The service port's own chains in the nat table.
    pub chains: Vec<String>,
    /// Lines of those chains.
    pub chain_rules: String,
}

/// Writes the rules of a service port for the endpoints that count on the node.
#[must_use]
pub fn block(settings: &Settings, service: &ServicePort, endpoints: &Selection<'_>) -> Block {
    let name = service.key.to_string();
    let proto = lower(service.key.protocol);
    let chain = |kind| iptables_service_chain(kind, &name, proto);
    let chains = Chains {
        cluster: chain(ServiceChain::Cluster),
        local: chain(ServiceChain::Local),
        external: chain(ServiceChain::External),
        firewall: chain(ServiceChain::Firewall),
    };
    let mut writer = Writer {
        settings,
        service,
        endpoints,
        has_internal: endpoints.any && !(service.internal_local && endpoints.local.is_empty()),
        has_external: endpoints.any && !(service.external_policy_local() && endpoints.local.is_empty()),
        uses_firewall: endpoints.any
            && !service.load_balancer_ips.is_empty()
            && !service.source_ranges.is_empty(),
        name,
        proto,
        chains,
        out: Block::default(),
    };
    writer.cluster_ip();
    writer.external_ips();
    writer.load_balancer_ips();
    writer.node_port();
    writer.health_check_port();
    writer.internal_masquerade();
    writer.external_chain();
    writer.firewall_chain();
    writer.policy_chains();
    writer.out
}

struct Chains {
    cluster: String,
    local: String,
    external: String,
    firewall: String,
}

struct Writer<'a> {
    settings: &'a Settings,
    service: &'a ServicePort,
    endpoints: &'a Selection<'a>,
    name: String,
    proto: &'static str,
    chains: Chains,
    has_internal: bool,
    has_external: bool,
    uses_firewall: bool,
    out: Block,
}

impl Writer<'_> {
    /// `-m tcp -p tcp -d ADDRESS --dport PORT`.
    fn to(&self, ip: IpAddr) -> String {
        format!("-m {0} -p {0} -d {ip} --dport {1}", self.proto, self.service.port)
    }

    fn filter(&mut self, chain: &str, comment: impl Display, rest: impl Display) {
        let _ = writeln!(self.out.filter_rules, "-A {chain} -m comment --comment \"{comment}\" {rest}");
    }

    fn entry(&mut self, comment: &str, rest: impl Display) {
        let _ = writeln!(
            self.out.entry_rules,
            "-A KUBE-SERVICES -m comment --comment \"{} {comment}\" {rest}",
            self.name
        );
    }

    fn rule(&mut self, chain: &str, rest: impl Display) {
        let _ = writeln!(self.out.chain_rules, "-A {chain} {rest}");
    }

    /// Nothing to send to: nobody is there at all (an error for the sender), or just not here (silence).
    fn refuse(&mut self, chain: &str, matches: impl Display) {
        let (why, target) = if self.endpoints.any {
            ("has no local endpoints", "DROP")
        } else {
            ("has no endpoints", "REJECT")
        };
        self.filter(chain, format!("{} {why}", self.name), format!("{matches} -j {target}"));
    }

    fn cluster_ip(&mut self) {
        let to = self.to(self.service.cluster_ip);
        if self.has_internal {
            let chain = if self.service.internal_local { &self.chains.local } else { &self.chains.cluster };
            self.entry("cluster IP", format!("{to} -j {chain}"));
        } else {
            self.refuse("KUBE-SERVICES", to);
        }
    }

    fn external_ips(&mut self) {
        for ip in &self.service.external_ips {
            let to = self.to(*ip);
            if self.endpoints.any {
                self.entry("external IP", format!("{to} -j {}", self.chains.external));
            }
            if !self.has_external {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
            }
        }
    }

    fn load_balancer_ips(&mut self) {
        for ip in &self.service.load_balancer_ips {
            let to = self.to(*ip);
            if self.endpoints.any {
                let chain = if self.uses_firewall { &self.chains.firewall } else { &self.chains.external };
                self.entry("loadbalancer IP", format!("{to} -j {chain}"));
            }
            if self.uses_firewall {
                let comment = format!("{} traffic not accepted by {}", self.name, self.chains.firewall);
                self.filter("KUBE-PROXY-FIREWALL", comment, format!("{to} -j DROP"));
            }
            if !self.has_external {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
            }
        }
    }

    fn node_port(&mut self) {
        let Some(port) = self.service.node_port else { return };
        let (name, proto, chain) = (&self.name, self.proto, &self.chains.external);
        if self.endpoints.any {
            let rules = &mut self.out.entry_rules;
            let head = format!("-A KUBE-NODEPORTS -m comment --comment {name} -m {proto} -p {proto}");
            if self.settings.localhost() && self.settings.nfacct {
                let count = "-m nfacct --nfacct-name localhost_nps_accepted_pkts";
                let _ = writeln!(rules, "{head} -d 127.0.0.0/8 --dport {port} {count} -j {chain}");
            }
            let _ = writeln!(rules, "{head} --dport {port} -j {chain}");
        }
        if !self.has_external {
            let matches = format!("-m addrtype --dst-type LOCAL -m {proto} -p {proto} --dport {port}");
            self.refuse("KUBE-EXTERNAL-SERVICES", matches);
        }
    }

    fn health_check_port(&mut self) {
        if let Some(port) = self.service.health_check_port {
            let comment = format!("{} health check node port", self.name);
            self.filter("KUBE-NODEPORTS", comment, format!("-m tcp -p tcp --dport {port} -j ACCEPT"));
        }
    }

    /// Traffic to the cluster IP from outside the pods: the reply must come back through this node. The match on the cluster IP is
    /// repeated because traffic from KUBE-EXT comes by here too.
    fn internal_masquerade(&mut self) {
        if !self.has_internal {
            return;
        }
        let chain = if self.service.internal_local { &self.chains.local } else { &self.chains.cluster };
        let to = self.to(self.service.cluster_ip);
        let head = format!("-A {chain} -m comment --comment \"{} cluster IP\" {to}", self.name);
        let rules = &mut self.out.chain_rules;
        if self.settings.masquerade_all {
            let _ = writeln!(rules, "{head} -j KUBE-MARK-MASQ");
        } else if let Some(outside) = self.settings.detector.not_local() {
            let _ = writeln!(rules, "{head} {outside} -j KUBE-MARK-MASQ");
        }
    }

    fn external_chain(&mut self) {
        if !self.endpoints.any || !self.service.externally_reachable() {
            return;
        }
        let (name, ext) = (self.name.clone(), self.chains.external.clone());
        self.out.chains.push(ext.clone());
        let svc = self.chains.cluster.clone();
        let comment =
            |what: &str| format!("-m comment --comment \"{what} for {name} external destinations\"");
        if self.service.external_local {
            // Pods and the node itself go to all endpoints, as if they had used the cluster IP.
            if let Some(pods) = self.settings.detector.local() {
                self.rule(&ext, format!("{} {pods} -j {svc}", comment("pod traffic")));
            }
            let local = "-m addrtype --src-type LOCAL";
            self.rule(&ext, format!("{} {local} -j KUBE-MARK-MASQ", comment("masquerade LOCAL traffic")));
            self.rule(&ext, format!("{} {local} -j {svc}", comment("route LOCAL traffic")));
        } else {
            self.rule(&ext, format!("{} -j KUBE-MARK-MASQ", comment("masquerade traffic")));
        }
        if self.has_external {
            let policy = if self.service.external_local { self.chains.local.clone() } else { svc };
            self.rule(&ext, format!("-j {policy}"));
        }
    }

    fn firewall_chain(&mut self) {
        if !self.uses_firewall {
            return;
        }
        let (fw, ext) = (self.chains.firewall.clone(), self.chains.external.clone());
        let comment = format!("-m comment --comment \"{} loadbalancer IP\"", self.name);
        self.out.chains.push(fw.clone());
        let service = self.service;
        for range in &service.source_ranges {
            self.rule(&fw, format!("{comment} -s {range} -j {ext}"));
        }
        // A node that has the VIP as an address of its own sends from it.
        if self.settings.node_ip.is_some_and(|ip| service.source_ranges.iter().any(|r| r.contains(&ip))) {
            for ip in &service.load_balancer_ips {
                self.rule(&fw, format!("{comment} -s {ip} -j {ext}"));
            }
        }
        let dropped = format!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", self.name);
        self.rule(&fw, format!("-m comment --comment \"{dropped}\""));
    }

    fn policy_chains(&mut self) {
        let endpoints = self.endpoints;
        for (chain, set) in
            [(self.chains.cluster.clone(), &endpoints.cluster), (self.chains.local.clone(), &endpoints.local)]
        {
            if !set.is_empty() {
                self.out.chains.push(chain.clone());
                self.balance(&chain, set);
            }
        }
        for e in endpoints.all() {
            self.endpoint_chain(e);
        }
    }

    fn endpoint_chain_name(&self, e: &Endpoint) -> String {
        iptables_endpoint_chain(&self.name, self.proto, &e.at.to_string())
    }

    /// First whoever was sent somewhere before, then one of the rest with equal chances: 1/n, 1/(n-1), …, 1.
    fn balance(&mut self, chain: &str, set: &[&Endpoint]) {
        let targets: Vec<_> = set.iter().map(|e| (e.at, self.endpoint_chain_name(e))).collect();
        let name = self.name.clone();
        let comment = |at| format!("-m comment --comment \"{name} -> {at}\"");
        if let Some(seconds) = self.service.affinity_seconds {
            for (at, sep) in &targets {
                let recent = format!("-m recent --name {sep} --rcheck --seconds {seconds} --reap");
                self.rule(chain, format!("{} {recent} -j {sep}", comment(at)));
            }
        }
        for (i, (at, sep)) in targets.iter().enumerate() {
            let left = targets.len() - i;
            if left > 1 {
                let p = probability(left, PROBABILITY_DIGITS);
                let draw = format!("-m statistic --mode random --probability {p}");
                self.rule(chain, format!("{} {draw} -j {sep}", comment(at)));
            } else {
                self.rule(chain, format!("{} -j {sep}", comment(at)));
            }
        }
    }

    fn endpoint_chain(&mut self, e: &Endpoint) {
        let sep = self.endpoint_chain_name(e);
        self.out.chains.push(sep.clone());
        let (name, proto, at) = (self.name.clone(), self.proto, e.at);
        let comment = format!("-m comment --comment {name}");
        // An endpoint that reaches itself through the Service must not see its own address as the source.
        self.rule(&sep, format!("{comment} -s {} -j KUBE-MARK-MASQ", at.ip()));
        let recent = if self.service.affinity_seconds.is_some() {
            format!("-m recent --name {sep} --set ")
        } else {
            String::new()
        };
        self.rule(&sep, format!("{comment} {recent}-m {proto} -p {proto} -j DNAT --to-destination {at}"));
    }
}
