//! Compares a reply with what the real server said.

use serde_json::Value;
use sim_core::kube::dns::wire::{Message, Record, RecordData};

/// Compares; the order within a section does not count, but an alias comes before what it leads to.
pub(super) fn compare(query: &Message, bytes: &[u8], expect: &Value) -> Result<(), String> {
    let reply = Message::parse(bytes).map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    let mut same = |what: &str, got: String, want: String| {
        if got != want {
            wrong.push(format!("{what}: got {got}, the real one is {want}"));
        }
    };
    same("id", reply.id.to_string(), query.id.to_string());
    same("question", format!("{:?}", reply.question), format!("{:?}", query.question));
    same("rcode", reply.rcode.to_string(), text(&expect["rcode"]));
    let want: Vec<String> = expect["flags"].as_array().into_iter().flatten().map(text).collect();
    same("flags", flags(&reply).join(" "), want.join(" "));
    for (name, section) in
        [("answer", &reply.answers), ("authority", &reply.authority), ("additional", &reply.additional)]
    {
        if let Some(want) = expect[name].as_array() {
            let (got, want) = sections(section, want);
            same(name, got, want);
        }
    }
    if let Some(size) = expect["wire_size"].as_u64() {
        // Serials differ, and all have one length.
        same("size", bytes.len().to_string(), size.to_string());
    }
    if let Some(compressed) = expect["compressed"].as_bool() {
        let plain = reply.to_bytes().map_err(|e| e.to_string())?;
        same("compressed", (plain.len() > bytes.len()).to_string(), compressed.to_string());
    }
    let size = reply.edns.as_ref().map(|e| u64::from(e.udp_size));
    same("EDNS size", format!("{size:?}"), format!("{:?}", expect["edns_udp_size"].as_u64()));
    if let Some(late) = late_alias(&reply.answers) {
        wrong.push(format!("the alias of {late} comes after its records"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn flags(reply: &Message) -> Vec<&'static str> {
    let f = &reply.flags;
    let all = [
        ("qr", reply.response),
        ("aa", f.aa),
        ("tc", f.tc),
        ("rd", f.rd),
        ("ra", f.ra),
        ("ad", f.ad),
        ("cd", f.cd),
    ];
    all.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect()
}

/// Both sections as sorted lines. `{"more": N, "ttl": T}` stands for N more records with that TTL.
fn sections(got: &[Record], want: &[Value]) -> (String, String) {
    let mut lines: Vec<String> = got.iter().map(line).collect();
    let (more, listed): (Vec<&Value>, Vec<&Value>) = want.iter().partition(|w| w.get("more").is_some());
    let mut wanted: Vec<String> = listed.iter().map(|w| wanted_line(w)).collect();
    for rest in more {
        let count = rest["more"].as_u64().unwrap_or(0) as usize;
        let ttl = format!(" {} ", rest["ttl"]);
        let others: Vec<String> =
            lines.iter().filter(|l| !wanted.contains(l) && l.contains(&ttl)).cloned().collect();
        let note = format!("{} more with TTL{ttl}", others.len());
        lines.retain(|l| !others.contains(l));
        lines.push(note);
        wanted.push(format!("{count} more with TTL{ttl}"));
    }
    lines.sort();
    wanted.sort();
    (format!("[{}]", lines.join("; ")), format!("[{}]", wanted.join("; ")))
}

fn wanted_line(record: &Value) -> String {
    let (name, rtype, data) = (text(&record["name"]), text(&record["type"]), text(&record["rdata"]));
    format!("{name} {} {} {rtype} {data}", record["ttl"], text(&record["class"]))
}

fn line(record: &Record) -> String {
    format!("{} {} IN {} {}", record.name, record.ttl, record.data.rtype(), data(&record.data))
}

pub(super) fn data(data: &RecordData) -> String {
    match data {
        RecordData::A(a) => a.to_string(),
        RecordData::Aaaa(a) => a.to_string(),
        RecordData::Cname(n) | RecordData::Ns(n) | RecordData::Ptr(n) => n.clone(),
        RecordData::Soa(s) => {
            format!("{} {} <serial> {} {} {} {}", s.mname, s.rname, s.refresh, s.retry, s.expire, s.minimum)
        }
        RecordData::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
        RecordData::Txt(words) => {
            let quoted = words.iter().map(|w| format!("{:?}", String::from_utf8_lossy(w)));
            quoted.collect::<Vec<_>>().join(" ")
        }
        RecordData::Mx { preference, exchange } => format!("{preference} {exchange}"),
        RecordData::Other { data, .. } => format!("{data:?}"),
    }
}

/// An alias whose target's records stand before it.
fn late_alias(answers: &[Record]) -> Option<&str> {
    answers.iter().enumerate().find_map(|(i, r)| match &r.data {
        RecordData::Cname(target) => {
            answers[..i].iter().any(|before| before.name == *target).then_some(r.name.as_str())
        }
        _ => None,
    })
}
