//! `ipvs`: what IP virtual servers know of the packet's connection. All that can be asked is of packets on their way to a real server: the
//! kernel looks for the connection of the packet turned round (`ipvs_mt`, `xt_ipvs.c`), and does not find that of an answer.

use std::fmt::Write as _;

use super::conntrack::read_direction;
use super::ports::resolve_port;
use super::{Cx, Extension};
use crate::linux::netfilter::address::{AddrMatch, bits};
use crate::linux::netfilter::names::protocol_number;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;

/// `-m ipvs`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ipvs {
    /// Whether it is to be a packet of IPVS; all other questions imply it.
    wanted: bool,
    protocol: Option<(u8, bool)>,
    addr: Option<AddrMatch>,
    port: Option<(u16, bool)>,
    reply: Option<bool>,
    method: Option<(Method, bool)>,
    control: Option<(u16, bool)>,
}

/// How packets get to the real server; only masquerading is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Gate,
    Ipip,
    Masq,
}

/// What is asked besides whether the packet is one of IPVS, in the order in which it is printed.
const QUESTIONS: [&str; 6] = ["vproto", "vaddr", "vport", "vdir", "vmethod", "vportctl"];

impl Method {
    const NAMES: [(&'static str, Self); 3] =
        [("GATE", Self::Gate), ("IPIP", Self::Ipip), ("MASQ", Self::Masq)];

    fn read(text: &str) -> Result<Self, Problem> {
        let bad = || Problem::usage(format!("ipvs: Bad value for \"--vmethod\" option: \"{text}\""));
        Self::NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(text)).map(|(_, m)| *m).ok_or_else(bad)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, m)| *m == self).map_or("", |(n, _)| n)
    }
}

impl Extension for Ipvs {
    const NAME: &'static str = "ipvs";
    const OPTIONS: &'static [Opt] = &[
        Opt::flag("ipvs").inv(),
        Opt::value("vproto").inv(),
        Opt::value("vaddr").inv(),
        Opt::value("vport").inv(),
        Opt::value("vdir"),
        Opt::value("vmethod").inv(),
        Opt::value("vportctl").inv(),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let read_protocol = |text: &str| {
            let unknown = || Problem::usage(format!("unknown protocol \"{text}\" specified"));
            protocol_number(text).ok_or_else(unknown)
        };
        let read = Self {
            wanted: args.get("ipvs").is_none_or(|v| !v.inverted),
            protocol: args.value("vproto", read_protocol)?,
            addr: args.read_address("vaddr")?,
            port: args.value("vport", resolve_port)?,
            reply: args.value("vdir", |text| read_direction(text, "ipvs", "vdir"))?.map(|(reply, _)| reply),
            method: args.value("vmethod", Method::read)?,
            control: args.value("vportctl", resolve_port)?,
        };
        if args.is_empty() {
            return Err(Problem::usage("IPVS: At least one option is required"));
        }
        if !read.wanted && QUESTIONS.iter().any(|q| args.has(q)) {
            return Err(Problem::usage("! --ipvs cannot be together with other options"));
        }
        Ok(read)
    }

    fn save(&self, out: &mut String) {
        self.write(out, "--", true);
    }

    fn list(&self, out: &mut String, numeric: bool) {
        self.write(out, "", numeric);
    }

    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let Some(ipvs) = cx.env.ipvs else { return !self.wanted };
        if !self.asks_for_a_connection() {
            return self.wanted;
        }
        let Some(conn) = ipvs.of_packet(packet.ip) else { return false };
        let fits = |asked: Option<(u16, bool)>, port: Option<u16>| {
            asked.is_none_or(|(wanted, inverted)| (port == Some(wanted)) != inverted)
        };
        self.protocol.is_none_or(|(p, inverted)| (p == packet.protocol) != inverted)
            && fits(self.port, Some(conn.virtual_server.port()))
            && fits(self.control, conn.control)
            && self.reply.is_none_or(|reply| cx.env.ct.tuples.is_some() && reply == cx.env.ct.reply)
            && self.method.is_none_or(|(m, inverted)| (m == Method::Masq) != inverted)
            && self.addr.is_none_or(|a| a.matches(bits(conn.virtual_server.ip())))
    }
}

impl Ipvs {
    const fn asks_for_a_connection(&self) -> bool {
        self.protocol.is_some()
            || self.addr.is_some()
            || self.port.is_some()
            || self.reply.is_some()
            || self.method.is_some()
            || self.control.is_some()
    }

    fn write(&self, out: &mut String, dashes: &str, numeric: bool) {
        let start = |out: &mut String, name: &str, inverted: bool| {
            let _ = write!(out, " {}{dashes}{name}", if inverted { "! " } else { "" });
        };
        if !self.asks_for_a_connection() {
            start(out, "ipvs", !self.wanted);
        }
        if let Some((protocol, inverted)) = self.protocol {
            start(out, "vproto", inverted);
            let _ = write!(out, " {protocol}");
        }
        if let Some(addr) = &self.addr {
            start(out, "vaddr", addr.inverted);
            let _ = write!(out, " {}", addr.list_option(numeric));
        }
        if let Some((port, inverted)) = self.port {
            start(out, "vport", inverted);
            let _ = write!(out, " {port}");
        }
        if let Some(reply) = self.reply {
            start(out, "vdir", false);
            out.push_str(if reply { " REPLY" } else { " ORIGINAL" });
        }
        if let Some((method, inverted)) = self.method {
            start(out, "vmethod", inverted);
            let _ = write!(out, " {}", method.name());
        }
        if let Some((port, inverted)) = self.control {
            start(out, "vportctl", inverted);
            let _ = write!(out, " {port}");
        }
    }
}
