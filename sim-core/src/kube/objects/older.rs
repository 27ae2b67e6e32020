//! API versions that clusters once served: from when to when, and what has become of their fields.
//!
//! A manifest in such a version is turned into today's when it is read; the store knows one version of each kind. The releases are those of
//! <https://kubernetes.io/docs/reference/using-api/deprecation-guide/>.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use crate::kube::version::Version;

/// A version of a kind that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    api_version: &'static str,
    kind: Kind,
    /// Minor release that called it deprecated.
    deprecated: u16,
    /// First minor release without it.
    removed: u16,
}

const fn older(api_version: &'static str, kind: Kind, deprecated: u16, removed: u16) -> Older {
    Older { api_version, kind, deprecated, removed }
}

/// Never deprecated, never removed.
const NEVER: u16 = u16::MAX;

const OLDER: [Older; 25] = [
    older("extensions/v1beta1", Kind::Deployment, 8, 16),
    older("extensions/v1beta1", Kind::ReplicaSet, 8, 16),
    older("extensions/v1beta1", Kind::DaemonSet, 8, 16),
    older("extensions/v1beta1", Kind::Ingress, 14, 22),
    older("extensions/v1beta1", Kind::NetworkPolicy, 9, 16),
    older("apps/v1beta1", Kind::Deployment, 8, 16),
    older("apps/v1beta1", Kind::StatefulSet, 8, 16),
    older("apps/v1beta2", Kind::Deployment, 9, 16),
    older("apps/v1beta2", Kind::ReplicaSet, 9, 16),
    older("apps/v1beta2", Kind::StatefulSet, 9, 16),
    older("apps/v1beta2", Kind::DaemonSet, 9, 16),
    older("apps/v1beta2", Kind::ControllerRevision, 9, 16),
    older("networking.k8s.io/v1beta1", Kind::Ingress, 19, 22),
    older("networking.k8s.io/v1beta1", Kind::IngressClass, 19, 22),
    older("rbac.authorization.k8s.io/v1beta1", Kind::Role, 17, 22),
    older("rbac.authorization.k8s.io/v1beta1", Kind::RoleBinding, 17, 22),
    older("rbac.authorization.k8s.io/v1beta1", Kind::ClusterRole, 17, 22),
    older("rbac.authorization.k8s.io/v1beta1", Kind::ClusterRoleBinding, 17, 22),
    older("batch/v1beta1", Kind::CronJob, 21, 25),
    older("policy/v1beta1", Kind::PodDisruptionBudget, 21, 25),
    older("discovery.k8s.io/v1beta1", Kind::EndpointSlice, 21, 25),
    older("apps/v1beta1", Kind::ControllerRevision, 8, 16),
    older("autoscaling/v1", Kind::HorizontalPodAutoscaler, NEVER, NEVER),
    older("autoscaling/v2beta1", Kind::HorizontalPodAutoscaler, 22, 25),
    older("autoscaling/v2beta2", Kind::HorizontalPodAutoscaler, 23, 26),
];

/// The first minor release that serves today's version of a kind, where that is not in the distant past.
const fn since(kind: Kind) -> u16 {
    match kind {
        Kind::Ingress | Kind::IngressClass => 19,
        Kind::CronJob | Kind::PodDisruptionBudget | Kind::EndpointSlice => 21,
        Kind::HorizontalPodAutoscaler => 23,
        _ => 0,
    }
}

/// Whether a release serves today's version of a kind.
#[must_use]
pub const fn serves_today(kind: Kind, release: Version) -> bool {
    release.minor >= since(kind)
}

/// Every API version that a release serves of the kinds that are modelled, without custom ones.
pub fn versions(release: Version) -> impl Iterator<Item = String> {
    let today = Kind::ALL.into_iter().filter(move |k| serves_today(*k, release) && !k.is_custom());
    let today = today.map(Kind::api_version);
    let earlier =
        OLDER.into_iter().filter(move |o| release.minor < o.removed).map(|o| o.api_version.to_owned());
    today.chain(earlier)
}

/// The earlier version that a manifest names, if a release still serves it.
#[must_use]
pub fn find(api_version: &str, kind: &str, release: Version) -> Option<Older> {
    OLDER
        .into_iter()
        .find(|o| o.api_version == api_version && o.kind.name() == kind && release.minor < o.removed)
}

impl Older {
    /// The kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// How kubectl names one object of it in its results: `ingress.extensions`.
    #[must_use]
    pub fn qualified_singular(self) -> String {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        format!("{}.{group}", self.kind.singular())
    }

    /// What the API server says of it with every answer: since 1.19.
    #[must_use]
    pub fn warning(self, release: Version) -> Option<String> {
        let Self { api_version, kind, deprecated, removed } = self;
        let today = kind.api_version();
        (release.minor >= deprecated.max(19)).then(|| {
            format!("{api_version} {kind} is deprecated in v1.{deprecated}+, unavailable in v1.{removed}+; use {today} {kind}")
        })
    }

    /// The object in today's version. What the earlier one filled in differently is written out.
    #[must_use]
    pub fn to_today(self, mut value: Value) -> Value {
        value["apiVersion"] = Value::String(self.kind.api_version());
        match self.kind {
            Kind::Ingress => ingress(&mut value),
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => {
                workload(&mut value, self)
            }
            Kind::EndpointSlice => slice(&mut value),
            Kind::HorizontalPodAutoscaler => autoscaler(&mut value),
            _ => {}
        }
        value
    }
}

/// `backend` became `defaultBackend`, `serviceName` and `servicePort` became `service`.
fn ingress(value: &mut Value) {
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(mut default) = spec.remove("backend") {
        backend(&mut default);
        spec.insert("defaultBackend".to_owned(), default);
    }
    for rule in spec.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for path in rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(path) = path.as_object_mut() else { continue };
            path.entry("pathType").or_insert_with(|| json!("ImplementationSpecific"));
            if let Some(written) = path.get_mut("backend") {
                backend(written);
            }
        }
    }
}

fn backend(value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    let (name, port) = (fields.remove("serviceName"), fields.remove("servicePort"));
    if name.is_none() && port.is_none() {
        return;
    }
    let mut service = Map::new();
    service.extend(name.map(|name| ("name".to_owned(), name)));
    let port =
        port.map(|port| if port.is_string() { json!({"name": port}) } else { json!({"number": port}) });
    service.extend(port.map(|port| ("port".to_owned(), port)));
    fields.insert("service".to_owned(), Value::Object(service));
}

/// The selector followed the template's labels, and other defaults held.
fn workload(value: &mut Value, from: Older) {
    let labels = value.pointer("/spec/template/metadata/labels").cloned();
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.remove("rollbackTo");
    if from.api_version == "apps/v1beta2" {
        return;
    }
    if let Some(labels) = labels {
        spec.entry("selector").or_insert_with(|| json!({"matchLabels": labels}));
    }
    match (from.api_version, from.kind) {
        ("extensions/v1beta1", Kind::Deployment) => {
            spec.entry("strategy").or_insert_with(
                || json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}),
            );
            spec.entry("revisionHistoryLimit").or_insert_with(|| json!(i32::MAX));
            spec.entry("progressDeadlineSeconds").or_insert_with(|| json!(i32::MAX));
        }
        (_, Kind::Deployment) => {
            spec.entry("revisionHistoryLimit").or_insert_with(|| json!(2));
        }
        (_, Kind::DaemonSet | Kind::StatefulSet) => {
            spec.entry("updateStrategy").or_insert_with(|| json!({"type": "OnDelete"}));
        }
        _ => {}
    }
}

/// The one share of CPU of v1 is one of several metrics now; v2beta1 wrote targets beside the metric's name.
fn autoscaler(value: &mut Value) {
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(share) = spec.remove("targetCPUUtilizationPercentage") {
        let target = json!({"type": "Utilization", "averageUtilization": share});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        spec.insert("metrics".to_owned(), json!([metric]));
    }
    for metric in spec.get_mut("metrics").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(resource) = metric.get_mut("resource").and_then(Value::as_object_mut) else { continue };
        let share = resource.remove("targetAverageUtilization");
        let amount = resource.remove("targetAverageValue");
        if let Some(share) = share {
            resource.insert("target".to_owned(), json!({"type": "Utilization", "averageUtilization": share}));
        } else if let Some(amount) = amount {
            resource.insert("target".to_owned(), json!({"type": "AverageValue", "averageValue": amount}));
        }
    }
}

/// Zone and node were entries of `topology`.
fn slice(value: &mut Value) {
    for endpoint in value.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(endpoint) = endpoint.as_object_mut() else { continue };
        let Some(topology) = endpoint.remove("topology") else { continue };
        for (label, field) in
            [("topology.kubernetes.io/zone", "zone"), ("kubernetes.io/hostname", "nodeName")]
        {
            if let Some(text) = topology.get(label) {
                endpoint.entry(field).or_insert_with(|| text.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(minor: u16) -> Version {
        Version::new(1, minor, 0)
    }

    #[test]
    fn versions_come_and_go() {
        assert!(find("extensions/v1beta1", "Deployment", release(15)).is_some());
        assert!(find("extensions/v1beta1", "Deployment", release(16)).is_none());
        assert!(find("networking.k8s.io/v1beta1", "Ingress", release(21)).is_some());
        assert!(find("networking.k8s.io/v1beta1", "Ingress", release(22)).is_none());
        assert!(!serves_today(Kind::Ingress, release(18)));
        assert!(serves_today(Kind::Deployment, release(10)));
    }

    #[test]
    fn a_release_serves_what_it_has_and_what_is_left() {
        let served = |minor| versions(release(minor)).collect::<Vec<_>>();
        assert!(served(34).contains(&"autoscaling/v1".to_owned()));
        assert!(!served(34).contains(&"extensions/v1beta1".to_owned()));
        assert!(served(15).contains(&"extensions/v1beta1".to_owned()));
        assert!(!served(15).contains(&"policy/v1".to_owned()));
    }

    #[test]
    fn the_server_warns_since_it_can() {
        let ingress =
            |minor| find("extensions/v1beta1", "Ingress", release(minor)).unwrap().warning(release(minor));
        assert_eq!(ingress(18), None);
        let words = "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress";
        assert_eq!(ingress(19).as_deref(), Some(words));
    }

    #[test]
    fn an_ingress_of_old_names_its_services_anew() {
        let old = json!({"apiVersion": "extensions/v1beta1", "kind": "Ingress", "spec": {
            "backend": {"serviceName": "a", "servicePort": 80},
            "rules": [{"http": {"paths": [{"path": "/", "backend": {"serviceName": "b", "servicePort": "http"}}]}}],
        }});
        let new = find("extensions/v1beta1", "Ingress", release(16)).unwrap().to_today(old);
        assert_eq!(
            new,
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {
                "defaultBackend": {"service": {"name": "a", "port": {"number": 80}}},
                "rules": [{"http": {"paths": [{
                    "path": "/", "pathType": "ImplementationSpecific",
                    "backend": {"service": {"name": "b", "port": {"name": "http"}}},
                }]}}],
            }})
        );
    }

    #[test]
    fn a_deployment_of_old_selects_its_template() {
        let old = json!({"spec": {"template": {"metadata": {"labels": {"app": "a"}}}}});
        let new = find("apps/v1beta1", "Deployment", release(15)).unwrap().to_today(old.clone());
        assert_eq!(new["spec"]["selector"], json!({"matchLabels": {"app": "a"}}));
        let strict = find("apps/v1beta2", "Deployment", release(15)).unwrap().to_today(old);
        assert!(strict["spec"].get("selector").is_none());
    }

    #[test]
    fn anything_can_be_turned_over() {
        for older in OLDER {
            for value in [
                json!({}),
                json!({"spec": 1, "endpoints": [1]}),
                json!({"spec": {"rules": [{"http": []}, 1]}}),
            ] {
                assert_eq!(older.to_today(value)["apiVersion"], json!(older.kind.api_version()));
            }
        }
    }
}
