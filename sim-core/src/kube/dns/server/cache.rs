//! The cache plugin.

use std::collections::BTreeMap;

use super::super::wire::{Message, Rcode, RecordData};
use super::Options;
use crate::time::SimTime;

/// Shortest lifetime in seconds, also of replies that say nothing about it.
const MIN_TTL: u32 = 5;
/// Most replies kept, the plugin's default.
const CAPACITY: usize = 9984;

/// Replies by name, type, and the bits that change an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Key, Entry>,
}

type Key = (String, u16, bool, bool);

#[derive(Clone, Debug)]
struct Entry {
    reply: Message,
    stored: SimTime,
    ttl: u32,
}

impl Cache {
    /// A kept reply, with the time that is left in every record.
    pub(super) fn get(&self, query: &Message, now: SimTime) -> Option<Message> {
        let entry = self.entries.get(&key(query)?)?;
        let age = u32::try_from(now.since(entry.stored).as_secs()).unwrap_or(u32::MAX);
        let left = entry.ttl.checked_sub(age).filter(|left| *left > 0)?;
        let mut reply = query.reply(entry.reply.rcode);
        reply.flags.aa = true;
        reply.flags.ra = entry.reply.flags.ra;
        reply.answers.clone_from(&entry.reply.answers);
        reply.authority.clone_from(&entry.reply.authority);
        reply.additional.clone_from(&entry.reply.additional);
        set_ttl(&mut reply, left);
        Some(reply)
    }

    /// Keeps a reply if it may be kept, and gives all its records one lifetime, kept or not.
    pub(super) fn put(&mut self, query: &Message, reply: &mut Message, options: &Options, now: SimTime) {
        let Some(longest) = options.cache else { return };
        let useful = is_useful(reply);
        let shortest = if useful { shortest_ttl(reply) } else { MIN_TTL };
        let ttl = shortest.min(longest).max(MIN_TTL);
        set_ttl(reply, ttl);
        let question = query.question.as_ref();
        if !useful || reply.flags.tc || question.is_none_or(|q| options.is_uncached(&q.name)) {
            return;
        }
        let Some(key) = key(query) else { return };
        if self.entries.len() >= CAPACITY {
            self.entries.retain(|_, e| now.since(e.stored).as_secs() < u64::from(e.ttl));
        }
        if self.entries.len() < CAPACITY {
            self.entries.insert(key, Entry { reply: reply.clone(), stored: now, ttl });
        }
    }
}

fn key(query: &Message) -> Option<Key> {
    let question = query.question.as_ref()?;
    let dnssec = query.edns.as_ref().is_some_and(|e| e.dnssec_ok);
    Some((question.name.to_ascii_lowercase(), question.rtype.0, dnssec, query.flags.cd))
}

/// An answer, or a denial with the SOA that says how long it holds.
fn is_useful(reply: &Message) -> bool {
    let has_soa = reply.authority.iter().any(|r| matches!(r.data, RecordData::Soa(_)));
    match reply.rcode {
        Rcode::NOERROR => true,
        Rcode::NXDOMAIN => has_soa,
        _ => false,
    }
}

/// The lowest TTL of the reply; a denial also counts the SOA's minimum.
fn shortest_ttl(reply: &Message) -> u32 {
    let denial = reply.answers.is_empty();
    let records = reply.answers.iter().chain(&reply.authority).chain(&reply.additional);
    let ttl = records.map(|r| match &r.data {
        RecordData::Soa(soa) if denial => r.ttl.min(soa.minimum),
        _ => r.ttl,
    });
    ttl.min().unwrap_or(MIN_TTL)
}

fn set_ttl(reply: &mut Message, ttl: u32) {
    for section in [&mut reply.answers, &mut reply.authority, &mut reply.additional] {
        section.iter_mut().for_each(|r| r.ttl = ttl);
    }
}
