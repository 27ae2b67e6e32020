//! iptables mode: rules as `iptables-restore` input, in today's layout (1.28 and later) or an earlier [`Dialect`].
//!
//! ```text
//!  nat PREROUTING, OUTPUT ─► KUBE-SERVICES ─► KUBE-SVC-… ─► KUBE-SEP-… ─► DNAT
//!                              │   └► KUBE-FW-… ─► KUBE-EXT-… ─► KUBE-SVC-…, KUBE-SVL-…
//!                              └► KUBE-NODEPORTS ─► KUBE-EXT-…
//!  nat POSTROUTING ─► KUBE-POSTROUTING ─► MASQUERADE what KUBE-MARK-MASQ marked
//! ```
//!
//! The rules of one service port are a [`Block`]; [`sync`] puts blocks and the fixed chains together. As in kube-proxy, only the chains of
//! changed service ports are rewritten, the fixed chains always. Services come in order of their names, where kube-proxy has none.

mod block;
mod dialect;
mod external;
mod fixed;
mod xlb;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

pub use block::{Block, block};
pub use dialect::{Dialect, EndpointComment, Entry};
pub use fixed::{base_rules, jumps, own_chains};
use fixed::{end_of_nat, filter_chains, filter_rules, nat_chains, nat_rules};

use super::model::PortKey;
use crate::trace::{Family, TableId};

/// kube-proxy's configuration as far as it shows in rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// iptables or ip6tables.
    pub family: Family,
    /// How it tells this cluster's pods from others.
    pub detector: Detector,
    /// Masquerade all traffic to cluster IPs, not just that from outside.
    pub masquerade_all: bool,
    /// Whether iptables knows `--random-fully`.
    pub random_fully: bool,
    /// Node ports on loopback addresses (IPv4 only).
    pub localhost_node_ports: bool,
    /// Conntrack takes packets outside the TCP window for valid, so INVALID ones need not be dropped.
    pub conntrack_liberal: bool,
    /// Packets are counted with nfacct objects.
    pub nfacct: bool,
    /// The mark bit.
    pub mark: u32,
    /// Addresses of the node that take node ports; `None` for all.
    pub node_port_addresses: Option<Vec<std::net::IpAddr>>,
    /// The node's own address.
    pub node_ip: Option<std::net::IpAddr>,
    /// More than 1,000 endpoints: rules that lead to endpoints go without comments.
    pub large_cluster: bool,
    /// The layout.
    pub dialect: Dialect,
}

impl Settings {
    /// What kubeadm configures for a cluster with this pod subnet.
    #[must_use]
    pub const fn kubeadm(pod_subnet: IpNet) -> Self {
        Self {
            family: match pod_subnet {
                IpNet::V4(_) => Family::V4,
                IpNet::V6(_) => Family::V6,
            },
            detector: Detector::Cidr(pod_subnet),
            masquerade_all: false,
            random_fully: true,
            localhost_node_ports: true,
            conntrack_liberal: false,
            nfacct: false,
            mark: 0x4000,
            node_port_addresses: None,
            node_ip: None,
            large_cluster: false,
            dialect: Dialect::TODAY,
        }
    }

    /// The same configuration in the layout of Kubernetes 1.`minor`.
    #[must_use]
    pub fn in_dialect(self, minor: u16) -> Self {
        Self { dialect: Dialect::of_minor(minor), random_fully: self.random_fully && minor >= 16, ..self }
    }

    /// Node ports on 127.0.0.0/8 exist in IPv4 only.
    fn localhost(&self) -> bool {
        self.localhost_node_ports && self.family == Family::V4
    }
}

/// How kube-proxy tells traffic of this cluster's pods from other traffic (`detectLocalMode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detector {
    /// It does not.
    None,
    /// By source address.
    Cidr(IpNet),
    /// By the bridge that the packet came in by.
    Bridge(String),
    /// By the beginning of the name of the interface that the packet came in by.
    InterfacePrefix(String),
}

impl Detector {
    /// The match for pods of this cluster.
    fn local(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Cidr(net) => Some(format!("-s {net}")),
            Self::Bridge(name) => Some(format!("-i {name}")),
            Self::InterfacePrefix(prefix) => Some(format!("-i {prefix}+")),
        }
    }

    /// The match for everybody else.
    fn not_local(&self) -> Option<String> {
        self.local().map(|m| format!("! {m}"))
    }
}

/// Which chains a sync rewrites.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// Service ports whose chains are written; `None` for all.
    pub changed: Option<&'a [PortKey]>,
    /// Chains that no service port uses any more.
    pub stale: &'a [String],
    /// The fixed chains of the filter table are known to hold what would be written.
    pub same_filter: bool,
    /// So are those of the nat table.
    pub same_nat: bool,
}

impl Changes<'_> {
    /// Everything is written.
    pub const ALL: Self = Self { changed: None, stale: &[], same_filter: false, same_nat: false };
}

/// The fixed chains of the two tables, which every sync rewrites.
#[must_use]
pub fn fixed_chains(settings: &Settings) -> [(TableId, Vec<String>); 2] {
    let (mut filter, mut nat) = (String::new(), String::new());
    filter_chains(settings, &mut filter);
    nat_chains(&mut nat);
    let names = |text: &str| {
        let name = |line: &str| line.trim_start_matches(':').split(' ').next().unwrap_or_default().to_owned();
        text.lines().map(name).collect()
    };
    [(TableId::Filter, names(&filter)), (TableId::Nat, names(&nat))]
}

/// The text of one sync, for `iptables-restore --noflush`.
#[must_use]
pub fn sync(settings: &Settings, blocks: &BTreeMap<PortKey, Arc<Block>>, changes: Changes<'_>) -> String {
    let written: Vec<&Block> = match changes.changed {
        None => blocks.values().map(|b| &**b).collect(),
        Some(keys) => keys.iter().filter_map(|k| blocks.get(k)).map(|b| &**b).collect(),
    };
    let size = written.iter().map(|b| b.chain_rules.len() + 40 * b.chains.len()).sum::<usize>();
    let fixed = if changes.same_filter && changes.same_nat { 0 } else { 400 * blocks.len() };
    let mut text = String::with_capacity(4096 + size + fixed);
    text.push_str("*filter\n");
    if changes.same_filter {
        only_zero(settings, TableId::Filter, &mut text);
    } else {
        filter_chains(settings, &mut text);
        for b in blocks.values() {
            text.push_str(&b.filter_rules);
        }
        filter_rules(settings, &mut text);
    }
    text.push_str("COMMIT\n*nat\n");
    if changes.same_nat {
        only_zero(settings, TableId::Nat, &mut text);
    } else {
        nat_chains(&mut text);
    }
    for chain in written.iter().flat_map(|b| &b.chains).chain(changes.stale) {
        text.extend([":", chain, " - [0:0]\n"]);
    }
    if !changes.same_nat {
        nat_rules(settings, &mut text);
        for b in blocks.values() {
            text.push_str(&b.entry_rules);
        }
    }
    for b in written {
        text.push_str(&b.chain_rules);
    }
    if !changes.same_nat {
        end_of_nat(settings, &mut text);
    }
    for chain in changes.stale {
        text.extend(["-X ", chain, "\n"]);
    }
    text.push_str("COMMIT\n");
    text
}

/// What writing the same rules once more comes to: they have counted nothing yet.
fn only_zero(settings: &Settings, table: TableId, text: &mut String) {
    for (_, chains) in fixed_chains(settings).iter().filter(|(id, _)| *id == table) {
        for chain in chains {
            text.extend(["-Z ", chain, "\n"]);
        }
    }
}

#[cfg(test)]
mod tests;
