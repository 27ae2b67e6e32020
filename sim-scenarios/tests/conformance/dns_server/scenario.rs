//! A server made from a scenario's settings and objects, and a table in the place of its upstream server.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use sim_core::chance::Dice;
use sim_core::kube::dns::corefile::{Nowhere, Surroundings};
use sim_core::kube::dns::resolver::Transport;
use sim_core::kube::dns::server::{Action, Client, Server, ServiceImport};
use sim_core::kube::dns::wire::{Edns, Message, Rcode, Record, RecordData, RecordType};
use sim_core::kube::objects::{Object, Protocol};
use sim_core::time::SimTime;
use sim_core::trace::SockId;

use super::reply;

/// A server with what stands for the world outside.
pub(super) struct Setup {
    server: Server,
    dice: Dice,
    upstream: Vec<Record>,
    truncated: bool,
}

/// Runs a scenario up to one of its cases, and compares the reply to that.
pub(super) fn run(scenario: &Value, case: usize, objects: &Value) -> Result<(), String> {
    let source = source(scenario, objects)?;
    let config = &scenario["config"];
    let mut setup = Setup::new(&corefile(config), config, source, &Nowhere)?;
    let cases = scenario["cases"].as_array().ok_or("no cases")?;
    for before in &cases[..case] {
        setup.ask(&before["query"])?;
    }
    let (query, bytes) = setup.ask(&cases[case]["query"])?;
    reply::compare(&query, &bytes, &cases[case]["expect"])
}

/// Where the objects of a scenario stand: in itself, or in the scenario that it names.
pub(super) fn source<'v>(scenario: &'v Value, objects: &'v Value) -> Result<&'v Value, String> {
    let Some(reference) = scenario["objects_ref"].as_str() else { return Ok(scenario) };
    let id = reference.rsplit(' ').next().unwrap_or_default();
    let all = objects["scenarios"].as_array().into_iter().flatten();
    all.into_iter().find(|s| s["id"] == id).ok_or_else(|| format!("no scenario {id}"))
}

/// The Corefile that says what the settings say.
pub(super) fn corefile(config: &Value) -> String {
    let words = |key: &str| -> Option<String> {
        let list = config[key].as_array()?.iter().filter_map(Value::as_str);
        Some(list.collect::<Vec<_>>().join(" "))
    };
    let mut text = ".:53 {\n".to_owned();
    if let Some(ttl) = config["cache_ttl"].as_u64() {
        let _ = writeln!(text, "cache {ttl} {{");
        if let Some(zones) = words("cache_disable_zones") {
            let _ = writeln!(text, "disable success {zones}\ndisable denial {zones}");
        }
        text.push_str("}\n");
    }
    let _ = writeln!(text, "kubernetes {} {{", words("zones").unwrap_or_default());
    if let Some(mode) = config["pods"].as_str() {
        let _ = writeln!(text, "pods {mode}");
    }
    if let Some(ttl) = config["ttl"].as_u64() {
        let _ = writeln!(text, "ttl {ttl}");
    }
    for key in ["namespaces", "fallthrough", "multicluster"] {
        if let Some(list) = words(key) {
            let _ = writeln!(text, "{key} {list}");
        }
    }
    for (key, line) in [
        ("endpoint_pod_names", "endpoint_pod_names"),
        ("ignore_empty_service", "ignore empty_service"),
        ("noendpoints", "noendpoints"),
        ("zonal", "zonal"),
    ] {
        if config[key] == true {
            let _ = writeln!(text, "{line}");
        }
    }
    text + "}\nforward . 192.0.2.1\n}\n"
}

impl Setup {
    pub(super) fn new(
        corefile: &str,
        config: &Value,
        source: &Value,
        around: &dyn Surroundings,
    ) -> Result<Self, String> {
        let bound = config["coredns_bound_ips"].as_array().into_iter().flatten();
        let bound: Vec<IpAddr> = bound.filter_map(|ip| ip.as_str()?.parse().ok()).collect();
        let mut server = Server::new(("Corefile", corefile), &bound, around, 1)?;
        if config["synced"] != false {
            let (objects, imports) = objects(source)?;
            server.learn(&objects, &imports, SimTime::ZERO);
        }
        let upstream = source["upstream_records"].as_array().into_iter().flatten();
        let upstream = upstream.filter_map(Value::as_str).map(record).collect::<Result<Vec<_>, _>>()?;
        let truncated = source["upstream_truncated"] == true;
        Ok(Self { server, dice: Dice::seeded(1), upstream, truncated })
    }

    /// Asks as a case says; gives the query and the bytes of the reply.
    pub(super) fn ask(&mut self, query: &Value) -> Result<(Message, Vec<u8>), String> {
        let text = |key: &str| query[key].as_str();
        let word = text("type").ok_or("a query has a type")?;
        let number = || word.strip_prefix("TYPE")?.parse().ok().map(RecordType);
        let rtype = RecordType::from_mnemonic(word).or_else(number).or_else(|| other_type(word));
        let mut message = Message::query(7, text("name").ok_or("a query has a name")?, rtype.ok_or("type")?);
        if let (Some(class), Some(q)) = (text("class"), &mut message.question) {
            q.class = match class {
                "IN" => 1,
                "CH" | "CHAOS" => 3,
                "HS" => 4,
                "ANY" => 255,
                other => return Err(format!("class {other}")),
            };
        }
        let size = query["edns_udp_size"].as_u64();
        message.edns = size.map(|size| Edns {
            udp_size: size as u16,
            dnssec_ok: query["do"] == true,
            options: Vec::new(),
        });
        let client = text("client").map_or(Ok(Ipv4Addr::new(10, 240, 0, 1).into()), str::parse);
        let client = Client {
            addr: SocketAddr::new(client.map_err(|_| "client")?, 40_212),
            local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 53),
            transport: if text("transport") == Some("tcp") { Transport::Tcp } else { Transport::Udp },
            socket: SockId(1),
        };
        let now = SimTime::from_secs(query["at_s"].as_u64().unwrap_or(0));
        let bytes = message.to_bytes().map_err(|e| e.to_string())?;
        let mut left = VecDeque::from(self.server.answer(&bytes, client, now, &mut self.dice));
        while let Some(action) = left.pop_front() {
            match action {
                Action::Reply(_, bytes) => return Ok((message, bytes)),
                Action::Send { exchange, bytes, .. } => {
                    let reply = self.known(&Message::parse(&bytes).map_err(|e| e.to_string())?);
                    let reply = reply.to_bytes().map_err(|e| e.to_string())?;
                    left.extend(self.server.on_upstream(exchange, &reply, now, &mut self.dice));
                }
                Action::Done(_) | Action::Exit(_) => {}
            }
        }
        Err("no reply".to_owned())
    }

    /// What the table says: aliases are followed.
    fn known(&self, query: &Message) -> Message {
        let Some(question) = &query.question else { return query.reply(Rcode::FORMERR) };
        let (mut owner, mut answers) = (question.name.clone(), Vec::new());
        let mut exists = false;
        while let Some(record) = self.upstream.iter().find(|r| {
            r.name.eq_ignore_ascii_case(&owner) && matches!(r.data, RecordData::Cname(_)) && answers.len() < 9
        }) {
            exists = true;
            answers.push(record.clone());
            if let RecordData::Cname(target) = &record.data {
                owner.clone_from(target);
            }
        }
        let of_name = |r: &&Record| r.name.eq_ignore_ascii_case(&owner);
        exists |= self.upstream.iter().any(|r| of_name(&r));
        answers.extend(
            self.upstream.iter().filter(of_name).filter(|r| r.data.rtype() == question.rtype).cloned(),
        );
        let mut reply = query.reply(if exists { Rcode::NOERROR } else { Rcode::NXDOMAIN });
        (reply.flags.ra, reply.flags.tc) = (true, self.truncated);
        reply.answers = answers;
        reply
    }
}

/// Types without a name of their own in the server.
fn other_type(word: &str) -> Option<RecordType> {
    let known = [
        ("NAPTR", 35),
        ("DS", 43),
        ("RRSIG", 46),
        ("DNSKEY", 48),
        ("TLSA", 52),
        ("SVCB", 64),
        ("HTTPS", 65),
        ("CAA", 257),
        ("LOC", 29),
        ("SSHFP", 44),
    ];
    known.iter().find(|(name, _)| *name == word).map(|(_, n)| RecordType(*n))
}

/// `NAME TTL IN TYPE DATA`, or without the class.
fn record(line: &str) -> Result<Record, String> {
    let words: Vec<&str> = line.split_whitespace().filter(|w| *w != "IN").collect();
    let wrong = || format!("upstream record {line:?}");
    let [name, ttl, rtype, data, ..] = words[..] else { return Err(wrong()) };
    let data = match rtype {
        "A" | "AAAA" => RecordData::of_address(data.parse().map_err(|_| wrong())?),
        "CNAME" => RecordData::Cname(data.to_owned()),
        "PTR" => RecordData::Ptr(data.to_owned()),
        "TXT" => RecordData::Txt(vec![data.trim_matches('"').as_bytes().to_vec()]),
        _ => return Err(wrong()),
    };
    Ok(Record::new(name, ttl.parse().map_err(|_| wrong())?, data))
}

type Objects = (Vec<Object>, Vec<ServiceImport>);

fn objects(source: &Value) -> Result<Objects, String> {
    let (mut all, mut imports) = (Vec::new(), Vec::new());
    for body in source["objects"].as_array().into_iter().flatten() {
        let mut body = body.clone();
        capitalize_protocols(&mut body);
        if body["kind"] == "ServiceImport" {
            imports.push(import(&body)?);
        } else {
            all.push(Object::from_value(&body).map_err(|e| format!("{body}: {e:?}"))?);
        }
    }
    Ok((all, imports))
}

/// CoreDNS takes protocols as they are; the API server knows them in capitals.
fn capitalize_protocols(body: &mut Value) {
    for pointer in ["/spec/ports", "/ports"] {
        for port in body.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(text)) = port.get_mut("protocol") {
                text.make_ascii_uppercase();
            }
        }
    }
}

fn import(body: &Value) -> Result<ServiceImport, String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let spec = &body["spec"];
    let ips = spec["ips"].as_array().into_iter().flatten();
    let ips: Vec<IpAddr> = ips.filter_map(|ip| ip.as_str()?.parse().ok()).collect();
    let port = |p: &Value| {
        let protocol: Protocol = serde_json::from_value(p["protocol"].clone()).map_err(|e| e.to_string())?;
        Ok((text(&p["name"]), protocol, p["port"].as_u64().unwrap_or(0) as u16))
    };
    Ok(ServiceImport {
        namespace: text(&body["metadata"]["namespace"]),
        name: text(&body["metadata"]["name"]),
        ips: (spec["type"] != "Headless").then_some(ips),
        ports: spec["ports"].as_array().into_iter().flatten().map(port).collect::<Result<_, String>>()?,
    })
}
