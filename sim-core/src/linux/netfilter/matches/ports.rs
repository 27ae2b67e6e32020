//! `udp` and `sctp`: ports; and the port range that other matches use too.

use std::fmt::Write as _;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::names::{service_name, service_port};
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// First and last port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortRange {
    pub(super) first: u16,
    pub(super) last: u16,
}

impl PortRange {
    /// All ports.
    const ALL: Self = Self { first: 0, last: u16::MAX };

    #[inline]
    pub(super) const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// `80`, `80:90`, `:90`, `80:`, with service names.
    pub(super) fn parse(text: &str, protocol: u8) -> Result<Self, Problem> {
        let Some((first, last)) = text.split_once(':') else {
            let port = parse_port(text, protocol)?;
            return Ok(Self { first: port, last: port });
        };
        let first = if first.is_empty() { 0 } else { parse_port(first, protocol)? };
        let last = if last.is_empty() { u16::MAX } else { parse_port(last, protocol)? };
        if first > last {
            return Err(Problem::usage("invalid portrange (min > max)"));
        }
        Ok(Self { first, last })
    }

    /// The same as `udp` and `conntrack` read it: through the resolver, which takes any number and keeps its low 16 bits, and
    /// without a look at the order. A range that is the wrong way round matches nothing.
    pub(super) fn parse_resolved(text: &str) -> Result<Self, Problem> {
        let Some((first, last)) = text.split_once(':') else {
            let port = resolve_port(text)?;
            return Ok(Self { first: port, last: port });
        };
        let first = if first.is_empty() { 0 } else { resolve_port(first)? };
        let last = if last.is_empty() { u16::MAX } else { resolve_port(last)? };
        Ok(Self { first, last })
    }

    /// `80` or `80:90`.
    pub(super) fn save(&self, out: &mut String) {
        let _ = write!(out, "{}", self.first);
        if self.first != self.last {
            let _ = write!(out, ":{}", self.last);
        }
    }

    /// `80` or `http:90`.
    pub(super) fn list(&self, out: &mut String, protocol: u8, numeric: bool) {
        write_port(out, self.first, protocol, numeric);
        if self.first != self.last {
            out.push(':');
            write_port(out, self.last, protocol, numeric);
        }
    }
}

/// A port as the resolver reads it: the low 16 bits of any number, or the name of a service of any protocol.
pub(super) fn resolve_port(text: &str) -> Result<u16, Problem> {
    let low_bits = text.parse::<u32>().ok().map(|n| n as u16);
    low_bits
        .or_else(|| service_port(text, 0))
        .ok_or_else(|| Problem::usage(format!("Port \"{text}\" does not resolve to anything.\n")))
}

/// A port by number or service name.
pub(super) fn parse_port(text: &str, protocol: u8) -> Result<u16, Problem> {
    number(text)
        .and_then(|n| u16::try_from(n).ok())
        .or_else(|| service_port(text, protocol))
        .ok_or_else(|| Problem::usage(format!("invalid port/service `{text}' specified")))
}

/// A port, by its service's name unless `numeric`.
pub(super) fn write_port(out: &mut String, port: u16, protocol: u8, numeric: bool) {
    match service_name(port, protocol) {
        Some(name) if !numeric => out.push_str(name),
        _ => {
            let _ = write!(out, "{port}");
        }
    }
}

/// What `--sport` and `--dport` say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PortPair {
    src: (PortRange, bool),
    dst: (PortRange, bool),
}

impl PortPair {
    pub(super) fn build(args: &Args<'_>, protocol: u8) -> Result<Self, Problem> {
        let parse = |text: &str| match protocol {
            proto::UDP => PortRange::parse_resolved(text),
            _ => PortRange::parse(text, protocol),
        };
        let read = |id| args.value(id, parse);
        Ok(Self {
            src: read("source-port")?.unwrap_or((PortRange::ALL, false)),
            dst: read("destination-port")?.unwrap_or((PortRange::ALL, false)),
        })
    }

    pub(super) fn save(&self, out: &mut String) {
        for ((range, inverted), name) in [(self.src, "--sport"), (self.dst, "--dport")] {
            if range != PortRange::ALL || inverted {
                let _ = write!(out, " {}{name} ", if inverted { "! " } else { "" });
                range.save(out);
            }
        }
    }

    pub(super) fn list(&self, out: &mut String, protocol: u8, numeric: bool) {
        for ((range, inverted), name) in [(self.src, "spt"), (self.dst, "dpt")] {
            if range != PortRange::ALL || inverted {
                let plural = if range.first == range.last { "" } else { "s" };
                let _ = write!(out, " {name}{plural}:{}", if inverted { "!" } else { "" });
                range.list(out, protocol, numeric);
            }
        }
    }

    /// The destination port, if only one matches.
    pub(super) fn destination(&self) -> Option<u16> {
        let (range, inverted) = self.dst;
        (range.first == range.last && !inverted).then_some(range.first)
    }

    #[inline]
    pub(super) const fn matches(&self, (src, dst): (u16, u16)) -> bool {
        self.src.0.contains(src) != self.src.1 && self.dst.0.contains(dst) != self.dst.1
    }
}

/// The options of `udp` and `sctp`, and the first of `tcp`.
pub(super) const PORT_OPTIONS: [Opt; 4] = [
    Opt::value("source-port").inv(),
    Opt::value("sport").same_as("source-port").inv(),
    Opt::value("destination-port").inv(),
    Opt::value("dport").same_as("destination-port").inv(),
];

/// The options of `tcp` and `udp` need their protocol; without options the kernel's own check remains.
pub(super) fn require_protocol(args: &Args<'_>, title: &str, protocol: u8) -> Result<(), Problem> {
    if args.is_empty() || args.rule.protocol == protocol {
        return Ok(());
    }
    let name = args.extension;
    Err(Problem::usage(format!("{title} match requires '-p {name}'")))
}

/// `-m udp` or `-m sctp`, by protocol number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ports<const PROTOCOL: u8>(PortPair);

impl<const PROTOCOL: u8> Extension for Ports<PROTOCOL> {
    const NAME: &'static str = if PROTOCOL == 17 { "udp" } else { "sctp" };
    const OPTIONS: &'static [Opt] = &PORT_OPTIONS;

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let ports = PortPair::build(args, PROTOCOL)?;
        if Self::NAME == "udp" {
            require_protocol(args, "UDP", PROTOCOL)?;
        }
        Ok(Self(ports))
    }

    fn save(&self, out: &mut String) {
        self.0.save(out);
    }

    fn list(&self, out: &mut String, numeric: bool) {
        out.push(' ');
        out.push_str(Self::NAME);
        self.0.list(out, PROTOCOL, numeric);
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        packet.ports.is_some_and(|ports| self.0.matches(ports))
    }

    fn destination_port(&self) -> Option<u16> {
        self.0.destination()
    }

    fn allowed(&self, place: &Place) -> bool {
        place.protocol == PROTOCOL
    }
}
