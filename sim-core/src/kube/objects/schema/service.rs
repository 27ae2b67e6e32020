//! Service, Endpoints and `EndpointSlice`.

use super::Shape::{
    Bool, Enum, Int32, IntOrString, Keyed, List, Map, NodePort, OptionalPort, Port, Str, Struct,
};
use super::Type;
use super::meta::{CONDITION, OBJECT_META, OBJECT_REFERENCE};
use super::values::{
    ADDRESS_TYPE, EXTERNAL_TRAFFIC_POLICY, INTERNAL_TRAFFIC_POLICY, IP_FAMILY, IP_FAMILY_POLICY, PROTOCOL,
    SERVICE_TYPE, SESSION_AFFINITY,
};

pub(crate) static CLIENT_IP_CONFIG: Type =
    Type { go: "v1.ClientIPConfig", fields: &[("timeoutSeconds", Int32)] };

pub(crate) static ENDPOINT: Type = Type {
    go: "v1.Endpoint",
    fields: &[
        ("addresses", List(&Str)),
        ("conditions", Struct(&ENDPOINT_CONDITIONS)),
        ("deprecatedTopology", Map(&Str)),
        ("hints", Struct(&ENDPOINT_HINTS)),
        ("hostname", Str),
        ("nodeName", Str),
        ("targetRef", Struct(&OBJECT_REFERENCE)),
        ("zone", Str),
    ],
};

pub(crate) static ENDPOINT_ADDRESS: Type = Type {
    go: "v1.EndpointAddress",
    fields: &[("hostname", Str), ("ip", Str), ("nodeName", Str), ("targetRef", Struct(&OBJECT_REFERENCE))],
};

pub(crate) static ENDPOINT_CONDITIONS: Type = Type {
    go: "v1.EndpointConditions",
    fields: &[("ready", Bool), ("serving", Bool), ("terminating", Bool)],
};

pub(crate) static ENDPOINT_HINTS: Type = Type {
    go: "v1.EndpointHints",
    fields: &[("forNodes", List(&Struct(&FOR_NODE))), ("forZones", List(&Struct(&FOR_ZONE)))],
};

pub(crate) static ENDPOINT_PORT: Type = Type {
    go: "v1.EndpointPort",
    fields: &[("appProtocol", Str), ("name", Str), ("port", Port), ("protocol", Enum(&PROTOCOL))],
};

pub(crate) static SLICE_PORT: Type = Type {
    go: "v1.EndpointPort",
    fields: &[("appProtocol", Str), ("name", Str), ("port", Port), ("protocol", Enum(&PROTOCOL))],
};

pub(crate) static ENDPOINT_SLICE: Type = Type {
    go: "v1.EndpointSlice",
    fields: &[
        ("addressType", Enum(&ADDRESS_TYPE)),
        ("apiVersion", Str),
        ("endpoints", List(&Struct(&ENDPOINT))),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("ports", List(&Struct(&SLICE_PORT))),
    ],
};

pub(crate) static ENDPOINT_SUBSET: Type = Type {
    go: "v1.EndpointSubset",
    fields: &[
        ("addresses", List(&Struct(&ENDPOINT_ADDRESS))),
        ("notReadyAddresses", List(&Struct(&ENDPOINT_ADDRESS))),
        ("ports", List(&Struct(&ENDPOINT_PORT))),
    ],
};

pub(crate) static ENDPOINTS: Type = Type {
    go: "v1.Endpoints",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("subsets", List(&Struct(&ENDPOINT_SUBSET))),
    ],
};

pub(crate) static FOR_NODE: Type = Type { go: "v1.ForNode", fields: &[("name", Str)] };

pub(crate) static FOR_ZONE: Type = Type { go: "v1.ForZone", fields: &[("name", Str)] };

pub(crate) static LOAD_BALANCER_INGRESS: Type = Type {
    go: "v1.LoadBalancerIngress",
    fields: &[("hostname", Str), ("ip", Str), ("ipMode", Str), ("ports", List(&Struct(&PORT_STATUS)))],
};

pub(crate) static LOAD_BALANCER_STATUS: Type =
    Type { go: "v1.LoadBalancerStatus", fields: &[("ingress", List(&Struct(&LOAD_BALANCER_INGRESS)))] };

pub(crate) static PORT_STATUS: Type =
    Type { go: "v1.PortStatus", fields: &[("error", Str), ("port", Int32), ("protocol", Str)] };

pub(crate) static SERVICE: Type = Type {
    go: "v1.Service",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&SERVICE_SPEC)),
        ("status", Struct(&SERVICE_STATUS)),
    ],
};

pub(crate) static SERVICE_PORT: Type = Type {
    go: "v1.ServicePort",
    fields: &[
        ("appProtocol", Str),
        ("name", Str),
        ("nodePort", NodePort),
        ("port", Port),
        ("protocol", Enum(&PROTOCOL)),
        ("targetPort", IntOrString),
    ],
};

pub(crate) static SERVICE_SPEC: Type = Type {
    go: "v1.ServiceSpec",
    fields: &[
        ("allocateLoadBalancerNodePorts", Bool),
        ("clusterIP", Str),
        ("clusterIPs", List(&Str)),
        ("externalIPs", List(&Str)),
        ("externalName", Str),
        ("externalTrafficPolicy", Enum(&EXTERNAL_TRAFFIC_POLICY)),
        ("healthCheckNodePort", OptionalPort),
        ("internalTrafficPolicy", Enum(&INTERNAL_TRAFFIC_POLICY)),
        ("ipFamilies", List(&Enum(&IP_FAMILY))),
        ("ipFamilyPolicy", Enum(&IP_FAMILY_POLICY)),
        ("loadBalancerClass", Str),
        ("loadBalancerIP", Str),
        ("loadBalancerSourceRanges", List(&Str)),
        ("ports", Keyed(&SERVICE_PORT, "port")),
        ("publishNotReadyAddresses", Bool),
        ("selector", Map(&Str)),
        ("sessionAffinity", Enum(&SESSION_AFFINITY)),
        ("sessionAffinityConfig", Struct(&SESSION_AFFINITY_CONFIG)),
        ("trafficDistribution", Str),
        ("type", Enum(&SERVICE_TYPE)),
    ],
};

pub(crate) static SERVICE_STATUS: Type = Type {
    go: "v1.ServiceStatus",
    fields: &[("conditions", Keyed(&CONDITION, "type")), ("loadBalancer", Struct(&LOAD_BALANCER_STATUS))],
};

pub(crate) static SESSION_AFFINITY_CONFIG: Type =
    Type { go: "v1.SessionAffinityConfig", fields: &[("clientIP", Struct(&CLIENT_IP_CONFIG))] };
