//! A pod's `/etc/resolv.conf`, by `dnsPolicy` and `dnsConfig` (`pkg/kubelet/network/dns`).

use std::fmt::Write;

use crate::kube::objects::pod::{DnsPolicy, PodSpec};

/// At most this many name servers (`MaxDNSNameservers`).
const SERVERS_MAX: usize = 3;
/// At most this many search domains (`MaxDNSSearchPaths`).
const SEARCHES_MAX: usize = 32;
/// And this many characters of them, with a blank between two (`MaxDNSSearchListChars`).
const SEARCH_CHARS_MAX: usize = 2048;

/// What the kubelet of a node knows of name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDns {
    /// `clusterDNS`: the cluster's name servers.
    pub cluster_dns: Vec<String>,
    /// `clusterDomain`; may be empty.
    pub cluster_domain: String,
    /// What the node's own resolv.conf says.
    pub own: ResolvLines,
}

/// The lines of a resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvLines {
    /// Name servers.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options, `NAME` or `NAME:VALUE`.
    pub options: Vec<String>,
}

/// What a pod gets, and what there is to complain about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDns {
    /// The lines.
    pub lines: ResolvLines,
    /// Warnings: reason of the event and message.
    pub warnings: Vec<(&'static str, String)>,
}

impl ResolvLines {
    /// Reads a node's file as the kubelet does (`parseResolvConf`): later `search` and `options` lines win, final dots go.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut lines = Self::default();
        for line in text.lines().map(str::trim).filter(|l| !l.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => lines.servers.extend(words.next()),
                Some("search") => lines.searches = words.map(|w| without_dot(&w)).collect(),
                Some("options") => lines.options = words.collect(),
                _ => {}
            }
        }
        lines
    }

    /// The file as container runtimes write it; what is empty has no line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.searches.is_empty() {
            let _ = writeln!(text, "search {}", self.searches.join(" "));
        }
        for server in &self.servers {
            let _ = writeln!(text, "nameserver {server}");
        }
        if !self.options.is_empty() {
            let _ = writeln!(text, "options {}", self.options.join(" "));
        }
        text
    }
}

/// `.` alone stays.
fn without_dot(domain: &str) -> String {
    domain.strip_suffix('.').filter(|d| !d.is_empty()).unwrap_or(domain).to_owned()
}

/// Forms a pod's lines (`GetPodDNS`).
#[must_use]
pub fn form(namespace: &str, spec: &PodSpec, node: &NodeDns) -> PodDns {
    let mut warnings = Vec::new();
    let mut lines = match spec.dns_policy.unwrap_or_default() {
        DnsPolicy::None => ResolvLines::default(),
        DnsPolicy::Default => node.own.clone(),
        DnsPolicy::ClusterFirst if spec.host_network => node.own.clone(),
        policy if node.cluster_dns.is_empty() => {
            let asked = match policy {
                DnsPolicy::ClusterFirstWithHostNet => "ClusterFirstWithHostNet",
                _ => "ClusterFirst",
            };
            let message = format!(
                "kubelet does not have ClusterDNS IP configured and cannot create Pod using {asked:?} policy. Falling back to \"Default\" policy."
            );
            warnings.push(("MissingClusterDNS", message));
            node.own.clone()
        }
        DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => cluster_first(namespace, node),
    };
    if let Some(own) = &spec.dns_config {
        add_new(&mut lines.servers, &own.nameservers);
        add_new(&mut lines.searches, &own.searches);
        for option in &own.options {
            let name = option.name.as_str();
            let text = option.value.as_ref().map_or_else(|| name.to_owned(), |v| format!("{name}:{v}"));
            let same = |o: &&mut String| o.split(':').next() == Some(name);
            match lines.options.iter_mut().find(same) {
                Some(old) => *old = text,
                None => lines.options.push(text),
            }
        }
    }
    fit(&mut lines, &mut warnings);
    PodDns { lines, warnings }
}

fn cluster_first(namespace: &str, node: &NodeDns) -> ResolvLines {
    let domain = &node.cluster_domain;
    let mut searches = Vec::new();
    if !domain.is_empty() {
        add_new(
            &mut searches,
            &[format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()],
        );
    }
    add_new(&mut searches, &node.own.searches);
    ResolvLines { servers: node.cluster_dns.clone(), searches, options: vec!["ndots:5".to_owned()] }
}

/// Adds what is not there yet.
fn add_new(all: &mut Vec<String>, more: &[String]) {
    for text in more {
        if !all.contains(text) {
            all.push(text.clone());
        }
    }
}

/// Cuts the lines to the limits (`formDNSConfigFitsLimits`).
fn fit(lines: &mut ResolvLines, warnings: &mut Vec<(&'static str, String)>) {
    if lines.servers.len() > SERVERS_MAX {
        lines.servers.truncate(SERVERS_MAX);
        let kept = lines.servers.join(" ");
        warnings.push((
            "DNSConfigForming",
            format!("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {kept}"),
        ));
    }
    let before = lines.searches.len();
    lines.searches.truncate(SEARCHES_MAX);
    while lines.searches.join(" ").len() > SEARCH_CHARS_MAX {
        lines.searches.pop();
    }
    if lines.searches.len() < before {
        let kept = lines.searches.join(" ");
        warnings.push((
            "DNSConfigForming",
            format!("Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {kept}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeDns {
        NodeDns {
            cluster_dns: vec!["10.96.0.10".to_owned()],
            cluster_domain: "cluster.local".to_owned(),
            own: ResolvLines::parse("nameserver 172.16.0.1\nsearch corp.example.\noptions edns0\n"),
        }
    }

    fn spec(yaml: &str) -> PodSpec {
        serde_json::from_str(yaml).unwrap()
    }

    #[test]
    fn the_nodes_domains_come_after_the_clusters() {
        let dns = form("app", &spec(r#"{"containers": []}"#), &node());
        assert_eq!(
            dns.lines.text(),
            "search app.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\noptions ndots:5\n"
        );
        assert!(dns.warnings.is_empty());
    }

    #[test]
    fn a_long_search_list_is_cut_with_a_warning() {
        let domains: Vec<String> = (0..40).map(|i| format!("\"d{i}.example\"")).collect();
        let yaml = format!(r#"{{"containers": [], "dnsConfig": {{"searches": [{}]}}}}"#, domains.join(","));
        let dns = form("app", &spec(&yaml), &node());
        assert_eq!(dns.lines.searches.len(), SEARCHES_MAX);
        assert_eq!(dns.warnings[0].0, "DNSConfigForming");
        let long: Vec<String> = (0..20).map(|i| format!("\"{}{i}.example\"", "x".repeat(200))).collect();
        let yaml = format!(r#"{{"containers": [], "dnsConfig": {{"searches": [{}]}}}}"#, long.join(","));
        let dns = form("app", &spec(&yaml), &node());
        assert!(dns.lines.searches.join(" ").len() <= SEARCH_CHARS_MAX);
    }

    #[test]
    fn without_a_cluster_server_the_nodes_own_is_used() {
        let node = NodeDns { cluster_dns: Vec::new(), ..node() };
        let dns = form("app", &spec(r#"{"containers": []}"#), &node);
        assert_eq!(dns.lines, node.own);
        assert_eq!(dns.warnings[0].0, "MissingClusterDNS");
    }
}
