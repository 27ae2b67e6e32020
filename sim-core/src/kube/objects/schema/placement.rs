//! Where a pod may run: affinity, tolerations, spread.

use super::Shape::{Enum, Int32, Int64, List, Str, Struct};
use super::Type;
use super::meta::LABEL_SELECTOR;
use super::values::{TAINT_EFFECT, TOLERATION_OPERATOR};

pub(crate) static AFFINITY: Type = Type {
    go: "v1.Affinity",
    fields: &[
        ("nodeAffinity", Struct(&NODE_AFFINITY)),
        ("podAffinity", Struct(&POD_AFFINITY)),
        ("podAntiAffinity", Struct(&POD_ANTI_AFFINITY)),
    ],
};

pub(crate) static NODE_AFFINITY: Type = Type {
    go: "v1.NodeAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", List(&Struct(&PREFERRED_SCHEDULING_TERM))),
        ("requiredDuringSchedulingIgnoredDuringExecution", Struct(&NODE_SELECTOR)),
    ],
};

pub(crate) static NODE_SELECTOR: Type =
    Type { go: "v1.NodeSelector", fields: &[("nodeSelectorTerms", List(&Struct(&NODE_SELECTOR_TERM)))] };

pub(crate) static NODE_SELECTOR_REQUIREMENT: Type = Type {
    go: "v1.NodeSelectorRequirement",
    fields: &[("key", Str), ("operator", Str), ("values", List(&Str))],
};

pub(crate) static NODE_SELECTOR_TERM: Type = Type {
    go: "v1.NodeSelectorTerm",
    fields: &[
        ("matchExpressions", List(&Struct(&NODE_SELECTOR_REQUIREMENT))),
        ("matchFields", List(&Struct(&NODE_SELECTOR_REQUIREMENT))),
    ],
};

pub(crate) static POD_AFFINITY: Type = Type {
    go: "v1.PodAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", List(&Struct(&WEIGHTED_POD_AFFINITY_TERM))),
        ("requiredDuringSchedulingIgnoredDuringExecution", List(&Struct(&POD_AFFINITY_TERM))),
    ],
};

pub(crate) static POD_AFFINITY_TERM: Type = Type {
    go: "v1.PodAffinityTerm",
    fields: &[
        ("labelSelector", Struct(&LABEL_SELECTOR)),
        ("matchLabelKeys", List(&Str)),
        ("mismatchLabelKeys", List(&Str)),
        ("namespaceSelector", Struct(&LABEL_SELECTOR)),
        ("namespaces", List(&Str)),
        ("topologyKey", Str),
    ],
};

pub(crate) static POD_ANTI_AFFINITY: Type = Type {
    go: "v1.PodAntiAffinity",
    fields: &[
        ("preferredDuringSchedulingIgnoredDuringExecution", List(&Struct(&WEIGHTED_POD_AFFINITY_TERM))),
        ("requiredDuringSchedulingIgnoredDuringExecution", List(&Struct(&POD_AFFINITY_TERM))),
    ],
};

pub(crate) static PREFERRED_SCHEDULING_TERM: Type = Type {
    go: "v1.PreferredSchedulingTerm",
    fields: &[("preference", Struct(&NODE_SELECTOR_TERM)), ("weight", Int32)],
};

pub(crate) static TOLERATION: Type = Type {
    go: "v1.Toleration",
    fields: &[
        ("effect", Enum(&TAINT_EFFECT)),
        ("key", Str),
        ("operator", Enum(&TOLERATION_OPERATOR)),
        ("tolerationSeconds", Int64),
        ("value", Str),
    ],
};

pub(crate) static TOPOLOGY_SPREAD_CONSTRAINT: Type = Type {
    go: "v1.TopologySpreadConstraint",
    fields: &[
        ("labelSelector", Struct(&LABEL_SELECTOR)),
        ("matchLabelKeys", List(&Str)),
        ("maxSkew", Int32),
        ("minDomains", Int32),
        ("nodeAffinityPolicy", Str),
        ("nodeTaintsPolicy", Str),
        ("topologyKey", Str),
        ("whenUnsatisfiable", Str),
    ],
};

pub(crate) static WEIGHTED_POD_AFFINITY_TERM: Type = Type {
    go: "v1.WeightedPodAffinityTerm",
    fields: &[("podAffinityTerm", Struct(&POD_AFFINITY_TERM)), ("weight", Int32)],
};
