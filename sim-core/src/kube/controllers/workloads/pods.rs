//! Making pods from templates, and telling how they are.

use std::sync::Arc;
use std::time::Duration;

use super::Cx;
use super::owned::{controller, is_active};
use crate::kube::objects::pod::PodSpec;
use crate::kube::objects::{Kind, Object, ObjectKey, OwnerReference, Pod, PodTemplateSpec, Selector};
use crate::kube::store::{ApiError, DeleteOptions, EventType, OwnedPin};
use crate::time::SimTime;

/// At most this many pods are made or deleted at a time.
pub(super) const BURST: i32 = 500;

/// A reference to the controller of what is about to be made.
pub(crate) fn owner_reference(owner: &Object) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version(),
        kind: owner.kind().name().to_owned(),
        name: owner.meta().name.clone(),
        uid: owner.meta().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A pod of a template that belongs to `owner`; its name is to be completed by the server.
pub(super) fn of_template(owner: &Object, template: &PodTemplateSpec) -> Pod {
    let mut metadata = template.metadata.clone();
    metadata.namespace.clone_from(&owner.meta().namespace);
    metadata.name.clear();
    metadata.generate_name = format!("{}-", owner.meta().name);
    metadata.owner_references = vec![owner_reference(owner)];
    metadata.creation_timestamp = None;
    Pod { metadata, spec: Arc::clone(&template.spec), ..Pod::default() }
}

/// The owner in whose name pods are pinned: the Deployment, if there is one.
fn pinned_owner(owner: &Object) -> ObjectKey {
    let meta = owner.meta();
    let deployment = controller(&meta.owner_references).filter(|o| o.kind == "Deployment");
    deployment.map_or_else(|| owner.key(), |d| ObjectKey::new(Kind::Deployment, &meta.namespace, &d.name))
}

/// Makes a pod, and says so; its name and place follow the owner's pins. `from` is the controller's name.
pub(super) fn create(cx: &mut Cx<'_>, owner: &Object, mut pod: Pod, from: &str) -> Result<String, ApiError> {
    let key = pinned_owner(owner);
    let number = cx.owned.made(&key);
    let pin = cx.store.config().pins.owned(&key, number).cloned().unwrap_or_default();
    if let Some(name) = &pin.name {
        pod.metadata.name.clone_from(name);
    }
    let created = create_named(cx, owner, pod, &pin, from)?;
    cx.owned.count_made(&key);
    Ok(created)
}

/// Makes a pod whose name is known, or is to be completed by the server.
pub(super) fn create_named(
    cx: &mut Cx<'_>,
    owner: &Object,
    pod: Pod,
    pin: &OwnedPin,
    from: &str,
) -> Result<String, ApiError> {
    let now = cx.now;
    // A pin holds from the moment at which the name is known: before anybody sees the pod.
    let place = |name: &str| format!("{}/{name}", owner.meta().namespace);
    if !pod.metadata.name.is_empty() {
        cx.store.promise(&place(&pod.metadata.name), pin);
    }
    match cx.store.create(pod, now) {
        Ok(made) => {
            let name = made.meta().name.clone();
            cx.store.promise(&place(&name), pin);
            Ok(name)
        }
        Err(e) => {
            cx.event(owner, EventType::Warning, "FailedCreate", from, &format!("Error creating: {e}"));
            Err(e)
        }
    }
}

/// Deletes a pod as its own grace period says.
pub(super) fn delete(cx: &mut Cx<'_>, namespace: &str, name: &str) -> bool {
    let now = cx.now;
    cx.store.delete(Kind::Pod, namespace, name, DeleteOptions::default(), now).is_ok()
}

/// The pods of an owner, by name.
pub(super) fn of_owner(cx: &Cx<'_>, namespace: &str, uid: &str) -> Vec<Arc<Object>> {
    let names = cx.owned.tally(uid).into_iter().flat_map(|t| &t.pods);
    names.filter_map(|name| cx.store.find(Kind::Pod, namespace, name).cloned()).collect()
}

/// Takes pods that nobody controls and lets pods go that the selector no longer covers; whether anything changed.
pub(super) fn claim(cx: &mut Cx<'_>, owner: &Object, selector: &Selector) -> bool {
    let (namespace, uid) = (owner.meta().namespace.clone(), owner.meta().uid.clone());
    let now = cx.now;
    let mut changes: Vec<Pod> = Vec::new();
    if !owner.meta().is_terminating() {
        for key in cx.owned.orphans(Kind::Pod, &namespace) {
            let Some(pod) = cx.store.read::<Pod>(&namespace, &key.name) else { continue };
            if is_active(pod) && selector.matches(&pod.metadata.labels) {
                let mut taken = pod.clone();
                taken.metadata.owner_references.push(owner_reference(owner));
                changes.push(taken);
            }
        }
    }
    for object in of_owner(cx, &namespace, &uid) {
        if let Object::Pod(pod) = &*object
            && !selector.matches(&pod.metadata.labels)
            && is_active(pod)
        {
            let mut released = (**pod).clone();
            released.metadata.owner_references.retain(|o| o.uid != uid);
            changes.push(released);
        }
    }
    let any = !changes.is_empty();
    for pod in changes {
        // Somebody else may have been faster; the change then shows it.
        let _ = cx.store.update(pod, now);
    }
    any
}

/// Whether a pod has been ready for so many seconds; otherwise, if it is ready, when it will have been.
pub(super) fn availability(pod: &Pod, min_ready_seconds: i32, now: SimTime) -> Result<(), Option<Duration>> {
    let Some(ready) = pod.condition("Ready").filter(|c| c.status == "True") else { return Err(None) };
    let wanted = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or(0));
    let for_long = ready.last_transition_time.map_or(Duration::MAX, |since| since.age(now));
    if for_long >= wanted { Ok(()) } else { Err(Some(wanted - for_long)) }
}

/// Whether a pod that is being deleted will be gone soon: its node answers.
pub(super) fn will_end(cx: &Cx<'_>, pod: &Pod) -> bool {
    pod.metadata.is_terminating()
        && cx
            .store
            .read::<crate::kube::objects::Node>("", &pod.spec.node_name)
            .is_some_and(crate::kube::objects::Node::is_ready)
}

/// The spec of a pod, to be changed before the pod is made.
pub(super) fn spec_mut(pod: &mut Pod) -> &mut PodSpec {
    Arc::make_mut(&mut pod.spec)
}
