//! `bridge link`.

use super::{Call, Failure, Shown, refuse};
use crate::tools::ip::{LinkView, views};
use crate::tools::printer::Printer;

/// Switches of a port in the order of the tool, with what they are unless somebody says otherwise.
const SWITCHES: &[(&str, bool)] = &[
    ("guard", false),
    ("root_block", false),
    ("fastleave", false),
    ("learning", true),
    ("flood", true),
    ("mcast_flood", true),
    ("bcast_flood", true),
    ("mcast_to_unicast", false),
    ("neigh_suppress", false),
    ("vlan_tunnel", false),
    ("locked", false),
    ("learning_sync", false),
];

impl Call<'_> {
    pub(super) fn link(mut self) -> Shown {
        let Some(word) = self.next() else { return self.link_show() };
        match ["set", "show", "lst", "list", "help"].iter().find(|c| c.starts_with(word)) {
            Some(&"set") => self.link_set(),
            Some(&"help") => Err(refuse(include_str!("usage/link.txt").trim_end())),
            Some(_) => self.link_show(),
            None => Err(refuse(format!("Command \"{word}\" is unknown, try \"bridge link help\"."))),
        }
    }

    fn link_show(mut self) -> Shown {
        let mut dev = None;
        while let Some(word) = self.next() {
            dev = Some(if word == "dev" { self.value()? } else { word });
        }
        let ns = self.world.ns(self.ns);
        if let Some(name) = dev.filter(|n| ns.iface_id(n).is_none()) {
            return Err(Self::no_device(name));
        }
        let all = views(self.world, self.ns);
        let mut p = self.printer();
        for (link, iface) in all.iter().zip(ns.ifaces()) {
            if link.master.is_some() && dev.is_none_or(|d| d == link.name) {
                p.open_object(None);
                self.print_port(&mut p, link, iface, &all);
                p.close_object();
            }
        }
        Ok(p.finish())
    }

    fn print_port(&self, p: &mut Printer, link: &LinkView, iface: &sim_core::linux::Iface, all: &[LinkView]) {
        let other = link.link.filter(|_| link.link_netns.is_none());
        let other = other.and_then(|index| all.iter().find(|l| l.index == index));
        p.any("ifindex", format_args!("{}: ", link.index), link.index);
        let full = match (link.link, other) {
            (Some(_), Some(other)) => {
                p.field("link", other.name.as_str());
                format!("{}@{}", link.name, other.name)
            }
            (Some(index), None) => {
                p.field("link_index", index);
                format!("{}@if{index}", link.name)
            }
            (None, _) => link.name.clone(),
        };
        p.any("ifname", format_args!("{full}: "), link.name.as_str());
        let mut flags = link.flags.clone();
        if other.is_some_and(|o| !o.flags.contains(&"UP")) {
            flags.push("M-DOWN");
        }
        p.text(format_args!("<{}> ", flags.join(",")));
        p.words("flags", flags);
        p.any("mtu", format_args!("mtu {} ", link.mtu), link.mtu);
        let master = link.master.as_deref().unwrap_or_default();
        p.any("master", format_args!("master {master} "), master);
        let state = if link.carrier { "forwarding" } else { "disabled" };
        p.any("state", format_args!("state {state} "), state);
        p.any("priority", "priority 32 ", 32u32);
        p.any("cost", "cost 2 ", 2u32);
        if self.details {
            p.nl();
            p.text("    ");
            let switch = |p: &mut Printer, name: &str, on: bool| {
                p.any(name, format_args!("{name} {} ", if on { "on" } else { "off" }), on);
            };
            switch(p, "hairpin", iface.hairpin);
            for (name, on) in &SWITCHES[..7] {
                switch(p, name, *on);
            }
            p.any("mcast_router", "mcast_router 1 ", 1u32);
            for (name, on) in &SWITCHES[7..10] {
                switch(p, name, *on);
            }
            switch(p, "isolated", iface.isolated);
            switch(p, "locked", false);
        }
        p.text("\n");
    }

    fn link_set(mut self) -> Shown {
        let mut dev = None;
        let (mut hairpin, mut isolated) = (None, None);
        while let Some(word) = self.next() {
            match word {
                "dev" => dev = Some(self.value()?.to_owned()),
                "hairpin" => hairpin = Some(self.on_off("hairpin")?),
                "isolated" => isolated = Some(self.on_off("isolated")?),
                "self" | "master" => {}
                other => match SWITCHES.iter().find(|(name, _)| *name == other) {
                    Some((name, default)) => {
                        if self.on_off(name)? != *default {
                            return Err(Failure::NotModelled(format!("bridge link set {name}")));
                        }
                    }
                    None => return Err(Failure::NotModelled(format!("bridge link set {other}"))),
                },
            }
        }
        let Some(dev) = dev else { return Err(refuse("Device is a required argument.")) };
        let ns = self.world.ns_mut(self.ns);
        if ns.iface_id(&dev).is_none() {
            return Err(refuse(format!("Cannot find bridge device \"{dev}\"")));
        }
        let mut result = ns.by_name(&dev).map(|_| ());
        if let Some(on) = hairpin {
            result = result.and_then(|()| ns.set_hairpin(&dev, on));
        }
        if let Some(on) = isolated {
            result = result.and_then(|()| ns.set_isolated(&dev, on));
        }
        self.done(result)
    }

    fn on_off(&mut self, name: &str) -> Result<bool, Failure> {
        match self.value()? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => {
                let text =
                    format!("Error: argument of \"{name}\" must be one of \"off\", \"on\", not \"{other}\"");
                Err(Failure::Refused(text, 234))
            }
        }
    }
}
