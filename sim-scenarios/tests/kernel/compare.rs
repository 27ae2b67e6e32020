//! What the two sides saw, made comparable.
//!
//! Ports that neither the lab nor the probe names were drawn by somebody and become `*`. Frames of an interface and direction
//! are a set: the order between interfaces is only that of the capture, and that of one interface is the same unless two processors
//! worked at it. Of TCP only SYN and RST are looked at, because segments are cut and acknowledged as time allows; ICMP messages about other segments are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::side::Observation;
use crate::sim::Seen;

/// Ports that mean something.
pub(crate) type Known = BTreeSet<u16>;

/// Every number in a text that can be a port. Of those below 1024, from which NAT draws for ports below 512, only a Service's own count.
pub(crate) fn numbers(text: &str) -> Known {
    let all = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let own = text
        .split(" port: ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()));
    all.filter(|n| *n > 1023).chain(own).collect()
}

/// Names of places that do not change with the draws of a cluster.
pub(crate) type Places = BTreeMap<String, String>;

/// Makes an observation of what was seen.
pub(crate) fn observation(lines: &[String], seen: &Seen, known: &Known, places: &Places) -> Observation {
    let place = |key: &String| {
        let (at, direction) = key.split_once(' ').map_or((key.as_str(), ""), |(at, d)| (at, d));
        let (ns, dev) = at.split_once('|').unwrap_or((at, ""));
        let name = |at: &str, own: &str| places.get(at).cloned().unwrap_or_else(|| own.to_owned());
        [name(ns, ns), name(at, dev), direction.to_owned()].join(" ").trim_end().to_owned()
    };
    let lists =
        |map: &BTreeMap<String, Vec<String>>, keep: fn(&str) -> bool| -> BTreeMap<String, Vec<String>> {
            let list = |l: &Vec<String>| {
                let mut list: Vec<String> = l
                    .iter()
                    .map(|l| plain(l))
                    .filter(|l| keep(l))
                    .map(|l| quotation(deep(mask(&l, known))))
                    .collect();
                list.sort();
                let counts_once = |a: &String| [SEGMENT, DEEP, RESET].iter().any(|part| a.contains(part));
                list.dedup_by(|a, b| a == b && counts_once(a));
                list
            };
            map.iter().map(|(k, l)| (place(k), list(l))).filter(|(_, l)| !l.is_empty()).collect()
        };
    Observation {
        lines: lines.iter().map(|l| mask(l, known)).collect(),
        frames: lists(&seen.frames, shown),
        conntrack: lists(&seen.conntrack, |_| true),
    }
}

/// A reset. Each segment that nobody expects is answered by one; how many are on their way when the first is read is a matter of time.
const RESET: &str = " tcp R ttl ";
/// Stands for a TCP segment without SYN or RST that an ICMP message quotes.
const SEGMENT: &str = " tcp segment]";

/// An ICMP message about a TCP segment without SYN or RST says nothing about how the data was cut, and counts once: what a kernel sends as
/// one long packet for its network card to cut is too long as a whole (`skb_gso_validate_network_len`).
fn quotation(line: String) -> String {
    let Some((before, quoted)) = line.split_once(" about [") else { return line };
    let Some((flow, rest)) = quoted.split_once(" tcp ") else { return line };
    match rest.split_once(']') {
        Some((flags, rest)) if !flags.contains(['S', 'R']) => {
            format!("{before} about [{flow}{SEGMENT}{rest}")
        }
        _ => line,
    }
}

/// Stands for what errors about errors quote.
const DEEP: &str = " about […]";

/// A tunnel that is led astray carries ICMP errors, about which others are sent, without end: they count once.
fn deep(line: String) -> String {
    match line.match_indices(" about [").nth(2) {
        Some((at, _)) => format!("{}{DEEP}", &line[..at]),
        None => line,
    }
}

/// A datagram that is not for the port of tunnels is read as any other.
fn plain(line: &str) -> String {
    const INNER: &str = " udp vxlan[";
    let mut line = line.to_owned();
    let stray =
        |line: &str| line.match_indices(INNER).map(|(at, _)| at).find(|at| !line[..*at].ends_with(":8472"));
    while let Some(at) = stray(&line) {
        let start = at + INNER.len();
        let mut depth = 1;
        let end = line[start..].find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        let Some(end) = end else { break };
        line.replace_range(at + " udp".len()..=start + end, "");
    }
    line
}

/// Whether a frame is looked at.
fn shown(line: &str) -> bool {
    if line.contains(" vxlan[") {
        let inner = line.split_once(" vxlan[").map_or("", |(_, i)| i);
        return shown(inner);
    }
    // The flags of a quoted packet are not the packet's own.
    let own = !line.contains(" icmp ") && !line.contains(" icmp6 ");
    let flags = line.split_once(" tcp ").and_then(|(_, r)| r.split(' ').next());
    !own || flags.is_none_or(|f| f.contains(['S', 'R']))
}

/// Replaces ports that nobody chose, and echo ids, by `*`.
fn mask(text: &str, known: &Known) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| at + n);
        let number = &rest[at..end];
        let port = out.ends_with("port=") || addressed(&out);
        let random = number.parse::<u16>().is_ok_and(|n| !known.contains(&n));
        let id = out.ends_with(" id=") && random;
        out.push_str(if id || (port && random) { "*" } else { number });
        rest = &rest[end..];
    }
    piece(out + rest)
}

/// Whether a port follows: an address has ended with a colon, `[…]:` or `10.0.0.1:`.
fn addressed(out: &str) -> bool {
    let word = out.rsplit([' ', '[']).next().unwrap_or(out);
    out.ends_with("]:") || (word.ends_with(':') && word.contains('.'))
}

/// A capture shares memory with the packet: of a piece that is not the first, addresses and TTL may be those that the packet it became
/// part of has got since.
fn piece(text: String) -> String {
    let Some(at) = text.find(" frag(off ").filter(|at| !text[at + " frag(off ".len()..].starts_with("0 "))
    else {
        return text;
    };
    // In a tunnel or a quotation only the inner packet is such a piece.
    let start = text[..at].rfind('[').map_or(0, |i| i + 1);
    let protocol = text[..at].rfind(' ').map_or("", |i| &text[i..at]);
    let end = text[at..].find(')').map_or(text.len(), |i| at + i + 1);
    let close = if start > 0 { "]" } else { "" };
    format!("{}a piece of{protocol}{}{close}", &text[..start], &text[at..end])
}

/// Where two observations differ.
pub(crate) fn difference(kernel: &Observation, simulator: &Observation) -> String {
    let mut out = String::new();
    if kernel.lines != simulator.lines {
        show(&mut out, "what client and servers saw", &kernel.lines, &simulator.lines);
    }
    maps(&mut out, &kernel.frames, &simulator.frames, "frames at ");
    maps(&mut out, &kernel.conntrack, &simulator.conntrack, "conntrack of ");
    out
}

fn maps(out: &mut String, a: &BTreeMap<String, Vec<String>>, b: &BTreeMap<String, Vec<String>>, what: &str) {
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let empty = Vec::new();
        let (k, s) = (a.get(key).unwrap_or(&empty), b.get(key).unwrap_or(&empty));
        if k != s {
            show(out, &format!("{what}{key}"), k, s);
        }
    }
}

fn show(out: &mut String, what: &str, kernel: &[String], simulator: &[String]) {
    let _ = writeln!(out, "{what}");
    for (who, list) in [("kernel", kernel), ("simulator", simulator)] {
        let text = if list.is_empty() { "nothing".to_owned() } else { list.join("\n      ") };
        let _ = writeln!(out, "    {who}:\n      {text}");
    }
}
