//! Address translation.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a NAT target asks for: `struct nf_nat_range2`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatRange {
    /// First and last address; none keeps the address.
    pub addrs: Option<(IpAddr, IpAddr)>,
    /// First and last port (or ICMP id); none lets the port be kept if it is free.
    pub ports: Option<(u16, u16)>,
    /// `--random`.
    pub random: bool,
    /// `--random-fully`.
    pub fully_random: bool,
    /// `--persistent`.
    pub persistent: bool,
}
