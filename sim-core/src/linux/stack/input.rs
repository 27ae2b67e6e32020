//! Frames coming in, packets passing through.

use std::net::IpAddr;

use super::hooks::{At, Stop};
use super::routing::{BadInput, Path};
use super::{Cx, lost};
use crate::linux::ipv6::is_link_local;
use crate::linux::policy::Flow;
use crate::linux::tap::{Seen, SeenKind};
use crate::linux::{Netns, Skb};
use crate::packet::{FrameBody, Icmp, IcmpError, Transport};
use crate::trace::{DropReason, Hook, IfId, Recorder, RejectWith, Step};

impl Netns {
    /// A frame arrives at an interface.
    pub(in crate::linux) fn receive<R: Recorder>(
        &mut self,
        dev: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(iface) = self.ifaces.get_mut(dev.0 as usize).and_then(Option::as_mut) else {
            return lost(cx.rec, cx.now, self.id, &mut skb, DropReason::Gone);
        };
        if !iface.up {
            iface.stats.rx_dropped += 1;
            return self.drop(cx, skb, DropReason::LinkDown { iface: dev });
        }
        iface.stats.rx_packets += 1;
        iface.stats.rx_bytes += iface.counted(&skb.frame);
        let (master, mac, loopback) = (iface.master, iface.mac, iface.is_loopback());
        self.see_incoming(dev, &skb, cx);
        if let Some(bridge) = master {
            return self.bridge_receive(bridge, dev, skb, cx);
        }
        if !loopback && skb.frame.dst != mac && !skb.frame.dst.is_group() {
            return self.drop(cx, skb, DropReason::OtherHost);
        }
        self.receive_for_host(dev, skb, false, cx);
    }

    /// A frame that is for this host. `pre_done` says that the bridge has led it through PREROUTING already.
    pub(super) fn receive_for_host<R: Recorder>(
        &mut self,
        dev: IfId,
        skb: Box<Skb>,
        pre_done: bool,
        cx: &mut Cx<'_, R>,
    ) {
        match &skb.frame.body {
            FrameBody::Arp(arp) => {
                let arp = *arp;
                self.arp_input(dev, &arp, skb, cx);
            }
            FrameBody::Ip(_) => self.ip_input(dev, skb, pre_done, cx),
        }
    }

    fn ip_input<R: Recorder>(&mut self, dev: IfId, mut skb: Box<Skb>, pre_done: bool, cx: &mut Cx<'_, R>) {
        let v6 = skb.ip().is_some_and(|p| p.dst.is_ipv6());
        if v6 && self.iface(dev).is_some_and(|i| !i.speaks_v6()) {
            return self.drop(cx, skb, DropReason::Ipv6Off { iface: dev });
        }
        if let Some(reason) = skb.ip().filter(|_| v6).and_then(|p| self.martian_v6(p, dev)) {
            return self.drop(cx, skb, reason);
        }
        if !pre_done {
            let Some(whole) = self.defragment_for_tracking(skb, cx) else { return };
            skb = whole;
            let at = At { hook: Hook::Prerouting, iif: Some(dev), oif: None };
            if let Err(stop) = self.hook(at, &mut skb, cx) {
                return self.stopped(skb, stop, cx);
            }
        }
        match self.route_in(&mut skb, dev, cx) {
            Ok(path) if path.local => self.deliver(dev, skb, cx),
            Ok(path) => self.forward(dev, path, skb, cx),
            Err(BadInput::Drop(reason)) => self.drop(cx, skb, reason),
            Err(BadInput::Refuse(no)) => {
                let Some(p) = skb.ip() else { return };
                let (src, dst) = (p.src, p.dst);
                let told = match src {
                    IpAddr::V4(_) => {
                        let forwarding = self.iface(dev).is_some_and(|i| i.conf.forwarding);
                        no.icmp.filter(|_| {
                            forwarding && self.limits.allow_route_error(src, self.sys.route_errors, cx.now)
                        })
                    }
                    // Whether it is a router or not (`ip6_pkt_drop`).
                    IpAddr::V6(_) => no.icmp,
                };
                match told {
                    Some(error) => self.refuse(skb, no.reason(dst), error, cx),
                    None => self.drop(cx, skb, no.reason(dst)),
                }
            }
        }
    }

    /// Connection tracking and IPVS need whole packets (`nf_defrag_ipv4`); without them pieces pass one by one.
    pub(super) fn defragment_for_tracking<R: Recorder>(
        &mut self,
        skb: Box<Skb>,
        cx: &Cx<'_, R>,
    ) -> Option<Box<Skb>> {
        if (self.track || self.ipvs.is_enabled()) && skb.ip().is_some_and(|p| p.frag.is_some()) {
            self.fragments.add(skb, cx.now)
        } else {
            Some(skb)
        }
    }

    fn forward<R: Recorder>(&mut self, dev: IfId, path: Path, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let Some(p) = skb.ip() else { return };
        if p.ttl <= 1 {
            return self.refuse(skb, DropReason::TtlExceeded, IcmpError::TtlExceeded, cx);
        }
        let (mtu, v6) = (self.link_mtu(&path), p.dst.is_ipv6());
        let back = path.dev == dev || skb.bridge_nf.is_some_and(|b| b.routed);
        if v6 && back {
            self.redirect(dev, &path, &skb, cx);
        } else if v6 && is_link_local(p.src) {
            return self.refuse(skb, DropReason::MartianSource, IcmpError::BeyondScope, cx);
        } else if v6 && (p.src.is_loopback() || p.src.is_unspecified() || p.src.is_multicast()) {
            return self.drop(cx, skb, DropReason::MartianSource);
        }
        // What was put together here is judged by its longest piece, if that is still known (`ip6_pkt_too_big`).
        let len = match skb.frag_max.filter(|_| v6) {
            Some(longest) => usize::from(longest),
            None if v6 && skb.ignore_df => 0,
            None => p.len(),
        };
        if len > mtu as usize && (p.df || v6) {
            let error = IcmpError::FragmentationNeeded { mtu: mtu.min(65535) as u16 };
            return self.refuse(skb, DropReason::PacketTooBig { mtu }, error, cx);
        }
        if let Some(p) = skb.ip_mut() {
            p.ttl -= 1;
        }
        if !v6 && back {
            self.redirect(dev, &path, &skb, cx);
        }
        let at = At { hook: Hook::Forward, iif: Some(dev), oif: Some(path.dev) };
        if let Err(stop) = self.hook(at, &mut skb, cx) {
            return self.stopped(skb, stop, cx);
        }
        // An answer that IPVS gave another source may have another way (`ip_vs_route_me_harder`).
        let path = if skb.ipvs && !self.policy.is_plain() { self.path_again(path, &skb) } else { path };
        // Nobody here waits for the answer.
        let _ = self.ip_output(path, skb, cx);
    }

    fn path_again(&self, path: Path, skb: &Skb) -> Path {
        let flow = skb.ip().map(|p| Flow { src: Some(p.src), dst: p.dst, iif: None, mark: skb.mark });
        flow.and_then(|flow| self.path_of(&flow).ok()).unwrap_or(path)
    }

    /// A hook ended the packet: tells the sender, if the rule says so. What IPVS took goes on its own way.
    pub(super) fn stopped<R: Recorder>(&mut self, skb: Box<Skb>, stop: Stop, cx: &mut Cx<'_, R>) {
        match stop {
            Stop::Stolen(path) => return self.ipvs_send(path, skb, cx),
            Stop::Refuse(reason, error) => return self.refuse(skb, reason, error, cx),
            Stop::Drop(_) | Stop::Reject { .. } | Stop::Unroutable(..) => {}
        }
        // While the host sends an echo reply, its ICMP is busy and says nothing else (`icmp_xmit_lock`).
        let busy = skb.iif.is_none()
            && skb.ip().is_some_and(|p| matches!(p.body, Transport::Icmp(Icmp::EchoReply { .. })));
        if let Stop::Reject { with, early, .. } = &stop {
            match *with {
                RejectWith::Icmp(_) if busy => {}
                RejectWith::Icmp(error) => {
                    self.send_error(&skb, error, *early, cx);
                }
                RejectWith::TcpReset => self.send_reset(&skb, cx),
            }
        }
        self.end(cx, skb, || stop.verdict());
    }

    /// A frame crosses an interface outwards: counters and the record.
    pub(super) fn count_tx<R: Recorder>(&mut self, dev: IfId, skb: &mut Skb, cx: &mut Cx<'_, R>) {
        if let Some(iface) = self.ifaces.get_mut(dev.0 as usize).and_then(Option::as_mut) {
            iface.stats.tx_packets += 1;
            iface.stats.tx_bytes += iface.counted(&skb.frame);
        }
        if self.taps.watches(dev) {
            self.see(dev, SeenKind::Outgoing, skb, cx);
        }
        self.note(cx, skb, || Step::Tx { iface: dev });
    }

    /// Shows a frame that came in to who watches the interface.
    pub(super) fn see_incoming<R: Recorder>(&mut self, dev: IfId, skb: &Skb, cx: &Cx<'_, R>) {
        if self.taps.watches(dev) {
            let own = self.iface(dev).map_or(skb.frame.dst, |i| i.mac);
            self.see(dev, SeenKind::incoming(skb.frame.dst, own), skb, cx);
        }
    }

    fn see<R: Recorder>(&mut self, iface: IfId, kind: SeenKind, skb: &Skb, cx: &Cx<'_, R>) {
        self.taps.see(&Seen { at: cx.now, iface, kind, frame: skb.frame.clone(), partial: skb.partial });
    }
}
