//! The tools of bind, by release: `dig`, `host`, `nslookup`.

mod dig;
mod dig_options;
mod dig_print;
mod host;
mod nslookup;
mod rdata;
mod release;

pub(crate) use nslookup::authority;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::ResolvConf;
use sim_core::kube::dns::resolver::bind::{Answer, Event, Exchange, Patience};
use sim_core::kube::dns::wire::{Message, Rcode};
use sim_core::linux::Errno;

use super::net::{draw, netns};
use super::{Cx, SIGINT_STATUS};

pub(crate) use dig::run as dig;
pub(crate) use host::run as host;
pub(crate) use nslookup::run as nslookup;

/// Asks one question and prints what goes wrong on the way. None: no server answered; `Err`: ^C.
fn ask(
    cx: &mut Cx<'_>,
    servers: &[SocketAddr],
    mut query: Message,
    patience: Patience,
) -> Result<Option<Box<Answer>>, i32> {
    if cx.out.control_c() {
        return Err(SIGINT_STATUS);
    }
    query.id = draw(cx) as u16;
    let name = query.question.as_ref().map_or(String::new(), |q| q.name.clone());
    let mut exchange = Exchange::new(servers.to_vec(), query, patience);
    if let Ok(ns) = netns(cx) {
        cx.cluster.drive(ns, &mut exchange);
    }
    for event in exchange.into_events() {
        match event {
            Event::Reply(answer) => return Ok(Some(answer)),
            Event::Truncated => cx.out.line(";; Truncated, retrying in TCP mode."),
            Event::Passed(server, rcode) => {
                let what =
                    if rcode == Rcode::SERVFAIL { "SERVFAIL reply" } else { "recursion not available" };
                cx.out.line(format!(";; Got {what} from {}, trying next server", server.ip()));
            }
            Event::Failed(_, _) if !release::Release::of(cx).tells_tries() => {}
            Event::Failed(server, errno) => {
                let why = errno.map_or("timed out", words);
                cx.out.line(format!(";; communications error to {}: {why}", hashed(server)));
            }
            Event::Unsendable(server, errno) => {
                let (why, ip) = (words(errno), server.ip());
                let name = name.trim_end_matches('.');
                cx.out.line(format!(";; UDP setup with {}({ip}) for {name} failed: {why}.", hashed(server)));
            }
        }
    }
    Ok(None)
}

/// Whether a name as it was typed is one; if not, a tool says so.
fn is_legal(cx: &mut Cx<'_>, tool: &str, typed: &str) -> bool {
    let fault = name::fault(typed);
    if let Some(why) = fault {
        cx.out.err(format!("{tool}: '{typed}' is not a legal name ({why})"));
    }
    fault.is_none()
}

/// `10.96.0.10#53`.
fn hashed(addr: SocketAddr) -> String {
    format!("{}#{}", addr.ip(), addr.port())
}

/// Error numbers as bind's library words them.
fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::ECONNREFUSED => "connection refused",
        Errno::EHOSTUNREACH => "host unreachable",
        Errno::ENETUNREACH => "network unreachable",
        Errno::ECONNRESET => "connection reset",
        Errno::ETIMEDOUT => "timed out",
        Errno::EPERM | Errno::EACCES => "permission denied",
        Errno::EADDRNOTAVAIL => "address not available",
        _ => "unexpected error",
    }
}

/// The servers of resolv.conf.
fn own_servers(conf: &ResolvConf, port: u16) -> Vec<SocketAddr> {
    conf.servers.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// The addresses of a server that was named on the command line.
fn named_servers(cx: &mut Cx<'_>, server: &str, port: u16) -> Vec<SocketAddr> {
    let addresses: Vec<IpAddr> = super::net::resolve(cx, server).unwrap_or_default();
    addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

/// The names to try, in order, as `nslookup` and `host` walk the search list.
fn candidates(conf: &ResolvConf, name: &str) -> Vec<String> {
    use sim_core::kube::dns::name as names;
    let own = names::absolute(name);
    if names::is_absolute(name) {
        return vec![own];
    }
    let searched = conf.search.iter().map(|domain| format!("{name}.{}.", domain.trim_end_matches('.')));
    let dots = names::labels(name).len().saturating_sub(1);
    if dots >= conf.ndots {
        std::iter::once(own).chain(searched).collect()
    } else {
        searched.chain(std::iter::once(own)).collect()
    }
}
