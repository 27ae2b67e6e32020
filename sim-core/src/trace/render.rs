//! Traces for people and for machines: text, JSON, and a digest.
//!
//! The text groups events by packet. A packet's line says who it is from and for; below it stands a line for each step, with the
//! place in front; where a step changed the packet, the line shows it before and after.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    BridgeDecision, DropReason, Event, IfId, NatKind, NsId, PacketId, RejectWith, RouteDecision, RuleAction,
    RuleRef, RuleTable, Step, Trace, Verdict,
};
use crate::packet::Frame;
use crate::time::SimTime;

/// Gives names to the numbers in a trace.
pub trait Names {
    /// Name of a namespace.
    fn ns(&self, ns: NsId) -> &str;
    /// Name of an interface.
    fn iface(&self, ns: NsId, iface: IfId) -> &str;
}

/// One packet's part of a trace.
#[derive(Clone, Debug)]
pub struct Journey<'a> {
    /// The packet.
    pub packet: PacketId,
    /// Its events in order.
    pub events: Vec<Event<'a>>,
    trace: &'a Trace,
}

impl Trace {
    /// The packets in order of appearance, each with its events.
    #[must_use]
    pub fn journeys(&self) -> Vec<Journey<'_>> {
        let mut order: Vec<Journey<'_>> = Vec::new();
        let mut index: BTreeMap<PacketId, usize> = BTreeMap::new();
        for event in self.events() {
            let at = *index.entry(event.packet).or_insert_with(|| {
                order.push(Journey { packet: event.packet, events: Vec::new(), trace: self });
                order.len() - 1
            });
            order[at].events.push(event);
        }
        order
    }

    /// A SHA-256 of everything that was recorded, in hexadecimal: equal runs have equal digests.
    #[must_use]
    pub fn digest(&self) -> String {
        struct Sink(Sha256);
        impl fmt::Write for Sink {
            fn write_str(&mut self, s: &str) -> fmt::Result {
                self.0.update(s.as_bytes());
                Ok(())
            }
        }
        let mut sink = Sink(Sha256::new());
        for event in self.events() {
            let _ = writeln!(sink, "{event:?}");
        }
        for frame in self.snapshots() {
            let _ = writeln!(sink, "{frame:?}");
        }
        data_encoding::HEXLOWER.encode(&sink.0.finalize())
    }

    /// The whole trace as text, packet by packet.
    #[must_use]
    pub fn to_text(&self, names: &dyn Names) -> String {
        let mut out = String::new();
        for journey in self.journeys() {
            out.push_str(&journey.to_text(names));
            out.push('\n');
        }
        out
    }
}

/// One step in words, for JSON.
#[derive(Clone, Debug, Serialize)]
pub struct StepView<'a> {
    /// Nanoseconds of virtual time since the start.
    pub at_ns: u64,
    /// Namespace.
    pub netns: String,
    /// The step with its numbers.
    pub step: &'a Step,
    /// The step in words.
    pub text: String,
    /// The packet after the step.
    pub packet: String,
}

impl<'a> Journey<'a> {
    /// The packet as it was first seen.
    #[must_use]
    pub fn first(&self) -> Option<&Frame> {
        self.events.first().map(|e| self.trace.frame(e))
    }

    /// How the packet ended. A flood has several ends; the one that was not a mere "not for me" counts.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        let ends = || {
            self.events.iter().filter_map(|e| match e.step {
                Step::End(v) => Some(v),
                _ => None,
            })
        };
        let other_host = |v: &&Verdict| matches!(v, Verdict::Dropped { reason: DropReason::OtherHost });
        ends().rfind(|v| !other_host(v)).or_else(|| ends().next_back())
    }

    /// The steps in words.
    #[must_use]
    pub fn steps(&self, names: &dyn Names) -> Vec<StepView<'_>> {
        let mut before: Option<&Frame> = None;
        let mut views = Vec::new();
        for event in self.events.iter() {
            let after = self.trace.frame(event);
            views.push(StepView {
                at_ns: event.at.0,
                netns: names.ns(event.ns).to_owned(),
                step: event.step,
                text: describe(event.step, event.ns, before, after, names),
                packet: after.to_string(),
            });
            before = Some(after);
        }
        views
    }

    /// The packet's story as text.
    #[must_use]
    pub fn to_text(&self, names: &dyn Names) -> String {
        let mut out = String::new();
        let first = self.first().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(out, "packet {}: {first}", self.packet.0);
        let steps = self.steps(names);
        let width = steps.iter().map(|s| s.netns.len()).max().unwrap_or(0);
        let (mut last_at, mut last_ns) = (None, String::new());
        for step in steps {
            let at =
                if last_at == Some(step.at_ns) { String::new() } else { SimTime(step.at_ns).to_string() };
            let ns = if last_ns == step.netns { "" } else { &step.netns };
            let text = step.text.replace('\n', &format!("\n{:indent$}", "", indent = width + 20));
            let _ = writeln!(out, "  {at:>14}  {ns:<width$}  {text}");
            last_at = Some(step.at_ns);
            last_ns = step.netns;
        }
        out
    }
}

fn describe(step: &Step, ns: NsId, before: Option<&Frame>, after: &Frame, names: &dyn Names) -> String {
    let dev = |id: &IfId| names.iface(ns, *id);
    match step {
        Step::Made { socket: Some(_) } => "sent by a socket".to_owned(),
        Step::Made { socket: None } => "made by the stack itself".to_owned(),
        Step::Tx { iface } => format!("out {:<10} {after}", dev(iface)),
        Step::Rx { iface } => format!("in  {:<10} {after}", dev(iface)),
        Step::Hook { hook, bridged } => {
            format!("hook {}{}", hook.chain(), if *bridged { " (called by the bridge)" } else { "" })
        }
        Step::Rule { rule, action } => format!("rule {} {}", rule_text(rule), action_text(*action)),
        Step::Skipped { rule, because } => {
            format!("rule {} → no match: {because}", rule_text(rule))
        }
        Step::Conntrack(c) => {
            let reply = if c.reply { ", reply direction" } else { "" };
            format!("conntrack {}{reply}", c.state)
        }
        Step::Nat { kind } => {
            let side = match kind {
                NatKind::Source => "source",
                NatKind::Destination => "destination",
            };
            let before = before.map(ToString::to_string).unwrap_or_default();
            format!("{side} translated\n  before {before}\n  after  {after}")
        }
        Step::Ipvs { virtual_server, real, reply: false } => {
            format!("virtual server {virtual_server} → real server {real}\n  after  {after}")
        }
        Step::Ipvs { virtual_server, real, reply: true } => {
            format!("answer of real server {real} → from virtual server {virtual_server}\n  after  {after}")
        }
        Step::Route(decision) => route_text(decision, &dev),
        Step::Neighbour { next_hop, mac } => format!("neighbour {next_hop} is at {mac}"),
        Step::NeighbourWait { next_hop, iface } => {
            format!("waits for ARP: who has {next_hop} on {}", dev(iface))
        }
        Step::Bridge { bridge, decision } => match decision {
            BridgeDecision::Forward { port } => format!("bridge {}: to port {}", dev(bridge), dev(port)),
            BridgeDecision::Flood => format!("bridge {}: to all ports", dev(bridge)),
            BridgeDecision::Local => format!("bridge {}: for this host", dev(bridge)),
        },
        Step::Encap { iface, remote } => format!("wrapped by {} for {remote}", dev(iface)),
        Step::Decap { iface } => format!("unwrapped by {}", dev(iface)),
        Step::End(verdict) => verdict_text(verdict),
    }
}

fn rule_text(rule: &RuleRef) -> String {
    if rule.number == 0 {
        format!("{} {} policy: {}", rule.table, rule.chain, rule.text)
    } else {
        let handle = if matches!(rule.table, RuleTable::Nft(_)) { "handle " } else { "" };
        format!("{} {} {handle}{}: {}", rule.table, rule.chain, rule.number, rule.text)
    }
}

const fn action_text(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Accept => "→ accept",
        RuleAction::Drop => "→ drop",
        RuleAction::Return => "→ return",
        RuleAction::Jump => "→ jump",
        RuleAction::Goto => "→ goto",
        RuleAction::Reject => "→ reject",
        RuleAction::Continue => "→ continue",
        RuleAction::Dnat => "→ translate the destination",
        RuleAction::Snat => "→ translate the source",
    }
}

fn route_text<'a>(decision: &RouteDecision, dev: &dyn Fn(&IfId) -> &'a str) -> String {
    match decision {
        RouteDecision::Local => "route: for this host".to_owned(),
        RouteDecision::Out { iface, via: Some(via), route } => {
            format!("route {} via {via} dev {}", prefix(&route.dst), dev(iface))
        }
        RouteDecision::Out { iface, via: None, route } => {
            format!("route {} dev {}", prefix(&route.dst), dev(iface))
        }
        RouteDecision::Refused { kind } => format!("route: {kind}"),
    }
}

fn prefix(net: &ipnet::IpNet) -> String {
    match net.prefix_len() {
        0 => "default".to_owned(),
        n if n == net.max_prefix_len() => net.addr().to_string(),
        _ => net.to_string(),
    }
}

/// A verdict in one line.
#[must_use]
pub fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Delivered { local, .. } => format!("delivered to the socket on {local}"),
        Verdict::Consumed { what } => format!("taken: {what}"),
        Verdict::Rejected { rule, reason, with } => {
            let why = match (rule, reason) {
                (Some(rule), _) => format!("by rule {}", rule_text(rule)),
                (None, Some(reason)) => reason.to_string(),
                (None, None) => "by the stack".to_owned(),
            };
            let told = match with {
                RejectWith::Icmp(error) => format!("ICMP {}", error.name()),
                RejectWith::TcpReset => "a TCP reset".to_owned(),
            };
            format!("rejected: {why}; the sender is told with {told}")
        }
        Verdict::Dropped { reason } => format!("dropped: {reason}"),
        Verdict::Sent { .. } => "sent to where nobody listens".to_owned(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&verdict_text(self))
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netfilter(rule) => write!(f, "by rule {}", rule_text(rule)),
            Self::NoRoute { dst } => write!(f, "no route to {dst}"),
            Self::RouteRefused { kind, dst } => write!(f, "{kind} route to {dst}"),
            Self::ForwardingDisabled { v6: false } => f.write_str("net.ipv4.ip_forward is 0"),
            Self::ForwardingDisabled { v6: true } => f.write_str("net.ipv6.conf.all.forwarding is 0"),
            Self::TtlExceeded => f.write_str("TTL reached zero"),
            Self::PacketTooBig { mtu } => write!(f, "longer than the MTU of {mtu} and not to be fragmented"),
            Self::FrameTooLong { mtu } => write!(f, "longer than the receiver's MTU of {mtu}"),
            Self::RpFilter => f.write_str("the reverse path filter: the way back leads elsewhere"),
            Self::MartianSource => f.write_str("martian source"),
            Self::MartianDestination => f.write_str("martian destination"),
            Self::OtherHost => f.write_str("addressed to another host"),
            Self::NeighFailed { next_hop } => {
                let what = if next_hop.is_ipv4() { "ARP" } else { "neighbour discovery" };
                write!(f, "{next_hop} did not answer {what}")
            }
            Self::NeighQueueFull => f.write_str("too many packets waited for ARP"),
            Self::LinkDown { .. } => f.write_str("the link is down"),
            Self::Ipv6Off { .. } => f.write_str("the interface has no IPv6"),
            Self::TunnelLoop => f.write_str("the tunnel's own packets would go into the tunnel again"),
            Self::NoTunnel => write!(f, "the port is a tunnel's, which has no use for it"),
            Self::NoFdbEntry { mac } => write!(f, "the tunnel has no forwarding entry for {mac}"),
            Self::BridgeNoPort => f.write_str("the bridge has no port to send it to"),
            Self::NoSocket => f.write_str("nobody listens there"),
            Self::SocketRefused => f.write_str("the socket does not want it"),
            Self::SocketQueueFull => f.write_str("the socket's queue is full"),
            Self::ConntrackInsertFailed => f.write_str("conntrack: insert failed"),
            Self::ConntrackFull => f.write_str("nf_conntrack: table full"),
            Self::NatRedirect => f.write_str("an ICMP redirect about a translated flow"),
            Self::NatExhausted => f.write_str("NAT found no free port"),
            Self::NatNoAddress => f.write_str("NAT found no address on the interface"),
            Self::MasqueradeMoved => {
                f.write_str("masqueraded flow left by another interface; its entry is deleted")
            }
            Self::IpvsNoServer { virtual_server } => {
                write!(f, "virtual server {virtual_server} has no real server that takes it")
            }
            Self::IpvsServerGone => f.write_str("the connection's real server is gone"),
            Self::IpvsOldFlow => f.write_str("IPVS ended an old connection from the same port"),
            Self::BadChecksum => f.write_str("bad checksum"),
            Self::ReassemblyTimeout => f.write_str("a fragment never came"),
            Self::UnknownProtocol { protocol } => write!(f, "nobody handles protocol {protocol}"),
            Self::Fault { name } => write!(f, "fault {name}"),
            Self::Gone => f.write_str("the interface is gone"),
        }
    }
}
