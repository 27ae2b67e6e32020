//! `ip link show`.

use sim_core::linux::{Iface, Netns};

use super::super::words::refuse;
use super::super::{Call, Dialect, Failure, Family, Shown};
use super::view::{Ends, LinkView, kind_name, views};
use crate::tools::printer::{Printer, Value};

/// What selects interfaces: `dev X`, `up`, `master X`, `type X`; and for `ip address` what selects addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    pub(crate) dev: Option<String>,
    up: bool,
    master: Option<String>,
    nomaster: bool,
    kind: Option<String>,
    pub(crate) to: Option<ipnet::IpNet>,
    pub(crate) scope: Option<u8>,
    pub(crate) label: Option<String>,
    pub(crate) secondary: Option<bool>,
    pub(crate) dynamic: Option<bool>,
}

impl Selector {
    pub(crate) fn takes(&self, ns: &Netns, iface: &Iface) -> bool {
        let master = || iface.master.and_then(|m| ns.iface(m)).map(|m| &*m.name);
        self.dev.as_deref().is_none_or(|d| *d == *iface.name)
            && (!self.up || iface.up)
            && self.master.as_deref().is_none_or(|m| master() == Some(m))
            && (!self.nomaster || iface.master.is_none())
            && self.kind.as_deref().is_none_or(|k| match k {
                "bridge_slave" => iface.master.is_some(),
                k => k == kind_name(&iface.kind),
            })
    }
}

impl Call<'_> {
    pub(super) fn link_show(mut self) -> Shown {
        if self.options.stats > 1 {
            return Err(Failure::NotModelled("ip -s -s link: counters of carrier changes".to_owned()));
        }
        let selector = self.selector(2, false)?;
        let ns = self.world.ns(self.ns);
        let mut p = self.printer();
        for (link, iface) in views(self.world, self.ns).iter().zip(ns.ifaces()) {
            if !selector.takes(ns, iface) {
                continue;
            }
            p.open_object(None);
            if self.options.brief {
                link.brief(&self, &mut p);
                p.any("address", format_args!("{} ", link.mac), link.mac.as_str());
                link.print_flags(&self, &mut p);
                p.text(" \n");
            } else {
                self.print_link(&mut p, link, iface, true);
                p.text("\n");
            }
            p.close_object();
        }
        Ok(p.finish())
    }

    /// An interface without its addresses (`print_linkinfo`), without the last line break.
    pub(crate) fn print_link(&self, p: &mut Printer, link: &LinkView, iface: &Iface, of_link: bool) {
        link.head(self, p, of_link);
        if self.options.family.is_none() || self.options.details {
            p.nl();
            link.hardware(self, p);
        }
        if self.options.details {
            self.print_details(p, link, iface, of_link);
        }
        if let Some(alias) = link.alias.as_ref().filter(|_| of_link || self.options.details) {
            p.nl();
            p.any("ifalias", format_args!("    alias {alias}"), alias.as_str());
        }
        if self.options.stats > 0 {
            p.nl();
            self.print_statistics(p, iface);
        }
    }

    /// What follows `show`.
    pub(crate) fn selector(&mut self, no_device_status: i32, addresses: bool) -> Result<Selector, Failure> {
        let mut s = Selector::default();
        while let Some(word) = self.words.next() {
            match word {
                "up" => s.up = true,
                "master" => {
                    let name = self.words.value()?;
                    if self.world.ns(self.ns).iface_id(name).is_none() {
                        let text = format!("Error: argument \"{name}\" is wrong: Device does not exist\n");
                        return Err(refuse(text, 255));
                    }
                    s.master = Some(name.to_owned());
                }
                "nomaster" => s.nomaster = true,
                "type" => s.kind = Some(self.words.value()?.to_owned()),
                "group" if matches!(self.words.value()?, "default" | "0") => {}
                "to" if addresses => {
                    let value = self.words.value()?;
                    s.to = Some(self.words.prefix(value, false)?);
                }
                "scope" if addresses => s.scope = Some(super::super::scope_number(self.words.value()?)?),
                "label" if addresses => s.label = Some(self.words.value()?.to_owned()),
                "primary" if addresses => s.secondary = Some(false),
                "secondary" if addresses => s.secondary = Some(true),
                "permanent" if addresses => s.dynamic = Some(false),
                "dynamic" if addresses => s.dynamic = Some(true),
                "group" | "vrf" | "tentative" | "deprecated" | "dadfailed" | "temporary" => {
                    return Err(Failure::NotModelled(format!("ip … show {word}")));
                }
                word => {
                    let name = if word == "dev" { self.words.value()? } else { word };
                    if s.dev.is_some() {
                        return Err(self.words.garbage("dev", name));
                    }
                    self.show_device(name, no_device_status)?;
                    s.dev = Some(name.to_owned());
                }
            }
        }
        Ok(s)
    }

    pub(crate) fn show_device(&self, name: &str, busybox_status: i32) -> Result<(), Failure> {
        if self.world.ns(self.ns).iface_id(name).is_some() {
            return Ok(());
        }
        Err(match self.dialect {
            Dialect::Iproute2 => refuse(format!("Device \"{name}\" does not exist."), 1),
            Dialect::Busybox => refuse(format!("ip: can't find device '{name}'"), busybox_status),
        })
    }

    /// The interface that a veth's link index names for a reader of this namespace: iproute2 knows when it lies in another one,
    /// the busybox applet does not and takes whoever has that index here.
    fn other_end(&self, of: &LinkView) -> Option<LinkView> {
        let index = of.link?;
        let v6 = self.options.family == Some(Family::V6);
        if of.link_netns.is_some() && self.dialect == Dialect::Iproute2 && !v6 {
            return None;
        }
        views(self.world, self.ns).into_iter().find(|l| l.index == index)
    }
}

impl LinkView {
    /// The first line of an interface in `ip address` of one family.
    pub(in crate::tools::ip) fn first_line(&self, call: &Call<'_>, p: &mut Printer) {
        self.head(call, p, false);
    }

    /// The line with name, flags, MTU and state.
    pub(super) fn head(&self, call: &Call<'_>, p: &mut Printer, mode: bool) {
        p.any("ifindex", format_args!("{}: ", self.index), self.index);
        self.print_name(call, p);
        p.text(": ");
        self.print_flags(call, p);
        p.any("mtu", format_args!(" mtu {}", self.mtu), self.mtu);
        // An IPv6 dump carries less of the link.
        let whole = call.options.family != Some(Family::V6);
        if whole {
            p.any("qdisc", format_args!(" qdisc {}", self.qdisc), self.qdisc);
            if let Some(master) = &self.master {
                p.any("master", format_args!(" master {master}"), master.as_str());
            }
        }
        if call.dialect == Dialect::Iproute2 {
            p.any("operstate", format_args!(" state {}", self.state), self.state);
            if mode {
                p.any("linkmode", " mode DEFAULT", "DEFAULT");
            }
            if whole {
                p.any("group", " group default", "default");
            }
        }
        match self.qlen {
            Some(qlen) => p.any("txqlen", format_args!(" qlen {qlen}"), qlen),
            None => p.text(" "),
        }
    }

    /// The line with the hardware address.
    fn hardware(&self, call: &Call<'_>, p: &mut Printer) {
        if let Some(ends) = &self.tunnel {
            return ends.addresses(p);
        }
        let (kind, broadcast) =
            if self.loopback { ("loopback", "00:00:00:00:00:00") } else { ("ether", "ff:ff:ff:ff:ff:ff") };
        p.any("link_type", format_args!("    link/{kind} "), kind);
        p.any("address", &self.mac, self.mac.as_str());
        p.any("broadcast", format_args!(" brd {broadcast}"), broadcast);
        if let Some((id, ns)) = self.link_netns.filter(|_| call.dialect == Dialect::Iproute2) {
            match call.netns_name(ns) {
                Some(name) => p.text(format_args!(" link-netns {name}")),
                None => p.text(format_args!(" link-netnsid {id}")),
            }
            p.field("link_netnsid", id as u64);
        }
    }

    /// `eth0@if7`; the name of the other end if that is in this namespace.
    pub(super) fn print_name(&self, call: &Call<'_>, p: &mut Printer) {
        if let Some(ends) = &self.tunnel {
            p.field(
                "link",
                ends.under.as_deref().map_or_else(|| Value::Number("null".to_owned()), Value::from),
            );
        }
        let other = call.other_end(self).map(|o| o.name);
        match (self.link, &other) {
            (Some(_), Some(other)) => p.field("link", other.as_str()),
            (Some(link), None) => p.field("link_index", link),
            (None, _) => {}
        }
        p.any("ifname", self.full_name(call), self.name.as_str());
    }

    fn full_name(&self, call: &Call<'_>) -> String {
        if let Some(ends) = &self.tunnel {
            return format!("{}@{}", self.name, ends.under.as_deref().unwrap_or("NONE"));
        }
        let Some(link) = self.link else { return self.name.clone() };
        match call.other_end(self) {
            Some(other) => format!("{}@{}", self.name, other.name),
            None => format!("{}@if{link}", self.name),
        }
    }

    fn print_flags(&self, call: &Call<'_>, p: &mut Printer) {
        let mut flags = self.flags.clone();
        if self.link.is_some() {
            let knows_other = call.dialect == Dialect::Busybox || self.link_netns.is_none();
            let other_up = call.other_end(self).is_some_and(|l| l.flags.contains(&"UP"));
            if knows_other && !other_up {
                flags.push("M-DOWN");
            }
        }
        p.text(format_args!("<{}>", flags.join(",")));
        p.words("flags", flags);
    }

    /// `ip -br`: name, state.
    pub(in crate::tools::ip) fn brief(&self, call: &Call<'_>, p: &mut Printer) {
        if p.is_json() {
            self.print_name(call, p);
            p.field("operstate", self.state);
            return;
        }
        p.text(format_args!("{:<16} {:<14} ", self.full_name(call), self.state));
    }
}

impl Ends {
    /// The line of a tunnel: `link/ipip 0.0.0.0 brd 0.0.0.0`.
    fn addresses(&self, p: &mut Printer) {
        let (local, remote) = (self.local.to_string(), self.remote.to_string());
        p.any("link_type", "    link/ipip ", "ipip");
        p.any("address", &local, local.as_str());
        if self.remote.is_unspecified() {
            p.any("broadcast", format_args!(" brd {remote}"), remote.as_str());
        } else {
            p.field("link_pointtopoint", true);
            p.any("broadcast", format_args!(" peer {remote}"), remote.as_str());
        }
    }
}
