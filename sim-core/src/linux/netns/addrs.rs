//! Addresses of interfaces, as `ip address` sets them, and the routes that follow from them.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::{NetError, Netns, host};
use crate::linux::ipv6;
use crate::linux::link::{AddrNote, IfKind, Iface};
use crate::linux::route::{Route, RouteKind, RouteProto};
use crate::time::SimTime;
use crate::trace::IfId;

impl Netns {
    /// IPv6 was switched on or off somewhere.
    pub(super) fn v6_switched(&mut self) {
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

    pub(super) fn refresh_all(&mut self) {
        let ids: Vec<IfId> = self.ifaces().map(|i| i.id).collect();
        ids.into_iter().for_each(|id| self.refresh_iface(id));
    }

    /// Writes the routes that follow from an interface's addresses anew: `local` ones stay while it is down (the kernel keeps the
    /// address), connected ones go, and so do all others through it.
    pub(super) fn refresh_iface(&mut self, id: IfId) {
        self.local.remove(|r| r.dev == Some(id));
        let iface = self.ifaces[id.0 as usize].clone();
        if iface.as_ref().is_none_or(|i| !i.up) {
            self.forget_exceptions_of(|r| r.dev == Some(id));
        }
        let Some(iface) = iface else {
            self.main.remove(|r| r.dev == Some(id));
            self.policy.remove_of(id);
            return;
        };
        self.main.remove(|r| r.dev == Some(id) && (!iface.up || r.proto == RouteProto::Kernel));
        if !iface.up {
            self.policy.remove_of(id);
        }
        let mut primaries: FxHashMap<IpNet, IpAddr> = FxHashMap::default();
        for net in iface.addrs.iter().filter(|n| n.addr().is_ipv4()) {
            // The first address of a subnet speaks for all (`IFA_F_SECONDARY`).
            let primary = *primaries.entry(net.trunc()).or_insert(net.addr());
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
            if let IpNet::V4(v4) = net
                && v4.prefix_len() < 31
            {
                let _ = self.local.add(kernel(host(v4.broadcast().into()), RouteKind::Broadcast));
            }
            if iface.is_loopback() {
                let _ = self.local.add(kernel(net.trunc(), RouteKind::Local));
                continue;
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
        // A device without neighbours checks no address for duplicates: it is this host's at once, even while the link is down.
        if !iface.speaks_v6() || !iface.up && !matches!(iface.kind, IfKind::Dummy) {
            return;
        }
        let id = iface.id;
        let kernel =
            |dst, kind, metric| Route { kind, metric, proto: RouteProto::Kernel, ..Route::link(dst, id) };
        for net in iface.addrs.iter().filter(|n| n.addr().is_ipv6()) {
            self.local.append(kernel(host(net.addr()), RouteKind::Local, 0));
            if !iface.up || iface.is_loopback() && net.addr().is_loopback() {
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
        if iface.up && !iface.is_loopback() {
            let groups = IpNet::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).into(), 8);
            self.local.append(kernel(groups, RouteKind::Multicast, 256));
        }
    }

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
        let alone = is_alone(iface, addr);
        ipv6::place(&mut iface.addrs, addr);
        if alone {
            let _ = self.local.add(local_host(addr, id));
        } else {
            self.refresh_iface(id);
        }
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
    pub(in crate::linux) const fn addr_expiry(&self) -> Option<SimTime> {
        self.addr_expires
    }

    /// Takes addresses away whose lifetime is over.
    pub(in crate::linux) fn expire_addrs(&mut self, now: SimTime) {
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

    pub(super) fn note_expiry(&mut self) {
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
        let noted = iface.notes.addrs.contains_key(&addr);
        let sinks = |a: &IpNet| {
            *a == addr || (primary && !promote && a.trunc() == addr.trunc() && addr.addr().is_ipv4())
        };
        let gone: Vec<IpNet> = iface.addrs.extract_if(.., |a| sinks(a)).collect();
        gone.iter().for_each(|a| drop(iface.notes.addrs.remove(a)));
        let alone = !noted && is_alone(iface, addr);
        gone.iter().for_each(|a| self.conntrack.end_masquerade(id, Some(a.addr())));
        if alone {
            self.local.remove(|r| *r == local_host(addr, id));
        } else {
            self.refresh_iface(id);
        }
        self.main.remove(|r| gone.iter().any(|a| r.src == Some(a.addr())));
        // Without an address the interface has no IPv4 at all (`fib_disable_ip`).
        if !self.iface_mut(id).addrs.iter().any(|a| a.addr().is_ipv4()) {
            self.main.remove(|r| r.dev == Some(id) && r.dst.addr().is_ipv4());
        }
        Ok(())
    }
}

/// Whether an IPv4 address makes no route but the one to itself, and no other address of the interface has to do with it.
fn is_alone(iface: &Iface, addr: IpNet) -> bool {
    let is_host = addr.addr().is_ipv4() && addr.prefix_len() == addr.max_prefix_len();
    is_host
        && !iface.is_loopback()
        && !iface.notes.addrs.contains_key(&addr)
        && !iface.addrs.iter().any(|a| a.addr() == addr.addr())
}

/// The route of table `local` to an address that is alone.
fn local_host(addr: IpNet, dev: IfId) -> Route {
    Route {
        kind: RouteKind::Local,
        src: Some(addr.addr()),
        proto: RouteProto::Kernel,
        ..Route::link(host(addr.addr()), dev)
    }
}

/// The addresses that an interface has by itself once IPv6 is spoken on it.
pub(super) fn v6_on(iface: &mut Iface) {
    if !iface.speaks_v6() {
        return;
    }
    let own = if iface.is_loopback() { host(Ipv6Addr::LOCALHOST.into()) } else { iface.link_local() };
    if !iface.addrs.contains(&own) {
        ipv6::place(&mut iface.addrs, own);
    }
}
