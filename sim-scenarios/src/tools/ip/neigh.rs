//! `ip neigh`.

use std::net::IpAddr;

use sim_core::linux::neigh::{Neighbour, NudState};
use sim_core::packet::MacAddr;

use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};

/// Commands of `ip neigh` in the order of iproute2's look-up.
const COMMANDS: &[&str] =
    &["add", "change", "chg", "replace", "delete", "get", "show", "list", "lst", "flush", "help"];
/// Those of the busybox applet.
const BUSYBOX_COMMANDS: &[&str] = &["show", "flush"];

impl Call<'_> {
    pub(super) fn neigh(mut self) -> Shown {
        let known = match self.dialect {
            Dialect::Iproute2 => COMMANDS,
            Dialect::Busybox => BUSYBOX_COMMANDS,
        };
        match self.words.command("neigh", known)? {
            "show" | "list" | "lst" => self.neigh_show(),
            "add" | "replace" | "change" | "chg" => self.neigh_add(),
            "delete" => self.neigh_delete(),
            "flush" => self.neigh_flush(),
            other => Err(Failure::NotModelled(format!("ip neigh {other}"))),
        }
    }

    fn neigh_show(mut self) -> Shown {
        let (mut dev, mut to, mut nud) = (None, None, None);
        while let Some(word) = self.words.next() {
            match word {
                "dev" => dev = Some(self.words.value()?),
                "nud" => nud = Some(self.words.value()?.to_uppercase()).filter(|n| n != "ALL"),
                "to" => {
                    let value = self.words.value()?;
                    to = Some(self.words.prefix(value, false)?);
                }
                "proxy" | "unused" | "vrf" | "nomaster" | "master" => {
                    return Err(Failure::NotModelled(format!("ip neigh show {word}")));
                }
                word => to = Some(self.words.prefix(word, false)?),
            }
        }
        let ns = self.world.ns(self.ns);
        let dev = match dev {
            Some(name) => Some(ns.iface_id(name).ok_or_else(|| self.no_device(name))?),
            None => None,
        };
        let rows = ns.neighbours().iter(self.world.now()).filter(|(on, addr, _, state)| {
            dev.is_none_or(|d| d == *on)
                && to.is_none_or(|t| t.contains(addr))
                && nud.as_deref().is_none_or(|n| n == state.name())
                && self.options.family.is_none_or(|f| f.matches(addr.is_ipv4()))
        });
        let name = |on| ns.iface(on).map_or("", |i| &*i.name);
        Ok(rows
            .map(|(on, addr, n, state)| {
                let shown = dev.is_none().then(|| name(on));
                self.neigh_row(addr, shown, n, state, name(on))
            })
            .collect())
    }

    fn neigh_row(&self, addr: IpAddr, dev: Option<&str>, n: &Neighbour, state: NudState, on: &str) -> String {
        let known = n.mac != MacAddr::ZERO;
        let dev = dev.map(|d| format!("dev {d} ")).unwrap_or_default();
        let lladdr = if known { format!("lladdr {}", n.mac) } else { String::new() };
        match self.dialect {
            Dialect::Iproute2 if self.options.brief => {
                let mac = if known { n.mac.to_string() } else { String::new() };
                format!("{addr:<39} {on:<16} {mac}\n")
            }
            Dialect::Iproute2 if known => format!("{addr} {dev}{lladdr} {} \n", state.name()),
            Dialect::Iproute2 => format!("{addr} {dev}{} \n", state.name()),
            Dialect::Busybox => {
                format!("{addr} {dev}{lladdr} used 0/0/0 probes {} {}\n", probes(n, state), state.name())
            }
        }
    }

    fn neigh_add(mut self) -> Shown {
        let (mut addr, mut dev, mut mac) = (None, None, None);
        while let Some(word) = self.words.next() {
            match word {
                "dev" => dev = Some(self.words.value()?),
                "lladdr" => mac = Some(self.words.mac()?),
                "nud" => {
                    let state = self.words.value()?;
                    if state != "permanent" {
                        return Err(Failure::NotModelled(format!("ip neigh add nud {state}")));
                    }
                }
                "to" => {
                    let value = self.words.value()?;
                    addr = Some(self.words.address(value)?);
                }
                word => addr = Some(self.words.address(word)?),
            }
        }
        let (Some(dev), Some(addr)) = (dev, addr) else {
            return Err(refuse("Device and destination are required arguments.", 255));
        };
        let Some(mac) = mac else { return Err(refuse("Error: No link layer address given.", 2)) };
        let result = self.world.ns_mut(self.ns).neigh_add(dev, addr, mac);
        self.done(result)
    }

    fn neigh_delete(mut self) -> Shown {
        let (mut addr, mut dev) = (None, None);
        while let Some(word) = self.words.next() {
            match word {
                "dev" => dev = Some(self.words.value()?),
                "lladdr" | "nud" => drop(self.words.value()?),
                word => addr = Some(self.words.address(word)?),
            }
        }
        let (Some(dev), Some(addr)) = (dev, addr) else {
            return Err(refuse("Device and destination are required arguments.", 255));
        };
        let result = self.world.ns_mut(self.ns).neigh_del(dev, addr);
        self.done(result)
    }

    fn neigh_flush(mut self) -> Shown {
        match (self.words.next(), self.words.next(), self.words.next()) {
            (Some("dev"), Some(dev), None) => {
                let result = self.world.ns_mut(self.ns).neigh_flush(dev);
                self.done(result)
            }
            (Some("all"), None, None) => {
                let ns = self.world.ns_mut(self.ns);
                let devs: Vec<String> = ns.ifaces().map(|i| i.name.to_string()).collect();
                let result = devs.iter().try_for_each(|dev| ns.neigh_flush(dev));
                self.done(result)
            }
            (None, ..) => Err(refuse("Flush requires arguments.", 255)),
            (Some(word), ..) => Err(Failure::NotModelled(format!("ip neigh flush {word}"))),
        }
    }
}

/// The kernel counts probes from three (`ucast_solicit`) while it asks by broadcast, and leaves the count when it has an answer.
fn probes(n: &Neighbour, state: NudState) -> u8 {
    match state {
        NudState::Incomplete | NudState::Failed => 3 + n.probes,
        NudState::Probe => n.probes,
        NudState::Permanent => 0,
        NudState::Reachable | NudState::Stale | NudState::Delay => 4,
    }
}
