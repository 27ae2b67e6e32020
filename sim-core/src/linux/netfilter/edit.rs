//! Changes that targets of the mangle table make to a packet's headers.

use super::env::Env;
use crate::packet::{IpPacket, Tcp, Transport};

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A new time to live.
    SetTtl(u8),
    /// A larger or smaller time to live; it stays between 0 and 255.
    AddTtl(i16),
    /// Clears bits of the type of service byte, then flips others.
    Tos {
        /// Bits to clear.
        clear: u8,
        /// Bits to flip.
        flip: u8,
    },
    /// Clears ECE and CWR in a TCP header.
    NoEcn,
    /// Lowers the maximum segment size; none for what fits through the interfaces.
    Mss(Option<u16>),
}

/// Length of a TCP header without options in bytes.
const TCP_HEADER: u32 = 20;
/// ECE and CWR.
const ECN_FLAGS: u8 = 0xc0;

impl Edit {
    /// Makes the change. `false` if the packet cannot live with it and is dropped.
    pub(super) fn apply(self, packet: &mut IpPacket, env: &Env<'_>) -> bool {
        match self {
            Self::SetTtl(ttl) => packet.ttl = ttl,
            Self::AddTtl(by) => packet.ttl = (i16::from(packet.ttl) + by).clamp(0, 255) as u8,
            Self::Tos { clear, flip } => packet.tos = (packet.tos & !clear) ^ flip,
            Self::NoEcn => {
                if let Some(tcp) = tcp_mut(packet) {
                    tcp.flags.0 &= !ECN_FLAGS;
                }
            }
            Self::Mss(size) => return set_mss(packet, size, env),
        }
        true
    }
}

fn tcp_mut(packet: &mut IpPacket) -> Option<&mut Tcp> {
    match &mut packet.body {
        Transport::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}

/// `tcpmss_mangle_packet`: an announced size is only ever lowered; one is added to a segment without data that announces none.
fn set_mss(packet: &mut IpPacket, size: Option<u16>, env: &Env<'_>) -> bool {
    let headers = packet.header_len() as u32 + TCP_HEADER;
    let default = if packet.dst.is_ipv4() { 536 } else { 1220 };
    let wanted = match size {
        Some(size) => size,
        None => {
            let there = env.addrs.mtu_towards(packet.dst);
            let back = env.addrs.mtu_towards(packet.src);
            let mtu = there.into_iter().chain(back).min().unwrap_or(u32::MAX);
            if mtu <= headers {
                return false;
            }
            u16::try_from(mtu - headers).unwrap_or(u16::MAX)
        }
    };
    let Some(tcp) = tcp_mut(packet) else { return true };
    tcp.options.mss = match tcp.options.mss {
        Some(announced) => Some(announced.min(wanted)),
        None if tcp.payload.is_empty() => Some(wanted.min(default)),
        None => None,
    };
    true
}
