//! Packets for this host.

use std::net::Ipv6Addr;

use super::Cx;
use super::hooks::At;
use super::redirect::Redirect;
use crate::linux::ipip::note_congestion;
use crate::linux::ipv6;
use crate::linux::link::IfKind;
use crate::linux::policy::Flow;
use crate::linux::socket::{Arrival, Input};
use crate::linux::sysctl::Sysctls;
use crate::linux::tap::{Seen, SeenKind};
use crate::linux::{Iface, Netns, Skb, partial_inside};
use crate::packet::bytes::{Checksums, vxlan_bytes};
use crate::packet::{Frame, Icmp, IcmpError, IpPacket, Payload, TcpFlags, Transport, Udp, proto};
use crate::trace::{DropReason, Hook, IfId, Recorder, RejectWith, SockId, Step, Verdict};

/// Whether this host keeps still when it is pinged.
const fn mute(sys: &Sysctls, v4: bool) -> bool {
    if v4 { sys.icmp_echo_ignore_all } else { sys.icmp6_echo_ignore_all }
}

impl Netns {
    /// INPUT, then whoever is responsible.
    pub(super) fn deliver<R: Recorder>(&mut self, dev: IfId, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        if skb.ip().is_some_and(|p| p.frag.is_some()) {
            match self.fragments.add(skb, cx.now) {
                Some(whole) => skb = whole,
                None => return,
            }
        }
        let at = At { hook: Hook::Input, iif: Some(dev), oif: None };
        if let Err(stop) = self.hook(at, &mut skb, cx) {
            return self.stopped(skb, stop, cx);
        }
        // A checksum that is still to be filled in is not looked at (`skb_csum_unnecessary`).
        let partial = skb.partial;
        let Some(p) = skb.ip() else { return };
        if p.bad_checksum && partial.is_none() {
            return self.drop(cx, skb, DropReason::BadChecksum);
        }
        if self.taps.hears() {
            let frame = skb.frame.clone();
            self.taps.hear(&Seen {
                at: cx.now,
                iface: dev,
                kind: SeenKind::Host,
                frame,
                partial: skb.partial,
            });
        }
        match &p.body {
            Transport::Icmp(_) => self.icmp_input(skb, cx),
            Transport::Udp(Udp { payload: Payload::Vxlan { .. }, .. }) => self.tunnel_receive(skb, cx),
            Transport::Udp(_) | Transport::Tcp(_) => self.socket_input(skb, cx),
            Transport::Other { payload: Payload::Ip(_), .. } => self.ipip_receive(skb, cx),
            Transport::Sctp(_) | Transport::Piece { .. } | Transport::Other { .. } => {
                let protocol = p.protocol();
                let reason = DropReason::UnknownProtocol { protocol };
                self.refuse(skb, reason, IcmpError::ProtocolUnreachable, cx);
            }
        }
    }

    /// A packet whose pieces did not all come: only the host that it was for tells the sender (RFC 792, `ip_expire`).
    pub(super) fn reassembly_failed<R: Recorder>(&mut self, piece: Box<Skb>, cx: &mut Cx<'_, R>) {
        let for_us = piece.ip().is_some_and(|p| self.is_local(p.dst));
        if for_us {
            self.refuse(piece, DropReason::ReassemblyTimeout, IcmpError::ReassemblyTimeout, cx);
        } else {
            self.drop(cx, piece, DropReason::ReassemblyTimeout);
        }
    }

    fn socket_input<R: Recorder>(&mut self, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let tcp_to_all = |p: &IpPacket| p.protocol() == proto::TCP && self.is_broadcast(p.dst);
        if skb.ip().is_some_and(tcp_to_all) {
            return self.drop(cx, skb, DropReason::NoSocket);
        }
        match self.offer(&skb, cx) {
            Input::Delivered(sock) => self.delivered(skb, sock, cx),
            // Nobody is told that a broadcast was for nobody.
            Input::Refused if skb.ip().is_some_and(|p| self.is_broadcast(p.dst)) => {
                self.drop(cx, skb, DropReason::NoSocket);
            }
            Input::Refused if skb.ip().is_some_and(|p| p.protocol() == proto::TCP) => {
                self.end(cx, skb, || Verdict::Rejected {
                    rule: None,
                    reason: Some(DropReason::NoSocket),
                    with: RejectWith::TcpReset,
                });
            }
            // A tunnel takes all that comes by its port, and says nothing about what it cannot use (`vxlan_rcv`).
            Input::Refused if self.is_tunnel_port(&skb) => self.drop(cx, skb, DropReason::NoTunnel),
            Input::Refused => self.refuse(skb, DropReason::NoSocket, IcmpError::PortUnreachable, cx),
            Input::Dropped { reason, .. } => self.drop(cx, skb, reason),
        }
        self.flush_sockets(cx);
    }

    /// Offers a packet to the sockets.
    fn offer<R: Recorder>(&mut self, skb: &Skb, cx: &mut Cx<'_, R>) -> Input {
        let Some(p) = skb.ip() else { return Input::Refused };
        let mtu = match &p.body {
            Transport::Tcp(t) if t.flags.has(TcpFlags::SYN) => self.mtu_towards(p.src, cx.now),
            _ => 0,
        };
        let mut arrival = Arrival { now: cx.now, mtu, dice: cx.dice, place: u64::from(self.id.0) };
        match datagram_bytes(p) {
            Some(read) => self.sockets.input(&read, &mut arrival),
            None => self.sockets.input(p, &mut arrival),
        }
    }

    fn delivered<R: Recorder>(&self, skb: Box<Skb>, socket: SockId, cx: &mut Cx<'_, R>) {
        if R::ON
            && let Some(p) = skb.ip()
        {
            let local = p.destination();
            self.end(cx, skb, || Verdict::Delivered { socket, local });
        }
    }

    fn icmp_input<R: Recorder>(&mut self, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let Some(p) = skb.ip() else { return };
        let Transport::Icmp(message) = &p.body else { return };
        match message {
            Icmp::EchoRequest { id, seq, payload } => {
                let to_all = self.sys.icmp_echo_ignore_broadcasts && self.is_broadcast(p.dst);
                if to_all || mute(&self.sys, p.dst.is_ipv4()) {
                    return self.end(cx, skb, || Verdict::Consumed { what: "echo request ignored" });
                }
                let body = Icmp::EchoReply { id: *id, seq: *seq, payload: payload.clone() };
                // Nobody answers in the name of a group.
                let src = if p.dst.is_multicast() { Ipv6Addr::UNSPECIFIED.into() } else { p.dst };
                // A broadcast is answered from the address of the interface.
                let src = if self.is_broadcast(src) { std::net::Ipv4Addr::UNSPECIFIED.into() } else { src };
                let reply =
                    IpPacket { tos: p.tos, ttl: 0, ..IpPacket::new(src, p.src, Transport::Icmp(body)) };
                let link = skb.iif.filter(|_| ipv6::is_link_local(p.src));
                self.end(cx, skb, || Verdict::Consumed { what: "echo request answered" });
                let path = link.and_then(|dev| self.path_on_link(reply.dst, Some(dev)).ok());
                let _ = self.while_icmp_is_busy(reply.dst.is_ipv6(), |ns| match path {
                    Some(path) => ns.send_local_on(path, reply, None, cx),
                    None => ns.send_local(reply, None, cx),
                });
            }
            Icmp::EchoReply { .. } => match self.offer(&skb, cx) {
                Input::Delivered(sock) => self.delivered(skb, sock, cx),
                Input::Refused => self.drop(cx, skb, DropReason::NoSocket),
                Input::Dropped { reason, .. } => self.drop(cx, skb, reason),
            },
            Icmp::Error { error, quote } => {
                if let IcmpError::FragmentationNeeded { mtu } = error {
                    let flow = Flow { src: Some(quote.src), ..Flow::to(quote.dst) };
                    self.learn_mtu(&flow, u32::from(*mtu), cx.now);
                }
                let (error, quote) = (*error, quote.clone());
                let answered = self.sockets.icmp_error(p, cx.now);
                self.ipip_error(error, &quote, cx.now);
                match answered {
                    Some(sock) => self.delivered(skb, sock, cx),
                    None => self.end(cx, skb, || Verdict::Consumed { what: "ICMP error for no socket" }),
                }
                self.flush_sockets(cx);
            }
            Icmp::NeighbourSolicit { .. } | Icmp::NeighbourAdvert { .. } => self.discovery_input(skb, cx),
            Icmp::Redirect { gateway, gateway_mac, quote } => {
                let redirect =
                    Redirect { from: p.src, hops: p.ttl, gateway: *gateway, mac: *gateway_mac, quote };
                let followed = skb.iif.is_some_and(|dev| self.redirect_input(dev, &redirect, cx));
                let what = if followed { "ICMP redirect followed" } else { "ICMP redirect ignored" };
                self.end(cx, skb, || Verdict::Consumed { what });
            }
        }
    }

    /// Whether a datagram is for the port of a VXLAN device that is up.
    fn is_tunnel_port(&self, skb: &Skb) -> bool {
        let Some(IpPacket { dst, body: Transport::Udp(udp), .. }) = skb.ip() else { return false };
        let takes = |i: &Iface| match &i.kind {
            IfKind::Vxlan(v) => i.up && v.port == udp.dport && v.local.is_ipv4() == dst.is_ipv4(),
            _ => false,
        };
        self.ifaces().any(takes)
    }

    /// A VXLAN packet: the inner frame comes in by the tunnel device, with the outer packet's mark and none of its other notes.
    fn tunnel_receive<R: Recorder>(&mut self, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let (Some((port, vni)), Some(outer)) = (tunnel_key(&skb), skb.ip()) else { return };
        let v4 = outer.dst.is_ipv4();
        let device = self.ifaces().find(|i| match &i.kind {
            IfKind::Vxlan(v) => v.port == port && v.vni == vni && v.local.is_ipv4() == v4 && i.up,
            _ => false,
        });
        let Some(dev) = device.map(|i| i.id) else {
            // To whoever else has the port it is a datagram like any other.
            return self.socket_input(skb, cx);
        };
        self.note(cx, &mut skb, || Step::Decap { iface: dev });
        let (tag, from) = (skb.tag, skb.ip().map(|p| p.src));
        let (partial, hash, mark) = (partial_inside(skb.partial), skb.hash, skb.mark);
        let outer_tos = skb.ip().map_or(0, |p| p.tos);
        let Some(inner) = take_inner(*skb) else { return };
        if let (Some(from), IfKind::Vxlan(v)) = (from, &mut self.iface_mut(dev).kind) {
            v.learn(inner.src, from, cx.now);
        }
        let mut skb = Box::new(Skb::received(inner, dev, tag));
        (skb.partial, skb.hash, skb.mark) = (partial, hash, mark);
        skb.tag.snapshot = None;
        if skb.ip_mut().is_some_and(|inner| !note_congestion(outer_tos, inner)) {
            return self.drop(cx, skb, DropReason::BadChecksum);
        }
        self.note(cx, &mut skb, || Step::Rx { iface: dev });
        self.receive(dev, skb, cx);
    }
}

/// A tunnel's packet as a program reads it that has the tunnel's port.
fn datagram_bytes(packet: &IpPacket) -> Option<IpPacket> {
    let Transport::Udp(Udp { sport, dport, payload: Payload::Vxlan { vni, frame } }) = &packet.body else {
        return None;
    };
    let payload = vxlan_bytes(*vni, frame, Checksums::Full).into();
    let body = Transport::Udp(Udp { sport: *sport, dport: *dport, payload });
    Some(IpPacket { body, bad_checksum: false, ..packet.clone() })
}

fn tunnel_key(skb: &Skb) -> Option<(u16, u32)> {
    match &skb.ip()?.body {
        Transport::Udp(Udp { dport, payload: Payload::Vxlan { vni, .. }, .. }) => Some((*dport, *vni)),
        _ => None,
    }
}

fn take_inner(skb: Skb) -> Option<Frame> {
    let crate::packet::FrameBody::Ip(p) = skb.frame.body else { return None };
    debug_assert_eq!(p.protocol(), proto::UDP);
    match p.body {
        Transport::Udp(Udp { payload: Payload::Vxlan { frame, .. }, .. }) => Some(*frame),
        _ => None,
    }
}
