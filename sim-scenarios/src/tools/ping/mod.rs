//! `ping`: the applet in busybox images, the one of iputils 20221126 elsewhere.

mod busybox;
mod iputils;
mod probe;

use sim_core::trace::IfId;

use super::Cx;

pub(crate) use busybox::run as run_busybox;
pub(crate) use iputils::run as run_iputils;

/// The name by which it was called: `ping6` is `ping -6`.
fn called(cx: &Cx<'_>) -> &'static str {
    let name = cx.args.first().map_or("", String::as_str);
    if name.ends_with("ping6") { "ping6" } else { "ping" }
}

/// Takes a host apart that names an interface: `fe80::1%eth0`.
fn scoped(host: &str) -> (&str, Option<&str>) {
    match host.split_once('%') {
        Some((addr, device)) if addr.contains(':') => (addr, Some(device)),
        _ => (host, None),
    }
}

/// The interface of that name at the place where the program runs.
fn device(cx: &Cx<'_>, name: &str) -> Option<IfId> {
    let ns = super::net::netns(cx).ok()?;
    cx.cluster.world.ns(ns).iface_id(name)
}

#[cfg(test)]
mod tests;
