//! A packet on its way through a stack, with the notes that the kernel keeps beside it.

use super::conntrack::{Conn, ConnId, Direction};
use crate::packet::{Frame, FrameBody, IpPacket, MacAddr};
use crate::trace::{IfId, Tag};

/// A socket buffer: a frame and what the stack has noted on it so far. The notes end with the namespace, as in the kernel
/// (`skb_scrub_packet`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skb {
    /// The frame. For a packet that the host made, the addresses are zero until a neighbour is known.
    pub frame: Frame,
    /// `nfmark`.
    pub mark: u32,
    /// Connection tracking's note.
    pub ct: SkbCt,
    /// Set while the frame is on a bridge that calls iptables.
    pub bridge_nf: Option<BridgeNf>,
    /// Interface the frame came in by; none for a packet made here.
    pub iif: Option<IfId>,
    /// The trace's note.
    pub tag: Tag,
    /// Length of the longest piece that it was put together from (`IPCB(skb)->frag_max_size`); it is cut up again to that size.
    pub frag_max: Option<u16>,
    /// The MTU of the path that its socket had it cut up for, in pieces that stay if the path becomes another and takes them
    /// (`__ip_append_data`, `ip_do_fragment`).
    pub cut_for: Option<u16>,
    /// It may be cut up although it says DF or is IPv6: it was put together on this host, or comes from a socket that does not insist on
    /// DF (`skb->ignore_df`).
    pub ignore_df: bool,
    /// The socket that sent it is connected and has a hash, which stays with the packet and its pieces from host to host and so chooses
    /// the source port of a tunnel (`skb_set_hash_from_sk`): its timeouts, each of which gives the flow a new one (`sk_rethink_txhash`).
    pub hash: Option<u32>,
    /// IPVS has dealt with it (`skb->ipvs_property`).
    pub ipvs: bool,
    /// A TCP or UDP checksum waits for a network card (`CHECKSUM_PARTIAL`): that of its own header if 0, that of the packet in its tunnel
    /// if 1, and so on.
    pub partial: Option<u8>,
    /// OUTPUT has changed it so that it needs a new route, and had this mark then (`ip_route_me_harder`).
    pub reroute: Option<u32>,
}

/// The checksum that waits once a packet has been put into a tunnel: still the one that did, now one header further in; else that of the
/// tunnel's own header, if it has `ports` (`iptunnel_handle_offloads`, `udp_set_csum`).
#[must_use]
pub fn partial_outside(inner: Option<u8>, ports: bool) -> Option<u8> {
    inner.map(|depth| depth.saturating_add(1)).or(ports.then_some(0))
}

/// The checksum that waits once a packet has left a tunnel (`skb_postpull_rcsum`).
#[must_use]
pub fn partial_inside(outer: Option<u8>) -> Option<u8> {
    outer.and_then(|depth| depth.checked_sub(1))
}

/// What connection tracking says of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SkbCt {
    /// Not seen by connection tracking yet: `ctstate INVALID`.
    #[default]
    None,
    /// Told not to track (`-j CT --notrack`): `ctstate UNTRACKED`.
    NoTrack,
    /// No flow can be made of it: `ctstate INVALID`.
    Invalid,
    /// First packet of a flow that is not in the table yet: `ctstate NEW`. Dropping the packet drops the flow.
    New(Box<Conn>),
    /// Part of a flow in the table.
    Known {
        /// The flow.
        id: ConnId,
        /// With or against the first packet.
        dir: Direction,
        /// An ICMP error about the flow: `ctstate RELATED`.
        related: bool,
        /// The flow has seen packets in both directions: `ctstate ESTABLISHED`; else still `NEW`.
        established: bool,
    },
    /// Part of a flow that is not in the table: the reset that ended it, or an ICMP error or a reset that the stack made
    /// about a packet whose flow never got in.
    Loose {
        /// The flow.
        flow: Box<Conn>,
        /// With or against the first packet.
        dir: Direction,
        /// Made by the stack about the flow: `ctstate RELATED`.
        related: bool,
    },
}

/// Notes of `br_netfilter` on a frame that crosses a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeNf {
    /// Bridge port the frame came in by (`physdev --physdev-in`).
    pub physin: IfId,
    /// Bridge port it will leave by, once known (`physdev --physdev-out`).
    pub physout: Option<IfId>,
    /// Destination hardware address before a DNAT on the bridge replaced it.
    pub orig_dst_mac: MacAddr,
    /// The destination was translated and the frame waits for the new destination's hardware address.
    pub bridged_dnat: bool,
    /// The bridge asks for the way to the new destination.
    pub asks: bool,
    /// The bridge has found that way, and the host takes it (`skb_dst` is set when `ip6_rcv_core` looks for the interface).
    pub routed: bool,
    /// It goes to the new address through the bridge device, because the neighbour is not ready.
    pub by_device: bool,
}

impl Skb {
    /// A buffer around a frame that came in by `iif`.
    #[must_use]
    pub fn received(frame: Frame, iif: IfId, tag: Tag) -> Self {
        Self::new(frame, Some(iif), tag)
    }

    /// A buffer around a packet that the host itself made.
    #[must_use]
    pub fn made(packet: IpPacket, tag: Tag) -> Self {
        let frame = Frame { dst: MacAddr::ZERO, src: MacAddr::ZERO, body: FrameBody::Ip(packet) };
        Self::new(frame, None, tag)
    }

    fn new(frame: Frame, iif: Option<IfId>, tag: Tag) -> Self {
        Self {
            frame,
            mark: 0,
            ct: SkbCt::None,
            bridge_nf: None,
            iif,
            tag,
            frag_max: None,
            cut_for: None,
            ignore_df: false,
            hash: None,
            ipvs: false,
            partial: None,
            reroute: None,
        }
    }

    /// The IP packet, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<&IpPacket> {
        match &self.frame.body {
            FrameBody::Ip(p) => Some(p),
            FrameBody::Arp(_) => None,
        }
    }

    /// The IP packet, to be changed: the trace will take a new picture of it.
    pub const fn ip_mut(&mut self) -> Option<&mut IpPacket> {
        self.tag.snapshot = None;
        match &mut self.frame.body {
            FrameBody::Ip(p) => Some(p),
            FrameBody::Arp(_) => None,
        }
    }
}
