//! Revisions of stateful sets and daemon sets: what their templates looked like.

use serde_json::{Value, json};

use super::pods::owner_reference;
use super::{Cx, template_hash};
use crate::kube::objects::daemon_set::REVISION_HASH;
use crate::kube::objects::meta::ObjectMeta;
use crate::kube::objects::{ControllerRevision, Kind, Object, PodTemplateSpec};
use crate::kube::store::DeleteOptions;

/// The patch that makes an owner's template what it is now.
fn patch(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

/// The template that a revision holds.
pub(super) fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.as_ref()?.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    serde_json::from_value(template).ok()
}

/// All revisions of an owner, the oldest first.
pub(super) fn all(cx: &Cx<'_>, owner: &Object) -> Vec<ControllerRevision> {
    let keys = cx.owned.children(&owner.meta().uid, Kind::ControllerRevision);
    let read = |key: &crate::kube::objects::ObjectKey| {
        cx.store.read::<ControllerRevision>(&key.namespace, &key.name).cloned()
    };
    let mut all: Vec<ControllerRevision> = keys.iter().filter_map(read).collect();
    all.sort_by_key(|r| r.revision);
    all
}

/// The revision of the owner's present template: the stored one that equals it, made the newest, or a new one.
pub(super) fn current(
    cx: &mut Cx<'_>,
    owner: &Object,
    of: &PodTemplateSpec,
    collisions: Option<i32>,
) -> Option<ControllerRevision> {
    let now = cx.now;
    let known = all(cx, owner);
    let next = known.last().map_or(1, |r| r.revision + 1);
    let data = patch(of);
    if let Some(same) = known.iter().find(|r| r.data.as_ref() == Some(&data)) {
        if same.revision + 1 == next {
            return Some(same.clone());
        }
        let newest = ControllerRevision { revision: next, ..same.clone() };
        let written = cx.store.update(newest, now).ok()?;
        return revision_of(&written);
    }
    let hash = template_hash::of_revision(&data, collisions);
    let mut labels = of.metadata.labels.clone();
    labels.insert(REVISION_HASH.to_owned(), hash.clone());
    let revision = ControllerRevision {
        data: Some(data),
        metadata: ObjectMeta {
            labels,
            annotations: owner.meta().annotations.clone(),
            owner_references: vec![owner_reference(owner)],
            ..ObjectMeta::namespaced(&owner.meta().namespace, format!("{}-{hash}", owner.meta().name))
        },
        revision: next,
    };
    let (namespace, name) = (revision.metadata.namespace.clone(), revision.metadata.name.clone());
    // One that an owner of the same name has left behind is taken over.
    let left = cx.store.read::<ControllerRevision>(&namespace, &name);
    if let Some(left) = left.filter(|r| r.metadata.owner_references.is_empty() && r.data == revision.data) {
        let mut taken = left.clone();
        taken.metadata.owner_references.push(owner_reference(owner));
        taken.revision = next;
        let written = cx.store.update(taken, now).ok()?;
        return revision_of(&written);
    }
    let made = cx.store.create(revision, now).ok()?;
    revision_of(&made)
}

fn revision_of(object: &Object) -> Option<ControllerRevision> {
    if let Object::ControllerRevision(r) = object { Some((**r).clone()) } else { None }
}

/// Deletes the oldest revisions beyond the limit that no pod has.
pub(super) fn trim(
    cx: &mut Cx<'_>,
    owner: &Object,
    limit: Option<i32>,
    used: impl Fn(&ControllerRevision) -> bool,
) {
    let now = cx.now;
    let unused: Vec<ControllerRevision> = all(cx, owner).into_iter().filter(|r| !used(r)).collect();
    let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
    for old in &unused[..unused.len().saturating_sub(limit)] {
        let options = DeleteOptions::default();
        // One that is gone is as it should be.
        let _ = cx.store.delete(
            Kind::ControllerRevision,
            &old.metadata.namespace,
            &old.metadata.name,
            options,
            now,
        );
    }
}
