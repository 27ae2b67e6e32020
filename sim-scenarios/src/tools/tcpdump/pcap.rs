//! Capture files (pcap 2.4, draft-ietf-opsawg-pcap), as `-w` writes and `-r` reads them.

/// A packet as captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Nanoseconds since 1970.
    pub(super) at: u64,
    /// Length on the wire in bytes, link-layer header included.
    pub(super) length: usize,
    /// What was kept, with the link-layer header.
    pub(super) bytes: Vec<u8>,
}

/// Link-layer header types, as far as they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// `DLT_EN10MB`.
    Ethernet,
    /// `DLT_LINUX_SLL2`.
    Cooked,
}

impl Link {
    const fn number(self) -> u32 {
        match self {
            Self::Ethernet => 1,
            Self::Cooked => 276,
        }
    }

    /// Name and description.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "EN10MB (Ethernet)",
            Self::Cooked => "LINUX_SLL2 (Linux cooked v2)",
        }
    }

    /// Length of its header in bytes.
    pub(super) const fn header(self) -> usize {
        match self {
            Self::Ethernet => 14,
            Self::Cooked => 20,
        }
    }
}

const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
const MAGIC_NANO: u32 = 0xa1b2_3c4d;

/// The bytes of a file.
pub(super) fn write(link: Link, snaplen: u32, packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    let word = |out: &mut Vec<u8>, n: u32| out.extend(n.to_le_bytes());
    word(&mut out, MAGIC_MICRO);
    out.extend([2, 0, 4, 0]);
    for n in [0, 0, snaplen, link.number()] {
        word(&mut out, n);
    }
    for p in packets {
        word(&mut out, (p.at / 1_000_000_000) as u32);
        word(&mut out, (p.at % 1_000_000_000 / 1000) as u32);
        word(&mut out, p.bytes.len() as u32);
        word(&mut out, p.length as u32);
        out.extend(&p.bytes);
    }
    out
}

/// What a file holds: its link type, snapshot length, and packets. The error is the text that libpcap gives.
pub(super) fn read(bytes: &[u8]) -> Result<(Link, u32, Vec<Packet>), String> {
    if bytes.len() < 24 {
        return Err(format!(
            "truncated dump file; tried to read 4 file header bytes, only got {}",
            bytes.len().min(4)
        ));
    }
    let little = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let (swap, nano) = match (little, little.swap_bytes()) {
        (MAGIC_MICRO, _) => (false, false),
        (MAGIC_NANO, _) => (false, true),
        (_, MAGIC_MICRO) => (true, false),
        (_, MAGIC_NANO) => (true, true),
        _ => return Err("unknown file format".to_owned()),
    };
    let word = |at: usize| {
        let b = bytes.get(at..at + 4)?;
        let n = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        Some(if swap { n.swap_bytes() } else { n })
    };
    let snaplen = word(16).unwrap_or(0);
    let link = match word(20).unwrap_or(0) & 0xffff {
        1 => Link::Ethernet,
        276 => Link::Cooked,
        other => return Err(format!("ksim: not modelled: link type {other}")),
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while let (Some(sec), Some(fraction), Some(kept), Some(length)) =
        (word(at), word(at + 4), word(at + 8), word(at + 12))
    {
        let Some(data) = bytes.get(at + 16..at + 16 + kept as usize) else { break };
        let nanos = u64::from(fraction) * if nano { 1 } else { 1000 };
        let at_nanos = u64::from(sec) * 1_000_000_000 + nanos;
        packets.push(Packet { at: at_nanos, length: length as usize, bytes: data.to_vec() });
        at += 16 + kept as usize;
    }
    Ok((link, snaplen, packets))
}
