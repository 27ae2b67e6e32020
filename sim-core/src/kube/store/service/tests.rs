//! What the server says to Services, and what becomes of their addresses and ports.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::chance::Dice;
use crate::kube::objects::{Kind, Object, Service};
use crate::kube::store::{ApiError, NodePortPin, PatchType, Pins, ServicePin, Store, StoreConfig};
use crate::kube::version::Version;
use crate::time::SimTime;

const NOW: SimTime = SimTime::from_secs(60);

fn store() -> Store {
    Store::new(StoreConfig::default(), Dice::seeded(1))
}

fn dual() -> Store {
    let service_subnets = vec!["10.96.0.0/16".parse().unwrap(), "fd00:96::/112".parse().unwrap()];
    Store::new(StoreConfig { service_subnets, ..StoreConfig::default() }, Dice::seeded(1))
}

fn try_create(store: &mut Store, name: &str, spec: Value) -> Result<Service, ApiError> {
    let object = store.create_value(
        Kind::Service,
        "default",
        &json!({"metadata": {"name": name}, "spec": spec}),
        NOW,
    )?;
    match &*object {
        Object::Service(service) => Ok((**service).clone()),
        other => panic!("a Service was created, not {other:?}"),
    }
}

fn create(store: &mut Store, name: &str, spec: Value) -> Service {
    try_create(store, name, spec).unwrap()
}

fn try_patch(store: &mut Store, name: &str, patch: Value) -> Result<Service, ApiError> {
    let object =
        store.patch(Kind::Service, "default", name, PatchType::Merge, &json!({"spec": patch}), NOW)?;
    match &*object {
        Object::Service(service) => Ok((**service).clone()),
        other => panic!("a Service was patched, not {other:?}"),
    }
}

fn patch(store: &mut Store, name: &str, spec: Value) -> Service {
    try_patch(store, name, spec).unwrap()
}

fn node_ports(service: &Service) -> Vec<Option<u16>> {
    service.spec.ports.iter().map(|p| p.node_port).collect()
}

/// Every refusal below its spec.
fn refusals(mut store: impl FnMut() -> Store, specs: Vec<Value>) -> String {
    let mut out = String::new();
    for spec in specs {
        let error = try_create(&mut store(), "x", spec.clone()).expect_err(&spec.to_string());
        let _ = writeln!(out, "{spec}\n    {}", error.kubectl_text(None).replace('\n', "\n    "));
    }
    out
}

fn taken() -> Store {
    let mut store = store();
    create(
        &mut store,
        "first",
        json!({
            "type": "LoadBalancer", "clusterIP": "10.96.0.50", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30999, "ports": [{"port": 80, "nodePort": 30080}],
        }),
    );
    store
}

#[test]
fn what_somebody_else_has_is_refused_before_anything_else() {
    let told = refusals(
        taken,
        vec![
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}, {"port": 81}]}),
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30999}]}),
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}),
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 32768}]}),
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 70000}]}),
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30081}, {"name": "b", "port": 81, "protocol": "UDP", "nodePort": 30081}]}),
            json!({"clusterIP": "10.96.0.50", "ports": [{"port": 80}]}),
            json!({"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}),
            json!({"clusterIP": "10.96.0.0", "ports": [{"port": 80}]}),
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30999, "ports": [{"port": 80}]}),
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 80, "ports": [{"port": 80}]}),
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 70000, "ports": [{"port": 80}]}),
        ],
    );
    insta::assert_snapshot!(told);
}

#[test]
fn a_bad_spec_is_refused_in_the_servers_words() {
    let one = || json!([{"port": 80}]);
    let told = refusals(
        store,
        vec![
            json!({}),
            json!({"ports": [{"port": 80}, {"port": 81}]}),
            json!({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}),
            json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}),
            json!({"ports": [{"name": "Web", "port": 80}]}),
            json!({"ports": [{"port": 0}]}),
            json!({"ports": [{"port": 80, "protocol": "HTTP"}]}),
            json!({"ports": [{"port": 80, "targetPort": 70000}]}),
            json!({"ports": [{"port": 80, "targetPort": "a_b"}]}),
            json!({"ports": [{"port": 80, "nodePort": 30080}]}),
            json!({"ports": [{"port": 80, "nodePort": 70000}]}),
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 80, "nodePort": 30080}]}),
            json!({"type": "nodeport", "ports": one()}),
            json!({"type": "ExternalName"}),
            json!({"type": "ExternalName", "externalName": "Example.com"}),
            json!({"type": "ExternalName", "externalName": "a.example.com", "clusterIP": "10.96.0.9"}),
            json!({"type": "NodePort", "clusterIP": "None", "ports": one()}),
            json!({"type": "LoadBalancer", "clusterIP": "None", "ports": one()}),
            json!({"externalTrafficPolicy": "Local", "ports": one()}),
            json!({"externalTrafficPolicy": "Cluster", "ports": one()}),
            json!({"type": "NodePort", "externalTrafficPolicy": "local", "ports": one()}),
            json!({"internalTrafficPolicy": "Node", "ports": one()}),
            json!({"healthCheckNodePort": 30100, "ports": one()}),
            json!({"type": "LoadBalancer", "healthCheckNodePort": 30100, "ports": one()}),
            json!({"sessionAffinity": "Cookie", "ports": one()}),
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}, "ports": one()}),
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}, "ports": one()}),
            json!({"loadBalancerSourceRanges": ["10.0.0.0/8"], "ports": one()}),
            json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8", "10.0.0.0/33", "any"], "ports": one()}),
            json!({"allocateLoadBalancerNodePorts": false, "ports": one()}),
            json!({"loadBalancerClass": "example.com/lb", "ports": one()}),
            json!({"type": "LoadBalancer", "loadBalancerClass": "a b", "ports": one()}),
            json!({"externalIPs": ["127.0.0.1", "x", "0.0.0.0"], "ports": one()}),
            json!({"trafficDistribution": "PreferFar", "ports": one()}),
            json!({"clusterIP": "10.96.0.999", "ports": one()}),
            json!({"clusterIPs": ["10.96.0.9"], "ports": one()}),
            json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.8"], "ports": one()}),
            json!({"clusterIP": "None", "clusterIPs": ["None", "10.96.0.8"], "ports": one()}),
            json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"], "ports": one()}),
            json!({"ipFamilies": ["IPv6"], "ports": one()}),
            json!({"ipFamilies": ["IPv4", "IPv4"], "ports": one()}),
            json!({"ipFamilies": ["IPv5"], "ports": one()}),
            json!({"ipFamilyPolicy": "RequireDualStack", "ports": one()}),
            json!({"ipFamilyPolicy": "Both", "ports": one()}),
            json!({"ipFamilies": ["IPv4", "IPv6"], "ports": one()}),
            json!({"clusterIP": "fd00::1", "ports": one()}),
        ],
    );
    insta::assert_snapshot!(told);
}

#[test]
fn older_servers_print_lists_in_go_syntax() {
    let old = || {
        let version = Version::new(1, 33, 0);
        Store::new(StoreConfig { version, ..StoreConfig::default() }, Dice::seeded(1))
    };
    insta::assert_snapshot!(refusals(old, vec![
        json!({"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}),
        json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}),
    ]), @r#"
    {"clusterIP":"10.0.0.1","ports":[{"port":80}]}
        The Service "x" is invalid: spec.clusterIPs: Invalid value: []string{"10.0.0.1"}: failed to allocate IP 10.0.0.1: the provided network does not match the current range
    {"ports":[{"name":"a","port":80},{"name":"b","port":80}]}
        The Service "x" is invalid: spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}
    "#);
}

#[test]
fn one_port_number_in_two_protocols_shares_its_node_port() {
    let mut store = store();
    let dns = json!({"type": "NodePort", "ports": [
        {"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}, {"name": "web", "port": 80},
    ]});
    let ports = node_ports(&create(&mut store, "dns", dns));
    assert_eq!(ports[0], ports[1]);
    assert_ne!(ports[0], ports[2]);
    assert!(ports.iter().flatten().all(|p| (30_086..=32_767).contains(p)), "{ports:?}");
    let asked = json!({"type": "NodePort", "ports": [
        {"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP", "nodePort": 30123},
    ]});
    assert_eq!(node_ports(&create(&mut store, "asked", asked)), [Some(30_123); 2]);
}

#[test]
fn a_refused_service_leaves_nothing_taken() {
    let mut store = store();
    let bad = json!({"type": "NodePort", "clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30080}, {"port": 81}]});
    try_create(&mut store, "bad", bad).unwrap_err();
    create(
        &mut store,
        "good",
        json!({"type": "NodePort", "clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30080}]}),
    );
}

#[test]
fn a_change_of_type_gives_back_and_takes() {
    let mut store = store();
    let first = create(&mut store, "a", json!({"ports": [{"port": 80}]}));
    assert_eq!(node_ports(&first), [None]);
    let node = patch(&mut store, "a", json!({"type": "NodePort"}));
    assert!(node.spec.ports[0].node_port.is_some());
    assert!(node.spec.external_traffic_policy.is_some());
    let balanced = patch(&mut store, "a", json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}));
    assert_eq!(node_ports(&balanced), node_ports(&node));
    let check = balanced.spec.health_check_node_port.unwrap();
    assert_eq!(balanced.spec.allocate_load_balancer_node_ports, Some(true));
    let plain = patch(&mut store, "a", json!({"type": "ClusterIP"}));
    assert_eq!(node_ports(&plain), [None]);
    assert_eq!((plain.spec.health_check_node_port, plain.spec.external_traffic_policy), (None, None));
    assert_eq!(plain.spec.cluster_ip, first.spec.cluster_ip);
    let number = node.spec.ports[0].node_port;
    let other = json!({"type": "NodePort", "ports": [{"name": "x", "port": 1, "nodePort": number}, {"name": "y", "port": 2, "nodePort": check}]});
    create(&mut store, "other", other);
    let alias = patch(&mut store, "a", json!({"type": "ExternalName", "externalName": "db.example.com"}));
    assert_eq!((alias.spec.cluster_ip.as_str(), alias.spec.ip_families.len()), ("", 0));
    create(&mut store, "heir", json!({"clusterIP": first.spec.cluster_ip, "ports": [{"port": 80}]}));
    let back = patch(&mut store, "a", json!({"type": "ClusterIP", "externalName": null}));
    assert_ne!(back.spec.cluster_ip, first.spec.cluster_ip);
    assert!(!back.spec.cluster_ip.is_empty());
}

#[test]
fn what_was_given_may_not_be_changed() {
    let mut store = taken();
    create(&mut store, "x", json!({"ports": [{"port": 80}]}));
    create(&mut store, "h", json!({"clusterIP": "None", "ports": [{"port": 80}]}));
    let mut told = String::new();
    for (name, change) in [
        ("x", json!({"clusterIP": "10.96.0.77"})),
        ("x", json!({"clusterIP": "None"})),
        ("x", json!({"clusterIP": ""})),
        ("h", json!({"clusterIP": "10.96.0.77"})),
        ("h", json!({"type": "NodePort"})),
        ("first", json!({"loadBalancerClass": "example.com/lb"})),
        ("first", json!({"healthCheckNodePort": 30998})),
        ("x", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]})),
        (
            "first",
            json!({"ports": [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30080}]}),
        ),
        ("x", json!({"ipFamilies": ["IPv6"]})),
        ("x", json!({"type": "ExternalName"})),
    ] {
        let error = try_patch(&mut store, name, change.clone()).expect_err(&change.to_string());
        let _ = writeln!(told, "{name} {change}\n    {}", error.kubectl_text(None).replace('\n', "\n    "));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_second_family_comes_and_goes() {
    let mut store = dual();
    let one = create(&mut store, "a", json!({"ports": [{"port": 80}]}));
    assert_eq!(one.spec.cluster_ips.len(), 1);
    let two = patch(&mut store, "a", json!({"ipFamilyPolicy": "RequireDualStack"}));
    assert_eq!((two.spec.cluster_ips.len(), &two.spec.cluster_ips[0]), (2, &one.spec.cluster_ip));
    let error = try_patch(&mut store, "a", json!({"clusterIPs": [one.spec.cluster_ip]})).unwrap_err();
    assert_eq!(
        error.kubectl_text(None),
        "The Service \"a\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the \
         secondary cluster IP"
    );
    let back = patch(&mut store, "a", json!({"ipFamilyPolicy": "SingleStack"}));
    assert_eq!(back.spec.cluster_ips, one.spec.cluster_ips);
    create(&mut store, "heir", json!({"clusterIP": two.spec.cluster_ips[1], "ports": [{"port": 80}]}));
}

#[test]
fn pinned_node_ports_wait_for_their_service() {
    let ports = [("web".to_owned(), 30_080), ("dns".to_owned(), 30_053)].into();
    let services = [
        (
            "default/one".to_owned(),
            ServicePin { node_port: Some(NodePortPin::First(30_001)), ..ServicePin::default() },
        ),
        (
            "default/many".to_owned(),
            ServicePin { node_port: Some(NodePortPin::ByName(ports)), ..ServicePin::default() },
        ),
    ];
    let pins = Pins { services: services.into(), ..Pins::default() };
    let mut store = Store::new(StoreConfig { pins, ..StoreConfig::default() }, Dice::seeded(1));
    let error = try_create(
        &mut store,
        "thief",
        json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
    );
    assert!(error.unwrap_err().message.ends_with("provided port is already allocated"));
    let many = json!({"type": "NodePort", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80}]});
    assert_eq!(node_ports(&create(&mut store, "many", many)), [Some(30_053), Some(30_080)]);
    let one = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
    assert_eq!(node_ports(&create(&mut store, "one", one)), [Some(30_001)]);
}
