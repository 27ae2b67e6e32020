//! What matches look at, taken out of the packet once per walk.

use super::address::bits;
use crate::packet::{Fragment, IpPacket, MacAddr, Tcp, Transport};

/// A packet as rules see it.
pub(super) struct Packet<'p> {
    /// The packet.
    pub(super) ip: &'p IpPacket,
    /// Source address as a number.
    pub(super) src: u128,
    /// Destination address as a number.
    pub(super) dst: u128,
    /// IANA protocol number.
    pub(super) protocol: u8,
    /// Source and destination port; none without a transport header or for a protocol without ports.
    pub(super) ports: Option<(u16, u16)>,
    /// A fragment that is not the first: it has no transport header.
    pub(super) later_fragment: bool,
    /// Destination hardware address.
    pub(super) mac: MacAddr,
    /// Source hardware address; zero for a packet that was made here.
    pub(super) from_mac: MacAddr,
}

impl<'p> Packet<'p> {
    pub(super) fn new(ip: &'p IpPacket, (mac, from_mac): (MacAddr, MacAddr)) -> Self {
        let later_fragment = matches!(ip.frag, Some(Fragment { offset: 1.., .. }));
        Self {
            ip,
            src: bits(ip.src),
            dst: bits(ip.dst),
            protocol: ip.protocol(),
            ports: ip.ports(),
            later_fragment,
            mac,
            from_mac,
        }
    }

    /// The transport header, if this packet carries it.
    fn transport(&self) -> Option<&'p Transport> {
        match &self.ip.body {
            _ if self.later_fragment => None,
            Transport::Piece { whole, .. } => Some(whole),
            body => Some(body),
        }
    }

    /// The TCP header.
    pub(super) fn tcp(&self) -> Option<&'p Tcp> {
        match self.transport()? {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// Type and code of an ICMP or ICMPv6 message.
    pub(super) fn icmp(&self) -> Option<(u8, u8)> {
        match self.transport()? {
            Transport::Icmp(message) if self.ip.dst.is_ipv4() => Some(message.type_code()),
            Transport::Icmp(message) => Some(message.type_code_v6()),
            _ => None,
        }
    }
}
