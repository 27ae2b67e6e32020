//! Deleting objects.

use std::sync::Arc;
use std::time::Duration;

use super::{ApiError, ChangeKind, Store};
use crate::kube::objects::{Kind, Object, Pod, Timestamp};
use crate::time::SimTime;

/// How to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds for a graceful end; none: what the object itself grants. Zero removes it at once.
    pub grace_seconds: Option<i64>,
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
        let object = self.get(kind, namespace, name)?;
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

    /// Removes an object, and gives back what was allocated for it.
    pub(super) fn remove(&mut self, object: &Arc<Object>) -> Arc<Object> {
        self.revision += 1;
        let mut last = (**object).clone();
        last.meta_mut().resource_version = self.revision.to_string();
        let last = Arc::new(last);
        if let Object::Service(service) = &*last {
            self.ranges.release(service);
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
