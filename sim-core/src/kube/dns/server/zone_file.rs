//! The plugin file: zones from files, as far as answers go (no transfers, no signatures).

use std::collections::BTreeMap;

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::matches;
use super::records::{Defaults, lines, read, seconds};
use super::setup::{Setup, zones_or_keys};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

/// The zones of a server block.
#[derive(Clone, Debug, Default)]
pub(super) struct ZoneFiles {
    origins: Vec<String>,
    zones: BTreeMap<String, Zone>,
}

/// One zone: records by lower-case owner.
#[derive(Clone, Debug, Default)]
struct Zone {
    origin: String,
    names: BTreeMap<String, Vec<Record>>,
}

/// Aliases of one chain beyond which the plugin gives up.
const CHAIN_MAX: usize = 8;

impl ZoneFiles {
    /// Reads `file DBFILE [ZONES…] { … }`.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut all = Self::default();
        while c.advance() {
            let args = c.remaining_args();
            let (file, zones) = args.split_first().ok_or_else(|| c.arg_err())?;
            let path = if file.starts_with('/') { file.clone() } else { format!("/{file}") };
            let text =
                cx.around.read(&path).ok_or_else(|| format!("open {file}: no such file or directory"))?;
            for origin in zones_or_keys(zones, cx.keys) {
                let zone =
                    Zone::read(&origin, &text).map_err(|e| format!("failed to parse {file:?}: {e}"))?;
                all.zones.insert(origin.clone(), zone);
                all.origins.push(origin);
            }
            while c.next_block() {
                match c.val() {
                    "reload" | "upstream" => {
                        c.remaining_args();
                    }
                    "fallthrough" => return Err("fallthrough is not modelled".to_owned()),
                    other => return Err(c.err(&format!("unknown property '{other}'"))),
                }
            }
        }
        Ok(all)
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let Some(question) = &query.question else { return next(rest, query, cx, "file") };
        let found = matches(&self.origins, &question.name).and_then(|o| self.zones.get(o));
        let Some(zone) = found else { return next(rest, query, cx, "file") };
        if matches!(question.rtype, RecordType::AXFR | RecordType::IXFR) {
            return Ok(Done::failed(Rcode::REFUSED, None));
        }
        zone.answer(query, &question.name, question.rtype, cx).map(Done::written)
    }
}

impl Zone {
    fn read(origin: &str, text: &str) -> Result<Self, String> {
        let mut zone = Self { origin: origin.to_owned(), names: BTreeMap::new() };
        let mut defaults = Defaults { origin: origin.to_owned(), ttl: 3600 };
        let mut owner = origin.to_owned();
        for mut line in lines(text) {
            match (line[0].as_str(), line.get(1)) {
                ("$ORIGIN", Some(word)) => defaults.origin = name::absolute(word).to_ascii_lowercase(),
                ("$TTL", Some(word)) => defaults.ttl = seconds(word).ok_or("bad $TTL")?,
                (word, _) if word.starts_with('$') => return Err(format!("{word} is not modelled")),
                _ => {
                    if line[0].is_empty() {
                        line[0].clone_from(&owner);
                    }
                    let record = read(&line, &defaults)?;
                    owner.clone_from(&record.name);
                    let lower = record.name.to_ascii_lowercase();
                    if name::zone_start(&lower, origin).is_some() {
                        zone.names.entry(lower).or_default().push(record);
                    }
                }
            }
        }
        let soa =
            zone.names.get(origin).is_some_and(|all| all.iter().any(|r| r.data.rtype() == RecordType::SOA));
        if soa { Ok(zone) } else { Err(format!("file has no SOA record for origin {origin}")) }
    }

    fn of_type(&self, owner: &str, rtype: RecordType) -> Vec<Record> {
        let all = self.names.get(owner).into_iter().flatten();
        all.filter(|r| r.data.rtype() == rtype).cloned().collect()
    }

    fn answer(
        &self,
        query: &Message,
        asked: &str,
        rtype: RecordType,
        cx: &Cx<'_>,
    ) -> Result<Message, super::chain::Halt> {
        let mut reply = query.reply(Rcode::NOERROR);
        reply.flags.aa = true;
        let mut owner = asked.to_owned();
        for _ in 0..CHAIN_MAX {
            let lower = owner.to_ascii_lowercase();
            if name::zone_start(&lower, &self.origin).is_none() {
                reply.answers.extend(cx.lookup(&owner, rtype)?.answers);
                break;
            }
            if let Some(cut) = self.delegation(&lower) {
                reply.flags.aa = !reply.answers.is_empty();
                reply.additional = self.glue(&cut);
                reply.authority = cut;
                return Ok(reply);
            }
            let Some(found) = self.find(&lower) else {
                // A chain that ends in nothing is still an answer.
                if reply.answers.is_empty() {
                    reply.rcode = Rcode::NXDOMAIN;
                }
                reply.authority = self.of_type(&self.origin, RecordType::SOA);
                return Ok(reply);
            };
            let own = |want: RecordType| {
                let all = found.iter().filter(move |r| r.data.rtype() == want);
                all.map(|r| Record { name: owner.clone(), ..r.clone() }).collect::<Vec<_>>()
            };
            let wanted = own(rtype);
            if !wanted.is_empty() {
                reply.additional = self.glue(&wanted);
                reply.answers.extend(wanted);
                break;
            }
            let alias = own(RecordType::CNAME);
            let Some(RecordData::Cname(target)) = alias.first().map(|r| r.data.clone()) else {
                reply.authority = self.of_type(&self.origin, RecordType::SOA);
                return Ok(reply);
            };
            reply.answers.extend(alias);
            owner = target;
        }
        if reply.answers.iter().all(|r| r.data.rtype() != RecordType::NS) {
            reply.authority = self.of_type(&self.origin, RecordType::NS);
        }
        Ok(reply)
    }

    /// The records of a name, or of the wildcard that covers it; empty for a name with others below it.
    fn find(&self, lower: &str) -> Option<&[Record]> {
        if let Some(records) = self.names.get(lower) {
            return Some(records);
        }
        if self.names.keys().any(|n| name::zone_start(n, lower).is_some()) {
            return Some(&[]);
        }
        let mut parent = lower;
        while parent != self.origin {
            parent = parent.split_once('.').map(|(_, rest)| rest)?;
            if let Some(records) = self.names.get(&format!("*.{parent}")) {
                return Some(records);
            }
            if self.names.contains_key(parent) {
                break;
            }
        }
        None
    }

    /// The name servers of a zone below this one that the name is in.
    fn delegation(&self, lower: &str) -> Option<Vec<Record>> {
        let mut at = lower;
        let mut cut = None;
        while at != self.origin {
            let servers = self.of_type(at, RecordType::NS);
            if !servers.is_empty() {
                cut = Some(servers);
            }
            at = at.split_once('.').map(|(_, rest)| rest)?;
        }
        cut
    }

    /// Addresses of the hosts that records name.
    fn glue(&self, records: &[Record]) -> Vec<Record> {
        let hosts = records.iter().filter_map(|r| match &r.data {
            RecordData::Ns(host)
            | RecordData::Mx { exchange: host, .. }
            | RecordData::Srv { target: host, .. } => Some(host.to_ascii_lowercase()),
            _ => None,
        });
        let addresses = |h: String| [RecordType::A, RecordType::AAAA].map(|t| self.of_type(&h, t)).concat();
        hosts.flat_map(addresses).collect()
    }
}
