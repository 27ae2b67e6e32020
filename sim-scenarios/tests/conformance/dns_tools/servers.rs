//! Servers of the recordings: DNS from a table, what stands for the world outside, and a web server with bad manners.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use sim_core::kube::apps::conversation::{Conversation, Reply, Then};
use sim_core::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

/// The logging server: an authoritative one that answers from `answer_table`.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// What it says, by lower-case name.
    pub(super) names: BTreeMap<String, Value>,
    /// Names with a pointer.
    pub(super) pointers: BTreeMap<String, String>,
    /// It answers nothing at all.
    pub(super) silent: bool,
}

impl Table {
    pub(super) fn of(answer_table: &Value) -> Self {
        let names = answer_table.as_object().into_iter().flatten();
        Self {
            names: names.map(|(n, v)| (n.clone(), v.clone())).collect(),
            pointers: BTreeMap::new(),
            silent: false,
        }
    }

    /// Whether it answers at all, and with what.
    fn say(&self, name: &str, rtype: RecordType) -> Option<Result<Vec<Record>, Rcode>> {
        if let Some(target) = self.pointers.get(name).filter(|_| rtype == RecordType::PTR) {
            return Some(Ok(vec![Record::new(name, 30, RecordData::Ptr(target.clone()))]));
        }
        let Some(said) = self.names.get(name) else { return Some(Err(Rcode::NXDOMAIN)) };
        if let Some(text) = said.as_str() {
            return code(text).map(Err);
        }
        if let Some(target) = said["CNAME"].as_str() {
            let mut all = vec![Record::new(name, 30, RecordData::Cname(target.to_owned()))];
            if rtype != RecordType::CNAME
                && let Some(Ok(more)) = self.say(target, rtype)
            {
                all.extend(more);
            }
            return Some(Ok(all));
        }
        let texts = match &said[rtype.to_string()] {
            Value::String(text) => match text.parse() {
                Ok(addr) => vec![RecordData::of_address(addr)],
                Err(_) => return code(text).map(Err),
            },
            Value::Array(all) => {
                let address = |v: &Value| Some(RecordData::of_address(v.as_str()?.parse().ok()?));
                all.iter().filter_map(address).collect()
            }
            _ => Vec::new(),
        };
        Some(Ok(texts.into_iter().map(|data| Record::new(name, 30, data)).collect()))
    }
}

/// A response code by its name; none for silence.
fn code(text: &str) -> Option<Rcode> {
    if text == "DROP" { None } else { Rcode::from_mnemonic(text) }
}

impl Conversation for Table {
    fn on_datagram(&self, bytes: &[u8], _peer: SocketAddr) -> Option<Vec<u8>> {
        let query = Message::parse(bytes).ok().filter(|_| !self.silent)?;
        let question = query.question.clone()?;
        let said = self.say(&question.name.to_ascii_lowercase(), question.rtype)?;
        let mut reply = query.reply(said.as_ref().err().copied().unwrap_or_default());
        reply.flags.aa = true;
        reply.answers = said.unwrap_or_default();
        reply.to_bytes().ok()
    }
}

/// A recursive resolver with records in master file format.
#[derive(Clone, Debug)]
pub(super) struct Upstream(Vec<Record>);

impl Upstream {
    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let record = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, ttl, "IN", rtype, data] = words[..] else { return None };
            let data = match rtype {
                "CNAME" => RecordData::Cname(data.to_owned()),
                "PTR" => RecordData::Ptr(data.to_owned()),
                _ => RecordData::of_address(data.parse().ok()?),
            };
            Some(Record::new(name, ttl.parse().ok()?, data))
        };
        lines
            .map(|line| record(line).ok_or_else(|| format!("no record: {line}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let query = Message::parse(bytes).ok()?;
        let question = query.question.clone()?;
        let mut name = question.name;
        let mut answers: Vec<Record> = Vec::new();
        let known = |name: &str| self.0.iter().any(|r| r.name.eq_ignore_ascii_case(name));
        let rcode = if known(&name) { Rcode::NOERROR } else { Rcode::NXDOMAIN };
        loop {
            let of_name: Vec<&Record> =
                self.0.iter().filter(|r| r.name.eq_ignore_ascii_case(&name)).collect();
            let alias = of_name.iter().find_map(|r| match &r.data {
                RecordData::Cname(target) => Some((*r, target.clone())),
                _ => None,
            });
            answers.extend(of_name.iter().filter(|r| r.data.rtype() == question.rtype).map(|r| (*r).clone()));
            match alias.filter(|_| question.rtype != RecordType::CNAME && answers.len() < 8) {
                Some((record, target)) => {
                    answers.push(record.clone());
                    name = target;
                }
                None => break,
            }
        }
        let mut reply = query.reply(rcode);
        reply.flags.ra = true;
        reply.answers = answers;
        reply.edns.clone_from(&query.edns);
        reply.to_bytes().ok()
    }
}

impl Conversation for Upstream {
    fn on_datagram(&self, bytes: &[u8], _peer: SocketAddr) -> Option<Vec<u8>> {
        self.answer(bytes)
    }

    fn on_stream(&self, received: &mut Vec<u8>, _peer: SocketAddr) -> Reply {
        let Some(length) = received.first_chunk::<2>().map(|b| usize::from(u16::from_be_bytes(*b))) else {
            return Reply::default();
        };
        let Some(query) = received.get(2..2 + length).map(<[u8]>::to_vec) else { return Reply::default() };
        received.drain(..2 + length);
        let reply = self.answer(&query).unwrap_or_default();
        Reply::say([&(reply.len() as u16).to_be_bytes()[..], &reply].concat())
    }
}

/// `web`: one good page, and a path for each way to fail.
#[derive(Clone, Debug)]
pub(super) struct Web;

impl Conversation for Web {
    fn on_stream(&self, received: &mut Vec<u8>, _peer: SocketAddr) -> Reply {
        let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") else { return Reply::default() };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end + 4);
        let mut words = head.split(' ');
        let (head_only, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default());
        let page = |status: &str, body: &str| {
            let length = body.len();
            let sent = if head_only { "" } else { body };
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{sent}"
            )
        };
        match path {
            "/404" => Reply::farewell(page("404 Not Found", "not found\n")),
            "/503" => Reply::farewell(page("503 Service Unavailable", "unavailable\n")),
            "/empty" => Reply::farewell(""),
            "/rst" => Reply { bytes: Vec::new(), then: Then::Reset },
            "/short" => Reply::farewell(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\npartial",
            ),
            "/hang" => Reply::default(),
            _ => Reply::farewell(page("200 OK", "hello from web-1\n")),
        }
    }
}
