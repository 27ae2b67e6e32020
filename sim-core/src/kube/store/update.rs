//! Changing objects.

use std::sync::Arc;

use serde_json::Value;

use super::{ApiError, Cause, Store, defaults, service, validate};
use crate::kube::objects::meta::Condition;
use crate::kube::objects::{Kind, Object, ObjectMeta, Pod, PodCondition, Resource, Timestamp};
use crate::time::SimTime;

impl Store {
    /// Replaces an object (`PUT`). Its status stays as it was; nothing happens if nothing differs.
    ///
    /// # Errors
    /// As the API server: not there, invalid, an immutable field differs, another revision was meant.
    pub fn update(&mut self, object: impl Into<Object>, now: SimTime) -> Result<Arc<Object>, ApiError> {
        self.update_checked(object.into(), Vec::new(), now)
    }

    pub(super) fn update_checked(
        &mut self,
        mut object: Object,
        mut causes: Vec<Cause>,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let kind = object.kind();
        let old = self.get(kind, &object.meta().namespace, &object.meta().name)?;
        let name = old.meta().name.clone();
        let meant = &object.meta().resource_version;
        if !meant.is_empty() && *meant != old.meta().resource_version {
            return Err(ApiError::conflict(kind, &name));
        }
        keep_what_the_server_keeps(object.meta_mut(), old.meta());
        keep_status(&mut object, &old);
        defaults::fill(&mut object);
        let mut ranges = None;
        if let (Object::Service(new), Object::Service(old)) = (&mut object, &*old) {
            service::keep_allocated(new, old);
            service::drop_what_the_type_has_not(new, old);
            let ranges = ranges.insert(self.ranges.clone());
            self.allocate(ranges, new, Some(old), &mut causes)?;
        }
        let causes = service::told_in_order(&object, causes, validate::validate_update(&object, &old));
        if !causes.is_empty() {
            return Err(self.invalid(kind, &name, causes));
        }
        if let Some(ranges) = ranges {
            self.ranges = ranges;
        }
        Ok(self.write(object, &old, now))
    }

    /// Replaces the status of an object (`PUT …/status`); nothing happens if it is the same.
    ///
    /// # Errors
    /// The object is not there.
    pub fn update_status(
        &mut self,
        object: impl Into<Object>,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let object = object.into();
        let old = self.get(object.kind(), &object.meta().namespace, &object.meta().name)?;
        let mut new = (*old).clone();
        new.set_status_of(&object);
        Ok(self.write(new, &old, now))
    }

    /// Replaces the status of an object and its annotations, as the controllers of workloads do: that is no change of what is wanted.
    ///
    /// # Errors
    /// The object is not there.
    pub(crate) fn update_status_and_annotations(
        &mut self,
        object: impl Into<Object>,
        _now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let object = object.into();
        let old = self.get(object.kind(), &object.meta().namespace, &object.meta().name)?;
        let mut new = (*old).clone();
        new.set_status_of(&object);
        new.meta_mut().annotations.clone_from(&object.meta().annotations);
        Ok(if new == *old { old } else { self.put(new) })
    }

    /// Lets an agent change the status of an object, and nothing else of it.
    ///
    /// # Errors
    /// The object is not there.
    pub fn edit_status<T: Resource>(
        &mut self,
        namespace: &str,
        name: &str,
        now: SimTime,
        edit: impl FnOnce(&mut T),
    ) -> Result<Arc<Object>, ApiError> {
        let old = self.get(T::KIND, namespace, name)?;
        let mut new = (*old).clone();
        edit(T::of_mut(&mut new).ok_or_else(|| ApiError::not_found(T::KIND, name))?);
        debug_assert!({
            let mut same = (*old).clone();
            same.set_status_of(&new);
            same == new
        });
        Ok(self.write(new, &old, now))
    }

    /// Adds an ephemeral container to a pod (`PATCH …/ephemeralcontainers`).
    ///
    /// # Errors
    /// The pod is not there, or has a container of that name.
    pub fn add_ephemeral_container(
        &mut self,
        namespace: &str,
        name: &str,
        container: Value,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let old = self.get(Kind::Pod, namespace, name)?;
        let mut new = (*old).clone();
        if let Object::Pod(pod) = &mut new {
            let own = container["name"].as_str().unwrap_or("");
            let others = pod.spec.containers.iter().chain(&pod.spec.init_containers).map(|c| c.name.as_str());
            let known = pod.spec.ephemeral_containers();
            if others.chain(known.iter().filter_map(|c| c["name"].as_str())).any(|n| n == own) {
                let message = format!("Duplicate value: {own:?}");
                let field = format!("spec.ephemeralContainers[{}].name", known.len());
                return Err(self.invalid(Kind::Pod, name, vec![Cause { field, message }]));
            }
            let mut all = known.to_vec();
            all.push(container);
            Arc::make_mut(&mut pod.spec).rest.insert("ephemeralContainers".to_owned(), Value::Array(all));
        }
        Ok(self.write(new, &old, now))
    }

    /// Binds a pod to a node (`POST …/binding`), as the scheduler does.
    ///
    /// # Errors
    /// The pod is not there, or is bound already.
    pub fn bind(&mut self, namespace: &str, name: &str, node: &str, now: SimTime) -> Result<(), ApiError> {
        let old = self.get(Kind::Pod, namespace, name)?;
        let mut new = (*old).clone();
        if let Object::Pod(pod) = &mut new {
            if !pod.spec.node_name.is_empty() {
                let why = format!("pod {name} is already assigned to node {:?}", pod.spec.node_name);
                return Err(ApiError::conflict_because(Kind::Pod, name, &why));
            }
            node.clone_into(&mut Arc::make_mut(&mut pod.spec).node_name);
            set_pod_condition(pod, "PodScheduled", "True", "", "", now);
        }
        // What is wanted stays the same: binding fills in what was left open.
        self.put(new);
        Ok(())
    }

    /// Stores a changed object; an object without finalizers whose deletion was asked for goes.
    pub(super) fn write(&mut self, mut object: Object, old: &Arc<Object>, _now: SimTime) -> Arc<Object> {
        object.meta_mut().resource_version.clone_from(&old.meta().resource_version);
        if object == **old {
            return Arc::clone(old);
        }
        let meta = object.meta();
        let finalized = meta.finalizers.is_empty() && !old.meta().finalizers.is_empty();
        if finalized && meta.is_terminating() && meta.deletion_grace_period_seconds.unwrap_or(0) == 0 {
            return self.remove(old);
        }
        if let (Some(generation), true) = (old.meta().generation, spec_differs(&object, old)) {
            object.meta_mut().generation = Some(generation + 1);
        }
        self.put(object)
    }
}

/// Sets a condition of a pod; the transition time changes only with the status.
pub fn set_pod_condition(pod: &mut Pod, kind: &str, status: &str, reason: &str, message: &str, now: SimTime) {
    let generation = pod.metadata.generation;
    let known = pod.status.conditions.iter_mut().find(|c| c.kind == kind);
    if let Some(condition) = known {
        if condition.status != status {
            condition.last_transition_time = Some(Timestamp::at(now));
        }
        status.clone_into(&mut condition.status);
        reason.clone_into(&mut condition.reason);
        message.clone_into(&mut condition.message);
        condition.observed_generation = generation;
        return;
    }
    pod.status.conditions.push(PodCondition {
        last_probe_time: None,
        last_transition_time: Some(Timestamp::at(now)),
        message: message.to_owned(),
        observed_generation: generation,
        reason: reason.to_owned(),
        status: status.to_owned(),
        kind: kind.to_owned(),
    });
}

/// Whether the desired state differs, for kinds that count it.
fn spec_differs(new: &Object, old: &Object) -> bool {
    match (new, old) {
        // Binding fills in what was left open; it does not change what is wanted.
        (Object::Pod(new), Object::Pod(old)) => {
            if Arc::ptr_eq(&new.spec, &old.spec) || new.spec == old.spec {
                return false;
            }
            let mut spec = (*new.spec).clone();
            if old.spec.node_name.is_empty() {
                spec.node_name.clear();
            }
            spec != *old.spec
        }
        (Object::EndpointSlice(new), Object::EndpointSlice(old)) => {
            new.endpoints != old.endpoints || new.ports != old.ports
        }
        (Object::Ingress(new), Object::Ingress(old)) => new.spec != old.spec,
        (Object::IngressClass(new), Object::IngressClass(old)) => new.spec != old.spec,
        (Object::NetworkPolicy(new), Object::NetworkPolicy(old)) => new.spec != old.spec,
        (Object::ClusterNetworkPolicy(new), Object::ClusterNetworkPolicy(old)) => new.spec != old.spec,
        (Object::AdminNetworkPolicy(new), Object::AdminNetworkPolicy(old)) => new.spec != old.spec,
        (Object::BaselineAdminNetworkPolicy(new), Object::BaselineAdminNetworkPolicy(old)) => {
            new.spec != old.spec
        }
        // A Deployment's annotations count too: they go to its replica sets.
        (Object::Deployment(new), Object::Deployment(old)) => {
            new.spec != old.spec || new.metadata.annotations != old.metadata.annotations
        }
        (Object::ReplicaSet(new), Object::ReplicaSet(old)) => new.spec != old.spec,
        (Object::StatefulSet(new), Object::StatefulSet(old)) => new.spec != old.spec,
        (Object::DaemonSet(new), Object::DaemonSet(old)) => new.spec != old.spec,
        (Object::Job(new), Object::Job(old)) => new.spec != old.spec,
        (Object::CronJob(new), Object::CronJob(old)) => new.spec != old.spec,
        (Object::PodDisruptionBudget(new), Object::PodDisruptionBudget(old)) => new.spec != old.spec,
        _ => false,
    }
}

fn keep_what_the_server_keeps(new: &mut ObjectMeta, old: &ObjectMeta) {
    if new.uid.is_empty() {
        new.uid.clone_from(&old.uid);
    }
    new.creation_timestamp = old.creation_timestamp;
    new.deletion_timestamp = old.deletion_timestamp;
    new.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    new.generation = old.generation;
    new.generate_name.clone_from(&old.generate_name);
    new.rest.remove("managedFields");
}

fn keep_status(new: &mut Object, old: &Object) {
    new.set_status_of(old);
    if let (Object::Namespace(new), Object::Namespace(old)) = (new, old) {
        new.spec.clone_from(&old.spec);
    }
}

/// Sets a condition of a node or Service; the transition time changes only with the status.
pub fn set_condition(conditions: &mut Vec<Condition>, new: Condition) {
    match conditions.iter_mut().find(|c| c.kind == new.kind) {
        Some(known) => {
            let since = if known.status == new.status {
                known.last_transition_time
            } else {
                new.last_transition_time
            };
            *known = Condition { last_transition_time: since, ..new };
        }
        None => conditions.push(new),
    }
}
