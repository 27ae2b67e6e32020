//! Frames as bytes, for captures: what a network card would see on the wire.
//!
//! Nothing in the simulator works on bytes. This module is the edge: [`encode`] writes a frame the way Linux would put it on the wire,
//! [`decode`] reads what the model can say. VLAN tags, IP options and some TCP options have no place in the
//! model.

mod read;
mod write;

pub use read::decode;
pub use write::{Checksums, encode, encode_packet, vxlan_bytes};

/// UDP ports behind which VXLAN is looked for: Linux' own, and IANA's.
pub const VXLAN_PORTS: [u16; 2] = [8472, 4789];

/// The Internet checksum (RFC 1071) of several pieces, each of which but the last has an even number of bytes.
#[must_use]
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    !sum(pieces)
}

/// The folded one's complement sum, not inverted: what Linux leaves in the field of a checksum that the network card is to finish.
fn sum(pieces: &[&[u8]]) -> u16 {
    let mut total: u64 = 0;
    for piece in pieces {
        for pair in piece.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            total += u64::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests;
