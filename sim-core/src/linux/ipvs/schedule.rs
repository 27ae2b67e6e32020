//! The schedulers: which real server gets a new connection (`ip_vs_rr.c` and its siblings).
//!
//! A scheduler sees the servers in the order of the kernel's list: the one added last comes first.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::hash::{hash_32, hsiphash};
use super::{Dest, DestId, fold};
use crate::time::SimTime;

/// A scheduling algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
    /// Locality-based least connections: a destination address keeps its server.
    Lblc,
    /// The same with a set of servers.
    Lblcr,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh,
    /// Shortest expected delay.
    Sed,
    /// Never queue: an idle server first.
    Nq,
    /// Weighted failover: the server with the highest weight.
    Fo,
    /// Weighted overflow: the highest weight that has room.
    Ovf,
    /// Maglev hashing of the source.
    Mh,
}

impl Scheduler {
    /// All that are modelled.
    pub const ALL: [Self; 13] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Lblc,
        Self::Lblcr,
        Self::Dh,
        Self::Sh,
        Self::Sed,
        Self::Nq,
        Self::Fo,
        Self::Ovf,
        Self::Mh,
    ];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Dh => "dh",
            Self::Sh => "sh",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Mh => "mh",
        }
    }

    /// The scheduler of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// `-b`: options whose meaning depends on the scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedFlags {
    /// `sh-fallback`, `mh-fallback`: another server instead of one that takes none.
    pub flag1: bool,
    /// `sh-port`, `mh-port`: the source port counts as well.
    pub flag2: bool,
    /// Without a meaning.
    pub flag3: bool,
}

/// What a scheduler remembers.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    Nothing,
    /// The server that was chosen last; none for the head of the list.
    Cursor(Option<DestId>),
    Weighted(Weighted),
    /// A server per hash value.
    Table(Vec<DestId>),
    /// Servers per destination address.
    Cache(BTreeMap<IpAddr, Cached>),
}

/// `struct ip_vs_wrr_mark`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighted {
    last: Option<DestId>,
    current: i64,
    max: i64,
    step: i64,
}

/// The servers of a destination address.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    servers: Vec<DestId>,
    used: SimTime,
    changed: SimTime,
}

/// What schedulers look at.
pub(super) struct View<'a> {
    pub(super) list: &'a [DestId],
    pub(super) dests: &'a BTreeMap<DestId, Dest>,
    pub(super) flags: SchedFlags,
    pub(super) client: SocketAddr,
    pub(super) to: IpAddr,
    pub(super) now: SimTime,
}

const HASH_BITS: u32 = 8;
/// Slots of a Maglev table (`CONFIG_IP_VS_MH_TAB_INDEX=12`).
const MAGLEV: usize = 4093;
const MAGLEV_BITS: u32 = 6;
const MAGLEV_KEYS: [[u64; 2]; 2] = [[2_654_435_761; 2], [2_654_446_892; 2]];
/// `lblc_expiration` and `lblcr_expiration`.
const CACHE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

impl Memory {
    /// What a scheduler knows of these servers at first, and again when one was added, changed or removed.
    pub(super) fn rebuild(
        self,
        scheduler: Scheduler,
        list: &[DestId],
        dests: &BTreeMap<DestId, Dest>,
    ) -> Self {
        match (scheduler, self) {
            (Scheduler::Rr, old @ Self::Cursor(_)) => old,
            (Scheduler::Rr, _) => Self::Cursor(None),
            (Scheduler::Wrr, old) => Self::Weighted(Weighted::new(old, list, dests)),
            (Scheduler::Dh, _) => Self::Table(cycle(list, |_| 1)),
            (Scheduler::Sh, _) => {
                Self::Table(cycle(list, |id| dests.get(&id).map_or(1, |d| d.weight.max(1) as usize)))
            }
            (Scheduler::Mh, _) => Self::Table(maglev(list, dests)),
            (Scheduler::Lblc | Scheduler::Lblcr, old @ Self::Cache(_)) => old,
            (Scheduler::Lblc | Scheduler::Lblcr, _) => Self::Cache(BTreeMap::new()),
            _ => Self::Nothing,
        }
    }

    /// A server leaves the list: whoever points at it steps back (`ip_vs_rr_del_dest`). `list` still has it.
    pub(super) fn removed(&mut self, gone: DestId, list: &[DestId]) {
        if let Self::Cursor(cursor @ Some(_)) = self
            && *cursor == Some(gone)
        {
            let at = list.iter().position(|id| *id == gone);
            *cursor = at.and_then(|at| at.checked_sub(1)).and_then(|at| list.get(at)).copied();
        }
    }

    /// The server of a new connection.
    pub(super) fn choose(&mut self, scheduler: Scheduler, view: &View<'_>) -> Option<DestId> {
        match (self, scheduler) {
            (Self::Cursor(cursor), _) => {
                *cursor = Some(view.round_robin(*cursor)?);
                *cursor
            }
            (Self::Weighted(w), _) => w.choose(view),
            (Self::Table(table), _) => view.hashed(scheduler, table),
            (Self::Cache(cache), Scheduler::Lblc) => view.local(cache),
            (Self::Cache(cache), _) => view.replicated(cache),
            (Self::Nothing, Scheduler::Lc) => view.least(|_, d| (d.overhead(), 1)),
            (Self::Nothing, Scheduler::Sed) => {
                view.least(|_, d| (i64::from(d.active) + 1, i64::from(d.weight)))
            }
            (Self::Nothing, Scheduler::Nq) => {
                let idle = view.open().find(|(_, d)| d.active == 0).map(|(id, _)| id);
                idle.or_else(|| view.least(|_, d| (i64::from(d.active) + 1, i64::from(d.weight))))
            }
            (Self::Nothing, Scheduler::Fo) => view.heaviest(|_| true),
            (Self::Nothing, Scheduler::Ovf) => view.heaviest(|d| d.active <= d.weight),
            (Self::Nothing, _) => view.least(|_, d| (d.overhead(), i64::from(d.weight))),
        }
    }
}

impl View<'_> {
    fn get(&self, id: DestId) -> Option<&Dest> {
        self.dests.get(&id)
    }

    fn takes(&self, id: DestId) -> bool {
        self.get(id).is_some_and(|d| d.available && d.weight > 0 && !d.overloaded)
    }

    /// The servers that take connections.
    fn open(&self) -> impl Iterator<Item = (DestId, &Dest)> {
        self.list.iter().filter(|id| self.takes(**id)).filter_map(|id| Some((*id, self.get(*id)?)))
    }

    fn round_robin(&self, cursor: Option<DestId>) -> Option<DestId> {
        let after = cursor.and_then(|c| self.list.iter().position(|id| *id == c)).map_or(0, |at| at + 1);
        let (before, behind) = self.list.split_at(after);
        behind.iter().chain(before).copied().find(|id| self.takes(*id))
    }

    /// The server with the least load per weight; the first of equals.
    fn least(&self, load: impl Fn(DestId, &Dest) -> (i64, i64)) -> Option<DestId> {
        self.least_of(self.open(), load)
    }

    fn least_of<'b>(
        &self,
        among: impl Iterator<Item = (DestId, &'b Dest)>,
        load: impl Fn(DestId, &Dest) -> (i64, i64),
    ) -> Option<DestId> {
        let mut least: Option<(DestId, (i64, i64))> = None;
        for (id, dest) in among {
            let own = load(id, dest);
            if least.is_none_or(|(_, best)| best.0 * own.1 > own.0 * best.1) {
                least = Some((id, own));
            }
        }
        least.map(|(id, _)| id)
    }

    fn heaviest(&self, fits: impl Fn(&Dest) -> bool) -> Option<DestId> {
        let mut best: Option<(DestId, u32)> = None;
        for (id, dest) in self.open().filter(|(_, d)| fits(d)) {
            if best.is_none_or(|(_, weight)| dest.weight > weight) {
                best = Some((id, dest.weight));
            }
        }
        best.map(|(id, _)| id)
    }

    fn hashed(&self, scheduler: Scheduler, table: &[DestId]) -> Option<DestId> {
        let (address, port) = match scheduler {
            Scheduler::Dh => (self.to, 0),
            _ if self.flags.flag2 => (self.client.ip(), self.client.port()),
            _ => (self.client.ip(), 0),
        };
        let slot = |offset: usize| -> Option<DestId> {
            let value = fold(address).wrapping_add(u32::from(port));
            let at = match scheduler {
                Scheduler::Mh => {
                    hsiphash(value.wrapping_add(offset as u32), MAGLEV_KEYS[0]) as usize % MAGLEV
                }
                _ => (hash_32(value, HASH_BITS) as usize + offset) % (1 << HASH_BITS),
            };
            table.get(at).copied()
        };
        let first = slot(0)?;
        if self.takes(first) {
            return Some(first);
        }
        if !self.flags.flag1 || scheduler == Scheduler::Dh {
            return None;
        }
        let start = match scheduler {
            Scheduler::Mh => hsiphash(fold(address).wrapping_add(u32::from(port)), MAGLEV_KEYS[0]) as usize,
            _ => hash_32(fold(address).wrapping_add(u32::from(port)), HASH_BITS) as usize,
        };
        (0..table.len()).find_map(|i| slot((i + start) % table.len()).filter(|id| self.takes(*id)))
    }

    fn weighted_least(&self) -> Option<DestId> {
        self.least(|_, d| (d.overhead(), i64::from(d.weight)))
    }

    /// It has more open connections than weight, and another has room for half (`is_overloaded`).
    fn overloaded(&self, id: DestId) -> bool {
        let busy = self.get(id).is_none_or(|d| d.active > d.weight);
        busy && self.list.iter().filter_map(|id| self.get(*id)).any(|d| d.active * 2 < d.weight)
    }

    fn local(&self, cache: &mut BTreeMap<IpAddr, Cached>) -> Option<DestId> {
        cache.retain(|_, c| c.used + CACHE_LIFE > self.now);
        let mut kept = None;
        if let Some(entry) = cache.get_mut(&self.to) {
            entry.used = self.now;
            kept = entry.servers.first().copied();
        }
        let good = |id: &DestId| self.get(*id).is_some_and(|d| d.available && d.weight > 0);
        if let Some(id) = kept.filter(good).filter(|id| !self.overloaded(*id)) {
            return Some(id);
        }
        let id = self.weighted_least()?;
        cache.insert(self.to, Cached { servers: vec![id], used: self.now, changed: self.now });
        Some(id)
    }

    fn replicated(&self, cache: &mut BTreeMap<IpAddr, Cached>) -> Option<DestId> {
        cache.retain(|_, c| c.used + CACHE_LIFE > self.now);
        let load = |_: DestId, d: &Dest| (d.overhead(), i64::from(d.weight));
        let Some(entry) = cache.get_mut(&self.to) else {
            let id = self.weighted_least()?;
            cache.insert(self.to, Cached { servers: vec![id], used: self.now, changed: self.now });
            return Some(id);
        };
        entry.used = self.now;
        let members = entry.servers.iter().filter(|id| self.takes(**id));
        let least = self.least_of(members.filter_map(|id| Some((*id, self.get(*id)?))), load);
        if entry.servers.len() > 1 && self.now > entry.changed + CACHE_LIFE {
            let heavy = entry.servers.iter().filter_map(|id| Some((*id, self.get(*id)?)));
            let most = self.least_of(heavy.filter(|(_, d)| d.weight > 0), |id, d| {
                let (load, weight) = load(id, d);
                (-load, weight)
            });
            entry.servers.retain(|id| Some(*id) != most);
            entry.changed = self.now;
        }
        if let Some(id) = least.filter(|id| !self.overloaded(*id)) {
            return Some(id);
        }
        let id = self.weighted_least()?;
        if !entry.servers.contains(&id) {
            entry.servers.insert(0, id);
            entry.changed = self.now;
        }
        Some(id)
    }
}

impl Weighted {
    fn new(old: Memory, list: &[DestId], dests: &BTreeMap<DestId, Dest>) -> Self {
        let weights = || list.iter().filter_map(|id| Some(i64::from(dests.get(id)?.weight)));
        let step = weights().filter(|w| *w > 0).fold(0, gcd).max(1);
        let max = weights().max().unwrap_or(0) - (step - 1);
        let current = match old {
            Memory::Weighted(w) if w.current <= max && w.current != 0 => {
                if step > 1 {
                    w.current / step * step + 1
                } else {
                    w.current
                }
            }
            _ => max,
        };
        Self { last: None, current, max, step }
    }

    fn choose(&mut self, view: &View<'_>) -> Option<DestId> {
        if self.max == 0 {
            return None;
        }
        let start = self.last.and_then(|c| view.list.iter().position(|id| *id == c));
        let mut at = start.map_or(0, |at| at + 1);
        let (mut last_pass, mut restarted, mut stop) = (false, false, None);
        loop {
            while let Some(id) = view.list.get(at).copied() {
                let fits = view.get(id).is_some_and(|d| !d.overloaded && i64::from(d.weight) >= self.current);
                if fits {
                    self.last = Some(id);
                    return Some(id);
                }
                if stop == Some(at) {
                    self.last = Some(id);
                    return None;
                }
                at += 1;
            }
            at = 0;
            self.current -= self.step;
            if self.current <= 0 {
                self.current = self.max;
                if last_pass || start.is_none() {
                    self.last = None;
                    return None;
                }
                restarted = true;
            }
            last_pass = self.current <= self.step;
            if last_pass && restarted && start.is_some() {
                stop = start;
            }
        }
    }
}

const fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A table in which every server has as many slots in a row as `turns` says, again and again.
fn cycle(list: &[DestId], turns: impl Fn(DestId) -> usize) -> Vec<DestId> {
    list.iter().flat_map(|id| std::iter::repeat_n(*id, turns(*id))).cycle().take(1 << HASH_BITS).collect()
}

/// The Maglev table: every server claims slots in an order of its own (`ip_vs_mh_populate`).
fn maglev(list: &[DestId], dests: &BTreeMap<DestId, Dest>) -> Vec<DestId> {
    let weights = || list.iter().filter_map(|id| dests.get(id)).map(|d| i64::from(d.last_weight));
    let divisor = weights().filter(|w| *w > 0).fold(0, gcd);
    if divisor < 1 {
        return Vec::new();
    }
    let most = (weights().max().unwrap_or(0) / divisor) as u64;
    let shift = (64 - most.leading_zeros()).saturating_sub(MAGLEV_BITS);
    let mut claims: Vec<(DestId, usize, usize, i64)> = list
        .iter()
        .filter_map(|id| Some((*id, dests.get(id)?)))
        .map(|(id, d)| {
            let word = fold(d.at.ip()).wrapping_add(u32::from(d.at.port()));
            let offset = hsiphash(word, MAGLEV_KEYS[0]) as usize % MAGLEV;
            let skip = hsiphash(word, MAGLEV_KEYS[1]) as usize % (MAGLEV - 1) + 1;
            let share = (i64::from(d.last_weight) / divisor) >> shift;
            (id, offset, skip, if share == 0 { i64::from(d.last_weight != 0) } else { share })
        })
        .collect();
    let mut table: Vec<Option<DestId>> = vec![None; MAGLEV];
    let mut filled = 0;
    'fill: loop {
        for (id, at, skip, turns) in &mut claims {
            for _ in 0..*turns {
                while table[*at].is_some() {
                    *at = (*at + *skip) % MAGLEV;
                }
                table[*at] = Some(*id);
                filled += 1;
                if filled == MAGLEV {
                    break 'fill;
                }
            }
        }
    }
    table.into_iter().flatten().collect()
}
