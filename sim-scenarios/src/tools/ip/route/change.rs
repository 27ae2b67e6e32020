//! `ip route add`, `append`, `change`, `replace` and `delete`.

use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::NetError;
use sim_core::linux::policy::{LOCAL, MAIN};
use sim_core::linux::route::{Route, RouteKind, RouteProto};

use super::{USAGE, proto, scope, scope_name, table_number};
use crate::tools::ip::words::refuse;
use crate::tools::ip::{Call, Dialect, Failure, Shown};

/// What becomes of a route that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Add,
    Append,
    Change,
    Replace,
}

impl Call<'_> {
    pub(super) fn route_add(mut self, how: How) -> Shown {
        let described = self.described()?;
        if described.dst.is_none() {
            return Err(self.usage(USAGE));
        }
        let written = described.dst;
        let table = described.table();
        let Some(route) = described.complete(&self)? else { return Ok(String::new()) };
        described.scope_fits(&route)?;
        let v4 = route.dst.addr().is_ipv4();
        let iproute2 = self.dialect == Dialect::Iproute2;
        if v4 && written.is_some_and(|w| w != w.trunc()) {
            let text = if iproute2 {
                "Error: Invalid prefix for given prefix length.".to_owned()
            } else {
                self.kernel("Invalid argument")
            };
            return Err(refuse(text, 2));
        }
        let ns = self.world.ns_mut(self.ns);
        if route.src.is_some_and(|src| v4 && !ns.is_local(src)) {
            let text = if iproute2 {
                "Error: Invalid prefsrc address.".to_owned()
            } else {
                self.kernel("Invalid argument")
            };
            return Err(refuse(text, 2));
        }
        let twin = |r: &Route| r.dst == route.dst && r.metric == route.metric;
        let there = ns.table(table).is_some_and(|t| t.iter().any(twin));
        let result = match how {
            How::Add => ns.route_add_in(table, route),
            How::Change if !there => {
                return Err(refuse(self.kernel("No such file or directory"), 2));
            }
            How::Change | How::Replace => ns.route_replace_in(table, route),
            How::Append if there => {
                return Err(Failure::NotModelled(
                    "several routes to one destination with one metric".to_owned(),
                ));
            }
            How::Append => ns.route_add_in(table, route),
        };
        match result {
            // The interface is missing, not wrong.
            Err(NetError::Invalid) => Err(refuse(self.kernel("No such device"), 2)),
            Err(NetError::NetworkDown) if iproute2 && v4 => {
                Err(refuse("Error: Device for nexthop is not up.", 2))
            }
            other => self.done(other),
        }
    }

    pub(super) fn route_delete(mut self) -> Shown {
        let wanted = self.described()?;
        let dev = wanted.device(&self)?;
        let Some(dst) = wanted.dst else { return Err(self.usage(USAGE)) };
        // The kernel deletes the first that fits.
        let ns = self.world.ns_mut(self.ns);
        let fits = |r: &Route| {
            r.dst == dst.trunc()
                && wanted.via.is_none_or(|v| r.via == Some(v))
                && (dev.is_none() || r.dev == dev)
                && wanted.metric.is_none_or(|m| r.metric == m)
                && wanted.kind.is_none_or(|k| r.kind == k)
                && wanted.proto.is_none_or(|p| r.proto == p)
                && wanted.src.is_none_or(|s| r.src == Some(s))
        };
        let table = wanted.table();
        let first = ns.table(table).and_then(|t| t.iter().find(|r| fits(r))).cloned();
        let result = ns.route_del_in(table, |r| first.as_ref() == Some(r));
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
                "scope" => d.scope = Some(scope_name(self.words.value()?)?),
                "onlink" => d.onlink = true,
                "mtu" => {
                    let value = self.words.value()?;
                    if value == "lock" {
                        return Err(Failure::NotModelled("ip route … mtu lock".to_owned()));
                    }
                    let mtu = value.parse().map_err(|_| {
                        refuse(
                            format!("Error: argument \"{value}\" is wrong: \"mtu\" value is invalid\n"),
                            255,
                        )
                    })?;
                    d.mtu = Some(mtu);
                }
                "unicast" => d.kind = Some(RouteKind::Unicast),
                "blackhole" => d.kind = Some(RouteKind::Blackhole),
                "unreachable" => d.kind = Some(RouteKind::Unreachable),
                "prohibit" => d.kind = Some(RouteKind::Prohibit),
                "throw" => d.kind = Some(RouteKind::Throw),
                "local" => d.kind = Some(RouteKind::Local),
                "broadcast" => d.kind = Some(RouteKind::Broadcast),
                "table" => {
                    let name = self.words.value()?;
                    d.table = Some(table_number(name).ok_or_else(|| {
                        let text =
                            format!("Error: argument \"{name}\" is wrong: \"table\" value is invalid\n");
                        refuse(text, 255)
                    })?);
                }
                "help" => return Err(self.usage(USAGE)),
                "advmss" | "nexthop" | "encap" | "anycast" | "multicast" | "nat" | "tos" | "nhid"
                | "initcwnd" | "window" | "rtt" | "weight" => {
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
    table: Option<u32>,
    scope: Option<&'static str>,
    onlink: bool,
    mtu: Option<u32>,
}

impl Described {
    /// Routes to this host are in `local` unless somebody says otherwise.
    fn table(&self) -> u32 {
        let local = matches!(self.kind, Some(RouteKind::Local | RouteKind::Broadcast));
        self.table.unwrap_or(if local { LOCAL } else { MAIN })
    }

    /// A route has the scope that follows from its kind and gateway; no other can be had here.
    fn scope_fits(&self, route: &Route) -> Result<(), Failure> {
        match self.scope {
            Some(wanted) if route.dst.addr().is_ipv4() && wanted != scope(route).unwrap_or("global") => {
                Err(Failure::NotModelled(format!("ip route … scope {wanted}")))
            }
            _ => Ok(()),
        }
    }

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
            mtu: self.mtu,
            ..Route::refuse(dst, self.kind.unwrap_or(RouteKind::Unicast))
        }))
    }
}
