//! The files that the kubelet writes into every container.

use std::fmt::Write;
use std::net::IpAddr;

use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::objects::Pod;
use crate::kube::objects::pod::DnsPolicy;

/// `/etc/hosts`.
pub(super) fn hosts(pod: &Pod, hostname: &str, ips: &[IpAddr], hands: &Hands<'_>) -> String {
    let mut text = if pod.spec.host_network {
        let node = hands.machines.get(&Place::Node(pod.spec.node_name.clone()));
        let own = node.and_then(|m| m.files.read_text("/etc/hosts").ok()).unwrap_or_default();
        format!("# Kubernetes-managed hosts file (host network).\n{own}")
    } else {
        let mut names = hostname.to_owned();
        if !pod.spec.subdomain.is_empty() {
            let (namespace, domain) = (&pod.metadata.namespace, &hands.config.networking.dns_domain);
            names = format!("{hostname}.{}.{namespace}.svc.{domain}\t{hostname}", pod.spec.subdomain);
        }
        let own: String = ips.iter().map(|ip| format!("{ip}\t{names}\n")).collect();
        format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n{own}"
        )
    };
    if !pod.spec.host_aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in &pod.spec.host_aliases {
            let _ = writeln!(text, "{}\t{}", alias.ip, alias.hostnames.join("\t"));
        }
    }
    text
}

/// At most this many name servers and search domains, as the kubelet cuts them.
const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;

/// `/etc/resolv.conf`, by `dnsPolicy` and `dnsConfig`.
pub(super) fn resolv_conf(pod: &Pod, hands: &Hands<'_>) -> String {
    let networking = &hands.config.networking;
    let (namespace, domain) = (&pod.metadata.namespace, &networking.dns_domain);
    let cluster = match pod.spec.dns_policy.unwrap_or_default() {
        DnsPolicy::ClusterFirst => !pod.spec.host_network,
        DnsPolicy::ClusterFirstWithHostNet => true,
        DnsPolicy::Default | DnsPolicy::None => false,
    };
    let (mut servers, mut searches, mut options) = if cluster {
        let searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        (vec![networking.cluster_dns.to_string()], searches, vec![("ndots".to_owned(), Some("5".to_owned()))])
    } else if pod.spec.dns_policy == Some(DnsPolicy::None) {
        (Vec::new(), Vec::new(), Vec::new())
    } else {
        (vec![hands.config.gateway().to_string()], Vec::new(), Vec::new())
    };
    if let Some(own) = &pod.spec.dns_config {
        let more = |all: &mut Vec<String>, new: &[String]| {
            for text in new {
                if !all.contains(text) {
                    all.push(text.clone());
                }
            }
        };
        more(&mut servers, &own.nameservers);
        more(&mut searches, &own.searches);
        for option in &own.options {
            match options.iter_mut().find(|(name, _)| *name == option.name) {
                Some((_, value)) => value.clone_from(&option.value),
                None => options.push((option.name.clone(), option.value.clone())),
            }
        }
    }
    servers.truncate(NAMESERVERS_MAX);
    searches.truncate(SEARCHES_MAX);
    render(&servers, &searches, &options)
}

fn render(servers: &[String], searches: &[String], options: &[(String, Option<String>)]) -> String {
    let mut text = String::new();
    if !searches.is_empty() {
        let _ = writeln!(text, "search {}", searches.join(" "));
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !options.is_empty() {
        let words: Vec<String> = options
            .iter()
            .map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |v| format!("{name}:{v}")))
            .collect();
        let _ = writeln!(text, "options {}", words.join(" "));
    }
    text
}
