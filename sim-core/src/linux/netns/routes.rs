//! Routes of the tables `main` and `local`, and route exceptions. The other tables and the rules are in [`policy`](crate::linux::policy).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{NetError, Netns};
use crate::linux::exception::Exception;
use crate::linux::ipv6;
use crate::linux::route::{Route, RouteKind, Table};
use crate::time::SimTime;

impl Netns {
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

    /// What ICMP has said about a destination to which this host sends.
    #[must_use]
    pub fn route_exception(&self, dst: IpAddr, now: SimTime) -> Option<&Exception> {
        self.exceptions.get(dst, self.path_to(dst).ok()?.route.dst, now)
    }

    /// The same for packets that a certain route leads there: the `cache` of `ip route get`.
    #[must_use]
    pub fn exception_under(&self, dst: IpAddr, route: &Route, now: SimTime) -> Option<&Exception> {
        self.exceptions.get(dst, route.dst, now)
    }

    /// What ICMP has said about all destinations, each with the prefix of its route, in order of appearance. In IPv4 that is the
    /// destination itself.
    pub fn route_exceptions(&self, now: SimTime) -> impl Iterator<Item = (IpAddr, IpNet, &Exception)> {
        self.exceptions.iter(now)
    }

    /// The gateway that a redirect has named for a destination to which a route leads: in IPv6 the destination itself, if that is on the
    /// link.
    #[must_use]
    pub fn redirected_to(&self, dst: IpAddr, route: &Route) -> Option<IpAddr> {
        self.exceptions.gateway(dst, route.dst)
    }

    /// `ip route flush cache`: forgets what ICMP has said about some destinations.
    pub fn forget_exceptions(&mut self, gone: impl Fn(IpAddr) -> bool) {
        self.exceptions.forget(|dst, _, _| gone(dst));
    }

    /// Forgets what ICMP has said.
    pub(in crate::linux) fn flush_exceptions(&mut self) {
        self.exceptions.forget(|_, _, _| true);
    }

    /// Whether `addr` is one of this host's addresses.
    #[must_use]
    pub fn is_local(&self, addr: IpAddr) -> bool {
        self.local.lookup(addr).is_some_and(|r| r.kind == RouteKind::Local)
    }

    /// Whether `addr` is a broadcast address of one of this host's links.
    pub(in crate::linux) fn is_broadcast(&self, addr: IpAddr) -> bool {
        self.local.lookup(addr).is_some_and(|r| r.kind == RouteKind::Broadcast)
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
        let dst = route.dst;
        self.forget_exceptions_of(|r| r.dst == dst);
        self.main.replace(route);
        Ok(())
    }

    /// `ip route del`.
    ///
    /// # Errors
    /// No route matches.
    pub fn route_del(&mut self, gone: impl Fn(&Route) -> bool) -> Result<(), NetError> {
        self.forget_exceptions_of(&gone);
        if self.main.remove(gone) == 0 { Err(NetError::NoSuchRoute) } else { Ok(()) }
    }

    /// Forgets what is known beside routes of the main table that go.
    pub(super) fn forget_exceptions_of(&mut self, gone: impl Fn(&Route) -> bool) {
        let main = &self.main;
        self.exceptions.forget(|dst, under, _| match dst {
            IpAddr::V4(_) => main.lookup(dst).is_some_and(&gone),
            IpAddr::V6(_) => main.holding(dst).any(|r| r.dst == under && gone(r)),
        });
    }

    /// Fills in the interface from the gateway, as the kernel does, and checks that the gateway can be reached directly.
    pub(in crate::linux) fn checked(&self, mut route: Route) -> Result<Route, NetError> {
        if route.dst.addr().is_ipv6() && route.metric == 0 {
            route.metric = V6_METRIC;
        }
        if let Some(via) = route.via
            && ipv6::is_link_local(via)
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
}

/// Metric of an IPv6 route that somebody adds without one (`IP6_RT_PRIO_USER`).
const V6_METRIC: u32 = 1024;
