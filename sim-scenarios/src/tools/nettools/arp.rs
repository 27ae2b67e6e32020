//! `arp`: shows and changes the neighbour table of IPv4.

use std::net::{IpAddr, Ipv4Addr};

use sim_core::linux::neigh::NudState;
use sim_core::linux::route::RouteKind;
use sim_core::packet::MacAddr;
use sim_core::trace::IfId;

use super::{Dialect, errno_text, host};
use crate::tools::getopt::{self, Word};
use crate::tools::privileges::NOT_PERMITTED;
use crate::tools::{Cx, busybox, net};

const BUSYBOX_USAGE: &str = "arp
[-vn]\t[-H HWTYPE] [-i IF] -a [HOSTNAME]
[-v]\t\t    [-i IF] -d HOSTNAME [pub]
[-v]\t[-H HWTYPE] [-i IF] -s HOSTNAME HWADDR [temp]
[-v]\t[-H HWTYPE] [-i IF] -s HOSTNAME HWADDR [netmask MASK] pub
[-v]\t[-H HWTYPE] [-i IF] -Ds HOSTNAME IFACE [netmask MASK] pub

Manipulate ARP cache

\t-a\t\tDisplay (all) hosts
\t-d\t\tDelete ARP entry
\t-s\t\tSet new entry
\t-v\t\tVerbose
\t-n\t\tDon't resolve names
\t-i IF\t\tNetwork interface
\t-D\t\tRead HWADDR from IFACE
\t-A,-p AF\tProtocol family
\t-H HWTYPE\tHardware address type";
const USAGE: &str = include_str!("usage/arp.txt");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Show { bsd: bool },
    Set,
    Delete,
}

/// A line of `/proc/net/arp`.
struct Entry {
    addr: Ipv4Addr,
    mac: Option<MacAddr>,
    permanent: bool,
    dev: String,
}

pub(super) fn run(cx: &mut Cx<'_>, dialect: Dialect) -> i32 {
    let letters = if dialect == Dialect::Busybox { "A:p:H:t:i:adnDsv" } else { "A:p:H:ehadfsnDNi:vV" };
    let mut act = Act::Show { bsd: dialect == Dialect::Busybox };
    let (mut numeric, mut device) = (false, None);
    let mut words = Vec::new();
    for word in getopt::parse(cx.args.get(1..).unwrap_or_default(), letters) {
        match word {
            Word::Flag('a') => act = Act::Show { bsd: true },
            Word::Flag('s') => act = Act::Set,
            Word::Flag('d') => act = Act::Delete,
            Word::Flag('n') => numeric = true,
            Word::Flag('e') | Word::Value('A' | 'p', "inet") | Word::Value('H' | 't', "ether") => {}
            Word::Value('i', v) => device = Some(v.to_owned()),
            Word::Operand(word) => words.push(word.to_owned()),
            Word::Flag('h') => {
                cx.out.eprint(USAGE);
                return 0;
            }
            Word::Flag(c) | Word::Value(c, _) => return cx.not_modelled(format!("arp -{c}")),
            Word::Unknown(c) => return usage(cx, dialect, &format!("invalid option -- '{c}'")),
            Word::Missing(c) => {
                return usage(cx, dialect, &format!("option requires an argument -- '{c}'"));
            }
        }
    }
    if let Act::Show { bsd } = act {
        let found = words.first().map(|w| (w.clone(), host(cx, w)));
        return match found {
            Some((word, None)) => {
                cx.out.err(unknown(dialect, &word));
                255
            }
            Some((word, Some(addr))) => {
                show(cx, dialect, bsd, numeric, Some((&word, addr)), device.as_deref())
            }
            None => show(cx, dialect, bsd, numeric, None, device.as_deref()),
        };
    }
    match change(cx, dialect, act, &words, device.as_deref()) {
        Ok(()) => 0,
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
        Err(Refusal::Text(text)) => {
            cx.out.err(text);
            if dialect == Dialect::Busybox { 1 } else { 255 }
        }
    }
}

fn unknown(dialect: Dialect, word: &str) -> String {
    match dialect {
        Dialect::NetTools => format!("{word}: Unknown host"),
        Dialect::Busybox => format!("arp: bad address '{word}'"),
    }
}

fn usage(cx: &mut Cx<'_>, dialect: Dialect, complaint: &str) -> i32 {
    cx.out.err(format!("arp: {complaint}"));
    if dialect == Dialect::Busybox {
        return busybox::usage(cx, BUSYBOX_USAGE);
    }
    cx.out.eprint(USAGE);
    3
}

fn entries(cx: &Cx<'_>) -> Vec<Entry> {
    let Ok(ns) = net::netns(cx) else { return Vec::new() };
    let stack = cx.cluster.world.ns(ns);
    let all = stack.neighbours().iter(cx.cluster.world.now());
    all.filter_map(|(dev, addr, n, state)| {
        let IpAddr::V4(addr) = addr else { return None };
        let dev = stack.iface(dev)?.name.to_string();
        let known = n.mac != MacAddr::ZERO && state != NudState::Failed;
        Some(Entry { addr, mac: known.then_some(n.mac), permanent: state == NudState::Permanent, dev })
    })
    .collect()
}

fn show(
    cx: &mut Cx<'_>,
    dialect: Dialect,
    bsd: bool,
    numeric: bool,
    wanted: Option<(&str, Ipv4Addr)>,
    device: Option<&str>,
) -> i32 {
    let all = entries(cx);
    let count = all.len();
    let fits = |e: &&Entry| wanted.is_none_or(|(_, a)| e.addr == a) && device.is_none_or(|d| *e.dev == *d);
    let shown: Vec<&Entry> = all.iter().filter(fits).collect();
    if shown.is_empty() {
        match (dialect, wanted) {
            (Dialect::Busybox, None) if device.is_none() => {}
            (Dialect::Busybox, _) => cx.out.line(format!("No match found in {count} entries")),
            (Dialect::NetTools, Some((word, addr))) if !bsd => {
                cx.out.line(format!("{word} ({addr}) -- no entry"));
            }
            (Dialect::NetTools, None) if device.is_none() => {}
            (Dialect::NetTools, _) => cx.out.line(format!("arp: in {count} entries no match found.")),
        }
        return 0;
    }
    if !bsd {
        cx.out.line("Address                  HWtype  HWaddress           Flags Mask            Iface");
    }
    for entry in shown {
        let found = if numeric { None } else { net::name_of(cx, entry.addr.into()) };
        let line = match (dialect, bsd) {
            (_, false) => columns(entry, found),
            (dialect, true) => sentence(entry, dialect, &found.unwrap_or_else(|| "?".to_owned())),
        };
        cx.out.line(line);
    }
    0
}

/// The default style of net-tools.
fn columns(entry: &Entry, name: Option<String>) -> String {
    let address = name.unwrap_or_else(|| entry.addr.to_string());
    let dev = &entry.dev;
    match entry.mac {
        None => format!("{address:<23.23}  {:<8}{:<20}{:<6}{:<15} {dev}", "", "(incomplete)", "", ""),
        Some(mac) => {
            let flags = if entry.permanent { "CM" } else { "C" };
            format!("{address:<23.23}  {:<8}{:<20}{flags:<6}{:<15} {dev}", "ether", mac.to_string(), "")
        }
    }
}

/// The style of BSD.
fn sentence(entry: &Entry, dialect: Dialect, name: &str) -> String {
    let addr = entry.addr;
    let mut text = match entry.mac {
        None => format!("{name} ({addr}) at <incomplete> "),
        Some(mac) => format!("{name} ({addr}) at {mac} [ether] "),
    };
    if entry.permanent {
        text += "PERM ";
    } else if dialect == Dialect::Busybox {
        text += " ";
    }
    text + &format!("on {}", entry.dev)
}

enum Refusal {
    Text(String),
    NotModelled(String),
}

fn change(
    cx: &mut Cx<'_>,
    dialect: Dialect,
    act: Act,
    words: &[String],
    device: Option<&str>,
) -> Result<(), Refusal> {
    let (before, private) = if dialect == Dialect::Busybox { ("arp: ", "priv") } else { ("", "dontpub") };
    let Some((target, rest)) = words.split_first() else {
        return Err(Refusal::Text("arp: need host name".to_owned()));
    };
    let addr = host(cx, target).ok_or_else(|| Refusal::Text(unknown(dialect, target)))?;
    let mut rest = rest.iter().map(String::as_str);
    let mac = if act == Act::Set {
        let text = rest.next().ok_or_else(|| Refusal::Text("arp: need hardware address".to_owned()))?;
        let invalid = || Refusal::Text("arp: invalid hardware address".to_owned());
        Some(text.parse::<MacAddr>().map_err(|_| invalid())?)
    } else {
        None
    };
    let mut state = NudState::Permanent;
    for word in rest {
        match word {
            "temp" => state = NudState::Stale,
            "pub" | "priv" | "trail" | "dontpub" | "netmask" | "dev" => {
                return Err(Refusal::NotModelled(format!("arp … {word}")));
            }
            _ => return Err(Refusal::NotModelled(format!("arp … {word}"))),
        }
    }
    let call = if mac.is_some() { "SIOCSARP".to_owned() } else { format!("SIOCDARP({private})") };
    let failed = |text: &str| Refusal::Text(format!("{before}{call}: {text}"));
    if !cx.is_net_admin() {
        return Err(failed(NOT_PERMITTED));
    }
    let ns = net::netns(cx).map_err(|e| failed(e.message()))?;
    let now = cx.now();
    let stack = cx.cluster.world.ns_mut(ns);
    let dev = match device {
        Some(name) => Some(stack.iface_id(name).ok_or_else(|| failed("No such device"))?),
        None => on_link(stack, addr),
    };
    let dev = dev.and_then(|d| stack.iface(d)).map(|i| i.name.to_string());
    let dev = dev.ok_or_else(|| failed("Network is unreachable"))?;
    if let Some(mac) = mac {
        return stack.neigh_set(&dev, addr.into(), mac, state, now).map_err(|e| failed(errno_text(&e)));
    }
    stack.neigh_del(&dev, addr.into()).map_err(|_| {
        Refusal::Text(match dialect {
            Dialect::NetTools => format!("No ARP entry for {target}"),
            Dialect::Busybox => "arp: SIOCDARP(pub): No such file or directory".to_owned(),
        })
    })
}

/// The interface on whose link an address is (`ip_route_output` with `RT_SCOPE_LINK`).
fn on_link(ns: &sim_core::linux::Netns, addr: Ipv4Addr) -> Option<IfId> {
    let found = ns.routes().lookup(addr.into())?;
    if found.via.is_some() || found.kind != RouteKind::Unicast { None } else { found.dev }
}
