//! `CoreDNS` as a process: moves the bytes that [`crate::kube::dns::server`] thinks about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::runtime::{framed, take_message};
use crate::kube::dns::server::{Answer, Client, Options, Server, Transport};
use crate::kube::store::Store;
use crate::linux::World;
use crate::linux::socket::TcpRead;
use crate::packet::Payload;
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

/// A process.
#[derive(Clone, Debug)]
pub struct NameServer {
    server: Server,
    /// Its socket towards upstream servers, opened with the first query that needs one.
    upstream: Option<SockId>,
    /// Connections to upstream servers.
    streams: Vec<Stream>,
}

/// A connection to an upstream server.
#[derive(Clone, Debug)]
struct Stream {
    sock: SockId,
    /// The query, until the connection stands.
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// Whose query: the socket it came in by, the client's address, and the connection if it came over TCP.
type From = (SockId, SocketAddr, Option<SockId>);

impl NameServer {
    /// A process with this configuration; `place` separates its random draws from those of others.
    #[must_use]
    pub fn new(options: Options, place: u64) -> Self {
        Self { server: Server::new(options, place), upstream: None, streams: Vec::new() }
    }

    /// Its sockets towards upstream servers.
    pub(super) fn sockets(&self) -> impl Iterator<Item = SockId> + '_ {
        self.upstream.into_iter().chain(self.streams.iter().map(|s| s.sock))
    }

    pub(super) fn store_changed(&mut self, store: &Store, now: SimTime) {
        self.server.sync(store, now);
    }

    pub(super) fn next_timer(&self) -> Option<SimTime> {
        self.server.next_timer()
    }

    /// A message from a client: the reply, if there is one at once.
    pub(super) fn on_query(
        &mut self,
        world: &mut World,
        ns: NsId,
        store: &Store,
        (sock, addr, stream): From,
        query: &[u8],
        opened: &mut Vec<SockId>,
    ) -> Option<Vec<u8>> {
        let transport = if stream.is_some() { Transport::Tcp } else { Transport::Udp };
        let client = Client { addr, transport, socket: stream.unwrap_or(sock) };
        let now = world.now();
        match self.server.answer(store, query, client, now, world.dice()) {
            Answer::Reply(reply) => Some(reply),
            Answer::Ignore => None,
            Answer::Forward { query, to, transport } => {
                self.forward(world, ns, &query, to, transport, opened);
                None
            }
        }
    }

    fn forward(
        &mut self,
        world: &mut World,
        ns: NsId,
        query: &[u8],
        to: SocketAddr,
        transport: Transport,
        opened: &mut Vec<SockId>,
    ) {
        // What cannot be sent is silence to the server, which has a timer for that.
        if transport == Transport::Tcp {
            if let Ok(sock) = world.tcp_connect(ns, None, to) {
                self.streams.push(Stream { sock, unsent: framed(query), received: Vec::new() });
                opened.push(sock);
            }
            return;
        }
        let sock = match self.upstream {
            Some(sock) => sock,
            None => {
                let any = match to {
                    SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                let Ok(sock) = world.udp_bind(ns, SocketAddr::new(any, 0)) else { return };
                opened.push(sock);
                *self.upstream.insert(sock)
            }
        };
        let _ = world.udp_send(ns, sock, to, Payload::from(query));
    }

    /// Something came from an upstream server.
    pub(super) fn on_upstream(
        &mut self,
        world: &mut World,
        ns: NsId,
        sock: SockId,
        opened: &mut Vec<SockId>,
    ) {
        let mut messages = Vec::new();
        if self.upstream == Some(sock) {
            for _ in 0..1024 {
                match world.recv(ns, sock) {
                    Ok(Some(got)) => messages.push(got.bytes().to_vec()),
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        } else if let Some(at) = self.streams.iter().position(|s| s.sock == sock) {
            let stream = &mut self.streams[at];
            if let Ok(n) = world.tcp_send(ns, sock, &stream.unsent) {
                stream.unsent.drain(..n);
            }
            let ended = loop {
                match world.tcp_recv(ns, sock) {
                    Ok(TcpRead::Data(bytes)) => stream.received.extend(bytes),
                    Ok(TcpRead::WouldBlock) => break false,
                    Ok(TcpRead::Eof) | Err(_) => break true,
                }
            };
            messages.extend(take_message(&mut stream.received));
            if ended || !messages.is_empty() {
                self.streams.remove(at);
                world.close(ns, sock);
            }
        }
        let now = world.now();
        for message in messages {
            if let Some(done) = self.server.on_upstream(&message, now, world.dice()) {
                self.finish(world, ns, done, opened);
            }
        }
    }

    /// Upstream servers that were silent too long.
    pub(super) fn on_timer(&mut self, world: &mut World, ns: NsId, opened: &mut Vec<SockId>) {
        let now = world.now();
        for done in self.server.on_timer(now, world.dice()) {
            self.finish(world, ns, done, opened);
        }
    }

    fn finish(
        &mut self,
        world: &mut World,
        ns: NsId,
        (client, answer): (Client, Answer),
        opened: &mut Vec<SockId>,
    ) {
        let tcp = client.transport == Transport::Tcp;
        match answer {
            Answer::Ignore => {}
            Answer::Forward { query, to, transport } => {
                self.forward(world, ns, &query, to, transport, opened)
            }
            Answer::Reply(reply) => {
                let sock = client.socket;
                // The client may be gone by now; nobody is there to hear of it.
                let _ = if tcp {
                    world.tcp_send(ns, sock, &framed(&reply)).map(|_| ())
                } else {
                    world.udp_send(ns, sock, client.addr, Payload::from(reply))
                };
            }
        }
    }
}
