//! busybox' `nslookup` up to 1.28: a look-up of the C library, then a name for every address.

use std::net::IpAddr;

use sim_core::kube::dns::resolver::{Family, Libc as Rules, ResolvConf};

use super::super::net::rules;
use super::super::{Cx, busybox};

const USAGE: &str = "nslookup [HOST] [SERVER]

Query the nameserver for the IP address of the given HOST
optionally using a specified DNS server";

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let (host, server) = match cx.operands() {
        [host] if !host.starts_with('-') => (host.clone(), None),
        [host, server] if !host.starts_with('-') => (host.clone(), Some(server.clone())),
        _ => return busybox::usage(cx, USAGE),
    };
    let mut conf = cx.cluster.resolv_conf(cx.place);
    if let Some(server) = server {
        let Some(addr) = super::server_address(cx, &server) else { return 1 };
        conf.servers = vec![addr];
    }
    // musl has no public list of servers: the applet asks for the name of a null pointer.
    if rules(cx) == Rules::Musl {
        cx.out.err("nslookup: can't resolve '(null)': Name does not resolve");
    } else if let Some(server) = conf.servers.first().copied() {
        let text = server.to_string();
        block(cx, &conf, "Server:", &text);
    }
    cx.out.line("");
    i32::from(!block(cx, &conf, "Name:", &host))
}

/// Prints a name and its addresses with their names; whether there are any.
fn block(cx: &mut Cx<'_>, conf: &ResolvConf, title: &str, host: &str) -> bool {
    let addresses: Vec<IpAddr> = match cx.cluster.lookup(cx.place, host, Family::Any, (Some(conf), None)) {
        Ok(found) => found.addresses,
        Err(error) => {
            // Only Alpine's build says why.
            let rules = rules(cx);
            let why =
                if rules == Rules::Musl { format!(": {}", error.message(rules)) } else { String::new() };
            cx.out.err(format!("nslookup: can't resolve '{host}'{why}"));
            return false;
        }
    };
    cx.out.line(format!("{title:<10} {host}"));
    for (i, addr) in addresses.into_iter().enumerate() {
        let name = cx
            .cluster
            .name_of(cx.place, addr, Some(conf))
            .map_or_else(|_| String::new(), |n| format!(" {n}"));
        cx.out.line(format!("Address {}: {addr}{name}", i + 1));
    }
    true
}
