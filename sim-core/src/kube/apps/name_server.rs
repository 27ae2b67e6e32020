//! `CoreDNS` as a process: moves the bytes that [`crate::kube::dns::server`] thinks about, and reads its Corefile.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::runtime::{framed, take_message};
use crate::chance::{Chance, Purpose};
use crate::kube::config::Listen;
use crate::kube::dns::corefile::{self, Surroundings};
use crate::kube::dns::server::{Action, Client, Server, Transport, release_of};
use crate::kube::node::files::Files;
use crate::kube::node::machine::Machine;
use crate::kube::objects::Protocol;
use crate::kube::store::Store;
use crate::kube::version::Version;
use crate::linux::socket::{SockError, TcpRead};
use crate::linux::{Errno, World};
use crate::packet::Payload;
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

/// A process.
#[derive(Clone, Debug)]
pub struct NameServer {
    server: Server,
    path: String,
    bound: Vec<IpAddr>,
    place: u64,
    /// The digest of the configuration, or of the one that was refused last, and when it is compared again.
    digest: String,
    look_at: Option<SimTime>,
    /// Sockets towards upstream servers, by exchange.
    upstream: BTreeMap<u64, Upstream>,
    /// UDP sockets that an answer came on: the next exchange with that server uses them.
    idle: Vec<(SocketAddr, SockId, SimTime)>,
    exit: Option<i32>,
}

/// A socket towards an upstream server.
#[derive(Clone, Debug)]
struct Upstream {
    sock: SockId,
    to: SocketAddr,
    tcp: bool,
    /// The query, until the connection stands.
    unsent: Vec<u8>,
    received: Vec<u8>,
    answered: bool,
}

/// What a name server needs to start: everything that one machine is.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The Corefile's path.
    pub path: &'a str,
    /// Files and environment.
    pub machine: &'a Machine,
    /// Its addresses.
    pub bound: Vec<IpAddr>,
    /// The cluster's version: says which release of `CoreDNS` it is.
    pub kubernetes: Version,
    /// Separates its random draws from those of others.
    pub place: u64,
}

/// How long an idle socket is kept.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// Most datagrams taken from a socket at a time.
const BATCH: usize = 1024;

/// Files and environment of a machine.
struct Disk<'a>(&'a Machine);

impl Surroundings for Disk<'_> {
    fn env(&self, name: &str) -> Option<String> {
        self.0.variable(name).cloned()
    }

    fn read(&self, path: &str) -> Option<String> {
        self.0.files.read_text(&Files::resolve("/", path)).ok()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let names = self.0.files.list(&Files::resolve("/", folder)).unwrap_or_default();
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}

impl NameServer {
    /// A process that has read its Corefile, and what it prints.
    ///
    /// # Errors
    /// What it prints before it ends with status 1.
    pub fn start(start: Start<'_>, world: &mut World) -> Result<(Self, Vec<String>), Vec<String>> {
        let Start { path, machine, bound, kubernetes, place } = start;
        let around = Disk(machine);
        let release = release_of(kubernetes);
        let mut log = Vec::new();
        if release.version >= Version::new(1, 12, 0) {
            log.push("maxprocs: Leaving GOMAXPROCS=2: CPU quota undefined".to_owned());
        }
        let Some(text) = around.read(path) else {
            log.push(format!("loading Caddyfile via flag: open {path}: no such file or directory"));
            return Err(log);
        };
        let server = match Server::new((path, &text), &bound, &around, place) {
            Ok(server) => server,
            Err(error) => {
                log.push(error);
                return Err(log);
            }
        };
        if server.is_multicluster() {
            log.push(
                "plugin/kubernetes: multicluster (objects of kind ServiceImport) is not modelled".to_owned(),
            );
            return Err(log);
        }
        log.extend(server.banner());
        let mut process = Self {
            server,
            path: path.to_owned(),
            bound,
            place,
            digest: digest_of(path, &text, &around).unwrap_or_default(),
            look_at: None,
            upstream: BTreeMap::new(),
            idle: Vec::new(),
            exit: None,
        };
        log.extend(process.watch(world));
        let (go, commit) = release.built;
        log.push(format!("CoreDNS-{}", release.version));
        log.push(format!("linux/amd64, {go}, {commit}"));
        Ok((process, log))
    }

    /// Starts to look for changes of the Corefile, if it says so.
    fn watch(&mut self, world: &mut World) -> Option<String> {
        let (interval, jitter) = self.server.reload()?;
        let spread = u32::try_from(jitter.as_millis()).unwrap_or(u32::MAX);
        let drawn = world.dice().below(Purpose::Controller, self.place, spread.max(1));
        let interval = interval + Duration::from_millis(u64::from(drawn)) - jitter / 2;
        self.look_at = Some(world.now() + interval);
        Some(format!("[INFO] plugin/reload: Running configuration SHA512 = {}", self.digest))
    }

    /// Where it listens.
    #[must_use]
    pub fn listens(&self) -> Vec<(Option<IpAddr>, Listen)> {
        let both =
            |(host, port)| [Protocol::Udp, Protocol::Tcp].map(|protocol| (host, Listen { port, protocol }));
        self.server.listens().into_iter().flat_map(both).collect()
    }

    /// What it says of itself.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// What it has printed.
    pub(super) fn take_log(&mut self) -> Vec<String> {
        self.server.take_log()
    }

    /// Its status, once it has ended by itself.
    pub(super) const fn exit(&self) -> Option<i32> {
        self.exit
    }

    /// Its sockets towards upstream servers.
    pub(super) fn sockets(&self) -> impl Iterator<Item = SockId> + '_ {
        self.upstream.values().map(|u| u.sock).chain(self.idle.iter().map(|(_, sock, _)| *sock))
    }

    /// Its sockets are open.
    pub(super) fn begin(&mut self, world: &mut World, ns: NsId, opened: &mut Vec<SockId>) {
        let now = world.now();
        let actions = self.server.start(now, world.dice());
        self.act(world, ns, actions, opened);
    }

    pub(super) fn store_changed(&mut self, store: &Store, now: SimTime) {
        self.server.sync(store, now);
    }

    pub(super) fn next_timer(&self) -> Option<SimTime> {
        [self.server.next_timer(), self.look_at].into_iter().flatten().min()
    }

    /// A message from a client.
    pub(super) fn on_query(
        &mut self,
        world: &mut World,
        ns: NsId,
        client: Client,
        query: &[u8],
        opened: &mut Vec<SockId>,
    ) {
        let now = world.now();
        let actions = self.server.answer(query, client, now, world.dice());
        self.act(world, ns, actions, opened);
    }

    fn act(&mut self, world: &mut World, ns: NsId, actions: Vec<Action>, opened: &mut Vec<SockId>) {
        let mut left = std::collections::VecDeque::from(actions);
        while let Some(action) = left.pop_front() {
            match action {
                Action::Exit(status) => self.exit = Some(status),
                Action::Done(exchange) => self.done(world, ns, exchange),
                Action::Reply(client, reply) => {
                    let sock = client.socket;
                    // The client may be gone by now; nobody is there to hear of it.
                    let _ = match client.transport {
                        Transport::Tcp => world.tcp_send(ns, sock, &framed(&reply)).map(|_| ()),
                        Transport::Udp => world.udp_send(ns, sock, client.addr, Payload::from(reply)),
                    };
                }
                Action::Send { exchange, to, transport, bytes } => {
                    let sent = match transport {
                        Transport::Udp => self.send(world, ns, (exchange, to), &bytes, opened),
                        Transport::Tcp => self.connect(world, ns, (exchange, to), &bytes, opened),
                    };
                    if let Err((op, errno)) = sent {
                        left.extend(self.failure(world, exchange, op, errno));
                    }
                }
            }
        }
    }

    fn failure(&mut self, world: &mut World, exchange: u64, op: &str, errno: Errno) -> Vec<Action> {
        let now = world.now();
        self.server.on_failure(exchange, op, go_errno(errno), now, world.dice())
    }

    fn send(
        &mut self,
        world: &mut World,
        ns: NsId,
        (exchange, to): (u64, SocketAddr),
        bytes: &[u8],
        opened: &mut Vec<SockId>,
    ) -> Result<(), (&'static str, Errno)> {
        let now = world.now();
        let (old, kept) =
            std::mem::take(&mut self.idle).into_iter().partition(|(_, _, since)| *since + IDLE_MAX < now);
        self.idle = kept;
        let old: Vec<(SocketAddr, SockId, SimTime)> = old;
        old.into_iter().for_each(|(_, sock, _)| world.close(ns, sock));
        let sock = match self.idle.iter().rposition(|(server, _, _)| *server == to) {
            Some(at) => self.idle.remove(at).1,
            None => {
                let any = if to.is_ipv4() {
                    IpAddr::V4(Ipv4Addr::UNSPECIFIED)
                } else {
                    IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                };
                let sock = world.udp_bind(ns, SocketAddr::new(any, 0)).map_err(|e| ("dial", e))?;
                if let Err(errno) = world.udp_connect(ns, sock, to) {
                    world.close(ns, sock);
                    return Err(("dial", errno));
                }
                opened.push(sock);
                sock
            }
        };
        if let Some(local) = world.bare(ns).sockets.local_addr(sock) {
            self.server.sent(exchange, local);
        }
        let upstream =
            Upstream { sock, to, tcp: false, unsent: Vec::new(), received: Vec::new(), answered: false };
        self.upstream.insert(exchange, upstream);
        world.udp_send(ns, sock, to, Payload::from(bytes)).map_err(|e| ("write", e))
    }

    fn connect(
        &mut self,
        world: &mut World,
        ns: NsId,
        (exchange, to): (u64, SocketAddr),
        bytes: &[u8],
        opened: &mut Vec<SockId>,
    ) -> Result<(), (&'static str, Errno)> {
        let sock = world.tcp_connect(ns, None, to).map_err(|e| ("dial", e))?;
        opened.push(sock);
        let upstream =
            Upstream { sock, to, tcp: true, unsent: framed(bytes), received: Vec::new(), answered: false };
        self.upstream.insert(exchange, upstream);
        Ok(())
    }

    /// An exchange is over: a UDP socket that was answered on is kept for the next.
    fn done(&mut self, world: &mut World, ns: NsId, exchange: u64) {
        let Some(upstream) = self.upstream.remove(&exchange) else { return };
        if upstream.answered && !upstream.tcp {
            self.idle.push((upstream.to, upstream.sock, world.now()));
        } else {
            world.close(ns, upstream.sock);
        }
    }

    /// Something came from an upstream server.
    pub(super) fn on_upstream(
        &mut self,
        world: &mut World,
        ns: NsId,
        sock: SockId,
        opened: &mut Vec<SockId>,
    ) {
        let found = self.upstream.iter().find(|(_, u)| u.sock == sock);
        let Some((&exchange, upstream)) = found else {
            // Late answers on an idle socket are read and forgotten.
            for _ in 0..BATCH {
                if matches!(world.recv(ns, sock), Ok(None)) {
                    break;
                }
            }
            return;
        };
        let (messages, error) = if upstream.tcp {
            self.read_stream(world, ns, exchange)
        } else {
            read_datagrams(world, ns, sock)
        };
        let now = world.now();
        for message in messages {
            if let Some(upstream) = self.upstream.get_mut(&exchange) {
                upstream.answered = true;
            }
            let actions = self.server.on_upstream(exchange, &message, now, world.dice());
            if actions.is_empty()
                && let Some(upstream) = self.upstream.get_mut(&exchange)
            {
                upstream.answered = false;
            }
            self.act(world, ns, actions, opened);
        }
        if let Some(errno) = error.filter(|_| self.upstream.contains_key(&exchange)) {
            let actions = self.failure(world, exchange, "read", errno);
            self.act(world, ns, actions, opened);
        }
    }

    fn read_stream(&mut self, world: &mut World, ns: NsId, exchange: u64) -> (Vec<Vec<u8>>, Option<Errno>) {
        let Some(stream) = self.upstream.get_mut(&exchange) else { return (Vec::new(), None) };
        let sock = stream.sock;
        if let Some(SockError { errno, .. }) = world.take_error(ns, sock) {
            return (Vec::new(), Some(errno));
        }
        if let Ok(n) = world.tcp_send(ns, sock, &stream.unsent) {
            stream.unsent.drain(..n);
            if let Some(local) = world.bare(ns).sockets.local_addr(sock) {
                self.server.sent(exchange, local);
            }
        }
        let ended = loop {
            match world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(bytes)) => stream.received.extend(bytes),
                Ok(TcpRead::WouldBlock) => break None,
                Ok(TcpRead::Eof) => break Some(Errno::ECONNRESET),
                Err(errno) => break Some(errno),
            }
        };
        (take_message(&mut stream.received).into_iter().collect(), ended)
    }

    /// Upstream servers that were silent too long, and a Corefile that may have changed. Whether it listens elsewhere from now on.
    pub(super) fn on_timer(
        &mut self,
        world: &mut World,
        ns: NsId,
        machine: Option<&Machine>,
        opened: &mut Vec<SockId>,
    ) -> Reloaded {
        let now = world.now();
        let actions = self.server.on_timer(now, world.dice());
        self.act(world, ns, actions, opened);
        match machine {
            Some(machine) if self.look_at.is_some_and(|at| at <= now) => self.look(world, machine),
            _ => Reloaded { log: Vec::new(), moved: false },
        }
    }

    /// Compares the Corefile with the configuration that runs, as the plugin reload does.
    fn look(&mut self, world: &mut World, machine: &Machine) -> Reloaded {
        let around = Disk(machine);
        let interval = self.server.reload().map_or(Duration::from_secs(30), |(interval, _)| interval);
        self.look_at = Some(world.now() + interval);
        let same = |log| Reloaded { log, moved: false };
        let Some(text) = around.read(&self.path) else { return same(Vec::new()) };
        let digest = match digest_of(&self.path, &text, &around) {
            Ok(digest) if digest == self.digest => return same(Vec::new()),
            Ok(digest) => digest,
            Err(e) => return same(vec![format!("[WARNING] plugin/reload: Corefile parse failed: {e}")]),
        };
        // The same wrong file is not tried again.
        self.digest = digest;
        let mut log = vec!["[INFO] Reloading".to_owned()];
        match Server::new((&self.path, &text), &self.bound, &around, self.place) {
            Err(e) => {
                log.push(format!("[ERROR] Restart failed: {e}"));
                log.push(format!(
                    "[ERROR] plugin/reload: Corefile changed but reload failed: starting with listener file descriptors: {e}"
                ));
                same(log)
            }
            Ok(server) => {
                let moved = server.listens() != self.server.listens() || server.http() != self.server.http();
                self.server = server;
                self.look_at = None;
                log.extend(self.watch(world));
                log.push("[INFO] Reloading complete".to_owned());
                Reloaded { log, moved }
            }
        }
    }
}

/// What a look at the Corefile has led to.
pub(super) struct Reloaded {
    pub(super) log: Vec<String>,
    /// Whether it listens elsewhere from now on.
    pub(super) moved: bool,
}

fn digest_of(path: &str, text: &str, around: &Disk<'_>) -> Result<String, String> {
    corefile::parse(path, text, around, true).map(|blocks| corefile::digest(&blocks))
}

fn read_datagrams(world: &mut World, ns: NsId, sock: SockId) -> (Vec<Vec<u8>>, Option<Errno>) {
    let mut messages = Vec::new();
    for _ in 0..BATCH {
        match world.recv(ns, sock) {
            Ok(Some(got)) => messages.push(got.bytes().to_vec()),
            Ok(None) => break,
            Err(errno) => return (messages, Some(errno)),
        }
    }
    (messages, None)
}

/// An error as Go words it.
const fn go_errno(errno: Errno) -> &'static str {
    match errno {
        Errno::ECONNREFUSED => "connection refused",
        Errno::ECONNRESET => "connection reset by peer",
        Errno::EHOSTUNREACH => "no route to host",
        Errno::ENETUNREACH => "network is unreachable",
        Errno::EPERM => "operation not permitted",
        Errno::ETIMEDOUT => "connection timed out",
        _ => "input/output error",
    }
}
