//! Ingress and `IngressClass`.

use super::Shape::{Int32, List, Str, Struct};
use super::Type;
use super::meta::OBJECT_META;
use super::volume::TYPED_LOCAL_OBJECT_REFERENCE;

pub(crate) static HTTP_INGRESS_PATH: Type = Type {
    go: "v1.HTTPIngressPath",
    fields: &[("backend", Struct(&INGRESS_BACKEND)), ("path", Str), ("pathType", Str)],
};

pub(crate) static HTTP_INGRESS_RULE_VALUE: Type =
    Type { go: "v1.HTTPIngressRuleValue", fields: &[("paths", List(&Struct(&HTTP_INGRESS_PATH)))] };

pub(crate) static INGRESS: Type = Type {
    go: "v1.Ingress",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&INGRESS_SPEC)),
        ("status", Struct(&INGRESS_STATUS)),
    ],
};

pub(crate) static INGRESS_BACKEND: Type = Type {
    go: "v1.IngressBackend",
    fields: &[
        ("resource", Struct(&TYPED_LOCAL_OBJECT_REFERENCE)),
        ("service", Struct(&INGRESS_SERVICE_BACKEND)),
    ],
};

pub(crate) static INGRESS_CLASS: Type = Type {
    go: "v1.IngressClass",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&INGRESS_CLASS_SPEC)),
    ],
};

pub(crate) static INGRESS_CLASS_PARAMETERS: Type = Type {
    go: "v1.IngressClassParametersReference",
    fields: &[("apiGroup", Str), ("kind", Str), ("name", Str), ("namespace", Str), ("scope", Str)],
};

pub(crate) static INGRESS_CLASS_SPEC: Type = Type {
    go: "v1.IngressClassSpec",
    fields: &[("controller", Str), ("parameters", Struct(&INGRESS_CLASS_PARAMETERS))],
};

pub(crate) static INGRESS_LOAD_BALANCER_INGRESS: Type = Type {
    go: "v1.IngressLoadBalancerIngress",
    fields: &[("hostname", Str), ("ip", Str), ("ports", List(&Struct(&INGRESS_PORT_STATUS)))],
};

pub(crate) static INGRESS_LOAD_BALANCER_STATUS: Type = Type {
    go: "v1.IngressLoadBalancerStatus",
    fields: &[("ingress", List(&Struct(&INGRESS_LOAD_BALANCER_INGRESS)))],
};

pub(crate) static INGRESS_PORT_STATUS: Type =
    Type { go: "v1.IngressPortStatus", fields: &[("error", Str), ("port", Int32), ("protocol", Str)] };

pub(crate) static INGRESS_RULE: Type =
    Type { go: "v1.IngressRule", fields: &[("host", Str), ("http", Struct(&HTTP_INGRESS_RULE_VALUE))] };

pub(crate) static INGRESS_SERVICE_BACKEND: Type = Type {
    go: "v1.IngressServiceBackend",
    fields: &[("name", Str), ("port", Struct(&SERVICE_BACKEND_PORT))],
};

pub(crate) static INGRESS_SPEC: Type = Type {
    go: "v1.IngressSpec",
    fields: &[
        ("defaultBackend", Struct(&INGRESS_BACKEND)),
        ("ingressClassName", Str),
        ("rules", List(&Struct(&INGRESS_RULE))),
        ("tls", List(&Struct(&INGRESS_TLS))),
    ],
};

pub(crate) static INGRESS_STATUS: Type =
    Type { go: "v1.IngressStatus", fields: &[("loadBalancer", Struct(&INGRESS_LOAD_BALANCER_STATUS))] };

pub(crate) static INGRESS_TLS: Type =
    Type { go: "v1.IngressTLS", fields: &[("hosts", List(&Str)), ("secretName", Str)] };

pub(crate) static SERVICE_BACKEND_PORT: Type =
    Type { go: "v1.ServiceBackendPort", fields: &[("name", Str), ("number", Int32)] };
