//! ICMPv6 with neighbour discovery.

use sim_core::packet::MacAddr;

use super::{Dump, Printer, hex};
use crate::tools::tcpdump::view::{self, Ip, mac_at, u16_at, u32_at, v6_at};

impl Printer<'_> {
    pub(super) fn icmp6(&mut self, ip: &Ip<'_>) {
        let b = ip.body;
        let (Some(&kind), Some(&code), Some(id), Some(seq)) =
            (b.first(), b.get(1), u16_at(b, 4), u16_at(b, 6))
        else {
            return self.put("[|icmp6]");
        };
        let verbose = self.style.verbose > 0;
        if verbose && let Some(sum) = Self::sum(ip) {
            let is = u16_at(b, 2).unwrap_or(0);
            self.put(if sum == 0 {
                "[icmp6 sum ok] ".to_owned()
            } else {
                format!("[bad icmp6 cksum 0x{is:04x} -> 0x{:04x}!] ", Self::corrected(is, sum))
            });
        }
        if matches!(kind, 133..=137) {
            return self.discovery(ip, kind, verbose);
        }
        let quoted = b.get(8..).and_then(view::ip);
        let dst = quoted.map_or(String::new(), |q| self.host(q.dst));
        let text = match (kind, code) {
            (128, _) => format!("echo request, id {id}, seq {seq}"),
            (129, _) => format!("echo reply, id {id}, seq {seq}"),
            (1, 0) => format!("destination unreachable, unreachable route {dst}"),
            (1, 1) => format!("destination unreachable,  unreachable prohibited {dst}"),
            (1, 2) => format!("destination unreachable, beyond scope {dst}"),
            (1, 3) => format!("destination unreachable, unreachable address {dst}"),
            (1, 4) => {
                let (protocol, port) =
                    quoted.map_or((0, 0), |q| (q.protocol, u16_at(q.body, 2).unwrap_or(0)));
                let name = if protocol == 6 { "tcp" } else { "udp" };
                let port = self.port(port, protocol == 17);
                format!("destination unreachable, unreachable port, {dst} {name} port {port}")
            }
            (1, n) => format!("destination unreachable, unknown unreach code ({n})"),
            (2, _) => format!("packet too big, mtu {}", u32_at(b, 4).unwrap_or(0)),
            (3, 0) => format!("time exceeded in-transit for {dst}"),
            (3, 1) => "time exceeded in-transit (reassembly)".to_owned(),
            (4, 0) => format!("parameter problem, erroneous - octet {}", u32_at(b, 4).unwrap_or(0)),
            (4, 1) => format!("parameter problem, next header - octet {}", u32_at(b, 4).unwrap_or(0)),
            (4, _) => format!("parameter problem, option - octet {}", u32_at(b, 4).unwrap_or(0)),
            (143, _) => "multicast listener report v2".to_owned(),
            (n, _) => format!("type-#{n}"),
        };
        let length = if verbose { String::new() } else { format!(", length {}", ip.length) };
        self.put(format!("ICMP6, {text}{length}"));
    }

    /// RFC 4861: the length stands before the details if those are many.
    fn discovery(&mut self, ip: &Ip<'_>, kind: u8, verbose: bool) {
        let b = ip.body;
        let target = v6_at(b, 8).map(|a| self.host(a.into())).unwrap_or_default();
        let (name, details) = match kind {
            133 => ("router solicitation", String::new()),
            134 => ("router advertisement", String::new()),
            135 => ("neighbor solicitation", format!(", who has {target}")),
            136 => ("neighbor advertisement", format!(", tgt is {target}")),
            _ => {
                let to = v6_at(b, 24).map(|a| self.host(a.into())).unwrap_or_default();
                ("redirect", format!(", {to} to {target}"))
            }
        };
        let length = ip.length;
        if !verbose {
            return self.put(format!("ICMP6, {name}{details}, length {length}"));
        }
        self.put(format!("ICMP6, {name}, length {length}{details}"));
        if kind == 136 {
            let flags = b.get(4).copied().unwrap_or(0);
            let set: Vec<&str> = [(0x80, "router"), (0x40, "solicited"), (0x20, "override")]
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .map(|(_, word)| *word)
                .collect();
            let set = if set.is_empty() { "none".to_owned() } else { set.join(", ") };
            self.put(format!(", Flags [{set}]"));
        }
        let start = match kind {
            133 => 8,
            134 => 16,
            137 => 40,
            _ => 24,
        };
        self.options(b.get(start..).unwrap_or_default());
    }

    fn options(&mut self, all: &[u8]) {
        let dump = |bytes: &[u8], indent: &str| {
            let lines = hex::dump(bytes, Dump { hex: true, ascii: false, link_header: false });
            lines.replace("\n\t", indent)
        };
        let mut b = all;
        while let [kind, units, ..] = b {
            let length = usize::from(*units) * 8;
            if length == 0 || length > b.len() {
                return self.put(" [|icmp6]");
            }
            let name = match kind {
                1 => "source link-address",
                2 => "destination link-address",
                4 => "redirected header",
                5 => "mtu",
                _ => "unknown",
            };
            self.put(format!("\n\t  {name} option ({kind}), length {length} ({units}): "));
            match kind {
                1 | 2 => {
                    let mac = MacAddr(mac_at(b, 2).unwrap_or_default()).to_string();
                    self.put(mac);
                }
                // As tcpdump has it: as many bytes as the option has, but from where the options begin.
                4 => self.put(dump(&all[..length], "\n\t    ")),
                5 => self.put(format!(" {}", u32_at(b, 4).unwrap_or(0))),
                _ => {}
            }
            if self.style.verbose > 1 {
                self.put(dump(&b[2..length], "\n\t    "));
            }
            b = &b[length..];
        }
    }
}
