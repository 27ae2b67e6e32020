//! How programs ask for names: glibc, musl and busybox' `nslookup`, as state machines on virtual time.
//!
//! A [`Client`] opens no socket and reads no clock. Its driver asks [`Client::poll`] what to do, moves datagrams, and reports
//! what came back. Sockets are numbers that the client gives out; the driver opens one when it first meets its number, so
//! the number of distinct source ports is the real one.

pub mod bind;
pub mod conf;
mod glibc;
pub mod hosts;
mod musl;
pub mod nslookup;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

pub use self::conf::ResolvConf;
pub use self::hosts::Hosts;
use super::name;
use super::wire::{Message, RecordData, RecordType};
use crate::linux::Errno;
use crate::time::SimTime;

/// What a client wants from its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a query.
    Send(Send),
    /// Close a socket.
    Close(u32),
    /// Nothing to do before this instant, unless a reply or an error comes.
    Wait(SimTime),
    /// Finished: the result can be read.
    Done,
}

/// One query to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The socket to use; opened at its first use.
    pub socket: u32,
    /// Which ICMP errors a new UDP socket reports.
    pub errors: Errors,
    /// UDP or TCP.
    pub transport: Transport,
    /// The name server.
    pub server: SocketAddr,
    /// The message; over TCP the driver adds the two length bytes.
    pub query: Vec<u8>,
}

/// Which ICMP errors come back from a UDP socket as error numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// None: the socket is not connected.
    None,
    /// Those that are fatal to a connected socket: port unreachable, prohibited.
    Fatal,
    /// All: it is connected, and `IP_RECVERR` is set.
    All,
}

/// How a query travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A connection, one message after two bytes of length (RFC 1035 4.2.2).
    Tcp,
}

/// A program that asks name servers.
pub trait Client {
    /// What to do now. Called again at once after [`Action::Send`] and [`Action::Close`].
    fn poll(&mut self, now: SimTime) -> Action;
    /// A message came in.
    fn on_reply(&mut self, socket: u32, from: SocketAddr, bytes: &[u8], now: SimTime);
    /// A system call failed: sending if `sending`, otherwise receiving (an ICMP error that the kernel reports).
    fn on_error(&mut self, socket: u32, errno: Errno, sending: bool, now: SimTime);
}

/// Whose rules a program's look-ups follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// The GNU C library 2.36.
    Glibc,
    /// musl 1.2.3.
    Musl,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Addresses of a name, through the search list (`getaddrinfo`).
    Addresses {
        /// The name as the person typed it.
        name: String,
        /// Which families.
        family: Family,
    },
    /// The name of an address (`getnameinfo`).
    Pointer(IpAddr),
}

/// Address families to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A and AAAA (`AF_UNSPEC`).
    Any,
    /// A only (`AF_INET`).
    V4,
    /// AAAA only (`AF_INET6`).
    V6,
}

/// A successful look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The absolute name that was answered, after the search list.
    pub asked: String,
    /// Where its chain of aliases ended; `asked` if there was none.
    pub canonical: String,
    /// Addresses in the order of the answers; [`order_addresses`] brings them into the order of `getaddrinfo`.
    pub addresses: Vec<IpAddr>,
    /// Names of an address.
    pub names: Vec<String>,
}

/// A failed look-up, as `getaddrinfo(3)` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// `EAI_NONAME`: the name does not exist.
    #[error("Name or service not known")]
    NotFound,
    /// `EAI_NODATA`: the name exists but has no address of this family.
    #[error("No address associated with hostname")]
    NoData,
    /// `EAI_AGAIN`: no server gave a usable answer.
    #[error("Temporary failure in name resolution")]
    TryAgain,
    /// `EAI_FAIL`: a server refused for good.
    #[error("Non-recoverable failure in name resolution")]
    Failed,
}

impl LookupError {
    /// The text of `gai_strerror(3)` in this C library.
    #[must_use]
    pub const fn message(self, libc: Libc) -> &'static str {
        match (libc, self) {
            (Libc::Glibc, Self::NotFound) => "Name or service not known",
            (Libc::Glibc, Self::NoData) => "No address associated with hostname",
            (Libc::Glibc, Self::TryAgain) => "Temporary failure in name resolution",
            (Libc::Glibc, Self::Failed) => "Non-recoverable failure in name resolution",
            // musl 1.2.3 answers EAI_NONAME where glibc says EAI_NODATA.
            (Libc::Musl, Self::NotFound | Self::NoData) => "Name does not resolve",
            (Libc::Musl, Self::TryAgain) => "Try again",
            (Libc::Musl, Self::Failed) => "Non-recoverable error",
        }
    }
}

/// A look-up through a C library.
#[derive(Clone, Debug)]
pub struct Resolver(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Glibc(glibc::Glibc),
    Musl(musl::Musl),
}

impl Resolver {
    /// A look-up that starts at its first poll. `seed` decides the query ids (and the first server under `rotate`): draw it.
    #[must_use]
    pub fn new(libc: Libc, conf: ResolvConf, request: &Request, seed: u32) -> Self {
        let plan = Plan::new(request);
        Self(match libc {
            Libc::Glibc => Engine::Glibc(glibc::Glibc::new(conf, plan, seed)),
            Libc::Musl => Engine::Musl(musl::Musl::new(conf, plan, seed)),
        })
    }

    /// The result, once [`Client::poll`] said [`Action::Done`].
    #[must_use]
    pub const fn result(&self) -> Option<&Result<Found, LookupError>> {
        match &self.0 {
            Engine::Glibc(g) => g.result(),
            Engine::Musl(m) => m.result(),
        }
    }
}

impl Client for Resolver {
    fn poll(&mut self, now: SimTime) -> Action {
        match &mut self.0 {
            Engine::Glibc(g) => g.poll(now),
            Engine::Musl(m) => m.poll(now),
        }
    }

    fn on_reply(&mut self, socket: u32, from: SocketAddr, bytes: &[u8], now: SimTime) {
        match &mut self.0 {
            Engine::Glibc(g) => g.on_reply(socket, bytes, now),
            Engine::Musl(m) => m.on_reply(socket, from, bytes, now),
        }
    }

    fn on_error(&mut self, socket: u32, errno: Errno, _sending: bool, now: SimTime) {
        match &mut self.0 {
            Engine::Glibc(g) => g.on_error(socket, errno, now),
            // musl looks at neither the result of sendto nor the errors of its unconnected socket.
            Engine::Musl(_) => {}
        }
    }
}

/// A request in terms of DNS: the name and the types to ask for together.
#[derive(Clone, Debug)]
struct Plan {
    name: String,
    types: Vec<RecordType>,
    search: bool,
}

impl Plan {
    fn new(request: &Request) -> Self {
        match request {
            Request::Addresses { name, family } => {
                let types = match family {
                    Family::Any => vec![RecordType::A, RecordType::AAAA],
                    Family::V4 => vec![RecordType::A],
                    Family::V6 => vec![RecordType::AAAA],
                };
                Self { name: name.clone(), types, search: true }
            }
            Request::Pointer(addr) => {
                Self { name: name::reverse(*addr), types: vec![RecordType::PTR], search: false }
            }
        }
    }

    fn dots(&self) -> usize {
        name::labels(&self.name).len().saturating_sub(1)
    }

    /// The names under the search list, in order.
    fn searched<'a>(&'a self, conf: &'a ResolvConf) -> impl Iterator<Item = String> + 'a {
        conf.search.iter().map(|domain| {
            let domain = domain.trim_matches('.');
            if domain.is_empty() { name::absolute(&self.name) } else { format!("{}.{domain}.", self.name) }
        })
    }
}

/// Query ids from a seed: a stream that looks drawn and does not repeat soon.
#[derive(Clone, Debug)]
struct Ids(u32);

impl Ids {
    fn next(&mut self) -> u16 {
        // A full-period generator (Numerical Recipes); its upper half is good enough to tell queries apart.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as u16
    }
}

/// Reads the addresses or names that answer `name` out of the answers, following aliases.
fn found(asked: &str, replies: &[Message]) -> Found {
    let mut found = Found { asked: asked.to_owned(), canonical: asked.to_owned(), ..Found::default() };
    for record in replies.iter().flat_map(|m| &m.answers) {
        match &record.data {
            RecordData::Cname(target) if record.name.eq_ignore_ascii_case(&found.canonical) => {
                found.canonical.clone_from(target);
            }
            RecordData::Ptr(target) => found.names.push(target.clone()),
            data => found.addresses.extend(data.address()),
        }
    }
    found
}

/// Brings addresses into the order of `getaddrinfo` as far as it matters here (RFC 6724): unusable destinations last, then
/// IPv6 before IPv4, otherwise as answered. musl's table of precedences is the RFC's, in which unique local addresses (fc00::/7)
/// come after IPv4; glibc's is the one of RFC 3484, which does not know them.
pub fn order_addresses(addresses: &mut [IpAddr], libc: Libc, mut usable: impl FnMut(IpAddr) -> bool) {
    let unique_local = |a: &IpAddr| matches!(a, IpAddr::V6(a) if a.is_unique_local());
    let rank = |a: &IpAddr| match libc {
        Libc::Musl if unique_local(a) => 2,
        _ => u8::from(a.is_ipv4()),
    };
    addresses.sort_by_cached_key(|a| (!usable(*a), rank(a)));
}

#[cfg(test)]
mod tests;
