//! `ip route`.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::Netns;
use sim_core::linux::policy::{DEFAULT, LOCAL, MAIN};
use sim_core::linux::route::{Route, RouteKind, RouteProto};

use super::words::refuse;
use super::{Call, Dialect, Failure, Family, Shown};
use crate::tools::printer::Printer;

mod change;

use change::How;

/// Commands of `ip route` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &[
    "list", "show", "lst", "get", "add", "change", "chg", "replace", "prepend", "append", "test", "delete",
    "flush", "save", "restore", "showdump", "help",
];

/// `ip route help`.
const USAGE: &str = include_str!("usage/route.txt");

/// The tables that `ip route show` is asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tables {
    #[default]
    Main,
    One(u32),
    All,
    /// What ICMP has said.
    Cache,
}

/// What `ip route show` is asked for.
#[derive(Default)]
pub(super) struct Filter {
    tables: Tables,
    pub(super) dev: Option<String>,
    pub(super) via: Option<IpAddr>,
    pub(super) src: Option<IpAddr>,
    proto: Option<RouteProto>,
    scope: Option<&'static str>,
    kind: Option<String>,
    exact: Option<IpNet>,
    root: Option<IpNet>,
    matching: Option<IpNet>,
}

impl Call<'_> {
    pub(super) fn route(mut self) -> Shown {
        match self.words.command("route", COMMANDS)? {
            "show" | "list" | "lst" => self.route_show(),
            "get" => self.route_get(),
            "add" => self.route_add(How::Add),
            "append" | "prepend" => self.route_add(How::Append),
            "replace" => self.route_add(How::Replace),
            "change" | "chg" => self.route_add(How::Change),
            "delete" => self.route_delete(),
            "flush" => self.route_flush(),
            "help" => Err(self.usage(USAGE)),
            other => Err(Failure::NotModelled(format!("ip route {other}"))),
        }
    }

    pub(super) const fn v6(&self) -> bool {
        matches!(self.options.family, Some(Family::V6))
    }

    fn route_show(mut self) -> Shown {
        let filter = self.filter()?;
        if filter.tables == Tables::Cache && self.dialect == Dialect::Iproute2 {
            return self.route_show_cache(&filter);
        }
        let ns = self.world.ns(self.ns);
        let mut p = self.printer();
        for (table, route) in self.chosen_routes(&filter, "Dump")? {
            self.print_route(&mut p, ns, route, table, &filter);
        }
        Ok(p.finish())
    }

    /// The routes that a filter takes with the numbers of their tables, in the order in which the kernel shows them.
    fn chosen_routes(&self, filter: &Filter, doing: &str) -> Result<Vec<(u32, &Route)>, Failure> {
        let ns = self.world.ns(self.ns);
        let dev = match &filter.dev {
            Some(name) => Some(ns.iface_id(name).ok_or_else(|| self.no_device(name))?),
            None => None,
        };
        let v6 = self.v6() || filter.is_v6();
        let numbers: Vec<u32> = match filter.tables {
            Tables::Main => vec![MAIN],
            Tables::One(number) => vec![number],
            // By the lowest eight bits, the kernel's hash.
            Tables::All => {
                let mut all: Vec<u32> = ns.tables().collect();
                all.sort_by_key(|n| n & 0xff);
                all
            }
            Tables::Cache => Vec::new(),
        };
        if let Tables::One(number) = filter.tables
            && !ns.has_table(number, v6)
            && self.dialect == Dialect::Iproute2
        {
            let family = if v6 { "ipv6" } else { "ipv4" };
            return Err(refuse(format!("Error: {family}: FIB table does not exist.\n{doing} terminated"), 2));
        }
        // All tables are those of both families, unless one is asked for.
        let both = filter.tables == Tables::All && self.options.family.is_none() && !filter.is_v6();
        let families = if both { vec![false, true] } else { vec![v6] };
        let mut chosen = Vec::new();
        for v6 in families {
            for number in &numbers {
                let Some(table) = ns.table(*number) else { continue };
                let mut routes: Vec<&Route> = table
                    .iter()
                    .filter(|r| r.dst.addr().is_ipv6() == v6)
                    .filter(|r| dev.is_none() || r.dev == dev)
                    .filter(|r| filter.takes(r))
                    .collect();
                // The kernel's trie gives routes by address, of one address the longest prefix first.
                // The kernel's IPv6 tree is shown with the branches before the stem.
                let place = |n: IpNet| if n.addr().is_ipv6() { n.broadcast() } else { n.network() };
                routes.sort_by_key(|r| (place(r.dst), std::cmp::Reverse(r.dst.prefix_len()), r.metric));
                chosen.extend(routes.into_iter().map(|r| (*number, r)));
            }
        }
        Ok(chosen)
    }

    fn filter(&mut self) -> Result<Filter, Failure> {
        let mut filter = Filter::default();
        while let Some(word) = self.words.next() {
            match word {
                "dev" | "oif" => filter.dev = Some(self.words.value()?.to_owned()),
                "via" => {
                    let value = self.words.value()?;
                    filter.via = Some(self.words.address(value)?);
                }
                "table" => {
                    filter.tables = match self.words.value()? {
                        "all" => Tables::All,
                        "cache" => Tables::Cache,
                        other => match table_number(other) {
                            Some(MAIN) => Tables::Main,
                            Some(number) => Tables::One(number),
                            None => {
                                let text = format!(
                                    "Error: argument \"{other}\" is wrong: table id value is invalid\n"
                                );
                                return Err(refuse(text, 255));
                            }
                        },
                    };
                }
                "cached" | "cloned" | "cache" => filter.tables = Tables::Cache,
                "proto" | "protocol" => filter.proto = Some(proto(self.words.value()?)?),
                "scope" => filter.scope = Some(scope_name(self.words.value()?)?),
                "type" => filter.kind = Some(self.words.value()?.to_owned()),
                "root" => filter.root = Some(self.net()?),
                "match" => filter.matching = Some(self.net()?),
                "exact" | "to" => filter.exact = Some(self.net()?),
                "src" => {
                    let value = self.words.value()?;
                    filter.src = Some(self.words.address(value)?);
                }
                "metric" | "vrf" | "tos" | "realm" => {
                    return Err(Failure::NotModelled(format!("ip route show {word}")));
                }
                word if filter.exact.is_some() => return Err(self.words.garbage("to", word)),
                word => filter.exact = Some(self.words.prefix(word, self.v6())?),
            }
        }
        Ok(filter)
    }

    fn net(&mut self) -> Result<IpNet, Failure> {
        let value = self.words.value()?;
        self.words.prefix(value, self.v6())
    }

    /// One route (`print_route`).
    pub(super) fn print_route(&self, p: &mut Printer, ns: &Netns, r: &Route, table: u32, filter: &Filter) {
        if self.dialect == Dialect::Busybox {
            return p.text(busybox_text(ns, r, filter) + "\n");
        }
        let details = self.options.details;
        let v6 = r.dst.addr().is_ipv6();
        p.open_object(None);
        if r.kind != RouteKind::Unicast || details {
            p.any("type", format_args!("{} ", r.kind.name()), r.kind.name());
        }
        let dst = destination(r.dst);
        p.any("dst", format_args!("{dst} "), dst.as_str());
        if let Some(via) = r.via.filter(|_| filter.via.is_none()) {
            p.any("gateway", format_args!("via {via} "), via.to_string());
        }
        // An IPv6 route that refuses is one to `lo`.
        let dev =
            r.dev.and_then(|d| ns.iface(d)).map(|d| &*d.name).or((r.dev.is_none() && v6).then_some("lo"));
        if let Some(dev) = dev.filter(|_| filter.dev.is_none()) {
            p.any("dev", format_args!("dev {dev} "), dev);
        }
        if filter.tables == Tables::All && table != MAIN {
            let name = table_name(table);
            p.any("table", format_args!("table {name} "), name.as_str());
        }
        if (r.proto != RouteProto::Boot || details) && filter.proto.is_none() {
            let name = r.proto.name();
            p.any("protocol", format_args!("proto {name} "), name.as_ref());
        }
        let scope = scope(r).or((details && !v6).then_some("global"));
        if let Some(scope) = scope.filter(|_| filter.scope.is_none()) {
            p.any("scope", format_args!("scope {scope} "), scope);
        }
        if let Some(src) = r.src.filter(|_| filter.src.is_none()) {
            p.any("prefsrc", format_args!("src {src} "), src.to_string());
        }
        if r.metric != 0 || v6 {
            p.any("metric", format_args!("metric {} ", r.metric), r.metric);
        }
        let mut flags = Vec::new();
        if r.onlink {
            flags.push("onlink");
        }
        let link_down = r.dev.and_then(|d| self.link_of(d)).is_some_and(|l| l.flags.contains(&"NO-CARRIER"));
        if link_down && r.kind == RouteKind::Unicast {
            flags.push("linkdown");
        }
        flags.iter().for_each(|f| p.text(format_args!("{f} ")));
        p.words("flags", flags);
        if let Some(mtu) = r.mtu {
            p.open_array("metrics");
            p.open_object(None);
            p.any("mtu", format_args!("mtu {mtu} "), mtu);
            p.close_object();
            if p.is_json() {
                p.close_array();
            }
        }
        if v6 {
            p.any("pref", "pref medium", "medium");
        }
        p.text("\n");
        p.close_object();
    }

    fn link_of(&self, dev: sim_core::trace::IfId) -> Option<super::link::LinkView> {
        super::link::views(self.world, self.ns).into_iter().find(|l| l.index == dev.0 + 1)
    }

    fn route_flush(mut self) -> Shown {
        if self.words.is_empty() {
            let text = self
                .pick("\"ip route flush\" requires arguments.", "ip: \"ip route flush\" requires arguments");
            return Err(refuse(text, 1));
        }
        let filter = self.filter()?;
        if filter.tables == Tables::Cache {
            return self.route_flush_cache(&filter);
        }
        let chosen = self.chosen_routes(&filter, "Flush")?;
        let gone: Vec<(u32, Route)> = chosen.into_iter().map(|(t, r)| (t, r.clone())).collect();
        let mut said = self.printer();
        let ns = self.world.ns(self.ns);
        if self.options.stats > 1 {
            gone.iter().for_each(|(t, r)| self.print_route(&mut said, ns, r, *t, &filter));
        }
        let count = gone.len();
        for (table, route) in gone {
            let result = self.world.ns_mut(self.ns).route_del_in(table, |r| *r == route);
            self.done(result)?;
        }
        Ok(said.finish() + &self.flush_report(count, "entries", "Nothing to flush."))
    }
}

impl Filter {
    /// Every route of every table.
    pub(super) fn of_all() -> Self {
        Self { tables: Tables::All, ..Self::default() }
    }

    pub(super) fn is_v6(&self) -> bool {
        let nets = [self.exact, self.root, self.matching].into_iter().flatten().map(|n| n.addr());
        nets.chain(self.via).any(|a| a.is_ipv6())
    }

    pub(super) fn takes(&self, r: &Route) -> bool {
        self.via.is_none_or(|v| r.via == Some(v))
            && self.src.is_none_or(|s| r.src == Some(s))
            && self.proto.is_none_or(|p| r.proto == p)
            && self.scope.is_none_or(|s| scope(r).unwrap_or("global") == s)
            && self.kind.as_deref().is_none_or(|k| r.kind.name() == k)
            && self.exact.is_none_or(|n| r.dst == n.trunc())
            && self.root.is_none_or(|n| n.contains(&r.dst))
            && self.matching.is_none_or(|n| r.dst.contains(&n))
    }
}

/// The scope that is written: that of a gateway's route, global, is not.
fn scope(r: &Route) -> Option<&'static str> {
    match r.kind {
        _ if r.dst.addr().is_ipv6() => None,
        RouteKind::Local => Some("host"),
        RouteKind::Broadcast => Some("link"),
        RouteKind::Unicast if r.via.is_none() => Some("link"),
        _ => None,
    }
}

/// As the busybox applet writes a route.
fn busybox_text(ns: &Netns, r: &Route, filter: &Filter) -> String {
    let mut text = String::new();
    if r.kind != RouteKind::Unicast {
        let _ = write!(text, "{} ", r.kind.name());
    }
    text += &destination(r.dst);
    text.push(' ');
    if let Some(via) = r.via.filter(|_| filter.via.is_none()) {
        let _ = write!(text, "via {via} ");
    }
    if let Some(dev) = r.dev.and_then(|d| ns.iface(d)).filter(|_| filter.dev.is_none()) {
        let _ = write!(text, "dev {} ", dev.name);
    }
    if let Some(scope) = scope(r).filter(|_| filter.scope.is_none()) {
        let _ = write!(text, "scope {scope} ");
    }
    if let Some(src) = r.src {
        let _ = write!(text, " src {src} ");
    }
    if r.dev.is_none() && r.dst.addr().is_ipv6() {
        text.push_str("dev lo ");
    }
    if r.metric != 0 || r.dst.addr().is_ipv6() {
        let _ = write!(text, " metric {} ", r.metric);
    }
    if r.onlink {
        text += "onlink ";
    }
    text
}

fn destination(dst: IpNet) -> String {
    match dst.prefix_len() {
        0 => "default".to_owned(),
        len if len == dst.max_prefix_len() => dst.addr().to_string(),
        _ => dst.to_string(),
    }
}

fn proto(word: &str) -> Result<RouteProto, Failure> {
    RouteProto::named(word).ok_or_else(|| {
        refuse(format!("Error: argument \"{word}\" is wrong: \"protocol\" value is invalid\n"), 255)
    })
}

/// The number of a table by its name or number; 0 is none.
pub(super) fn table_number(word: &str) -> Option<u32> {
    match word {
        "local" => Some(LOCAL),
        "main" => Some(MAIN),
        "default" => Some(DEFAULT),
        other => other.parse().ok().filter(|n| *n != 0),
    }
}

/// A table's name, or its number.
pub(super) fn table_name(number: u32) -> String {
    match number {
        LOCAL => "local".to_owned(),
        MAIN => "main".to_owned(),
        DEFAULT => "default".to_owned(),
        other => other.to_string(),
    }
}

fn scope_name(word: &str) -> Result<&'static str, Failure> {
    match word {
        "link" => Ok("link"),
        "host" => Ok("host"),
        "global" | "universe" => Ok("global"),
        other if other.parse::<u8>().is_ok() || matches!(other, "site" | "nowhere") => {
            Err(Failure::NotModelled(format!("ip route scope {other}")))
        }
        other => Err(refuse(format!("Error: argument \"{other}\" is wrong: invalid \"scope\" value\n"), 255)),
    }
}
