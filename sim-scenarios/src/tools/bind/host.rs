//! `host`.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::bind::Patience;
use sim_core::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

use super::super::Cx;
use super::super::getopt::{self, Word};
use super::release::Release;
use super::{ask, candidates, hashed, is_legal, named_servers, own_servers, rdata};

/// What was asked for.
struct Command {
    rtype: Option<RecordType>,
    host: String,
    server: Option<String>,
    port: u16,
    ndots: Option<usize>,
    v6: Option<bool>,
    patience: Patience,
}

/// Prints the usage.
fn usage(cx: &mut Cx<'_>) -> i32 {
    cx.out.err(
        "Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]\n            [-R number] [-m flag] [-p port] hostname [server]",
    );
    1
}

impl Command {
    /// Reads the words; the status to end with if they make no command.
    fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let patience = Patience { servfail_stops: false, ..Patience::default() };
        let mut command = Self {
            rtype: None,
            host: String::new(),
            server: None,
            port: 53,
            ndots: None,
            v6: None,
            patience,
        };
        let words = cx.operands().to_vec();
        let mut operands = Vec::new();
        for word in getopt::parse(&words, "aAc:dilnm:p:rst:vVwCDN:R:TUW:46") {
            match word {
                Word::Operand(operand) => operands.push(operand.to_owned()),
                Word::Value('t', v) => {
                    let Some(rtype) = RecordType::from_mnemonic(v) else {
                        cx.out.err(format!("host: invalid type: {v}\n"));
                        return Err(usage(cx));
                    };
                    command.rtype = Some(rtype);
                }
                Word::Value('p', v) => command.port = v.parse().map_err(|_| usage(cx))?,
                Word::Value('W', v) => {
                    let seconds: u64 = v.parse().map_err(|_| usage(cx))?;
                    command.patience.timeout = Duration::from_secs(seconds.max(1));
                }
                Word::Value('R', v) => {
                    let times: u32 = v.parse().map_err(|_| usage(cx))?;
                    command.patience.tries = times.max(1) + 1;
                }
                Word::Value('N', v) => command.ndots = Some(v.parse().map_err(|_| usage(cx))?),
                Word::Value('c', v) if v.eq_ignore_ascii_case("in") => {}
                Word::Flag('T') => command.patience.tcp = true,
                Word::Flag('U') => command.patience.tcp = false,
                Word::Flag('s') => command.patience.servfail_stops = true,
                Word::Flag(family @ ('4' | '6')) => command.v6 = Some(family == '6'),
                Word::Flag('w') => command.patience.timeout = Duration::from_secs(i32::MAX as u64),
                Word::Flag('V') => {
                    let version = Release::of(cx).0;
                    cx.out.err(format!("host {version}"));
                    return Err(0);
                }
                Word::Flag(letter) | Word::Value(letter, _) => {
                    return Err(cx.not_modelled(format!("host: option -{letter}")));
                }
                Word::Unknown(letter) => {
                    cx.out.err(format!("host: illegal option -- {letter}"));
                    return Err(usage(cx));
                }
                Word::Missing(letter) => {
                    cx.out.err(format!("host: option requires an argument -- {letter}"));
                    return Err(usage(cx));
                }
            }
        }
        let mut operands = operands.into_iter();
        match operands.next() {
            Some(host) => command.host = host,
            None => return Err(usage(cx)),
        }
        command.server = operands.next();
        Ok(command)
    }
}

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let command = match Command::parse(cx) {
        Ok(command) => command,
        Err(status) => return status,
    };
    if !is_legal(cx, "host", &command.host) {
        return 1;
    }
    let Command { rtype, host, server, port, .. } = &command;
    let mut conf = cx.cluster.resolv_conf(cx.place);
    conf.ndots = command.ndots.unwrap_or(conf.ndots);
    let mut servers = match server {
        None => own_servers(&conf, *port),
        Some(server) => named_servers(cx, server, *port),
    };
    if let Some(v6) = command.v6 {
        servers.retain(|s| s.is_ipv6() == v6);
    }
    let Some(first) = servers.first().copied() else {
        let server = server.as_deref().unwrap_or_default();
        cx.out.err(format!("host: couldn't get address for '{server}': not found"));
        return 1;
    };
    if let Some(server) = server {
        cx.out.line("Using domain server:");
        cx.out.line(format!("Name: {server}\nAddress: {}\nAliases: \n", hashed(first)));
    }
    let (names, types) = match host.parse::<IpAddr>() {
        Ok(addr) => (vec![name::reverse(addr)], vec![RecordType::PTR]),
        Err(_) => {
            let all = vec![RecordType::A, RecordType::AAAA, RecordType::MX];
            (candidates(&conf, host), rtype.map_or(all, |t| vec![t]))
        }
    };
    look_up(cx, &servers, host, &names, &types, command.patience)
}

fn look_up(
    cx: &mut Cx<'_>,
    servers: &[std::net::SocketAddr],
    host: &str,
    names: &[String],
    types: &[RecordType],
    patience: Patience,
) -> i32 {
    let last = names.len() - 1;
    for (i, candidate) in names.iter().enumerate() {
        let mut asked = candidate.clone();
        let mut shown = 0;
        for rtype in types {
            let answer = match ask(cx, servers, Message::query(0, &asked, *rtype), patience) {
                Err(status) => return status,
                Ok(None) => {
                    let before = if Release::of(cx).tells_tries() { "" } else { "connection timed out; " };
                    cx.out.line(format!(";; {before}no servers could be reached"));
                    return 1;
                }
                Ok(Some(answer)) => answer.message,
            };
            if answer.rcode != Rcode::NOERROR {
                if answer.rcode == Rcode::NXDOMAIN && i < last {
                    break;
                }
                let name = if answer.rcode == Rcode::NXDOMAIN { host } else { name::relative(&asked) };
                cx.out.line(format!("Host {name} not found: {}({})", answer.rcode.0, answer.rcode));
                return 1;
            }
            shown += 1;
            answer.answers.iter().for_each(|r| cx.out.line(line(r)));
            for record in &answer.answers {
                if let RecordData::Cname(target) = &record.data {
                    asked.clone_from(target);
                }
            }
            if types.len() == 1 && answer.answers.is_empty() {
                cx.out.line(format!("{} has no {rtype} record", name::relative(&asked)));
            }
        }
        if shown > 0 {
            return 0;
        }
    }
    0
}

fn line(record: &Record) -> String {
    let owner = name::relative(&record.name);
    let data = rdata::text(&record.data);
    match &record.data {
        RecordData::A(_) => format!("{owner} has address {data}"),
        RecordData::Aaaa(_) => format!("{owner} has IPv6 address {data}"),
        RecordData::Cname(_) => format!("{owner} is an alias for {data}"),
        RecordData::Ptr(_) => format!("{owner} domain name pointer {data}"),
        RecordData::Mx { .. } => format!("{owner} mail is handled by {data}"),
        RecordData::Ns(_) => format!("{owner} name server {data}"),
        RecordData::Srv { .. } => format!("{owner} has SRV record {data}"),
        RecordData::Txt(_) => format!("{owner} descriptive text {data}"),
        RecordData::Soa(_) => format!("{owner} has SOA record {data}"),
        RecordData::Other { rtype, .. } => format!("{owner} has {rtype} record {data}"),
    }
}
