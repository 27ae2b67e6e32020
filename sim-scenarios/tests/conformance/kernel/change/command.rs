//! Changes that are commands: `ip`, `bridge`, `sysctl`, `iptables`.

use std::net::IpAddr;

use sim_core::linux::Netns;
use sim_core::linux::policy::{self, Rule, RuleAction};
use sim_core::linux::route::{Route, RouteKind};
use sim_core::trace::Family;

use super::super::topology::{Lab, addr, net, str_err};
use super::{not_understood, prefix};

/// `ip …`.
pub(super) fn ip(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    match words {
        ["link", "del" | "delete", dev] => lab.world.link_del(ns, dev).map_err(str_err),
        ["link", "set", "dev", rest @ ..] | ["link", "set", rest @ ..] => {
            let (dev, settings) = rest.split_first().ok_or("no device")?;
            link(lab.world.ns_mut(ns), dev, settings)
        }
        ["addr" | "address" | "a", rest @ ..] => address(lab.world.ns_mut(ns), rest),
        ["route" | "r", rest @ ..] => route(lab, place, rest),
        ["rule", "add", rest @ ..] => rule(lab.world.ns_mut(ns), rest),
        ["neigh" | "neighbour" | "n", rest @ ..] => neighbour(lab.world.ns_mut(ns), rest),
        _ => Err(not_understood(&words.join(" "))),
    }
}

fn link(stack: &mut Netns, dev: &str, settings: &[&str]) -> Result<(), String> {
    let done = match *settings {
        [] => return Ok(()),
        [state @ ("up" | "down"), ref rest @ ..] => stack.link_set(dev, state == "up").map(|()| rest),
        ["mtu", mtu, ref rest @ ..] => {
            stack.set_mtu(dev, mtu.parse().map_err(|_| "not an MTU")?).map(|()| rest)
        }
        ["address", mac, ref rest @ ..] => stack.set_mac(dev, mac.parse().map_err(str_err)?).map(|()| rest),
        ["master", bridge, ref rest @ ..] => stack.set_master(dev, bridge).map(|()| rest),
        ["nomaster", ref rest @ ..] => stack.set_no_master(dev).map(|()| rest),
        ["arp", state @ ("on" | "off"), ref rest @ ..] => stack.set_arp(dev, state == "on").map(|()| rest),
        _ => return Err(not_understood(&settings.join(" "))),
    };
    link(stack, dev, done.map_err(str_err)?)
}

fn address(stack: &mut Netns, words: &[&str]) -> Result<(), String> {
    match *words {
        ["add", a, "dev", dev, ..] => stack.addr_add(dev, prefix(a)?),
        ["replace", a, "dev", dev, ..] => {
            let _ = stack.addr_del(dev, prefix(a)?);
            stack.addr_add(dev, prefix(a)?)
        }
        ["del" | "delete", a, "dev", dev] => {
            // Without a length the address with whatever length it has.
            let wanted = prefix(a)?;
            let addrs = &stack.by_name(dev).map_err(str_err)?.addrs;
            let found =
                addrs.iter().find(|n| **n == wanted || (!a.contains('/') && n.addr() == wanted.addr()));
            let found = found.copied().unwrap_or(wanted);
            stack.addr_del(dev, found)
        }
        ["flush", "dev", dev] => {
            let addrs = stack.by_name(dev).map_err(str_err)?.addrs.clone();
            addrs.into_iter().try_for_each(|a| stack.addr_del(dev, a))
        }
        _ => return Err(not_understood(&words.join(" "))),
    }
    .map_err(str_err)
}

fn neighbour(stack: &mut Netns, words: &[&str]) -> Result<(), String> {
    match *words {
        ["add" | "replace" | "change", ip, "lladdr", mac, "dev", dev, ..]
        | ["add" | "replace" | "change", ip, "dev", dev, "lladdr", mac, ..] => {
            stack.neigh_add(dev, addr(ip)?, mac.parse().map_err(str_err)?)
        }
        ["del" | "delete", ip, "dev", dev] => stack.neigh_del(dev, addr(ip)?),
        ["flush", "dev", dev] => stack.neigh_flush(dev),
        ["flush", "all"] => {
            let names: Vec<_> = stack.ifaces().map(|i| i.name.clone()).collect();
            names.iter().try_for_each(|dev| stack.neigh_flush(dev))
        }
        _ => return Err(not_understood(&words.join(" "))),
    }
    .map_err(str_err)
}

fn route(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().copied().filter(|w| *w != "for").collect();
    match words[..] {
        ["add" | "append", ref rest @ ..] => {
            let (rest, table) = table_of(rest)?;
            let route = parse_route(lab, place, &rest)?;
            let ns = lab.ns(place)?;
            lab.world.ns_mut(ns).route_add_in(table, route).map_err(str_err)
        }
        ["replace" | "change", ref rest @ ..] => {
            let (rest, table) = table_of(rest)?;
            let route = parse_route(lab, place, &rest)?;
            let ns = lab.ns(place)?;
            lab.world.ns_mut(ns).route_replace_in(table, route).map_err(str_err)
        }
        ["del" | "delete", ref rest @ ..] => {
            let ns = lab.ns(place)?;
            let (rest, table) = table_of(rest)?;
            let kinds = ["blackhole", "unreachable", "prohibit", "throw"];
            let dst = prefix(rest.iter().find(|w| !kinds.contains(w)).ok_or("no destination")?)?;
            let via = match rest.iter().position(|w| *w == "via").and_then(|at| rest.get(at + 1)) {
                Some(via) => Some(host(lab, via)?),
                None => None,
            };
            let gone = |r: &Route| r.dst == dst && (via.is_none() || r.via == via);
            lab.world.ns_mut(ns).route_del_in(table, gone).map_err(str_err)
        }
        _ => Err(not_understood(&words.join(" "))),
    }
}

/// Takes `table N` out of a route's words; without it the table is `main`.
fn table_of<'a>(words: &[&'a str]) -> Result<(Vec<&'a str>, u32), String> {
    match words.iter().position(|w| *w == "table") {
        None => Ok((words.to_vec(), policy::MAIN)),
        Some(at) => {
            let number = words.get(at + 1).and_then(|n| n.parse().ok()).ok_or("no number of a table")?;
            Ok(([&words[..at], &words[at + 2..]].concat(), number))
        }
    }
}

/// `ip rule add`: conditions, then `lookup N` or a word that refuses.
fn rule(stack: &mut Netns, words: &[&str]) -> Result<(), String> {
    let mut rule = Rule::all(false, 0, RuleAction::Lookup(policy::MAIN));
    let net = |text: &str| if text == "all" { Ok(None) } else { prefix(text).map(Some) };
    let number = |text: &str| {
        let hex = text.strip_prefix("0x").map(|h| u32::from_str_radix(h, 16));
        hex.unwrap_or_else(|| text.parse()).map_err(|_| format!("{text} is no number"))
    };
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "blackhole" => rule.action = RuleAction::Blackhole,
            "unreachable" => rule.action = RuleAction::Unreachable,
            "prohibit" => rule.action = RuleAction::Prohibit,
            "not" => rule.not = true,
            _ => {
                let value = rest.next().ok_or_else(|| not_understood(&words.join(" ")))?;
                match word {
                    "from" => rule.from = net(value)?,
                    "to" => rule.to = net(value)?,
                    "iif" => rule.iif = Some(value.into()),
                    "lookup" | "table" => rule.action = RuleAction::Lookup(number(value)?),
                    "priority" | "pref" => rule.priority = number(value)?,
                    "suppress_prefixlength" => rule.suppress_prefix = Some(number(value)? as u8),
                    "fwmark" => {
                        let (mark, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
                        rule.mark = Some((number(mark)?, number(mask)?));
                    }
                    _ => return Err(not_understood(&words.join(" "))),
                }
            }
        }
    }
    stack.rule_add(rule).map_err(str_err)
}

/// `DST [via GATEWAY] [dev DEV] [src ADDR] [metric N] [mtu N] [onlink]`, or a kind that refuses and its destination.
pub(super) fn parse_route(lab: &Lab, place: &str, words: &[&str]) -> Result<Route, String> {
    let kind = |w: &str| match w {
        "blackhole" => Some(RouteKind::Blackhole),
        "unreachable" => Some(RouteKind::Unreachable),
        "prohibit" => Some(RouteKind::Prohibit),
        "throw" => Some(RouteKind::Throw),
        _ => None,
    };
    let (dst, rest) = words.split_first().ok_or("no destination")?;
    if let Some(kind) = kind(dst) {
        return Ok(Route::refuse(prefix(rest.first().ok_or("no destination")?)?, kind));
    }
    let stack = lab.world.ns(lab.ns(place)?);
    let (mut via, mut dev, mut src, mut metric, mut mtu, mut onlink) = (None, None, None, 0, None, false);
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "onlink" => onlink = true,
            "via" | "dev" | "src" | "metric" | "mtu" => {
                let value = rest.next().ok_or("a word is missing")?;
                match *word {
                    "via" => via = Some(host(lab, value)?),
                    "dev" => dev = Some(stack.iface_id(value).ok_or("no such interface")?),
                    "src" => src = Some(addr(value)?),
                    "mtu" => mtu = Some(value.parse().map_err(|_| "not an MTU")?),
                    _ => metric = value.parse().map_err(|_| "not a metric")?,
                }
            }
            _ => return Err(not_understood(&words.join(" "))),
        }
    }
    let on_link = |via: IpAddr| stack.ifaces().find(|i| i.subnet_of(via).is_some()).map(|i| i.id);
    let dev = dev.or_else(|| via.and_then(on_link)).ok_or("no interface leads there")?;
    let route = via.map_or_else(
        || Ok::<_, String>(Route::link(prefix(dst)?, dev)),
        |via| Ok(Route::via(prefix(dst)?, via, dev)),
    )?;
    Ok(Route { src, metric, onlink, mtu, ..route })
}

/// An address, or a node by name.
pub(super) fn host(lab: &Lab, text: &str) -> Result<IpAddr, String> {
    lab.nodes.iter().find(|n| n.name == text).map_or_else(|| addr(text), |n| Ok(n.ip))
}

/// `bridge …`.
pub(super) fn bridge(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    let stack = lab.world.ns_mut(ns);
    match *words {
        ["fdb", "add" | "append" | "replace", mac, "dev", dev, "dst", dst, ..] => {
            let mac = mac.parse().map_err(str_err)?;
            stack.fdb_set(dev, mac, addr(dst)?)
        }
        ["fdb", "add" | "append" | "replace", mac, "dev", dev, ..] => {
            stack.fdb_static(dev, mac.parse().map_err(str_err)?)
        }
        ["fdb", "del" | "delete", mac, "dev", dev, ..] => stack.fdb_del(dev, mac.parse().map_err(str_err)?),
        ["link", "set", "dev", dev, "hairpin", state @ ("on" | "off")]
        | ["link", "set", dev, "hairpin", state @ ("on" | "off")] => stack.set_hairpin(dev, state == "on"),
        ["link", "set", "dev", dev, "isolated", state @ ("on" | "off")] => {
            stack.set_isolated(dev, state == "on")
        }
        _ => return Err(not_understood(&words.join(" "))),
    }
    .map_err(str_err)
}

/// `sysctl [-w] name=value`.
pub(super) fn sysctl(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    for word in words.iter().filter(|w| !w.starts_with('-')) {
        let (name, value) = word.split_once('=').ok_or_else(|| not_understood(&words.join(" ")))?;
        lab.world.ns_mut(ns).sysctl_set(name, value).map_err(str_err)?;
    }
    Ok(())
}

/// `iptables …`.
pub(super) fn iptables(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    let args: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let done = lab.world.ns_mut(ns).netfilter(Family::V4, |r| r.command(&args));
    done.map(drop).map_err(|e| e.message)
}

/// `ip addr flush` and `ip addr add`, then the default route again, as the recordings did.
pub(super) fn replace_address(lab: &mut Lab, place: &str, new: &str) -> Result<(), String> {
    let ns = lab.ns(place)?;
    let stack = lab.world.ns_mut(ns);
    let eth0 = stack.iface_id("eth0").ok_or("no eth0")?;
    let default: Vec<Route> = stack.routes().iter().filter(|r| r.dst.prefix_len() == 0).cloned().collect();
    address(stack, &["flush", "dev", "eth0"])?;
    stack.addr_add("eth0", net(new)?).map_err(str_err)?;
    for route in default {
        // Refused where the gateway is on no link any more.
        let _ = stack.route_add(Route { dev: Some(eth0), src: None, ..route });
    }
    Ok(())
}
