//! The simulator's side.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::chance::Dice;
use sim_core::linux::World;
use sim_core::linux::link::IfKind;
use sim_core::linux::socket::{ErrorOrigin, PmtuDiscovery, QueuedError, ReceivedBody, SockOptions, TcpRead};
use sim_core::packet::{Icmp, IcmpError, Payload};
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId, Step, Trace};

use crate::side::{Datagram, Echo, Errno, Options, Progress, Side, Sock};

/// A world, and the sockets of the test in it.
pub(crate) struct Sim {
    world: World,
    start: SimTime,
    socks: Vec<(NsId, SockId)>,
    /// What there was to see, once the probe is over.
    pub(crate) seen: Seen,
}

/// Frames by interface and direction, and tuples by namespace, both as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) frames: BTreeMap<String, Vec<String>>,
    pub(crate) conntrack: BTreeMap<String, Vec<String>>,
}

impl Sim {
    /// A side over a world; everything random follows from `seed`.
    pub(crate) fn new(mut world: World, seed: u64) -> Self {
        *world.dice() = Dice::seeded(seed);
        let start = world.now();
        Self { world, start, socks: Vec::new(), seen: Seen::default() }
    }

    /// The same once more, with other draws.
    pub(crate) fn fork(&self, seed: u64) -> Self {
        let mut world = self.world.clone();
        *world.dice() = Dice::seeded(seed);
        Self { world, start: self.start, socks: self.socks.clone(), seen: Seen::default() }
    }

    /// The probe begins.
    pub(crate) fn begin(&mut self) {
        self.start = self.world.now();
        self.world.start_recording();
    }

    fn keep(&mut self, ns: NsId, sock: SockId) -> Sock {
        self.socks.push((ns, sock));
        self.socks.len() - 1
    }

    fn options(&self, ns: NsId, v6: bool, with: Options) -> SockOptions {
        let pmtu = match with.pmtu {
            0 => PmtuDiscovery::Dont,
            1 => PmtuDiscovery::Want,
            2 => PmtuDiscovery::Do,
            _ => PmtuDiscovery::Probe,
        };
        let default = if v6 { HOP_LIMIT } else { self.world.ns(ns).sysctls().default_ttl };
        let ttl = with.ttl.unwrap_or(default);
        SockOptions { ttl, pmtu, recverr: with.recverr, ..SockOptions::default() }
    }
}

fn name(errno: sim_core::linux::Errno) -> Errno {
    format!("{errno:?}")
}

/// `net.ipv6.conf.*.hop_limit`.
const HOP_LIMIT: u8 = 64;

/// An ICMP error in words.
fn icmp_text(error: IcmpError, v6: bool) -> String {
    let (ty, code) = if v6 { error.type_code_v6() } else { error.type_code() };
    let mtu = if let IcmpError::FragmentationNeeded { mtu } = error {
        format!(" mtu {mtu}")
    } else {
        String::new()
    };
    format!("icmp {ty}/{code}{mtu}")
}

fn queued(e: QueuedError) -> String {
    let mut text = name(e.errno);
    match e.origin {
        ErrorOrigin::Local => text += " local",
        ErrorOrigin::Icmp { error, from } => {
            let (ty, code) = if from.is_ipv6() { error.type_code_v6() } else { error.type_code() };
            text += &format!(" icmp {ty}/{code} from {from}");
        }
    }
    if let Some(mtu) = e.mtu {
        text += &format!(" mtu {mtu}");
    }
    text
}

impl Side for Sim {
    fn udp(&mut self, at: NsId, local: SocketAddr, with: Options) -> Result<Sock, Errno> {
        let sock = self.world.udp_bind(at, local).map_err(name)?;
        self.world.set_options(at, sock, self.options(at, local.is_ipv6(), with)).map_err(name)?;
        Ok(self.keep(at, sock))
    }

    fn udp_connect(&mut self, sock: Sock, to: SocketAddr) -> Result<(), Errno> {
        let (ns, id) = self.socks[sock];
        self.world.udp_connect(ns, id, to).map_err(name)
    }

    fn udp_send(&mut self, sock: Sock, to: SocketAddr, _connected: bool, bytes: &[u8]) -> Result<(), Errno> {
        let (ns, id) = self.socks[sock];
        self.world.udp_send(ns, id, to, Payload::from(bytes.to_vec())).map_err(name)
    }

    fn udp_recv(&mut self, sock: Sock) -> Result<Option<Datagram>, Errno> {
        let (ns, id) = self.socks[sock];
        let got = self.world.recv(ns, id).map_err(name)?;
        Ok(got.map(|r| Datagram { from: r.from, to: r.to, ttl: r.ttl, bytes: r.bytes().to_vec() }))
    }

    fn errors(&mut self, sock: Sock) -> Vec<String> {
        let (ns, id) = self.socks[sock];
        std::iter::from_fn(|| self.world.pop_queued_error(ns, id)).map(queued).collect()
    }

    fn echo(&mut self, at: NsId, v6: bool, id: u16, with: Options) -> Result<Sock, Errno> {
        let sock = self.world.icmp_open(at, Some(id)).map_err(name)?;
        self.world.set_options(at, sock, self.options(at, v6, with)).map_err(name)?;
        Ok(self.keep(at, sock))
    }

    fn echo_send(&mut self, sock: Sock, to: IpAddr, seq: u16, size: usize) -> Result<(), Errno> {
        let (ns, id) = self.socks[sock];
        self.world.icmp_echo(ns, id, to, seq, Payload::from(vec![b'p'; size])).map_err(name)
    }

    fn echo_recv(&mut self, sock: Sock) -> Result<Option<Echo>, Errno> {
        let (ns, id) = self.socks[sock];
        while let Some(r) = self.world.recv(ns, id).map_err(name)? {
            let (from, ttl) = (r.from.ip(), r.ttl);
            match &r.body {
                ReceivedBody::Icmp(Icmp::EchoReply { seq, payload, .. }) => {
                    return Ok(Some(Echo::Reply { from, ttl, seq: *seq, len: payload.len() }));
                }
                ReceivedBody::Icmp(Icmp::Error { error, .. }) => {
                    return Ok(Some(Echo::Error { from, text: icmp_text(*error, from.is_ipv6()) }));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn listen(&mut self, at: NsId, local: SocketAddr) -> Result<Sock, Errno> {
        let sock = self.world.tcp_listen(at, local, 64).map_err(name)?;
        Ok(self.keep(at, sock))
    }

    fn accept(&mut self, sock: Sock) -> Option<(Sock, SocketAddr, SocketAddr)> {
        let (ns, id) = self.socks[sock];
        let conn = self.world.tcp_accept(ns, id)?;
        let sockets = &self.world.ns(ns).sockets;
        let (peer, own) = (sockets.peer_addr(conn)?, sockets.local_addr(conn)?);
        Some((self.keep(ns, conn), peer, own))
    }

    fn connect(&mut self, at: NsId, local: SocketAddr, to: SocketAddr) -> Result<Sock, Errno> {
        let sock = self.world.tcp_connect(at, Some(local), to).map_err(name)?;
        Ok(self.keep(at, sock))
    }

    fn progress(&mut self, sock: Sock) -> Progress {
        let (ns, id) = self.socks[sock];
        if let Some(e) = self.world.take_error(ns, id) {
            return Progress::Failed(name(e.errno));
        }
        match self.world.tcp_recv(ns, id) {
            Ok(TcpRead::Data(d)) => Progress::Data(d),
            Ok(TcpRead::Eof) => Progress::Closed,
            Ok(TcpRead::WouldBlock) | Err(_) => Progress::Pending,
        }
    }

    fn write(&mut self, sock: Sock, bytes: &[u8]) {
        let (ns, id) = self.socks[sock];
        let _ = self.world.tcp_send(ns, id, bytes);
    }

    fn local(&mut self, sock: Sock) -> String {
        let (ns, id) = self.socks[sock];
        self.world.ns(ns).sockets.local_addr(id).map_or_else(String::new, |a| a.to_string())
    }

    fn close(&mut self, sock: Sock) {
        let (ns, id) = self.socks[sock];
        self.world.close(ns, id);
    }

    fn finish(&mut self) {
        let trace = self.world.take_trace();
        self.seen = Seen { frames: frames(&self.world, &trace), conntrack: conntrack(&self.world) };
    }

    fn elapsed(&self) -> Duration {
        self.world.now().since(self.start)
    }

    fn wait(&mut self, until: Duration) {
        self.world.run(self.start + until);
        while self.world.pop_ready().is_some() {}
    }
}

/// Every frame at every interface; on `lo`, where each is seen twice, as it comes in.
fn frames(world: &World, trace: &Trace) -> BTreeMap<String, Vec<String>> {
    let mut frames: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in trace.events() {
        let (iface, direction) = match event.step {
            Step::Tx { iface } => (*iface, "out"),
            Step::Rx { iface } => (*iface, "in"),
            _ => continue,
        };
        let ns = world.ns(event.ns);
        let Some(dev) = ns.iface(iface) else { continue };
        if matches!(dev.kind, IfKind::Loopback) && direction == "out" {
            continue;
        }
        let place = format!("{}|{} {direction}", ns.name, dev.name);
        frames.entry(place).or_default().push(trace.frame(&event).to_string());
    }
    frames
}

fn conntrack(world: &World) -> BTreeMap<String, Vec<String>> {
    let of = |ns: &sim_core::linux::Netns| {
        let live = ns.conntrack.iter().filter(|(_, c)| !c.is_expired(world.now()));
        live.map(|(_, c)| c.tuples()).collect::<Vec<_>>()
    };
    world.namespaces().map(|ns| (ns.name.to_string(), of(ns))).filter(|(_, l)| !l.is_empty()).collect()
}
