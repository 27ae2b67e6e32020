//! IPVS mode: virtual servers in the kernel, addresses on a dummy device, sets of addresses and ports, and a fixed lot of iptables rules that
//! ask the sets.
//!
//! ```text
//!  nat PREROUTING, OUTPUT ─► KUBE-SERVICES ─► @KUBE-CLUSTER-IP, … ─► KUBE-MARK-MASQ
//!  INPUT or OUTPUT ─► virtual server ─► endpoint ─► nat POSTROUTING ─► KUBE-POSTROUTING ─► MASQUERADE what is marked
//! ```
//!
//! What one service port needs is a [`Block`]; [`rules`] writes the rules, which depend only on which sets have entries and on which load
//! balancer addresses the node itself must not use. Entries of load
//! balancer ranges of length 0 are left out, because sets take none.

mod block;
mod rules;
mod sets;

pub use block::{Block, Here, VirtualServer, block};
pub use rules::{chains, chains_to_clean, jumps, rules};
pub use sets::{ALL as SETS, SetId};

use std::net::IpAddr;

use ipnet::IpNet;

use super::iptables::Detector;
use crate::linux::ipvs::Scheduler;
use crate::trace::Family;

/// The device that has the virtual addresses.
pub const DEVICE: &str = "kube-ipvs0";

/// kube-proxy's configuration as far as it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose virtual servers.
    pub family: Family,
    /// How it tells this cluster's pods from others.
    pub detector: Detector,
    /// Masquerade all traffic to cluster IPs, not just that from outside.
    pub masquerade_all: bool,
    /// Whether iptables knows `--random-fully`.
    pub random_fully: bool,
    /// The mark bit.
    pub mark: u32,
    /// How virtual servers choose (`ipvs.scheduler`).
    pub scheduler: Scheduler,
    /// Whose layout.
    pub layout: Layout,
    /// Networks whose addresses take node ports (`nodePortAddresses`); none for all addresses.
    pub node_port_addresses: Option<Vec<IpNet>>,
    /// The node's own address.
    pub node_ip: Option<IpAddr>,
}

/// How the rules are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Up to 1.24: source ranges are checked in table nat.
    Nat,
    /// 1.25: they are checked in table filter.
    Filter,
    /// 1.26 to 1.28: the node's own ports can no longer be reached by way of virtual addresses.
    Access,
    /// Since 1.29: source ranges hold for the node itself, too.
    OutFilter,
}

impl Layout {
    /// The layout of Kubernetes 1.`minor`.
    #[must_use]
    pub const fn of_minor(minor: u16) -> Self {
        match minor {
            0..=24 => Self::Nat,
            25 => Self::Filter,
            26..=28 => Self::Access,
            _ => Self::OutFilter,
        }
    }
}

#[cfg(test)]
mod tests;
