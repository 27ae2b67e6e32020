//! `route`: shows and changes the main routing table.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use sim_core::linux::route::{Route, RouteKind};

use super::{Dialect, RouteRow, errno_text, host, name, route_rows};
use crate::tools::getopt::{self, Word};
use crate::tools::privileges::NOT_PERMITTED;
use crate::tools::{Cx, busybox, net};

const BUSYBOX_USAGE: &str = "route [-ne] [-A inet[6]] [{add|del} [-net|-host] TARGET [netmask MASK]
\t[gw GATEWAY] [metric N] [mss BYTES] [window BYTES] [reject] [IFACE]]

Show or edit kernel routing tables

\t-n\tDon't resolve names
\t-e\tDisplay other/more information
\t-A inet[6]\tSelect address family";
const USAGE: &str = include_str!("usage/route.txt");
const INET_USAGE: &str = include_str!("usage/inet_route.txt");
const VERSION: &str = include_str!("usage/route_version.txt");

/// Which columns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// Metric, Ref, Use.
    Metric,
    /// MSS, Window, irtt.
    Window,
}

pub(super) fn run(cx: &mut Cx<'_>, dialect: Dialect) -> i32 {
    // `-net` and `-host` are no options.
    let change = cx.operands().iter().position(|w| ["add", "del", "delete", "flush"].contains(&w.as_str()));
    let (options, words) = cx.operands().split_at(change.unwrap_or(cx.operands().len()));
    let (options, words) = (options.to_vec(), words.to_vec());
    let letters = if dialect == Dialect::Busybox { "A:ne" } else { "A:eCFhnN64Vv" };
    let (mut numeric, mut columns) = (false, Columns::Metric);
    for word in getopt::parse(&options, letters) {
        match word {
            Word::Flag('n') => numeric = true,
            Word::Flag('e') => columns = Columns::Window,
            Word::Flag('4' | 'F' | 'v') | Word::Value('A', "inet") => {}
            Word::Flag('h') => {
                cx.out.print(USAGE);
                return 0;
            }
            Word::Flag('V') => {
                cx.out.print(VERSION);
                return 0;
            }
            Word::Flag(c) | Word::Value(c, _) => return cx.not_modelled(format!("route -{c}")),
            Word::Operand(_) => return usage(cx, dialect, None),
            Word::Unknown(c) => return usage(cx, dialect, Some(format!("invalid option -- '{c}'"))),
            Word::Missing(c) => {
                return usage(cx, dialect, Some(format!("option requires an argument -- '{c}'")));
            }
        }
    }
    if words.is_empty() {
        show(cx, dialect, numeric, columns);
        return 0;
    }
    match edit(cx, dialect, &words) {
        Ok(()) => 0,
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
        Err(Refusal::Usage) if dialect == Dialect::Busybox => busybox::usage(cx, BUSYBOX_USAGE),
        Err(Refusal::Usage) => {
            cx.out.eprint(INET_USAGE);
            0
        }
        Err(Refusal::Kernel(call, text)) => {
            let (before, status) = if dialect == Dialect::Busybox { ("route: ", 1) } else { ("", 7) };
            cx.out.err(format!("{before}{call}: {text}"));
            status
        }
        Err(Refusal::Text(text)) => {
            cx.out.err(format!("route: {text}"));
            1
        }
        Err(Refusal::Mask) if dialect == Dialect::Busybox => {
            cx.out.err("route: netmask and route address conflict");
            1
        }
        Err(Refusal::Mask) => {
            cx.out.err("route: netmask doesn't match route address");
            cx.out.eprint(INET_USAGE);
            3
        }
    }
}

fn usage(cx: &mut Cx<'_>, dialect: Dialect, complaint: Option<String>) -> i32 {
    if let Some(text) = complaint {
        cx.out.err(format!("route: {text}"));
    }
    if dialect == Dialect::Busybox {
        return busybox::usage(cx, BUSYBOX_USAGE);
    }
    cx.out.eprint(USAGE);
    0
}

/// The table, as `netstat -r` shows it too.
pub(super) fn show(cx: &mut Cx<'_>, dialect: Dialect, numeric: bool, columns: Columns) {
    let Ok(ns) = net::netns(cx) else { return };
    let rows = route_rows(cx.cluster.world.ns(ns));
    cx.out.line("Kernel IP routing table");
    let middle = match columns {
        Columns::Metric => "Flags Metric Ref    Use",
        Columns::Window => "Flags   MSS Window  irtt",
    };
    cx.out.line(format!("Destination     Gateway         Genmask         {middle} Iface"));
    for row in rows {
        let (dst, gateway) = ends(cx, dialect, &row, numeric);
        let refused = row.reject && dialect == Dialect::NetTools;
        let zero = if refused { "-" } else { "0" };
        let dev = row.dev.as_deref().unwrap_or(if refused { "-" } else { "*" });
        let middle = match columns {
            Columns::Metric => format!("{:<5} {:<6} {zero:<2} {:>7}", row.flags(), row.metric, 0),
            Columns::Window => format!("{:<5} {zero:>5} {zero:<5} {zero:>6}", row.flags()),
        };
        let mask = row.dst.netmask().to_string();
        cx.out.line(format!("{dst:<15.15} {gateway:<15.15} {mask:<15} {middle} {dev}"));
    }
}

/// Destination and gateway as they are shown.
fn ends(cx: &mut Cx<'_>, dialect: Dialect, row: &RouteRow, numeric: bool) -> (String, String) {
    let network = row.dst.network();
    let dst = match (numeric, row.dst.prefix_len()) {
        (false, 0) => "default".to_owned(),
        (false, 32) => name(cx, network.into(), false),
        _ => network.to_string(),
    };
    let gateway = match dialect {
        Dialect::NetTools if row.reject => "-".to_owned(),
        Dialect::Busybox if !row.via && !numeric => "*".to_owned(),
        _ if !row.via => "0.0.0.0".to_owned(),
        _ => name(cx, row.gateway.into(), numeric),
    };
    (dst, gateway)
}

enum Refusal {
    Usage,
    Mask,
    Text(String),
    Kernel(&'static str, String),
    NotModelled(String),
}

/// What `add` and `del` say of a route.
struct Described {
    dst: Ipv4Net,
    gateway: Option<Ipv4Addr>,
    metric: Option<u32>,
    reject: bool,
    dev: Option<String>,
}

fn edit(cx: &mut Cx<'_>, dialect: Dialect, words: &[String]) -> Result<(), Refusal> {
    let (verb, rest) = words.split_first().ok_or(Refusal::Usage)?;
    let add = match verb.as_str() {
        "add" => true,
        "del" | "delete" => false,
        other => return Err(Refusal::NotModelled(format!("route {other}"))),
    };
    let described = describe(cx, dialect, rest)?;
    let call = if add { "SIOCADDRT" } else { "SIOCDELRT" };
    let failed = |text: &str| Refusal::Kernel(call, text.to_owned());
    if !cx.is_net_admin() {
        return Err(failed(NOT_PERMITTED));
    }
    let ns = net::netns(cx).map_err(|e| failed(e.message()))?;
    let stack = cx.cluster.world.ns(ns);
    let dev = match &described.dev {
        Some(name) => Some(stack.iface_id(name).ok_or_else(|| failed("No such device"))?),
        None => None,
    };
    let Described { dst, gateway, metric, reject, .. } = described;
    let dst = IpNet::V4(dst);
    if !add {
        let fits = |r: &Route| {
            r.dst == dst
                && gateway.is_none_or(|g| r.via == Some(IpAddr::V4(g)))
                && metric.is_none_or(|m| r.metric == m)
                && dev.is_none_or(|d| r.dev == Some(d))
        };
        // The kernel takes one, the first.
        let first = stack.routes().iter().find(|r| fits(r)).cloned();
        let first = first.ok_or_else(|| failed("No such process"))?;
        let gone = cx.cluster.world.ns_mut(ns).route_del(|r| *r == first);
        return gone.map_err(|e| failed(errno_text(&e)));
    }
    let near = |g: Ipv4Addr| {
        let on_link = stack.routes().lookup(g.into());
        on_link.filter(|r| r.via.is_none() && r.kind == RouteKind::Unicast).and_then(|r| r.dev)
    };
    let mut route = match (gateway, dev) {
        _ if reject => Route::refuse(dst, RouteKind::Unreachable),
        (Some(g), dev) => {
            let out = dev.or_else(|| near(g)).ok_or_else(|| failed("Network is unreachable"))?;
            Route::via(dst, g.into(), out)
        }
        (None, Some(dev)) => Route::link(dst, dev),
        (None, None) => return Err(failed("No such device")),
    };
    route.metric = metric.unwrap_or(0);
    cx.cluster.world.ns_mut(ns).route_add(route).map_err(|e| failed(errno_text(&e)))
}

fn describe(cx: &mut Cx<'_>, dialect: Dialect, words: &[String]) -> Result<Described, Refusal> {
    let mut words = words.iter().map(String::as_str).peekable();
    let kind = words.next_if(|w| *w == "-net" || *w == "-host");
    let target = words.next().ok_or(Refusal::Usage)?;
    let (mut mask, mut gateway, mut metric, mut reject, mut dev) = (None, None, None, false, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(Refusal::Usage);
        match word {
            "netmask" => mask = Some(value()?.to_owned()),
            "gw" | "gateway" => gateway = Some(value()?.to_owned()),
            "metric" => metric = Some(value()?.parse().map_err(|_| Refusal::Usage)?),
            "reject" => reject = true,
            "dev" | "device" => dev = Some(value()?.to_owned()),
            "mss" | "window" | "irtt" | "mod" | "dyn" | "reinstate" => {
                return Err(Refusal::NotModelled(format!("route add … {word}")));
            }
            name if dev.is_none() => dev = Some(name.to_owned()),
            _ => return Err(Refusal::Usage),
        }
    }
    let (text, prefix) = target.split_once('/').map_or((target, None), |(t, p)| (t, Some(p)));
    let unknown = |cx: &mut Cx<'_>, text: &str| match (host(cx, text), dialect) {
        (Some(addr), _) => Ok(addr),
        (None, Dialect::NetTools) => Err(Refusal::Text(format!("{text}: Unknown host"))),
        (None, Dialect::Busybox) => Err(Refusal::Text(format!("can't resolve '{text}'"))),
    };
    let default = text == "default";
    let addr = if default { Ipv4Addr::UNSPECIFIED } else { unknown(cx, text)? };
    let length = match (prefix, &mask) {
        _ if default => 0,
        (Some(p), _) => p.parse().ok().filter(|p| *p <= 32).ok_or(Refusal::Usage)?,
        (None, Some(mask)) => {
            let mask: Ipv4Addr = mask.parse().map_err(|_| Refusal::Text(format!("bogus netmask {mask}")))?;
            ipnet::ip_mask_to_prefix(mask.into())
                .map_err(|_| Refusal::Text(format!("bogus netmask {mask}")))?
        }
        (None, None) if kind == Some("-net") => class_prefix(addr),
        (None, None) => 32,
    };
    let dst = Ipv4Net::new(addr, length).map_err(|_| Refusal::Usage)?;
    if dst.trunc() != dst {
        return Err(Refusal::Mask);
    }
    let gateway = match gateway {
        Some(text) => Some(unknown(cx, &text)?),
        None => None,
    };
    Ok(Described { dst, gateway, metric, reject, dev })
}

/// The mask that goes with a network's class.
fn class_prefix(addr: Ipv4Addr) -> u8 {
    match addr.octets()[0] {
        0 if addr.is_unspecified() => 0,
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}
