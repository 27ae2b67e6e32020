//! bind's `nslookup`, not interactive.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::bind::{Answer, Patience};
use sim_core::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType, Soa};

use super::super::Cx;
use super::release::Release;
use super::{ask, candidates, hashed, is_legal, named_servers, own_servers, rdata};

struct Command {
    rtype: Option<RecordType>,
    port: u16,
    patience: Patience,
    host: String,
    server: Option<String>,
}

/// One run: the servers, and how they are called.
struct Session {
    servers: Vec<SocketAddr>,
    /// As typed; none for those of resolv.conf, about whose lack of recursion it complains.
    named: Option<String>,
    patience: Patience,
    /// The name as typed.
    typed: String,
    release: Release,
}

/// Exit status for what is no name.
const NO_NAME: i32 = 10;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let command = match Command::parse(cx) {
        Ok(command) => command,
        Err(status) => return status,
    };
    if !is_legal(cx, "nslookup", &command.host) {
        return NO_NAME;
    }
    let conf = cx.cluster.resolv_conf(cx.place);
    let servers = match &command.server {
        None => own_servers(&conf, command.port),
        Some(server) => named_servers(cx, server, command.port),
    };
    if servers.is_empty() {
        let server = command.server.as_deref().unwrap_or_default();
        cx.out.line(format!("nslookup: couldn't get address for '{server}': not found"));
        return 1;
    }
    let release = Release::of(cx);
    let session = Session {
        servers,
        patience: Patience {
            servfail_stops: false,
            check_recursion: command.server.is_none() && release.checks_recursion(),
            ..command.patience
        },
        named: command.server,
        typed: command.host.clone(),
        release,
    };
    let result = match command.host.parse::<IpAddr>() {
        Ok(addr) if command.rtype.is_none() => session.reverse(cx, addr),
        _ => session.forward(cx, &candidates(&conf, &command.host), command.rtype),
    };
    match result {
        Ok(status) | Err(status) => status,
    }
}

impl Session {
    /// Asks, and complains about a server that will not recurse.
    fn ask(&self, cx: &mut Cx<'_>, name: &str, rtype: RecordType) -> Result<Box<Answer>, i32> {
        let Some(answer) = ask(cx, &self.servers, Message::query(0, name, rtype), self.patience)? else {
            let before = if self.release.tells_tries() { "" } else { "connection timed out; " };
            cx.out.line(format!(";; {before}no servers could be reached\n"));
            return Err(1);
        };
        let (flags, server) = (answer.message.flags, answer.server.ip());
        if answer.message.rcode == Rcode::SERVFAIL {
            cx.out.line(format!(";; Got SERVFAIL reply from {server}"));
        } else if !flags.ra && self.named.is_none() && self.release.checks_recursion() {
            cx.out.line(format!(";; Got recursion not available from {server}"));
        }
        Ok(answer)
    }

    fn greet(&self, cx: &mut Cx<'_>, server: SocketAddr) {
        let called = self.named.clone().unwrap_or_else(|| server.ip().to_string());
        cx.out.line(format!("Server:\t\t{called}\nAddress:\t{}\n", hashed(server)));
    }

    fn reverse(&self, cx: &mut Cx<'_>, addr: IpAddr) -> Result<i32, i32> {
        let asked = name::reverse(addr);
        let answer = self.ask(cx, &asked, RecordType::PTR)?;
        Ok(self.conclude(cx, &asked, &answer.message))
    }

    fn forward(&self, cx: &mut Cx<'_>, names: &[String], rtype: Option<RecordType>) -> Result<i32, i32> {
        let first_type = rtype.unwrap_or(RecordType::A);
        let mut found = None;
        for (i, candidate) in names.iter().enumerate() {
            let answer = self.ask(cx, candidate, first_type)?;
            let go_on = answer.message.rcode == Rcode::NXDOMAIN && i + 1 < names.len();
            found = Some((candidate, answer));
            if !go_on {
                break;
            }
        }
        let Some((asked, answer)) = found else { return Err(1) };
        self.greet(cx, answer.server);
        if answer.message.rcode != Rcode::NOERROR || rtype.is_some() {
            return Ok(self.conclude(cx, asked, &answer.message));
        }
        // Addresses of the other family, of what the name is an alias for.
        records(cx, &answer.message, true);
        if !self.release.asks_aaaa() {
            if answer.message.answers.is_empty() {
                cx.out.line(format!("*** Can't find {}: No answer", self.typed));
            }
            cx.out.line("");
            return Ok(0);
        }
        let target = answer.message.answers.iter().rev().find_map(|r| match &r.data {
            RecordData::Cname(target) => Some(target.clone()),
            _ => None,
        });
        let second = self.ask(cx, target.as_deref().unwrap_or(asked), RecordType::AAAA)?;
        records(cx, &second.message, false);
        if answer.message.answers.is_empty() && second.message.answers.is_empty() {
            cx.out.line(format!("*** Can't find {}: No answer", self.typed));
        }
        cx.out.line("");
        Ok(0)
    }

    /// Prints the one answer of a command, and its status.
    fn conclude(&self, cx: &mut Cx<'_>, asked: &str, message: &Message) -> i32 {
        let asked = name::relative(asked);
        let failed = message.rcode != Rcode::NOERROR;
        if failed {
            cx.out.line(format!("** server can't find {asked}: {}", message.rcode));
        } else {
            records(cx, message, true);
            if message.answers.is_empty() {
                cx.out.line(format!("*** Can't find {}: No answer", self.typed));
            }
        }
        cx.out.line("");
        i32::from(failed)
    }
}

fn records(cx: &mut Cx<'_>, message: &Message, first: bool) {
    if first && !message.flags.aa && !message.answers.is_empty() {
        cx.out.line("Non-authoritative answer:");
    }
    for record in &message.answers {
        cx.out.line(line(record));
    }
}

/// A start of authority as `nslookup` writes it.
pub(crate) fn authority(owner: &str, soa: &Soa) -> String {
    format!(
        "{owner}\n\torigin = {}\n\tmail addr = {}\n\tserial = {}\n\trefresh = {}\n\tretry = {}\n\texpire = {}\n\tminimum = {}",
        name::relative(&soa.mname),
        name::relative(&soa.rname),
        soa.serial,
        soa.refresh,
        soa.retry,
        soa.expire,
        soa.minimum
    )
}

fn line(record: &Record) -> String {
    let owner = name::relative(&record.name);
    let data = rdata::text(&record.data);
    match &record.data {
        RecordData::A(_) | RecordData::Aaaa(_) => format!("Name:\t{owner}\nAddress: {data}"),
        RecordData::Cname(_) => format!("{owner}\tcanonical name = {data}"),
        RecordData::Ns(_) => format!("{owner}\tnameserver = {data}"),
        RecordData::Ptr(_) => format!("{owner}\tname = {data}"),
        RecordData::Mx { .. } => format!("{owner}\tmail exchanger = {data}"),
        RecordData::Srv { .. } => format!("{owner}\tservice = {data}"),
        RecordData::Txt(_) => format!("{owner}\ttext = {data}"),
        RecordData::Soa(soa) => authority(owner, soa),
        RecordData::Other { rtype, .. } => format!("{owner}\trdata_{} = {data}", rtype.0),
    }
}

impl Command {
    fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let patience = Patience { tries: 3, ..Patience::default() };
        let mut command = Self { rtype: None, port: 53, patience, host: String::new(), server: None };
        let words = cx.operands().to_vec();
        let options = words.iter().take_while(|w| w.starts_with('-')).count();
        for word in &words[..options] {
            let (option, value) = word[1..].split_once('=').unwrap_or((&word[1..], ""));
            let number = value.parse::<u32>().ok().filter(|n| *n > 0);
            match (option, number) {
                ("type" | "querytype" | "query" | "q" | "ty", _) => {
                    let Some(rtype) = RecordType::from_mnemonic(value) else {
                        cx.out.line(format!("unknown query type: {value}"));
                        return Err(1);
                    };
                    command.rtype = Some(rtype);
                }
                ("timeout", Some(n)) => command.patience.timeout = Duration::from_secs(u64::from(n)),
                ("retry", Some(n)) => command.patience.tries = n,
                ("port", Some(n)) => command.port = u16::try_from(n).unwrap_or(53),
                _ => return Err(cx.not_modelled(format!("nslookup: option {word}"))),
            }
        }
        match &words[options..] {
            [host] => command.host.clone_from(host),
            [host, server] => {
                command.host.clone_from(host);
                command.server = Some(server.clone());
            }
            [] => return Err(cx.not_modelled("nslookup at its own prompt")),
            _ => return Err(cx.not_modelled("nslookup: more than two names")),
        }
        Ok(command)
    }
}
