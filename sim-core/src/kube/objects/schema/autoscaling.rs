//! `HorizontalPodAutoscaler` in `autoscaling/v2`.

use super::Shape::{Any, Int32, Int64, Keyed, List, Quantity, Str, Struct, Time};
use super::Type;
use super::meta::{CONDITION, LABEL_SELECTOR, OBJECT_META};

pub(crate) static CONTAINER_RESOURCE_METRIC_SOURCE: Type = Type {
    go: "v2.ContainerResourceMetricSource",
    fields: &[("container", Str), ("name", Str), ("target", Struct(&METRIC_TARGET))],
};

pub(crate) static CROSS_VERSION_OBJECT_REFERENCE: Type = Type {
    go: "v2.CrossVersionObjectReference",
    fields: &[("apiVersion", Str), ("kind", Str), ("name", Str)],
};

pub(crate) static EXTERNAL_METRIC_SOURCE: Type = Type {
    go: "v2.ExternalMetricSource",
    fields: &[("metric", Struct(&METRIC_IDENTIFIER)), ("target", Struct(&METRIC_TARGET))],
};

pub(crate) static HPA_SCALING_POLICY: Type =
    Type { go: "v2.HPAScalingPolicy", fields: &[("periodSeconds", Int32), ("type", Str), ("value", Int32)] };

pub(crate) static HPA_SCALING_RULES: Type = Type {
    go: "v2.HPAScalingRules",
    fields: &[
        ("policies", List(&Struct(&HPA_SCALING_POLICY))),
        ("selectPolicy", Str),
        ("stabilizationWindowSeconds", Int32),
        ("tolerance", Quantity),
    ],
};

pub(crate) static HORIZONTAL_POD_AUTOSCALER: Type = Type {
    go: "v2.HorizontalPodAutoscaler",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&HORIZONTAL_POD_AUTOSCALER_SPEC)),
        ("status", Struct(&HORIZONTAL_POD_AUTOSCALER_STATUS)),
    ],
};

pub(crate) static HORIZONTAL_POD_AUTOSCALER_BEHAVIOR: Type = Type {
    go: "v2.HorizontalPodAutoscalerBehavior",
    fields: &[("scaleDown", Struct(&HPA_SCALING_RULES)), ("scaleUp", Struct(&HPA_SCALING_RULES))],
};

pub(crate) static HORIZONTAL_POD_AUTOSCALER_SPEC: Type = Type {
    go: "v2.HorizontalPodAutoscalerSpec",
    fields: &[
        ("behavior", Struct(&HORIZONTAL_POD_AUTOSCALER_BEHAVIOR)),
        ("maxReplicas", Int32),
        ("metrics", List(&Struct(&METRIC_SPEC))),
        ("minReplicas", Int32),
        ("scaleTargetRef", Struct(&CROSS_VERSION_OBJECT_REFERENCE)),
    ],
};

pub(crate) static HORIZONTAL_POD_AUTOSCALER_STATUS: Type = Type {
    go: "v2.HorizontalPodAutoscalerStatus",
    fields: &[
        ("conditions", Keyed(&CONDITION, "type")),
        ("currentMetrics", Any),
        ("currentReplicas", Int32),
        ("desiredReplicas", Int32),
        ("lastScaleTime", Time),
        ("observedGeneration", Int64),
    ],
};

pub(crate) static METRIC_IDENTIFIER: Type =
    Type { go: "v2.MetricIdentifier", fields: &[("name", Str), ("selector", Struct(&LABEL_SELECTOR))] };

pub(crate) static METRIC_SPEC: Type = Type {
    go: "v2.MetricSpec",
    fields: &[
        ("containerResource", Struct(&CONTAINER_RESOURCE_METRIC_SOURCE)),
        ("external", Struct(&EXTERNAL_METRIC_SOURCE)),
        ("object", Struct(&OBJECT_METRIC_SOURCE)),
        ("pods", Struct(&PODS_METRIC_SOURCE)),
        ("resource", Struct(&RESOURCE_METRIC_SOURCE)),
        ("type", Str),
    ],
};

pub(crate) static METRIC_TARGET: Type = Type {
    go: "v2.MetricTarget",
    fields: &[("averageUtilization", Int32), ("averageValue", Quantity), ("type", Str), ("value", Quantity)],
};

pub(crate) static OBJECT_METRIC_SOURCE: Type = Type {
    go: "v2.ObjectMetricSource",
    fields: &[
        ("describedObject", Struct(&CROSS_VERSION_OBJECT_REFERENCE)),
        ("metric", Struct(&METRIC_IDENTIFIER)),
        ("target", Struct(&METRIC_TARGET)),
    ],
};

pub(crate) static PODS_METRIC_SOURCE: Type = Type {
    go: "v2.PodsMetricSource",
    fields: &[("metric", Struct(&METRIC_IDENTIFIER)), ("target", Struct(&METRIC_TARGET))],
};

pub(crate) static RESOURCE_METRIC_SOURCE: Type =
    Type { go: "v2.ResourceMetricSource", fields: &[("name", Str), ("target", Struct(&METRIC_TARGET))] };
