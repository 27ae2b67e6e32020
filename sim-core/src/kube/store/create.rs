//! Creating objects.

use std::sync::Arc;

use serde_json::Value;

use super::service::told_in_order;
use super::{ApiError, Cause, Store, defaults, names_given, set_pod_condition, validate_new};
use crate::kube::objects::decode::{self, FaultKind};
use crate::kube::objects::{Kind, Namespace, Object, Pod, Resource, ServiceAccount, Timestamp};
use crate::time::SimTime;

impl Store {
    /// Creates an object (`POST`). A namespaced object without a namespace goes to `default`.
    ///
    /// # Errors
    /// As the API server: invalid, already there, no such namespace, forbidden in a namespace that is being deleted.
    pub fn create(&mut self, object: impl Into<Object>, now: SimTime) -> Result<Arc<Object>, ApiError> {
        self.create_checked(object.into(), Vec::new(), now)
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
        let (mut object, causes) = decode_body(kind, body)?;
        let meta = object.meta_mut();
        if kind.namespaced() {
            if meta.namespace.is_empty() {
                namespace.clone_into(&mut meta.namespace);
            } else if meta.namespace != namespace {
                let words =
                    "the namespace of the provided object does not match the namespace sent on the request";
                return Err(ApiError::bad_request(words));
            }
        }
        self.create_checked(object, causes, now)
    }

    fn create_checked(
        &mut self,
        mut object: Object,
        mut causes: Vec<Cause>,
        now: SimTime,
    ) -> Result<Arc<Object>, ApiError> {
        let kind = object.kind();
        let meta = object.meta_mut();
        if !kind.namespaced() {
            meta.namespace.clear();
        } else if meta.namespace.is_empty() {
            "default".clone_into(&mut meta.namespace);
        }
        self.admit(&object)?;
        self.name_it(&mut object, now);
        defaults::prepare_for_create(&mut object);
        defaults::fill(&mut object);
        if let Object::PersistentVolumeClaim(claim) = &mut object {
            self.classify(claim);
        }
        if let Object::Pod(pod) = &mut object {
            self.prioritise(pod)?;
            let place = names_given::place(Kind::Pod, &pod.metadata.namespace, &pod.metadata.name);
            let suffix = names_given::suffix(&mut self.dice, place);
            let account =
                self.shelf.get(Kind::ServiceAccount, &pod.metadata.namespace, pod.spec.account()).cloned();
            defaults::grant_service_account(pod, account.as_deref().and_then(ServiceAccount::of), &suffix);
            if pod.is_gated() {
                let why = "Scheduling is blocked due to non-empty scheduling gates";
                set_pod_condition(pod, "PodScheduled", "False", "SchedulingGated", why, now);
            }
        }
        if let Object::Ingress(ingress) = &mut object {
            defaults::class_of(ingress, self.all(None));
        }
        let name = object.meta().name.clone();
        // All or nothing: the ranges change only if everything could be had and the rest is right too.
        let mut ranges = None;
        if let Object::Service(service) = &mut object {
            let ranges = ranges.insert(self.ranges.clone());
            self.allocate(ranges, service, None, &mut causes)?;
        }
        let causes = told_in_order(&object, causes, validate_new(&object));
        if !causes.is_empty() {
            return Err(self.invalid(kind, &name, causes));
        }
        if self.find(kind, &object.meta().namespace, &name).is_some() {
            return Err(ApiError::already_exists(kind, &name));
        }
        if let Some(ranges) = ranges {
            self.ranges = ranges;
        }
        Ok(self.put(object))
    }

    /// The namespace must be there and may not be on its way out.
    fn admit(&self, object: &Object) -> Result<(), ApiError> {
        let kind = object.kind();
        if !kind.namespaced() {
            return Ok(());
        }
        let name = &object.meta().namespace;
        let namespace =
            self.read::<Namespace>("", name).ok_or_else(|| ApiError::not_found(Kind::Namespace, name))?;
        if namespace.metadata.is_terminating() {
            let why =
                format!("unable to create new content in namespace {name} because it is being terminated");
            return Err(ApiError::forbidden(kind, &object.meta().name, &why));
        }
        if let Object::Pod(pod) = object {
            self.account_of(pod)?;
        }
        Ok(())
    }

    /// The service account that a new pod asks for must be there; `default` always is, or will be at once.
    fn account_of(&self, pod: &Pod) -> Result<(), ApiError> {
        let (meta, account) = (&pod.metadata, pod.spec.account());
        if account == "default" || self.find(Kind::ServiceAccount, &meta.namespace, account).is_some() {
            return Ok(());
        }
        let name = if meta.name.is_empty() { &meta.generate_name } else { &meta.name };
        let why = format!(
            "error looking up service account {}/{account}: serviceaccount {account:?} not found",
            meta.namespace
        );
        Err(ApiError::forbidden(Kind::Pod, name, &why))
    }

    /// Name (if it is to be generated), uid and time of creation.
    fn name_it(&mut self, object: &mut Object, now: SimTime) {
        let kind = object.kind();
        let meta = object.meta_mut();
        if meta.name.is_empty() && !meta.generate_name.is_empty() {
            let place = names_given::place(kind, &meta.namespace, &meta.generate_name);
            loop {
                let name = names_given::generate(&mut self.dice, place, &meta.generate_name);
                if self.shelf.get(kind, &meta.namespace, &name).is_none() {
                    meta.name = name;
                    break;
                }
            }
        }
        let place = names_given::place(kind, &meta.namespace, &meta.name);
        meta.uid = names_given::uid(&mut self.dice, place);
        meta.creation_timestamp = Some(Timestamp::at(now));
        meta.deletion_timestamp = None;
        meta.deletion_grace_period_seconds = None;
        meta.rest.remove("selfLink");
        meta.rest.remove("managedFields");
    }
}

/// Decodes the body of a request as the server does, strictly.
pub(super) fn decode_body(kind: Kind, body: &Value) -> Result<(Object, Vec<Cause>), ApiError> {
    let cannot = |why: &str| {
        let version = kind.version();
        ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    };
    let decoded = decode::decode(kind, body).map_err(|faults| {
        let first = faults.into_iter().find_map(|f| match f.what {
            FaultKind::Mistyped { go, .. } => Some(go),
            _ => None,
        });
        cannot(&first.unwrap_or_default())
    })?;
    if let Some(words) = decode::strict_decoding_error(&decoded.faults) {
        return Err(cannot(&words));
    }
    let causes = decoded.faults.into_iter().filter_map(|f| match f.what {
        FaultKind::Unusable { message } => Some(Cause { field: f.path.to_string(), message }),
        _ => None,
    });
    Ok((decoded.object, causes.collect()))
}
