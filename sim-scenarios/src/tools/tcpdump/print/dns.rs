//! DNS messages.

use super::Printer;
use crate::tools::tcpdump::view::{u16_at, u32_at, v4_at, v6_at};

const OPCODES: [&str; 6] = ["", " inv_q", " stat", " op3", " notify", " update"];
const RCODES: [&str; 11] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
];

/// Pointers in a name.
const JUMPS: usize = 32;

impl Printer<'_> {
    /// A message from its identifier on, and its length.
    pub(super) fn dns(&mut self, b: &[u8]) {
        match message(b, self.style.verbose) {
            Ok(text) => self.put(format!("{text} ({})", b.len())),
            Err(text) => self.put(format!("{text} [|domain]")),
        }
    }
}

/// The text of a message; an error is what could be read before it was cut short.
fn message(b: &[u8], verbose: u8) -> Result<String, String> {
    let word = |at| u16_at(b, at).ok_or_else(String::new);
    let (id, flags) = (word(0)?, word(2)?);
    let counts = [word(4)?, word(6)?, word(8)?, word(10)?];
    let [questions, answers, authority, additional] = counts;
    let opcode = OPCODES.get(usize::from(flags >> 11 & 15)).copied().unwrap_or(" op?");
    let rcode = RCODES.get(usize::from(flags & 15)).copied().unwrap_or(" Resp?");
    let mark = |bit: u16, sign: &'static str| if flags & bit != 0 { sign } else { "" };
    let mut at = 12;
    let mut text;
    if flags & 0x8000 != 0 {
        let recursion = if flags & 0x80 == 0 { "-" } else { "" };
        text = format!(
            "{id}{opcode}{rcode}{}{recursion}{}{}",
            mark(0x400, "*"),
            mark(0x200, "|"),
            mark(0x20, "$")
        );
        if questions != 1 {
            text += &format!(" [{questions}q]");
        }
        for i in 0..questions {
            let asked = question(b, &mut at).ok_or_else(|| text.clone())?;
            if verbose > 1 {
                text += if i == 0 { " q: " } else { ", " };
                text += &asked;
            }
        }
        text += &format!(" {answers}/{authority}/{additional}");
        records(b, &mut at, answers, verbose, &mut text)?;
    } else {
        text = format!("{id}{opcode}{rcode}{}{}", mark(0x100, "+"), mark(0x10, "%"));
        for (count, sign) in [(answers, "a"), (authority, "n"), (additional, "au")] {
            if count > 0 {
                text += &format!(" [{count}{sign}]");
            }
        }
        if questions != 1 {
            text += &format!(" [{questions}q]");
        }
        for i in 0..questions {
            let asked = question(b, &mut at).ok_or_else(|| text.clone())?;
            text += if i == 0 { " " } else { "," };
            text += &asked;
        }
        skip(b, &mut at, answers);
    }
    if verbose > 1 {
        for (count, title) in [(authority, " ns:"), (additional, " ar:")] {
            if count > 0 {
                text += title;
            }
            records(b, &mut at, count, verbose, &mut text)?;
        }
    }
    Ok(text)
}

fn records(b: &[u8], at: &mut usize, count: u16, verbose: u8, text: &mut String) -> Result<(), String> {
    for i in 0..count {
        let one = record(b, at, verbose).ok_or_else(|| text.clone())?;
        *text += if i == 0 { " " } else { ", " };
        *text += &one;
    }
    Ok(())
}

fn skip(b: &[u8], at: &mut usize, count: u16) {
    for _ in 0..count {
        if record(b, at, 0).is_none() {
            return;
        }
    }
}

fn question(b: &[u8], at: &mut usize) -> Option<String> {
    let name = name(b, at)?;
    let (kind, class) = (u16_at(b, *at)?, u16_at(b, *at + 2)?);
    *at += 4;
    let class = if class == 1 { String::new() } else { format!(" {}", class_name(class)) };
    Some(format!("{}{class}? {name}", type_name(kind)))
}

fn record(b: &[u8], at: &mut usize, verbose: u8) -> Option<String> {
    let owner = name(b, at)?;
    let (kind, class, ttl) = (u16_at(b, *at)?, u16_at(b, *at + 2)?, u32_at(b, *at + 4)?);
    let length = usize::from(u16_at(b, *at + 8)?);
    let start = *at + 10;
    let data = b.get(start..start + length)?;
    *at = start + length;
    let mut p = start;
    let mut text = if verbose > 0 { format!("{owner} ") } else { String::new() };
    if kind == 41 {
        return Some(text + &opt(class, ttl, data, verbose));
    }
    if class != 1 {
        text += &format!("{} ", class_name(class));
    }
    if verbose > 2 {
        text += &format!("[{}] ", period(ttl));
    }
    text += &type_name(kind);
    text += &match kind {
        1 => format!(" {}", v4_at(b, start)?),
        28 => format!(" {}", v6_at(b, start)?),
        2 | 5 | 12 => format!(" {}", name(b, &mut p)?),
        6 if verbose > 0 => {
            let (m, r) = (name(b, &mut p)?, name(b, &mut p)?);
            let numbers: Option<Vec<String>> =
                (0..5).map(|i| u32_at(b, p + i * 4).map(|n| n.to_string())).collect();
            format!(" {m} {r} {}", numbers?.join(" "))
        }
        15 => {
            p += 2;
            format!(" {} {}", name(b, &mut p)?, u16_at(b, start)?)
        }
        16 => strings(data),
        33 => {
            p += 6;
            let (priority, weight, port) = (u16_at(b, start)?, u16_at(b, start + 2)?, u16_at(b, start + 4)?);
            format!(" {}:{port} {priority} {weight}", name(b, &mut p)?)
        }
        _ => String::new(),
    };
    Some(text)
}

/// RFC 6891.
fn opt(size: u16, flags: u32, mut data: &[u8], verbose: u8) -> String {
    let mut text = format!("OPT UDPsize={size}");
    if flags & 0x8000 != 0 {
        text += " DO";
    }
    let mut options = Vec::new();
    while let (Some(code), Some(length)) = (u16_at(data, 0), u16_at(data, 2)) {
        let value = data.get(4..4 + usize::from(length)).unwrap_or_default();
        let digits: String = value.iter().map(|b| format!("{b:02x}")).collect();
        let name = match code {
            3 => "NSID",
            8 => "ECS",
            10 => "COOKIE",
            11 => "KEEPALIVE",
            12 => "PADDING",
            15 => "EDE",
            _ => "Opt",
        };
        options.push(format!("{name} {digits}").trim_end().to_owned());
        data = data.get(4 + usize::from(length)..).unwrap_or_default();
    }
    if verbose > 0 && !options.is_empty() {
        text += &format!(" [{}]", options.join(","));
    }
    text
}

fn strings(mut data: &[u8]) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = data.split_first() {
        let (one, after) = rest.split_at(usize::from(*length).min(rest.len()));
        text += &format!(" \"{}\"", String::from_utf8_lossy(one));
        data = after;
    }
    text
}

/// A name with its final dot.
fn name(b: &[u8], at: &mut usize) -> Option<String> {
    let mut text = String::new();
    let mut p = *at;
    let mut jumps = 0;
    loop {
        let length = *b.get(p)?;
        match length {
            0 => {
                if jumps == 0 {
                    *at = p + 1;
                }
                break;
            }
            0xc0.. => {
                if jumps == 0 {
                    *at = p + 2;
                }
                jumps += 1;
                if jumps > JUMPS {
                    return None;
                }
                p = usize::from(u16_at(b, p)? & 0x3fff);
            }
            _ => {
                let label = b.get(p + 1..p + 1 + usize::from(length))?;
                text += &String::from_utf8_lossy(label);
                text.push('.');
                p += 1 + usize::from(length);
            }
        }
    }
    Some(if text.is_empty() { ".".to_owned() } else { text })
}

fn type_name(kind: u16) -> String {
    let known = match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        41 => "OPT",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        n => return format!("Type{n}"),
    };
    known.to_owned()
}

fn class_name(class: u16) -> String {
    match class {
        1 => "IN".to_owned(),
        3 => "CHAOS".to_owned(),
        4 => "HS".to_owned(),
        255 => "ANY".to_owned(),
        n => format!("(Class {n})"),
    }
}

/// `1d2h3m4s`, as `unsigned_relts_print` writes it.
fn period(seconds: u32) -> String {
    if seconds == 0 {
        return "0s".to_owned();
    }
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, letter) in [(604_800, 'w'), (86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        if rest / unit > 0 {
            text += &format!("{}{letter}", rest / unit);
        }
        rest %= unit;
    }
    text
}
