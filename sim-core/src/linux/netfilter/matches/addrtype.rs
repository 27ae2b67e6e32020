//! `addrtype`: what kind of address the source or destination is for this host.

use std::net::{IpAddr, Ipv6Addr};

use super::{Cx, Extension, Place};
use crate::linux::netfilter::env::AddrType;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::policy::Flow;
use crate::trace::{Family, Hook};

/// `-m addrtype`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Addrtype {
    src: Option<(Types, bool)>,
    dst: Option<(Types, bool)>,
    limit: Option<Limit>,
    family: Family,
}

/// A set of types, one bit per name.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Types(u16);

/// Only addresses of this interface count.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    In,
    Out,
}

const NAMES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

/// BROADCAST, BLACKHOLE, and PROHIBIT and all after it: the kernel takes none of these for IPv6.
const NOT_IN_V6: Types = Types(1 << 3 | 1 << 6 | 0xf00);

const UNSPEC: u16 = 1;
const UNICAST: u16 = 1 << 1;
const MULTICAST: u16 = 1 << 5;
/// LOCAL, ANYCAST and UNREACHABLE: what an IPv6 route tells.
const ROUTED: u16 = 1 << 2 | 1 << 4 | 1 << 7;

impl Types {
    fn parse(text: &str) -> Result<Self, Problem> {
        let mut bits = 0;
        for word in text.split(',') {
            let i = NAMES.iter().position(|n| n.eq_ignore_ascii_case(word));
            bits |= 1 << i.ok_or_else(|| Problem::usage(format!("addrtype: bad type \"{word}\"")))?;
        }
        Ok(Self(bits))
    }

    fn write(self, out: &mut String) {
        for (n, i) in (0..NAMES.len()).filter(|i| self.0 & (1 << i) != 0).enumerate() {
            if n > 0 {
                out.push(',');
            }
            out.push_str(NAMES[i]);
        }
    }

    const fn contains(self, ty: AddrType) -> bool {
        self.0 & (1 << ty.number()) != 0
    }

    /// Whether an IPv6 address is of these types (`match_type6`): some are a matter of the address alone, so that an address of this host
    /// is UNICAST too, and all that are named must be true; of those that a route tells one suffices.
    fn fits_v6(self, addr: Ipv6Addr, routed: impl FnOnce() -> AddrType) -> bool {
        let asks = |types: u16| self.0 & types != 0;
        let unicast = !addr.is_multicast() && !addr.is_unspecified() && addr.to_ipv4_mapped().is_none();
        if (asks(MULTICAST) && !addr.is_multicast())
            || (asks(UNICAST) && !unicast)
            || (asks(UNSPEC) && !addr.is_unspecified())
        {
            return false;
        }
        !asks(ROUTED)
            || match routed() {
                AddrType::Blackhole | AddrType::Prohibit => self.contains(AddrType::Unreachable),
                ty @ (AddrType::Local | AddrType::Anycast | AddrType::Unreachable) => self.contains(ty),
                _ => false,
            }
    }
}

impl Extension for Addrtype {
    const NAME: &'static str = "addrtype";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("src-type").inv(),
        Opt::value("dst-type").inv(),
        Opt::flag("limit-iface-in").excludes(&["limit-iface-out"]),
        Opt::flag("limit-iface-out").excludes(&["limit-iface-in"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let (src, dst) = (args.value("src-type", Types::parse)?, args.value("dst-type", Types::parse)?);
        if src.is_none() && dst.is_none() {
            return Err(Problem::usage("addrtype: you must specify --src-type or --dst-type"));
        }
        let limit = match (args.has("limit-iface-in"), args.has("limit-iface-out")) {
            (true, _) => Some(Limit::In),
            (_, true) => Some(Limit::Out),
            _ => None,
        };
        Ok(Self { src, dst, limit, family: args.rule.family })
    }

    fn save(&self, out: &mut String) {
        for (name, types) in [("--src-type ", self.src), ("--dst-type ", self.dst)] {
            if let Some((types, inverted)) = types {
                out.push_str(if inverted { " ! " } else { " " });
                out.push_str(name);
                types.write(out);
            }
        }
        out.push_str(match self.limit {
            Some(Limit::In) => " --limit-iface-in",
            Some(Limit::Out) => " --limit-iface-out",
            None => "",
        });
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" ADDRTYPE match");
        for (name, types) in [(" src-type ", self.src), (" dst-type ", self.dst)] {
            if let Some((types, inverted)) = types {
                out.push_str(name);
                if inverted {
                    out.push('!');
                }
                types.write(out);
            }
        }
        out.push_str(match self.limit {
            Some(Limit::In) => " limit-in",
            Some(Limit::Out) => " limit-out",
            None => "",
        });
    }

    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let dev = match self.limit {
            Some(Limit::In) => cx.env.iif,
            Some(Limit::Out) => cx.env.oif,
            None => None,
        };
        let fits = |wanted: Option<(Types, bool)>, addr: IpAddr| {
            let found = || cx.env.addrs.addr_type(&Flow::to(addr), dev);
            wanted.is_none_or(|(types, inverted)| {
                inverted
                    != match addr {
                        IpAddr::V4(_) => types.contains(found()),
                        IpAddr::V6(addr) => types.fits_v6(addr, found),
                    }
            })
        };
        fits(self.src, packet.ip.src) && fits(self.dst, packet.ip.dst)
    }

    fn allowed(&self, place: &Place) -> bool {
        let asks_for = |types: Types| [self.src, self.dst].iter().flatten().any(|(t, _)| t.0 & types.0 != 0);
        if self.family == Family::V6 && asks_for(NOT_IN_V6) {
            return false;
        }
        match self.limit {
            Some(Limit::Out) => !place.is_at(&[Hook::Prerouting, Hook::Input]),
            Some(Limit::In) => !place.is_at(&[Hook::Postrouting, Hook::Output]),
            None => true,
        }
    }
}
