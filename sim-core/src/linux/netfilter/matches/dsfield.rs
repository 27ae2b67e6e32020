//! `tos`, `dscp` and `ecn`: the type of service byte, by its three readings.

use std::fmt::Write as _;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::number;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// Names of `tos` values, which leave the two bits of ECN alone.
const TOS_NAMES: [(&str, u8); 5] = [
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];
/// The mask that goes with a name.
const NAME_MASK: u8 = 0x3f;

/// A value and the bits that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::linux::netfilter) struct TosValue {
    pub(in crate::linux::netfilter) value: u8,
    pub(in crate::linux::netfilter) mask: u8,
}

impl TosValue {
    /// `0x10`, `0x10/0x3f`, `Minimize-Delay`.
    pub(in crate::linux::netfilter) fn parse(text: &str) -> Result<Self, Problem> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            let named = TOS_NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(text));
            let unknown = || Problem::usage(format!("Symbolic name \"{text}\" is unknown"));
            return named.map(|(_, v)| Self { value: *v, mask: NAME_MASK }).ok_or_else(unknown);
        }
        let bad = || Problem::usage(format!("Illegal value: \"{text}\""));
        let byte = |t: &str| number(t).and_then(|n| u8::try_from(n).ok()).ok_or_else(bad);
        let (value, mask) = text.split_once('/').map_or((text, None), |(v, m)| (v, Some(m)));
        Ok(Self { value: byte(value)?, mask: mask.map_or(Ok(0xff), byte)? })
    }

    /// The name, where there is one.
    pub(in crate::linux::netfilter) fn name(self) -> Option<&'static str> {
        let named = TOS_NAMES.iter().find(|(_, v)| self.mask == NAME_MASK && *v == self.value);
        named.map(|(n, _)| *n)
    }
}

/// `-m tos`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tos {
    tos: TosValue,
    inverted: bool,
}

impl Extension for Tos {
    const NAME: &'static str = "tos";
    const OPTIONS: &'static [Opt] = &[Opt::value("tos").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let none = TosValue { value: 0, mask: 0 };
        let (tos, inverted) = args.value("tos", TosValue::parse)?.unwrap_or((none, false));
        Ok(Self { tos, inverted })
    }

    fn save(&self, out: &mut String) {
        let not = if self.inverted { "! " } else { "" };
        let _ = write!(out, " {not}--tos 0x{:02x}/0x{:02x}", self.tos.value, self.tos.mask);
    }

    fn list(&self, out: &mut String, numeric: bool) {
        let not = if self.inverted { "!" } else { "" };
        let _ = match self.tos.name() {
            Some(name) if !numeric => write!(out, " tos match{not} {name}"),
            _ => write!(out, " tos match{not}0x{:02x}/0x{:02x}", self.tos.value, self.tos.mask),
        };
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        (packet.ip.tos & self.tos.mask == self.tos.value) != self.inverted
    }
}

/// Names of code points (RFC 2474, RFC 2597, RFC 3246).
const CLASSES: [(&str, u8); 22] = [
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// Reads a code point from `value` or the name of its class from `class`.
pub(in crate::linux::netfilter) fn read_dscp(
    args: &Args<'_>,
    value: &'static str,
    class: &'static str,
) -> Result<Option<(u8, bool)>, Problem> {
    let named = args.value(class, |text| {
        let found = CLASSES.iter().find(|(n, _)| n.eq_ignore_ascii_case(text));
        found.map(|(_, v)| *v).ok_or_else(|| Problem::usage(format!("Invalid DSCP value `{text}'")))
    })?;
    Ok(args.read_number(value, 0, 63)?.map(|(n, inverted)| (n as u8, inverted)).or(named))
}

/// `-m dscp`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dscp {
    dscp: u8,
    inverted: bool,
}

impl Extension for Dscp {
    const NAME: &'static str = "dscp";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("dscp").inv().excludes(&["dscp-class"]),
        Opt::value("dscp-class").inv().excludes(&["dscp"]),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let missing = || Problem::usage("DSCP match: Parameter --dscp is required");
        let (dscp, inverted) = read_dscp(args, "dscp", "dscp-class")?.ok_or_else(missing)?;
        Ok(Self { dscp, inverted })
    }

    fn save(&self, out: &mut String) {
        let _ = write!(out, " {}--dscp 0x{:02x}", if self.inverted { "! " } else { "" }, self.dscp);
    }

    fn list(&self, out: &mut String, _: bool) {
        let _ = write!(out, " DSCP match {}0x{:02x}", if self.inverted { "!" } else { "" }, self.dscp);
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        (packet.ip.tos >> 2 == self.dscp) != self.inverted
    }
}

/// `-m ecn`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ecn {
    /// CWR; the value says whether the match is turned round.
    cwr: Option<bool>,
    ece: Option<bool>,
    ect: Option<(u8, bool)>,
}

/// Bits of the TCP header.
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

impl Extension for Ecn {
    const NAME: &'static str = "ecn";
    const OPTIONS: &'static [Opt] =
        &[Opt::flag("ecn-tcp-cwr").inv(), Opt::flag("ecn-tcp-ece").inv(), Opt::value("ecn-ip-ect").inv()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        if args.is_empty() {
            return Err(Problem::usage("ECN match: some option required"));
        }
        let flag = |id| args.get(id).map(|v| v.inverted);
        let ect = args.read_number("ecn-ip-ect", 0, 3)?.map(|(n, inverted)| (n as u8, inverted));
        Ok(Self { cwr: flag("ecn-tcp-cwr"), ece: flag("ecn-tcp-ece"), ect })
    }

    fn save(&self, out: &mut String) {
        for (name, flag) in [("ece", self.ece), ("cwr", self.cwr)] {
            if let Some(inverted) = flag {
                let _ = write!(out, " {}--ecn-tcp-{name}", if inverted { "! " } else { "" });
            }
        }
        if let Some((ect, inverted)) = self.ect {
            let _ = write!(out, " {}--ecn-ip-ect {ect}", if inverted { "! " } else { "" });
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" ECN match");
        for (name, flag) in [("ECE", self.ece), ("CWR", self.cwr)] {
            if let Some(inverted) = flag {
                let _ = write!(out, " {}{name}", if inverted { "!" } else { "" });
            }
        }
        if let Some((ect, inverted)) = self.ect {
            let _ = write!(out, " {}ECT={ect}", if inverted { "!" } else { "" });
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let has = |bit: u8| packet.tcp().is_some_and(|t| t.flags.0 & bit != 0);
        self.ect.is_none_or(|(ect, inverted)| (packet.ip.tos & 3 == ect) != inverted)
            && self.ece.is_none_or(|inverted| has(ECE) != inverted)
            && self.cwr.is_none_or(|inverted| has(CWR) != inverted)
    }

    fn allowed(&self, place: &Place) -> bool {
        let about_tcp = self.cwr.is_some() || self.ece.is_some();
        !about_tcp || (place.protocol == proto::TCP && !place.protocol_inverted)
    }
}
