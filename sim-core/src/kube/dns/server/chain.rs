//! The plugin chain: each plugin answers, or asks the next and changes what that says.
//!
//! What takes time (an upstream server, a name that an alias leads to) is not waited for inside the chain. A plugin that needs
//! an answer from outside stops with a [`Halt`]; when the answer is there, the chain is walked again from the start, and the
//! [`Memo`] of the query has what was learned so far. So a plugin reads from top to bottom as CoreDNS' does.

use super::autopath::Autopath;
use super::cache::{Cache, CacheKey};
use super::hosts::Hosts;
use super::kubernetes::Kubernetes;
use super::log::{Errors, Log};
use super::looping::Loop;
use super::rewrite::Rewrite;
use super::template::Templates;
use super::zone_file::ZoneFiles;
use super::{Client, edge, forward};
use crate::chance::Dice;
use crate::kube::dns::wire::{Message, Question, Rcode, RecordType};
use crate::time::SimTime;

/// A plugin of a server block that answers or changes answers.
#[derive(Clone, Debug)]
pub(super) enum Plugin {
    Errors(Errors),
    Log(Log),
    Any(Vec<String>),
    Loadbalance(()),
    Cache(Box<Cache>),
    Rewrite(Rewrite),
    Autopath(Autopath),
    Minimal(()),
    Template(Templates),
    Hosts(Hosts),
    Kubernetes(Box<Kubernetes>),
    File(ZoneFiles),
    Loop(Loop),
    /// One of the process' upstream groups, by number.
    Forward(usize),
}

/// What a walk of the chain comes to.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// What a plugin has written; none if the server has to write an error.
    pub(super) reply: Option<Message>,
    /// The error to write.
    pub(super) rcode: Rcode,
    /// What the plugin errors prints.
    pub(super) error: Option<String>,
}

/// Something from outside is needed first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The answer of an upstream group.
    Upstream(Ask),
    /// The server's own answer to another question.
    Lookup(Ask),
    /// The process ends.
    Exit,
}

/// A question that was put to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The upstream group; none for the server itself.
    pub(super) forward: Option<usize>,
    pub(super) question: Question,
}

/// What a query has learned on earlier walks.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    pub(super) answers: Vec<(Ask, Result<Message, Failure>)>,
    /// What was not in the cache then is not looked for again.
    pub(super) missed: Vec<CacheKey>,
}

/// Why an upstream group gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) rcode: Rcode,
    pub(super) text: String,
}

pub(super) type Step = Result<Done, Halt>;

/// What plugins may look at and leave behind.
pub(super) struct Cx<'a> {
    pub(super) now: SimTime,
    /// When the query came.
    pub(super) arrived: SimTime,
    pub(super) client: Client,
    /// Length of the query in bytes.
    pub(super) size: usize,
    /// Whether this is the first walk.
    pub(super) first: bool,
    /// A walk in the background that renews a cache entry.
    pub(super) refresh: bool,
    pub(super) memo: &'a mut Memo,
    pub(super) dice: &'a mut Dice,
    pub(super) place: u64,
    pub(super) forwards: &'a [forward::Group],
    pub(super) log: &'a mut Vec<String>,
    /// Questions to ask in the background.
    pub(super) renew: &'a mut Vec<Message>,
}

impl Done {
    pub(super) const fn written(reply: Message) -> Self {
        Self { rcode: reply.rcode, reply: Some(reply), error: None }
    }

    pub(super) const fn failed(rcode: Rcode, error: Option<String>) -> Self {
        Self { reply: None, rcode, error }
    }
}

impl Cx<'_> {
    /// The server's own answer to a question.
    pub(super) fn lookup(&self, name: &str, rtype: RecordType) -> Result<Message, Halt> {
        let question = Question { name: name.to_owned(), rtype, class: crate::kube::dns::wire::CLASS_IN };
        let ask = Ask { forward: None, question };
        match self.known(&ask) {
            Some(Ok(reply)) => Ok(reply.clone()),
            Some(Err(_)) => Ok(Message::default()),
            None => Err(Halt::Lookup(ask)),
        }
    }

    pub(super) fn known(&self, ask: &Ask) -> Option<&Result<Message, Failure>> {
        self.memo.answers.iter().find(|(a, _)| a == ask).map(|(_, answer)| answer)
    }
}

/// Asks the next plugin; `from` is who asks.
pub(super) fn next(rest: &mut [Plugin], query: &Message, cx: &mut Cx<'_>, from: &str) -> Step {
    match rest.split_first_mut() {
        Some((plugin, rest)) => plugin.serve(query, rest, cx),
        None => {
            let error = (!from.is_empty()).then(|| format!("plugin/{from}: no next plugin found"));
            let rcode = if from.is_empty() { Rcode::REFUSED } else { Rcode::SERVFAIL };
            Ok(Done::failed(rcode, error))
        }
    }
}

impl Plugin {
    fn serve(&mut self, query: &Message, rest: &mut [Self], cx: &mut Cx<'_>) -> Step {
        match self {
            Self::Errors(p) => p.serve(query, rest, cx),
            Self::Log(p) => p.serve(query, rest, cx),
            Self::Any(zones) => edge::any(zones, query, rest, cx),
            Self::Loadbalance(()) => edge::loadbalance(query, rest, cx),
            Self::Cache(p) => p.serve(query, rest, cx),
            Self::Rewrite(p) => p.serve(query, rest, cx),
            Self::Autopath(p) => p.serve(query, rest, cx),
            Self::Minimal(()) => edge::minimal(query, rest, cx),
            Self::Template(p) => p.serve(query, rest, cx),
            Self::Hosts(p) => p.serve(query, rest, cx),
            Self::Kubernetes(p) => p.serve(query, rest, cx),
            Self::File(p) => p.serve(query, rest, cx),
            Self::Loop(p) => p.serve(query, rest, cx),
            Self::Forward(id) => forward::serve(*id, query, rest, cx),
        }
    }
}
