//! IPVS mode: virtual servers in the kernel, addresses on a dummy device, sets of addresses and ports, and a fixed lot of iptables rules that
//! ask the sets.
//!
//! ```text
//!  nat PREROUTING, OUTPUT ─► KUBE-SERVICES ─► @KUBE-CLUSTER-IP, … ─► KUBE-MARK-MASQ
//!  INPUT or OUTPUT ─► virtual server ─► endpoint ─► nat POSTROUTING ─► KUBE-POSTROUTING ─► MASQUERADE what is marked
//! ```
//!
//! What one service port needs is a [`Block`]; [`rules`] writes the rules, which depend only on which sets have entries. Entries of load
//! balancer ranges of length 0 are left out, because sets take none.

mod block;
mod rules;
mod sets;

pub use block::{Block, Here, VirtualServer, block};
pub use rules::{jumps, rules};
pub use sets::{ALL as SETS, SetId};

use std::net::IpAddr;

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
    /// The layout up to 1.24: source ranges are checked in table nat, and the node's own ports can be reached by way of virtual addresses.
    pub older: bool,
    /// The node's own address.
    pub node_ip: Option<IpAddr>,
}

#[cfg(test)]
mod tests;
