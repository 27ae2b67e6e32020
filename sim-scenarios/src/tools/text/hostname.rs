//! `hostname [-i | -I | -s | -f]`

use super::options::Options;
use crate::tools::Cx;
use sim_core::linux::ipv6::is_link_local;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(
        cx,
        "iIsf",
        &[("ip-address", 'i'), ("all-ip-addresses", 'I'), ("short", 's'), ("fqdn", 'f')],
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
    } else {
        name
    };
    cx.out.line(text);
    0
}

fn from_hosts_file(cx: &mut Cx<'_>, name: &str) -> Option<String> {
    let bytes = cx.files().read("/etc/hosts").ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let addr = words.next()?;
        words.any(|w| w == name).then(|| addr.to_owned())
    })
}
