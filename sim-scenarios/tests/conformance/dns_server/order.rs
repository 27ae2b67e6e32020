//! The plugin loadbalance: which records keep their places, and which are shuffled.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use sim_core::chance::Dice;
use sim_core::kube::dns::corefile::Nowhere;
use sim_core::kube::dns::resolver::Transport;
use sim_core::kube::dns::server::{Action, Client, Server};
use sim_core::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};
use sim_core::time::SimTime;
use sim_core::trace::SockId;

use crate::cases::Case;

pub(super) fn cases(prefix: &str, file: &Arc<Value>) -> Vec<Case> {
    let cases = file["loadbalance"]["invariants"].as_array().into_iter().flatten();
    let one = |(i, _): (usize, &Value)| {
        let file = Arc::clone(file);
        Case {
            name: format!("{prefix}/loadbalance/{}", i + 1),
            run: Box::new(move || run(&file["loadbalance"]["invariants"][i])),
        }
    };
    cases.enumerate().map(one).collect()
}

/// Many shuffles: every outcome is one that the case allows, and where it allows several there are several.
fn run(case: &Value) -> Result<(), String> {
    let given: Vec<&str> = case["in"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let groups = groups(case["out"].as_str().unwrap_or_default());
    let mut seen = BTreeSet::new();
    for seed in 0..64 {
        let got = shuffled(&given, seed)?;
        let mut rest = &got[..];
        for group in &groups {
            let (here, after) = rest.split_at_checked(group.len()).ok_or("too few records")?;
            if here.iter().collect::<BTreeSet<_>>() != group.iter().collect() {
                return Err(format!("got {got:?}, the real order is {}", case["out"]));
            }
            rest = after;
        }
        seen.insert(got);
    }
    let several = groups.iter().any(|g| g.len() > 1);
    if several == (seen.len() > 1) { Ok(()) } else { Err(format!("always the same order: {seen:?}")) }
}

/// `CNAME a, {A 1, A 2 in any order}, MX 1`.
fn groups(text: &str) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or((inner, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        let part = part.trim_end_matches(" in any order");
        groups.push(part.split(',').map(|w| w.trim().to_owned()).collect());
        rest = after.trim_start_matches([',', ' ']);
    }
    groups
}

fn shuffled(given: &[&str], seed: u64) -> Result<Vec<String>, String> {
    let corefile = ".:53 {\nloadbalance\nforward . 192.0.2.1\n}\n";
    let mut server = Server::new(("Corefile", corefile), &[], &Nowhere, 1)?;
    let mut dice = Dice::seeded(seed);
    let query = Message::query(1, "x.example.", RecordType::ANY).to_bytes().map_err(|e| e.to_string())?;
    let client = Client {
        addr: SocketAddr::new(Ipv4Addr::new(10, 244, 1, 2).into(), 40_000),
        local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 53),
        transport: Transport::Udp,
        socket: SockId(1),
    };
    let actions = server.answer(&query, client, SimTime::ZERO, &mut dice);
    let [Action::Send { exchange, bytes, .. }] = &actions[..] else { return Err(format!("{actions:?}")) };
    let mut upstream = Message::parse(bytes).map_err(|e| e.to_string())?.reply(Rcode::NOERROR);
    upstream.answers = given.iter().map(|word| record(word)).collect::<Result<_, _>>()?;
    let upstream = upstream.to_bytes().map_err(|e| e.to_string())?;
    let actions = server.on_upstream(*exchange, &upstream, SimTime::ZERO, &mut dice);
    let reply = actions.iter().find_map(|a| match a {
        Action::Reply(_, bytes) => Message::parse(bytes).ok(),
        _ => None,
    });
    Ok(reply.ok_or("no reply")?.answers.iter().map(name).collect())
}

fn record(word: &str) -> Result<Record, String> {
    let (rtype, id) = word.split_once(' ').ok_or("a record has a type")?;
    let host = format!("{id}.example.");
    let data = match rtype {
        "A" => RecordData::A(Ipv4Addr::new(192, 0, 2, id.parse().map_err(|_| "a number")?)),
        "CNAME" => RecordData::Cname(host),
        "MX" => RecordData::Mx { preference: 1, exchange: host },
        "SRV" => RecordData::Srv { priority: 0, weight: 1, port: 1, target: host },
        _ => return Err(format!("type {rtype}")),
    };
    Ok(Record::new("x.example.", 30, data))
}

fn name(record: &Record) -> String {
    let short = |host: &str| host.trim_end_matches(".example.").to_owned();
    let id = match &record.data {
        RecordData::A(a) => a.octets()[3].to_string(),
        RecordData::Cname(host)
        | RecordData::Mx { exchange: host, .. }
        | RecordData::Srv { target: host, .. } => short(host),
        _ => String::new(),
    };
    format!("{} {id}", record.data.rtype())
}
