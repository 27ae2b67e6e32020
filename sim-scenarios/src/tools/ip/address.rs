//! `ip address`.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use sim_core::linux::link::AddrNote;
use sim_core::linux::{Iface, NetError};
use sim_core::time::SimTime;

use super::link::{LinkView, Selector, views};
use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};
use crate::tools::printer::Printer;

/// Commands of `ip address` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &[
    "add", "change", "chg", "replace", "delete", "show", "list", "lst", "flush", "save", "showdump",
    "restore", "help",
];
/// An address that stays (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// What a command does with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Add,
    Change,
    Replace,
    Delete,
}

/// An address on a command line.
#[derive(Default)]
struct Described {
    /// As it was written, and as it is.
    addr: Option<(String, IpNet)>,
    dev: Option<String>,
    plus: bool,
    valid: Option<u32>,
    preferred: Option<u32>,
    note: AddrNote,
}

impl Call<'_> {
    pub(super) fn address(mut self) -> Shown {
        match self.words.command("address", COMMANDS)? {
            "show" | "list" | "lst" => self.address_show(),
            "add" => self.address_change(Act::Add),
            "change" | "chg" => self.address_change(Act::Change),
            "replace" => self.address_change(Act::Replace),
            "delete" => self.address_change(Act::Delete),
            "flush" => self.address_flush(),
            "help" => Err(self.usage(include_str!("usage/address.txt"))),
            other => Err(Failure::NotModelled(format!("ip address {other}"))),
        }
    }

    fn address_show(mut self) -> Shown {
        let selector = self.selector(1, true)?;
        let ns = self.world.ns(self.ns);
        let mut p = self.printer();
        for (link, iface) in views(self.world, self.ns).iter().zip(ns.ifaces()) {
            if selector.takes(ns, iface) {
                self.print_interface(&mut p, link, iface, &selector);
            }
        }
        Ok(p.finish())
    }

    fn print_interface(&self, p: &mut Printer, link: &LinkView, iface: &Iface, selector: &Selector) {
        let addrs = self.chosen(iface, selector);
        let narrow = self.options.family.is_some() || selector.to.is_some() || selector.label.is_some();
        // With a family or a prefix, interfaces without such an address are left out.
        let narrow = narrow || selector.secondary == Some(true) && !iface.is_loopback();
        if narrow && addrs.is_empty() {
            return;
        }
        p.open_object(None);
        if self.options.brief {
            link.brief(self, p);
        } else if self.options.oneline && !p.is_json() {
            // Every line is about one address.
        } else if selector.label.is_none() {
            let hardware = self.options.family.is_none() && selector.to.is_none();
            if hardware {
                self.print_link(p, link, iface, false);
            } else {
                link.first_line(self, p);
            }
            p.text("\n");
        }
        p.open_array("addr_info");
        for addr in addrs {
            p.open_object(None);
            if self.options.brief {
                self.print_brief(p, addr, iface);
            } else {
                if self.options.oneline {
                    p.text(format_args!("{}: {}", link.index, link.name));
                }
                self.print_address(p, addr, iface);
                p.text("\n");
            }
            p.close_object();
        }
        if p.is_json() {
            p.close_array();
        }
        if self.options.brief {
            p.text("\n");
        }
        p.close_object();
    }

    /// The addresses of an interface in the kernel's order: by scope, those of a subnet that came later at the end; IPv6 last.
    fn chosen<'i>(&self, iface: &'i Iface, selector: &Selector) -> Vec<&'i IpNet> {
        let mut addrs: Vec<(usize, &IpNet)> = iface.addrs.iter().enumerate().collect();
        addrs.sort_by_key(|(at, a)| {
            let scope = scope_of(a, iface);
            match a.addr().is_ipv4() {
                true => (false, is_secondary(a, iface), Reverse(scope), *at as isize),
                false => (true, false, Reverse(u8::MAX - scope), -(*at as isize)),
            }
        });
        let takes = |a: &&IpNet| {
            self.options.family.is_none_or(|f| f.matches(a.addr().is_ipv4()))
                && selector.to.is_none_or(|to| to.contains(&a.addr()))
                && selector.scope.is_none_or(|s| s == scope_of(a, iface))
                && selector.label.as_deref().is_none_or(|l| a.addr().is_ipv4() && label(a, iface) == l)
                && selector.secondary.is_none_or(|s| s == is_secondary(a, iface))
                && selector.dynamic.is_none_or(|d| d == lifetime(a, iface).0.is_some())
        };
        addrs.into_iter().map(|(_, a)| a).filter(takes).collect()
    }

    fn print_brief(&self, p: &mut Printer, addr: &IpNet, iface: &Iface) {
        let note = iface.notes.addrs.get(addr);
        let peer = note.and_then(|n| n.peer);
        let length = peer.map_or(addr.prefix_len(), |p| p.prefix_len());
        p.any("local", addr.addr(), addr.addr().to_string());
        if let Some(peer) = peer {
            p.any("address", format_args!(" peer {}", peer.addr()), peer.addr().to_string());
        }
        p.any("prefixlen", format_args!("/{length} "), u32::from(length));
        if let Some(metric) = note.map(|n| n.metric).filter(|m| *m != 0) {
            p.any("metric", format_args!("metric {metric} "), metric);
        }
    }

    /// `    inet 10.244.1.5/24 brd 10.244.1.255 scope global eth0` and the line with its lifetimes.
    fn print_address(&self, p: &mut Printer, addr: &IpNet, iface: &Iface) {
        let note = iface.notes.addrs.get(addr).cloned();
        let v4 = addr.addr().is_ipv4();
        let family = if v4 { "inet" } else { "inet6" };
        p.any("family", format_args!("    {family} "), family);
        p.any("local", addr.addr(), addr.addr().to_string());
        let peer = note.as_ref().and_then(|n| n.peer);
        if let Some(peer) = peer {
            p.any("address", format_args!(" peer {}", peer.addr()), peer.addr().to_string());
        }
        let length = peer.map_or(addr.prefix_len(), |p| p.prefix_len());
        p.any("prefixlen", format_args!("/{length} "), u32::from(length));
        if let Some(metric) = note.as_ref().map(|n| n.metric).filter(|m| *m != 0) {
            p.any("metric", format_args!("metric {metric} "), metric);
        }
        if let Some(brd) = broadcast(addr, iface) {
            p.any("broadcast", format_args!("brd {brd} "), brd.to_string());
        }
        let scope = scope_name(scope_of(addr, iface));
        p.any("scope", format_args!("scope {scope} "), scope.as_str());
        let (valid, preferred) = lifetime(addr, iface);
        let now = self.world.now();
        if is_secondary(addr, iface) {
            p.flag("secondary", "secondary ");
        }
        if preferred.is_some_and(|at| at <= now) {
            p.flag("deprecated", "deprecated ");
        }
        if valid.is_some() {
            p.flag("dynamic", "dynamic ");
        }
        if note.as_ref().is_some_and(|n| n.nodad) {
            p.flag("nodad", "nodad ");
        }
        if note.as_ref().is_some_and(|n| n.noprefixroute) {
            p.flag("noprefixroute", "noprefixroute ");
        }
        if v4 {
            let label = label(addr, iface);
            p.any("label", &label, label.as_str());
        }
        p.nl();
        let left = |at: Option<SimTime>| at.map_or(FOREVER, |at| at.since(now).as_secs() as u32);
        for (key, word, seconds) in [
            ("valid_life_time", "       valid_lft", left(valid)),
            ("preferred_life_time", " preferred_lft", left(preferred)),
        ] {
            let text = if seconds == FOREVER { "forever".to_owned() } else { format!("{seconds}sec") };
            p.any(key, format_args!("{word} {text}"), seconds);
        }
    }

    fn address_change(mut self, act: Act) -> Shown {
        let mut d = self.described_address()?;
        let Some(dev) = d.dev.take() else { return Err(self.dev_required(1)) };
        if self.world.ns(self.ns).iface_id(&dev).is_none() {
            return Err(self.no_device(&dev));
        }
        let Some((written, addr)) = d.addr.take() else {
            return Err(refuse(self.kernel("Operation not supported"), 2));
        };
        let dev = dev.as_str();
        self.complete(&mut d, addr, dev);
        if act == Act::Delete {
            return self.address_delete(dev, &written, addr);
        }
        let there = self.world.ns(self.ns).by_name(dev).is_ok_and(|i| i.addrs.contains(&addr));
        let ns = self.world.ns_mut(self.ns);
        let result = match (there, act) {
            (true, Act::Change | Act::Replace) => ns.addr_change(dev, addr, d.note),
            _ => ns.addr_add_with(dev, addr, d.note),
        };
        match result {
            Err(NetError::Exists) if self.dialect == Dialect::Iproute2 => {
                let which = if addr.addr().is_ipv4() { "ipv4" } else { "ipv6" };
                Err(refuse(format!("Error: {which}: Address already assigned."), 2))
            }
            other => self.done(other),
        }
    }

    fn described_address(&mut self) -> Result<Described, Failure> {
        let mut d = Described::default();
        let v6 = self.options.family == Some(super::Family::V6);
        while let Some(word) = self.words.next() {
            match word {
                "dev" => d.dev = Some(self.words.value()?.to_owned()),
                "brd" | "broadcast" => match self.words.value()? {
                    "+" => d.plus = true,
                    "-" => {}
                    value => d.note.broadcast = Some(self.words.address(value)?),
                },
                "local" => {
                    let value = self.words.value()?;
                    d.addr = Some((value.to_owned(), self.words.prefix(value, v6)?));
                }
                "peer" | "remote" => {
                    let value = self.words.value()?;
                    d.note.peer = Some(self.words.prefix(value, v6)?);
                }
                "label" => d.note.label = Some(self.words.value()?.to_owned()),
                "scope" => d.note.scope = Some(super::scope_number(self.words.value()?)?),
                "valid_lft" => d.valid = self.lifetime("valid_lft")?,
                "preferred_lft" => d.preferred = self.lifetime("preferred_lft")?,
                "noprefixroute" => d.note.noprefixroute = true,
                "metric" | "priority" | "preference" => d.note.metric = self.words.number("metric")?,
                // Duplicate address detection takes no time here.
                "nodad" => d.note.nodad = true,
                "help" => return Err(self.usage(include_str!("usage/address.txt"))),
                "anycast" | "home" | "mngtmpaddr" | "autojoin" => {
                    return Err(Failure::NotModelled(format!("ip address … {word}")));
                }
                word if d.addr.is_some() => return Err(self.words.garbage("local", word)),
                word => d.addr = Some((word.to_owned(), self.words.prefix(word, v6)?)),
            }
        }
        if d.preferred.unwrap_or(FOREVER) > d.valid.unwrap_or(FOREVER) {
            return Err(refuse("preferred_lft is greater than valid_lft", 255));
        }
        Ok(d)
    }

    fn lifetime(&mut self, of: &str) -> Result<Option<u32>, Failure> {
        let word = self.words.value()?;
        if word == "forever" {
            return Ok(None);
        }
        let seconds = word
            .parse()
            .map_err(|_| refuse(format!("Error: argument \"{word}\" is wrong: {of} value\n"), 255))?;
        Ok(Some(seconds))
    }

    fn complete(&self, d: &mut Described, addr: IpNet, dev: &str) {
        let now = self.world.now();
        let at = |seconds: u32| now + Duration::from_secs(seconds.into());
        d.note.valid = d.valid.map(at);
        d.note.preferred = d.preferred.map(at);
        if let (true, IpNet::V4(net)) = (d.plus, addr) {
            d.note.broadcast = Some(net.broadcast().into());
        }
        d.note.label = d.note.label.take().filter(|l| l != dev);
    }

    fn address_delete(&mut self, dev: &str, written: &str, addr: IpNet) -> Shown {
        let ns = self.world.ns(self.ns);
        let all: Vec<IpNet> = ns.by_name(dev).map(|i| i.addrs.clone()).unwrap_or_default();
        let mut goal = addr;
        if !written.contains('/') && !all.contains(&addr) {
            // Without a prefix length the first address that is the same goes.
            goal = all.iter().find(|a| a.addr() == addr.addr()).copied().unwrap_or(addr);
            if self.dialect == Dialect::Iproute2 && addr.addr().is_ipv4() {
                let length = addr.max_prefix_len();
                self.warn.push_str(&format!(
                    "Warning: Executing wildcard deletion to stay compatible with old scripts.\n         Explicitly specify \
                     the prefix length ({written}/{length}) to avoid this warning.\n         This special behaviour is \
                     likely to disappear in further releases,\n         fix your scripts!\n"
                ));
            }
        }
        match self.world.ns_mut(self.ns).addr_del(dev, goal) {
            Err(NetError::NoSuchAddress) if self.dialect == Dialect::Iproute2 => {
                let which = if goal.addr().is_ipv4() { "ipv4: Address" } else { "ipv6: address" };
                Err(refuse(format!("Error: {which} not found."), 2))
            }
            other => self.done(other),
        }
    }

    fn address_flush(mut self) -> Shown {
        if self.words.is_empty() {
            return Err(refuse(self.pick("Flush requires arguments.", "ip: flush requires arguments"), 1));
        }
        let selector = self.selector(1, true)?;
        let ns = self.world.ns(self.ns);
        let mut gone: Vec<(String, IpNet)> = Vec::new();
        let mut said = self.printer();
        for iface in ns.ifaces().filter(|i| selector.takes(ns, i)) {
            for addr in self.chosen(iface, &selector) {
                gone.push((iface.name.to_string(), *addr));
                if self.options.stats > 1 {
                    said.text(format_args!("{}: {}", iface.id.0 + 1, iface.name));
                    self.print_address(&mut said, addr, iface);
                    said.text("\n");
                }
            }
        }
        let stack = self.world.ns_mut(self.ns);
        for (dev, addr) in &gone {
            // One that went with the first of its subnet is gone already.
            let _ = stack.addr_del(dev, *addr);
        }
        Ok(said.finish() + &self.flush_report(gone.len(), "addresses", "Nothing to flush."))
    }

    /// What `-s flush` says.
    pub(super) fn flush_report(&self, count: usize, what: &str, nothing: &str) -> String {
        match (self.options.stats, count) {
            (0, _) => String::new(),
            (_, 0) => format!("{nothing}\n"),
            (_, n) => {
                format!("\n*** Round 1, deleting {n} {what} ***\n*** Flush is complete after 1 round ***\n")
            }
        }
    }
}

/// The broadcast address that is shown: what was said of it, or that of the prefix for an address nobody added by hand.
pub(crate) fn broadcast(addr: &IpNet, iface: &Iface) -> Option<IpAddr> {
    match (iface.notes.addrs.get(addr), addr) {
        (Some(note), _) => note.broadcast,
        (None, IpNet::V4(net)) if net.prefix_len() < 31 && !iface.is_loopback() => {
            Some(net.broadcast().into())
        }
        _ => None,
    }
}

fn label(addr: &IpNet, iface: &Iface) -> String {
    let own = iface.notes.addrs.get(addr).and_then(|n| n.label.clone());
    own.unwrap_or_else(|| iface.name.to_string())
}

fn lifetime(addr: &IpNet, iface: &Iface) -> (Option<SimTime>, Option<SimTime>) {
    iface.notes.addrs.get(addr).map_or((None, None), |n| (n.valid, n.preferred))
}

/// Whether another IPv4 address of the subnet was there first.
pub(crate) fn is_secondary(addr: &IpNet, iface: &Iface) -> bool {
    let first = iface.addrs.iter().find(|a| a.trunc() == addr.trunc());
    addr.addr().is_ipv4() && first.is_some_and(|f| f != addr)
}

fn scope_of(addr: &IpNet, iface: &Iface) -> u8 {
    let said = iface.notes.addrs.get(addr).and_then(|n| n.scope);
    said.unwrap_or(match addr.addr() {
        ip if ip.is_loopback() => 254,
        IpAddr::V4(ip) if ip.is_link_local() && !iface.notes.addrs.contains_key(addr) => 253,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 253,
        _ => 0,
    })
}

fn scope_name(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        200 => "site".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}
