//! `getent` of glibc: `hosts`, `ahosts`, `ahostsv4`, `ahostsv6`.

use std::net::IpAddr;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::{Family, Found};

use super::Cx;
use super::net::{lookup, name_of};

/// No entry was found for a key.
const NOT_FOUND: i32 = 2;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    let Some((database, keys)) = words.split_first() else {
        cx.out.err("getent: wrong number of arguments");
        cx.out.line("Try `getent --help' or `getent --usage' for more information.");
        return 1;
    };
    if keys.is_empty() {
        return cx.not_modelled(format!("getent {database} without a key"));
    }
    let show: fn(&mut Cx<'_>, &str) -> bool = match database.as_str() {
        "hosts" => hosts,
        "ahosts" => |cx, key| all(cx, key, Family::Any),
        "ahostsv4" => |cx, key| all(cx, key, Family::V4),
        "ahostsv6" => |cx, key| all(cx, key, Family::V6),
        _ => return cx.not_modelled(format!("getent {database}")),
    };
    let mut status = 0;
    for key in keys {
        if !show(cx, key) {
            status = NOT_FOUND;
        }
    }
    status
}

/// IPv6 addresses if there are any, else IPv4 ones; or the name of an address.
fn hosts(cx: &mut Cx<'_>, key: &str) -> bool {
    if let Ok(addr) = key.parse::<IpAddr>() {
        let name = name_of(cx, addr);
        name.iter().for_each(|name| line(cx, addr, name));
        return name.is_some();
    }
    for family in [Family::V6, Family::V4] {
        if let Ok(found) = lookup(cx, key, family) {
            found.addresses.iter().for_each(|a| line(cx, *a, called(&found)));
            return true;
        }
    }
    false
}

fn line(cx: &mut Cx<'_>, addr: IpAddr, name: &str) {
    cx.out.line(format!("{:<15} {name}", addr.to_string()));
}

/// Every address three times, for the three kinds of sockets; the name only once.
fn all(cx: &mut Cx<'_>, key: &str, family: Family) -> bool {
    let Ok(found) = lookup(cx, key, family) else { return false };
    let mut name = called(&found);
    for addr in &found.addresses {
        let addr = addr.to_string();
        cx.out.line(format!("{addr:<15} STREAM {name}"));
        name = "";
        cx.out.line(format!("{addr:<15} DGRAM  "));
        cx.out.line(format!("{addr:<15} RAW    "));
    }
    true
}

fn called(found: &Found) -> &str {
    name::relative(&found.canonical)
}
