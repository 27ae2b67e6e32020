//! The plugin hosts: names and addresses from lines like those of `/etc/hosts`. The file is read when the configuration is, not
//! every five seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::{Fall, matches};
use super::setup::{Setup, duration, once_more, zones_or_keys};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

/// TTL of its records in seconds, if the Corefile names none.
const TTL: u32 = 3600;

/// The plugin.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    zones: Vec<String>,
    fall: Fall,
    ttl: u32,
    reverse: bool,
    by_name: BTreeMap<String, Vec<IpAddr>>,
    by_addr: BTreeMap<IpAddr, Vec<String>>,
}

impl Hosts {
    /// Reads `hosts [FILE [ZONES…]] { [LINES] … }`.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut hosts = None;
        while c.advance() {
            once_more(&hosts)?;
            let args = c.remaining_args();
            let (file, zones) = args.split_first().map_or(("/etc/hosts", &[][..]), |(f, z)| (f.as_str(), z));
            let mut own = Self {
                zones: zones_or_keys(zones, cx.keys),
                fall: Fall::default(),
                ttl: TTL,
                reverse: true,
                by_name: BTreeMap::new(),
                by_addr: BTreeMap::new(),
            };
            let mut lines = cx.around.read(file).unwrap_or_default();
            while c.next_block() {
                let word = c.val().to_owned();
                let args = c.remaining_args();
                match word.as_str() {
                    "fallthrough" => own.fall = Fall::of_args(&args),
                    "no_reverse" => own.reverse = false,
                    "ttl" => own.ttl = ttl(&args, c)?,
                    "reload" => reload(&args, c)?,
                    _ if own.fall.is_set() => return Err(c.err(&format!("unknown property '{word}'"))),
                    _ => lines.push_str(&format!("\n{word} {}", args.join(" "))),
                }
            }
            lines.lines().for_each(|l| own.line(l));
            hosts = Some(own);
        }
        hosts.ok_or_else(|| c.arg_err())
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let addr = words.next().and_then(|w| w.split('%').next()).and_then(|w| w.parse::<IpAddr>().ok());
        let Some(addr) = addr else { return };
        for word in words {
            let host = name::absolute(word).to_ascii_lowercase();
            // Names outside the zones are not this plugin's.
            if matches(&self.zones, &host).is_none() {
                continue;
            }
            self.by_name.entry(host.clone()).or_default().push(addr);
            if self.reverse {
                self.by_addr.entry(addr).or_default().push(host);
            }
        }
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let Some(question) = &query.question else { return next(rest, query, cx, "hosts") };
        let asked = question.name.to_ascii_lowercase();
        let data: Vec<RecordData> = if question.rtype == RecordType::PTR {
            let names = name::address_of_reverse(&asked).and_then(|a| self.by_addr.get(&a));
            let Some(names) = names else { return next(rest, query, cx, "hosts") };
            names.iter().map(|n| RecordData::Ptr(n.clone())).collect()
        } else {
            if matches(&self.zones, &asked).is_none() {
                return next(rest, query, cx, "hosts");
            }
            let known = self.by_name.get(&asked);
            if known.is_none() && self.fall.through(&asked) {
                return next(rest, query, cx, "hosts");
            }
            let Some(known) = known else {
                // There is no SOA for a denial.
                return Ok(Done::failed(Rcode::SERVFAIL, None));
            };
            let all = known.iter().map(|ip| RecordData::of_address(*ip));
            all.filter(|d| d.rtype() == question.rtype).collect()
        };
        let mut reply = query.reply(Rcode::NOERROR);
        reply.flags.aa = true;
        reply.answers = data.into_iter().map(|d| Record::new(&asked, self.ttl, d)).collect();
        Ok(Done::written(reply))
    }
}

fn ttl(args: &[String], c: &Dispenser) -> Result<u32, String> {
    let text = args.first().ok_or_else(|| c.err("ttl needs a time in second"))?;
    let ttl: i64 = text.parse().map_err(|_| c.err("ttl needs a number of second"))?;
    if (1..=65_535).contains(&ttl) { Ok(ttl as u32) } else { Err(c.err("ttl provided is invalid")) }
}

fn reload(args: &[String], c: &Dispenser) -> Result<(), String> {
    let [time] = args else { return Err(c.err("reload needs a duration (zero seconds to disable)")) };
    match duration(time) {
        Ok(_) => Ok(()),
        Err(_) => Err(c.err(&format!("invalid duration for reload '{time}'"))),
    }
}
