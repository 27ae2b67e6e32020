//! The resolver inside busybox' `nslookup` since 1.29: all queries at once over one connected socket per server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::wire::{HEADER_LEN, Message, Rcode, RecordType};
use super::{Action, Client, Errors, Ids, Send, Transport};
use crate::linux::Errno;
use crate::time::SimTime;

/// What the tool prints, in the order in which it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first packet of a server: its address is printed now.
    Server(SocketAddr),
    /// The answer to a query; `reply` is none if it could not be read.
    Reply {
        /// Index into the queries.
        query: usize,
        /// Response code.
        rcode: Rcode,
        /// The message.
        reply: Option<Box<Message>>,
    },
    /// `write` failed: the next server is tried.
    WriteError(SocketAddr, Errno),
    /// `read` failed: waiting goes on.
    ReadError(Errno),
    /// No server answered anything.
    NoServers,
}

/// The queries of one `nslookup` command.
#[derive(Clone, Debug)]
pub struct Nslookup {
    servers: Vec<SocketAddr>,
    queries: Vec<Vec<u8>>,
    answered: Vec<bool>,
    timeout: Duration,
    interval: Duration,
    server: usize,
    round: Option<Round>,
    out: VecDeque<Action>,
    events: VecDeque<Event>,
    done: bool,
}

#[derive(Clone, Debug)]
struct Round {
    started: SimTime,
    sent: SimTime,
    greeted: bool,
    replies: usize,
    servfail_retries: usize,
}

impl Nslookup {
    /// Asks `queries` (absolute or not, as they go onto the wire). Names that cannot be written are left out.
    #[must_use]
    pub fn new(
        servers: Vec<SocketAddr>,
        queries: &[(String, RecordType)],
        timeout: Duration,
        retries: u32,
        seed: u32,
    ) -> Self {
        let mut ids = Ids(seed);
        let queries: Vec<Vec<u8>> = queries
            .iter()
            .filter_map(|(name, rtype)| Message::query(ids.next(), name, *rtype).to_bytes().ok())
            .collect();
        Self {
            servers,
            answered: vec![false; queries.len()],
            queries,
            timeout,
            // In whole milliseconds, so that three tries in five seconds leave room for the beginning of a fourth.
            interval: Duration::from_millis(timeout.as_millis() as u64 / u64::from(retries.max(1))),
            server: 0,
            round: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
            done: false,
        }
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.events.drain(..)
    }

    fn socket(&self) -> u32 {
        self.server as u32 + 1
    }

    fn send_open(&mut self, now: SimTime) {
        let (Some(server), socket) = (self.servers.get(self.server).copied(), self.socket()) else { return };
        let open = self.queries.iter().zip(&self.answered).filter(|(_, answered)| !**answered);
        self.out.extend(open.map(|(query, _)| send(socket, server, query.clone())));
        if let Some(round) = &mut self.round {
            round.sent = now;
            round.servfail_retries = 2 * self.queries.len();
        }
    }

    /// Ends the talk with this server: replies end the whole thing, silence moves on to the next server.
    fn leave_server(&mut self, replies: usize) {
        self.out.clear();
        self.out.push_back(Action::Close(self.socket()));
        self.round = None;
        self.server += 1;
        self.done = replies > 0;
        if !self.done && self.server >= self.servers.len() {
            self.events.push_back(Event::NoServers);
            self.done = true;
        }
    }
}

impl Client for Nslookup {
    fn poll(&mut self, now: SimTime) -> Action {
        loop {
            if let Some(action) = self.out.pop_front() {
                return action;
            }
            if self.done {
                return Action::Done;
            }
            let Some(round) = &self.round else {
                self.round =
                    Some(Round { started: now, sent: now, greeted: false, replies: 0, servfail_retries: 0 });
                self.send_open(now);
                if self.servers.is_empty() || self.queries.is_empty() {
                    self.leave_server(0);
                }
                continue;
            };
            if round.replies >= self.queries.len() || now.since(round.started) >= self.timeout {
                let replies = round.replies;
                self.leave_server(replies);
            } else if now.since(round.sent) >= self.interval {
                self.send_open(now);
            } else {
                return Action::Wait(round.sent + self.interval);
            }
        }
    }

    fn on_reply(&mut self, socket: u32, from: SocketAddr, bytes: &[u8], _now: SimTime) {
        let current = self.socket();
        let Some(round) = self.round.as_mut().filter(|_| socket == current) else { return };
        if !round.greeted {
            round.greeted = true;
            self.events.push_back(Event::Server(from));
        }
        if bytes.len() < HEADER_LEN {
            return;
        }
        let Some(i) = self.queries.iter().position(|q| q[..2] == bytes[..2]) else { return };
        if self.answered[i] {
            return;
        }
        let rcode = Rcode(bytes[3] & 15);
        if rcode == Rcode::SERVFAIL && round.servfail_retries > 0 {
            round.servfail_retries -= 1;
            self.out.push_back(send(socket, from, self.queries[i].clone()));
            return;
        }
        self.answered[i] = true;
        round.replies += 1;
        let reply = Message::parse(bytes).ok().map(Box::new);
        self.events.push_back(Event::Reply { query: i, rcode, reply });
    }

    fn on_error(&mut self, socket: u32, errno: Errno, sending: bool, _now: SimTime) {
        if socket != self.socket() || self.round.is_none() {
            return;
        }
        if sending && let Some(server) = self.servers.get(self.server) {
            self.events.push_back(Event::WriteError(*server, errno));
            self.leave_server(0);
        } else {
            self.events.push_back(Event::ReadError(errno));
        }
    }
}

fn send(socket: u32, server: SocketAddr, query: Vec<u8>) -> Action {
    Action::Send(Send { socket, errors: Errors::Fatal, transport: Transport::Udp, server, query })
}
