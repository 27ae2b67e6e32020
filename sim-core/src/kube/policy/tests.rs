//! Random clusters: the slow twin, the walk with reasons and the table agree.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kube::objects::{Kind, Object};

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[ab]", "[xy]", 0..3)
}

fn selector() -> impl Strategy<Value = Value> {
    let expression = ("[ab]", prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]), "[xy]");
    (labels(), prop::collection::vec(expression, 0..2)).prop_map(|(labels, expressions)| {
        let expressions = expressions.into_iter().map(|(key, operator, value)| {
            let values = if operator.ends_with("In") { json!([value]) } else { json!([]) };
            json!({"key": key, "operator": operator, "values": values})
        });
        json!({"matchLabels": labels, "matchExpressions": expressions.collect::<Vec<_>>()})
    })
}

fn block() -> impl Strategy<Value = (Value, Value)> {
    let cidr = prop::sample::select(vec!["10.0.0.0/8", "10.244.1.0/24", "192.0.2.0/24", "0.0.0.0/0"]);
    let except = prop::sample::select(vec![json!([]), json!(["10.244.1.2/32"]), json!(["192.0.2.11/32"])]);
    (cidr, except).prop_map(|(cidr, except)| (json!(cidr), except))
}

fn network_peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        selector().prop_map(|s| json!({"podSelector": s})),
        selector().prop_map(|s| json!({"namespaceSelector": s})),
        (selector(), selector()).prop_map(|(n, p)| json!({"namespaceSelector": n, "podSelector": p})),
        block().prop_map(|(cidr, except)| json!({"ipBlock": {"cidr": cidr, "except": except}})),
    ]
}

fn protocol() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["TCP", "UDP", "SCTP"])
}

fn network_port() -> impl Strategy<Value = Value> {
    prop_oneof![
        (protocol(), 80..84).prop_map(|(p, n)| json!({"protocol": p, "port": n})),
        (protocol(), 80..84, 0..3)
            .prop_map(|(p, n, more)| json!({"protocol": p, "port": n, "endPort": n + more})),
        (protocol(), "[pq]").prop_map(|(p, name)| json!({"protocol": p, "port": name})),
        protocol().prop_map(|p| json!({"protocol": p})),
    ]
}

fn network_rules(side: &'static str) -> impl Strategy<Value = Value> {
    let rule = (prop::collection::vec(network_peer(), 0..3), prop::collection::vec(network_port(), 0..3));
    prop::collection::vec(rule.prop_map(move |(peers, ports)| json!({side: peers, "ports": ports})), 0..3)
        .prop_map(Value::Array)
}

fn network_policy() -> impl Strategy<Value = (Kind, Value)> {
    let types =
        prop::sample::select(vec![json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])]);
    ("[mn]", selector(), types, network_rules("from"), network_rules("to")).prop_map(
        |(namespace, pods, types, ingress, egress)| {
            let spec =
                json!({"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress});
            (Kind::NetworkPolicy, json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec}))
        },
    )
}

fn cluster_peer(egress: bool) -> BoxedStrategy<Value> {
    let pods = prop_oneof![
        selector().prop_map(|s| json!({"namespaces": s})),
        (selector(), selector())
            .prop_map(|(n, p)| json!({"pods": {"namespaceSelector": n, "podSelector": p}})),
    ];
    if !egress {
        return pods.boxed();
    }
    let more = prop_oneof![
        selector().prop_map(|s| json!({"nodes": s})),
        block().prop_map(|(cidr, _)| json!({"networks": [cidr]})),
        Just(json!({"domainNames": ["a.test"]})),
    ];
    prop_oneof![3 => pods, 2 => more].boxed()
}

fn cluster_protocol() -> impl Strategy<Value = Value> {
    prop_oneof![
        (prop::sample::select(vec!["tcp", "udp", "sctp"]), 80..84)
            .prop_map(|(p, n)| json!({p: {"destinationPort": {"number": n}}})),
        (80..83).prop_map(|n| json!({"tcp": {"destinationPort": {"range": {"start": n, "end": n + 2}}}})),
        "[pq]".prop_map(|name| json!({"destinationNamedPort": name})),
    ]
}

fn cluster_rules(side: &'static str) -> impl Strategy<Value = Value> {
    let action = prop::sample::select(vec!["Accept", "Deny", "Pass"]);
    let peers = prop::collection::vec(cluster_peer(side == "to"), 1..3);
    let rule = (action, peers, prop::collection::vec(cluster_protocol(), 0..3)).prop_map(
        move |(action, peers, protocols)| json!({"action": action, side: peers, "protocols": protocols}),
    );
    prop::collection::vec(rule, 0..3).prop_map(Value::Array)
}

fn cluster_policy() -> impl Strategy<Value = (Kind, Value)> {
    let tier = prop::sample::select(vec!["Admin", "Baseline"]);
    (tier, 0..9, cluster_peer(false), cluster_rules("from"), cluster_rules("to")).prop_map(
        |(tier, priority, subject, ingress, egress)| {
            let spec = json!({"tier": tier, "priority": priority, "subject": subject, "ingress": ingress, "egress": egress});
            (Kind::ClusterNetworkPolicy, json!({"metadata": {"name": "p"}, "spec": spec}))
        },
    )
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let port = ("[pq]", prop::sample::select(PROTOCOLS.to_vec()), 80_u16..84);
    let port = port.prop_map(|(name, protocol, port)| NamedPort { name, protocol, port });
    let pod =
        ("[mn]", labels(), 0_u8..3, 1_u8..3, prop::bool::weighted(0.2), prop::collection::vec(port, 0..3));
    let policy = prop_oneof![2 => network_policy(), 1 => cluster_policy()];
    let spaces = (labels(), labels());
    (spaces, labels(), prop::collection::vec(pod, 1..7), prop::collection::vec(policy, 0..6)).prop_map(
        |((m, n), node_labels, pods, policies)| {
            let node = |i: u8| NodeView {
                name: format!("node{i}"),
                labels: if i == 1 { node_labels.clone() } else { Labels::default() },
                addresses: vec![IpAddr::from([192, 0, 2, 10 + i])],
            };
            let pods = pods.into_iter().zip(1_u8..).map(
                |((namespace, labels, node, subnet, host_network, ports), i)| {
                    let own = IpAddr::from(if host_network {
                        [192, 0, 2, 10 + node]
                    } else {
                        [10, 244, subnet, i]
                    });
                    PodView {
                        namespace,
                        name: format!("pod{i}"),
                        labels,
                        node: format!("node{node}"),
                        addresses: vec![own],
                        host_network,
                        ports,
                    }
                },
            );
            let policies = policies.into_iter().enumerate().map(|(i, (kind, mut body))| {
                body["metadata"]["name"] = json!(format!("p{i}"));
                Arc::new(Object::from_body(kind, body).unwrap())
            });
            Snapshot {
                namespaces: BTreeMap::from([("m".to_owned(), m), ("n".to_owned(), n)]),
                // A third node is only named by pods.
                nodes: vec![node(0), node(1)],
                pods: pods.collect(),
                services: Vec::new(),
                policies: policies.collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn the_table_is_the_slow_twin(snapshot in snapshot(), blocks_match_pods in any::<bool>()) {
        let engine = Engine::new(snapshot, Options { blocks_match_pods, ..Options::default() });
        let table = engine.table();
        for from in 0..engine.snapshot.pods.len() {
            for to in 0..engine.snapshot.pods.len() {
                let slow = sets::connections(&engine, Endpoint::Pod(from), Endpoint::Pod(to));
                prop_assert_eq!(table.connections(from, to), slow, "{} to {}", from, to);
            }
        }
        let mut wrong = Vec::new();
        table.for_each(|from, to, set| if table.connections(from, to) != *set { wrong.push((from, to)) });
        prop_assert_eq!(wrong, []);
    }

    #[test]
    fn the_walk_with_reasons_is_the_slow_twin(
        snapshot in snapshot(),
        outside in prop::sample::select(vec!["10.244.1.2", "10.9.9.9", "203.0.113.7", "192.0.2.11", "fd00::1"]),
        protocol in prop::sample::select(PROTOCOLS.to_vec()),
        port in 79_u16..87,
    ) {
        let engine = Engine::new(snapshot, Options::default());
        let pods = (0..engine.snapshot.pods.len()).map(Endpoint::Pod);
        let ends: Vec<Endpoint> =
            pods.chain([Endpoint::Node(0), Endpoint::Node(1), engine.at(outside.parse().unwrap())]).collect();
        for from in &ends {
            for to in &ends {
                let set = sets::connections(&engine, *from, *to);
                let verdict = engine.ask(Question { from: *from, to: *to, protocol, port, by_service: false });
                prop_assert_eq!(verdict.allowed(), set.contains(protocol, port), "{:?} to {:?}: {}", from, to, verdict);
                prop_assert_eq!(engine.connections(*from, *to), set);
            }
        }
    }

    #[test]
    fn strangers_in_one_range_are_treated_alike(snapshot in snapshot(), within in any::<u32>()) {
        let engine = Engine::new(snapshot, Options::default());
        let address = IpAddr::V4(within.into());
        for direction in Direction::BOTH {
            let ranges = engine.outside_ranges(direction, IpFamily::V4);
            let range = ranges.iter().find(|(first, last)| (*first..=*last).contains(&address)).unwrap();
            for pod in (0..engine.snapshot.pods.len()).map(Endpoint::Pod) {
                let with = |ip: IpAddr| match direction {
                    Direction::Egress => engine.connections(pod, Endpoint::Outside(ip)),
                    Direction::Ingress => engine.connections(Endpoint::Outside(ip), pod),
                };
                prop_assert_eq!(with(address), with(range.0));
            }
        }
    }
}

/// Two namespaces with a pod each, on one node.
fn small(policies: &[(Kind, Value)]) -> Engine {
    let pod = |namespace: &str, last: u8| PodView {
        namespace: namespace.to_owned(),
        name: "a".to_owned(),
        labels: Labels::from([("app".to_owned(), "a".to_owned())]),
        node: "node0".to_owned(),
        addresses: vec![IpAddr::from([10, 244, 0, last])],
        ports: vec![NamedPort { name: "http".to_owned(), protocol: Protocol::Tcp, port: 8080 }],
        ..PodView::default()
    };
    let made = policies.iter().map(|(kind, body)| Arc::new(Object::from_body(*kind, body.clone()).unwrap()));
    let snapshot =
        Snapshot { pods: vec![pod("x", 1), pod("y", 2)], policies: made.collect(), ..Snapshot::default() };
    Engine::new(snapshot, Options::default())
}

fn told(engine: &Engine, from: Endpoint, to: Endpoint) -> String {
    engine.ask(Question { from, to, protocol: Protocol::Tcp, port: 8080, by_service: false }).to_string()
}

#[test]
fn a_verdict_names_policy_and_rule() {
    let deny = json!({"metadata": {"name": "deny", "namespace": "x"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    let allow = json!({"metadata": {"name": "http", "namespace": "x"}, "spec": {
        "podSelector": {}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}, {"from": [{"namespaceSelector": {}}], "ports": [{"port": "http", "protocol": "TCP"}]}],
    }});
    let pass = json!({"metadata": {"name": "first"}, "spec": {
        "tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Pass", "name": "leave-it", "from": [{"namespaces": {}}]}],
    }});
    let (x, y) = (Endpoint::Pod(0), Endpoint::Pod(1));
    let engine = small(&[
        (Kind::NetworkPolicy, deny.clone()),
        (Kind::NetworkPolicy, allow),
        (Kind::ClusterNetworkPolicy, pass),
    ]);
    insta::assert_snapshot!(told(&engine, y, x), @r"
    allowed
      egress: allowed: no policy has a say
      ingress: allowed by NetworkPolicy x/http, ingress rule 2 (passed on by ClusterNetworkPolicy first, ingress rule 1 (leave-it))
    ");
    insta::assert_snapshot!(told(&engine, x, x), @r"
    allowed
      egress: allowed: a pod reaches itself
      ingress: allowed: a pod reaches itself
    ");
    let engine = small(&[(Kind::NetworkPolicy, deny)]);
    insta::assert_snapshot!(told(&engine, y, x), @r"
    denied
      egress: allowed: no policy has a say
      ingress: denied: isolated by NetworkPolicy x/deny, and no rule matches
    ");
    insta::assert_snapshot!(told(&engine, engine.node("node0").unwrap(), x), @r"
    allowed
      egress: allowed: no policy can be for this end
      ingress: allowed: a pod and its own node reach each other
    ");
    insta::assert_snapshot!(told(&engine, engine.at("203.0.113.1".parse().unwrap()), x), @r"
    denied
      egress: allowed: no policy can be for this end
      ingress: denied: isolated by NetworkPolicy x/deny, and no rule matches
    ");
}

#[test]
fn what_the_api_leaves_open_is_noted() {
    let policy = |name: &str, peer: Value| {
        (
            Kind::ClusterNetworkPolicy,
            json!({"metadata": {"name": name}, "spec": {
                "tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
                "egress": [{"action": "Accept", "to": [peer]}],
            }}),
        )
    };
    let engine =
        small(&[policy("a", json!({"namespaces": {}})), policy("b", json!({"domainNames": ["a.test"]}))]);
    insta::assert_snapshot!(engine.notes().join("\n"), @r"
    ClusterNetworkPolicy b, egress rule 1: domainNames is not modelled, so this peer fails closed
    ClusterNetworkPolicy a and ClusterNetworkPolicy b both have priority 1 in the tier Admin: which one is asked first is not defined; here it is the first by kind and name
    ");
}

/// Manifests with a Deployment, a pod, and what leads there.
const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: postgres}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
"#;

/// As above, with the database closed to the web, and an API that is new.
const CHANGED: &str = r#"
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: nginx}]}
"#;

fn offline(text: &str) -> (Engine, offline::Manifests) {
    let file = offline::read(text, "f.yaml", crate::kube::version::Version::new(1, 34, 0)).unwrap();
    assert_eq!(file.notes, [""; 0]);
    let all = offline::Manifests::of(file.objects);
    (Engine::new(all.snapshot.clone(), Options::default()), all)
}

#[test]
fn manifests_are_reported_without_a_cluster() {
    let lines = |connectivity: &report::Connectivity| {
        connectivity.lines().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let of = |text: &str| {
        let (engine, all) = offline(text);
        report::Connectivity::of(&engine, &all.workloads, &all.backends)
    };
    let (before, after) = (of(SHOP), of(&format!("{SHOP}{CHANGED}")));
    insta::assert_snapshot!(lines(&before), @r"
    0.0.0.0-255.255.255.255[External] => shop/web[Deployment] : All Connections
    shop/db[Pod] => 0.0.0.0-255.255.255.255[External] : All Connections
    shop/db[Pod] => shop/web[Deployment] : All Connections
    shop/web[Deployment] => 0.0.0.0-255.255.255.255[External] : All Connections
    shop/web[Deployment] => shop/db[Pod] : TCP 5432
    {ingress-controller} => shop/web[Deployment] : TCP 8080
    ");
    let changes: Vec<String> = before.changes_to(&after).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(changes.join("\n"), @r"
    diff-type: added, source: 0.0.0.0-255.255.255.255[External], destination: shop/api[Pod], dir1: No Connections, dir2: All Connections, workloads-diff-info: workload shop/api[Pod] added
    diff-type: added, source: shop/api[Pod], destination: 0.0.0.0-255.255.255.255[External], dir1: No Connections, dir2: All Connections, workloads-diff-info: workload shop/api[Pod] added
    diff-type: added, source: shop/api[Pod], destination: shop/web[Deployment], dir1: No Connections, dir2: All Connections, workloads-diff-info: workload shop/api[Pod] added
    diff-type: added, source: shop/db[Pod], destination: shop/api[Pod], dir1: No Connections, dir2: All Connections, workloads-diff-info: workload shop/api[Pod] added
    diff-type: removed, source: shop/web[Deployment], destination: 0.0.0.0-203.0.112.255[External], dir1: All Connections, dir2: No Connections
    diff-type: removed, source: shop/web[Deployment], destination: 203.0.114.0-255.255.255.255[External], dir1: All Connections, dir2: No Connections
    diff-type: removed, source: shop/web[Deployment], destination: shop/db[Pod], dir1: TCP 5432, dir2: No Connections
    ");
}

#[test]
fn truth_tables_have_a_mark_for_each_port() {
    let (engine, _) = offline(SHOP);
    insta::assert_snapshot!(truth::tables(&engine, &[(Protocol::Tcp, 5432)]), @r"
    Ingress:
    +----------+----------+---------+
    |    -     | SHOP/WEB | SHOP/DB |
    +----------+----------+---------+
    | shop/web | .        | .       |
    | shop/db  | .        | .       |
    +----------+----------+---------+

    Egress:
    +----------+----------+---------+
    |    -     | SHOP/WEB | SHOP/DB |
    +----------+----------+---------+
    | shop/web | .        | .       |
    | shop/db  | .        | .       |
    +----------+----------+---------+

    Combined:
    +----------+----------+---------+
    |    -     | SHOP/WEB | SHOP/DB |
    +----------+----------+---------+
    | shop/web | .        | .       |
    | shop/db  | .        | .       |
    +----------+----------+---------+
    ");
    let two = truth::tables(&engine, &[(Protocol::Tcp, 5432), (Protocol::Udp, 53)]);
    insta::assert_snapshot!(two.split("Combined:").last().unwrap_or(""), @r"
    +----------+----------+---------+
    | TCP/5432 | SHOP/WEB | SHOP/DB |
    |  UDP/53  |          |         |
    +----------+----------+---------+
    | shop/web | . .      | . X     |
    | shop/db  | . .      | . .     |
    +----------+----------+---------+
    ");
}

#[test]
fn ends_are_named_as_people_do() {
    let (engine, _) = offline(SHOP);
    let told = |from: &str, to: &str, port: u16| match engine.may_reach(from, to, Protocol::Tcp, port) {
        Ok(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(e) => e.to_string(),
    };
    insta::assert_snapshot!(told("shop/db", "service/shop/web", 80), @r"
    pod/shop/web port 8080: allowed
      egress: allowed: no policy has a say
      ingress: allowed: no policy has a say
    ");
    insta::assert_snapshot!(told("203.0.113.1", "pod/shop/db", 5432), @r"
    pod/shop/db port 5432: denied
      egress: allowed: no policy can be for this end
      ingress: denied: isolated by NetworkPolicy shop/db, and no rule matches
    ");
    assert_eq!(told("shop/db", "service/shop/web", 81), "no pod is behind that port of service/shop/web");
    assert_eq!(told("nobody", "shop/db", 1), "there is no nobody");
    assert_eq!(told("shop/db", "svc/shop/nothing", 1), "there is no svc/shop/nothing");
}
