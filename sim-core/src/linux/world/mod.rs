//! The world: namespaces, the wires between them, and virtual time.
//!
//! Frames on a veth pair arrive in the same instant, in the order in which they were sent; frames on a wire with a delay, and
//! timers, wait in the event queue. Nothing recurses: each arrival is handled to its end before the next.
//!
//! Recording is a type parameter of everything below; the methods here choose between [`Trace`] and [`NoTrace`] once per call.

mod deferred;
mod sockets;
mod taps;

use std::collections::VecDeque;
use std::time::Duration;

use petgraph::stable_graph::{NodeIndex, StableUnGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

pub use deferred::Plan;

use deferred::Deferred;

use super::link::{IfConf, IfKind};
use super::stack::{Cx, Effects, lost};
use super::{NetError, Netns, Skb, SkbCt};
use crate::chance::{Chance, Dice, Purpose};
use crate::packet::MacAddr;
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
    trace: Option<Box<Trace>>,
    /// A tap has seen something since [`World::run`] last returned.
    tapped: bool,
    deferred: Deferred,
    /// No network card is at the end of a wire.
    no_cards: bool,
    /// Empty between two calls; kept for its memory.
    fx: Effects,
}

#[derive(Clone, Debug)]
struct Slot {
    /// Boxed, so that a world that grows moves no namespaces.
    ns: Box<Netns>,
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
                let $rec = &mut *trace;
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
            tapped: false,
            deferred: Deferred::default(),
            no_cards: false,
            fx: Effects::default(),
        }
    }

    /// Says that the hosts are namespaces of one kernel, as in an exported network: wires stand for veth pairs, where frames take no
    /// time and no network card fills in checksums, and there is one secret for hashes.
    pub fn without_cards(&mut self) {
        self.no_cards = true;
        for id in 0..self.namespaces.len() {
            let ns = self.ns_mut(NsId(id as u32));
            ns.hash_salt = 0;
            for iface in ns.ifaces_mut() {
                iface.delay = Duration::ZERO;
            }
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
        let ns = Box::new(Netns::new(id, name, salt));
        self.namespaces.push(Slot { ns, node, alive: true, armed: SimTime::MAX });
        id
    }

    /// `ip netns add NAME`: a new namespace in which not even `lo` is up.
    pub fn add_bare_netns(&mut self, name: &str) -> NsId {
        let id = self.add_netns(name);
        self.bare_mut(id).lo_never_up();
        id
    }

    /// A new namespace starts with the switches of IPv4 that the machine has (`devconf_inherit_init_net` 0).
    pub fn inherit_sysctls(&mut self, from: NsId, to: NsId) {
        let sys = self.bare(from).sys;
        let v4 = |conf: IfConf| IfConf { disable_ipv6: false, ..conf };
        let new = self.stack(to);
        new.sys.ip_forward = sys.ip_forward;
        (new.sys.all, new.sys.default) = (v4(sys.all), v4(sys.default));
        new.ifaces.iter_mut().flatten().for_each(|i| i.conf = v4(sys.default));
    }

    /// `ip link set DEV netns …`: the interface goes down, loses its addresses and appears in the other namespace, with its index if
    /// that is free there. Bridges and `lo` stay where they are, and so do tunnels here, whose outer packets belong to this namespace.
    ///
    /// # Errors
    /// There is no such device, it cannot leave, or its name is taken in the other namespace.
    pub fn move_link(&mut self, from: NsId, dev: &str, to: NsId) -> Result<(), NetError> {
        let iface = self.bare(from).by_name(dev)?;
        match iface.kind {
            IfKind::Veth | IfKind::Wire | IfKind::Dummy => {}
            IfKind::Bridge(_) | IfKind::Loopback => return Err(NetError::Immutable),
            IfKind::Vxlan(_) | IfKind::Ipip(_) => return Err(NetError::NotSupported),
        }
        let old = (from, iface.id);
        if from == to {
            return Ok(());
        }
        if self.bare(to).iface_id(dev).is_some() {
            return Err(NetError::NameTaken);
        }
        let Some(iface) = self.ns_mut(from).take_iface(old.1) else { return Ok(()) };
        let peer = iface.peer;
        let new = (to, self.ns_mut(to).put_iface(iface));
        if let Some(end) = peer {
            self.rewire(old, new, end);
        }
        Ok(())
    }

    /// One end of a wire is another interface from now on, and is down.
    fn rewire(&mut self, old: (NsId, IfId), new: (NsId, IfId), end: (NsId, IfId)) {
        // Both ends may have been in the namespace that was left.
        self.graph.retain_edges(|g, e| g[e].a != old && g[e].b != old);
        let node = |w: &Self, ns: NsId| w.namespaces[ns.0 as usize].node;
        let (a, b) = (node(self, end.0), node(self, new.0));
        self.graph.add_edge(a, b, Wire { a: end, b: new });
        self.ns_mut(end.0).iface_mut(end.1).peer = Some(new);
        self.ns_mut(end.0).set_carrier(end.1, false);
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
        *slot.ns = Netns::new(id, &name, salt);
        self.deferred.forget(id);
        let node = slot.node;
        self.graph.remove_node(node);
        self.ready.retain(|(ns, _)| *ns != id);
    }

    /// Whether the namespace exists and has not been deleted.
    #[must_use]
    pub fn exists(&self, id: NsId) -> bool {
        self.namespaces.get(id.0 as usize).is_some_and(|s| s.alive)
    }

    /// All namespaces that exist, in order of creation.
    pub fn namespaces(&self) -> impl Iterator<Item = &Netns> {
        self.namespaces.iter().filter(|s| s.alive).map(|s| self.ns(s.ns.id))
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
        self.bare(na).check_name(name_a)?;
        self.bare(nb).check_name(name_b)?;
        if na == nb && name_a == name_b {
            return Err(NetError::Exists);
        }
        let mac = |ns: NsId, name: &str| default_mac(ns, name);
        let a = (na, self.bare_mut(na).add_iface(name_a, kind(), mac(na, name_a), 1500));
        let b = (nb, self.bare_mut(nb).add_iface(name_b, kind(), mac(nb, name_b), 1500));
        for (end, peer) in [(a, b), (b, a)] {
            let iface = self.bare_mut(end.0).iface_mut(end.1);
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
        let id = self.bare(ns).by_name(dev)?.id;
        self.remove_link(ns, id);
        Ok(())
    }

    fn remove_link(&mut self, ns: NsId, id: IfId) {
        let peer = self.bare(ns).iface(id).and_then(|i| i.peer);
        self.bare_mut(ns).remove_iface(id);
        if let Some((pns, pif)) = peer {
            self.bare_mut(pns).remove_iface(pif);
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
            let name = |(ns, id): (NsId, IfId)| self.bare(ns).iface(id).map_or("?", |i| &*i.name);
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
            let slot = &mut self.namespaces[id.0 as usize];
            if let Some(at) = slot.ns.addr_expiry().filter(|at| *at < slot.armed) {
                slot.armed = at;
                self.queue.push(at, Event::Timer(id));
            }
            let ns = &mut slot.ns;
            for (iface, up) in std::mem::take(&mut ns.link_events) {
                if let Some((peer_ns, peer)) = self.bare(id).iface(iface).and_then(|i| i.peer) {
                    self.stack(peer_ns).set_carrier(peer, up);
                }
            }
        }
    }

    // ---- recording

    /// Records every step from now on.
    pub fn start_recording(&mut self) {
        self.trace = Some(Box::default());
    }

    /// Records every step from now on, and every rule that is tried and does not match.
    pub fn start_recording_with_skipped_rules(&mut self) {
        self.trace = Some(Box::new(Trace::with_skipped_rules()));
    }

    /// Whether steps are recorded.
    #[must_use]
    pub const fn is_recording(&self) -> bool {
        self.trace.is_some()
    }

    /// Stops recording and gives what was recorded.
    pub fn take_trace(&mut self) -> Trace {
        self.trace.take().map(|t| *t).unwrap_or_default()
    }

    /// What has been recorded so far.
    #[must_use]
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    // ---- time

    /// Runs until a socket becomes ready, a tap has seen something, or `until` is reached; says whether one of the first two happened. Time stands at the instant of the
    /// event, or at `until`.
    pub fn run(&mut self, until: SimTime) -> bool {
        recorded!(self, rec => self.run_with(until, rec))
    }

    fn run_with<R: Recorder>(&mut self, until: SimTime, rec: &mut R) -> bool {
        self.sync_links();
        loop {
            self.drain(rec);
            if std::mem::take(&mut self.tapped) || !self.ready.is_empty() {
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
            if self.deferred.holds(ns) && !self.bare(ns).overhears(iface, &skb.frame) {
                self.carry_out(ns);
            }
            self.enter_bare(ns, rec, |stack, cx| stack.receive(iface, skb, cx));
        }
    }

    /// Lets a namespace do something, then carries out what it wants done.
    fn enter<R: Recorder, T>(
        &mut self,
        id: NsId,
        rec: &mut R,
        act: impl FnOnce(&mut Netns, &mut Cx<'_, R>) -> T,
    ) -> T {
        self.carry_out(id);
        self.enter_bare(id, rec, act)
    }

    /// The same, for what does not depend on what was put off.
    fn enter_bare<R: Recorder, T>(
        &mut self,
        id: NsId,
        rec: &mut R,
        act: impl FnOnce(&mut Netns, &mut Cx<'_, R>) -> T,
    ) -> T {
        self.deferred.changes(id);
        let mut fx = std::mem::take(&mut self.fx);
        let slot = &mut self.namespaces[id.0 as usize];
        let mut cx =
            Cx { now: self.now, dice: &mut self.dice, rec, fx: &mut fx, last_packet: &mut self.last_packet };
        let result = act(&mut slot.ns, &mut cx);
        self.tapped |= slot.ns.taps.take_news();
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
        skb.ipvs = false;
        skb.frag_max = None;
        skb.cut_for = None;
        skb.ignore_df = false;
        skb.bridge_nf = None;
        skb.iif = Some(peer);
        skb.partial = skb.partial.filter(|_| delay.is_zero() || self.no_cards);
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
            self.namespaces[id.0 as usize].ns.sockets.hold(None);
            result
        })
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

/// A locally administered address made of the namespace and a hash of the name, until somebody sets another.
fn default_mac(ns: NsId, name: &str) -> MacAddr {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let [a, b] = (ns.0 as u16).to_be_bytes();
    let [c, d, e, _] = hash.to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}
