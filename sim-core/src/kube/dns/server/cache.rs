//! The cache plugin: one cache for answers, one for denials.

use std::collections::BTreeMap;
use std::time::Duration;

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::matches;
use super::setup::{Setup, duration, number, once_more, zones_or_keys};
use crate::kube::dns::corefile::{Dispenser, normalize_one};
use crate::kube::dns::wire::{Message, Rcode, RecordData};
use crate::time::SimTime;

/// Shortest lifetime in seconds, also of replies that say nothing about it.
const MIN_TTL: u32 = 5;
/// Longest lifetime of an answer in seconds; a denial has half of it.
const MAX_TTL: u32 = 3600;
/// Most replies kept.
const CAPACITY: usize = 9984;

/// Name, type, and the bits that change an answer: DO and CD.
pub(super) type CacheKey = (String, u16, bool, bool);

/// The plugin with what it keeps.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    zones: Vec<String>,
    answers: Half,
    denials: Half,
    /// Lifetime of a failure in seconds.
    fail_ttl: u32,
    prefetch: Option<Prefetch>,
    /// How long after its end an entry may still be given, and whether the upstream server is asked first.
    stale: Option<(Duration, bool)>,
    keep_ttl: bool,
}

/// One of the two caches.
#[derive(Clone, Debug)]
struct Half {
    entries: BTreeMap<CacheKey, Entry>,
    capacity: usize,
    max_ttl: u32,
    min_ttl: u32,
    /// Zones that are not kept.
    except: Vec<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    reply: Message,
    stored: SimTime,
    ttl: u32,
    /// Hits, and since when they are counted.
    hits: (u32, SimTime),
}

/// When an entry is renewed before its end.
#[derive(Clone, Copy, Debug)]
struct Prefetch {
    hits: i64,
    within: Duration,
    /// Of the lifetime.
    percentage: i64,
}

/// What kind of reply it is, for the cache (CoreDNS' `response.Typify`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Answer,
    NoData,
    NameError,
    Failure,
    Other,
}

impl Class {
    pub(super) fn of(reply: &Message) -> Self {
        let soa = reply.authority.iter().any(|r| matches!(r.data, RecordData::Soa(_)));
        match reply.rcode {
            Rcode::NOERROR if reply.answers.is_empty() && soa => Self::NoData,
            Rcode::NOERROR => Self::Answer,
            Rcode::NXDOMAIN if soa => Self::NameError,
            Rcode::SERVFAIL | Rcode::NOTIMP => Self::Failure,
            _ => Self::Other,
        }
    }
}

impl Cache {
    fn new(zones: Vec<String>) -> Self {
        let half = |max_ttl| Half {
            entries: BTreeMap::new(),
            capacity: CAPACITY,
            max_ttl,
            min_ttl: MIN_TTL,
            except: Vec::new(),
        };
        Self {
            zones,
            answers: half(MAX_TTL),
            denials: half(MAX_TTL / 2),
            fail_ttl: MIN_TTL,
            prefetch: None,
            stale: None,
            keep_ttl: false,
        }
    }

    /// Reads `cache [TTL] [ZONES…] { … }`.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut cache = None;
        while c.advance() {
            once_more(&cache)?;
            let mut args = c.remaining_args();
            let ttl = args.first().and_then(|a| a.parse::<i64>().ok());
            if let Some(ttl) = ttl {
                args.remove(0);
                positive(ttl)?;
            }
            let mut own = Self::new(zones_or_keys(&args, cx.keys));
            if let Some(ttl) = ttl {
                (own.answers.max_ttl, own.denials.max_ttl) = (ttl as u32, ttl as u32);
            }
            while c.next_block() {
                own.property(c)?;
            }
            cache = Some(own);
        }
        cache.ok_or_else(|| c.arg_err())
    }

    fn property(&mut self, c: &mut Dispenser) -> Result<(), String> {
        let property = c.val().to_owned();
        let args = c.remaining_args();
        match property.as_str() {
            "success" => self.answers.sizes(&args, c)?,
            "denial" => self.denials.sizes(&args, c)?,
            "prefetch" => self.prefetch = Some(Prefetch::of_args(&args, c)?),
            "serve_stale" => self.stale = Some(stale(&args, c)?),
            "servfail" => {
                let [time] = &args[..] else { return Err(c.arg_err()) };
                let time = duration(time)?;
                if time > Duration::from_secs(300) {
                    return Err("caching SERVFAIL responses over 5 minutes is not permitted".to_owned());
                }
                self.fail_ttl = time.as_secs() as u32;
            }
            "disable" => {
                let (what, zones) = args.split_first().ok_or_else(|| c.arg_err())?;
                let mut except: Vec<String> = zones.iter().map(|z| normalize_one(z)).collect();
                if let Some(i) = except.iter().position(String::is_empty) {
                    return Err(format!("invalid disabled zone: {}", zones[i]));
                }
                if except.is_empty() {
                    except.push(".".to_owned());
                }
                match what.as_str() {
                    "success" => self.answers.except = except,
                    "denial" => self.denials.except = except,
                    _ => return Err("cache type for disable must be \"success\" or \"denial\"".to_owned()),
                }
            }
            "keepttl" if args.is_empty() => self.keep_ttl = true,
            _ => return Err(c.arg_err()),
        }
        Ok(())
    }

    pub(super) fn serve(&mut self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let asked = query.question.as_ref().map_or(".", |q| &q.name);
        let Some(key) = key(query).filter(|_| matches(&self.zones, asked).is_some()) else {
            return next(rest, query, cx, "cache");
        };
        let may_look = !cx.refresh && !cx.memo.missed.contains(&key);
        let hit = if may_look { self.find(&key, query, cx) } else { None };
        match hit {
            Some((reply, false)) => return Ok(Done::written(reply)),
            Some((reply, true)) if !self.stale.is_some_and(|(_, verify)| verify) => {
                cx.renew.push(query.clone());
                return Ok(Done::written(reply));
            }
            Some((stale, true)) => {
                let mut done = next(rest, query, cx, "cache")?;
                return Ok(match &mut done.reply {
                    Some(reply) if matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) => {
                        self.put(key, reply, asked, cx.now);
                        done
                    }
                    _ => Done::written(stale),
                });
            }
            None => {}
        }
        cx.memo.missed.push(key.clone());
        let mut done = next(rest, query, cx, "cache")?;
        if let Some(reply) = &mut done.reply {
            self.put(key, reply, asked, cx.now);
        }
        Ok(done)
    }

    /// A kept reply with the time that is left in every record; whether its time is over.
    fn find(&mut self, key: &CacheKey, query: &Message, cx: &mut Cx<'_>) -> Option<(Message, bool)> {
        let (now, stale) = (cx.now, self.stale.map_or(0, |(time, _)| time.as_secs()));
        let usable = |e: &Entry| e.age(now) < u64::from(e.ttl) + stale;
        let half = match self.denials.entries.get(key) {
            Some(e) if usable(e) => &mut self.denials,
            _ => &mut self.answers,
        };
        let entry = half.entries.get_mut(key).filter(|e| usable(e))?;
        let left = u64::from(entry.ttl).saturating_sub(entry.age(now)) as u32;
        if let Some(prefetch) = self.prefetch.filter(|p| p.hits > 0 && left > 0) {
            let (hits, since) = entry.hits;
            entry.hits = if now.since(since) > prefetch.within { (1, now) } else { (hits + 1, since) };
            let threshold = (i64::from(entry.ttl) * prefetch.percentage + 99) / 100;
            if i64::from(entry.hits.0) >= prefetch.hits && i64::from(left) <= threshold {
                cx.renew.push(query.clone());
            }
        }
        let mut reply = query.reply(entry.reply.rcode);
        reply.flags.aa = true;
        reply.flags.ra = entry.reply.flags.ra;
        reply.answers.clone_from(&entry.reply.answers);
        reply.authority.clone_from(&entry.reply.authority);
        reply.additional.clone_from(&entry.reply.additional);
        set_ttl(&mut reply, if self.keep_ttl { entry.ttl } else { left });
        Some((reply, left == 0))
    }

    /// Keeps a reply if it may be kept, and gives all its records one lifetime, kept or not.
    fn put(&mut self, key: CacheKey, reply: &mut Message, asked: &str, now: SimTime) {
        let class = Class::of(reply);
        let shortest = shortest_ttl(reply, class);
        let ttl = match class {
            Class::Failure => self.fail_ttl,
            Class::NoData | Class::NameError => self.denials.clamp(shortest),
            Class::Answer | Class::Other => self.answers.clamp(shortest),
        };
        set_ttl(reply, ttl);
        if ttl == 0 || class == Class::Other || reply.flags.tc {
            return;
        }
        let half = if class == Class::Answer { &mut self.answers } else { &mut self.denials };
        if matches(&half.except, asked).is_none() {
            half.keep(key, Entry { reply: reply.clone(), stored: now, ttl, hits: (0, now) }, now);
        }
    }
}

impl Half {
    fn sizes(&mut self, args: &[String], c: &Dispenser) -> Result<(), String> {
        let capacity = number(args.first().ok_or_else(|| c.arg_err())?)?;
        self.capacity = usize::try_from(capacity).unwrap_or(0);
        if let Some(ttl) = args.get(1) {
            self.max_ttl = positive(number(ttl)?)?;
        }
        if let Some(ttl) = args.get(2) {
            let ttl = number(ttl)?;
            self.min_ttl =
                u32::try_from(ttl).map_err(|_| format!("cache min TTL can not be negative: {ttl}"))?;
        }
        Ok(())
    }

    fn clamp(&self, ttl: u32) -> u32 {
        ttl.max(self.min_ttl).min(self.max_ttl)
    }

    fn keep(&mut self, key: CacheKey, entry: Entry, now: SimTime) {
        if self.entries.len() >= self.capacity {
            self.entries.retain(|_, e| e.age(now) < u64::from(e.ttl));
        }
        if self.entries.len() < self.capacity || self.entries.contains_key(&key) {
            self.entries.insert(key, entry);
        }
    }
}

impl Entry {
    fn age(&self, now: SimTime) -> u64 {
        now.since(self.stored).as_secs()
    }
}

impl Prefetch {
    fn of_args(args: &[String], c: &Dispenser) -> Result<Self, String> {
        let mut new = Self { hits: 0, within: Duration::from_secs(60), percentage: 10 };
        if args.is_empty() || args.len() > 3 {
            return Err(c.arg_err());
        }
        new.hits = number(&args[0])?;
        if new.hits < 0 {
            return Err(format!("prefetch amount should be positive: {}", new.hits));
        }
        if let Some(time) = args.get(1) {
            new.within = duration(time)?;
        }
        if let Some(text) = args.get(2) {
            let digits = text.strip_suffix('%').ok_or_else(|| {
                let last = text.chars().last().unwrap_or_default();
                format!("last character of percentage should be `%`, but is: {last:?}")
            })?;
            new.percentage = number(digits)?;
            if !(10..=90).contains(&new.percentage) {
                return Err(format!("percentage should fall in range [10, 90]: {}", new.percentage));
            }
        }
        Ok(new)
    }
}

fn stale(args: &[String], c: &Dispenser) -> Result<(Duration, bool), String> {
    if args.len() > 2 {
        return Err(c.arg_err());
    }
    let time = args.first().map_or(Ok(Duration::from_secs(3600)), |t| duration(t))?;
    match args.get(1).map(|m| m.to_ascii_lowercase()).as_deref() {
        None | Some("immediate") => Ok((time, false)),
        Some("verify") => Ok((time, true)),
        Some(mode) => Err(format!("invalid value for serve_stale refresh mode: {mode}")),
    }
}

fn positive(ttl: i64) -> Result<u32, String> {
    match u32::try_from(ttl) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(format!("cache TTL can not be zero or negative: {ttl}")),
    }
}

fn key(query: &Message) -> Option<CacheKey> {
    let question = query.question.as_ref()?;
    let dnssec = query.edns.as_ref().is_some_and(|e| e.dnssec_ok);
    Some((question.name.to_ascii_lowercase(), question.rtype.0, dnssec, query.flags.cd))
}

/// The lowest TTL of the reply; a denial also counts the SOA's minimum.
fn shortest_ttl(reply: &Message, class: Class) -> u32 {
    if matches!(class, Class::Failure | Class::Other) {
        return MIN_TTL;
    }
    let records = reply.answers.iter().chain(&reply.authority).chain(&reply.additional);
    let ttl = records.map(|r| match &r.data {
        RecordData::Soa(soa) if class != Class::Answer => r.ttl.min(soa.minimum),
        _ => r.ttl,
    });
    ttl.min().unwrap_or(MIN_TTL).min(MAX_TTL)
}

fn set_ttl(reply: &mut Message, ttl: u32) {
    for section in [&mut reply.answers, &mut reply.authority, &mut reply.additional] {
        section.iter_mut().for_each(|r| r.ttl = ttl);
    }
}
