//! Secret, `ServiceAccount` and the kinds of role-based access control.

use super::Shape::{Bool, Bytes, Keyed, List, Map, Str, Struct};
use super::Type;
use super::meta::{LABEL_SELECTOR, LOCAL_OBJECT_REFERENCE, OBJECT_META, OBJECT_REFERENCE};

pub(crate) static AGGREGATION_RULE: Type =
    Type { go: "v1.AggregationRule", fields: &[("clusterRoleSelectors", List(&Struct(&LABEL_SELECTOR)))] };

pub(crate) static CLUSTER_ROLE: Type = Type {
    go: "v1.ClusterRole",
    fields: &[
        ("aggregationRule", Struct(&AGGREGATION_RULE)),
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("rules", List(&Struct(&POLICY_RULE))),
    ],
};

pub(crate) static CLUSTER_ROLE_BINDING: Type = Type {
    go: "v1.ClusterRoleBinding",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("roleRef", Struct(&ROLE_REF)),
        ("subjects", List(&Struct(&SUBJECT))),
    ],
};

pub(crate) static POLICY_RULE: Type = Type {
    go: "v1.PolicyRule",
    fields: &[
        ("apiGroups", List(&Str)),
        ("nonResourceURLs", List(&Str)),
        ("resourceNames", List(&Str)),
        ("resources", List(&Str)),
        ("verbs", List(&Str)),
    ],
};

pub(crate) static ROLE: Type = Type {
    go: "v1.Role",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("rules", List(&Struct(&POLICY_RULE))),
    ],
};

pub(crate) static ROLE_BINDING: Type = Type {
    go: "v1.RoleBinding",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("roleRef", Struct(&ROLE_REF)),
        ("subjects", List(&Struct(&SUBJECT))),
    ],
};

pub(crate) static ROLE_REF: Type =
    Type { go: "v1.RoleRef", fields: &[("apiGroup", Str), ("kind", Str), ("name", Str)] };

pub(crate) static SECRET: Type = Type {
    go: "v1.Secret",
    fields: &[
        ("apiVersion", Str),
        ("data", Map(&Bytes)),
        ("immutable", Bool),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("stringData", Map(&Str)),
        ("type", Str),
    ],
};

pub(crate) static SERVICE_ACCOUNT: Type = Type {
    go: "v1.ServiceAccount",
    fields: &[
        ("apiVersion", Str),
        ("automountServiceAccountToken", Bool),
        ("imagePullSecrets", List(&Struct(&LOCAL_OBJECT_REFERENCE))),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("secrets", Keyed(&OBJECT_REFERENCE, "name")),
    ],
};

pub(crate) static SUBJECT: Type =
    Type { go: "v1.Subject", fields: &[("apiGroup", Str), ("kind", Str), ("name", Str), ("namespace", Str)] };
