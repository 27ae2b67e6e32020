//! The plugin in the chain: its index, and what becomes of its decisions.

use super::index::{Index, View};
use super::{Asked, Decision, Options, PodsMode, ServiceImport};
use crate::kube::dns::name;
use crate::kube::dns::server::chain::{Cx, Done, Plugin, Step, next};
use crate::kube::dns::wire::{Message, Rcode, Record};
use crate::kube::objects::Object;
use crate::kube::store::Store;
use crate::time::SimTime;

/// One instance of the plugin.
#[derive(Clone, Debug)]
pub(in crate::kube::dns::server) struct Kubernetes {
    options: Options,
    index: Index,
}

impl Kubernetes {
    pub(in crate::kube::dns::server) fn new(options: Options) -> Self {
        let view = View {
            pod_names: options.endpoint_pod_names,
            no_endpoints: options.no_endpoints,
            labels: options.labels.clone(),
            namespace_labels: options.namespace_labels.clone(),
        };
        Self { index: Index::new(view), options }
    }

    /// Takes in what changed in the store.
    pub(in crate::kube::dns::server) fn sync(&mut self, store: &Store, now: SimTime) {
        self.index.sync(store, now);
    }

    /// Takes in objects that come from elsewhere.
    pub(in crate::kube::dns::server) fn learn(
        &mut self,
        objects: &[Object],
        imports: &[ServiceImport],
        now: SimTime,
    ) {
        self.index.learn(objects, imports, now);
    }

    /// Whether it has seen the store.
    pub(in crate::kube::dns::server) const fn is_ready(&self) -> bool {
        self.index.is_filled()
    }

    pub(in crate::kube::dns::server) fn serve(
        &self,
        query: &Message,
        rest: &mut [Plugin],
        cx: &mut Cx<'_>,
    ) -> Step {
        let Some(question) = &query.question else { return next(rest, query, cx, "kubernetes") };
        let found = self.options.zone_of(&question.name);
        let Some(start) = found.and_then(|zone| name::zone_start(&question.name, zone)) else {
            return next(rest, query, cx, "kubernetes");
        };
        // The zone as the client typed it: it shows in SOA names and SRV targets.
        let asked = Asked { options: &self.options, index: &self.index, zone: &question.name[start..] };
        let reply = match asked.decide(&question.name, question.rtype) {
            Decision::NameError if self.options.fallthrough.through(&question.name) => {
                return next(rest, query, cx, "kubernetes");
            }
            Decision::Refused => return Ok(Done::failed(Rcode::REFUSED, None)),
            Decision::External { chain, target } => {
                let known = cx.lookup(&target, question.rtype)?;
                self.chased(query, chain, &known)
            }
            decision => decision.into_reply(query, &self.options, &self.index),
        };
        Ok(Done::written(reply))
    }

    /// The reply of an `ExternalName`: the aliases, then what is known about their end. A target that does not exist is no error
    /// here.
    fn chased(&self, query: &Message, chain: Vec<Record>, known: &Message) -> Message {
        let mut answers = chain;
        answers.extend(known.answers.iter().cloned());
        let decision = Decision::Found { answers, additional: Vec::new() };
        let mut out = decision.into_reply(query, &self.options, &self.index);
        out.flags.tc = known.flags.tc;
        out
    }

    /// Whether it serves a set of clusters.
    pub(in crate::kube::dns::server) fn is_multicluster(&self) -> bool {
        !self.options.multicluster.is_empty()
    }

    /// The search list of a pod, by its address: for the plugin autopath. `search` is the process' own.
    pub(in crate::kube::dns::server) fn search_path(
        &self,
        asked: &str,
        client: std::net::IpAddr,
        search: &[String],
    ) -> Option<Vec<String>> {
        let zone = self.options.zone_of(asked)?;
        if self.options.pods != PodsMode::Verified {
            return None;
        }
        let (namespace, _) = self.index.pods_at(client).next()?;
        let mut all = vec![format!("{namespace}.svc.{zone}"), format!("svc.{zone}"), zone.to_owned()];
        all.extend(search.iter().cloned());
        all.push(String::new());
        Some(all)
    }
}
