//! `LOG`: a note in the kernel's log; the packet goes on.

use std::fmt::Write as _;

use super::Extension;
use crate::linux::netfilter::env::Env;
use crate::linux::netfilter::log_line;
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::words::quote_into;

/// `-j LOG`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Log {
    prefix: Box<str>,
    level: u8,
    flags: u8,
}

/// Option, bit, and name in `iptables -L`, in the order in which they are printed.
const FLAGS: [(&str, u8, &str); 5] = [
    ("log-tcp-sequence", 1, "tcp-sequence"),
    ("log-tcp-options", 2, "tcp-options"),
    ("log-ip-options", 4, "ip-options"),
    ("log-uid", 8, "uid"),
    ("log-macdecode", 32, "macdecode"),
];
/// Names that are read.
const LEVELS: [(&str, u8); 9] = [
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("panic", 0),
    ("warning", 4),
];
/// Names that are printed, by level.
const SHOWN: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
const WARNING: u8 = 4;
/// Bytes in a prefix, without the closing zero.
const MAX_PREFIX: usize = 29;

impl Log {
    /// Writes the line of a packet. `--log-tcp-options`, `--log-uid` and `--log-macdecode` add nothing to it: what they would show is not
    /// modelled.
    pub(in crate::linux::netfilter) fn write(&self, env: &mut Env<'_>, packet: &Packet<'_>, mark: u32) {
        let text = log_line::line(&self.prefix, self.flags, env, packet, mark);
        env.log.note(env.now, self.level, text);
    }

    fn parse_level(text: &str) -> Result<u8, Problem> {
        let level = number(text).and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 8);
        level
            .or_else(|| LEVELS.iter().find(|(n, _)| n.eq_ignore_ascii_case(text)).map(|(_, l)| *l))
            .ok_or_else(|| Problem::usage(format!("log level \"{text}\" unknown\n")))
    }

    fn parse_prefix(text: &str) -> Result<Box<str>, Problem> {
        if text.is_empty() {
            return Err(Problem::usage("Argument must have a minimum length of 1 characters\n"));
        }
        if text.contains('\n') {
            return Err(Problem::usage("Newlines not allowed in --log-prefix"));
        }
        let mut end = text.len().min(MAX_PREFIX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Ok(text[..end].into())
    }
}

impl Extension for Log {
    const NAME: &'static str = "LOG";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("log-prefix"),
        Opt::value("log-level"),
        Opt::flag(FLAGS[0].0),
        Opt::flag(FLAGS[1].0),
        Opt::flag(FLAGS[2].0),
        Opt::flag(FLAGS[3].0),
        Opt::flag(FLAGS[4].0),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        Ok(Self {
            prefix: args.value("log-prefix", Self::parse_prefix)?.map_or_else(|| "".into(), |(p, _)| p),
            level: args.value("log-level", Self::parse_level)?.map_or(WARNING, |(l, _)| l),
            flags: FLAGS.iter().filter(|f| args.has(f.0)).map(|f| f.1).sum(),
        })
    }

    fn save(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(" --log-prefix ");
            quote_into(out, &self.prefix);
        }
        if self.level != WARNING {
            let _ = write!(out, " --log-level {}", self.level);
        }
        for (option, _, _) in FLAGS.iter().filter(|f| self.flags & f.1 != 0) {
            let _ = write!(out, " --{option}");
        }
    }

    fn list(&self, out: &mut String, numeric: bool) {
        if numeric {
            let _ = write!(out, " LOG flags {} level {}", self.flags, self.level);
        } else {
            let _ = write!(out, " LOG level {}", SHOWN[usize::from(self.level)]);
            for (_, _, name) in FLAGS.iter().filter(|f| self.flags & f.1 != 0) {
                let _ = write!(out, " {name}");
            }
        }
        if !self.prefix.is_empty() {
            let _ = write!(out, " prefix \"{}\"", self.prefix);
        }
    }
}
