//! IP virtual servers (IPVS): one address and port in front of several servers.
//!
//! ```text
//!  client ─► INPUT or OUTPUT: virtual server 10.96.0.10:53 ─► connection ─► real server 10.244.1.5:53 ─► OUTPUT ─► POSTROUTING
//!  client ◄─ FORWARD, INPUT or OUTPUT: the same connection gives the answer the virtual server's address back ◄─ real server
//! ```
//!
//! A [`Service`] is a virtual server with its [`Dest`]inations, the real servers; a [`Conn`] remembers which client goes where. The
//! virtual address must be one of this host, or the packet does not come by INPUT. [`schedule`] chooses the server of a new connection,
//! [`state`] follows it, `packet` says what happens to a packet; who calls at which hook is the business of `super::stack`.
//!
//! The behaviour follows Linux 6.18, `net/netfilter/ipvs`. Only masquerading (`-m`) is modelled; gatewaying, tunnels, firewall marks, one-packet
//! scheduling, persistence engines, synchronisation and defence strategies are refused by name. Where the kernel lists a hash table (connections,
//! services unsorted) the order here is that of creation.

mod admin;
mod conn;
mod hash;
pub(super) mod packet;
pub mod schedule;
mod settings;
pub mod state;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

pub use admin::{DestSpec, IpvsError, Persistence, ServiceSpec};
pub use conn::{Conn, ConnId};
pub use schedule::{SchedFlags, Scheduler};
pub(super) use settings::Written;
pub use settings::{Settings, Timeouts};
pub use stats::{Counters, Rates, Stats};

use conn::ConnTable;

/// Address, port and protocol of a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// IANA protocol number: TCP, UDP or SCTP.
    pub protocol: u8,
    /// Where clients connect to; port 0 stands for every port.
    pub at: SocketAddr,
}

impl fmt::Display for ServiceKey {
    /// As in `ipvsadm -L`: `TCP 10.0.0.1:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", state::protocol_name(self.protocol), self.at)
    }
}

/// A real server for good: a server that is removed and comes back while connections remember it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestId(u32);

/// A virtual server.
#[derive(Clone, Debug)]
pub struct Service {
    /// Address, port and protocol.
    pub key: ServiceKey,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Options of the scheduler.
    pub flags: SchedFlags,
    /// Whether and how long a client keeps its server.
    pub persistence: Option<Persistence>,
    /// The real servers, the one added last first (`list_add`).
    dests: Vec<DestId>,
    sched: schedule::Memory,
    stats: Stats,
}

/// A real server of a virtual server.
#[derive(Clone, Debug)]
pub struct Dest {
    /// Whose server it is.
    service: ServiceKey,
    /// Address and port.
    pub at: SocketAddr,
    /// Its share; 0 for no new connections.
    pub weight: u32,
    /// With so many connections it gets no more; 0 for no limit.
    pub upper: u32,
    /// Below so many connections it gets new ones again; 0 for three quarters of the upper limit.
    pub lower: u32,
    /// Connections that are open or being opened.
    pub active: u32,
    /// Connections that are closing, and those of UDP.
    pub inactive: u32,
    /// Clients that keep it.
    pub persistent: u32,
    overloaded: bool,
    /// Not removed (`IP_VS_DEST_F_AVAILABLE`).
    available: bool,
    /// The last weight that was not 0, which `mh` goes by.
    last_weight: u32,
    stats: Stats,
}

/// IPVS of one network namespace.
#[derive(Clone, Debug, Default)]
pub struct Ipvs {
    /// `net.ipv4.vs.*` and the timeouts of connections.
    pub settings: Settings,
    loaded: bool,
    /// There was a virtual server once, so the hooks are there.
    enabled: bool,
    services: IndexMap<ServiceKey, Service, FxBuildHasher>,
    dests: BTreeMap<DestId, Dest>,
    /// Those that were removed and that connections remember.
    removed: BTreeSet<DestId>,
    last_dest: u32,
    conns: ConnTable,
}

impl Ipvs {
    /// Slots of the connection table, which `ipvsadm -L` prints.
    pub const TABLE_SIZE: u32 = 4096;

    /// Loads the module: its switches are there from now on.
    pub const fn load(&mut self) {
        self.loaded = true;
    }

    /// Whether the module is loaded.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Whether packets are looked at.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The virtual servers in order of their creation.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// One virtual server.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(key)
    }

    /// The real servers of a virtual server, the one added last first.
    pub fn dests<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Dest> {
        service.dests.iter().filter_map(|id| self.dests.get(id))
    }

    /// The connections in order of their creation.
    pub fn conns(&self) -> impl Iterator<Item = &Conn> {
        self.conns.iter()
    }

    fn dest_id(&self, service: &Service, at: SocketAddr) -> Option<DestId> {
        service.dests.iter().copied().find(|id| self.dests.get(id).is_some_and(|d| d.at == at))
    }

    /// The virtual server that a packet is for: that of its port, or the one of all ports.
    fn find(&self, protocol: u8, to: SocketAddr) -> Option<ServiceKey> {
        let exact = ServiceKey { protocol, at: to };
        let any = || ServiceKey { protocol, at: SocketAddr::new(to.ip(), 0) };
        [exact].into_iter().chain(std::iter::once_with(any)).find(|k| self.services.contains_key(k))
    }
}

impl Service {
    /// What went through it.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Dest {
    /// What went to it.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// `ip_vs_dest_conn_overhead`: an open connection costs as much as 256 others.
    const fn overhead(&self) -> i64 {
        ((self.active as i64) << 8) + self.inactive as i64
    }

    /// A connection came or went: compares with the limits.
    const fn weigh_limits(&mut self, came: bool) {
        let total = self.active as u64 + self.inactive as u64;
        if came {
            if self.upper != 0 && total >= self.upper as u64 {
                self.overloaded = true;
            }
            return;
        }
        let below = if self.lower != 0 {
            total < self.lower as u64
        } else {
            self.upper == 0 || total * 4 < self.upper as u64 * 3
        };
        if below {
            self.overloaded = false;
        }
    }
}

/// The bits of an address that decide, as one number (`addr_fold`).
fn fold(addr: IpAddr) -> u32 {
    match addr {
        IpAddr::V4(a) => a.to_bits(),
        IpAddr::V6(a) => {
            let b = a.to_bits();
            (b >> 96) as u32 ^ (b >> 64) as u32 ^ (b >> 32) as u32 ^ b as u32
        }
    }
}
