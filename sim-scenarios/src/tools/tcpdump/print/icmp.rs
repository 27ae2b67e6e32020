//! ICMP.

use sim_core::packet::bytes::checksum;

use super::Printer;
use crate::tools::tcpdump::view::{self, Ip, u16_at, v4_at};

impl Printer<'_> {
    pub(super) fn icmp(&mut self, ip: &Ip<'_>) {
        let b = ip.body;
        let (Some(&kind), Some(&code), Some(id), Some(seq)) =
            (b.first(), b.get(1), u16_at(b, 4), u16_at(b, 6))
        else {
            return self.put("[|icmp]");
        };
        let quote = b.get(8..).and_then(view::ip);
        let text = match (kind, code, quote) {
            (0, ..) => format!("echo reply, id {id}, seq {seq}"),
            (8, ..) => format!("echo request, id {id}, seq {seq}"),
            (3, _, Some(q)) => self.unreachable(code, seq, &q),
            (5, _, Some(q)) => {
                let what = ["net", "host", "tos-net", "tos-host"].get(usize::from(code)).unwrap_or(&"?");
                let gateway = v4_at(b, 4).map_or(String::new(), |a| self.host(a.into()));
                let dst = self.host(q.dst);
                format!("redirect {dst} to {what} {gateway}")
            }
            (11, 0, _) => "time exceeded in-transit".to_owned(),
            (11, 1, _) => "ip reassembly time exceeded".to_owned(),
            (11, n, _) => format!("time exceeded-#{n}"),
            (13, ..) => format!("time stamp query id {id} seq {seq}"),
            (4, ..) => "source quench".to_owned(),
            (9, ..) => "router advertisement".to_owned(),
            (10, ..) => "router solicitation".to_owned(),
            (17, ..) => "address mask request".to_owned(),
            (n, c, _) => format!("type-#{n}, code {c}"),
        };
        self.put(format!("ICMP {text}, length {}", ip.length));
        if self.style.verbose == 0 {
            return;
        }
        let whole = !ip.more && ip.body.len() >= ip.length;
        let sum = checksum(&[b]);
        if whole && !self.style.unchecked && sum != 0 {
            let is = u16_at(b, 2).unwrap_or(0);
            let right = Self::corrected(is, sum);
            self.put(format!(" (wrong icmp cksum {is:x} (->{right:x})!)"));
        }
        if matches!(kind, 3 | 4 | 5 | 11 | 12) {
            self.put("\n\tIP ");
            self.ipv4(&b[8..]);
        }
    }

    fn unreachable(&mut self, code: u8, mtu: u16, q: &Ip<'_>) -> String {
        let dst = self.host(q.dst);
        match code {
            0 => format!("net {dst} unreachable"),
            1 => format!("host {dst} unreachable"),
            2 => format!("{dst} protocol {} unreachable", q.protocol),
            3 => {
                let name = match q.protocol {
                    6 => "tcp",
                    17 => "udp",
                    n => {
                        return format!(
                            "{dst} protocol {n} port {} unreachable",
                            u16_at(q.body, 2).unwrap_or(0)
                        );
                    }
                };
                let port = self.port(u16_at(q.body, 2).unwrap_or(0), q.protocol == 17);
                format!("{dst} {name} port {port} unreachable")
            }
            4 if mtu > 0 => format!("{dst} unreachable - need to frag (mtu {mtu})"),
            4 => format!("{dst} unreachable - need to frag"),
            5 => format!("{dst} unreachable - source route failed"),
            6 => format!("net {dst} unreachable - unknown"),
            7 => format!("host {dst} unreachable - unknown"),
            9 => format!("net {dst} unreachable - admin prohibited"),
            10 => format!("host {dst} unreachable - admin prohibited"),
            13 => format!("host {dst} unreachable - admin prohibited filter"),
            n => format!("{dst} unreachable - #{n}"),
        }
    }
}
