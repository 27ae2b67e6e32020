//! What calico's rules let through is what the engine of policies says, on random policies.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::kube::config;
use crate::kube::objects::Protocol as Transport;
use crate::kube::policy::{Engine, Options, Question, Snapshot};

/// Namespaces a and b, two pods in each, on two nodes. A pod listens on 80 and 81 TCP and 80 UDP; what it calls `web` differs.
const CLUSTER: &str = "
networking: {cni: calico}
images:
  example.com/both:1: {listen: [\"80/tcp\", \"81/tcp\", \"80/udp\"]}
pins:
  a/p: {node: node1, ip: 10.244.1.2}
  a/q: {node: node2, ip: 10.244.2.2}
  b/p: {node: node1, ip: 10.244.1.3}
  b/q: {node: node2, ip: 10.244.2.3}
";

const ASKED: [(Protocol, Transport, u16); 3] = [
    (Protocol::Tcp, Transport::Tcp, 80),
    (Protocol::Tcp, Transport::Tcp, 81),
    (Protocol::Udp, Transport::Udp, 80),
];

fn world() -> Cluster {
    let config = config::parse(CLUSTER, "cluster.yaml", 1).unwrap();
    let mut cluster = Cluster::new(config).unwrap();
    let mut manifest = String::new();
    for (namespace, stage) in [("a", "live"), ("b", "test")] {
        let _ = writeln!(
            manifest,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{stage: {stage}}}}}"
        );
        for (name, port) in [("p", 80), ("q", 81)] {
            let _ = writeln!(
                manifest,
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}, {name}: '1'}}}}\n\
                 spec:\n  containers:\n  - {{name: c, image: 'example.com/both:1', ports: [{{name: web, containerPort: {port}}}]}}"
            );
        }
    }
    cluster.apply(&manifest).unwrap();
    cluster.settle();
    cluster
}

fn selector() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{}".to_owned(),
        "{matchLabels: {app: p}}".to_owned(),
        "{matchLabels: {app: q, q: '1'}}".to_owned(),
        "{matchLabels: {app: nobody}}".to_owned(),
        "{matchExpressions: [{key: app, operator: In, values: [q, p]}]}".to_owned(),
        "{matchExpressions: [{key: q, operator: NotIn, values: ['1']}]}".to_owned(),
        "{matchExpressions: [{key: p, operator: Exists}]}".to_owned(),
        "{matchExpressions: [{key: p, operator: DoesNotExist}]}".to_owned(),
    ])
}

fn namespaces() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{}".to_owned(),
        "{matchLabels: {stage: live}}".to_owned(),
        "{matchLabels: {kubernetes.io/metadata.name: b}}".to_owned(),
        "{matchExpressions: [{key: stage, operator: NotIn, values: [live, gone]}]}".to_owned(),
        "{matchExpressions: [{key: team, operator: DoesNotExist}]}".to_owned(),
    ])
}

fn peer() -> impl Strategy<Value = String> {
    let block = prop::sample::select(vec![
        "{ipBlock: {cidr: 10.244.0.0/16}}".to_owned(),
        "{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.1.0/24]}}".to_owned(),
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.244.1.2/32, 10.244.2.3/32]}}".to_owned(),
        "{ipBlock: {cidr: 10.244.2.2/32}}".to_owned(),
        "{ipBlock: {cidr: 'fd00::/8'}}".to_owned(),
    ]);
    prop_oneof![
        selector().prop_map(|pods| format!("{{podSelector: {pods}}}")),
        namespaces().prop_map(|spaces| format!("{{namespaceSelector: {spaces}}}")),
        (namespaces(), selector())
            .prop_map(|(spaces, pods)| format!("{{namespaceSelector: {spaces}, podSelector: {pods}}}")),
        block,
    ]
}

fn port() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{port: 80}".to_owned(),
        "{port: 81}".to_owned(),
        "{port: web}".to_owned(),
        "{port: nothing}".to_owned(),
        "{port: 80, protocol: UDP}".to_owned(),
        "{port: web, protocol: UDP}".to_owned(),
        "{port: 1, endPort: 80}".to_owned(),
        "{port: 81, endPort: 90}".to_owned(),
        "{protocol: TCP}".to_owned(),
        "{protocol: UDP}".to_owned(),
        "{port: 53, protocol: SCTP}".to_owned(),
    ])
}

fn rules(peers: &'static str) -> impl Strategy<Value = String> {
    let rule = (prop::collection::vec(peer(), 0..3), prop::collection::vec(port(), 0..4));
    let rule = rule.prop_map(move |(all, ports)| {
        format!("{{{peers}: [{}], ports: [{}]}}", all.join(", "), ports.join(", "))
    });
    prop::collection::vec(rule, 0..3).prop_map(|all| format!("[{}]", all.join(", ")))
}

fn policy() -> impl Strategy<Value = String> {
    let types = prop::sample::select(vec!["[Ingress]", "[Egress]", "[Ingress, Egress]"]);
    (prop::sample::select(vec!["a", "b"]), selector(), types, rules("from"), rules("to")).prop_map(
        |(namespace, pods, types, ingress, egress)| {
            format!(
                "namespace: {namespace}}}\nspec: {{podSelector: {pods}, policyTypes: {types}, ingress: {ingress}, egress: {egress}}}\n"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rules_let_through_what_the_engine_says(policies in prop::collection::vec(policy(), 1..5)) {
        let mut cluster = world();
        let manifest: String = policies
            .iter()
            .enumerate()
            .map(|(i, p)| {
                format!("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{i}, {p}")
            })
            .collect();
        cluster.apply(&manifest).unwrap();
        cluster.settle();
        let engine = Engine::new(Snapshot::of_store(&cluster.store), Options::default());
        let pods = [("a", "p"), ("a", "q"), ("b", "p"), ("b", "q")];
        for (from, to) in pods.iter().flat_map(|from| pods.iter().map(move |to| (from, to))).filter(|(a, b)| a != b) {
            for (protocol, transport, port) in ASKED {
                let question = Question {
                    from: engine.pod(from.0, from.1).unwrap(),
                    to: engine.pod(to.0, to.1).unwrap(),
                    protocol: transport,
                    port,
                    by_service: false,
                };
                let told = engine.ask(question);
                let address = cluster.pod_ip(to.0, to.1).unwrap();
                let report = cluster.flow(&Place::pod(from.0, from.1), &format!("{address}:{port}"), protocol);
                // Nobody answers datagrams here: what counts is that they arrive.
                let request = report.request();
                let arrived = request.as_ref().and_then(|r| r.verdict()).is_some_and(|v| matches!(v, Verdict::Delivered { .. }));
                prop_assert_eq!(arrived, told.allowed(), "{:?} to {:?} {:?} {}\n{}\n{:?}", from, to, protocol, port, manifest, told);
            }
        }
        prop_assert_eq!(cluster.take_remarks(), [""; 0]);
    }
}
