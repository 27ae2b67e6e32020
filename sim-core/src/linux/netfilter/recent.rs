//! The lists of `-m recent` (`xt_recent`).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::time::SimTime;

/// `ip_list_tot`: addresses in one list; the one that was seen longest ago makes room for a new one.
const MAX_ADDRESSES: usize = 100;
/// Stamps that an address keeps (`ip_pkt_list_tot` of 20, rounded up to a power of two), unless a rule counts more hits.
const MIN_STAMPS: usize = 32;

/// All lists of one rule set, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RecentLists(FxHashMap<Arc<str>, RecentList>);

impl RecentLists {
    /// The list with this name, if a rule uses it.
    pub(super) fn list(&mut self, name: &Arc<str>) -> Option<&mut RecentList> {
        self.0.get_mut(name)
    }

    /// Makes sure that there is a list that can count `hits`.
    pub(super) fn ensure(&mut self, name: &Arc<str>, hits: u32) {
        let list = self.0.entry(name.clone()).or_default();
        list.stamps = list.stamps.max(MIN_STAMPS).max((hits as usize).next_power_of_two());
    }

    /// Forgets the lists that no rule uses any more.
    pub(super) fn retain(&mut self, used: impl Fn(&str) -> bool) {
        // The order in which lists are looked at does not matter.
        self.0.retain(|name, _| used(name));
    }
}

/// One list: addresses in the order in which they were last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RecentList {
    entries: Vec<Entry>,
    stamps: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    addr: u128,
    ttl: u8,
    /// When it was seen, the last `RecentList::stamps` times.
    seen: Vec<SimTime>,
}

/// Which address is asked for.
pub(super) struct Query {
    /// The address.
    pub(super) addr: u128,
    /// Only with this TTL.
    pub(super) ttl: Option<u8>,
    /// Now.
    pub(super) now: SimTime,
}

impl RecentList {
    fn find(&self, query: &Query) -> Option<usize> {
        let fits = |e: &Entry| e.addr == query.addr && query.ttl.is_none_or(|ttl| e.ttl == ttl);
        self.entries.iter().position(fits)
    }

    /// Whether the address is in the list.
    pub(super) fn contains(&self, query: &Query) -> bool {
        self.find(query).is_some()
    }

    /// Puts the address in, or renews it.
    pub(super) fn set(&mut self, query: &Query, ttl: u8) {
        let mut entry = match self.find(query) {
            Some(i) => self.entries.remove(i),
            None => {
                if self.entries.len() >= MAX_ADDRESSES {
                    self.entries.remove(0);
                }
                Entry { addr: query.addr, ttl, seen: Vec::new() }
            }
        };
        entry.ttl = ttl;
        if entry.seen.len() >= self.stamps.max(1) {
            entry.seen.remove(0);
        }
        entry.seen.push(query.now);
        self.entries.push(entry);
    }

    /// Takes the address out; whether it was there.
    pub(super) fn remove(&mut self, query: &Query) -> bool {
        self.find(query).map(|i| self.entries.remove(i)).is_some()
    }

    /// Whether the address was seen, within `seconds` (0: ever), at least `hits` times (0: once). With `reap`, the entry that
    /// was seen longest ago is dropped if that is more than `seconds` ago.
    pub(super) fn check(&mut self, query: &Query, seconds: u32, hits: u32, reap: bool) -> bool {
        let Some(i) = self.find(query) else { return false };
        let age = u64::from(seconds) * 1_000_000_000;
        let too_old = |stamp: &SimTime| seconds != 0 && query.now.0.saturating_sub(stamp.0) > age;
        let seen = self.entries[i].seen.iter().filter(|s| !too_old(s)).count();
        let found = seen >= hits.max(1) as usize;
        if reap && self.entries.first().and_then(|e| e.seen.last()).is_some_and(too_old) {
            self.entries.remove(0);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, addr: u128) -> Query {
        Query { addr, ttl: None, now: SimTime::from_secs(seconds) }
    }

    fn list() -> RecentList {
        RecentList { entries: Vec::new(), stamps: MIN_STAMPS }
    }

    #[test]
    fn an_address_is_known_until_its_time_is_over() {
        let mut l = list();
        l.set(&at(0, 1), 64);
        assert!(l.check(&at(10, 1), 10, 0, true));
        assert!(!l.check(&at(11, 1), 10, 0, false));
        assert!(!l.check(&at(0, 2), 10, 0, false));
    }

    #[test]
    fn reaping_drops_what_is_too_old() {
        let mut l = list();
        l.set(&at(0, 1), 64);
        assert!(!l.check(&at(11, 1), 10, 0, true));
        assert!(!l.contains(&at(11, 1)));
    }

    #[test]
    fn hits_are_counted_within_the_time() {
        let mut l = list();
        for t in [0, 5, 9] {
            l.set(&at(t, 1), 64);
        }
        assert!(l.check(&at(10, 1), 10, 3, false));
        assert!(!l.check(&at(12, 1), 10, 3, false));
    }

    #[test]
    fn a_full_list_forgets_who_was_seen_longest_ago() {
        let mut l = list();
        for addr in 0..=100 {
            l.set(&at(addr as u64, addr), 64);
        }
        assert!(!l.contains(&at(0, 0)));
        assert!(l.contains(&at(0, 1)));
    }
}
