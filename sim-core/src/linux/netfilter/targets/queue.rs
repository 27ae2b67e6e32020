//! `NFQUEUE`: hands the packet to a program. No program listens here: the packet is thrown away, or with `--queue-bypass` accepted, as
//! the kernel does when nobody listens on the queue.

use std::fmt::Write as _;

use super::{Effect, Extension};
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::problem::Problem;

/// `-j NFQUEUE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nfqueue {
    first: u16,
    last: u16,
    bypass: bool,
    fanout: bool,
}

impl Extension for Nfqueue {
    const NAME: &'static str = "NFQUEUE";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("queue-num").excludes(&["queue-balance"]),
        Opt::value("queue-balance").excludes(&["queue-num"]),
        Opt::flag("queue-bypass"),
        Opt::flag("queue-cpu-fanout").requires(&["queue-balance"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let single = args.read_number("queue-num", 0, 65_535)?.map(|(n, _)| (n as u16, n as u16));
        let several = args.value("queue-balance", |text| {
            let bad = || {
                Problem::usage(format!(
                    "NFQUEUE: bad value for option \"--queue-balance\" near \"{text}\", or out of range (0-65535).\n"
                ))
            };
            let read = |t: &str| number(t).and_then(|n| u16::try_from(n).ok()).ok_or_else(bad);
            let (first, last) = text.split_once(':').ok_or_else(|| Problem::usage("Bad range \"x:y\""))?;
            let (first, last) = (read(first)?, read(last)?);
            if first >= last {
                return Err(Problem::usage(format!("{first} should be less than {last}")));
            }
            Ok((first, last))
        })?;
        let (first, last) = single.or(several.map(|(range, _)| range)).unwrap_or_default();
        Ok(Self { first, last, bypass: args.has("queue-bypass"), fanout: args.has("queue-cpu-fanout") })
    }

    fn save(&self, out: &mut String) {
        let _ = match self.first == self.last {
            true => write!(out, " --queue-num {}", self.first),
            false => write!(out, " --queue-balance {}:{}", self.first, self.last),
        };
        self.flags(out, "--queue-");
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = match self.first == self.last {
            true => write!(out, " NFQUEUE num {}", self.first),
            false => write!(out, " NFQUEUE balance {}:{}", self.first, self.last),
        };
        self.flags(out, "");
    }

    fn effect(&self) -> Effect {
        if self.bypass { Effect::Accept } else { Effect::Drop }
    }
}

impl Nfqueue {
    fn flags(&self, out: &mut String, dashes: &str) {
        for (given, name) in [(self.bypass, "bypass"), (self.fanout, "cpu-fanout")] {
            if given {
                let _ = write!(out, " {dashes}{name}");
            }
        }
    }
}
