//! `icmp` and `icmp6`: message type and code.

use std::fmt::Write as _;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// `-m icmp` (4) or `-m icmp6` (6).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Icmp<const VERSION: u8> {
    ty: u8,
    first: u8,
    last: u8,
    inverted: bool,
}

/// Name, type, first and last code. A name that follows one with the same numbers is another spelling of it.
type Name = (&'static str, u8, u8, u8);

const V4: &[Name] = &[
    ("any", 255, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

const V6: &[Name] = &[
    ("destination-unreachable", 1, 0, 255),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 255),
    ("time-exceeded", 3, 0, 255),
    ("ttl-exceeded", 3, 0, 255),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 255),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 255),
    ("ping", 128, 0, 255),
    ("echo-reply", 129, 0, 255),
    ("pong", 129, 0, 255),
    ("mld-listener-query", 130, 0, 255),
    ("mld-listener-report", 131, 0, 255),
    ("mld-listener-done", 132, 0, 255),
    ("mld-listener-reduction", 132, 0, 255),
    ("router-solicitation", 133, 0, 255),
    ("router-advertisement", 134, 0, 255),
    ("neighbour-solicitation", 135, 0, 255),
    ("neighbor-solicitation", 135, 0, 255),
    ("neighbour-advertisement", 136, 0, 255),
    ("neighbor-advertisement", 136, 0, 255),
    ("redirect", 137, 0, 255),
];

impl<const VERSION: u8> Icmp<VERSION> {
    const IS_V4: bool = VERSION == 4;
    const NAMES: &'static [Name] = if Self::IS_V4 { V4 } else { V6 };
    const TITLE: &'static str = if Self::IS_V4 { "ICMP" } else { "ICMPv6" };
    /// How `iptables -L` calls it.
    const LABEL: &'static str = if Self::IS_V4 { "icmp" } else { "ipv6-icmp" };
    const OPTION: &'static str = if Self::IS_V4 { "icmp-type" } else { "icmpv6-type" };

    /// `--icmp-type any`: for ICMP every message, for ICMPv6 a type like any other.
    const fn is_any(&self) -> bool {
        Self::IS_V4 && self.ty == 255 && self.first == 0 && self.last == 255
    }

    fn parse(text: &str) -> Result<(u8, u8, u8), Problem> {
        if let Some(found) = Self::by_name(text)? {
            return Ok(found);
        }
        let (ty, codes) = text.split_once('/').map_or((text, None), |(t, c)| (t, Some(c)));
        let byte = |t: &str| number(t).and_then(|n| u8::try_from(n).ok());
        let ty = byte(ty).ok_or_else(|| Problem::usage(format!("Unknown {} type `{text}'", Self::TITLE)))?;
        let Some(codes) = codes else { return Ok((ty, 0, 255)) };
        let code =
            byte(codes).ok_or_else(|| Problem::usage(format!("Unknown {} code `{text}'", Self::TITLE)))?;
        Ok((ty, code, code))
    }

    /// The type whose name starts with `text`, if there is just one.
    fn by_name(text: &str) -> Result<Option<(u8, u8, u8)>, Problem> {
        let starts = |n: &&Name| n.0.get(..text.len()).is_some_and(|s| s.eq_ignore_ascii_case(text));
        if let Some(n) = Self::NAMES.iter().find(|n| n.0.eq_ignore_ascii_case(text)) {
            return Ok(Some((n.1, n.2, n.3)));
        }
        let mut found = Self::NAMES.iter().filter(starts);
        let Some(one) = found.next() else { return Ok(None) };
        if let Some(other) = found.next() {
            let text = format!("Ambiguous {} type `{text}': `{}' or `{}'?", Self::TITLE, one.0, other.0);
            return Err(Problem::usage(text));
        }
        Ok(Some((one.1, one.2, one.3)))
    }

    fn list_numbers(&self, out: &mut String) {
        let label = Self::LABEL;
        let _ = if self.inverted {
            write!(out, " {label} !type {}", self.ty)
        } else {
            write!(out, " {label}type {}", self.ty)
        };
        if self.first == self.last {
            let _ = write!(out, " code {}", self.first);
        }
    }
}

impl<const VERSION: u8> Extension for Icmp<VERSION> {
    const NAME: &'static str = if Self::IS_V4 { "icmp" } else { "icmp6" };
    const OPTIONS: &'static [Opt] = &[Opt::value(Self::OPTION).inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let ((ty, first, last), inverted) =
            args.value(Self::OPTION, Self::parse)?.unwrap_or(((255, 0, 255), false));
        Ok(Self { ty, first, last, inverted })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " {}--{} ", if self.inverted { "! " } else { "" }, Self::OPTION);
        if self.is_any() {
            out.push_str("any");
            return;
        }
        let _ = write!(out, "{}", self.ty);
        if self.first == self.last {
            let _ = write!(out, "/{}", self.first);
        }
    }

    fn list(&self, out: &mut String, numeric: bool) {
        let key = (self.ty, self.first, self.last);
        match Self::NAMES.iter().find(|n| (n.1, n.2, n.3) == key) {
            Some(name) if !numeric => {
                let _ = write!(out, " {} {}{}", Self::LABEL, if self.inverted { "!" } else { "" }, name.0);
            }
            _ => self.list_numbers(out),
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let Some((ty, code)) = packet.icmp() else { return false };
        let hit = self.is_any() || (ty == self.ty && self.first <= code && code <= self.last);
        hit != self.inverted
    }

    fn allowed(&self, place: &Place) -> bool {
        place.protocol == if Self::IS_V4 { proto::ICMP } else { proto::ICMPV6 }
    }
}
