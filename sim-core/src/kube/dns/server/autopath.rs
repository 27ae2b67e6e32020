//! The plugin autopath: walks the client's search list inside the server.

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::matches;
use super::setup::{Setup, once, zones_or_keys};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, Rcode, Record, RecordData};

/// The plugin.
#[derive(Clone, Debug)]
pub(super) struct Autopath {
    zones: Vec<String>,
    /// The list itself; none: the plugin kubernetes knows it, by the client's address.
    search: Option<Vec<String>>,
    /// The process' own search list.
    own: Vec<String>,
}

impl Autopath {
    /// Reads `autopath [ZONES…] RESOLV-CONF|@kubernetes`.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let args = once(c)?;
        let (from, zones) = args.split_last().ok_or("no resolv-conf specified")?;
        let zones = zones_or_keys(zones, cx.keys);
        let own = cx.around.read("/etc/resolv.conf").map(|t| search_of(&t)).unwrap_or_default();
        let search = match from.strip_prefix('@') {
            Some("kubernetes") => None,
            Some(other) => return Err(format!("{other} does not implement the AutoPather interface")),
            None => {
                let text = cx.around.read(from).ok_or_else(|| {
                    format!("failed to parse {from:?}: open {from}: no such file or directory")
                })?;
                let mut search = search_of(&text);
                search.push(String::new());
                Some(search)
            }
        };
        Ok(Self { zones, search, own })
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let Some(question) = &query.question else { return next(rest, query, cx, "autopath") };
        if matches(&self.zones, &question.name).is_none() {
            return next(rest, query, cx, "autopath");
        }
        let search = self.search.clone().or_else(|| {
            let ip = cx.client.addr.ip().to_canonical();
            rest.iter().find_map(|p| match p {
                Plugin::Kubernetes(k) => k.search_path(&question.name, ip, &self.own),
                _ => None,
            })
        });
        let Some(search) = search else { return next(rest, query, cx, "autopath") };
        let Some(at) = search.first().and_then(|first| name::zone_start(&question.name, first)) else {
            return next(rest, query, cx, "autopath");
        };
        let base = question.name[..at].trim_end_matches('.').to_owned();
        let mut first = None;
        for domain in &search {
            let mut candidate = query.clone();
            if let Some(q) = &mut candidate.question {
                q.name = if base.is_empty() { name::absolute(domain) } else { format!("{base}.{domain}") };
            }
            let done = next(rest, &candidate, cx, "autopath")?;
            if done.error.is_some() {
                return Ok(done);
            }
            match done.reply {
                Some(reply) if reply.rcode != Rcode::NXDOMAIN => {
                    return Ok(Done::written(aliased(reply, query)));
                }
                _ => {
                    first.get_or_insert(done);
                }
            }
        }
        // The client then walks the list itself.
        let first = first.unwrap_or_else(|| Done::failed(Rcode::SERVFAIL, None));
        Ok(match first.reply {
            Some(reply) => Done::written(Message { question: query.question.clone(), ..reply }),
            None => first,
        })
    }
}

/// The reply under the name that was asked for: an alias leads to the name that was found.
fn aliased(mut reply: Message, query: &Message) -> Message {
    reply.question.clone_from(&query.question);
    if let (Some(found), Some(question)) = (reply.answers.first(), &query.question)
        && found.name != question.name
    {
        let alias = Record::new(&question.name, found.ttl, RecordData::Cname(found.name.clone()));
        reply.answers.insert(0, alias);
    }
    reply
}

/// The search list of a `resolv.conf`: the last `search` or `domain` line.
fn search_of(text: &str) -> Vec<String> {
    let line = text.lines().rfind(|l| matches!(l.split_whitespace().next(), Some("search" | "domain")));
    let words = line.into_iter().flat_map(|l| l.split_whitespace().skip(1));
    words.map(|w| name::absolute(w).to_ascii_lowercase()).collect()
}
