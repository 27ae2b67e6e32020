//! Cutting packets into fragments and putting them together again (RFC 791, 3.2; RFC 8200, 4.5).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Skb;
use crate::packet::{Fragment, IpPacket, Transport};
use crate::time::SimTime;

/// How long pieces wait for the rest (`net.ipv4.ipfrag_time`).
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The same for IPv6 (`net.ipv6.ip6frag_time`).
pub const TIMEOUT_V6: Duration = Duration::from_secs(60);

/// Cuts a packet into pieces of at most `mtu` bytes. A piece may be cut again.
#[must_use]
pub fn fragment(packet: &IpPacket, mtu: u32) -> Vec<IpPacket> {
    let header = if packet.dst.is_ipv4() { 20 } else { 48 };
    let step = ((mtu as usize).saturating_sub(header) & !7).max(8);
    let whole = match &packet.body {
        Transport::Piece { whole, .. } => Arc::clone(whole),
        body => Arc::new(body.clone()),
    };
    let start = packet.frag.map_or(0, |f| usize::from(f.offset));
    let last_more = packet.frag.is_some_and(|f| f.more);
    let total = packet.body.len();
    let piece = |at: usize| {
        let len = step.min(total - at);
        let more = at + len < total || last_more;
        IpPacket {
            frag: Some(Fragment { offset: (start + at) as u16, more }),
            body: Transport::Piece { whole: Arc::clone(&whole), len: len as u16 },
            ..packet.clone()
        }
    };
    (0..total).step_by(step).map(piece).collect()
}

/// Pieces that wait for the rest of their packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reassembly {
    waiting: Vec<Waiting>,
}

#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    key: (IpAddr, IpAddr, u16, u8),
    since: SimTime,
    /// Received ranges: offset, length, more.
    pieces: Vec<(u16, u16, bool)>,
    /// Length of the longest that says DF (`max_df_size`).
    longest_df: Option<u16>,
    first: Option<Box<Skb>>,
}

impl Waiting {
    fn time(&self) -> Duration {
        if self.key.0.is_ipv4() { TIMEOUT } else { TIMEOUT_V6 }
    }
}

impl Reassembly {
    /// When the first of them has waited long enough.
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        self.waiting.iter().map(|w| w.since + w.time()).min()
    }

    /// Gives up what has waited too long: the first pieces of those packets of which it is here, whose senders may be told
    /// (`ip_expire`).
    pub(super) fn on_timer(&mut self, now: SimTime) -> Vec<Skb> {
        let over = self.waiting.extract_if(.., |w| w.since + w.time() <= now);
        over.filter_map(|w| w.first).map(|first| *first).collect()
    }

    /// Takes a piece; gives back the packet once it is complete. What waited too long is forgotten.
    pub fn add(&mut self, skb: Box<Skb>, now: SimTime) -> Option<Box<Skb>> {
        self.waiting.retain(|w| now.since(w.since) < w.time());
        let p = skb.ip()?;
        let (frag, len, df) = (p.frag?, p.body.len() as u16, p.df);
        let key = (p.src, p.dst, p.id, p.protocol());
        let at = self.waiting.iter().position(|w| w.key == key).unwrap_or_else(|| {
            self.waiting.push(Waiting { key, since: now, pieces: Vec::new(), longest_df: None, first: None });
            self.waiting.len() - 1
        });
        let w = &mut self.waiting[at];
        w.pieces.push((frag.offset, len, frag.more));
        w.longest_df = w.longest_df.max(df.then_some(len));
        if frag.offset == 0 {
            w.first = Some(skb);
        }
        if !complete(&mut w.pieces) {
            return None;
        }
        let longest = w.pieces.iter().map(|(_, len, _)| *len).max();
        let Waiting { first, longest_df, .. } = self.waiting.remove(at);
        let mut skb = first?;
        let header = skb.ip()?.header_len() as u16;
        skb.frag_max = longest.map(|l| l + header);
        skb.ignore_df = true;
        let p = skb.ip_mut()?;
        p.frag = None;
        p.df &= p.dst.is_ipv6() || longest_df == longest;
        if let Transport::Piece { whole, .. } = &p.body {
            p.body = Transport::clone(whole);
        }
        Some(skb)
    }
}

fn complete(pieces: &mut [(u16, u16, bool)]) -> bool {
    pieces.sort_unstable();
    let mut end = 0;
    for (offset, len, _) in pieces.iter() {
        if *offset > end {
            return false;
        }
        end = end.max(offset + len);
    }
    pieces.iter().any(|(offset, len, more)| !more && offset + len == end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Payload, Udp};
    use crate::trace::{IfId, Tag};

    fn big() -> IpPacket {
        let payload = Payload::from(vec![7u8; 4000]);
        let body = Transport::Udp(Udp { sport: 1, dport: 2, payload });
        IpPacket::new("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), body)
    }

    fn skb(p: IpPacket) -> Box<Skb> {
        let mut s = Skb::made(p, Tag::default());
        s.iif = Some(IfId(1));
        Box::new(s)
    }

    #[test]
    fn pieces_fit_and_join_to_the_same_packet_in_any_order() {
        let whole = big();
        let mut pieces = fragment(&whole, 1450);
        assert!(pieces.iter().all(|p| p.len() <= 1450));
        let again: Vec<_> = pieces.drain(..).flat_map(|p| fragment(&p, 600)).collect();
        assert!(again.iter().all(|p| p.len() <= 600));
        let mut r = Reassembly::default();
        let mut done = None;
        for p in again.into_iter().rev() {
            assert!(done.is_none(), "complete before the last piece");
            done = r.add(skb(p), SimTime::ZERO);
        }
        assert_eq!(done.and_then(|s| s.ip().cloned()), Some(whole));
    }

    #[test]
    fn what_does_not_come_together_is_given_up_with_its_first_piece() {
        let pieces = fragment(&big(), 1450);
        let mut r = Reassembly::default();
        assert!(r.add(skb(pieces[0].clone()), SimTime::from_secs(5)).is_none());
        assert_eq!(r.next_timer(), Some(SimTime::from_secs(35)));
        assert!(r.on_timer(SimTime::from_secs(34)).is_empty());
        let given_up = r.on_timer(SimTime::from_secs(35));
        assert_eq!(given_up.iter().filter_map(|s| s.ip()).collect::<Vec<_>>(), [&pieces[0]]);
        assert!(r.add(skb(pieces[1].clone()), SimTime::from_secs(40)).is_none());
        assert!(r.on_timer(SimTime::from_secs(70)).is_empty(), "nobody knows whose it was");
        assert_eq!(r.next_timer(), None);
    }

    #[test]
    fn pieces_are_forgotten_after_thirty_seconds() {
        let pieces = fragment(&big(), 1450);
        let mut r = Reassembly::default();
        assert!(r.add(skb(pieces[0].clone()), SimTime::ZERO).is_none());
        for p in &pieces[1..] {
            assert!(r.add(skb(p.clone()), SimTime::from_secs(31)).is_none());
        }
    }
}
