//! Packets going out: from sockets, from forwarding, down to the frame.

use std::net::IpAddr;

use super::hooks::{At, Stop};
use super::routing::Path;
use super::{Cx, Maker};
use crate::linux::link::IfKind;
use crate::linux::neigh::{Due, Resolve};
use crate::linux::policy::Flow;
use crate::linux::reassembly::fragment;
use crate::linux::tunnel::VXLAN_OVERHEAD;
use crate::linux::{Errno, Netns, Skb, partial_outside};
use crate::packet::{FrameBody, IcmpError, IpPacket, MacAddr, Payload, Transport, Udp};
use crate::time::SimTime;
use crate::trace::{DropReason, Hook, IfId, Recorder, RouteDecision, Step};

/// `net.ipv6.conf.*.hop_limit`.
const HOP_LIMIT: u8 = 64;

impl Netns {
    /// Sends a packet that this host made; a source address that is unspecified is filled in.
    ///
    /// # Errors
    /// What the system call that sent it would answer.
    pub(in crate::linux) fn send_local<R: Recorder>(
        &mut self,
        packet: IpPacket,
        maker: Maker,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Errno> {
        let skb = Box::new(Skb::made(packet, cx.new_tag()));
        self.send_made(skb, maker, cx)
    }

    /// The same on a path that the caller has looked up.
    pub(in crate::linux) fn send_local_on<R: Recorder>(
        &mut self,
        path: Path,
        packet: IpPacket,
        maker: Maker,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Errno> {
        let skb = Box::new(Skb::made(packet, cx.new_tag()));
        self.send_on(path, skb, maker, cx)
    }

    pub(super) fn send_made<R: Recorder>(
        &mut self,
        mut skb: Box<Skb>,
        maker: Maker,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Errno> {
        let Some((src, dst)) = skb.ip().map(|p| (p.src, p.dst)) else { return Err(Errno::EINVAL) };
        let early = maker.is_some_and(|sock| self.sockets.has_early_route(sock));
        let src = Some(src).filter(|s| !s.is_unspecified() && !early);
        match self.path_of(&Flow { src, dst, iif: None, mark: skb.mark }) {
            Ok(path) => self.send_on(path, skb, maker, cx),
            Err(no) => {
                self.note(cx, &mut skb, || Step::Made { socket: maker });
                self.drop(cx, skb, no.reason(dst));
                Err(no.errno)
            }
        }
    }

    /// Sends a packet that this host made on a path that is known already.
    pub(super) fn send_on<R: Recorder>(
        &mut self,
        mut path: Path,
        mut skb: Box<Skb>,
        maker: Maker,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Errno> {
        self.fill_in(&mut skb, &path, maker);
        skb.ignore_df = maker.is_some_and(|sock| self.sockets.ignores_df(sock));
        if maker.is_some() && self.leaves_checksum(&skb, &path) {
            skb.partial = Some(0);
        }
        if maker.is_some_and(|sock| self.sockets.peer_addr(sock).is_some()) {
            skb.hash = skb.hash.or(Some(0));
        }
        self.note(cx, &mut skb, || Step::Made { socket: maker });
        if let Some(mtu) = self.too_long_for(&skb, &path, cx.now) {
            self.drop(cx, skb, DropReason::PacketTooBig { mtu });
            return Err(Errno::EMSGSIZE);
        }
        if let Some(p) = skb.ip().filter(|p| maker.is_some() && !matches!(p.body, Transport::Tcp(_))) {
            let mtu = self.path_mtu(&path, p.dst, cx.now);
            skb.cut_for = u16::try_from(mtu).ok().filter(|mtu| p.len() > usize::from(*mtu));
        }
        self.note_path(&mut skb, &path, cx);
        let at = At { hook: Hook::Output, iif: None, oif: Some(path.dev) };
        if let Err(stop) = self.hook(at, &mut skb, cx) {
            let result = match &stop {
                Stop::Stolen(_) => Ok(()),
                Stop::Unroutable(_, errno) => Err(*errno),
                Stop::Drop(_) | Stop::Reject { .. } | Stop::Refuse(..) => Err(Errno::EPERM),
            };
            self.stopped(skb, stop, cx);
            return result;
        }
        if skb.reroute.is_some() {
            path = match self.routed_again(&skb, Some(path.dev)) {
                Ok(path) => path,
                Err((why, errno)) => {
                    self.drop(cx, skb, why);
                    return Err(errno);
                }
            };
            skb.reroute = None;
            self.note_path(&mut skb, &path, cx);
        }
        self.ip_output(path, skb, cx)
    }

    /// The path of a packet that OUTPUT has changed (`ip_route_me_harder`), which was to leave by `dev`.
    pub(super) fn routed_again(&self, skb: &Skb, dev: Option<IfId>) -> Result<Path, (DropReason, Errno)> {
        let Some((src, dst)) = skb.ip().map(|p| (p.src, p.dst)) else {
            return Err((DropReason::Gone, Errno::EINVAL));
        };
        // An address of one link stays on it (`ip6_route_me_harder`).
        let again = match Self::is_scoped(dst) {
            true => self.path_on_link(dst, dev),
            false => {
                let mark = skb.reroute.unwrap_or(skb.mark);
                self.path_of(&Flow { src: Some(src), dst, iif: None, mark })
            }
        };
        let path = again.map_err(|no| (no.reason(dst), no.errno))?;
        // Of IPv6 nobody looks at that here.
        let from_loopback = src.is_ipv4() && src.is_loopback();
        if from_loopback && !path.local && !self.conf_or(path.dev, |c| c.route_localnet) {
            return Err((DropReason::MartianSource, Errno::EINVAL));
        }
        Ok(path)
    }

    /// Whether the network card is left to compute the checksum of a socket's packet: of all TCP segments, and of datagrams that are
    /// not cut up (`__ip_append_data`).
    fn leaves_checksum(&self, skb: &Skb, path: &Path) -> bool {
        let Some(p) = skb.ip() else { return false };
        match &p.body {
            Transport::Tcp(_) => true,
            Transport::Udp(_) => self.iface(path.dev).is_some_and(|i| p.len() <= i.mtu as usize),
            Transport::Sctp(_) | Transport::Icmp(_) | Transport::Piece { .. } | Transport::Other { .. } => {
                false
            }
        }
    }

    /// A frame that a packet socket hands to an interface.
    pub(in crate::linux) fn send_frame<R: Recorder>(
        &mut self,
        dev: IfId,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        skb.tag = cx.new_tag();
        self.note(cx, &mut skb, || Step::Made { socket: None });
        self.transmit(dev, skb, cx);
    }

    fn fill_in(&mut self, skb: &mut Skb, path: &Path, maker: Maker) {
        let ttl = self.sys.default_ttl;
        let id = if skb.ip().is_some_and(|p| p.id == 0 && !p.df) { self.take_ip_id() } else { 0 };
        let no_source = skb.ip().is_some_and(|p| p.src.is_unspecified());
        let dst = skb.ip().map(|p| p.dst);
        let source = dst.filter(|_| no_source).map(|dst| self.source_of(path, dst));
        let Some(p) = skb.ip_mut() else { return };
        p.src = source.unwrap_or(p.src);
        if id != 0 {
            p.id = id;
        }
        if p.ttl == 0 {
            p.ttl = if p.dst.is_ipv4() { ttl } else { HOP_LIMIT };
        }
        // `IP_MULTICAST_TTL` and `IPV6_MULTICAST_HOPS` are 1 unless set.
        if p.dst.is_multicast() && (p.dst.is_ipv4() || maker.is_some()) {
            p.ttl = 1;
        }
    }

    /// The identification of the next packet (`__ip_select_ident`).
    pub(super) fn take_ip_id(&mut self) -> u16 {
        let id = self.next_ip_id;
        self.next_ip_id = id.checked_add(1).unwrap_or(1);
        id
    }

    /// The path's MTU in bytes, if the packet is longer and must not be fragmented.
    fn too_long_for(&self, skb: &Skb, path: &Path, now: SimTime) -> Option<u32> {
        let p = skb.ip()?;
        let mtu = self.path_mtu(path, p.dst, now);
        (p.df && p.len() > mtu as usize).then_some(mtu)
    }

    pub(super) fn note_path<R: Recorder>(&self, skb: &mut Skb, path: &Path, cx: &mut Cx<'_, R>) {
        self.note(cx, skb, || {
            Step::Route(RouteDecision::Out { iface: path.dev, via: path.via, route: path.route })
        });
    }

    /// The longest packet for a path in bytes: the interface's MTU or what a router has reported less than ten minutes ago.
    pub(in crate::linux) fn path_mtu(&self, path: &Path, dst: IpAddr, now: SimTime) -> u32 {
        let link = self.link_mtu(path);
        match self.exceptions.get(dst, path.route.dst, now).and_then(|e| e.mtu) {
            Some(mtu) => link.min(mtu),
            None => link,
        }
    }

    /// The longest packet in bytes that a path takes by itself: its route's MTU, else its interface's. This is what counts for packets
    /// that are passed on (`ip_dst_mtu_maybe_forward` with `ip_forward_use_pmtu` off).
    pub(super) fn link_mtu(&self, path: &Path) -> u32 {
        path.mtu.unwrap_or_else(|| self.iface(path.dev).map_or(1500, |i| i.mtu))
    }

    /// Notes that packets of a flow may have `mtu` bytes only (`__ip_rt_update_pmtu`).
    pub(super) fn learn_mtu(&mut self, flow: &Flow, mtu: u32, now: SimTime) {
        let dst = flow.dst;
        let Ok(path) = self.path_of(flow) else { return };
        if mtu < self.path_mtu(&path, dst, now) {
            let hop = path.via.map(|via| (path.dev, via));
            self.exceptions.set_mtu((dst, path.route.dst), mtu, hop, now);
        }
    }

    /// [`Netns::path_mtu`] for whatever path leads to `dst`.
    pub(in crate::linux) fn mtu_towards(&self, dst: IpAddr, now: SimTime) -> u32 {
        self.path_to(dst).map_or(1500, |path| self.path_mtu(&path, dst, now))
    }

    /// POSTROUTING, then fragments, then the neighbour.
    ///
    /// # Errors
    /// For a sender on this host: `EPERM` if a rule of POSTROUTING drops it, `EMSGSIZE` if it is too long and must not be cut up.
    pub(super) fn ip_output<R: Recorder>(
        &mut self,
        path: Path,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Errno> {
        let at = At { hook: Hook::Postrouting, iif: None, oif: Some(path.dev) };
        // A bridged frame that is routed is on no bridge any more.
        if let Some(b) = &mut skb.bridge_nf {
            b.physout = None;
        }
        if let Err(stop) = self.hook(at, &mut skb, cx) {
            self.stopped(skb, stop, cx);
            return Err(Errno::EPERM);
        }
        let Some(p) = skb.ip() else { return Ok(()) };
        let mtu = if skb.iif.is_some() { self.link_mtu(&path) } else { self.path_mtu(&path, p.dst, cx.now) };
        if p.len() <= mtu as usize && skb.frag_max.is_none() {
            self.send_to_next_hop(&path, skb, cx);
            return Ok(());
        }
        if !may_cut(&skb, p, mtu) {
            let error = IcmpError::FragmentationNeeded { mtu: mtu.min(65535) as u16 };
            self.refuse(skb, DropReason::PacketTooBig { mtu }, error, cx);
            return Err(Errno::EMSGSIZE);
        }
        for part in pieces(&skb, mtu) {
            self.send_to_next_hop(&path, part, cx);
        }
        Ok(())
    }

    fn send_to_next_hop<R: Recorder>(&mut self, path: &Path, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let Some(iface) = self.iface(path.dev) else { return self.drop(cx, skb, DropReason::Gone) };
        if !iface.uses_arp() {
            return self.transmit_by(path.dev, Some(path.next_hop), skb, cx);
        }
        if !iface.arp {
            // The device's own address stands in (`arp_constructor`).
            let own = iface.mac;
            return self.transmit_to(path.dev, own, skb, cx);
        }
        if path.broadcast {
            return self.transmit_to(path.dev, MacAddr::BROADCAST, skb, cx);
        }
        if path.next_hop.is_multicast() {
            return self.transmit_to(path.dev, multicast_mac(path.next_hop), skb, cx);
        }
        self.resolve_and_send(path.dev, path.next_hop, skb, cx);
    }

    /// Sends to a next hop once its hardware address is known.
    pub(super) fn resolve_and_send<R: Recorder>(
        &mut self,
        dev: IfId,
        next_hop: IpAddr,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        if let Some(mac) = self.neigh.lookup(dev, next_hop, cx.now) {
            self.note(cx, &mut skb, || Step::Neighbour { next_hop, mac });
            return self.transmit_to(dev, mac, skb, cx);
        }
        self.note(cx, &mut skb, || Step::NeighbourWait { next_hop, iface: dev });
        let src = skb.ip().map(|p| p.src);
        let mut waiting = Some(skb);
        match self.neigh.resolve(dev, next_hop, cx.now, &mut waiting) {
            Resolve::Known(mac) => {
                if let Some(skb) = waiting {
                    self.transmit_to(dev, mac, skb, cx);
                }
            }
            Resolve::Wait { ask: true } => self.ask(dev, next_hop, src, None, cx),
            Resolve::Wait { ask: false } => {}
            Resolve::Overflow(oldest) => self.drop(cx, oldest, DropReason::NeighQueueFull),
        }
    }

    pub(super) fn neighbour_due<R: Recorder>(&mut self, due: Due, cx: &mut Cx<'_, R>) {
        match due {
            Due::Ask { dev, addr, unicast } => {
                let src = self.neigh.first_waiting(dev, addr).and_then(Skb::ip).map(|p| p.src);
                self.ask(dev, addr, src, unicast, cx);
            }
            Due::Failed { addr, queue } => {
                for skb in queue {
                    let reason = DropReason::NeighFailed { next_hop: addr };
                    let dst = skb.ip().map(|p| p.dst).filter(IpAddr::is_ipv6);
                    self.refuse(skb, reason, IcmpError::HostUnreachable, cx);
                    // What ICMP has said of the way counts no more (`ip6_link_failure`).
                    let under = dst.and_then(|dst| Some((dst, self.path_to(dst).ok()?.route.dst)));
                    self.exceptions.forget(|dst, net, _| under == Some((dst, net)));
                }
            }
        }
    }

    /// Writes the hardware addresses and sends.
    pub(super) fn transmit_to<R: Recorder>(
        &mut self,
        dev: IfId,
        mac: MacAddr,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(own) = self.iface(dev).map(|i| i.mac) else { return self.drop(cx, skb, DropReason::Gone) };
        skb.frame.dst = mac;
        skb.frame.src = own;
        skb.tag.snapshot = None;
        if let Some(bridged) = skb.bridge_nf.filter(|b| b.bridged_dnat) {
            if bridged.by_device {
                self.count_tx(dev, &mut skb, cx);
            }
            return self.bridge_resume(dev, skb, cx);
        }
        self.transmit(dev, skb, cx);
    }

    /// A frame leaves by an interface.
    pub(super) fn transmit<R: Recorder>(&mut self, dev: IfId, skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        self.transmit_by(dev, None, skb, cx);
    }

    /// The same, with the next hop for interfaces that ask nobody for its hardware address.
    fn transmit_by<R: Recorder>(
        &mut self,
        dev: IfId,
        next_hop: Option<IpAddr>,
        mut skb: Box<Skb>,
        cx: &mut Cx<'_, R>,
    ) {
        let Some(iface) = self.ifaces.get_mut(dev.0 as usize).and_then(Option::as_mut) else {
            return self.drop(cx, skb, DropReason::Gone);
        };
        if !iface.up || !iface.carrier {
            iface.stats.tx_dropped += 1;
            return self.drop(cx, skb, DropReason::LinkDown { iface: dev });
        }
        enum Next {
            Away,
            Bridge,
            Tunnel,
            Ipip,
            Nowhere,
        }
        let loopback = iface.is_loopback();
        let next = match iface.kind {
            IfKind::Loopback | IfKind::Veth | IfKind::Wire => Next::Away,
            IfKind::Bridge(_) => Next::Bridge,
            IfKind::Vxlan(_) => Next::Tunnel,
            IfKind::Ipip(_) => Next::Ipip,
            IfKind::Dummy => Next::Nowhere,
        };
        // Only veth devices and cards fill in the checksum of a packet in a tunnel (`hw_enc_features`).
        let fills_in = matches!(next, Next::Away) && !loopback;
        skb.partial = skb.partial.filter(|depth| fills_in || *depth == 0);
        self.count_tx(dev, &mut skb, cx);
        match next {
            Next::Away => cx.fx.tx.push((dev, skb)),
            Next::Bridge => self.bridge_transmit(dev, skb, cx),
            Next::Tunnel => self.tunnel_transmit(dev, skb, cx),
            Next::Ipip => self.ipip_transmit(dev, next_hop, skb, cx),
            Next::Nowhere => self.end(cx, skb, || crate::trace::Verdict::Sent { iface: dev }),
        }
    }

    fn tunnel_transmit<R: Recorder>(&mut self, dev: IfId, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        let salt = self.hash_salt ^ u64::from(skb.hash.unwrap_or(0)) << 32;
        let Some(IfKind::Vxlan(vxlan)) = self.iface(dev).map(|i| &i.kind) else { return };
        let mac = skb.frame.dst;
        let Some(remote) = vxlan.remote(mac, cx.now) else {
            return self.drop(cx, skb, DropReason::NoFdbEntry { mac });
        };
        if self.is_local(remote) {
            return self.tunnel_loop(dev, skb, cx);
        }
        // A route into the tunnel itself; rules and further tunnels come to the same, until the kernel has enough of it.
        let mark = skb.mark;
        let way = self.path_of(&Flow { mark, ..Flow::to(remote) });
        if way.as_ref().is_ok_and(|path| path.dev == dev) || nesting(&skb) >= TUNNEL_RECURSION_LIMIT {
            return self.drop(cx, skb, DropReason::TunnelLoop);
        }
        let mut vxlan = vxlan.clone();
        // What does not fit is cut up outside, but the host notes it for what it sends itself (`skb_tunnel_check_pmtu`).
        let room = self.mtu_towards(remote, cx.now).saturating_sub(VXLAN_OVERHEAD);
        if let Some((dst, len)) = skb.ip().map(|p| (p.dst, p.len()))
            && len > room as usize
        {
            self.learn_mtu(&Flow::to(dst), room, cx.now);
        }
        if vxlan.local.is_unspecified()
            && let Ok(path) = &way
        {
            vxlan.local = self.source_of(path, remote);
        }
        self.note(cx, &mut skb, || Step::Encap { iface: dev, remote });
        let (tag, partial, hash) = (skb.tag, partial_outside(skb.partial, true), skb.hash);
        let outer = vxlan.encapsulate(skb.frame, remote, salt, skb.hash.is_some());
        // The outer packet is the same packet to a reader of the trace.
        let mut outer = Box::new(Skb::made(outer, tag));
        outer.tag.snapshot = None;
        // The mark stays, inside and outside, as long as the packet does not leave the host (`skb_scrub_packet`).
        (outer.partial, outer.hash, outer.mark) = (partial, hash, mark);
        let _ = self.send_made(outer, None, cx);
    }

    /// A tunnel whose other end is this host: the frame comes back in at once, whatever its destination (`vxlan_encap_bypass`).
    fn tunnel_loop<R: Recorder>(&mut self, dev: IfId, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        skb.iif = Some(dev);
        skb.ct = crate::linux::SkbCt::None;
        self.see_incoming(dev, &skb, cx);
        self.note(cx, &mut skb, || Step::Rx { iface: dev });
        // The kernel lets it wait until what is going on has ended.
        let busy = std::mem::take(&mut self.icmp_busy);
        self.receive_for_host(dev, skb, false, cx);
        self.icmp_busy = busy;
    }
}

/// How many tunnels a packet may be in when it enters another (`IP_TUNNEL_RECURSION_LIMIT`; Linux 6.18 sends three, not four, one in
/// the other).
pub(super) const TUNNEL_RECURSION_LIMIT: usize = 3;

/// How many tunnels a packet, or the packet that it is a piece of, is in.
pub(super) fn nesting(skb: &Skb) -> usize {
    fn carried(body: &Transport) -> Option<&IpPacket> {
        match body {
            Transport::Piece { whole, .. } => carried(whole),
            Transport::Udp(Udp { payload: Payload::Vxlan { frame, .. }, .. }) => match &frame.body {
                FrameBody::Ip(inner) => Some(inner),
                FrameBody::Arp(_) => None,
            },
            other => super::ipip::carried(other),
        }
    }
    let first = skb.ip().and_then(|p| carried(&p.body));
    std::iter::successors(first, |p| carried(&p.body)).take(TUNNEL_RECURSION_LIMIT).count()
}

/// Whether a packet that is too long may be cut up (`ip_fragment`). Routers cut up IPv6 packets only if they put them together.
fn may_cut(skb: &Skb, p: &IpPacket, mtu: u32) -> bool {
    let whole = p.df || (p.dst.is_ipv6() && skb.iif.is_some());
    !whole || (skb.ignore_df && skb.frag_max.is_none_or(|longest| u32::from(longest) <= mtu))
}

/// A packet in pieces for an interface (`ip_do_fragment`): as long as its MTU allows, but no longer than they were before.
pub(super) fn pieces(skb: &Skb, mtu: u32) -> crate::linux::neigh::Waiting {
    let Some(p) = skb.ip() else { return Vec::new() };
    let size = [skb.frag_max, skb.cut_for].into_iter().flatten().fold(mtu, |size, max| size.min(max.into()));
    let part = |piece: IpPacket| {
        // Only what came in pieces that must not be cut up says so again (`IPSKB_FRAG_PMTU`).
        let df = piece.df && (skb.frag_max.is_some() || piece.dst.is_ipv6());
        let piece = IpPacket { df, ..piece };
        let mut part = Box::new(skb.clone());
        part.tag.snapshot = None;
        (part.frag_max, part.cut_for) = (None, None);
        part.ignore_df = false;
        part.partial = None;
        part.frame.body = FrameBody::Ip(piece);
        part
    };
    fragment(p, size).into_iter().map(part).collect()
}

/// RFC 1112, 6.4; RFC 2464, 7.
fn multicast_mac(group: IpAddr) -> MacAddr {
    match group {
        IpAddr::V4(a) => {
            let [_, b, c, d] = a.octets();
            MacAddr([1, 0, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(a) => {
            let o = a.octets();
            MacAddr([0x33, 0x33, o[12], o[13], o[14], o[15]])
        }
    }
}
