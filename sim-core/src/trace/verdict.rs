//! How a packet ends.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{IfId, RuleRef, SockId};
use crate::packet::{IcmpError, MacAddr};

/// The end of one packet: who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Verdict {
    /// A socket took it.
    Delivered {
        /// The socket.
        socket: SockId,
        /// Its local address.
        local: SocketAddr,
    },
    /// The stack itself took it: an echo request it answered, an ARP message, an ICMP error for a socket that is gone.
    Consumed {
        /// What it was taken for, for example "echo request answered".
        what: &'static str,
    },
    /// Refused, and the sender is told.
    Rejected {
        /// The rule that refused it; none if the stack itself did (no socket, no route, …).
        rule: Option<RuleRef>,
        /// Why the stack refused it, when no rule did.
        reason: Option<DropReason>,
        /// What the sender is told.
        with: RejectWith,
    },
    /// Thrown away in silence.
    Dropped {
        /// Why.
        reason: DropReason,
    },
    /// Left the model: a frame sent on an interface that leads nowhere.
    Sent {
        /// The interface.
        iface: IfId,
    },
}

/// What the sender of a refused packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum RejectWith {
    /// An ICMP error.
    Icmp(IcmpError),
    /// A TCP reset.
    TcpReset,
}

/// Why a packet was dropped. Names follow the kernel's drop reasons (`include/net/dropreason-core.h`) where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum DropReason {
    /// A netfilter rule or chain policy (number 0) dropped it.
    Netfilter(RuleRef),
    /// No route to the destination.
    NoRoute {
        /// The destination.
        dst: IpAddr,
    },
    /// A blackhole, unreachable or prohibit route matched.
    RouteRefused {
        /// `blackhole`, `unreachable` or `prohibit`.
        kind: &'static str,
        /// The destination.
        dst: IpAddr,
    },
    /// `ip_forward` is 0.
    ForwardingDisabled {
        /// IPv6, where one switch decides for all interfaces.
        v6: bool,
    },
    /// TTL reached zero.
    TtlExceeded,
    /// Longer than the MTU and not to be fragmented.
    PacketTooBig {
        /// The MTU in bytes.
        mtu: u32,
    },
    /// The receiving interface's MTU is smaller than the frame.
    FrameTooLong {
        /// The MTU in bytes.
        mtu: u32,
    },
    /// Reverse path filter.
    RpFilter,
    /// An address that must not come in on this interface.
    MartianSource,
    /// A destination that must not come in on this interface (loopback without `route_localnet`).
    MartianDestination,
    /// The frame was addressed to another host.
    OtherHost,
    /// No neighbour answered ARP.
    NeighFailed {
        /// The next hop that did not answer.
        next_hop: IpAddr,
    },
    /// The queue of packets waiting for a neighbour was full.
    NeighQueueFull,
    /// The interface is down.
    LinkDown {
        /// The interface.
        iface: IfId,
    },
    /// IPv6 is switched off on the interface, or its MTU is too small for it.
    Ipv6Off {
        /// The interface.
        iface: IfId,
    },
    /// A tunnel's packet would go into the tunnel again (`ELOOP`, "dead loop on virtual device").
    TunnelLoop,
    /// A datagram for the port of a tunnel is none of its packets, or one of another network (VNI).
    NoTunnel,
    /// The tunnel has no forwarding entry for the destination.
    NoFdbEntry {
        /// The destination.
        mac: MacAddr,
    },
    /// A bridge port without hairpin mode would have been the way back, or no port was left to send to.
    BridgeNoPort,
    /// Nobody listens on the port.
    NoSocket,
    /// A packet the socket does not want (TCP state, connected to somebody else).
    SocketRefused,
    /// The socket's receive queue is full.
    SocketQueueFull,
    /// Connection tracking could not insert the flow.
    ConntrackInsertFailed,
    /// The connection tracking table is full.
    ConntrackFull,
    /// NAT found no free tuple.
    NatExhausted,
    /// MASQUERADE found no address on the interface that the packet leaves by.
    NatNoAddress,
    /// The packet leaves by another interface than the one whose address its flow was given.
    MasqueradeMoved,
    /// An ICMP redirect about a translated flow: following it would go round the translation.
    NatRedirect,
    /// IPVS: no real server takes connections.
    IpvsNoServer {
        /// The virtual server.
        virtual_server: SocketAddr,
    },
    /// IPVS: the connection's real server is gone.
    IpvsServerGone,
    /// IPVS: a new connection from the port of an old one, whose flow connection tracking still has.
    IpvsOldFlow,
    /// The checksum is wrong.
    BadChecksum,
    /// A fragment of a packet that was never completed.
    ReassemblyTimeout,
    /// The protocol is not modelled or nobody handles it.
    UnknownProtocol {
        /// IANA protocol number.
        protocol: u8,
    },
    /// An injected fault lost it.
    Fault {
        /// The fault's name.
        name: String,
    },
    /// The namespace or interface does not exist any more.
    Gone,
}
