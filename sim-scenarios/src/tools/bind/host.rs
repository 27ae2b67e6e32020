//! `host`.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::bind::Patience;
use sim_core::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

use super::super::Cx;
use super::{ask, candidates, hashed, named_servers, own_servers, rdata};

/// Two tries of five seconds.
const PATIENCE: Patience =
    Patience { timeout: Duration::from_secs(5), tries: 2, ignore_truncation: false, tcp: false };

/// The tool: `host [-t TYPE] NAME [SERVER]`.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    let (rtype, rest) = match &words[..] {
        [t, rtype, rest @ ..] if t == "-t" => (RecordType::from_mnemonic(rtype), rest),
        rest => (None, rest),
    };
    let (host, server) = match rest {
        [host] if !host.starts_with('-') => (host, None),
        [host, server] if !host.starts_with('-') => (host, Some(server)),
        _ => return cx.not_modelled(format!("host {}", words.join(" "))),
    };
    let conf = cx.cluster.resolv_conf(cx.place);
    let servers = match server {
        None => own_servers(&conf, 53),
        Some(server) => named_servers(cx, server, 53),
    };
    let Some(first) = servers.first().copied() else {
        let server = server.map_or("", String::as_str);
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
    look_up(cx, &servers, host, &names, &types)
}

fn look_up(
    cx: &mut Cx<'_>,
    servers: &[std::net::SocketAddr],
    host: &str,
    names: &[String],
    types: &[RecordType],
) -> i32 {
    let last = names.len() - 1;
    for (i, candidate) in names.iter().enumerate() {
        let mut asked = candidate.clone();
        let mut shown = 0;
        for rtype in types {
            let answer = match ask(cx, servers, Message::query(0, &asked, *rtype), PATIENCE) {
                Err(status) => return status,
                Ok(None) => {
                    cx.out.line(";; no servers could be reached");
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
