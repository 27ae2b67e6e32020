//! ICMP errors and TCP resets that this host sends about packets it does not want (RFC 1812, 4.3; `icmp_send`, `nf_send_reset`).

use std::net::IpAddr;

use super::Cx;
use super::routing::{NoPath, Path};
use crate::linux::ipv6::{is_link_local, source};
use crate::linux::policy::Flow;
use crate::linux::{Netns, Skb};
use crate::packet::{Icmp, IcmpError, IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport};
use crate::trace::{DropReason, Recorder, RejectWith, Step, Verdict};

impl Netns {
    /// Ends a packet that this host does not want, and tells its sender if that is allowed and possible.
    pub(super) fn refuse<R: Recorder>(
        &mut self,
        skb: Box<Skb>,
        reason: DropReason,
        error: IcmpError,
        cx: &mut Cx<'_, R>,
    ) {
        let told = self.send_error(&skb, error, false, cx);
        self.end(cx, skb, || {
            if told {
                Verdict::Rejected { rule: None, reason: Some(reason), with: RejectWith::Icmp(error) }
            } else {
                Verdict::Dropped { reason }
            }
        });
    }

    /// Tells the sender of `skb` what went wrong with it, unless that is forbidden, too much, or there is no way back; whether it did.
    /// `early` says that the packet had no route yet.
    pub(super) fn send_error<R: Recorder>(
        &mut self,
        skb: &Skb,
        error: IcmpError,
        early: bool,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let Some(p) = skb.ip() else { return false };
        if !may_be_told(skb, p, Some(error)) {
            return false;
        }
        let v6 = p.src.is_ipv6();
        if self.icmp_busy[usize::from(v6)] {
            return false;
        }
        let limited = self.is_limited(error, v6);
        if limited && !self.limits.allow_any(self.sys.icmp_msgs, cx.now) {
            return false;
        }
        let own = self.answers_from(skb, p, p.src, early);
        let Ok(back) = self.path_back(skb, own, p.src) else { return false };
        let interval = if v6 { self.v6_interval(&back) } else { self.sys.icmp_ratelimit_ms };
        if limited && !back.local && !self.limits.allow(p.src, interval, cx.now) {
            return false;
        }
        if limited {
            self.limits.consume(cx.dice, u64::from(self.id.0));
        }
        let quote = p.quoted();
        let way = (own, back, p.src);
        self.send_message(skb, way, Transport::Icmp(Icmp::Error { error, quote }), cx)
    }

    /// Sends an ICMP message about a packet to its sender; whether it got away.
    pub(super) fn send_about<R: Recorder>(
        &mut self,
        skb: &Skb,
        to: IpAddr,
        body: Transport,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        let Some(p) = skb.ip() else { return false };
        let own = self.answers_from(skb, p, to, false);
        let Ok(back) = self.path_back(skb, own, to) else { return false };
        self.send_message(skb, (own, back, to), body, cx)
    }

    fn send_message<R: Recorder>(
        &mut self,
        skb: &Skb,
        (own, back, to): (Option<IpAddr>, Path, IpAddr),
        body: Transport,
        cx: &mut Cx<'_, R>,
    ) -> bool {
        // Without an address to answer from, the one towards the sender.
        let src = own.unwrap_or_else(|| self.source_of(&back, to));
        // Precedence "internetwork control" (RFC 1812, 4.3.2.5).
        let tos = if to.is_ipv6() { 0 } else { 0xc0 };
        let answer = IpPacket { tos, ttl: 0, ..IpPacket::new(src, to, body) };
        let mut answer = Box::new(Skb::made(answer, cx.new_tag()));
        if self.track {
            self.conntrack.attach(&mut answer, skb);
        }
        let v6 = to.is_ipv6();
        self.while_icmp_is_busy(v6, |ns| ns.send_on(back, answer, None, cx).is_ok())
    }

    /// Sends an ICMP message.
    pub(super) fn while_icmp_is_busy<T>(&mut self, v6: bool, send: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.icmp_busy[usize::from(v6)], true);
        let result = send(self);
        self.icmp_busy[usize::from(v6)] = before;
        result
    }

    /// The address that a message about a packet is from, if that does not depend on the way back: the one that was addressed, if it is
    /// ours. In IPv4 the packet's route tells; one that had none has got the route of the answer (`nf_reject_fill_skb_dst`). In IPv6 the
    /// interface that the packet came in by has an address to answer from (`icmp6_send`), unless a bridge has led it through the rules.
    fn answers_from(&self, skb: &Skb, about: &IpPacket, to: IpAddr, early: bool) -> Option<IpAddr> {
        let v4 = about.dst.is_ipv4();
        if self.is_local(if early && v4 { about.src } else { about.dst }) {
            return Some(about.dst);
        }
        let IpAddr::V6(to) = to else { return None };
        let bridged = skb.bridge_nf.is_some_and(|b| early || b.physout.is_some());
        let came_by = skb.iif.filter(|_| !bridged && !is_link_local(to.into()))?;
        let preferred = self.path_to(to.into()).is_ok_and(|path| path.route.src.is_some());
        if preferred { None } else { source(self.ifaces(), came_by, to).map(IpAddr::V6) }
    }

    /// The path of a message about a packet: looked up from the address that it answers from, if there is one, else from none; the address
    /// that is written then does not count for rules (`icmp_route_lookup`). An address of a link is on the one that the packet came from.
    fn path_back(&self, skb: &Skb, own: Option<IpAddr>, to: IpAddr) -> Result<Path, NoPath> {
        if let Some(came_by) = skb.iif.filter(|_| is_link_local(to))
            && let Ok(path) = self.path_on_link(to, Some(came_by))
        {
            return Ok(path);
        }
        self.path_of(&Flow { src: own, dst: to, iif: None, mark: 0 })
    }

    /// Whether the limits hold an error back: the types of `icmp_ratemask`, but never "fragmentation needed" (`icmpv4_mask_allow`).
    fn is_limited(&self, error: IcmpError, v6: bool) -> bool {
        if matches!(error, IcmpError::FragmentationNeeded { .. }) {
            return false;
        }
        let (kind, _) = error.type_code();
        v6 || self.sys.icmp_ratemask.checked_shr(kind.into()).is_some_and(|mask| mask & 1 == 1)
    }

    /// Time between two ICMPv6 errors in milliseconds: the shorter the prefix of the way back, the more hosts are behind it
    /// (`icmpv6_xrlim_allow`, which counts ticks of 4 ms).
    fn v6_interval(&self, back: &Path) -> u32 {
        let halvings = (128 - u32::from(back.route.dst.prefix_len())) >> 5;
        ((self.sys.icmp6_ratelimit_ms / 4) >> halvings) * 4
    }

    /// Answers a TCP segment with a reset in the name of the host it was meant for. It belongs to the same flow.
    pub(super) fn send_reset<R: Recorder>(&mut self, skb: &Skb, cx: &mut Cx<'_, R>) {
        let Some(p) = skb.ip() else { return };
        let Transport::Tcp(t) = &p.body else { return };
        if t.flags.has(TcpFlags::RST) || p.frag.is_some_and(|f| f.offset > 0) {
            return;
        }
        // Without a route there is none, not even on a bridge, which needs no route.
        if self.path_of(&Flow { src: Some(p.dst), ..Flow::to(p.src) }).is_err() {
            return;
        }
        let syn_fin = u32::from(t.flags.has(TcpFlags::SYN)) + u32::from(t.flags.has(TcpFlags::FIN));
        let after = t.seq.wrapping_add(syn_fin).wrapping_add(t.payload.len() as u32);
        let (seq, ack, flags) = if t.flags.has(TcpFlags::ACK) {
            (t.ack, 0, TcpFlags::RST)
        } else {
            (0, after, TcpFlags::RST.with(TcpFlags::ACK))
        };
        let reset = Tcp {
            sport: t.dport,
            dport: t.sport,
            seq,
            ack,
            flags,
            window: 0,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        };
        let packet = IpPacket { ttl: 0, df: true, ..IpPacket::new(p.dst, p.src, Transport::Tcp(reset)) };
        self.conntrack.set_closing(skb, cx.now);
        let mut answer = Box::new(Skb::made(packet, cx.new_tag()));
        if let Some(bridged) = skb.bridge_nf {
            // Straight back by the port, in the name of whoever the frame was for, past all hooks.
            answer.frame.dst = skb.frame.src;
            answer.frame.src = skb.frame.dst;
            if let Some(p) = answer.ip_mut() {
                p.ttl = self.sys.default_ttl;
            }
            self.note(cx, &mut answer, || Step::Made { socket: None });
            return self.transmit(bridged.physin, answer, cx);
        }
        self.conntrack.attach(&mut answer, skb);
        let _ = self.send_made(answer, None, cx);
    }
}

pub(super) fn may_be_told(skb: &Skb, p: &IpPacket, error: Option<IcmpError>) -> bool {
    let about_error = matches!(&p.body, Transport::Icmp(Icmp::Error { .. } | Icmp::Redirect { .. }));
    let broadcast = |a: IpAddr| a == IpAddr::from(std::net::Ipv4Addr::BROADCAST);
    // The sender of an IPv6 group packet must learn the path's MTU (RFC 4443, 2.4 e.3).
    let group = skb.iif.is_some() && skb.frame.dst.is_group() || p.dst.is_multicast();
    let exempt = p.dst.is_ipv6() && matches!(error, Some(IcmpError::FragmentationNeeded { .. }));
    !(about_error
        || (group && !exempt)
        // Of pieces only the first counts (RFC 1122, 3.2.2); in IPv6 all do.
        || (p.dst.is_ipv4() && p.frag.is_some_and(|f| f.offset > 0))
        || p.src.is_unspecified()
        || p.src.is_multicast()
        || broadcast(p.src)
        || broadcast(p.dst))
}
