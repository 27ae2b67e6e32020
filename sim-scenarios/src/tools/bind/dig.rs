//! `dig`.

use sim_core::kube::dns::name;
use sim_core::kube::dns::wire::{Edns, Message, Rcode};

use super::super::Cx;
use super::super::net::draw;
use super::dig_options::Options;
use super::{VERSION, ask, candidates, dig_print, named_servers, own_servers};

/// No server answered.
const NO_REPLY: i32 = 9;
/// The server's name has no address.
const NO_SERVER: i32 = 10;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::parse(cx) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let conf = cx.cluster.resolv_conf(cx.place);
    let servers = match &options.server {
        None => own_servers(&conf, options.port),
        Some(server) => named_servers(cx, server, options.port),
    };
    if servers.is_empty() {
        let server = options.server.as_deref().unwrap_or_default();
        cx.out.err(format!("dig: couldn't get address for '{server}': not found"));
        return NO_SERVER;
    }
    let names =
        if options.search { candidates(&conf, &options.name) } else { vec![name::absolute(&options.name)] };
    let last = names.len() - 1;
    for (i, name) in names.iter().enumerate() {
        let query = query(cx, &options, name);
        match ask(cx, &servers, query, options.patience) {
            Err(status) => return status,
            Ok(None) => {
                banner(cx, &options, servers.len());
                cx.out.line(";; no servers could be reached");
                return NO_REPLY;
            }
            Ok(Some(answer)) if i < last && answer.message.rcode == Rcode::NXDOMAIN => {}
            Ok(Some(answer)) => {
                banner(cx, &options, servers.len());
                dig_print::answer(cx, &options, &answer);
                break;
            }
        }
    }
    0
}

fn query(cx: &mut Cx<'_>, options: &Options, name: &str) -> Message {
    let mut query = Message::query(0, name, options.rtype);
    query.flags.rd = options.recurse;
    query.flags.ad = true;
    query.edns = options.edns.map(|udp_size| {
        let cookie = || [draw(cx).to_be_bytes(), draw(cx).to_be_bytes()].concat();
        let cookies = options.cookie.then(cookie).into_iter().map(|c| (10, c));
        Edns { udp_size, dnssec_ok: false, options: cookies.collect() }
    });
    query
}

/// The lines before the answer.
fn banner(cx: &mut Cx<'_>, options: &Options, servers: usize) {
    if options.show.short || !options.show.cmd {
        return;
    }
    let words = cx.operands().join(" ");
    cx.out.line(format!("\n; <<>> DiG {VERSION} <<>> {words}"));
    if options.server.is_some() {
        let plural = if servers == 1 { "server" } else { "servers" };
        cx.out.line(format!("; ({servers} {plural} found)"));
    }
    cx.out.line(";; global options: +cmd");
}
