//! `ip link`, and the first lines of an interface that `ip address` shows too.

use std::collections::BTreeSet;
use std::fmt::Write;

use sim_core::linux::link::IfKind;
use sim_core::linux::{Iface, Netns, World};
use sim_core::trace::NsId;

use super::words::refuse;
use super::{Call, Dialect, Failure, Family, Shown};

/// Commands of `ip link` in the order of iproute2's look-up.
const COMMANDS: &[&str] =
    &["add", "set", "change", "replace", "delete", "show", "lst", "list", "afstats", "property", "help"];

/// An interface as netlink reports it (`struct ifinfomsg` and its attributes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkView {
    pub(super) index: u32,
    pub(super) name: String,
    /// Index of the other end of a veth pair (`IFLA_LINK`).
    link: Option<u32>,
    /// The other end's namespace, by the number it has here; none if it is this namespace.
    link_netnsid: Option<usize>,
    flags: Vec<&'static str>,
    mtu: u32,
    qdisc: &'static str,
    master: Option<String>,
    state: &'static str,
    qlen: Option<u32>,
    loopback: bool,
    mac: String,
}

/// What selects interfaces: `dev X`, `up`, `master X`, `type X`.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    dev: Option<String>,
    up: bool,
    master: Option<String>,
    kind: Option<String>,
}

impl Selector {
    pub(super) fn takes(&self, ns: &Netns, iface: &Iface) -> bool {
        let master = || iface.master.and_then(|m| ns.iface(m)).map(|m| &*m.name);
        self.dev.as_deref().is_none_or(|d| *d == *iface.name)
            && (!self.up || iface.up)
            && self.master.as_deref().is_none_or(|m| master() == Some(m))
            && self.kind.as_deref().is_none_or(|k| k == kind_name(&iface.kind))
    }
}

fn kind_name(kind: &IfKind) -> &'static str {
    match kind {
        IfKind::Loopback | IfKind::Wire => "",
        IfKind::Veth => "veth",
        IfKind::Bridge(_) => "bridge",
        IfKind::Vxlan(_) => "vxlan",
        IfKind::Dummy => "dummy",
    }
}

/// All interfaces of a namespace.
pub(super) fn views(world: &World, ns: NsId) -> Vec<LinkView> {
    let ns = world.ns(ns);
    let others: BTreeSet<NsId> = ns.ifaces().filter(|i| i.kind == IfKind::Veth).filter_map(peer_ns).collect();
    let others: Vec<NsId> = others.into_iter().filter(|other| *other != ns.id).collect();
    ns.ifaces().map(|iface| LinkView::new(world, ns, iface, &others)).collect()
}

fn peer_ns(iface: &Iface) -> Option<NsId> {
    iface.peer.map(|(ns, _)| ns)
}

impl LinkView {
    fn new(world: &World, ns: &Netns, iface: &Iface, others: &[NsId]) -> Self {
        let carrier = iface.up && has_carrier(world, ns, iface);
        let veth_peer = iface.peer.filter(|_| iface.kind == IfKind::Veth);
        let plain = !matches!(iface.kind, IfKind::Loopback | IfKind::Vxlan(_) | IfKind::Dummy);
        let no_ports = matches!(iface.kind, IfKind::Bridge(_)) && ports(ns, iface).next().is_none();
        let state = match (iface.up, carrier) {
            (true, true) if plain && !no_ports => "UP",
            (true, true) => "UNKNOWN",
            _ => "DOWN",
        };
        Self {
            index: iface.id.0 + 1,
            name: iface.name.to_string(),
            link: veth_peer.map(|(_, peer)| peer.0 + 1),
            link_netnsid: veth_peer.and_then(|(other, _)| others.iter().position(|o| *o == other)),
            flags: flags(iface, carrier),
            mtu: iface.mtu,
            qdisc: match iface.kind {
                IfKind::Loopback if !iface.up => "noop",
                // systemd's `net.core.default_qdisc`.
                IfKind::Wire => "fq_codel",
                _ => "noqueue",
            },
            master: iface.master.and_then(|m| ns.iface(m)).map(|m| m.name.to_string()),
            state,
            // flannel makes its device without a queue.
            qlen: (!matches!(iface.kind, IfKind::Vxlan(_))).then_some(1000),
            loopback: iface.is_loopback(),
            mac: iface.mac.to_string(),
        }
    }

    /// The line with name, flags, MTU and state.
    pub(super) fn head(&self, call: &Call<'_>, mode: bool) -> String {
        let mut line =
            format!("{}: {}: {} mtu {}", self.index, self.full_name(call), self.flag_list(call), self.mtu);
        // An IPv6 dump carries less of the link.
        let whole = call.options.family != Some(Family::V6);
        if whole {
            let _ = write!(line, " qdisc {}", self.qdisc);
            if let Some(master) = &self.master {
                let _ = write!(line, " master {master}");
            }
        }
        if call.dialect == Dialect::Iproute2 {
            let _ = write!(line, " state {}", self.state);
            if mode {
                line.push_str(" mode DEFAULT");
            }
            if whole {
                line.push_str(" group default");
            }
        }
        match self.qlen {
            Some(qlen) => {
                let _ = write!(line, " qlen {qlen}");
            }
            None => line.push(' '),
        }
        line
    }

    /// The line with the hardware address.
    pub(super) fn hardware(&self, dialect: Dialect) -> String {
        let (kind, broadcast) =
            if self.loopback { ("loopback", "00:00:00:00:00:00") } else { ("ether", "ff:ff:ff:ff:ff:ff") };
        let mut line = format!("    link/{kind} {} brd {broadcast}", self.mac);
        if let Some(id) = self.link_netnsid.filter(|_| dialect == Dialect::Iproute2) {
            let _ = write!(line, " link-netnsid {id}");
        }
        line
    }

    /// `eth0@if7`; the name of the other end if that is in this namespace.
    pub(super) fn full_name(&self, call: &Call<'_>) -> String {
        let Some(link) = self.link else { return self.name.clone() };
        match call.neighbour_link(self, link) {
            Some(other) => format!("{}@{}", self.name, other.name),
            None => format!("{}@if{link}", self.name),
        }
    }

    fn flag_list(&self, call: &Call<'_>) -> String {
        let mut flags = self.flags.clone();
        if let Some(link) = self.link {
            let knows_other = call.dialect == Dialect::Busybox || self.link_netnsid.is_none();
            let other_up = call.neighbour_link(self, link).is_some_and(|l| l.flags.contains(&"UP"));
            if knows_other && !other_up {
                flags.push("M-DOWN");
            }
        }
        format!("<{}>", flags.join(","))
    }

    /// `ip -br`: name, state.
    pub(super) fn brief(&self, call: &Call<'_>) -> String {
        format!("{:<16} {:<14} ", self.full_name(call), self.state)
    }
}

/// Whether the other side is there: a peer that is up, a bridge port that has carrier.
fn has_carrier(world: &World, ns: &Netns, iface: &Iface) -> bool {
    match (&iface.kind, iface.peer) {
        (IfKind::Veth | IfKind::Wire, Some((other, peer))) => {
            world.exists(other) && world.ns(other).iface(peer).is_some_and(|p| p.up)
        }
        (IfKind::Veth | IfKind::Wire, None) => false,
        (IfKind::Bridge(_), _) => {
            let mut ports = ports(ns, iface).peekable();
            ports.peek().is_none() || ports.any(|p| p.up && has_carrier(world, ns, p))
        }
        _ => true,
    }
}

fn ports<'n>(ns: &'n Netns, bridge: &Iface) -> impl Iterator<Item = &'n Iface> {
    let id = bridge.id;
    ns.ifaces().filter(move |p| p.master == Some(id))
}

/// Flags in the order of iproute2's `print_link_flags`.
fn flags(iface: &Iface, carrier: bool) -> Vec<&'static str> {
    let mut flags = vec![];
    if iface.up && !carrier {
        flags.push("NO-CARRIER");
    }
    match iface.kind {
        IfKind::Loopback => flags.push("LOOPBACK"),
        IfKind::Dummy => flags.extend(["BROADCAST", "NOARP"]),
        _ => flags.extend(["BROADCAST", "MULTICAST"]),
    }
    if iface.up {
        flags.push("UP");
        if carrier {
            flags.push("LOWER_UP");
        }
    }
    flags
}

impl Call<'_> {
    /// The interface that a veth's link index names for a reader of this namespace: iproute2 knows when it lies in another one,
    /// the busybox applet does not and takes whoever has that index here.
    fn neighbour_link(&self, of: &LinkView, index: u32) -> Option<LinkView> {
        if of.link_netnsid.is_some()
            && self.dialect == Dialect::Iproute2
            && self.options.family != Some(Family::V6)
        {
            return None;
        }
        views(self.world, self.ns).into_iter().find(|l| l.index == index)
    }

    pub(super) fn link(mut self) -> Shown {
        match self.words.command("link", COMMANDS)? {
            "show" | "list" | "lst" => self.link_show(),
            "set" | "change" => self.link_set(),
            "delete" => self.link_delete(),
            other => Err(Failure::NotModelled(format!("ip link {other}"))),
        }
    }

    fn link_show(mut self) -> Shown {
        let selector = self.selector(2)?;
        let ns = self.world.ns(self.ns);
        let taken = |l: &LinkView| ns.ifaces().any(|i| i.id.0 + 1 == l.index && selector.takes(ns, i));
        let links = views(self.world, self.ns).into_iter().filter(taken);
        Ok(links.map(|link| self.link_text(&link)).collect())
    }

    fn link_text(&self, link: &LinkView) -> String {
        if self.options.brief {
            return format!("{}{} {} \n", link.brief(self), link.mac, link.flag_list(self));
        }
        let break_ = self.line_break();
        let mut text = format!("{}{break_}{}", link.head(self, true), link.hardware(self.dialect));
        if self.options.stats {
            text.push_str(&self.statistics(link, break_));
        }
        text + "\n"
    }

    /// `-o` puts everything about one object on one line.
    pub(super) const fn line_break(&self) -> &'static str {
        if self.options.oneline { "\\" } else { "\n" }
    }

    fn statistics(&self, link: &LinkView, break_: &str) -> String {
        let ns = self.world.ns(self.ns);
        let Some(iface) = ns.ifaces().find(|i| i.id.0 + 1 == link.index) else { return String::new() };
        let s = iface.stats;
        let rx = [s.rx_bytes, s.rx_packets, 0, s.rx_dropped, 0, 0];
        let tx = [s.tx_bytes, s.tx_packets, 0, s.tx_dropped, 0, 0];
        // Both tables have one set of widths: those of the titles, or of the longest number.
        let mut widths = [10, 7, 6, 7, 7, 7];
        for values in [&rx, &tx] {
            for (width, value) in widths.iter_mut().zip(values) {
                *width = (*width).max(value.to_string().len());
            }
        }
        let table = |title: &str, names: [&str; 6], values: [u64; 6]| {
            let head: String = names.iter().zip(widths).skip(1).map(|(n, w)| format!(" {n:>w$}")).collect();
            let row: String = values.iter().zip(widths).map(|(v, w)| format!("{v:>w$} ")).collect();
            let first = widths[0] - 4;
            format!("{break_}    {title}: {:>first$}{head} {:10}{break_}    {row}", names[0], "")
        };
        table("RX", ["bytes", "packets", "errors", "dropped", "missed", "mcast"], rx)
            + &table("TX", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"], tx)
    }

    /// What follows `show`.
    pub(super) fn selector(&mut self, no_device_status: i32) -> Result<Selector, Failure> {
        let mut selector = Selector::default();
        while let Some(word) = self.words.next() {
            match word {
                "up" => selector.up = true,
                "master" => selector.master = Some(self.words.value()?.to_owned()),
                "type" => selector.kind = Some(self.words.value()?.to_owned()),
                "to" | "scope" | "label" | "group" | "vrf" | "permanent" | "dynamic" | "primary"
                | "secondary" => {
                    return Err(Failure::NotModelled(format!("ip … show {word}")));
                }
                word => {
                    let name = if word == "dev" { self.words.value()? } else { word };
                    if selector.dev.is_some() {
                        return Err(self.words.garbage("dev", name));
                    }
                    self.show_device(name, no_device_status)?;
                    selector.dev = Some(name.to_owned());
                }
            }
        }
        Ok(selector)
    }

    fn show_device(&self, name: &str, busybox_status: i32) -> Result<(), Failure> {
        if self.world.ns(self.ns).iface_id(name).is_some() {
            return Ok(());
        }
        Err(match self.dialect {
            Dialect::Iproute2 => refuse(format!("Device \"{name}\" does not exist."), 1),
            Dialect::Busybox => refuse(format!("ip: can't find device '{name}'"), busybox_status),
        })
    }

    fn link_set(mut self) -> Shown {
        let mut dev: Option<&str> = None;
        let mut changes = vec![];
        while let Some(word) = self.words.next() {
            match word {
                "dev" => dev = Some(self.words.value()?),
                "up" => changes.push(Change::Up(true)),
                "down" => changes.push(Change::Up(false)),
                "mtu" => changes.push(Change::Mtu(self.words.number("mtu")?)),
                "address" => changes.push(Change::Mac(self.words.mac()?)),
                "master" => changes.push(Change::Master(self.words.value()?.to_owned())),
                "arp" | "name" | "nomaster" | "promisc" | "multicast" | "netns" | "txqueuelen" | "qlen"
                | "alias" | "type" | "group" | "allmulticast" => {
                    return Err(Failure::NotModelled(format!("ip link set {word}")));
                }
                word if dev.is_none() => dev = Some(word),
                word => return Err(self.words.garbage("dev", word)),
            }
        }
        let Some(dev) = dev else {
            return Err(refuse("Not enough information: \"dev\" argument is required.", 255));
        };
        if self.world.ns(self.ns).iface_id(dev).is_none() {
            return Err(self.no_device(dev));
        }
        for change in changes {
            let ns = self.world.ns_mut(self.ns);
            let result = match change {
                Change::Up(up) => ns.link_set(dev, up),
                Change::Mtu(mtu) => ns.set_mtu(dev, mtu),
                Change::Mac(mac) => ns.set_mac(dev, mac),
                Change::Master(bridge) => ns.set_master(dev, &bridge),
            };
            self.done(result)?;
        }
        Ok(String::new())
    }

    fn link_delete(mut self) -> Shown {
        let mut name = self.words.value()?;
        if name == "dev" {
            name = self.words.value()?;
        }
        let result = self.world.link_del(self.ns, name);
        self.done(result)
    }
}

/// What `ip link set` changes.
enum Change {
    Up(bool),
    Mtu(u32),
    Mac(sim_core::packet::MacAddr),
    Master(String),
}
