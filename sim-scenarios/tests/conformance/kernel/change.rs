//! The changes that a case makes after the start, in the words of the recordings.

use ipnet::IpNet;
use sim_core::linux::route::{Route, RouteKind};
use sim_core::packet::MacAddr;

use super::topology::{Lab, addr, net, str_err, vtep_mac};

/// Applies `where: what`; a remark in parentheses at the end is commentary.
pub(crate) fn apply(lab: &mut Lab, text: &str) -> Result<(), String> {
    let (place, what) = text.split_once(": ").ok_or_else(|| not_understood(text))?;
    let what = what.split(" (").next().unwrap_or(what).trim();
    for part in what.split("; ") {
        // "ip route add A via B; C via D": the later parts leave out the verb.
        let words: Vec<&str> = part.split_whitespace().collect();
        let words =
            if words.get(1) == Some(&"via") { [&["ip", "route", "add"], &words[..]].concat() } else { words };
        one(lab, place, &words).map_err(|e| format!("{text}: {e}"))?;
    }
    Ok(())
}

fn not_understood(text: &str) -> String {
    format!("change not understood: {text}")
}

fn one(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    let ns = lab.ns(place)?;
    match *words {
        ["ip", "link", "set", dev, state @ ("up" | "down")] => {
            lab.world.ns_mut(ns).link_set(dev, state == "up").map_err(str_err)
        }
        ["ip", "link", "set", dev, "mtu", mtu] => {
            let mtu = mtu.parse().map_err(|_| "not an MTU".to_owned())?;
            lab.world.ns_mut(ns).set_mtu(dev, mtu).map_err(str_err)
        }
        ["ip", "link", "set", dev, "address", mac] => {
            lab.world.ns_mut(ns).set_mac(dev, mac.parse().map_err(str_err)?).map_err(str_err)
        }
        ["ip", "route", verb @ ("add" | "replace"), ref rest @ ..] => {
            route_add(lab, place, verb == "replace", rest)
        }
        ["ip", "route", "del", dst, ..] => {
            let dst = prefix(dst)?;
            lab.world.ns_mut(ns).route_del(|r| r.dst == dst).map_err(str_err)
        }
        ["ip", "addr", verb @ ("add" | "del"), net_text, "dev", dev] => {
            let a = net(net_text)?;
            let stack = lab.world.ns_mut(ns);
            if verb == "add" { stack.addr_add(dev, a) } else { stack.addr_del(dev, a) }.map_err(str_err)
        }
        ["ip", "neigh", "add", ip, "lladdr", mac, "dev", dev, ..]
        | ["ip", "neigh", "replace", ip, "lladdr", mac, "dev", dev, ..]
        | ["ip", "neigh", "add", ip, "dev", dev, "lladdr", mac, ..] => {
            let mac = mac.parse().map_err(str_err)?;
            lab.world.ns_mut(ns).neigh_add(dev, addr(ip)?, mac).map_err(str_err)
        }
        ["ip", "neigh", "del", ip, "dev", dev] => {
            lab.world.ns_mut(ns).neigh_del(dev, addr(ip)?).map_err(str_err)
        }
        ["ip", "neigh", "flush", "dev", dev] => lab.world.ns_mut(ns).neigh_flush(dev).map_err(str_err),
        ["address", address] => replace_address(lab, place, net(address)?),
        [setting, "on", dev] if setting.contains('=') => {
            let (name, value) = setting.split_once('=').ok_or("no value")?;
            let key = format!("net.ipv4.conf.{dev}.{name}");
            lab.world.ns_mut(ns).sysctl_set(&key, value).map_err(str_err)
        }
        ["fdb", "of", owner, "VTEP", "MAC", "->", remote] => {
            let node = owner.trim_end_matches("'s");
            let mac = vtep_of(lab, node)?;
            lab.world.ns_mut(ns).fdb_set("flannel.1", mac, addr(remote)?).map_err(str_err)
        }
        _ => Err(not_understood(&words.join(" "))),
    }
}

fn prefix(text: &str) -> Result<IpNet, String> {
    match text {
        "default" => net("0.0.0.0/0"),
        t if t.contains('/') => net(t),
        t => addr(t).map(IpNet::from),
    }
}

fn route_add(lab: &mut Lab, place: &str, replace: bool, words: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().copied().filter(|w| *w != "for").collect();
    let ns = lab.ns(place)?;
    let stack = lab.world.ns_mut(ns);
    let route = match words[..] {
        [kind @ ("blackhole" | "unreachable" | "prohibit"), dst] => {
            let kind = match kind {
                "blackhole" => RouteKind::Blackhole,
                "unreachable" => RouteKind::Unreachable,
                _ => RouteKind::Prohibit,
            };
            Route::refuse(prefix(dst)?, kind)
        }
        [dst, "via", via, ref rest @ ..] => {
            let via = addr(via)?;
            let dev = match rest {
                ["dev", dev, ..] => stack.iface_id(dev),
                _ => stack.ifaces().find(|i| i.subnet_of(via).is_some()).map(|i| i.id),
            };
            Route::via(prefix(dst)?, via, dev.ok_or("no interface leads to the gateway")?)
        }
        [dst, "dev", dev] => Route::link(prefix(dst)?, stack.iface_id(dev).ok_or("no such interface")?),
        _ => return Err(not_understood(&words.join(" "))),
    };
    if replace { stack.route_replace(route) } else { stack.route_add(route) }.map_err(str_err)
}

/// `ip addr flush` and `ip addr add`, then the default route again, as the recording did.
fn replace_address(lab: &mut Lab, place: &str, new: IpNet) -> Result<(), String> {
    let ns = lab.ns(place)?;
    let stack = lab.world.ns_mut(ns);
    let eth0 = stack.by_name("eth0").map_err(str_err)?;
    let (id, old) = (eth0.id, eth0.addrs.clone());
    let default: Vec<Route> = stack.routes().iter().filter(|r| r.dst.prefix_len() == 0).cloned().collect();
    for a in old.into_iter().filter(|a| a.addr().is_ipv4()) {
        stack.addr_del("eth0", a).map_err(str_err)?;
    }
    stack.addr_add("eth0", new).map_err(str_err)?;
    for route in default {
        let _ = stack.route_add(Route { dev: Some(id), src: None, ..route });
    }
    Ok(())
}

fn vtep_of(lab: &Lab, node: &str) -> Result<MacAddr, String> {
    let i = lab.nodes.iter().position(|n| n.name == node).ok_or_else(|| format!("no node {node}"))?;
    Ok(vtep_mac(i as u8 + 1))
}
