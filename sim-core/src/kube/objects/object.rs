//! One object of any kind.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::autoscaler::HorizontalPodAutoscaler;
use super::cluster_policy::{AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy};
use super::config_map::ConfigMap;
use super::controller_revision::ControllerRevision;
use super::cron_job::CronJob;
use super::daemon_set::DaemonSet;
use super::decode::{Fault, FaultKind, FieldPath, decode};
use super::deployment::Deployment;
use super::disruption_budget::PodDisruptionBudget;
use super::endpoint_slice::EndpointSlice;
use super::endpoints::Endpoints;
use super::ingress::{Ingress, IngressClass};
use super::job::Job;
use super::kind::Kind;
use super::lease::Lease;
use super::meta::{ObjectKey, ObjectMeta, ObjectReference};
use super::namespace::Namespace;
use super::network_policy::NetworkPolicy;
use super::node::Node;
use super::pod::Pod;
use super::priority_class::PriorityClass;
use super::quota::{LimitRange, ResourceQuota};
use super::rbac::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use super::replica_set::ReplicaSet;
use super::secret::Secret;
use super::service::Service;
use super::service_account::ServiceAccount;
use super::stateful_set::StatefulSet;
use super::storage::{PersistentVolume, PersistentVolumeClaim, StorageClass};

/// A type that is one kind of object.
pub trait Resource: Clone + Serialize + DeserializeOwned + Into<Object> {
    /// The kind.
    const KIND: Kind;
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    /// The object as this type, if it is one.
    fn of(object: &Object) -> Option<&Self>;
    /// The object as this type, to change, if it is one.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
}

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// One object of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object {
            $(
                #[doc = concat!("A ", stringify!($kind), ".")]
                $kind(Box<$kind>),
            )*
        }

        impl Object {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            #[must_use]
            pub const fn meta(&self) -> &ObjectMeta {
                match self { $(Self::$kind(o) => &o.metadata,)* }
            }

            /// Its metadata, to change.
            pub const fn meta_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(o) => &mut o.metadata,)* }
            }

            fn body(&self) -> Result<Value, serde_json::Error> {
                match self { $(Self::$kind(o) => serde_json::to_value(o),)* }
            }

            /// The object that a JSON value of known kind describes, without looking at unknown names.
            pub(crate) fn from_body(kind: Kind, body: Value) -> Result<Self, serde_json::Error> {
                match kind { $(Kind::$kind => serde_json::from_value::<$kind>(body).map(Into::into),)* }
            }
        }

        $(
            impl From<$kind> for Object {
                fn from(object: $kind) -> Self {
                    Self::$kind(Box::new(object))
                }
            }

            impl Resource for $kind {
                const KIND: Kind = Kind::$kind;
                fn metadata(&self) -> &ObjectMeta {
                    &self.metadata
                }
                fn metadata_mut(&mut self) -> &mut ObjectMeta {
                    &mut self.metadata
                }
                fn of(object: &Object) -> Option<&Self> {
                    if let Object::$kind(o) = object { Some(o) } else { None }
                }
                fn of_mut(object: &mut Object) -> Option<&mut Self> {
                    if let Object::$kind(o) = object { Some(o) } else { None }
                }
            }
        )*
    };
}

kinds!(
    Namespace,
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    ConfigMap,
    Ingress,
    IngressClass,
    NetworkPolicy,
    Secret,
    ServiceAccount,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    DaemonSet,
    Deployment,
    ReplicaSet,
    StatefulSet,
    ControllerRevision,
    CronJob,
    Job,
    PodDisruptionBudget,
    PersistentVolumeClaim,
    PersistentVolume,
    StorageClass,
    PriorityClass,
    Lease,
    HorizontalPodAutoscaler,
    ResourceQuota,
    LimitRange,
    ClusterNetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
);

macro_rules! kinds_with_status {
    ($($kind:ident),* $(,)?) => {
        impl Object {
            /// Takes over the status of another object of the same kind; nothing to do for kinds without a status.
            pub(crate) fn set_status_of(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$kind(own), Self::$kind(other)) => own.status.clone_from(&other.status),)*
                    _ => {}
                }
            }
        }
    };
}

kinds_with_status!(
    Namespace,
    Node,
    Pod,
    Service,
    Ingress,
    DaemonSet,
    Deployment,
    ReplicaSet,
    StatefulSet,
    CronJob,
    Job,
    PodDisruptionBudget,
    PersistentVolumeClaim,
    PersistentVolume,
    HorizontalPodAutoscaler,
    ResourceQuota,
    ClusterNetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
);

impl Object {
    /// The `apiVersion` field.
    #[must_use]
    pub fn api_version(&self) -> String {
        self.kind().api_version()
    }

    /// Where it is in the store.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.kind(), &self.meta().namespace, &self.meta().name)
    }

    /// A reference to it, as events and owners carry it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let meta = self.meta();
        ObjectReference {
            api_version: self.api_version(),
            kind: self.kind().name().to_owned(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: String::new(),
        }
    }

    /// The object that a JSON value describes, strictly: with `apiVersion` and `kind`, without unknown fields or values that
    /// cannot be.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Fault>> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let Some(known) = Kind::from_manifest(api_version, kind) else {
            let message = format!("no matches for kind {kind:?} in version {api_version:?}");
            return Err(vec![Fault {
                path: FieldPath::parse("kind"),
                what: FaultKind::Unusable { message },
            }]);
        };
        let decoded = decode(known, value)?;
        if decoded.faults.is_empty() { Ok(decoded.object) } else { Err(decoded.faults) }
    }

    /// The object as JSON, as the API server sends it: names in alphabetical order, `apiVersion` and `kind` included.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Plain structs with text keys always have a JSON form; an empty object stands for the impossible.
        let mut body = self.body().unwrap_or_else(|_| Value::Object(Map::new()));
        if let Value::Object(map) = &mut body {
            map.insert("apiVersion".to_owned(), Value::String(self.api_version()));
            map.insert("kind".to_owned(), Value::String(self.kind().name().to_owned()));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::chance::Dice;
    use crate::kube::store::{Store, StoreConfig};
    use crate::time::SimTime;

    fn pod() -> impl Strategy<Value = Value> {
        let labels = prop::collection::btree_map("[a-z]{1,5}", "[a-z0-9]{0,5}", 0..3);
        let port = (1_u16.., prop::option::of(1_u16..), prop::sample::select(vec!["TCP", "UDP", "SCTP"]));
        (labels, prop::collection::vec(port, 0..3), any::<bool>(), any::<bool>()).prop_map(
            |(labels, ports, host, tolerant)| {
                let port = |(n, host, protocol): (u16, Option<u16>, &str)| {
                    json!({"containerPort": n, "hostPort": host, "protocol": protocol})
                };
                let tolerations = if tolerant { json!([{"operator": "Exists"}]) } else { json!([]) };
                json!({
                    "metadata": {"name": "a", "labels": labels},
                    "spec": {
                        "hostNetwork": host,
                        "tolerations": tolerations,
                        "nodeSelector": labels,
                        "activeDeadlineSeconds": 5,
                        "containers": [{
                            "name": "c",
                            "image": "i",
                            "ports": ports.into_iter().map(port).collect::<Vec<_>>(),
                            "readinessProbe": {"tcpSocket": {"port": "http"}},
                            "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
                        }],
                    },
                })
            },
        )
    }

    fn service() -> impl Strategy<Value = Value> {
        let kind = prop::sample::select(vec!["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]);
        let target = prop_oneof![(1_u16..).prop_map(|n| json!(n)), Just(json!("http"))];
        (kind, 1_u16.., target, any::<bool>()).prop_map(|(kind, port, target, sticky)| {
            json!({
                "metadata": {"name": "a"},
                "spec": {
                    "type": kind,
                    "externalName": "example.com",
                    "sessionAffinity": if sticky { "ClientIP" } else { "None" },
                    "ports": [{"port": port, "targetPort": target}],
                },
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pod in pod(), service in service()) {
            let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
            for (kind, body) in [(Kind::Pod, pod), (Kind::Service, service)] {
                // What the server refuses is no object.
                let Ok(object) = store.create_value(kind, "default", &body, SimTime::ZERO) else { continue };
                prop_assert_eq!(Object::from_value(&object.to_value()), Ok((*object).clone()));
            }
        }
    }

    #[test]
    fn unknown_kinds_and_fields_are_refused() {
        assert!(Object::from_value(&json!({"apiVersion": "v1", "kind": "Pdo"})).is_err());
        assert!(Object::from_value(&json!({"apiVersion": "v1", "kind": "Pod", "spce": {}})).is_err());
    }
}
