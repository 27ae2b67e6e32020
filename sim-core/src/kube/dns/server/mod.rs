//! CoreDNS: its plugin chain for one server block, over the store.
//!
//! The chain is the one that kubeadm's Corefile makes: loadbalance, cache, kubernetes, forward. A [`Server`] is plain data
//! and moves no packets: its host hands it datagrams and sends what comes back. Names of the cluster are answered at once;
//! for others the answer is a query to an upstream server, and the reply to that goes through [`Server::on_upstream`].

mod cache;
mod edge;
mod index;
mod kubernetes;
mod options;
mod pending;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use self::index::Index;
pub use self::options::{Options, PodsMode};
pub use super::resolver::Transport;

use self::cache::Cache;
use self::kubernetes::{Decision, Kubernetes};
use self::pending::{Pending, Pendings};
use super::name;
use super::wire::{CLASS_IN, Message, Rcode, Record, RecordType};
use crate::chance::{Chance, Dice, Purpose};
use crate::kube::store::Store;
use crate::time::SimTime;
use crate::trace::SockId;

/// Who asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address and port: where the datagram or connection came from.
    pub addr: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// The host's own socket to answer by.
    pub socket: SockId,
}

/// What the host of the server has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send these bytes to the client.
    Reply(Vec<u8>),
    /// Send this query to an upstream server; its reply belongs to [`Server::on_upstream`].
    Forward {
        /// The message.
        query: Vec<u8>,
        /// The upstream server.
        to: SocketAddr,
        /// UDP or TCP, as the client asked.
        transport: Transport,
    },
    /// Nothing: what came in was no query.
    Ignore,
}

/// One CoreDNS process.
#[derive(Clone, Debug)]
pub struct Server {
    options: Options,
    index: Index,
    cache: Cache,
    pendings: Pendings,
    /// Tells the random draws of this process from those of others.
    place: u64,
}

impl Server {
    /// A process that has just started; `place` separates its random draws from those of others.
    #[must_use]
    pub fn new(options: Options, place: u64) -> Self {
        let index = Index::new(options.endpoint_pod_names);
        Self { cache: Cache::default(), pendings: Pendings::default(), options, index, place }
    }

    /// Its configuration.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Takes in what changed in the store. [`Server::answer`] does it too; a host that calls it at each change gets the right
    /// serial into the SOA.
    pub fn sync(&mut self, store: &Store, now: SimTime) {
        self.index.sync(store, now);
    }

    /// Takes in a message from a client.
    pub fn answer(
        &mut self,
        store: &Store,
        query: &[u8],
        client: Client,
        now: SimTime,
        dice: &mut Dice,
    ) -> Answer {
        self.sync(store, now);
        let query = match edge::accept(query) {
            edge::Accepted::Query(query) => query,
            edge::Accepted::Refused(reply) => return Answer::Reply(reply),
            edge::Accepted::Ignored => return Answer::Ignore,
        };
        let Some(question) = &query.question else { return Answer::Ignore };
        if question.class != CLASS_IN {
            return self.finish(&query, client, query.reply(Rcode::REFUSED), dice);
        }
        if let Some(reply) = self.cache.get(&query, now) {
            return self.finish(&query, client, reply, dice);
        }
        match self.decide(&query) {
            Some(Decision::External { chain, target }) => {
                self.chase(Box::new(query), client, chain, &target, now, dice)
            }
            Some(decision) => {
                let reply = decision.into_reply(&query, &self.options, &self.index);
                self.deliver(&query, client, reply, now, dice)
            }
            None => {
                let asked = (question.name.clone(), question.rtype);
                self.forward(Pending::new(Box::new(query), client, Vec::new(), asked), now, dice)
            }
        }
    }

    /// Takes in a message from an upstream server, and says to whom the outcome goes.
    pub fn on_upstream(&mut self, reply: &[u8], now: SimTime, dice: &mut Dice) -> Option<(Client, Answer)> {
        let reply = Message::parse(reply).ok().filter(|r| r.response)?;
        let pending = self.pendings.take(&reply)?;
        let client = pending.client;
        let out = if let Some(inner) = pending.inner_query() {
            let mut reply = pending.forwarded(reply);
            self.cache.put(&inner, &mut reply, &self.options, now);
            pending.chased(&reply, &self.options, &self.index)
        } else {
            pending.forwarded(reply)
        };
        Some((client, self.deliver(&pending.query, client, out, now, dice)))
    }

    /// The next instant at which [`Server::on_timer`] has work.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        self.pendings.next_deadline()
    }

    /// Gives up on upstream servers that were silent too long: asks once more, then fails.
    pub fn on_timer(&mut self, now: SimTime, dice: &mut Dice) -> Vec<(Client, Answer)> {
        let mut out = Vec::new();
        while let Some(pending) = self.pendings.pop_overdue(now) {
            let client = pending.client;
            let answer = if pending.may_retry() {
                self.forward(pending, now, dice)
            } else {
                let reply = pending.query.reply(Rcode::SERVFAIL);
                self.finish(&pending.query, client, reply, dice)
            };
            out.push((client, answer));
        }
        out
    }

    /// What the kubernetes plugin makes of the question; none if it is not its business.
    fn decide(&self, query: &Message) -> Option<Decision> {
        let question = query.question.as_ref()?;
        let zone = self.options.zone_of(&question.name)?;
        let start = name::zone_start(&question.name, zone)?;
        let plugin = Kubernetes {
            options: &self.options,
            index: &self.index,
            // As the client typed it: it shows in SOA names and SRV targets.
            zone: &question.name[start..],
        };
        match plugin.decide(&question.name, question.rtype) {
            Decision::NameError if self.options.falls_through(&question.name) => None,
            decision => Some(decision),
        }
    }

    /// Follows an `ExternalName` out of the cluster.
    fn chase(
        &mut self,
        query: Box<Message>,
        client: Client,
        chain: Vec<Record>,
        target: &str,
        now: SimTime,
        dice: &mut Dice,
    ) -> Answer {
        let rtype = query.question.as_ref().map_or(RecordType::A, |q| q.rtype);
        let pending = Pending::new(query, client, chain, (target.to_owned(), rtype));
        // The plugin asks the server itself, so that the cache is asked too.
        if let Some(known) = pending.inner_query().and_then(|inner| self.cache.get(&inner, now)) {
            let reply = pending.chased(&known, &self.options, &self.index);
            return self.deliver(&pending.query, client, reply, now, dice);
        }
        self.forward(pending, now, dice)
    }

    fn forward(&mut self, mut pending: Pending, now: SimTime, dice: &mut Dice) -> Answer {
        let servers = self.options.upstreams.len() as u32;
        if servers == 0 {
            let reply = pending.query.reply(Rcode::SERVFAIL);
            return self.finish(&pending.query, pending.client, reply, dice);
        }
        let choice = if servers > 1 { dice.below(Purpose::DnsShuffle, self.place, servers) } else { 0 };
        let to = self.options.upstreams[choice as usize];
        let id = self.pendings.free_id(|| dice.bits(Purpose::Identifier, self.place) as u16);
        match pending.upstream_query(id).to_bytes() {
            Ok(query) => {
                let transport = pending.client.transport;
                pending.deadline = now + self.options.upstream_timeout;
                self.pendings.put(id, pending);
                Answer::Forward { query, to, transport }
            }
            Err(_) => self.finish(&pending.query, pending.client, pending.query.reply(Rcode::SERVFAIL), dice),
        }
    }

    /// Sends a fresh reply through the cache and on.
    fn deliver(
        &mut self,
        query: &Message,
        client: Client,
        mut reply: Message,
        now: SimTime,
        dice: &mut Dice,
    ) -> Answer {
        self.cache.put(query, &mut reply, &self.options, now);
        self.finish(query, client, reply, dice)
    }

    fn finish(&self, query: &Message, client: Client, mut reply: Message, dice: &mut Dice) -> Answer {
        if self.options.loadbalance && reply.rcode == Rcode::NOERROR {
            for section in [&mut reply.answers, &mut reply.authority, &mut reply.additional] {
                edge::balance(section, dice, self.place);
            }
        }
        edge::seal(query, reply, client).map_or(Answer::Ignore, Answer::Reply)
    }
}
