//! Headers and addresses as values.
//!
//! A [`Frame`] is an Ethernet header around an ARP message or an [`IpPacket`]; an [`IpPacket`] is an IP header around a
//! [`Transport`]. Lengths are those of the real headers. Checksums are not computed: a packet whose transport checksum is
//! wrong says so in [`IpPacket::bad_checksum`]. Bytes exist only at the edge ([`bytes`], for captures), never on the way.

pub mod bytes;
mod frame;
mod icmp;
mod ip;
mod mac;
mod quote;
mod sctp;
mod tcp;

pub use frame::{Arp, ArpOp, Frame, FrameBody};
pub use icmp::{Icmp, IcmpError};
pub use ip::{Fragment, IpPacket, Payload, Transport, Udp, proto};
pub use mac::MacAddr;
pub use sctp::{Sctp, SctpChunk};
pub use tcp::{Tcp, TcpFlags, TcpOptions};
