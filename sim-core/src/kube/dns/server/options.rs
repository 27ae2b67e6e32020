//! What a Corefile says, as far as it changes answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::name;

/// How the plugin answers `1-2-3-4.NAMESPACE.pod.ZONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodsMode {
    /// Not at all; the plugin's own default.
    #[default]
    Disabled,
    /// With the address in the name, if the namespace exists; kubeadm's choice.
    Insecure,
    /// Only if a pod of that namespace has the address.
    Verified,
}

/// Settings of one server block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Zones of the kubernetes plugin, absolute and lower case; the first that is not a reverse zone is the primary one.
    pub zones: Vec<String>,
    /// Zones whose unknown names go to the next plugin; none: no zone.
    pub fallthrough: Vec<String>,
    /// Namespaces that are shown; empty: all.
    pub namespaces: Vec<String>,
    /// Pod names.
    pub pods: PodsMode,
    /// TTL of the plugin's records in seconds.
    pub ttl: u32,
    /// Endpoints without a hostname are called as their pod.
    pub endpoint_pod_names: bool,
    /// A `ClusterIP` Service without ready endpoints does not exist.
    pub ignore_empty_service: bool,
    /// Addresses that the process listens on.
    pub bound: Vec<IpAddr>,
    /// Shuffle addresses.
    pub loadbalance: bool,
    /// Longest time in the cache in seconds; none: no cache plugin.
    pub cache: Option<u32>,
    /// Zones that are not cached.
    pub uncached: Vec<String>,
    /// Servers that know the other names.
    pub upstreams: Vec<SocketAddr>,
    /// How long an upstream server may take for one try.
    pub upstream_timeout: Duration,
}

impl Options {
    /// What kubeadm's Corefile says, for a cluster domain, CoreDNS' own addresses and the servers of the node's resolv.conf.
    #[must_use]
    pub fn kubeadm(domain: &str, bound: Vec<IpAddr>, upstreams: Vec<SocketAddr>) -> Self {
        let zone = name::absolute(domain).to_ascii_lowercase();
        let reverse = ["in-addr.arpa.", "ip6.arpa."].map(str::to_owned);
        Self {
            zones: std::iter::once(zone.clone()).chain(reverse.clone()).collect(),
            fallthrough: reverse.to_vec(),
            namespaces: Vec::new(),
            pods: PodsMode::Insecure,
            ttl: 30,
            endpoint_pod_names: false,
            ignore_empty_service: false,
            bound,
            loadbalance: true,
            cache: Some(30),
            uncached: vec![zone],
            upstreams,
            upstream_timeout: Duration::from_secs(2),
        }
    }

    /// The plugin's zone that a name is in: the longest that fits.
    pub(super) fn zone_of(&self, name: &str) -> Option<&str> {
        let fits = self.zones.iter().filter(|z| name::zone_start(name, z).is_some());
        fits.max_by_key(|z| z.len()).map(String::as_str)
    }

    pub(super) fn falls_through(&self, name: &str) -> bool {
        self.fallthrough.iter().any(|z| name::zone_start(name, z).is_some())
    }

    pub(super) fn is_uncached(&self, name: &str) -> bool {
        self.uncached.iter().any(|z| name::zone_start(name, z).is_some())
    }

    /// The zone under which pointers lead.
    pub(super) fn primary_zone(&self) -> &str {
        let is_reverse = |z: &str| z.ends_with("in-addr.arpa.") || z.ends_with("ip6.arpa.");
        self.zones.iter().find(|z| !is_reverse(z)).map_or("", String::as_str)
    }
}
