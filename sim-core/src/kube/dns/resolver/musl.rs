//! musl's resolver (1.2.3, `res_msend` and `name_from_dns_search`): every server is asked at once.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::super::name;
use super::super::wire::{Message, Rcode};
use super::{Action, Errors, Found, Ids, LookupError, Plan, ResolvConf, Send, Transport, found};
use crate::time::SimTime;

#[derive(Clone, Debug)]
pub(super) struct Musl {
    conf: ResolvConf,
    plan: Plan,
    ids: Ids,
    candidates: VecDeque<String>,
    round: Option<Round>,
    sockets: u32,
    out: VecDeque<Action>,
    result: Option<Result<Found, LookupError>>,
}

/// One name being asked for at every server, until each of its queries has an answer.
#[derive(Clone, Debug)]
struct Round {
    name: String,
    socket: u32,
    queries: Vec<(u16, Vec<u8>)>,
    answers: Vec<Option<Message>>,
    started: SimTime,
    sent: Option<SimTime>,
    servfail_retries: usize,
}

impl Musl {
    pub(super) fn new(conf: ResolvConf, plan: Plan, seed: u32) -> Self {
        let mut candidates = VecDeque::new();
        if plan.search && plan.dots() < conf.ndots && !name::is_absolute(&plan.name) {
            candidates.extend(plan.searched(&conf));
        }
        candidates.push_back(name::absolute(&plan.name));
        candidates.retain(|c| c.len() <= name::MAX_LEN + 1);
        Self {
            conf,
            plan,
            ids: Ids(seed),
            candidates,
            round: None,
            sockets: 0,
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
            let Some(round) = &mut self.round else {
                self.start(now);
                continue;
            };
            let timeout = self.conf.timeout;
            if round.answers.iter().all(Option::is_some) || now.since(round.started) >= timeout {
                self.conclude();
                continue;
            }
            let interval = timeout / self.conf.attempts.max(1);
            match round.sent {
                Some(sent) if now.since(sent) < interval => {
                    return Action::Wait((sent + interval).min(round.started + timeout));
                }
                _ => self.send(now),
            }
        }
    }

    pub(super) fn on_reply(&mut self, socket: u32, from: SocketAddr, bytes: &[u8], _now: SimTime) {
        let Some(round) = self.round.as_mut().filter(|r| r.socket == socket) else { return };
        if !self.conf.servers.contains(&from.ip()) || from.port() != 53 {
            return;
        }
        let Ok(reply) = Message::parse(bytes) else { return };
        let Some(i) = round.queries.iter().position(|(id, _)| *id == reply.id) else { return };
        if round.answers[i].is_some() {
            return;
        }
        match reply.rcode {
            Rcode::NOERROR | Rcode::NXDOMAIN => round.answers[i] = Some(reply),
            Rcode::SERVFAIL if round.servfail_retries > 0 => {
                round.servfail_retries -= 1;
                let query = round.queries[i].1.clone();
                self.out.push_back(send(socket, from, query));
            }
            // Refusals and whatever else are passed over: another server may answer.
            _ => {}
        }
    }

    fn start(&mut self, now: SimTime) {
        let Some(name) = self.candidates.pop_front() else {
            self.result = Some(Err(LookupError::NotFound));
            return;
        };
        let mut queries = Vec::new();
        for rtype in &self.plan.types {
            let id = self.ids.next();
            match Message::query(id, &name, *rtype).to_bytes() {
                Ok(bytes) => queries.push((id, bytes)),
                Err(_) => {
                    self.result = Some(Err(LookupError::NotFound));
                    return;
                }
            }
        }
        self.sockets += 1;
        self.round = Some(Round {
            name,
            socket: self.sockets,
            answers: vec![None; queries.len()],
            queries,
            started: now,
            sent: None,
            servfail_retries: 0,
        });
    }

    fn send(&mut self, now: SimTime) {
        let Some(round) = &mut self.round else { return };
        for ((_, query), answer) in round.queries.iter().zip(&round.answers) {
            if answer.is_none() {
                let servers = self.conf.servers.iter();
                self.out.extend(servers.map(|s| send(round.socket, SocketAddr::new(*s, 53), query.clone())));
            }
        }
        round.sent = Some(now);
        round.servfail_retries = 2 * round.queries.len();
    }

    fn conclude(&mut self) {
        let Some(round) = self.round.take() else { return };
        self.out.push_back(Action::Close(round.socket));
        let Some(replies) = round.answers.into_iter().collect::<Option<Vec<Message>>>() else {
            self.result = Some(Err(LookupError::TryAgain));
            return;
        };
        // One family's NXDOMAIN makes the name a miss, whatever the other family has.
        if replies.iter().any(|r| r.rcode == Rcode::NXDOMAIN) {
            return;
        }
        let replies: Vec<Message> = replies.into_iter().rev().collect();
        let found = found(&round.name, &replies);
        let empty = found.addresses.is_empty() && found.names.is_empty();
        self.result = Some(if empty { Err(LookupError::NoData) } else { Ok(found) });
    }
}

fn send(socket: u32, server: SocketAddr, query: Vec<u8>) -> Action {
    Action::Send(Send { socket, errors: Errors::None, transport: Transport::Udp, server, query })
}
