//! Names of the chains that kube-proxy makes: a hash keeps them short enough for the kernel, and the same on every node.

use data_encoding::BASE32;
use sha2::{Digest, Sha256};

/// What a chain of iptables mode is for; the word is the middle of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceChain {
    /// `KUBE-SVC-`: the endpoints of the whole cluster.
    Cluster,
    /// `KUBE-SVL-`: the endpoints of this node.
    Local,
    /// `KUBE-EXT-`: entry from outside the cluster.
    External,
    /// `KUBE-FW-`: `loadBalancerSourceRanges`.
    Firewall,
    /// `KUBE-XLB-`: entry from outside with local endpoints only, before 1.24.
    ExternalLocal,
}

impl ServiceChain {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Cluster => "KUBE-SVC-",
            Self::Local => "KUBE-SVL-",
            Self::External => "KUBE-EXT-",
            Self::Firewall => "KUBE-FW-",
            Self::ExternalLocal => "KUBE-XLB-",
        }
    }
}

/// Whether a chain of table nat is one of a service port's or endpoint's (`isServiceChainName`).
#[must_use]
pub fn is_service_chain(chain: &str) -> bool {
    ["KUBE-SVC-", "KUBE-SEP-", "KUBE-FW-", "KUBE-EXT-", "KUBE-SVL-", "KUBE-XLB-"]
        .iter()
        .any(|prefix| chain.starts_with(prefix))
}

/// The name of a service port in comments and hashes since 1.19: `namespace/name`, with `:port` if the port has a name.
#[must_use]
pub fn service_port_name(namespace: &str, name: &str, port: &str) -> String {
    if port.is_empty() { format!("{namespace}/{name}") } else { format!("{namespace}/{name}:{port}") }
}

/// Name of a service port's chain in iptables mode. `protocol` is lower-case.
#[must_use]
pub fn iptables_service_chain(kind: ServiceChain, service_port_name: &str, protocol: &str) -> String {
    let [name] = iptables_service_chains([kind], service_port_name, protocol);
    name
}

/// Names of several of a service port's chains, which share their hash.
#[must_use]
pub fn iptables_service_chains<const N: usize>(
    kinds: [ServiceChain; N],
    service_port_name: &str,
    protocol: &str,
) -> [String; N] {
    let hash = hash(&[service_port_name, protocol], 16);
    kinds.map(|kind| [kind.prefix(), &hash].concat())
}

/// Name of an endpoint's chain in iptables mode. `endpoint` is `ip:port`, an IPv6 address in brackets.
#[must_use]
pub fn iptables_endpoint_chain(service_port_name: &str, protocol: &str, endpoint: &str) -> String {
    format!("KUBE-SEP-{}", hash(&[service_port_name, protocol, endpoint], 16))
}

/// Decimals of a probability since 1.17; before, there were five.
pub const PROBABILITY_DIGITS: usize = 10;

/// One in `endpoints`, as a rule that balances between that many is given it.
#[must_use]
pub fn probability(endpoints: usize, digits: usize) -> String {
    format!("{:.digits$}", 1.0 / endpoints as f64)
}

/// What follows `service-`, `local-`, `external-` and `firewall-` in nftables mode.
#[must_use]
pub fn nftables_service_base(namespace: &str, name: &str, protocol: &str, port: &str) -> String {
    nftables_base(&format!("{namespace}/{name}/{protocol}/{port}"))
}

/// What follows `endpoint-` and `affinity-` in nftables mode.
#[must_use]
pub fn nftables_endpoint_base(
    namespace: &str,
    name: &str,
    protocol: &str,
    port: &str,
    ip: &str,
    endpoint_port: u16,
) -> String {
    // A colon cannot stand in an nft identifier.
    let ip = ip.replace(':', ".");
    nftables_base(&format!("{namespace}/{name}/{protocol}/{port}__{ip}/{endpoint_port}"))
}

/// The hash makes the name unique, the rest makes it readable; cut to what the kernel takes.
fn nftables_base(input: &str) -> String {
    const LENGTH_MAX: usize = 240;
    let mut base = format!("{}-{input}", hash(&[input], 8));
    if base.len() > LENGTH_MAX {
        let mut end = LENGTH_MAX - 3;
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        base.truncate(end);
        base.push_str("...");
    }
    base
}

/// The first `length` characters of the base32 of the SHA-256 of the joined parts.
fn hash(parts: &[&str], length: usize) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    let mut text = BASE32.encode(&sha.finalize());
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_named_as_kube_proxy_names_them() {
        // Kubernetes, pkg/proxy/iptables: the example of its tests; and two seen on clusters.
        let chain = |kind, name| iptables_service_chain(kind, name, "tcp");
        assert_eq!(chain(ServiceChain::Cluster, "ns1/svc1:p80"), "KUBE-SVC-XPGD46QRK7WJZT7O");
        assert_eq!(chain(ServiceChain::Firewall, "ns1/svc1:p80"), "KUBE-FW-XPGD46QRK7WJZT7O");
        assert_eq!(chain(ServiceChain::Cluster, "default/kubernetes:https"), "KUBE-SVC-NPX46M4PTMTKRN6Y");
        assert_eq!(
            iptables_endpoint_chain("ns1/svc1:p80", "tcp", "10.180.0.1:80"),
            "KUBE-SEP-SXIVWICOYRO3J4NJ"
        );
    }

    #[test]
    fn nftables_names_keep_the_service_readable() {
        assert_eq!(nftables_service_base("ns4", "svc4", "tcp", "p80"), "LAUZTJTB-ns4/svc4/tcp/p80");
        let long = nftables_service_base(&"n".repeat(63), &"s".repeat(63), "tcp", &"p".repeat(120));
        assert_eq!(long.len(), 240);
        assert!(long.ends_with("..."));
    }

    #[test]
    fn a_port_without_a_name_leaves_no_colon() {
        assert_eq!(service_port_name("default", "svc-a", ""), "default/svc-a");
        assert_eq!(service_port_name("default", "svc-a", "http"), "default/svc-a:http");
    }
}
