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
    let fault = fault(typed);
    if let Some(why) = fault {
        cx.out.err(format!("{tool}: '{typed}' is not a legal name ({why})"));
    }
    fault.is_none()
}

/// What is wrong with a name (`dns_name_fromtext`).
fn fault(name: &str) -> Option<&'static str> {
    const LABEL_MAX: usize = 63;
    const NAME_MAX: usize = 255;
    if matches!(name, "" | ".") {
        return None;
    }
    let mut bytes = name.bytes();
    let (mut label, mut all) = (0, 1);
    while let Some(byte) = bytes.next() {
        if byte == b'.' {
            if label == 0 {
                return Some("empty label");
            }
            label = 0;
            continue;
        }
        if byte == b'\\' {
            match bytes.next() {
                None => return Some("unexpected end of input"),
                Some(first) if first.is_ascii_digit() => {
                    let digits: Vec<u8> = std::iter::once(first).chain(bytes.by_ref().take(2)).collect();
                    let number = std::str::from_utf8(&digits).ok().and_then(|d| d.parse::<u8>().ok());
                    if digits.len() < 3 || number.is_none() {
                        return Some("bad escape");
                    }
                }
                Some(_) => {}
            }
        }
        all += 1 + usize::from(label == 0);
        label += 1;
        if label > LABEL_MAX {
            return Some("label too long");
        }
        if all > NAME_MAX {
            return Some("ran out of space");
        }
    }
    None
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
