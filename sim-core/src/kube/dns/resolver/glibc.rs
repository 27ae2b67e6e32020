//! glibc's resolver (2.36, `res_search`, `res_send`): one server after the other, A and AAAA from one socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::name;
use super::super::wire::{Edns, Message, Rcode, RecordType};
use super::{Action, Errors, Found, Ids, LookupError, Plan, ResolvConf, Send, Transport, found};
use crate::linux::Errno;
use crate::time::SimTime;

/// What glibc announces with `options edns0` (`RESOLV_EDNS_BUFFER_SIZE`).
const EDNS_SIZE: u16 = 1200;

#[derive(Clone, Debug)]
pub(super) struct Glibc {
    conf: ResolvConf,
    plan: Plan,
    ids: Ids,
    /// Index of the server that comes first, under `rotate`.
    first_server: usize,
    candidates: VecDeque<(Kind, String)>,
    exchange: Option<Exchange>,
    sockets: u32,
    seen: Failures,
    out: VecDeque<Action>,
    result: Option<Result<Found, LookupError>>,
}

/// Where a candidate name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The name as typed, before the search list.
    First,
    /// The name under a search domain.
    Searched,
    /// The name as typed, after the search list.
    Last,
}

/// What went wrong so far; decides the final error.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    first: Option<LookupError>,
    no_data: bool,
    servfail: bool,
}

/// One candidate name being asked for (`res_send`).
#[derive(Clone, Debug)]
struct Exchange {
    kind: Kind,
    name: String,
    queries: Vec<(u16, Vec<u8>)>,
    attempt: u32,
    server: usize,
    /// The open socket of each server.
    sockets: Vec<Option<u32>>,
    transport: Transport,
    /// A packet came or a timer ran out: not every server refused.
    got_somewhere: bool,
    last_rcode: Rcode,
    deadline: SimTime,
    /// Per query of this try: unanswered, answered unusably, or the reply.
    slots: Vec<Slot>,
    sent: usize,
}

#[derive(Clone, Debug)]
enum Slot {
    Open,
    Useless,
    Reply(Box<Message>),
}

/// How the exchange about one name ended.
enum Outcome {
    Replies(Vec<Message>),
    /// Every server turned the packets away.
    Refused,
    /// Silence, or an error code from every server.
    Nothing,
}

impl Glibc {
    pub(super) fn new(conf: ResolvConf, mut plan: Plan, seed: u32) -> Self {
        if conf.no_aaaa && plan.types.len() > 1 {
            plan.types.retain(|t| *t != RecordType::AAAA);
        }
        let absolute = name::is_absolute(&plan.name);
        let mut candidates = VecDeque::new();
        if !plan.search || absolute || plan.dots() >= conf.ndots {
            candidates.push_back((Kind::First, name::absolute(&plan.name)));
        }
        if plan.search && !absolute {
            candidates.extend(plan.searched(&conf).map(|n| (Kind::Searched, n)));
            if candidates.front().is_none_or(|(kind, _)| *kind != Kind::First) {
                candidates.push_back((Kind::Last, name::absolute(&plan.name)));
            }
        }
        candidates.retain(|(_, n)| n.len() <= name::MAX_LEN + 1);
        let first_server = if conf.rotate { seed as usize % conf.servers.len().max(1) } else { 0 };
        Self {
            conf,
            plan,
            ids: Ids(seed),
            first_server,
            candidates,
            exchange: None,
            sockets: 0,
            seen: Failures::default(),
            out: VecDeque::new(),
            result: None,
        }
    }

    pub(super) const fn result(&self) -> Option<&Result<Found, LookupError>> {
        self.result.as_ref()
    }

    pub(super) fn poll(&mut self, now: SimTime) -> Action {
        loop {
            if let Some(action) = self.out.pop_front() {
                return action;
            }
            if self.result.is_some() {
                return Action::Done;
            }
            match &self.exchange {
                None => self.next_candidate(now),
                // Over TCP the kernel's own timers decide.
                Some(x) if x.transport == Transport::Tcp => return Action::Wait(SimTime::MAX),
                Some(x) if now < x.deadline => return Action::Wait(x.deadline),
                Some(_) => self.timed_out(now),
            }
        }
    }

    pub(super) fn on_reply(&mut self, socket: u32, bytes: &[u8], now: SimTime) {
        let Some(x) = self.exchange.as_mut().filter(|x| x.sockets[x.server] == Some(socket)) else { return };
        let Ok(reply) = Message::parse(bytes) else { return };
        x.got_somewhere = true;
        let open = |(slot, (id, _)): (&Slot, &(u16, Vec<u8>))| matches!(slot, Slot::Open) && *id == reply.id;
        let Some(i) = x.slots.iter().zip(&x.queries).position(open) else { return };
        if !reply.response || reply.question.as_ref().is_none_or(|q| !q.name.eq_ignore_ascii_case(&x.name)) {
            return;
        }
        if reply.flags.tc && x.transport == Transport::Udp {
            self.close();
            if let Some(x) = &mut self.exchange {
                x.transport = Transport::Tcp;
            }
            self.start_try(now);
            return;
        }
        x.last_rcode = reply.rcode;
        x.slots[i] = match reply.rcode {
            Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED => Slot::Useless,
            _ => Slot::Reply(Box::new(reply)),
        };
        self.answered(now);
    }

    pub(super) fn on_error(&mut self, socket: u32, _errno: Errno, now: SimTime) {
        if self.exchange.as_ref().is_some_and(|x| x.sockets[x.server] == Some(socket)) {
            self.close();
            self.next_server(now);
        }
    }

    fn next_candidate(&mut self, now: SimTime) {
        let Some((kind, name)) = self.candidates.pop_front() else {
            let error = self.seen.conclusion(LookupError::NotFound);
            self.result = Some(Err(error));
            return;
        };
        let mut queries = Vec::new();
        for rtype in &self.plan.types {
            let id = self.ids.next();
            let mut query = Message::query(id, &name, *rtype);
            if self.conf.edns0 {
                query.edns = Some(Edns { udp_size: EDNS_SIZE, dnssec_ok: false, options: Vec::new() });
            }
            match query.to_bytes() {
                Ok(bytes) => queries.push((id, bytes)),
                Err(_) => {
                    self.result = Some(Err(LookupError::NotFound));
                    return;
                }
            }
        }
        self.exchange = Some(Exchange {
            kind,
            name,
            slots: Vec::new(),
            queries,
            attempt: 0,
            server: self.first_server,
            sockets: vec![None; self.conf.servers.len()],
            transport: if self.conf.use_vc { Transport::Tcp } else { Transport::Udp },
            got_somewhere: false,
            last_rcode: Rcode::NOERROR,
            deadline: now,
            sent: 0,
        });
        self.start_try(now);
    }

    /// Sends to the current server: both queries, or the first alone in single-request mode.
    fn start_try(&mut self, now: SimTime) {
        let Some(x) = &mut self.exchange else { return };
        let servers = self.conf.servers.len() as u32;
        let position = (x.server + self.conf.servers.len() - self.first_server) as u32 % servers;
        // res_send doubles the time per server and shares it out among them.
        let seconds =
            (self.conf.timeout.as_secs() << position) / if position > 0 { u64::from(servers) } else { 1 };
        x.deadline = now + Duration::from_secs(seconds.max(1));
        x.slots = vec![Slot::Open; x.queries.len()];
        x.sent = 0;
        let one_by_one = self.conf.single_request || self.conf.single_request_reopen;
        let count = if one_by_one { 1 } else { x.queries.len() };
        for _ in 0..count {
            self.send_next();
        }
    }

    fn send_next(&mut self) {
        let Some(x) = &mut self.exchange else { return };
        let Some((_, query)) = x.queries.get(x.sent) else { return };
        let socket = *x.sockets[x.server].get_or_insert_with(|| {
            self.sockets += 1;
            self.sockets
        });
        let server = SocketAddr::new(self.conf.servers[x.server], 53);
        self.out.push_back(Action::Send(Send {
            socket,
            errors: Errors::All,
            transport: x.transport,
            server,
            query: query.clone(),
        }));
        x.sent += 1;
    }

    /// A slot was filled: wait for the other, ask the other, or end this name.
    fn answered(&mut self, now: SimTime) {
        let Some(x) = &self.exchange else { return };
        if x.slots.iter().any(|s| matches!(s, Slot::Open)) {
            if x.sent < x.queries.len() {
                if self.conf.single_request_reopen {
                    self.close();
                }
                self.send_next();
            }
            return;
        }
        if x.replies().is_empty() {
            self.next_server(now);
        } else {
            let replies = x.replies();
            self.conclude(Outcome::Replies(replies));
        }
    }

    fn timed_out(&mut self, now: SimTime) {
        let Some(x) = &mut self.exchange else { return };
        if x.replies().is_empty() {
            x.got_somewhere = true;
            self.next_server(now);
        } else if !self.conf.single_request && !self.conf.single_request_reopen {
            // One of two answers came: perhaps the server or a firewall cannot take two queries at once. Ask one by one.
            self.conf.single_request = true;
            self.start_try(now);
        } else if !self.conf.single_request_reopen {
            self.conf.single_request_reopen = true;
            self.close();
            self.start_try(now);
        } else {
            let replies = x.replies();
            self.conclude(Outcome::Replies(replies));
        }
    }

    fn next_server(&mut self, now: SimTime) {
        let Some(x) = &mut self.exchange else { return };
        x.server = (x.server + 1) % self.conf.servers.len();
        if x.server == self.first_server {
            x.attempt += 1;
        }
        if x.attempt < self.conf.attempts {
            self.start_try(now);
        } else {
            let outcome = if x.got_somewhere { Outcome::Nothing } else { Outcome::Refused };
            self.conclude(outcome);
        }
    }

    fn close(&mut self) {
        let Some(x) = &mut self.exchange else { return };
        self.out.extend(x.sockets[x.server].take().map(Action::Close));
    }

    fn conclude(&mut self, outcome: Outcome) {
        let Some(x) = self.exchange.take() else { return };
        self.out.extend(x.sockets.iter().flatten().map(|s| Action::Close(*s)));
        if self.conf.rotate {
            self.first_server = (self.first_server + 1) % self.conf.servers.len();
        }
        let error = match &outcome {
            Outcome::Refused | Outcome::Nothing => LookupError::TryAgain,
            Outcome::Replies(replies) => match answer_of(&x.name, replies) {
                Ok(found) => {
                    self.result = Some(Ok(found));
                    return;
                }
                Err(error) => error,
            },
        };
        self.failed(&x, &outcome, error);
    }

    /// Decides whether the search goes on after a failure (`__res_context_search`).
    fn failed(&mut self, x: &Exchange, outcome: &Outcome, error: LookupError) {
        match x.kind {
            Kind::First => self.seen.first = Some(error),
            Kind::Searched if matches!(outcome, Outcome::Refused) => self.result = Some(Err(error)),
            Kind::Searched => match error {
                LookupError::NotFound => {}
                LookupError::NoData => self.seen.no_data = true,
                LookupError::TryAgain if x.last_rcode == Rcode::SERVFAIL => self.seen.servfail = true,
                // Anything else ends the search; only the bare name is still tried.
                _ => self.candidates.retain(|(kind, _)| *kind == Kind::Last),
            },
            Kind::Last => {}
        }
        if self.candidates.is_empty() && self.result.is_none() {
            self.result = Some(Err(self.seen.conclusion(error)));
        }
    }
}

impl Exchange {
    fn replies(&self) -> Vec<Message> {
        let reply = |slot: &Slot| match slot {
            Slot::Reply(m) => Some((**m).clone()),
            Slot::Open | Slot::Useless => None,
        };
        self.slots.iter().filter_map(reply).collect()
    }
}

impl Failures {
    fn conclusion(self, last: LookupError) -> LookupError {
        match self {
            Self { first: Some(error), .. } => error,
            Self { no_data: true, .. } => LookupError::NoData,
            Self { servfail: true, .. } => LookupError::TryAgain,
            _ => last,
        }
    }
}

/// One family's addresses are enough, whatever became of the other.
fn answer_of(asked: &str, replies: &[Message]) -> Result<Found, LookupError> {
    let found = found(asked, replies);
    if !found.addresses.is_empty() || !found.names.is_empty() {
        return Ok(found);
    }
    let rcode = replies.iter().map(|r| r.rcode).find(|r| *r != Rcode::NOERROR).unwrap_or_default();
    Err(match rcode {
        Rcode::NOERROR => LookupError::NoData,
        Rcode::NXDOMAIN => LookupError::NotFound,
        Rcode::SERVFAIL => LookupError::TryAgain,
        _ => LookupError::Failed,
    })
}
