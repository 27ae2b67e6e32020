//! Listings.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};

use sim_core::linux::ipvs::{Conn, Dest, Ipvs, SchedFlags, Scheduler, Service, state};
use sim_core::packet::proto;
use sim_core::time::SimTime;

use super::options::Request;
use super::{Failure, REFUSED};
use crate::tools::nc::services;
use crate::tools::{Cx, net};

/// What is listed, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) numeric: bool,
    pub(super) connections: bool,
    pub(super) timeouts: bool,
    pub(super) daemon: bool,
    pub(super) stats: bool,
    pub(super) rate: bool,
    pub(super) thresholds: bool,
    pub(super) persistent: bool,
    pub(super) unsorted: bool,
    pub(super) exact: bool,
    /// As commands, for `-S`.
    pub(super) rule: bool,
}

pub(super) fn run(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Failure> {
    let format = request.format;
    if format.connections {
        connections(cx, format);
    } else if let Some(key) = request.service {
        let Some(ipvs) = look(cx) else { return Ok(REFUSED) };
        let Some(service) = ipvs.service(&key) else {
            cx.out.err("No such service");
            return Ok(1);
        };
        cx.out.print(title(format));
        print_service(cx, &ipvs, service, format);
    } else if format.timeouts {
        let Some(ipvs) = look(cx) else { return Ok(REFUSED) };
        let t = ipvs.settings.timeouts;
        cx.out.line(format!("Timeout (tcp tcpfin udp): {} {} {}", t.tcp, t.tcp_fin, t.udp));
    } else if !format.daemon {
        all(cx, format);
    }
    Ok(0)
}

/// A copy of the tables, to print from while names are asked for.
fn look(cx: &mut Cx<'_>) -> Option<Ipvs> {
    let ns = cx.cluster.netns(cx.place)?;
    Some(cx.cluster.world.ns(ns).ipvs().clone())
}

pub(super) fn all(cx: &mut Cx<'_>, format: Format) {
    let Some(ipvs) = look(cx) else { return };
    if !format.rule {
        cx.out.line(format!("IP Virtual Server version 1.2.1 (size={})", Ipvs::TABLE_SIZE));
    }
    cx.out.print(title(format));
    let mut services: Vec<&Service> = ipvs.services().collect();
    if !format.unsorted {
        services = merge_sort(services, &|a, b| {
            let rank = |s: &Service| (s.key.at.is_ipv6(), s.key.protocol);
            rank(a).cmp(&rank(b)).then_with(|| compare(a.key.at, b.key.at))
        });
    }
    for service in services {
        print_service(cx, &ipvs, service, format);
    }
}

/// `ipvs_cmp_services` takes addresses for differences of 32-bit numbers, so that one more than half the numbers away comes first:
/// 172.17.0.1 before 10.0.0.1.
fn compare(a: SocketAddr, b: SocketAddr) -> Ordering {
    let sign = |a: u32, b: u32| (a.wrapping_sub(b) as i32).cmp(&0);
    let words = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => vec![ip.to_bits()],
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            [96, 64, 32, 0].iter().map(|shift| (bits >> shift) as u32).collect()
        }
    };
    let addresses = words(a.ip()).into_iter().zip(words(b.ip())).map(|(a, b)| sign(a, b));
    addresses.fold(Ordering::Equal, Ordering::then).then(a.port().cmp(&b.port()))
}

/// `qsort` of glibc 2.36. That order is none, so the way of sorting shows.
fn merge_sort<T: Copy>(items: Vec<T>, compare: &dyn Fn(T, T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let (left, right) = items.split_at(items.len() / 2);
    let (left, right) = (merge_sort(left.to_vec(), compare), merge_sort(right.to_vec(), compare));
    let (mut a, mut b) = (left.into_iter().peekable(), right.into_iter().peekable());
    let mut merged = Vec::with_capacity(items.len());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let next = if compare(*x, *y) == Ordering::Greater { b.next() } else { a.next() };
        merged.extend(next);
    }
    merged.extend(a);
    merged.extend(b);
    merged
}

fn title(format: Format) -> String {
    let five = |width: usize, columns: [&str; 5]| {
        let columns: Vec<String> = columns.iter().map(|c| format!("{c:>width$}")).collect();
        format!("{:<33} {}\n  -> RemoteAddress:Port\n", "Prot LocalAddress:Port", columns.join(" "))
    };
    if format.stats {
        five(8, ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"])
    } else if format.rate {
        five(8, ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"])
    } else if format.thresholds {
        format!(
            "{:<33} {:<10} {:<10} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Prot LocalAddress:Port", "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        )
    } else if format.persistent {
        format!(
            "{:<33} {:<9} {:<11} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Prot LocalAddress:Port", "Weight", "PersistConn", "ActiveConn", "InActConn"
        )
    } else if format.rule {
        String::new()
    } else {
        "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            .to_owned()
    }
}

/// An address and port, named unless `-n`.
fn named(cx: &mut Cx<'_>, at: SocketAddr, protocol: u8, numeric: bool) -> String {
    if numeric {
        return at.to_string();
    }
    let host = net::name_of(cx, at.ip()).unwrap_or_else(|| at.ip().to_string());
    let host = if at.is_ipv6() { format!("[{host}]") } else { host };
    let service = services::name(at.port(), protocol == proto::UDP).filter(|_| protocol != proto::SCTP);
    format!("{host}:{}", service.map_or_else(|| at.port().to_string(), str::to_owned))
}

fn print_service(cx: &mut Cx<'_>, ipvs: &Ipvs, service: &Service, format: Format) {
    let now = cx.now();
    let key = service.key;
    let address = named(cx, key.at, key.protocol, format.numeric);
    let name = if format.rule {
        let option = match key.protocol {
            proto::TCP => "-t",
            proto::SCTP => "--sctp-service",
            _ => "-u",
        };
        format!("{option} {address}")
    } else {
        let mut name = format!("{}  {address}", state::protocol_name(key.protocol));
        if key.at.is_ipv4() {
            name.truncate(33);
        }
        name
    };
    let line = if format.rule {
        format!("-A {name} -s {}{}", service.scheduler.name(), flags(service, true))
    } else if format.stats {
        format!("{name:<33}{}", totals(service.stats(), format))
    } else if format.rate {
        let r = service.stats().rates(now);
        let all = [r.conns, r.in_packets, r.out_packets, r.in_bytes, r.out_bytes];
        format!("{name:<33}{}", all.map(|n| large(n, format)).concat())
    } else {
        format!("{name} {}{}", service.scheduler.name(), flags(service, false))
    };
    cx.out.line(line);
    let mut dests: Vec<&Dest> = ipvs.dests(service).collect();
    if !format.unsorted {
        dests = merge_sort(dests, &|a, b| compare(a.at, b.at));
    }
    for dest in dests {
        let mut address = named(cx, dest.at, key.protocol, format.numeric);
        if format.rule {
            cx.out.line(format!("-a {name} -r {address} -m -w {}", dest.weight));
            continue;
        }
        if key.at.is_ipv4() {
            address.truncate(28);
        }
        cx.out.line(format!("  -> {address:<28}{}", server(dest, format, now)));
    }
}

/// Persistence and options of the scheduler.
fn flags(service: &Service, rule: bool) -> String {
    let mut text = String::new();
    if let Some(kept) = service.persistence {
        let (word, mask) = if rule { ("-p", "-M") } else { ("persistent", "mask") };
        text.push_str(&format!(" {word} {}", kept.seconds));
        match service.key.at.ip() {
            IpAddr::V4(_) if kept.prefix != 32 => {
                let bits = if kept.prefix == 0 { 0 } else { u32::MAX << (32 - kept.prefix) };
                text.push_str(&format!(" {mask} {}", std::net::Ipv4Addr::from_bits(bits)));
            }
            IpAddr::V6(_) if kept.prefix != 128 => text.push_str(&format!(" {mask} {}", kept.prefix)),
            _ => {}
        }
    }
    let names = flag_names(service.scheduler, service.flags);
    if !names.is_empty() {
        text.push_str(&if rule { format!(" -b {names}") } else { format!(" ({names})") });
    }
    text
}

fn flag_names(scheduler: Scheduler, flags: SchedFlags) -> String {
    let names = match scheduler {
        Scheduler::Sh => ["sh-fallback", "sh-port", "flag-3"],
        Scheduler::Mh => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let set = [flags.flag1, flags.flag2, flags.flag3];
    let given: Vec<&str> = names.into_iter().zip(set).filter(|(_, on)| *on).map(|(name, _)| name).collect();
    given.join(",")
}

/// The columns behind a real server's address, with what separates them from it.
fn server(dest: &Dest, format: Format, now: SimTime) -> String {
    if format.stats {
        return totals(dest.stats(), format);
    }
    if format.rate {
        let r = dest.stats().rates(now);
        let bytes = [r.in_bytes, r.out_bytes].map(|n| large(n, format)).concat();
        return format!(" {:>8} {:>8} {:>8}{bytes}", r.conns, r.in_packets, r.out_packets);
    }
    if format.thresholds {
        return format!(" {:<10} {:<10} {:<10} {:<10}", dest.upper, dest.lower, dest.active, dest.inactive);
    }
    if format.persistent {
        let persistent = dest.persistent;
        return format!(" {:<9} {persistent:<11} {:<10} {:<10}", dest.weight, dest.active, dest.inactive);
    }
    format!(" {:<7} {:<6} {:<10} {:<10}", "Masq", dest.weight, dest.active, dest.inactive)
}

fn totals(stats: &sim_core::linux::ipvs::Stats, format: Format) -> String {
    let c = stats.counters();
    [c.conns, c.in_packets, c.out_packets, c.in_bytes, c.out_bytes].map(|n| large(n, format)).concat()
}

/// `print_largenum`: nine columns.
fn large(n: u64, format: Format) -> String {
    if format.exact {
        let text = n.to_string();
        let width = if text.len() <= 8 { 9 } else { text.len() + 1 };
        return format!("{text:>width$}");
    }
    match n {
        0..100_000_000 => format!("{n:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", n / 1000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", n / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", n / 1_000_000_000),
        _ => format!("{:>8}T", n / 1_000_000_000_000),
    }
}

/// `-Lc`.
fn connections(cx: &mut Cx<'_>, format: Format) {
    let Some(ipvs) = look(cx) else { return };
    let now = cx.now();
    cx.out.line("IPVS connection entries");
    let mut head = format!("pro expire {:<11} {:<18} {:<18} ", "state", "source", "virtual");
    head.push_str(&if format.persistent {
        format!("{:<18} {:<16} {}", "destination", "pe name", "pe_data")
    } else {
        "destination".to_owned()
    });
    cx.out.line(head);
    let live: Vec<&Conn> = ipvs.conns().filter(|c| c.expires > now).collect();
    for conn in live {
        let seconds = (conn.expires.0 - now.0) / 1_000_000_000;
        let expire = format!("{:02}:{:02}", seconds / 60, seconds % 60);
        let [client, virtual_server, real] = [conn.client, conn.virtual_server, conn.real]
            .map(|at| named(cx, at, conn.protocol, format.numeric));
        cx.out.line(format!(
            "{:<3} {expire:<6} {:<11} {client:<18} {virtual_server:<18} {real}",
            state::protocol_name(conn.protocol),
            conn.state.name(),
        ));
    }
}
