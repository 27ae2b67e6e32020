//! IPv4 and IPv6 headers.

use sim_core::packet::bytes::checksum;

use super::Printer;
use crate::tools::tcpdump::view::{self, Ip, u16_at, u32_at};

impl Printer<'_> {
    pub(super) fn ipv4(&mut self, b: &[u8]) {
        let Some(ip) = view::ip(b).filter(|_| b[0] >> 4 == 4) else { return self.put("[|ip]") };
        if self.style.verbose > 0 {
            self.ipv4_header(b, &ip);
        }
        if ip.offset > 0 {
            let (src, dst) = (self.host(ip.src), self.host(ip.dst));
            let name = match (self.style.numeric, ip.protocol) {
                (false, 1) => "icmp".to_owned(),
                (false, 6) => "tcp".to_owned(),
                (false, 17) => "udp".to_owned(),
                (_, n) => format!("ip-proto-{n}"),
            };
            return self.put(format!("{src} > {dst}: {name}"));
        }
        self.transport(&ip);
    }

    fn ipv4_header(&mut self, b: &[u8], ip: &Ip<'_>) {
        let (tos, id, word) = (b[1], u16_at(b, 4).unwrap_or(0), u16_at(b, 6).unwrap_or(0));
        let congestion = ["", ",ECT(1)", ",ECT(0)", ",CE"][usize::from(tos & 3)];
        let ttl = if b[8] >= 1 { format!(", ttl {}", b[8]) } else { String::new() };
        let flags = match word >> 13 {
            0 => "none",
            1 => "+",
            2 => "DF",
            3 => "+, DF",
            _ => "rsvd",
        };
        let total = u16_at(b, 2).unwrap_or(0);
        let mut text = format!(
            "(tos 0x{tos:x}{congestion}{ttl}, id {id}, offset {}, flags [{flags}], proto {} ({}), length {total}",
            ip.offset,
            protocol_name(ip.protocol),
            ip.protocol
        );
        let header = &b[..usize::from(b[0] & 15) * 4];
        if !self.style.unchecked && checksum(&[header]) != 0 {
            let is = u16_at(b, 10).unwrap_or(0);
            let right = checksum(&[&header[..10], &[0, 0], &header[12..]]);
            text.push_str(&format!(", bad cksum {is:x} (->{right:x})!"));
        }
        self.put(text);
        self.put(")\n    ");
    }

    pub(super) fn ipv6(&mut self, b: &[u8]) {
        let Some(ip) = view::ip(b).filter(|_| b[0] >> 4 == 6) else { return self.put("[|ip6]") };
        let (next, length) = (b[6], u16_at(b, 4).unwrap_or(0));
        if self.style.verbose > 0 {
            let flow = u32_at(b, 0).unwrap_or(0);
            let (class, label) = (flow >> 20 & 0xff, flow & 0xf_ffff);
            let mut text = String::from("(");
            if class > 0 {
                text.push_str(&format!("class 0x{class:02x}, "));
            }
            if label > 0 {
                text.push_str(&format!("flowlabel 0x{label:05x}, "));
            }
            text.push_str(&format!(
                "hlim {}, next-header {} ({next}) payload length: {length}) ",
                b[7],
                protocol_name(next)
            ));
            self.put(text);
        }
        if next == 44 {
            let (src, dst) = (self.host(ip.src), self.host(ip.dst));
            let id = if self.style.verbose > 0 {
                format!("0x{:08x}:", u32_at(b, 44).unwrap_or(0))
            } else {
                String::new()
            };
            self.put(format!("{src} > {dst}: frag ({id}{}|{})", ip.offset, ip.length));
            if ip.offset > 0 {
                return;
            }
            self.put(" ");
            return self.first_fragment6(&ip);
        }
        self.transport(&ip);
    }

    /// The transport header behind a fragment header; the addresses are told already.
    fn first_fragment6(&mut self, ip: &Ip<'_>) {
        match ip.protocol {
            17 | 6 => {
                let (sport, dport) = (u16_at(ip.body, 0).unwrap_or(0), u16_at(ip.body, 2).unwrap_or(0));
                let udp = ip.protocol == 17;
                let (s, d) = (self.port(sport, udp), self.port(dport, udp));
                self.put(format!("{s} > {d}: "));
                if udp { self.udp_body(ip) } else { self.tcp_body(ip) }
            }
            58 => self.icmp6(ip),
            n => self.put(format!("ip-proto-{n}")),
        }
    }

    /// What follows an IP header.
    fn transport(&mut self, ip: &Ip<'_>) {
        match ip.protocol {
            6 | 17 => {
                let (Some(sport), Some(dport)) = (u16_at(ip.body, 0), u16_at(ip.body, 2)) else {
                    let (src, dst) = (self.host(ip.src), self.host(ip.dst));
                    let name = if ip.protocol == 6 { "tcp" } else { "udp" };
                    return self.put(format!("{src} > {dst}:  [|{name}]"));
                };
                let udp = ip.protocol == 17;
                self.ends(ip.src, sport, ip.dst, dport, udp);
                if udp { self.udp_body(ip) } else { self.tcp_body(ip) }
            }
            n => {
                if n == 132 {
                    let (s, d) = (u16_at(ip.body, 0).unwrap_or(0), u16_at(ip.body, 2).unwrap_or(0));
                    let (src, dst) = (self.host(ip.src), self.host(ip.dst));
                    return self.put(format!("{src}.{s} > {dst}.{d}: sctp"));
                }
                let (src, dst) = (self.host(ip.src), self.host(ip.dst));
                self.put(format!("{src} > {dst}: "));
                match n {
                    1 if ip.src.is_ipv4() => self.icmp(ip),
                    58 if ip.src.is_ipv6() => self.icmp6(ip),
                    4 => {
                        if !self.style.link {
                            self.put("IP ");
                        }
                        self.ipv4(ip.body);
                    }
                    41 => {
                        if !self.style.link {
                            self.put("IP6 ");
                        }
                        self.ipv6(ip.body);
                    }
                    _ => self.put(format!(" ip-proto-{n} {}", ip.length)),
                }
            }
        }
    }

    /// The sum that TCP, UDP and ICMPv6 put into their headers, over what was captured; none if that is not all.
    pub(super) fn sum(ip: &Ip<'_>) -> Option<u16> {
        if ip.more || ip.body.len() < ip.length {
            return None;
        }
        let mut pseudo = Vec::new();
        for addr in [ip.src, ip.dst] {
            match addr {
                std::net::IpAddr::V4(a) => pseudo.extend(a.octets()),
                std::net::IpAddr::V6(a) => pseudo.extend(a.octets()),
            }
        }
        pseudo.extend((ip.length as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, ip.protocol]);
        Some(checksum(&[&pseudo, ip.body]))
    }

    /// A checksum that is in the packet, and what it should be, from the sum over everything.
    pub(super) fn corrected(is: u16, sum: u16) -> u16 {
        // Taking a word out of a one's complement sum is adding its complement.
        let total = u32::from(!sum) + u32::from(!is);
        let folded = (total & 0xffff) + (total >> 16);
        !(folded as u16)
    }
}

fn protocol_name(n: u8) -> &'static str {
    match n {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        44 => "Fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        _ => "unknown",
    }
}
