//! How bind's tools (`dig`, `nslookup`, `host`) ask one question: server after server, and again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::wire::{Message, Rcode};
use super::{Action, Client, Errors, Send, Transport};
use crate::linux::Errno;
use crate::time::SimTime;

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The socket could not be set up: no route.
    Unsendable(SocketAddr, Errno),
    /// A try failed: refused, or no answer in time (none).
    Failed(SocketAddr, Option<Errno>),
    /// The server failed (SERVFAIL), or offers no recursion: the next one is asked.
    Passed(SocketAddr, Rcode),
    /// The answer did not fit into a datagram: asked again over TCP.
    Truncated,
    /// The answer.
    Reply(Box<Answer>),
}

/// An answer and how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The message.
    pub message: Message,
    /// Its length in bytes.
    pub size: usize,
    /// Who sent it.
    pub server: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// From the question to the answer.
    pub took: Duration,
}

/// How persistent a tool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time for one try.
    pub timeout: Duration,
    /// Rounds over the servers.
    pub tries: u32,
    /// Take a truncated answer as it is.
    pub ignore_truncation: bool,
    /// Ask over TCP from the start.
    pub tcp: bool,
    /// A server's SERVFAIL is the answer; otherwise the next server is asked, if there is one.
    pub servfail_stops: bool,
    /// A server that offers no recursion is passed over while there is another.
    pub check_recursion: bool,
}

impl Default for Patience {
    /// Two tries of five seconds.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            tries: 2,
            ignore_truncation: false,
            tcp: false,
            servfail_stops: true,
            check_recursion: false,
        }
    }
}

/// One question.
#[derive(Clone, Debug)]
pub struct Exchange {
    servers: Vec<SocketAddr>,
    query: Message,
    bytes: Vec<u8>,
    patience: Patience,
    tried: u32,
    transport: Transport,
    sent: Option<SimTime>,
    sockets: u32,
    open: bool,
    out: VecDeque<Action>,
    events: Vec<Event>,
    done: bool,
}

impl Exchange {
    /// Asks `servers` in turn. A query that cannot be written gets no answer.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, query: Message, patience: Patience) -> Self {
        let bytes = query.to_bytes().unwrap_or_default();
        Self {
            done: servers.is_empty() || bytes.is_empty(),
            transport: if patience.tcp { Transport::Tcp } else { Transport::Udp },
            servers,
            query,
            bytes,
            patience,
            tried: 0,
            sent: None,
            sockets: 0,
            open: false,
            out: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// What happened; the answer, if there is one, comes last.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn server(&self) -> SocketAddr {
        self.servers[self.tried as usize % self.servers.len()]
    }

    fn send(&mut self, now: SimTime) {
        self.sockets += 1;
        self.open = true;
        self.sent = Some(now);
        self.out.push_back(Action::Send(Send {
            socket: self.sockets,
            errors: Errors::Fatal,
            transport: self.transport,
            server: self.server(),
            query: self.bytes.clone(),
        }));
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.out.push_back(Action::Close(self.sockets));
        }
        self.sent = None;
    }

    fn failed(&mut self, event: Event) {
        self.events.push(event);
        self.close();
        self.tried += 1;
        self.done = self.tried >= self.patience.tries.saturating_mul(self.servers.len() as u32);
    }
}

impl Client for Exchange {
    fn poll(&mut self, now: SimTime) -> Action {
        loop {
            if let Some(action) = self.out.pop_front() {
                return action;
            }
            match self.sent {
                _ if self.done => return Action::Done,
                None => self.send(now),
                Some(sent) if now.since(sent) < self.patience.timeout => {
                    return Action::Wait(sent + self.patience.timeout);
                }
                Some(_) => self.failed(Event::Failed(self.server(), None)),
            }
        }
    }

    fn on_reply(&mut self, socket: u32, from: SocketAddr, bytes: &[u8], now: SimTime) {
        let Some(sent) = self.sent.filter(|_| socket == self.sockets) else { return };
        let Ok(message) = Message::parse(bytes) else { return };
        let same = message.response && message.id == self.query.id && message.question == self.query.question;
        if !same {
            return;
        }
        if message.flags.tc && self.transport == Transport::Udp && !self.patience.ignore_truncation {
            self.events.push(Event::Truncated);
            self.close();
            self.transport = Transport::Tcp;
            return;
        }
        let failed = message.rcode == Rcode::SERVFAIL && !self.patience.servfail_stops;
        let declined = self.patience.check_recursion && self.query.flags.rd && !message.flags.ra;
        let another = (self.tried as usize % self.servers.len()) + 1 < self.servers.len();
        if (failed || declined) && another {
            self.failed(Event::Passed(from, message.rcode));
            return;
        }
        let (size, transport, took) = (bytes.len(), self.transport, now.since(sent));
        self.events.push(Event::Reply(Box::new(Answer { message, size, server: from, transport, took })));
        self.close();
        self.done = true;
    }

    fn on_error(&mut self, socket: u32, errno: Errno, sending: bool, _now: SimTime) {
        if socket == self.sockets && self.sent.is_some() {
            let server = self.server();
            let event =
                if sending { Event::Unsendable(server, errno) } else { Event::Failed(server, Some(errno)) };
            self.failed(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::RecordType;
    use super::*;

    fn exchange() -> Exchange {
        let patience = Patience { tries: 3, ..Patience::default() };
        Exchange::new(
            vec!["10.96.0.10:53".parse().unwrap()],
            Message::query(7, "web", RecordType::A),
            patience,
        )
    }

    #[test]
    fn silence_is_borne_three_times() {
        let (mut exchange, mut now, mut sent) = (exchange(), SimTime::ZERO, 0);
        loop {
            match exchange.poll(now) {
                Action::Send(_) => sent += 1,
                Action::Wait(until) => now = until,
                Action::Close(_) => {}
                Action::Done => break,
            }
        }
        assert_eq!((sent, now), (3, SimTime::from_secs(15)));
        assert_eq!(exchange.into_events().len(), 3);
    }

    #[test]
    fn a_server_that_fails_is_passed_over_while_there_is_another() {
        let servers = ["10.0.0.1:53", "10.0.0.2:53"].map(|s| s.parse().unwrap()).to_vec();
        let patience = Patience { servfail_stops: false, ..Patience::default() };
        let mut exchange = Exchange::new(servers, Message::query(7, "web", RecordType::A), patience);
        for _ in 0..2 {
            let Action::Send(send) = exchange.poll(SimTime::ZERO) else { panic!() };
            let reply = Message::parse(&send.query).unwrap().reply(Rcode::SERVFAIL);
            exchange.on_reply(send.socket, send.server, &reply.to_bytes().unwrap(), SimTime::ZERO);
            assert!(matches!(exchange.poll(SimTime::ZERO), Action::Close(_)));
        }
        let events = exchange.into_events();
        assert!(matches!(events[..], [Event::Passed(_, Rcode::SERVFAIL), Event::Reply(_)]), "{events:?}");
    }

    #[test]
    fn a_truncated_answer_is_asked_for_over_tcp() {
        let mut exchange = exchange();
        let Action::Send(send) = exchange.poll(SimTime::ZERO) else { panic!() };
        let mut reply = Message::parse(&send.query).unwrap().reply(Rcode::NOERROR);
        reply.flags.tc = true;
        exchange.on_reply(send.socket, send.server, &reply.to_bytes().unwrap(), SimTime::ZERO);
        assert!(matches!(exchange.poll(SimTime::ZERO), Action::Close(_)));
        let Action::Send(send) = exchange.poll(SimTime::ZERO) else { panic!() };
        assert_eq!(send.transport, Transport::Tcp);
    }
}
