//! The modes of kube-proxy: each knows what it has programmed, and changes what has to be changed.
//!
//! A mode is a file here: its state on one node for one address family, with a `sync` that takes a [`Round`]. What it writes (texts of
//! rules) stands in a module of its own next to this one.

mod iptables;
mod ipvs;
mod nftables;

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use iptables::Iptables;
pub use ipvs::Ipvs;
pub use nftables::Nftables;
pub(super) use nftables::run as run_nft;

use super::model::PortKey;
use super::select::{Selection, Viewpoint, select};
use super::services::{Entry, ServiceMap};
use crate::linux::Netns;
use crate::linux::netfilter::RestoreError;
use crate::time::SimTime;

/// kube-proxy's way of programming a node, and what it has programmed.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Chains of iptables rules.
    Iptables(Box<Iptables>),
    /// Maps of nftables.
    Nftables(Box<Nftables>),
    /// Virtual servers.
    Ipvs(Box<Ipvs>),
}

/// What one sync works with.
#[derive(Debug)]
pub struct Round<'a> {
    /// The service ports of the cluster.
    pub services: &'a ServiceMap,
    /// Those that changed or are gone; in a full sync all that there are, too.
    pub changed: &'a [PortKey],
    /// Everything is written, whatever was written before.
    pub full: bool,
    /// The node.
    pub here: Viewpoint<'a>,
    /// What nodes share in this round.
    pub shared: &'a mut Shared,
    /// Where the rules go: the node's network namespace.
    pub ns: &'a mut Netns,
    /// The time.
    pub now: SimTime,
}

impl Round<'_> {
    /// The endpoints of a service port that count on this node.
    fn select<'e>(&self, entry: &'e Entry) -> Selection<'e> {
        select(&entry.service, &entry.endpoints, self.here)
    }
}

/// What nodes that see the same Services share while they are written.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// There is only one node: it would share with nobody.
    alone: bool,
    iptables: iptables::Texts,
    nftables: Blocks<super::nftables::Block, super::nftables::Settings>,
}

impl Shared {
    /// For a single node.
    #[must_use]
    pub fn alone() -> Self {
        Self { alone: true, ..Self::default() }
    }
}

/// Blocks that are the same on every node that is configured so.
#[derive(Clone, Debug)]
struct Blocks<B, S> {
    /// For look-ups only.
    by_port: FxHashMap<PortKey, Arc<B>>,
    /// What they were made for.
    settings: Option<S>,
}

impl<B, S> Default for Blocks<B, S> {
    fn default() -> Self {
        Self { by_port: FxHashMap::default(), settings: None }
    }
}

impl<B, S: PartialEq> Blocks<B, S> {
    /// Whether what is there was made for these settings; if it was not, it goes.
    fn keep_for(&mut self, settings: S) -> bool {
        let same = self.settings.as_ref() == Some(&settings);
        if !same {
            *self = Self { settings: Some(settings), ..Self::default() };
        }
        same
    }
}

/// Why a sync failed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// `iptables-restore` refused the rules.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// `nft` refused the rules; what it wrote.
    #[error("nft: {0}")]
    Nft(String),
    /// The kernel refused a device, an address, a switch or a set; what was said.
    #[error("ipvs: {0}")]
    Ipvs(String),
    /// `iptables` refused a jump; what it wrote.
    #[error("{0}")]
    Jump(String),
}

impl Mode {
    /// Brings the node's rules up to date.
    ///
    /// # Errors
    /// The rules are refused.
    pub fn sync(&mut self, round: &mut Round<'_>) -> Result<(), SyncError> {
        match self {
            Self::Iptables(mode) => mode.sync(round),
            Self::Nftables(mode) => mode.sync(round),
            Self::Ipvs(mode) => mode.sync(round),
        }
    }

    /// Begins on a node where kube-proxy has run before, in this mode or another.
    ///
    /// # Errors
    /// Rules are refused.
    pub fn take_over(&mut self, ns: &mut Netns) -> Result<(), SyncError> {
        match self {
            Self::Iptables(mode) => mode.take_over(ns)?,
            Self::Nftables(mode) => mode.take_over(),
            Self::Ipvs(mode) => mode.take_over(ns),
        }
        Ok(())
    }

    /// Takes in the node's own address, which shows in rules for some Services only.
    pub fn set_node_ip(&mut self, ip: Option<IpAddr>) {
        match self {
            Self::Iptables(mode) => mode.set_node_ip(ip),
            Self::Nftables(mode) => mode.set_node_ip(ip),
            Self::Ipvs(mode) => mode.set_node_ip(ip),
        }
    }

    /// What nft is to be told of the node's address, if anything was written yet.
    #[must_use]
    pub fn node_elements(&self, ip: IpAddr) -> Option<String> {
        match self {
            Self::Nftables(mode) => mode.node_elements(ip),
            Self::Iptables(_) | Self::Ipvs(_) => None,
        }
    }

    /// Whether somebody else has changed what every periodic sync would put right. In nftables mode a sync writes what has changed and nothing
    /// else, so that it notices a missing table only when the next change fails.
    #[must_use]
    pub fn is_disturbed(&self, ns: &Netns) -> bool {
        match self {
            Self::Iptables(mode) => mode.is_disturbed(ns),
            Self::Nftables(_) => false,
            Self::Ipvs(mode) => mode.is_disturbed(ns),
        }
    }

    /// Whether a sync always writes everything: there are no partial ones in IPVS mode.
    #[must_use]
    pub const fn is_always_full(&self) -> bool {
        matches!(self, Self::Ipvs(_))
    }

    /// Whether chains or real servers are left that nobody uses any more, to be deleted later.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        match self {
            Self::Iptables(mode) => mode.has_stale(),
            Self::Nftables(mode) => mode.has_stale(),
            Self::Ipvs(mode) => mode.has_stale(),
        }
    }
}
