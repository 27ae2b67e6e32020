//! kube-proxy as an agent: writes the rules of its node in the mode that the cluster has chosen.

use std::net::IpAddr;
use std::time::Duration;

use super::cleanup::clean_up;
use super::mode::{Mode, Round, Shared, SyncError};
use super::model::PortKey;
use super::select::Viewpoint;
use super::services::ServiceMap;
use crate::linux::Netns;
use crate::time::SimTime;
use crate::trace::NsId;

/// After this time everything is written again.
const FULL_SYNC_PERIOD: Duration = Duration::from_secs(3600);

/// kube-proxy on one node, for one address family.
#[derive(Clone, Debug)]
pub struct NodeProxy {
    node: String,
    zone: String,
    ns: NsId,
    mode: Mode,
    /// When everything was last written; none before that, or if the last sync failed.
    full_sync: Option<SimTime>,
}

impl NodeProxy {
    /// A proxy that has written nothing yet.
    #[must_use]
    pub fn new(node: &str, zone: &str, ns: NsId, mode: Mode) -> Self {
        Self { node: node.to_owned(), zone: zone.to_owned(), ns, mode, full_sync: None }
    }

    /// Begins where another process has been.
    ///
    /// # Errors
    /// Rules are refused.
    pub fn take_over(&mut self, ns: &mut Netns) -> Result<(), SyncError> {
        self.mode.take_over(ns)
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The node's network namespace.
    #[must_use]
    pub const fn ns(&self) -> NsId {
        self.ns
    }

    /// Takes in the node's zone; another one than before makes the next sync a full one.
    pub fn set_zone(&mut self, zone: &str) -> bool {
        let changed = self.zone != zone;
        if changed {
            zone.clone_into(&mut self.zone);
            self.full_sync = None;
        }
        changed
    }

    /// The same proxy on another node, which has what this one wrote.
    #[must_use]
    pub fn on(&self, node: &str, zone: &str, ns: NsId, ip: Option<IpAddr>) -> Self {
        let mut mode = self.mode.clone();
        mode.set_node_ip(ip);
        Self { node: node.to_owned(), zone: zone.to_owned(), ns, mode, full_sync: self.full_sync }
    }

    /// What nft is told on a node of this address beside what this proxy, which has none, has told it.
    #[must_use]
    pub fn node_elements(&self, ip: IpAddr) -> Option<String> {
        self.mode.node_elements(ip)
    }

    /// Whether somebody else has changed what it has written.
    #[must_use]
    pub fn is_disturbed(&self, ns: &Netns) -> bool {
        self.full_sync.is_some() && self.mode.is_disturbed(ns)
    }

    /// Whether something is to be taken away that had to be left for a while, or the last sync failed.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.full_sync.is_none() || self.mode.has_stale()
    }

    /// Writes the rules of service ports that changed; all rules the first time, after a failure and once an hour. Then UDP flows
    /// follow. `ns` is the node's, `now` the time.
    ///
    /// # Errors
    /// The rules are refused.
    pub fn sync(
        &mut self,
        services: &ServiceMap,
        changed: &[PortKey],
        shared: &mut Shared,
        ns: &mut Netns,
        now: SimTime,
    ) -> Result<(), SyncError> {
        let full = self.full_sync.is_none_or(|last| now >= last + FULL_SYNC_PERIOD)
            || self.mode.is_always_full() && self.mode.is_disturbed(ns);
        let all: Vec<PortKey>;
        let changed = if full {
            let gone = changed.iter().filter(|key| services.get(key).is_none());
            all = services.iter().map(|(key, _)| key).chain(gone).cloned().collect();
            &all[..]
        } else {
            changed
        };
        let here = Viewpoint { node: &self.node, zone: &self.zone };
        let last = self.full_sync.take();
        self.mode.sync(&mut Round { services, changed, full, here, shared, ns, now })?;
        self.full_sync = if full { Some(now) } else { last };
        let ports = changed.iter().filter_map(|k| services.get(k));
        clean_up(&mut ns.conntrack, ports.map(|e| (&e.service, &e.endpoints[..])));
        Ok(())
    }
}
