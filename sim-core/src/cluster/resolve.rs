//! Names, as a program on a machine looks them up: `/etc/hosts`, then the name servers of `/etc/resolv.conf`, with real packets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Cluster, Libc, Place};
use crate::chance::{Chance, Purpose};
use crate::kube::dns::name;
use crate::kube::dns::resolver::{
    self, Action, Client, Errors, Family, Found, Hosts, LookupError, Request, ResolvConf, Resolver, Send,
    Transport, order_addresses,
};
use crate::linux::socket::{SockOptions, TcpRead};
use crate::linux::{Errno, World};
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

impl Cluster {
    /// The addresses that a program at a place finds for a name, in the order in which it tries them. A text that is an address is its own
    /// answer. Virtual time passes while name servers are asked.
    ///
    /// # Errors
    /// As `getaddrinfo(3)`; [`LookupError::Failed`] if there is no such place.
    pub fn resolve(&mut self, from: &Place, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.lookup(from, name, Family::Any, (None, None)).map(|found| found.addresses)
    }

    /// The same, with all that is known about the answer; `conf` stands in for the machine's resolv.conf, and `until` is when the
    /// program's patience ends.
    ///
    /// # Errors
    /// As [`Cluster::resolve`]; [`LookupError::TryAgain`] if time is up.
    pub fn lookup(
        &mut self,
        from: &Place,
        name: &str,
        family: Family,
        (conf, until): (Option<&ResolvConf>, Option<SimTime>),
    ) -> Result<Found, LookupError> {
        let mut found = match known(name, family, &Hosts::parse(&self.text(from, "/etc/hosts"))) {
            Some(found) => found?,
            None => self.ask(from, (conf, until), &Request::Addresses { name: name.to_owned(), family })?,
        };
        let routes = self.netns(from).map(|ns| self.world.ns(ns).routes());
        let libc = self.machine(from).map_or(resolver::Libc::Glibc, |m| libc_of(m.tools.libc));
        order_addresses(&mut found.addresses, libc, |ip| routes.is_some_and(|r| r.lookup(ip).is_some()));
        found.addresses.dedup();
        Ok(found)
    }

    /// The name of an address without a final dot, as `getnameinfo(3)` finds it; `conf` stands in for the machine's resolv.conf.
    ///
    /// # Errors
    /// [`LookupError::NotFound`]: the address has no name; others: nobody could tell.
    pub fn name_of(
        &mut self,
        from: &Place,
        addr: IpAddr,
        conf: Option<&ResolvConf>,
    ) -> Result<String, LookupError> {
        if let Some(name) = Hosts::parse(&self.text(from, "/etc/hosts")).name(addr) {
            return Ok(name.to_owned());
        }
        let found = self.ask(from, (conf, None), &Request::Pointer(addr))?;
        let name = found.names.first().ok_or(LookupError::NotFound)?;
        Ok(name::relative(name).to_owned())
    }

    /// A machine's resolv.conf.
    #[must_use]
    pub fn resolv_conf(&self, at: &Place) -> ResolvConf {
        ResolvConf::parse(&self.text(at, "/etc/resolv.conf"))
    }

    /// Moves the messages of a program that asks name servers until it is done.
    pub fn drive(&mut self, ns: NsId, client: &mut impl Client) {
        self.drive_until(ns, client, None);
    }

    fn drive_until(&mut self, ns: NsId, client: &mut impl Client, limit: Option<SimTime>) {
        let mut sockets = Sockets { ns, open: BTreeMap::new() };
        while limit.is_none_or(|limit| self.now() < limit) {
            match client.poll(self.now()) {
                Action::Done => break,
                Action::Close(number) => sockets.close(&mut self.world, number),
                Action::Send(send) => {
                    if let Err(errno) = sockets.send(&mut self.world, &send) {
                        client.on_error(send.socket, errno, true, self.now());
                    }
                }
                Action::Wait(until) => {
                    let mut news = Vec::new();
                    self.wait(limit.map_or(until, |limit| limit.min(until)), |c| {
                        news = sockets.receive(&mut c.world);
                        !news.is_empty()
                    });
                    for item in news {
                        match item {
                            News::Message(n, from, bytes) => client.on_reply(n, from, &bytes, self.now()),
                            News::Error(n, errno) => client.on_error(n, errno, false, self.now()),
                        }
                    }
                }
            }
        }
        while let Some((&number, _)) = sockets.open.first_key_value() {
            sockets.close(&mut self.world, number);
        }
    }

    fn ask(
        &mut self,
        from: &Place,
        (conf, until): (Option<&ResolvConf>, Option<SimTime>),
        request: &Request,
    ) -> Result<Found, LookupError> {
        let machine = self.machine(from).ok_or(LookupError::Failed)?;
        let (ns, libc) = (machine.ns, machine.tools.libc);
        let conf = conf.cloned().unwrap_or_else(|| self.resolv_conf(from));
        let libc = libc_of(libc);
        let seed = self.world.dice().bits(Purpose::Identifier, u64::from(ns.0));
        let mut resolver = Resolver::new(libc, conf, request, seed);
        self.drive_until(ns, &mut resolver, until);
        resolver.result().cloned().unwrap_or(Err(LookupError::TryAgain))
    }

    /// A file of a machine; one that is not there counts as empty.
    fn text(&self, at: &Place, path: &str) -> String {
        self.machine(at).and_then(|m| m.files.read_text(path).ok()).unwrap_or_default()
    }
}

/// uClibc walks the search list as glibc does.
fn libc_of(libc: Libc) -> resolver::Libc {
    if libc == Libc::Musl { resolver::Libc::Musl } else { resolver::Libc::Glibc }
}

/// What needs no name server: address texts, names of the hosts file, and what is no name.
fn known(name: &str, family: Family, hosts: &Hosts) -> Option<Result<Found, LookupError>> {
    let fits = |a: &IpAddr| match family {
        Family::Any => true,
        Family::V4 => a.is_ipv4(),
        Family::V6 => a.is_ipv6(),
    };
    let listed = name.parse().map_or_else(|_| hosts.addresses(name), |addr| vec![addr]);
    if listed.is_empty() {
        let hopeless = name.is_empty() || name::fault(name).is_some();
        return hopeless.then_some(Err(LookupError::NotFound));
    }
    let addresses: Vec<IpAddr> = listed.into_iter().filter(fits).collect();
    let (asked, canonical) = (name.to_owned(), name.to_owned());
    let found = Found { asked, canonical, addresses, names: Vec::new() };
    Some(if found.addresses.is_empty() { Err(LookupError::NoData) } else { Ok(found) })
}

/// The sockets of a program, by its own numbers.
struct Sockets {
    ns: NsId,
    open: BTreeMap<u32, Socket>,
}

struct Socket {
    id: SockId,
    server: SocketAddr,
    stream: Option<Stream>,
}

/// A TCP connection: what is to be sent once it stands, and what has arrived.
#[derive(Default)]
struct Stream {
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// What came in on a socket.
enum News {
    Message(u32, SocketAddr, Vec<u8>),
    Error(u32, Errno),
}

impl Sockets {
    fn send(&mut self, world: &mut World, send: &Send) -> Result<(), Errno> {
        if !self.open.contains_key(&send.socket) {
            let socket = self.socket(world, send)?;
            self.open.insert(send.socket, socket);
        }
        let socket = self.open.get_mut(&send.socket).ok_or(Errno::EBADF)?;
        match &mut socket.stream {
            None => world.udp_send(self.ns, socket.id, send.server, send.query[..].into()),
            Some(stream) => {
                let length = u16::try_from(send.query.len()).map_err(|_| Errno::EMSGSIZE)?;
                stream.unsent.extend(length.to_be_bytes());
                stream.unsent.extend(&send.query);
                Ok(())
            }
        }
    }

    fn socket(&self, world: &mut World, send: &Send) -> Result<Socket, Errno> {
        if send.transport == Transport::Tcp {
            let id = world.tcp_connect(self.ns, None, send.server)?;
            return Ok(Socket { id, server: send.server, stream: Some(Stream::default()) });
        }
        let any: IpAddr = match send.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let id = world.udp_bind(self.ns, SocketAddr::new(any, 0))?;
        let options = SockOptions { recverr: send.errors == Errors::All, ..SockOptions::default() };
        let ready = world.set_options(self.ns, id, options).and_then(|()| match send.errors {
            Errors::None => Ok(()),
            Errors::Fatal | Errors::All => world.udp_connect(self.ns, id, send.server),
        });
        if let Err(errno) = ready {
            world.close(self.ns, id);
            return Err(errno);
        }
        Ok(Socket { id, server: send.server, stream: None })
    }

    fn close(&mut self, world: &mut World, number: u32) {
        if let Some(socket) = self.open.remove(&number) {
            world.close(self.ns, socket.id);
        }
    }

    /// Everything that has arrived.
    fn receive(&mut self, world: &mut World) -> Vec<News> {
        let mut news = Vec::new();
        for (&number, socket) in &mut self.open {
            let outcome = match &mut socket.stream {
                None => datagrams(world, self.ns, number, socket.id, &mut news),
                Some(stream) => {
                    let outcome = stream.pump(world, self.ns, socket.id);
                    while let Some(message) = stream.take_message() {
                        news.push(News::Message(number, socket.server, message));
                    }
                    outcome
                }
            };
            news.extend(outcome.err().map(|errno| News::Error(number, errno)));
        }
        news
    }
}

fn datagrams(
    world: &mut World,
    ns: NsId,
    number: u32,
    id: SockId,
    news: &mut Vec<News>,
) -> Result<(), Errno> {
    while let Some(got) = world.recv(ns, id)? {
        news.push(News::Message(number, got.from, got.bytes().to_vec()));
    }
    Ok(())
}

impl Stream {
    /// Sends what can be sent, takes what has come.
    fn pump(&mut self, world: &mut World, ns: NsId, id: SockId) -> Result<(), Errno> {
        if let Ok(n) = world.tcp_send(ns, id, &self.unsent) {
            self.unsent.drain(..n);
        }
        match world.tcp_recv(ns, id)? {
            TcpRead::Data(bytes) => self.received.extend(bytes),
            TcpRead::WouldBlock => {}
            TcpRead::Eof => return Err(Errno::ECONNRESET),
        }
        Ok(())
    }

    /// A whole message: two bytes of length and what they announce.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes(*self.received.first_chunk::<2>()?));
        let message = self.received.get(2..2 + length)?.to_vec();
        self.received.drain(..2 + length);
        Some(message)
    }
}
