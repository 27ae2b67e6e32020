//! Ethernet frames and ARP.

use std::net::Ipv4Addr;

use super::{IpPacket, MacAddr};

/// An Ethernet II frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Destination address.
    pub dst: MacAddr,
    /// Source address.
    pub src: MacAddr,
    /// What it carries.
    pub body: FrameBody,
}

/// The payload of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameBody {
    /// Ethertype 0x0806.
    Arp(Arp),
    /// Ethertype 0x0800 or 0x86dd, by the packet's family.
    Ip(IpPacket),
}

impl Frame {
    /// Length of an Ethernet header in bytes.
    pub const HEADER: usize = 14;

    /// Length on the wire in bytes, header included, frame check sequence not.
    #[must_use]
    pub fn len(&self) -> usize {
        Self::HEADER
            + match &self.body {
                FrameBody::Arp(_) => 28,
                FrameBody::Ip(p) => p.len(),
            }
    }

    /// Never: a frame has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

/// ARP for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub op: ArpOp,
    /// Sender hardware address.
    pub sender_mac: MacAddr,
    /// Sender protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target hardware address, zero in a request.
    pub target_mac: MacAddr,
    /// Target protocol address.
    pub target_ip: Ipv4Addr,
}

/// ARP operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOp {
    /// 1: who has `target_ip`.
    Request,
    /// 2: `sender_ip` is at `sender_mac`.
    Reply,
}
