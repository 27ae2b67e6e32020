//! Routing decisions for packets that come in and packets that go out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cx;
use crate::linux::ipv6;
use crate::linux::link::IfConf;
use crate::linux::netfilter::{AddrType, AddrTypes};
use crate::linux::nftables::FibLookup;
use crate::linux::policy::{Flow, Refusal, Routing, RuleAction};
use crate::linux::route::{Route, RouteKind};
use crate::linux::{Errno, Iface, Netns, Skb};
use crate::packet::{IcmpError, IpPacket};
use crate::trace::{DropReason, IfId, Recorder, RouteDecision, RouteSummary, Step};

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Path {
    /// Outgoing interface; `lo` for addresses of this host.
    pub(in crate::linux) dev: IfId,
    /// The address to find a hardware address for.
    pub(in crate::linux) next_hop: IpAddr,
    /// The gateway, if there is one.
    pub(in crate::linux) via: Option<IpAddr>,
    /// To this host itself.
    pub(in crate::linux) local: bool,
    /// A broadcast address of the link.
    pub(in crate::linux) broadcast: bool,
    /// The route's own MTU in bytes, if it has one.
    pub(in crate::linux) mtu: Option<u32>,
    /// The route, for the record.
    pub(in crate::linux) route: RouteSummary,
}

/// Why there is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) struct NoPath {
    /// `none`, `blackhole`, `unreachable` or `prohibit`.
    pub(in crate::linux) kind: &'static str,
    /// What a local sender gets.
    pub(in crate::linux) errno: Errno,
    /// What a remote sender is told, if anything.
    pub(in crate::linux) icmp: Option<IcmpError>,
}

const NONE: NoPath =
    NoPath { kind: "none", errno: Errno::ENETUNREACH, icmp: Some(IcmpError::NetUnreachable) };

impl NoPath {
    pub(in crate::linux) fn reason(self, dst: IpAddr) -> DropReason {
        if self.kind == "none" {
            DropReason::NoRoute { dst }
        } else {
            DropReason::RouteRefused { kind: self.kind, dst }
        }
    }
}

/// What a rule that refuses means (`fib4_rule_action`).
const fn refused_by_rule(refusal: Refusal) -> NoPath {
    match refusal {
        Refusal::Nothing | Refusal::Rule(RuleAction::Lookup(_)) => NONE,
        Refusal::Rule(RuleAction::Blackhole) => {
            NoPath { kind: "blackhole", errno: Errno::EINVAL, icmp: None }
        }
        Refusal::Rule(RuleAction::Unreachable) => {
            NoPath { kind: "unreachable", errno: Errno::ENETUNREACH, icmp: Some(IcmpError::NetUnreachable) }
        }
        Refusal::Rule(RuleAction::Prohibit) => {
            NoPath { kind: "prohibit", errno: Errno::EACCES, icmp: Some(IcmpError::AdminProhibited) }
        }
    }
}

/// Why a packet that came in is not routed.
pub(super) enum BadInput {
    /// Silently dropped.
    Drop(DropReason),
    /// The sender is told.
    Refuse(NoPath),
}

impl Netns {
    /// The path of a packet that this host sends (`ip_route_output`).
    #[inline]
    pub(in crate::linux) fn path_to(&self, dst: IpAddr) -> Result<Path, NoPath> {
        self.path_of(&Flow::to(dst))
    }

    /// The path of a packet.
    pub(in crate::linux) fn path_of(&self, flow: &Flow) -> Result<Path, NoPath> {
        if Self::is_scoped(flow.dst) {
            return self.path_on_link(flow.dst, self.neigh.device_of(flow.dst));
        }
        let route = self.best_route(flow)?;
        let route = if self.is_dead(route) { self.around(flow).unwrap_or(route) } else { route };
        self.path_by(route, flow.dst)
    }

    /// The path that a socket keeps, even if its gateway does not answer any more.
    pub(in crate::linux) fn kept_path(&self, flow: &Flow) -> Result<Path, NoPath> {
        if Self::is_scoped(flow.dst) {
            self.path_of(flow)
        } else {
            self.path_by(self.best_route(flow)?, flow.dst)
        }
    }

    fn best_route(&self, flow: &Flow) -> Result<&Route, NoPath> {
        if self.policy.is_plain() {
            return self.local.lookup(flow.dst).or_else(|| self.main.lookup(flow.dst)).ok_or(NONE);
        }
        self.route_by_rules(flow).map_err(refused_by_rule)
    }

    fn path_by(&self, route: &Route, dst: IpAddr) -> Result<Path, NoPath> {
        let refused = |errno, icmp| Err(NoPath { kind: route.kind.name(), errno, icmp });
        match route.kind {
            RouteKind::Unicast => self.unicast_path(route, dst).ok_or(NONE),
            RouteKind::Throw => Err(NONE),
            RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast => {
                self.local_path(route, dst)
            }
            RouteKind::Blackhole => refused(Errno::EINVAL, None),
            RouteKind::Unreachable if dst.is_ipv4() => {
                refused(Errno::EHOSTUNREACH, Some(IcmpError::HostUnreachable))
            }
            // As without a route (`ip6_pkt_discard`).
            RouteKind::Unreachable => refused(Errno::EHOSTUNREACH, Some(IcmpError::NetUnreachable)),
            RouteKind::Prohibit => refused(Errno::EACCES, Some(IcmpError::AdminProhibited)),
        }
    }

    /// Whether a route of IPv6 leads to a gateway that did not answer: a host that is no router looks for another way then (RFC 4191, 3.2;
    /// `rt6_check_neigh`).
    fn is_dead(&self, route: &Route) -> bool {
        let Some((dev, via @ IpAddr::V6(_))) = route.dev.zip(route.via) else { return false };
        self.neigh.is_failed(dev, via) && !self.sys.all.forwarding6
    }

    /// The best route whose gateway is not dead (`fib6_backtrack`).
    fn around(&self, flow: &Flow) -> Option<&Route> {
        let alive = self.table_by_rules(flow, |table| table.holding(flow.dst).find(|r| !self.is_dead(r)));
        alive.ok().map(|(_, route)| route)
    }

    /// The path to an IPv6 address that means something on one link only: by that interface, or by the first that comes into question.
    pub(in crate::linux) fn path_on_link(&self, dst: IpAddr, dev: Option<IfId>) -> Result<Path, NoPath> {
        let table = if dst.is_multicast() { &self.local } else { &self.main };
        if let Some(r) = self.local.lookup(dst).filter(|r| r.kind == RouteKind::Local) {
            return self.local_path(r, dst);
        }
        let route = match dev {
            Some(dev) => table.lookup_by(dst, dev),
            None => table.lookup(dst),
        };
        route.and_then(|r| self.unicast_path(r, dst)).ok_or(NONE)
    }

    fn local_path(&self, route: &Route, dst: IpAddr) -> Result<Path, NoPath> {
        let summary = RouteSummary { dst: route.dst, src: route.src };
        if route.kind == RouteKind::Broadcast {
            let dev = route.dev.ok_or(NONE)?;
            return Ok(Path {
                dev,
                next_hop: dst,
                via: None,
                local: false,
                broadcast: true,
                mtu: None,
                route: summary,
            });
        }
        // What comes in for this host is taken even while `lo` is down; what this host sends itself is lost there.
        let lo = self.ifaces().find(|i| i.is_loopback()).ok_or(NONE)?;
        Ok(Path {
            dev: lo.id,
            next_hop: dst,
            via: None,
            local: true,
            broadcast: false,
            mtu: None,
            route: summary,
        })
    }

    fn unicast_path(&self, route: &Route, dst: IpAddr) -> Option<Path> {
        let dev = route.dev?;
        // A group is reached by its own hardware address, whatever gateway the route names.
        let via = self.exceptions.gateway(dst, route.dst).or(route.via);
        let via = via.filter(|via| !dst.is_multicast() && (dst.is_ipv4() || *via != dst));
        let next_hop = via.unwrap_or(dst);
        let summary = RouteSummary { dst: route.dst, src: route.src };
        let broadcast = dst == IpAddr::from(Ipv4Addr::BROADCAST);
        Some(Path { dev, next_hop, via, local: false, broadcast, mtu: route.mtu, route: summary })
    }

    /// The source address that an IPv6 packet without one gets that a route leads (`ip6_route_get_saddr`).
    #[must_use]
    pub fn source_v6(&self, route: &Route, dst: Ipv6Addr) -> Option<IpAddr> {
        if route.kind == RouteKind::Local {
            return Some(dst.into());
        }
        let chosen = || ipv6::source(self.ifaces(), route.dev?, dst).map(IpAddr::V6);
        route.src.or_else(chosen)
    }

    /// The source address that a packet without one gets on a path (`fib_select_default`, `inet_select_addr`): the route's own, one of
    /// the interface, or, if that has none, one of another. In IPv6 RFC 6724 chooses.
    pub(in crate::linux) fn source_of(&self, path: &Path, dst: IpAddr) -> IpAddr {
        if let IpAddr::V6(dst) = dst {
            let chosen = || if path.local { Some(dst) } else { ipv6::source(self.ifaces(), path.dev, dst) };
            return path
                .route
                .src
                .or_else(|| chosen().map(IpAddr::V6))
                .unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        }
        let to = path.next_hop;
        let own = || if path.local { Some(to) } else { self.iface(path.dev)?.source_for(to) };
        path.route
            .src
            .or_else(own)
            .or_else(|| self.borrowed_source(to))
            .unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }

    /// The address that an interface without any takes of another one.
    pub(super) fn borrowed_source(&self, to: IpAddr) -> Option<IpAddr> {
        self.ifaces().filter(|i| !i.is_loopback()).find_map(|i| i.source_for(to))
    }

    /// The decision for a packet that came in by `dev` (`ip_route_input`).
    pub(super) fn route_in<R: Recorder>(
        &self,
        skb: &mut Skb,
        dev: IfId,
        cx: &mut Cx<'_, R>,
    ) -> Result<Path, BadInput> {
        let decision = self.decide_in(skb, dev);
        self.note(cx, skb, || {
            Step::Route(match &decision {
                Ok(p) if p.local => RouteDecision::Local,
                Ok(p) => RouteDecision::Out { iface: p.dev, via: p.via, route: p.route },
                Err(BadInput::Refuse(n)) => RouteDecision::Refused { kind: n.kind },
                Err(BadInput::Drop(_)) => RouteDecision::Refused { kind: "source check" },
            })
        });
        decision
    }

    fn decide_in(&self, skb: &Skb, dev: IfId) -> Result<Path, BadInput> {
        let Some(p) = skb.ip() else { return Err(BadInput::Drop(DropReason::Gone)) };
        let (src, dst) = (p.src, p.dst);
        let iface = self.iface(dev).ok_or(BadInput::Drop(DropReason::Gone))?;
        if iface.is_loopback() {
            return self.path_to(dst).map_err(BadInput::Refuse);
        }
        if let IpAddr::V6(dst) = dst {
            return self.decide_in_v6(src, dst, iface, skb);
        }
        self.decide_in_v4((src, dst), iface, skb.mark)
    }

    /// The same for IPv4 (`ip_route_input_slow`). A packet that has no way is refused whatever its source.
    pub(super) fn decide_in_v4(
        &self,
        (src, dst): (IpAddr, IpAddr),
        iface: &Iface,
        mark: u32,
    ) -> Result<Path, BadInput> {
        const NO_ROUTER: Result<Path, BadInput> =
            Err(BadInput::Drop(DropReason::ForwardingDisabled { v6: false }));
        self.check_martian(src, dst, iface.id)?;
        let multicast = dst.is_multicast() || dst == IpAddr::from(Ipv4Addr::BROADCAST);
        if multicast {
            return Err(BadInput::Drop(DropReason::NoSocket));
        }
        match self.path_of(&Flow { src: Some(src), dst, iif: Some(iface.id), mark }) {
            Ok(p) if p.local || p.broadcast => {
                self.check_source(src, dst, iface, None)?;
                Ok(Path { local: true, ..p })
            }
            _ if !iface.conf.forwarding => NO_ROUTER,
            Ok(p) => {
                self.check_source(src, dst, iface, Some(p.dev))?;
                Ok(p)
            }
            Err(no) => Err(BadInput::Refuse(no)),
        }
    }

    /// Why an IPv6 packet is dropped before any rule sees it (`ip6_rcv_core`).
    pub(super) fn martian_v6(&self, p: &IpPacket, dev: IfId) -> Option<DropReason> {
        let loopback = self.iface(dev).is_some_and(Iface::is_loopback);
        if p.src.is_multicast() || (p.src.is_loopback() && !loopback) {
            return Some(DropReason::MartianSource);
        }
        (p.dst.is_loopback() && !loopback).then_some(DropReason::MartianDestination)
    }

    /// The same for IPv6 (`ip6_route_input`), which knows neither reverse path filter nor martians.
    fn decide_in_v6(&self, src: IpAddr, dst: Ipv6Addr, iface: &Iface, skb: &Skb) -> Result<Path, BadInput> {
        if dst.is_unspecified() {
            return Err(BadInput::Drop(DropReason::MartianDestination));
        }
        if dst.is_multicast() {
            if !iface.in_group(dst, self.sys.ip6_forward) && !self.speaks_in_group(iface.id, dst) {
                return Err(BadInput::Drop(DropReason::NoSocket));
            }
            let path = self.path_on_link(dst.into(), Some(iface.id)).map_err(BadInput::Refuse)?;
            return Ok(Path { local: true, ..path });
        }
        let path = if dst.is_unicast_link_local() {
            self.path_on_link(dst.into(), Some(iface.id))
        } else if dst.is_loopback() {
            // Translation may have made it so. The route must lead back out of the interface (`rt6_need_strict`), and `lo` is another.
            let way = self.main.lookup_by(dst.into(), iface.id);
            way.and_then(|r| self.unicast_path(r, dst.into())).ok_or(NONE)
        } else {
            self.path_of(&Flow { src: Some(src), dst: dst.into(), iif: Some(iface.id), mark: skb.mark })
        };
        // A bridge that has changed the destination asks for the way only (`br_nf_pre_routing_finish_ipv6`).
        let forwards = self.sys.ip6_forward || skb.bridge_nf.is_some_and(|b| b.asks);
        match path {
            Ok(p) if !p.local && !forwards => {
                Err(BadInput::Drop(DropReason::ForwardingDisabled { v6: true }))
            }
            other => other.map_err(BadInput::Refuse),
        }
    }

    /// Why a packet from `src` to `dst` that came in by `dev` would not be taken, whatever its route: a martian, or the reverse path filter.
    /// `oif` is where it would leave.
    #[must_use]
    pub fn input_refusal(
        &self,
        src: IpAddr,
        dst: IpAddr,
        dev: IfId,
        oif: Option<IfId>,
    ) -> Option<DropReason> {
        let iface = self.iface(dev)?;
        let checked =
            self.check_martian(src, dst, dev).and_then(|()| self.check_source(src, dst, iface, oif));
        match checked {
            Err(BadInput::Drop(reason)) => Some(reason),
            Err(BadInput::Refuse(_)) | Ok(()) => None,
        }
    }

    pub(super) fn check_martian(&self, src: IpAddr, dst: IpAddr, dev: IfId) -> Result<(), BadInput> {
        let localnet = self.conf_or(dev, |c: &IfConf| c.route_localnet);
        let zero = |a: IpAddr| a.is_unspecified();
        let everybody = src == IpAddr::V4(Ipv4Addr::BROADCAST);
        if src.is_multicast() || everybody || zero(src) || (src.is_loopback() && !localnet) {
            return Err(BadInput::Drop(DropReason::MartianSource));
        }
        if zero(dst) || (dst.is_loopback() && !localnet) {
            return Err(BadInput::Drop(DropReason::MartianDestination));
        }
        Ok(())
    }

    /// The reverse path filter, and the ban on packets that claim to come from this host (`fib_validate_source`). `oif` is where a
    /// packet to `dst` would leave, and where rules then say that its answer comes in; what is for this host itself is answered from `lo`.
    pub(super) fn check_source(
        &self,
        src: IpAddr,
        dst: IpAddr,
        iface: &Iface,
        oif: Option<IfId>,
    ) -> Result<(), BadInput> {
        const MARTIAN: Result<(), BadInput> = Err(BadInput::Drop(DropReason::MartianSource));
        if src.is_ipv6() {
            return Ok(());
        }
        let filter = self.sys.all.rp_filter.max(iface.conf.rp_filter);
        let accept_local = self.conf_or(iface.id, |c| c.accept_local);
        let back_out = oif == Some(iface.id) && self.conf_or(iface.id, |c| c.send_redirects);
        if filter == 0 && !back_out && self.policy.is_plain() {
            // Only the addresses themselves count, not all that is routed to this host.
            let own = !accept_local && self.ifaces().any(|i| i.addrs.iter().any(|a| a.addr() == src));
            return if own { MARTIAN } else { Ok(()) };
        }
        let back = self.path_of(&Flow { src: Some(dst), dst: src, iif: oif, mark: 0 });
        let way = match back {
            Ok(p) if p.broadcast => return MARTIAN,
            Ok(p) if p.local => return if accept_local { Ok(()) } else { MARTIAN },
            Ok(p) => filter != 1 || p.dev == iface.id,
            // No way back, or one that refuses, is of interest to the filter only (`last_resort`).
            Err(_) => filter == 0,
        };
        if way { Ok(()) } else { Err(BadInput::Drop(DropReason::RpFilter)) }
    }
}

/// The routing tables' opinion of addresses, for `-m addrtype` and `fib`.
pub(super) struct Opinion<'a>(pub(super) Routing<'a>);

impl<'a> Opinion<'a> {
    /// The interface of a packet's route.
    fn towards(&self, flow: &Flow) -> Option<&'a Iface> {
        self.0.iface(self.0.lookup(flow)?.dev?)
    }
}

impl AddrTypes for Opinion<'_> {
    /// Of IPv4 `inet_dev_addr_type`, which asks the local table only; of IPv6 `nft_fib6_eval_type`, which asks by the rules.
    fn addr_type(&self, flow: &Flow, dev: Option<&str>) -> AddrType {
        let (Self(tables), addr) = (self, flow.dst);
        if addr.is_multicast() {
            return AddrType::Multicast;
        }
        if let IpAddr::V4(a) = addr
            && (a.octets()[0] == 0 || a.is_broadcast())
        {
            return AddrType::Broadcast;
        }
        let on_dev = |r: &&Route| {
            dev.is_none_or(|name| r.dev.and_then(|d| tables.iface(d)).is_some_and(|i| *i.name == *name))
        };
        match tables.local.lookup(addr).filter(on_dev).map(|r| r.kind) {
            Some(RouteKind::Local) => return AddrType::Local,
            Some(RouteKind::Anycast) => return AddrType::Anycast,
            Some(RouteKind::Broadcast) => return AddrType::Broadcast,
            _ => {}
        }
        if addr.is_ipv4() {
            return AddrType::Unicast;
        }
        match tables.lookup(flow).map(|r| r.kind) {
            Some(RouteKind::Blackhole) => AddrType::Blackhole,
            Some(RouteKind::Prohibit) => AddrType::Prohibit,
            Some(RouteKind::Unreachable) | None => AddrType::Unreachable,
            Some(_) if addr.is_unspecified() => AddrType::Unspec,
            Some(_) => AddrType::Unicast,
        }
    }

    fn device_towards(&self, flow: &Flow) -> Option<&str> {
        Some(&*self.towards(flow)?.name)
    }

    fn mtu_towards(&self, addr: IpAddr) -> Option<u32> {
        Some(self.towards(&Flow::to(addr))?.mtu)
    }
}

impl FibLookup for Opinion<'_> {
    /// An address of this host yields nothing (`nft_fib4_eval`).
    fn out_interface(&self, flow: &Flow, dev: Option<IfId>) -> Option<IfId> {
        let route = self.0.lookup(flow).filter(|r| r.kind == RouteKind::Unicast)?;
        route.dev.filter(|out| dev.is_none_or(|wanted| wanted == *out))
    }

    fn interface_name(&self, id: IfId) -> Option<&str> {
        self.0.iface(id).map(|i| &*i.name)
    }
}
