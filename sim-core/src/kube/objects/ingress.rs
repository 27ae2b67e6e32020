//! Ingress and `IngressClass`.

use serde::{Deserialize, Serialize};

use super::meta::{ObjectMeta, Rest};

/// Annotation that named the class before `spec.ingressClassName` did.
pub const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Annotation of the class that an Ingress without one gets.
pub const DEFAULT_CLASS_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

/// `networking.k8s.io/v1.Ingress`: which HTTP requests from outside go to which Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: IngressSpec,
    /// Observed state.
    pub status: IngressStatus,
}

/// `v1.IngressSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressSpec {
    /// Where requests go that no rule takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_backend: Option<IngressBackend>,
    /// Name of the `IngressClass`, which names the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// Rules by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<IngressRule>,
    /// Hosts with a certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<IngressTls>,
}

/// `v1.IngressTLS`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressTls {
    /// Hosts of the certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Secret that holds it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_name: String,
}

/// `v1.IngressRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// Host; empty for all. A leading `*.` stands for exactly one label.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its paths; left out: every path goes to the default backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpIngressRuleValue>,
}

impl IngressRule {
    /// The paths of the rule.
    #[must_use]
    pub fn paths(&self) -> &[HttpIngressPath] {
        self.http.as_ref().map_or(&[], |http| &http.paths)
    }
}

/// `v1.HTTPIngressRuleValue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpIngressRuleValue {
    /// Paths.
    pub paths: Vec<HttpIngressPath>,
}

/// `v1.HTTPIngressPath`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpIngressPath {
    /// Where matching requests go.
    pub backend: IngressBackend,
    /// What is compared with the request's path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How it is compared: `Exact`, `Prefix` or `ImplementationSpecific`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_type: Option<String>,
}

/// `v1.IngressBackend`: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressBackend {
    /// Another object of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<TypedLocalObjectReference>,
    /// A Service of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<IngressServiceBackend>,
}

/// `v1.TypedLocalObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TypedLocalObjectReference {
    /// API group of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// Kind of the target.
    pub kind: String,
    /// Name of the target.
    pub name: String,
}

/// `v1.IngressServiceBackend`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressServiceBackend {
    /// The Service.
    pub name: String,
    /// Its port.
    pub port: ServiceBackendPort,
}

/// `v1.ServiceBackendPort`: name or number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceBackendPort {
    /// Name of the Service's port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Number of the Service's port; 0: none is given.
    #[serde(skip_serializing_if = "is_zero")]
    pub number: i32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// `v1.IngressStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressStatus {
    /// Where the controller is reached.
    pub load_balancer: IngressLoadBalancerStatus,
}

/// `v1.IngressLoadBalancerStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressLoadBalancerStatus {
    /// Its addresses and names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<IngressLoadBalancerIngress>,
}

/// `v1.IngressLoadBalancerIngress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressLoadBalancerIngress {
    /// Name, for those that have one instead of an address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// Address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Other fields.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `networking.k8s.io/v1.IngressClass`: which controller serves the Ingresses that name it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressClass {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Desired state.
    pub spec: IngressClassSpec,
}

impl IngressClass {
    /// Whether Ingresses that name no class get this one.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.metadata.annotations.get(DEFAULT_CLASS_ANNOTATION).is_some_and(|value| value == "true")
    }
}

/// `v1.IngressClassSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressClassSpec {
    /// Who serves it: `k8s.io/ingress-nginx`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller: String,
    /// Where the controller finds its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<IngressClassParameters>,
}

/// `v1.IngressClassParametersReference`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngressClassParameters {
    /// Namespace of the target, if its scope is `Namespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `Cluster` or `Namespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The target.
    #[serde(flatten)]
    pub target: TypedLocalObjectReference,
}
