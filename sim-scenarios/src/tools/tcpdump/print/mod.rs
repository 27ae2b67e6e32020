//! Packets in words, byte for byte as tcpdump 4.99.3 writes them.
//!
//! - `ip`: IPv4, IPv6 and what is neither TCP nor UDP; `tcp`, `udp`, `icmp`, `dns`: the protocols; `hex`: dumps of bytes
//!
//! Of protocols over TCP and UDP it tells HTTP, DNS and VXLAN; others are told by their lengths.

mod dns;
mod hex;
mod icmp;
mod icmp6;
mod ip;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use sim_core::packet::MacAddr;

use super::pcap::{Link, Packet};
use super::view::{mac_at, u16_at, u32_at, v4_at};
use crate::tools::nc::services;
use crate::tools::text::date;

/// How to print.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// `-n`: addresses and ports as numbers.
    pub(super) numeric: bool,
    /// `-v`, so many times.
    pub(super) verbose: u8,
    pub(super) quick: bool,
    /// `-e`
    pub(super) link: bool,
    /// `-S`
    pub(super) absolute: bool,
    /// `-K`
    pub(super) unchecked: bool,
    /// `-t`, so many times.
    pub(super) time: u8,
    pub(super) dump: Option<Dump>,
    /// `-#`
    pub(super) number: bool,
}

/// `-x` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dump {
    pub(super) hex: bool,
    pub(super) ascii: bool,
    pub(super) link_header: bool,
}

/// What printing packet after packet remembers.
pub(super) struct Printer<'a> {
    pub(super) style: Style,
    pub(super) link: Link,
    /// Interfaces by index, for cooked captures.
    pub(super) ifaces: BTreeMap<u32, String>,
    /// The name of an address, if names are wanted and it has one.
    pub(super) name_of: &'a mut dyn FnMut(IpAddr) -> Option<String>,
    pub(super) state: State,
    out: String,
}

/// What is kept from one packet to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    conversations: BTreeMap<tcp::Key, tcp::Numbers>,
    first: Option<u64>,
    last: Option<u64>,
    count: u64,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        style: Style,
        link: Link,
        ifaces: BTreeMap<u32, String>,
        state: State,
        name_of: &'a mut dyn FnMut(IpAddr) -> Option<String>,
    ) -> Self {
        Self { style, link, ifaces, name_of, state, out: String::new() }
    }

    /// One packet, with its last line end.
    pub(super) fn packet(&mut self, packet: &Packet) -> String {
        self.out.clear();
        self.state.count += 1;
        if self.style.number {
            self.put(format!("{:5}  ", self.state.count));
        }
        self.time(packet.at);
        match self.link {
            Link::Ethernet => self.ethernet(&packet.bytes, packet.length),
            Link::Cooked => self.cooked(&packet.bytes, packet.length),
        }
        if let Some(dump) = self.style.dump {
            let skip = if dump.link_header { 0 } else { self.link.header() };
            let bytes = packet.bytes.get(skip..).unwrap_or_default();
            self.out.push_str(&hex::dump(bytes, dump));
        }
        self.out.push('\n');
        std::mem::take(&mut self.out)
    }

    fn put(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
    }

    fn time(&mut self, at: u64) {
        let micros = at / 1000 % 1_000_000;
        let clock =
            |seconds: u64| format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let first = *self.state.first.get_or_insert(at);
        let last = self.state.last.replace(at).unwrap_or(at);
        let text = match self.style.time {
            0 => format!("{}.{micros:06} ", clock(at / 1_000_000_000)),
            1 => String::new(),
            2 => format!("{}.{micros:06} ", at / 1_000_000_000),
            3 | 5 => {
                let since = at.saturating_sub(if self.style.time == 3 { last } else { first });
                format!(" {}.{:06} ", clock(since / 1_000_000_000), since / 1000 % 1_000_000)
            }
            _ => format!("{} {}.{micros:06} ", date::day_of(at / 1_000_000_000), clock(at / 1_000_000_000)),
        };
        self.put(text);
    }

    fn ethernet(&mut self, bytes: &[u8], length: usize) {
        let (Some(dst), Some(src), Some(kind)) = (mac_at(bytes, 0), mac_at(bytes, 6), u16_at(bytes, 12))
        else {
            return self.put("[|ether]");
        };
        let header = self.style.link || !is_known(kind);
        if header {
            self.put(format!("{} > {}, ", MacAddr(src), MacAddr(dst)));
            self.ethertype(kind, length);
        }
        self.payload(kind, &bytes[14..], header);
    }

    fn cooked(&mut self, bytes: &[u8], length: usize) {
        let (Some(kind), Some(index)) = (u16_at(bytes, 0), u32_at(bytes, 4)) else {
            return self.put("[|sll2]");
        };
        let way = match bytes.get(10) {
            Some(0) => "In",
            Some(1) => "B",
            Some(2) => "M",
            Some(3) => "P",
            Some(4) => "Out",
            _ => "?",
        };
        let name = self.ifaces.get(&index).cloned().unwrap_or_else(|| "?".to_owned());
        self.put(format!("{name:<5} {way:<3} "));
        let header = self.style.link || !is_known(kind);
        if header {
            let mac = mac_at(bytes, 12).unwrap_or_default();
            self.put(format!("ifindex {index} {} ", MacAddr(mac)));
            self.ethertype(kind, length);
        }
        self.payload(kind, bytes.get(20..).unwrap_or_default(), header);
    }

    fn ethertype(&mut self, kind: u16, length: usize) {
        let name = match kind {
            0x0800 => "IPv4",
            0x0806 => "ARP",
            0x86dd => "IPv6",
            0x8035 => "Reverse ARP",
            _ => "Unknown",
        };
        self.put(match (self.style.quick, name) {
            (true, "Unknown") => format!("Unknown Ethertype (0x{kind:04x}), length {length}: "),
            (true, _) => format!("{name}, length {length}: "),
            (false, _) => format!("ethertype {name} (0x{kind:04x}), length {length}: "),
        });
    }

    /// What a frame carries. After a link-layer header its kind is not named again.
    fn payload(&mut self, kind: u16, bytes: &[u8], named: bool) {
        match kind {
            0x0800 | 0x86dd => {
                if !named {
                    self.put(if kind == 0x0800 { "IP " } else { "IP6 " });
                }
                if kind == 0x0800 { self.ipv4(bytes) } else { self.ipv6(bytes) }
            }
            0x0806 => {
                if !named {
                    self.put("ARP, ");
                }
                self.arp(bytes);
            }
            // A dump of all bytes that was asked for is enough.
            _ if self.style.dump.is_some_and(|d| d.hex) || self.style.quick => {}
            _ => {
                let text = hex::dump(bytes, Dump { hex: true, ascii: true, link_header: false });
                self.put(text);
            }
        }
    }

    fn arp(&mut self, b: &[u8]) {
        let (Some(op), Some(sender), Some(target)) = (u16_at(b, 6), v4_at(b, 14), v4_at(b, 24)) else {
            return self.put("[|arp]");
        };
        if self.style.verbose > 0 {
            self.put("Ethernet (len 6), IPv4 (len 4), ");
        }
        let (sender, target) = (self.host(sender.into()), self.host(target.into()));
        let (smac, tmac) = (mac_at(b, 8).unwrap_or_default(), mac_at(b, 18).unwrap_or_default());
        let text = match op {
            1 if tmac == [0; 6] => format!("Request who-has {target} tell {sender}"),
            1 => format!("Request who-has {target} ({}) tell {sender}", MacAddr(tmac)),
            2 => format!("Reply {sender} is-at {}", MacAddr(smac)),
            n => format!("Unknown ({n})"),
        };
        self.put(format!("{text}, length {}", b.len()));
    }

    /// An address, or its name.
    fn host(&mut self, addr: IpAddr) -> String {
        let name = if self.style.numeric { None } else { (self.name_of)(addr) };
        name.unwrap_or_else(|| addr.to_string())
    }

    /// A port, or its name.
    fn port(&self, port: u16, udp: bool) -> String {
        let name = if self.style.numeric { None } else { services::name(port, udp) };
        name.map_or_else(|| port.to_string(), str::to_owned)
    }

    /// `a.1 > b.2: `
    fn ends(&mut self, src: IpAddr, sport: u16, dst: IpAddr, dport: u16, udp: bool) {
        let (sport, dport) = (self.port(sport, udp), self.port(dport, udp));
        let (src, dst) = (self.host(src), self.host(dst));
        let _ = write!(self.out, "{src}.{sport} > {dst}.{dport}: ");
    }
}

const fn is_known(kind: u16) -> bool {
    matches!(kind, 0x0800 | 0x0806 | 0x86dd)
}
