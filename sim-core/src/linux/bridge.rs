//! Bridges: ports and the forwarding database.

use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::IfId;

/// How long a learned address is believed (`ageing_time`).
pub const AGEING: Duration = Duration::from_secs(300);

/// A bridge's state. The bridge is an interface of its own as well: frames for its address go up to the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bridge {
    /// Ports, newest first, as the kernel lists them; a flood goes out in this order.
    pub ports: Vec<IfId>,
    /// Forwarding database: address to where it is.
    pub fdb: IndexMap<MacAddr, FdbEntry, FxBuildHasher>,
    /// Somebody has set the MTU; else it is the least of the ports' (`BROPT_MTU_SET_BY_USER`).
    pub mtu_set: bool,
    /// Nobody gave the bridge an address, so it takes the lowest one of its ports (`br_stp_recalculate_bridge_id`).
    pub mac_of_ports: bool,
    /// Times of the spanning tree protocol that were set, which does not run here: they are shown.
    pub stp_times: StpTimes,
}

/// `forward_delay`, `hello_time` and `max_age` of a bridge, in hundredths of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StpTimes {
    /// How long a port listens and learns before it forwards.
    pub forward_delay: u32,
    /// Between two messages of the root.
    pub hello_time: u32,
    /// How long a message is believed.
    pub max_age: u32,
}

impl Default for StpTimes {
    fn default() -> Self {
        Self { forward_delay: 1500, hello_time: 200, max_age: 2000 }
    }
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdbEntry {
    /// The port, or the bridge itself.
    pub port: IfId,
    /// When a frame from the address was last seen.
    pub seen: SimTime,
    /// Never forgotten (`permanent`: an address of the bridge or a port; `static`: set by hand).
    pub kind: FdbKind,
}

/// How an entry came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdbKind {
    /// An address of this host.
    Local,
    /// Set by hand.
    Static,
    /// Learned from a frame's source.
    Learned,
}

impl Bridge {
    /// Notes that a frame from `mac` came in by `port`.
    pub fn learn(&mut self, mac: MacAddr, port: IfId, now: SimTime) {
        if mac.is_group() {
            return;
        }
        match self.fdb.get_mut(&mac) {
            Some(e) if e.kind == FdbKind::Learned => {
                *e = FdbEntry { port, seen: now, kind: FdbKind::Learned }
            }
            // An entry set by hand follows the station as well (`br_fdb_update`).
            Some(e) if e.kind == FdbKind::Static => e.port = port,
            Some(_) => {}
            None => {
                self.fdb.insert(mac, FdbEntry { port, seen: now, kind: FdbKind::Learned });
            }
        }
    }

    /// Where `mac` is, if that is known and not too long ago.
    #[must_use]
    pub fn find(&self, mac: MacAddr, now: SimTime) -> Option<FdbEntry> {
        let e = *self.fdb.get(&mac)?;
        (e.kind != FdbKind::Learned || now.since(e.seen) < AGEING).then_some(e)
    }

    /// Makes `port` a port and its address known.
    pub fn add_port(&mut self, port: IfId, mac: MacAddr) {
        self.ports.insert(0, port);
        self.fdb.insert(mac, FdbEntry { port, seen: SimTime::ZERO, kind: FdbKind::Local });
    }

    /// Takes a port away with everything known behind it.
    pub fn remove_port(&mut self, port: IfId) {
        self.ports.retain(|p| *p != port);
        self.fdb.retain(|_, e| e.port != port);
    }

    /// Forgets what was learned behind a port, as a port going down does.
    pub fn flush_port(&mut self, port: IfId) {
        self.fdb.retain(|_, e| e.port != port || e.kind == FdbKind::Local);
    }
}
