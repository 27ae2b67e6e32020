//! `packet-flows`: the first packet of a connection, really sent through a node with kube-proxy's rules.
//!
//! The node has one wire to a neighbour that is its default gateway and swallows everything, so where a packet goes and from whom it comes
//! then is what the neighbour sees. Every draw is made often enough to have met each endpoint.

mod node;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use sim_core::linux::World;
use sim_core::packet::{FrameBody, IpPacket};
use sim_core::trace::{DropReason, Step, Trace, Verdict};

use node::{Node, packet};

use super::input::Config;

/// So many connections at most are opened to meet every endpoint.
const TRIES: u16 = 400;

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    verdict: &'static str,
    endpoint: Option<SocketAddr>,
    masquerade: bool,
}

/// Every flow of every stage, in every back end that the case names.
pub(super) fn case(case: &Value, defaults: &Value) -> Result<(), String> {
    let mut wrong = Vec::new();
    for stage in case["stages"].as_array().ok_or("no stages")? {
        for backend in case["backends"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let config = Config { case, defaults };
            let node =
                Node::new(&config, stage, backend).map_err(|e| format!("{}/{backend}: {e}", stage["id"]))?;
            for flow in stage["flows"].as_array().into_iter().flatten() {
                let Some(want) = flow["expect"].get(backend) else { continue };
                if let Err(e) = one_flow(&node, flow, want) {
                    wrong.push(format!("{}/{}/{backend}: {e}", stage["id"], flow["id"]));
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn one_flow(node: &Node, flow: &Value, want: &Value) -> Result<(), String> {
    let expected: BTreeSet<SocketAddr> = want["endpoints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| e.as_str().unwrap_or_default().parse().map_err(|e| format!("endpoint: {e}")))
        .collect::<Result<_, String>>()?;
    let mut met = BTreeSet::new();
    let mut world = node.world.clone();
    for n in 0..TRIES {
        let packet = packet(flow, 20_000 + n)?;
        let outcome = send(node, &mut world, packet)?;
        let same = outcome.verdict == want["verdict"] && outcome.masquerade == (want["masquerade"] == true);
        if !same || outcome.endpoint.is_some_and(|e| !expected.contains(&e)) {
            return Err(format!("got {outcome:?}, really {want}"));
        }
        met.extend(outcome.endpoint);
        if met == expected {
            return Ok(());
        }
    }
    Err(format!("only {met:?} of {expected:?} were met"))
}

fn send(node: &Node, world: &mut World, packet: IpPacket) -> Result<Outcome, String> {
    let from = if node.has_address(packet.src) { node.ns } else { node.outside };
    let sent = packet.clone();
    world.start_recording();
    // An error at once is a verdict too; the trace has it.
    let _ = world.raw_send(from, packet);
    let until = world.now() + std::time::Duration::from_millis(50);
    while world.run(until) {}
    let trace = world.take_trace();
    outcome(node, &trace, &sent)
}

fn outcome(node: &Node, trace: &Trace, sent: &IpPacket) -> Result<Outcome, String> {
    let plain = |verdict| Outcome { verdict, endpoint: None, masquerade: false };
    let journeys = trace.journeys();
    let journey = journeys
        .iter()
        .find(|j| j.first().and_then(ip_of).is_some_and(|p| same_flow(p, sent)))
        .ok_or("the packet left no trace")?;
    match journey.verdict() {
        Some(Verdict::Rejected { rule: Some(_), .. }) => return Ok(plain("REJECT")),
        Some(Verdict::Dropped { reason: DropReason::Netfilter(_) }) => return Ok(plain("DROP")),
        _ => {}
    }
    // What goes out to the outside last is the packet as it left the node.
    let left = trace
        .events()
        .filter(|e| e.ns == node.ns && matches!(e.step, Step::Tx { iface } if *iface == node.eth0))
        .filter_map(|e| ip_of(trace.frame(&e)))
        .find(|p| p.protocol() == sent.protocol());
    let Some(left) = left.filter(|p| p.dst != sent.dst || ports(p).1 != ports(sent).1) else {
        let accepted = trace.events().any(|e| {
            e.ns == node.ns && matches!(e.step, Step::Rule { rule, .. } if rule.text.ends_with("-j ACCEPT") && rule.chain.starts_with("KUBE-NODEPORTS"))
        });
        return Ok(plain(if accepted { "ACCEPT" } else { "NONE" }));
    };
    // The answer of the node itself to what reached it goes back to the sender.
    if left.dst == sent.src && !node.has_address(sent.src) && ports(left).0 == ports(sent).1 {
        return Ok(plain("NONE"));
    }
    // The node's own packets are masqueraded too, and keep their address.
    let masquerade = trace.events().any(|e| {
        let at = e.ns == node.ns;
        at && matches!(e.step, Step::Rule { rule, .. } if rule.text.contains("-j MASQUERADE") || &*rule.chain == "masquerading" && rule.text.contains("masquerade"))
    });
    Ok(Outcome { verdict: "DNAT", endpoint: Some(SocketAddr::new(left.dst, ports(left).1)), masquerade })
}

fn ip_of(frame: &sim_core::packet::Frame) -> Option<&IpPacket> {
    match &frame.body {
        FrameBody::Ip(packet) => Some(packet),
        FrameBody::Arp(_) => None,
    }
}

fn same_flow(a: &IpPacket, b: &IpPacket) -> bool {
    (a.src, a.dst, ports(a)) == (b.src, b.dst, ports(b))
}

fn ports(packet: &IpPacket) -> (u16, u16) {
    packet.ports().unwrap_or_default()
}

/// The address that a text names.
fn addr(text: &Value) -> Result<IpAddr, String> {
    text.as_str().unwrap_or_default().parse().map_err(|e| format!("{text}: {e}"))
}
