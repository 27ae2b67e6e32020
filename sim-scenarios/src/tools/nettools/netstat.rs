//! `netstat`.

use super::Dialect;
use super::route::{self, Columns};
use super::sockets::{self, Listing};
use crate::tools::getopt::{self, Word};
use crate::tools::ip::views;
use crate::tools::{Cx, busybox, net};

const BUSYBOX_USAGE: &str = "netstat [-ral] [-tuwx] [-enWp]

Display networking information

\t-r\tRouting table
\t-a\tAll sockets
\t-l\tListening sockets
\t\tElse: connected sockets
\t-t\tTCP sockets
\t-u\tUDP sockets
\t-w\tRaw sockets
\t-x\tUnix sockets
\t\tElse: all socket types
\t-e\tOther/more information
\t-n\tDon't resolve names
\t-W\tWide display
\t-p\tShow PID/program name for sockets";
const USAGE: &str = include_str!("usage/netstat.txt");
const VERSION: &str = include_str!("usage/netstat_version.txt");

pub(super) fn run(cx: &mut Cx<'_>, dialect: Dialect) -> i32 {
    let letters = if dialect == Dialect::Busybox { "laentuwxrWp" } else { "A:CFMacdeghilnNoprsStuUvVWwxZ46" };
    let words: Vec<String> = cx.operands().iter().map(|w| long(w)).collect();
    let mut listing = Listing::default();
    let (mut routes, mut interfaces, mut extended) = (false, false, false);
    for word in getopt::parse(&words, letters) {
        match word {
            Word::Flag('t') => listing.tcp = true,
            Word::Flag('u') => listing.udp = true,
            Word::Flag('x') => listing.unix = true,
            Word::Flag('w') => listing.raw = true,
            Word::Flag('a') => listing.all = true,
            Word::Flag('l') => listing.listening = true,
            Word::Flag('n') => listing.numeric = true,
            Word::Flag('p') => listing.programs = true,
            Word::Flag('W') => listing.wide = true,
            Word::Flag('4') | Word::Value('A', "inet") => listing.family = Some(true),
            Word::Flag('6') | Word::Value('A', "inet6") => listing.family = Some(false),
            Word::Flag('r') => routes = true,
            Word::Flag('i') => interfaces = true,
            Word::Flag('e') => extended = true,
            Word::Flag('v' | 'F') => {}
            Word::Flag('h') => {
                cx.out.print(USAGE);
                return 0;
            }
            Word::Flag('V') => {
                cx.out.print(VERSION);
                return 0;
            }
            Word::Flag('M') => {
                cx.out.err("netstat: no support for `ip_masquerade' on this system.");
                return 1;
            }
            Word::Flag(c) | Word::Value(c, _) => return cx.not_modelled(format!("netstat -{c}")),
            Word::Operand(word) => return cx.not_modelled(format!("netstat {word}")),
            Word::Unknown(c) => return usage(cx, dialect, &format!("invalid option -- '{c}'")),
            Word::Missing(c) => {
                return usage(cx, dialect, &format!("option requires an argument -- '{c}'"));
            }
        }
    }
    if routes && listing.family == Some(false) {
        return cx.not_modelled("netstat -r for IPv6");
    }
    if routes {
        route::show(cx, dialect, listing.numeric, Columns::Window);
        return 0;
    }
    if extended && dialect == Dialect::NetTools {
        return cx.not_modelled(if interfaces { "netstat -ie" } else { "netstat -e" });
    }
    if interfaces {
        show_interfaces(cx, listing.all);
        return 0;
    }
    sockets::show(cx, dialect, listing);
    0
}

/// Long options as short ones.
fn long(word: &str) -> String {
    let short = match word {
        "--tcp" => "-t",
        "--udp" => "-u",
        "--unix" => "-x",
        "--raw" => "-w",
        "--all" => "-a",
        "--listening" => "-l",
        "--numeric" => "-n",
        "--programs" | "--program" => "-p",
        "--wide" => "-W",
        "--route" => "-r",
        "--interfaces" => "-i",
        "--statistics" => "-s",
        "--extend" => "-e",
        "--timers" => "-o",
        "--continuous" => "-c",
        "--groups" => "-g",
        "--help" => "-h",
        "--version" => "-V",
        "--inet" => "-4",
        "--inet6" => "-6",
        other => other,
    };
    short.to_owned()
}

fn usage(cx: &mut Cx<'_>, dialect: Dialect, complaint: &str) -> i32 {
    cx.out.err(format!("netstat: {complaint}"));
    if dialect == Dialect::Busybox {
        return busybox::usage(cx, BUSYBOX_USAGE);
    }
    cx.out.eprint(USAGE);
    3
}

/// `-i`: the interfaces that are up, with `-a` all of them.
fn show_interfaces(cx: &mut Cx<'_>, all: bool) {
    const LETTERS: [(&str, char); 6] = [
        ("BROADCAST", 'B'),
        ("LOOPBACK", 'L'),
        ("MULTICAST", 'M'),
        ("ALLMULTI", 'A'),
        ("PROMISC", 'P'),
        ("NOARP", 'O'),
    ];
    let Ok(ns) = net::netns(cx) else { return };
    let stack = cx.cluster.world.ns(ns);
    let links = views(&cx.cluster.world, ns);
    let mut rows: Vec<_> = links.iter().zip(stack.ifaces().map(|i| (i.up, i.stats))).collect();
    rows.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let mut text = "Kernel Interface table\n\
         Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
        .to_owned();
    for (link, (up, s)) in rows {
        if !up && !all {
            continue;
        }
        let mut flags: String =
            LETTERS.iter().filter(|(name, _)| link.flags.contains(name)).map(|(_, c)| *c).collect();
        if link.carrier && up {
            flags.push('R');
        }
        if up {
            flags.push('U');
        }
        text += &format!(
            "{:<15} {:>5} {:>8} {:>6} {:>6} {:<6} {:>8} {:>6} {:>6} {:>6} {flags}\n",
            link.name, link.mtu, s.rx_packets, 0, s.rx_dropped, 0, s.tx_packets, 0, s.tx_dropped, 0
        );
    }
    cx.out.print(text);
}
