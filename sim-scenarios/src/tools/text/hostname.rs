//! `hostname [-i | -I | -s | -f | -d]`

use super::options::Options;
use crate::tools::Cx;
use sim_core::linux::ipv6::is_link_local;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(
        cx,
        "iIsfd",
        &[
            ("ip-address", 'i'),
            ("all-ip-addresses", 'I'),
            ("short", 's'),
            ("fqdn", 'f'),
            ("long", 'f'),
            ("domain", 'd'),
        ],
    ) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if !options.operands.is_empty() {
        cx.out.err("hostname: you must be root to change the host name");
        return 1;
    }
    let Some(machine) = cx.cluster.machine(cx.place) else { return 1 };
    let (name, ns) = (machine.hostname.clone(), machine.ns);
    let text = if options.has('I') {
        let ns = cx.cluster.world.ns(ns);
        let addrs = ns.ifaces().filter(|i| !i.is_loopback()).flat_map(|i| {
            i.addrs
                .iter()
                .filter(|a| !is_link_local(a.addr()))
                .map(|a| a.addr().to_string())
                .collect::<Vec<_>>()
        });
        addrs.fold(String::new(), |all, addr| all + &addr + " ")
    } else if options.has('i') {
        match from_hosts_file(cx, &name) {
            Some(addr) => addr,
            None => {
                cx.out.err(format!("hostname: {name}: Unknown host"));
                return 1;
            }
        }
    } else if options.has('s') {
        name.split('.').next().unwrap_or_default().to_owned()
    } else if options.has('f') || options.has('d') {
        let full = canonical(cx, &name).unwrap_or(name);
        if options.has('f') { full } else { full.split_once('.').map_or("", |(_, domain)| domain).to_owned() }
    } else {
        name
    };
    if text.is_empty() && options.has('d') {
        return 0;
    }
    cx.out.line(text);
    0
}

fn from_hosts_file(cx: &mut Cx<'_>, name: &str) -> Option<String> {
    line_of(cx, name)?.into_iter().next()
}

/// What `gethostbyname(3)` calls a host of the file: the first name in its line.
fn canonical(cx: &mut Cx<'_>, name: &str) -> Option<String> {
    line_of(cx, name)?.into_iter().nth(1)
}

/// The words of the line of `/etc/hosts` that has a name.
fn line_of(cx: &mut Cx<'_>, name: &str) -> Option<Vec<String>> {
    let bytes = cx.files().read("/etc/hosts").ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let words = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<String>>()
    };
    text.lines().map(words).find(|words| words.iter().skip(1).any(|w| w == name))
}
