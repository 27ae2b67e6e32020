//! The fields of the API, by kind: names, types, and how lists are merged.
//!
//! The tables cover the whole of each kind as of Kubernetes v1.34
//! (<https://kubernetes.io/docs/reference/kubernetes-api/>), also where the simulator gives a field no meaning: that is how
//! a misspelt field is told from one that is merely not modelled. Each table carries the name of the Go type, because the
//! server's messages show it.

mod access;
mod autoscaling;
mod cluster;
mod container;
mod ingress;
mod meta;
mod placement;
mod pod;
mod policy;
mod quota;
mod service;
mod storage;
mod values;
mod volume;
mod workload;

use super::kind::Kind;

/// One struct of the API.
#[derive(Debug)]
pub(crate) struct Type {
    /// Name in the server's Go code: `v1.ServicePort`.
    pub(crate) go: &'static str,
    /// Fields in alphabetical order.
    pub(crate) fields: &'static [(&'static str, Shape)],
}

/// A text with a fixed set of values.
#[derive(Debug)]
pub(crate) struct Values {
    /// Name in the server's Go code: `v1.Protocol`.
    pub(crate) go: &'static str,
    /// The values, in the order in which the server lists them.
    pub(crate) list: &'static [&'static str],
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Str,
    Bool,
    Int32,
    Int64,
    /// A text of a fixed set.
    Enum(&'static Values),
    /// A port number that must be there.
    Port,
    /// A port number; 0 is as if it were left out.
    OptionalPort,
    /// A port of the range for node ports; 0 is as if it were left out.
    NodePort,
    /// A number that is not negative.
    Count,
    IntOrString,
    Quantity,
    Time,
    /// Bytes in base64.
    Bytes,
    /// Anything.
    Any,
    Struct(&'static Type),
    /// A list that is replaced as a whole.
    List(&'static Self),
    /// A list of texts, merged as a set.
    Set,
    /// A list of structs, merged element by element: those with the same value in this field are one.
    Keyed(&'static Type, &'static str),
    Map(&'static Self),
}

impl Type {
    /// A field by its exact name.
    pub(crate) fn field(&self, name: &str) -> Option<Shape> {
        let at = self.fields.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        self.fields.get(at).map(|(_, shape)| *shape)
    }

    /// The Go name without its package, as messages about a field show it.
    pub(crate) fn bare_name(&self) -> &'static str {
        self.go.rsplit('.').next().unwrap_or(self.go)
    }
}

impl Shape {
    /// The Go type, as the server's messages about wrong types name it.
    pub(crate) fn go_type(self) -> String {
        match self {
            Self::Str | Self::Quantity | Self::Time | Self::Any => "string".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int32
            | Self::Port
            | Self::OptionalPort
            | Self::NodePort
            | Self::Count
            | Self::IntOrString => "int32".to_owned(),
            Self::Int64 => "int64".to_owned(),
            Self::Enum(values) => values.go.to_owned(),
            Self::Bytes => "[]uint8".to_owned(),
            Self::Struct(t) => t.go.to_owned(),
            Self::List(item) => format!("[]{}", item.go_type()),
            Self::Set => "[]string".to_owned(),
            Self::Keyed(t, _) => format!("[]{}", t.go),
            Self::Map(Self::Quantity) => "v1.ResourceList".to_owned(),
            Self::Map(item) => format!("map[string]{}", item.go_type()),
        }
    }

    /// What a person should write there.
    pub(crate) fn wanted(self) -> String {
        match self {
            Self::Str | Self::Time | Self::Bytes => "a text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Int32 | Self::Int64 | Self::Port | Self::OptionalPort | Self::NodePort | Self::Count => {
                "a whole number".to_owned()
            }
            Self::Enum(values) => format!("one of {}", values.list.join(", ")),
            Self::IntOrString => "a number or a name".to_owned(),
            Self::Quantity => "a quantity such as 100m or 64Mi".to_owned(),
            Self::Any => "anything".to_owned(),
            Self::Struct(_) => "a mapping".to_owned(),
            Self::List(_) | Self::Set | Self::Keyed(..) => "a list (each item begins with \"- \")".to_owned(),
            Self::Map(_) => "a mapping of names to values".to_owned(),
        }
    }
}

/// The fields of a kind.
pub(crate) const fn of_kind(kind: Kind) -> &'static Type {
    match kind {
        Kind::Namespace => &cluster::NAMESPACE,
        Kind::Node => &cluster::NODE,
        Kind::Pod => &pod::POD,
        Kind::Service => &service::SERVICE,
        Kind::Endpoints => &service::ENDPOINTS,
        Kind::EndpointSlice => &service::ENDPOINT_SLICE,
        Kind::ConfigMap => &cluster::CONFIG_MAP,
        Kind::Ingress => &ingress::INGRESS,
        Kind::IngressClass => &ingress::INGRESS_CLASS,
        Kind::NetworkPolicy => &policy::NETWORK_POLICY,
        Kind::Secret => &access::SECRET,
        Kind::ServiceAccount => &access::SERVICE_ACCOUNT,
        Kind::Role => &access::ROLE,
        Kind::RoleBinding => &access::ROLE_BINDING,
        Kind::ClusterRole => &access::CLUSTER_ROLE,
        Kind::ClusterRoleBinding => &access::CLUSTER_ROLE_BINDING,
        Kind::DaemonSet => &workload::DAEMON_SET,
        Kind::Deployment => &workload::DEPLOYMENT,
        Kind::ReplicaSet => &workload::REPLICA_SET,
        Kind::StatefulSet => &workload::STATEFUL_SET,
        Kind::ControllerRevision => &workload::CONTROLLER_REVISION,
        Kind::CronJob => &workload::CRON_JOB,
        Kind::Job => &workload::JOB,
        Kind::PodDisruptionBudget => &workload::POD_DISRUPTION_BUDGET,
        Kind::PersistentVolumeClaim => &workload::PERSISTENT_VOLUME_CLAIM,
        Kind::PersistentVolume => &storage::PERSISTENT_VOLUME,
        Kind::StorageClass => &storage::STORAGE_CLASS,
        Kind::PriorityClass => &cluster::PRIORITY_CLASS,
        Kind::Lease => &cluster::LEASE,
        Kind::HorizontalPodAutoscaler => &autoscaling::HORIZONTAL_POD_AUTOSCALER,
        Kind::ResourceQuota => &quota::RESOURCE_QUOTA,
        Kind::LimitRange => &quota::LIMIT_RANGE,
        Kind::ClusterNetworkPolicy => &policy::CLUSTER_NETWORK_POLICY,
        Kind::AdminNetworkPolicy => &policy::ADMIN_NETWORK_POLICY,
        Kind::BaselineAdminNetworkPolicy => &policy::BASELINE_ADMIN_NETWORK_POLICY,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn visit(t: &'static Type, seen: &mut BTreeSet<&'static str>) {
        if !seen.insert(t.go) {
            return;
        }
        let names: Vec<&str> = t.fields.iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{} is not in order", t.go);
        for (_, shape) in t.fields {
            let mut shape = *shape;
            while let Shape::List(inner) | Shape::Map(inner) = shape {
                shape = *inner;
            }
            if let Shape::Struct(inner) | Shape::Keyed(inner, _) = shape {
                visit(inner, seen);
            }
            if let Shape::Keyed(inner, key) = shape {
                assert!(inner.field(key).is_some(), "{} has no merge key {key}", inner.go);
            }
        }
    }

    #[test]
    fn tables_are_in_order_and_merge_keys_exist() {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            visit(of_kind(kind), &mut seen);
        }
        assert!(seen.len() > 120, "{}", seen.len());
    }
}
