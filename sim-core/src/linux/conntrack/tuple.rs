//! The addresses of one direction of a flow.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source port; the identifier of an ICMP echo.
    pub sport: u16,
    /// Destination port; type (high byte) and code of an ICMP message.
    pub dport: u16,
}

/// With or against the first packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// As the first packet.
    Original,
    /// Against the first packet.
    Reply,
}
