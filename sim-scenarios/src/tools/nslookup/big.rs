//! busybox' `nslookup` since 1.29: its own queries, and every reply printed as it comes.

use std::net::SocketAddr;
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::nslookup::{Event, Nslookup};
use sim_core::kube::dns::wire::{Message, Rcode, RecordData, RecordType};

use super::super::bind::authority;
use super::super::net::{draw, netns, strerror};
use super::super::{Cx, busybox};

const USAGE: &str = "nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]

Query DNS about HOST

QUERY_TYPE: soa,ns,a,aaaa,cname,mx,txt,ptr,srv,any";

/// Types in the order in which they are asked.
const TYPES: [RecordType; 10] = [
    RecordType::SOA,
    RecordType::NS,
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::TXT,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::ANY,
];

/// The options, in the order in which abbreviations are tried.
const OPTIONS: [&str; 7] = ["type", "querytype", "port", "retry", "debug", "t", "timeout"];

struct Command {
    types: Vec<RecordType>,
    port: u16,
    retry: u32,
    timeout: u64,
    debug: bool,
    host: String,
    server: Option<String>,
}

pub(super) fn run(cx: &mut Cx<'_>, minor: u16) -> i32 {
    let command = match Command::parse(cx) {
        Ok(command) => command,
        Err(status) => return status,
    };
    let conf = cx.cluster.resolv_conf(cx.place);
    let mut names = vec![];
    let mut search: &[String] = &conf.search;
    if let Some(server) = &command.server {
        let Some(addr) = super::server_address(cx, server) else { return 1 };
        names.push((SocketAddr::new(addr, command.port), server.clone()));
        search = &[];
    } else {
        names.extend(conf.servers.iter().map(|s| (SocketAddr::new(*s, command.port), s.to_string())));
    }
    if minor == 29 {
        // This version knew no search list yet.
        search = &[];
    }
    let queries = command.queries(search);
    let servers = names.iter().map(|(addr, _)| *addr).collect();
    let timeout = Duration::from_secs(command.timeout);
    let mut client = Nslookup::new(servers, &queries, timeout, command.retry, draw(cx));
    let started = cx.now();
    if cx.out.control_c() {
        return super::super::SIGINT_STATUS;
    }
    if let Ok(ns) = netns(cx) {
        cx.cluster.drive(ns, &mut client);
    }
    let elapsed = cx.now().since(started).as_millis();
    let mut status = 0;
    let events: Vec<Event> = client.take_events().collect();
    for event in events {
        status |= print(cx, &event, &names, &queries, &command, minor, elapsed);
    }
    status
}

/// Prints one event; 1 if it makes the command fail.
fn print(
    cx: &mut Cx<'_>,
    event: &Event,
    servers: &[(SocketAddr, String)],
    queries: &[(String, RecordType)],
    command: &Command,
    minor: u16,
    elapsed: u128,
) -> i32 {
    let called =
        |addr: &SocketAddr| servers.iter().find(|(a, _)| a == addr).map_or("", |(_, name)| name.as_str());
    match event {
        Event::Server(addr) => {
            cx.out.line(format!("Server:\t\t{}\nAddress:\t{addr}\n", called(addr)));
            0
        }
        Event::WriteError(addr, errno) => {
            let why = strerror(cx, *errno);
            cx.out.err(format!("nslookup: write to '{}': {why}", called(addr)));
            0
        }
        Event::ReadError(errno) => {
            let why = strerror(cx, *errno);
            cx.out.err(format!("nslookup: read: {why}"));
            0
        }
        Event::NoServers => {
            cx.out.line(";; connection timed out; no servers could be reached\n");
            1
        }
        Event::Reply { query, rcode, reply } => {
            if command.debug {
                cx.out.line(format!("Query #{query} completed in {elapsed}ms:"));
            }
            let name = &queries[*query].0;
            let failed = match reply {
                _ if *rcode != Rcode::NOERROR => {
                    cx.out.line(format!("** server can't find {name}: {rcode}"));
                    true
                }
                Some(reply) => {
                    records(cx, reply, command.debug);
                    if reply.answers.is_empty() && (32..34).contains(&minor) {
                        cx.out.line(format!("*** Can't find {name}: No answer"));
                    }
                    false
                }
                None => {
                    cx.out.line(format!("*** Can't find {name}: Parse error"));
                    true
                }
            };
            cx.out.line("");
            i32::from(failed && minor >= 31)
        }
    }
}

fn records(cx: &mut Cx<'_>, reply: &Message, debug: bool) {
    if !reply.flags.aa {
        cx.out.line("Non-authoritative answer:");
    } else if debug {
        cx.out.line("authoritative answer:");
    }
    for record in &reply.answers {
        let owner = name::relative(&record.name);
        let text = match &record.data {
            RecordData::A(addr) => format!("Name:\t{owner}\nAddress: {addr}"),
            RecordData::Aaaa(addr) => format!("Name:\t{owner}\nAddress: {addr}"),
            RecordData::Cname(n) => format!("{owner}\tcanonical name = {}", name::relative(n)),
            RecordData::Ns(n) => format!("{owner}\tnameserver = {}", name::relative(n)),
            RecordData::Ptr(n) => format!("{owner}\tname = {}", name::relative(n)),
            RecordData::Mx { preference, exchange } => {
                format!("{owner}\tmail exchanger = {preference} {}", name::relative(exchange))
            }
            RecordData::Srv { priority, weight, port, target } => {
                format!("{owner}\tservice = {priority} {weight} {port} {}", name::relative(target))
            }
            RecordData::Txt(strings) => match strings.first().filter(|s| !s.is_empty()) {
                Some(first) => format!("{owner}\ttext = \"{}\"", String::from_utf8_lossy(first)),
                None => continue,
            },
            RecordData::Soa(soa) => authority(owner, soa),
            RecordData::Other { .. } => continue,
        };
        cx.out.line(text);
    }
}

impl Command {
    /// Reads the words; the status to end with if they make no command.
    fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let mut command = Self {
            types: vec![],
            port: 53,
            retry: 2,
            timeout: 5,
            debug: false,
            host: String::new(),
            server: None,
        };
        let words = cx.operands().to_vec();
        let options = words.iter().take_while(|w| w.starts_with('-')).count();
        for word in &words[..options] {
            command.option(cx, word)?;
        }
        match &words[options..] {
            [host] => command.host.clone_from(host),
            [host, server] => {
                command.host.clone_from(host);
                command.server = Some(server.clone());
            }
            _ => return Err(busybox::usage(cx, USAGE)),
        }
        Ok(command)
    }

    fn option(&mut self, cx: &mut Cx<'_>, word: &str) -> Result<(), i32> {
        let (given, value) = word[1..].split_once('=').map_or((&word[1..], None), |(g, v)| (g, Some(v)));
        let option = OPTIONS.iter().find(|o| o.starts_with(given) && !given.is_empty());
        match (option, value) {
            (Some(&"debug"), _) => self.debug = true,
            (Some(&("type" | "querytype")), Some(value)) => {
                let rtype = RecordType::from_mnemonic(value).filter(|t| TYPES.contains(t));
                let Some(rtype) = rtype else {
                    cx.out.err(format!("nslookup: invalid query type \"{value}\""));
                    return Err(1);
                };
                self.types.push(rtype);
            }
            (Some(&"port"), Some(value)) => self.port = number(cx, value, 65_535)? as u16,
            (Some(&"retry"), Some(value)) => self.retry = number(cx, value, i32::MAX as u32)?,
            (Some(&("t" | "timeout")), Some(value)) => {
                self.timeout = u64::from(number(cx, value, i32::MAX as u32 / 1000)?);
            }
            _ => return Err(busybox::usage(cx, USAGE)),
        }
        Ok(())
    }

    /// What is asked: everything at once; a name without a dot under every search domain.
    fn queries(&self, search: &[String]) -> Vec<(String, RecordType)> {
        if self.types.is_empty()
            && let Ok(addr) = self.host.parse()
        {
            return vec![(name::relative(&name::reverse(addr)).to_owned(), RecordType::PTR)];
        }
        let types: Vec<RecordType> = if self.types.is_empty() {
            vec![RecordType::A, RecordType::AAAA]
        } else {
            TYPES.into_iter().filter(|t| self.types.contains(t)).collect()
        };
        let mut queries = Vec::new();
        for rtype in types {
            if rtype == RecordType::PTR || search.is_empty() || self.host.contains('.') {
                queries.push((self.host.clone(), rtype));
            } else {
                queries.extend(search.iter().map(|domain| (format!("{}.{domain}", self.host), rtype)));
            }
        }
        queries
    }
}

/// A number from 1 to `most`, or busybox' complaint.
fn number(cx: &mut Cx<'_>, text: &str, most: u32) -> Result<u32, i32> {
    match text.parse::<u32>() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        Ok(_) => {
            cx.out.err(format!("nslookup: number {text} is not in 1..{most} range"));
            Err(1)
        }
        Err(_) => {
            cx.out.err(format!("nslookup: invalid number '{text}'"));
            Err(1)
        }
    }
}
