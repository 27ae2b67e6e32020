//! `ip neigh`.

use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::neigh::{Neighbour, NudState};
use sim_core::packet::MacAddr;

use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};
use crate::tools::printer::Printer;

/// Commands of `ip neigh` in the order of iproute2's look-up.
const COMMANDS: &[&str] =
    &["add", "change", "chg", "replace", "delete", "get", "show", "list", "lst", "flush", "help"];
/// Those of the busybox applet.
const BUSYBOX_COMMANDS: &[&str] = &["show", "flush"];

/// What an entry of a command line says.
#[derive(Default)]
struct Described {
    addr: Option<IpAddr>,
    dev: Option<String>,
    mac: Option<MacAddr>,
    state: Option<NudState>,
    /// `router`.
    router: bool,
}

/// What `show` and `flush` are asked for.
#[derive(Default)]
struct Filter {
    dev: Option<String>,
    to: Option<IpNet>,
    nud: Option<NudState>,
    all: bool,
}

/// An entry as it is shown.
struct Row {
    addr: IpAddr,
    dev: String,
    entry: Neighbour,
    state: NudState,
}

impl Call<'_> {
    pub(super) fn neigh(mut self) -> Shown {
        let known = match self.dialect {
            Dialect::Iproute2 => COMMANDS,
            Dialect::Busybox => BUSYBOX_COMMANDS,
        };
        match self.words.command("neigh", known)? {
            "show" | "list" | "lst" => self.neigh_show(),
            "get" => self.neigh_get(),
            "help" => Err(self.usage(include_str!("usage/neigh.txt"))),
            "delete" => self.neigh_delete(),
            "flush" => self.neigh_flush(),
            change => self.neigh_change(change),
        }
    }

    fn neigh_show(mut self) -> Shown {
        if self.options.stats > 0 {
            return Err(Failure::NotModelled("ip -s neigh: when an entry was last used".to_owned()));
        }
        let filter = self.neigh_filter()?;
        let mut p = self.printer();
        for row in self.neigh_rows(&filter)? {
            self.print_neigh(&mut p, &row, filter.dev.is_none());
        }
        Ok(p.finish())
    }

    fn neigh_filter(&mut self) -> Result<Filter, Failure> {
        let mut f = Filter::default();
        while let Some(word) = self.words.next() {
            match word {
                "dev" => f.dev = Some(self.words.value()?.to_owned()),
                "nud" => match self.words.value()? {
                    "all" => f.all = true,
                    state => f.nud = Some(nud(state)?),
                },
                "to" => {
                    let value = self.words.value()?;
                    f.to = Some(self.words.prefix(value, value.contains(':'))?);
                }
                "proxy" | "unused" | "vrf" | "nomaster" | "master" => {
                    return Err(Failure::NotModelled(format!("ip neigh show {word}")));
                }
                "all" => f.all = true,
                word => f.to = Some(self.words.prefix(word, word.contains(':'))?),
            }
        }
        Ok(f)
    }

    fn neigh_rows(&self, f: &Filter) -> Result<Vec<Row>, Failure> {
        let ns = self.world.ns(self.ns);
        let dev = match &f.dev {
            Some(name) => Some(ns.iface_id(name).ok_or_else(|| self.no_device(name))?),
            None => None,
        };
        let rows = ns.neighbours().iter(self.world.now()).filter(|(on, addr, _, state)| {
            dev.is_none_or(|d| d == *on)
                && f.to.is_none_or(|t| t.contains(addr))
                && f.nud.is_none_or(|n| n == *state)
                && self.options.family.is_none_or(|f| f.matches(addr.is_ipv4()))
        });
        let row = |(on, addr, n, state): (_, _, &Neighbour, _)| Row {
            addr,
            dev: ns.iface(on).map_or_else(String::new, |i| i.name.to_string()),
            entry: n.clone(),
            state,
        };
        let mut rows: Vec<Row> = rows.map(row).collect();
        // Each family has a table of its own, and the tables are shown one after the other.
        rows.sort_by_key(|r| r.addr.is_ipv6());
        Ok(rows)
    }

    fn print_neigh(&self, p: &mut Printer, row: &Row, with_dev: bool) {
        let Row { addr, dev, entry, state } = row;
        let known = entry.mac != MacAddr::ZERO;
        let mac = entry.mac.to_string();
        if self.dialect == Dialect::Busybox {
            let dev = if with_dev { format!("dev {dev} ") } else { String::new() };
            let router = if entry.router { " router" } else { "" };
            let lladdr = if known { format!("lladdr {mac}{router}") } else { String::new() };
            let text = format!(
                "{addr} {dev}{lladdr} used 0/0/0 probes {} {}\n",
                probes(entry, *state),
                state.name()
            );
            return p.text(text);
        }
        p.open_object(None);
        if self.options.brief && !p.is_json() {
            let mac = if known { mac } else { String::new() };
            p.text(format_args!("{addr:<39} {dev:<16} {mac}\n"));
            return p.close_object();
        }
        p.any("dst", format_args!("{addr} "), addr.to_string());
        if with_dev {
            p.any("dev", format_args!("dev {dev} "), dev.as_str());
        }
        if known {
            p.any("lladdr", format_args!("lladdr {mac} "), mac.as_str());
        }
        if entry.router && !self.options.brief {
            p.present("router", "router ");
        }
        if !self.options.brief {
            p.text(format_args!("{} ", state.name()));
            p.words("state", [state.name()]);
        }
        p.text("\n");
        p.close_object();
    }

    fn described_neigh(&mut self) -> Result<Described, Failure> {
        let mut d = Described::default();
        while let Some(word) = self.words.next() {
            match word {
                "dev" => d.dev = Some(self.words.value()?.to_owned()),
                "lladdr" => d.mac = Some(self.words.mac()?),
                "nud" => d.state = Some(nud(self.words.value()?)?),
                "router" => d.router = true,
                "proxy" | "extern_learn" | "managed" | "use" | "protocol" => {
                    return Err(Failure::NotModelled(format!("ip neigh … {word}")));
                }
                word => {
                    let value = if word == "to" { self.words.value()? } else { word };
                    let bad = || {
                        refuse(format!("Error: any valid address is expected rather than \"{value}\"."), 1)
                    };
                    d.addr = Some(value.parse().map_err(|_| bad())?);
                }
            }
        }
        Ok(d)
    }

    fn neigh_change(mut self, how: &str) -> Shown {
        let d = self.described_neigh()?;
        let (Some(dev), Some(addr)) = (d.dev, d.addr) else {
            return Err(refuse("Device and destination are required arguments.", 255));
        };
        let now = self.world.now();
        let ns = self.world.ns(self.ns);
        let id = ns.iface_id(&dev).ok_or_else(|| self.no_device(&dev))?;
        let old =
            ns.neighbours().iter(now).find(|(on, a, ..)| (*on, *a) == (id, addr)).map(|(_, _, n, _)| n.mac);
        match (how, old) {
            ("add", Some(_)) => return Err(refuse("RTNETLINK answers: File exists", 2)),
            ("change" | "chg", None) => {
                return Err(refuse("RTNETLINK answers: No such file or directory", 2));
            }
            _ => {}
        }
        let state = d.state.unwrap_or(NudState::Permanent);
        let mac = match (d.mac, state) {
            (Some(mac), _) => mac,
            (None, NudState::Failed) => MacAddr::ZERO,
            (None, _) => old
                .filter(|m| *m != MacAddr::ZERO)
                .ok_or_else(|| refuse("Error: No link layer address given.", 2))?,
        };
        let ns = self.world.ns_mut(self.ns);
        let result = ns.neigh_set(&dev, addr, mac, state, now);
        if d.router {
            ns.neigh_set_router(id, addr);
        }
        self.done(result)
    }

    fn neigh_get(mut self) -> Shown {
        let d = self.described_neigh()?;
        let (Some(dev), Some(addr)) = (d.dev, d.addr) else {
            return Err(refuse("Device and address are required arguments.", 255));
        };
        let filter = Filter { dev: Some(dev), to: Some(addr.into()), ..Filter::default() };
        let rows = self.neigh_rows(&filter)?;
        let Some(row) = rows.first() else { return Err(refuse("Error: Neighbour entry not found.", 2)) };
        let mut p = self.printer();
        self.print_neigh(&mut p, row, true);
        Ok(p.finish())
    }

    fn neigh_delete(mut self) -> Shown {
        let d = self.described_neigh()?;
        let (Some(dev), Some(addr)) = (d.dev, d.addr) else {
            return Err(refuse("Device and destination are required arguments.", 255));
        };
        let result = self.world.ns_mut(self.ns).neigh_del(&dev, addr);
        self.done(result)
    }

    fn neigh_flush(mut self) -> Shown {
        if self.words.is_empty() {
            return Err(refuse("Flush requires arguments.", 1));
        }
        let filter = self.neigh_filter()?;
        let rows = self.neigh_rows(&filter)?;
        // What was set by hand stays, unless it is asked for.
        let kept = |r: &Row| r.state == NudState::Permanent && filter.nud != Some(NudState::Permanent);
        let gone: Vec<Row> = rows.into_iter().filter(|r| !kept(r)).collect();
        for row in &gone {
            let result = self.world.ns_mut(self.ns).neigh_del(&row.dev, row.addr);
            self.done(result)?;
        }
        Ok(self.flush_report(gone.len(), "entries", "Nothing to flush."))
    }
}

/// The value of `nud`.
fn nud(word: &str) -> Result<NudState, Failure> {
    Ok(match word {
        "permanent" => NudState::Permanent,
        "reachable" => NudState::Reachable,
        "stale" => NudState::Stale,
        "delay" => NudState::Delay,
        "probe" => NudState::Probe,
        "failed" => NudState::Failed,
        "incomplete" => NudState::Incomplete,
        "noarp" | "none" => return Err(Failure::NotModelled(format!("ip neigh nud {word}"))),
        other => {
            return Err(refuse(format!("Error: argument \"{other}\" is wrong: nud state is bad\n"), 255));
        }
    })
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
