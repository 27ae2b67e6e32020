//! Compares what the simulator did with what the kernel did.
//!
//! Ports that the kernel drew at random, and echo ids, are compared as patterns: every port above 1023 that the case does not
//! name becomes `*`. Frames are compared interface by interface, each in its own order, because the order between interfaces is
//! only that of the capture. When a neighbour is given up and a segment is repeated in one tick, what comes of them has no order
//! between the two directions either. How many segments a stream takes depends on what the kernel leaves to the network card (TSO),
//! so the data of a stream is compared by its sum, and errors about it only by what they say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use sim_core::time::SimTime;

use super::probe::Observed;
use super::topology::Lab;

/// When a frame crossed an interface, and the line about it.
type Frame = (SimTime, String);

/// Everything that the case records.
pub(crate) fn all(lab: &Lab, case: &Value, got: &Observed, frames: &[Frame]) -> Result<(), String> {
    let known = known_ports(case);
    observed(&case["observed"], &got.value, &known)?;
    if let Some(want) = case["packet_trace"].as_array() {
        let want: Vec<&str> = want.iter().filter_map(Value::as_str).collect();
        let target = case["probe"]["dst"].as_str().unwrap_or_default();
        let own = case["observed"]["client_addr"].as_str().and_then(|a| a.rsplit(':').next()?.parse().ok());
        let begun: BTreeSet<u16> =
            want.iter().filter(|l| l.contains(" tcp S ttl")).flat_map(|l| ports(l)).collect();
        let want: Vec<&str> = want.into_iter().filter(|l| !is_of_probe_before(l, own, &begun)).collect();
        if case["probe"]["send"].is_null() {
            trace(&want, frames, &known, target)?;
        } else {
            let want = without_stream(want.iter().map(|l| (SimTime::ZERO, (*l).to_owned())).collect());
            let want: Vec<&str> = want.iter().map(|(_, l)| l.as_str()).collect();
            trace(&want, &without_stream(frames.to_vec()), &known, target)?;
        }
    }
    if case["conntrack"].is_object() {
        conntrack(lab, &case["conntrack"], &known)?;
    }
    Ok(())
}

/// Leaves out a stream's segments in tunnels and their pieces, and all but the first of the errors about them at each interface.
fn without_stream(frames: Vec<Frame>) -> Vec<Frame> {
    let mut errors = BTreeSet::new();
    let flags = |l: &str| Some(l.split_once(" tcp ")?.1.split([' ', ']']).next()?.to_owned());
    let keep = |(at, line): Frame| {
        let data = flags(&line).is_some_and(|f| !f.contains(['S', 'R']));
        if line.contains("about [") && data {
            // Whether a segment pushes depends on how the stream was cut as well.
            let line = line.replace(" tcp AP]", " tcp A]");
            return errors.insert(line.split("] ttl ").next().map(str::to_owned)).then_some((at, line));
        }
        let piece = line.contains(" frag(off ") && !line.contains(" frag(off 0 ");
        let skipped = piece || (line.contains(" vxlan[") && data);
        (!skipped).then_some((at, line))
    };
    frames.into_iter().filter_map(keep).collect()
}

/// Ports that mean something in this case.
pub(crate) fn known_ports(case: &Value) -> BTreeSet<u16> {
    let mut known = BTreeSet::from([8080, 5353, 8472, 53, 80, 443]);
    let probe = &case["probe"];
    known.extend([&probe["port"], &probe["sport"]].into_iter().filter_map(Value::as_u64).map(|p| p as u16));
    let client: Option<u16> =
        case["observed"]["client_addr"].as_str().and_then(|a| a.rsplit(':').next()?.parse().ok());
    known.extend(client);
    let services = case["services"].as_array().into_iter().flatten();
    let ports = services.flat_map(|s| s["ports"].as_array().into_iter().flatten());
    let numbers = ports.flat_map(|p| [&p["port"], &p["targetPort"], &p["nodePort"]]);
    known.extend(numbers.filter_map(Value::as_u64).map(|p| p as u16));
    known
}

/// Replaces numbers after `:`, `sport=`, `dport=` and `id=` that nobody chose by `*`.
pub(crate) fn mask(text: &str, known: &BTreeSet<u16>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| at + n);
        let number = &rest[at..end];
        let is_id = out.ends_with(" id=");
        let is_port = out.ends_with("port=") || (out.ends_with(':') && !rest[end..].starts_with(':'));
        let class = number.parse::<u16>().ok().filter(|n| is_port && !known.contains(n)).map(port_class);
        out.push_str(if is_id { "*" } else { class.unwrap_or(number) });
        rest = &rest[end..];
    }
    nameless_mac(later_piece(out + rest))
}

/// A port drawn at random stays in its range (`nf_nat_l4proto_unique_tuple`).
const fn port_class(port: u16) -> &'static str {
    match port {
        0..512 => "*<512",
        512..1024 => "*<1024",
        _ => "*",
    }
}

/// Pieces that are not the first share their memory with what later hosts make of them: neither their captured TTL nor their captured
/// addresses can be relied on, as the files say of the TTL.
fn later_piece(mut text: String) -> String {
    let mut from = 0;
    while let Some(at) = text[from..].find("frag(off ").map(|n| from + n + "frag(off ".len()) {
        from = at;
        let Some(ttl) = text[at..].find(" ttl ").map(|n| at + n + " ttl ".len()) else { break };
        if text[at..].starts_with("0 ") {
            continue;
        }
        let end = text[ttl..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| ttl + n);
        text.replace_range(ttl..end, "*");
        let plain = !text.contains(['[', ':']);
        if let Some((way, rest)) = text.split_once(' ').filter(|_| plain)
            && let [_, ">", _, ..] = rest.split(' ').collect::<Vec<_>>()[..]
        {
            let kept: Vec<&str> = rest.split(' ').skip(3).collect();
            return format!("{way} * > * {}", kept.join(" "));
        }
    }
    text
}

/// Hardware addresses that the recordings' topology did not choose become `*`.
fn nameless_mac(text: String) -> String {
    match text.split_once(" is-at ") {
        Some((head, mac))
            if !["02:00:00:00:00:", "0a:00:00:00:", "0e:00:00:00:"].iter().any(|p| mac.starts_with(p)) =>
        {
            format!("{head} is-at *")
        }
        _ => text,
    }
}

/// Whether two texts are the same but for what nobody chose.
pub(crate) fn alike_text(want: &str, got: &str, case: &Value) -> bool {
    let known = known_ports(case);
    mask(want, &known) == mask(got, &known)
}

fn observed(want: &Value, got: &Value, known: &BTreeSet<u16>) -> Result<(), String> {
    // The rest of what the recording lists under `observed` is read off the trace, which is compared below.
    const KEYS: [&str; 12] = [
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
        "sent",
        "server_received",
    ];
    // These need not be recorded; every other key that is missing says that it did not happen.
    let noted = |key: &str| !matches!(key, "client_addr" | "answered_by") || !want[key].is_null();
    for key in KEYS.into_iter().filter(|key| noted(key)) {
        let text =
            |v: &Value| if v.is_null() { "nothing".to_owned() } else { mask(&v[key].to_string(), known) };
        if text(want) != text(got) {
            return Err(format!("{key}: the kernel said {}, the simulator {}", want[key], got[key]));
        }
    }
    Ok(())
}

pub(crate) fn trace(want: &[&str], got: &[Frame], known: &BTreeSet<u16>, target: &str) -> Result<(), String> {
    let arp = want.iter().any(|l| l.contains(" arp "));
    let noise = arp_noise(want, got);
    let here: BTreeSet<String> = got.iter().map(|(_, l)| mask(l, known)).collect();
    let all_tcp = want.iter().any(|l| !shown(l, true, false));
    let cut = want.last().and_then(|l| l.strip_prefix("... ")).is_some();
    let keep = |l: &&str| {
        !l.starts_with("... ")
            && !is_noise(l, &noise)
            && (here.contains(&mask(l, known)) || !is_straggler(l, want, target))
    };
    let want: Vec<&str> = want.iter().copied().filter(keep).collect();
    let mut got: Vec<(SimTime, &str)> = got.iter().map(|(t, l)| (*t, l.as_str())).collect();
    let redirected = want.iter().any(|l| is_redirect(l));
    got.retain(|(_, l)| shown(l, arp, all_tcp) && !is_noise(l, &noise) && (redirected || !is_redirect(l)));
    if cut {
        got.truncate(want.len());
    }
    let want = by_interface(want.into_iter().map(|l| (SimTime::ZERO, l)), known);
    let got = by_interface(got.into_iter(), known);
    if want.len() == got.len() && want.iter().all(|(k, w)| got.get(k).is_some_and(|g| alike(w, g))) {
        return Ok(());
    }
    let mut report = String::from("frames differ\n");
    for place in want.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
        let (w, g) = (want.get(place), got.get(place));
        if !w.zip(g).is_some_and(|(w, g)| alike(w, g)) {
            let text = |l: &Vec<Frame>| l.iter().map(|(_, l)| l.as_str()).collect::<Vec<_>>().join("\n    ");
            let list = |l: Option<&Vec<Frame>>| l.map_or_else(|| "    nothing".to_owned(), text);
            report += &format!("  {place}\n   kernel:\n    {}\n   simulator:\n    {}\n", list(w), list(g));
        }
    }
    Err(report)
}

/// Whether the frames of an interface are the same, apart from the order of those that cross it both ways in the instant when a
/// neighbour is given up.
fn alike(want: &[Frame], got: &[Frame]) -> bool {
    let mut rest = want;
    want.len() == got.len()
        && got.chunk_by(|a, b| a.0 == b.0).all(|instant| {
            let (now, later) = rest.split_at(instant.len());
            rest = later;
            let strict = !instant.iter().any(|f| f.1.contains(" icmp host-unreachable"));
            let ways: &[&str] = if strict { &[""] } else { &["in ", "out "] };
            ways.iter().all(|way| {
                let of = |frames: &[Frame]| -> Vec<String> {
                    frames.iter().map(|f| f.1.clone()).filter(|l| l.starts_with(way)).collect()
                };
                of(now) == of(instant)
            })
        })
}

/// Addresses whose ARP exchanges depend on what earlier probes of the recording left in the caches: asked for and answered on one
/// side only. Who never answers is asked for on both sides alike.
fn arp_noise(want: &[&str], got: &[Frame]) -> BTreeSet<(String, String)> {
    let (w, g) = (Asked::of(want.iter().copied()), Asked::of(got.iter().map(|(_, l)| l.as_str())));
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

/// Whether a segment belongs to a connection of a probe before: it has that one's port, and is no attempt to connect. The prober
/// counts its ports upwards from 41001.
fn is_of_probe_before(line: &str, own: Option<u16>, begun: &BTreeSet<u16>) -> bool {
    let Some((ends, flags)) = line.split_once(" tcp ") else { return false };
    // The recordings' own ports run from 41001 on; a port that a SYN of the recording has belongs to the case.
    let late = |port: u16| {
        port > 41_000 && own.is_some_and(|own| own < 42_000 && port < own) && !begun.contains(&port)
    };
    !flags.starts_with("S ") && !ends.contains("about [") && ports(line).any(late)
}

/// The ports of a TCP line.
fn ports(line: &str) -> impl Iterator<Item = u16> {
    let ends = line.split_once(" tcp ").map_or("", |(ends, _)| ends);
    ends.split([' ', '[']).filter_map(|e| e.rsplit_once(':')?.1.parse().ok())
}

/// A redirect: how soon another follows doubles with each one that the peer has been sent, so that a recording may lack some that
/// earlier ones have held back. What it does show has to be there.
fn is_redirect(line: &str) -> bool {
    line.contains(" icmp redirect-")
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

/// ARP only where the recording shows it, TCP only with SYN or RST unless it shows all; a VXLAN packet is UDP, whatever is in it.
fn shown(line: &str, arp: bool, all_tcp: bool) -> bool {
    if line.contains(" arp ") {
        return arp;
    }
    if line.contains(" vxlan[") {
        return true;
    }
    let flags = line.split_once(" tcp ").and_then(|(_, r)| r.split(' ').next());
    // A quoted packet's flags are not the packet's own.
    let own = !line.contains(" icmp ");
    !own || all_tcp || flags.is_none_or(|f| f.contains(['S', 'R']))
}

fn by_interface<'a>(
    lines: impl Iterator<Item = (SimTime, &'a str)>,
    known: &BTreeSet<u16>,
) -> BTreeMap<String, Vec<Frame>> {
    let mut map: BTreeMap<String, Vec<Frame>> = BTreeMap::new();
    for (at, line) in lines {
        let (place, packet) = line.split_once(' ').unwrap_or((line, ""));
        map.entry(place.to_owned()).or_default().push((at, mask(packet, known)));
    }
    map
}

fn conntrack(lab: &Lab, want: &Value, known: &BTreeSet<u16>) -> Result<(), String> {
    lab.nodes.iter().try_for_each(|node| tuples(lab, &node.name, &want[&node.name], known))
}

/// The entries of a node's connection tracking; none for a list that is not there.
pub(crate) fn tuples(lab: &Lab, node: &str, want: &Value, known: &BTreeSet<u16>) -> Result<(), String> {
    let ns = lab.world.ns(lab.ns(node)?);
    let now = lab.world.now();
    let live = ns.conntrack.iter().filter(|(_, c)| !c.is_expired(now));
    let mut got: Vec<String> = live.map(|(_, c)| mask(&c.tuples(), known)).collect();
    let list = want.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut want: Vec<String> = list.map(|l| mask(l, known)).collect();
    got.sort();
    want.sort();
    if want == got {
        return Ok(());
    }
    let (want, got) = (want.join("\n    "), got.join("\n    "));
    Err(format!("conntrack of {node}:\n   kernel:\n    {want}\n   simulator:\n    {got}"))
}
