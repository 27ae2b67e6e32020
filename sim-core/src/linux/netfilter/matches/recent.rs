//! `recent`: lists of addresses that were seen.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::address::{bits, from_bits, full_mask, parse_address};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::recent::Query;
use crate::trace::{Family, Hook};

/// `-m recent`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recent {
    name: Arc<str>,
    action: Action,
    inverted: bool,
    by_destination: bool,
    mask: u128,
    family: Family,
    /// Seconds, 0 for no limit.
    seconds: u32,
    /// Number of hits, 0 for any.
    hits: u32,
    reap: bool,
    ttl: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Set,
    Check,
    Update,
    Remove,
}

/// Option, action, and how `iptables -L` calls it.
const ACTIONS: [(&str, Action, &str); 4] = [
    ("set", Action::Set, "SET"),
    ("rcheck", Action::Check, "CHECK"),
    ("update", Action::Update, "UPDATE"),
    ("remove", Action::Remove, "REMOVE"),
];
/// `XT_RECENT_NAME_LEN` without the closing zero.
const MAX_NAME: usize = 199;
/// `XT_RECENT_MAX_NSTAMPS`.
const MAX_HITS: u32 = 65_535;

impl Recent {
    /// The list's name.
    pub(crate) const fn list_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Hits that the rule counts, 0 if it does not.
    pub(crate) const fn hits(&self) -> u32 {
        self.hits
    }

    fn labels(&self) -> (&'static str, &'static str) {
        ACTIONS.iter().find(|a| a.1 == self.action).map_or(("", ""), |a| (a.0, a.2))
    }

    fn mask_address(&self) -> IpAddr {
        from_bits(self.family, self.mask)
    }
}

impl Extension for Recent {
    const NAME: &'static str = "recent";
    const OPTIONS: &'static [Opt] = &[
        Opt::flag("set").inv().excludes(&["rcheck", "update", "remove"]),
        Opt::flag("rcheck").inv().excludes(&["set", "update", "remove"]),
        Opt::flag("update").inv().excludes(&["set", "rcheck", "remove"]),
        Opt::value("seconds"),
        Opt::flag("reap").requires(&["seconds"]),
        Opt::value("hitcount"),
        Opt::flag("remove").inv().excludes(&["set", "rcheck", "update"]),
        Opt::flag("rttl").excludes(&["set", "remove"]),
        Opt::value("name"),
        Opt::flag("rsource"),
        Opt::flag("rdest"),
        Opt::value("mask"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let chosen = ACTIONS.iter().find_map(|a| Some((a.1, args.get(a.0)?.inverted)));
        let Some((action, inverted)) = chosen else {
            let text = "recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'";
            return Err(Problem::usage(text));
        };
        let family = args.rule.family;
        let mask = args.value("mask", |text| {
            let unknown = || Problem::usage("getaddrinfo: Name or service not known\n");
            parse_address(family, text).map(bits).ok_or_else(unknown)
        })?;
        let name = args.get("name").map_or("DEFAULT", |v| v.text);
        let mut end = name.len().min(MAX_NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Ok(Self {
            name: name[..end].into(),
            action,
            inverted,
            by_destination: args.is_last("rdest", "rsource"),
            mask: mask.map_or(full_mask(family), |(m, _)| m),
            family,
            seconds: args.read_number("seconds", 1, u32::MAX)?.map_or(0, |(n, _)| n),
            hits: args.read_number("hitcount", 0, u32::MAX)?.map_or(0, |(n, _)| n),
            reap: args.has("reap"),
            ttl: args.has("rttl"),
        })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " {}--{}", if self.inverted { "! " } else { "" }, self.labels().0);
        if self.seconds != 0 {
            let _ = write!(out, " --seconds {}", self.seconds);
        }
        if self.reap {
            out.push_str(" --reap");
        }
        if self.hits != 0 {
            let _ = write!(out, " --hitcount {}", self.hits);
        }
        if self.ttl {
            out.push_str(" --rttl");
        }
        let side = if self.by_destination { "--rdest" } else { "--rsource" };
        let _ = write!(out, " --name {} --mask {} {side}", self.name, self.mask_address());
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.inverted { " ! recent: " } else { " recent: " });
        out.push_str(self.labels().1);
        if self.seconds != 0 {
            let _ = write!(out, " seconds: {}", self.seconds);
        }
        if self.reap {
            out.push_str(" reap");
        }
        if self.hits != 0 {
            let _ = write!(out, " hit_count: {}", self.hits);
        }
        if self.ttl {
            out.push_str(" TTL-Match");
        }
        let side = if self.by_destination { "dest" } else { "source" };
        let _ = write!(out, " name: {} side: {side} mask: {}", self.name, self.mask_address());
    }

    /// `recent_mt`.
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let addr = if self.by_destination { packet.dst } else { packet.src } & self.mask;
        // The kernel compares the TTL that the packet had on the wire into this host.
        let ttl = packet.ip.ttl.wrapping_add(u8::from(cx.env.hook == Hook::Output));
        let now = cx.env.now;
        let Some(list) = cx.recent.list(&self.name) else { return self.inverted };
        let query = Query { addr, ttl: self.ttl.then_some(ttl), now };
        let hit = match self.action {
            Action::Set => {
                list.set(&query, ttl);
                true
            }
            Action::Remove => list.remove(&query),
            Action::Check => list.check(&query, self.seconds, self.hits, self.reap),
            Action::Update => {
                let found = list.check(&query, self.seconds, self.hits, self.reap);
                // The stamp is renewed when the rule as a whole matches.
                if found != self.inverted && list.contains(&query) {
                    list.set(&query, ttl);
                }
                found
            }
        };
        hit != self.inverted
    }

    fn is_pure(&self) -> bool {
        false
    }

    fn allowed(&self, _: &Place) -> bool {
        let limits_fit = matches!(self.action, Action::Check | Action::Update)
            || (self.seconds == 0 && self.hits == 0 && !self.reap);
        limits_fit && self.hits <= MAX_HITS && !self.name.is_empty() && !self.name.contains('/')
    }
}
