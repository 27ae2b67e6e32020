//! `multiport`: a list of ports and port ranges.

use smallvec::SmallVec;

use super::ports::{PortRange, parse_port, write_port};
use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// `-m multiport`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Multiport {
    side: Side,
    inverted: bool,
    protocol: u8,
    ranges: Box<[PortRange]>,
}

/// Which port is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Source,
    Destination,
    Either,
}

/// `XT_MULTI_PORTS`: a range counts twice.
const MAX: usize = 15;
const DCCP: u8 = 33;
const UDPLITE: u8 = 136;

impl Extension for Multiport {
    const NAME: &'static str = "multiport";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("source-ports").inv().excludes(&["destination-ports", "ports"]),
        Opt::value("sports").same_as("source-ports").inv(),
        Opt::value("destination-ports").inv().excludes(&["source-ports", "ports"]),
        Opt::value("dports").same_as("destination-ports").inv(),
        Opt::value("ports").inv().excludes(&["source-ports", "destination-ports"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let protocol = args.rule.protocol;
        let sides = [
            ("source-ports", Side::Source),
            ("destination-ports", Side::Destination),
            ("ports", Side::Either),
        ];
        let Some((side, value)) = sides.iter().find_map(|(id, side)| Some((*side, args.get(id)?))) else {
            return Err(Problem::usage("multiport expection an option"));
        };
        check_protocol(protocol, args.rule.protocol_inverted)?;
        let ranges = parse_ranges(value.text, protocol).map_err(|p| value.here(p))?;
        Ok(Self { side, inverted: value.inverted, protocol, ranges })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! " } else { " " });
        out.push_str(match self.side {
            Side::Source => "--sports ",
            Side::Destination => "--dports ",
            Side::Either => "--ports ",
        });
        for (n, range) in self.ranges.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            range.save(out);
        }
    }

    fn list(&self, out: &mut String, numeric: bool) {
        out.push_str(" multiport ");
        out.push_str(match self.side {
            Side::Source => "sports ",
            Side::Destination => "dports ",
            Side::Either => "ports ",
        });
        if self.inverted {
            out.push_str(" !");
        }
        for (n, range) in self.ranges.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            write_port(out, range.first, self.protocol, numeric);
            if range.first != range.last {
                out.push(':');
                write_port(out, range.last, self.protocol, numeric);
            }
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let Some((src, dst)) = packet.ports else { return false };
        let hit = self.ranges.iter().any(|r| match self.side {
            Side::Source => r.contains(src),
            Side::Destination => r.contains(dst),
            Side::Either => r.contains(src) || r.contains(dst),
        });
        hit != self.inverted
    }
}

fn check_protocol(protocol: u8, inverted: bool) -> Result<(), Problem> {
    if protocol == 0 {
        return Err(Problem::usage(
            "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'",
        ));
    }
    let known = matches!(protocol, proto::TCP | proto::UDP | proto::SCTP | DCCP | UDPLITE);
    if inverted || !known {
        return Err(Problem::usage("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP"));
    }
    Ok(())
}

fn parse_ranges(text: &str, protocol: u8) -> Result<Box<[PortRange]>, Problem> {
    let mut ranges = SmallVec::<[PortRange; MAX]>::new();
    let mut used = 0;
    for item in text.split(',') {
        let (first, last) = item.split_once(':').map_or((item, None), |(a, b)| (a, Some(b)));
        used += if last.is_some() { 2 } else { 1 };
        if used > MAX {
            return Err(Problem::usage("too many ports specified"));
        }
        let first = parse_port(first, protocol)?;
        let range = PortRange { first, last: last.map_or(Ok(first), |p| parse_port(p, protocol))? };
        if last.is_some() && range.first >= range.last {
            return Err(Problem::usage("invalid portrange specified"));
        }
        ranges.push(range);
    }
    Ok(ranges.into_vec().into())
}
