//! The files that the kubelet writes into every container.

use std::fmt::Write;
use std::net::IpAddr;

use super::dns::{NodeDns, ResolvLines};
use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::objects::Pod;

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

/// What the kubelet of a pod's node knows of name servers: the cluster's from the configuration, its own from the node's file.
pub(super) fn node_dns(pod: &Pod, hands: &Hands<'_>) -> NodeDns {
    let networking = &hands.config.networking;
    let node = hands.machines.get(&Place::Node(pod.spec.node_name.clone()));
    let own = node.and_then(|m| m.files.read_text("/etc/resolv.conf").ok()).unwrap_or_default();
    NodeDns {
        cluster_dns: vec![networking.kubelet_dns().to_string()],
        cluster_domain: networking.dns_domain.clone(),
        own: ResolvLines::parse(&own),
    }
}
