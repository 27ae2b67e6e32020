//! What admission plugins decide with other objects in view: the priority of a pod (`Priority`), the class of a claim
//! (`DefaultStorageClass`).

use std::sync::Arc;

use super::validate::SYSTEM_CLASSES;
use super::{ApiError, Store};
use crate::kube::objects::priority_class::PriorityClass;
use crate::kube::objects::storage::{DEFAULT_CLASS, PersistentVolumeClaim, StorageClass};
use crate::kube::objects::{Kind, Pod};

const CLASS_NAME: &str = "priorityClassName";

impl Store {
    /// Gives a new pod the priority of its class, or of the cluster's default class.
    ///
    /// # Errors
    /// There is no class of that name.
    pub(super) fn prioritise(&self, pod: &mut Pod) -> Result<(), ApiError> {
        let named = pod.spec.rest.get(CLASS_NAME).and_then(|n| n.as_str()).unwrap_or_default();
        let known = |name: &str| -> Option<(i64, Option<String>)> {
            let system = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name);
            let class = self.read::<PriorityClass>("", name);
            class.map(|c| (c.value, c.preemption_policy.clone())).or_else(|| system.map(|(_, v)| (*v, None)))
        };
        let (name, class) = if named.is_empty() {
            let Some(default) = self.all::<PriorityClass>(None).find(|c| c.global_default) else {
                return Ok(());
            };
            (default.metadata.name.clone(), known(&default.metadata.name))
        } else {
            (named.to_owned(), known(named))
        };
        let Some((value, policy)) = class else {
            let why = format!("no PriorityClass with name {name} was found");
            return Err(ApiError::forbidden(Kind::Pod, &pod.metadata.name, &why));
        };
        let spec = Arc::make_mut(&mut pod.spec);
        spec.rest.insert(CLASS_NAME.to_owned(), name.into());
        spec.priority = Some(value);
        if spec.preemption_policy.is_none() {
            spec.preemption_policy = policy;
        }
        Ok(())
    }

    /// Gives a claim that names no class the default one, if there is one.
    pub(in crate::kube) fn classify(&self, claim: &mut PersistentVolumeClaim) {
        if claim.spec.storage_class_name.is_none() {
            claim.spec.storage_class_name = self.default_class().map(|c| c.metadata.name.clone());
        }
    }

    /// The class of claims that name none: of several the latest.
    pub(in crate::kube) fn default_class(&self) -> Option<&StorageClass> {
        let marked =
            |c: &&StorageClass| c.metadata.annotations.get(DEFAULT_CLASS).is_some_and(|v| v == "true");
        let since = |c: &&StorageClass| c.metadata.creation_timestamp.map(|t| t.unix_seconds());
        self.all::<StorageClass>(None).filter(marked).max_by_key(since)
    }
}
