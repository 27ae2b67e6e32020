//! `brctl` of bridge-utils 1.7.

use sim_core::linux::bridge::FdbKind;
use sim_core::linux::link::IfKind;
use sim_core::linux::{Iface, Netns};
use sim_core::trace::NsId;

use super::Cx;
use super::privileges::NOT_PERMITTED;

/// What `brctl` without a command says.
const USAGE: &str = include_str!("brctl_usage.txt");

/// The commands and how many words they need.
const COMMANDS: &[(&str, usize)] = &[
    ("addbr", 1),
    ("delbr", 1),
    ("addif", 2),
    ("delif", 2),
    ("hairpin", 3),
    ("setageing", 2),
    ("setbridgeprio", 2),
    ("setfd", 2),
    ("sethello", 2),
    ("setmaxage", 2),
    ("setpathcost", 3),
    ("setportprio", 3),
    ("show", 0),
    ("showmacs", 1),
    ("showstp", 1),
    ("stp", 2),
];

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled("brctl on a machine without a network");
    };
    let words = cx.operands().to_vec();
    let Some((command, rest)) = words.split_first() else {
        cx.out.eprint(USAGE);
        return 1;
    };
    match command.as_str() {
        "-V" | "--version" => {
            cx.out.line("bridge-utils, 1.7");
            return 0;
        }
        "-h" | "--help" => {
            cx.out.eprint(USAGE);
            return 0;
        }
        _ => {}
    }
    let Some((_, needs)) = COMMANDS.iter().find(|(name, _)| name == command) else {
        cx.out.err(format!("never heard of command [{command}]"));
        cx.out.eprint(USAGE);
        return 1;
    };
    if rest.len() < *needs {
        cx.out.err("Incorrect number of arguments for command");
        let line = USAGE.lines().find(|l| l.trim_start().starts_with(command.as_str())).unwrap_or_default();
        cx.out.err(format!("Usage: brctl {}", line.trim_start()));
        return 1;
    }
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    if !cx.is_net_admin() && !command.starts_with("show") {
        return refused(cx, command, &words);
    }
    match (command.as_str(), words.as_slice()) {
        ("show", names) => show(cx, ns, names),
        ("showmacs", [bridge, ..]) => show_macs(cx, ns, bridge),
        ("addbr", [name, ..]) => add(cx, ns, name),
        ("delbr", [name, ..]) => delete(cx, ns, name),
        ("addif", [bridge, ports @ ..]) => {
            ports.iter().fold(0, |status, p| status | add_port(cx, ns, bridge, p))
        }
        ("delif", [bridge, ports @ ..]) => {
            ports.iter().fold(0, |status, p| status | del_port(cx, ns, bridge, p))
        }
        ("hairpin", [bridge, port, on, ..]) => hairpin(cx, ns, bridge, port, on),
        ("stp", [_, off, ..]) if matches!(*off, "off" | "no" | "0") => 0,
        ("setfd" | "sethello" | "setmaxage", [bridge, time, ..]) => set_time(cx, ns, command, bridge, time),
        (other, _) => cx.not_modelled(format!("brctl {other}")),
    }
}

fn bridge<'n>(ns: &'n Netns, name: &str) -> Option<&'n Iface> {
    ns.by_name(name).ok().filter(|i| matches!(i.kind, IfKind::Bridge(_)))
}

fn refused(cx: &mut Cx<'_>, command: &str, words: &[&str]) -> i32 {
    let word = |i: usize| words.get(i).copied().unwrap_or_default();
    let what = match command {
        "addbr" => "add bridge failed".to_owned(),
        "delbr" => format!("can't delete bridge {}", word(0)),
        "addif" => format!("can't add {} to bridge {}", word(1), word(0)),
        "delif" => format!("can't delete {} from {}", word(1), word(0)),
        "hairpin" => format!("can't set {} to hairpin on bridge {}", word(1), word(0)),
        "stp" => "set stp status failed".to_owned(),
        _ => return cx.not_modelled(format!("brctl {command} without the privilege")),
    };
    cx.not_permitted(format!("{what}: {NOT_PERMITTED}"), 1)
}

/// A time of the spanning tree protocol, in seconds.
fn set_time(cx: &mut Cx<'_>, ns: NsId, command: &str, name: &str, time: &str) -> i32 {
    let (least, most) = match command {
        "setfd" => (2.0, 30.0),
        "sethello" => (1.0, 10.0),
        _ => (6.0, 40.0),
    };
    let usable = |s: &f64| (least..=most).contains(s) || (command == "setfd" && *s == 0.0);
    let Some(seconds) = time.parse::<f64>().ok().filter(usable) else {
        return cx.not_modelled(format!("brctl {command} {time}"));
    };
    let value = (seconds * 100.0).round() as u32;
    let Ok(times) = cx.cluster.world.ns_mut(ns).stp_times_mut(name) else {
        return missing(cx, "bridge", name);
    };
    match command {
        "setfd" => times.forward_delay = value,
        "sethello" => times.hello_time = value,
        _ => times.max_age = value,
    }
    0
}

fn missing(cx: &mut Cx<'_>, what: &str, name: &str) -> i32 {
    cx.out.err(format!("{what} {name} does not exist!"));
    1
}

fn show(cx: &mut Cx<'_>, ns: NsId, names: &[&str]) -> i32 {
    let stack = cx.cluster.world.ns(ns);
    let mut lines = Vec::new();
    let wanted: Vec<&Iface> = stack
        .ifaces()
        .filter(|i| matches!(i.kind, IfKind::Bridge(_)) && (names.is_empty() || names.contains(&&*i.name)))
        .collect();
    for iface in wanted {
        let mut ports: Vec<&str> =
            stack.ifaces().filter(|p| p.master == Some(iface.id)).map(|p| &*p.name).collect();
        ports.sort_unstable();
        let id: String = iface.mac.0.iter().map(|b| format!("{b:02x}")).collect();
        let mut ports = ports.into_iter();
        lines.push(format!("{}\t\t8000.{id}\tno\t\t{}", iface.name, ports.next().unwrap_or_default()));
        lines.extend(ports.map(|p| format!("\t\t\t\t\t\t\t{p}")));
    }
    let absent: Vec<String> =
        names.iter().filter(|n| bridge(stack, n).is_none()).map(ToString::to_string).collect();
    if let Some(name) = absent.first() {
        return missing(cx, "bridge", name);
    }
    if !lines.is_empty() {
        cx.out.line("bridge name\tbridge id\t\tSTP enabled\tinterfaces");
    }
    lines.iter().for_each(|l| cx.out.line(l));
    0
}

fn show_macs(cx: &mut Cx<'_>, ns: NsId, name: &str) -> i32 {
    let now = cx.now();
    let stack = cx.cluster.world.ns(ns);
    let Some(IfKind::Bridge(b)) = bridge(stack, name).map(|i| &i.kind) else {
        cx.out.err("read of forward table failed: No such device");
        return 1;
    };
    let number = |id| b.ports.iter().rev().position(|p| *p == id).map(|at| at + 1);
    let mut entries: Vec<_> = b.fdb.iter().filter(|(mac, _)| b.find(**mac, now).is_some()).collect();
    entries.sort_by_key(|(mac, _)| mac.0);
    let lines: Vec<String> = entries
        .into_iter()
        .filter_map(|(mac, e)| {
            let local = if e.kind == FdbKind::Local { "yes" } else { "no" };
            let age = if e.kind == FdbKind::Learned { now.since(e.seen).as_millis() / 10 } else { 0 };
            Some(format!("{:3}\t{mac}\t{local}\t\t{:4}.{:02}", number(e.port)?, age / 100, age % 100))
        })
        .collect();
    cx.out.line("port no\tmac addr\t\tis local?\tageing timer");
    lines.iter().for_each(|l| cx.out.line(l));
    0
}

fn add(cx: &mut Cx<'_>, ns: NsId, name: &str) -> i32 {
    let mac = super::ip::random_mac(ns, name);
    let stack = cx.cluster.world.ns_mut(ns);
    if stack.iface_id(name).is_some() {
        cx.out.err(format!("device {name} already exists; can't create bridge with the same name"));
        return 1;
    }
    match stack.add_bridge(name, mac).and_then(|_| stack.bridge_mac_of_ports(name)) {
        Ok(()) => 0,
        Err(_) => {
            cx.out.err("add bridge failed: Invalid argument");
            1
        }
    }
}

fn delete(cx: &mut Cx<'_>, ns: NsId, name: &str) -> i32 {
    let found = bridge(cx.cluster.world.ns(ns), name).map(|b| b.up);
    match found {
        None => cx.out.err(format!("bridge {name} doesn't exist; can't delete it")),
        Some(true) => cx.out.err(format!("bridge {name} is still up; can't delete it")),
        Some(false) => return i32::from(cx.cluster.world.link_del(ns, name).is_err()),
    }
    1
}

fn add_port(cx: &mut Cx<'_>, ns: NsId, name: &str, port: &str) -> i32 {
    let stack = cx.cluster.world.ns(ns);
    if bridge(stack, name).is_none() {
        return missing(cx, "bridge", name);
    }
    let Ok(iface) = stack.by_name(port) else { return missing(cx, "interface", port) };
    if iface.master.is_some() {
        cx.out.err(format!("device {port} is already a member of a bridge; can't add it to bridge {name}."));
        return 1;
    }
    let stack = cx.cluster.world.ns_mut(ns);
    if stack.set_master(port, name).is_err() {
        cx.out.err(format!("can't add {port} to bridge {name}: Invalid argument"));
        return 1;
    }
    0
}

fn del_port(cx: &mut Cx<'_>, ns: NsId, name: &str, port: &str) -> i32 {
    let stack = cx.cluster.world.ns(ns);
    let Some(id) = bridge(stack, name).map(|b| b.id) else { return missing(cx, "bridge", name) };
    let Ok(iface) = stack.by_name(port) else { return missing(cx, "interface", port) };
    if iface.master != Some(id) {
        cx.out.err(format!("device {port} is not a port of {name}"));
        return 1;
    }
    i32::from(cx.cluster.world.ns_mut(ns).set_no_master(port).is_err())
}

fn hairpin(cx: &mut Cx<'_>, ns: NsId, name: &str, port: &str, on: &str) -> i32 {
    let stack = cx.cluster.world.ns(ns);
    if bridge(stack, name).is_none() {
        return missing(cx, "bridge", name);
    }
    let on = match on {
        "on" | "yes" | "1" => true,
        "off" | "no" | "0" => false,
        _ => {
            cx.out.err("expect on/off for argument");
            return 1;
        }
    };
    if cx.cluster.world.ns_mut(ns).set_hairpin(port, on).is_err() {
        cx.out.err(format!("interface {port} does not exist!"));
        return 1;
    }
    0
}
