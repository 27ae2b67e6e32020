//! Packets into IPIP tunnels, out of them, and ICMP errors about them (`ip_tunnel_xmit`, `ipip_rcv`, `ipip_err`).

use std::net::{IpAddr, Ipv4Addr};

use super::output::{TUNNEL_RECURSION_LIMIT, nesting};
use super::{Cx, Path};
use crate::linux::ipip::{IPIP_OVERHEAD, Ipip, decapsulate, v4};
use crate::linux::link::IfKind;
use crate::linux::policy::Flow;
use crate::linux::{Netns, Skb, partial_inside, partial_outside};
use crate::packet::{Frame, FrameBody, IcmpError, IpPacket, MacAddr, Payload, Transport, proto};
use crate::trace::{DropReason, IfId, Recorder, Step};

/// The least MTU that a path can have (RFC 791).
const MIN_MTU: u32 = 68;

impl Netns {
    /// A packet goes into a tunnel; `next_hop` is that of its route.
    pub(super) fn ipip_transmit<R: Recorder>(
        &mut self,
        dev: IfId,
        next_hop: Option<IpAddr>,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(tunnel) = self.ipip(dev).copied() else { return };
        let Some((dst, len, df)) = skb.ip().and_then(|p| Some((v4(p.dst)?, p.len(), p.df))) else {
            // 41: IPv6 in IPv4 is another kind of tunnel.
            return self.drop(cx, skb, DropReason::UnknownProtocol { protocol: 41 });
        };
        let next_hop = next_hop.and_then(v4).unwrap_or(dst);
        let remote = if tunnel.remote.is_unspecified() { next_hop } else { tunnel.remote };
        let path = match self.ipip_path(&tunnel, remote) {
            Ok(path) => path,
            Err(reason) => return self.drop(cx, skb, reason),
        };
        if path.dev == dev || nesting(&skb) >= TUNNEL_RECURSION_LIMIT {
            return self.drop(cx, skb, DropReason::TunnelLoop);
        }
        if tunnel.pmtudisc || df {
            let room = self.path_mtu(&path, remote.into(), cx.now).saturating_sub(IPIP_OVERHEAD).max(MIN_MTU);
            self.learn_mtu(&Flow::to(dst.into()), room, cx.now);
            if df && len > room as usize {
                let error = IcmpError::FragmentationNeeded { mtu: room.min(65535) as u16 };
                return self.refuse(skb, DropReason::PacketTooBig { mtu: room }, error, cx);
            }
        }
        if self.ipip_mut(dev).is_some_and(|t| t.take_error(cx.now)) {
            self.send_error(&skb, IcmpError::HostUnreachable, false, cx);
        }
        self.note(cx, &mut skb, || Step::Encap { iface: dev, remote: remote.into() });
        let (tag, partial, mark) = (skb.tag, partial_outside(skb.partial, false), skb.mark);
        let FrameBody::Ip(inner) = skb.frame.body else { return };
        let mut outer = tunnel.encapsulate(inner, remote);
        outer.id = self.take_ip_id();
        // The outer packet is the same packet to a reader of the trace.
        let mut outer = Box::new(Skb::made(outer, tag));
        outer.tag.snapshot = None;
        (outer.partial, outer.mark) = (partial, mark);
        let _ = self.send_on(path, outer, None, cx);
    }

    fn ipip_path(&self, tunnel: &Ipip, remote: Ipv4Addr) -> Result<Path, DropReason> {
        let src = Some(tunnel.local).filter(|local| !local.is_unspecified());
        let flow = Flow { src: src.map(IpAddr::V4), dst: remote.into(), iif: None, mark: 0 };
        self.path_of(&flow).map_err(|no| no.reason(remote.into()))
    }

    /// A packet for this host with another one in it.
    pub(super) fn ipip_receive<R: Recorder>(&mut self, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let ends = skb.ip().and_then(|p| v4(p.src).zip(v4(p.dst)));
        let Some(dev) = ends.and_then(|(from, to)| self.ipip_device(from, to)) else {
            return self.no_tunnel(skb, cx);
        };
        self.note(cx, &mut skb, || Step::Decap { iface: dev });
        let (tag, partial, mark) = (skb.tag, partial_inside(skb.partial), skb.mark);
        let Some(inner) = skb.ip().and_then(|outer| decapsulate(outer.tos, carried(&outer.body)?.clone()))
        else {
            return self.drop(cx, skb, DropReason::BadChecksum);
        };
        let frame = Frame { dst: MacAddr::ZERO, src: MacAddr::ZERO, body: FrameBody::Ip(inner) };
        let mut skb = Box::new(Skb::received(frame, dev, tag));
        (skb.partial, skb.mark) = (partial, mark);
        skb.tag.snapshot = None;
        self.note(cx, &mut skb, || Step::Rx { iface: dev });
        self.receive(dev, skb, cx);
    }

    /// Without a tunnel that takes it: the kernel's module knows the protocol but no port, so to speak; without the module nobody does.
    fn no_tunnel<R: Recorder>(&mut self, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let loaded = self.ifaces().any(|i| matches!(i.kind, IfKind::Ipip(_)));
        let error = if loaded { IcmpError::PortUnreachable } else { IcmpError::ProtocolUnreachable };
        self.refuse(skb, DropReason::UnknownProtocol { protocol: proto::IPIP }, error, cx);
    }

    /// The tunnel for packets between these outer addresses.
    fn ipip_device(&self, from: Ipv4Addr, to: Ipv4Addr) -> Option<IfId> {
        let fitting = self.ifaces().filter(|i| i.up).filter_map(|i| match &i.kind {
            IfKind::Ipip(t) => Some((t.fits(from, to)?, i.id)),
            _ => None,
        });
        fitting.max_by_key(|(rank, id)| (*rank, std::cmp::Reverse(id.0))).map(|(_, id)| id)
    }

    /// An ICMP error about an outer packet: the tunnel remembers it for the sender of the next inner one.
    pub(super) fn ipip_error(&mut self, error: IcmpError, quote: &IpPacket, now: crate::time::SimTime) {
        if quote.protocol() != proto::IPIP || matches!(error, IcmpError::FragmentationNeeded { .. }) {
            return;
        }
        // The quoted packet went out: its source is here.
        let Some((local, remote)) = v4(quote.src).zip(v4(quote.dst)) else { return };
        let Some(dev) = self.ipip_device(remote, local) else { return };
        let Some(tunnel) = self.ipip_mut(dev) else { return };
        let expected = tunnel.ttl == 0 && error == IcmpError::TtlExceeded;
        if !tunnel.remote.is_unspecified() && !expected {
            tunnel.note_error(now);
        }
    }

    /// Whether a packet with another one in it is of a tunnel of this host.
    pub(super) fn sends_in_tunnel(&self, sent: &IpPacket) -> bool {
        let ends = v4(sent.src).zip(v4(sent.dst));
        sent.protocol() == proto::IPIP
            && ends.is_some_and(|(local, remote)| self.ipip_device(remote, local).is_some())
    }

    fn ipip(&self, dev: IfId) -> Option<&Ipip> {
        match &self.iface(dev)?.kind {
            IfKind::Ipip(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    fn ipip_mut(&mut self, dev: IfId) -> Option<&mut Ipip> {
        match &mut self.ifaces.get_mut(dev.0 as usize)?.as_mut()?.kind {
            IfKind::Ipip(tunnel) => Some(tunnel),
            _ => None,
        }
    }
}

/// The packet inside a payload, if it is one that is carried.
pub(super) fn carried(body: &Transport) -> Option<&IpPacket> {
    match body {
        Transport::Other { protocol: proto::IPIP, payload: Payload::Ip(inner) } => Some(inner),
        _ => None,
    }
}
