//! `hashlimit`: a token bucket for each address, port, or pair of them. Rates in bytes and `--hashlimit-rate-match` are refused.
//!
//! Rules with the same name share their buckets. A bucket that was not used for its expiry time is full again; the kernel notices that
//! up to one interval of its garbage collection later.

use std::fmt::Write as _;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::limit::Limit;
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::time::SimTime;
use crate::trace::Family;

/// `-m hashlimit`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hashlimit {
    name: Arc<str>,
    rate: Limit,
    above: bool,
    /// Bits of `MODES`.
    mode: u8,
    /// The prefix lengths that count, of the source and of the destination.
    masks: [u32; 2],
    width: u32,
    /// Table size, most entries, collection interval and expiry time in milliseconds, where they are given.
    table: [Option<u32>; 4],
}

const MODES: [&str; 4] = ["dstip", "srcip", "dstport", "srcport"];
/// In the order in which they are printed.
const MODE_ORDER: [usize; 4] = [1, 3, 0, 2];
const TABLE: [&str; 4] = [
    "hashlimit-htable-size",
    "hashlimit-htable-max",
    "hashlimit-htable-gcinterval",
    "hashlimit-htable-expire",
];
const MASKS: [&str; 2] = ["hashlimit-srcmask", "hashlimit-dstmask"];
const DEFAULT_BURST: u32 = 5;

/// What a bucket is for.
type Key = (u128, u128, u16, u16);

/// The buckets of all names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::linux::netfilter) struct Buckets(FxHashMap<Arc<str>, FxHashMap<Key, Bucket>>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    credit: u64,
    at: SimTime,
}

impl Buckets {
    /// Whether there is no bucket at all.
    pub(in crate::linux::netfilter) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the names that no rule uses any more.
    pub(in crate::linux::netfilter) fn retain(&mut self, used: impl Fn(&str) -> bool) {
        // The order in which names are looked at does not matter.
        self.0.retain(|name, _| used(name));
    }
}

impl Extension for Hashlimit {
    const NAME: &'static str = "hashlimit";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("hashlimit-upto").excludes(&["hashlimit-above"]),
        Opt::value("hashlimit-above").excludes(&["hashlimit-upto"]),
        Opt::value("hashlimit").same_as("hashlimit-upto"),
        Opt::value(MASKS[0]),
        Opt::value(MASKS[1]),
        Opt::value("hashlimit-burst"),
        Opt::value(TABLE[0]),
        Opt::value(TABLE[1]),
        Opt::value(TABLE[2]),
        Opt::value(TABLE[3]),
        Opt::value("hashlimit-mode"),
        Opt::value("hashlimit-name").req(),
        Opt::flag("hashlimit-rate-match"),
        Opt::value("hashlimit-rate-interval"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        for name in ["hashlimit-rate-match", "hashlimit-rate-interval"] {
            if let Some(value) = args.get(name) {
                return Err(value.here(Problem::not_modelled(&format!("hashlimit: option \"--{name}\""))));
            }
        }
        let width = if args.rule.family == Family::V4 { 32 } else { 128 };
        let rate = |id: &'static str| {
            args.value(id, |text| {
                if text.contains("b/") {
                    return Err(Problem::not_modelled("hashlimit: a rate in bytes"));
                }
                let bad =
                    || Problem::usage(format!("hashlimit: Bad value for \"--{id}\" option: \"{text}\""));
                Limit::parse_rate(text).map_err(|_| bad())
            })
        };
        let burst = args.read_number("hashlimit-burst", 1, 10_000)?.map_or(DEFAULT_BURST, |(n, _)| n);
        let mode = args.value("hashlimit-mode", read_mode)?.map_or(0, |(mode, _)| mode);
        let name = args.value("hashlimit-name", |t| Ok(Arc::from(t)))?.map_or_else(|| "".into(), |(n, _)| n);
        let mut masks = [width; 2];
        for (mask, option) in masks.iter_mut().zip(MASKS) {
            *mask = args.read_number(option, 0, width)?.map_or(width, |(n, _)| n);
        }
        let mut table = [None; 4];
        for (value, option) in table.iter_mut().zip(TABLE) {
            *value = args.read_number(option, 0, u32::MAX)?.map(|(n, _)| n);
        }
        let (upto, above) = (rate("hashlimit-upto")?, rate("hashlimit-above")?);
        if !args.has("hashlimit-name") {
            return Err(Problem::usage("hashlimit: option \"--hashlimit-name\" must be specified\n"));
        }
        let missing = || Problem::usage("You have to specify --hashlimit");
        let period = upto.or(above).ok_or_else(missing)?.0;
        Ok(Self { name, rate: Limit::new(period, burst), above: above.is_some(), mode, masks, width, table })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.above { " --hashlimit-above " } else { " --hashlimit-upto " });
        self.rate.write_rate(out);
        let _ = write!(out, " --hashlimit-burst {}", self.rate.burst());
        if self.mode != 0 {
            out.push_str(" --hashlimit-mode ");
            self.write_mode(out, ',');
        }
        let _ = write!(out, " --hashlimit-name {}", self.name);
        for (value, option) in self.table.iter().zip(TABLE) {
            if let Some(n) = value {
                let _ = write!(out, " --{option} {n}");
            }
        }
        for (mask, option) in self.masks.iter().zip(MASKS) {
            if *mask != self.width {
                let _ = write!(out, " --{option} {mask}");
            }
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.above { " limit: above " } else { " limit: up to " });
        self.rate.write_rate(out);
        let _ = write!(out, " burst {}", self.rate.burst());
        if self.mode != 0 {
            out.push_str(" mode ");
            self.write_mode(out, '-');
        }
        for (value, option) in self.table.iter().zip(TABLE) {
            if let Some(n) = value {
                let _ = write!(out, " {} {n}", option.trim_start_matches("hashlimit-"));
            }
        }
        for (mask, option) in self.masks.iter().zip(MASKS) {
            if *mask != self.width {
                let _ = write!(out, " {} {mask}", option.trim_start_matches("hashlimit-"));
            }
        }
    }

    /// `hashlimit_mt`; a packet without the ports that are asked for is not counted and does not match.
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let Some(key) = self.key(packet) else { return false };
        let (now, cost) = (cx.env.now, self.rate.cost());
        let full = cost * u64::from(self.rate.burst());
        let buckets = cx.buckets.0.entry(self.name.clone()).or_default();
        let bucket = buckets.entry(key).or_insert(Bucket { credit: full, at: now });
        let idle = now.0.saturating_sub(bucket.at.0);
        let have = if idle >= self.expiry() { full } else { bucket.credit.saturating_add(idle).min(full) };
        let pass = have >= cost;
        *bucket = Bucket { credit: if pass { have - cost } else { have }, at: now };
        pass != self.above
    }

    fn is_pure(&self) -> bool {
        false
    }
}

impl Hashlimit {
    /// The name of the buckets.
    pub(in crate::linux::netfilter) fn name(&self) -> &str {
        &self.name
    }

    fn key(&self, packet: &Packet<'_>) -> Option<Key> {
        let has = |i: usize| self.mode & (1 << i) != 0;
        let masked = |addr: u128, ones: u32| {
            if ones == 0 { 0 } else { addr >> (self.width - ones) }
        };
        let ports = if has(2) || has(3) { packet.ports? } else { (0, 0) };
        Some((
            if has(1) { masked(packet.src, self.masks[0]) } else { 0 },
            if has(0) { masked(packet.dst, self.masks[1]) } else { 0 },
            if has(3) { ports.0 } else { 0 },
            if has(2) { ports.1 } else { 0 },
        ))
    }

    /// Nanoseconds after which an unused bucket is forgotten: as given, or one unit of the rate.
    fn expiry(&self) -> u64 {
        let given = self.table[3].map(|ms| u64::from(ms) * 1_000_000);
        given.unwrap_or_else(|| u64::from(self.rate.unit_seconds()) * 1_000_000_000)
    }

    fn write_mode(&self, out: &mut String, separator: char) {
        let set = MODE_ORDER.into_iter().filter(|i| self.mode & (1 << i) != 0);
        for (n, i) in set.enumerate() {
            if n > 0 {
                out.push(separator);
            }
            out.push_str(MODES[i]);
        }
    }
}

fn read_mode(text: &str) -> Result<u8, Problem> {
    let bad = || Problem::usage(format!("hashlimit: Bad value for \"--hashlimit-mode\" option: \"{text}\""));
    let mut mode = 0;
    for word in text.split(',') {
        mode |= 1 << MODES.iter().position(|m| *m == word).ok_or_else(bad)?;
    }
    Ok(mode)
}
