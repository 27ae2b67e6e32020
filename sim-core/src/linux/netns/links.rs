//! Interfaces: what `ip link`, `brctl` and `bridge link` do, and how an interface comes into a namespace and leaves it.

use std::time::Duration;

use ipnet::IpNet;

use super::addrs::v6_on;
use super::{NetError, Netns};
use crate::linux::bridge::{FdbEntry, FdbKind, StpTimes};
use crate::linux::ipip::{IPIP_MTU, IPIP_OVERHEAD, Ipip};
use crate::linux::link::{IfKind, IfNotes, IfStats, Iface};
use crate::linux::tunnel::Vxlan;
use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::IfId;

impl Netns {
    /// Adds an interface of any kind, down. The name must be free.
    pub(in crate::linux) fn add_iface(&mut self, name: &str, kind: IfKind, mac: MacAddr, mtu: u32) -> IfId {
        let id = self.free_index();
        self.next_index = id.0 + 1;
        self.place(Iface {
            id,
            name: name.into(),
            kind,
            mac,
            mtu,
            up: false,
            carrier: true,
            addrs: Vec::new(),
            master: None,
            hairpin: false,
            isolated: false,
            arp: true,
            peer: None,
            delay: Duration::ZERO,
            conf: self.sys.default,
            stats: IfStats::default(),
            notes: IfNotes::default(),
        });
        id
    }

    /// The index of the next interface: the kernel counts upwards and passes over those that are taken (`dev_index_reserve`).
    fn free_index(&self) -> IfId {
        let free = |id: &u32| self.iface(IfId(*id)).is_none();
        IfId((self.next_index..).find(free).unwrap_or(self.next_index))
    }

    fn place(&mut self, iface: Iface) {
        let at = iface.id.0 as usize;
        if self.ifaces.len() <= at {
            self.ifaces.resize(at + 1, None);
        }
        self.ifaces[at] = Some(iface);
    }

    pub(in crate::linux) fn check_name(&self, name: &str) -> Result<(), NetError> {
        let bad =
            name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) || name == "." || name == "..";
        if bad {
            return Err(NetError::BadName(name.to_owned()));
        }
        if self.iface_id(name).is_some() { Err(NetError::Exists) } else { Ok(()) }
    }

    /// `ip link add NAME type bridge`.
    ///
    /// # Errors
    /// The name is bad or taken.
    pub fn add_bridge(&mut self, name: &str, mac: MacAddr) -> Result<IfId, NetError> {
        self.check_name(name)?;
        let id = self.add_iface(name, IfKind::Bridge(Box::default()), mac, 1500);
        self.note_bridge_mac(id);
        Ok(id)
    }

    /// `ip link add NAME type vxlan id … local … dev … dstport … nolearning`. Its MTU is that of the underlay less the overhead.
    ///
    /// # Errors
    /// The name is bad or taken.
    pub fn add_vxlan(&mut self, name: &str, mac: MacAddr, vxlan: Vxlan) -> Result<IfId, NetError> {
        self.check_name(name)?;
        let underlay = vxlan.underlay.and_then(|u| self.iface(u)).map_or(1500, |u| u.mtu);
        let mtu = underlay.saturating_sub(vxlan.overhead());
        Ok(self.add_iface(name, IfKind::Vxlan(Box::new(vxlan)), mac, mtu))
    }

    /// `ip link add NAME type ipip …`. Its MTU is that of the way to the other end less the outer header.
    ///
    /// # Errors
    /// The name is bad or taken, or there is a tunnel between these two already.
    pub fn add_ipip(&mut self, name: &str, ipip: Ipip) -> Result<IfId, NetError> {
        self.check_name(name)?;
        let twin = |i: &Iface| match &i.kind {
            IfKind::Ipip(t) => (t.local, t.remote, t.fallback) == (ipip.local, ipip.remote, ipip.fallback),
            _ => false,
        };
        if self.ifaces().any(twin) {
            return Err(NetError::Exists);
        }
        let remote = Some(ipip.remote).filter(|r| !r.is_unspecified());
        let under = remote.and_then(|r| self.path_to(r.into()).ok()).map(|p| p.dev).or(ipip.underlay);
        let under = under.and_then(|id| self.iface(id)).filter(|i| !i.is_loopback());
        let mtu = under.map_or(IPIP_MTU, |i| i.mtu.saturating_sub(IPIP_OVERHEAD));
        Ok(self.add_iface(name, IfKind::Ipip(Box::new(ipip)), MacAddr::ZERO, mtu))
    }

    /// `ip link add NAME type dummy`.
    ///
    /// # Errors
    /// The name is bad or taken.
    pub fn add_dummy(&mut self, name: &str, mac: MacAddr) -> Result<IfId, NetError> {
        self.check_name(name)?;
        Ok(self.add_iface(name, IfKind::Dummy, mac, 1500))
    }

    /// `ip link set PORT master BRIDGE`.
    ///
    /// # Errors
    /// One of them does not exist, or the second is no bridge.
    pub fn set_master(&mut self, port: &str, bridge: &str) -> Result<(), NetError> {
        let (port, bridge) = (self.dev(port)?, self.dev(bridge)?);
        self.clear_master(port);
        let mac = self.iface_mut(port).mac;
        let IfKind::Bridge(b) = &mut self.iface_mut(bridge).kind else { return Err(NetError::NotSupported) };
        b.add_port(port, mac);
        self.iface_mut(port).master = Some(bridge);
        self.iface_mut(bridge).notes.had_ports = true;
        self.adjust_mtu(bridge);
        self.bridge_takes_mac(bridge);
        Ok(())
    }

    pub(in crate::linux) fn clear_master(&mut self, port: IfId) {
        if let Some(old) = self.iface_mut(port).master.take()
            && let Some(b) = self.bridge_mut(old)
        {
            b.remove_port(port);
            self.adjust_mtu(old);
            self.bridge_takes_mac(old);
        }
    }

    /// A bridge whose MTU nobody has set has the least of its ports' (`br_mtu_auto_adjust`).
    fn adjust_mtu(&mut self, bridge: IfId) {
        let Some(b) = self.bridge_mut(bridge).filter(|b| !b.mtu_set) else { return };
        let ports = b.ports.clone();
        let least = ports.into_iter().filter_map(|p| self.iface(p)).map(|p| p.mtu).min();
        self.iface_mut(bridge).mtu = least.unwrap_or(1500);
    }

    /// `ip link add NAME type bridge` without an address: from now on it takes the lowest address of its ports.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn bridge_mac_of_ports(&mut self, bridge: &str) -> Result<(), NetError> {
        let id = self.dev(bridge)?;
        self.bridge_mut(id).ok_or(NetError::NotSupported)?.mac_of_ports = true;
        Ok(())
    }

    /// `ip link set NAME type bridge forward_delay|hello_time|max_age N`.
    ///
    /// # Errors
    /// There is no such bridge.
    pub fn stp_times_mut(&mut self, bridge: &str) -> Result<&mut StpTimes, NetError> {
        let id = self.dev(bridge)?;
        Ok(&mut self.bridge_mut(id).ok_or(NetError::NotSupported)?.stp_times)
    }

    fn bridge_takes_mac(&mut self, bridge: IfId) {
        let Some(b) = self.bridge_mut(bridge).filter(|b| b.mac_of_ports) else { return };
        let ports = b.ports.clone();
        let lowest = ports.iter().filter_map(|p| self.iface(*p)).map(|p| p.mac.0).min();
        self.iface_mut(bridge).mac = MacAddr(lowest.unwrap_or_default());
        self.note_bridge_mac(bridge);
    }

    /// `ip link set PORT nomaster`.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_no_master(&mut self, port: &str) -> Result<(), NetError> {
        let port = self.dev(port)?;
        self.clear_master(port);
        Ok(())
    }

    fn bridge_port(&mut self, port: &str) -> Result<&mut Iface, NetError> {
        let id = self.dev(port)?;
        let iface = self.iface_mut(id);
        if iface.master.is_some() { Ok(iface) } else { Err(NetError::NotSupported) }
    }

    /// `bridge link set dev PORT hairpin on|off`.
    ///
    /// # Errors
    /// It does not exist or is no bridge port.
    pub fn set_hairpin(&mut self, port: &str, on: bool) -> Result<(), NetError> {
        self.bridge_port(port)?.hairpin = on;
        Ok(())
    }

    /// `bridge link set dev PORT isolated on|off`.
    ///
    /// # Errors
    /// It does not exist or is no bridge port.
    pub fn set_isolated(&mut self, port: &str, on: bool) -> Result<(), NetError> {
        self.bridge_port(port)?.isolated = on;
        Ok(())
    }

    /// `ip link set DEV arp on|off`.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_arp(&mut self, dev: &str, on: bool) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        self.iface_mut(id).arp = on;
        self.neigh.flush(id, false);
        Ok(())
    }

    /// `ip link set DEV address MAC`.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_mac(&mut self, dev: &str, mac: MacAddr) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let old = std::mem::replace(&mut self.iface_mut(id).mac, mac);
        if let Some(master) = self.iface_mut(id).master
            && let Some(b) = self.bridge_mut(master)
        {
            b.fdb.shift_remove(&old);
            b.fdb.insert(mac, FdbEntry { port: id, seen: SimTime::ZERO, kind: FdbKind::Local });
        }
        if let Some(b) = self.bridge_mut(id) {
            b.mac_of_ports = false;
        }
        if let Some(master) = self.iface_mut(id).master {
            self.bridge_takes_mac(master);
        }
        self.note_bridge_mac(id);
        Ok(())
    }

    fn note_bridge_mac(&mut self, id: IfId) {
        let mac = self.iface_mut(id).mac;
        if let Some(b) = self.bridge_mut(id) {
            b.fdb.retain(|_, e| e.port != id);
            b.fdb.insert(mac, FdbEntry { port: id, seen: SimTime::ZERO, kind: FdbKind::Local });
        }
    }

    /// `ip link set DEV mtu N`. A VXLAN device cannot have more than its underlay leaves room for; a bridge keeps what it is given,
    /// else it follows its ports.
    ///
    /// # Errors
    /// It does not exist, or the value is out of range.
    pub fn set_mtu(&mut self, dev: &str, mtu: u32) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let max = match &self.by_name(dev)?.kind {
            IfKind::Loopback => u32::MAX,
            IfKind::Vxlan(v) => {
                v.underlay.and_then(|u| self.iface(u)).map_or(65535, |u| u.mtu.saturating_sub(v.overhead()))
            }
            IfKind::Ipip(_) => 65535 - IPIP_OVERHEAD,
            IfKind::Veth | IfKind::Wire | IfKind::Bridge(_) | IfKind::Dummy => 65535,
        };
        if !(68..=max).contains(&mtu) {
            return Err(NetError::Invalid);
        }
        let iface = self.iface_mut(id);
        if iface.mtu == mtu {
            return Ok(());
        }
        let spoke = iface.speaks_v6();
        iface.mtu = mtu;
        let switched = spoke != iface.speaks_v6();
        if let Some(bridge) = iface.master {
            self.adjust_mtu(bridge);
        } else if let Some(b) = self.bridge_mut(id) {
            b.mtu_set = true;
        }
        if switched {
            self.v6_switched();
        }
        Ok(())
    }

    /// `ip link set DEV up|down`. Down takes its routes and neighbours away; up brings back only those of its addresses.
    ///
    /// # Errors
    /// It does not exist.
    pub fn link_set(&mut self, dev: &str, up: bool) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        self.set_up(id, up);
        Ok(())
    }

    pub(super) fn set_up(&mut self, id: IfId, up: bool) {
        let iface = self.iface_mut(id);
        if iface.up == up {
            return;
        }
        iface.up = up;
        iface.notes.activated |= up;
        if up && iface.is_loopback() && iface.addrs.is_empty() {
            // The kernel gives `lo` its address when it goes up without any.
            iface.addrs = vec![IpNet::new_assert(std::net::Ipv4Addr::LOCALHOST.into(), 8)];
        }
        self.link_events.push((id, up));
        let iface = self.iface_mut(id);
        if up {
            v6_on(iface);
        } else {
            // IPv6 addresses do not outlive their link (`keep_addr_on_down` is off).
            iface.addrs.retain(|a| a.addr().is_ipv4());
        }
        let master = iface.master;
        if !up {
            self.conntrack.end_masquerade(id, None);
            self.neigh.flush(id, false);
            self.neigh.answer_never(id);
            if let Some(b) = master.and_then(|m| self.bridge_mut(m)) {
                b.flush_port(id);
            }
        }
        self.refresh_iface(id);
    }

    /// The other end of a veth pair or wire went up or down.
    pub(in crate::linux) fn set_carrier(&mut self, id: IfId, carrier: bool) {
        let Some(iface) = self.ifaces.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        iface.carrier = carrier;
        let master = iface.master;
        if !carrier {
            self.neigh.flush(id, false);
            self.neigh.answer_never(id);
            if let Some(b) = master.and_then(|m| self.bridge_mut(m)) {
                b.flush_port(id);
            }
        }
    }

    /// `ip link set DEV name NEW`.
    ///
    /// # Errors
    /// There is no such device, or the new name is bad or taken.
    pub fn rename(&mut self, dev: &str, new: &str) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        if dev == new {
            return Ok(());
        }
        self.check_name(new)?;
        self.iface_mut(id).name = new.into();
        Ok(())
    }

    /// Notes of an interface that `ip` shows: alias, queue length, flags without effect here.
    ///
    /// # Errors
    /// There is no such device.
    pub fn notes_mut(&mut self, dev: &str) -> Result<&mut IfNotes, NetError> {
        let id = self.dev(dev)?;
        Ok(&mut self.iface_mut(id).notes)
    }

    /// `lo` as it is before anybody has switched it on.
    pub(in crate::linux) fn lo_never_up(&mut self) {
        let Some(id) = self.iface_id("lo") else { return };
        self.set_up(id, false);
        self.iface_mut(id).addrs.clear();
        self.iface_mut(id).notes.activated = false;
        self.refresh_iface(id);
    }

    /// Takes an interface out, without addresses and down, to be put into another namespace.
    pub(in crate::linux) fn take_iface(&mut self, id: IfId) -> Option<Iface> {
        self.iface(id)?;
        self.set_up(id, false);
        self.link_events.retain(|(i, _)| *i != id);
        let mut iface = self.iface(id)?.clone();
        self.remove_iface(id);
        iface.master = None;
        iface.addrs.clear();
        iface.notes.addrs.clear();
        Some(iface)
    }

    /// Puts in an interface that comes from another namespace; it keeps its index if that is free here.
    pub(in crate::linux) fn put_iface(&mut self, mut iface: Iface) -> IfId {
        if self.iface(iface.id).is_some() {
            iface.id = self.free_index();
            self.next_index = iface.id.0 + 1;
        }
        iface.conf = self.sys.default;
        let id = iface.id;
        self.place(iface);
        id
    }

    pub(in crate::linux) fn remove_iface(&mut self, id: IfId) {
        self.clear_master(id);
        self.neigh.flush(id, true);
        self.neigh.answer_never(id);
        self.ifaces[id.0 as usize] = None;
        self.refresh_iface(id);
    }
}
