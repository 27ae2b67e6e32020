//! nftables mode: the rules of today's layout (1.33 and later) as `nft -f` input.
//!
//! ```text
//!  nat-prerouting, nat-output ─► services ─► @service-ips ─► service-… ─► endpoint-… ─► dnat
//!                                   │           └► external-… ─► service-…, local-…
//!                                   └► @service-nodeports ─► external-…
//!  nat-postrouting ─► masquerading
//!  filter …-pre-dnat ─► firewall-check ─► @firewall-ips ─► firewall-… ─► drop
//!  filter forward, input, output ─► @no-endpoint-services, @no-endpoint-nodeports ─► drop, reject-chain
//! ```
//!
//! A packet meets maps, never a list of Services. Table `kube-proxy` stands once in family `ip` and once in `ip6`. The rules of one service
//! port are a [`Block`]; [`base`] is what is there without any Service.

mod base;
mod block;

use std::net::IpAddr;

use ipnet::IpNet;

pub use base::{base, node_port_address};
pub use block::{Block, Chain, Element, block};

use super::iptables::Detector;
use crate::trace::Family;

/// kube-proxy's configuration as far as it shows in rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which of the two tables.
    pub family: Family,
    /// How it tells this cluster's pods from others.
    pub detector: Detector,
    /// Masquerade all traffic to cluster IPs, not just that from outside.
    pub masquerade_all: bool,
    /// The mark bit.
    pub mark: u32,
    /// Addresses of the node that take node ports; the node's own address by default.
    pub node_port_addresses: Vec<IpAddr>,
    /// The node's own address.
    pub node_ip: Option<IpAddr>,
    /// Where cluster IPs are allocated; what nobody has is dropped.
    pub service_subnets: Vec<IpNet>,
}

impl Settings {
    /// `ip` or `ip6`: the table's family, and the name of the header in matches.
    #[must_use]
    pub const fn ip(&self) -> &'static str {
        match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    const fn address_type(&self) -> &'static str {
        match self.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        }
    }
}

impl Detector {
    /// The nftables match for pods of this cluster (`is_local`) or for everybody else.
    fn nftables(&self, ip: &str, is_local: bool) -> Option<String> {
        let not = if is_local { "" } else { "!= " };
        match self {
            Self::None => None,
            Self::Cidr(net) => Some(format!("{ip} saddr {not}{net}")),
            Self::Bridge(name) => Some(format!("iifname {not}{name}")),
            Self::InterfacePrefix(prefix) => Some(format!("iifname {not}{prefix}*")),
        }
    }
}

#[cfg(test)]
mod tests;
