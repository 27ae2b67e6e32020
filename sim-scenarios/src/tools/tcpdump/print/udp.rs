//! UDP, and tunnels in it.

use super::Printer;
use crate::tools::tcpdump::view::{Ip, u16_at, u32_at};

/// Cisco's overlay transport virtualisation, by whose port Linux' own VXLAN goes.
const OTV: u16 = 8472;
const VXLAN: u16 = 4789;

impl Printer<'_> {
    /// From the colon on.
    pub(super) fn udp_body(&mut self, ip: &Ip<'_>) {
        let b = ip.body;
        let (Some(sport), Some(dport), Some(length), Some(is)) =
            (u16_at(b, 0), u16_at(b, 2), u16_at(b, 4), u16_at(b, 6))
        else {
            return self.put("[|udp]");
        };
        let length = usize::from(length).saturating_sub(8);
        let data = b.get(8..).unwrap_or_default();
        if self.style.quick {
            return self.put(format!("UDP, length {length}"));
        }
        // Over IPv4, where it may be left out, the checksum is told only on asking twice.
        let asked = self.style.verbose > u8::from(ip.src.is_ipv4());
        if asked && !self.style.unchecked {
            match Self::sum(ip) {
                Some(_) if is == 0 && ip.src.is_ipv4() => self.put("[no cksum] "),
                Some(0) => self.put("[udp sum ok] "),
                Some(sum) => {
                    let right = Self::corrected(is, sum);
                    self.put(format!("[bad udp cksum 0x{is:04x} -> 0x{right:04x}!] "));
                }
                None => {}
            }
        }
        match (sport, dport) {
            (53 | 5353, _) | (_, 53 | 5353) if length < 12 => {
                self.put(format!("domain [length {length} < 12] (invalid)"));
            }
            (53 | 5353, _) | (_, 53 | 5353) => self.dns(data),
            (_, OTV) | (OTV, _) => self.tunnel(data, true),
            (_, VXLAN) => self.tunnel(data, false),
            _ => self.put(format!("UDP, length {length}")),
        }
    }

    fn tunnel(&mut self, data: &[u8], otv: bool) {
        let (Some(&flags), Some(first), Some(second), Some(frame)) =
            (data.first(), u32_at(data, 0), u32_at(data, 4), data.get(8..))
        else {
            return self.put(if otv { "OTV,  [|otv]" } else { "VXLAN,  [|vxlan]" });
        };
        let letter = if flags & 8 != 0 { "I" } else { "." };
        let network = second >> 8;
        self.put(if otv {
            format!(
                "OTV, flags [{letter}] (0x{flags:02x}), overlay {}, instance {network}\n",
                first & 0xff_ffff
            )
        } else {
            format!("VXLAN, flags [{letter}] (0x{flags:02x}), vni {network}\n")
        });
        self.ethernet(frame, frame.len());
    }
}
