//! A packet's way through one network stack.
//!
//! ```text
//! frame ─► input ─► bridge ─┬─► (bridge-nf hooks) ─► another port
//!                           └─► PREROUTING ─► route ─┬─► INPUT ─► deliver ─► socket
//!                                                    └─► FORWARD ─► POSTROUTING ─► neighbour ─► frame
//!                                                socket ─► OUTPUT ─┘
//! ```
//!
//! Everything here is a method of [`Netns`] that takes a [`Cx`]: the time, the dice, the recorder, and the list of effects that
//! the world carries out afterwards. Nothing here waits; what takes time is a frame on a wire or a timer.

mod arp;
mod bridging;
mod deliver;
mod errors;
mod hooks;
mod input;
mod ipip;
mod ipvs;
mod ndisc;
mod order;
mod output;
mod redirect;
mod routing;
#[cfg(test)]
mod tests;

pub(super) use order::Hooks;
pub(super) use routing::Path;

use std::net::SocketAddr;

use super::{Errno, Netns, Skb};
use crate::chance::Dice;
use crate::packet::{Frame, FrameBody, IpPacket, Transport};
use crate::time::SimTime;
use crate::trace::{DropReason, IfId, NsId, PacketId, Recorder, SockId, Step, Tag, Verdict};

/// What a stack needs from outside while it handles one thing.
pub(super) struct Cx<'a, R> {
    /// Now.
    pub(super) now: SimTime,
    /// Random draws.
    pub(super) dice: &'a mut Dice,
    /// Who watches.
    pub(super) rec: &'a mut R,
    /// What has to happen outside.
    pub(super) fx: &'a mut Effects,
    /// The number of the last packet that was made.
    pub(super) last_packet: &'a mut u32,
}

/// What a stack wants the world to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// Frames to carry to the other end of an interface, in order.
    pub(super) tx: Vec<(IfId, Box<Skb>)>,
}

impl<R: Recorder> Cx<'_, R> {
    fn new_tag(&mut self) -> Tag {
        *self.last_packet += 1;
        Tag { packet: PacketId(*self.last_packet), snapshot: None }
    }
}

impl Netns {
    /// Notes one step of a packet.
    #[inline]
    fn note<R: Recorder>(&self, cx: &mut Cx<'_, R>, skb: &mut Skb, step: impl FnOnce() -> Step) {
        if R::ON {
            cx.rec.record(cx.now, self.id, &mut skb.tag, &skb.frame, step);
        }
    }

    /// Ends a packet.
    fn end<R: Recorder>(&self, cx: &mut Cx<'_, R>, mut skb: Box<Skb>, verdict: impl FnOnce() -> Verdict) {
        self.note(cx, &mut skb, || Step::End(verdict()));
    }

    fn drop<R: Recorder>(&self, cx: &mut Cx<'_, R>, skb: Box<Skb>, reason: DropReason) {
        self.end(cx, skb, || Verdict::Dropped { reason });
    }

    /// When this namespace wants to be woken.
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        let own = [self.neigh.next_timer(), self.sockets.next_timer(), self.fragments.next_timer()];
        let rest = [self.exceptions.next_timer(), self.addr_expiry(), self.ipvs.next_expiry()];
        let timers = rest.into_iter().chain(own);
        timers.flatten().min()
    }

    /// Does what is due.
    pub(super) fn on_timer<R: Recorder>(&mut self, cx: &mut Cx<'_, R>) {
        // A segment that waits for a neighbour is not repeated in the instant in which the neighbour is given up.
        if self.sockets.next_timer().is_some_and(|t| t <= cx.now) {
            self.sockets.on_timer(cx.now);
            self.flush_sockets(cx);
        }
        if self.exceptions.next_timer().is_some_and(|t| t <= cx.now) {
            let neigh = &self.neigh;
            self.exceptions.on_timer(cx.now, |dev, addr| neigh.is_router(dev, addr));
        }
        if self.addr_expiry().is_some_and(|t| t <= cx.now) {
            self.expire_addrs(cx.now);
        }
        if self.ipvs.next_expiry().is_some_and(|t| t <= cx.now) {
            self.ipvs_expire(cx.now);
        }
        if self.fragments.next_timer().is_some_and(|t| t <= cx.now) {
            for piece in self.fragments.on_timer(cx.now) {
                self.reassembly_failed(Box::new(piece), cx);
            }
        }
        while let Some(due) = self.neigh.on_timer(cx.now) {
            self.neighbour_due(due, cx);
        }
        while let Some((dev, skb)) = self.neigh.answer_now(cx.now) {
            self.arp_redo(dev, skb, cx);
        }
    }

    /// Whether a segment that is to be repeated has not left this host yet, because a neighbour is still being asked for
    /// (`skb_still_in_host_queue`).
    fn still_waits(&self, again: &IpPacket) -> bool {
        let Transport::Tcp(new) = &again.body else { return false };
        self.neigh.waiting().filter_map(Skb::ip).any(|p| match &p.body {
            Transport::Tcp(old) => (old.seq, old.sport, old.dport) == (new.seq, new.sport, new.dport),
            _ => false,
        })
    }

    /// Tells a socket that a packet of `len` bytes to `dst` could not be sent. One that became too long on its way only, because OUTPUT
    /// gave it another destination, is reported by an ICMP error instead (`ip_fragment`).
    pub(in crate::linux) fn not_sent(
        &mut self,
        sock: SockId,
        errno: Errno,
        (dst, len): (SocketAddr, usize),
        now: SimTime,
    ) {
        let mtu = self.mtu_towards(dst.ip(), now);
        if errno != Errno::EMSGSIZE || len > mtu as usize {
            self.sockets.local_error(sock, errno, dst, Some(mtu), now);
        }
    }

    /// Sends what the sockets have ready to go.
    pub(super) fn flush_sockets<R: Recorder>(&mut self, cx: &mut Cx<'_, R>) {
        while let Some((sock, packet)) = self.sockets.pop_output() {
            let (dst, len) = (packet.destination(), packet.len());
            let rehash = sock.map_or(0, |sock| self.sockets.timeouts(sock));
            if rehash > 0 && self.still_waits(&packet) {
                continue;
            }
            let mut skb = Box::new(Skb::made(packet, cx.new_tag()));
            skb.hash = sock.map(|_| rehash);
            if let Err(errno) = self.send_made(skb, sock, cx)
                && let Some(sock) = sock
            {
                self.not_sent(sock, errno, (dst, len), cx.now);
            }
        }
    }
}

/// Puts the frame into words for [`Step`]s that end a packet nobody owns any more.
pub(super) fn lost<R: Recorder>(rec: &mut R, at: SimTime, ns: NsId, skb: &mut Skb, reason: DropReason) {
    rec.record(at, ns, &mut skb.tag, &skb.frame, || Step::End(Verdict::Dropped { reason }));
}

/// Whether a frame on a bridge meets the rules of its family (`bridge-nf-call-iptables`, `bridge-nf-call-ip6tables`).
const fn meets_rules(frame: &Frame, sys: &super::sysctl::Sysctls) -> bool {
    match &frame.body {
        FrameBody::Ip(p) if p.dst.is_ipv4() => sys.bridge_nf_call_iptables,
        FrameBody::Ip(_) => sys.bridge_nf_call_ip6tables,
        FrameBody::Arp(_) => false,
    }
}

/// The socket that made a packet, if one did.
type Maker = Option<SockId>;
