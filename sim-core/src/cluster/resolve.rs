//! Names, as a program on a machine looks them up: `/etc/hosts`, then the name servers of `/etc/resolv.conf`, with real packets.

use std::net::{IpAddr, SocketAddr};

use super::{Cluster, Libc, Place};
use crate::chance::{Chance, Purpose};
use crate::kube::dns::resolver::{
    self, Action, Client, Family, Hosts, LookupError, Request, ResolvConf, Resolver, Send, Transport,
    order_addresses,
};
use crate::linux::socket::TcpRead;
use crate::linux::{Errno, World};
use crate::packet::Payload;
use crate::trace::{NsId, SockId};

impl Cluster {
    /// The addresses that a program at a place finds for a name, in the order in which it tries them. A text that is an address is its own
    /// answer. Virtual time passes while name servers are asked.
    ///
    /// # Errors
    /// As `getaddrinfo(3)`; [`LookupError::Failed`] if there is no such place.
    pub fn resolve(&mut self, from: &Place, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(ip) = name.parse() {
            return Ok(vec![ip]);
        }
        let machine = self.machine(from).ok_or(LookupError::Failed)?;
        let (ns, libc) = (machine.ns, machine.tools.libc);
        let file = |path| machine.files.read_text(path).unwrap_or_default();
        let known = Hosts::parse(&file("/etc/hosts")).addresses(name);
        if !known.is_empty() {
            return Ok(known);
        }
        let conf = ResolvConf::parse(&file("/etc/resolv.conf"));
        let libc = if libc == Libc::Musl { resolver::Libc::Musl } else { resolver::Libc::Glibc };
        let request = Request::Addresses { name: name.to_owned(), family: Family::Any };
        let seed = self.world.dice().bits(Purpose::Identifier, u64::from(ns.0));
        let mut lookup =
            Lookup { resolver: Resolver::new(libc, conf, &request, seed), ns, sockets: Vec::new() };
        self.run_lookup(&mut lookup);
        let found = lookup.resolver.result().cloned().unwrap_or(Err(LookupError::TryAgain))?;
        let mut addresses = found.addresses;
        order_addresses(&mut addresses, |ip| self.world.ns(ns).routes().lookup(ip).is_some());
        Ok(addresses)
    }

    fn run_lookup(&mut self, lookup: &mut Lookup) {
        loop {
            match lookup.advance(&mut self.world) {
                Action::Done => break,
                Action::Wait(until) => {
                    self.wait(until, |c| lookup.receive(&mut c.world));
                }
                Action::Send(_) | Action::Close(_) => {}
            }
        }
        for (_, socket) in lookup.sockets.drain(..) {
            self.world.close(lookup.ns, socket.id);
        }
    }
}

/// A look-up under way and its sockets.
struct Lookup {
    resolver: Resolver,
    ns: NsId,
    /// By the resolver's own numbers.
    sockets: Vec<(u32, Socket)>,
}

struct Socket {
    id: SockId,
    server: SocketAddr,
    /// A TCP connection: what is to be sent once it stands, and what has arrived.
    stream: Option<(Vec<u8>, Vec<u8>)>,
}

impl Lookup {
    /// Does what the resolver wants until it has to wait, or is done.
    fn advance(&mut self, world: &mut World) -> Action {
        loop {
            match self.resolver.poll(world.now()) {
                Action::Send(send) => self.send(world, &send),
                Action::Close(number) => {
                    if let Some(at) = self.sockets.iter().position(|(n, _)| *n == number) {
                        let (_, socket) = self.sockets.remove(at);
                        world.close(self.ns, socket.id);
                    }
                }
                action => return action,
            }
        }
    }

    fn send(&mut self, world: &mut World, send: &Send) {
        let result = match self.socket(world, send) {
            Ok(id) if send.transport == Transport::Udp => {
                world.udp_send(self.ns, id, send.server, Payload::from(&send.query[..]))
            }
            Ok(_) => Ok(()),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = result {
            self.resolver.on_error(send.socket, errno, true, world.now());
        }
    }

    /// The socket of a number, opened at its first use.
    fn socket(&mut self, world: &mut World, send: &Send) -> Result<SockId, Errno> {
        if let Some((_, socket)) = self.sockets.iter().find(|(n, _)| *n == send.socket) {
            return Ok(socket.id);
        }
        let (id, stream) = match send.transport {
            Transport::Udp => {
                let any = if send.server.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
                let id = world.udp_bind(self.ns, SocketAddr::new(any, 0))?;
                if send.connected {
                    world.udp_connect(self.ns, id, send.server)?;
                }
                (id, None)
            }
            Transport::Tcp => {
                let length = u16::try_from(send.query.len()).unwrap_or(u16::MAX).to_be_bytes();
                let message = [&length[..], &send.query].concat();
                (world.tcp_connect(self.ns, None, send.server)?, Some((message, Vec::new())))
            }
        };
        self.sockets.push((send.socket, Socket { id, server: send.server, stream }));
        Ok(id)
    }

    /// Hands what has arrived to the resolver; whether anything had.
    fn receive(&mut self, world: &mut World) -> bool {
        let (ns, now) = (self.ns, world.now());
        let mut any = false;
        for (number, socket) in &mut self.sockets {
            match &mut socket.stream {
                None => match world.recv(ns, socket.id) {
                    Ok(Some(got)) => {
                        any = true;
                        self.resolver.on_reply(*number, got.from, got.bytes(), now);
                    }
                    Ok(None) => {}
                    Err(errno) => {
                        any = true;
                        self.resolver.on_error(*number, errno, false, now);
                    }
                },
                Some((unsent, received)) => {
                    if let Ok(n) = world.tcp_send(ns, socket.id, unsent) {
                        unsent.drain(..n);
                    }
                    match world.tcp_recv(ns, socket.id) {
                        Ok(TcpRead::Data(bytes)) => received.extend(bytes),
                        Ok(TcpRead::WouldBlock) => {}
                        Ok(TcpRead::Eof) => {
                            any = true;
                            self.resolver.on_error(*number, Errno::ECONNRESET, false, now);
                        }
                        Err(errno) => {
                            any = true;
                            self.resolver.on_error(*number, errno, false, now);
                        }
                    }
                    let length = received.first_chunk::<2>().map(|l| usize::from(u16::from_be_bytes(*l)));
                    if let Some(message) = length.and_then(|l| received.get(2..2 + l)) {
                        any = true;
                        self.resolver.on_reply(*number, socket.server, message, now);
                        received.clear();
                    }
                }
            }
        }
        any
    }
}
