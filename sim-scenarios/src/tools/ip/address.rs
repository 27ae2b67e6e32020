//! `ip address`.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::Iface;

use super::link::{LinkView, views};
use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};

/// Commands of `ip address` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &[
    "add", "change", "chg", "replace", "delete", "show", "list", "lst", "flush", "save", "showdump",
    "restore", "help",
];

impl Call<'_> {
    pub(super) fn address(mut self) -> Shown {
        match self.words.command("address", COMMANDS)? {
            "show" | "list" | "lst" => self.address_show(),
            "add" => self.address_change(true),
            "delete" => self.address_change(false),
            other => Err(Failure::NotModelled(format!("ip address {other}"))),
        }
    }

    fn address_show(mut self) -> Shown {
        let selector = self.selector(1)?;
        let ns = self.world.ns(self.ns);
        let links = views(self.world, self.ns);
        let shown = links.iter().zip(ns.ifaces()).filter(|(_, iface)| selector.takes(ns, iface));
        Ok(shown.map(|(link, iface)| self.address_text(link, iface)).collect())
    }

    fn address_text(&self, link: &LinkView, iface: &Iface) -> String {
        let family = self.options.family;
        let addrs: Vec<&IpNet> =
            iface.addrs.iter().filter(|a| family.is_none_or(|f| f.matches(a.addr().is_ipv4()))).collect();
        // With a family, interfaces without such an address are left out.
        if family.is_some() && addrs.is_empty() {
            return String::new();
        }
        if self.options.brief {
            let list: String = addrs.iter().map(|a| format!("{a} ")).collect();
            return format!("{}{list}\n", link.brief(self));
        }
        if self.options.oneline {
            let start = format!("{}: {}", link.index, link.name);
            let one = |a: &&IpNet| {
                format!("{start}{}\\       valid_lft forever preferred_lft forever\n", describe(a, iface))
            };
            return addrs.iter().map(one).collect();
        }
        let mut text = link.head(self, false) + "\n";
        if family.is_none() {
            text += &link.hardware(self.dialect);
            text.push('\n');
        }
        for addr in addrs {
            let _ =
                writeln!(text, "{}\n       valid_lft forever preferred_lft forever", describe(addr, iface));
        }
        text
    }

    fn address_change(mut self, add: bool) -> Shown {
        let (mut addr, mut dev) = (None, None);
        while let Some(word) = self.words.next() {
            match word {
                "dev" => dev = Some(self.words.value()?),
                // The broadcast address always follows from the prefix here.
                "brd" | "broadcast" => drop(self.words.value()?),
                "local" => {
                    let value = self.words.value()?;
                    addr = Some((value, self.words.prefix(value, false)?));
                }
                "peer" | "label" | "scope" | "valid_lft" | "preferred_lft" | "noprefixroute" | "metric" => {
                    return Err(Failure::NotModelled(format!("ip address … {word}")));
                }
                word => addr = Some((word, self.words.prefix(word, false)?)),
            }
        }
        let Some(dev) = dev else {
            return Err(match self.dialect {
                Dialect::Iproute2 => refuse("Not enough information: \"dev\" argument is required.", 255),
                Dialect::Busybox => refuse("ip: need \"dev IFACE\"", 1),
            });
        };
        let Some((written, addr)) = addr else {
            return Err(Failure::NotModelled("ip address without address".into()));
        };
        let ns = self.world.ns_mut(self.ns);
        let result = match (add, written.contains('/')) {
            (true, _) => ns.addr_add(dev, addr),
            (false, true) => ns.addr_del(dev, addr),
            (false, false) => {
                // Without a prefix length any address that is the same goes (the tool warns of it).
                let full = ns
                    .by_name(dev)
                    .ok()
                    .and_then(|i| i.addrs.iter().find(|a| a.addr() == addr.addr()).copied());
                ns.addr_del(dev, full.unwrap_or(addr))
            }
        };
        self.done(result)
    }
}

/// `    inet 10.244.1.5/24 brd 10.244.1.255 scope global eth0`.
fn describe(addr: &IpNet, iface: &Iface) -> String {
    match (addr, addr.addr()) {
        (IpNet::V4(net), IpAddr::V4(ip)) => {
            let brd = match net.prefix_len() {
                ..31 if !iface.is_loopback() => format!(" brd {}", net.broadcast()),
                _ => String::new(),
            };
            let scope = match ip.octets() {
                [127, ..] => "host",
                [169, 254, ..] => "link",
                _ => "global",
            };
            format!("    inet {addr}{brd} scope {scope} {}", iface.name)
        }
        (_, ip) => format!("    inet6 {addr} scope {} ", v6_scope(ip)),
    }
}

fn v6_scope(ip: IpAddr) -> &'static str {
    match ip {
        _ if ip.is_loopback() => "host",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "link",
        _ => "global",
    }
}
