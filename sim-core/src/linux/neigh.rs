//! The neighbour table: hardware addresses of next hops, and how they are found out (ARP, RFC 826; neighbour discovery, RFC 4861,
//! with its states, 7.3.2).
//!
//! The kernel's life of an entry: the first packet makes it INCOMPLETE, three requests go out one second apart, packets wait (at
//! most [`QUEUE`]); no answer fails it and every waiting packet gets host-unreachable. An answer makes it REACHABLE for 30 s, then
//! STALE; the next use starts a DELAY of 5 s, then up to three unicast PROBEs, unless the transport has confirmed the neighbour
//! meanwhile. The kernel draws the 30 s anew between 15 and 45; here it is always 30.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::Skb;
use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::IfId;

/// Time between two requests (`retrans_time_ms`).
pub const RETRANS: Duration = Duration::from_secs(1);
/// Broadcast requests before giving up (`mcast_solicit`), and unicast ones (`ucast_solicit`).
pub const PROBES: u8 = 3;
/// After a change, ARP answers that say something else do not count for this long (`locktime`): of several the first one stands. In
/// IPv6 the last one does.
pub const LOCKTIME: Duration = Duration::from_secs(1);
/// How long an answer is believed (`base_reachable_time_ms`).
pub const REACHABLE: Duration = Duration::from_secs(30);
/// How long a stale entry in use waits for a confirmation (`delay_first_probe_time`).
pub const DELAY: Duration = Duration::from_secs(5);
/// Packets that wait for one neighbour. The kernel counts bytes (`unres_qlen_bytes`, 212992), which holds about this many small ones.
pub const QUEUE: usize = 101;

/// Requests about others that wait on one interface for their answer (`proxy_qlen`); one more than that is kept.
pub const PROXY_QUEUE: usize = 64;

/// Packets that wait. They stay in the boxes in which they travel.
pub type Waiting = Vec<Box<Skb>>;

/// The table of one namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    entries: IndexMap<Key, Neighbour, FxBuildHasher>,
    timers: BTreeSet<(SimTime, IfId, IpAddr)>,
    /// Requests about others that are answered later.
    proxied: Vec<Proxied>,
}

/// A request that this host will answer for somebody else (`pneigh_enqueue`).
#[derive(Clone, Debug, PartialEq)]
struct Proxied {
    at: SimTime,
    dev: IfId,
    skb: Box<Skb>,
}

/// A next hop on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(IfId, IpAddr);

// Written by hand for speed: every packet that leaves is looked up, and the standard address types hash byte by byte.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.1 {
            IpAddr::V4(a) => state.write_u64(u64::from(self.0.0) << 32 | u64::from(a.to_bits())),
            IpAddr::V6(a) => {
                state.write_u32(self.0.0);
                state.write_u128(a.to_bits());
            }
        }
    }
}

/// What is known of one next hop.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// Hardware address, zero while unknown.
    pub mac: MacAddr,
    /// State.
    pub state: NudState,
    /// When it was last confirmed.
    pub confirmed: SimTime,
    /// When state or address last changed.
    pub updated: SimTime,
    /// A packet has been sent to it, so its frame header is ready (`hh_len`).
    pub header_ready: bool,
    /// It forwards packets (`NTF_ROUTER`): it has said so itself, or a redirect has.
    pub router: bool,
    /// Requests sent since the state began.
    pub probes: u8,
    /// Packets that wait.
    pub queue: Waiting,
    timer: Option<SimTime>,
}

/// Neighbour unreachability detection states, as `ip neigh` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NudState {
    /// Being asked for.
    Incomplete,
    /// Known and confirmed.
    Reachable,
    /// Known, not confirmed lately.
    Stale,
    /// Stale and in use.
    Delay,
    /// Being asked for again, by unicast.
    Probe,
    /// Nobody answered.
    Failed,
    /// Set by hand.
    Permanent,
}

impl NudState {
    /// Name as `ip neigh` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "INCOMPLETE",
            Self::Reachable => "REACHABLE",
            Self::Stale => "STALE",
            Self::Delay => "DELAY",
            Self::Probe => "PROBE",
            Self::Failed => "FAILED",
            Self::Permanent => "PERMANENT",
        }
    }
}

/// What a packet that wants to leave is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolve {
    /// Send it to this address.
    Known(MacAddr),
    /// It waits; `ask` says that a request must go out now.
    Wait {
        /// Send a request.
        ask: bool,
    },
    /// Too many wait already: the oldest gave way.
    Overflow(Box<Skb>),
}

/// What a timer makes necessary.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Send a request, by unicast if an address is given.
    Ask {
        /// Interface.
        dev: IfId,
        /// Next hop.
        addr: IpAddr,
        /// Address to probe.
        unicast: Option<MacAddr>,
    },
    /// Nobody answered: these packets get host-unreachable.
    Failed {
        /// Next hop.
        addr: IpAddr,
        /// The packets that waited.
        queue: Waiting,
    },
}

impl Neighbours {
    /// The hardware address of a neighbour that needs no attention: the path of nearly every packet. The first of them makes its header
    /// (`neigh_resolve_output`).
    pub fn lookup(&mut self, dev: IfId, addr: IpAddr, now: SimTime) -> Option<MacAddr> {
        let n = self.entries.get_mut(&Key(dev, addr))?;
        let known = match n.state {
            NudState::Permanent | NudState::Delay | NudState::Probe => true,
            NudState::Reachable => now.since(n.confirmed) <= REACHABLE,
            NudState::Stale | NudState::Incomplete | NudState::Failed => false,
        };
        n.header_ready |= known;
        known.then_some(n.mac)
    }

    /// Whether the neighbour has a hardware address, however old (`NUD_VALID`).
    #[must_use]
    pub fn is_valid(&self, dev: IfId, addr: IpAddr) -> bool {
        let known = |n: &Neighbour| !matches!(n.state, NudState::Incomplete | NudState::Failed);
        self.entries.get(&Key(dev, addr)).is_some_and(known)
    }

    /// The hardware address that a neighbour has, however old.
    #[must_use]
    pub fn valid_mac(&self, dev: IfId, addr: IpAddr) -> Option<MacAddr> {
        self.entries.get(&Key(dev, addr)).map(|n| n.mac).filter(|_| self.is_valid(dev, addr))
    }

    /// Whether a frame for the neighbour needs nothing of its device: it is known to be there, and its header is ready.
    #[must_use]
    pub fn is_ready(&self, dev: IfId, addr: IpAddr, now: SimTime) -> bool {
        self.entries.get(&Key(dev, addr)).is_some_and(|n| {
            let reachable = n.state == NudState::Reachable && now.since(n.confirmed) <= REACHABLE;
            n.header_ready && (reachable || n.state == NudState::Permanent)
        })
    }

    /// Whether the neighbour is known to forward packets.
    #[must_use]
    pub fn is_router(&self, dev: IfId, addr: IpAddr) -> bool {
        self.entries.get(&Key(dev, addr)).is_some_and(|n| n.router)
    }

    /// Notes whether a neighbour forwards packets, if it has a hardware address; whether it did so until now and does no more.
    pub fn set_router(&mut self, dev: IfId, addr: IpAddr, router: bool) -> bool {
        if !self.is_valid(dev, addr) {
            return false;
        }
        let was = self.entries.get_mut(&Key(dev, addr)).map(|n| std::mem::replace(&mut n.router, router));
        was == Some(true) && !router
    }

    /// The packet that has waited longest for a neighbour.
    #[must_use]
    pub fn first_waiting(&self, dev: IfId, addr: IpAddr) -> Option<&Skb> {
        self.entries.get(&Key(dev, addr))?.queue.first().map(Box::as_ref)
    }

    /// The interface on which a link-local neighbour is known, if it is known on one.
    #[must_use]
    pub fn device_of(&self, addr: IpAddr) -> Option<IfId> {
        self.entries.keys().find(|k| k.1 == addr).map(|k| k.0)
    }

    /// All packets that wait for a neighbour.
    pub fn waiting(&self) -> impl Iterator<Item = &Skb> {
        self.entries.values().flat_map(|n| n.queue.iter().map(Box::as_ref))
    }

    /// The hardware address for a packet, or the packet is put in the queue.
    pub fn resolve(&mut self, dev: IfId, addr: IpAddr, now: SimTime, skb: &mut Option<Box<Skb>>) -> Resolve {
        let key = Key(dev, addr);
        let Some(n) = self.entries.get_mut(&key) else {
            let queue = skb.take().into_iter().collect();
            self.start(key, now, queue);
            return Resolve::Wait { ask: true };
        };
        match n.state {
            NudState::Permanent | NudState::Delay | NudState::Probe => Resolve::Known(n.mac),
            NudState::Reachable if now.since(n.confirmed) <= REACHABLE => Resolve::Known(n.mac),
            NudState::Reachable | NudState::Stale => {
                let mac = n.mac;
                n.header_ready = true;
                n.state = NudState::Delay;
                n.probes = 0;
                self.arm(key, Some(now.tick() + DELAY));
                Resolve::Known(mac)
            }
            NudState::Incomplete => {
                n.queue.extend(skb.take());
                if n.queue.len() > QUEUE {
                    Resolve::Overflow(n.queue.remove(0))
                } else {
                    Resolve::Wait { ask: false }
                }
            }
            NudState::Failed => {
                let queue = skb.take().into_iter().collect();
                self.start(key, now, queue);
                Resolve::Wait { ask: true }
            }
        }
    }

    fn start(&mut self, key: Key, now: SimTime, queue: Waiting) {
        let n = Neighbour {
            mac: MacAddr::ZERO,
            state: NudState::Incomplete,
            confirmed: SimTime::ZERO,
            updated: now,
            header_ready: false,
            router: false,
            probes: 1,
            queue,
            timer: None,
        };
        self.arm(key, None);
        self.entries.insert(key, n);
        self.arm(key, Some(now.tick() + RETRANS));
    }

    /// Takes what an ARP message says of its sender. `answer` says that it answers a request of ours; `create` that an unknown
    /// sender is worth an entry. Returns the packets that waited.
    pub fn learn(
        &mut self,
        dev: IfId,
        addr: IpAddr,
        mac: MacAddr,
        now: SimTime,
        answer: bool,
        create: bool,
    ) -> Waiting {
        let key = Key(dev, addr);
        let Some(n) = self.entries.get_mut(&key) else {
            if create {
                let state = if answer { NudState::Reachable } else { NudState::Stale };
                self.entries.insert(
                    key,
                    Neighbour {
                        mac,
                        state,
                        confirmed: if answer { now } else { SimTime::ZERO },
                        updated: now,
                        header_ready: false,
                        router: false,
                        probes: 0,
                        queue: Vec::new(),
                        timer: None,
                    },
                );
            }
            return Vec::new();
        };
        if n.state == NudState::Permanent {
            return Vec::new();
        }
        let changed = n.mac != mac;
        let unknown = matches!(n.state, NudState::Incomplete | NudState::Failed);
        if changed && !unknown && !create && addr.is_ipv4() && now.since(n.updated) <= LOCKTIME {
            return Vec::new();
        }
        if changed || unknown || (answer && n.state != NudState::Reachable) {
            n.updated = now;
        }
        n.mac = mac;
        if answer {
            n.state = NudState::Reachable;
            n.confirmed = now;
        } else if changed || unknown {
            n.state = NudState::Stale;
        }
        n.probes = 0;
        let queue = std::mem::take(&mut n.queue);
        n.header_ready |= !queue.is_empty();
        if answer || changed || unknown {
            self.arm(key, None);
        }
        queue
    }

    /// Takes an advertisement that is not to replace what is known (RFC 4861, 7.2.5; `neigh_update` with a weak override). Whether it
    /// names another hardware address than the known one, which then stays, but is doubted.
    pub fn is_contradicted(&mut self, dev: IfId, addr: IpAddr, mac: MacAddr) -> bool {
        let key = Key(dev, addr);
        let Some(n) = self.entries.get_mut(&key) else { return false };
        if n.mac == mac || matches!(n.state, NudState::Incomplete | NudState::Failed) {
            return false;
        }
        if n.state == NudState::Reachable {
            n.state = NudState::Stale;
            self.arm(key, None);
        }
        true
    }

    /// Whether the neighbour has been given up; an advertisement comes too late then (`ndisc_recv_na`).
    #[must_use]
    pub fn is_failed(&self, dev: IfId, addr: IpAddr) -> bool {
        self.entries.get(&Key(dev, addr)).is_some_and(|n| n.state == NudState::Failed)
    }

    /// A transport protocol has proof that the neighbour is there.
    pub fn confirm(&mut self, dev: IfId, addr: IpAddr, now: SimTime) {
        if let Some(n) = self.entries.get_mut(&Key(dev, addr))
            && !matches!(n.state, NudState::Permanent | NudState::Incomplete | NudState::Failed)
        {
            n.confirmed = now;
        }
    }

    /// Sets an entry by hand.
    pub fn set(&mut self, dev: IfId, addr: IpAddr, mac: MacAddr) {
        self.set_state(dev, addr, mac, NudState::Permanent, SimTime::ZERO);
    }

    /// Sets an entry by hand in a state of its own.
    pub fn set_state(&mut self, dev: IfId, addr: IpAddr, mac: MacAddr, state: NudState, now: SimTime) {
        self.arm(Key(dev, addr), None);
        let n = Neighbour {
            mac,
            state,
            confirmed: now,
            updated: now,
            header_ready: false,
            router: false,
            probes: 0,
            queue: Vec::new(),
            timer: None,
        };
        self.entries.insert(Key(dev, addr), n);
    }

    /// Removes an entry; says whether there was one.
    pub fn remove(&mut self, dev: IfId, addr: IpAddr) -> bool {
        self.arm(Key(dev, addr), None);
        self.entries.shift_remove(&Key(dev, addr)).is_some()
    }

    /// Removes everything on an interface except what was set by hand; returns the packets that waited.
    pub fn flush(&mut self, dev: IfId, permanent_too: bool) -> Vec<(IpAddr, Box<Skb>)> {
        let mut waiting = Vec::new();
        self.timers.retain(|t| t.1 != dev);
        self.entries.retain(|Key(d, a), n| {
            if *d != dev || (n.state == NudState::Permanent && !permanent_too) {
                return true;
            }
            waiting.extend(n.queue.drain(..).map(|p| (*a, p)));
            false
        });
        waiting
    }

    /// Removes every IPv6 entry on an interface, and what waits for it.
    pub fn flush_v6(&mut self, dev: IfId) {
        self.timers.retain(|t| t.1 != dev || t.2.is_ipv4());
        self.entries.retain(|Key(d, a), _| *d != dev || a.is_ipv4());
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        let proxied = self.proxied.iter().map(|p| p.at);
        self.timers.first().map(|t| t.0).into_iter().chain(proxied).min()
    }

    /// Keeps a request about somebody else for later.
    ///
    /// # Errors
    /// Too many wait on the interface already: the request comes back.
    pub fn answer_later(&mut self, at: SimTime, dev: IfId, skb: Box<Skb>) -> Result<(), Box<Skb>> {
        if self.proxied.iter().filter(|p| p.dev == dev).count() > PROXY_QUEUE {
            return Err(skb);
        }
        self.proxied.push(Proxied { at, dev, skb });
        Ok(())
    }

    /// The next request about somebody else whose time has come (`neigh_proxy_process`).
    pub fn answer_now(&mut self, now: SimTime) -> Option<(IfId, Box<Skb>)> {
        let due = self.proxied.iter().position(|p| p.at <= now)?;
        let Proxied { dev, skb, .. } = self.proxied.remove(due);
        Some((dev, skb))
    }

    /// Forgets the requests that wait on an interface that went down (`pneigh_queue_purge`).
    pub fn answer_never(&mut self, dev: IfId) {
        self.proxied.retain(|p| p.dev != dev);
    }

    /// Handles the first timer that is due.
    pub fn on_timer(&mut self, now: SimTime) -> Option<Due> {
        let (at, dev, addr) = *self.timers.first()?;
        if at > now {
            return None;
        }
        let key = Key(dev, addr);
        self.arm(key, None);
        let n = self.entries.get_mut(&key)?;
        match n.state {
            NudState::Incomplete if n.probes < PROBES => {
                n.probes += 1;
                self.arm(key, Some(at + RETRANS));
                Some(Due::Ask { dev, addr, unicast: None })
            }
            NudState::Delay if now.since(n.confirmed) <= DELAY => {
                n.state = NudState::Reachable;
                self.on_timer(now)
            }
            NudState::Delay => {
                n.state = NudState::Probe;
                n.probes = 1;
                let mac = n.mac;
                self.arm(key, Some(at + RETRANS));
                Some(Due::Ask { dev, addr, unicast: Some(mac) })
            }
            NudState::Probe if n.probes < PROBES => {
                n.probes += 1;
                let mac = n.mac;
                self.arm(key, Some(at + RETRANS));
                Some(Due::Ask { dev, addr, unicast: Some(mac) })
            }
            NudState::Incomplete | NudState::Probe => {
                n.state = NudState::Failed;
                n.mac = MacAddr::ZERO;
                Some(Due::Failed { addr, queue: std::mem::take(&mut n.queue) })
            }
            NudState::Reachable | NudState::Stale | NudState::Failed | NudState::Permanent => {
                self.on_timer(now)
            }
        }
    }

    fn arm(&mut self, key: Key, at: Option<SimTime>) {
        let Some(n) = self.entries.get_mut(&key) else { return };
        if let Some(old) = n.timer.take() {
            self.timers.remove(&(old, key.0, key.1));
        }
        if let Some(at) = at {
            n.timer = Some(at);
            self.timers.insert((at, key.0, key.1));
        }
    }

    /// All entries with their state at `now`, in order of appearance.
    pub fn iter(&self, now: SimTime) -> impl Iterator<Item = (IfId, IpAddr, &Neighbour, NudState)> {
        self.entries.iter().map(move |(Key(dev, addr), n)| {
            let fading = n.state == NudState::Reachable && now.since(n.confirmed) > REACHABLE;
            (*dev, *addr, n, if fading { NudState::Stale } else { n.state })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_answers_the_first_stands_for_a_second() {
        let (dev, addr) = (IfId(1), IpAddr::from([10, 0, 0, 9]));
        let (first, second) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let mut table = Neighbours::default();
        table.resolve(dev, addr, SimTime::ZERO, &mut None);
        table.learn(dev, addr, first, SimTime::ZERO, true, false);
        table.learn(dev, addr, second, SimTime::ZERO, true, false);
        assert_eq!(table.lookup(dev, addr, SimTime::ZERO), Some(first));
        let later = SimTime::from_secs(2);
        table.learn(dev, addr, second, later, true, false);
        assert_eq!(table.lookup(dev, addr, later), Some(second));
    }

    #[test]
    fn a_neighbour_set_by_hand_is_ready_after_its_first_packet() {
        let (dev, addr, mac) = (IfId(1), IpAddr::from([10, 0, 0, 9]), MacAddr([2, 0, 0, 0, 0, 1]));
        let mut table = Neighbours::default();
        table.set(dev, addr, mac);
        assert!(!table.is_ready(dev, addr, SimTime::ZERO));
        assert_eq!(table.lookup(dev, addr, SimTime::ZERO), Some(mac));
        assert!(table.is_ready(dev, addr, SimTime::ZERO));
    }

    #[test]
    fn an_advertisement_that_replaces_nothing_only_casts_doubt() {
        let (dev, addr) = (IfId(1), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9]));
        let (known, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let mut table = Neighbours::default();
        table.resolve(dev, addr, SimTime::ZERO, &mut None);
        assert!(!table.is_contradicted(dev, addr, other), "nothing is known yet");
        table.learn(dev, addr, known, SimTime::ZERO, true, false);
        assert!(!table.is_contradicted(dev, addr, known));
        assert!(table.is_contradicted(dev, addr, other));
        let (.., entry, state) = table.iter(SimTime::ZERO).next().expect("an entry");
        assert_eq!((entry.mac, state), (known, NudState::Stale));
    }

    #[test]
    fn who_asks_is_believed_at_once() {
        let (dev, addr) = (IfId(1), IpAddr::from([10, 0, 0, 9]));
        let new = MacAddr([2, 0, 0, 0, 0, 2]);
        let mut table = Neighbours::default();
        table.learn(dev, addr, MacAddr([2, 0, 0, 0, 0, 1]), SimTime::ZERO, false, true);
        table.learn(dev, addr, new, SimTime::ZERO, false, true);
        assert!(matches!(table.resolve(dev, addr, SimTime::ZERO, &mut None), Resolve::Known(m) if m == new));
    }
}
