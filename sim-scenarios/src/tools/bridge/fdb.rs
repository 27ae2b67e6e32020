//! `bridge fdb`.

use std::net::IpAddr;

use sim_core::linux::bridge::{FdbEntry, FdbKind};
use sim_core::linux::link::IfKind;
use sim_core::linux::{Iface, Netns};
use sim_core::packet::MacAddr;

use super::{Call, Failure, Shown, refuse};
use crate::tools::printer::Printer;

const COMMANDS: &[&str] =
    &["add", "append", "replace", "delete", "get", "show", "lst", "list", "flush", "help"];

/// One line.
struct Row {
    mac: MacAddr,
    dev: String,
    dst: Option<IpAddr>,
    /// The bridge whose entry it is; none is one of the device itself.
    master: Option<String>,
    state: &'static str,
    /// Seconds since it was used and since it was changed.
    age: Option<u64>,
}

/// What `show` is asked for.
#[derive(Default)]
struct Filter {
    dev: Option<String>,
    bridge: Option<String>,
    dynamic: bool,
}

/// What `add` and its like are told.
#[derive(Default)]
struct Described {
    mac: Option<MacAddr>,
    dev: Option<String>,
    dst: Option<IpAddr>,
    master: bool,
    own: bool,
    kind: Option<FdbKind>,
}

impl Call<'_> {
    pub(super) fn fdb(mut self) -> Shown {
        let Some(word) = self.next() else { return self.fdb_show() };
        match COMMANDS.iter().find(|c| c.starts_with(word)) {
            Some(&"show" | &"lst" | &"list") => self.fdb_show(),
            Some(&"get") => self.fdb_get(),
            Some(&"help") => Err(refuse(include_str!("usage/fdb.txt").trim_end())),
            Some(&"flush") => Err(Failure::NotModelled("bridge fdb flush".to_owned())),
            Some(command) => self.fdb_change(command),
            None => Err(refuse(format!("Command \"{word}\" is unknown, try \"bridge fdb help\"."))),
        }
    }

    fn fdb_show(mut self) -> Shown {
        let mut filter = Filter::default();
        while let Some(word) = self.next() {
            match word {
                "brport" | "dev" => filter.dev = Some(self.value()?.to_owned()),
                "br" => filter.bridge = Some(self.value()?.to_owned()),
                "dynamic" => filter.dynamic = true,
                "vlan" | "state" => return Err(Failure::NotModelled(format!("bridge fdb show {word}"))),
                other => filter.dev = Some(other.to_owned()),
            }
        }
        let ns = self.world.ns(self.ns);
        if let Some(name) = filter.bridge.as_ref().filter(|n| ns.iface_id(n).is_none()) {
            return Err(refuse(format!("Cannot find bridge device \"{name}\"")));
        }
        if let Some(name) = filter.dev.as_ref().filter(|n| ns.iface_id(n).is_none()) {
            return Err(Self::no_device(name));
        }
        let mut p = self.printer();
        for row in self.rows(ns).iter().filter(|r| filter.takes(r, ns)) {
            row.print(&mut p, filter.dev.is_none(), self.stats);
        }
        Ok(p.finish())
    }

    /// All entries: device by device, a bridge's newest first.
    fn rows(&self, ns: &Netns) -> Vec<Row> {
        let mut rows = Vec::new();
        for iface in ns.ifaces() {
            let groups = own_groups(iface);
            let own = groups.into_iter().map(|mac| Row::own(iface, mac, None, "permanent"));
            if matches!(iface.kind, IfKind::Bridge(_)) {
                rows.extend(own);
                rows.extend(self.of_bridge(ns, iface, iface));
                continue;
            }
            if let Some(bridge) = iface.master.and_then(|m| ns.iface(m)) {
                rows.extend(self.of_bridge(ns, bridge, iface));
            }
            match &iface.kind {
                IfKind::Vxlan(v) => {
                    let learned = v.learned.iter().flatten();
                    let fresh = learned.filter(|(_, (_, seen))| {
                        self.world.now().since(*seen) < sim_core::linux::tunnel::AGEING
                    });
                    rows.extend(fresh.map(|(mac, (dst, _))| Row::own(iface, *mac, Some(*dst), "")));
                    rows.extend(v.fdb.iter().rev().map(|(m, d)| Row::own(iface, *m, Some(*d), "permanent")));
                }
                _ => rows.extend(own),
            }
        }
        rows
    }

    fn of_bridge(&self, ns: &Netns, bridge: &Iface, port: &Iface) -> Vec<Row> {
        let IfKind::Bridge(b) = &bridge.kind else { return Vec::new() };
        let now = self.world.now();
        let here = b.fdb.iter().rev().filter(|(mac, e)| e.port == port.id && b.find(**mac, now).is_some());
        let row = |(mac, e): (&MacAddr, &FdbEntry)| Row {
            mac: *mac,
            dev: port.name.to_string(),
            dst: None,
            master: ns.iface(bridge.id).map(|b| b.name.to_string()),
            state: match e.kind {
                FdbKind::Local => "permanent",
                FdbKind::Static => "static",
                FdbKind::Learned => "",
            },
            age: Some(if e.kind == FdbKind::Learned { now.since(e.seen).as_secs() } else { 0 }),
        };
        here.map(row).collect()
    }

    fn fdb_get(mut self) -> Shown {
        let (mut mac, mut bridge, mut dev) = (None, None, None);
        while let Some(word) = self.next() {
            match word {
                "br" => bridge = Some(self.value()?.to_owned()),
                "dev" | "brport" => dev = Some(self.value()?.to_owned()),
                "to" => mac = Some(self.value()?),
                "self" | "master" | "dynamic" => {}
                other => mac = Some(other),
            }
        }
        let mac: MacAddr = mac
            .and_then(|m| m.parse().ok())
            .ok_or_else(|| refuse("Device and address are required arguments."))?;
        let ns = self.world.ns(self.ns);
        let rows = self.rows(ns);
        let found = rows.iter().find(|r| {
            r.mac == mac
                && bridge.as_ref().is_none_or(|b| r.master.as_ref() == Some(b))
                && dev.as_ref().is_none_or(|d| r.dev == *d)
        });
        let Some(row) = found else {
            return Err(Failure::Refused("Error: Fdb entry not found.".to_owned(), 254));
        };
        let mut p = self.printer();
        row.print(&mut p, true, self.stats);
        Ok(p.finish())
    }

    fn fdb_change(mut self, command: &str) -> Shown {
        let d = self.described()?;
        let (Some(mac), Some(dev)) = (d.mac, d.dev) else {
            return Err(refuse("Device and address are required arguments."));
        };
        let now = self.world.now();
        let ns = self.world.ns_mut(self.ns);
        let iface = ns.by_name(&dev).map_err(|_| Self::no_device(&dev))?;
        let there = entry_there(ns, iface, mac, d.master, now);
        if command == "add" && there {
            return Err(refuse("RTNETLINK answers: File exists"));
        }
        if d.master {
            let kind = d.kind.unwrap_or(FdbKind::Local);
            let result =
                if command == "delete" { ns.fdb_del(&dev, mac) } else { ns.fdb_insert(&dev, mac, kind) };
            return self.done(result);
        }
        let IfKind::Vxlan(vxlan) = &iface.kind else {
            return Err(Failure::NotModelled(format!(
                "bridge fdb {command} … self on a device that is no VXLAN"
            )));
        };
        let several = command == "append" && vxlan.fdb.get(&mac).is_some_and(|old| Some(*old) != d.dst);
        if several {
            return Err(Failure::NotModelled(
                "several destinations for one address of a VXLAN device".to_owned(),
            ));
        }
        match (command, d.dst) {
            ("delete", dst) => {
                let other = dst.is_some_and(|dst| vxlan.fdb.get(&mac) != Some(&dst));
                if other {
                    return Err(refuse("RTNETLINK answers: No such file or directory"));
                }
                let result = ns.fdb_del_own(&dev, mac);
                self.done(result)
            }
            (_, Some(dst)) => {
                let result = ns.fdb_set(&dev, mac, dst);
                self.done(result)
            }
            (_, None) => Err(refuse("RTNETLINK answers: Invalid argument")),
        }
    }

    fn described(&mut self) -> Result<Described, Failure> {
        let mut d = Described::default();
        while let Some(word) = self.next() {
            match word {
                "dev" => d.dev = Some(self.value()?.to_owned()),
                "dst" => {
                    let value = self.value()?;
                    let addr = value.parse().map_err(|_| {
                        Failure::Refused(
                            format!("Error: any valid prefix is expected rather than \"{value}\"."),
                            1,
                        )
                    })?;
                    d.dst = Some(addr);
                }
                "self" => d.own = true,
                "master" => d.master = true,
                "local" | "permanent" => d.kind = Some(FdbKind::Local),
                "static" | "temp" => d.kind = Some(FdbKind::Static),
                "dynamic" => d.kind = Some(FdbKind::Learned),
                "vlan" | "port" | "vni" | "src_vni" | "via" | "nhid" | "use" | "router" | "extern_learn"
                | "sticky" => {
                    return Err(Failure::NotModelled(format!("bridge fdb … {word}")));
                }
                other => {
                    let word = if other == "to" { self.value()? } else { other };
                    d.mac = Some(word.parse().map_err(|_| refuse(format!("Invalid mac address {word}")))?);
                }
            }
        }
        Ok(d)
    }
}

fn entry_there(ns: &Netns, iface: &Iface, mac: MacAddr, master: bool, now: sim_core::time::SimTime) -> bool {
    if master {
        let bridge = iface.master.and_then(|m| ns.iface(m)).map(|b| &b.kind);
        return matches!(bridge, Some(IfKind::Bridge(b)) if b.find(mac, now).is_some());
    }
    matches!(&iface.kind, IfKind::Vxlan(v) if v.fdb.contains_key(&mac))
}

/// Groups that a device listens to (`dev->mc`): all nodes, and when it is up all hosts; a bridge all snoopers; the solicited node
/// of its link-local address.
fn own_groups(iface: &Iface) -> Vec<MacAddr> {
    if iface.is_loopback() {
        return Vec::new();
    }
    let v6 = !iface.conf.disable_ipv6;
    let mut groups = Vec::new();
    if v6 {
        groups.push(MacAddr([0x33, 0x33, 0, 0, 0, 1]));
    }
    if iface.up && matches!(iface.kind, IfKind::Bridge(_)) {
        groups.push(MacAddr([1, 0, 0x5e, 0, 0, 0x6a]));
        if v6 {
            groups.push(MacAddr([0x33, 0x33, 0, 0, 0, 0x6a]));
        }
    }
    if iface.up {
        groups.push(MacAddr([1, 0, 0x5e, 0, 0, 1]));
    }
    let own = iface.link_local();
    if let (IpAddr::V6(addr), true) = (own.addr(), iface.up && iface.addrs.contains(&own)) {
        let o = addr.octets();
        groups.push(MacAddr([0x33, 0x33, 0xff, o[13], o[14], o[15]]));
    }
    groups
}

impl Filter {
    fn takes(&self, row: &Row, ns: &Netns) -> bool {
        let bridge_of = |dev: &str| {
            let iface = ns.by_name(dev).ok()?;
            let master = iface.master.and_then(|m| ns.iface(m)).map_or(&iface.name, |m| &m.name);
            Some(master.to_string())
        };
        self.dev.as_ref().is_none_or(|d| row.dev == *d)
            && self.bridge.as_ref().is_none_or(|b| bridge_of(&row.dev).as_ref() == Some(b))
            && (!self.dynamic || row.state != "permanent")
    }
}

impl Row {
    fn own(iface: &Iface, mac: MacAddr, dst: Option<IpAddr>, state: &'static str) -> Self {
        Self { mac, dev: iface.name.to_string(), dst, master: None, state, age: dst.map(|_| 0) }
    }

    fn print(&self, p: &mut Printer, with_dev: bool, stats: bool) {
        p.open_object(None);
        p.any("mac", format_args!("{} ", self.mac), self.mac.to_string());
        if with_dev {
            p.any("ifname", format_args!("dev {} ", self.dev), self.dev.as_str());
        }
        if let Some(dst) = self.dst {
            p.any("dst", format_args!("dst {dst} "), dst.to_string());
        }
        if let Some(age) = self.age.filter(|_| stats) {
            p.any("used", format_args!("used {age}"), age);
            p.any("updated", format_args!("/{age} "), age);
        }
        if self.master.is_none() {
            p.text("self ");
        }
        p.words("flags", self.master.is_none().then_some("self"));
        if let Some(master) = &self.master {
            p.any("master", format_args!("master {master} "), master.as_str());
        }
        p.any("state", self.state, self.state);
        p.text("\n");
        p.close_object();
    }
}
