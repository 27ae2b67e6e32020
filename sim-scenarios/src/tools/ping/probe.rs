//! What both pings do: send echo requests, wait for what comes back, keep the numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use sim_core::linux::Errno;
use sim_core::linux::socket::{Received, ReceivedBody, SockOptions};
use sim_core::packet::{Icmp, IcmpError, Transport};
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId};

use super::super::Cx;

/// A ping under way.
pub(super) struct Probe {
    ns: NsId,
    sock: SockId,
    dst: IpAddr,
    size: usize,
    /// When each request left, by sequence number.
    sent: BTreeMap<u16, SimTime>,
    answered: BTreeSet<u16>,
    /// Requests that were sent, or were to be.
    pub(super) transmitted: u64,
    /// Replies, repeated ones not counted.
    pub(super) received: u64,
    /// Replies that came again.
    pub(super) repeated: u64,
    /// Round trips in microseconds.
    pub(super) times: Times,
}

/// Round trips in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) count: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) sum: u64,
    squares: u128,
}

/// What came back.
pub(super) enum Answer {
    /// An echo reply.
    Reply {
        from: IpAddr,
        seq: u16,
        ttl: u8,
        /// Length of the ICMP message in bytes.
        bytes: usize,
        /// Microseconds since the request left.
        time: u64,
        again: bool,
    },
    /// An ICMP error about a request.
    Error { from: IpAddr, seq: u16, error: IcmpError },
}

impl Times {
    fn note(&mut self, time: u64) {
        self.min = if self.count == 0 { time } else { self.min.min(time) };
        self.max = self.max.max(time);
        self.sum += time;
        self.squares += u128::from(time) * u128::from(time);
        self.count += 1;
    }

    pub(super) fn average(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    /// Standard deviation, as iputils computes its mdev.
    pub(super) fn deviation(&self) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let mean = u128::from(self.average());
        let variance = (self.squares / u128::from(self.count)).saturating_sub(mean * mean);
        u64::try_from(variance.isqrt()).unwrap_or(u64::MAX)
    }
}

impl Probe {
    /// Opens the socket.
    pub(super) fn open(
        cx: &mut Cx<'_>,
        dst: IpAddr,
        size: usize,
        options: SockOptions,
    ) -> Result<Self, Errno> {
        let ns = super::super::net::netns(cx)?;
        let sock = cx.cluster.world.icmp_open(ns, None)?;
        cx.cluster.world.set_options(ns, sock, options)?;
        let (sent, answered) = (BTreeMap::new(), BTreeSet::new());
        let times = Times::default();
        Ok(Self { ns, sock, dst, size, sent, answered, transmitted: 0, received: 0, repeated: 0, times })
    }

    /// Binds it to a local address.
    pub(super) fn bind(&self, cx: &mut Cx<'_>, addr: IpAddr) -> Result<(), Errno> {
        cx.cluster.world.icmp_bind(self.ns, self.sock, addr)
    }

    /// Sends the next request, number `seq`.
    pub(super) fn send(&mut self, cx: &mut Cx<'_>, seq: u16) -> Result<(), Errno> {
        self.sent.insert(seq, cx.now());
        self.answered.remove(&seq);
        self.transmitted += 1;
        let payload: Vec<u8> = (0..self.size).map(|i| i as u8).collect();
        cx.cluster.world.icmp_echo(self.ns, self.sock, self.dst, seq, payload.into())
    }

    /// Waits for something to come back, `until` at the latest.
    pub(super) fn wait(&mut self, cx: &mut Cx<'_>, until: SimTime) -> Option<Answer> {
        loop {
            let (ns, sock) = (self.ns, self.sock);
            let mut got = None;
            let mut look = |cluster: &mut super::super::Cluster| {
                got = cluster.world.recv(ns, sock).ok().flatten();
                got.is_some()
            };
            if !cx.wait(until, &mut look) {
                return None;
            }
            if let Some(answer) = got.and_then(|received| self.understand(&received, cx.now())) {
                return Some(answer);
            }
        }
    }

    fn understand(&mut self, received: &Received, now: SimTime) -> Option<Answer> {
        let from = received.from.ip();
        match &received.body {
            ReceivedBody::Icmp(message @ Icmp::EchoReply { seq, .. }) => {
                let time = now.since(*self.sent.get(seq)?).as_micros();
                let time = u64::try_from(time).unwrap_or(u64::MAX);
                let again = !self.answered.insert(*seq);
                if again {
                    self.repeated += 1;
                } else {
                    self.received += 1;
                }
                self.times.note(time);
                Some(Answer::Reply { from, seq: *seq, ttl: received.ttl, bytes: message.len(), time, again })
            }
            ReceivedBody::Icmp(Icmp::Error { error, quote }) => match &quote.body {
                Transport::Icmp(Icmp::EchoRequest { seq, .. }) => {
                    Some(Answer::Error { from, seq: *seq, error: *error })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Closes the socket.
    pub(super) fn close(&self, cx: &mut Cx<'_>) {
        cx.cluster.world.close(self.ns, self.sock);
    }
}

/// Seconds as a person writes them, with a fraction perhaps.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let value: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(value).ok()
}
