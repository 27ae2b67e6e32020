//! `ip route`.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::route::{Route, RouteKind, RouteProto};
use sim_core::linux::{NetError, Netns};

use super::words::refuse;
use super::{Call, Dialect, Failure, Family, Shown};

/// Commands of `ip route` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &[
    "list", "show", "lst", "get", "add", "change", "chg", "replace", "prepend", "append", "test", "delete",
    "flush", "save", "restore", "showdump", "help",
];

/// What `ip route show` is asked for.
#[derive(Default)]
struct Filter {
    local: bool,
    dev: Option<String>,
    via: Option<IpAddr>,
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
            "add" | "append" => self.route_add(false),
            "replace" | "change" | "chg" => self.route_add(true),
            "delete" => self.route_delete(),
            other => Err(Failure::NotModelled(format!("ip route {other}"))),
        }
    }

    const fn v6(&self) -> bool {
        matches!(self.options.family, Some(Family::V6))
    }

    fn route_show(mut self) -> Shown {
        let filter = self.filter()?;
        let ns = self.world.ns(self.ns);
        let dev = match &filter.dev {
            Some(name) => Some(ns.iface_id(name).ok_or_else(|| self.no_device(name))?),
            None => None,
        };
        let table = if filter.local { ns.local_routes() } else { ns.routes() };
        let mut routes: Vec<&Route> = table
            .iter()
            .filter(|r| r.dst.addr().is_ipv6() == self.v6())
            .filter(|r| dev.is_none() || r.dev == dev)
            .filter(|r| filter.takes(r))
            .collect();
        // The kernel's trie gives routes by address, of one address the longest prefix first.
        // The kernel's IPv6 tree is shown with the branches before the stem.
        let place = |n: IpNet| if n.addr().is_ipv6() { n.broadcast() } else { n.network() };
        routes.sort_by_key(|r| (place(r.dst), std::cmp::Reverse(r.dst.prefix_len()), r.metric));
        Ok(routes.iter().map(|r| self.route_text(ns, r, &filter) + "\n").collect())
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
                "table" => match self.words.value()? {
                    "main" | "254" => {}
                    "local" | "255" => filter.local = true,
                    other if other == "all" || other.parse::<u32>().is_ok() => {
                        return Err(Failure::NotModelled(format!("ip route show table {other}")));
                    }
                    other => {
                        let text =
                            format!("Error: argument \"{other}\" is wrong: table id value is invalid\n");
                        return Err(refuse(text, 255));
                    }
                },
                "proto" | "protocol" => filter.proto = Some(proto(self.words.value()?)?),
                "scope" => filter.scope = Some(scope_name(self.words.value()?)?),
                "type" => filter.kind = Some(self.words.value()?.to_owned()),
                "root" => filter.root = Some(self.net()?),
                "match" => filter.matching = Some(self.net()?),
                "exact" | "to" => filter.exact = Some(self.net()?),
                "src" | "metric" | "vrf" | "tos" | "realm" | "cached" | "cloned" => {
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

    fn route_text(&self, ns: &Netns, r: &Route, filter: &Filter) -> String {
        let iproute2 = self.dialect == Dialect::Iproute2;
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
        if iproute2 && r.proto != RouteProto::Boot && filter.proto.is_none() {
            let _ = write!(text, "proto {} ", r.proto.name());
        }
        if let Some(scope) = scope(r).filter(|_| filter.scope.is_none()) {
            let _ = write!(text, "scope {scope} ");
        }
        let gap = if iproute2 { "" } else { " " };
        if let Some(src) = r.src {
            let _ = write!(text, "{gap}src {src} ");
        }
        // An IPv6 route that refuses is one to `lo`.
        if r.dev.is_none() && r.dst.addr().is_ipv6() {
            text.push_str("dev lo ");
        }
        if r.metric != 0 || r.dst.addr().is_ipv6() {
            let _ = write!(text, "{gap}metric {} ", r.metric);
        }
        if r.onlink {
            text += "onlink ";
        }
        if r.dst.addr().is_ipv6() && iproute2 {
            text += "pref medium";
        }
        text
    }

    /// `ip route get`: what the stack would do.
    fn route_get(mut self) -> Shown {
        let Some(mut word) = self.words.next() else {
            return Err(refuse(
                self.pick("need at least a destination address", "ip: need at least destination address"),
                1,
            ));
        };
        if word == "to" {
            word = self.words.value()?;
        }
        if let Some(more) = self.words.next() {
            return Err(Failure::NotModelled(format!("ip route get … {more}")));
        }
        let dst = self.words.prefix(word, self.v6())?.addr();
        let ns = self.world.ns(self.ns);
        let answers = |what: &str| refuse(format!("{}RTNETLINK answers: {what}", self.pick("", "ip: ")), 2);
        if ns.is_local(dst) {
            return Ok(self.got(&format!("local {dst} dev lo"), dst, "<local> "));
        }
        let route = ns.routes().lookup(dst).ok_or_else(|| answers("Network is unreachable"))?;
        match route.kind {
            RouteKind::Unicast => {}
            RouteKind::Blackhole => return Err(answers("Invalid argument")),
            RouteKind::Prohibit => return Err(answers("Permission denied")),
            _ => return Err(answers("No route to host")),
        }
        let dev = route.dev.and_then(|d| ns.iface(d)).ok_or_else(|| answers("Network is unreachable"))?;
        let next = route.via.unwrap_or(dst);
        let src = route
            .src
            .or_else(|| dev.source_for(next))
            .or_else(|| ns.ifaces().find_map(|i| i.source_for(dst)));
        let via = route.via.map(|v| format!(" via {v}")).unwrap_or_default();
        let src = src.ok_or_else(|| answers("Network is unreachable"))?;
        Ok(self.got(&format!("{dst}{via} dev {}", dev.name), src, ""))
    }

    fn got(&self, head: &str, src: IpAddr, cache: &str) -> String {
        match self.dialect {
            Dialect::Iproute2 => format!("{head} src {src} uid 0 \n    cache {cache}\n"),
            Dialect::Busybox => format!("{head}  src {src} \n"),
        }
    }

    fn route_add(mut self, replace: bool) -> Shown {
        let route = self.described()?;
        let Some(route) = route.complete(&self)? else {
            return Err(Failure::NotModelled("ip route add without a destination".to_owned()));
        };
        let ns = self.world.ns_mut(self.ns);
        let result = if replace { ns.route_replace(route) } else { ns.route_add(route) };
        self.done(match result {
            // The interface is missing, not wrong.
            Err(NetError::Invalid) => {
                return Err(refuse(format!("{}RTNETLINK answers: No such device", self.pick("", "ip: ")), 2));
            }
            other => other,
        })
    }

    fn route_delete(mut self) -> Shown {
        let wanted = self.described()?;
        let dev = wanted.device(&self)?;
        let Some(dst) = wanted.dst else {
            return Err(Failure::NotModelled("ip route delete without a destination".to_owned()));
        };
        // The kernel deletes the first that fits.
        let ns = self.world.ns_mut(self.ns);
        let fits = |r: &Route| {
            r.dst == dst.trunc()
                && wanted.via.is_none_or(|v| r.via == Some(v))
                && (dev.is_none() || r.dev == dev)
                && wanted.metric.is_none_or(|m| r.metric == m)
                && wanted.kind.is_none_or(|k| r.kind == k)
        };
        let first = ns.routes().iter().find(|r| fits(r)).cloned();
        let result = ns.route_del(|r| first.as_ref() == Some(r));
        self.done(result)
    }

    /// The words of `ip route add`.
    fn described(&mut self) -> Result<Described, Failure> {
        let mut d = Described::default();
        while let Some(word) = self.words.next() {
            match word {
                "via" => {
                    let value = self.words.value()?;
                    d.via = Some(self.words.address(value)?);
                }
                "src" => {
                    let value = self.words.value()?;
                    d.src = Some(self.words.address(value)?);
                }
                "dev" | "oif" => d.dev = Some(self.words.value()?.to_owned()),
                "metric" | "preference" | "priority" => d.metric = Some(self.words.number("metric")?),
                "proto" | "protocol" => d.proto = Some(proto(self.words.value()?)?),
                "scope" => drop(scope_name(self.words.value()?)?),
                "onlink" => d.onlink = true,
                "unicast" => d.kind = Some(RouteKind::Unicast),
                "blackhole" => d.kind = Some(RouteKind::Blackhole),
                "unreachable" => d.kind = Some(RouteKind::Unreachable),
                "prohibit" => d.kind = Some(RouteKind::Prohibit),
                "table" | "mtu" | "advmss" | "nexthop" | "encap" | "throw" | "local" | "broadcast"
                | "tos" | "nhid" | "initcwnd" | "window" | "rtt" | "weight" => {
                    return Err(Failure::NotModelled(format!("ip route … {word}")));
                }
                "to" => d.dst = Some(self.net()?),
                word if d.dst.is_some() => return Err(self.words.garbage("to", word)),
                word => {
                    d.dst = Some(self.words.prefix(word, self.v6() || d.via.is_some_and(|v| v.is_ipv6()))?)
                }
            }
        }
        Ok(d)
    }
}

/// A route as a command line describes it.
#[derive(Default)]
struct Described {
    dst: Option<IpNet>,
    via: Option<IpAddr>,
    dev: Option<String>,
    src: Option<IpAddr>,
    metric: Option<u32>,
    proto: Option<RouteProto>,
    kind: Option<RouteKind>,
    onlink: bool,
}

impl Described {
    fn device(&self, call: &Call<'_>) -> Result<Option<sim_core::trace::IfId>, Failure> {
        let ns = call.world.ns(call.ns);
        match &self.dev {
            Some(name) => ns.iface_id(name).map(Some).ok_or_else(|| call.no_device(name)),
            None => Ok(None),
        }
    }

    fn complete(&self, call: &Call<'_>) -> Result<Option<Route>, Failure> {
        let dev = self.device(call)?;
        Ok(self.dst.map(|dst| Route {
            via: self.via,
            dev,
            src: self.src,
            metric: self.metric.unwrap_or(0),
            proto: self.proto.unwrap_or(RouteProto::Boot),
            onlink: self.onlink,
            ..Route::refuse(dst, self.kind.unwrap_or(RouteKind::Unicast))
        }))
    }
}

impl Filter {
    fn takes(&self, r: &Route) -> bool {
        self.via.is_none_or(|v| r.via == Some(v))
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

fn destination(dst: IpNet) -> String {
    match dst.prefix_len() {
        0 => "default".to_owned(),
        len if len == dst.max_prefix_len() => dst.addr().to_string(),
        _ => dst.to_string(),
    }
}

fn proto(word: &str) -> Result<RouteProto, Failure> {
    match word {
        "kernel" => Ok(RouteProto::Kernel),
        "boot" => Ok(RouteProto::Boot),
        "static" => Ok(RouteProto::Static),
        "dhcp" => Ok(RouteProto::Dhcp),
        "bird" => Ok(RouteProto::Bird),
        other => Err(Failure::NotModelled(format!("ip route proto {other}"))),
    }
}

fn scope_name(word: &str) -> Result<&'static str, Failure> {
    match word {
        "link" => Ok("link"),
        "host" => Ok("host"),
        "global" | "universe" => Ok("global"),
        other => Err(Failure::NotModelled(format!("ip route scope {other}"))),
    }
}
