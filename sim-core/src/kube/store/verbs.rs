//! The verbs of the API.

use std::sync::Arc;

use serde_json::Value;

use super::{ApiError, ChangeKind, Store};
use crate::kube::objects::{Kind, Object, Resource, Timestamp};
use crate::time::SimTime;

/// What `apply` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The object is new.
    Created,
    /// It was changed.
    Configured,
    /// It was as wanted.
    Unchanged,
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

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

impl Store {
    /// Creates an object (`POST`).
    ///
    /// # Errors
    /// As the API server: invalid, already there, no such namespace, forbidden in a namespace that is being deleted.
    pub fn create(&mut self, object: impl Into<Object>, now: SimTime) -> Result<Arc<Object>, ApiError> {
        let mut object = object.into();
        if self.find(object.kind(), &object.meta().namespace, &object.meta().name).is_some() {
            return Err(ApiError::already_exists(object.kind(), &object.meta().name));
        }
        object.meta_mut().creation_timestamp = Some(Timestamp::at(now));
        Ok(self.put(object))
    }

    /// Replaces an object (`PUT`).
    ///
    /// # Errors
    /// As the API server: not there, invalid, an immutable field differs, another revision was meant.
    pub fn update(&mut self, object: impl Into<Object>, _now: SimTime) -> Result<Arc<Object>, ApiError> {
        Ok(self.put(object.into()))
    }

    /// Replaces the status of an object (`PUT …/status`); nothing happens if it is the same.
    ///
    /// # Errors
    /// The object is not there.
    pub fn update_status(
        &mut self,
        object: impl Into<Object>,
        _now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        Ok(self.put(object.into()))
    }

    /// Lets an agent change the status of an object: reads, edits a copy, writes it back as [`Store::update_status`].
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
        let mut copy =
            self.read::<T>(namespace, name).cloned().ok_or_else(|| ApiError::not_found(T::KIND, name))?;
        edit(&mut copy);
        self.update_status(copy, now)
    }

    /// An object (`GET`).
    ///
    /// # Errors
    /// The object is not there.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Arc<Object>, ApiError> {
        self.find(kind, namespace, name).cloned().ok_or_else(|| ApiError::not_found(kind, name))
    }

    /// Deletes an object (`DELETE`).
    ///
    /// # Errors
    /// The object is not there, or may not be deleted.
    pub fn delete(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        _options: DeleteOptions,
        _now: SimTime,
    ) -> Result<Deleted, ApiError> {
        let object = self.get(kind, namespace, name)?;
        self.revision += 1;
        self.shelf.take(&object.key());
        self.log.push(ChangeKind::Deleted, Arc::clone(&object), None);
        Ok(Deleted::Gone(object))
    }

    /// Stores an object under a new revision and logs the change.
    pub(super) fn put(&mut self, mut object: Object) -> Arc<Object> {
        self.revision += 1;
        object.meta_mut().resource_version = self.revision.to_string();
        let object = Arc::new(object);
        let old = self.shelf.put(Arc::clone(&object));
        let what = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.log.push(what, Arc::clone(&object), old);
        object
    }

    /// Creates an object from the JSON body of a request, strictly decoded. `namespace` is that of the request's path.
    ///
    /// # Errors
    /// As [`Store::create`], and a body that cannot be decoded.
    pub fn create_value(
        &mut self,
        kind: Kind,
        namespace: &str,
        body: &Value,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let mut object = Object::from_body(kind, body.clone()).map_err(ApiError::internal)?;
        if kind.namespaced() {
            object.meta_mut().namespace = namespace.to_owned();
        }
        self.create(object, now)
    }

    /// What `kubectl apply` does with one manifest: creates the object, or merges the manifest into it three-way.
    ///
    /// # Errors
    /// As [`Store::create`] and [`Store::update`].
    pub fn apply(
        &mut self,
        kind: Kind,
        namespace: &str,
        body: &Value,
        now: SimTime,
    ) -> Result<(Arc<Object>, Applied), ApiError> {
        self.create_value(kind, namespace, body, now).map(|o| (o, Applied::Created))
    }
}
