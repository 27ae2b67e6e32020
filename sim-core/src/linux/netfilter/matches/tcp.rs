//! `tcp`: ports, flags, options.

use std::fmt::Write as _;

use super::ports::{PORT_OPTIONS, PortPair, require_protocol};
use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt, number};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::proto;

/// `-m tcp`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tcp {
    ports: PortPair,
    flags: Option<Flags>,
    option: Option<(u8, bool)>,
}

/// Which flags are looked at, and which of those must be set.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flags {
    mask: u8,
    set: u8,
    inverted: bool,
}

const FLAGS: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
/// FIN, SYN, RST and ACK looked at, SYN set.
const SYN: (u8, u8) = (0x17, 0x02);

impl Extension for Tcp {
    const NAME: &'static str = "tcp";
    const OPTIONS: &'static [Opt] = &[
        PORT_OPTIONS[0],
        PORT_OPTIONS[1],
        PORT_OPTIONS[2],
        PORT_OPTIONS[3],
        Opt::flag("syn").inv(),
        Opt::pair("tcp-flags").inv(),
        Opt::value("tcp-option").inv(),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let read = Self {
            ports: PortPair::build(args, proto::TCP)?,
            flags: read_flags(args)?,
            option: read_option(args)?,
        };
        require_protocol(args, "TCP", proto::TCP)?;
        Ok(read)
    }

    fn save(&self, out: &mut String) {
        self.ports.save(out);
        if let Some((option, inverted)) = self.option {
            let _ = write!(out, " {}--tcp-option {option}", if inverted { "! " } else { "" });
        }
        if let Some(Flags { mask, set, inverted }) = self.flags {
            out.push_str(if inverted { " ! --tcp-flags " } else { " --tcp-flags " });
            write_flags(out, mask);
            out.push(' ');
            write_flags(out, set);
        }
    }

    fn list(&self, out: &mut String, numeric: bool) {
        out.push_str(" tcp");
        self.ports.list(out, proto::TCP, numeric);
        if let Some((option, inverted)) = self.option {
            let _ = write!(out, " option={}{option}", if inverted { "!" } else { "" });
        }
        if let Some(Flags { mask, set, inverted }) = self.flags {
            out.push_str(if inverted { " flags:!" } else { " flags:" });
            if numeric {
                let _ = write!(out, "0x{mask:02X}/0x{set:02X}");
            } else {
                write_flags(out, mask);
                out.push('/');
                write_flags(out, set);
            }
        }
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let Some(tcp) = packet.tcp() else { return false };
        self.ports.matches((tcp.sport, tcp.dport))
            && self.flags.is_none_or(|f| (tcp.flags.0 & f.mask == f.set) != f.inverted)
            && self.option.is_none_or(|(o, inverted)| tcp.options.has_kind(o) != inverted)
    }

    fn destination_port(&self) -> Option<u16> {
        self.ports.destination()
    }

    fn allowed(&self, place: &Place) -> bool {
        place.protocol == proto::TCP
    }
}

fn read_flags(args: &Args<'_>) -> Result<Option<Flags>, Problem> {
    let (syn, flags) = (args.get("syn"), args.get("tcp-flags"));
    let Some(value) = flags else {
        return Ok(syn.map(|v| Flags { mask: SYN.0, set: SYN.1, inverted: v.inverted }));
    };
    if syn.is_some() {
        return Err(value.here(Problem::usage("Only one of `--syn' or `--tcp-flags'  allowed")));
    }
    let inverted = value.inverted;
    let parse = |text| parse_flags(text).map_err(|p| value.here(p));
    let flags = Flags { mask: parse(value.text)?, set: parse(value.second)?, inverted };
    Ok(Some(flags).filter(|f| f.mask != 0 || f.set != 0 || f.inverted))
}

fn parse_flags(text: &str) -> Result<u8, Problem> {
    let mut bits = 0;
    for word in text.split(',').filter(|w| !w.is_empty()) {
        bits |= match FLAGS.iter().position(|f| f.eq_ignore_ascii_case(word)) {
            Some(i) => 1 << i,
            None if word.eq_ignore_ascii_case("ALL") => 0x3f,
            None if word.eq_ignore_ascii_case("NONE") => 0,
            None => return Err(Problem::usage(format!("Unknown TCP flag `{word}'"))),
        };
    }
    Ok(bits)
}

fn write_flags(out: &mut String, bits: u8) {
    if bits == 0 {
        out.push_str("NONE");
    }
    for (n, i) in (0..FLAGS.len()).filter(|i| bits & (1 << i) != 0).enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(FLAGS[i]);
    }
}

fn read_option(args: &Args<'_>) -> Result<Option<(u8, bool)>, Problem> {
    args.value("tcp-option", |text| {
        let option = number(text).and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 0);
        option.ok_or_else(|| Problem::usage(format!("Bad TCP option \"{text}\"")))
    })
}
