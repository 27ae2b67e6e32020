//! What ICMP has said about single destinations, as `ip route show cache` lists it and `ip -6 route get` tells it.

use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::Netns;
use sim_core::linux::exception::Exception;
use sim_core::linux::policy::{Flow, MAIN};
use sim_core::linux::route::{Route, RouteKind, RouteProto};
use sim_core::time::SimTime;

use super::route::{Filter, table_name};
use super::{Call, Failure, Shown};
use crate::tools::printer::Printer;

/// How many ticks of 10 ms there are in a second: what has not lasted that long is not told.
const USER_HZ: u128 = 100;

/// A destination of which something is known, as a route to it.
pub(super) struct Cached {
    pub(super) exception: Exception,
    pub(super) route: Route,
}

/// An answer of `ip -6 route get`.
pub(super) struct GotV6<'r> {
    pub(super) dst: IpAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) iif: Option<&'r str>,
    pub(super) dev: &'r str,
    pub(super) table: u32,
    /// The route, with the gateway that is in force.
    pub(super) route: Route,
    pub(super) src: Option<IpAddr>,
}

impl Call<'_> {
    /// `ip route show cache`.
    pub(super) fn route_show_cache(self, filter: &Filter) -> Shown {
        let mut p = self.printer();
        let v6 = self.v6() || filter.is_v6();
        for cached in self.cached_routes(filter, v6)? {
            self.print_cached(&mut p, &cached, filter);
        }
        Ok(p.finish())
    }

    /// `ip route flush cache`: of IPv4 everything at once, of IPv6 one after the other.
    pub(super) fn route_flush_cache(self, filter: &Filter) -> Shown {
        if !self.v6() && !filter.is_v6() {
            self.world.ns_mut(self.ns).forget_exceptions(|dst| dst.is_ipv4());
            let told = self.options.stats > 0;
            return Ok(if told { "*** IPv4 routing cache is flushed.\n" } else { "" }.to_owned());
        }
        let mut said = self.printer();
        let gone = self.cached_routes(filter, true)?;
        if self.options.stats > 1 {
            gone.iter().for_each(|cached| self.print_cached(&mut said, cached, filter));
        }
        let chosen = |dst: IpAddr| gone.iter().any(|cached| cached.route.dst.addr() == dst);
        self.world.ns_mut(self.ns).forget_exceptions(chosen);
        Ok(said.finish() + &self.flush_report(gone.len(), "entries", "Nothing to flush."))
    }

    fn cached_routes(&self, filter: &Filter, v6: bool) -> Result<Vec<Cached>, Failure> {
        let ns = self.world.ns(self.ns);
        let dev = match &filter.dev {
            Some(name) => Some(ns.iface_id(name).ok_or_else(|| self.no_device(name))?),
            None => None,
        };
        let known = ns.route_exceptions(self.world.now()).filter(|(dst, ..)| dst.is_ipv6() == v6);
        let cached = known.filter_map(|(dst, under, exception)| cached(ns, dst, under, exception));
        Ok(cached.filter(|c| (dev.is_none() || c.route.dev == dev) && filter.takes(&c.route)).collect())
    }

    fn print_cached(&self, p: &mut Printer, cached: &Cached, filter: &Filter) {
        let Cached { exception, route } = cached;
        let (ns, dst) = (self.world.ns(self.ns), route.dst.addr());
        p.open_object(None);
        if self.options.details {
            p.any("type", format_args!("{} ", route.kind.name()), route.kind.name());
        }
        p.any("dst", format_args!("{dst} "), dst.to_string());
        if let Some(via) = route.via.filter(|_| filter.via.is_none()) {
            p.any("gateway", format_args!("via {via} "), via.to_string());
        }
        let dev = route.dev.and_then(|d| ns.iface(d)).filter(|_| filter.dev.is_none());
        if let Some(dev) = dev {
            p.any("dev", format_args!("dev {} ", dev.name), &*dev.name);
        }
        if dst.is_ipv4() {
            p.words("flags", []);
            print_flags(p, exception);
            self.print_cache_info(p, exception);
            print_mtu(p, exception.mtu);
        } else {
            if let Some(src) = route.src.filter(|_| filter.src.is_none()) {
                p.any("prefsrc", format_args!("src {src} "), src.to_string());
            }
            p.any("metric", format_args!("metric {} ", route.metric), route.metric);
            p.words("flags", []);
            self.print_cache_info(p, exception);
            print_mtu(p, exception.mtu.or(route.mtu));
            p.any("pref", "pref medium", "medium");
        }
        p.text("\n");
        p.close_object();
    }

    /// `print_rta_cacheinfo`.
    fn print_cache_info(&self, p: &mut Printer, exception: &Exception) {
        let now = self.world.now();
        print_expires(p, exception, now);
        if self.options.stats > 0 {
            p.any("users", "users 1 ", 1u32);
            let age = now.since(exception.made);
            if age.as_millis() * USER_HZ >= 1000 {
                p.any("age", format_args!("age {}sec ", age.as_secs()), age.as_secs());
            }
        }
    }

    /// `ip -6 route get`: a line as of a list, with what is known of the destination.
    pub(super) fn print_got_v6(&self, got: &GotV6<'_>) -> String {
        let (ns, now, details) = (self.world.ns(self.ns), self.world.now(), self.options.details);
        let GotV6 { dst, route, .. } = got;
        let exception = ns.exception_under(*dst, route, now);
        let mut p = self.printer();
        p.open_object(None);
        let kind = route.kind.name();
        if route.kind != RouteKind::Unicast || details {
            p.any("type", format_args!("{kind} "), kind);
        }
        p.any("dst", format_args!("{dst} "), dst.to_string());
        let from = got.from.map_or_else(|| "::".to_owned(), |from| from.to_string());
        p.any("from", format_args!("from {from} "), from.as_str());
        if let Some(via) = route.via {
            p.any("gateway", format_args!("via {via} "), via.to_string());
        }
        p.any("dev", format_args!("dev {} ", got.dev), got.dev);
        if got.table != MAIN || details {
            let name = table_name(got.table);
            p.any("table", format_args!("table {name} "), name.as_str());
        }
        // Of what ICMP has made nobody says where it is from.
        if exception.is_none() {
            if route.proto != RouteProto::Boot || details {
                let name = route.proto.name();
                p.any("protocol", format_args!("proto {name} "), name.as_ref());
            }
            if details {
                p.any("scope", "scope global ", "global");
            }
        }
        if let Some(src) = got.src {
            p.any("prefsrc", format_args!("src {src} "), src.to_string());
        }
        p.any("metric", format_args!("metric {} ", route.metric), route.metric);
        p.words("flags", []);
        if let Some(e) = exception {
            print_expires(&mut p, e, now);
        }
        print_mtu(&mut p, exception.and_then(|e| e.mtu).or(route.mtu));
        if let Some(iif) = got.iif {
            p.any("iif", format_args!("iif {iif} "), iif);
        }
        p.any("pref", "pref medium", "medium");
        p.text("\n");
        p.close_object();
        p.finish()
    }
}

/// What is known of a destination, beside the route that leads there.
fn cached(ns: &Netns, dst: IpAddr, under: IpNet, exception: &Exception) -> Option<Cached> {
    let mut tables = ns.tables().filter_map(|number| ns.table(number));
    let beside = tables.find_map(|t| t.iter().find(|r| r.dst == under && r.kind == RouteKind::Unicast));
    let route = match beside.filter(|_| dst.is_ipv6()) {
        Some(route) => route,
        None => ns.route_lookup(&Flow::to(dst)).ok()?.1,
    };
    let via = exception.gateway.or(route.via).filter(|via| dst.is_ipv4() || *via != dst);
    let src = route.src.filter(|_| dst.is_ipv6());
    let route = Route { dst: IpNet::from(dst), via, src, ..route.clone() };
    Some(Cached { exception: *exception, route })
}

/// The flags of IPv4's cache.
fn print_flags(p: &mut Printer, exception: &Exception) {
    p.text("\n    cache ");
    let redirected = exception.gateway.map(|_| "redirected");
    if let Some(flag) = redirected {
        p.text(format_args!("<{flag}> "));
    }
    p.words("cache", redirected);
}

/// `expires` of a route.
pub(super) fn print_expires(p: &mut Printer, exception: &Exception, now: SimTime) {
    if let Some(at) = exception.expires {
        let left = at.since(now).as_secs();
        p.any("expires", format_args!("expires {left}sec "), left);
    }
}

fn print_mtu(p: &mut Printer, mtu: Option<u32>) {
    let Some(mtu) = mtu else { return };
    p.open_array("metrics");
    p.open_object(None);
    p.any("mtu", format_args!("mtu {mtu} "), mtu);
    p.close_object();
    if p.is_json() {
        p.close_array();
    }
}
