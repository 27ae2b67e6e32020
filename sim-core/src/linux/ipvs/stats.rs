//! What went through a virtual or real server, and how fast.

use std::time::Duration;

use crate::time::SimTime;

/// Time between two looks of the estimator.
const PERIOD: Duration = Duration::from_secs(2);

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients, IP headers included.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
}

/// Per second, over the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Connections.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
}

/// Totals and rates. Every two seconds a quarter of the difference between the present rate and the remembered one is taken over
/// (`ip_vs_est.c`); here that is made up for when somebody looks or counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    total: Counters,
    zeroed: Counters,
    seen: [u64; 5],
    /// Scaled by 2^10 (connections and packets) or 2^5 (bytes).
    rates: [i64; 5],
    /// Looks of the estimator so far.
    ticks: u64,
}

/// By how many bits a difference over two seconds is shifted to give a scaled rate.
const SHIFT: [u32; 5] = [9, 9, 9, 4, 4];

impl Stats {
    /// Begins to count at `now`.
    pub(super) fn new(now: SimTime) -> Self {
        Self { ticks: now.0 / PERIOD.as_nanos() as u64, ..Self::default() }
    }

    /// Totals since the counters were set to zero.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        let (t, z) = (&self.total, &self.zeroed);
        Counters {
            conns: t.conns - z.conns,
            in_packets: t.in_packets - z.in_packets,
            out_packets: t.out_packets - z.out_packets,
            in_bytes: t.in_bytes - z.in_bytes,
            out_bytes: t.out_bytes - z.out_bytes,
        }
    }

    /// The rates at `now`.
    #[must_use]
    pub fn rates(&self, now: SimTime) -> Rates {
        let mut at_now = *self;
        at_now.advance(now);
        let whole = |i: usize| {
            let up = if i < 3 { 10 } else { 5 };
            ((at_now.rates[i] + (1 << (up - 1)) - 1) >> up).max(0) as u64
        };
        Rates {
            conns: whole(0),
            in_packets: whole(1),
            out_packets: whole(2),
            in_bytes: whole(3),
            out_bytes: whole(4),
        }
    }

    pub(super) fn conn(&mut self, now: SimTime) {
        self.advance(now);
        self.total.conns += 1;
    }

    pub(super) fn incoming(&mut self, bytes: usize, now: SimTime) {
        self.advance(now);
        self.total.in_packets += 1;
        self.total.in_bytes += bytes as u64;
    }

    pub(super) fn outgoing(&mut self, bytes: usize, now: SimTime) {
        self.advance(now);
        self.total.out_packets += 1;
        self.total.out_bytes += bytes as u64;
    }

    /// `ipvsadm -Z`: totals count from here, rates begin anew (`ip_vs_zero_stats`).
    pub(super) fn zero(&mut self, now: SimTime) {
        self.advance(now);
        self.zeroed = self.total;
        self.rates = [0; 5];
    }

    fn advance(&mut self, now: SimTime) {
        let ticks = now.0 / PERIOD.as_nanos() as u64;
        let t = &self.total;
        let now_at = [t.conns, t.in_packets, t.out_packets, t.in_bytes, t.out_bytes];
        let passed = ticks.saturating_sub(self.ticks);
        self.ticks = self.ticks.max(ticks);
        for i in 0..5 {
            // After enough quiet periods a rate is what rounding leaves of it.
            for n in 0..passed.min(200) {
                let news = if n == 0 { now_at[i] - self.seen[i] } else { 0 };
                self.rates[i] += ((news << SHIFT[i]) as i64 - self.rates[i]) >> 2;
            }
            if passed > 0 {
                self.seen[i] = now_at[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_fades_by_a_quarter_every_two_seconds() {
        let at = |s: u64| SimTime::ZERO + Duration::from_secs(s);
        let mut stats = Stats::new(at(1));
        for _ in 0..80 {
            stats.incoming(1000, at(1));
        }
        assert_eq!(stats.rates(at(1)).in_packets, 0);
        let rates: Vec<u64> = [2, 4, 6, 8].map(|s| stats.rates(at(s)).in_packets).to_vec();
        assert_eq!(rates, [10, 7, 6, 4]);
        assert_eq!(stats.rates(at(2)).in_bytes, 10_000);
        stats.zero(at(2));
        assert_eq!(stats.counters(), Counters::default());
        assert_eq!(stats.rates(at(2)), Rates::default());
    }
}
