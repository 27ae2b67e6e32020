//! Deleting objects.

use std::sync::Arc;
use std::time::Duration;

use super::{ApiError, ChangeKind, Store, set_pod_condition};
use crate::kube::objects::{Kind, Object, Pod, PodDisruptionBudget, PodPhase, Selector, Timestamp};
use crate::time::SimTime;

/// How to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds for a graceful end; none: what the object itself grants. Zero removes it at once.
    pub grace_seconds: Option<i64>,
    /// What becomes of what the object owns.
    pub propagation: Propagation,
}

/// What becomes of the objects that a deleted object owns (`kubectl delete --cascade`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    /// The finalizer that the object waits for.
    const fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Background => None,
            Self::Foreground => Some("foregroundDeletion"),
            Self::Orphan => Some("orphan"),
        }
    }
}

/// What `delete` did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// The object is gone; this is how it was last.
    Gone(Arc<Object>),
    /// The object is marked, and its agent or controller will remove it.
    Terminating(Arc<Object>),
}

/// Namespaces that the server does not let go.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Store {
    /// Deletes an object (`DELETE`). A pod on a node is marked and goes when its kubelet deletes it with no grace; a
    /// namespace is marked and goes when it is empty; an object with finalizers when they are removed.
    ///
    /// # Errors
    /// The object is not there, or may not be deleted.
    pub fn delete(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        options: DeleteOptions,
        now: SimTime,
    ) -> Result<Deleted, ApiError> {
        let mut object = self.get(kind, namespace, name)?;
        if let Some(finalizer) = options.propagation.finalizer()
            && !object.meta().is_terminating()
        {
            let mut held = (*object).clone();
            held.meta_mut().finalizers.push(finalizer.to_owned());
            object = self.write(held, &object, now);
        }
        match &*object {
            Object::Namespace(_) if IMMORTAL.contains(&name) => {
                Err(ApiError::forbidden(kind, name, "this namespace may not be deleted"))
            }
            Object::Namespace(ns) if !ns.spec.finalizers.is_empty() => {
                let mut marked = ns.clone();
                "Terminating".clone_into(&mut marked.status.phase);
                Ok(Deleted::Terminating(self.mark(Object::Namespace(marked), &object, 0, now)))
            }
            Object::Pod(pod) => {
                let grace = grace_of(pod, options);
                let left = pod.metadata.deletion_grace_period_seconds;
                if grace == 0 && pod.metadata.finalizers.is_empty() {
                    Ok(Deleted::Gone(self.remove(&object)))
                } else if pod.metadata.is_terminating() && left.is_some_and(|left| left <= grace) {
                    Ok(Deleted::Terminating(object))
                } else {
                    Ok(Deleted::Terminating(self.mark((*object).clone(), &object, grace, now)))
                }
            }
            other if !other.meta().finalizers.is_empty() => {
                Ok(Deleted::Terminating(self.mark((*object).clone(), &object, 0, now)))
            }
            _ => Ok(Deleted::Gone(self.remove(&object))),
        }
    }

    /// Notes that the object is to go within `grace` seconds.
    fn mark(&mut self, mut marked: Object, old: &Arc<Object>, grace: i64, now: SimTime) -> Arc<Object> {
        let meta = marked.meta_mut();
        let begun = meta.deletion_timestamp.is_some();
        let wait = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        meta.deletion_timestamp = Some(Timestamp::at(now + wait));
        if marked.kind() == Kind::Pod {
            let meta = marked.meta_mut();
            meta.deletion_grace_period_seconds = Some(grace);
            if !begun {
                meta.generation = meta.generation.map(|g| g + 1);
            }
        }
        self.write(marked, old, now)
    }

    /// Evicts a pod (`POST …/eviction`): deletes it if its disruption budget allows that.
    ///
    /// # Errors
    /// The pod is not there, or the budget does not allow it.
    pub fn evict(
        &mut self,
        namespace: &str,
        name: &str,
        options: DeleteOptions,
        now: SimTime,
    ) -> Result<Deleted, ApiError> {
        let object = self.get(Kind::Pod, namespace, name)?;
        let Object::Pod(pod) = &*object else { return Err(ApiError::not_found(Kind::Pod, name)) };
        let unaffected =
            pod.is_finished() || pod.metadata.is_terminating() || pod.status.phase == PodPhase::Pending;
        if !unaffected {
            self.spend_budget(pod, now)?;
            let marked = self.edit_status::<Pod>(namespace, name, now, |pod| {
                let (reason, message) = ("EvictionByEvictionAPI", "Eviction API: evicting");
                set_pod_condition(pod, "DisruptionTarget", "True", reason, message, now);
            });
            marked?;
        }
        self.delete(Kind::Pod, namespace, name, options, now)
    }

    /// Takes one disruption off the budget of a pod.
    fn spend_budget(&mut self, pod: &Pod, now: SimTime) -> Result<(), ApiError> {
        let covers = |budget: &&PodDisruptionBudget| {
            let selector = budget.spec.selector.as_ref().and_then(Selector::from_label_selector);
            selector.is_some_and(|s| s.matches(&pod.metadata.labels))
        };
        let all = self.all::<PodDisruptionBudget>(Some(&pod.metadata.namespace));
        let budgets: Vec<PodDisruptionBudget> = all.filter(covers).cloned().collect();
        let Some(budget) = budgets.first() else { return Ok(()) };
        if budgets.len() > 1 {
            let words = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                         support.";
            return Err(ApiError::unknown(words.to_owned()));
        }
        let status = &budget.status;
        let always = budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow");
        let enough = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
        if !pod.is_ready() && (always || enough) {
            return Ok(());
        }
        if status.disruptions_allowed < 1 {
            return Err(ApiError::too_many_requests(
                "Cannot evict pod as it would violate the pod's disruption budget.",
            ));
        }
        let mut spent = budget.clone();
        spent.status.disruptions_allowed -= 1;
        self.update_status(spent, now).map(|_| ())
    }

    /// Removes an object, and gives back what was allocated for it.
    pub(super) fn remove(&mut self, object: &Arc<Object>) -> Arc<Object> {
        self.revision += 1;
        self.touched.insert(object.kind(), self.revision);
        let mut last = (**object).clone();
        last.meta_mut().resource_version = self.revision.to_string();
        let last = Arc::new(last);
        if let Object::Service(service) = &*last {
            self.ranges.release(service);
        }
        if object.kind() == Kind::Pod && !self.promised.is_empty() {
            self.promised.remove(&format!("{}/{}", object.meta().namespace, object.meta().name));
        }
        self.shelf.take(&object.key());
        self.log.push(ChangeKind::Deleted, Arc::clone(&last), Some(Arc::clone(object)));
        last
    }

    /// Removes a namespace that has been emptied.
    pub(crate) fn finish_namespace(&mut self, name: &str) {
        if let Some(namespace) = self.find(Kind::Namespace, "", name).cloned() {
            self.remove(&namespace);
        }
    }
}

/// Seconds that a pod gets: none if nobody runs it.
fn grace_of(pod: &Pod, options: DeleteOptions) -> i64 {
    if pod.spec.node_name.is_empty() || pod.is_finished() {
        return 0;
    }
    let own = pod.spec.termination_grace_period_seconds.unwrap_or(30);
    options.grace_seconds.unwrap_or(own).max(0)
}
