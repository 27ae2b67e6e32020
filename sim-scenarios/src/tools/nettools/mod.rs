//! The old tools: `route`, `arp` and `netstat` of net-tools 2.10 (Debian 12), and the applets of busybox.
//!
//! IPv4 only, as far as tables go. What the model does not keep is refused: protocol counters (`netstat -s`), timers, owners and inodes of
//! sockets, `netstat -ie` and endless listings. Unix sockets are not in the model, and none are listed.

mod arp;
mod netstat;
mod route;
mod sockets;

use std::net::{IpAddr, Ipv4Addr};

use sim_core::linux::route::RouteKind;
use sim_core::linux::{NetError, Netns};

use super::{Cx, net};

/// Which of the two families of programs it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    NetTools,
    Busybox,
}

/// `route` of net-tools.
pub(crate) fn route(cx: &mut Cx<'_>) -> i32 {
    route::run(cx, Dialect::NetTools)
}

/// `route` of busybox.
pub(crate) fn route_busybox(cx: &mut Cx<'_>) -> i32 {
    route::run(cx, Dialect::Busybox)
}

/// `arp` of net-tools.
pub(crate) fn arp(cx: &mut Cx<'_>) -> i32 {
    arp::run(cx, Dialect::NetTools)
}

/// `arp` of busybox.
pub(crate) fn arp_busybox(cx: &mut Cx<'_>) -> i32 {
    arp::run(cx, Dialect::Busybox)
}

/// `netstat` of net-tools.
pub(crate) fn netstat(cx: &mut Cx<'_>) -> i32 {
    netstat::run(cx, Dialect::NetTools)
}

/// `netstat` of busybox.
pub(crate) fn netstat_busybox(cx: &mut Cx<'_>) -> i32 {
    netstat::run(cx, Dialect::Busybox)
}

/// A line of `/proc/net/route`.
struct RouteRow {
    dst: ipnet::Ipv4Net,
    gateway: Ipv4Addr,
    metric: u32,
    dev: Option<String>,
    reject: bool,
    via: bool,
}

impl RouteRow {
    fn flags(&self) -> String {
        let mut flags = String::from(if self.reject { "!" } else { "U" });
        if self.via {
            flags.push('G');
        }
        if self.dst.prefix_len() == 32 {
            flags.push('H');
        }
        flags
    }
}

/// The main table, in the kernel's order.
fn route_rows(ns: &Netns) -> Vec<RouteRow> {
    let mut routes: Vec<_> = ns.routes().iter().collect();
    routes.sort_by_key(|r| (r.dst.network(), std::cmp::Reverse(r.dst.prefix_len()), r.metric));
    let row = |r: &sim_core::linux::route::Route| {
        let ipnet::IpNet::V4(dst) = r.dst else { return None };
        Some(RouteRow {
            dst,
            gateway: match r.via {
                Some(IpAddr::V4(via)) => via,
                _ => Ipv4Addr::UNSPECIFIED,
            },
            metric: r.metric,
            dev: r.dev.and_then(|d| ns.iface(d)).map(|d| d.name.to_string()),
            reject: matches!(r.kind, RouteKind::Unreachable | RouteKind::Prohibit),
            via: r.via.is_some(),
        })
    };
    routes.into_iter().filter_map(row).collect()
}

/// The name of an address, or the address.
fn name(cx: &mut Cx<'_>, addr: IpAddr, numeric: bool) -> String {
    let found = if numeric { None } else { net::name_of(cx, addr) };
    found.unwrap_or_else(|| addr.to_string())
}

/// The IPv4 address of a host.
fn host(cx: &mut Cx<'_>, text: &str) -> Option<Ipv4Addr> {
    if let Ok(addr) = text.parse() {
        return Some(addr);
    }
    let found = net::lookup(cx, text, sim_core::kube::dns::resolver::Family::V4).ok()?;
    found.addresses.iter().find_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None })
}

/// What `ioctl` says where netlink says something longer.
const fn errno_text(error: &NetError) -> &'static str {
    match error {
        NetError::Exists | NetError::NameTaken => "File exists",
        NetError::NoSuchRoute => "No such process",
        NetError::InvalidGateway => "Network is unreachable",
        NetError::NetworkDown => "Network is down",
        NetError::NoDevice(_) => "No such device",
        NetError::NoSuchAddress => "Cannot assign requested address",
        NetError::NoSuchEntry => "No such file or directory",
        NetError::NotSupported => "Operation not supported",
        NetError::Denied | NetError::V6Assigned => "Permission denied",
        NetError::Invalid | NetError::Immutable | NetError::BadName(_) | NetError::V6Disabled => {
            "Invalid argument"
        }
    }
}

#[cfg(test)]
mod tests;
