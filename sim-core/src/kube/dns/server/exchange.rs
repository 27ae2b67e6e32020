//! Asking upstream servers: one after the other, with time limits, and health checks of those that failed.

use std::net::SocketAddr;
use std::time::Duration;

use super::chain::{Ask, Failure};
use super::{Action, Server, Transport};
use crate::chance::{Chance, Dice, Purpose};
use crate::kube::dns::wire::{CLASS_IN, Edns, Flags, Message, Question, Rcode, RecordType};
use crate::time::SimTime;

/// How long a query is tried at all.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long one server may take.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server may take for a health check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after a server that refuses at once. CoreDNS makes none; what it does thousands of times a second is done a hundred
/// times here.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

/// A query that is with an upstream server.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    purpose: For,
    group: usize,
    query: Message,
    /// Servers in the order in which they are asked, the next one, and the one that is asked now.
    order: Vec<usize>,
    at: usize,
    server: usize,
    /// Servers of this round that were known to be down.
    down: usize,
    tcp: bool,
    deadline: SimTime,
    timer: (SimTime, Timer),
    /// The socket's own address, once it has one.
    local: Option<SocketAddr>,
    error: String,
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum For {
    /// A call waits for it.
    Call(u64, Ask),
    /// Is the server there again?
    Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The server was silent too long.
    Timeout,
    /// Ask again.
    Again,
}

impl Server {
    /// Puts a call's question to a group.
    pub(super) fn ask_upstream(&mut self, call: u64, ask: Ask, now: SimTime, dice: &mut Dice) {
        let (Some(id), Some(waiting)) = (ask.forward, self.calls.get(&call)) else { return };
        let Some(group) = self.groups.get_mut(id) else { return };
        let settings = group.settings.clone();
        if settings.max_concurrent > 0 && group.under_way >= settings.max_concurrent {
            let text = format!("concurrent queries exceeded maximum {}", settings.max_concurrent);
            return self.answered(call, ask, Err(Failure { rcode: Rcode::REFUSED, text }), now, dice);
        }
        group.under_way += 1;
        let order = group.order(dice, self.place);
        let client_tcp = waiting.from.transport == Transport::Tcp;
        let exchange = Exchange {
            query: Message {
                flags: Flags { rd: true, ..waiting.query.flags },
                question: Some(Question { class: CLASS_IN, ..ask.question.clone() }),
                edns: waiting.query.edns.as_ref().map(|e| Edns { options: Vec::new(), ..e.clone() }),
                ..Message::default()
            },
            purpose: For::Call(call, ask),
            group: id,
            order,
            at: 0,
            server: 0,
            down: 0,
            tcp: settings.force_tcp || (client_tcp && !settings.prefer_udp),
            deadline: now + DEADLINE,
            timer: (SimTime::MAX, Timer::Timeout),
            local: None,
            error: "no healthy proxies".to_owned(),
        };
        self.next_server(exchange, now, dice);
    }

    /// Asks the next server that is not known to be down, or gives up.
    fn next_server(&mut self, mut exchange: Exchange, now: SimTime, dice: &mut Dice) {
        while now < exchange.deadline {
            if exchange.at >= exchange.order.len() {
                (exchange.at, exchange.down) = (0, 0);
            }
            let Some(&server) = exchange.order.get(exchange.at) else { break };
            exchange.at += 1;
            exchange.server = server;
            let group = &self.groups[exchange.group];
            if group.is_down(server) {
                exchange.down += 1;
                if exchange.down < group.health.len() {
                    continue;
                }
                if group.settings.fail_fast {
                    break;
                }
                // All are down: perhaps the checks are wrong.
                let n = group.health.len() as u32;
                exchange.server = dice.below(Purpose::DnsShuffle, self.place, n) as usize;
            }
            return self.send(exchange, READ_TIMEOUT, now, dice);
        }
        self.give_up(exchange, now, dice);
    }

    fn send(&mut self, mut exchange: Exchange, timeout: Duration, now: SimTime, dice: &mut Dice) {
        exchange.query.id = dice.bits(Purpose::Identifier, self.place) as u16;
        exchange.timer = (now + timeout, Timer::Timeout);
        exchange.local = None;
        let to = self.groups[exchange.group].settings.to[exchange.server];
        let transport = if exchange.tcp { Transport::Tcp } else { Transport::Udp };
        match exchange.query.to_bytes() {
            Ok(bytes) => {
                self.last += 1;
                let id = self.last;
                self.exchanges.insert(id, exchange);
                self.out.push(Action::Send { exchange: id, to, transport, bytes });
            }
            Err(error) => {
                exchange.error = error.to_string();
                self.give_up(exchange, now, dice);
            }
        }
    }

    /// The host tells from which address an exchange goes out; over TCP, once the connection stands.
    pub fn sent(&mut self, exchange: u64, local: SocketAddr) {
        if let Some(exchange) = self.exchanges.get_mut(&exchange) {
            exchange.local = Some(local);
        }
    }

    /// Takes in what an upstream server has sent.
    pub fn on_upstream(&mut self, id: u64, bytes: &[u8], now: SimTime, dice: &mut Dice) -> Vec<Action> {
        let Ok(reply) = Message::parse(bytes) else { return Vec::new() };
        let fits = |e: &Exchange| {
            let same =
                |a: &Question, b: &Question| a.name.eq_ignore_ascii_case(&b.name) && a.rtype == b.rtype;
            let asked = e.query.question.as_ref();
            reply.response
                && reply.id == e.query.id
                && reply.question.as_ref().zip(asked).is_none_or(|(a, b)| same(a, b))
        };
        if !self.exchanges.get(&id).is_some_and(fits) {
            return Vec::new();
        }
        if let Some(mut exchange) = self.exchanges.remove(&id) {
            self.out.push(Action::Done(id));
            let group = &mut self.groups[exchange.group];
            match &exchange.purpose {
                For::Check => group.health[exchange.server] = (0, false),
                For::Call(..) if reply.flags.tc && !exchange.tcp && group.settings.prefer_udp => {
                    exchange.tcp = true;
                    self.send(exchange, READ_TIMEOUT, now, dice);
                }
                For::Call(..)
                    if group.settings.failover.contains(&reply.rcode)
                        && exchange.down + 1 < group.health.len() =>
                {
                    exchange.down += 1;
                    self.next_server(exchange, now, dice);
                }
                For::Call(call, ask) => {
                    group.under_way -= 1;
                    let (call, ask) = (*call, ask.clone());
                    self.answered(call, ask, Ok(reply), now, dice);
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Takes in that an exchange failed at once: what was done (`dial`, `write`, `read`), and the error as Go words it
    /// (`connection refused`).
    pub fn on_failure(&mut self, id: u64, op: &str, why: &str, now: SimTime, dice: &mut Dice) -> Vec<Action> {
        if let Some(mut exchange) = self.exchanges.remove(&id) {
            self.out.push(Action::Done(id));
            exchange.error = self.error(&exchange, op, Some(why));
            self.failed(exchange, now + REFUSED_PAUSE, now, dice);
        }
        std::mem::take(&mut self.out)
    }

    /// As Go's package net says it; without a reason: nothing came in time.
    fn error(&self, exchange: &Exchange, op: &str, why: Option<&str>) -> String {
        let to = self.groups[exchange.group].settings.to[exchange.server];
        let net = if exchange.tcp { "tcp" } else { "udp" };
        let detail = |call: &str| why.map_or_else(|| "i/o timeout".to_owned(), |w| format!("{call}: {w}"));
        match exchange.local {
            Some(local) => format!("{op} {net} {local}->{to}: {}", detail(op)),
            None => format!("dial {net} {to}: {}", detail("connect")),
        }
    }

    /// One server did not answer: it is checked from now on, and the next is asked.
    fn failed(&mut self, mut exchange: Exchange, again: SimTime, now: SimTime, dice: &mut Dice) {
        let group = &mut self.groups[exchange.group];
        let health = &mut group.health[exchange.server];
        if exchange.purpose == For::Check {
            health.0 += 1;
            exchange.timer = (now + group.settings.check.interval, Timer::Again);
            self.last += 1;
            self.exchanges.insert(self.last, exchange);
            return;
        }
        if group.settings.max_fails > 0 && !health.1 {
            health.1 = true;
            self.check(exchange.group, exchange.server, now, dice);
        }
        if exchange.down >= self.groups[exchange.group].health.len() {
            return self.give_up(exchange, now, dice);
        }
        if again > now {
            exchange.timer = (again, Timer::Again);
            self.last += 1;
            self.exchanges.insert(self.last, exchange);
        } else {
            self.next_server(exchange, now, dice);
        }
    }

    fn check(&mut self, group: usize, server: usize, now: SimTime, dice: &mut Dice) {
        let settings = &self.groups[group].settings;
        let mut query = Message::query(0, &settings.check.domain, RecordType::NS);
        query.flags.rd = settings.check.recursion;
        let exchange = Exchange {
            purpose: For::Check,
            group,
            query,
            order: Vec::new(),
            at: 0,
            server,
            down: 0,
            tcp: settings.force_tcp,
            deadline: SimTime::MAX,
            timer: (SimTime::MAX, Timer::Timeout),
            local: None,
            error: String::new(),
        };
        self.send(exchange, CHECK_TIMEOUT, now, dice);
    }

    fn give_up(&mut self, exchange: Exchange, now: SimTime, dice: &mut Dice) {
        let For::Call(call, ask) = exchange.purpose else { return };
        self.groups[exchange.group].under_way -= 1;
        let failure = Failure { rcode: Rcode::SERVFAIL, text: exchange.error };
        self.answered(call, ask, Err(failure), now, dice);
    }

    pub(super) fn next_exchange_timer(&self) -> Option<SimTime> {
        self.exchanges.values().map(|e| e.timer.0).min()
    }

    pub(super) fn on_exchange_timers(&mut self, now: SimTime, dice: &mut Dice) {
        let due: Vec<u64> =
            self.exchanges.iter().filter(|(_, e)| e.timer.0 <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(mut exchange) = self.exchanges.remove(&id) else { continue };
            match exchange.timer.1 {
                Timer::Timeout => {
                    self.out.push(Action::Done(id));
                    exchange.error = self.error(&exchange, "read", None);
                    self.failed(exchange, now, now, dice);
                }
                Timer::Again if exchange.purpose == For::Check => {
                    self.send(exchange, CHECK_TIMEOUT, now, dice);
                }
                Timer::Again => self.next_server(exchange, now, dice),
            }
        }
    }
}
