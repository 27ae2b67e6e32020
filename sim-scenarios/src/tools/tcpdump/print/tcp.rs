//! TCP, and HTTP in it.

use std::net::IpAddr;

use super::Printer;
use crate::tools::tcpdump::view::{Ip, u16_at, u32_at};

/// A conversation, the same for both directions.
pub(super) type Key = (IpAddr, u16, IpAddr, u16);

/// The numbers from which those shown count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    seq: u32,
    ack: u32,
}

const SYN: u8 = 2;
const FIN_SYN_RST: u8 = 7;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Ports behind which HTTP is looked for.
const HTTP: [u16; 3] = [80, 8080, 3128];

impl Printer<'_> {
    /// From the flags on.
    pub(super) fn tcp_body(&mut self, ip: &Ip<'_>) {
        let b = ip.body;
        let (Some(sport), Some(dport), Some(seq), Some(ack)) =
            (u16_at(b, 0), u16_at(b, 2), u32_at(b, 4), u32_at(b, 8))
        else {
            return self.put("[|tcp]");
        };
        let (Some(&offset), Some(&flags), Some(window)) = (b.get(12), b.get(13), u16_at(b, 14)) else {
            return self.put("[|tcp]");
        };
        let header = usize::from(offset >> 4) * 4;
        let Some(length) = ip.length.checked_sub(header).filter(|_| header >= 20) else {
            return self.put(format!("tcp {} [bad hdr length {header} - too short, < 20]", ip.length));
        };
        if self.style.quick {
            return self.put(format!("tcp {length}"));
        }
        let (seq, ack) = self.relative(ip, (sport, dport), flags, seq, ack);
        self.put(format!("Flags [{}]", flag_letters(flags)));
        if self.style.verbose > 0
            && !self.style.unchecked
            && let Some(sum) = Self::sum(ip)
        {
            let is = u16_at(b, 16).unwrap_or(0);
            self.put(if sum == 0 {
                format!(", cksum 0x{is:04x} (correct)")
            } else {
                format!(", cksum 0x{is:04x} (incorrect -> 0x{:04x})", Self::corrected(is, sum))
            });
        }
        if self.style.verbose > 1 || length > 0 || flags & FIN_SYN_RST != 0 {
            self.put(format!(", seq {seq}"));
            if length > 0 {
                self.put(format!(":{}", seq.wrapping_add(length as u32)));
            }
        }
        if flags & ACK != 0 {
            self.put(format!(", ack {ack}"));
        }
        self.put(format!(", win {window}"));
        if flags & 32 != 0 {
            self.put(format!(", urg {}", u16_at(b, 18).unwrap_or(0)));
        }
        if header > 20 {
            let options = options(b.get(20..header.min(b.len())).unwrap_or_default());
            self.put(format!(", options [{options}]"));
        }
        self.put(format!(", length {length}"));
        let data = b.get(header..).unwrap_or_default();
        if length > 0 && flags & RST == 0 {
            self.tcp_data(sport, dport, data);
        }
    }

    fn tcp_data(&mut self, sport: u16, dport: u16, data: &[u8]) {
        if HTTP.contains(&sport) || HTTP.contains(&dport) {
            self.put(": ");
            let text = http(data, self.style.verbose > 0);
            self.put(text);
        } else if sport == 53 || dport == 53 {
            self.put(" ");
            match data.get(2..) {
                Some(message) if message.len() >= 12 => self.dns(message),
                _ => self.put("[|domain]"),
            }
        }
    }

    /// Numbers that count from the first ones seen (`-S` keeps them).
    fn relative(&mut self, ip: &Ip<'_>, ports: (u16, u16), flags: u8, seq: u32, ack: u32) -> (u32, u32) {
        if self.style.absolute || flags & ACK == 0 {
            return (seq, ack);
        }
        let ours = (ip.src, ports.0, ip.dst, ports.1);
        let theirs = (ip.dst, ports.1, ip.src, ports.0);
        let reverse = (ip.src, ports.0) > (ip.dst, ports.1);
        let key = if reverse { theirs } else { ours };
        match self.state.conversations.get(&key) {
            Some(n) if flags & SYN == 0 => {
                let (s, a) = if reverse { (n.ack, n.seq) } else { (n.seq, n.ack) };
                (seq.wrapping_sub(s), ack.wrapping_sub(a))
            }
            _ => {
                let before = ack.wrapping_sub(1);
                let (s, a) = if reverse { (before, seq) } else { (seq, before) };
                self.state.conversations.insert(key, Numbers { seq: s, ack: a });
                (seq, ack)
            }
        }
    }
}

fn flag_letters(flags: u8) -> String {
    let letters: String =
        "FSRP.UEW".chars().enumerate().filter(|(i, _)| flags >> i & 1 == 1).map(|(_, c)| c).collect();
    if letters.is_empty() { "none".to_owned() } else { letters }
}

fn options(mut b: &[u8]) -> String {
    let mut words = Vec::new();
    while let [kind, rest @ ..] = b {
        match kind {
            0 => {
                words.push("eol".to_owned());
                break;
            }
            1 => {
                words.push("nop".to_owned());
                b = rest;
                continue;
            }
            _ => {}
        }
        let length = rest.first().map_or(0, |n| usize::from(*n));
        let Some(option) = b.get(..length).filter(|o| o.len() >= 2) else {
            words.push("[bad opt]".to_owned());
            break;
        };
        words.push(match kind {
            2 => format!("mss {}", u16_at(option, 2).unwrap_or(0)),
            3 => format!("wscale {}", option.get(2).copied().unwrap_or(0)),
            4 => "sackOK".to_owned(),
            5 => {
                let blocks: String = option[2..]
                    .chunks_exact(8)
                    .map(|c| format!("{{{}:{}}}", u32_at(c, 0).unwrap_or(0), u32_at(c, 4).unwrap_or(0)))
                    .collect();
                format!("sack {} {blocks}", (length - 2) / 8)
            }
            8 => {
                format!("TS val {} ecr {}", u32_at(option, 2).unwrap_or(0), u32_at(option, 6).unwrap_or(0))
            }
            n => format!("unknown-{n}"),
        });
        b = &b[length..];
    }
    words.join(",")
}

/// What tcpdump tells of HTTP: the first line of a request or response, or all lines of its head.
fn http(data: &[u8], verbose: bool) -> String {
    const METHODS: [&str; 8] = ["GET", "PUT", "COPY", "HEAD", "POST", "MOVE", "DELETE", "OPTIONS"];
    const MORE: [&str; 7] = ["CONNECT", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "LOCK"];
    let first = data.split(|b| *b == b'\n').next().unwrap_or_default();
    let words: Vec<&[u8]> = first.split(u8::is_ascii_whitespace).collect();
    let word = words.first().copied().unwrap_or_default();
    let code = words.get(1).copied().unwrap_or_default();
    let starts = METHODS.iter().chain(&MORE).any(|m| m.as_bytes() == word)
        || (word.starts_with(b"HTTP/") && code.len() == 3 && code.iter().all(u8::is_ascii_digit));
    if !starts {
        return "HTTP".to_owned();
    }
    let line =
        |bytes: &[u8]| String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned();
    if !verbose {
        return format!("HTTP: {}", line(first));
    }
    let mut text = format!("HTTP, length: {}", data.len());
    let mut rest = data;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n');
        let bytes = &rest[..end.unwrap_or(rest.len())];
        let shown = line(bytes);
        if shown.chars().any(|c| c.is_control() && c != '\t') || !shown.is_ascii() {
            break;
        }
        text.push_str("\n\t");
        text.push_str(&shown);
        let Some(end) = end else {
            text.push_str(" [|http]");
            break;
        };
        rest = &rest[end + 1..];
    }
    text
}
