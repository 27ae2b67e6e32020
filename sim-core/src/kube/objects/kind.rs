//! The kinds of object that the API server serves, and what people call them.

use std::fmt;

use serde::Serialize;

/// A kind of API object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Node.
    Node,
    /// `v1` Pod.
    Pod,
    /// `v1` Service.
    Service,
    /// `v1` Endpoints, the older form of endpoint slices.
    Endpoints,
    /// `discovery.k8s.io/v1` `EndpointSlice`.
    EndpointSlice,
    /// `v1` `ConfigMap`.
    ConfigMap,
    /// `networking.k8s.io/v1` Ingress.
    Ingress,
    /// `networking.k8s.io/v1` `IngressClass`.
    IngressClass,
    /// `networking.k8s.io/v1` `NetworkPolicy`.
    NetworkPolicy,
    /// `v1` Secret.
    Secret,
    /// `v1` `ServiceAccount`.
    ServiceAccount,
    /// `rbac.authorization.k8s.io/v1` Role.
    Role,
    /// `rbac.authorization.k8s.io/v1` `RoleBinding`.
    RoleBinding,
    /// `rbac.authorization.k8s.io/v1` `ClusterRole`.
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1` `ClusterRoleBinding`.
    ClusterRoleBinding,
    /// `apps/v1` `DaemonSet`.
    DaemonSet,
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` `ReplicaSet`.
    ReplicaSet,
    /// `apps/v1` `StatefulSet`.
    StatefulSet,
    /// `apps/v1` `ControllerRevision`: what a stateful set or daemon set looked like.
    ControllerRevision,
    /// `batch/v1` `CronJob`.
    CronJob,
    /// `batch/v1` Job.
    Job,
    /// `policy/v1` `PodDisruptionBudget`.
    PodDisruptionBudget,
    /// `v1` `PersistentVolumeClaim`.
    PersistentVolumeClaim,
    /// `v1` `PersistentVolume`.
    PersistentVolume,
    /// `storage.k8s.io/v1` `StorageClass`.
    StorageClass,
    /// `scheduling.k8s.io/v1` `PriorityClass`.
    PriorityClass,
    /// `coordination.k8s.io/v1` Lease.
    Lease,
    /// `autoscaling/v2` `HorizontalPodAutoscaler`.
    HorizontalPodAutoscaler,
    /// `v1` `ResourceQuota`.
    ResourceQuota,
    /// `v1` `LimitRange`.
    LimitRange,
    /// `policy.networking.k8s.io/v1alpha2` `ClusterNetworkPolicy`.
    ClusterNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1` `AdminNetworkPolicy`.
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1` `BaselineAdminNetworkPolicy`.
    BaselineAdminNetworkPolicy,
}

/// The names of one kind, as `kubectl api-resources` lists them.
struct Names {
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    group: &'static str,
    version: &'static str,
    namespaced: bool,
}

impl Kind {
    /// Every kind, in the order of `kubectl get all`-like listings: containers of things first.
    pub const ALL: [Self; 35] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::Endpoints,
        Self::EndpointSlice,
        Self::ConfigMap,
        Self::Ingress,
        Self::IngressClass,
        Self::NetworkPolicy,
        Self::Secret,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
        Self::DaemonSet,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::ControllerRevision,
        Self::CronJob,
        Self::Job,
        Self::PodDisruptionBudget,
        Self::PersistentVolumeClaim,
        Self::PersistentVolume,
        Self::StorageClass,
        Self::PriorityClass,
        Self::Lease,
        Self::HorizontalPodAutoscaler,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::ClusterNetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
    ];

    const fn names(self) -> Names {
        const RBAC: &str = super::rbac::GROUP;
        const POLICY: &str = super::cluster_policy::GROUP;
        let (kind, plural, short, group, namespaced): (_, _, &[&str], _, _) = match self {
            Self::Namespace => ("Namespace", "namespaces", &["ns"], "", false),
            Self::Node => ("Node", "nodes", &["no"], "", false),
            Self::Pod => ("Pod", "pods", &["po"], "", true),
            Self::Service => ("Service", "services", &["svc"], "", true),
            Self::Endpoints => ("Endpoints", "endpoints", &["ep"], "", true),
            Self::EndpointSlice => ("EndpointSlice", "endpointslices", &[], "discovery.k8s.io", true),
            Self::ConfigMap => ("ConfigMap", "configmaps", &["cm"], "", true),
            Self::Ingress => ("Ingress", "ingresses", &["ing"], "networking.k8s.io", true),
            Self::IngressClass => ("IngressClass", "ingressclasses", &[], "networking.k8s.io", false),
            Self::NetworkPolicy => {
                ("NetworkPolicy", "networkpolicies", &["netpol"], "networking.k8s.io", true)
            }
            Self::Secret => ("Secret", "secrets", &[], "", true),
            Self::ServiceAccount => ("ServiceAccount", "serviceaccounts", &["sa"], "", true),
            Self::Role => ("Role", "roles", &[], RBAC, true),
            Self::RoleBinding => ("RoleBinding", "rolebindings", &[], RBAC, true),
            Self::ClusterRole => ("ClusterRole", "clusterroles", &[], RBAC, false),
            Self::ClusterRoleBinding => ("ClusterRoleBinding", "clusterrolebindings", &[], RBAC, false),
            Self::DaemonSet => ("DaemonSet", "daemonsets", &["ds"], "apps", true),
            Self::Deployment => ("Deployment", "deployments", &["deploy"], "apps", true),
            Self::ReplicaSet => ("ReplicaSet", "replicasets", &["rs"], "apps", true),
            Self::StatefulSet => ("StatefulSet", "statefulsets", &["sts"], "apps", true),
            Self::ControllerRevision => ("ControllerRevision", "controllerrevisions", &[], "apps", true),
            Self::CronJob => ("CronJob", "cronjobs", &["cj"], "batch", true),
            Self::Job => ("Job", "jobs", &[], "batch", true),
            Self::PodDisruptionBudget => {
                ("PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], "policy", true)
            }
            Self::PersistentVolumeClaim => {
                ("PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], "", true)
            }
            Self::PersistentVolume => ("PersistentVolume", "persistentvolumes", &["pv"], "", false),
            Self::StorageClass => ("StorageClass", "storageclasses", &["sc"], "storage.k8s.io", false),
            Self::PriorityClass => ("PriorityClass", "priorityclasses", &["pc"], "scheduling.k8s.io", false),
            Self::Lease => ("Lease", "leases", &[], "coordination.k8s.io", true),
            Self::HorizontalPodAutoscaler => {
                ("HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], "autoscaling", true)
            }
            Self::ResourceQuota => ("ResourceQuota", "resourcequotas", &["quota"], "", true),
            Self::LimitRange => ("LimitRange", "limitranges", &["limits"], "", true),
            Self::ClusterNetworkPolicy => {
                ("ClusterNetworkPolicy", "clusternetworkpolicies", &["cnp"], POLICY, false)
            }
            Self::AdminNetworkPolicy => {
                ("AdminNetworkPolicy", "adminnetworkpolicies", &["anp"], POLICY, false)
            }
            Self::BaselineAdminNetworkPolicy => {
                ("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies", &["banp"], POLICY, false)
            }
        };
        let version = match self {
            Self::HorizontalPodAutoscaler => "v2",
            Self::ClusterNetworkPolicy => "v1alpha2",
            Self::AdminNetworkPolicy | Self::BaselineAdminNetworkPolicy => "v1alpha1",
            _ => "v1",
        };
        Names { kind, plural, short, group, version, namespaced }
    }

    /// The name in a manifest's `kind` field: `Pod`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.names().kind
    }

    /// The resource name in paths and messages: `pods`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.names().plural
    }

    /// The resource name for one object: `pod`.
    #[must_use]
    pub fn singular(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// Short forms that kubectl takes: `po`.
    #[must_use]
    pub const fn short_names(self) -> &'static [&'static str] {
        self.names().short
    }

    /// API group, empty for the core group.
    #[must_use]
    pub const fn group(self) -> &'static str {
        self.names().group
    }

    /// API version within the group: `v1`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        self.names().version
    }

    /// The `apiVersion` field: `v1`, `discovery.k8s.io/v1`.
    #[must_use]
    pub fn api_version(self) -> String {
        let n = self.names();
        if n.group.is_empty() { n.version.to_owned() } else { format!("{}/{}", n.group, n.version) }
    }

    /// The resource with its group, as error messages name it: `pods`, `endpointslices.discovery.k8s.io`.
    #[must_use]
    pub fn qualified_resource(self) -> String {
        let n = self.names();
        if n.group.is_empty() { n.plural.to_owned() } else { format!("{}.{}", n.plural, n.group) }
    }

    /// How kubectl names one object of the kind in its results: `pod`, `endpointslice.discovery.k8s.io`.
    #[must_use]
    pub fn qualified_singular(self) -> String {
        let n = self.names();
        if n.group.is_empty() { self.singular() } else { format!("{}.{}", self.singular(), n.group) }
    }

    /// Whether objects of the kind live in a namespace.
    #[must_use]
    pub const fn namespaced(self) -> bool {
        self.names().namespaced
    }

    /// Whether a real cluster has the kind only after somebody has installed it, as a custom resource.
    #[must_use]
    pub const fn is_custom(self) -> bool {
        matches!(
            self,
            Self::ClusterNetworkPolicy | Self::AdminNetworkPolicy | Self::BaselineAdminNetworkPolicy
        )
    }

    /// Whether it is about which connections pods may take part in.
    #[must_use]
    pub const fn is_policy(self) -> bool {
        matches!(self, Self::NetworkPolicy) || self.is_custom()
    }

    /// What the server adds to every answer about the kind (kubectl prints it as `Warning: …`), since v1.33.
    #[must_use]
    pub const fn deprecation(self) -> Option<&'static str> {
        match self {
            Self::Endpoints => {
                Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
            }
            _ => None,
        }
    }

    /// The kind with this `apiVersion` and `kind`, as a manifest writes them.
    #[must_use]
    pub fn from_manifest(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == kind && k.api_version() == api_version)
    }

    /// The kind that a person means on kubectl's command line: plural, singular or short name, any case, optionally
    /// followed by version and group (`pods`, `po`, `Pod`, `pods.v1.`, `endpointslices.discovery.k8s.io`).
    #[must_use]
    pub fn from_resource(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (word, rest) = text.split_once('.').map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
        Self::ALL.into_iter().find(|k| {
            let known = k.plural() == word || k.singular() == word || k.short_names().contains(&word);
            known
                && rest
                    .is_none_or(|rest| rest == k.group() || rest == format!("{}.{}", k.version(), k.group()))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_call_kinds_by_many_names() {
        for (text, kind) in [
            ("pods", Kind::Pod),
            ("po", Kind::Pod),
            ("Pod", Kind::Pod),
            ("svc", Kind::Service),
            ("ep", Kind::Endpoints),
            ("pods.v1.", Kind::Pod),
            ("endpointslices.discovery.k8s.io", Kind::EndpointSlice),
            ("endpointslice.v1.discovery.k8s.io", Kind::EndpointSlice),
        ] {
            assert_eq!(Kind::from_resource(text), Some(kind), "{text}");
        }
        assert_eq!(Kind::from_resource("pods.apps"), None);
        assert_eq!(Kind::from_resource("pdo"), None);
    }

    #[test]
    fn a_manifest_names_version_and_kind_exactly() {
        assert_eq!(Kind::from_manifest("v1", "Pod"), Some(Kind::Pod));
        assert_eq!(Kind::from_manifest("discovery.k8s.io/v1", "EndpointSlice"), Some(Kind::EndpointSlice));
        assert_eq!(Kind::from_manifest("v1", "pod"), None);
        assert_eq!(Kind::from_manifest("apps/v1", "Pod"), None);
    }
}
