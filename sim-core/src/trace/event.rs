//! The steps of a packet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use super::{Hook, IfId, NsId, PacketId, RuleRef, SnapshotId, SockId, Verdict};
use crate::packet::MacAddr;
use crate::time::SimTime;

/// One step of one packet, as a trace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// When.
    pub at: SimTime,
    /// In which namespace.
    pub ns: NsId,
    /// Which packet; the copies that a flood makes share the number.
    pub packet: PacketId,
    /// What the packet looked like after the step.
    pub snapshot: SnapshotId,
    /// What happened.
    pub step: &'a Step,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Step {
    /// A socket or the stack itself made the packet.
    Made {
        /// The socket, if one did.
        socket: Option<SockId>,
    },
    /// A frame went out of an interface (what a capture there shows as `Out`).
    Tx {
        /// The interface.
        iface: IfId,
    },
    /// A frame came in at an interface (what a capture there shows as `In`).
    Rx {
        /// The interface.
        iface: IfId,
    },
    /// The packet entered a netfilter hook.
    Hook {
        /// Which.
        hook: Hook,
        /// Whether it is here because a bridge called iptables (bridge-nf).
        bridged: bool,
    },
    /// A rule matched.
    Rule {
        /// The rule, or the chain policy (number 0).
        rule: RuleRef,
        /// What it did.
        action: RuleAction,
    },
    /// A rule was tried and did not match; shown on request only.
    Skipped {
        /// The rule.
        rule: RuleRef,
        /// The first of its questions that the packet failed, as `iptables-save` prints it: `-p tcp`, `-m tcp --dport 80`.
        because: Arc<str>,
    },
    /// Connection tracking looked at it.
    Conntrack(CtSummary),
    /// Addresses or ports were rewritten; the previous snapshot shows the packet before.
    Nat {
        /// Which side.
        kind: NatKind,
    },
    /// IPVS: a packet to a virtual server goes to a real one, or the answer goes back.
    Ipvs {
        /// Address and port that the client uses.
        virtual_server: SocketAddr,
        /// The real server.
        real: SocketAddr,
        /// It is an answer.
        reply: bool,
    },
    /// The routing decision.
    Route(RouteDecision),
    /// The next hop's hardware address was known.
    Neighbour {
        /// The next hop.
        next_hop: IpAddr,
        /// Its address.
        mac: MacAddr,
    },
    /// The packet waits for ARP.
    NeighbourWait {
        /// The next hop.
        next_hop: IpAddr,
        /// Who asks.
        iface: IfId,
    },
    /// A bridge decided.
    Bridge {
        /// The bridge.
        bridge: IfId,
        /// What.
        decision: BridgeDecision,
    },
    /// A tunnel wrapped it.
    Encap {
        /// The tunnel device.
        iface: IfId,
        /// Outer destination.
        remote: IpAddr,
    },
    /// A tunnel unwrapped it.
    Decap {
        /// The tunnel device.
        iface: IfId,
    },
    /// The packet ended.
    End(Verdict),
}

/// What a matching rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum RuleAction {
    /// ACCEPT.
    Accept,
    /// DROP.
    Drop,
    /// RETURN, or the end of a user chain.
    Return,
    /// Jump to a chain.
    Jump,
    /// Goto a chain.
    Goto,
    /// REJECT.
    Reject,
    /// A change without an end: MARK, no target, LOG.
    Continue,
    /// DNAT, REDIRECT.
    Dnat,
    /// SNAT, MASQUERADE.
    Snat,
}

/// Source or destination translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum NatKind {
    /// The source was rewritten.
    Source,
    /// The destination was rewritten.
    Destination,
}

/// What connection tracking found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CtSummary {
    /// `NEW`, `ESTABLISHED`, `RELATED`, `INVALID` or `UNTRACKED`.
    pub state: &'static str,
    /// Whether the packet runs against the direction of the first one.
    pub reply: bool,
}

/// What a routing lookup said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum RouteDecision {
    /// For this host.
    Local,
    /// Out of an interface.
    Out {
        /// The interface.
        iface: IfId,
        /// The gateway, if the destination is not on the link.
        via: Option<IpAddr>,
        /// The route.
        route: RouteSummary,
    },
    /// No route, or a route that refuses.
    Refused {
        /// `none`, `blackhole`, `unreachable` or `prohibit`.
        kind: &'static str,
    },
}

/// The route that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RouteSummary {
    /// Its destination.
    pub dst: IpNet,
    /// Its preferred source address.
    pub src: Option<IpAddr>,
}

/// What a bridge did with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum BridgeDecision {
    /// Sent to the one port that leads to the destination.
    Forward {
        /// The port.
        port: IfId,
    },
    /// Sent to all ports, because the destination is a group or unknown.
    Flood,
    /// Handed up to the host.
    Local,
}
