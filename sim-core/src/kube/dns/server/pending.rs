//! Queries that wait for an upstream server.

use std::collections::BTreeMap;

use super::super::wire::{CLASS_IN, Edns, Flags, Message, Question, Rcode, Record, RecordType};
use super::kubernetes::Decision;
use super::{Client, Index, Options};
use crate::time::SimTime;

/// Tries before the client gets SERVFAIL.
const TRIES: u8 = 2;

/// One waiting query.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) query: Box<Message>,
    pub(super) client: Client,
    /// Aliases that led out of the cluster; none for a query that is only passed on.
    chain: Vec<Record>,
    asked: (String, RecordType),
    tries: u8,
    pub(super) deadline: SimTime,
}

impl Pending {
    pub(super) const fn new(
        query: Box<Message>,
        client: Client,
        chain: Vec<Record>,
        asked: (String, RecordType),
    ) -> Self {
        Self { query, client, chain, asked, tries: 0, deadline: SimTime::MAX }
    }

    /// For an alias that led out of the cluster: the question about its end.
    pub(super) fn inner_query(&self) -> Option<Message> {
        let (name, rtype) = &self.asked;
        let mut inner = Message::query(self.query.id, name, *rtype);
        inner.edns.clone_from(&self.query.edns);
        inner.flags.cd = self.query.flags.cd;
        (!self.chain.is_empty()).then_some(inner)
    }

    pub(super) const fn may_retry(&self) -> bool {
        self.tries < TRIES
    }

    /// The query for the upstream server: the client's own with another id, or one for the alias' target.
    pub(super) fn upstream_query(&mut self, id: u16) -> Message {
        self.tries += 1;
        let (name, rtype) = self.asked.clone();
        Message {
            id,
            flags: Flags { rd: true, ..self.query.flags },
            question: Some(Question { name, rtype, class: CLASS_IN }),
            edns: self.query.edns.as_ref().map(|e| Edns { options: Vec::new(), ..e.clone() }),
            ..Message::default()
        }
    }

    /// An upstream reply as it goes on to the client.
    pub(super) fn forwarded(&self, reply: Message) -> Message {
        Message { id: self.query.id, question: self.query.question.clone(), edns: None, ..reply }
    }

    /// The reply of an `ExternalName`: the aliases, then what the outside says about their end. A target that does not exist
    /// there is no error here.
    pub(super) fn chased(&self, reply: &Message, options: &Options, index: &Index) -> Message {
        let mut answers = self.chain.clone();
        answers.extend(reply.answers.iter().cloned());
        let decision = Decision::Found { answers, additional: Vec::new() };
        let mut out = decision.into_reply(&self.query, options, index);
        out.flags.tc = reply.flags.tc;
        out.rcode = Rcode::NOERROR;
        out
    }
}

/// All waiting queries, by the id that the upstream server sees.
#[derive(Clone, Debug, Default)]
pub(super) struct Pendings(BTreeMap<u16, Pending>);

impl Pendings {
    /// An id that no waiting query has: drawn, then counted on.
    pub(super) fn free_id(&self, draw: impl FnOnce() -> u16) -> u16 {
        let start = draw();
        (0..=u16::MAX).map(|i| start.wrapping_add(i)).find(|id| !self.0.contains_key(id)).unwrap_or(start)
    }

    pub(super) fn put(&mut self, id: u16, pending: Pending) {
        self.0.insert(id, pending);
    }

    /// The query that a reply belongs to.
    pub(super) fn take(&mut self, reply: &Message) -> Option<Pending> {
        let (name, rtype) = &self.0.get(&reply.id)?.asked;
        let same =
            reply.question.as_ref().is_some_and(|q| q.name.eq_ignore_ascii_case(name) && q.rtype == *rtype);
        if same { self.0.remove(&reply.id) } else { None }
    }

    pub(super) fn next_deadline(&self) -> Option<SimTime> {
        self.0.values().map(|p| p.deadline).min()
    }

    pub(super) fn pop_overdue(&mut self, now: SimTime) -> Option<Pending> {
        let id = *self.0.iter().find(|(_, p)| p.deadline <= now)?.0;
        self.0.remove(&id)
    }
}
