//! Where messages enter and leave: what is accepted as a query, the order of addresses, EDNS, and the size limit; and the plugins
//! that only change what passes: any, loadbalance, minimal.

use std::net::SocketAddr;

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::matches;
use super::{Client, Transport};
use crate::chance::{Chance, Dice, Purpose};
use crate::kube::dns::wire::{Edns, HEADER_LEN, Message, Rcode, Record, RecordData, RecordType};

/// What became of incoming bytes.
pub(super) enum Accepted {
    Query(Message),
    /// Turned away with this reply.
    Refused(Vec<u8>),
    Ignored,
}

/// Replies are not answered; other operations and unreadable queries are, with an error.
pub(super) fn accept(bytes: &[u8]) -> Accepted {
    let is_response = bytes.get(2).is_none_or(|b| b & 0x80 != 0);
    if bytes.len() < HEADER_LEN || is_response {
        return Accepted::Ignored;
    }
    let opcode = bytes[2] >> 3 & 15;
    match Message::parse(bytes) {
        _ if opcode != 0 => Accepted::Refused(bare(bytes, Rcode::NOTIMP)),
        Ok(query) if query.question.is_some() => Accepted::Query(query),
        _ => Accepted::Refused(bare(bytes, Rcode::FORMERR)),
    }
}

/// A header alone.
fn bare(query: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut reply = vec![0; HEADER_LEN];
    reply[..2].copy_from_slice(&query[..2]);
    reply[2] = 0x80 | query[2] & 0x79;
    reply[3] = rcode.0;
    reply
}

/// The plugin any: queries for all types get the answer of RFC 8482.
pub(super) fn any(zones: &[String], query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
    let Some(question) = query.question.as_ref().filter(|q| q.rtype == RecordType::ANY) else {
        return next(rest, query, cx, "any");
    };
    if matches(zones, &question.name).is_none() {
        return next(rest, query, cx, "any");
    }
    let words: [&[u8]; 2] = [b"ANY obsoleted", b"See RFC 8482"];
    let data = words.iter().flat_map(|w| std::iter::once(w.len() as u8).chain(w.iter().copied())).collect();
    let mut reply = query.reply(Rcode::NOERROR);
    reply.flags.aa = true;
    reply.answers =
        vec![Record::new(&question.name, 8482, RecordData::Other { rtype: RecordType::HINFO, data })];
    Ok(Done::written(reply))
}

/// The plugin minimal: an answer comes alone.
pub(super) fn minimal(query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
    let mut done = next(rest, query, cx, "minimal")?;
    if let Some(reply) = done.reply.as_mut().filter(|r| r.rcode == Rcode::NOERROR && !r.answers.is_empty()) {
        reply.authority.clear();
        reply.additional.clear();
    }
    Ok(done)
}

/// The plugin loadbalance.
pub(super) fn loadbalance(query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
    let mut done = next(rest, query, cx, "loadbalance")?;
    if let Some(reply) = done.reply.as_mut().filter(|r| r.rcode == Rcode::NOERROR) {
        for section in [&mut reply.answers, &mut reply.authority, &mut reply.additional] {
            balance(section, cx.dice, cx.place);
        }
    }
    Ok(done)
}

/// The order that loadbalance gives a section: CNAMEs first, then other types, then the addresses shuffled, then MX shuffled.
fn balance(section: &mut [Record], dice: &mut Dice, place: u64) {
    if section.len() < 2 {
        return;
    }
    let rank = |r: &Record| match r.data.rtype() {
        RecordType::CNAME => 0,
        RecordType::A | RecordType::AAAA => 2,
        RecordType::MX => 3,
        _ => 1,
    };
    section.sort_by_key(rank);
    let addresses = section.partition_point(|r| rank(r) < 2);
    let exchangers = section.partition_point(|r| rank(r) < 3);
    let (head, mx) = section.split_at_mut(exchangers);
    dice.shuffle(Purpose::DnsShuffle, place, &mut head[addresses..]);
    dice.shuffle(Purpose::DnsShuffle, place, mx);
}

/// Adds EDNS as the client sent it, and makes the message fit.
pub(super) fn seal(query: &Message, mut reply: Message, client: Client) -> Option<Vec<u8>> {
    reply.edns = query.edns.as_ref().map(echo);
    let limit = match client.transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => query.edns.as_ref().map_or(MIN_SIZE, |e| usize::from(e.udp_size).max(MIN_SIZE)),
    };
    let plain = reply.to_bytes().ok()?;
    if plain.len() <= limit {
        let compress = client.transport == Transport::Udp && plain.len() > unfragmented(client.addr);
        return if compress { reply.to_compressed_bytes().ok() } else { Some(plain) };
    }
    cut(reply, limit)
}

/// Every UDP client takes this much (RFC 1035 4.2.1).
const MIN_SIZE: usize = 512;

/// Beyond this a datagram may be fragmented; CoreDNS then compresses.
const fn unfragmented(client: SocketAddr) -> usize {
    if client.is_ipv4() { 1480 } else { 1220 }
}

/// Client options that come back: NSID, EXPIRE, COOKIE, TCP keepalive, padding.
const ECHOED_OPTIONS: [u16; 5] = [3, 9, 10, 11, 12];

fn echo(edns: &Edns) -> Edns {
    let options = edns.options.iter().filter(|(code, _)| ECHOED_OPTIONS.contains(code)).cloned().collect();
    Edns { udp_size: edns.udp_size, dnssec_ok: edns.dnssec_ok, options }
}

/// Compresses, then drops records from the end until the message fits. What fits is found by halving: the length grows with
/// the number of records.
fn cut(reply: Message, limit: usize) -> Option<Vec<u8>> {
    let whole = reply.to_compressed_bytes().ok()?;
    if whole.len() <= limit {
        return Some(whole);
    }
    let total = reply.answers.len() + reply.authority.len() + reply.additional.len();
    let (mut fits, mut too_many) = (first(&reply, 0), total);
    let mut count = 0;
    while count + 1 < too_many {
        let middle = count + (too_many - count) / 2;
        let candidate = first(&reply, middle);
        if candidate.to_compressed_bytes().ok()?.len() <= limit {
            (fits, count) = (candidate, middle);
        } else {
            too_many = middle;
        }
    }
    fits.to_compressed_bytes().ok()
}

/// The reply with its first `count` records, truncated.
fn first(reply: &Message, count: usize) -> Message {
    let mut part = reply.clone();
    part.flags.tc = true;
    part.answers.truncate(count);
    let left = count.saturating_sub(reply.answers.len());
    part.authority.truncate(left);
    part.additional.truncate(left.saturating_sub(reply.authority.len()));
    part
}
