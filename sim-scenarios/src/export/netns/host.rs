//! What happens inside one namespace.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use sim_core::linux::bridge::FdbKind;
use sim_core::linux::conntrack::Settings;
use sim_core::linux::link::{IfKind, Iface};
use sim_core::linux::neigh::NudState;
use sim_core::linux::policy::{self, Rule, RuleAction};
use sim_core::linux::route::{Route, RouteKind, RouteProto};
use sim_core::linux::tunnel::OuterTtl;
use sim_core::linux::{Netns, World, sysctl};
use sim_core::packet::MacAddr;

use super::{END, NotExportable, device, device_of, own_ipv6};

/// The commands for one namespace, as a shell script of its own that runs inside.
pub(super) fn section(world: &World, ns: &Netns, name: &str, v6: bool) -> Result<String, NotExportable> {
    let mut out = String::new();
    here(&mut out, "sysctl -q -p -", &quiet(ns, v6)?);
    here(&mut out, "ip -batch -", &(devices(ns)? + &addresses(ns, v6)?));
    here(&mut out, "bridge -batch -", &ports(ns)?);
    here(&mut out, "ip -batch -", &(routes(ns, v6)? + &policy_rules(ns, false)? + &neighbours(world, ns)?));
    if v6 {
        here(&mut out, "ip -6 -batch -", &policy_rules(ns, true)?);
    }
    here(&mut out, "bridge -batch -", &forwarding(ns)?);
    here(&mut out, "sysctl -q -p -", &switches(ns, v6)?);
    here(&mut out, "ipset restore", &checked(ns, super::sets(world, ns)?)?);
    here(&mut out, "iptables-restore", &checked(ns, ns.nf4().save(None, false))?);
    if v6 {
        here(&mut out, "ip6tables-restore", &checked(ns, ns.nf6().save(None, false))?);
    }
    here(&mut out, "nft -f -", &checked(ns, super::nftables(world, ns))?);
    Ok(format!("ip netns exec \"$P-{name}\" sh -eu <<'KSIM_HOST'\n{out}KSIM_HOST\n"))
}

/// A command with its input, if there is any.
fn here(out: &mut String, command: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(out, "{command} <<'{END}'\n{text}{END}\n");
    }
}

/// What keeps the kernel from talking by itself, before any interface is up.
fn quiet(ns: &Netns, v6: bool) -> Result<String, NotExportable> {
    if !v6 {
        return Ok("net.ipv6.conf.all.disable_ipv6 = 1\nnet.ipv6.conf.default.disable_ipv6 = 1\n".to_owned());
    }
    let mut out = String::new();
    for dev in all_and(ns)? {
        for (leaf, value) in
            [("accept_dad", 0), ("accept_ra", 0), ("router_solicitations", 0), ("addr_gen_mode", 0)]
        {
            let _ = writeln!(out, "net.ipv6.conf.{dev}.{leaf} = {value}");
        }
    }
    Ok(out)
}

/// Whether the kernel keeps anything of IPv6 for an interface (`IPV6_MIN_MTU`).
const fn has_v6(iface: &Iface) -> bool {
    iface.mtu >= 1280
}

/// `all`, `default` and every interface that is there when the script comes to this namespace, as `sysctl` wants them written.
fn all_and(ns: &Netns) -> Result<Vec<String>, NotExportable> {
    let made_before = |i: &&Iface| matches!(i.kind, IfKind::Loopback | IfKind::Veth | IfKind::Wire);
    let devices = ns
        .ifaces()
        .filter(made_before)
        .filter(|i| has_v6(i))
        .map(|i| device(ns, i).map(|n| n.replace('.', "/")));
    ["all", "default"].map(str::to_owned).into_iter().map(Ok).chain(devices).collect()
}

/// Bridges and tunnels, and what belongs to which bridge.
fn devices(ns: &Netns) -> Result<String, NotExportable> {
    let mut out = String::new();
    for iface in ns.ifaces() {
        let (name, mac, mtu) = (device(ns, iface)?, iface.mac, iface.mtu);
        match &iface.kind {
            IfKind::Loopback if mtu != 65536 => drop(writeln!(out, "link set dev lo mtu {mtu}")),
            IfKind::Loopback | IfKind::Veth | IfKind::Wire => {}
            IfKind::Bridge(_) => {
                let quiet = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0";
                let _ = writeln!(out, "link add name {name} address {mac} {quiet}");
            }
            IfKind::Dummy => drop(writeln!(out, "link add name {name} address {mac} mtu {mtu} type dummy")),
            IfKind::Ipip(t) if t.fallback => {
                // The module makes it in every namespace; a tunnel that goes again loads the module.
                let _ = writeln!(out, "link add name ipip-load type ipip local 192.0.2.1 remote 192.0.2.2");
                let _ = writeln!(out, "link del dev ipip-load\nlink set dev {name} mtu {mtu}");
            }
            IfKind::Ipip(t) => {
                let underlay = match t.underlay {
                    Some(id) => format!(" dev {}", device_of(ns, id)?),
                    None => String::new(),
                };
                let pmtu = if t.pmtudisc { "pmtudisc" } else { "nopmtudisc" };
                let (local, remote, ttl, tos) = (t.local, t.remote, t.ttl, t.tos);
                let _ = writeln!(
                    out,
                    "link add name {name} mtu {mtu} type ipip local {local} remote {remote} ttl {ttl} tos 0x{tos:x} {pmtu}{underlay}"
                );
            }
            IfKind::Vxlan(v) => {
                let underlay = match v.underlay {
                    Some(id) => format!(" dev {}", device_of(ns, id)?),
                    None => String::new(),
                };
                let (vni, local, port) = (v.vni, v.local, v.port);
                let ttl = match v.ttl {
                    OuterTtl::Auto => String::new(),
                    OuterTtl::Inherit => " ttl inherit".to_owned(),
                    OuterTtl::Of(ttl) => format!(" ttl {ttl}"),
                };
                let tos = match v.tos {
                    0 => String::new(),
                    1 => " tos inherit".to_owned(),
                    tos => format!(" tos 0x{tos:x}"),
                };
                let learning = if v.learned.is_some() { "" } else { " nolearning" };
                // Longer than its underlay allows it can be only if that was shortened later.
                let short = v.underlay.and_then(|id| ns.iface(id)).filter(|u| u.mtu < mtu + v.overhead());
                let short = short.map(|u| Ok((device(ns, u)?, u.mtu))).transpose()?;
                if let Some((below, _)) = &short {
                    let _ = writeln!(out, "link set dev {below} mtu {}", mtu + v.overhead());
                }
                let _ = writeln!(
                    out,
                    "link add name {name} address {mac} mtu {mtu} type vxlan id {vni} local {local}{underlay} dstport {port}{learning}{ttl}{tos}"
                );
                if let Some((below, mtu)) = &short {
                    let _ = writeln!(out, "link set dev {below} mtu {mtu}");
                }
            }
        }
    }
    for iface in ns.ifaces() {
        let name = device(ns, iface)?;
        if !iface.arp && iface.uses_arp() {
            let _ = writeln!(out, "link set dev {name} arp off");
        }
    }
    // The kernel's list of ports is newest first, and so is the simulator's.
    for bridge in ns.ifaces() {
        let IfKind::Bridge(state) = &bridge.kind else { continue };
        for port in state.ports.iter().rev() {
            let _ = writeln!(out, "link set dev {} master {}", device_of(ns, *port)?, device(ns, bridge)?);
        }
        // A bridge takes the smallest MTU of its ports until somebody gives it one.
        let _ = writeln!(out, "link set dev {} mtu {}", device(ns, bridge)?, bridge.mtu);
    }
    Ok(out)
}

/// Addresses, then links that are up, in the order of the interfaces.
fn addresses(ns: &Netns, v6: bool) -> Result<String, NotExportable> {
    let mut out = String::new();
    for iface in ns.ifaces() {
        let name = device(ns, iface)?;
        let wanted = |a: &&IpNet| (v6 || a.addr().is_ipv4()) && !own_ipv6(iface, a.addr());
        let own = IpNet::new_assert(IpAddr::from([127, 0, 0, 1]), 8);
        // The kernel lists IPv6 addresses the newest first, and chooses by that.
        let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
            iface.addrs.iter().filter(wanted).partition(|a| a.addr().is_ipv4());
        let in_order = v4.into_iter().chain(v6.into_iter().rev());
        for addr in in_order.filter(|a| !(iface.is_loopback() && **a == own)) {
            // The kernel makes an IPv6 address' route anew whenever its link gets a carrier, so one that was taken away is never made.
            let taken = iface.up && addr.prefix_len() < 128 && !has_connected_route(ns, iface, *addr);
            let flags = match (addr.addr().is_ipv6(), taken) {
                (false, _) => "",
                (true, false) => " nodad",
                (true, true) => " nodad noprefixroute",
            };
            let _ = writeln!(out, "address add {addr} dev {name}{flags}");
        }
        if iface.up {
            let _ = writeln!(out, "link set dev {name} up");
        }
        if iface.is_loopback() && iface.up && !iface.addrs.contains(&own) {
            let _ = writeln!(out, "address del {own} dev {name}");
        }
    }
    Ok(out)
}

/// Flags of bridge ports.
fn ports(ns: &Netns) -> Result<String, NotExportable> {
    let mut out = String::new();
    for iface in ns.ifaces().filter(|i| i.master.is_some()) {
        let name = device(ns, iface)?;
        for (flag, on) in [("hairpin", iface.hairpin), ("isolated", iface.isolated)] {
            if on {
                let _ = writeln!(out, "link set dev {name} {flag} on");
            }
        }
    }
    Ok(out)
}

/// Whether the route to the subnet of an address stands.
fn has_connected_route(ns: &Netns, iface: &Iface, addr: IpNet) -> bool {
    let connected =
        |r: &Route| r.dst == addr.trunc() && r.dev == Some(iface.id) && r.proto == RouteProto::Kernel;
    ns.routes().iter().any(connected)
}

/// Routes that somebody added, those without a gateway first, and connected routes that somebody took away.
fn routes(ns: &Netns, v6: bool) -> Result<String, NotExportable> {
    let mut out = String::new();
    let table: Vec<&Route> = ns.routes().iter().filter(|r| v6 || r.dst.addr().is_ipv4()).collect();
    for iface in ns.ifaces().filter(|i| i.up && !i.is_loopback()) {
        for addr in iface.addrs.iter().filter(|a| a.addr().is_ipv4() && a.prefix_len() < a.max_prefix_len()) {
            let line = format!("route del {} dev {} proto kernel\n", addr.trunc(), device(ns, iface)?);
            if !has_connected_route(ns, iface, *addr) && !out.contains(&line) {
                out.push_str(&line);
            }
        }
    }
    let added = table.iter().filter(|r| r.proto != RouteProto::Kernel);
    let (via, direct): (Vec<&Route>, Vec<&Route>) = added.copied().partition(|r| r.via.is_some());
    for route in direct.into_iter().chain(via) {
        let _ = writeln!(out, "route append {}", route_text(ns, route)?);
    }
    for number in ns.tables().filter(|n| ![policy::MAIN, policy::LOCAL].contains(n)) {
        let table =
            ns.table(number).into_iter().flat_map(|t| t.iter()).filter(|r| v6 || r.dst.addr().is_ipv4());
        let (via, direct): (Vec<&Route>, Vec<&Route>) = table.partition(|r| r.via.is_some());
        for route in direct.into_iter().chain(via) {
            let _ = writeln!(out, "route append {} table {number}", route_text(ns, route)?);
        }
    }
    Ok(out)
}

/// The rules of policy routing of one family: those of a fresh namespace that are gone, and those that were added.
fn policy_rules(ns: &Netns, v6: bool) -> Result<String, NotExportable> {
    let fresh = Netns::fresh_rules();
    let mut out = String::new();
    let family = |r: &&Rule| r.v6 == v6;
    for rule in fresh.iter().filter(family).filter(|r| !ns.rules().contains(r)) {
        let _ = writeln!(out, "{}", rule_text(ns, rule, "del")?);
    }
    for rule in ns.rules().iter().filter(family).filter(|r| !fresh.contains(r)) {
        let _ = writeln!(out, "{}", rule_text(ns, rule, "add")?);
    }
    Ok(out)
}

fn rule_text(ns: &Netns, rule: &Rule, verb: &str) -> Result<String, NotExportable> {
    let mut out = format!("rule {verb} priority {}", rule.priority);
    if rule.not {
        out.push_str(" not");
    }
    for (word, prefix) in [("from", rule.from), ("to", rule.to)] {
        if let Some(prefix) = prefix {
            let _ = write!(out, " {word} {prefix}");
        }
    }
    for (word, name) in [("iif", &rule.iif), ("oif", &rule.oif)] {
        if let Some(name) = name {
            let _ = write!(out, " {word} {}", super::plain_name(ns, name)?);
        }
    }
    if let Some((mark, mask)) = rule.mark {
        let _ = write!(out, " fwmark {mark:#x}/{mask:#x}");
    }
    match rule.action {
        RuleAction::Lookup(table) => drop(write!(out, " lookup {table}")),
        RuleAction::Blackhole => out.push_str(" blackhole"),
        RuleAction::Unreachable => out.push_str(" unreachable"),
        RuleAction::Prohibit => out.push_str(" prohibit"),
    }
    if let Some(length) = rule.suppress_prefix {
        let _ = write!(out, " suppress_prefixlength {length}");
    }
    Ok(out)
}

fn route_text(ns: &Netns, route: &Route) -> Result<String, NotExportable> {
    let mut out = match route.kind {
        RouteKind::Unicast => String::new(),
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
            format!("{} ", route.kind.name())
        }
        RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast => {
            return Err(NotExportable::new(ns, format!("a {} route in the main table", route.kind.name())));
        }
    };
    let _ = write!(out, "{}", route.dst);
    if let Some(via) = route.via {
        let family = if via.is_ipv6() && route.dst.addr().is_ipv4() { "inet6 " } else { "" };
        let _ = write!(out, " via {family}{via}");
    }
    if let Some(dev) = route.dev {
        let _ = write!(out, " dev {}", device_of(ns, dev)?);
    }
    if route.proto != RouteProto::Boot {
        let _ = write!(out, " proto {}", route.proto.name());
    }
    if let Some(src) = route.src {
        let _ = write!(out, " src {src}");
    }
    if route.metric != 0 {
        let _ = write!(out, " metric {}", route.metric);
    }
    if let Some(mtu) = route.mtu {
        let _ = write!(out, " mtu {mtu}");
    }
    // The way to the gateway may be gone since the route was added.
    let on_link = |via: &IpAddr| {
        let way = ns.routes().lookup(*via);
        way.is_some_and(|r| r.via.is_none() && r.dev == route.dev && r.kind == RouteKind::Unicast)
    };
    if route.onlink || route.via.is_some_and(|via| !on_link(&via)) {
        out.push_str(" onlink");
    }
    Ok(out)
}

/// Neighbours set by hand.
fn neighbours(world: &World, ns: &Netns) -> Result<String, NotExportable> {
    let mut out = String::new();
    let permanent = ns.neighbours().iter(world.now()).filter(|(.., state)| *state == NudState::Permanent);
    for (dev, addr, entry, _) in permanent {
        let _ = writeln!(
            out,
            "neigh replace {addr} lladdr {} dev {} nud permanent",
            entry.mac,
            device_of(ns, dev)?
        );
    }
    Ok(out)
}

/// Forwarding entries set by hand.
fn forwarding(ns: &Netns) -> Result<String, NotExportable> {
    let mut out = String::new();
    for iface in ns.ifaces() {
        match &iface.kind {
            IfKind::Vxlan(v) => {
                for (mac, dst) in &v.fdb {
                    let verb = if *mac == MacAddr::ZERO { "append" } else { "replace" };
                    let _ =
                        writeln!(out, "fdb {verb} {mac} dev {} dst {dst} self permanent", device(ns, iface)?);
                }
            }
            IfKind::Bridge(bridge) => {
                for (mac, entry) in bridge.fdb.iter().filter(|(_, e)| e.kind == FdbKind::Static) {
                    let _ =
                        writeln!(out, "fdb replace {mac} dev {} master static", device_of(ns, entry.port)?);
                }
            }
            IfKind::Loopback | IfKind::Veth | IfKind::Wire | IfKind::Ipip(_) | IfKind::Dummy => {}
        }
    }
    Ok(out)
}

/// Switches: all that the simulator has, and those of connection tracking that somebody changed.
fn switches(ns: &Netns, v6: bool) -> Result<String, NotExportable> {
    let mut out = String::new();
    let mut put = |name: &str, must: bool| match ns.sysctl_get(name) {
        Ok(value) => {
            let _ = writeln!(out, "{name} = {value}");
            Ok(())
        }
        Err(e) if must => Err(NotExportable::new(ns, e.to_string())),
        Err(_) => Ok(()),
    };
    for name in sysctl::NAMES.into_iter().filter(|name| v6 || !name.starts_with("net.ipv6.")) {
        put(name, true)?;
    }
    let devices = ns.ifaces().map(|i| device(ns, i).map(|n| n.replace('.', "/")));
    let all: Vec<String> =
        ["all", "default"].map(str::to_owned).into_iter().map(Ok).chain(devices).collect::<Result<_, _>>()?;
    for dev in &all {
        for leaf in sysctl::CONF_NAMES {
            put(&format!("net.ipv4.conf.{dev}.{leaf}"), true)?;
        }
        // The defaults of neighbours are those of the first namespace.
        if !matches!(dev.as_str(), "all" | "default") {
            put(&format!("net.ipv4.neigh.{dev}.proxy_delay"), true)?;
        }
    }
    if v6 {
        let narrow = |dev: &String| ns.ifaces().any(|i| !has_v6(i) && i.name.replace('.', "/") == *dev);
        for dev in all.iter().filter(|dev| !narrow(dev)) {
            put(&format!("net.ipv6.conf.{dev}.disable_ipv6"), false)?;
            // Few have others than what follows from the switches above.
            let other = |leaf: &str, usual: &str| {
                let name = format!("net.ipv6.conf.{dev}.{leaf}");
                Some(name).filter(|name| ns.sysctl_get(name).is_ok_and(|value| value != usual))
            };
            let forwarding = if ns.sysctls().ip6_forward { "1" } else { "0" };
            let odd = [other("accept_redirects", "1"), other("forwarding", forwarding)];
            odd.into_iter().flatten().try_for_each(|name| put(&name, false))?;
        }
    }
    let fresh = Settings::default();
    for name in Settings::NAMES.into_iter().filter(|n| ns.conntrack.settings.get(n) != fresh.get(n)) {
        if name == "nf_conntrack_max" {
            return Err(NotExportable::new(
                ns,
                "net.netfilter.nf_conntrack_max: the kernel has one for all namespaces",
            ));
        }
        put(&format!("net.netfilter.{name}"), true)?;
    }
    Ok(out)
}

/// A text, if the here-documents of a script can hold it.
fn checked(ns: &Netns, text: String) -> Result<String, NotExportable> {
    let ends = |l: &str| l == END || l == "KSIM_HOST";
    if text.lines().any(ends) || text.contains('\0') {
        return Err(NotExportable::new(ns, "a rule that the script's here-documents cannot hold"));
    }
    Ok(text)
}
