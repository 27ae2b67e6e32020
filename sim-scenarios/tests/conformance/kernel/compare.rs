//! Compares what the simulator did with what the kernel did.
//!
//! Ports that the kernel drew at random, and echo ids, are compared as patterns: every port above 1023 that the case does not
//! name becomes `*`. Frames are compared interface by interface, each in its own order, because the order between interfaces is
//! only that of the capture.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::probe::Observed;
use super::topology::Lab;

/// Everything that the case records.
pub(crate) fn all(lab: &Lab, case: &Value, got: &Observed, frames: &[String]) -> Result<(), String> {
    let known = known_ports(case);
    observed(&case["observed"], &got.value, &known)?;
    if let Some(want) = case["packet_trace"].as_array() {
        let want: Vec<&str> = want.iter().filter_map(Value::as_str).collect();
        let target = case["probe"]["dst"].as_str().unwrap_or_default();
        trace(&want, frames, &known, target)?;
    }
    if case["conntrack"].is_object() {
        conntrack(lab, &case["conntrack"], &known)?;
    }
    Ok(())
}

/// Ports that mean something in this case.
fn known_ports(case: &Value) -> BTreeSet<u16> {
    let mut known = BTreeSet::from([8080, 5353, 8472, 53, 80, 443]);
    let probe = &case["probe"];
    known.extend([&probe["port"], &probe["sport"]].into_iter().filter_map(Value::as_u64).map(|p| p as u16));
    let client: Option<u16> =
        case["observed"]["client_addr"].as_str().and_then(|a| a.rsplit(':').next()?.parse().ok());
    known.extend(client);
    known
}

/// Replaces numbers after `:`, `sport=`, `dport=` and `id=` that nobody chose by `*`.
fn mask(text: &str, known: &BTreeSet<u16>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| at + n);
        let number = &rest[at..end];
        let is_id = out.ends_with(" id=");
        let is_port = out.ends_with("port=") || (out.ends_with(':') && !rest[end..].starts_with(':'));
        let random = number.parse::<u16>().is_ok_and(|n| n > 1023 && !known.contains(&n));
        out.push_str(if is_id || (is_port && random) { "*" } else { number });
        rest = &rest[end..];
    }
    out + rest
}

fn observed(want: &Value, got: &Value, known: &BTreeSet<u16>) -> Result<(), String> {
    // The rest of what the recording lists under `observed` is read off the trace, which is compared below.
    const KEYS: [&str; 10] = [
        "result",
        "errno",
        "client_addr",
        "answered_by",
        "server_saw",
        "icmp_errors",
        "icmp",
        "from_",
        "reply_from",
        "reply_ttl",
    ];
    for key in KEYS {
        let text =
            |v: &Value| if v.is_null() { "nothing".to_owned() } else { mask(&v[key].to_string(), known) };
        if text(want) != text(got) {
            return Err(format!("{key}: the kernel said {}, the simulator {}", want[key], got[key]));
        }
    }
    Ok(())
}

fn trace(want: &[&str], got: &[String], known: &BTreeSet<u16>, target: &str) -> Result<(), String> {
    let arp = want.iter().any(|l| l.contains(" arp "));
    let noise = arp_noise(want, got);
    let cut = want.last().and_then(|l| l.strip_prefix("... ")).is_some();
    let keep = |l: &&str| !l.starts_with("... ") && !is_noise(l, &noise) && !is_straggler(l, want, target);
    let want: Vec<&str> = want.iter().copied().filter(keep).collect();
    let got: Vec<&str> =
        got.iter().map(String::as_str).filter(|l| shown(l, arp) && !is_noise(l, &noise)).collect();
    let got = if cut { &got[..got.len().min(want.len())] } else { &got[..] };
    let (want, got) = (by_interface(&want, known), by_interface(got, known));
    if want == got {
        return Ok(());
    }
    let mut report = String::from("frames differ\n");
    for place in want.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
        let (w, g) = (want.get(place), got.get(place));
        if w != g {
            let list =
                |l: Option<&Vec<String>>| l.map_or_else(|| "    nothing".to_owned(), |l| l.join("\n    "));
            report += &format!("  {place}\n   kernel:\n    {}\n   simulator:\n    {}\n", list(w), list(g));
        }
    }
    Err(report)
}

/// Addresses whose ARP exchanges depend on what earlier probes of the recording left in the caches: asked for and answered on one
/// side only. Who never answers is asked for on both sides alike.
fn arp_noise(want: &[&str], got: &[String]) -> BTreeSet<(String, String)> {
    let (w, g) = (Asked::of(want.iter().copied()), Asked::of(got.iter().map(String::as_str)));
    let answered = |pair: &&(String, String)| w.answered.contains(&pair.0) || g.answered.contains(&pair.0);
    w.pairs.symmetric_difference(&g.pairs).filter(answered).cloned().collect()
}

#[derive(Default)]
struct Asked {
    /// Who was asked for, by whom.
    pairs: BTreeSet<(String, String)>,
    answered: BTreeSet<String>,
}

impl Asked {
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut asked = Self::default();
        for line in lines {
            match arp_words(line)[..] {
                ["who-has", target, "tell", by] => {
                    asked.pairs.insert((target.to_owned(), by.to_owned()));
                }
                ["reply", target, ..] => {
                    asked.answered.insert(target.to_owned());
                }
                _ => {}
            }
        }
        asked
    }
}

/// Whether an ICMP error is about a packet to an address that neither the probe nor any other packet of the recording is for: it is late news of the probe before.
fn is_straggler(line: &str, all: &[&str], target: &str) -> bool {
    let Some((_, quote)) = line.split_once("about [") else { return false };
    let Some(to) = quote.split(" > ").nth(1).and_then(|r| r.split([':', ' ']).next()) else { return false };
    let for_it = |l: &&&str| !l.contains("about [") && l.contains(&format!(" > {to}"));
    to != target && !all.iter().any(|l| for_it(&l))
}

fn arp_words(line: &str) -> Vec<&str> {
    line.split_once(" arp ").map_or_else(Vec::new, |(_, r)| r.split(' ').collect())
}

fn is_noise(line: &str, noise: &BTreeSet<(String, String)>) -> bool {
    match arp_words(line)[..] {
        ["who-has", target, "tell", by] => noise.contains(&(target.to_owned(), by.to_owned())),
        ["reply", target, ..] => noise.iter().any(|(t, _)| t == target),
        _ => false,
    }
}

/// ARP only where the recording shows it, TCP only with SYN or RST.
fn shown(line: &str, arp: bool) -> bool {
    if line.contains(" arp ") {
        return arp;
    }
    let flags = line.split_once(" tcp ").and_then(|(_, r)| r.split(' ').next());
    // A quoted packet's flags are not the packet's own.
    let own = !line.contains(" icmp ");
    !own || flags.is_none_or(|f| f.contains(['S', 'R']))
}

fn by_interface(lines: &[&str], known: &BTreeSet<u16>) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let (place, packet) = line.split_once(' ').unwrap_or((line, ""));
        map.entry(place.to_owned()).or_default().push(mask(packet, known));
    }
    map
}

fn conntrack(lab: &Lab, want: &Value, known: &BTreeSet<u16>) -> Result<(), String> {
    for node in &lab.nodes {
        let ns = lab.world.ns(lab.ns(&node.name)?);
        let now = lab.world.now();
        let live = ns.conntrack.iter().filter(|(_, c)| !c.is_expired(now));
        let mut got: Vec<String> = live.map(|(_, c)| mask(&c.tuples(), known)).collect();
        let list = want[&node.name].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut want: Vec<String> = list.map(|l| mask(l, known)).collect();
        got.sort();
        want.sort();
        if want != got {
            return Err(format!(
                "conntrack of {}:\n   kernel:\n    {}\n   simulator:\n    {}",
                node.name,
                want.join("\n    "),
                got.join("\n    ")
            ));
        }
    }
    Ok(())
}
