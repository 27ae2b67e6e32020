//! Neighbours and forwarding entries set by hand: `ip neigh` and `bridge fdb`.

use std::net::IpAddr;

use super::{NetError, Netns};
use crate::linux::bridge::{FdbEntry, FdbKind};
use crate::linux::link::IfKind;
use crate::linux::neigh::NudState;
use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::IfId;

impl Netns {
    /// Lets a program answer ARP requests, or neighbour solicitations, for an address that is not this host's own, through a socket of
    /// its own on an interface (as the speakers of layer-2 load balancers do), or lets it stop.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn answer_for(&mut self, dev: &str, addr: IpAddr, on: bool) -> Result<(), NetError> {
        let key = (self.by_name(dev)?.id, addr);
        if on {
            self.answered_for.insert(key);
        } else {
            self.answered_for.remove(&key);
        }
        Ok(())
    }

    /// `ip neigh add ADDR lladdr MAC dev DEV nud permanent`.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn neigh_add(&mut self, dev: &str, addr: IpAddr, mac: MacAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        self.neigh.set(id, addr, mac);
        Ok(())
    }

    /// `ip neigh add ADDR lladdr MAC dev DEV nud STATE`.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn neigh_set(
        &mut self,
        dev: &str,
        addr: IpAddr,
        mac: MacAddr,
        state: NudState,
        now: SimTime,
    ) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        if addr.is_ipv6() && self.iface(id).is_some_and(|i| !i.speaks_v6()) {
            return Err(NetError::V6Disabled);
        }
        self.neigh.set_state(id, addr, mac, state, now);
        Ok(())
    }

    /// `ip neigh add … router`: the neighbour forwards packets.
    pub fn neigh_set_router(&mut self, dev: IfId, addr: IpAddr) {
        self.neigh.set_router(dev, addr, true);
    }

    /// `ip neigh del ADDR dev DEV`.
    ///
    /// # Errors
    /// The device or the entry does not exist.
    pub fn neigh_del(&mut self, dev: &str, addr: IpAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        if self.neigh.remove(id, addr) { Ok(()) } else { Err(NetError::NoSuchEntry) }
    }

    /// `ip neigh flush dev DEV`: all but permanent entries.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn neigh_flush(&mut self, dev: &str) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        self.neigh.flush(id, false);
        Ok(())
    }

    /// `bridge fdb replace MAC dev DEV dst ADDR` on a VXLAN device.
    ///
    /// # Errors
    /// The device does not exist or is no VXLAN device.
    pub fn fdb_set(&mut self, dev: &str, mac: MacAddr, dst: IpAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let IfKind::Vxlan(v) = &mut self.iface_mut(id).kind else { return Err(NetError::NotSupported) };
        v.fdb.insert(mac, dst);
        Ok(())
    }

    /// `bridge fdb replace MAC dev PORT master static` on a bridge port.
    ///
    /// # Errors
    /// The device does not exist or is no bridge port.
    pub fn fdb_static(&mut self, port: &str, mac: MacAddr) -> Result<(), NetError> {
        let id = self.dev(port)?;
        let master = self.iface_mut(id).master.ok_or(NetError::NotSupported)?;
        let bridge = self.bridge_mut(master).ok_or(NetError::NotSupported)?;
        bridge.fdb.insert(mac, FdbEntry { port: id, seen: SimTime::ZERO, kind: FdbKind::Static });
        Ok(())
    }

    /// `bridge fdb add MAC dev PORT master [local|static|dynamic]`.
    ///
    /// # Errors
    /// The device does not exist or is no bridge port.
    pub fn fdb_insert(&mut self, port: &str, mac: MacAddr, kind: FdbKind) -> Result<(), NetError> {
        let id = self.dev(port)?;
        let master = self.iface_mut(id).master.ok_or(NetError::NotSupported)?;
        let bridge = self.bridge_mut(master).ok_or(NetError::NotSupported)?;
        bridge.fdb.insert(mac, FdbEntry { port: id, seen: SimTime::ZERO, kind });
        Ok(())
    }

    /// `bridge fdb del MAC dev DEV self` on a VXLAN device, also one that is a bridge port.
    ///
    /// # Errors
    /// The device does not exist, is no VXLAN device, or has no such entry.
    pub fn fdb_del_own(&mut self, dev: &str, mac: MacAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let IfKind::Vxlan(v) = &mut self.iface_mut(id).kind else { return Err(NetError::NotSupported) };
        let learned = v.learned.as_mut().and_then(|l| l.shift_remove(&mac)).is_some();
        let set = v.fdb.shift_remove(&mac).is_some();
        if set || learned { Ok(()) } else { Err(NetError::NoSuchEntry) }
    }

    /// `bridge fdb del MAC dev DEV` on a VXLAN device, or with `master` on a bridge port.
    ///
    /// # Errors
    /// The device does not exist, has no forwarding database, or no such entry is in it.
    pub fn fdb_del(&mut self, dev: &str, mac: MacAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        if let Some(bridge) = self.iface_mut(id).master.and_then(|m| self.bridge_mut(m)) {
            let there = bridge.fdb.get(&mac).is_some_and(|e| e.port == id);
            bridge.fdb.retain(|m, e| *m != mac || e.port != id);
            return if there { Ok(()) } else { Err(NetError::NoSuchEntry) };
        }
        let IfKind::Vxlan(v) = &mut self.iface_mut(id).kind else { return Err(NetError::NotSupported) };
        v.fdb.shift_remove(&mac).map(|_| ()).ok_or(NetError::NoSuchEntry)
    }
}
