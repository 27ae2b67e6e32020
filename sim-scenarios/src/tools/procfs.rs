//! Files that the kernel makes of a network namespace: `/proc/net/{route,arp,dev}` and `/sys/class/net/IFACE/…`.
//!
//! Only what tutorials read and write: address, MTU, state, index, statistics, and a bridge port's `hairpin_mode`.

use std::fmt::Write as _;
use std::net::IpAddr;

use sim_core::linux::neigh::NudState;
use sim_core::linux::route::RouteKind;
use sim_core::linux::{Errno, Iface, Netns, World};
use sim_core::packet::MacAddr;
use sim_core::trace::NsId;

use super::ip::{LinkView, views};

const SYS: &str = "/sys/class/net";
/// Files in the folder of an interface.
const LEAVES: &[&str] =
    &["address", "carrier", "flags", "ifindex", "iflink", "mtu", "operstate", "tx_queue_len", "type"];
/// Counters in its folder `statistics`.
const COUNTERS: &[&str] = &[
    "rx_bytes",
    "rx_dropped",
    "rx_errors",
    "rx_packets",
    "tx_bytes",
    "tx_dropped",
    "tx_errors",
    "tx_packets",
];

/// What a path of this kind names: a file's contents or a folder's names. None: it is no such path.
pub(super) enum Node {
    File(String),
    Folder(Vec<String>),
}

/// Looks up an absolute path in a namespace.
pub(super) fn look(world: &World, ns: NsId, path: &str) -> Option<Result<Node, Errno>> {
    let stack = world.ns(ns);
    match path {
        "/proc/net/route" => return Some(Ok(Node::File(routes(stack)))),
        "/proc/net/arp" => return Some(Ok(Node::File(arp(world, stack)))),
        "/proc/net/dev" => return Some(Ok(Node::File(devices(stack)))),
        _ => {}
    }
    let rest = path.strip_prefix(SYS)?;
    if rest.is_empty() {
        let mut names: Vec<String> = stack.ifaces().map(|i| i.name.to_string()).collect();
        names.sort();
        return Some(Ok(Node::Folder(names)));
    }
    let (dev, leaf) = rest.strip_prefix('/')?.split_once('/').unwrap_or((rest.strip_prefix('/')?, ""));
    let link = views(world, ns).into_iter().find(|l| l.name == dev);
    let (Some(link), Ok(iface)) = (link, stack.by_name(dev)) else { return Some(Err(Errno::ENOENT)) };
    Some(of_interface(stack, &link, iface, leaf).ok_or(Errno::ENOENT))
}

/// Writes to such a file. None: it is no such path.
pub(super) fn write(world: &mut World, ns: NsId, path: &str, value: &str) -> Option<Result<(), Errno>> {
    let (dev, leaf) = path.strip_prefix(SYS)?.strip_prefix('/')?.split_once('/')?;
    let stack = world.ns_mut(ns);
    if stack.iface_id(dev).is_none() {
        return Some(Err(Errno::ENOENT));
    }
    // Opening the file writes nothing yet.
    if value.is_empty() {
        return Some(Ok(()));
    }
    let number = value.trim().parse::<u32>();
    let done = match (leaf, number) {
        ("brport/hairpin_mode", Ok(on)) => stack.set_hairpin(dev, on != 0),
        ("brport/isolated", Ok(on)) => stack.set_isolated(dev, on != 0),
        ("mtu", Ok(mtu)) => stack.set_mtu(dev, mtu),
        ("tx_queue_len", Ok(len)) => stack.notes_mut(dev).map(|n| n.txqlen = Some(len)),
        ("brport/hairpin_mode" | "brport/isolated" | "mtu" | "tx_queue_len", Err(_)) => {
            return Some(Err(Errno::EINVAL));
        }
        _ => return Some(Err(Errno::EACCES)),
    };
    Some(done.map_err(|_| Errno::EINVAL))
}

fn of_interface(ns: &Netns, link: &LinkView, iface: &Iface, leaf: &str) -> Option<Node> {
    let s = iface.stats;
    let port = iface.master.is_some();
    let line = |text: String| Some(Node::File(text + "\n"));
    let names = |list: &[&str]| Some(Node::Folder(list.iter().map(ToString::to_string).collect()));
    match leaf {
        "" => {
            let mut all: Vec<&str> = LEAVES.to_vec();
            all.push("statistics");
            if port {
                all.extend(["brport", "master"]);
            }
            all.sort_unstable();
            names(&all)
        }
        "address" => line(link.mac.clone()),
        "carrier" => line(u8::from(link.carrier).to_string()),
        "flags" => line(format!("0x{:x}", flag_bits(link))),
        "ifindex" => line(link.index.to_string()),
        "iflink" => line(link.link.unwrap_or(link.index).to_string()),
        "mtu" => line(link.mtu.to_string()),
        "operstate" => line(link.state.to_lowercase()),
        "tx_queue_len" => line(link.qlen.unwrap_or(0).to_string()),
        "type" => line(if link.loopback { "772" } else { "1" }.to_owned()),
        "statistics" => names(COUNTERS),
        "statistics/rx_bytes" => line(s.rx_bytes.to_string()),
        "statistics/rx_packets" => line(s.rx_packets.to_string()),
        "statistics/rx_dropped" => line(s.rx_dropped.to_string()),
        "statistics/tx_bytes" => line(s.tx_bytes.to_string()),
        "statistics/tx_packets" => line(s.tx_packets.to_string()),
        "statistics/tx_dropped" => line(s.tx_dropped.to_string()),
        "statistics/rx_errors" | "statistics/tx_errors" => line("0".to_owned()),
        "brport" if port => names(&["hairpin_mode", "isolated", "state"]),
        "brport/hairpin_mode" if port => line(u8::from(iface.hairpin).to_string()),
        "brport/isolated" if port => line(u8::from(iface.isolated).to_string()),
        "brport/state" if port => line(if link.carrier { "3" } else { "0" }.to_owned()),
        "brif" if link.kind == "bridge" => {
            let mut ports: Vec<String> =
                ns.ifaces().filter(|p| p.master == Some(iface.id)).map(|p| p.name.to_string()).collect();
            ports.sort();
            Some(Node::Folder(ports))
        }
        _ => None,
    }
}

/// `IFF_*` bits of an interface (`dev->flags`).
fn flag_bits(link: &LinkView) -> u32 {
    const BITS: &[(&str, u32)] = &[
        ("UP", 1),
        ("BROADCAST", 2),
        ("LOOPBACK", 8),
        ("NOARP", 0x80),
        ("PROMISC", 0x100),
        ("ALLMULTI", 0x200),
        ("MULTICAST", 0x1000),
    ];
    BITS.iter().filter(|(name, _)| link.flags.contains(name)).map(|(_, bit)| bit).sum()
}

/// `/proc/net/route`: addresses in hexadecimal as a little-endian machine holds them.
fn routes(ns: &Netns) -> String {
    let hex = |a: std::net::Ipv4Addr| format!("{:08X}", u32::from_le_bytes(a.octets()));
    let mut routes: Vec<_> = ns.routes().iter().filter(|r| r.dst.addr().is_ipv4()).collect();
    routes.sort_by_key(|r| (r.dst.network(), std::cmp::Reverse(r.dst.prefix_len()), r.metric));
    let mut text = format!(
        "{:<127}\n",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    );
    for r in routes {
        let ipnet::IpNet::V4(dst) = r.dst else { continue };
        let dev = r.dev.and_then(|d| ns.iface(d)).map_or("*", |d| &*d.name);
        let gateway = match r.via {
            Some(IpAddr::V4(via)) => via,
            _ => std::net::Ipv4Addr::UNSPECIFIED,
        };
        let up = if matches!(r.kind, RouteKind::Unreachable | RouteKind::Prohibit) { 0x200 } else { 0 };
        let flags = 1 | up | if r.via.is_some() { 2 } else { 0 } | if dst.prefix_len() == 32 { 4 } else { 0 };
        let line = format!(
            "{dev}\t{}\t{}\t{flags:04X}\t0\t0\t{}\t{}\t{}\t0\t0",
            hex(dst.network()),
            hex(gateway),
            r.metric,
            hex(dst.netmask()),
            r.mtu.unwrap_or(0)
        );
        let _ = writeln!(text, "{line:<127}");
    }
    text
}

/// `/proc/net/arp`.
fn arp(world: &World, ns: &Netns) -> String {
    let mut text =
        "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
    for (dev, addr, n, state) in ns.neighbours().iter(world.now()) {
        if !addr.is_ipv4() {
            continue;
        }
        let flags = match state {
            NudState::Permanent => 6,
            _ if n.mac == MacAddr::ZERO => 0,
            _ => 2,
        };
        let dev = ns.iface(dev).map_or("?", |d| &*d.name);
        let (addr, mac) = (addr.to_string(), n.mac);
        let _ = writeln!(text, "{addr:<16} 0x1         0x{flags:<10x}{mac}     *        {dev}");
    }
    text
}

/// `/proc/net/dev`.
fn devices(ns: &Netns) -> String {
    let mut text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
        .to_owned();
    for i in ns.ifaces() {
        let s = i.stats;
        let _ = writeln!(
            text,
            "{:>6}: {:>7} {:>7} {:>4} {:>4} {:>4} {:>5} {:>10} {:>9} {:>8} {:>7} {:>4} {:>4} {:>4} {:>5} {:>7} {:>10}",
            i.name,
            s.rx_bytes,
            s.rx_packets,
            0,
            s.rx_dropped,
            0,
            0,
            0,
            0,
            s.tx_bytes,
            s.tx_packets,
            0,
            s.tx_dropped,
            0,
            0,
            0,
            0
        );
    }
    text
}
