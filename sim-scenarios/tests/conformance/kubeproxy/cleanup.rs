//! `conntrack-cleanup`: which flows end after the rules have changed.

use std::net::IpAddr;

use serde_json::Value;
use sim_core::chance::Dice;
use sim_core::kube::node::proxy::cleanup::clean_up;
use sim_core::linux::Skb;
use sim_core::linux::conntrack::{Conntrack, NatRange};
use sim_core::packet::{IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport, Udp, proto};
use sim_core::time::SimTime;
use sim_core::trace::{NatKind, Tag};

use super::input::ports;

/// The client of entry `n`; each has one of its own.
fn client(n: usize) -> IpAddr {
    IpAddr::from([10, 240, (n / 256 + 2) as u8, (n % 256) as u8])
}

/// A table of flows before and after a clean-up.
pub(super) fn case(case: &Value, _: &Value) -> Result<(), String> {
    let entries = case["entries"].as_array().ok_or("no entries")?;
    let mut conntrack = Conntrack::default();
    let mut dice = Dice::seeded(1);
    for (n, entry) in entries.iter().enumerate() {
        insert(&mut conntrack, entry, client(n), &mut dice).map_err(|e| format!("{entry}: {e}"))?;
    }
    if conntrack.len() != entries.len() {
        return Err(format!("{} of {} flows could be made", conntrack.len(), entries.len()));
    }
    let ports = ports(&case["services"], &case["endpointSlices"])?;
    let deleted = clean_up(&mut conntrack, ports.iter().map(|(s, e)| (s, &e[..])));
    let mut wrong = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let kept = conntrack.iter().any(|(_, c)| c.orig.src == client(n));
        if entry["deleted"].as_bool() != Some(!kept) {
            wrong.push(format!("{entry} was {}", if kept { "kept" } else { "deleted" }));
        }
    }
    let want = entries.iter().filter(|e| e["deleted"] == true).count();
    if wrong.is_empty() && deleted != want {
        wrong.push(format!("{deleted} counted as deleted, really {want}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A flow from a pod, translated if its replies come from elsewhere than it was sent to.
fn insert(conntrack: &mut Conntrack, entry: &Value, from: IpAddr, dice: &mut Dice) -> Result<(), String> {
    let ip = |key: &str| entry[key].as_str().map(|t| t.parse::<IpAddr>().map_err(|e| e.to_string()));
    let port = |key: &str| entry[key].as_u64().and_then(|p| u16::try_from(p).ok());
    // Without an address it is one of the node's own: a node port.
    let dst = ip("origDst").unwrap_or_else(|| Ok([192, 168, 0, 2].into()))?;
    let dport = port("origDstPort").ok_or("origDstPort")?;
    let sport = 10_000;
    let transport = match entry["protocol"].as_str() {
        Some("udp") => Transport::Udp(Udp { sport, dport, payload: Payload::Empty }),
        Some("tcp") => Transport::Tcp(Tcp {
            sport,
            dport,
            seq: 1,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 64_240,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        }),
        Some("sctp") => Transport::Other { protocol: proto::SCTP, payload: Payload::Empty },
        other => return Err(format!("protocol {other:?}")),
    };
    let mut skb = Skb::made(IpPacket::new(from, dst, transport), Tag::default());
    let to = ip("replySrc").transpose()?.zip(port("replySrcPort"));
    conntrack.track(&mut skb, SimTime::ZERO).map_err(|e| format!("{e:?}"))?;
    if let Some((addr, port)) = to.filter(|to| *to != (dst, dport)) {
        let range = NatRange { addrs: Some((addr, addr)), ports: Some((port, port)), ..NatRange::default() };
        conntrack
            .nat_setup(&mut skb, NatKind::Destination, Some(&range), dice, 0, SimTime::ZERO)
            .map_err(|e| format!("{e:?}"))?;
    }
    conntrack.confirm(&mut skb, SimTime::ZERO).map_err(|e| format!("{e:?}"))
}
