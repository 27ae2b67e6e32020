//! The rules of one service port.

use std::fmt::{Display, Write};
use std::net::{IpAddr, SocketAddr};

use super::super::names::probability;
use super::{EndpointComment, Entry, Settings};
use crate::kube::node::proxy::model::{Endpoint, ServicePort, lower};
use crate::kube::node::proxy::names::{ServiceChain, iptables_endpoint_chain, iptables_service_chains};
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
    let dialect = settings.dialect;
    let mut name = service.key.to_string();
    if dialect.nameless_colon && service.key.port.is_empty() {
        name.push(':');
    }
    // Where a drop is a mark, it stands in the chain that has no endpoints.
    let here = |local: bool| !local || dialect.mark_drop || !endpoints.local.is_empty();
    let proto = lower(service.key.protocol);
    let kinds = [
        ServiceChain::Cluster,
        ServiceChain::Local,
        ServiceChain::External,
        ServiceChain::Firewall,
        ServiceChain::ExternalLocal,
    ];
    let [cluster, local, external, firewall, external_local] = iptables_service_chains(kinds, &name, proto);
    let chains = Chains { cluster, local, external, firewall, external_local };
    let mut writer = Writer {
        settings,
        service,
        endpoint_chains: endpoint_chains(&name, proto, endpoints),
        endpoints,
        has_internal: endpoints.any && here(service.internal_local),
        has_external: endpoints.any && here(service.external_policy_local()),
        uses_firewall: endpoints.any
            && !service.load_balancer_ips.is_empty()
            && !service.source_ranges.is_empty(),
        name,
        proto,
        chains,
        out: Block::default(),
    };
    writer.cluster_ip();
    match dialect.entry {
        Entry::Ext => writer.entries(),
        Entry::Xlb => writer.entries_before_ext(),
    }
    writer.health_check_port();
    writer.internal_masquerade();
    if dialect.entry == Entry::Ext {
        writer.external_chain();
        writer.firewall_chain();
    }
    writer.policy_chains();
    writer.out
}

fn endpoint_chains(name: &str, proto: &str, endpoints: &Selection<'_>) -> Vec<(SocketAddr, String)> {
    let chain = |e: &Endpoint| (e.at, iptables_endpoint_chain(name, proto, &e.at.to_string()));
    let mut chains: Vec<_> = endpoints.all().into_iter().map(chain).collect();
    chains.sort_unstable_by_key(|(at, _)| *at);
    chains
}

/// Names of the service port's chains.
pub(super) struct Chains {
    pub(super) cluster: String,
    pub(super) local: String,
    pub(super) external: String,
    pub(super) firewall: String,
    pub(super) external_local: String,
}

/// One block on its way.
pub(super) struct Writer<'a> {
    pub(super) settings: &'a Settings,
    pub(super) service: &'a ServicePort,
    pub(super) endpoints: &'a Selection<'a>,
    pub(super) name: String,
    pub(super) proto: &'static str,
    pub(super) chains: Chains,
    /// Names of the endpoints' chains, in order of the endpoints' addresses.
    endpoint_chains: Vec<(SocketAddr, String)>,
    pub(super) has_internal: bool,
    pub(super) has_external: bool,
    pub(super) uses_firewall: bool,
    pub(super) out: Block,
}

impl Writer<'_> {
    /// `-m tcp -p tcp -d ADDRESS --dport PORT`.
    pub(super) fn to(&self, ip: IpAddr) -> String {
        format!("-m {0} -p {0} -d {ip} --dport {1}", self.proto, self.service.port)
    }

    pub(super) fn filter(&mut self, chain: &str, comment: impl Display, rest: impl Display) {
        let _ = writeln!(self.out.filter_rules, "-A {chain} -m comment --comment \"{comment}\" {rest}");
    }

    pub(super) fn entry(&mut self, comment: &str, rest: impl Display) {
        let _ = writeln!(
            self.out.entry_rules,
            "-A KUBE-SERVICES -m comment --comment \"{} {comment}\" {rest}",
            self.name
        );
    }

    pub(super) fn node_port_rule(&mut self, rest: impl Display) {
        let _ = writeln!(self.out.entry_rules, "-A KUBE-NODEPORTS {rest}");
    }

    pub(super) fn rule(&mut self, chain: &str, rest: impl Display) {
        let _ = writeln!(self.out.chain_rules, "-A {chain} {rest}");
    }

    /// Nothing to send to: nobody is there at all (an error for the sender), or just not here (silence).
    pub(super) fn refuse(&mut self, chain: &str, matches: impl Display) {
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
            if self.settings.dialect.mark_in_services
                && let Some(outside) = self.outside()
            {
                self.entry("cluster IP", format!("{to} {outside}-j KUBE-MARK-MASQ"));
            }
            let chain = if self.service.internal_local { &self.chains.local } else { &self.chains.cluster };
            self.entry("cluster IP", format!("{to} -j {chain}"));
        } else {
            self.refuse("KUBE-SERVICES", to);
        }
    }

    fn health_check_port(&mut self) {
        if let Some(port) = self.service.health_check_port
            && self.settings.dialect.health_check_rule
        {
            let comment = format!("{} health check node port", self.name);
            self.filter("KUBE-NODEPORTS", comment, format!("-m tcp -p tcp --dport {port} -j ACCEPT"));
        }
    }

    /// Traffic to the cluster IP from outside the pods: the reply must come back through this node. The match on the cluster IP is
    /// repeated because traffic from KUBE-EXT comes by here too.
    fn internal_masquerade(&mut self) {
        if !self.has_internal || self.settings.dialect.mark_in_services {
            return;
        }
        let Some(outside) = self.outside() else { return };
        let chain = if self.service.internal_local { &self.chains.local } else { &self.chains.cluster };
        let to = self.to(self.service.cluster_ip);
        let rule =
            format!("-m comment --comment \"{} cluster IP\" {to} {outside}-j KUBE-MARK-MASQ", self.name);
        self.rule(&chain.clone(), rule);
    }

    /// The match for traffic to a cluster IP that is to be masqueraded, with a space after it if it is not empty.
    fn outside(&self) -> Option<String> {
        if self.settings.masquerade_all {
            return Some(String::new());
        }
        self.settings.detector.not_local().map(|m| m + " ")
    }

    fn policy_chains(&mut self) {
        let endpoints = self.endpoints;
        for (chain, set) in
            [(self.chains.cluster.clone(), &endpoints.cluster), (self.chains.local.clone(), &endpoints.local)]
        {
            let is_local = chain == self.chains.local;
            let used = !is_local || self.service.internal_local || self.settings.dialect.entry == Entry::Ext;
            if !set.is_empty() && used {
                self.out.chains.push(chain.clone());
                self.balance(&chain, set);
            } else if is_local && self.leads_nowhere() {
                self.out.chains.push(chain.clone());
                self.no_local_endpoints(&chain);
            }
        }
        for e in endpoints.all() {
            self.endpoint_chain(e);
        }
    }

    /// Whether packets are led to the chain of local endpoints to be dropped there.
    fn leads_nowhere(&self) -> bool {
        let external = self.settings.dialect.entry == Entry::Ext && self.service.external_policy_local();
        self.settings.dialect.mark_drop
            && self.endpoints.any
            && self.endpoints.local.is_empty()
            && (self.service.internal_local || external)
    }

    /// The end of traffic that is only for endpoints of this node when there are none, in layouts that mark what is to be dropped.
    pub(super) fn no_local_endpoints(&mut self, chain: &str) {
        let comment = format!("{} has no local endpoints", self.name);
        self.rule(chain, format!("-m comment --comment \"{comment}\" -j KUBE-MARK-DROP"));
    }

    fn endpoint_chain_name(&self, e: &Endpoint) -> String {
        let found = self.endpoint_chains.binary_search_by_key(&e.at, |(at, _)| *at);
        found.map_or_else(|_| String::new(), |i| self.endpoint_chains[i].1.clone())
    }

    /// In a large cluster comments would take up too much.
    const fn endpoint_comment(&self) -> EndpointComment {
        if self.settings.large_cluster {
            EndpointComment::None
        } else {
            self.settings.dialect.endpoint_comment
        }
    }

    /// First whoever was sent somewhere before, then one of the rest with equal chances: 1/n, 1/(n-1), …, 1.
    fn balance(&mut self, chain: &str, set: &[&Endpoint]) {
        let name = self.name.clone();
        let style = self.endpoint_comment();
        self.balance_with(chain, set, |_, at| match style {
            EndpointComment::None => String::new(),
            EndpointComment::Name => format!("-m comment --comment {name}"),
            EndpointComment::Arrow => format!("-m comment --comment \"{name} -> {at}\""),
        });
    }

    /// The same with other comments, by number and address of the endpoint.
    pub(super) fn balance_with(
        &mut self,
        chain: &str,
        set: &[&Endpoint],
        comment: impl Fn(usize, SocketAddr) -> String,
    ) {
        let targets: Vec<_> = set.iter().map(|e| (e.at, self.endpoint_chain_name(e))).collect();
        let comment = |i, at| match comment(i, at) {
            empty if empty.is_empty() => empty,
            text => text + " ",
        };
        if let Some(seconds) = self.service.affinity_seconds {
            for (i, (at, sep)) in targets.iter().enumerate() {
                let recent = format!("-m recent --name {sep} --rcheck --seconds {seconds} --reap");
                self.rule(chain, format!("{}{recent} -j {sep}", comment(i, *at)));
            }
        }
        for (i, (at, sep)) in targets.iter().enumerate() {
            let left = targets.len() - i;
            let draw = if left > 1 {
                let p = probability(left, self.settings.dialect.probability_digits);
                format!("-m statistic --mode random --probability {p} ")
            } else {
                String::new()
            };
            self.rule(chain, format!("{}{draw}-j {sep}", comment(i, *at)));
        }
    }

    fn endpoint_chain(&mut self, e: &Endpoint) {
        let sep = self.endpoint_chain_name(e);
        self.out.chains.push(sep.clone());
        let (name, proto, at) = (self.name.clone(), self.proto, e.at);
        let comment = match self.endpoint_comment() {
            EndpointComment::None => String::new(),
            EndpointComment::Name | EndpointComment::Arrow => format!("-m comment --comment {name} "),
        };
        // An endpoint that reaches itself through the Service must not see its own address as the source.
        self.rule(&sep, format!("{comment}-s {} -j KUBE-MARK-MASQ", at.ip()));
        let recent = if self.service.affinity_seconds.is_some() {
            format!("-m recent --name {sep} --set ")
        } else {
            String::new()
        };
        self.rule(&sep, format!("{comment}{recent}-m {proto} -p {proto} -j DNAT --to-destination {at}"));
    }
}
