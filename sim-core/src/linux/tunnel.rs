//! VXLAN devices (RFC 7348) as flannel uses them: static forwarding entries, and as people make them by hand: one
//! remote and learning. No multicast group, and one destination for each address.

use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::ipip::outer_tos;
use crate::packet::{Frame, FrameBody, IpPacket, MacAddr, Payload, Transport, Udp};
use crate::time::SimTime;
use crate::trace::IfId;

/// Bytes that VXLAN over IPv4 adds to an IP packet: outer IP, UDP, VXLAN header, inner Ethernet header.
pub const VXLAN_OVERHEAD: u32 = 50;
/// The same over IPv6.
pub const VXLAN_OVERHEAD_V6: u32 = 70;

/// A VXLAN device.
#[derive(Clone, Debug, PartialEq)]
pub struct Vxlan {
    /// Network identifier, 24 bits.
    pub vni: u32,
    /// Outer source address.
    pub local: IpAddr,
    /// Underlay interface, if bound to one (`dev eth0`).
    pub underlay: Option<IfId>,
    /// UDP destination port; Linux' own default is 8472, IANA's 4789.
    pub port: u16,
    /// Static forwarding entries: inner destination to outer destination.
    pub fdb: IndexMap<MacAddr, IpAddr, FxBuildHasher>,
    /// Forwarding entries learned from frames that arrived, with the time of the last one; none with `nolearning`.
    pub learned: Option<Learned>,
    /// TTL of outer packets.
    pub ttl: OuterTtl,
    /// Type of service of outer packets, without the bits of congestion notification, which are the inner packet's; 1 takes it from there
    /// as a whole.
    pub tos: u8,
}

/// Where an outer packet has its TTL from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OuterTtl {
    /// What the host gives all its packets (`ttl auto`).
    #[default]
    Auto,
    /// The inner packet.
    Inherit,
    /// The tunnel's settings.
    Of(u8),
}

/// Where stations behind a tunnel were seen, and when.
pub type Learned = IndexMap<MacAddr, (IpAddr, SimTime), FxBuildHasher>;

/// How long a learned station is believed (`ageing 300`).
pub const AGEING: Duration = Duration::from_secs(300);

impl Vxlan {
    /// Bytes that the tunnel adds to an IP packet.
    #[must_use]
    pub const fn overhead(&self) -> u32 {
        if self.local.is_ipv4() { VXLAN_OVERHEAD } else { VXLAN_OVERHEAD_V6 }
    }

    /// Outer destination for an inner destination; the all-zero entry is the default.
    #[must_use]
    pub fn remote(&self, dst: MacAddr, now: SimTime) -> Option<IpAddr> {
        let fresh = |(remote, seen): &(IpAddr, SimTime)| (now.since(*seen) < AGEING).then_some(*remote);
        let learned = || self.learned.as_ref().and_then(|l| l.get(&dst)).and_then(fresh);
        self.fdb.get(&dst).copied().or_else(learned).or_else(|| self.fdb.get(&MacAddr::ZERO).copied())
    }

    /// Notes that a frame from `mac` came from `remote` (`vxlan_snoop`). An entry set by hand stays.
    pub fn learn(&mut self, mac: MacAddr, remote: IpAddr, now: SimTime) {
        if mac.is_group() || self.fdb.contains_key(&mac) {
            return;
        }
        if let Some(learned) = &mut self.learned {
            learned.insert(mac, (remote, now));
        }
    }

    /// The outer packet around a frame, its TTL for the stack to fill in. `salt` makes the source port differ between hosts, as the
    /// kernel's hash seed does; `has_hash` says that a socket gave the packet its hash.
    #[must_use]
    pub fn encapsulate(&self, frame: Frame, remote: IpAddr, salt: u64, has_hash: bool) -> IpPacket {
        let sport = source_port(hashed(&frame, has_hash), salt, has_hash);
        // What is no IP packet has neither (`ip_tunnel_get_dsfield`, `ip_tunnel_get_ttl`).
        let (inner_tos, inner_ttl) = match &frame.body {
            FrameBody::Ip(p) => (p.tos, p.ttl),
            FrameBody::Arp(_) => (0, 0),
        };
        let ttl = match self.ttl {
            OuterTtl::Auto => 0,
            OuterTtl::Inherit => inner_ttl,
            OuterTtl::Of(ttl) => ttl,
        };
        let tos = outer_tos(if self.tos == 1 { inner_tos } else { self.tos }, inner_tos);
        let payload = Payload::Vxlan { vni: self.vni, frame: Box::new(frame) };
        let udp = Transport::Udp(Udp { sport, dport: self.port, payload });
        IpPacket { ttl, tos, ..IpPacket::new(self.local, remote, udp) }
    }
}

/// Whether a packet is a tunnel's.
pub(super) const fn is_tunnelled(packet: &IpPacket) -> bool {
    matches!(packet.body, Transport::Udp(Udp { payload: Payload::Vxlan { .. }, .. }))
}

/// The frame that a frame, or the packet that it is a piece of, carries through a tunnel.
fn inside(frame: &Frame) -> Option<&Frame> {
    let FrameBody::Ip(packet) = &frame.body else { return None };
    let body = match &packet.body {
        Transport::Piece { whole, .. } => whole,
        body => body,
    };
    match body {
        Transport::Udp(Udp { payload: Payload::Vxlan { frame, .. }, .. }) => Some(frame),
        _ => None,
    }
}

/// Whether a frame is a piece of a packet.
const fn is_cut(frame: &Frame) -> bool {
    matches!(&frame.body, FrameBody::Ip(p) if p.frag.is_some())
}

/// What the hash of a packet is made of. A packet that is put into a tunnel keeps its hash if ports have a part in it
/// (`skb_clear_hash_if_not_l4`); if it has none and is cut up, its pieces get one without ports.
fn hashed(frame: &Frame, has_hash: bool) -> (&FrameBody, Option<(u16, u16)>) {
    let ports = |frame: &Frame| match &frame.body {
        FrameBody::Ip(p) => p.body.ports(),
        FrameBody::Arp(_) => None,
    };
    let frames = std::iter::successors(Some(frame), |frame| inside(frame));
    let last = frames.filter(|f| ports(f).is_some()).last().unwrap_or(frame);
    // In a tunnel it had its hash already when it was cut up.
    let kept = has_hash || (!std::ptr::eq(last, frame) && inside(last).is_none());
    (&last.body, ports(last).filter(|_| kept || !is_cut(last)))
}

/// The outer source port: a hash of the inner flow into the local port range, so that a flow keeps its path
/// (`udp_flow_src_port`). Both directions hash alike (`__flow_hash_consistentify`), unless sockets drew their hashes.
fn source_port((body, ports): (&FrameBody, Option<(u16, u16)>), salt: u64, drawn: bool) -> u16 {
    const FIRST: u64 = 32768;
    const COUNT: u64 = 60999 - 32768;
    let mut h = salt ^ 0xcbf2_9ce4_8422_2325;
    let mut mix = |v: u64| {
        h = (h ^ v).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        h ^= h >> 29;
    };
    match body {
        FrameBody::Arp(_) => mix(0x0806),
        FrameBody::Ip(p) => {
            let (s, d) = ports.unwrap_or_default();
            let (mut a, mut b) = ((fold(p.src), s), (fold(p.dst), d));
            if !drawn && b < a {
                (a, b) = (b, a);
            }
            mix(a.0);
            mix(b.0);
            mix(u64::from(p.protocol()));
            if ports.is_some() {
                mix(u64::from(a.1) << 16 | u64::from(b.1));
            }
        }
    }
    (FIRST + (((h >> 32) * COUNT) >> 32)) as u16
}

fn fold(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(a) => u64::from(a.to_bits()),
        IpAddr::V6(a) => {
            let bits = a.to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
    }
}
