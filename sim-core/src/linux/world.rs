//! The world: namespaces, the wires between them, and virtual time.
//!
//! Frames on a veth pair arrive in the same instant, in the order in which they were sent; frames on a wire with a delay, and
//! timers, wait in the event queue. Nothing recurses: each arrival is handled to its end before the next.
//!
//! Recording is a type parameter of everything below; the methods here choose between [`Trace`] and [`NoTrace`] once per call.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use petgraph::stable_graph::{NodeIndex, StableUnGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use super::link::IfKind;
use super::socket::{QueuedError, Received, SockError, SockOptions, TcpRead};
use super::stack::{Cx, Effects, Path, lost};
use super::{Errno, NetError, Netns, Skb, SkbCt};
use crate::chance::{Chance, Dice, Purpose};
use crate::packet::{MacAddr, Payload};
use crate::time::{EventQueue, SimTime};
use crate::trace::{DropReason, IfId, Names, NoTrace, NsId, Recorder, SockId, Step, Trace};

/// Namespaces and the wires between them.
#[derive(Clone, Debug)]
pub struct World {
    now: SimTime,
    dice: Dice,
    namespaces: Vec<Slot>,
    graph: StableUnGraph<NsId, Wire>,
    queue: EventQueue<Event>,
    /// Frames that have arrived and wait for their namespace.
    backlog: VecDeque<(NsId, IfId, Box<Skb>)>,
    ready: VecDeque<(NsId, SockId)>,
    last_packet: u32,
    /// Namespaces that were handed out to be configured since the links were last looked at.
    touched: Vec<NsId>,
    trace: Option<Trace>,
    /// Empty between two calls; kept for its memory.
    fx: Effects,
}

#[derive(Clone, Debug)]
struct Slot {
    ns: Netns,
    node: NodeIndex,
    alive: bool,
    /// The earliest timer event in the queue.
    armed: SimTime,
}

/// An edge of the graph: a veth pair or a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// One end.
    pub a: (NsId, IfId),
    /// The other end.
    pub b: (NsId, IfId),
}

#[derive(Clone, Debug)]
enum Event {
    Arrive(NsId, IfId, Box<Skb>),
    Timer(NsId),
}

/// Runs one expression with the recorder that is on.
macro_rules! recorded {
    ($world:ident, $rec:ident => $body:expr) => {
        match $world.trace.take() {
            Some(mut trace) => {
                let $rec = &mut trace;
                let result = $body;
                $world.trace = Some(trace);
                result
            }
            None => {
                let $rec = &mut NoTrace;
                $body
            }
        }
    };
}

impl World {
    /// An empty world; everything random in it follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_dice(Dice::seeded(seed))
    }

    /// An empty world with its own source of chance.
    #[must_use]
    pub fn with_dice(dice: Dice) -> Self {
        Self {
            now: SimTime::ZERO,
            dice,
            namespaces: Vec::new(),
            graph: StableUnGraph::default(),
            queue: EventQueue::default(),
            backlog: VecDeque::new(),
            ready: VecDeque::new(),
            last_packet: 0,
            touched: Vec::new(),
            trace: None,
            fx: Effects::default(),
        }
    }

    /// Now.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// The source of chance.
    pub const fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    // ---- building

    /// A new namespace with nothing but `lo`.
    pub fn add_netns(&mut self, name: &str) -> NsId {
        let id = NsId(self.namespaces.len() as u32);
        let salt = u64::from(self.dice.bits(Purpose::TunnelPort, u64::from(id.0)));
        let node = self.graph.add_node(id);
        let ns = Netns::new(id, name, salt);
        self.namespaces.push(Slot { ns, node, alive: true, armed: SimTime::MAX });
        id
    }

    /// Deletes a namespace: its interfaces and the other ends of its wires are gone. Its name stays readable for traces.
    pub fn remove_netns(&mut self, id: NsId) {
        let Some(slot) = self.namespaces.get(id.0 as usize).filter(|s| s.alive) else { return };
        let ids: Vec<IfId> = slot.ns.ifaces().map(|i| i.id).collect();
        for iface in ids {
            self.remove_link(id, iface);
        }
        let slot = &mut self.namespaces[id.0 as usize];
        slot.alive = false;
        let (name, salt) = (slot.ns.name.clone(), slot.ns.hash_salt);
        slot.ns = Netns::new(id, &name, salt);
        let node = slot.node;
        self.graph.remove_node(node);
        self.ready.retain(|(ns, _)| *ns != id);
    }

    /// Whether the namespace exists and has not been deleted.
    #[must_use]
    pub fn exists(&self, id: NsId) -> bool {
        self.namespaces.get(id.0 as usize).is_some_and(|s| s.alive)
    }

    /// A namespace. Ids come from this world; a deleted namespace is an empty one that keeps its name.
    #[must_use]
    pub fn ns(&self, id: NsId) -> &Netns {
        &self.namespaces[id.0 as usize].ns
    }

    /// A namespace, to be configured.
    pub fn ns_mut(&mut self, id: NsId) -> &mut Netns {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
        &mut self.namespaces[id.0 as usize].ns
    }

    /// A namespace, for what changes no link.
    fn stack(&mut self, id: NsId) -> &mut Netns {
        &mut self.namespaces[id.0 as usize].ns
    }

    /// All namespaces that exist, in order of creation.
    pub fn namespaces(&self) -> impl Iterator<Item = &Netns> {
        self.namespaces.iter().filter(|s| s.alive).map(|s| &s.ns)
    }

    /// `ip link add A type veth peer name B netns …`: frames cross without delay.
    ///
    /// # Errors
    /// A name is bad or taken.
    pub fn add_veth(&mut self, a: (NsId, &str), b: (NsId, &str)) -> Result<(IfId, IfId), NetError> {
        self.connect(a, b, || IfKind::Veth, Duration::ZERO)
    }

    /// A cable between two network cards: frames take `delay`.
    ///
    /// # Errors
    /// A name is bad or taken.
    pub fn add_wire(
        &mut self,
        a: (NsId, &str),
        b: (NsId, &str),
        delay: Duration,
    ) -> Result<(IfId, IfId), NetError> {
        self.connect(a, b, || IfKind::Wire, delay)
    }

    fn connect(
        &mut self,
        (na, name_a): (NsId, &str),
        (nb, name_b): (NsId, &str),
        kind: impl Fn() -> IfKind,
        delay: Duration,
    ) -> Result<(IfId, IfId), NetError> {
        self.ns(na).check_name(name_a)?;
        self.ns(nb).check_name(name_b)?;
        if na == nb && name_a == name_b {
            return Err(NetError::Exists);
        }
        let mac = |ns: NsId, name: &str| default_mac(ns, name);
        let a = (na, self.ns_mut(na).add_iface(name_a, kind(), mac(na, name_a), 1500));
        let b = (nb, self.ns_mut(nb).add_iface(name_b, kind(), mac(nb, name_b), 1500));
        for (end, peer) in [(a, b), (b, a)] {
            let iface = self.ns_mut(end.0).iface_mut(end.1);
            iface.peer = Some(peer);
            iface.delay = delay;
            iface.carrier = false;
        }
        self.graph.add_edge(
            self.namespaces[na.0 as usize].node,
            self.namespaces[nb.0 as usize].node,
            Wire { a, b },
        );
        Ok((a.1, b.1))
    }

    /// `ip link del DEV`; the other end of a veth pair goes with it.
    ///
    /// # Errors
    /// There is no such device.
    pub fn link_del(&mut self, ns: NsId, dev: &str) -> Result<(), NetError> {
        let id = self.ns(ns).by_name(dev)?.id;
        self.remove_link(ns, id);
        Ok(())
    }

    fn remove_link(&mut self, ns: NsId, id: IfId) {
        let peer = self.ns(ns).iface(id).and_then(|i| i.peer);
        self.ns_mut(ns).remove_iface(id);
        if let Some((pns, pif)) = peer {
            self.ns_mut(pns).remove_iface(pif);
            let gone = |w: &Wire| w.a == (ns, id) || w.b == (ns, id);
            self.graph.retain_edges(|g, e| !gone(&g[e]));
        }
    }

    /// The namespaces and what connects them.
    #[must_use]
    pub const fn topology(&self) -> &StableUnGraph<NsId, Wire> {
        &self.graph
    }

    /// The topology in Graphviz' language: a node per namespace, an edge per wire with the names of its ends.
    #[must_use]
    pub fn to_dot(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::from("graph {\n");
        for ns in self.namespaces() {
            let _ = writeln!(out, "  n{} [label=\"{}\"];", ns.id.0, ns.name);
        }
        for edge in self.graph.edge_references() {
            let Wire { a, b } = *edge.weight();
            let name = |(ns, id): (NsId, IfId)| self.ns(ns).iface(id).map_or("?", |i| &*i.name);
            let _ = writeln!(
                out,
                "  n{} -- n{} [taillabel=\"{}\", headlabel=\"{}\"];",
                a.0.0,
                b.0.0,
                name(a),
                name(b)
            );
            debug_assert!(edge.source() != edge.target() || a.0 == b.0);
        }
        out.push_str("}\n");
        out
    }

    /// Tells the other ends of interfaces that went up or down.
    fn sync_links(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let ns = &mut self.namespaces[id.0 as usize].ns;
            for (iface, up) in std::mem::take(&mut ns.link_events) {
                if let Some((peer_ns, peer)) = self.ns(id).iface(iface).and_then(|i| i.peer) {
                    self.namespaces[peer_ns.0 as usize].ns.set_carrier(peer, up);
                }
            }
        }
    }

    // ---- recording

    /// Records every step from now on.
    pub fn start_recording(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// Whether steps are recorded.
    #[must_use]
    pub const fn is_recording(&self) -> bool {
        self.trace.is_some()
    }

    /// Stops recording and gives what was recorded.
    pub fn take_trace(&mut self) -> Trace {
        self.trace.take().unwrap_or_default()
    }

    /// What has been recorded so far.
    #[must_use]
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    // ---- time

    /// Runs until a socket becomes ready or `until` is reached; says whether a socket is ready. Time stands at the instant of the
    /// event, or at `until`.
    pub fn run(&mut self, until: SimTime) -> bool {
        recorded!(self, rec => self.run_with(until, rec))
    }

    fn run_with<R: Recorder>(&mut self, until: SimTime, rec: &mut R) -> bool {
        self.sync_links();
        loop {
            self.drain(rec);
            if !self.ready.is_empty() {
                return true;
            }
            let Some((at, event)) = self.queue.pop_due(until) else {
                self.now = self.now.max(until);
                return false;
            };
            self.now = self.now.max(at);
            let timer = matches!(event, Event::Timer(_));
            self.happen(event, rec);
            // All timers of an instant run before a frame that one of them sent is looked at, as the timer interrupt comes before
            // the network's.
            let more = |e: &Event| timer && matches!(e, Event::Timer(_));
            while let Some((_, event)) = self.queue.pop_due_if(at, more) {
                self.happen(event, rec);
            }
        }
    }

    fn happen<R: Recorder>(&mut self, event: Event, rec: &mut R) {
        match event {
            Event::Arrive(ns, iface, skb) => self.arrive(ns, iface, skb, rec),
            Event::Timer(ns) => {
                self.namespaces[ns.0 as usize].armed = SimTime::MAX;
                if self.exists(ns) {
                    self.enter(ns, rec, |stack, cx| stack.on_timer(cx));
                }
            }
        }
    }

    /// When the next event is due, if anything is.
    #[must_use]
    pub fn next_event(&self) -> Option<SimTime> {
        if self.backlog.is_empty() && self.ready.is_empty() { self.queue.next_at() } else { Some(self.now) }
    }

    /// Takes the next socket that an application should look at.
    pub fn pop_ready(&mut self) -> Option<(NsId, SockId)> {
        self.ready.pop_front()
    }

    fn drain<R: Recorder>(&mut self, rec: &mut R) {
        while let Some((ns, iface, skb)) = self.backlog.pop_front() {
            self.enter(ns, rec, |stack, cx| stack.receive(iface, skb, cx));
        }
    }

    /// Lets a namespace do something, then carries out what it wants done.
    fn enter<R: Recorder, T>(
        &mut self,
        id: NsId,
        rec: &mut R,
        act: impl FnOnce(&mut Netns, &mut Cx<'_, R>) -> T,
    ) -> T {
        let mut fx = std::mem::take(&mut self.fx);
        let slot = &mut self.namespaces[id.0 as usize];
        let mut cx =
            Cx { now: self.now, dice: &mut self.dice, rec, fx: &mut fx, last_packet: &mut self.last_packet };
        let result = act(&mut slot.ns, &mut cx);
        while let Some(sock) = slot.ns.sockets.pop_ready() {
            self.ready.push_back((id, sock));
        }
        if let Some(at) = slot.ns.next_timer()
            && at < slot.armed
        {
            slot.armed = at;
            self.queue.push(at, Event::Timer(id));
        }
        for (dev, skb) in fx.tx.drain(..) {
            self.carry(id, dev, skb, rec);
        }
        self.fx = fx;
        result
    }

    /// Takes a frame from an interface to where it leads.
    fn carry<R: Recorder>(&mut self, from: NsId, dev: IfId, mut skb: Box<Skb>, rec: &mut R) {
        let Some(iface) = self.namespaces[from.0 as usize].ns.iface(dev) else {
            return lost(rec, self.now, from, &mut skb, DropReason::Gone);
        };
        if iface.is_loopback() {
            // The loopback device keeps connection tracking's note and the mark, as the kernel does.
            skb.iif = Some(dev);
            return self.arrive(from, dev, skb, rec);
        }
        let (Some((ns, peer)), delay) = (iface.peer, iface.delay) else {
            return lost(rec, self.now, from, &mut skb, DropReason::Gone);
        };
        // What a host notes on a packet does not leave it (`skb_scrub_packet`).
        skb.mark = 0;
        skb.ct = SkbCt::None;
        skb.frag_max = None;
        skb.bridge_nf = None;
        skb.iif = Some(peer);
        if delay.is_zero() {
            self.arrive(ns, peer, skb, rec);
        } else {
            self.queue.push(self.now + delay, Event::Arrive(ns, peer, skb));
        }
    }

    fn arrive<R: Recorder>(&mut self, ns: NsId, dev: IfId, mut skb: Box<Skb>, rec: &mut R) {
        let Some(iface) = self.namespaces[ns.0 as usize].ns.iface(dev).filter(|i| i.up) else {
            return lost(rec, self.now, ns, &mut skb, DropReason::LinkDown { iface: dev });
        };
        // Room for a VLAN tag is always granted (`is_skb_forwardable`).
        if !iface.is_loopback() && skb.frame.len() > iface.mtu as usize + 18 {
            return lost(rec, self.now, ns, &mut skb, DropReason::FrameTooLong { mtu: iface.mtu });
        }
        if R::ON {
            let skb = &mut *skb;
            rec.record(self.now, ns, &mut skb.tag, &skb.frame, || Step::Rx { iface: dev });
        }
        self.backlog.push_back((ns, dev, skb));
    }

    /// Lets a namespace do something and everything that follows from it in the same instant.
    fn act<T>(&mut self, id: NsId, act: impl Act<T>) -> T {
        self.sync_links();
        recorded!(self, rec => {
            let result = self.enter(id, rec, |ns, cx| act.run(ns, cx));
            self.drain(rec);
            result
        })
    }

    // ---- sockets

    /// `socket(AF_INET, SOCK_DGRAM)` and `bind`; port 0 takes an ephemeral one.
    ///
    /// # Errors
    /// `EADDRINUSE`, or `EADDRNOTAVAIL` if the address is not local.
    pub fn udp_bind(&mut self, ns: NsId, local: SocketAddr) -> Result<SockId, Errno> {
        self.check_local(ns, local.ip())?;
        let sockets = &mut self.namespaces[ns.0 as usize].ns.sockets;
        sockets.udp_bind(local, &mut self.dice, u64::from(ns.0))
    }

    /// `connect` on a UDP socket: the source address is settled by the route.
    ///
    /// # Errors
    /// No route, or no such socket.
    pub fn udp_connect(&mut self, ns: NsId, sock: SockId, remote: SocketAddr) -> Result<(), Errno> {
        let remote = SocketAddr::new(meant(remote.ip()), remote.port());
        let src = self.source_for(ns, sock, remote.ip())?;
        self.stack(ns).sockets.udp_connect(sock, src, remote)
    }

    /// `sendto` on a UDP socket.
    ///
    /// # Errors
    /// What Linux answers: `ENETUNREACH`, `EPERM`, `EMSGSIZE`, a pending error, …
    pub fn udp_send(
        &mut self,
        ns: NsId,
        sock: SockId,
        dst: SocketAddr,
        payload: Payload,
    ) -> Result<(), Errno> {
        self.act(ns, UdpSend { sock, dst, payload })
    }

    /// `socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)` as ping uses it, with an identifier or a random one.
    ///
    /// # Errors
    /// No identifier is free.
    pub fn icmp_open(&mut self, ns: NsId, id: Option<u16>) -> Result<SockId, Errno> {
        let sockets = &mut self.namespaces[ns.0 as usize].ns.sockets;
        sockets.icmp_open(id, &mut self.dice, u64::from(ns.0))
    }

    /// Binds an echo socket to a source address.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` if the address is not local.
    pub fn icmp_bind(&mut self, ns: NsId, sock: SockId, source: IpAddr) -> Result<(), Errno> {
        self.check_local(ns, source)?;
        self.ns_mut(ns).sockets.icmp_bind(sock, source)
    }

    /// Sends an echo request.
    ///
    /// # Errors
    /// What Linux answers.
    pub fn icmp_echo(
        &mut self,
        ns: NsId,
        sock: SockId,
        dst: IpAddr,
        seq: u16,
        payload: Payload,
    ) -> Result<(), Errno> {
        self.act(ns, Echo { sock, dst, seq, payload })
    }

    /// Takes the next datagram or ICMP message of a socket.
    ///
    /// # Errors
    /// The socket's pending error.
    pub fn recv(&mut self, ns: NsId, sock: SockId) -> Result<Option<Received>, Errno> {
        self.stack(ns).sockets.recv(sock)
    }

    /// Opens a listening TCP socket.
    ///
    /// # Errors
    /// `EADDRINUSE`, or `EADDRNOTAVAIL` if the address is not local.
    pub fn tcp_listen(&mut self, ns: NsId, local: SocketAddr, backlog: usize) -> Result<SockId, Errno> {
        self.check_local(ns, local.ip())?;
        let sockets = &mut self.namespaces[ns.0 as usize].ns.sockets;
        sockets.tcp_listen(local, backlog, &mut self.dice, u64::from(ns.0))
    }

    /// Starts a TCP connection; `from` binds it to a local address or port.
    ///
    /// # Errors
    /// What `connect` answers at once: `ENETUNREACH` and the like. Later failures are found with [`World::take_error`].
    pub fn tcp_connect(
        &mut self,
        ns: NsId,
        from: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<SockId, Errno> {
        self.act(ns, Connect { from, remote })
    }

    /// Takes the next connection from a listener's queue.
    pub fn tcp_accept(&mut self, ns: NsId, listener: SockId) -> Option<SockId> {
        self.stack(ns).sockets.tcp_accept(listener)
    }

    /// Queues bytes for sending.
    ///
    /// # Errors
    /// `EPIPE`, `ENOTCONN`, a pending error.
    pub fn tcp_send(&mut self, ns: NsId, sock: SockId, bytes: &[u8]) -> Result<usize, Errno> {
        self.act(ns, TcpSend { sock, bytes })
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// A pending error.
    pub fn tcp_recv(&mut self, ns: NsId, sock: SockId) -> Result<TcpRead, Errno> {
        self.act(ns, TcpRecv { sock })
    }

    /// `shutdown(SHUT_WR)`: sends what is queued, then FIN.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn tcp_shutdown(&mut self, ns: NsId, sock: SockId) -> Result<(), Errno> {
        self.act(ns, Shutdown { sock })
    }

    /// Closes any socket.
    pub fn close(&mut self, ns: NsId, sock: SockId) {
        self.act(ns, Close { sock });
    }

    /// Reads and clears a socket's pending error.
    pub fn take_error(&mut self, ns: NsId, sock: SockId) -> Option<SockError> {
        self.stack(ns).sockets.take_error(sock)
    }

    /// Takes the next entry of a socket's error queue.
    pub fn pop_queued_error(&mut self, ns: NsId, sock: SockId) -> Option<QueuedError> {
        self.stack(ns).sockets.pop_queued_error(sock)
    }

    /// Sets a socket's options.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn set_options(&mut self, ns: NsId, sock: SockId, options: SockOptions) -> Result<(), Errno> {
        self.stack(ns).sockets.set_options(sock, options)
    }

    fn check_local(&self, ns: NsId, addr: IpAddr) -> Result<(), Errno> {
        let ok = addr.is_unspecified() || addr.is_multicast() || self.ns(ns).is_local(addr);
        if ok { Ok(()) } else { Err(Errno::EADDRNOTAVAIL) }
    }

    fn source_for(&self, ns: NsId, sock: SockId, dst: IpAddr) -> Result<IpAddr, Errno> {
        let ns = self.ns(ns);
        let bound = ns.sockets.local_addr(sock).ok_or(Errno::EBADF)?.ip();
        let path = sendable(ns, dst)?;
        Ok(if bound.is_unspecified() { ns.source_of(&path) } else { bound })
    }
}

impl Names for World {
    fn ns(&self, ns: NsId) -> &str {
        self.namespaces.get(ns.0 as usize).map_or("?", |s| &s.ns.name)
    }

    fn iface(&self, ns: NsId, iface: IfId) -> &str {
        let stack = self.namespaces.get(ns.0 as usize).map(|s| &s.ns);
        stack.and_then(|n| n.iface(iface)).map_or("(gone)", |i| &i.name)
    }
}

/// Something a namespace is asked to do, whoever records.
trait Act<T> {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> T;
}

struct UdpSend {
    sock: SockId,
    dst: SocketAddr,
    payload: Payload,
}

impl Act<Result<(), Errno>> for UdpSend {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let dst = SocketAddr::new(meant(self.dst.ip()), self.dst.port());
        let path = sendable(ns, dst.ip())?;
        let mtu = ns.path_mtu(&path, dst.ip(), cx.now);
        let src = ns.source_of(&path);
        let packet = ns.sockets.udp_datagram(self.sock, src, dst, mtu, self.payload)?;
        send_packet(ns, cx, path, packet, self.sock, dst)
    }
}

struct Echo {
    sock: SockId,
    dst: IpAddr,
    seq: u16,
    payload: Payload,
}

impl Act<Result<(), Errno>> for Echo {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let dst = meant(self.dst);
        let path = sendable(ns, dst)?;
        let mtu = ns.path_mtu(&path, dst, cx.now);
        let src = ns.source_of(&path);
        let packet = ns.sockets.icmp_echo(self.sock, src, dst, mtu, self.seq, self.payload)?;
        send_packet(ns, cx, path, packet, self.sock, SocketAddr::new(dst, 0))
    }
}

/// The unspecified address means this host (`ip_route_output_key`).
const fn meant(dst: IpAddr) -> IpAddr {
    match dst {
        IpAddr::V4(a) if a.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(a) if a.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// The path of a packet from a socket; a broadcast address needs `SO_BROADCAST`, which no socket here has.
fn sendable(ns: &Netns, dst: IpAddr) -> Result<Path, Errno> {
    let path = ns.path_to(dst).map_err(|no| no.errno)?;
    if path.broadcast { Err(Errno::EACCES) } else { Ok(path) }
}

fn send_packet<R: Recorder>(
    ns: &mut Netns,
    cx: &mut Cx<'_, R>,
    path: Path,
    packet: crate::packet::IpPacket,
    sock: SockId,
    dst: SocketAddr,
) -> Result<(), Errno> {
    let sent = ns.send_local_on(path, packet, Some(sock), cx);
    sent.inspect_err(|errno| {
        let mtu = ns.path_mtu(&path, dst.ip(), cx.now);
        ns.sockets.local_error(sock, *errno, dst, Some(mtu), cx.now);
    })
}

struct Connect {
    from: Option<SocketAddr>,
    remote: SocketAddr,
}

impl Act<Result<SockId, Errno>> for Connect {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<SockId, Errno> {
        let remote = SocketAddr::new(meant(self.remote.ip()), self.remote.port());
        let path = ns.path_to(remote.ip()).map_err(|no| no.errno)?;
        let local = match self.from {
            Some(a) if !a.ip().is_unspecified() => a,
            Some(a) => SocketAddr::new(ns.source_of(&path), a.port()),
            None => SocketAddr::new(ns.source_of(&path), 0),
        };
        let mtu = ns.path_mtu(&path, remote.ip(), cx.now);
        let place = u64::from(ns.id.0);
        let sock = ns.sockets.tcp_connect(local, remote, mtu, cx.now, cx.dice, place)?;
        ns.flush_sockets(cx);
        Ok(sock)
    }
}

struct TcpSend<'a> {
    sock: SockId,
    bytes: &'a [u8],
}

impl Act<Result<usize, Errno>> for TcpSend<'_> {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<usize, Errno> {
        let sent = ns.sockets.tcp_send(self.sock, self.bytes, cx.now);
        ns.flush_sockets(cx);
        sent
    }
}

struct TcpRecv {
    sock: SockId,
}

impl Act<Result<TcpRead, Errno>> for TcpRecv {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<TcpRead, Errno> {
        let read = ns.sockets.tcp_recv(self.sock);
        ns.flush_sockets(cx);
        read
    }
}

struct Shutdown {
    sock: SockId,
}

impl Act<Result<(), Errno>> for Shutdown {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let done = ns.sockets.tcp_shutdown(self.sock, cx.now);
        ns.flush_sockets(cx);
        done
    }
}

struct Close {
    sock: SockId,
}

impl Act<()> for Close {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) {
        ns.sockets.close(self.sock, cx.now);
        ns.flush_sockets(cx);
    }
}

/// A locally administered address made of the namespace and a hash of the name, until somebody sets another.
fn default_mac(ns: NsId, name: &str) -> MacAddr {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let [a, b] = (ns.0 as u16).to_be_bytes();
    let [c, d, e, _] = hash.to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}
