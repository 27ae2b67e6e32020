//! Two tables joined by a link that may lose, delay and reorder, in virtual time.

use std::time::Duration;

use super::*;
use crate::chance::{Chance, Purpose};
use crate::time::EventQueue;

/// What the link does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Packets lost, in percent.
    pub(super) loss: u32,
    /// Random additional delay in microseconds: packets overtake each other.
    pub(super) jitter: u32,
    /// Packets that arrive twice, in percent.
    pub(super) twice: u32,
}

/// A client and a server with a millisecond between them.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) hosts: [Host; 2],
    pub(super) faults: Faults,
    pub(super) now: SimTime,
    link: EventQueue<(usize, IpPacket)>,
    dice: Dice,
    /// Everything sent: who, and one word.
    pub(super) log: Vec<(usize, String)>,
}

pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;

impl Pair {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hosts: [Host::new(seed), Host::new(seed + 1)],
            faults: Faults::default(),
            now: SimTime::ZERO,
            link: EventQueue::default(),
            dice: Dice::seeded(seed + 2),
            log: Vec::new(),
        }
    }

    /// A connection, its handshake done.
    pub(super) fn connected(seed: u64) -> (Self, SockId, SockId) {
        let mut pair = Self::new(seed);
        let listener = pair.hosts[SERVER].listen(B, 80, 8);
        let client = pair.hosts[CLIENT].connect(at(A, 0), at(B, 80));
        pair.run_for(Duration::from_millis(10));
        let server = pair.hosts[SERVER].sockets.tcp_accept(listener).unwrap();
        pair.log.clear();
        (pair, client, server)
    }

    fn below(&mut self, n: u32) -> u32 {
        self.dice.below(Purpose::Fault, 0, n)
    }

    fn carry(&mut self) {
        for side in [CLIENT, SERVER] {
            while let Some((_, packet)) = self.hosts[side].sockets.pop_output() {
                self.log.push((side, word(&packet)));
                let copies = 1 + u32::from(self.below(100) < self.faults.twice);
                for _ in 0..copies {
                    let lost = self.below(100) < self.faults.loss;
                    let late = Duration::from_micros(1000 + u64::from(self.below(self.faults.jitter)));
                    if !lost {
                        self.link.push(self.now + late, (1 - side, packet.clone()));
                    }
                }
            }
        }
    }

    /// Goes to the next thing that happens, unless it is later than `until`; whether there was one.
    pub(super) fn step(&mut self, until: SimTime) -> bool {
        self.carry();
        let timers = self.hosts.iter().filter_map(|h| h.sockets.next_timer());
        let Some(next) = timers.chain(self.link.next_at()).min().filter(|at| *at <= until) else {
            return false;
        };
        self.now = self.now.max(next);
        for host in &mut self.hosts {
            host.now = self.now;
            host.sockets.on_timer(self.now);
        }
        while let Some((_, (side, packet))) = self.link.pop_due(self.now) {
            self.hosts[side].input(&packet);
        }
        self.carry();
        true
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
        for host in &mut self.hosts {
            host.now = until;
        }
    }

    /// What was sent since last asked, as `c:S s:SA c:A`.
    pub(super) fn story(&mut self) -> String {
        let words: Vec<_> =
            self.log.drain(..).map(|(side, word)| format!("{}:{word}", ["c", "s"][side])).collect();
        words.join(" ")
    }

    pub(super) fn state(&self, side: usize, id: SockId) -> Option<TcpState> {
        self.hosts[side].sockets.tcp_state(id)
    }

    pub(super) fn sockets(&mut self, side: usize) -> &mut Sockets {
        &mut self.hosts[side].sockets
    }
}
