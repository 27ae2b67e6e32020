//! `ksim export netns`: a shell script that builds the same network in real network namespaces.
//!
//! The script holds what a person could type: namespaces, links, addresses, routes, neighbours, forwarding entries, switches, rule
//! sets. It does not hold what passes: sockets and the programs behind them, tracked connections, learned neighbours, packets on
//! their way. A wire becomes a veth pair, so its delay is gone. Where the network has no IPv6 address of its own, the script turns
//! IPv6 off, because a kernel that has it on sends packets by itself.
//!
//! A lab may come from a stranger: nothing of it reaches the script but names that have been checked letter by letter, numbers,
//! addresses, and rule sets in here-documents that the shell does not look into.

mod host;
mod names;

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use sim_core::linux::link::{IfKind, Iface};
use sim_core::linux::nftables::{Input, Style};
use sim_core::linux::{Netns, World};
use sim_core::trace::{IfId, NsId};

pub use names::names;

/// Something that real namespaces cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotExportable {
    /// The namespace, as the simulator names it.
    pub namespace: String,
    /// What it is, and why not.
    pub what: String,
}

impl fmt::Display for NotExportable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.namespace, self.what)
    }
}

impl std::error::Error for NotExportable {}

impl NotExportable {
    fn new(ns: &Netns, what: impl Into<String>) -> Self {
        Self { namespace: ns.name.to_string(), what: what.into() }
    }
}

/// The word on a line of its own that ends every here-document.
const END: &str = "KSIM_END";

/// The script for a world as it is now.
///
/// # Errors
/// What real namespaces cannot be given.
pub fn script(world: &World) -> Result<String, NotExportable> {
    let v6 = world.namespaces().any(uses_ipv6);
    let names = names(world);
    let mut out = HEAD.to_owned();
    let list: Vec<&str> = world.namespaces().map(|ns| names[&ns.id].as_str()).collect();
    let _ = writeln!(out, "NAMESPACES=\"{}\"\n", list.join(" "));
    let tools: Vec<&str> = tools(world);
    let _ = writeln!(out, "TOOLS=\"{}\"\n", tools.join(" "));
    out.push_str(FUNCTIONS);
    out.push_str("build() {\n");
    out.push_str(&links(world, &names)?);
    for ns in world.namespaces() {
        out.push_str(&host::section(world, ns, &names[&ns.id], v6)?);
    }
    out.push_str("}\n\n");
    out.push_str(TAIL);
    Ok(out)
}

/// Programs that the script calls.
fn tools(world: &World) -> Vec<&'static str> {
    let mut tools = vec!["ip", "bridge", "sysctl"];
    if world.namespaces().any(|ns| !ns.nf4().save(None, false).is_empty()) {
        tools.push("iptables-restore");
    }
    if world.namespaces().any(|ns| !ns.nf6().save(None, false).is_empty()) {
        tools.push("ip6tables-restore");
    }
    if world.namespaces().any(|ns| !nftables(world, ns).is_empty()) {
        tools.push("nft");
    }
    if world.namespaces().any(|ns| sets(world, ns).is_ok_and(|text| !text.is_empty())) {
        tools.push("ipset");
    }
    tools
}

/// What `nft -s list ruleset` prints.
fn nftables(world: &World, ns: &Netns) -> String {
    let input = Input { file: None, text: "list ruleset" };
    let style = Style { stateless: true, now: world.now(), ..Style::default() };
    ns.nft().clone().run(input, style, false, &ns.interface_names()).out
}

/// What `ipset save` prints.
fn sets(world: &World, ns: &Netns) -> Result<String, NotExportable> {
    let saved = ns.clone().ipset(&["save".to_owned()], "", world.now());
    saved.map(|(text, _)| text).map_err(|e| NotExportable::new(ns, e.message))
}

/// Whether a namespace has anything of IPv6 but what the kernel gives every interface.
fn uses_ipv6(ns: &Netns) -> bool {
    let address = |i: &Iface| i.addrs.iter().any(|a| a.addr().is_ipv6() && !own_ipv6(i, a.addr()));
    ns.ifaces().any(address)
        || ns.routes().iter().any(|r| r.dst.addr().is_ipv6() && r.via.is_some())
        || !ns.nf6().save(None, false).is_empty()
}

/// Whether the kernel gives the interface this address by itself.
fn own_ipv6(iface: &Iface, addr: IpAddr) -> bool {
    addr == iface.link_local().addr() || (iface.is_loopback() && addr.is_loopback())
}

/// All namespaces, and the veth pairs between them, in one `ip -batch`.
fn links(world: &World, names: &names::Names) -> Result<String, NotExportable> {
    let mut out = format!("ip -batch - <<{END}\n");
    for ns in world.namespaces() {
        let _ = writeln!(out, "netns add $P-{}", names[&ns.id]);
    }
    for ns in world.namespaces() {
        for iface in ns.ifaces().filter(|i| matches!(i.kind, IfKind::Veth | IfKind::Wire)) {
            let Some((peer_ns, peer)) = iface.peer else {
                return Err(NotExportable::new(
                    ns,
                    format!("{}: one end of a wire that leads nowhere", iface.name),
                ));
            };
            // Each pair once, from the end that is named first.
            if (peer_ns, peer) < (ns.id, iface.id) {
                continue;
            }
            let Some(other) = world.ns(peer_ns).iface(peer) else { continue };
            let _ = writeln!(
                out,
                "link add {} type veth peer {}",
                end(ns, iface, &names[&ns.id])?,
                end(world.ns(peer_ns), other, &names[&peer_ns])?
            );
        }
    }
    let _ = writeln!(out, "{END}");
    Ok(out)
}

fn end(ns: &Netns, iface: &Iface, space: &str) -> Result<String, NotExportable> {
    let name = device(ns, iface)?;
    Ok(format!("name {name} netns $P-{space} address {} mtu {}", iface.mac, iface.mtu))
}

/// The name of a device, if a shell script may hold it.
fn device<'a>(ns: &Netns, iface: &'a Iface) -> Result<&'a str, NotExportable> {
    plain_name(ns, &iface.name)
}

fn plain_name<'a>(ns: &Netns, name: &'a str) -> Result<&'a str, NotExportable> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let special = matches!(name, "all" | "default" | "." | "..") || name.starts_with(['-', '.']);
    if plain && !special && !name.is_empty() {
        return Ok(name);
    }
    let what = format!(
        "an interface named {name:?}: only letters, digits, '.', '_' and '-' are written into a script"
    );
    Err(NotExportable::new(ns, what))
}

fn device_of(ns: &Netns, id: IfId) -> Result<&str, NotExportable> {
    match ns.iface(id) {
        Some(iface) => device(ns, iface),
        None => Err(NotExportable::new(ns, "something of an interface that is gone")),
    }
}

/// The namespaces of a script, with the names that follow the prefix, in order of creation.
#[must_use]
pub fn namespaces(world: &World) -> Vec<(NsId, String)> {
    names(world).into_iter().collect()
}

const HEAD: &str = r#"#!/bin/sh
# The network of a lab, in real network namespaces. Written by `ksim export netns`.
#
#   sh FILE [up|down|names] [PREFIX]
#
# Needs root, iproute2, sysctl, and the tools that load the rule sets. Every namespace is called PREFIX-NAME (PREFIX is ksim unless
# given: letters and digits, at most 20). If anything fails on the way up, everything made so far is taken down again.
set -eu

"#;

const FUNCTIONS: &str = r#"fail() {
  echo "$0: $*" >&2
  exit 1
}

# Deletes every namespace of this script, and with it everything inside.
down() {
  for n in $NAMESPACES; do
    ip netns del "$P-$n" 2>/dev/null || :
  done
}

up() {
  [ "$(id -u)" = 0 ] || fail "only root can make network namespaces"
  for t in $TOOLS; do
    command -v "$t" >/dev/null || fail "$t: not found"
  done
  for n in $NAMESPACES; do
    [ ! -e "/run/netns/$P-$n" ] || fail "$P-$n is there already: choose another prefix, or take it down first"
  done
  modprobe -q br_netfilter nf_conntrack 2>/dev/null || :
  trap 'down' EXIT
  trap 'exit 130' INT TERM HUP
  build
  trap - EXIT INT TERM HUP
}

"#;

const TAIL: &str = r#"P=${2:-ksim}
case $P in
  '' | *[!A-Za-z0-9]* | ?????????????????????*) fail "the prefix must be one to 20 letters and digits" ;;
esac
case ${1:-up} in
  up) up ;;
  down) down ;;
  names) for n in $NAMESPACES; do echo "$P-$n"; done ;;
  *) fail "write up, down or names, not '$1'" ;;
esac
"#;

#[cfg(test)]
mod tests;
