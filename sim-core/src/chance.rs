//! Every random draw of the simulation, asked for by name.
//!
//! The kernel, kube-proxy and the control plane draw random numbers: which backend, which port, which name. Here each draw
//! names its [`Purpose`] and its place (a number that the caller picks: a namespace id, a hash of an object's name). The
//! seeded source keeps one ChaCha8 stream per (purpose, place), so one more draw for one purpose never shifts the draws of
//! another. The scripted source replays a fixed list, which lets a caller walk every branch.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rustc_hash::FxHashMap;

/// What a random number is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// `-m statistic --mode random`, `numgen random`: usually the backend of a Service.
    Statistic,
    /// Source port of a NATed flow when it has to be, or is asked to be, random.
    NatPort,
    /// Ephemeral port of a socket.
    EphemeralPort,
    /// IP identification, TCP initial sequence numbers, ICMP echo ids, DNS query ids.
    Identifier,
    /// Order of addresses in a DNS answer.
    DnsShuffle,
    /// Random suffix of a generated object name.
    Name,
    /// Outer UDP source port of a tunnel.
    TunnelPort,
    /// Loss and delay of a faulty wire.
    Fault,
    /// A random choice of a controller or scheduler.
    Controller,
    /// What an ICMP error costs of the limit of all.
    IcmpCredit,
    /// How long a host that answers ARP for others waits.
    ProxyDelay,
}

/// A source of random numbers by purpose and place.
pub trait Chance {
    /// 32 uniformly distributed bits.
    fn bits(&mut self, purpose: Purpose, place: u64) -> u32;

    /// A number below `n`, uniformly distributed; 0 if `n` is 0.
    fn below(&mut self, purpose: Purpose, place: u64, n: u32) -> u32 {
        // Lemire's multiply-shift; the bias is below n / 2^32.
        ((u64::from(self.bits(purpose, place)) * u64::from(n)) >> 32) as u32
    }

    /// Fisher-Yates shuffle.
    fn shuffle<T>(&mut self, purpose: Purpose, place: u64, items: &mut [T])
    where
        Self: Sized,
    {
        for i in (1..items.len()).rev() {
            let j = self.below(purpose, place, i as u32 + 1) as usize;
            items.swap(i, j);
        }
    }
}

/// The two sources of chance, as plain data.
#[derive(Clone, Debug)]
pub enum Dice {
    /// ChaCha8 streams derived from a seed.
    Seeded(SeededDice),
    /// A fixed list of outcomes.
    Scripted(ScriptedDice),
}

impl Dice {
    /// A seeded source.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(SeededDice { seed, streams: FxHashMap::default() })
    }

    /// A source that replays `outcomes`, then zeros.
    #[must_use]
    pub fn scripted(outcomes: Vec<u32>) -> Self {
        Self::Scripted(ScriptedDice { outcomes, taken: 0 })
    }
}

impl Chance for Dice {
    fn bits(&mut self, purpose: Purpose, place: u64) -> u32 {
        match self {
            Self::Seeded(d) => d.bits(purpose, place),
            Self::Scripted(d) => d.bits(purpose, place),
        }
    }
}

/// One ChaCha8 stream per (purpose, place), all derived from one seed.
#[derive(Clone, Debug)]
pub struct SeededDice {
    seed: u64,
    streams: FxHashMap<(Purpose, u64), ChaCha8Rng>,
}

impl Chance for SeededDice {
    fn bits(&mut self, purpose: Purpose, place: u64) -> u32 {
        let seed = self.seed;
        self.streams.entry((purpose, place)).or_insert_with(|| stream(seed, purpose, place)).next_u32()
    }
}

/// The stream number is a mix of purpose and place (`SplitMix64`'s finaliser), so neighbouring places get unrelated streams.
fn stream(seed: u64, purpose: Purpose, place: u64) -> ChaCha8Rng {
    let mut z = place.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((purpose as u64 + 1) << 56);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(z ^ (z >> 31));
    rng
}

/// A fixed list of outcomes, whatever the purpose.
#[derive(Clone, Debug)]
pub struct ScriptedDice {
    outcomes: Vec<u32>,
    taken: usize,
}

impl ScriptedDice {
    /// How many draws were made.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.taken
    }
}

impl Chance for ScriptedDice {
    fn bits(&mut self, _: Purpose, _: u64) -> u32 {
        let v = self.outcomes.get(self.taken).copied().unwrap_or(0);
        self.taken += 1;
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_draw_here_never_shifts_a_draw_there() {
        let mut a = Dice::seeded(17);
        let mut b = Dice::seeded(17);
        a.bits(Purpose::NatPort, 1);
        a.bits(Purpose::Statistic, 2);
        assert_eq!(a.bits(Purpose::Statistic, 1), b.bits(Purpose::Statistic, 1));
    }

    #[test]
    fn another_seed_draws_other_numbers() {
        let draw = |seed| {
            (0..4)
                .map(|_| 0)
                .scan(Dice::seeded(seed), |d, _: u8| Some(d.bits(Purpose::Name, 0)))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    /// An upgrade of the generator that changes its values would change every lab: it must be seen.
    #[test]
    fn chacha8_keeps_its_golden_values() {
        let mut rng = ChaCha8Rng::seed_from_u64(42);
        let got: Vec<u32> = (0..4).map(|_| rng.next_u32()).collect();
        assert_eq!(got, [962_419_617, 2_928_721_845, 628_724_104, 4_081_401_798]);
    }

    #[test]
    fn a_script_is_replayed_then_zero() {
        let mut d = Dice::scripted(vec![7]);
        assert_eq!((d.bits(Purpose::Name, 0), d.bits(Purpose::Name, 0)), (7, 0));
    }
}
