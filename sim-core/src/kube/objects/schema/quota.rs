//! Limits of namespaces.

use super::Shape::{List, Map, Quantity, Str, Struct};
use super::Type;
use super::meta::OBJECT_META;

pub(crate) static LIMIT_RANGE: Type = Type {
    go: "v1.LimitRange",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&LIMIT_RANGE_SPEC)),
    ],
};

pub(crate) static LIMIT_RANGE_ITEM: Type = Type {
    go: "v1.LimitRangeItem",
    fields: &[
        ("default", Map(&Quantity)),
        ("defaultRequest", Map(&Quantity)),
        ("max", Map(&Quantity)),
        ("maxLimitRequestRatio", Map(&Quantity)),
        ("min", Map(&Quantity)),
        ("type", Str),
    ],
};

pub(crate) static LIMIT_RANGE_SPEC: Type =
    Type { go: "v1.LimitRangeSpec", fields: &[("limits", List(&Struct(&LIMIT_RANGE_ITEM)))] };

pub(crate) static RESOURCE_QUOTA: Type = Type {
    go: "v1.ResourceQuota",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&RESOURCE_QUOTA_SPEC)),
        ("status", Struct(&RESOURCE_QUOTA_STATUS)),
    ],
};

pub(crate) static RESOURCE_QUOTA_SPEC: Type = Type {
    go: "v1.ResourceQuotaSpec",
    fields: &[("hard", Map(&Quantity)), ("scopeSelector", Struct(&SCOPE_SELECTOR)), ("scopes", List(&Str))],
};

pub(crate) static RESOURCE_QUOTA_STATUS: Type =
    Type { go: "v1.ResourceQuotaStatus", fields: &[("hard", Map(&Quantity)), ("used", Map(&Quantity))] };

pub(crate) static SCOPE_REQUIREMENT: Type = Type {
    go: "v1.ScopedResourceSelectorRequirement",
    fields: &[("operator", Str), ("scopeName", Str), ("values", List(&Str))],
};

pub(crate) static SCOPE_SELECTOR: Type =
    Type { go: "v1.ScopeSelector", fields: &[("matchExpressions", List(&Struct(&SCOPE_REQUIREMENT)))] };
