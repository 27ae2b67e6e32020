//! CoreDNS: what its Corefile says, over the store.
//!
//! A [`Server`] is one process as plain data; it moves no packets and reads no files. Its host hands it what comes in, and carries out
//! the [`Action`]s that come back. Inside, a query is a *call*: it walks the plugin chain of its server block (`chain`), and where an
//! answer from outside is needed it waits for an upstream server (`exchange`) or for a call of its own about another name.
//!
//! Not modelled, and named as errors when a Corefile asks for them: DNS over TLS, HTTPS or gRPC, DNSSEC, transfers, and the plugins
//! that speak to other systems.

mod autopath;
mod cache;
mod calls;
mod chain;
mod edge;
mod exchange;
mod fall;
mod forward;
mod hosts;
mod kubeadm;
mod kubernetes;
mod log;
mod looping;
mod records;
mod rewrite;
mod setup;
#[cfg(test)]
mod strict;
mod template;
#[cfg(test)]
mod tests;
mod zone_file;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use self::kubeadm::{kubeadm_corefile, release_of};
pub use self::kubernetes::ServiceImport;
pub use self::setup::Extra;
pub use super::resolver::Transport;

use self::calls::Call;
use self::chain::Plugin;
use self::exchange::Exchange;
use self::forward::Group;
use self::setup::{Block, Extras, configure};
use super::corefile::Surroundings;
use super::wire::{CLASS_IN, Rcode};
use crate::chance::Dice;
use crate::kube::objects::Object;
use crate::kube::store::Store;
use crate::time::SimTime;
use crate::trace::SockId;

/// Who asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address and port: where the datagram or connection came from.
    pub addr: SocketAddr,
    /// The server's own address and port that it asked.
    pub local: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// The host's own socket to answer by.
    pub socket: SockId,
}

/// What the host of the server has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these bytes to a client.
    Reply(Client, Vec<u8>),
    /// Send this query to an upstream server; its reply belongs to [`Server::on_upstream`], a failure to [`Server::on_failure`].
    Send {
        /// Number of the exchange.
        exchange: u64,
        /// The upstream server.
        to: SocketAddr,
        /// UDP or TCP.
        transport: Transport,
        /// The message.
        bytes: Vec<u8>,
    },
    /// An exchange is over: its socket is free.
    Done(u64),
    /// The process ends with this status.
    Exit(i32),
}

/// One CoreDNS process.
#[derive(Clone, Debug)]
pub struct Server {
    blocks: Vec<Block>,
    groups: Vec<Group>,
    extras: Extras,
    calls: BTreeMap<u64, Call>,
    exchanges: BTreeMap<u64, Exchange>,
    /// Number of the last call or exchange.
    last: u64,
    /// Tells the random draws of this process from those of others.
    place: u64,
    out: Vec<Action>,
    log: Vec<String>,
}

impl Server {
    /// A process with this Corefile; `bound` are its addresses, `place` separates its random draws from those of others.
    ///
    /// # Errors
    /// What CoreDNS says of the Corefile, or what in it is not modelled.
    pub fn new(
        corefile: (&str, &str),
        bound: &[IpAddr],
        around: &dyn Surroundings,
        place: u64,
    ) -> Result<Self, String> {
        let (path, text) = corefile;
        let made = configure(path, text, bound, around)?;
        Ok(Self {
            blocks: made.blocks,
            groups: made.forwards.into_iter().map(Group::new).collect(),
            extras: made.extras,
            calls: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            last: 0,
            place,
            out: Vec::new(),
            log: Vec::new(),
        })
    }

    /// Addresses and ports that it serves DNS on; no address: all.
    #[must_use]
    pub fn listens(&self) -> Vec<(Option<IpAddr>, u16)> {
        let of = |b: &Block| {
            let hosts: Vec<Option<IpAddr>> =
                if b.hosts.is_empty() { vec![None] } else { b.hosts.iter().copied().map(Some).collect() };
            let ports: Vec<u16> = b.keys.iter().map(|k| k.port).collect();
            hosts.into_iter().flat_map(move |h| ports.clone().into_iter().map(move |p| (h, p)))
        };
        self.blocks.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ports of its HTTP servers.
    #[must_use]
    pub fn http(&self) -> &[(Extra, Option<IpAddr>, u16)] {
        &self.extras.http
    }

    /// How long it goes on answering after it was told to end.
    #[must_use]
    pub const fn lameduck(&self) -> Duration {
        self.extras.lameduck
    }

    /// Interval and jitter at which it looks whether the Corefile has changed.
    #[must_use]
    pub const fn reload(&self) -> Option<(Duration, Duration)> {
        self.extras.reload
    }

    /// The lines that it prints when it starts: zones and ports.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let mut lines = BTreeSet::new();
        for block in &self.blocks {
            for key in &block.keys {
                let zone = format!("{}:{}", key.zone, key.port);
                match &block.hosts[..] {
                    [] => {
                        lines.insert(zone);
                    }
                    hosts => lines.extend(hosts.iter().map(|h| format!("{zone} on {h}"))),
                }
            }
        }
        lines.into_iter().collect()
    }

    /// Takes what it has printed.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Takes in what changed in the store: the serial of SOA records is the time of the last change.
    pub fn sync(&mut self, store: &Store, now: SimTime) {
        for plugin in self.blocks.iter_mut().flat_map(|b| &mut b.plugins) {
            if let Plugin::Kubernetes(kubernetes) = plugin {
                kubernetes.sync(store, now);
            }
        }
    }

    /// Takes in objects that come from elsewhere than a store.
    pub fn learn(&mut self, objects: &[Object], imports: &[ServiceImport], now: SimTime) {
        for plugin in self.blocks.iter_mut().flat_map(|b| &mut b.plugins) {
            if let Plugin::Kubernetes(kubernetes) = plugin {
                kubernetes.learn(objects, imports, now);
            }
        }
    }

    /// Whether a Corefile asks for Services of a set of clusters, which only [`Server::learn`] can give.
    #[must_use]
    pub fn is_multicluster(&self) -> bool {
        let plugins = self.blocks.iter().flat_map(|b| &b.plugins);
        plugins.into_iter().any(|p| matches!(p, Plugin::Kubernetes(k) if k.is_multicluster()))
    }

    /// Names of plugins that are not ready yet: what `/ready` says.
    #[must_use]
    pub fn not_ready(&self) -> Vec<&'static str> {
        let waits = |p: &Plugin| matches!(p, Plugin::Kubernetes(k) if !k.is_ready());
        let any = self.blocks.iter().flat_map(|b| &b.plugins).any(waits);
        if any { vec!["kubernetes"] } else { Vec::new() }
    }

    /// Takes in a message from a client.
    pub fn answer(&mut self, query: &[u8], client: Client, now: SimTime, dice: &mut Dice) -> Vec<Action> {
        let size = query.len();
        let query = match edge::accept(query) {
            edge::Accepted::Query(query) => query,
            edge::Accepted::Refused(reply) => return vec![Action::Reply(client, reply)],
            edge::Accepted::Ignored => return Vec::new(),
        };
        let asked = query.question.as_ref().filter(|q| q.class == CLASS_IN);
        let Some(block) = asked.and_then(|q| self.block_for(&q.name, client.local)) else {
            let reply = edge::seal(&query, query.reply(Rcode::REFUSED), client);
            return reply.map(|bytes| Action::Reply(client, bytes)).into_iter().collect();
        };
        self.drive(Call::of_client(query, client, block, size, now), now, dice);
        std::mem::take(&mut self.out)
    }

    /// The server block for a name: the one with the longest zone, among those that listen there.
    fn block_for(&self, asked: &str, local: SocketAddr) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (i, block) in self.blocks.iter().enumerate() {
            let ip = local.ip().to_canonical();
            if !(block.hosts.is_empty() || ip.is_unspecified() || block.hosts.contains(&ip)) {
                continue;
            }
            for key in block.keys.iter().filter(|k| k.port == local.port()) {
                let fits = super::name::zone_start(asked, &key.zone).is_some();
                if fits && best.is_none_or(|(_, length)| key.zone.len() > length) {
                    best = Some((i, key.zone.len()));
                }
            }
        }
        best.map(|(i, _)| i)
    }

    /// The next instant at which [`Server::on_timer`] has work.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        let plugins = self.blocks.iter().flat_map(|b| &b.plugins).filter_map(|p| match p {
            Plugin::Errors(errors) => errors.next_timer(),
            Plugin::Loop(looping) => looping.next_timer(),
            _ => None,
        });
        plugins.chain(self.next_exchange_timer()).min()
    }

    /// Does what is due: upstream servers that were silent too long, checks, errors that are told of together.
    pub fn on_timer(&mut self, now: SimTime, dice: &mut Dice) -> Vec<Action> {
        self.on_exchange_timers(now, dice);
        for plugin in self.blocks.iter_mut().flat_map(|b| &mut b.plugins) {
            if let Plugin::Errors(errors) = plugin {
                errors.on_timer(now, &mut self.log);
            }
        }
        self.probe_loops(now, dice);
        std::mem::take(&mut self.out)
    }
}
