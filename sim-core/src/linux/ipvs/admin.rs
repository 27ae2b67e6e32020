//! What `ipvsadm` changes (`ip_vs_ctl.c`).

use std::net::{IpAddr, SocketAddr};

use super::schedule::Memory;
use super::{Dest, DestId, Ipvs, SchedFlags, Scheduler, Service, ServiceKey, Stats};
use crate::linux::conntrack::Tuple;
use crate::time::SimTime;

/// A client keeps its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Seconds after its last connection.
    pub seconds: u32,
    /// How many bits of its address count.
    pub prefix: u8,
}

/// A virtual server as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Address, port and protocol.
    pub key: ServiceKey,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Options of the scheduler.
    pub flags: SchedFlags,
    /// Whether a client keeps its server.
    pub persistence: Option<Persistence>,
}

/// A masquerading real server as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestSpec {
    /// Address and port.
    pub at: SocketAddr,
    /// Its share.
    pub weight: u32,
    /// Upper limit of connections; 0 for none.
    pub upper: u32,
    /// Lower limit.
    pub lower: u32,
}

/// Why a change is refused: the kernel's error numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpvsError {
    /// `EEXIST`
    #[error("it exists")]
    Exists,
    /// `ESRCH`: no such virtual server.
    #[error("no such virtual server")]
    NoService,
    /// `ENOENT`: no such real server.
    #[error("no such real server")]
    NoDest,
    /// `EINVAL`
    #[error("invalid argument")]
    Invalid,
    /// `ERANGE`: a lower limit above the upper one.
    #[error("numerical result out of range")]
    Range,
}

impl Ipvs {
    /// `ipvsadm -A`.
    ///
    /// # Errors
    /// There is one already.
    pub fn add_service(&mut self, spec: ServiceSpec, now: SimTime) -> Result<(), IpvsError> {
        if self.services.contains_key(&spec.key) {
            return Err(IpvsError::Exists);
        }
        if spec.key.at.ip().is_multicast() || spec.key.at.ip().is_unspecified() {
            return Err(IpvsError::Invalid);
        }
        self.loaded = true;
        self.enabled = true;
        let service = Service {
            key: spec.key,
            scheduler: spec.scheduler,
            flags: spec.flags,
            persistence: spec.persistence,
            dests: Vec::new(),
            sched: Memory::Nothing.rebuild(spec.scheduler, &[], &self.dests),
            stats: Stats::new(now),
        };
        self.services.insert(spec.key, service);
        Ok(())
    }

    /// `ipvsadm -E`.
    ///
    /// # Errors
    /// There is none.
    pub fn edit_service(&mut self, spec: ServiceSpec) -> Result<(), IpvsError> {
        let service = self.services.get_mut(&spec.key).ok_or(IpvsError::NoService)?;
        if service.scheduler != spec.scheduler {
            service.scheduler = spec.scheduler;
            service.sched = Memory::Nothing.rebuild(spec.scheduler, &service.dests, &self.dests);
        }
        service.flags = spec.flags;
        service.persistence = spec.persistence;
        Ok(())
    }

    /// `ipvsadm -D`. Its connections are remembered until their time is over, but their packets find no server.
    ///
    /// # Errors
    /// There is none.
    pub fn del_service(&mut self, key: &ServiceKey) -> Result<(), IpvsError> {
        let service = self.services.shift_remove(key).ok_or(IpvsError::NoService)?;
        for id in service.dests {
            self.retire(id);
        }
        Ok(())
    }

    /// `ipvsadm -C`.
    pub fn flush(&mut self) {
        let keys: Vec<ServiceKey> = self.services.keys().copied().collect();
        for key in keys {
            let _ = self.del_service(&key);
        }
    }

    /// `ipvsadm -Z`: of one virtual server, or of all.
    ///
    /// # Errors
    /// There is none.
    pub fn zero(&mut self, key: Option<&ServiceKey>, now: SimTime) -> Result<(), IpvsError> {
        if key.is_some_and(|k| !self.services.contains_key(k)) {
            return Err(IpvsError::NoService);
        }
        for service in self.services.values_mut().filter(|s| key.is_none_or(|k| *k == s.key)) {
            service.stats.zero(now);
            for id in &service.dests {
                if let Some(dest) = self.dests.get_mut(id) {
                    dest.stats.zero(now);
                }
            }
        }
        Ok(())
    }

    /// `ipvsadm -a`.
    ///
    /// # Errors
    /// There is one already, or no such virtual server, or the limits contradict each other.
    pub fn add_dest(&mut self, key: &ServiceKey, spec: DestSpec, now: SimTime) -> Result<(), IpvsError> {
        let service = self.services.get(key).ok_or(IpvsError::NoService)?;
        spec.check(key)?;
        if self.dest_id(service, spec.at).is_some() {
            return Err(IpvsError::Exists);
        }
        let id = self.revived(key, spec.at).unwrap_or_else(|| {
            self.last_dest += 1;
            DestId(self.last_dest)
        });
        let dest = self.dests.entry(id).or_insert_with(|| Dest {
            service: *key,
            at: spec.at,
            weight: 0,
            upper: 0,
            lower: 0,
            active: 0,
            inactive: 0,
            persistent: 0,
            overloaded: false,
            available: true,
            last_weight: 0,
            stats: Stats::new(now),
        });
        dest.available = true;
        self.removed.remove(&id);
        dest.update(spec);
        if let Some(service) = self.services.get_mut(key) {
            service.dests.insert(0, id);
        }
        self.dests_changed(key);
        Ok(())
    }

    /// `ipvsadm -e`.
    ///
    /// # Errors
    /// There is none, or the limits contradict each other.
    pub fn edit_dest(&mut self, key: &ServiceKey, spec: DestSpec) -> Result<(), IpvsError> {
        let service = self.services.get(key).ok_or(IpvsError::NoService)?;
        spec.check(key)?;
        let id = self.dest_id(service, spec.at).ok_or(IpvsError::NoDest)?;
        if let Some(dest) = self.dests.get_mut(&id) {
            dest.update(spec);
        }
        self.dests_changed(key);
        Ok(())
    }

    /// `ipvsadm -d`. Its connections are remembered until their time is over.
    ///
    /// # Errors
    /// There is none.
    pub fn del_dest(&mut self, key: &ServiceKey, at: SocketAddr) -> Result<(), IpvsError> {
        let service = self.services.get(key).ok_or(IpvsError::NoService)?;
        let id = self.dest_id(service, at).ok_or(IpvsError::NoDest)?;
        if let Some(service) = self.services.get_mut(key) {
            service.sched.removed(id, &service.dests);
            service.dests.retain(|other| *other != id);
        }
        self.retire(id);
        self.dests_changed(key);
        Ok(())
    }

    /// Connections to a real server, open and others.
    #[must_use]
    pub fn dest(&self, key: &ServiceKey, at: SocketAddr) -> Option<&Dest> {
        let service = self.services.get(key)?;
        self.dests.get(&self.dest_id(service, at)?)
    }

    /// Forgets the connections whose time is over; returns the flows of connection tracking that end with them
    /// (`ip_vs_conn_drop_conntrack`), as the client's packets look.
    pub(in crate::linux) fn expire(&mut self, now: SimTime) -> Vec<Tuple> {
        let mut flows = Vec::new();
        while let Some((_, conn)) = self.conns.pop_expired(now) {
            self.unbind(&conn);
            if conn.tracked && !conn.is_template() {
                flows.push(flow(&conn));
            }
        }
        flows
    }

    /// When the next connection is over.
    pub(in crate::linux) fn next_expiry(&self) -> Option<SimTime> {
        self.conns.next_expiry()
    }

    /// A connection is gone: its server has one less (`ip_vs_unbind_dest`).
    pub(super) fn unbind(&mut self, conn: &super::Conn) {
        let Some(dest) = self.dests.get_mut(&conn.dest) else { return };
        if conn.is_template() {
            dest.persistent = dest.persistent.saturating_sub(1);
        } else if conn.active {
            dest.active = dest.active.saturating_sub(1);
        } else {
            dest.inactive = dest.inactive.saturating_sub(1);
        }
        dest.weigh_limits(false);
        if !dest.available && dest.active == 0 && dest.inactive == 0 && dest.persistent == 0 {
            self.dests.remove(&conn.dest);
            self.removed.remove(&conn.dest);
        }
    }

    fn dests_changed(&mut self, key: &ServiceKey) {
        if let Some(service) = self.services.get_mut(key) {
            let old = std::mem::replace(&mut service.sched, Memory::Nothing);
            service.sched = old.rebuild(service.scheduler, &service.dests, &self.dests);
        }
    }

    /// A server leaves its virtual server; it stays as long as a connection remembers it (`__ip_vs_del_dest`).
    fn retire(&mut self, id: DestId) {
        if self.conns.uses(id) {
            if let Some(dest) = self.dests.get_mut(&id) {
                dest.available = false;
                self.removed.insert(id);
            }
        } else {
            self.dests.remove(&id);
        }
    }

    /// A server that was removed and that connections remember (`ip_vs_trash_get_dest`).
    fn revived(&self, key: &ServiceKey, at: SocketAddr) -> Option<DestId> {
        let same = |d: &Dest| d.service == *key && d.at == at;
        self.removed.iter().copied().find(|id| self.dests.get(id).is_some_and(same))
    }
}

impl DestSpec {
    /// A server with the usual weight and no limits.
    #[must_use]
    pub const fn new(at: SocketAddr, weight: u32) -> Self {
        Self { at, weight, upper: 0, lower: 0 }
    }

    fn check(&self, key: &ServiceKey) -> Result<(), IpvsError> {
        if self.lower > self.upper {
            return Err(IpvsError::Range);
        }
        let ip = self.at.ip();
        let usable = ip.is_ipv4() == key.at.is_ipv4() && !ip.is_unspecified() && !ip.is_multicast();
        let broadcast = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
        if usable && !broadcast { Ok(()) } else { Err(IpvsError::Invalid) }
    }
}

impl Dest {
    fn update(&mut self, spec: DestSpec) {
        self.weight = spec.weight;
        if spec.weight != 0 {
            self.last_weight = spec.weight;
        }
        if spec.upper == 0 || spec.upper > self.upper {
            self.overloaded = false;
        }
        self.upper = spec.upper;
        self.lower = spec.lower;
    }
}

/// The flow of connection tracking that a connection has.
pub(super) const fn flow(conn: &super::Conn) -> Tuple {
    Tuple {
        src: conn.client.ip(),
        dst: conn.virtual_server.ip(),
        protocol: conn.protocol,
        sport: conn.client.port(),
        dport: conn.virtual_server.port(),
    }
}
