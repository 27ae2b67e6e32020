//! Redirects of IPv6 (RFC 4861, 8): sent by routers (`ndisc_send_redirect`), followed by hosts (`rt6_do_redirect`).
//!
//! A host believes them more readily than those of IPv4: the next hop need not be known, and the router's own route to it is not asked.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Asker, Redirect};
use crate::linux::ipv6::is_link_local;
use crate::linux::link::Iface;
use crate::linux::policy::Flow;
use crate::linux::route::{Route, RouteKind};
use crate::linux::stack::Cx;
use crate::linux::stack::routing::Path;
use crate::linux::{Netns, Skb};
use crate::packet::{Icmp, IpPacket};
use crate::trace::{IfId, Recorder};

/// Hop limit of a redirect: it has crossed no router.
const HOP_LIMIT: u8 = 255;
/// Time in milliseconds that one redirect to a peer, or about one, costs.
const COST_MS: u32 = 1000;

/// The way of the packets that a redirect is about.
struct Way {
    dev: IfId,
    gateway: Option<IpAddr>,
    /// Prefix of the route.
    under: IpNet,
}

impl Netns {
    /// Tells the sender of a packet that goes back where it came from of a shorter way (`ip6_forward`, `ndisc_send_redirect`): to what is
    /// on the link itself, or to a gateway by its link-local address; other gateways cannot be named. What a bridge gave a new destination
    /// counts as having come in where it leaves.
    pub(in crate::linux::stack) fn redirect_v6<R: Recorder>(
        &mut self,
        dev: IfId,
        path: &Path,
        skb: &Skb,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(p) = skb.ip() else { return };
        let back = path.dev == dev || skb.bridge_nf.is_some_and(|b| b.routed);
        // Whether anybody can be told or not, the question is paid for.
        if !back || !self.limits.allow(p.dst, COST_MS, cx.now) {
            return;
        }
        let target = path.next_hop;
        let (Some(own), IpAddr::V6(sender)) = (self.iface(dev).and_then(Iface::own_link_local), p.src) else {
            return;
        };
        let can_be_named = target == p.dst || is_link_local(target);
        if can_be_named && self.is_neighbour_on(dev, p.src) && self.limits.allow(p.src, COST_MS, cx.now) {
            let gateway_mac = self.neigh.valid_mac(path.dev, target);
            let message = Icmp::Redirect { gateway: target, gateway_mac, quote: p.quoted() };
            self.send_discovery(dev, own, sender, message, cx);
        }
    }

    /// Whether packets to an address that have to leave by an interface need no gateway there.
    fn is_neighbour_on(&self, dev: IfId, addr: IpAddr) -> bool {
        if is_link_local(addr) {
            return self.path_on_link(addr, Some(dev)).is_ok_and(|way| !way.local);
        }
        let found = self.table_by_rules(&Flow::to(addr), |table| table.lookup_by(addr, dev));
        found.is_ok_and(|(_, route)| route.kind == RouteKind::Unicast && route.via.is_none())
    }

    /// A redirect arrives; whether it is followed from now on.
    pub(super) fn redirect_input_v6<R: Recorder>(
        &mut self,
        dev: IfId,
        redirect: &Redirect<'_>,
        asker: Asker,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let Redirect { from, hops, gateway: target, mac, quote } = *redirect;
        let on_link = target == quote.dst;
        let sound = hops == HOP_LIMIT
            && is_link_local(from)
            && !quote.dst.is_multicast()
            && (on_link || is_link_local(target));
        if !sound || !self.follows_redirects_v6(dev) {
            return false;
        }
        let Some(way) = self.redirected_way(dev, from, quote, asker) else { return false };
        // Who sends redirects is there.
        self.neigh.confirm(way.dev, way.gateway.unwrap_or(from), cx.now);
        if let Some(mac) = mac {
            self.learned(dev, target, mac, (false, true), cx);
        }
        if !on_link {
            self.neigh.set_router(dev, target, true);
        }
        self.exceptions.redirect_v6(quote.dst, (way.dev, target), way.under, cx.now);
        true
    }

    /// Whether an interface follows them: a host's only, and `all` has no say.
    fn follows_redirects_v6(&self, dev: IfId) -> bool {
        self.iface(dev).is_some_and(|i| i.conf.accept_redirects6 && !i.conf.forwarding6)
    }

    /// The way that a redirect corrects. It must lead to the router that sent it (`__ip6_route_redirect`): by the best route or, if that
    /// leads elsewhere, by one that is worse. A connection asks for no such thing: it knows its route (`tcp_v6_err`).
    fn redirected_way(&self, dev: IfId, from: IpAddr, quote: &IpPacket, asker: Asker) -> Option<Way> {
        let dst = quote.dst;
        let flow = Flow { src: Some(quote.src), ..Flow::to(dst) };
        if let Asker::Connection(sock) = asker {
            let src = flow.src.filter(|_| !self.sockets.has_early_route(sock));
            let path = self.path_of(&Flow { src, ..flow }).ok().filter(|path| !path.local)?;
            return Some(Way { dev: path.dev, gateway: path.via, under: path.route.dst });
        }
        let leads = |r: &Route| {
            r.dev == Some(dev)
                && r.via.is_some_and(|via| via == from || self.redirected_to(dst, r) == Some(from))
        };
        let refuses = |r: &Route| !matches!(r.kind, RouteKind::Unicast | RouteKind::Multicast);
        let (_, route) = self
            .table_by_rules(&flow, |table| table.holding(dst).find(|r| refuses(r) || leads(r)))
            .ok()
            .filter(|(_, r)| !refuses(r))?;
        Some(Way { dev, gateway: Some(from), under: route.dst })
    }
}

#[cfg(test)]
mod tests;
