//! `ip route get`: what the stack would do with a packet.

use std::net::{IpAddr, Ipv6Addr};

use sim_core::linux::policy::{Flow, LOCAL, MAIN, RuleAction};
use sim_core::linux::route::{Route, RouteKind};
use sim_core::trace::{DropReason, IfId};

use super::route::{Filter, table_name};
use super::route_cache::{GotV6, print_expires};
use super::rule::any_base;
use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};

/// What is asked.
struct Question {
    dst: IpAddr,
    from: Option<IpAddr>,
    iif: Option<IfId>,
    oif: Option<IfId>,
    mark: Option<u32>,
    fibmatch: bool,
}

/// What is answered.
struct Got<'r> {
    kind: RouteKind,
    via: Option<IpAddr>,
    dev: IfId,
    src: Option<IpAddr>,
    /// Its route, if there is one.
    table: u32,
    route: Option<&'r Route>,
    cache: Vec<&'static str>,
}

impl Call<'_> {
    pub(super) fn route_get(mut self) -> Shown {
        if self.words.is_empty() {
            let text =
                self.pick("need at least a destination address", "ip: need at least destination address");
            return Err(refuse(text, 1));
        }
        let q = self.question()?;
        if let IpAddr::V6(dst) = q.dst
            && self.dialect == Dialect::Iproute2
        {
            return self.route_get_v6(&q, dst);
        }
        let got = if q.iif.is_some() { self.came_in(&q)? } else { self.goes_out(&q)? };
        if q.fibmatch
            && let Some(route) = got.route
        {
            let mut p = self.printer();
            // The table is told as in a list of all of them.
            self.print_route(&mut p, self.world.ns(self.ns), route, got.table, &Filter::of_all());
            return Ok(p.finish());
        }
        Ok(self.got(&q, &got))
    }

    /// The same for IPv6 (`inet6_rtm_getroute`), where whoever sends may ask, and no packet comes in that is not wanted.
    fn route_get_v6(&self, q: &Question, dst: Ipv6Addr) -> Shown {
        let ns = self.world.ns(self.ns);
        let answers = |what: &str| refuse(self.kernel(what), 2);
        let flow = Flow { src: q.from, dst: q.dst, iif: q.iif, mark: q.mark.unwrap_or(0) };
        let found = ns.route_lookup(&flow).map_err(|refusal| answers(refusal_text(refusal)));
        let (table, route) = match q.oif {
            // Routes by other interfaces are passed over.
            Some(dev) => found
                .ok()
                .filter(|(_, r)| r.dev == Some(dev) || r.kind == RouteKind::Local)
                .or_else(|| Some((MAIN, ns.routes().lookup_by(q.dst, dev)?)))
                .ok_or_else(|| answers("Network is unreachable"))?,
            None => found?,
        };
        if q.fibmatch {
            let mut p = self.printer();
            self.print_route(&mut p, ns, route, table, &Filter::of_all());
            return Ok(p.finish());
        }
        let host = matches!(route.kind, RouteKind::Local | RouteKind::Anycast);
        if !host && !matches!(route.kind, RouteKind::Unicast | RouteKind::Multicast) {
            return Err(answers(kind_text(route.kind)));
        }
        let dev = if host { ns.iface_id("lo") } else { None }.or(route.dev).and_then(|d| ns.iface(d));
        let dev = dev.ok_or_else(|| answers("Network is unreachable"))?;
        let via = ns.redirected_to(q.dst, route).or(route.via).filter(|via| *via != q.dst);
        let got = GotV6 {
            dst: q.dst,
            from: q.from,
            iif: q.iif.and_then(|i| ns.iface(i)).map(|i| &*i.name),
            dev: &dev.name,
            table,
            route: Route { via, ..route.clone() },
            src: if q.iif.is_some() { None } else { ns.source_v6(route, dst) },
        };
        Ok(self.print_got_v6(&got))
    }

    /// A packet of this host (`ip_route_output_key`).
    fn goes_out(&self, q: &Question) -> Result<Got<'_>, Failure> {
        let ns = self.world.ns(self.ns);
        let answers = |what: &str| refuse(self.kernel(what), 2);
        if q.from.is_some_and(|from| !ns.is_local(from)) {
            return Err(answers("Network is unreachable"));
        }
        let flow = Flow { src: q.from, dst: q.dst, iif: None, mark: q.mark.unwrap_or(0) };
        let found = match q.oif {
            Some(dev) => ns
                .route_lookup(&flow)
                .ok()
                .filter(|(_, r)| r.kind != RouteKind::Unicast || r.dev == Some(dev))
                .or_else(|| {
                    let by_dev = ns.routes().lookup_by(q.dst, dev)?;
                    Some((MAIN, by_dev))
                }),
            None => Some(ns.route_lookup(&flow).map_err(|refusal| answers(refusal_text(refusal)))?),
        };
        let Some((table, route)) = found else {
            // The routing tables must be wrong: it is taken to be on the link.
            let dev = q.oif.ok_or_else(|| answers("Network is unreachable"))?;
            let src = ns.iface(dev).and_then(|i| i.source_for(q.dst));
            let kind = RouteKind::Unicast;
            return Ok(Got { kind, via: None, dev, src, table: MAIN, route: None, cache: Vec::new() });
        };
        match route.kind {
            RouteKind::Local | RouteKind::Anycast => {
                let lo = ns.iface_id("lo").or(route.dev).ok_or_else(|| answers("Network is unreachable"))?;
                let src = Some(q.dst);
                return Ok(Got {
                    kind: route.kind,
                    via: None,
                    dev: lo,
                    src,
                    table,
                    route: Some(route),
                    cache: vec!["local"],
                });
            }
            RouteKind::Broadcast => {
                let dev = route.dev.ok_or_else(|| answers("Network is unreachable"))?;
                let cache = vec!["local", "brd"];
                return Ok(Got {
                    kind: route.kind,
                    via: None,
                    dev,
                    src: route.src,
                    table,
                    route: Some(route),
                    cache,
                });
            }
            RouteKind::Unicast | RouteKind::Multicast => {}
            refusing => return Err(answers(kind_text(refusing))),
        }
        let dev = route.dev.and_then(|d| ns.iface(d)).ok_or_else(|| answers("Network is unreachable"))?;
        let via = ns.redirected_to(q.dst, route).or(route.via);
        let src = route
            .src
            .or_else(|| dev.source_for(via.unwrap_or(q.dst)))
            .or_else(|| ns.ifaces().find_map(|i| i.source_for(q.dst)));
        let src = src.ok_or_else(|| answers("Network is unreachable"))?;
        let (dev, src) = (dev.id, Some(src));
        Ok(Got { kind: route.kind, via, dev, src, table, route: Some(route), cache: Vec::new() })
    }

    /// A packet that came in (`ip_route_input_slow`).
    fn came_in(&self, q: &Question) -> Result<Got<'_>, Failure> {
        let ns = self.world.ns(self.ns);
        let answers = |what: &str| refuse(self.kernel(what), 2);
        let (Some(iif), Some(from)) = (q.iif.and_then(|i| ns.iface(i)), q.from) else {
            return Err(answers("Invalid argument"));
        };
        let flow = Flow { src: Some(from), dst: q.dst, iif: Some(iif.id), mark: q.mark.unwrap_or(0) };
        let found = ns.route_lookup(&flow);
        let local = |r: &Route| matches!(r.kind, RouteKind::Local | RouteKind::Broadcast);
        let oif = found.ok().and_then(|(_, r)| r.dev);
        if !iif.is_loopback()
            && let Some(reason) = ns.input_refusal(from, q.dst, iif.id, oif)
        {
            return Err(answers(if reason == DropReason::RpFilter {
                "Invalid cross-device link"
            } else {
                "Invalid argument"
            }));
        }
        if !iif.conf.forwarding && !found.is_ok_and(|(_, r)| local(r)) {
            return Err(answers("No route to host"));
        }
        let (table, route) = found.map_err(|refusal| answers(refusal_text(refusal)))?;
        if local(route) {
            let dev = ns.iface_id("lo").unwrap_or(iif.id);
            let cache = if route.kind == RouteKind::Local { vec!["local"] } else { vec!["local", "brd"] };
            return Ok(Got { kind: route.kind, via: None, dev, src: None, table, route: Some(route), cache });
        }
        if route.kind != RouteKind::Unicast {
            return Err(answers(kind_text(route.kind)));
        }
        let dev = route.dev.ok_or_else(|| answers("Network is unreachable"))?;
        // A sender on the link could do without us.
        let back = ns.route_lookup(&Flow { src: Some(q.dst), dst: from, iif: Some(iif.id), mark: 0 });
        let on_link = back.is_ok_and(|(_, r)| r.dev == Some(iif.id) && r.via.is_none());
        let redirects = iif.conf.send_redirects || ns.sysctls().all.send_redirects;
        let cache = if dev == iif.id && on_link && redirects { vec!["redirect"] } else { Vec::new() };
        Ok(Got { kind: route.kind, via: route.via, dev, src: None, table, route: Some(route), cache })
    }

    /// The words of `ip route get`.
    fn question(&mut self) -> Result<Question, Failure> {
        let (mut from, mut iif, mut oif, mut mark, mut fibmatch) = (None, None, None, None, false);
        let mut dst = None;
        while let Some(word) = self.words.next() {
            match word {
                "from" => {
                    let value = self.words.value()?;
                    from = Some(self.words.address(value)?);
                }
                "iif" => iif = Some(self.named_device()?),
                "oif" | "dev" => oif = Some(self.named_device()?),
                "mark" => {
                    let value = self.words.value()?;
                    mark = Some(any_base(value).ok_or_else(|| {
                        refuse(format!("Error: argument \"{value}\" is wrong: invalid mark value\n"), 255)
                    })?);
                }
                // No rule here looks at these.
                "uid" | "ipproto" | "sport" | "dport" | "tos" | "dsfield" => drop(self.words.value()?),
                "fibmatch" => fibmatch = true,
                "vrf" | "notify" | "connected" => {
                    return Err(Failure::NotModelled(format!("ip route get … {word}")));
                }
                word => {
                    let value = if word == "to" { self.words.value()? } else { word };
                    dst = Some(self.words.prefix(value, self.v6() || value.contains(':'))?.addr());
                }
            }
        }
        let dst = dst.ok_or_else(|| refuse("need at least a destination address", 1))?;
        Ok(Question { dst, from, iif, oif, mark, fibmatch })
    }

    fn named_device(&mut self) -> Result<IfId, Failure> {
        let name = self.words.value()?;
        self.world.ns(self.ns).iface_id(name).ok_or_else(|| self.no_device(name))
    }

    fn got(&self, q: &Question, got: &Got<'_>) -> String {
        let (ns, dst) = (self.world.ns(self.ns), q.dst);
        let dev = ns.iface(got.dev).map_or("lo", |d| &*d.name);
        let src = got.src.filter(|_| q.from.is_none());
        let kind = got.kind.name();
        let kind_told = got.kind != RouteKind::Unicast;
        if self.dialect == Dialect::Busybox {
            let kind = if kind_told { format!("{kind} ") } else { String::new() };
            let via = got.via.map(|v| format!(" via {v}")).unwrap_or_default();
            let src = src.map(|s| format!("  src {s} ")).unwrap_or_default();
            return format!("{kind}{dst}{via} dev {dev}{src}\n");
        }
        let mut p = self.printer();
        p.open_object(None);
        if kind_told || self.options.details {
            p.any("type", format_args!("{kind} "), kind);
        }
        p.any("dst", format_args!("{dst} "), dst.to_string());
        if let Some(from) = q.from {
            p.any("from", format_args!("from {from} "), from.to_string());
        }
        if let Some(via) = got.via {
            p.any("gateway", format_args!("via {via} "), via.to_string());
        }
        p.any("dev", format_args!("dev {dev} "), dev);
        // As long as `local` is a part of `main`, it is `main`.
        if got.table != MAIN && (got.table != LOCAL || ns.tells_tables()) {
            let name = table_name(got.table);
            p.any("table", format_args!("table {name} "), name.as_str());
        }
        if let Some(src) = src {
            p.any("prefsrc", format_args!("src {src} "), src.to_string());
        }
        p.words("flags", []);
        if let Some(mark) = q.mark {
            let text = if mark >= 16 { format!("0x{mark:x}") } else { mark.to_string() };
            p.any("mark", format_args!("mark {text} "), mark);
        }
        if q.iif.is_none() {
            p.any("uid", "uid 0 ", 0u32);
        }
        let now = self.world.now();
        let exception = ns.route_exception(dst, now).filter(|_| got.cache.is_empty() && q.iif.is_none());
        let redirected = exception.and_then(|e| e.gateway).map(|_| "redirected");
        let cache: Vec<&str> = got.cache.iter().copied().chain(redirected).collect();
        p.text("\n    cache ");
        if !cache.is_empty() {
            p.text(format_args!("<{}> ", cache.join(",")));
        }
        p.words("cache", cache);
        if let Some(e) = exception {
            print_expires(&mut p, e, now);
            if let Some(mtu) = e.mtu {
                p.open_array("metrics");
                p.open_object(None);
                p.any("mtu", format_args!("mtu {mtu} "), mtu);
                p.close_object();
                if p.is_json() {
                    p.close_array();
                }
            }
        }
        if let Some(iif) = q.iif.and_then(|i| ns.iface(i)) {
            p.any("iif", format_args!("iif {} ", iif.name), &*iif.name);
        }
        p.text("\n");
        p.close_object();
        p.finish()
    }
}

/// What the kernel answers where a rule refuses or none leads to a route.
const fn refusal_text(refusal: Option<RuleAction>) -> &'static str {
    match refusal {
        Some(RuleAction::Blackhole) => "Invalid argument",
        Some(RuleAction::Prohibit) => "Permission denied",
        Some(RuleAction::Unreachable | RuleAction::Lookup(_)) | None => "Network is unreachable",
    }
}

/// And where a route refuses.
const fn kind_text(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Blackhole => "Invalid argument",
        RouteKind::Prohibit => "Permission denied",
        _ => "No route to host",
    }
}
