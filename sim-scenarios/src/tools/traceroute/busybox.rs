//! The applet of busybox: one probe after the other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Family;
use sim_core::linux::socket::PmtuDiscovery;
use sim_core::packet::IcmpError;

use super::probe::{Method, Plan, Probe, mark};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, SIGINT_STATUS, busybox, net};

const USAGE: &str = "traceroute [-46IFlnrv] [-f 1ST_TTL] [-m MAXTTL] [-q PROBES] [-p PORT]
\t[-t TOS] [-w WAIT_SEC] [-s SRC_IP] [-i IFACE]
\t[-z PAUSE_MSEC] HOST [BYTES]

Trace the route to HOST

\t-4,-6\tForce IP or IPv6 name resolution
\t-F\tSet don't fragment bit
\t-I\tUse ICMP ECHO instead of UDP datagrams
\t-l\tDisplay TTL value of the returned packet
\t-n\tPrint numeric addresses
\t-r\tBypass routing tables, send directly to HOST
\t-v\tVerbose
\t-f N\tFirst number of hops (default 1)
\t-m N\tMax number of hops
\t-q N\tNumber of probes per hop (default 3)
\t-p N\tBase UDP port number used in probes
\t\t(default 33434)
\t-s IP\tSource address
\t-i IFACE Source interface
\t-t N\tType-of-service in probe packets (default 0)
\t-w SEC\tWait for a response (default 3)
\t-z MSEC\tWait before each send";

/// Bytes of an IP packet that carries a probe.
const LENGTH: usize = 46;

/// The applet.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let args = cx.operands().to_vec();
    let (mut numeric, mut whole, mut family) = (false, false, Family::Any);
    let (mut first, mut hops, mut queries, mut wait) = (1u8, 30u8, 3usize, 3u64);
    let (mut method, mut port, mut source) = (Method::Udp, 33434u16, None);
    let mut operands = Vec::new();
    for word in getopt::parse(&args, "46IFlnrvf:m:p:q:s:t:w:i:z:") {
        let ok = match word {
            Word::Flag('n') => {
                numeric = true;
                true
            }
            Word::Flag('I') => {
                method = Method::Icmp;
                true
            }
            Word::Flag('F') => {
                whole = true;
                true
            }
            Word::Flag('4') => {
                family = Family::V4;
                true
            }
            Word::Flag('6') => {
                family = Family::V6;
                true
            }
            Word::Value('f', v) => v.parse().map(|n: u8| first = n.max(1)).is_ok(),
            Word::Value('m', v) => v.parse().map(|n| hops = n).is_ok(),
            Word::Value('q', v) => v.parse().map(|n| queries = n).is_ok(),
            Word::Value('w', v) => v.parse().map(|n| wait = n).is_ok(),
            Word::Value('p', v) => v.parse().map(|n| port = n).is_ok(),
            Word::Value('s', v) => v.parse::<IpAddr>().map(|a| source = Some(a)).is_ok(),
            Word::Flag(c) | Word::Value(c, _) => return cx.not_modelled(format!("traceroute -{c}")),
            Word::Operand(word) => {
                operands.push(word);
                true
            }
            Word::Unknown(c) => {
                cx.out.err(format!("traceroute: unrecognized option: {c}"));
                return busybox::usage(cx, USAGE);
            }
            Word::Missing(c) => {
                cx.out.err(format!("traceroute: option requires an argument: {c}"));
                return busybox::usage(cx, USAGE);
            }
        };
        if !ok {
            cx.out.err("traceroute: invalid number");
            return 1;
        }
    }
    let Some(host) = operands.first().copied() else { return busybox::usage(cx, USAGE) };
    let found = net::lookup(cx, host, family).ok().and_then(|f| f.addresses.first().copied());
    let Some(dst) = found else {
        cx.out.err(format!("traceroute: bad address '{host}'"));
        return 1;
    };
    let headers = if dst.is_ipv4() { 28 } else { 48 };
    let length = operands.get(1).and_then(|w| w.parse().ok()).unwrap_or(LENGTH).max(headers);
    cx.out.line(format!("traceroute to {host} ({dst}), {hops} hops max, {length} byte packets"));
    let pmtu = if whole { PmtuDiscovery::Probe } else { PmtuDiscovery::Dont };
    let port = if method == Method::Icmp { 1 } else { port.wrapping_add(1) };
    let plan = Plan { method, dst, source, port, size: length - headers, pmtu, tos: 0 };
    hop_by_hop(cx, &plan, (first, hops), queries, Duration::from_secs(wait), numeric)
}

fn hop_by_hop(
    cx: &mut Cx<'_>,
    plan: &Plan,
    (first, hops): (u8, u8),
    queries: usize,
    wait: Duration,
    numeric: bool,
) -> i32 {
    let mut names: BTreeMap<IpAddr, Option<String>> = BTreeMap::new();
    let mut number = 0;
    for ttl in first..=hops {
        cx.out.print(format!("{ttl:2}"));
        let (mut last, mut arrived, mut unreachable) = (None, false, 0);
        for _ in 0..queries {
            let probe = match Probe::send(cx, plan, ttl, number) {
                Ok(probe) => probe,
                Err((_, errno)) => {
                    cx.out.err(format!("\ntraceroute: sendto: {}", net::strerror(cx, errno)));
                    return 1;
                }
            };
            number += 1;
            let until = cx.now() + wait;
            let reply = probe.wait(cx, until);
            probe.close(cx);
            if cx.out.interrupted() {
                return SIGINT_STATUS;
            }
            let Some(reply) = reply else {
                cx.out.print("  *");
                continue;
            };
            if last != Some(reply.from) {
                let from = reply.from;
                let name =
                    (!numeric).then(|| names.entry(from).or_insert_with(|| net::name_of(cx, from)).clone());
                cx.out.print(match name {
                    None => format!("  {from}"),
                    Some(name) => format!("  {} ({from})", name.unwrap_or_else(|| from.to_string())),
                });
                last = Some(from);
            }
            let micros = reply.time.as_micros();
            cx.out.print(format!("  {}.{:03} ms", micros / 1000, micros % 1000));
            arrived |= reply.error.is_none();
            if let Some(error) = reply.error.filter(|e| *e != IcmpError::TtlExceeded) {
                unreachable += 1;
                if let Some(mark) = mark(error) {
                    cx.out.print(format!(" {mark}"));
                }
            }
        }
        cx.out.print("\n");
        if arrived || (unreachable > 0 && unreachable + 1 >= queries) {
            break;
        }
    }
    0
}
