//! `conntrack`: what connection tracking knows of the packet's flow.

use std::fmt::Write as _;

use super::length::write_range;
use super::ports::PortRange;
use super::{Cx, Extension};
use crate::linux::conntrack::{CtState, CtView, Status, Tuple};
use crate::linux::netfilter::address::{AddrMatch, bits};
use crate::linux::netfilter::names::protocol_number;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// A set of states, in the order in which they are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StateMask(u8);

impl StateMask {
    /// Name of each bit.
    pub(super) const NAMES: [&'static str; 7] =
        ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];
    const SNAT: Self = Self(1 << 5);
    const DNAT: Self = Self(1 << 6);

    /// The state itself.
    #[inline]
    pub(super) const fn of_state(state: CtState) -> Self {
        Self(match state {
            CtState::Invalid => 1,
            CtState::New => 1 << 1,
            CtState::Related => 1 << 2,
            CtState::Established => 1 << 3,
            CtState::Untracked => 1 << 4,
        })
    }

    /// The state and the translations, which only a flow has.
    #[inline]
    const fn of_view(view: &CtView) -> Self {
        let mut mask = Self::of_state(view.state);
        if view.snat {
            mask.0 |= Self::SNAT.0;
        }
        if view.dnat {
            mask.0 |= Self::DNAT.0;
        }
        mask
    }

    /// Whether the sets have a state in common.
    #[inline]
    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Reads `NEW,ESTABLISHED`.
pub(super) fn read_states(text: &str, what: &str, names: &[&str]) -> Result<StateMask, Problem> {
    let mut mask = StateMask::default();
    let mut rest = Some(text);
    while let Some(list) = rest {
        // A comma in front is taken for a part of the name, as the real parser does.
        let comma = list.char_indices().skip(1).find(|(_, c)| *c == ',').map(|(i, _)| i);
        let (word, more) = comma.map_or((list, None), |i| (&list[..i], Some(&list[i + 1..])));
        let bit = names.iter().position(|n| n.eq_ignore_ascii_case(word));
        mask.0 |= 1 << bit.ok_or_else(|| Problem::usage(format!("Bad {what} \"{word}\"")))?;
        rest = more;
    }
    Ok(mask)
}

/// Writes `NEW,ESTABLISHED`.
pub(super) fn write_states(out: &mut String, mask: StateMask) {
    let set = (0..StateMask::NAMES.len()).filter(|i| mask.0 & (1 << i) != 0);
    for (n, i) in set.enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(StateMask::NAMES[i]);
    }
}

/// `-m conntrack`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conntrack {
    state: Option<(StateMask, bool)>,
    protocol: Option<(u8, bool)>,
    addrs: [Option<AddrMatch>; 4],
    ports: [Option<(PortRange, bool)>; 4],
    /// Bits of `Status`.
    status: Option<(u32, bool)>,
    /// Seconds until the entry ends.
    expire: Option<((u32, u32), bool)>,
    reply: Option<bool>,
    /// Something besides the state is asked for.
    asks_for_a_flow: bool,
}

const ADDRS: [&str; 4] = ["ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst"];
const PORTS: [&str; 4] = ["ctorigsrcport", "ctorigdstport", "ctreplsrcport", "ctrepldstport"];

impl Extension for Conntrack {
    const NAME: &'static str = "conntrack";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("ctstate").inv(),
        Opt::value("ctproto").inv(),
        Opt::value("ctorigsrc").inv(),
        Opt::value("ctorigdst").inv(),
        Opt::value("ctreplsrc").inv(),
        Opt::value("ctrepldst").inv(),
        Opt::value("ctorigsrcport").inv(),
        Opt::value("ctorigdstport").inv(),
        Opt::value("ctreplsrcport").inv(),
        Opt::value("ctrepldstport").inv(),
        Opt::value("ctstatus").inv(),
        Opt::value("ctexpire").inv(),
        Opt::value("ctdir"),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        if !Self::OPTIONS.iter().any(|o| args.has(o.name)) {
            return Err(Problem::usage("conntrack: At least one option is required"));
        }
        let mut addrs = [None; 4];
        let mut ports = [None; 4];
        for i in 0..4 {
            addrs[i] = args.read_address(ADDRS[i])?;
            ports[i] = args.value(PORTS[i], PortRange::parse_resolved)?;
        }
        let protocol = args.value("ctproto", read_protocol)?;
        let reply =
            args.value("ctdir", |text| read_direction(text, "conntrack", "ctdir"))?.map(|(reply, _)| reply);
        let status = args.value("ctstatus", read_status)?;
        let expire = args.read_range("ctexpire", u32::MAX)?;
        let asks_for_a_flow = reply.is_some()
            || status.is_some()
            || expire.is_some()
            || protocol.is_some()
            || addrs.iter().any(Option::is_some)
            || ports.iter().any(Option::is_some);
        let state = args.value("ctstate", |text| read_states(text, "ctstate", &StateMask::NAMES))?;
        Ok(Self { state, protocol, addrs, ports, status, expire, reply, asks_for_a_flow })
    }

    fn save(&self, out: &mut String) {
        self.write(out, "--", true);
    }

    fn list(&self, out: &mut String, numeric: bool) {
        self.write(out, "", numeric);
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let view = &cx.env.ct;
        if let Some((states, inverted)) = self.state
            && states.contains(StateMask::of_view(view)) == inverted
        {
            return false;
        }
        if !self.asks_for_a_flow {
            return true;
        }
        // Without a flow only the state counts (`conntrack_mt`).
        let Some(tuples) = &view.tuples else { return self.state.is_some() };
        let left = view.expires.since(cx.env.now).as_secs();
        self.reply.is_none_or(|reply| reply == view.reply)
            && self.matches_flow(tuples)
            && self.status.is_none_or(|(bits, inverted)| (view.status.0 & bits != 0) != inverted)
            && self.expire.is_none_or(|((first, last), inverted)| {
                (u64::from(first) <= left && left <= u64::from(last)) != inverted
            })
    }
}

impl Conntrack {
    fn matches_flow(&self, (orig, reply): &(Tuple, Tuple)) -> bool {
        let addrs = [orig.src, orig.dst, reply.src, reply.dst];
        let ports = [orig.sport, orig.dport, reply.sport, reply.dport];
        let protocol_fits = self.protocol.is_none_or(|(p, inverted)| (p == orig.protocol) != inverted);
        protocol_fits
            && (0..4).all(|i| self.addrs[i].is_none_or(|a| a.matches(bits(addrs[i]))))
            && (0..4)
                .all(|i| self.ports[i].is_none_or(|(range, inverted)| range.contains(ports[i]) != inverted))
    }

    fn write(&self, out: &mut String, dashes: &str, numeric: bool) {
        let start = |out: &mut String, name: &str, inverted: bool| {
            let _ = write!(out, " {}{dashes}{name} ", if inverted { "! " } else { "" });
        };
        if let Some((states, inverted)) = self.state {
            start(out, "ctstate", inverted);
            write_states(out, states);
        }
        if let Some((protocol, inverted)) = self.protocol {
            start(out, "ctproto", inverted);
            let _ = write!(out, "{protocol}");
        }
        for (name, addr) in ADDRS.iter().zip(&self.addrs) {
            if let Some(addr) = addr {
                start(out, name, addr.inverted);
                out.push_str(&addr.list_option(numeric));
            }
        }
        for (name, range) in PORTS.iter().zip(&self.ports) {
            if let Some((range, inverted)) = range {
                start(out, name, *inverted);
                range.save(out);
            }
        }
        if let Some((status, inverted)) = self.status {
            start(out, "ctstatus", inverted);
            write_status(out, status);
        }
        if let Some((range, inverted)) = self.expire {
            start(out, "ctexpire", inverted);
            write_range(out, range);
        }
        if let Some(reply) = self.reply {
            start(out, "ctdir", false);
            out.push_str(if reply { "REPLY" } else { "ORIGINAL" });
        }
    }
}

fn read_protocol(text: &str) -> Result<u8, Problem> {
    let known = protocol_number(text).filter(|p| *p != 0);
    known.ok_or_else(|| Problem::usage(format!("unknown protocol \"{text}\" specified")))
}

/// Names of the status bits, in the order in which they are printed.
const STATUS: [(&str, u32); 4] = [
    ("EXPECTED", 1),
    ("SEEN_REPLY", Status::SEEN_REPLY.0),
    ("ASSURED", Status::ASSURED.0),
    ("CONFIRMED", Status::CONFIRMED.0),
];

fn read_status(text: &str) -> Result<u32, Problem> {
    let bit = |word: &str| {
        if word.eq_ignore_ascii_case("NONE") {
            return Ok(0);
        }
        let found = STATUS.iter().find(|(n, _)| n.eq_ignore_ascii_case(word));
        found.map(|(_, bit)| *bit).ok_or_else(|| Problem::usage(format!("Bad ctstatus \"{word}\"")))
    };
    text.split(',').try_fold(0, |bits, word| Ok(bits | bit(word)?))
}

fn write_status(out: &mut String, bits: u32) {
    if bits == 0 {
        out.push_str("NONE");
    }
    for (n, (name, _)) in STATUS.iter().filter(|(_, bit)| bits & bit != 0).enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(name);
    }
}

/// Whether `ORIGINAL` or `REPLY` is meant, by option `id` of an extension.
pub(super) fn read_direction(text: &str, extension: &str, id: &str) -> Result<bool, Problem> {
    match text.to_ascii_uppercase().as_str() {
        "ORIGINAL" => Ok(false),
        "REPLY" => Ok(true),
        _ => Err(Problem::usage(format!("{extension}: Bad value for \"--{id}\" option: \"{text}\""))),
    }
}
