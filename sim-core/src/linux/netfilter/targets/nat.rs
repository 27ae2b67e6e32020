//! `DNAT`, `SNAT`, `MASQUERADE`, `REDIRECT`: address translation.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Extension;
use crate::linux::conntrack::NatRange;
use crate::linux::netfilter::address::parse_address;
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::names::service_port;
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;
use crate::trace::{Family, Hook, TableId};

/// A translation; `SIDE` tells which of the four targets it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nat<const SIDE: u8>(pub(crate) NatRange);

/// `-j DNAT`.
pub(crate) type Dnat = Nat<0>;
/// `-j SNAT`.
pub(crate) type Snat = Nat<1>;
/// `-j MASQUERADE`.
pub(crate) type Masquerade = Nat<2>;
/// `-j REDIRECT`.
pub(crate) type Redirect = Nat<3>;

const DNAT_OPTIONS: &[Opt] =
    &[Opt::value("to-destination").req(), Opt::flag("random"), Opt::flag("persistent")];
const SNAT_OPTIONS: &[Opt] =
    &[Opt::value("to-source").req(), Opt::flag("random"), Opt::flag("random-fully"), Opt::flag("persistent")];
const MASQUERADE_OPTIONS: &[Opt] = &[Opt::value("to-ports"), Opt::flag("random"), Opt::flag("random-fully")];
const REDIRECT_OPTIONS: &[Opt] = &[Opt::value("to-ports"), Opt::flag("random")];

impl<const SIDE: u8> Extension for Nat<SIDE> {
    const NAME: &'static str = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT"][SIDE as usize];
    const OPTIONS: &'static [Opt] =
        [DNAT_OPTIONS, SNAT_OPTIONS, MASQUERADE_OPTIONS, REDIRECT_OPTIONS][SIDE as usize];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let to = Self::OPTIONS[0].name;
        let (addrs, ports) = args
            .value(
                to,
                |text| if SIDE < 2 { parse_to(text, args, SIDE == 0) } else { parse_ports(text, args) },
            )?
            .map_or((None, None), |(range, _)| range);
        Ok(Self(NatRange {
            addrs,
            ports,
            random: args.has("random"),
            fully_random: args.has("random-fully"),
            persistent: args.has("persistent"),
        }))
    }

    fn save(&self, out: &mut String) {
        let range = &self.0;
        if range.addrs.is_some() || range.ports.is_some() {
            let _ = write!(out, " --{} ", Self::OPTIONS[0].name);
            write_range(out, range, SIDE < 2);
        }
        write_flags(out, range, " --");
    }

    fn list(&self, out: &mut String, _: bool) {
        let range = &self.0;
        if range.addrs.is_some() || range.ports.is_some() {
            out.push_str(match SIDE {
                0 | 1 => " to:",
                2 => " masq ports: ",
                _ => " redir ports ",
            });
            write_range(out, range, SIDE < 2);
        }
        write_flags(out, range, " ");
    }

    fn allowed(&self, place: &Place) -> bool {
        let hooks: &[Hook] = match SIDE {
            0 | 3 => &[Hook::Prerouting, Hook::Output],
            1 => &[Hook::Postrouting, Hook::Input],
            _ => &[Hook::Postrouting],
        };
        place.table == TableId::Nat && (place.hook.is_none() || place.is_at(hooks))
    }
}

type Range = (Option<(IpAddr, IpAddr)>, Option<(u16, u16)>);

/// `--to-ports 80[-90]`.
fn parse_ports(text: &str, args: &Args<'_>) -> Result<Range, Problem> {
    need_ports(args)?;
    if text.contains(':') {
        return Err(Problem::usage("Invalid port:port syntax - use dash"));
    }
    Ok((None, Some(parse_port_range(text, args.rule.protocol)?)))
}

/// `--to-destination addr[-addr][:port[-port]]`, an IPv6 address with ports being in brackets.
fn parse_to(text: &str, args: &Args<'_>, is_dnat: bool) -> Result<Range, Problem> {
    let (addrs, ports) = match (text.strip_prefix('['), args.rule.family) {
        (Some(rest), Family::V6) => {
            let (addrs, rest) = rest.split_once(']').ok_or_else(|| bad_address(text))?;
            (addrs, rest.strip_prefix(':'))
        }
        (_, Family::V6) if text.matches(':').count() > 1 => (text, None),
        _ => text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p))),
    };
    let ports = match ports {
        None => None,
        Some(ports) => {
            need_ports(args)?;
            check_shift(ports, is_dnat)?;
            Some(parse_port_range(ports, args.rule.protocol)?)
        }
    };
    if addrs.is_empty() && ports.is_some() {
        return Ok((None, ports));
    }
    let (first, last) = addrs.split_once('-').unwrap_or((addrs, addrs));
    let parse = |a: &str| parse_address(args.rule.family, a).ok_or_else(|| bad_address(a));
    Ok((Some((parse(first)?, parse(last)?)), ports))
}

fn bad_address(text: &str) -> Problem {
    Problem::usage(format!("Bad IP address \"{text}\""))
}

/// `5000-5010/6000`: a DNAT that shifts a range of ports.
fn check_shift(ports: &str, is_dnat: bool) -> Result<(), Problem> {
    match ports.find('/') {
        None => Ok(()),
        Some(_) if is_dnat => Err(Problem::not_modelled("DNAT: a base port in \"--to-destination\"")),
        Some(i) => Err(Problem::usage(format!("Garbage after port value: `{}'", &ports[i..]))),
    }
}

fn need_ports(args: &Args<'_>) -> Result<(), Problem> {
    const DCCP: u8 = 33;
    match args.rule.protocol {
        proto::TCP | proto::UDP | proto::SCTP | proto::ICMP | proto::ICMPV6 | DCCP => Ok(()),
        _ => Err(Problem::usage("Need TCP, UDP, SCTP or DCCP with port specification")),
    }
}

fn parse_port_range(text: &str, protocol: u8) -> Result<(u16, u16), Problem> {
    let parse = |t: &str| {
        let port = number(t).and_then(|n| u16::try_from(n).ok()).or_else(|| service_port(t, protocol));
        // The protocol of the rule does not limit which service names are known.
        port.or_else(|| service_port(t, 0)).ok_or_else(|| Problem::usage(format!("Port `{t}' not valid")))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse(first)?, parse(last)?);
    if first > last {
        return Err(Problem::usage(format!("Port range `{last}' funky")));
    }
    Ok((first, last))
}

fn write_range(out: &mut String, range: &NatRange, with_addrs: bool) {
    if let Some((first, last)) = range.addrs {
        let brackets = first.is_ipv6() && range.ports.is_some();
        if brackets {
            out.push('[');
        }
        let _ = write!(out, "{first}");
        if first != last {
            let _ = write!(out, "-{last}");
        }
        if brackets {
            out.push(']');
        }
    }
    let Some((first, last)) = range.ports else { return };
    // DNAT and SNAT write the colon even where no address comes before it.
    if with_addrs {
        out.push(':');
    }
    let _ = write!(out, "{first}");
    if first != last {
        let _ = write!(out, "-{last}");
    }
}

fn write_flags(out: &mut String, range: &NatRange, before: &str) {
    for (set, name) in
        [(range.random, "random"), (range.fully_random, "random-fully"), (range.persistent, "persistent")]
    {
        if set {
            out.push_str(before);
            out.push_str(name);
        }
    }
}
