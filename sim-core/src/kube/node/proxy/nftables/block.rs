//! The rules of one service port.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::Settings;
use crate::kube::node::proxy::model::{Endpoint, ServicePort, lower};
use crate::kube::node::proxy::names::{nftables_endpoint_base, nftables_service_base};
use crate::kube::node::proxy::select::Selection;

/// The rules of one service port on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// What it puts into sets and maps.
    pub elements: Vec<Element>,
    /// Sets that remember which client went to which endpoint: name and timeout in seconds.
    pub affinity_sets: Vec<(String, u32)>,
    /// Its own chains.
    pub chains: Vec<Chain>,
}

/// An element of one of the fixed sets and maps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The set or map.
    pub set: &'static str,
    /// Its key: `172.30.0.41 . tcp . 80`.
    pub key: String,
    /// Comment, on those that people look for when a Service does not answer.
    pub comment: Option<String>,
    /// Where a map leads; `None` in a set.
    pub verdict: Option<String>,
}

/// A chain and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Its rules, in order.
    pub rules: Vec<String>,
}

impl Block {
    /// The lines that add all of it. What others refer to comes first: sets and chains, then rules, then elements.
    #[must_use]
    pub fn text(&self, settings: &Settings) -> String {
        let mut t = String::new();
        self.chains_text(settings, &mut t);
        for e in &self.elements {
            let _ = writeln!(t, "add element {} kube-proxy {} {{ {e} }}", settings.ip(), e.set);
        }
        t
    }

    /// The lines that add its sets, chains and rules.
    pub fn chains_text(&self, settings: &Settings, t: &mut String) {
        let (ip, addr) = (settings.ip(), settings.address_type());
        for (name, seconds) in &self.affinity_sets {
            let flags = "flags dynamic,timeout ;";
            let _ = writeln!(
                t,
                "add set {ip} kube-proxy {name} {{ type {addr} ; {flags} timeout {seconds}s ; }}"
            );
        }
        for chain in &self.chains {
            let _ = writeln!(t, "add chain {ip} kube-proxy {}", chain.name);
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                let _ = writeln!(t, "add rule {ip} kube-proxy {} {rule}", chain.name);
            }
        }
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if let Some(comment) = &self.comment {
            write!(f, " comment \"{comment}\"")?;
        }
        match &self.verdict {
            Some(verdict) => write!(f, " : {verdict}"),
            None => Ok(()),
        }
    }
}

/// Writes the rules of a service port for the endpoints that count on the node.
#[must_use]
pub fn block(settings: &Settings, service: &ServicePort, endpoints: &Selection<'_>) -> Block {
    let proto = lower(service.key.protocol);
    let key = &service.key;
    let base = nftables_service_base(&key.namespace, &key.name, proto, &key.port);
    let none_local = |local: bool| local && endpoints.local.is_empty();
    let mut writer = Writer {
        settings,
        service,
        endpoints,
        proto,
        has_internal: endpoints.any && !none_local(service.internal_local),
        has_external: endpoints.any && !none_local(service.external_policy_local()),
        cluster: format!("service-{base}"),
        local: format!("local-{base}"),
        external: format!("external-{base}"),
        firewall: format!("firewall-{base}"),
        out: Block::default(),
    };
    writer.cluster_ip();
    writer.external_addresses();
    writer.node_port();
    writer.firewall_chain();
    writer.policy_chains();
    writer.external_chain();
    writer.endpoint_chains();
    writer.out
}

struct Writer<'a> {
    settings: &'a Settings,
    service: &'a ServicePort,
    endpoints: &'a Selection<'a>,
    proto: &'static str,
    has_internal: bool,
    has_external: bool,
    cluster: String,
    local: String,
    external: String,
    firewall: String,
    out: Block,
}

impl Writer<'_> {
    fn goto(&mut self, set: &'static str, key: String, chain: &str) {
        self.out.elements.push(Element { set, key, comment: None, verdict: Some(format!("goto {chain}")) });
    }

    /// Nothing to send to: nobody is there at all (an error for the sender), or just not here (silence).
    fn refuse(&mut self, set: &'static str, key: String) {
        let verdict = if self.endpoints.any { "drop" } else { "goto reject-chain" };
        let comment = Some(self.service.key.to_string());
        self.out.elements.push(Element { set, key, comment, verdict: Some(verdict.to_owned()) });
    }

    fn key(&self, ip: IpAddr) -> String {
        format!("{ip} . {} . {}", self.proto, self.service.port)
    }

    fn internal_chain(&self) -> String {
        if self.service.internal_local { self.local.clone() } else { self.cluster.clone() }
    }

    fn cluster_ip(&mut self) {
        let ip = self.service.cluster_ip;
        let element = Element { set: "cluster-ips", key: ip.to_string(), comment: None, verdict: None };
        self.out.elements.push(element);
        if self.has_internal {
            self.goto("service-ips", self.key(ip), &self.internal_chain());
        } else {
            self.refuse("no-endpoint-services", self.key(ip));
        }
    }

    /// External IPs and load balancer addresses.
    fn external_addresses(&mut self) {
        let service = self.service;
        let external = self.external.clone();
        let firewalled = !service.source_ranges.is_empty();
        let addresses = service.external_ips.iter().map(|ip| (ip, false));
        for (ip, firewalled) in addresses.chain(service.load_balancer_ips.iter().map(|ip| (ip, firewalled))) {
            if self.endpoints.any {
                self.goto("service-ips", self.key(*ip), &external);
            }
            if firewalled {
                let verdict = Some(format!("goto {}", self.firewall));
                let comment = Some(service.key.to_string());
                let key = self.key(*ip);
                self.out.elements.push(Element { set: "firewall-ips", key, comment, verdict });
            }
            if !self.has_external {
                self.refuse("no-endpoint-services", self.key(*ip));
            }
        }
    }

    fn node_port(&mut self) {
        let Some(port) = self.service.node_port else { return };
        let key = format!("{} . {port}", self.proto);
        if self.endpoints.any {
            self.goto("service-nodeports", key.clone(), &self.external.clone());
        }
        if !self.has_external {
            self.refuse("no-endpoint-nodeports", key);
        }
    }

    /// Stands before destination translation, so it holds whether or not there are endpoints.
    fn firewall_chain(&mut self) {
        let service = self.service;
        if service.source_ranges.is_empty() || service.load_balancer_ips.is_empty() {
            return;
        }
        let mut sources: Vec<String> = service.source_ranges.iter().map(ToString::to_string).collect();
        // A node that has the address as one of its own sends from it.
        if self.settings.node_ip.is_some_and(|ip| service.source_ranges.iter().any(|r| r.contains(&ip))) {
            sources.extend(service.load_balancer_ips.iter().map(ToString::to_string));
        }
        let rule = format!("{} saddr != {{ {} }} drop", self.settings.ip(), sources.join(" , "));
        self.out.chains.push(Chain { name: self.firewall.clone(), rules: vec![rule] });
    }

    fn policy_chains(&mut self) {
        let endpoints = self.endpoints;
        let internal = self.internal_chain();
        for (name, set) in
            [(self.cluster.clone(), &endpoints.cluster), (self.local.clone(), &endpoints.local)]
        {
            if set.is_empty() {
                continue;
            }
            let mut rules = Vec::new();
            if name == internal {
                rules.extend(self.internal_masquerade());
            }
            self.balance(set, &mut rules);
            self.out.chains.push(Chain { name, rules });
        }
    }

    /// Traffic to the cluster IP from outside the pods: the reply must come back through this node.
    fn internal_masquerade(&self) -> Option<String> {
        let to = format!("{} daddr {}", self.settings.ip(), self.service.cluster_ip);
        if self.settings.masquerade_all {
            return Some(format!("{to} jump mark-for-masquerade"));
        }
        let outside = self.settings.detector.nftables(self.settings.ip(), false)?;
        Some(format!("{to} {outside} jump mark-for-masquerade"))
    }

    /// First whoever was sent somewhere before, then one of all with equal chances.
    fn balance(&self, set: &[&Endpoint], rules: &mut Vec<String>) {
        if self.service.affinity_seconds.is_some() {
            for e in set {
                let base = self.endpoint_base(e);
                rules.push(format!("{} saddr @affinity-{base} goto endpoint-{base}", self.settings.ip()));
            }
        }
        let mut rule = format!("numgen random mod {} vmap {{", set.len());
        for (i, e) in set.iter().enumerate() {
            let comma = if i == 0 { "" } else { " ," };
            let _ = write!(rule, "{comma} {i} : goto endpoint-{}", self.endpoint_base(e));
        }
        rule.push_str(" }");
        rules.push(rule);
    }

    fn external_chain(&mut self) {
        if !self.endpoints.any || !self.service.externally_reachable() {
            return;
        }
        let mut rules = Vec::new();
        if self.service.external_local {
            // Pods and the node itself go to all endpoints, as if they had used the cluster IP.
            let cluster = &self.cluster;
            if let Some(pods) = self.settings.detector.nftables(self.settings.ip(), true) {
                rules.push(format!("{pods} goto {cluster} comment \"short-circuit pod traffic\""));
            }
            let local = "fib saddr type local";
            rules.push(format!("{local} jump mark-for-masquerade comment \"masquerade local traffic\""));
            rules.push(format!("{local} goto {cluster} comment \"short-circuit local traffic\""));
        } else {
            rules.push("jump mark-for-masquerade".to_owned());
        }
        if self.has_external {
            let chain = if self.service.external_local { &self.local } else { &self.cluster };
            rules.push(format!("goto {chain}"));
        }
        self.out.chains.push(Chain { name: self.external.clone(), rules });
    }

    fn endpoint_chains(&mut self) {
        for e in self.endpoints.all() {
            let base = self.endpoint_base(e);
            // An endpoint that reaches itself through the Service must not see its own address as the source.
            let ip = self.settings.ip();
            let mut rules = vec![format!("{ip} saddr {} jump mark-for-masquerade", e.at.ip())];
            if let Some(seconds) = self.service.affinity_seconds {
                let set = format!("affinity-{base}");
                rules.push(format!("update @{set} {{ {ip} saddr }}"));
                self.out.affinity_sets.push((set, seconds));
            }
            rules.push(format!("meta l4proto {} dnat to {}", self.proto, e.at));
            self.out.chains.push(Chain { name: format!("endpoint-{base}"), rules });
        }
    }

    fn endpoint_base(&self, e: &Endpoint) -> String {
        let key = &self.service.key;
        let (ip, port) = (e.at.ip().to_string(), e.at.port());
        nftables_endpoint_base(&key.namespace, &key.name, self.proto, &key.port, &ip, port)
    }
}
