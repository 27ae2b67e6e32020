//! A network namespace: one Linux network stack as plain data, and the commands that configure it.
//!
//! Frames come in through [`super::stack`]; this file is what `ip`, `bridge` and `sysctl` do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::bridge::{Bridge, FdbEntry, FdbKind};
use super::conntrack::Conntrack;
use super::exception::{Exception, Exceptions};
use super::icmp::Limits;
use super::ipset::{self, Sets, ToolError};
use super::link::{AddrNote, IfConf, IfKind, IfNotes, IfStats, Iface};
use super::neigh::{Neighbours, NudState};
use super::netfilter::Ruleset;
use super::nftables::{Interfaces, Nftables};
use super::policy::Policy;
use super::reassembly::Reassembly;
use super::route::{Route, RouteKind, RouteProto, Table};
use super::socket::Sockets;
use super::stack::{Hooks, Redirected};
use super::sysctl::{self, SysctlError, Sysctls};
use super::tap::Taps;
use super::tunnel::Vxlan;
use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::{Family, IfId, NsId};

/// One network stack.
#[derive(Clone, Debug)]
pub struct Netns {
    /// Its id in the world.
    pub id: NsId,
    /// Its name, for people.
    pub name: Arc<str>,
    pub(super) ifaces: Vec<Option<Iface>>,
    next_index: u32,
    /// Switches without effect that were set.
    kept_sysctls: BTreeMap<String, String>,
    /// When the first address goes whose lifetime is limited.
    addr_expires: Option<SimTime>,
    pub(super) local: Table,
    pub(super) main: Table,
    pub(super) policy: Policy,
    pub(super) neigh: Neighbours,
    pub(super) sys: Sysctls,
    pub(super) nf4: Ruleset,
    pub(super) nf6: Ruleset,
    pub(super) sets: Sets,
    pub(super) nft: Nftables,
    pub(super) hooks: Hooks,
    pub(super) netfilter_on: bool,
    pub(super) track: bool,
    /// Connection tracking.
    pub conntrack: Conntrack,
    /// Sockets.
    pub sockets: Sockets,
    pub(super) fragments: Reassembly,
    pub(super) limits: Limits,
    pub(super) taps: Taps,
    pub(super) exceptions: Exceptions,
    pub(super) redirected: Redirected,
    pub(super) next_ip_id: u16,
    pub(super) hash_salt: u64,
    /// Interfaces that went up or down since the world last looked.
    pub(super) link_events: Vec<(IfId, bool)>,
}

/// Why a configuration command failed. The texts are those of `ip` and `bridge`, which pass on the kernel's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No interface of that name.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The object is there already.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// The route, address or neighbour to be deleted is not there.
    #[error("RTNETLINK answers: No such process")]
    NoSuchRoute,
    /// The address to be deleted is not there.
    #[error("RTNETLINK answers: Cannot assign requested address")]
    NoSuchAddress,
    /// The entry to be deleted is not there.
    #[error("RTNETLINK answers: No such file or directory")]
    NoSuchEntry,
    /// The gateway is not on any link of this host.
    #[error("Error: Nexthop has invalid gateway.")]
    InvalidGateway,
    /// The interface is down.
    #[error("RTNETLINK answers: Network is down")]
    NetworkDown,
    /// The operation does not fit the kind of interface.
    #[error("RTNETLINK answers: Operation not supported")]
    NotSupported,
    /// A value the kernel does not take.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
    /// The interface cannot leave its namespace.
    #[error("Error: The interface netns is immutable.")]
    Immutable,
    /// An interface of that name is in the other namespace already.
    #[error("RTNETLINK answers: File exists")]
    NameTaken,
    /// IPv6 is switched off on the interface.
    #[error("RTNETLINK answers: Permission denied")]
    Denied,
    /// The interface has that IPv6 address.
    #[error("Error: ipv6: address already assigned.")]
    V6Assigned,
    /// An interface name that is empty, too long or has a slash or blank in it.
    #[error("Error: argument \"{0}\" is wrong: \"name\" not a valid ifname")]
    BadName(String),
}

impl Netns {
    /// A fresh namespace: only `lo`, which is up (as container runtimes leave it).
    pub(super) fn new(id: NsId, name: &str, hash_salt: u64) -> Self {
        let mut ns = Self {
            id,
            name: name.into(),
            ifaces: Vec::new(),
            next_index: 0,
            kept_sysctls: BTreeMap::new(),
            addr_expires: None,
            local: Table::default(),
            main: Table::default(),
            policy: Policy::default(),
            neigh: Neighbours::default(),
            sys: Sysctls::default(),
            nf4: Ruleset::new(Family::V4),
            nf6: Ruleset::new(Family::V6),
            sets: Sets::default(),
            nft: Nftables::default(),
            hooks: Hooks::default(),
            netfilter_on: false,
            track: false,
            conntrack: Conntrack::default(),
            sockets: Sockets::default(),
            fragments: Reassembly::default(),
            limits: Limits::default(),
            taps: Taps::default(),
            exceptions: Exceptions::default(),
            redirected: Redirected::default(),
            next_ip_id: 1,
            hash_salt,
            link_events: Vec::new(),
        };
        let lo = ns.add_iface("lo", IfKind::Loopback, MacAddr::ZERO, 65536);
        ns.set_up(lo, true);
        ns
    }

    /// Adds an interface of any kind, down. The name must be free.
    pub(super) fn add_iface(&mut self, name: &str, kind: IfKind, mac: MacAddr, mtu: u32) -> IfId {
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

    pub(super) fn check_name(&self, name: &str) -> Result<(), NetError> {
        let bad =
            name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) || name == "." || name == "..";
        if bad {
            return Err(NetError::BadName(name.to_owned()));
        }
        if self.iface_id(name).is_some() { Err(NetError::Exists) } else { Ok(()) }
    }

    // ---- looking

    /// The interface with that id, if it still exists.
    #[must_use]
    pub fn iface(&self, id: IfId) -> Option<&Iface> {
        self.ifaces.get(id.0 as usize)?.as_ref()
    }

    /// All interfaces in order of their index.
    pub fn ifaces(&self) -> impl Iterator<Item = &Iface> + Clone {
        self.ifaces.iter().flatten()
    }

    /// The interface of that name.
    #[must_use]
    pub fn iface_id(&self, name: &str) -> Option<IfId> {
        self.ifaces().find(|i| *i.name == *name).map(|i| i.id)
    }

    /// The interface of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn by_name(&self, name: &str) -> Result<&Iface, NetError> {
        self.ifaces().find(|i| *i.name == *name).ok_or_else(|| NetError::NoDevice(name.to_owned()))
    }

    fn dev(&self, name: &str) -> Result<IfId, NetError> {
        self.by_name(name).map(|i| i.id)
    }

    /// For ids that this namespace itself handed out and has not deleted since.
    pub(super) fn iface_mut(&mut self, id: IfId) -> &mut Iface {
        self.ifaces[id.0 as usize].as_mut().expect("the caller holds the id of an interface that exists")
    }

    /// The routes of the main table, best first.
    #[must_use]
    pub const fn routes(&self) -> &Table {
        &self.main
    }

    /// The routes of the local table, best first.
    #[must_use]
    pub const fn local_routes(&self) -> &Table {
        &self.local
    }

    /// What ICMP has said about a destination: the `cache` of `ip route get`.
    #[must_use]
    pub fn route_exception(&self, dst: IpAddr, now: SimTime) -> Option<&Exception> {
        self.exceptions.get(dst, now)
    }

    /// `ip route flush cache`: forgets what ICMP has said.
    pub fn flush_exceptions(&mut self) {
        self.exceptions.forget(|_| true);
    }

    /// The neighbour table.
    #[must_use]
    pub const fn neighbours(&self) -> &Neighbours {
        &self.neigh
    }

    /// The switches.
    #[must_use]
    pub const fn sysctls(&self) -> &Sysctls {
        &self.sys
    }

    /// iptables.
    #[must_use]
    pub const fn nf4(&self) -> &Ruleset {
        &self.nf4
    }

    /// ip6tables.
    #[must_use]
    pub const fn nf6(&self) -> &Ruleset {
        &self.nf6
    }

    /// Whether `addr` is one of this host's addresses.
    #[must_use]
    pub fn is_local(&self, addr: IpAddr) -> bool {
        self.local.lookup(addr).is_some_and(|r| r.kind == RouteKind::Local)
    }

    /// Whether `addr` is a broadcast address of one of this host's links.
    pub(super) fn is_broadcast(&self, addr: IpAddr) -> bool {
        self.local.lookup(addr).is_some_and(|r| r.kind == RouteKind::Broadcast)
    }

    // ---- changing: rules and switches

    /// Changes iptables or ip6tables rules.
    pub fn netfilter<T>(&mut self, family: Family, change: impl FnOnce(&mut Ruleset) -> T) -> T {
        let rules = match family {
            Family::V4 => &mut self.nf4,
            Family::V6 => &mut self.nf6,
        };
        std::mem::swap(&mut rules.sets, &mut self.sets);
        let t = change(rules);
        std::mem::swap(&mut rules.sets, &mut self.sets);
        self.refresh_hooks();
        t
    }

    /// nftables.
    #[must_use]
    pub const fn nft(&self) -> &Nftables {
        &self.nft
    }

    /// The interfaces as nftables names them.
    #[must_use]
    pub fn interface_names(&self) -> Interfaces {
        self.ifaces().map(|i| (i.id.0 + 1, i.name.clone())).collect()
    }

    /// Changes nftables rules.
    pub fn nftables<T>(&mut self, change: impl FnOnce(&mut Nftables) -> T) -> T {
        let t = change(&mut self.nft);
        self.refresh_hooks();
        t
    }

    fn refresh_hooks(&mut self) {
        let any = |r: &Ruleset| crate::trace::TableId::ALL.iter().any(|t| r.table(*t).is_some());
        self.track = self.nf4.needs_conntrack() || self.nf6.needs_conntrack() || self.nft.needs_conntrack();
        self.netfilter_on = self.track || any(&self.nf4) || any(&self.nf6) || self.nft.is_hooked();
        self.hooks.refresh(&self.nf4, &self.nf6, &self.nft, self.track);
    }

    /// `ipset args…` with this standard input: what goes to standard output and, without being an error, to standard error.
    ///
    /// # Errors
    /// The real tool's error text and exit status.
    pub fn ipset(
        &mut self,
        args: &[String],
        input: &str,
        now: SimTime,
    ) -> Result<(String, String), ToolError> {
        let mut references = BTreeMap::new();
        self.nf4.count_set_references(&mut references);
        self.nf6.count_set_references(&mut references);
        self.sets.command(args, ipset::Context { input, now, references: &references })
    }

    /// `sysctl -w name=value`.
    ///
    /// # Errors
    /// The name is unknown or the value unusable.
    pub fn sysctl_set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        if let Some(setting) = sysctl::get_fixed(self.ifaces(), name) {
            return sysctl::set_fixed(name, setting, value);
        }
        if let Some(key) = name.strip_prefix("net.netfilter.")
            && let Some(set) = self.conntrack.settings.set(key, value)
        {
            return set.map_err(|_| SysctlError::Invalid(name.to_owned()));
        }
        let mut tcp = self.sockets.tcp_settings();
        if let Some(set) = sysctl::set_tcp(&mut tcp, name, value) {
            self.sockets.set_tcp_settings(tcp);
            return set;
        }
        match sysctl::set(&mut self.sys, self.ifaces.iter_mut().flatten(), name, value) {
            Err(SysctlError::Unknown(_)) => {
                let kept = sysctl::known::checked(name, value, &self.device_names())?;
                self.kept_sysctls.insert(name.to_owned(), kept);
                return Ok(());
            }
            other => other?,
        }
        if name.ends_with(".disable_ipv6") {
            self.v6_switched();
        } else if name == "net.ipv6.conf.all.forwarding" {
            self.refresh_all();
        }
        Ok(())
    }

    /// `sysctl -n name`.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn sysctl_get(&self, name: &str) -> Result<String, SysctlError> {
        if let Some(setting) = sysctl::get_fixed(self.ifaces(), name) {
            return Ok(setting.to_owned());
        }
        if name == "net.netfilter.nf_conntrack_count" {
            return Ok(self.conntrack.len().to_string());
        }
        if let Some(value) = sysctl::get_tcp(self.sockets.tcp_settings(), name) {
            return Ok(value);
        }
        if let Some(key) = name.strip_prefix("net.netfilter.")
            && let Some(value) = self.conntrack.settings.get(key)
        {
            return Ok(value.to_string());
        }
        sysctl::get(&self.sys, self.ifaces(), name).or_else(|unknown| {
            let kept = self.kept_sysctls.get(name).map(String::as_str);
            let default = || sysctl::known::default_of(name, &self.device_names());
            kept.or_else(default).map(str::to_owned).ok_or(unknown)
        })
    }

    /// The names of all switches, in the order of `sysctl -a`.
    #[must_use]
    pub fn sysctl_names(&self) -> Vec<String> {
        sysctl::known::names(&self.device_names())
    }

    fn device_names(&self) -> Vec<&str> {
        self.ifaces().map(|i| &*i.name).collect()
    }

    // ---- changing: links

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

    pub(super) fn clear_master(&mut self, port: IfId) {
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

    fn set_up(&mut self, id: IfId, up: bool) {
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
            if let Some(b) = master.and_then(|m| self.bridge_mut(m)) {
                b.flush_port(id);
            }
        }
        self.refresh_iface(id);
    }

    /// The other end of a veth pair or wire went up or down.
    pub(super) fn set_carrier(&mut self, id: IfId, carrier: bool) {
        let Some(iface) = self.ifaces.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        iface.carrier = carrier;
        let master = iface.master;
        if !carrier {
            self.neigh.flush(id, false);
            if let Some(b) = master.and_then(|m| self.bridge_mut(m)) {
                b.flush_port(id);
            }
        }
    }

    /// IPv6 was switched on or off somewhere.
    fn v6_switched(&mut self) {
        for iface in self.ifaces.iter_mut().flatten() {
            if !iface.speaks_v6() {
                iface.addrs.retain(|a| a.addr().is_ipv4());
                let id = iface.id;
                self.main.remove(|r| r.dev == Some(id) && r.dst.addr().is_ipv6());
                self.neigh.flush_v6(id);
            } else if iface.up {
                v6_on(iface);
            }
        }
        self.refresh_all();
    }

    fn refresh_all(&mut self) {
        let ids: Vec<IfId> = self.ifaces().map(|i| i.id).collect();
        ids.into_iter().for_each(|id| self.refresh_iface(id));
    }

    /// Writes the routes that follow from an interface's addresses anew: `local` ones stay while it is down (the kernel keeps the
    /// address), connected ones go, and so do all others through it.
    fn refresh_iface(&mut self, id: IfId) {
        self.local.remove(|r| r.dev == Some(id));
        let Some(iface) = self.ifaces[id.0 as usize].clone() else {
            self.main.remove(|r| r.dev == Some(id));
            self.policy.remove_of(id);
            return;
        };
        self.main.remove(|r| r.dev == Some(id) && (!iface.up || r.proto == RouteProto::Kernel));
        if !iface.up {
            self.policy.remove_of(id);
        }
        for net in iface.addrs.iter().filter(|n| n.addr().is_ipv4()) {
            // The first address of a subnet speaks for all (`IFA_F_SECONDARY`).
            let primary = iface.addrs.iter().find(|n| n.trunc() == net.trunc()).unwrap_or(net).addr();
            let note = iface.notes.addrs.get(net);
            let kernel = |dst, kind| Route {
                kind,
                src: Some(primary),
                proto: RouteProto::Kernel,
                ..Route::link(dst, id)
            };
            let _ = self.local.add(kernel(host(net.addr()), RouteKind::Local));
            if !iface.up {
                continue;
            }
            if iface.is_loopback() {
                let _ = self.local.add(kernel(net.trunc(), RouteKind::Local));
                continue;
            }
            if let IpNet::V4(v4) = net
                && v4.prefix_len() < 31
            {
                let _ = self.local.add(kernel(host(v4.broadcast().into()), RouteKind::Broadcast));
            }
            if let Some(brd) = note.and_then(|n| n.broadcast) {
                let _ = self.local.add(kernel(host(brd), RouteKind::Broadcast));
            }
            if let Some(peer) = note.and_then(|n| n.peer) {
                let _ = self.main.add(kernel(peer.trunc(), RouteKind::Unicast));
                continue;
            }
            if net.prefix_len() < net.max_prefix_len() && !note.is_some_and(|n| n.noprefixroute) {
                let metric = note.map_or(0, |n| n.metric);
                let _ = self.main.add(Route { metric, ..kernel(net.trunc(), RouteKind::Unicast) });
            }
        }
        self.refresh_v6(&iface);
    }

    /// The same for IPv6 (`addrconf_prefix_route`, `addrconf_add_mroute`). Its addresses have no routes while the link is down.
    fn refresh_v6(&mut self, iface: &Iface) {
        if !iface.up || !iface.speaks_v6() {
            return;
        }
        let id = iface.id;
        let kernel =
            |dst, kind, metric| Route { kind, metric, proto: RouteProto::Kernel, ..Route::link(dst, id) };
        for net in iface.addrs.iter().filter(|n| n.addr().is_ipv6()) {
            self.local.append(kernel(host(net.addr()), RouteKind::Local, 0));
            if iface.is_loopback() && net.addr().is_loopback() {
                continue;
            }
            if self.sys.ip6_forward && net.prefix_len() < 127 {
                self.local.append(kernel(host(net.network()), RouteKind::Anycast, 0));
            }
            let note = iface.notes.addrs.get(net);
            if !note.is_some_and(|n| n.noprefixroute) {
                let metric = note.map(|n| n.metric).filter(|m| *m > 0).unwrap_or(256);
                self.main.append(kernel(net.trunc(), RouteKind::Unicast, metric));
            }
        }
        if !iface.is_loopback() {
            let groups = IpNet::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).into(), 8);
            self.local.append(kernel(groups, RouteKind::Multicast, 256));
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
    pub(super) fn lo_never_up(&mut self) {
        let Some(id) = self.iface_id("lo") else { return };
        self.set_up(id, false);
        self.iface_mut(id).addrs.clear();
        self.iface_mut(id).notes.activated = false;
        self.refresh_iface(id);
    }

    /// Takes an interface out, without addresses and down, to be put into another namespace.
    pub(super) fn take_iface(&mut self, id: IfId) -> Option<Iface> {
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
    pub(super) fn put_iface(&mut self, mut iface: Iface) -> IfId {
        if self.iface(iface.id).is_some() {
            iface.id = self.free_index();
            self.next_index = iface.id.0 + 1;
        }
        iface.conf = self.sys.default;
        let id = iface.id;
        self.place(iface);
        id
    }

    pub(super) fn remove_iface(&mut self, id: IfId) {
        self.clear_master(id);
        self.neigh.flush(id, true);
        self.ifaces[id.0 as usize] = None;
        self.refresh_iface(id);
    }

    // ---- changing: addresses, routes, neighbours, forwarding entries

    /// `ip address add ADDR dev DEV`.
    ///
    /// # Errors
    /// The device does not exist or has the address already.
    pub fn addr_add(&mut self, dev: &str, addr: IpNet) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let iface = self.iface_mut(id);
        if addr.addr().is_ipv6() {
            if !iface.speaks_v6() {
                return Err(if iface.conf.disable_ipv6 { NetError::Denied } else { NetError::Invalid });
            }
            // One IPv6 address is there once, whatever the length of its prefix.
            if iface.addrs.iter().any(|a| a.addr() == addr.addr()) {
                return Err(NetError::V6Assigned);
            }
        }
        if iface.addrs.contains(&addr) {
            return Err(NetError::Exists);
        }
        super::ipv6::place(&mut iface.addrs, addr);
        self.refresh_iface(id);
        Ok(())
    }

    /// `ip address add ADDR dev DEV` with everything that can be said of the address.
    ///
    /// # Errors
    /// The device does not exist or has the address already.
    pub fn addr_add_with(&mut self, dev: &str, addr: IpNet, note: AddrNote) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let iface = self.iface_mut(id);
        if iface.addrs.contains(&addr) {
            return Err(NetError::Exists);
        }
        iface.notes.addrs.insert(addr, note);
        self.note_expiry();
        self.addr_add(dev, addr)
    }

    /// When the first address goes whose lifetime is limited.
    pub(super) const fn addr_expiry(&self) -> Option<SimTime> {
        self.addr_expires
    }

    /// Takes addresses away whose lifetime is over.
    pub(super) fn expire_addrs(&mut self, now: SimTime) {
        let over = |n: &AddrNote| n.valid.is_some_and(|at| at <= now);
        let gone: Vec<(String, IpNet)> = self
            .ifaces()
            .flat_map(|i| {
                i.notes.addrs.iter().filter(|(_, n)| over(n)).map(|(a, _)| (i.name.to_string(), *a))
            })
            .collect();
        for (dev, addr) in gone {
            // One that went with the first of its subnet is gone already.
            let _ = self.addr_del(&dev, addr);
        }
        self.note_expiry();
    }

    fn note_expiry(&mut self) {
        self.addr_expires = self.ifaces().flat_map(|i| i.notes.addrs.values()).filter_map(|n| n.valid).min();
    }

    /// `ip address change|replace`: new words about an address that is there.
    ///
    /// # Errors
    /// The device does not exist or does not have the address.
    pub fn addr_change(&mut self, dev: &str, addr: IpNet, note: AddrNote) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let iface = self.iface_mut(id);
        if !iface.addrs.contains(&addr) {
            return Err(NetError::NoSuchAddress);
        }
        iface.notes.addrs.insert(addr, note);
        self.refresh_iface(id);
        self.note_expiry();
        Ok(())
    }

    /// `ip address del ADDR dev DEV`. The first IPv4 address of a subnet takes the others of that subnet with it, unless
    /// `promote_secondaries` is on (`__inet_del_ifa`).
    ///
    /// # Errors
    /// The device does not exist or does not have the address.
    pub fn addr_del(&mut self, dev: &str, addr: IpNet) -> Result<(), NetError> {
        let id = self.dev(dev)?;
        let promote = self.conf_or(id, |c| c.promote_secondaries);
        let iface = self.iface_mut(id);
        let at = iface.addrs.iter().position(|a| *a == addr).ok_or(NetError::NoSuchAddress)?;
        let primary = !iface.addrs[..at].iter().any(|a| a.trunc() == addr.trunc());
        let sinks = |a: &IpNet| {
            *a == addr || (primary && !promote && a.trunc() == addr.trunc() && addr.addr().is_ipv4())
        };
        let gone: Vec<IpNet> = iface.addrs.extract_if(.., |a| sinks(a)).collect();
        gone.iter().for_each(|a| drop(iface.notes.addrs.remove(a)));
        gone.iter().for_each(|a| self.conntrack.end_masquerade(id, Some(a.addr())));
        self.refresh_iface(id);
        self.main.remove(|r| gone.iter().any(|a| r.src == Some(a.addr())));
        // Without an address the interface has no IPv4 at all (`fib_disable_ip`).
        if !self.iface_mut(id).addrs.iter().any(|a| a.addr().is_ipv4()) {
            self.main.remove(|r| r.dev == Some(id) && r.dst.addr().is_ipv4());
        }
        Ok(())
    }

    /// `ip route add`.
    ///
    /// # Errors
    /// The route exists, its interface is down, or its gateway is not on a link.
    pub fn route_add(&mut self, route: Route) -> Result<(), NetError> {
        let route = self.checked(route)?;
        self.main.add(route).map_err(|_| NetError::Exists)
    }

    /// `ip route replace`.
    ///
    /// # Errors
    /// The route's interface is down, or its gateway is not on a link.
    pub fn route_replace(&mut self, route: Route) -> Result<(), NetError> {
        let route = self.checked(route)?;
        let (main, dst) = (&self.main, route.dst);
        self.exceptions.forget(|d| main.lookup(d).is_some_and(|r| r.dst == dst));
        self.main.replace(route);
        Ok(())
    }

    /// `ip route del`.
    ///
    /// # Errors
    /// No route matches.
    pub fn route_del(&mut self, gone: impl Fn(&Route) -> bool) -> Result<(), NetError> {
        let main = &self.main;
        self.exceptions.forget(|dst| main.lookup(dst).is_some_and(&gone));
        if self.main.remove(gone) == 0 { Err(NetError::NoSuchRoute) } else { Ok(()) }
    }

    /// Fills in the interface from the gateway, as the kernel does, and checks that the gateway can be reached directly.
    pub(super) fn checked(&self, mut route: Route) -> Result<Route, NetError> {
        if route.dst.addr().is_ipv6() && route.metric == 0 {
            route.metric = V6_METRIC;
        }
        if let Some(via) = route.via
            && super::ipv6::is_link_local(via)
        {
            // Every link has such an address; which one is meant must be said.
            if route.dev.is_none() {
                return Err(NetError::Invalid);
            }
        } else if let Some(via) = route.via
            && !route.onlink
        {
            let on_link = self.main.lookup(via).filter(|r| r.kind == RouteKind::Unicast && r.via.is_none());
            let dev = on_link.and_then(|r| r.dev).ok_or(NetError::InvalidGateway)?;
            if *route.dev.get_or_insert(dev) != dev || self.is_local(via) {
                return Err(NetError::InvalidGateway);
            }
        }
        let Some(dev) = route.dev else {
            return if route.kind == RouteKind::Unicast { Err(NetError::Invalid) } else { Ok(route) };
        };
        if self.iface(dev).is_some_and(|i| i.up) { Ok(route) } else { Err(NetError::NetworkDown) }
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
        self.neigh.set_state(id, addr, mac, state, now);
        Ok(())
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

    // ---- helpers of the stack

    pub(super) fn bridge_mut(&mut self, id: IfId) -> Option<&mut Bridge> {
        match &mut self.ifaces.get_mut(id.0 as usize)?.as_mut()?.kind {
            IfKind::Bridge(b) => Some(b),
            IfKind::Loopback | IfKind::Veth | IfKind::Wire | IfKind::Vxlan(_) | IfKind::Dummy => None,
        }
    }

    /// A switch that holds if it is on for the interface or for all (`IN_DEV_ORCONF`).
    pub(super) fn conf_or(&self, dev: IfId, switch: impl Fn(&IfConf) -> bool) -> bool {
        switch(&self.sys.all) || self.iface(dev).is_some_and(|i| switch(&i.conf))
    }
}

/// Metric of an IPv6 route that somebody adds without one (`IP6_RT_PRIO_USER`).
const V6_METRIC: u32 = 1024;

/// The addresses that an interface has by itself once IPv6 is spoken on it.
fn v6_on(iface: &mut Iface) {
    if !iface.speaks_v6() {
        return;
    }
    let own = if iface.is_loopback() { host(Ipv6Addr::LOCALHOST.into()) } else { iface.link_local() };
    if !iface.addrs.contains(&own) {
        super::ipv6::place(&mut iface.addrs, own);
    }
}

/// The prefix that holds one address only.
pub(super) fn host(addr: IpAddr) -> IpNet {
    IpNet::from(addr)
}
