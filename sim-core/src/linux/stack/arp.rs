//! ARP messages (RFC 826).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Cx;
use crate::chance::{Chance as _, Purpose};
use crate::linux::{Netns, Skb};
use crate::packet::{Arp, ArpOp, Frame, FrameBody, MacAddr};
use crate::trace::{DropReason, IfId, Recorder, Step, Verdict};

/// `CONFIG_HZ`.
const JIFFIES_PER_SECOND: u32 = 250;

/// What a host is to an ARP message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    Owner,
    Proxy,
}

impl Netns {
    /// Asks for a next hop's hardware address. The sender address is that of the packet that waits, if it is one of ours.
    pub(super) fn ask<R: Recorder>(
        &mut self,
        dev: IfId,
        target: IpAddr,
        src: Option<IpAddr>,
        unicast: Option<MacAddr>,
        cx: &mut Cx<'_, R>,
    ) {
        let target_ip = match target {
            IpAddr::V4(target) => target,
            IpAddr::V6(target) => return self.solicit(dev, target, src, unicast.is_some(), cx),
        };
        let Some(iface) = self.iface(dev) else { return };
        let announce = self.sys.all.arp_announce.max(iface.conf.arp_announce);
        let fits = |s: &IpAddr| match announce {
            0 => true,
            1 => iface.addrs.iter().any(|n| n.addr() == *s && n.contains(&target)),
            _ => false,
        };
        // An interface without an address borrows one (`inet_select_addr`).
        let selected = || iface.source_for(target).or_else(|| self.borrowed_source(target));
        let own = src.filter(|s| self.is_local(*s) && fits(s)).or_else(selected);
        let Some(IpAddr::V4(sender_ip)) = own else { return };
        let sender_mac = iface.mac;
        let arp = Arp { op: ArpOp::Request, sender_mac, sender_ip, target_mac: MacAddr::ZERO, target_ip };
        self.send_arp(dev, unicast.unwrap_or(MacAddr::BROADCAST), arp, cx);
    }

    fn send_arp<R: Recorder>(&mut self, dev: IfId, dst: MacAddr, arp: Arp, cx: &mut Cx<'_, R>) {
        let frame = Frame { dst, src: arp.sender_mac, body: FrameBody::Arp(arp) };
        let mut skb = Skb::received(frame, dev, cx.new_tag());
        skb.iif = None;
        let mut skb = Box::new(skb);
        self.note(cx, &mut skb, || Step::Made { socket: None });
        self.transmit(dev, skb, cx);
    }

    /// Whether a frame is for somebody else, as can be told without asking routes or rules: it is sent to another card, or asks for an
    /// address that is not here.
    pub(in crate::linux) fn overhears(&self, dev: IfId, frame: &Frame) -> bool {
        let Some(iface) = self.iface(dev).filter(|i| i.master.is_none() && !i.is_loopback()) else {
            return false;
        };
        match &frame.body {
            _ if frame.dst != iface.mac && !frame.dst.is_group() => true,
            FrameBody::Arp(arp) => {
                let target = IpAddr::from(arp.target_ip);
                let proxy = self.conf_or(dev, |c| c.proxy_arp) || self.answered_for.contains(&(dev, target));
                arp.op == ArpOp::Request && !proxy && !self.is_local(target)
            }
            FrameBody::Ip(_) => false,
        }
    }

    pub(super) fn arp_input<R: Recorder>(&mut self, dev: IfId, arp: &Arp, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        if self.iface(dev).is_some_and(|i| !i.arp) {
            return self.drop(cx, skb, DropReason::OtherHost);
        }
        self.arp_process(dev, arp, skb, false, cx);
    }

    /// A request about somebody else has waited long enough (`parp_redo`).
    pub(super) fn arp_redo<R: Recorder>(&mut self, dev: IfId, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        match &skb.frame.body {
            FrameBody::Arp(arp) if self.iface(dev).is_some_and(|i| i.up) => {
                let arp = *arp;
                self.arp_process(dev, &arp, skb, true, cx);
            }
            _ => self.drop(cx, skb, DropReason::Gone),
        }
    }

    fn arp_process<R: Recorder>(
        &mut self,
        dev: IfId,
        arp: &Arp,
        skb: Box<Skb>,
        waited: bool,
        cx: &mut Cx<'_, R>,
    ) {
        let role = self.role(dev, arp);
        let for_us = role != Role::None;
        let answer = arp.op == ArpOp::Reply && !skb.frame.dst.is_group();
        let create = for_us && arp.op == ArpOp::Request;
        let sender = IpAddr::from(arp.sender_ip);
        if !arp.sender_ip.is_unspecified() {
            for waiting in self.neigh.learn(dev, sender, arp.sender_mac, cx.now, answer, create) {
                self.resolve_and_send(dev, sender, waiting, cx);
            }
        }
        let Some(iface) = self.iface(dev) else { return self.drop(cx, skb, DropReason::Gone) };
        let (own, delay) = (iface.mac, iface.conf.proxy_delay);
        if create && role == Role::Proxy && !waited && delay != 0 && skb.frame.dst != own {
            return self.answer_later(dev, delay, skb, cx);
        }
        if create {
            let reply = Arp {
                op: ArpOp::Reply,
                sender_mac: own,
                sender_ip: arp.target_ip,
                target_mac: arp.sender_mac,
                target_ip: arp.sender_ip,
            };
            self.send_arp(dev, arp.sender_mac, reply, cx);
        }
        if for_us || answer {
            let what = if arp.op == ArpOp::Request { "ARP request answered" } else { "ARP reply noted" };
            self.end(cx, skb, || Verdict::Consumed { what });
        } else {
            self.drop(cx, skb, DropReason::OtherHost);
        }
    }

    /// Lets the owner of an address be the first to answer: waits a random number of jiffies below `delay` hundredths of a second
    /// (`pneigh_enqueue`).
    fn answer_later<R: Recorder>(&mut self, dev: IfId, delay: u32, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let jiffies = delay.saturating_mul(JIFFIES_PER_SECOND) / 100;
        let wait = cx.dice.below(Purpose::ProxyDelay, u64::from(self.id.0), jiffies);
        let at = cx.now.tick() + Duration::from_secs(1) / JIFFIES_PER_SECOND * wait;
        if let Err(skb) = self.neigh.answer_later(at.max(cx.now), dev, skb) {
            self.drop(cx, skb, DropReason::NeighQueueFull);
        }
    }

    /// What this host is to a request: the owner of the address, or a proxy for what it would route elsewhere.
    fn role(&self, dev: IfId, arp: &Arp) -> Role {
        let target = IpAddr::from(arp.target_ip);
        if self.answered_for.contains(&(dev, target)) {
            return Role::Owner;
        }
        let own = || {
            let own = self.arp_ignore_allows(dev, arp.sender_ip, target) && self.arp_filter_allows(dev, arp);
            if own { Role::Owner } else { Role::None }
        };
        let asker = IpAddr::from(arp.sender_ip);
        // A probe for duplicates has no source, and an answer is for whoever it is sent to.
        if asker.is_unspecified() || arp.op == ArpOp::Reply {
            return if self.is_local(target) && !target.is_loopback() { own() } else { Role::None };
        }
        // A request is routed like a packet, with all checks of its source (`arp_process`).
        let Some(iface) = self.iface(dev) else { return Role::None };
        match self.decide_in_v4((asker, target), iface, 0) {
            Ok(path) if path.broadcast => Role::None,
            Ok(path) if path.local => own(),
            Ok(path) if path.dev != dev && self.conf_or(dev, |c| c.proxy_arp) => Role::Proxy,
            Ok(_) | Err(_) => Role::None,
        }
    }

    fn arp_filter_allows(&self, dev: IfId, arp: &Arp) -> bool {
        let filter = self.conf_or(dev, |c| c.arp_filter);
        !filter || self.path_to(arp.sender_ip.into()).is_ok_and(|p| p.dev == dev)
    }

    fn arp_ignore_allows(&self, dev: IfId, sender: Ipv4Addr, target: IpAddr) -> bool {
        let Some(iface) = self.iface(dev) else { return false };
        let own = iface.addrs.iter().any(|a| a.addr() == target);
        match self.sys.all.arp_ignore.max(iface.conf.arp_ignore) {
            0 => true,
            1 => own,
            2 => own && iface.subnet_of(target).is_some_and(|n| n.contains(&IpAddr::from(sender))),
            8.. => false,
            _ => own,
        }
    }
}
