//! `dig`.

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::ResolvConf;
use sim_core::kube::dns::wire::{Edns, Message, Rcode};

use super::super::Cx;
use super::super::net::draw;
use super::dig_options::{Line, Options};
use super::release::Release;
use super::{ask, candidates, dig_print, is_legal, named_servers, own_servers};

/// No server answered.
const NO_REPLY: i32 = 9;
/// The server's name has no address, or the name is none.
const NO_SERVER: i32 = 10;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let line = match Line::parse(cx) {
        Ok(line) => line,
        Err(status) => return status,
    };
    if !line.questions.iter().all(|q| is_legal(cx, "dig", &q.name)) {
        return NO_SERVER;
    }
    let mut status = 0;
    for (i, options) in line.questions.iter().enumerate() {
        match question(cx, options, i == 0) {
            0 => {}
            failed @ (NO_REPLY | NO_SERVER) => status = failed,
            ended => return ended,
        }
    }
    status
}

/// One question; the command line is shown before the first one's answer.
fn question(cx: &mut Cx<'_>, options: &Options, first: bool) -> i32 {
    let mut conf = cx.cluster.resolv_conf(cx.place);
    if let Some(ndots) = options.ndots {
        conf.ndots = ndots;
    }
    if let Some(domain) = &options.domain {
        conf.search = vec![domain.clone()];
    }
    let mut servers = match &options.server {
        None => own_servers(&conf, options.port),
        Some(server) => named_servers(cx, server, options.port),
    };
    if let Some(v6) = options.v6 {
        servers.retain(|s| s.is_ipv6() == v6);
    }
    if servers.is_empty() {
        let server = options.server.as_deref().unwrap_or_default();
        cx.out.err(format!("dig: couldn't get address for '{server}': not found"));
        return NO_SERVER;
    }
    let names = names(options, &conf);
    let last = names.len() - 1;
    for (i, name) in names.iter().enumerate() {
        let query = query(cx, options, name);
        match ask(cx, &servers, query, options.patience) {
            Err(status) => return status,
            Ok(None) => {
                banner(cx, options, servers.len(), first);
                if Release::of(cx).tells_tries() {
                    cx.out.line(";; no servers could be reached");
                } else {
                    cx.out.line(";; connection timed out; no servers could be reached");
                }
                return NO_REPLY;
            }
            Ok(Some(answer))
                if i < last && answer.message.rcode == Rcode::NXDOMAIN && !options.show.search => {}
            Ok(Some(answer)) => {
                banner(cx, options, servers.len(), first && (i == 0 || !options.show.search));
                dig_print::answer(cx, options, &answer);
                if answer.message.rcode != Rcode::NXDOMAIN {
                    break;
                }
            }
        }
    }
    0
}

/// The names to ask for: one, unless the search list is wanted.
fn names(options: &Options, conf: &ResolvConf) -> Vec<String> {
    if options.search || options.domain.is_some() {
        candidates(conf, &options.name)
    } else {
        vec![name::absolute(&options.name)]
    }
}

fn query(cx: &mut Cx<'_>, options: &Options, name: &str) -> Message {
    let mut query = Message::query(0, name, options.rtype);
    query.flags.rd = options.recurse;
    query.flags.ad = options.ad;
    query.flags.cd = options.cd;
    query.flags.aa = options.aa;
    query.edns = options.edns.map(|udp_size| {
        let cookie = || [draw(cx).to_be_bytes(), draw(cx).to_be_bytes()].concat();
        let cookies = options.cookie.then(cookie).into_iter().map(|c| (10, c));
        Edns { udp_size, dnssec_ok: options.dnssec, options: cookies.collect() }
    });
    query
}

/// The lines before the answer.
fn banner(cx: &mut Cx<'_>, options: &Options, servers: usize, first: bool) {
    if options.show.short || !options.show.cmd || !first {
        return;
    }
    let words = cx.operands().join(" ");
    let version = Release::of(cx).0;
    cx.out.line(format!("\n; <<>> DiG {version} <<>> {words}"));
    if options.server.is_some() {
        let plural = if servers == 1 { "server" } else { "servers" };
        cx.out.line(format!("; ({servers} {plural} found)"));
    }
    cx.out.line(";; global options: +cmd");
}
