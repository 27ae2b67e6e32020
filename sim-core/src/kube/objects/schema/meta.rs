//! Metadata, label selectors and references.

use super::Shape::{Any, Bool, Int64, Keyed, List, Map, Set, Str, Struct, Time};
use super::Type;

pub(crate) static CONDITION: Type = Type {
    go: "v1.Condition",
    fields: &[
        ("lastTransitionTime", Time),
        ("message", Str),
        ("observedGeneration", Int64),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static LABEL_SELECTOR: Type = Type {
    go: "v1.LabelSelector",
    fields: &[("matchExpressions", List(&Struct(&LABEL_SELECTOR_REQUIREMENT))), ("matchLabels", Map(&Str))],
};

pub(crate) static LABEL_SELECTOR_REQUIREMENT: Type = Type {
    go: "v1.LabelSelectorRequirement",
    fields: &[("key", Str), ("operator", Str), ("values", List(&Str))],
};

pub(crate) static LOCAL_OBJECT_REFERENCE: Type =
    Type { go: "v1.LocalObjectReference", fields: &[("name", Str)] };

pub(crate) static MANAGED_FIELDS_ENTRY: Type = Type {
    go: "v1.ManagedFieldsEntry",
    fields: &[
        ("apiVersion", Str),
        ("fieldsType", Str),
        ("fieldsV1", Any),
        ("manager", Str),
        ("operation", Str),
        ("subresource", Str),
        ("time", Time),
    ],
};

pub(crate) static OBJECT_META: Type = Type {
    go: "v1.ObjectMeta",
    fields: &[
        ("annotations", Map(&Str)),
        ("creationTimestamp", Time),
        ("deletionGracePeriodSeconds", Int64),
        ("deletionTimestamp", Time),
        ("finalizers", Set),
        ("generateName", Str),
        ("generation", Int64),
        ("labels", Map(&Str)),
        ("managedFields", List(&Struct(&MANAGED_FIELDS_ENTRY))),
        ("name", Str),
        ("namespace", Str),
        ("ownerReferences", Keyed(&OWNER_REFERENCE, "uid")),
        ("resourceVersion", Str),
        ("selfLink", Str),
        ("uid", Str),
    ],
};

pub(crate) static OBJECT_REFERENCE: Type = Type {
    go: "v1.ObjectReference",
    fields: &[
        ("apiVersion", Str),
        ("fieldPath", Str),
        ("kind", Str),
        ("name", Str),
        ("namespace", Str),
        ("resourceVersion", Str),
        ("uid", Str),
    ],
};

pub(crate) static OWNER_REFERENCE: Type = Type {
    go: "v1.OwnerReference",
    fields: &[
        ("apiVersion", Str),
        ("blockOwnerDeletion", Bool),
        ("controller", Bool),
        ("kind", Str),
        ("name", Str),
        ("uid", Str),
    ],
};
