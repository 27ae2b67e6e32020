//! Neighbour discovery (RFC 4861): what ARP is for IPv4. Its messages are packets and meet the rules of ip6tables.

use std::net::{IpAddr, Ipv6Addr};

use super::Cx;
use super::routing::Path;
use crate::linux::ipv6::{ALL_NODES, is_link_local, solicited_node};
use crate::linux::netns::host;
use crate::linux::{Netns, Skb};
use crate::packet::{Icmp, IpPacket, MacAddr, Transport};
use crate::trace::{DropReason, IfId, Recorder, RouteSummary, Verdict};

/// Hop limit of every message: it has crossed no router.
const HOP_LIMIT: u8 = 255;

impl Netns {
    /// Asks for a next hop's hardware address (`ndisc_solicit`). The sender is that of the packet that waits, if the interface has
    /// that address, else the link-local address; without one nothing is asked.
    pub(super) fn solicit<R: Recorder>(
        &mut self,
        dev: IfId,
        target: Ipv6Addr,
        src: Option<IpAddr>,
        unicast: bool,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(iface) = self.iface(dev) else { return };
        let own = src.filter(|s| iface.addrs.iter().any(|a| a.addr() == *s));
        let Some(src) = own.or_else(|| iface.own_link_local()) else { return };
        let body = Icmp::NeighbourSolicit { target, source_mac: Some(iface.mac) };
        let dst = if unicast { target } else { solicited_node(target) };
        self.send_discovery(dev, src, dst, body, cx);
    }

    pub(super) fn send_discovery<R: Recorder>(
        &mut self,
        dev: IfId,
        src: IpAddr,
        dst: Ipv6Addr,
        body: Icmp,
        cx: &mut Cx<'_, R>,
    ) {
        let dst = IpAddr::from(dst);
        let packet = IpPacket { ttl: HOP_LIMIT, ..IpPacket::new(src, dst, Transport::Icmp(body)) };
        let route = RouteSummary { dst: host(dst), src: None };
        let path = Path { dev, next_hop: dst, via: None, local: false, broadcast: false, route, mtu: None };
        let _ = self.send_local_on(path, packet, None, cx);
    }

    /// A message of neighbour discovery for this host.
    pub(super) fn discovery_input<R: Recorder>(&mut self, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let (Some(p), Some(dev)) = (skb.ip(), skb.iif) else { return };
        if p.ttl != HOP_LIMIT || self.iface(dev).is_none_or(|i| !i.arp) {
            return self.drop(cx, skb, DropReason::OtherHost);
        }
        let (src, group) = (p.src, p.dst.is_multicast());
        let Transport::Icmp(message) = &p.body else { return };
        match *message {
            Icmp::NeighbourSolicit { target, source_mac } => {
                if !self.answer(dev, src, target, (source_mac, group), cx) {
                    return self.drop(cx, skb, DropReason::OtherHost);
                }
                self.end(cx, skb, || Verdict::Consumed { what: "neighbour solicitation answered" });
            }
            Icmp::NeighbourAdvert { target, target_mac, solicited, replaces, router } => {
                let target = target.into();
                // Without an address it confirms the one that is known.
                let mac = target_mac.or_else(|| self.neigh.valid_mac(dev, target));
                let late = self.neigh.is_failed(dev, target) || (solicited && group);
                if let Some(mac) = mac.filter(|_| !late)
                    && (replaces || !self.neigh.is_contradicted(dev, target, mac))
                {
                    self.learned(dev, target, mac, (solicited, false), cx);
                    if self.neigh.set_router(dev, target, router) {
                        // It forwards no more (`rt6_clean_tohost`).
                        self.exceptions.forget(|_, _, e| e.leads_to(src));
                    }
                }
                self.end(cx, skb, || Verdict::Consumed { what: "neighbour advertisement noted" });
            }
            _ => {}
        }
    }

    /// Answers a solicitation for an address of the interface (`ndisc_recv_ns`); whether it was one. Who asked one host alone has its
    /// hardware address already, and is not told it again.
    fn answer<R: Recorder>(
        &mut self,
        dev: IfId,
        asker: IpAddr,
        target: Ipv6Addr,
        (mac, group): (Option<MacAddr>, bool),
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let Some(iface) = self.iface(dev) else { return false };
        if iface.addrs.iter().all(|a| a.addr() != IpAddr::from(target)) {
            return self.answered_for.contains(&(dev, target.into()))
                && self.speak_for(dev, asker, target, mac, cx);
        }
        let (own, router) = (iface.mac, iface.conf.forwarding6);
        // Who asks from no address wants to know whether the address is free, and everybody must hear the answer.
        let (to, solicited) = match asker {
            IpAddr::V6(a) if !a.is_unspecified() => (a, true),
            _ => (ALL_NODES, false),
        };
        if let Some(mac) = mac.filter(|_| solicited) {
            self.learned(dev, asker, mac, (false, true), cx);
        }
        let target_mac = Some(own).filter(|_| group);
        let body = Icmp::NeighbourAdvert { target, target_mac, router, solicited, replaces: true };
        self.send_discovery(dev, target.into(), to, body, cx);
        true
    }

    /// Whether a program has joined the group of an address that it answers for.
    pub(super) fn speaks_in_group(&self, dev: IfId, group: Ipv6Addr) -> bool {
        let asked_in = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if solicited_node(*ip) == group);
        self.answered_for.iter().any(|(at, ip)| *at == dev && asked_in(ip))
    }

    /// A program answers for an address that is not this host's: only who says where to send the answer, from the link-local address
    /// as programs do, and without replacing what is known.
    fn speak_for<R: Recorder>(
        &mut self,
        dev: IfId,
        asker: IpAddr,
        target: Ipv6Addr,
        mac: Option<MacAddr>,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let (Some(iface), Some(_), IpAddr::V6(to)) = (self.iface(dev), mac, asker) else { return false };
        let Some(src) = iface.own_link_local().filter(|_| !to.is_unspecified()) else { return false };
        let target_mac = Some(iface.mac);
        let body =
            Icmp::NeighbourAdvert { target, target_mac, router: false, solicited: true, replaces: false };
        self.send_discovery(dev, src, to, body, cx);
        true
    }

    /// Notes a hardware address and sends what waited for it; `how` says whether it answers us, and whether it is news worth keeping.
    pub(super) fn learned<R: Recorder>(
        &mut self,
        dev: IfId,
        addr: IpAddr,
        mac: MacAddr,
        how: (bool, bool),
        cx: &mut Cx<'_, R>,
    ) {
        for waiting in self.neigh.learn(dev, addr, mac, cx.now, how.0, how.1) {
            self.resolve_and_send(dev, addr, waiting, cx);
        }
    }

    /// Whether an address has a meaning on one link only, so that a path to it needs an interface.
    pub(in crate::linux) const fn is_scoped(addr: IpAddr) -> bool {
        is_link_local(addr) || matches!(addr, IpAddr::V6(a) if a.is_multicast())
    }
}
