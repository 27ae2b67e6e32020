//! Which replica set is the present one, which number it has, and which old ones are kept.

use std::collections::BTreeMap;

use super::super::{Cx, template_hash};
use super::{DESIRED, MAXIMUM, Rollout, owner_reference, replicas, scaled};
use crate::kube::objects::deployment::REVISION;
use crate::kube::objects::meta::ObjectMeta;
use crate::kube::objects::replica_set::{POD_TEMPLATE_HASH, ReplicaSetSpec};
use crate::kube::objects::{Deployment, Kind, Object, ObjectKey, ReplicaSet};
use crate::kube::store::{ApiError, DeleteOptions, LAST_APPLIED, Reason};

/// Annotation of a replica set with the numbers that it had before.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Whether a replica set makes the pods that the Deployment wants now.
pub(super) fn same_template(set: &ReplicaSet, deployment: &Deployment) -> bool {
    let (own, wanted) = (&set.spec.template, &deployment.spec.template);
    let mut labels = own.metadata.labels.clone();
    labels.remove(POD_TEMPLATE_HASH);
    labels == wanted.metadata.labels
        && own.metadata.annotations == wanted.metadata.annotations
        && own.spec == wanted.spec
}

/// The number of a revision; zero if there is none.
pub(super) fn number(annotations: &BTreeMap<String, String>) -> i64 {
    annotations.get(REVISION).and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl Rollout<'_> {
    /// Brings the present replica set's number and annotations up to date, if there is one.
    pub(super) fn find_new(&mut self, cx: &mut Cx<'_>) {
        let Some(new) = self.new_set() else { return };
        let next = self.next_number();
        let mut set = self.sets[new].clone();
        annotate(&mut set, &self.deployment, next);
        set.spec.min_ready_seconds = self.deployment.spec.min_ready_seconds;
        if set != self.sets[new] {
            self.put_set(cx, new, set);
        }
        let own = self.sets[new].metadata.annotations.get(REVISION).cloned().unwrap_or_default();
        let mut changed = self.set_number(&own);
        if self.has_deadline() && self.deployment.condition("Progressing").is_none() {
            let message = format!("Found new replica set {:?}", self.sets[new].metadata.name);
            self.set_progress(cx, "True", "FoundNewReplicaSet", &message);
            changed = true;
        }
        if changed {
            self.put(cx);
        }
    }

    /// Makes the present replica set if it is not there; whether the look is over: something went wrong.
    pub(super) fn make_new(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.new_set().is_some() {
            self.find_new(cx);
            return false;
        }
        let next = self.next_number();
        let hash = self.hash(cx);
        let mut set = self.with_hash(&hash);
        set.spec.replicas = Some(self.room(&set));
        annotate(&mut set, &self.deployment, next);
        self.note_sizes(&mut set);
        let (name, size) = (set.metadata.name.clone(), replicas(&set));
        match cx.store.create(set, cx.now) {
            Ok(made) => {
                if let Object::ReplicaSet(made) = &*made {
                    self.sets.push((**made).clone());
                }
                if size > 0 {
                    scaled(cx, self.object, &name, 0, size);
                }
            }
            Err(e) => return self.cannot_make(cx, &name, &e),
        }
        self.set_number(&next.to_string());
        if self.has_deadline() {
            let message = format!("Created new replica set {name:?}");
            self.set_progress(cx, "True", "NewReplicaSetCreated", &message);
        }
        self.put(cx);
        false
    }

    fn cannot_make(&mut self, cx: &mut Cx<'_>, name: &str, error: &ApiError) -> bool {
        if error.reason == Reason::AlreadyExists {
            // The hash of another template: the next look tries another one.
            let count = self.deployment.status.collision_count.get_or_insert(0);
            *count += 1;
        } else if self.has_deadline() {
            let message = format!("Failed to create new replica set {name:?}: {error}");
            self.set_progress(cx, "False", "ReplicaSetCreateError", &message);
        }
        self.put(cx);
        true
    }

    /// The hash in the new replica set's name: that of the pods' pinned names, or of the template.
    fn hash(&self, cx: &Cx<'_>) -> String {
        let key = ObjectKey::new(
            Kind::Deployment,
            &self.deployment.metadata.namespace,
            &self.deployment.metadata.name,
        );
        let pin = cx.store.config().pins.owned(&key, cx.owned.made(&key));
        let pinned = pin.and_then(|pin| {
            let rest = pin.name.as_deref()?.strip_prefix(&format!("{}-", key.name))?;
            Some(rest.rsplit_once('-')?.0.to_owned())
        });
        let free = |hash: &String| self.sets.iter().all(|s| !s.metadata.name.ends_with(&format!("-{hash}")));
        pinned.filter(free).unwrap_or_else(|| {
            template_hash::of_template(&self.deployment.spec.template, self.deployment.status.collision_count)
        })
    }

    fn with_hash(&self, hash: &str) -> ReplicaSet {
        let (meta, spec) = (&self.deployment.metadata, &self.deployment.spec);
        let mut template = spec.template.clone();
        template.metadata.labels.insert(POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
        let mut selector = spec.selector.clone().unwrap_or_default();
        selector.match_labels.insert(POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
        ReplicaSet {
            metadata: ObjectMeta {
                labels: template.metadata.labels.clone(),
                owner_references: vec![owner_reference(self.object)],
                ..ObjectMeta::namespaced(&meta.namespace, format!("{}-{hash}", meta.name))
            },
            spec: ReplicaSetSpec {
                min_ready_seconds: spec.min_ready_seconds,
                replicas: Some(0),
                selector: Some(selector),
                template,
            },
            ..ReplicaSet::default()
        }
    }

    /// Notes in a replica set how many pods the Deployment wants; whether that is news.
    pub(super) fn note_sizes(&self, set: &mut ReplicaSet) -> bool {
        let (wanted, (surge, _)) = (self.wanted(), self.bounds());
        let mut news = false;
        for (name, value) in [(DESIRED, wanted), (MAXIMUM, wanted + surge)] {
            let value = value.to_string();
            news |= set.metadata.annotations.get(name) != Some(&value);
            set.metadata.annotations.insert(name.to_owned(), value);
        }
        news
    }

    /// The number that the present template gets: one more than any old one has.
    fn next_number(&self) -> i64 {
        self.old_sets().map(|i| number(&self.sets[i].metadata.annotations)).max().unwrap_or(0) + 1
    }

    fn set_number(&mut self, text: &str) -> bool {
        if text.is_empty() || self.deployment.metadata.annotations.get(REVISION).is_some_and(|n| n == text) {
            return false;
        }
        self.deployment.metadata.annotations.insert(REVISION.to_owned(), text.to_owned());
        true
    }

    /// Writes a replica set.
    pub(super) fn put_set(&mut self, cx: &mut Cx<'_>, i: usize, set: ReplicaSet) {
        if let Ok(written) = cx.store.update(set, cx.now)
            && let Object::ReplicaSet(written) = &*written
        {
            self.sets[i] = (**written).clone();
        }
    }

    /// Writes the Deployment's annotations and conditions.
    fn put(&mut self, cx: &mut Cx<'_>) {
        if let Ok(written) = cx.store.update_status_and_annotations(self.deployment.clone(), cx.now)
            && let Object::Deployment(written) = &*written
        {
            self.deployment = (**written).clone();
        }
    }

    /// Deletes old replica sets beyond the limit.
    pub(super) fn clean_up(&mut self, cx: &mut Cx<'_>) {
        let limit = usize::try_from(self.deployment.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
        let mut old: Vec<&ReplicaSet> =
            self.old_sets().map(|i| &self.sets[i]).filter(|s| !s.metadata.is_terminating()).collect();
        old.sort_by_key(|s| number(&s.metadata.annotations));
        let idle = |s: &&&ReplicaSet| {
            replicas(s) == 0
                && s.status.replicas == 0
                && s.status.observed_generation == s.metadata.generation
        };
        let beyond = old.len().saturating_sub(limit);
        let names: Vec<String> = old[..beyond].iter().filter(idle).map(|s| s.metadata.name.clone()).collect();
        for name in names {
            let options = DeleteOptions::default();
            // One that is gone is as it should be.
            let _ = cx.store.delete(
                Kind::ReplicaSet,
                &self.deployment.metadata.namespace,
                &name,
                options,
                cx.now,
            );
            self.sets.retain(|s| s.metadata.name != name);
        }
    }
}

/// Copies a Deployment's annotations to its present replica set, and gives that its number.
fn annotate(set: &mut ReplicaSet, deployment: &Deployment, next: i64) {
    let own = [LAST_APPLIED, REVISION, HISTORY, DESIRED, MAXIMUM];
    for (name, value) in &deployment.metadata.annotations {
        if !own.contains(&name.as_str()) {
            set.metadata.annotations.insert(name.clone(), value.clone());
        }
    }
    let before = number(&set.metadata.annotations);
    if before >= next {
        return;
    }
    if before > 0 {
        let history = set.metadata.annotations.get(HISTORY).filter(|h| !h.is_empty());
        let history = history.map_or_else(|| before.to_string(), |h| format!("{h},{before}"));
        set.metadata.annotations.insert(HISTORY.to_owned(), history);
    }
    set.metadata.annotations.insert(REVISION.to_owned(), next.to_string());
}
