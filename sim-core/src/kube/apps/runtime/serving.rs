//! What a process does when one of its sockets is ready.

use std::net::{IpAddr, SocketAddr};

use super::{ANY, App, Connection, Service, View};
use crate::kube::apps::conversation::{Reply, Then};
use crate::kube::apps::http::{self, Parsed};
use crate::kube::apps::ingress::proxy::{self, Finished, Step};
use crate::kube::apps::logs;
use crate::kube::apps::site::Visit;
use crate::kube::dns::server::{Client, Transport};
use crate::kube::objects::Timestamp;
use crate::linux::World;
use crate::linux::socket::TcpRead;
use crate::packet::Payload;
use crate::trace::{NsId, SockId};

impl App {
    pub(super) fn on_ready(
        &mut self,
        world: &mut World,
        view: View<'_>,
        sock: SockId,
        opened: &mut Vec<SockId>,
    ) {
        if self.service.holds(sock) {
            match &mut self.service {
                Service::Dns(dns) => {
                    dns.on_upstream(world, self.ns, sock, opened);
                }
                Service::Ingress(nginx) => {
                    if let Some(finished) = nginx.on_endpoint(world, self.ns, sock, opened) {
                        self.tell(world, view, finished, opened);
                    }
                }
                _ => {}
            }
        } else if self.connections.contains_key(&sock) {
            self.on_connection(world, view, sock, opened);
        } else if world.bare(self.ns).sockets.tcp_state(sock).is_some() {
            while let Some(connection) = world.tcp_accept(self.ns, sock) {
                let greeting = match &self.service {
                    Service::Talk(talk) => talk.greeting(),
                    _ => Reply::default(),
                };
                let (closing, reset) = (greeting.then == Then::Close, greeting.then == Then::Reset);
                let new = Connection { unsent: greeting.bytes, closing, reset, ..Connection::default() };
                self.connections.insert(connection, new);
                opened.push(connection);
                self.on_connection(world, view, connection, opened);
            }
        } else {
            self.on_datagrams(world, sock, opened);
        }
    }

    fn on_datagrams(&mut self, world: &mut World, sock: SockId, opened: &mut Vec<SockId>) {
        // An error that waits (an ICMP error about an earlier answer) is read like a datagram, and passed over.
        for _ in 0..1024 {
            let got = match world.recv(self.ns, sock) {
                Ok(Some(got)) => got,
                Ok(None) => break,
                Err(_) => continue,
            };
            let reply = match &mut self.service {
                Service::Plain => Some(got.bytes().to_vec()),
                Service::Upstream(upstream) => upstream.answer(got.bytes()),
                Service::Dns(dns) => {
                    let local = world.bare(self.ns).sockets.local_addr(sock).unwrap_or(got.from);
                    let client = Client { addr: got.from, local, transport: Transport::Udp, socket: sock };
                    dns.on_query(world, self.ns, client, got.bytes(), opened);
                    None
                }
                Service::Talk(talk) => talk.on_datagram(got.bytes(), got.from),
                Service::Site(_) | Service::Ingress(_) => None,
            };
            if let Some(reply) = reply {
                // Nobody is there to hear of a failure.
                let _ = world.udp_send(self.ns, sock, got.from, Payload::from(reply));
            }
        }
    }

    fn on_connection(&mut self, world: &mut World, view: View<'_>, sock: SockId, opened: &mut Vec<SockId>) {
        let mut ended = false;
        if let Some(connection) = self.connections.get_mut(&sock) {
            loop {
                match world.tcp_recv(self.ns, sock) {
                    Ok(TcpRead::Data(bytes)) => connection.received.extend(bytes),
                    Ok(TcpRead::WouldBlock) => break,
                    Ok(TcpRead::Eof) | Err(_) => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        self.serve(world, view, sock, opened);
        self.flush(world, sock, ended);
    }

    /// A client that waited for somebody else's answer gets it; what it has sent meanwhile is looked at then.
    pub(super) fn tell(
        &mut self,
        world: &mut World,
        view: View<'_>,
        finished: Finished,
        opened: &mut Vec<SockId>,
    ) {
        self.written.extend(finished.line.clone());
        let Some(connection) = self.connections.get_mut(&finished.client) else { return };
        connection.unsent.extend(finished.bytes);
        connection.closing |= finished.close;
        self.serve(world, view, finished.client, opened);
        self.flush(world, finished.client, false);
    }

    /// Sends what can be sent, and ends what is at its end.
    fn flush(&mut self, world: &mut World, sock: SockId, ended: bool) {
        let Some(connection) = self.connections.get_mut(&sock) else { return };
        if !connection.unsent.is_empty()
            && let Ok(n) = world.tcp_send(self.ns, sock, &connection.unsent)
        {
            connection.unsent.drain(..n);
        }
        if connection.reset {
            self.connections.remove(&sock);
            world.abort(self.ns, sock);
        } else if ended || (connection.closing && connection.unsent.is_empty()) {
            self.connections.remove(&sock);
            if let Service::Ingress(nginx) = &mut self.service {
                nginx.abandon(world, self.ns, sock);
            }
            world.close(self.ns, sock);
        }
    }

    /// Turns what a connection has received into what is to be sent.
    fn serve(&mut self, world: &mut World, view: View<'_>, sock: SockId, opened: &mut Vec<SockId>) {
        let peer = world.bare(self.ns).sockets.peer_addr(sock).unwrap_or(SocketAddr::new(ANY, 0));
        let Some(connection) = self.connections.get_mut(&sock) else { return };
        match &mut self.service {
            Service::Plain => connection.received.clear(),
            Service::Ingress(nginx) => {
                let port = world.bare(self.ns).sockets.local_addr(sock).map_or(0, |at| at.port());
                while !connection.closing && !connection.received.is_empty() {
                    let received = &mut connection.received;
                    let client = proxy::Client { sock, ip: peer.ip(), port, received };
                    match nginx.on_client((world, self.ns), view.store, client, opened) {
                        Step::Wait => break,
                        Step::Answer(finished) => {
                            self.written.extend(finished.line);
                            connection.unsent.extend(finished.bytes);
                            connection.closing = finished.close;
                        }
                    }
                }
            }
            Service::Talk(talk) => {
                while !connection.closing && !connection.reset && !connection.received.is_empty() {
                    let before = connection.received.len();
                    let reply = talk.on_stream(&mut connection.received, peer);
                    connection.unsent.extend(reply.bytes);
                    connection.closing = reply.then == Then::Close;
                    connection.reset = reply.then == Then::Reset;
                    if connection.received.len() == before {
                        break;
                    }
                }
            }
            Service::Site(_) => self.serve_pages(world, view, sock, peer),
            Service::Dns(dns) => {
                let local = world.bare(self.ns).sockets.local_addr(sock).unwrap_or(peer);
                let client = Client { addr: peer, local, transport: Transport::Tcp, socket: sock };
                while let Some(message) = take_message(&mut connection.received) {
                    dns.on_query(world, self.ns, client, &message, opened);
                }
            }
            Service::Upstream(upstream) => {
                while let Some(message) = take_message(&mut connection.received) {
                    connection
                        .unsent
                        .extend(upstream.answer(&message).map(|r| framed(&r)).unwrap_or_default());
                }
            }
        }
    }

    fn serve_pages(&mut self, world: &World, view: View<'_>, sock: SockId, peer: SocketAddr) {
        let Service::Site(site) = &self.service else { return };
        let Some(connection) = self.connections.get_mut(&sock) else { return };
        let Some(machine) = view.machines.get(&self.place) else { return };
        let now = Timestamp::at(world.now());
        let addresses = addresses(world, self.ns);
        while !connection.closing {
            let (request, length) = match http::parse(&connection.received) {
                Parsed::Incomplete => break,
                Parsed::Bad => {
                    let said = site.bad_request(now).map(|r| r.to_bytes(&nothing()));
                    connection.unsent.extend(said.unwrap_or_default());
                    connection.received.clear();
                    connection.closing = true;
                    break;
                }
                Parsed::Request(request, length) => (request, length),
            };
            connection.received.drain(..length);
            let visit = Visit {
                request: &request,
                client: peer.ip(),
                peer,
                hostname: &machine.hostname,
                addresses: &addresses,
                env: &machine.env,
                files: &machine.files,
                now,
                started: Timestamp::at(self.started),
            };
            let response = site.answer(visit);
            let line = logs::access_line(site, &request, &response, peer, world.now());
            self.written.extend(line);
            connection.unsent.extend(response.to_bytes(&request));
            connection.closing = response.close;
        }
    }
}

/// Stands for a request that could not be read.
fn nothing() -> http::Request {
    http::Request { method: String::new(), target: String::new(), http11: true, headers: Vec::new(), body: 0 }
}

/// The addresses of a namespace's interfaces, in their order (`net.Interfaces`).
fn addresses(world: &World, ns: NsId) -> Vec<IpAddr> {
    world.bare(ns).ifaces().filter(|i| i.up).flat_map(|i| i.addrs.iter().map(|a| a.addr())).collect()
}

/// Takes a DNS message from a TCP stream: two bytes of length, then the message (RFC 1035, 4.2.2).
pub(in crate::kube::apps) fn take_message(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*stream.first()?, *stream.get(1)?]));
    if stream.len() < 2 + length {
        return None;
    }
    Some(stream.drain(..2 + length).skip(2).collect())
}

/// Puts a DNS message into a TCP stream.
pub(in crate::kube::apps) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), message].concat()
}
