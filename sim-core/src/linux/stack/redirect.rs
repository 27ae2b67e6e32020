//! ICMP redirects (RFC 1812, 5.2.7.2): sent about packets that leave by the interface they came in by (`ip_rt_send_redirect`), and
//! followed by hosts that do not forward (`__ip_do_redirect`). Those of IPv6 are in `ipv6`.

mod ipv6;

use std::net::IpAddr;

use super::Cx;
use super::errors::may_be_told;
use super::routing::Path;
use crate::linux::link::{IfConf, IfKind, Iface};
use crate::linux::neigh::Resolve;
use crate::linux::policy::Flow;
use crate::linux::route::RouteKind;
use crate::linux::tunnel::Vxlan;
use crate::linux::{Netns, Skb};
use crate::packet::{Icmp, IpPacket, MacAddr, Payload, Transport, Udp};
use crate::trace::{IfId, Recorder, SockId};

/// A redirect that has arrived.
pub(super) struct Redirect<'a> {
    /// Who sent it.
    pub(super) from: IpAddr,
    /// Its TTL or hop limit on arrival.
    pub(super) hops: u8,
    /// The better next hop.
    pub(super) gateway: IpAddr,
    /// Its hardware address, if that is told.
    pub(super) mac: Option<MacAddr>,
    /// The packet that went the long way.
    pub(super) quote: &'a IpPacket,
}

/// Who follows a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// The host, for all packets to the destination.
    Stack,
    /// A connection, on whose own route it acts.
    Connection(SockId),
}

impl Netns {
    /// Tells the sender of a packet that goes back where it came from that there is a shorter way. The packet goes its way all the
    /// same.
    pub(super) fn redirect<R: Recorder>(&mut self, dev: IfId, path: &Path, skb: &Skb, cx: &mut Cx<'_, R>) {
        let Some(p) = skb.ip() else { return };
        if p.dst.is_ipv6() {
            return self.redirect_v6(dev, path, skb, cx);
        }
        let send = self.conf_or(dev, |c| c.send_redirects);
        if path.dev != dev || !send || !may_be_told(skb, p, None) {
            return;
        }
        // The sender must be a neighbour, by our own routes or, where the medium is not shared, by our addresses.
        let neighbour =
            self.path_to(p.src).is_ok_and(|back| back.dev == dev && back.via.is_none() && !back.local);
        let shared = self.conf_or(dev, |c| c.shared_media);
        if !neighbour
            || !(shared || self.both_on_link(dev, p.src, path.via))
            || !self.limits.allow_redirect(p.src, cx.now)
        {
            return;
        }
        let quote = p.quoted();
        let body = Transport::Icmp(Icmp::Redirect { gateway: path.next_hop, gateway_mac: None, quote });
        self.send_about(skb, p.src, body, cx);
    }

    /// Whether one subnet of an interface holds both addresses (`inet_addr_onlink`).
    fn both_on_link(&self, dev: IfId, a: IpAddr, b: Option<IpAddr>) -> bool {
        let Some(iface) = self.iface(dev) else { return false };
        iface.addrs.iter().any(|n| n.contains(&a) && b.is_none_or(|b| n.contains(&b)))
    }

    /// A redirect arrives; whether it is followed from now on.
    pub(super) fn redirect_input<R: Recorder>(
        &mut self,
        dev: IfId,
        redirect: &Redirect<'_>,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let Redirect { from, gateway, quote, .. } = *redirect;
        let Some(asker) = self.redirected_sender(quote) else { return false };
        if from.is_ipv6() {
            return self.redirect_input_v6(dev, redirect, asker, cx);
        }
        let Ok(path) = self.path_of(&Flow { src: Some(quote.src), ..Flow::to(quote.dst) }) else {
            return false;
        };
        let ours = self.is_local(quote.src) && path.via == Some(from);
        if !ours
            || gateway == from
            || !self.follows_redirects(dev)
            || !self.may_be_gateway(dev, from, gateway)
        {
            return false;
        }
        if self.neigh.is_valid(path.dev, gateway) {
            self.exceptions.set_gateway(quote.dst, gateway, cx.now);
            return true;
        }
        // Not followed yet: first the gateway has to be there.
        if let Resolve::Wait { ask: true } = self.neigh.resolve(path.dev, gateway, cx.now, &mut None) {
            self.ask(path.dev, gateway, None, None, cx);
        }
        false
    }

    /// Who has sent the packet that a redirect is about: the error handlers of the protocols decide whether it is followed. A program
    /// that is in a system call on its connection does not notice it, and of IPv6 no datagram socket does that is bound to no interface
    /// (`ip6_sk_redirect`), as here none is.
    fn redirected_sender(&self, quote: &IpPacket) -> Option<Asker> {
        let body = match (&quote.body, quote.frag) {
            (Transport::Piece { whole, .. }, Some(frag)) if frag.offset == 0 => whole,
            (body, _) => body,
        };
        match body {
            Transport::Icmp(_) => Some(Asker::Stack),
            Transport::Udp(Udp { payload: Payload::Vxlan { vni, .. }, dport, .. }) => {
                let is =
                    |v: &Vxlan| (v.vni, v.port, v.local.is_ipv4()) == (*vni, *dport, quote.dst.is_ipv4());
                let ours = |i: &Iface| i.up && matches!(&i.kind, IfKind::Vxlan(v) if is(v));
                self.ifaces().any(ours).then_some(Asker::Stack)
            }
            Transport::Udp(_) if quote.dst.is_ipv6() => None,
            Transport::Udp(_) => self.sockets.redirectable(quote).map(|_| Asker::Stack),
            Transport::Tcp(_) => self.sockets.redirectable(quote).map(Asker::Connection),
            Transport::Other { payload: Payload::Ip(_), .. } => {
                self.sends_in_tunnel(quote).then_some(Asker::Stack)
            }
            Transport::Sctp(_) | Transport::Piece { .. } | Transport::Other { .. } => None,
        }
    }

    /// `IN_DEV_RX_REDIRECTS`: a router needs both switches, a host one.
    fn follows_redirects(&self, dev: IfId) -> bool {
        let accepts = |c: &IfConf| c.accept_redirects;
        let Some(iface) = self.iface(dev) else { return false };
        if iface.conf.forwarding {
            accepts(&self.sys.all) && accepts(&iface.conf)
        } else {
            self.conf_or(dev, accepts)
        }
    }

    fn may_be_gateway(&self, dev: IfId, old: IpAddr, new: IpAddr) -> bool {
        let IpAddr::V4(v4) = new else { return false };
        if v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified() {
            return false;
        }
        if self.conf_or(dev, |c| c.shared_media) {
            return self.local.lookup(new).is_none_or(|r| r.kind == RouteKind::Unicast);
        }
        let secure = self.conf_or(dev, |c| c.secure_redirects);
        let is_default =
            |g| self.main.iter().any(|r| r.dst.prefix_len() == 0 && r.via == Some(g) && r.dev == Some(dev));
        self.both_on_link(dev, new, Some(old)) && (!secure || is_default(new))
    }
}

#[cfg(test)]
mod tests;
