//! Ethernet frames and ARP.

use std::fmt;
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
    #[inline]
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

impl fmt::Display for Frame {
    /// What the frame carries, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            FrameBody::Ip(p) => p.fmt(f),
            FrameBody::Arp(a) => a.fmt(f),
        }
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

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            ArpOp::Request => write!(f, "arp who-has {} tell {}", self.target_ip, self.sender_ip),
            ArpOp::Reply => write!(f, "arp reply {} is-at {}", self.sender_ip, self.sender_mac),
        }
    }
}

/// ARP operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOp {
    /// 1: who has `target_ip`.
    Request,
    /// 2: `sender_ip` is at `sender_mac`.
    Reply,
}
