//! Frames on a bridge, and what `br_netfilter` makes of them.
//!
//! With `bridge-nf-call-iptables` an IPv4 frame on a bridge (with `bridge-nf-call-ip6tables` an IPv6 frame) meets PREROUTING when it comes in (with the bridge as its interface),
//! FORWARD and POSTROUTING when it leaves by another port. A frame whose destination PREROUTING translated is routed: if the
//! route leads back into the bridge the frame is switched to the new destination, with its TTL as it was; else it goes up.

use super::hooks::At;
use super::output::pieces;
use super::routing::BadInput;
use super::{Cx, meets_rules};
use crate::linux::skb::BridgeNf;
use crate::linux::{Netns, Skb};
use crate::packet::{FrameBody, IcmpError};
use crate::trace::{BridgeDecision, DropReason, Hook, IfId, Recorder, Step};

impl Netns {
    /// A frame comes in by a bridge port.
    pub(super) fn bridge_receive<R: Recorder>(
        &mut self,
        bridge: IfId,
        port: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        if !self.iface(bridge).is_some_and(|b| b.up) {
            return self.drop(cx, skb, DropReason::LinkDown { iface: bridge });
        }
        skb.iif = Some(bridge);
        if self.netfilter_on && meets_rules(&skb.frame, &self.sys) {
            let orig_dst_mac = skb.frame.dst;
            skb.bridge_nf = Some(BridgeNf {
                physin: port,
                physout: None,
                orig_dst_mac,
                bridged_dnat: false,
                asks: false,
                routed: false,
                by_device: false,
            });
            match self.bridge_prerouting(bridge, skb, cx) {
                Some(s) => skb = s,
                None => return,
            }
        }
        self.bridge_finish(bridge, port, skb, cx);
    }

    /// PREROUTING on the bridge. Gives the frame back if it goes on.
    fn bridge_prerouting<R: Recorder>(
        &mut self,
        bridge: IfId,
        skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) -> Option<Box<Skb>> {
        let mut skb = self.defragment_for_tracking(skb, cx)?;
        let dst = skb.ip()?.dst;
        let at = At { hook: Hook::Prerouting, iif: Some(bridge), oif: None };
        if let Err(stop) = self.hook(at, &mut skb, cx) {
            self.stopped(skb, stop, cx);
            return None;
        }
        if skb.ip()?.dst == dst {
            return Some(skb);
        }
        if let Some(b) = &mut skb.bridge_nf {
            b.asks = true;
        }
        let way = self.route_in(&mut skb, bridge, cx);
        if let Some(b) = &mut skb.bridge_nf {
            b.asks = false;
            b.routed = way.is_ok();
        }
        match way {
            Ok(path) if path.dev == bridge && !path.local => {
                let ready = self.neigh.is_ready(bridge, path.next_hop, cx.now);
                if let Some(b) = &mut skb.bridge_nf {
                    b.bridged_dnat = true;
                    b.by_device = !ready;
                }
                self.resolve_and_send(bridge, path.next_hop, skb, cx);
                None
            }
            // In IPv6 what cannot be routed ends here (`br_nf_pre_routing_finish_ipv6`).
            Err(BadInput::Refuse(no)) if dst.is_ipv6() => {
                let reason = no.reason(skb.ip()?.dst);
                self.drop(cx, skb, reason);
                None
            }
            // In IPv4 it goes up as well, and the host says what it has to say about it.
            Ok(_) | Err(BadInput::Refuse(_) | BadInput::Drop(DropReason::ForwardingDisabled { .. })) => {
                skb.frame.dst = self.iface(bridge)?.mac;
                skb.tag.snapshot = None;
                Some(skb)
            }
            Err(BadInput::Drop(reason)) => {
                self.drop(cx, skb, reason);
                None
            }
        }
    }

    /// A translated frame has its new hardware address and goes on as if it had just come in.
    pub(super) fn bridge_resume<R: Recorder>(&mut self, bridge: IfId, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let Some(notes) = &mut skb.bridge_nf else { return };
        notes.bridged_dnat = false;
        let port = notes.physin;
        self.bridge_finish(bridge, port, skb, cx);
    }

    /// Learns, looks up, and sends on or up (`br_handle_frame_finish`).
    fn bridge_finish<R: Recorder>(
        &mut self,
        bridge: IfId,
        port: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let now = cx.now;
        let (src, dst) = (skb.frame.src, skb.frame.dst);
        let own = self.iface(bridge).map(|b| b.mac);
        let Some(b) = self.bridge_mut(bridge) else { return self.drop(cx, skb, DropReason::Gone) };
        // The bridge rewrote the source of a frame it translated; nothing can be learned from that.
        if Some(src) != own {
            b.learn(src, port, now);
        }
        if dst.is_group() {
            let copy = skb.clone();
            self.flood(bridge, Some(port), copy, cx);
            self.conntrack.share(&mut skb);
            return self.pass_up(bridge, skb, cx);
        }
        let known = b.find(dst, now);
        match known {
            Some(e) if e.kind == crate::linux::bridge::FdbKind::Local => self.pass_up(bridge, skb, cx),
            Some(e) => {
                self.note(cx, &mut skb, || Step::Bridge {
                    bridge,
                    decision: BridgeDecision::Forward { port: e.port },
                });
                self.bridge_forward(bridge, Some(port), e.port, skb, cx);
            }
            None => self.flood(bridge, Some(port), skb, cx),
        }
    }

    fn pass_up<R: Recorder>(&mut self, bridge: IfId, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let len = skb.frame.len() as u64;
        let stats = &mut self.iface_mut(bridge).stats;
        stats.rx_packets += 1;
        stats.rx_bytes += len;
        // The IP layer begins anew with its notes (`ip_rcv_core`): what was put together for the bridge is one packet now.
        skb.frag_max = None;
        self.note(cx, &mut skb, || Step::Bridge { bridge, decision: BridgeDecision::Local });
        self.see_incoming(bridge, &skb, cx);
        self.note(cx, &mut skb, || Step::Rx { iface: bridge });
        let pre_done = skb.bridge_nf.is_some() && matches!(skb.frame.body, FrameBody::Ip(_));
        self.receive_for_host(bridge, skb, pre_done, cx);
    }

    /// The host itself sends into the bridge (`br_dev_xmit`).
    pub(super) fn bridge_transmit<R: Recorder>(
        &mut self,
        bridge: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let (dst, now) = (skb.frame.dst, cx.now);
        skb.bridge_nf = None;
        let known = self.bridge_mut(bridge).and_then(|b| b.find(dst, now));
        match known {
            Some(e) if !dst.is_group() && e.port != bridge => {
                self.note(cx, &mut skb, || Step::Bridge {
                    bridge,
                    decision: BridgeDecision::Forward { port: e.port },
                });
                self.bridge_forward(bridge, None, e.port, skb, cx);
            }
            _ => self.flood(bridge, None, skb, cx),
        }
    }

    fn flood<R: Recorder>(
        &mut self,
        bridge: IfId,
        from: Option<IfId>,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(b) = self.bridge_mut(bridge) else { return };
        let ports = b.ports.clone();
        let allowed: Vec<IfId> = ports.into_iter().filter(|p| self.may_leave(from, *p)).collect();
        self.note(cx, &mut skb, || Step::Bridge { bridge, decision: BridgeDecision::Flood });
        let Some((last, others)) = allowed.split_last() else {
            if from.is_none() || !skb.frame.dst.is_group() {
                self.drop(cx, skb, DropReason::BridgeNoPort);
            }
            return;
        };
        for port in others {
            let mut copy = skb.clone();
            self.conntrack.share(&mut copy);
            self.bridge_forward(bridge, from, *port, copy, cx);
        }
        self.conntrack.share(&mut skb);
        self.bridge_forward(bridge, from, *last, skb, cx);
    }

    /// A frame leaves by a port that is up, and by the port it came in by only in hairpin mode.
    fn may_leave(&self, from: Option<IfId>, port: IfId) -> bool {
        let isolated = from.and_then(|f| self.iface(f)).is_some_and(|f| f.isolated);
        self.iface(port).is_some_and(|p| {
            p.up && p.carrier && (from != Some(port) || p.hairpin) && !(isolated && p.isolated)
        })
    }

    fn bridge_forward<R: Recorder>(
        &mut self,
        bridge: IfId,
        from: Option<IfId>,
        port: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        if !self.may_leave(from, port) {
            return self.drop(cx, skb, DropReason::BridgeNoPort);
        }
        if from.is_some()
            && meets_rules(&skb.frame, &self.sys)
            && let Some(notes) = &mut skb.bridge_nf
        {
            notes.physout = Some(port);
            let forward = At { hook: Hook::Forward, iif: Some(bridge), oif: Some(bridge) };
            let post = At { hook: Hook::Postrouting, iif: None, oif: Some(bridge) };
            for at in [forward, post] {
                if let Err(stop) = self.hook(at, &mut skb, cx) {
                    return self.stopped(skb, stop, cx);
                }
            }
        }
        self.bridge_push(bridge, port, skb, cx);
    }

    /// The last step out of a port: what connection tracking has put together is cut up again, to the bridge's MTU
    /// (`br_nf_dev_queue_xmit`), and what the port cannot take is dropped without a word (`is_skb_forwardable`).
    fn bridge_push<R: Recorder>(&mut self, bridge: IfId, port: IfId, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let mtu_of = |dev| self.iface(dev).map_or(1500, |i| i.mtu);
        let (port_mtu, bridge_mtu) = (mtu_of(port), mtu_of(bridge));
        let longest = skb.frag_max.map_or(port_mtu, |max| port_mtu.min(max.into()));
        let too_long = skb.bridge_nf.is_some() && skb.ip().is_some_and(|p| p.len() > longest as usize);
        if too_long {
            let Some((df, v6)) = skb.ip().map(|p| (p.df, p.dst.is_ipv6())) else { return };
            let longer = skb.frag_max.is_some_and(|max| u32::from(max) > bridge_mtu);
            // In IPv6 the sender is told (`ip6_fragment`), in IPv4 not (`br_nf_ip_fragment`).
            if v6 && longer {
                let error = IcmpError::FragmentationNeeded { mtu: bridge_mtu.min(65535) as u16 };
                return self.refuse(skb, DropReason::PacketTooBig { mtu: bridge_mtu }, error, cx);
            }
            if df || longer {
                return self.drop(cx, skb, DropReason::FrameTooLong { mtu: bridge_mtu });
            }
            for part in pieces(&skb, bridge_mtu) {
                self.bridge_transmit_port(port, port_mtu, part, cx);
            }
        } else {
            self.bridge_transmit_port(port, port_mtu, skb, cx);
        }
    }

    fn bridge_transmit_port<R: Recorder>(&mut self, port: IfId, mtu: u32, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        // A VLAN tag has room.
        if skb.frame.len() > mtu as usize + 18 {
            return self.drop(cx, skb, DropReason::FrameTooLong { mtu });
        }
        self.transmit(port, skb, cx);
    }
}
